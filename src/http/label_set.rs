//! Reads a label set as it stands in an SLO's id: `{region="eu",zone=""}`.

/// Why a text is no label set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} at character {at}; write {{name=\"value\",…}} with \\\\, \\\" and \\n as escapes")]
pub struct LabelSetError {
    what: &'static str,
    at: usize,
}

/// More labels than any `group_by` has, so that a hostile text cannot make work.
const LABELS_MAX: usize = 64;

/// The pairs in the order in which they are written. Strict: no blanks, no trailing comma, no name twice.
pub fn parse(text: &str) -> Result<Vec<(String, String)>, LabelSetError> {
    let mut reader = Reader { text, at: 0 };
    reader.expect('{', "a label set begins with {")?;
    let mut pairs: Vec<(String, String)> = Vec::new();
    loop {
        let begin = reader.at;
        let name = reader.name()?;
        if pairs.len() == LABELS_MAX || pairs.iter().any(|(known, _)| *known == name) {
            return Err(reader.fail_at(begin, "too many labels, or one twice,"));
        }
        reader.expect('=', "= is missing")?;
        pairs.push((name, reader.quoted()?));
        match reader.next() {
            Some(',') => {}
            Some('}') => break,
            _ => return Err(reader.fail("a label is followed by , or }")),
        }
    }
    if reader.at == text.len() {
        Ok(pairs)
    } else {
        Err(reader.fail("the label set has ended"))
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        let character = self.text[self.at..].chars().next()?;
        self.at += character.len_utf8();
        Some(character)
    }

    fn expect(&mut self, wanted: char, what: &'static str) -> Result<(), LabelSetError> {
        let begin = self.at;
        if self.next() == Some(wanted) {
            Ok(())
        } else {
            Err(self.fail_at(begin, what))
        }
    }

    fn name(&mut self) -> Result<String, LabelSetError> {
        let rest = &self.text[self.at..];
        let length = rest
            .bytes()
            .take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
            .count();
        if length == 0 || rest.as_bytes()[0].is_ascii_digit() {
            return Err(self.fail("a label's name is missing"));
        }
        self.at += length;
        Ok(rest[..length].to_owned())
    }

    fn quoted(&mut self) -> Result<String, LabelSetError> {
        self.expect('"', "a value begins with \"")?;
        let mut value = String::new();
        loop {
            match self.next() {
                Some('"') => return Ok(value),
                Some('\\') => value.push(match self.next() {
                    Some('n') => '\n',
                    Some(escaped @ ('\\' | '"')) => escaped,
                    _ => return Err(self.fail("an unknown escape")),
                }),
                Some(character) => value.push(character),
                None => return Err(self.fail("a value that does not end")),
            }
        }
    }

    fn fail(&self, what: &'static str) -> LabelSetError {
        self.fail_at(self.at, what)
    }

    fn fail_at(&self, at: usize, what: &'static str) -> LabelSetError {
        LabelSetError {
            what,
            at: self.text[..at].chars().count() + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::labels::Group;

    #[test]
    fn what_an_id_shows_is_read_back() {
        let pairs = vec![
            ("region".to_owned(), "say \"hi\"\\\n, {ü}".to_owned()),
            ("zone".to_owned(), String::new()),
        ];
        assert_eq!(parse(&Group(pairs.clone()).to_label_set()), Ok(pairs));
    }

    #[test]
    fn what_is_no_label_set_is_refused() {
        for text in [
            "",
            "{",
            "{}",
            r#"{"}{"#,
            r#"{a="b""#,
            r#"{a="b",}"#,
            r#"{a="b"}x"#,
            r"{a=b}",
            r#"{1a="b"}"#,
            r#"{a="\q"}"#,
            r#"{a="b",a="c"}"#,
            r#"{a ="b"}"#,
            "region",
            "{é=\"x\"}",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
