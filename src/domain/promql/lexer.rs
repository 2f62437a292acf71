//! Takes a text apart into words, numbers, texts and signs.

use super::expr::Place;
use crate::domain::selector_parser::quoted_text;
use crate::domain::time::{millis, parse_duration};

/// The one template that a range may be.
pub const TEMPLATE: &str = "{{.window}}";

/// Signs, the longer ones first.
const SIGNS: [&str; 23] = [
    "==", "!=", "=~", "!~", "<=", ">=", "=", "<", ">", "+", "-", "*", "/", "%", "^", "(", ")", "{", "}", "[", "]", ",",
    "@",
];
const UNDERSTOOD: &str = "`{{.window}}` is the only template that is understood here";

/// What a text is made of.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token<'a> {
    /// A name or keyword.
    Word(&'a str),
    /// A number.
    Number(f64),
    /// A duration, in milliseconds.
    Duration(u64),
    /// A text, unquoted.
    Text(String),
    /// `{{.window}}`
    Template,
    /// An operator or a bracket.
    Sign(&'static str),
    /// Nothing of PromQL.
    Bad { message: String, hint: Option<String> },
    /// The text is over.
    End,
}

/// A token and its place.
#[derive(Clone, Debug)]
pub(super) struct Lexeme<'a> {
    pub token: Token<'a>,
    pub place: Place,
}

/// Whether the template `{{.window}}` stands anywhere in a text.
pub fn has_template(text: &str) -> bool {
    text.match_indices("{{")
        .any(|(at, _)| template_length(&text[at..]).is_some())
}

/// The text with a window in place of the template.
pub fn fill_template(text: &str, window: &str) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        let (before, template) = rest.split_at(start);
        filled.push_str(before);
        let (written, length) = template_length(template).map_or(("{{", 2), |length| (window, length));
        filled.push_str(written);
        rest = &template[length..];
    }
    filled.push_str(rest);
    filled
}

/// The text with the template in place of its misspellings, such as `{{.Window}}` or `{{window}}`, and where the first one
/// stands; `None` where there is none.
pub fn with_template(text: &str) -> Option<(String, Place)> {
    let found = text.match_indices("{{").find_map(|(start, _)| {
        let length = misspelt_length(&text[start..])?;
        let end = start + length;
        Some(Place { start, end })
    })?;
    let mut meant = String::with_capacity(text.len() + TEMPLATE.len());
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        let (before, template) = rest.split_at(start);
        meant.push_str(before);
        let (written, length) = match misspelt_length(template) {
            Some(length) => (TEMPLATE, length),
            None => ("{{", 2),
        };
        meant.push_str(written);
        rest = &template[length..];
    }
    meant.push_str(rest);
    Some((meant, found))
}

