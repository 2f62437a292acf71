//! Builds the tree from the parser's events, within limits.

use std::collections::{HashMap, HashSet};

use granit_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Tag};

use super::mend::{cause_of, mend_of};
use super::{
    ALIAS_BYTES_MAX, BYTES_MAX, DEPTH_MAX, DOCUMENTS_MAX, Entry, NODES_MAX, Node, Parsed, Scalar, Span, Value,
    YamlError,
};
use crate::spec::codes::{self, Code};

/// Reads all documents of a text. A document with an error in its grammar, or beyond a limit, is left out; the
/// documents after it are read all the same.
pub fn parse(text: &str) -> Parsed {
    let mut parsed = Parsed::default();
    if text.len() > BYTES_MAX {
        let message = format!("the file has {} bytes; at most {BYTES_MAX} are read", text.len());
        parsed.errors.push(error(
            &codes::TOO_LARGE,
            Span {
                line: 1,
                column: 1,
                ..Span::default()
            },
            message,
        ));
        return parsed;
    }
    let mut parser = Parser::new_from_str(text);
    let mut builder = Builder::default();
    let mut seen = 0;
    while let Some(next) = parser.next_event() {
        let outcome = match next {
            Ok((event, span)) => builder.take(event, Span::new(span.start, span.end)),
            // What broke the text as a whole is told once.
            Err(error) => Err(Box::new(
                Some(text)
                    .filter(|_| parsed.errors.is_empty())
                    .and_then(cause_of)
                    .unwrap_or_else(|| syntax_error(&error, text)),
            )),
        };
        match outcome {
            Ok(Step::More) => {}
            Ok(Step::Document(root)) => parsed.documents.extend(root.filter(|root| !root.is_null())),
            Ok(Step::End) => break,
            Err(error) => {
                parsed.errors.push(*error);
                builder.abandon();
                seen += 1;
                if seen >= DOCUMENTS_MAX || !matches!(parser.proceed_next_document(), Ok(true)) {
                    break;
                }
            }
        }
        if parsed.documents.len() > DOCUMENTS_MAX {
            let message = format!("the file holds more than {DOCUMENTS_MAX} documents");
            parsed
                .errors
                .push(error(&codes::TOO_MANY_NODES, Span::default().at_start(), message));
            break;
        }
    }
    parsed.errors.append(&mut builder.errors);
    parsed
}

impl Span {
    fn new(start: Marker, end: Marker) -> Self {
        let at = start.byte_offset().unwrap_or_default();
        Self {
            line: u32::try_from(start.line()).unwrap_or(u32::MAX).max(1),
            column: u32::try_from(start.col()).unwrap_or(u32::MAX).saturating_add(1),
            start: at,
            end: end.byte_offset().unwrap_or(at).max(at),
        }
    }

    fn at_start(self) -> Self {
        Self {
            line: 1,
            column: 1,
            ..self
        }
    }
}

enum Step {
    More,
    Document(Option<Node>),
    End,
}

/// A finished subtree and what it costs.
#[derive(Clone)]
struct Built {
    node: Node,
    nodes: usize,
    bytes: usize,
    height: usize,
}

/// A list or map that is still open.
struct Open {
    node: Node,
    /// The key that waits for its value.
    key: Option<(String, Span)>,
    anchor: usize,
    nodes: usize,
    bytes: usize,
    height: usize,
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, Built>,
    root: Option<Node>,
    /// Values of this document, copies in `anchors` included, so that memory is bounded by it.
    nodes: usize,
    repeated_bytes: usize,
    errors: Vec<YamlError>,
}

