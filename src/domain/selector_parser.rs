//! Reads PromQL's vector selectors and Alertmanager's matchers.

use super::matcher::{MatchOp, Matcher, Selector, SelectorError};

/// What is said about everything in PromQL that is more than a selector.
pub const NEEDS_A_SERVER: &str =
    "this is PromQL that goes beyond a selector; here only a metric with its matchers is possible";
/// The longest selector, in bytes.
const TEXT_MAX: usize = 16 * 1024;
/// The most matchers in one selector.
const MATCHERS_MAX: usize = 64;
const NAME_LABEL: &str = "__name__";

/// Reads a vector selector: `http_requests_total{job="shop",code=~"5.."}`.
///
/// An equality on `__name__` becomes the metric's name. A selector that would match every series is refused, as
/// Prometheus does.
pub fn parse_selector(text: &str) -> Result<Selector, SelectorError> {
    let mut cursor = Cursor::new(text)?;
    cursor.skip_space();
    if cursor.rest().is_empty() {
        return Err(cursor.fail("the selector is empty; write for example http_requests_total{job=\"shop\"}"));
    }
    let word = cursor.take_while(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
    if word.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(error_at(0, NEEDS_A_SERVER));
    }
    let mut metric = (!word.is_empty()).then(|| word.to_owned());
    cursor.skip_space();
    let mut matchers = Vec::new();
    if cursor.peek() == Some('{') {
        parse_braces(&mut cursor, &mut metric, &mut matchers)?;
        cursor.skip_space();
    }
    if let Some(next) = cursor.peek() {
        let text = match next {
            '}' => "there is no { before this }".to_owned(),
            _ if metric.is_none() && matchers.is_empty() && !"(-+".contains(next) => {
                format!("{next:?} cannot begin a selector; write for example http_requests_total{{job=\"shop\"}}")
            }
            _ => NEEDS_A_SERVER.to_owned(),
        };
        return Err(cursor.fail(text));
    }
    if metric.is_none() {
        metric = take_metric(&mut matchers);
    }
    if metric.is_none() && matchers.iter().all(|matcher| matcher.matches("")) {
        return Err(error_at(
            0,
            "this matches every series; name a metric, or write a matcher that an empty value does not fulfil",
        ));
    }
    Ok(Selector { metric, matchers })
}

/// Reads one matcher as Alertmanager's silences write it: `service=shop`, `slo=~"req.*"`; a value without special
/// characters needs no quotes.
pub fn parse_matcher(text: &str) -> Result<Matcher, SelectorError> {
    let mut cursor = Cursor::new(text)?;
    cursor.skip_space();
    let name = parse_name(&mut cursor)?;
    let op = parse_op(&mut cursor)?;
    let at = cursor.at;
    let value = if cursor.peek().is_some_and(is_quote) {
        let value = cursor.quoted()?;
        cursor.skip_space();
        value
    } else {
        let special = |c: char| c.is_whitespace() || "{}!=~,\\'\"`".contains(c);
        let value = cursor.take_while(|c| !special(c)).to_owned();
        cursor.skip_space();
        value
    };
    if cursor.peek().is_some() {
        return Err(cursor.fail("here the matcher should end; quote values with special characters"));
    }
    new_matcher(name, op, value, at)
}

/// The text between the quotes that open at a byte, its escapes undone, and the byte after the closing quote.
pub(super) fn quoted_text(text: &str, at: usize) -> Result<(String, usize), SelectorError> {
    let mut cursor = Cursor { text, at };
    let value = cursor.quoted()?;
    Ok((value, cursor.at))
}

/// Whether a text is a label's name as Prometheus always knew them: `[a-zA-Z_][a-zA-Z0-9_]*`.
pub fn is_label_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn parse_braces(
    cursor: &mut Cursor<'_>,
    metric: &mut Option<String>,
    matchers: &mut Vec<Matcher>,
) -> Result<(), SelectorError> {
    cursor.advance();
    loop {
        cursor.skip_space();
        if cursor.peek() == Some('}') {
            cursor.advance();
            return Ok(());
        }
        let at = cursor.at;
        let is_quoted = cursor.peek().is_some_and(is_quote);
        let name = parse_name(cursor)?;
        cursor.skip_space();
        if is_quoted && matches!(cursor.peek(), Some(',' | '}')) {
            if metric.replace(name).is_some() {
                return Err(error_at(at, "the metric's name is given twice"));
            }
        } else {
            let op = parse_op(cursor)?;
            let value_at = cursor.at;
            if !cursor.peek().is_some_and(is_quote) {
                return Err(cursor.fail(format!(
                    "the value of {name} must be quoted: {name}{}\"…\"",
                    op.symbol()
                )));
            }
            let value = cursor.quoted()?;
            if name == NAME_LABEL && metric.is_some() {
                return Err(error_at(at, "the metric's name is given twice"));
            }
            matchers.push(new_matcher(name, op, value, value_at)?);
            if matchers.len() > MATCHERS_MAX {
                return Err(error_at(at, format!("more than {MATCHERS_MAX} matchers")));
            }
        }
        cursor.skip_space();
        match cursor.peek() {
            Some(',') => cursor.advance(),
            Some('}') => {}
            None => return Err(cursor.fail("the closing } is missing")),
            Some(_) => return Err(cursor.fail("a comma or } is missing here")),
        }
    }
}

