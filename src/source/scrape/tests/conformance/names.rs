//! Names of metrics, plain and quoted.

use super::table::{Case, open, text};
use super::{BLANKS, INDENTED, SKIPS_LINE};

pub const CASES: &[Case] = &[
    text("A name may have letters, digits, underscores and colons.", "a_B:c9 1").takes(&["a_B:c9 1"]),
    open("OpenMetrics has the same names.", "a_B:c9 1").takes(&["a_B:c9 1"]),
    text("A name may begin with a colon.", ":a 1").takes(&[":a 1"]),
    open("A name may begin with a colon in OpenMetrics too.", ":a 1").takes(&[":a 1"]),
    text("A name may be one underscore.", "_ 1").takes(&["_ 1"]),
    text("A name may be one colon.", ": 1").takes(&[": 1"]),
    text("A name that begins with a digit is none.", "9a 1").refuses(),
    open("A name that begins with a digit is none in OpenMetrics either.", "9a 1").refuses(),
    text("A hyphen ends a name, and nothing may stand there.", "a-b 1").refuses(),
    text("A dot ends a name likewise.", "a.b 1").refuses(),
    open("A dot ends a name in OpenMetrics.", "a.b 1").refuses(),
    text("Letters beyond ASCII need quotes.", "ü 1").refuses(),
    text("A letter beyond ASCII inside of a name needs quotes too.", "aü 1").refuses(),
    text("Blanks may stand before a name.", "  a 1")
        .refuses()
        .nines_takes(INDENTED, &["a 1"]),
    text("A tab may stand before a name.", "\ta 1")
        .refuses()
        .nines_takes(INDENTED, &["a 1"]),
    open("OpenMetrics has no blanks before a name.", " a 1")
        .refuses()
        .nines_takes(BLANKS, &["a 1"]),
    text("A name alone has no value.", "a").refuses(),
    open("A name alone has no value in OpenMetrics.", "a").refuses(),
    text("A value needs a name.", "1").refuses(),
    text("An equals sign is no name.", "= 1").refuses(),
    text("A line without a name costs the page.", "a 1\n-b 2\nc 3")
        .refuses()
        .nines_takes(SKIPS_LINE, &["a 1", "c 3"]),
    open("A line without a name costs the page in OpenMetrics.", "a 1\n-b 2\nc 3")
        .refuses()
        .nines_takes(SKIPS_LINE, &["a 1", "c 3"]),
    text("One name may begin with another.", "a 1\nab 2\nabc 3\na{x=\"y\"} 4").takes(&[
        "a 1",
        "ab 2",
        "abc 3",
        r#"a{x="y"} 4"#,
    ]),
    open("One name may begin with another in OpenMetrics.", "a 1\nab 2\nabc 3").takes(&["a 1", "ab 2", "abc 3"]),
    text("Case matters in names.", "a 1\nA 2").takes(&["a 1", "A 2"]),
    text("A quoted name stands in the braces.", r#"{"http.requests"} 1"#)
        .takes(&["http.requests 1"])
        .but_2_42_refuses(),
    open("OpenMetrics has quoted names in the braces.", r#"{"http.requests"} 1"#)
        .takes(&["http.requests 1"])
        .but_2_42_refuses(),
    text("Labels follow a quoted name.", r#"{"http.requests",a="b"} 1"#)
        .takes(&[r#"http.requests{a="b"} 1"#])
        .but_2_42_refuses(),
    text(
        "Blanks may stand around a quoted name.",
        r#"{ "http.requests" , a="b" } 1"#,
    )
    .takes(&[r#"http.requests{a="b"} 1"#])
    .but_2_42_refuses(),
    text("A comma may follow a quoted name.", r#"{"a.b",} 1"#)
        .takes(&["a.b 1"])
        .but_2_42_refuses(),
    text("A plain name may be quoted.", r#"{"a",b="c"} 1"#)
        .takes(&[r#"a{b="c"} 1"#])
        .but_2_42_refuses(),
    text("A quoted name may hold any letters.", r#"{"größe","ö"="ü"} 1"#)
        .takes(&[r#"größe{ö="ü"} 1"#])
        .but_2_42_refuses(),
    text("A quoted name may hold a brace.", r#"{"a}b"} 1"#)
        .takes(&["a}b 1"])
        .but_2_42_refuses(),
    text("A label's name may be quoted.", r#"a{"b.c"="d"} 1"#)
        .takes(&[r#"a{b.c="d"} 1"#])
        .but_2_42_refuses(),
    open("A label's name may be quoted in OpenMetrics.", r#"a{"b.c"="d"} 1"#)
        .takes(&[r#"a{b.c="d"} 1"#])
        .but_2_42_refuses(),
    text("Quoted names may be escaped.", r#"{"a\"b"} 1"#)
        .takes(&["a\"b 1"])
        .but_2_42_refuses(),
    text("A quoted name may follow labels for Prometheus.", r#"{b="c","a.b"} 1"#)
        .takes(&[r#"a.b{b="c"} 1"#])
        .but_2_42_refuses(),
    text("A series has no two names.", r#"a{"b"} 1"#).refuses(),
    text("A quoted name may not be empty.", r#"{""} 1"#).refuses(),
    text("Labels alone are no series.", r#"{b="c"} 1"#).refuses(),
    open("Labels alone are no series in OpenMetrics.", r#"{b="c"} 1"#).refuses(),
    text("Braces alone are no series.", "{} 1").refuses(),
    text("An empty label name in quotes is none.", r#"a{""="b"} 1"#).refuses(),
    text("Quotes around a name without braces are no name.", r#""a" 1"#).refuses(),
    text("A quoted name must be closed.", r#"{"a} 1"#).refuses(),
];
