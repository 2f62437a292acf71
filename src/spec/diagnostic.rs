//! Diagnostics: what is wrong in a file, where, and how it is mended.

use std::fmt::Write;

use super::codes::{Code, Severity};

/// The colour of what frames a source line.
const MARGIN: &str = "1;34";

/// One thing that is wrong, or odd, at one place of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The stable code: `N004`.
    pub code: &'static str,
    /// Whether the file loads nevertheless.
    pub severity: Severity,
    /// What is wrong there.
    pub message: String,
    /// The file as it was named by the caller.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// In characters, from 1.
    pub column: u32,
    /// How many characters of the line are meant, at least 1.
    pub length: u32,
    /// How to mend it.
    pub hint: Option<String>,
    /// The source line, where there is one.
    pub snippet: Option<String>,
}

impl Diagnostic {
    /// About a whole file, for which there is no place.
    pub fn of_file(code: &Code, file: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.code,
            severity: code.severity(),
            message: message.into(),
            file: file.to_owned(),
            line: 1,
            column: 1,
            length: 1,
            hint: None,
            snippet: None,
        }
    }

    /// It keeps the file from loading.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// `slos/search.yaml:12:9: N004 unknown key "objektive" (did you mean "objective"?)`
    pub fn concise(&self) -> String {
        let hint = self.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        let Self {
            file,
            line,
            column,
            code,
            message,
            ..
        } = self;
        printable(&format!("{file}:{line}:{column}: {code} {message}{hint}"))
    }

    /// As compilers draw it: the message, the place, the line, and what is meant underlined.
    pub fn full(&self) -> String {
        self.draw(false)
    }

    /// As [`Diagnostic::full`], with a terminal's colours where they are wanted.
    pub fn draw(&self, colours: bool) -> String {
        let paint = |style: &str, text: &str| {
            let text = printable(text);
            if colours {
                format!("\u{1b}[{style}m{text}\u{1b}[0m")
            } else {
                text
            }
        };
        let marked = match self.severity {
            Severity::Error => "1;31",
            Severity::Warning => "1;33",
            Severity::Note => "1;36",
        };
        let head = paint(marked, &format!("{}[{}]", self.severity.word(), self.code));
        let message = paint("1", &format!(": {}", self.message));
        let arrow = paint(MARGIN, "-->");
        let place = printable(&format!("{}:{}:{}", self.file, self.line, self.column));
        let mut text = format!("{head}{message}\n  {arrow} {place}\n");
        if let Some(snippet) = &self.snippet {
            let number = self.line.to_string();
            let margin = paint(MARGIN, &format!("{} |", " ".repeat(number.len())));
            let numbered = paint(MARGIN, &format!("{number} |"));
            let (shown, indent, carets) = self.excerpt(snippet);
            let hint = self.hint.as_ref().map(|hint| format!(" {hint}")).unwrap_or_default();
            let below = paint(marked, &format!("{carets}{hint}"));
            // Writing into a String cannot fail.
            let _ = write!(
                text,
                "{margin}\n{numbered} {}\n{margin} {indent}{below}\n",
                printable(&shown)
            );
        } else if let Some(hint) = &self.hint {
            let _ = writeln!(text, "   {} {}", paint(MARGIN, "="), printable(hint));
        }
        text
    }

    /// The column after the last character that is meant.
    pub fn end_column(&self) -> u32 {
        self.column.saturating_add(self.length.max(1))
    }

    /// The part of the line that is shown, the space before the carets, and the carets. Very long lines (minified
    /// JSON) are cut to the surroundings of the place.
    fn excerpt(&self, snippet: &str) -> (String, String, String) {
        const WIDTH: usize = 120;
        const BEFORE: usize = 60;
        let characters: Vec<char> = snippet.trim_end().chars().collect();
        let place = (self.column as usize).saturating_sub(1).min(characters.len());
        let start = if characters.len() > WIDTH {
            place.saturating_sub(BEFORE)
        } else {
            0
        };
        let end = (start + WIDTH).min(characters.len());
        let cut = |is_cut: bool| if is_cut { "…" } else { "" };
        let text: String = characters[start..end].iter().collect();
        let shown = format!("{}{text}{}", cut(start > 0), cut(end < characters.len()));
        let mut indent = " ".repeat(usize::from(start > 0));
        for c in &characters[start..place] {
            // Tabs stay tabs, so that the carets stand below their place whatever a tab's width is.
            if *c == '\t' {
                indent.push('\t');
            } else {
                indent.extend(std::iter::repeat_n(' ', cells(*c)));
            }
        }
        let length = (self.length as usize).clamp(1, (end - place).max(1));
        let meant = &characters[place..(place + length).min(end)];
        let carets = meant.iter().map(|c| cells(*c)).sum::<usize>().max(1);
        (shown, indent, "^".repeat(carets))
    }
}