type Fallible<T> = Result<T, Box<YamlError>>;

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) -> Fallible<Step> {
        match event {
            Event::StreamEnd => return Ok(Step::End),
            Event::DocumentStart(..) => self.abandon(),
            Event::DocumentEnd => {
                let root = self.root.take();
                self.abandon();
                return Ok(Step::Document(root));
            }
            Event::Scalar(text, style, anchor, tag) => {
                let value = scalar(text.into_owned(), style, tag.as_deref());
                let bytes = value_bytes(&value);
                self.count(1, span)?;
                self.finish(
                    Built {
                        node: Node { value, span },
                        nodes: 1,
                        bytes,
                        height: 1,
                    },
                    anchor,
                )?;
            }
            Event::SequenceStart(_, anchor, _) => self.begin(Value::Seq(Vec::new()), anchor, span)?,
            Event::MappingStart(_, anchor, _) => self.begin(Value::Map(Vec::new()), anchor, span)?,
            Event::SequenceEnd | Event::MappingEnd => self.end(span)?,
            Event::Alias(anchor) => self.alias(anchor, span)?,
            _ => {}
        }
        Ok(Step::More)
    }

    /// Forgets the document that was being built.
    fn abandon(&mut self) {
        self.open.clear();
        self.anchors.clear();
        self.root = None;
        self.nodes = 0;
        self.repeated_bytes = 0;
    }

    fn begin(&mut self, value: Value, anchor: usize, span: Span) -> Fallible<()> {
        self.count(1, span)?;
        if self.open.len() >= DEPTH_MAX {
            return fail(&codes::TOO_DEEP, span, format!("nested more than {DEPTH_MAX} deep"));
        }
        let node = Node { value, span };
        self.open.push(Open {
            node,
            key: None,
            anchor,
            nodes: 1,
            bytes: 0,
            height: 1,
        });
        Ok(())
    }

    fn end(&mut self, span: Span) -> Fallible<()> {
        let Some(mut open) = self.open.pop() else {
            return Ok(());
        };
        // A block's end event stands where the next thing begins; its last child says where it really ends.
        let last = match &open.node.value {
            Value::Seq(items) => items.last().map(|item| item.span.end),
            Value::Map(entries) => entries.last().map(|entry| entry.value.span.end.max(entry.key_span.end)),
            _ => None,
        };
        let is_flow = span.end > span.start;
        let end = if is_flow { span.end } else { last.unwrap_or(span.start) };
        open.node.span.end = end.max(open.node.span.start);
        if let Value::Map(entries) = &mut open.node.value {
            merge(entries, &mut self.errors);
        }
        let Open {
            node,
            anchor,
            nodes,
            bytes,
            height,
            ..
        } = open;
        self.finish(
            Built {
                node,
                nodes,
                bytes,
                height,
            },
            anchor,
        )
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Fallible<()> {
        let Some(built) = self.anchors.get(&anchor).cloned() else {
            return fail(&codes::SYNTAX, span, "an alias stands within the value that it names");
        };
        self.repeated_bytes = self.repeated_bytes.saturating_add(built.bytes);
        let too_many = self.nodes.saturating_add(built.nodes) > NODES_MAX;
        if too_many || self.repeated_bytes > ALIAS_BYTES_MAX {
            return fail(
                &codes::ALIAS_EXPANSION,
                span,
                "the aliases up to here expand to too much",
            );
        }
        if self.open.len() + built.height > DEPTH_MAX + 1 {
            return fail(
                &codes::TOO_DEEP,
                span,
                format!("with this alias, nested more than {DEPTH_MAX} deep"),
            );
        }
        self.nodes += built.nodes;
        self.finish(built, 0)
    }

    /// Puts a finished value where it belongs.
    fn finish(&mut self, built: Built, anchor: usize) -> Fallible<()> {
        if anchor > 0 {
            self.nodes = self.nodes.saturating_add(built.nodes);
            self.repeated_bytes = self.repeated_bytes.saturating_add(built.bytes);
            if self.nodes > NODES_MAX || self.repeated_bytes > ALIAS_BYTES_MAX {
                return fail(
                    &codes::ALIAS_EXPANSION,
                    built.node.span,
                    "the anchors up to here hold too much",
                );
            }
            self.anchors.insert(anchor, built.clone());
        }
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(built.node);
            return Ok(());
        };
        parent.nodes += built.nodes;
        parent.bytes += built.bytes;
        parent.height = parent.height.max(built.height + 1);
        match (&mut parent.node.value, parent.key.take()) {
            (Value::Seq(items), _) => items.push(built.node),
            (Value::Map(entries), Some((key, key_span))) => {
                entries.push(Entry {
                    key,
                    key_span,
                    value: built.node,
                });
            }
            (_, _) => parent.key = Some(key_of(built.node)?),
        }
        Ok(())
    }

    fn count(&mut self, more: usize, span: Span) -> Fallible<()> {
        self.nodes += more;
        if self.nodes > NODES_MAX {
            return fail(
                &codes::TOO_MANY_NODES,
                span,
                format!("more than {NODES_MAX} values in one document"),
            );
        }
        Ok(())
    }
}

