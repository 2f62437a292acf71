//! The parser from outside: texts, and what they are or why they are nothing.

mod promtool;
mod understood;

use proptest::prelude::*;

use super::{
    Known, PromQlError, Understood, excerpt, parse, result_groups, understand_ratio, understand_raw, with_template,
};
use crate::domain::indicator::{IndicatorKind, RatioPart};
use crate::domain::selector_parser::parse_selector;

/// Texts that Prometheus takes, and how they are printed.
pub(super) const VALID: &[(&str, &str)] = &[
    ("1", "1"),
    ("+Inf", "+Inf"),
    ("-inf", "-Inf"),
    ("NaN", "NaN"),
    ("0x1F", "31"),
    ("0755", "493"),
    (".5", "0.5"),
    ("5.", "5"),
    ("1e3", "1000"),
    ("1E-9", "1e-9"),
    ("\"a\\n\\\"b\\\"\"", "\"a\\n\\\"b\\\"\""),
    ("'it\\'s'", "\"it's\""),
    ("`a\\b`", "\"a\\\\b\""),
    ("up", "up"),
    ("a:b:c{}", "a:b:c"),
    ("up{job=\"x\",}", "up{job=\"x\"}"),
    ("{__name__=\"up\"}", "up"),
    ("{__name__=~\"u.*\"}", "{__name__=~\"u.*\"}"),
    ("up{job!~'a|',sum=\"by\",on=`x`}", "up{job!~\"a|\",sum=\"by\",on=\"x\"}"),
    ("sum{by=\"x\"}", "sum{by=\"x\"}"),
    ("Offset + by", "Offset + by"),
    ("start - end", "start - end"),
    ("rate(up[5m])", "rate(up[5m])"),
    ("rate(up[ 1h30m ])", "rate(up[1h30m])"),
    ("rate(up[90m] offset 1w)", "rate(up[1h30m] offset 7d)"),
    ("up offset -5m", "up offset -5m"),
    ("up @ 1609746000.5 offset 5m", "up @ 1609746000.5 offset 5m"),
    ("up offset 5m @ start()", "up @ start() offset 5m"),
    ("rate(up[5m] @ end())", "rate(up[5m] @ end())"),
    ("up @ -10", "up @ -10"),
    ("max_over_time(up[30d:5m])", "max_over_time(up[30d:5m])"),
    (
        "max_over_time((a / b)[1h:] offset 5m)",
        "max_over_time((a / b)[1h:] offset 5m)",
    ),
    (
        "min_over_time(rate(x[1m])[1h:1m] @ 5)",
        "min_over_time(rate(x[1m])[1h:1m] @ 5)",
    ),
    ("sum(up)", "sum(up)"),
    ("sum by(job,)(up)", "sum by (job) (up)"),
    ("SUM(up)by (job, On)", "sum by (job, On) (up)"),
    ("avg without (a) (up)", "avg without (a) (up)"),
    ("sum by () (up)", "sum by () (up)"),
    ("topk(5, up)", "topk(5, up)"),
    ("topk by (a) (5, up)", "topk by (a) (5, up)"),
    ("quantile(0.9, up) without (x)", "quantile without (x) (0.9, up)"),
    ("count_values(\"v\", up)", "count_values(\"v\", up)"),
    ("a + b * c ^ d ^ e", "a + b * c ^ d ^ e"),
    ("a and b or c unless d", "a and b or c unless d"),
    ("a ATAN2 b", "a atan2 b"),
    ("1 > bool 2", "1 > bool 2"),
    ("a > bool on(x) b", "a > bool on (x) b"),
    ("a/on(x)group_left(y)b", "a / on (x) group_left (y) b"),
    ("a * ignoring(x) group_right b", "a * ignoring (x) group_right () b"),
    ("a / on() b", "a / on () b"),
    ("1 + on() 2", "1 + on () 2"),
    ("-a ^ 2", "-a ^ 2"),
    ("2 ^ -1", "2 ^ -1"),
    ("--a", "--a"),
    ("((up))", "((up))"),
    ("up # a comment", "up"),
    ("# first\nup\n  # then\n > 0 # last", "up > 0"),
    ("time() - pi()", "time() - pi()"),
    ("hour()", "hour()"),
    ("round(up)", "round(up)"),
    ("round(up, 5)", "round(up, 5)"),
    ("label_join(up, \"a\", \",\")", "label_join(up, \"a\", \",\")"),
    (
        "label_replace(up, \"a\", \"$1\", \"b\", \"(.*)\")",
        "label_replace(up, \"a\", \"$1\", \"b\", \"(.*)\")",
    ),
    (
        "histogram_quantile(0.9, sum by (le) (rate(x_bucket[5m])))",
        "histogram_quantile(0.9, sum by (le) (rate(x_bucket[5m])))",
    ),
    ("a == b", "a == b"),
    ("up[5m]", "up[5m]"),
    ("a{b=\"\"}", "a{b=\"\"}"),
    ("a{b=~\"/users/{id}\"}", "a{b=~\"/users/{id}\"}"),
    ("a{b=\"x\\\\.y\"}", "a{b=\"x\\\\.y\"}"),
];

