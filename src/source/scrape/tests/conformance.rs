//! What a page may hold and what becomes of it, line by line. [`prometheus`] is the same beside Prometheus's parsers.

mod comments;
mod exemplars;
mod families;
mod framing;
mod labels;
mod names;
mod prometheus;
mod table;
mod timestamps;
mod values;

use crate::domain::matcher::Selector;
use crate::domain::selection::Selection;
use crate::source::scrape::cache::{SeriesCache, SeriesView};
use crate::source::scrape::exposition::Format;
use crate::source::scrape::exposition::page::Framing;

/// Why nines takes pages that Prometheus refuses: what cannot be misread is read.
const BLANKS: &str = "Blanks cannot be misread, so none is refused.";
const COMMAS: &str = "A missing comma cannot be misread, and the text format may lack it.";
const COMMENTS: &str = "Lines that begin with a hash hold no sample and cost none.";
const BLANK_LINES: &str = "A blank line holds no sample and costs none.";
const CRLF: &str = "Carriage returns at the ends of lines cannot be misread.";
const INDENTED: &str =
    "The format's description has blanks before a line skipped; Prometheus takes them for a part of the name.";
const SKIPS_LINE: &str = "A line whose name nothing can select is a warning and does not cost the page.";
const BYTES_BEFORE: &str = "The first line has no name, so it is a warning, as any other such line.";
const NUL: &str = "A NUL ends nothing: the line is a warning, and nothing after it is lost.";

/// Everything is selected, so that every line is read to its end.
fn everything() -> Selection {
    let any = Selector {
        metric: None,
        matchers: Vec::new(),
    };
    Selection::new([any], 1)
}

/// The samples of a page, a line each, then its warnings after `?`; an error after `!`.
fn read(text: &str, format: Format) -> String {
    let view = SeriesView {
        target: super::labels(&[("job", "shop")]),
        honor_labels: false,
    };
    let framing = Framing { format, whole: true };
    match SeriesCache::default().read(text, framing, &everything(), &view) {
        Ok(page) => {
            let samples = page
                .samples
                .iter()
                .map(|sample| format!("{} {:?}", sample.series.key, sample.value));
            let warnings = page.warnings.iter().map(|warning| format!("? {warning}"));
            samples.chain(warnings).collect::<Vec<_>>().join("\n")
        }
        Err(error) => format!("! {error}"),
    }
}

/// A case ends in a fault where the expectation begins with `!` or `?`: then it need only begin as expected.
fn check(format: Format, cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        let seen = read(text, format);
        let fault = expected.starts_with(['!', '?']);
        let fits = if fault {
            seen.starts_with(expected)
        } else {
            seen == *expected
        };
        assert!(fits, "{text:?}\n  gives    {seen:?}\n  expected {expected:?}");
    }
}

