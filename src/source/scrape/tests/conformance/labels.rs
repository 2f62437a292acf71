//! Labels: where commas and blanks may stand, and what values may hold.

use super::table::{Case, open, raw_open, raw_text, text};
use super::{BLANKS, COMMAS};

pub const CASES: &[Case] = &[
    text("Braces may be empty.", "a{} 1").takes(&["a 1"]),
    open("Braces may be empty in OpenMetrics.", "a{} 1").takes(&["a 1"]),
    text("Braces may hold blanks only.", "a{ \t} 1").takes(&["a 1"]),
    open("Braces may not hold blanks in OpenMetrics.", "a{ } 1")
        .refuses()
        .nines_takes(BLANKS, &["a 1"]),
    text("Blanks may stand before the braces.", r#"a {b="c"} 1"#).takes(&[r#"a{b="c"} 1"#]),
    open(
        "Blanks may not stand before the braces in OpenMetrics.",
        r#"a {b="c"} 1"#,
    )
    .refuses()
    .nines_takes(BLANKS, &[r#"a{b="c"} 1"#]),
    text("The value may follow the braces at once.", r#"a{b="c"}1"#).takes(&[r#"a{b="c"} 1"#]),
    open("One blank stands before the value in OpenMetrics.", r#"a{b="c"}1"#)
        .refuses()
        .nines_takes(BLANKS, &[r#"a{b="c"} 1"#]),
    text(
        "Blanks may stand everywhere between the parts of a label.",
        "a{ b = \"c\"\t, d = \"e\" } 1",
    )
    .takes(&[r#"a{b="c",d="e"} 1"#]),
    open("Labels have no blanks in OpenMetrics.", r#"a{b="c", d="e"} 1"#)
        .refuses()
        .nines_takes(BLANKS, &[r#"a{b="c",d="e"} 1"#]),
    text("The last label may have a comma.", r#"a{b="c",} 1"#).takes(&[r#"a{b="c"} 1"#]),
    open(
        "The last label may have a comma in OpenMetrics by now.",
        r#"a{b="c",} 1"#,
    )
    .takes(&[r#"a{b="c"} 1"#])
    .but_2_42_refuses(),
    text("Two commas are one too many.", r#"a{b="c",,d="e"} 1"#).refuses(),
    open("Two commas are one too many in OpenMetrics.", r#"a{b="c",,d="e"} 1"#).refuses(),
    text("A comma may not come first.", r#"a{,b="c"} 1"#).refuses(),
    open("A comma may not come first in OpenMetrics.", r#"a{,b="c"} 1"#).refuses(),
    text("A comma alone is no label.", "a{,} 1").refuses(),
    text("The comma between labels may be missing.", r#"a{b="c" d="e"} 1"#).takes(&[r#"a{b="c",d="e"} 1"#]),
    text("Labels may touch.", r#"a{b="c"d="e"} 1"#).takes(&[r#"a{b="c",d="e"} 1"#]),
    open("The comma may not be missing in OpenMetrics.", r#"a{b="c"d="e"} 1"#)
        .refuses()
        .nines_takes(COMMAS, &[r#"a{b="c",d="e"} 1"#]),
    text("The order of labels means nothing.", r#"a{d="e",b="c"} 1"#).takes(&[r#"a{b="c",d="e"} 1"#]),
    text("A label with an empty value is no label.", r#"a{b="",d="e"} 1"#).takes(&[r#"a{d="e"} 1"#]),
    open(
        "A label with an empty value is no label in OpenMetrics.",
        r#"a{b=""} 1"#,
    )
    .takes(&["a 1"]),
    text("A label may stand there once only.", r#"a{b="c",b="d"} 1"#).refuses(),
    text("A label may not even be repeated.", r#"a{b="c",b="c"} 1"#).refuses(),
    open(
        "A label may stand there once only in OpenMetrics.",
        r#"a{b="c",b="d"} 1"#,
    )
    .refuses(),
    text("A label's name has no colon.", r#"a{b:c="d"} 1"#).refuses(),
    text("A label's name does not begin with a digit.", r#"a{9b="c"} 1"#).refuses(),
    text("A label's name may have digits and underscores.", r#"a{_b9_="c"} 1"#).takes(&[r#"a{_b9_="c"} 1"#]),
    text("A label's name is needed.", r#"a{="c"} 1"#).refuses(),
    text("A label's value is needed.", "a{b} 1").refuses(),
    text("A label's value is quoted.", "a{b=c} 1").refuses(),
    open("A label's value is quoted in OpenMetrics.", "a{b=c} 1").refuses(),
    text("Single quotes are none.", "a{b='c'} 1").refuses(),
    text("A comma in a value separates nothing.", r#"a{path="/a,b",c="d"} 1"#).takes(&[r#"a{c="d",path="/a,b"} 1"#]),
    text("An equals sign in a value assigns nothing.", r#"a{query="x=1&y=2"} 1"#).takes(&[r#"a{query="x=1&y=2"} 1"#]),
    text(
        "A brace in a value closes nothing.",
        r#"a{path="/users/{id}/",c="d"} 1"#,
    )
    .takes(&[r#"a{c="d",path="/users/{id}/"} 1"#]),
    open(
        "Commas, equals signs and braces in a value mean nothing in OpenMetrics.",
        r#"a{b="{x,y=z}"} 1"#,
    )
    .takes(&[r#"a{b="{x,y=z}"} 1"#]),
    text("A whole label in a value is a value.", r#"a{b="c=\"d\",e=\"f\""} 1"#).takes(&[r#"a{b="c=\"d\",e=\"f\""} 1"#]),
    text("A hash in a value begins no comment.", r##"a{b="# TYPE a counter"} 1"##)
        .takes(&[r##"a{b="# TYPE a counter"} 1"##]),
    open("A hash in a value begins no exemplar.", r#"a{b=" # {c} 1"} 1"#).takes(&[r#"a{b=" # {c} 1"} 1"#]),
    text("Blanks in a value are kept.", "a{b=\" c\td \"} 1").takes(&["a{b=\" c\td \"} 1"]),
    text("Letters beyond ASCII are values.", r#"a{b="ü€😀"} 1"#).takes(&[r#"a{b="ü€😀"} 1"#]),
    open("Letters beyond ASCII are values in OpenMetrics.", r#"a{b="ü€😀"} 1"#).takes(&[r#"a{b="ü€😀"} 1"#]),
    text("A backslash is escaped.", r#"a{b="C:\\dir\\"} 1"#).takes(&[r#"a{b="C:\\dir\\"} 1"#]),
    text("A quote is escaped.", r#"a{b="say \"hi\""} 1"#).takes(&[r#"a{b="say \"hi\""} 1"#]),
    text("A newline is escaped.", r#"a{b="x\ny"} 1"#).takes(&[r#"a{b="x\ny"} 1"#]),
    open("OpenMetrics has the same three escapes.", r#"a{b="\\\"\n"} 1"#).takes(&[r#"a{b="\\\"\n"} 1"#]),
    text("An escaped backslash before an n is no newline.", r#"a{b="\\n"} 1"#).takes(&[r#"a{b="\\n"} 1"#]),
    text("An unknown escape keeps its backslash.", r#"a{b="\d\t"} 1"#).takes(&[r#"a{b="\\d\\t"} 1"#]),
    open(
        "An unknown escape keeps its backslash in OpenMetrics.",
        r#"a{b="\d"} 1"#,
    )
    .takes(&[r#"a{b="\\d"} 1"#]),
    text("An escaped quote closes nothing.", r#"a{b="c\"} 1"#).refuses(),
    text("Quotes must be closed.", r#"a{b="c} 1"#).refuses(),
    text("Braces must be closed.", r#"a{b="c" 1"#).refuses(),
    open("Braces must be closed in OpenMetrics.", r#"a{b="c" 1"#).refuses(),
    text("Braces must be closed with the right one.", r#"a{b="c"] 1"#).refuses(),
    text("Nothing may follow the braces but the value.", r#"a{b="c"}{d="e"} 1"#).refuses(),
    raw_text(
        "A newline within a value is read by Prometheus's lexer, though the format wants it escaped.",
        b"a{b=\"c\nd\"} 1\n",
    )
    .takes(&[r#"a{b="c\nd"} 1"#])
    .nines_refuses("The format wants newlines escaped, and nines goes line by line."),
    open("A newline within a value is refused in OpenMetrics.", "a{b=\"c\nd\"} 1").refuses(),
    raw_text("A NUL in a value is a character.", b"a{b=\"c\0d\"} 1\n").takes(&["a{b=\"c\0d\"} 1"]),
    raw_text("A value that is not UTF-8 costs the page.", b"a{b=\"\xff\"} 1\n").refuses(),
    raw_open(
        "A value that is not UTF-8 costs the page in OpenMetrics.",
        b"a{b=\"\xff\"} 1\n# EOF\n",
    )
    .refuses(),
    raw_text("A character that is cut costs the page.", b"a{b=\"\xe2\x82\"} 1\n").refuses(),
];
