//! `docs/cli.md` holds what the binary does: its files are written, its commands run, and what they print is compared.
//! With `NINES_UPDATE_DOCS=1` in the environment the page is written anew instead; look at what `git diff` says.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

const PAGE: &str = include_str!("../docs/cli.md");

/// A fenced block of the page: what stands behind the fence, and its text.
struct Block {
    about: String,
    text: String,
}

fn blocks() -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open: Option<Block> = None;
    for line in PAGE.lines() {
        match (line.strip_prefix("```"), open.as_mut()) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(about), None) => {
                open = Some(Block {
                    about: about.to_owned(),
                    text: String::new(),
                });
            }
            (None, Some(block)) => block.text.extend([line, "\n"]),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    blocks
}

/// Writes the files of the page into a folder: blocks such as ```` ```yaml slos/shop.yaml ````.
fn write_files(folder: &Path) {
    for block in blocks() {
        let Some(name) = block.about.strip_prefix("yaml ") else {
            continue;
        };
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, block.text).expect("a file");
    }
}

/// What a shell shows for a command, the exit status in the end where it is not 0.
fn shown(folder: &Path, command: &str) -> String {
    let binary = Path::new(env!("CARGO_BIN_EXE_nines")).parent().expect("a folder");
    let search = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(binary.to_owned()).chain(std::env::split_paths(&search));
    let output = Command::new("sh")
        .args(["-c", &format!("({command}) 2>&1")])
        .current_dir(folder)
        .env("PATH", std::env::join_paths(folders).expect("a search path"))
        .env_remove("NINES_SLO_DEFAULT_PERIOD")
        .output()
        .expect("a shell");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    match output.status.code() {
        Some(0) => text,
        status => format!("{text}[exit status {}]\n", status.unwrap_or(-1)),
    }
}

#[test]
fn commands_print_what_the_page_says() {
    let folder = tempfile::tempdir().expect("a folder");
    write_files(folder.path());
    let is_update = std::env::var_os("NINES_UPDATE_DOCS").is_some();
    let (mut ran, mut page) = (0, PAGE.to_owned());
    for block in blocks().iter().filter(|block| block.about == "console") {
        let (first, expected) = block.text.split_once('\n').expect("a command");
        let command = first.strip_prefix("$ ").expect("a command begins with $");
        let printed = shown(folder.path(), command);
        match expected.trim_end().strip_suffix('…') {
            // Long output is shown up to here.
            Some(begin) => assert!(printed.starts_with(begin.trim_end()), "{command}\n{printed}"),
            None if is_update => {
                page = page.replace(&block.text, &format!("{first}\n{}\n", printed.trim_end()));
            }
            None => assert_eq!(printed.trim_end(), expected.trim_end(), "{command}"),
        }
        ran += 1;
    }
    assert!(ran >= 10, "only {ran} commands were run");
    if is_update {
        fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/cli.md"), page).expect("the page");
    }
}

#[test]
fn every_command_has_its_section() {
    let folder = tempfile::tempdir().expect("a folder");
    let help = shown(folder.path(), "nines --help");
    let (_, commands) = help.split_once("\nCommands:\n").expect("a list of commands");
    let commands: BTreeSet<&str> = commands
        .lines()
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|command| *command != "help")
        .collect();
    assert!(commands.contains("check") && commands.len() >= 9, "{commands:?}");
    for command in commands {
        let heading = format!("\n## nines {command}\n");
        assert!(
            PAGE.contains(&heading),
            "docs/cli.md lacks the section `nines {command}`"
        );
    }
}