fn parse_name(cursor: &mut Cursor<'_>) -> Result<String, SelectorError> {
    let at = cursor.at;
    if cursor.peek().is_some_and(is_quote) {
        let name = cursor.quoted()?;
        return if name.is_empty() {
            Err(error_at(at, "a name is empty"))
        } else {
            Ok(name)
        };
    }
    let name = cursor.take_while(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_label_name(name) {
        return Ok(name.to_owned());
    }
    let found = cursor.peek().map_or("the end".to_owned(), |c| format!("{c:?}"));
    Err(error_at(at, format!("a label's name is missing before {found}")))
}

fn parse_op(cursor: &mut Cursor<'_>) -> Result<MatchOp, SelectorError> {
    cursor.skip_space();
    let ops = [MatchOp::Regex, MatchOp::NotRegex, MatchOp::NotEqual, MatchOp::Equal];
    let Some(op) = ops.into_iter().find(|op| cursor.rest().starts_with(op.symbol())) else {
        return Err(cursor.fail("after a label's name comes =, !=, =~ or !~"));
    };
    cursor.at += op.symbol().len();
    cursor.skip_space();
    Ok(op)
}

pub(super) fn new_matcher(name: String, op: MatchOp, value: String, at: usize) -> Result<Matcher, SelectorError> {
    Matcher::new(name, op, value).map_err(|why| {
        // The regex crate draws its errors over several lines; the last one says what is wrong.
        let last = why.lines().last().unwrap_or_default();
        let reason = last.trim().trim_start_matches("error: ").to_owned();
        error_at(at, format!("not a regular expression: {reason}"))
    })
}

/// Takes the first equality on the metric's name out of the matchers.
pub(super) fn take_metric(matchers: &mut Vec<Matcher>) -> Option<String> {
    let names =
        |matcher: &Matcher| matcher.name == NAME_LABEL && matcher.op == MatchOp::Equal && !matcher.value.is_empty();
    let position = matchers.iter().position(names)?;
    Some(matchers.remove(position).value)
}

fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\'' | '`')
}

fn error_at(at: usize, message: impl Into<String>) -> SelectorError {
    SelectorError {
        at,
        message: message.into(),
    }
}

