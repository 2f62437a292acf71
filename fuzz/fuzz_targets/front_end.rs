//! The whole front end on arbitrary bytes: several files that may refer to one another, both modes, every diagnostic
//! drawn, and whatever loads written and read again.
//!
//! The first byte chooses the mode; a line `%%%` ends a file.

#![no_main]

use libfuzzer_sys::fuzz_target;
use nines::spec::{Options, SourceFile, load_files, write};

fuzz_target!(|bytes: &[u8]| {
    let Some((mode, rest)) = bytes.split_first() else {
        return;
    };
    let text = String::from_utf8_lossy(rest);
    let files: Vec<SourceFile> = text
        .split("\n%%%\n")
        .take(4)
        .enumerate()
        .map(|(index, text)| SourceFile::new(format!("{index}.yaml"), text))
        .collect();
    let options = Options {
        strict: mode & 1 == 1,
        ..Options::default()
    };
    let set = load_files(&files.iter().collect::<Vec<_>>(), &options);
    for diagnostic in set.diagnostics() {
        assert!(!diagnostic.full().is_empty() && !diagnostic.concise().is_empty());
        assert!(diagnostic.line >= 1 && diagnostic.column >= 1);
    }
    let slos: Vec<_> = set.slos().cloned().collect();
    for slo in &slos {
        let _ = (slo.idle_reason(), slo.indicator.fingerprint());
    }
    if slos.is_empty() {
        return;
    }
    let native = write::native(&slos);
    let again = reread(&native.text);
    assert!(
        native.losses.len() + again >= slos.len(),
        "something was lost in silence\n{}",
        native.text
    );
    reread(&write::openslo(&slos).text);
});

/// What was written loads, unless nothing could be written; gives back how many SLOs it holds.
fn reread(text: &str) -> usize {
    if text.lines().all(|line| line.is_empty() || line.starts_with('#')) {
        return 0;
    }
    let again = nines::spec::load(text, "again.yaml");
    assert!(again.is_valid(), "{:?}\n{text}", again.diagnostics);
    again.slos.len()
}
