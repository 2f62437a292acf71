//! Numbers as people read them; what is not known is a dash, never `NaN`.

use crate::domain::time::Timestamp;

/// What stands for an unknown number.
pub(super) const UNKNOWN: &str = "–";

/// Events: `1,234,567`, or with two decimals where they are not whole.
pub(super) fn events(value: Option<f64>) -> String {
    let Some(value) = value.filter(|value| value.is_finite()) else {
        return UNKNOWN.to_owned();
    };
    let text = trimmed(value.abs(), 2);
    let (whole, fraction) = text
        .split_once('.')
        .map_or((text.as_str(), None), |(w, f)| (w, Some(f)));
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let sign = if value < 0.0 && text != "0" { "-" } else { "" };
    fraction.map_or_else(
        || format!("{sign}{grouped}"),
        |fraction| format!("{sign}{grouped}.{fraction}"),
    )
}

/// A ratio as a percentage, cut and not rounded, so that 99.99999% never reads as 100%: `99.96%`.
pub(super) fn percent(ratio: Option<f64>, decimals: usize) -> String {
    let Some(ratio) = ratio.filter(|ratio| ratio.is_finite()) else {
        return UNKNOWN.to_owned();
    };
    let scale = 10_f64.powi(i32::try_from(decimals).unwrap_or(0));
    // Binary dust, such as 28.999999999999996 for 0.29, is no reason to lose a digit.
    let cut = (ratio * 100.0 * scale + 1e-7).floor() / scale;
    format!("{}%", trimmed(cut, decimals))
}

/// A burn rate or a factor: `14.4x`.
pub(super) fn times(value: Option<f64>) -> String {
    let Some(value) = value.filter(|value| value.is_finite()) else {
        return UNKNOWN.to_owned();
    };
    let decimals = match value.abs() {
        big if big >= 100.0 => 0,
        big if big >= 10.0 => 1,
        _ => 2,
    };
    format!("{}x", trimmed(value, decimals))
}

/// A time as people write it: `2026-11-21 08:00:00 UTC`.
pub(super) fn time(at: Timestamp) -> String {
    let text = Timestamp(at.0.div_euclid(1000).saturating_mul(1000)).to_rfc3339();
    format!("{} UTC", text.trim_end_matches('Z').replacen('T', " ", 1))
}

/// A span in its two largest units: `45 s`, `7 min`, `2 h 10 min`, `3 d 4 h`.
pub(super) fn span(milliseconds: i64) -> String {
    let seconds = milliseconds.max(0) / 1000;
    let units = [("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)];
    let first = units
        .iter()
        .position(|(_, length)| seconds >= *length)
        .unwrap_or(units.len() - 1);
    let (unit, length) = units[first];
    let large = format!("{} {unit}", seconds / length);
    match units
        .get(first + 1)
        .map(|(unit, smaller)| (unit, seconds % length / smaller))
    {
        Some((unit, rest)) if rest > 0 => format!("{large} {rest} {unit}"),
        _ => large,
    }
}

/// With so many decimals at most, without zeros at the end.
fn trimmed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        let table = [
            (events(Some(0.0)), "0"),
            (events(Some(999.0)), "999"),
            (events(Some(1_234_567.0)), "1,234,567"),
            (events(Some(-1234.5)), "-1,234.5"),
            (events(Some(f64::NAN)), "–"),
            (events(None), "–"),
            (percent(Some(0.999_999_9), 2), "99.99%"),
            (percent(Some(1.0), 2), "100%"),
            (percent(Some(0.29), 2), "29%"),
            (percent(Some(-0.5), 1), "-50%"),
            (percent(None, 1), "–"),
            (times(Some(14.4)), "14.4x"),
            (times(Some(1000.4)), "1000x"),
            (times(Some(0.933_333)), "0.93x"),
            (times(Some(f64::INFINITY)), "–"),
            (span(45_000), "45 s"),
            (span(7 * 60_000), "7 min"),
            (span(7_800_000), "2 h 10 min"),
            (span(273_600_000), "3 d 4 h"),
            (span(-5), "0 s"),
            (time(Timestamp(1_500)), "1970-01-01 00:00:01 UTC"),
        ];
        for (text, expected) in table {
            assert_eq!(text, expected);
        }
    }
}
