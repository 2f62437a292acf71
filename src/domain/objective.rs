//! The objective: the wanted share of good events, as an exact decimal.

use std::fmt;

use super::counts::EventCounts;

const BILLION: i64 = 1_000_000_000;

/// The share of events that must be good, in parts per billion. The native format has it above 0 and below 1; other
/// formats know the ends too: at 0 anything goes, and at 1 there is no error budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Objective {
    parts_per_billion: i64,
}

/// Why a text is no objective.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObjectiveError {
    /// Not a decimal number.
    #[error("not a decimal number")]
    NotANumber,
    /// Outside 0 to 100 percent.
    #[error("out of range (0 < objective < 100)")]
    OutOfRange,
    /// More than seven decimals.
    #[error("more than seven decimals")]
    TooFine,
    /// Below nothing or above everything.
    #[error("out of range (0 to 1, or 0 % to 100 %)")]
    OutsideUnit,
}

/// What a foreign objective is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectiveUnit {
    /// `99.9`
    Percent,
    /// `0.999`
    Ratio,
}

impl Objective {
    /// Reads a percentage as it is written: `99.9`, `99.90`, `95`. Exact, never by way of a float.
    pub fn from_percent(text: &str) -> Result<Self, ObjectiveError> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) || text.ends_with('.') {
            let negative = text
                .strip_prefix('-')
                .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()) && rest.parse::<f64>().is_ok());
            return Err(if negative {
                ObjectiveError::OutOfRange
            } else {
                ObjectiveError::NotANumber
            });
        }
        let fraction = fraction.trim_end_matches('0');
        if fraction.len() > 7 {
            return Err(ObjectiveError::TooFine);
        }
        let whole: i64 = whole.parse().map_err(|_| ObjectiveError::OutOfRange)?;
        let fraction: i64 = format!("{fraction:0<7}")
            .parse()
            .map_err(|_| ObjectiveError::NotANumber)?;
        if whole >= 100 || (whole == 0 && fraction == 0) {
            return Err(ObjectiveError::OutOfRange);
        }
        Ok(Self {
            parts_per_billion: whole * (BILLION / 100) + fraction,
        })
    }

    /// From parts per billion, 0 and 1 included.
    pub fn from_parts_per_billion(parts_per_billion: i64) -> Option<Self> {
        (0..=BILLION)
            .contains(&parts_per_billion)
            .then_some(Self { parts_per_billion })
    }

    /// Reads a number of another format, 0 and 1 (or 100 %) included: a decimal exactly, one with too many decimals or
    /// with an exponent rounded to a part per billion; then the second value is false.
    pub fn from_foreign(text: &str, unit: ObjectiveUnit) -> Result<(Self, bool), ObjectiveError> {
        let text = text.trim();
        let number: f64 = text.parse().map_err(|_| ObjectiveError::NotANumber)?;
        let percent = unit == ObjectiveUnit::Percent;
        let places = if percent { 7 } else { 9 };
        let one = if percent { 100.0 } else { 1.0 };
        if !(0.0..=one).contains(&number) {
            return Err(ObjectiveError::OutsideUnit);
        }
        let rounded = (number / one * BILLION as f64).round() as i64;
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let fraction = fraction.trim_end_matches('0');
        let exact = format!("{whole}{fraction:0<places$}").parse::<i64>().ok();
        let exact = exact.filter(|_| fraction.len() <= places);
        let parts_per_billion = exact.unwrap_or(rounded);
        Ok((Self { parts_per_billion }, exact.is_some()))
    }

    /// There is no error budget at all.
    pub fn is_whole(self) -> bool {
        self.parts_per_billion == BILLION
    }

    /// In parts per billion.
    pub fn parts_per_billion(self) -> i64 {
        self.parts_per_billion
    }

    /// As a ratio: 0.999.
    pub fn ratio(self) -> f64 {
        self.parts_per_billion as f64 / BILLION as f64
    }

    /// 1 - objective, the share of events that may be bad: 0.001.
    pub fn error_ratio(self) -> f64 {
        (BILLION - self.parts_per_billion) as f64 / BILLION as f64
    }

    /// How many of these events may be bad, exactly: in millionths of an event times a billion.
    pub fn allowed(self, counts: EventCounts) -> i128 {
        i128::from(counts.total()) * i128::from(BILLION - self.parts_per_billion)
    }
}

/// As a percentage: `99.9%`.
impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (
            self.parts_per_billion / (BILLION / 100),
            self.parts_per_billion % (BILLION / 100),
        );
        let fraction = format!("{fraction:07}");
        match fraction.trim_end_matches('0') {
            "" => write!(f, "{whole}%"),
            digits => write!(f, "{whole}.{digits}%"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_read_exactly() {
        for (text, parts) in [
            ("99.9", 999_000_000),
            ("99.90", 999_000_000),
            ("95", 950_000_000),
            ("99.9999999", 999_999_999),
        ] {
            assert_eq!(
                Objective::from_percent(text).map(Objective::parts_per_billion),
                Ok(parts),
                "{text}"
            );
        }
        assert_eq!(
            Objective::from_percent("99.95")
                .map(|objective| objective.to_string())
                .as_deref(),
            Ok("99.95%")
        );
    }

    #[test]
    fn objectives_of_other_formats_are_read_exactly_where_they_can_be() {
        use ObjectiveUnit::{Percent, Ratio};
        for (text, unit, parts, exact) in [
            ("0.999", Ratio, 999_000_000, true),
            ("0", Ratio, 0, true),
            ("1.0", Ratio, 1_000_000_000, true),
            ("99.95", Percent, 999_500_000, true),
            ("100", Percent, 1_000_000_000, true),
            (".5", Ratio, 500_000_000, true),
            ("9.9e-1", Ratio, 990_000_000, false),
            ("0.9990000000000001", Ratio, 999_000_000, false),
        ] {
            let read = Objective::from_foreign(text, unit).map(|(read, exact)| (read.parts_per_billion(), exact));
            assert_eq!(read, Ok((parts, exact)), "{text}");
        }
        for (text, unit) in [
            ("1.1", Ratio),
            ("-0.1", Ratio),
            ("100.1", Percent),
            ("NaN", Ratio),
            ("inf", Ratio),
        ] {
            assert_eq!(
                Objective::from_foreign(text, unit),
                Err(ObjectiveError::OutsideUnit),
                "{text}"
            );
        }
        assert_eq!(Objective::from_foreign("most", Ratio), Err(ObjectiveError::NotANumber));
    }

    #[test]
    fn what_is_no_objective_is_refused() {
        for text in ["100", "0", "0.0", "199.9", "-1"] {
            assert_eq!(Objective::from_percent(text), Err(ObjectiveError::OutOfRange), "{text}");
        }
        for text in ["", "abc", "99.", "1e2", "99,9", ".5", "--1"] {
            assert_eq!(Objective::from_percent(text), Err(ObjectiveError::NotANumber), "{text}");
        }
        assert_eq!(Objective::from_percent("99.99999999"), Err(ObjectiveError::TooFine));
    }
}
