//! Numbers and times as people read them. What is unknown is a dash, never 0 and never NaN.

use std::fmt::Write;

use crate::domain::counts::MICRO;
use crate::domain::time::Timestamp;

/// What stands for an unknown value.
pub const UNKNOWN: &str = "–";

/// A ratio as a percentage with so many decimals, rounded down: a single bad event must never read as 100 %.
pub fn percent(ratio: f64, decimals: usize) -> String {
    if !ratio.is_finite() {
        return UNKNOWN.to_owned();
    }
    let decimals = decimals.min(9);
    let scale = 10_f64.powi(decimals as i32);
    let scaled = ratio * 100.0 * scale;
    // What is whole but for the last bits of the float is meant whole.
    let whole = if (scaled - scaled.round()).abs() < 1e-6 {
        scaled.round()
    } else {
        scaled.floor()
    };
    let whole = if ratio < 1.0 {
        whole.min(100.0 * scale - 1.0)
    } else {
        whole
    };
    format!("{}%", minus(format!("{:.decimals$}", whole / scale)))
}

/// The share of a budget that is left, with one decimal; small values with more, so that a little is not nothing.
pub fn budget_percent(ratio: f64) -> String {
    if !ratio.is_finite() {
        return UNKNOWN.to_owned();
    }
    let percent = ratio * 100.0;
    let decimals = if percent != 0.0 && percent.abs() < 0.1 { 3 } else { 1 };
    let text = format!("{percent:.decimals$}");
    let whole = text.strip_suffix(".0").unwrap_or(&text);
    format!("{}%", minus(grouped(whole)))
}

/// A burn rate: `14.4×`.
pub fn rate(rate: Option<f64>) -> String {
    match rate {
        Some(rate) if !rate.is_finite() => UNKNOWN.to_owned(),
        Some(rate) if rate > 0.0 && rate < 0.05 => "<0.1×".to_owned(),
        Some(rate) if rate >= 99.95 => format!("{}×", grouped(&format!("{rate:.0}"))),
        Some(rate) => format!("{:.1}×", rate + 0.0),
        None => UNKNOWN.to_owned(),
    }
}

/// A factor as it is written: `14.4×`, `1×`, `13.44×`.
pub fn factor(factor: f64) -> String {
    let text = format!("{factor:.3}");
    format!("{}×", text.trim_end_matches('0').trim_end_matches('.'))
}

/// Events in millionths: `1,241,600`, `0.5`.
pub fn events(micro: i64) -> String {
    if micro % MICRO == 0 {
        return minus(grouped(&(micro / MICRO).to_string()));
    }
    amount(micro as f64 / MICRO as f64)
}

/// A number of events that need not be whole: whole from a hundred on, else with up to two decimals.
pub fn amount(value: f64) -> String {
    if !value.is_finite() {
        return UNKNOWN.to_owned();
    }
    if value.abs() >= 100.0 {
        return minus(grouped(&format!("{:.0}", value + 0.0)));
    }
    let decimals = if value != 0.0 && value.abs() < 0.01 { 6 } else { 2 };
    let text = format!("{value:.decimals$}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    minus(if text == "-0" { "0".to_owned() } else { text.to_owned() })
}

/// A time as a person reads it: `2026-11-21 08:00:00 UTC`.
pub fn time(time: Timestamp) -> String {
    let text = Timestamp(time.0 - time.0.rem_euclid(1000)).to_rfc3339();
    match text.strip_suffix('Z') {
        Some(text) => format!("{} UTC", text.replace('T', " ")),
        None => text,
    }
}

/// How far a time is from now, in its largest unit: `8 s ago`, `in 4 d`.
pub fn distance(time: Timestamp, now: Timestamp) -> String {
    let apart = now.since(time);
    let text = span(apart.unsigned_abs());
    match apart {
        ..0 => format!("in {text}"),
        _ => format!("{text} ago"),
    }
}

/// Milliseconds in their largest unit.
pub fn span(ms: u64) -> String {
    let seconds = ms / 1000;
    let rounded = |unit: u64| (seconds + unit / 2) / unit;
    let (value, unit) = match seconds {
        0..120 => (seconds, "s"),
        120..7_200 => (rounded(60), "min"),
        7_200..172_800 => (rounded(3600), "h"),
        _ => (rounded(86_400), "d"),
    };
    format!("{value} {unit}")
}

/// How long a visit took: `4 ms`, `1.2 s`.
pub fn seconds(seconds: f64) -> String {
    if !seconds.is_finite() {
        return UNKNOWN.to_owned();
    }
    if seconds < 1.0 {
        format!("{:.0} ms", seconds * 1e3)
    } else {
        format!("{seconds:.1} s")
    }
}

/// Digits in groups of three; a sign and decimals stay as they are.
fn grouped(digits: &str) -> String {
    let (sign, rest) = digits.strip_prefix('-').map_or(("", digits), |rest| ("-", rest));
    let (whole, fraction) = rest.find('.').map_or((rest, ""), |at| rest.split_at(at));
    let mut text = sign.to_owned();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text + fraction
}

/// A hyphen is no minus sign.
fn minus(text: impl Into<String>) -> String {
    let text = text.into();
    match text.strip_prefix('-') {
        Some(rest) => format!("−{rest}"),
        None => text,
    }
}

/// One segment of a path, or one value of a query, with everything escaped that is not unreserved.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            escaped.push(char::from(byte));
        } else {
            // Writing into a String cannot fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_what_is_perfect_reads_as_100_percent() {
        for (ratio, text) in [
            (1.0, "100.000%"),
            (0.99871, "99.871%"),
            (0.999_999_9, "99.999%"),
            (0.999_999_999_999_9, "99.999%"),
            (0.0, "0.000%"),
            (f64::NAN, "–"),
        ] {
            assert_eq!(percent(ratio, 3), text);
        }
    }

    #[test]
    fn budgets_read_as_percentages() {
        for (ratio, text) in [
            (-0.29, "−29%"),
            (0.804, "80.4%"),
            (1.0, "100%"),
            (0.0, "0%"),
            (0.0004, "0.040%"),
            (-55.5, "−5,550%"),
        ] {
            assert_eq!(budget_percent(ratio), text);
        }
    }

    #[test]
    fn amounts_and_rates_are_short() {
        assert_eq!(
            (amount(0.18).as_str(), amount(-360.2).as_str(), amount(1234.5).as_str()),
            ("0.18", "−360", "1,234")
        );
        assert_eq!(
            (events(1_241_600_000_000), events(500_000)),
            ("1,241,600".to_owned(), "0.5".to_owned())
        );
        assert_eq!(
            (rate(Some(0.01)), rate(Some(14.4)), rate(Some(1000.0))),
            ("<0.1×".into(), "14.4×".into(), "1,000×".into())
        );
        assert_eq!(
            (rate(Some(0.0)), rate(None), factor(13.44), factor(1.0)),
            ("0.0×".into(), "–".into(), "13.44×".into(), "1×".into())
        );
    }

    #[test]
    fn times_are_read_at_a_glance() {
        let now = Timestamp(1_795_248_000_000);
        assert_eq!(time(now + Duration::from_millis(250)), "2026-11-21 08:00:00 UTC");
        assert_eq!(distance(now - Duration::from_secs(8), now), "8 s ago");
        assert_eq!(distance(now + Duration::from_hours(96), now), "in 4 d");
    }

    #[test]
    fn what_stands_in_an_address_is_escaped() {
        assert_eq!(escaped("a/b{c=\"é\"}"), "a%2Fb%7Bc%3D%22%C3%A9%22%7D");
    }
}