/// What Prometheus 3 takes and 2.42 does not.
const NEWER: &[(&str, &str)] = &[
    ("{\"my.metric\", \"a.b\"=\"c\"}", "{\"my.metric\",\"a.b\"=\"c\"}"),
    ("{\"up\"}", "up"),
    ("sum by (\"a.b\") (up)", "sum by (\"a.b\") (up)"),
    ("rate(up[300])", "rate(up[5m])"),
    ("5m * 2", "300 * 2"),
    ("1_000", "1000"),
    ("limitk(3, up)", "limitk(3, up)"),
    ("info(up)", "info(up)"),
    (
        "double_exponential_smoothing(up[5m], 0.5, 0.5)",
        "double_exponential_smoothing(up[5m], 0.5, 0.5)",
    ),
];

/// What is understood beyond PromQL: the template.
const TEMPLATES: &[(&str, &str)] = &[
    ("rate(x[{{.window}}])", "rate(x[{{.window}}])"),
    ("rate(x[ {{  .window }} ])", "rate(x[{{.window}}])"),
    ("max_over_time(x[{{.window}}:5m])", "max_over_time(x[{{.window}}:5m])"),
    ("x offset {{.window}}", "x offset {{.window}}"),
    ("errors:rate{{.window}}{a=\"b\"}", "errors:rate{{.window}}{a=\"b\"}"),
];

