//! Numbers in labels (`le`, `quantile`) as Go's client libraries write them in the text format.

use std::fmt::Write;

/// Writes the shortest number that is read back as this one: `0.005`, `1`, `1e+06`, `+Inf`.
pub fn write_float(out: &mut String, value: f64) {
    if value.is_nan() {
        out.push_str("NaN");
    } else if value.is_infinite() {
        out.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
    } else if value == 0.0 {
        out.push('0');
    } else {
        write_finite(out, value);
    }
}

/// Go's shortest form has an exponent below 1e-4 and from 1e6 on, of two digits at least.
fn write_finite(out: &mut String, value: f64) {
    // Writing into a String cannot fail.
    let begins = out.len();
    let _ = write!(out, "{value:e}");
    let exponent = out[begins..]
        .split_once('e')
        .map(|(digits, exponent)| (digits.len(), exponent.parse::<i32>()));
    let Some((digits, Ok(exponent))) = exponent else { return };
    let is_short = (-4..6).contains(&exponent);
    out.truncate(begins + if is_short { 0 } else { digits });
    let _ = if is_short {
        write!(out, "{value}")
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        write!(out, "e{sign}{:02}", exponent.unsigned_abs())
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_go_writes_them() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (-1.0, "-1"),
            (0.1, "0.1"),
            (2.5, "2.5"),
            (0.005, "0.005"),
            (0.000_1, "0.0001"),
            (0.000_01, "1e-05"),
            (0.000_012_5, "1.25e-05"),
            (999_999.0, "999999"),
            (100_000.0, "100000"),
            (1e6, "1e+06"),
            (1_234_567.0, "1.234567e+06"),
            (1_048_576.0, "1.048576e+06"),
            (1e21, "1e+21"),
            (1e100, "1e+100"),
            (-2.5e-7, "-2.5e-07"),
            (0.300_000_000_000_000_04, "0.30000000000000004"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
        ] {
            let mut out = "le=".to_owned();
            write_float(&mut out, value);
            assert_eq!(out, format!("le={expected}"));
        }
    }
}
