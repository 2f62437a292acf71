//! What the documents of one file gave so far, whatever their formats.

use std::collections::HashMap;

use super::codes;
use super::load::NamedSlo;
use super::reader::{Field, Reader};
use super::yaml::Span;
use crate::domain::slo::{Origin, Slo, SloId};

/// The SLOs of one file.
#[derive(Default)]
pub(super) struct Contents {
    /// Those that could be read.
    pub slos: Vec<Slo>,
    /// All whose names could be read.
    pub names: Vec<NamedSlo>,
    first_lines: HashMap<SloId, u32>,
}

impl Contents {
    /// An SLO's names were read; the rest of it may yet turn out to be wrong. `line` is that of its name.
    pub fn named(&mut self, service: Option<&str>, name: Option<&str>, line: u32) {
        self.names.push(NamedSlo {
            service: service.map(ToOwned::to_owned),
            name: name.map(ToOwned::to_owned),
            line,
        });
    }

    /// Adds an SLO that was read, with its place and its text: `name` is the field that names it, `whole` the part of
    /// the file that is shown as its text. A second one of the same id is an error; `slo` is `None` where errors were
    /// reported, so that its name is taken nevertheless.
    pub fn add(&mut self, reader: &mut Reader<'_>, id: SloId, name: Field<'_>, whole: Span, slo: Option<Slo>) {
        let line = name.key_span.line;
        if let Some(first) = self.first_lines.get(&id) {
            let message = format!("{id} is defined already, in line {first}");
            reader.report(&codes::DUPLICATE_NAME, name.node.span, message);
            return;
        }
        self.first_lines.insert(id, line);
        self.slos.extend(slo.map(|slo| Slo {
            origin: Origin {
                file: reader.file().to_owned(),
                line,
            },
            source_text: source_text(reader.source(), whole),
            ..slo
        }));
    }
}

/// The longest text of one SLO that is kept for its page, in bytes.
const SOURCE_MAX: usize = 64 * 1024;

/// The lines of a list's item, dedented; within a flow collection (JSON) exactly the item.
fn source_text(text: &str, span: Span) -> String {
    let line_start = text
        .get(..span.start)
        .and_then(|before| before.rfind('\n'))
        .map_or(0, |at| at + 1);
    let before = text.get(line_start..span.start).unwrap_or_default();
    let item = text.get(span.start..span.end).unwrap_or_default();
    let item = &item[..item.floor_char_boundary(SOURCE_MAX)];
    if item.starts_with('{') || !before.chars().all(|c| c == ' ' || c == '-') {
        return item.to_owned();
    }
    let indent = before.chars().take_while(|c| *c == ' ').count();
    let mut lines = vec![format!(
        "{}{}",
        &before[indent..],
        item.lines().next().unwrap_or_default()
    )];
    for line in item.lines().skip(1) {
        let extra = line.chars().take_while(|c| *c == ' ').count().min(indent);
        lines.push(line[extra..].to_owned());
    }
    lines.join("\n") + "\n"
}