fn key_of(node: Node) -> Fallible<(String, Span)> {
    let Node { value, span } = node;
    match value {
        Value::Scalar(scalar) => Ok((scalar.text, span)),
        Value::Null => Ok((String::new(), span)),
        Value::Seq(_) | Value::Map(_) => fail(
            &codes::SYNTAX,
            span,
            "a list or map cannot be a key; quote it if text is meant",
        ),
    }
}

/// Reports keys that are written twice, and takes `<<` in: what it merges never displaces a key of its own.
fn merge(entries: &mut Vec<Entry>, errors: &mut Vec<YamlError>) {
    let mut seen: HashMap<String, u32> = HashMap::new();
    let mut merged = Vec::new();
    entries.retain_mut(|entry| {
        if let Some(line) = seen.get(&entry.key) {
            let message = format!("the key \"{}\" is written twice, first in line {line}", entry.key);
            errors.push(error(&codes::DUPLICATE_KEY, entry.key_span, message));
            return false;
        }
        seen.insert(entry.key.clone(), entry.key_span.line);
        if entry.key != "<<" {
            return true;
        }
        let value = std::mem::replace(&mut entry.value.value, Value::Null);
        match value {
            Value::Map(inner) => merged.extend(inner),
            Value::Seq(items) if items.iter().all(|item| item.entries().is_some()) => {
                for item in items {
                    if let Value::Map(inner) = item.value {
                        merged.extend(inner);
                    }
                }
            }
            _ => errors.push(error(
                &codes::WRONG_TYPE,
                entry.key_span,
                "<< merges a map, or a list of maps",
            )),
        }
        false
    });
    let mut known: HashSet<String> = seen.into_keys().collect();
    entries.extend(merged.into_iter().filter(|entry| known.insert(entry.key.clone())));
}

fn scalar(text: String, style: ScalarStyle, tag: Option<&Tag>) -> Value {
    let tagged_text = tag.is_some_and(|tag| tag.is_yaml_core_schema_tag("str"));
    let plain = style == ScalarStyle::Plain && !tagged_text;
    if plain && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL") {
        return Value::Null;
    }
    Value::Scalar(Scalar { text, plain })
}

fn value_bytes(value: &Value) -> usize {
    match value {
        Value::Scalar(scalar) => scalar.text.len(),
        _ => 0,
    }
}

fn syntax_error(scan: &ScanError, text: &str) -> YamlError {
    let span = Span::new(*scan.marker(), *scan.marker());
    let mut found = error(&codes::SYNTAX, span, format!("not YAML: {}", scan.info()));
    found.hint = mend_of(&scan.info(), text, span.start);
    found
}

fn error(code: &'static Code, span: Span, message: impl Into<String>) -> YamlError {
    YamlError {
        code,
        span,
        message: message.into(),
        hint: None,
    }
}