/// A place in the text.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn new(text: &'a str) -> Result<Self, SelectorError> {
        if text.len() > TEXT_MAX {
            return Err(error_at(0, format!("the selector is longer than {TEXT_MAX} bytes")));
        }
        Ok(Self { text, at: 0 })
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn advance(&mut self) {
        self.at += self.peek().map_or(0, char::len_utf8);
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn skip_space(&mut self) {
        self.take_while(char::is_whitespace);
    }

    fn fail(&self, message: impl Into<String>) -> SelectorError {
        error_at(self.at, message)
    }

    /// A quoted string; the cursor stands on its opening quote.
    fn quoted(&mut self) -> Result<String, SelectorError> {
        let start = self.at;
        let Some(quote) = self.peek() else {
            return Err(self.fail("a quoted text is missing"));
        };
        self.advance();
        let mut value = String::new();
        while let Some(c) = self.peek() {
            let at = self.at;
            self.advance();
            match c {
                _ if c == quote => return Ok(value),
                '\\' if quote != '`' => value.push(self.escape(at, quote)?),
                '\n' if quote != '`' => return Err(error_at(at, "a line ends within quotes")),
                other => value.push(other),
            }
        }
        Err(error_at(start, format!("the closing {quote} is missing")))
    }

    /// What follows a backslash, in Go's notation.
    fn escape(&mut self, at: usize, quote: char) -> Result<char, SelectorError> {
        let unknown = || error_at(at, "not an escape; write \\\\ for a backslash");
        let c = self.peek().ok_or_else(unknown)?;
        self.advance();
        let (digits, radix) = match c {
            'a' => return Ok('\u{7}'),
            'b' => return Ok('\u{8}'),
            'f' => return Ok('\u{c}'),
            'n' => return Ok('\n'),
            'r' => return Ok('\r'),
            't' => return Ok('\t'),
            'v' => return Ok('\u{b}'),
            '\\' => return Ok(c),
            _ if c == quote => return Ok(c),
            'x' => (2, 16),
            'u' => (4, 16),
            'U' => (8, 16),
            '0'..='7' => {
                self.at -= 1;
                (3, 8)
            }
            _ => return Err(unknown()),
        };
        let number = self.rest().get(..digits).ok_or_else(unknown)?;
        self.at += digits;
        // A single byte above 0x7f (\xff, \377) is no character by itself.
        let code = u32::from_str_radix(number, radix).map_err(|_| unknown())?;
        let is_byte = digits < 4;
        char::from_u32(code)
            .filter(|_| !is_byte || code < 0x80)
            .ok_or_else(unknown)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn selectors_are_read_as_prometheus_reads_them() {
        for (text, canonical) in [
            ("up", "up"),
            (
                " http_requests_total { job = \"shop\" , code=~'5..', } ",
                r#"http_requests_total{job="shop",code=~"5.."}"#,
            ),
            ("a{b!=\"c\",d!~`e.*`}", r#"a{b!="c",d!~"e.*"}"#),
            ("job:rate:5m{}", "job:rate:5m"),
            (r#"{__name__="x",job="y"}"#, r#"x{job="y"}"#),
            (r#"{__name__=~"x.*",job="y"}"#, r#"{__name__=~"x.*",job="y"}"#),
            (r#"{"my.metric","a.b"="c"}"#, r#"{"my.metric","a.b"="c"}"#),
            (r#"a{v="\"\\\n\x41\u00e9\101"}"#, "a{v=\"\\\"\\\\\\nAéA\"}"),
            (r"a{v=`\d`}", r#"a{v="\\d"}"#),
            (r#"a{job=""}"#, r#"a{job=""}"#),
        ] {
            let read = parse_selector(text).map(|selector| selector.to_string());
            assert_eq!(read.as_deref(), Ok(canonical), "{text}");
            let again = parse_selector(canonical).map(|selector| selector.to_string());
            assert_eq!(again.as_deref(), Ok(canonical), "it is read again");
        }
    }

    #[test]
    fn what_is_no_plain_selector_is_refused_at_its_place() {
        for (text, at, word) in [
            ("", 0, "empty"),
            ("{}", 0, "every series"),
            (r#"{job=""}"#, 0, "every series"),
            (r#"{job=~".*"}"#, 0, "every series"),
            ("a[5m]", 1, "PromQL"),
            ("sum(a)", 3, "PromQL"),
            ("sum by (x) (a)", 4, "PromQL"),
            ("a{b=\"c\"} / d", 9, "PromQL"),
            ("a offset 5m", 2, "PromQL"),
            ("1 + 2", 0, "PromQL"),
            ("a{b=c}", 4, "quoted"),
            ("a{b=\"c\"", 7, "closing }"),
            ("a{b=\"c}", 4, "closing \""),
            ("a{b=\"c\" d=\"e\"}", 8, "comma"),
            ("a{b=~\"(\"}", 5, "regular expression"),
            ("a{b=\"\\q\"}", 5, "escape"),
            ("a{=\"x\"}", 2, "name"),
            ("a{b>\"x\"}", 3, "=~"),
            (r#"a{__name__="b"}"#, 2, "twice"),
            ("ä", 0, "cannot begin"),
        ] {
            let error = parse_selector(text).expect_err(text);
            assert!(error.at == at && error.message.contains(word), "{text}: {error:?}");
        }
    }

    #[test]
    fn matchers_need_quotes_only_for_special_characters() {
        for (text, canonical) in [
            ("service=shop", r#"service="shop""#),
            (" slo =~ \"req.*\" ", r#"slo=~"req.*""#),
            ("a!=b", r#"a!="b""#),
            ("a!~b.", r#"a!~"b.""#),
            ("a=", r#"a="""#),
        ] {
            let read = parse_matcher(text).map(|matcher| matcher.to_string());
            assert_eq!(read.as_deref(), Ok(canonical), "{text}");
        }
        for text in ["", "a", "=b", "a=b c", "a={", "a=~(", "a=\"b", "a==b"] {
            assert!(parse_matcher(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics_and_places_lie_within(text in "\\PC{0,40}|[a{}=~!\"'`\\\\x,\\[\\]() 0-9]{0,30}") {
            if let Err(error) = parse_selector(&text) {
                prop_assert!(error.at <= text.len());
            }
            let _ = parse_matcher(&text);
        }

        #[test]
        fn what_is_written_is_read_back(value in "\\PC{0,20}") {
            let matcher = Matcher::new("a", MatchOp::Equal, value.clone()).expect("an equality");
            let selector = Selector { metric: Some("m".into()), matchers: vec![matcher] };
            prop_assert_eq!(parse_selector(&selector.to_string()), Ok(selector));
        }
    }
}
