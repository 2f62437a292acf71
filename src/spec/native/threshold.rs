//! Latency thresholds: `300ms` in the unit of the metric, exactly.

use crate::domain::native_histogram::{is_ever_a_bound, usual_bounds};
use crate::spec::codes;
use crate::spec::reader::Reader;
use crate::spec::yaml::Span;

/// The units that a metric's suffix can name, in nanoseconds.
const SUFFIXES: [(&str, i128); 11] = [
    ("_nanoseconds", 1),
    ("_ns", 1),
    ("_microseconds", 1_000),
    ("_us", 1_000),
    ("_milliseconds", 1_000_000),
    ("_ms", 1_000_000),
    ("_seconds", 1_000_000_000),
    ("_minutes", 60_000_000_000),
    ("_hours", 3_600_000_000_000),
    ("_days", 86_400_000_000_000),
    ("_weeks", 604_800_000_000_000),
];
/// The units of a written threshold, in nanoseconds.
const UNITS: [(&str, i128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

/// Says where a threshold, in the metric's own unit, is between the bounds of a native histogram of any resolution.
pub(in crate::spec) fn check_native(reader: &mut Reader<'_>, span: Span, threshold: f64, written: &str) {
    if is_ever_a_bound(threshold) {
        return;
    }
    let [below, above] = usual_bounds(threshold);
    let message = format!(
        "no native histogram has a bound at {written}, and between bounds nothing is counted: only a classic bucket there \
         would count"
    );
    let hint = format!("in the metric's own unit, the nearest powers of two are {below} and {above}");
    reader.report_with(&codes::NO_BOUND, span, message, Some(hint));
}

/// A threshold in the unit of this histogram. A bare number is in it already; a number with a unit is converted
/// without rounding before the last step, so that 300ms is exactly the 0.3 of a bucket's bound.
pub(in crate::spec) fn in_unit_of(metric: &str, written: &str) -> Result<f64, String> {
    let written = written.trim();
    if let Ok(number) = written.parse::<f64>() {
        return positive(number, written);
    }
    let digits = written
        .bytes()
        .take_while(|byte| byte.is_ascii_digit() || *byte == b'.')
        .count();
    let (number, unit) = written.split_at(digits);
    let unknown = || format!("threshold \"{written}\" is neither a number nor a duration such as 300ms, 2.5ms or 1s");
    let written_unit = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(unknown)?.1;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let all_digits = !fraction.contains('.') && !number.is_empty() && number.len() <= 15;
    let mantissa: i128 = format!("{whole}{fraction}").parse().map_err(|_| unknown())?;
    if !all_digits {
        return Err(unknown());
    }
    let Some((_, metric_unit)) = SUFFIXES.iter().find(|(suffix, _)| metric.ends_with(suffix)) else {
        return Err(format!(
            "threshold {written} has a unit, but {metric} does not say its own (_seconds, _milliseconds …); write a bare \
             number in the metric's unit"
        ));
    };
    let scale = 10_i128.pow(u32::try_from(fraction.len()).unwrap_or_default());
    let (above, below) = (mantissa * written_unit, metric_unit * scale);
    let common = greatest_common_divisor(above, below);
    positive((above / common) as f64 / (below / common) as f64, written)
}

fn positive(number: f64, written: &str) -> Result<f64, String> {
    if number.is_finite() && number > 0.0 {
        Ok(number)
    } else {
        Err(format!("threshold {written} must be a number above 0"))
    }
}

fn greatest_common_divisor(a: i128, b: i128) -> i128 {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.max(1)
}

#[cfg(test)]
mod tests {
    use super::in_unit_of;

    #[test]
    fn thresholds_are_converted_exactly() {
        for (metric, written, expected) in [
            ("http_request_duration_seconds", "300ms", 0.3),
            ("http_request_duration_seconds", "0.3", 0.3),
            ("http_request_duration_seconds", "2.5ms", 0.0025),
            ("http_request_duration_seconds", "1m", 60.0),
            ("rpc_duration_milliseconds", "300ms", 300.0),
            ("rpc_duration_milliseconds", "0.3s", 300.0),
            ("rpc_duration_ms", "1500us", 1.5),
            ("batch_size", "100", 100.0),
        ] {
            assert_eq!(in_unit_of(metric, written), Ok(expected), "{metric} {written}");
        }
    }

    #[test]
    fn what_has_no_unit_to_convert_to_is_refused() {
        for (metric, written, word) in [
            ("latency", "300ms", "bare number"),
            ("x_seconds", "0", "above 0"),
            ("x_seconds", "-1", "above 0"),
            ("x_seconds", "0ms", "above 0"),
            ("x_seconds", "NaN", "above 0"),
            ("x_seconds", "fast", "neither"),
            ("x_seconds", "1.2.3s", "neither"),
            ("x_seconds", ".s", "neither"),
            ("x_seconds", "3parsecs", "neither"),
            ("x_seconds", "99999999999999999999s", "neither"),
        ] {
            let error = in_unit_of(metric, written).expect_err(written);
            assert!(error.contains(word), "{error}");
        }
    }
}
