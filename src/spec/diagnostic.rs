//! Diagnostics: what is wrong in a file, where, and how it is mended.

use super::codes::{Code, Severity};

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
        let mut lines = vec![
            format!("{}[{}]: {}", self.severity.word(), self.code, self.message),
            format!("  --> {}:{}:{}", self.file, self.line, self.column),
        ];
        if let Some(snippet) = &self.snippet {
            let number = self.line.to_string();
            let margin = " ".repeat(number.len());
            let (shown, indent, carets) = self.excerpt(snippet);
            let hint = self.hint.as_ref().map(|hint| format!(" {hint}")).unwrap_or_default();
            lines.push(format!("{margin} |"));
            lines.push(format!("{number} | {shown}"));
            lines.push(format!("{margin} | {indent}{carets}{hint}"));
        } else if let Some(hint) = &self.hint {
            lines.push(format!("   = {hint}"));
        }
        lines.iter().map(|line| printable(line) + "\n").collect()
    }

    /// The part of the line that is shown, the space before the carets, and the carets. Very long lines (minified
    /// JSON) are cut to the surroundings of the place.
    fn excerpt(&self, snippet: &str) -> (String, String, String) {
        const WIDTH: usize = 120;
        const BEFORE: usize = 60;
        let characters: Vec<char> = snippet.chars().collect();
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
        // Tabs stay tabs, so that the carets stand below their place whatever a tab's width is.
        let mut indent = " ".repeat(usize::from(start > 0));
        indent.extend(
            characters[start..place]
                .iter()
                .map(|c| if *c == '\t' { '\t' } else { ' ' }),
        );
        let length = (self.length as usize).clamp(1, (end - place).max(1));
        (shown, indent, "^".repeat(length))
    }
}

/// Whether a list of diagnostics keeps a file from loading.
pub fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(Diagnostic::is_error)
}

/// Takes from a text what would command a terminal.
fn printable(text: &str) -> String {
    let visible = |c: char| if c.is_control() && c != '\t' { '\u{fffd}' } else { c };
    text.chars().map(visible).collect()
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
}
