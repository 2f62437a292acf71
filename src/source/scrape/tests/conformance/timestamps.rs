//! Timestamps: milliseconds in the text format, seconds in OpenMetrics. nines checks and forgets them.

use super::table::{Case, open, text};

pub const CASES: &[Case] = &[
    text("Milliseconds may follow the value.", "a 1 1395066363000").takes(&["a 1"]),
    text("Zero is a time.", "a 1 0").takes(&["a 1"]),
    text("Blanks may stand around a timestamp.", "a 1 \t 1395066363000 ").takes(&["a 1"]),
    text(
        "A negative timestamp: the lexer of Prometheus has digits only.",
        "a 1 -5",
    )
    .refuses()
    .nines_takes("The format's description has signed timestamps.", &["a 1"]),
    text("A timestamp with a plus: digits only.", "a 1 +5")
        .refuses()
        .nines_takes("Timestamps are not used; a sign harms nobody.", &["a 1"]),
    text("Fractions are for OpenMetrics.", "a 1 1395066363.5").refuses(),
    text("Exponents are no timestamps in the text format.", "a 1 1e3").refuses(),
    text("Words are no timestamps.", "a 1 now").refuses(),
    text("A timestamp beyond 64 bits is none.", "a 1 9223372036854775808").refuses(),
    text("The last timestamp of 64 bits is one.", "a 1 9223372036854775807").takes(&["a 1"]),
    text("Two timestamps are one too many.", "a 1 1 2").refuses(),
    text("Each sample may have its own timestamp.", "a 1 1000\nb 2\nc 3 3000").takes(&["a 1", "b 2", "c 3"]),
    open("Seconds may follow the value.", "a 1 1395066363").takes(&["a 1"]),
    open("Seconds may have a fraction.", "a 1 1395066363.123").takes(&["a 1"]),
    open("Seconds may have an exponent.", "a 1 1.395e9").takes(&["a 1"]),
    open("Seconds may be negative.", "a 1 -5.5").takes(&["a 1"]),
    open("Zero seconds are a time.", "a 1 0").takes(&["a 1"]),
    open("Words are no seconds.", "a 1 soon").refuses(),
    open("NaN is no time.", "a 1 NaN").refuses(),
    open("Infinity is no time.", "a 1 +Inf").refuses(),
    open("Hexadecimal seconds are none.", "a 1 0x1p4").refuses(),
    open("Seconds with underscores are none.", "a 1 1_000").refuses(),
    open("Two timestamps are one too many in OpenMetrics.", "a 1 1 2").refuses(),
    open("Blanks may not follow a timestamp in OpenMetrics.", "a 1 1 ")
        .refuses()
        .nines_takes(super::BLANKS, &["a 1"]),
    open(
        "Two blanks before a timestamp are one too many in OpenMetrics.",
        "a 1  1",
    )
    .refuses()
    .nines_takes(super::BLANKS, &["a 1"]),
];