/// Takes a text apart. The last token is [`Token::End`], or [`Token::Bad`] where the text stops to be PromQL.
pub(super) fn lex(text: &str) -> Vec<Lexeme<'_>> {
    let mut lexer = Lexer {
        text,
        at: 0,
        in_brackets: false,
    };
    let mut lexemes = Vec::new();
    loop {
        lexer.skip_space();
        let start = lexer.at;
        let token = lexer.next();
        let is_last = matches!(token, Token::End | Token::Bad { .. });
        lexemes.push(Lexeme {
            token,
            place: Place { start, end: lexer.at },
        });
        if is_last {
            return lexemes;
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    /// A colon separates range and step; elsewhere it belongs to names.
    in_brackets: bool,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_space(&mut self) {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start_matches([' ', '\t', '\n', '\r']);
            self.at += rest.len() - trimmed.len();
            if !trimmed.starts_with('#') {
                return;
            }
            self.at += trimmed.find(['\n', '\r']).unwrap_or(trimmed.len());
        }
    }

    fn next(&mut self) -> Token<'a> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else {
            return Token::End;
        };
        let second = rest[first.len_utf8()..].chars().next();
        match first {
            '"' | '\'' | '`' => self.quoted(),
            '{' if second == Some('{') => self.template(),
            ':' if self.in_brackets => {
                self.at += 1;
                Token::Sign(":")
            }
            'a'..='z' | 'A'..='Z' | '_' | ':' => self.word(),
            '0'..='9' => self.number(),
            '.' if second.is_some_and(|c| c.is_ascii_digit()) => self.number(),
            _ => self.sign(first),
        }
    }

    fn quoted(&mut self) -> Token<'a> {
        match quoted_text(self.text, self.at) {
            Ok((text, end)) => {
                self.at = end;
                Token::Text(text)
            }
            Err(error) => {
                self.at = error.at;
                bad(error.message, None)
            }
        }
    }

    fn template(&mut self) -> Token<'a> {
        let rest = self.rest();
        if let Some(length) = template_length(rest) {
            self.at += length;
            return Token::Template;
        }
        if let Some(length) = misspelt_length(rest) {
            let message = format!("`{}` is no template here", &rest[..length]);
            return bad(message, Some(format!("write `{TEMPLATE}`")));
        }
        let inner = rest.find("}}").map_or(rest, |end| &rest[..end + 2]);
        if inner.contains(".window") {
            let message = format!("{UNDERSTOOD}, with nothing but blanks around `.window`");
            return bad(message, Some(format!("write `{TEMPLATE}`")));
        }
        bad(UNDERSTOOD, None)
    }

    fn word(&mut self) -> Token<'a> {
        let start = self.at;
        loop {
            let rest = self.rest();
            let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || (c == ':' && !self.in_brackets);
            self.at += rest.find(|c| !is_part(c)).unwrap_or(rest.len());
            // Names of recorded series may depend on the window: `errors:rate{{.window}}`.
            let template = template_length(self.rest()).filter(|_| !self.in_brackets);
            match template {
                Some(length) => self.at += length,
                None => return Token::Word(&self.text[start..self.at]),
            }
        }
    }

    fn number(&mut self) -> Token<'a> {
        let rest = self.rest();
        let is_hexadecimal = rest.starts_with("0x") || rest.starts_with("0X");
        let mut length = 0;
        let mut before = ' ';
        for c in rest.chars() {
            let is_sign_of_exponent = "+-".contains(c) && "eE".contains(before) && !is_hexadecimal;
            if !(c.is_ascii_alphanumeric() || c == '_' || c == '.' || is_sign_of_exponent) {
                break;
            }
            before = c;
            length += 1;
        }
        let written = &rest[..length];
        if let Some(number) = parse_number(written) {
            self.at += length;
            return Token::Number(number);
        }
        if let Ok(duration) = parse_duration(written) {
            self.at += length;
            return Token::Duration(u64::try_from(millis(duration)).unwrap_or_default());
        }
        bad(
            format!("`{written}` is neither a number nor a duration"),
            Some("durations are written like 30s, 5m or 1h30m".to_owned()),
        )
    }

    fn sign(&mut self, first: char) -> Token<'a> {
        let rest = self.rest();
        if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            self.in_brackets = match *sign {
                "[" => true,
                "]" => false,
                _ => self.in_brackets,
            };
            self.at += sign.len();
            return Token::Sign(sign);
        }
        match first {
            '$' => bad(
                "variables such as Grafana's `$__rate_interval` are not PromQL",
                Some(format!("write `{TEMPLATE}` where the window is meant")),
            ),
            '!' => bad("after `!` comes `=` or `~`", None),
            '“' | '”' | '‘' | '’' => bad(
                format!("{first} is a typographic quote"),
                Some("write \" instead".to_owned()),
            ),
            '&' | '|' => bad(
                format!("`{first}` is no operator"),
                Some("write `and` or `or`".to_owned()),
            ),
            _ => bad(format!("{first:?} has no meaning in PromQL"), None),
        }
    }
}

fn bad<'a>(message: impl Into<String>, hint: Option<String>) -> Token<'a> {
    Token::Bad {
        message: message.into(),
        hint,
    }
}

/// The length of the template at the beginning of a text: `{{ *.window *}}`, as Sloth has it.
fn template_length(text: &str) -> Option<usize> {
    let inner = text.strip_prefix("{{")?.trim_start_matches(' ');
    let after = inner.strip_prefix(".window")?.trim_start_matches(' ');
    let rest = after.strip_prefix("}}")?;
    Some(text.len() - rest.len())
}

/// The length of what is meant as the template at the beginning of a text, and written without its dot or with a
/// capital letter.
fn misspelt_length(text: &str) -> Option<usize> {
    if template_length(text).is_some() {
        return None;
    }
    let (inner, _) = text.strip_prefix("{{")?.split_once("}}")?;
    let word = inner.trim_matches(' ');
    let word = word.strip_prefix('.').unwrap_or(word);
    word.eq_ignore_ascii_case("window").then_some(inner.len() + 4)
}

/// A number as Prometheus reads it: decimal, hexadecimal after `0x`, octal after `0`; `_` may stand between digits.
fn parse_number(written: &str) -> Option<f64> {
    let digits = |c: char| c.is_ascii_hexdigit() || "xX".contains(c);
    let is_separated = |(at, _): (usize, &str)| {
        written[..at].ends_with(digits) && written[at + 1..].starts_with(|c: char| c.is_ascii_hexdigit())
    };
    if !written.match_indices('_').all(is_separated) {
        return None;
    }
    let plain: String = written.chars().filter(|c| *c != '_').collect();
    if let Some(digits) = plain.strip_prefix("0x").or_else(|| plain.strip_prefix("0X")) {
        let is_unsigned = !digits.starts_with(['+', '-']);
        let number = i64::from_str_radix(digits, 16).ok().filter(|_| is_unsigned);
        return number.map(|number| number as f64);
    }
    if plain.len() > 1
        && plain.starts_with('0')
        && let Ok(number) = i64::from_str_radix(&plain, 8)
    {
        return Some(number as f64);
    }
    // Rust's own names for infinities and NaN are words here.
    let is_decimal = plain.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    plain.parse().ok().filter(|_| is_decimal)
}
