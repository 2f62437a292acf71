//! Values: what is a number and what is none.

use super::BLANKS;
use super::table::{Case, open, text};

pub const CASES: &[Case] = &[
    text("A whole number.", "a 42").takes(&["a 42"]),
    text("Zero.", "a 0").takes(&["a 0"]),
    text("A negative zero is kept.", "a -0").takes(&["a -0.0"]),
    text("Leading zeros mean nothing.", "a 007").takes(&["a 7"]),
    text("A sign may stand there.", "a +1").takes(&["a 1"]),
    text(
        "A counter's value may be negative for the parser.",
        "# TYPE a counter\na -1",
    )
    .takes(&["a -1"]),
    text("A fraction needs no digit before the point.", "a .5").takes(&["a 0.5"]),
    text("A fraction needs no digit after the point.", "a 5.").takes(&["a 5"]),
    text(
        "An exponent may be small or large, signed or not.",
        "a 1e3\nb 1E-2\nc 1.7560473e+07",
    )
    .takes(&["a 1000", "b 0.01", "c 17560473"]),
    open("OpenMetrics has the same exponents.", "a 1e3\nb 1E-2\nc 1.7560473e+07").takes(&[
        "a 1000",
        "b 0.01",
        "c 17560473",
    ]),
    text("Whole numbers beyond 2^53 are rounded to even.", "a 9007199254740993").takes(&["a 9007199254740992"]),
    text("The largest unsigned number is rounded.", "a 18446744073709551615").takes(&["a 18446744073709551616"]),
    text("The largest number that there is.", "a 1.7976931348623157e308").takes(&["a 1.7976931348623157e308"]),
    text("A number that is too large is none.", "a 1e999").refuses(),
    text("A negative number that is too large is none.", "a -1e999").refuses(),
    open("A number that is too large is none in OpenMetrics.", "a 1e999").refuses(),
    text("The smallest number that there is.", "a 5e-324").takes(&["a 5e-324"]),
    text("A number that is too small is zero.", "a 1e-999").takes(&["a 0"]),
    text(
        "Many digits are read to the end.",
        "a 0.1000000000000000055511151231257827021181583404541015625",
    )
    .takes(&["a 0.1"]),
    text("NaN is a value.", "a NaN").takes(&["a NaN"]),
    open("NaN is a value in OpenMetrics.", "a NaN").takes(&["a NaN"]),
    text("NaN may be written small.", "a nan").takes(&["a NaN"]),
    text("NaN has no sign.", "a +NaN").refuses(),
    text("NaN has no minus either.", "a -nan").refuses(),
    text("Infinities are values.", "a +Inf\nb -Inf\nc Inf").takes(&["a inf", "b -inf", "c inf"]),
    open("Infinities are values in OpenMetrics.", "a +Inf\nb -Inf\nc Inf").takes(&["a inf", "b -inf", "c inf"]),
    text(
        "Infinity may be written out, in any case.",
        "a infinity\nb -INFINITY\nc +iNf",
    )
    .takes(&["a inf", "b -inf", "c inf"]),
    text("Half an infinity is none.", "a infin").refuses(),
    text("Hexadecimal numbers are none.", "a 0x10").refuses(),
    text("Hexadecimal numbers with an exponent are none.", "a 0x1p4").refuses(),
    open("Hexadecimal numbers are none in OpenMetrics.", "a 0x1p4").refuses(),
    text("Octal numbers are none.", "a 0o17").refuses(),
    text("Binary numbers are none.", "a 0b11").refuses(),
    text("Underscores are none.", "a 1_000").refuses(),
    open("Underscores are none in OpenMetrics.", "a 1_000").refuses(),
    text("Underscores in a fraction are none.", "a 1.000_1").refuses(),
    text("A comma is no point.", "a 1,5").refuses(),
    text("Words are none.", "a one").refuses(),
    text("True is none.", "a true").refuses(),
    text("An exponent needs digits.", "a 1e").refuses(),
    text("A point alone is none.", "a .").refuses(),
    text("A sign alone is none.", "a +").refuses(),
    text("Two signs are one too many.", "a --1").refuses(),
    text("A unit is no part of a value.", "a 1s").refuses(),
    text("Digits of other scripts are none.", "a ١").refuses(),
    text("A value needs no quotes.", "a \"1\"").refuses(),
    text("A value is needed after the blank.", "a ").refuses(),
    open("A value is needed after the blank in OpenMetrics.", "a ").refuses(),
    text("Tabs and several blanks may stand before the value.", "a \t  1").takes(&["a 1"]),
    open("One blank stands before the value in OpenMetrics, no two.", "a  1")
        .refuses()
        .nines_takes(BLANKS, &["a 1"]),
    open("A tab is no blank in OpenMetrics.", "a\t1")
        .refuses()
        .nines_takes(BLANKS, &["a 1"]),
    text("Blanks may follow the value.", "a 1 \t").takes(&["a 1"]),
    open("Blanks may not follow the value in OpenMetrics.", "a 1 ")
        .refuses()
        .nines_takes(BLANKS, &["a 1"]),
];
