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
    fn timestamps_are_whole_milliseconds_in_text_and_seconds_in_open_metrics() {
        assert!(is_milliseconds("1395066363000") && is_milliseconds("-5"));
        assert!(!is_milliseconds("1395066363.123") && !is_milliseconds("soon"));
        assert!(is_seconds("1395066363.123") && is_seconds("12"));
        assert!(!is_seconds("NaN") && !is_seconds("soon"));
    }
}