/// Texts that Prometheus refuses: where, and a word of why.
pub(super) const INVALID: &[(&str, usize, &str)] = &[
    ("", 0, "empty"),
    ("  # only a comment", 0, "empty"),
    ("{}", 0, "every series"),
    ("{a=\"\"}", 0, "every series"),
    ("{a=~\".*\"}", 0, "every series"),
    ("up{__name__=\"x\"}", 3, "twice"),
    ("{a=\"b\",}}", 8, "unexpected `}`"),
    ("up{,}", 3, "label's name"),
    ("up{a}", 4, "=~"),
    ("up{a==\"b\"}", 4, "unexpected `==`"),
    ("up{a=b}", 5, "quoted"),
    ("up{a=5}", 5, "quoted"),
    ("up{a:b=\"c\"}", 3, "label's name"),
    ("up{a=\"b\" c=\"d\"}", 9, "comma"),
    ("up{a=\"b\"", 8, "ends where"),
    ("up{a=\"b", 5, "closing"),
    ("up{a=~\"(\"}", 6, "regular expression"),
    ("up{a=\"\\.\"}", 6, "escape"),
    (
        "rate(up)",
        5,
        "expected type range vector in call to function \"rate\", got instant vector",
    ),
    ("rate(sum(up))", 5, "range vector"),
    (
        "sum(up[5m])",
        4,
        "expected type instant vector in aggregation expression, got range vector",
    ),
    (
        "rate(up[5m], 1)",
        0,
        "expected 1 argument(s) in call to \"rate\", got 2",
    ),
    ("round()", 0, "at least 1"),
    ("round(up, 1, 2)", 0, "at most 2"),
    ("label_join(up)", 0, "at least 3"),
    ("rat(up[5m])", 0, "unknown function with name \"rat\""),
    ("Rate(up[5m])", 0, "unknown function"),
    ("sum()", 0, "no arguments"),
    ("sum(a, b)", 0, "expected 1, got 2"),
    ("topk(up)", 0, "expected 2, got 1"),
    ("topk(up, up)", 5, "expected type scalar"),
    ("count_values(1, up)", 13, "expected type string"),
    ("sum(up,)", 7, "trailing commas"),
    ("sum(up", 6, "ends where"),
    ("sum up", 4, "unexpected `up`"),
    ("sum by job (up)", 7, "expected ("),
    ("sum by (a b) (up)", 10, "comma"),
    ("sum by (a) (up) by (a)", 16, "unexpected `by`"),
    ("1 > 2", 2, "BOOL"),
    ("a + bool b", 2, "bool modifier"),
    ("a and 1", 2, "set operator"),
    ("a or 1", 2, "set operator"),
    ("1 + on(x) a", 2, "vector matching"),
    ("a and on(x) group_left(y) b", 2, "no grouping"),
    ("a / on(x) group_left(x) b", 20, "at once"),
    ("a + ", 4, "ends where"),
    ("* a", 0, "expected an expression"),
    ("a b", 2, "unexpected `b`"),
    ("(a", 2, "an operator or ) is expected"),
    ("a)", 1, "unexpected `)`"),
    ("a[5m] + 1", 0, "range vector"),
    ("\"a\" + 1", 0, "string"),
    ("-\"a\"", 0, "unary"),
    ("up[5]m]", 5, "unexpected `m`"),
    ("up[5minutes]", 3, "neither a number nor a duration"),
    ("up[m]", 3, "duration such as 5m"),
    ("up[]", 3, "duration such as 5m"),
    ("up[0s]", 3, "greater than 0"),
    ("up[-5m]", 3, "duration such as 5m"),
    ("up[30m1h]", 3, "neither"),
    ("(up)[5m]", 4, "ranges only allowed for vector selectors"),
    ("sum(up)[5m]", 7, "MetricsQL"),
    ("x == 0[5m]", 6, "ranges only allowed"),
    ("up offset 5m[5m]", 12, "offset"),
    ("up offset 5m offset 5m", 13, "multiple times"),
    ("up @ 1 @ 2", 7, "multiple times"),
    ("sum(up) offset 5m", 8, "must be preceded"),
    ("up offset", 9, "ends where"),
    ("up @ x", 5, "unix time"),
    ("up @ start", 10, "()"),
    ("up[5m:1m][5m:1m]", 0, "subquery is only allowed"),
    ("a = b", 2, "unexpected `=`"),
    ("a =~ b", 2, "unexpected `=~`"),
    ("a ! b", 2, "after `!`"),
    ("a && b", 2, "no operator"),
    ("on(x)", 0, "keyword"),
    ("0x", 0, "neither"),
    ("1.2.3", 0, "neither"),
    ("up{a=“b”}", 5, "typographic"),
    ("rate(up[$__rate_interval])", 8, "Grafana"),
    ("rate(up[[[window]]])", 8, "duration"),
    ("a;b", 1, "no meaning"),
    ("ä", 0, "no meaning"),
];

/// What only the template's rules refuse; a template is nothing that promtool reads.
const BAD_TEMPLATES: &[(&str, usize, &str)] = &[
    ("rate(x[{{- .window -}}])", 7, "blanks"),
    ("rate(x[{{.range}}])", 7, "only template"),
    ("x > {{.window}}", 4, "stands for a duration"),
    ("x == 0[{{.window}}]", 6, "ranges only allowed"),
    ("vector(1)[{{.window}}]", 9, "MetricsQL"),
    ("rate(x[{window}])", 7, "duration"),
];

fn error(text: &str) -> PromQlError {
    parse(text).expect_err(text)
}

