//! A reader of exposition pages that goes character by character and remembers nothing. It follows the formats'
//! descriptions and what `docs/scraping.md` says of nines, and shares no code with it. The fuzz target `scanner` uses it too.

use std::collections::BTreeMap;

/// A page is not understood.
#[derive(Debug)]
pub struct Refused;

type Read<T> = Result<T, Refused>;

/// What becomes of a line.
enum Line {
    /// No sample, and none that was meant to be one.
    Other,
    /// It has no name that could be selected.
    Nameless,
    Sample(String, f64),
}

/// The samples of a page: by series, the bits of the first value.
pub fn read(text: &str, open_metrics: bool) -> Read<BTreeMap<String, u64>> {
    let mut samples = BTreeMap::new();
    let (mut count, mut nameless, mut ended) = (0, 0, false);
    let mut lines: Vec<&str> = text.split('\n').collect();
    if lines.last() == Some(&"") {
        lines.pop();
    }
    for line in lines {
        if ended {
            return Err(Refused);
        }
        let line = line.strip_suffix('\r').unwrap_or(line);
        ended = open_metrics && line.trim_end() == "# EOF";
        match read_line(line, open_metrics)? {
            Line::Other => {}
            Line::Nameless => nameless += 1,
            Line::Sample(series, value) => {
                count += 1;
                samples.entry(series).or_insert(bits(value));
            }
        }
    }
    let cut = open_metrics && !ended;
    if cut || (count == 0 && nameless > 0) {
        Err(Refused)
    } else {
        Ok(samples)
    }
}

/// Every NaN is the same.
pub fn bits(value: f64) -> u64 {
    if value.is_nan() { f64::NAN } else { value }.to_bits()
}

fn read_line(line: &str, open_metrics: bool) -> Read<Line> {
    let mut rest = Rest(line.chars().collect(), 0);
    rest.blanks();
    if matches!(rest.peek(), None | Some('#')) {
        return Ok(Line::Other);
    }
    let from = rest.1;
    let mut name = rest.word(true);
    let mut labels = BTreeMap::new();
    if name.is_empty() {
        if !rest.take('{') {
            return Ok(Line::Nameless);
        }
        match quoted_name(Rest(rest.0.clone(), rest.1)) {
            Some(quoted) => name = quoted,
            None => return Ok(Line::Nameless),
        }
        labels = read_labels(&mut rest, true)?;
    } else {
        if !matches!(rest.peek(), Some(' ' | '\t' | '{')) {
            return Ok(Line::Nameless);
        }
        let after = rest.1;
        rest.blanks();
        if rest.take('{') {
            labels = read_labels(&mut rest, false)?;
        } else {
            rest.1 = after;
        }
    }
    let written: usize = rest.0[from..rest.1].iter().map(|character| character.len_utf8()).sum();
    if written > 64 * 1024 || labels.len() > 256 {
        return Err(Refused);
    }
    let value = number(&rest.token()).ok_or(Refused)?;
    read_end(&mut rest, open_metrics)?;
    labels.retain(|_, value: &mut String| !value.is_empty());
    Ok(Line::Sample(series(&name, &labels), value))
}

/// The first text in quotes without a value, where nothing before it is broken.
fn quoted_name(mut rest: Rest) -> Option<String> {
    loop {
        match read_item(&mut rest, true).ok()?? {
            Item::Name(name) => return Some(name).filter(|name| !name.is_empty()),
            Item::Label(..) => {}
        }
    }
}

/// The labels behind the brace, none twice; among them the name, once, where it is `quoted`.
fn read_labels(rest: &mut Rest, mut quoted: bool) -> Read<BTreeMap<String, String>> {
    let mut labels = BTreeMap::new();
    while let Some(item) = read_item(rest, quoted)? {
        match item {
            Item::Name(_) => quoted = false,
            Item::Label(name, value) => {
                if labels.insert(name, value).is_some() {
                    return Err(Refused);
                }
            }
        }
    }
    Ok(labels)
}

enum Item {
    Name(String),
    Label(String, String),
}

/// What stands next within the braces, with the comma behind it; none at the closing one.
fn read_item(rest: &mut Rest, may_be_name: bool) -> Read<Option<Item>> {
    rest.blanks();
    if rest.take('}') {
        return Ok(None);
    }
    let in_quotes = rest.peek() == Some('"');
    let name = if in_quotes { rest.quoted()? } else { rest.word(false) };
    rest.blanks();
    if in_quotes && may_be_name && matches!(rest.peek(), Some(',' | '}')) {
        rest.take(',');
        return Ok(Some(Item::Name(name)));
    }
    if name.is_empty() || !rest.take('=') {
        return Err(Refused);
    }
    rest.blanks();
    let value = rest.quoted()?;
    rest.blanks();
    rest.take(',');
    Ok(Some(Item::Label(name, value)))
}