fn fail<T>(code: &'static Code, span: Span, message: impl Into<String>) -> Fallible<T> {
    Err(Box::new(error(code, span, message)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn outline(node: &Node) -> String {
        match &node.value {
            Value::Null => "null".to_owned(),
            Value::Scalar(scalar) => format!("{:?}", scalar.text),
            Value::Seq(items) => format!("[{}]", items.iter().map(outline).collect::<Vec<_>>().join(",")),
            Value::Map(entries) => {
                let pairs: Vec<_> = entries
                    .iter()
                    .map(|e| format!("{}:{}", e.key, outline(&e.value)))
                    .collect();
                format!("{{{}}}", pairs.join(","))
            }
        }
    }

    #[test]
    fn documents_become_trees() {
        for (text, expected) in [
            ("a: 1\nb: [x, 'null', null, ~]\n", r#"{a:"1",b:["x","null",null,null]}"#),
            ("{\"a\": 99.90, \"b\": \"\\u00e9\"}", r#"{a:"99.90",b:"é"}"#),
            ("a: &x {k: v}\nb: *x\n", r#"{a:{k:"v"},b:{k:"v"}}"#),
            (
                "a: &x {k: v, l: w}\nb:\n  <<: *x\n  k: own\n",
                r#"{a:{k:"v",l:"w"},b:{k:"own",l:"w"}}"#,
            ),
            ("--- 1\n---\n--- \n# nothing\n--- 2\n", r#""1" "2""#),
            ("\u{feff}a: b", r#"{a:"b"}"#),
            ("# only a comment\n", ""),
        ] {
            let parsed = parse(text);
            let trees: Vec<_> = parsed.documents.iter().map(outline).collect();
            assert!(parsed.errors.is_empty(), "{text}: {:?}", parsed.errors);
            assert_eq!(trees.join(" "), expected, "{text}");
        }
    }

    #[test]
    fn every_error_has_its_code_and_place() {
        let deep = format!("{}{}", "[".repeat(70), "]".repeat(70));
        let many = format!("[{}]", "a,".repeat(NODES_MAX + 1));
        let bomb: String = (1..30).fold("a0: &a0 [x, x]\n".to_owned(), |text, n| {
            format!("{text}a{n}: &a{n} [*a{}, *a{}]\n", n - 1, n - 1)
        });
        let large = " ".repeat(BYTES_MAX + 1);
        for (text, expected) in [
            ("a: 1\nb: 2\na: 3\n", vec![("N003", 3, 1)]),
            ("a: 1\n---\nb: c: d\n---\ne: [\n", vec![("N002", 3, 5), ("N002", 5, 4)]),
            ("a: *nowhere\n", vec![("N002", 1, 4)]),
            ("? [a]\n: b\n", vec![("N002", 1, 3)]),
            ("a: &a [*a]\n", vec![("N002", 1, 8)]),
            ("a: {<<: 5}\n", vec![("N006", 1, 5)]),
            (&deep, vec![("N008", 1, 65)]),
            (&many, vec![("N009", 1, 400_000)]),
            (&bomb, vec![("N010", 15, 11)]),
            (&large, vec![("N007", 1, 1)]),
        ] {
            let found: Vec<_> = parse(text)
                .errors
                .iter()
                .map(|e| (e.code.code, e.span.line, e.span.column))
                .collect();
            assert_eq!(found, expected, "{}", &text[..text.len().min(60)]);
        }
    }

    #[test]
    fn spans_cut_the_source() {
        let text = "a: 'x y'\nb:\n  - c: d\n    e: {f: g}\n  - h\n";
        let root = parse(text).documents.remove(0);
        let cut = |node: &Node| &text[node.span.start..node.span.end];
        assert_eq!(root.get("a").map(cut), Some("'x y'"));
        let items = root.get("b").and_then(Node::items).expect("a list");
        assert_eq!(cut(&items[0]), "c: d\n    e: {f: g}");
        assert_eq!((items[0].span.line, items[0].span.column), (3, 5));
        assert_eq!(cut(&items[1]), "h");
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "\\PC{0,60}|[-:{}\\[\\]&*!|>'\"%@`#, \\n\\tab?<]{0,60}") {
            parse(&text);
        }
    }
}