/// Whether a list of diagnostics keeps a file from loading.
pub fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(Diagnostic::is_error)
}

/// Takes from a text what would command a terminal, or make it show another text than is there.
fn printable(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let commands = |c: char| (c.is_control() && c != '\t') || turns(c);
    let visible = |c: char| if commands(c) { '\u{fffd}' } else { c };
    text.chars().map(visible).collect()
}

/// How many cells of a terminal a character takes: two where East Asian scripts and emoji are, none for marks that
/// stand on the character before.
fn cells(c: char) -> usize {
    const NONE: [(u32, u32); 5] = [
        (0x0300, 0x036f),
        (0x200b, 0x200d),
        (0x20d0, 0x20ff),
        (0xfe00, 0xfe0f),
        (0xfe20, 0xfe2f),
    ];
    const TWO: [(u32, u32); 10] = [
        (0x1100, 0x115f),
        (0x2e80, 0x303e),
        (0x3041, 0xa4cf),
        (0xac00, 0xd7a3),
        (0xf900, 0xfaff),
        (0xfe30, 0xfe6f),
        (0xff00, 0xff60),
        (0xffe0, 0xffe6),
        (0x1f300, 0x1faff),
        (0x20000, 0x3fffd),
    ];
    let within = |ranges: &[(u32, u32)]| {
        ranges
            .iter()
            .any(|(first, last)| (*first..=*last).contains(&(c as u32)))
    };
    if c.is_ascii() {
        1
    } else if within(&NONE) {
        0
    } else {
        1 + usize::from(within(&TWO))
    }
}

#[cfg(test)]
mod tests {
    use super::super::codes;
    use super::*;

    fn unknown_key() -> Diagnostic {
        Diagnostic {
            line: 12,
            column: 9,
            length: 9,
            hint: Some("did you mean `objective`?".to_owned()),
            snippet: Some("        objektive: 99.9".to_owned()),
            ..Diagnostic::of_file(&codes::UNKNOWN_KEY, "slos/search.yaml", "unknown key \"objektive\"")
        }
    }

    #[test]
    fn the_full_form_shows_the_line_and_the_hint() {
        let expected = "\
error[N004]: unknown key \"objektive\"
  --> slos/search.yaml:12:9
   |
12 |         objektive: 99.9
   |         ^^^^^^^^^ did you mean `objective`?
";
        assert_eq!(unknown_key().full(), expected);
    }

    #[test]
    fn the_concise_form_is_one_line() {
        assert_eq!(
            unknown_key().concise(),
            "slos/search.yaml:12:9: N004 unknown key \"objektive\" (did you mean `objective`?)"
        );
    }

    #[test]
    fn long_lines_are_cut_and_terminals_are_not_commanded() {
        let long = Diagnostic {
            column: 500,
            snippet: Some(format!("{}\u{1b}[31m", "x".repeat(600))),
            message: "a\u{1b}b".to_owned(),
            ..unknown_key()
        };
        let text = long.full();
        assert!(
            !text.contains('\u{1b}') && text.lines().all(|line| line.chars().count() < 160),
            "{text}"
        );
        assert!(text.contains("| …xxx"), "{text}");
    }

    #[test]
    fn carets_stand_below_what_is_meant() {
        for (snippet, column, length, expected) in [
            ("\tname: a", 2, 4, "\t^^^^"),
            ("名前: [a", 1, 2, "^^^^"),
            ("名前: [a", 5, 1, "      ^"),
            ("e\u{301}a: b", 3, 1, " ^"),
            ("name: a", 99, 5, "       ^"),
            ("name: a   ", 7, 4, "      ^"),
            ("", 1, 1, "^"),
        ] {
            let found = Diagnostic {
                column,
                length,
                hint: None,
                snippet: Some(snippet.to_owned()),
                ..unknown_key()
            };
            let text = found.full();
            let last = text.lines().last().unwrap_or_default();
            assert_eq!(last, format!("   | {expected}"), "{snippet:?} {column}");
        }
    }

    #[test]
    fn colours_change_nothing_but_the_colour() {
        let painted = unknown_key().draw(true);
        assert!(painted.starts_with("\u{1b}[1;31merror[N004]\u{1b}[0m"), "{painted:?}");
        let mut plain = String::new();
        for (index, part) in painted.split('\u{1b}').enumerate() {
            plain.push_str(if index == 0 {
                part
            } else {
                part.split_once('m').unwrap_or_default().1
            });
        }
        assert_eq!(plain, unknown_key().full());
    }
}
