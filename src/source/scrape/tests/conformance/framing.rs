//! How pages begin, end and are divided into lines.

use super::table::{Case, open, raw_open, raw_text, text};
use super::{BLANK_LINES, BYTES_BEFORE, CRLF, NUL, SKIPS_LINE};

pub const CASES: &[Case] = &[
    raw_text("An empty page has no samples.", b"").takes(&[]),
    raw_text("A newline alone is a page without samples.", b"\n").takes(&[]),
    raw_text("Blank lines are skipped.", b"\n\na 1\n\n \t\nb 2\n\n").takes(&["a 1", "b 2"]),
    raw_text("The last line needs no newline.", b"a 1\nb 2").takes(&["a 1", "b 2"]),
    raw_text("A comment at the end needs no newline.", b"a 1\n# x").takes(&["a 1"]),
    raw_text(
        "Carriage returns are part of the value for Prometheus.",
        b"a 1\r\nb 2\r\n",
    )
    .refuses()
    .nines_takes(CRLF, &["a 1", "b 2"]),
    raw_open(
        "Carriage returns are part of the value in OpenMetrics.",
        b"a 1\r\n# EOF\r\n",
    )
    .refuses()
    .nines_takes(CRLF, &["a 1"]),
    raw_text("Carriage returns in comments are words.", b"# x\r\na 1\n").takes(&["a 1"]),
    raw_text("A carriage return within a line is no blank.", b"a\r1\n").refuses(),
    raw_text(
        "A line of a carriage return alone is none for Prometheus.",
        b"a 1\n\r\nb 2\n",
    )
    .refuses()
    .nines_takes(CRLF, &["a 1", "b 2"]),
    raw_text("A byte order mark is no name.", b"\xef\xbb\xbfa 1\nb 2\n")
        .refuses()
        .nines_takes(BYTES_BEFORE, &["b 2"]),
    raw_text("A NUL after a value is part of it.", b"a 1\0\n").refuses(),
    raw_text(
        "A NUL at the beginning of a line ends the page for Prometheus.",
        b"a 1\n\0\nb 2\n",
    )
    .takes(&["a 1"])
    .nines_takes(NUL, &["a 1", "b 2"]),
    raw_text("A form feed is no blank.", b"\x0ca 1\nb 2\n")
        .refuses()
        .nines_takes(SKIPS_LINE, &["b 2"]),
    raw_text("A no-break space is no blank.", b"a\xc2\xa01\n").refuses(),
    raw_text("Bytes that are no UTF-8 before a name cost the page.", b"\xffa 1\n").refuses(),
    text("HTML is no page.", "<html><body>404</body></html>").refuses(),
    text("JSON is no page.", "{\"a\": 1}").refuses(),
    text("A broken line costs the page.", "a 1\nb x\nc 3").refuses(),
    open("A broken line costs the page in OpenMetrics.", "a 1\nb x\nc 3").refuses(),
    raw_open("OpenMetrics ends with EOF.", b"a 1\n# EOF\n").takes(&["a 1"]),
    raw_open("EOF needs no newline.", b"a 1\n# EOF").takes(&["a 1"]),
    raw_open("EOF alone is a page without samples.", b"# EOF\n").takes(&[]),
    raw_open("A page without EOF was cut.", b"a 1\n").refuses(),
    raw_open("An empty page without EOF was cut.", b"").refuses(),
    raw_open("A page that ends within a line was cut.", b"a 1\nb 2").refuses(),
    raw_open("A sample may not follow EOF.", b"a 1\n# EOF\nb 2\n").refuses(),
    raw_open("A blank line may not follow EOF.", b"a 1\n# EOF\n\n").refuses(),
    raw_open("A second EOF may not follow EOF.", b"a 1\n# EOF\n# EOF\n").refuses(),
    raw_open("A blank may not follow EOF.", b"a 1\n# EOF \n")
        .refuses()
        .nines_takes(super::BLANKS, &["a 1"]),
    raw_open("EOF has one blank before it.", b"a 1\n#EOF\n").refuses(),
    raw_open("EOF has no two blanks before it.", b"a 1\n#  EOF\n").refuses(),
    raw_open("EOF is written in capitals.", b"a 1\n# eof\n").refuses(),
    raw_open("EOF in a label's value ends nothing.", b"a{b=\"# EOF\"} 1\n").refuses(),
    raw_open("OpenMetrics has no blank lines.", b"a 1\n\nb 2\n# EOF\n")
        .refuses()
        .nines_takes(BLANK_LINES, &["a 1", "b 2"]),
    raw_open("OpenMetrics has no blank line at the beginning.", b"\na 1\n# EOF\n")
        .refuses()
        .nines_takes(BLANK_LINES, &["a 1"]),
];