#[test]
fn expressions_are_read_and_printed_as_they_are_meant() {
    for (text, canonical) in VALID.iter().chain(NEWER).chain(TEMPLATES) {
        let printed = parse(text).map(|expr| expr.to_string());
        assert_eq!(printed.as_deref(), Ok(*canonical), "{text}");
        let again = parse(canonical).map(|expr| expr.to_string());
        assert_eq!(again.as_deref(), Ok(*canonical), "{canonical} is read back");
    }
}

#[test]
fn errors_stand_at_their_place_and_say_why() {
    for (text, at, word) in INVALID.iter().chain(BAD_TEMPLATES) {
        let found = error(text);
        assert!(found.at == *at && found.message.contains(word), "{text}: {found:?}");
    }
}

#[test]
fn slips_get_their_hint() {
    for (text, hint) in [
        ("rat(up[5m])", "`rate`"),
        ("Rate(up[5m])", "`rate`"),
        ("summ(up)", "`sum`"),
        ("historgam_quantile(1, up)", "`histogram_quantile`"),
        ("rate(up)", "[{{.window}}]"),
        ("x == 0[5m]", "x[5m] == 0"),
        ("a or 0", "vector"),
        ("up{a==\"b\"}", "single ="),
        ("rate(x[{{- .window -}}])", "{{.window}}"),
        ("rate(x[{{ .Window }}])", "write `{{.window}}`"),
        ("rate(x[{{window}}])", "write `{{.window}}`"),
        ("errors:rate{{WINDOW}}", "write `{{.window}}`"),
    ] {
        let found = error(text);
        assert!(
            found.hint.as_ref().is_some_and(|text| text.contains(hint)),
            "{text}: {found:?}"
        );
    }
}

#[test]
fn operators_bind_as_in_prometheus() {
    use super::{BinaryOp, ExprKind};
    let top = |text: &str| match parse(text).map(|expr| expr.kind) {
        Ok(ExprKind::Binary { op, left, right, .. }) => (op, left.to_string(), right.to_string()),
        other => panic!("{text}: {other:?}"),
    };
    for (text, op, left, right) in [
        ("a - b - c", BinaryOp::Subtract, "a - b", "c"),
        ("a ^ b ^ c", BinaryOp::Power, "a", "b ^ c"),
        ("a + b * c", BinaryOp::Add, "a", "b * c"),
        ("a * b + c", BinaryOp::Add, "a * b", "c"),
        ("a or b and c", BinaryOp::Or, "a", "b and c"),
        ("a and b or c", BinaryOp::Or, "a and b", "c"),
        ("a > b + c", BinaryOp::Greater, "a", "b + c"),
        ("-a * b", BinaryOp::Multiply, "-a", "b"),
        ("a ^ -b * c", BinaryOp::Multiply, "a ^ -b", "c"),
        ("1 - a / b", BinaryOp::Subtract, "1", "a / b"),
    ] {
        assert_eq!(top(text), (op, left.to_owned(), right.to_owned()), "{text}");
    }
}

#[test]
fn hostile_texts_are_refused_and_break_nothing() {
    for text in [
        "(".repeat(60_000),
        "-".repeat(60_000),
        "sum(".repeat(16_000),
        "a".to_owned() + &"+a".repeat(30_000),
        "a".to_owned() + &"^a".repeat(30_000),
        "a".to_owned() + &"[5m:]".repeat(12_000),
        "a offset 5m".repeat(5_000),
        "(".repeat(100_000),
        format!("a{{{}}}", "b=\"c\",".repeat(5_000)),
    ] {
        assert!(parse(&text).is_err(), "{}…", &text[..20]);
    }
    let high = "a".to_owned() + &"+a".repeat(399);
    assert!(parse(&high).is_ok(), "a long chain is no attack");
}

