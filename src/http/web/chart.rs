//! The chart of a budget over time, as the numbers that an SVG needs.

use std::fmt::Write;

use crate::domain::time::Timestamp;
use crate::http::format;

/// The drawing area, in the SVG's own units.
const WIDTH: f64 = 800.0;
const HEIGHT: f64 = 200.0;
/// More points than this are not drawn.
const POINTS_MAX: usize = 400;
/// More rows than this are not listed.
const ROWS_MAX: usize = 60;

/// A chart, ready for its template.
pub struct Chart {
    /// The line, broken where nothing is known.
    pub line: String,
    /// The area between the line and zero.
    pub area: String,
    /// Where zero lies.
    pub zero: String,
    /// Labels of the vertical axis: place and text.
    pub marks: Vec<(String, String)>,
    /// The first time and the last.
    pub ends: (String, String),
    /// What is to be seen, in a sentence.
    pub summary: String,
    /// The same in numbers: RFC 3339, for people, value.
    pub rows: Vec<(String, String, String)>,
}

impl Chart {
    /// Of a history, oldest first; `None` when there is too little to draw.
    pub fn of(history: &[(Timestamp, Option<f64>)]) -> Option<Self> {
        let points = thinned(history, POINTS_MAX);
        let known: Vec<f64> = points
            .iter()
            .filter_map(|(_, value)| *value)
            .filter(|value| value.is_finite())
            .collect();
        let (first, last) = (points.first()?.0, points.last()?.0);
        if known.len() < 2 || last <= first {
            return None;
        }
        let lowest = known.iter().copied().fold(0.0, f64::min);
        let highest = known.iter().copied().fold(1.0, f64::max);
        let x = |time: Timestamp| time.since(first) as f64 / last.since(first) as f64 * WIDTH;
        let y = |value: f64| (highest - value) / (highest - lowest) * HEIGHT;
        let (line, area) = draw(&points, x, y);
        let mark = |value: f64| (format!("{:.1}", y(value)), format::budget_percent(value));
        let mut marks = vec![mark(highest), mark(0.0)];
        if lowest < -0.05 {
            marks.push(mark(lowest));
        }
        let (least, most) = (
            known.iter().copied().fold(f64::MAX, f64::min),
            known.iter().copied().fold(f64::MIN, f64::max),
        );
        let summary = format!(
            "From {} to {}: between {} and {}, at the end {}.",
            format::time(first),
            format::time(last),
            format::budget_percent(least),
            format::budget_percent(most),
            points
                .last()?
                .1
                .map_or_else(|| "unknown".to_owned(), format::budget_percent),
        );
        let row = |(time, value): &(Timestamp, Option<f64>)| {
            let value = value.map_or_else(|| format::UNKNOWN.to_owned(), format::budget_percent);
            (time.to_rfc3339(), format::time(*time), value)
        };
        Some(Self {
            line,
            area,
            zero: format!("{:.1}", y(0.0)),
            marks,
            ends: (format::time(first), format::time(last)),
            summary,
            rows: thinned(history, ROWS_MAX).iter().rev().map(row).collect(),
        })
    }
}

/// Every n-th point, the last one always.
fn thinned(history: &[(Timestamp, Option<f64>)], max: usize) -> Vec<(Timestamp, Option<f64>)> {
    let step = history.len().div_ceil(max).max(1);
    let kept = history.iter().rev().step_by(step);
    kept.rev().copied().collect()
}

/// The paths of the line and of the area below it; a gap in the data is a gap in both.
fn draw(points: &[(Timestamp, Option<f64>)], x: impl Fn(Timestamp) -> f64, y: impl Fn(f64) -> f64) -> (String, String) {
    let (mut line, mut area) = (String::new(), String::new());
    let is_known = |point: &(Timestamp, Option<f64>)| point.1.is_some_and(f64::is_finite);
    for run in points.chunk_by(|left, right| is_known(left) == is_known(right)) {
        let places: Vec<(f64, f64)> = run
            .iter()
            .filter(|point| is_known(point))
            .map(|(t, v)| (x(*t), y(v.unwrap_or(0.0))))
            .collect();
        let (Some(first), Some(last)) = (places.first(), places.last()) else {
            continue;
        };
        // Writing into a String cannot fail.
        let _ = write!(area, "M{:.1} {:.1}", first.0, y(0.0));
        for (index, (x, y)) in places.iter().enumerate() {
            let _ = write!(line, "{}{x:.1} {y:.1}", if index == 0 { 'M' } else { 'L' });
            let _ = write!(area, "L{x:.1} {y:.1}");
        }
        let _ = write!(area, "L{:.1} {:.1}Z", last.0, y(0.0));
    }
    (line, area)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(values: &[Option<f64>]) -> Vec<(Timestamp, Option<f64>)> {
        values
            .iter()
            .enumerate()
            .map(|(at, value)| (Timestamp(at as i64 * 3_600_000), *value))
            .collect()
    }

    #[test]
    fn gaps_stay_gaps() {
        let chart = Chart::of(&history(&[Some(1.0), Some(0.5), None, Some(f64::NAN), Some(0.0)])).expect("a chart");
        assert_eq!(chart.line, "M0.0 0.0L200.0 100.0M800.0 200.0");
        assert!(!chart.line.contains("NaN") && !chart.area.contains("NaN"));
        assert_eq!(chart.rows.iter().filter(|row| row.2 == "–").count(), 2);
    }

    #[test]
    fn an_overspent_budget_lies_below_zero() {
        let chart = Chart::of(&history(&[Some(1.0), Some(-1.0)])).expect("a chart");
        assert_eq!((chart.zero.as_str(), chart.marks.len()), ("100.0", 3));
        assert!(
            chart.summary.ends_with("between −100% and 100%, at the end −100%."),
            "{}",
            chart.summary
        );
    }

    #[test]
    fn too_little_is_no_chart_and_too_much_is_thinned() {
        assert!(Chart::of(&[]).is_none() && Chart::of(&history(&[Some(1.0)])).is_none());
        assert!(Chart::of(&history(&[None, None, None])).is_none());
        let many = Chart::of(&history(&vec![Some(0.5); 5000])).expect("a chart");
        assert!(many.line.matches('L').count() < POINTS_MAX && many.rows.len() <= ROWS_MAX);
    }
}
