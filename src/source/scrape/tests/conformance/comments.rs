//! Lines that hold no sample: comments, HELP, TYPE and UNIT.

use super::COMMENTS;
use super::table::{Case, open, raw_open, raw_text, text};

pub const CASES: &[Case] = &[
    text("A comment is skipped.", "# some words\na 1").takes(&["a 1"]),
    text("A comment needs no blank.", "#some words\na 1").takes(&["a 1"]),
    text("A hash alone is a comment.", "#\na 1").takes(&["a 1"]),
    text("A comment may be indented.", "  # some words\na 1").takes(&["a 1"]),
    text("A comment may hold a sample, which is none.", "# a 1\nb 2").takes(&["b 2"]),
    text("A comment may not follow a sample.", "a 1 # some words").refuses(),
    open("OpenMetrics has no free comments.", "# some words\na 1")
        .refuses()
        .nines_takes(COMMENTS, &["a 1"]),
    open("OpenMetrics has no comments without a blank.", "#some words\na 1")
        .refuses()
        .nines_takes(COMMENTS, &["a 1"]),
    text("HELP is skipped, whatever it says.", "# HELP a says \"{\" and \\\na 1").takes(&["a 1"]),
    open(
        "HELP is skipped in OpenMetrics.",
        "# HELP a says \\\"{\\\" and \\\\\na 1",
    )
    .takes(&["a 1"]),
    text("HELP may say nothing.", "# HELP a\na 1").takes(&["a 1"]),
    open("HELP needs a blank after the name in OpenMetrics.", "# HELP a\na 1")
        .refuses()
        .nines_takes(COMMENTS, &["a 1"]),
    text("HELP needs no sample.", "# HELP b Some help.\na 1").takes(&["a 1"]),
    text("HELP may stand there twice.", "# HELP a One.\n# HELP a Two.\na 1").takes(&["a 1"]),
    text("HELP may have letters beyond ASCII.", "# HELP a Größe in €.\na 1").takes(&["a 1"]),
    raw_text("HELP that is not UTF-8 costs the page.", b"# HELP a \xff\na 1\n").refuses(),
    raw_open(
        "HELP that is not UTF-8 costs the page in OpenMetrics.",
        b"# HELP a \xff\na 1\n# EOF\n",
    )
    .refuses(),
    raw_text(
        "A comment that is not UTF-8 is not looked at by Prometheus.",
        b"# \xff\na 1\n",
    )
    .takes(&["a 1"])
    .nines_refuses("A page is UTF-8 as a whole."),
    text("Tabs may stand around HELP.", "#\tHELP\ta\tSome help.\na 1").takes(&["a 1"]),
    text("HELP without a name is not understood.", "# HELP 9a Some help.\na 1")
        .refuses()
        .nines_takes(COMMENTS, &["a 1"]),
    text("Words that begin like HELP are a comment.", "# HELPFUL words\na 1").takes(&["a 1"]),
    text(
        "The types of the text format.",
        "# TYPE a counter\na 1\n# TYPE b gauge\nb 2\n# TYPE c untyped\nc 3",
    )
    .takes(&["a 1", "b 2", "c 3"]),
    open(
        "The types of OpenMetrics.",
        "# TYPE a gauge\na 1\n# TYPE b unknown\nb 2",
    )
    .takes(&["a 1", "b 2"]),
    text("A type that there is not costs the page.", "# TYPE a speed\na 1")
        .refuses()
        .nines_takes(COMMENTS, &["a 1"]),
    open(
        "A type that there is not costs the page in OpenMetrics.",
        "# TYPE a speed\na 1",
    )
    .refuses()
    .nines_takes(COMMENTS, &["a 1"]),
    open("Untyped is called unknown in OpenMetrics.", "# TYPE a untyped\na 1")
        .refuses()
        .nines_takes(COMMENTS, &["a 1"]),
    text("TYPE without a type costs the page.", "# TYPE a\na 1")
        .refuses()
        .nines_takes(COMMENTS, &["a 1"]),
    text("TYPE may follow its samples for Prometheus.", "a 1\n# TYPE a counter").takes(&["a 1"]),
    text(
        "TYPE may stand there twice for Prometheus.",
        "# TYPE a counter\n# TYPE a gauge\na 1",
    )
    .takes(&["a 1"]),
    text("Words in small letters are a comment.", "# type a speed\na 1").takes(&["a 1"]),
    text("UNIT is a comment in the text format.", "# UNIT a seconds\na 1").takes(&["a 1"]),
    open(
        "UNIT says the last part of the name.",
        "# TYPE a_seconds gauge\n# UNIT a_seconds seconds\na_seconds 1",
    )
    .takes(&["a_seconds 1"]),
    open("UNIT may say nothing.", "# UNIT a \na 1").takes(&["a 1"]),
    open("UNIT must fit the name.", "# UNIT a seconds\na 1")
        .refuses()
        .nines_takes(COMMENTS, &["a 1"]),
    open(
        "UNIT must be a whole part of the name.",
        "# UNIT a_milliseconds seconds\na_milliseconds 1",
    )
    .refuses()
    .nines_takes(COMMENTS, &["a_milliseconds 1"]),
    text("EOF is a comment in the text format.", "# EOF\na 1").takes(&["a 1"]),
    text(
        "Comments alone are a page without samples.",
        "# HELP a Some help.\n# TYPE a counter",
    )
    .takes(&[]),
    text("An indented sample after a comment counts.", "# x\n\t a 1")
        .refuses()
        .nines_takes(super::INDENTED, &["a 1"]),
];