proptest! {
    #[test]
    fn nothing_panics_and_places_lie_within(
        text in "\\PC{0,40}|([a-c]|[0-9.xe_]|[-+*/%^(){}\\[\\],:@=!~<>\"'`\\\\# $]|sum|by|rate|offset|\\{\\{\\.window\\}\\}|5m| ){0,30}"
    ) {
        match parse(&text) {
            Err(error) => prop_assert!(error.at <= text.len() && text.is_char_boundary(error.at)),
            Ok(expr) => {
                let mut ok = true;
                expr.walk(&mut |inner| ok &= text.get(inner.place.start..inner.place.end).is_some_and(|t| !t.is_empty()));
                prop_assert!(ok, "{:?}", expr);
                let printed = expr.to_string();
                let again = parse(&printed);
                prop_assert_eq!(again.map(|expr| expr.to_string()), Ok(printed));
            }
        }
    }

    #[test]
    fn mutations_are_parsed_and_understood_without_harm(
        parts in prop::collection::vec((prop::sample::select(VALID), any::<prop::sample::Index>(), 0_usize..4), 2..5),
        piece in prop::sample::select(&[
            "", " + ", " - ", " / ", "sum(", "sum by (a) (", ")", "[5m]", "[{{.window}}]", "{a=~\"b|c\"}", "rate(", "{{.Window}}", ",",
            " or vector(0)", "1 - ", "x_bucket{le=\"1\"}", "x_count", "é", "\\", "\"",
        ][..]),
    ) {
        let mut text = String::new();
        for (part, at, skipped) in &parts {
            let chars: Vec<char> = part.0.chars().collect();
            let cut = at.index(chars.len() + 1);
            text.extend(&chars[..cut]);
            text.push_str(piece);
            text.extend(chars.iter().skip(cut + skipped));
        }
        let halves = text.split_at(text.floor_char_boundary(text.len() / 2));
        let _ = with_template(&text);
        let exprs: Vec<_> = [text.as_str(), halves.0, halves.1, parts[0].0.0].into_iter().filter_map(|text| parse(text).ok()).collect();
        for total in &exprs {
            for part in &exprs {
                let understood = understand_ratio(total, part, RatioPart::Bad, Known::Counters);
                if let Ok(Understood { kind: IndicatorKind::Ratio { total, part, .. }, .. }) = understood {
                    for selector in [total, part] {
                        let written = selector.to_string();
                        prop_assert_eq!(parse_selector(&written), Ok(selector), "{}", written);
                    }
                }
                let _ = result_groups(&[total, part]);
            }
            let _ = understand_raw(total, RatioPart::Good);
        }
    }

    #[test]
    fn whatever_is_put_together_prints_stably(
        parts in prop::collection::vec(prop::sample::select(VALID), 1..4),
        op in prop::sample::select(&["+", "/", "and", "or on()", "> bool", "^", "unless ignoring(a)"][..]),
    ) {
        let text = parts.iter().map(|part| part.0.split('#').next().unwrap_or_default()).collect::<Vec<_>>().join(&format!(" {op} "));
        if let Ok(expr) = parse(&text) {
            let printed = expr.to_string();
            prop_assert_eq!(parse(&printed).map(|expr| expr.to_string()), Ok(printed));
        }
    }
}

#[test]
fn misspelt_templates_are_mended_and_others_stay() {
    for (text, expected) in [
        ("rate(x[{{.Window}}])", Some(("rate(x[{{.window}}])", 7..18))),
        (
            "a[{{.window}}] + {{ x }} + b[{{ window }}] + c[{{.WINDOW }}]",
            Some(("a[{{.window}}] + {{ x }} + b[{{.window}}] + c[{{.window}}]", 29..41)),
        ),
        ("rate(x[{{.window}}])", None),
        ("rate(x[{{.windows}}])", None),
        ("{{", None),
        ("{{{{window}}", Some(("{{{{.window}}", 2..12))),
    ] {
        let found = with_template(text).map(|(meant, place)| (meant, place.start..place.end));
        assert_eq!(
            found,
            expected.map(|(meant, place)| (meant.to_owned(), place)),
            "{text}"
        );
    }
}

#[test]
fn excerpts_are_one_short_line() {
    assert_eq!(excerpt("a\n\tb\n"), "a  b");
    let (exact, longer) = ("é".repeat(60), "é".repeat(61));
    assert_eq!(excerpt(&exact), exact);
    assert_eq!(excerpt(&longer), format!("{exact}…"));
}
