//! Values as Prometheus reads them.

/// More digits than this may not be exact in an `f64`.
const EXACT_DIGITS: usize = 15;

/// Reads a value as Prometheus does: decimal with an optional exponent, `NaN`, or a signed `Inf` in any case. Hexadecimal
/// numbers, underscores, a signed `NaN` and what is too large for an `f64` are none.
pub fn parse_value(text: &str) -> Option<f64> {
    let bytes = text.as_bytes();
    if !bytes.is_empty() && bytes.len() <= EXACT_DIGITS && bytes.iter().all(u8::is_ascii_digit) {
        let whole = bytes.iter().fold(0_u64, |sum, byte| sum * 10 + u64::from(byte - b'0'));
        return Some(whole as f64);
    }
    let value: f64 = text.parse().ok()?;
    let unsigned = text.strip_prefix(['+', '-']);
    let in_words = unsigned.unwrap_or(text).starts_with(['i', 'I', 'n', 'N']);
    let refused = (value.is_nan() && unsigned.is_some()) || (value.is_infinite() && !in_words);
    (!refused).then_some(value)
}

/// Powers of ten that an `f64` holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// Reads the number that fills the rest of a line, when it is as plain as most are: few digits, perhaps a point, perhaps
/// an exponent. Gives it with its length, newline included; [`parse_value`] reads the same. Digits and power are exact,
/// so their one product or quotient is the nearest number.
pub fn plain_value(bytes: &[u8]) -> Option<(f64, usize)> {
    let (whole, whole_digits) = digits(bytes, 0);
    let mut at = whole_digits;
    if bytes.get(at) == Some(&b'\n') && (1..=EXACT_DIGITS).contains(&at) {
        return Some((whole as f64, at + 1));
    }
    let (mut sum, mut power) = (whole, 0_i32);
    if bytes.get(at) == Some(&b'.') {
        let (with_fraction, length) = digits(&bytes[at + 1..], whole);
        (sum, power) = (with_fraction, -i32::try_from(length).ok()?);
        at += 1 + length;
        if length == 0 || whole_digits + length > EXACT_DIGITS {
            return None;
        }
    }
    if whole_digits == 0 || whole_digits > EXACT_DIGITS {
        return None;
    }
    if bytes.get(at) == Some(&b'e') {
        let negative = match bytes.get(at + 1)? {
            b'+' => false,
            b'-' => true,
            _ => return None,
        };
        let (exponent, length) = digits(&bytes[at + 2..], 0);
        if !(1..=3).contains(&length) {
            return None;
        }
        power += if negative { -(exponent as i32) } else { exponent as i32 };
        at += 2 + length;
    }
    if bytes.get(at) != Some(&b'\n') {
        return None;
    }
    let factor = POWERS.get(power.unsigned_abs() as usize)?;
    let value = if power < 0 {
        sum as f64 / factor
    } else {
        sum as f64 * factor
    };
    Some((value, at + 1))
}

/// The digits that stand here, appended to `sum`, and how many they are; with too many of them the sum is nonsense.
fn digits(bytes: &[u8], mut sum: u64) -> (u64, usize) {
    let mut length = 0;
    while let Some(digit) = bytes
        .get(length)
        .map(|byte| byte.wrapping_sub(b'0'))
        .filter(|digit| *digit < 10)
    {
        sum = sum.wrapping_mul(10).wrapping_add(u64::from(digit));
        length += 1;
    }
    (sum, length)
}

/// Reads a timestamp of the text format: whole milliseconds.
pub fn is_milliseconds(text: &str) -> bool {
    text.parse::<i64>().is_ok()
}

/// Reads a timestamp of OpenMetrics: seconds, with a fraction.
pub fn is_seconds(text: &str) -> bool {
    parse_value(text).is_some_and(f64::is_finite)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_what_prometheus_takes() {
        let cases = [
            ("0", Some(0.0)),
            ("123456789012345", Some(123_456_789_012_345.0)),
            ("9007199254740993", Some(9_007_199_254_740_992.0)),
            ("-1", Some(-1.0)),
            ("+1", Some(1.0)),
            ("1.5", Some(1.5)),
            (".5", Some(0.5)),
            ("5.", Some(5.0)),
            ("1e3", Some(1000.0)),
            ("1E-3", Some(0.001)),
            ("1.7560473e+07", Some(17_560_473.0)),
            ("Inf", Some(f64::INFINITY)),
            ("+Inf", Some(f64::INFINITY)),
            ("-inf", Some(f64::NEG_INFINITY)),
            ("+INFINITY", Some(f64::INFINITY)),
            ("0x1p4", None),
            ("0x10", None),
            ("1_000", None),
            ("1e999", None),
            ("+NaN", None),
            ("-nan", None),
            ("infinit", None),
            ("", None),
            ("+", None),
            (".", None),
            ("1e", None),
            ("one", None),
            ("1,5", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_value(text), expected, "{text:?}");
        }
        for text in ["NaN", "nan", "NAN"] {
            assert!(parse_value(text).is_some_and(f64::is_nan), "{text:?}");
        }
    }

    #[test]
    fn what_is_plain_is_read_as_all_values_are() {
        let plain = [
            "0",
            "7",
            "123456789012345",
            "0.005",
            "1.7560473e+07",
            "1e-22",
            "5e+22",
            "3.14",
            "0.1",
            "999999999999999e+00",
            "1.5e-05",
            "00.0",
            "12345678.1234567",
            "1e+007",
        ];
        for text in plain {
            let line = format!("{text}\nnext");
            assert_eq!(
                plain_value(line.as_bytes()),
                Some((parse_value(text).unwrap(), text.len() + 1)),
                "{text}"
            );
        }
        let other = [
            "",
            ".",
            "5.",
            ".5",
            "-1",
            "+1",
            "1e3",
            "1e",
            "1e+",
            "1e+999",
            "1234567890123456",
            "1.234567890123456",
            "NaN",
            "1 2",
            "1\r",
            "1e-23",
            "1_0",
            "0x1",
            "1.2.3",
            "1e+0001",
        ];
        for text in other {
            assert_eq!(plain_value(format!("{text}\n").as_bytes()), None, "{text}");
        }
        assert_eq!(
            plain_value(b"12"),
            None,
            "the newline may still be missing some digits before it"
        );
    }

    proptest::proptest! {
        #[test]
        fn a_plain_value_is_the_nearest_number(text in "[0-9]{1,15}(\\.[0-9]{1,8})?(e[+-][0-9]{1,2})?") {
            if let Some((value, length)) = plain_value(format!("{text}\n").as_bytes()) {
                proptest::prop_assert_eq!(Some(value.to_bits()), parse_value(&text).map(f64::to_bits));
                proptest::prop_assert_eq!(length, text.len() + 1);
            }
        }
    }

    #[test]
    fn timestamps_are_whole_milliseconds_in_text_and_seconds_in_open_metrics() {
        assert!(is_milliseconds("1395066363000") && is_milliseconds("-5"));
        assert!(!is_milliseconds("1395066363.123") && !is_milliseconds("soon"));
        assert!(is_seconds("1395066363.123") && is_seconds("12"));
        assert!(!is_seconds("NaN") && !is_seconds("soon"));
    }
}