/// A timestamp, and in OpenMetrics an exemplar.
fn read_end(rest: &mut Rest, open_metrics: bool) -> Read<()> {
    let mut next = rest.token();
    if !open_metrics {
        let time = next.is_empty() || next.parse::<i64>().is_ok();
        return if time && rest.token().is_empty() {
            Ok(())
        } else {
            Err(Refused)
        };
    }
    if !next.is_empty() && next != "#" {
        seconds(&next)?;
        next = rest.token();
    }
    if next.is_empty() {
        return Ok(());
    }
    rest.blanks();
    if next != "#" || !rest.take('{') {
        return Err(Refused);
    }
    while read_item(rest, false)?.is_some() {}
    number(&rest.token()).ok_or(Refused)?;
    let time = rest.token();
    if !time.is_empty() {
        seconds(&time)?;
    }
    if rest.token().is_empty() { Ok(()) } else { Err(Refused) }
}

fn seconds(text: &str) -> Read<()> {
    match number(text) {
        Some(time) if time.is_finite() => Ok(()),
        _ => Err(Refused),
    }
}

/// `[sign] digits [. digits] [e [sign] digits]`, `NaN`, or a signed infinity.
fn number(text: &str) -> Option<f64> {
    let small = text.to_ascii_lowercase();
    let (negative, unsigned) = match small.strip_prefix('-') {
        Some(unsigned) => (true, unsigned),
        None => (false, small.strip_prefix('+').unwrap_or(&small)),
    };
    if small == "nan" {
        return Some(f64::NAN);
    }
    let size = if unsigned == "inf" || unsigned == "infinity" {
        f64::INFINITY
    } else {
        let (mantissa, exponent) = unsigned.split_once('e').unwrap_or((unsigned, "0"));
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = |text: &str| text.chars().all(|character| character.is_ascii_digit());
        let shaped = digits(whole) && digits(part) && digits(exponent);
        if !shaped || exponent.is_empty() || (whole.is_empty() && part.is_empty()) {
            return None;
        }
        unsigned.parse().ok().filter(|value: &f64| value.is_finite())?
    };
    Some(if negative { -size } else { size })
}

fn series(name: &str, labels: &BTreeMap<String, String>) -> String {
    let escaped = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let pairs: Vec<String> = labels
        .iter()
        .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
        .collect();
    if pairs.is_empty() {
        return name.to_owned();
    }
    format!("{name}{{{}}}", pairs.join(","))
}

/// A line's characters and how many of them were read.
struct Rest(Vec<char>, usize);

impl Rest {
    fn peek(&self) -> Option<char> {
        self.0.get(self.1).copied()
    }

    fn take(&mut self, wanted: char) -> bool {
        let there = self.peek() == Some(wanted);
        self.1 += usize::from(there);
        there
    }

    fn blanks(&mut self) {
        while self.take(' ') || self.take('\t') {}
    }

    /// A plain name; empty where none begins.
    fn word(&mut self, colons: bool) -> String {
        let mut word = String::new();
        while let Some(character) = self.peek() {
            let letter = character.is_ascii_alphabetic() || character == '_' || (colons && character == ':');
            let digit = character.is_ascii_digit() && !word.is_empty();
            if !letter && !digit {
                break;
            }
            word.push(character);
            self.1 += 1;
        }
        word
    }

    /// What stands up to the next blank.
    fn token(&mut self) -> String {
        self.blanks();
        let mut token = String::new();
        while let Some(character) = self.peek().filter(|character| !matches!(character, ' ' | '\t')) {
            token.push(character);
            self.1 += 1;
        }
        token
    }

    fn quoted(&mut self) -> Read<String> {
        if !self.take('"') {
            return Err(Refused);
        }
        let mut text = String::new();
        loop {
            let character = self.next()?;
            match character {
                '"' => return Ok(text),
                '\\' => match self.next()? {
                    'n' => text.push('\n'),
                    plain @ ('\\' | '"') => text.push(plain),
                    other => text.extend(['\\', other]),
                },
                other => text.push(other),
            }
        }
    }

    fn next(&mut self) -> Read<char> {
        let character = self.peek().ok_or(Refused)?;
        self.1 += 1;
        Ok(character)
    }
}