/// What both formats understand alike.
const UNDERSTOOD: &[(&str, &str)] = &[
    ("a 1", "a 1.0"),
    ("a  1", "a 1.0"),
    ("a\t1", "a 1.0"),
    (" a 1", "a 1.0"),
    ("\ta 1", "a 1.0"),
    ("a 1 ", "a 1.0"),
    ("a 1\r", "a 1.0"),
    ("a_b:c9 1", "a_b:c9 1.0"),
    (":a 1", ":a 1.0"),
    ("_ 1", "_ 1.0"),
    ("a{} 1", "a 1.0"),
    ("a{ } 1", "a 1.0"),
    ("a {} 1", "a 1.0"),
    ("a{}1", "a 1.0"),
    (r#"a{b="c"} 1"#, r#"a{b="c"} 1.0"#),
    (r#"a {b="c"} 1"#, r#"a{b="c"} 1.0"#),
    (r#"a{b="c"}1"#, r#"a{b="c"} 1.0"#),
    (r#"a{ b = "c" , d = "e" } 1"#, r#"a{b="c",d="e"} 1.0"#),
    (r#"a{b="c",} 1"#, r#"a{b="c"} 1.0"#),
    (r#"a{d="e",b="c"} 1"#, r#"a{b="c",d="e"} 1.0"#),
    (r#"a{b="c"d="e"} 1"#, r#"a{b="c",d="e"} 1.0"#),
    (r#"a{b="c" d="e"} 1"#, r#"a{b="c",d="e"} 1.0"#),
    (r#"a{b="c""d.e"="f"} 1"#, r#"a{b="c",d.e="f"} 1.0"#),
    (r#"a{b=""} 1"#, "a 1.0"),
    (r#"a{b="{x,y=z}"} 1"#, r#"a{b="{x,y=z}"} 1.0"#),
    (r##"a{b="# no comment"} 1"##, r##"a{b="# no comment"} 1.0"##),
    (r#"a{b="ü€😀"} 1"#, r#"a{b="ü€😀"} 1.0"#),
    (r#"a{b="\\"} 1"#, r#"a{b="\\"} 1.0"#),
    (r#"a{b="\""} 1"#, r#"a{b="\""} 1.0"#),
    (r#"a{b="\n"} 1"#, r#"a{b="\n"} 1.0"#),
    (r#"a{b="\d"} 1"#, r#"a{b="\\d"} 1.0"#),
    (r#"a{b="\\n"} 1"#, r#"a{b="\\n"} 1.0"#),
    (r#"a{b="\\\""} 1"#, r#"a{b="\\\""} 1.0"#),
    (r#"a{b="C:\\dir\\"} 1"#, r#"a{b="C:\\dir\\"} 1.0"#),
    (r#"a{__b9="c"} 1"#, r#"a{__b9="c"} 1.0"#),
    (r#"{"http.requests"} 1"#, "http.requests 1.0"),
    (r#"{"http.requests",} 1"#, "http.requests 1.0"),
    (r#"{ "http.requests" , a="b" } 1"#, r#"http.requests{a="b"} 1.0"#),
    (r#"{"a",b="c"} 1"#, r#"a{b="c"} 1.0"#),
    (r#"{"a\"b"} 1"#, r#"a"b 1.0"#),
    (r#"a{"b.c"="d"} 1"#, r#"a{b.c="d"} 1.0"#),
    (r#"{"ä","ö"="ü"} 1"#, r#"ä{ö="ü"} 1.0"#),
    ("a +Inf", "a inf"),
    ("a -Inf", "a -inf"),
    ("a inf", "a inf"),
    ("a NaN", "a NaN"),
    ("a nan", "a NaN"),
    ("a 1.5e3", "a 1500.0"),
    ("a 1E-2", "a 0.01"),
    ("a -0", "a -0.0"),
    ("a 9007199254740993", "a 9007199254740992.0"),
    ("a 0.000000000000001", "a 1e-15"),
];

/// What neither understands. It stands alone on its page, so that even a line without a name fails it.
const REFUSED: &[(&str, &str)] = &[
    ("a", "! line 1, column 2: the value is missing"),
    ("a ", "! line 1, column 3: the value is missing"),
    ("a{}", "! line 1, column 4: the value is missing"),
    (r#"a{b="c" 1"#, "! line 1, column 2: the labels are not closed"),
    (r#"a{b="c} 1"#, "! line 1, column 2: the labels are not closed"),
    (r#"a{b="c\"} 1"#, "! line 1, column 2: the labels are not closed"),
    ("a{b=\"c\nd\"} 1", "! line 1, column 2: the labels are not closed"),
    ("a{b=c} 1", "! line 1, column 5: a label's value must be quoted"),
    ("a{b='c'} 1", "! line 1, column 5: a label's value must be quoted"),
    ("a{b} 1", "! line 1, column 4: `=` is expected"),
    ("a{=\"c\"} 1", "! line 1, column 3: a label's name is expected"),
    ("a{,} 1", "! line 1, column 3: a label's name is expected"),
    (r#"a{b="c",,} 1"#, "! line 1, column 9: a label's name is expected"),
    (r#"a{9b="c"} 1"#, "! line 1, column 3: a label's name is expected"),
    (r#"a{b:c="d"} 1"#, "! line 1, column 4: `=` is expected"),
    (r#"a{""="c"} 1"#, "! line 1, column 3: a label's name is expected"),
    (r#"a{b="c";d="e"} 1"#, "! line 1, column 8: `,` or `}` is expected"),
    (r#"a{b="c" d} 1"#, "! line 1, column 10: `=` is expected"),
    (r#"a{b="c",b="d"} 1"#, "! line 1, column 9: a label stands twice"),
    (r#"a{"b"} 1"#, "! line 1, column 6: `=` is expected"),
    (
        "a{b=\"ü\",c=d} 1",
        "! line 1, column 11: a label's value must be quoted",
    ),
    ("a 0x10", "! line 1, column 3: the value is not a number"),
    ("a 1_000", "! line 1, column 3: the value is not a number"),
    ("a 1e999", "! line 1, column 3: the value is not a number"),
    ("a one", "! line 1, column 3: the value is not a number"),
    ("a 1,5", "! line 1, column 3: the value is not a number"),
    ("a +NaN", "! line 1, column 3: the value is not a number"),
    ("ü 1", "! line 1, column 1: a metric's name is expected"),
    ("9a 1", "! line 1, column 1: a metric's name is expected"),
    ("=", "! line 1, column 1: a metric's name is expected"),
    ("a-b 1", "! line 1, column 2: a metric's name must be followed"),
    ("{} 1", "! line 1, column 2: a metric's name is expected"),
    (r#"{""} 1"#, "! line 1, column 2: a metric's name may not be empty"),
    (r#"{a="b"} 1"#, "! line 1, column 2: a metric's name is expected"),
    (r#"{"a"="b"} 1"#, "! line 1, column 2: a metric's name is expected"),
    (r#"{"a" 1"#, "! line 1, column 2: a metric's name is expected"),
];

#[test]
fn both_formats_agree_on_names_labels_and_values() {
    for cases in [UNDERSTOOD, REFUSED] {
        check(Format::Text, cases);
        for (text, expected) in cases {
            check(Format::OpenMetrics, &[(&format!("{text}\n# EOF\n"), expected)]);
        }
    }
}

#[test]
fn the_text_format_has_milliseconds_and_no_exemplars() {
    check(
        Format::Text,
        &[
            ("a 1 1395066363000", "a 1.0"),
            ("a 1 -3982045", "a 1.0"),
            ("a 1  1395066363000 ", "a 1.0"),
            ("a{b=\"c\"} 1 0\n", "a{b=\"c\"} 1.0"),
            (
                "a 1 1395066363.5",
                "! line 1, column 5: the timestamp is not a whole number",
            ),
            ("a 1 now", "! line 1, column 5: the timestamp"),
            ("a 1 1 1", "! line 1, column 7: nothing may follow"),
            ("a 1 # {b=\"c\"} 1", "! line 1, column 5: the timestamp"),
            ("", ""),
            ("\n\n", ""),
            ("# HELP a says \"{\" and \\\n# TYPE a counter\na 1\n", "a 1.0"),
            ("#comment\n# EOF\na 1\n", "a 1.0"),
            ("a 1\nb 2", "a 1.0\nb 2.0"),
            (
                "a 1\nab 2\nabc 3\na{x=\"y\"} 4\n",
                "a 1.0\nab 2.0\nabc 3.0\na{x=\"y\"} 4.0",
            ),
            (
                "a 1\n-b 2\nc 3\n",
                "a 1.0\nc 3.0\n? line 2, column 1: a metric's name is expected",
            ),
            (
                "a 1\n{} 2\nc 3\n",
                "a 1.0\nc 3.0\n? line 2, column 2: a metric's name is expected, before the braces or quoted in them",
            ),
            (
                "a 1\na 2\n",
                "a 1.0\n? line 2: a series that the page lists twice; its first value counts",
            ),
            ("a 1\n\na x\n", "! line 3, column 3: the value is not a number"),
        ],
    );
}

#[test]
fn open_metrics_has_seconds_exemplars_and_an_end() {
    check(
        Format::OpenMetrics,
        &[
            ("# EOF", ""),
            ("# EOF\n", ""),
            ("# EOF\r\n", ""),
            ("a 1 1395066363.123\n# EOF\n", "a 1.0"),
            ("a 1 12\n# EOF\n", "a 1.0"),
            (
                "a_bucket{le=\"1\"} 2 # {id=\"x}\"} 0.67\n# EOF\n",
                "a_bucket{le=\"1\"} 2.0",
            ),
            (
                "a_bucket{le=\"1\"} 2 # {} 0.67 1520879607.789\n# EOF\n",
                "a_bucket{le=\"1\"} 2.0",
            ),
            ("a 2 1.5 # {id=\"x\"} 0.67 1.5\n# EOF\n", "a 2.0"),
            ("# TYPE a gauge\n# UNIT a seconds\n# HELP a x\na 1\n# EOF\n", "a 1.0"),
            ("a 1\n", "! line 2, column 1: the page does not end with `# EOF`"),
            ("", "! line 1, column 1: the page does not end with `# EOF`"),
            ("a 1\n#EOF\n", "! line 3, column 1: the page does not end with `# EOF`"),
            ("# EOF\na 1\n", "! line 2, column 1: nothing may follow `# EOF`"),
            ("# EOF\n\n", "! line 2, column 1: nothing may follow `# EOF`"),
            (
                "a 1 soon\n# EOF\n",
                "! line 1, column 5: the timestamp is not a number of seconds",
            ),
            (
                "a 1 1 1\n# EOF\n",
                "! line 1, column 7: an exemplar or the line's end is expected",
            ),
            (
                "a 1 # 0.5\n# EOF\n",
                "! line 1, column 7: an exemplar's labels are expected",
            ),
            (
                "a 1 # {b=\"c\"\n# EOF\n",
                "! line 1, column 7: an exemplar's labels are expected",
            ),
            (
                "a 1 # {}\n# EOF\n",
                "! line 1, column 9: an exemplar's value is not a number",
            ),
            (
                "a 1 # {} 1 soon\n# EOF\n",
                "! line 1, column 12: an exemplar's timestamp",
            ),
            (
                "a 1 # {b=c} 1\n# EOF\n",
                "! line 1, column 10: a label's value must be quoted",
            ),
            ("a 1 # {} 1 1 1\n# EOF\n", "! line 1, column 14: nothing may follow"),
        ],
    );
}

#[test]
fn a_series_has_its_limits() {
    let many = |count: usize| {
        let labels: Vec<String> = (0..count).map(|label| format!("l{label}=\"x\"")).collect();
        format!("a{{{}}} 1\n", labels.join(","))
    };
    assert!(read(&many(256), Format::Text).ends_with(" 1.0"));
    assert!(read(&many(257), Format::Text).contains("more than 256 labels"));
    let long = format!("a{{b=\"{}\"}} 1\n", "x".repeat(64 * 1024));
    assert!(read(&long, Format::Text).contains("longer than 64 KiB"));
}

mod arbitrary {
    use proptest::prelude::*;

    use super::*;

    /// Texts that look like pages now and then.
    fn pieces() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "a",
            "_total",
            "{",
            "}",
            "\"",
            "\\",
            "\\n",
            ",",
            "=",
            " ",
            "\n",
            "\r",
            "\t",
            "#",
            "# EOF",
            "1",
            "1.5e3",
            "NaN",
            "+Inf",
            "ü",
            "😀",
            "_created",
            "le=\"1\"",
            "{\"x.y\"",
            "process_start_time_seconds",
        ]);
        prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn no_text_makes_the_reader_panic(text in prop_oneof![pieces(), any::<String>()]) {
            for format in [Format::Text, Format::OpenMetrics] {
                read(&text, format);
            }
        }

        #[test]
        fn what_display_writes_is_read_back(name in "[a-zA-Z_:][a-zA-Z0-9_:]{0,8}", values in prop::collection::vec(".{1,8}", 0..5), value in any::<u32>()) {
            let labels: crate::domain::labels::Labels = values.iter().enumerate().map(|(at, value)| (format!("l{at}"), value.as_str())).collect();
            let key = format!("{name}{labels}");
            prop_assert_eq!(read(&format!("{key} {value}\n"), Format::Text), format!("{key} {:?}", f64::from(value)));
        }
    }
}
