//! What a server is asked for one step, and what a value of the answer is worth.

use std::fmt::Write;
use std::time::Duration;

use crate::domain::indicator::PromQlForm;
use crate::domain::matcher::Selector;
use crate::domain::promql::{Expr, ExprKind, Range, fill_template, parse};
use crate::domain::selector_parser::is_label_name;
use crate::domain::time::{DAY_MINUTES, MINUTE_MS, format_duration, millis};

/// A step holds at least so many scrapes, as Prometheus advises for `rate`.
const SCRAPES_MIN: i64 = 4;
/// In how much time the samples are counted from which the scrape interval is learned.
const INTERVAL_WINDOW: Duration = Duration::from_mins(10);

/// What the answer to a query is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// All events.
    Total,
    /// Bad or good events.
    Part,
    /// A ratio of which each second weighs one event.
    Ratio,
    /// A value that is compared.
    Value,
    /// The share of observations at or below the threshold.
    Fraction,
}

impl Role {
    /// As people read it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Total => "all events",
            Self::Part => "the bad or good events",
            Self::Ratio => "the ratio",
            Self::Value => "the value",
            Self::Fraction => "the share below the threshold",
        }
    }
}

/// One query of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepQuery {
    /// As the server is asked; its range is the step where the template was written.
    pub text: String,
    /// What its answer is.
    pub role: Role,
}

/// What a server is asked for each step.
pub fn queries(form: &PromQlForm, group_by: &[String], step: Duration) -> Vec<StepQuery> {
    let window = format_duration(step);
    let query = |text: &str, role| StepQuery {
        text: fill_template(text, &window),
        role,
    };
    match form {
        PromQlForm::Ratio { total, part, .. } => vec![query(total, Role::Total), query(part, Role::Part)],
        PromQlForm::RawRatio { query: ratio, .. } => vec![query(ratio, Role::Ratio)],
        PromQlForm::Threshold { query: value, .. } => vec![query(value, Role::Value)],
        PromQlForm::Latency {
            histogram, threshold, ..
        } => {
            let (sum, increase) = (sum_by(group_by), format!("increase({histogram}[{window}])"));
            // The least bound is that of all observations: zero would divide a bucket that spans it.
            let fraction = format!("histogram_fraction(-Inf, {threshold}, {sum} ({increase}))");
            vec![
                query(&format!("{sum} (histogram_count({increase}))"), Role::Total),
                query(&fraction, Role::Fraction),
            ]
        }
    }
}

fn sum_by(labels: &[String]) -> String {
    if labels.is_empty() {
        return "sum".to_owned();
    }
    let mut text = String::from("sum by (");
    for (position, label) in labels.iter().enumerate() {
        text.push_str(if position > 0 { ", " } else { "" });
        if is_label_name(label) {
            text.push_str(label);
        } else {
            // Writing into a String cannot fail.
            let _ = write!(text, "{label:?}");
        }
    }
    text.push(')');
    text
}

/// How many events of a step a value of 1 stands for. The outermost function that counts decides: `increase` and its
/// like give the events of their range, of which the step is a part; `rate` and its like, recorded series and bare
/// values give events per second.
pub(super) fn weight(query: &str, step: Duration) -> f64 {
    let per_second = step.as_secs_f64();
    let mut found = None;
    if let Ok(expr) = parse(query) {
        expr.walk(&mut |inner: &Expr| {
            if found.is_none() {
                found = weight_of_call(inner, step);
            }
        });
    }
    found.unwrap_or(per_second)
}

fn weight_of_call(expr: &Expr, step: Duration) -> Option<f64> {
    let ExprKind::Call { function, args } = &expr.kind else {
        return None;
    };
    match function.name {
        "rate" | "irate" | "deriv" => Some(step.as_secs_f64()),
        "increase" | "delta" | "count_over_time" | "sum_over_time" => {
            let range = args.iter().find_map(|arg| match &arg.bare().kind {
                ExprKind::Matrix { range, .. } | ExprKind::Subquery { range, .. } => Some(*range),
                _ => None,
            });
            match range {
                Some(Range::Fixed(range)) if range > 0 => Some(millis(step) as f64 / range as f64),
                _ => Some(1.0),
            }
        }
        _ => None,
    }
}

/// The length of a step: the least whole number of minutes that holds four scrapes and divides a day evenly. Without an
/// interval it is one minute.
pub fn learned_step(interval: Option<Duration>) -> Duration {
    let wanted = interval.map_or(0, |interval| millis(interval).saturating_mul(SCRAPES_MIN));
    let fits = |minutes: &i64| minutes * MINUTE_MS >= wanted && DAY_MINUTES % minutes == 0;
    let minutes = (1..DAY_MINUTES).find(fits).unwrap_or(DAY_MINUTES);
    Duration::from_millis((minutes * MINUTE_MS).unsigned_abs())
}

/// A query from whose value [`interval_from_count`] learns the scrape interval: how many samples the series of the first
/// selector have in ten minutes. `None` where there is no selector, or its name depends on the window.
pub fn interval_query(form: &PromQlForm) -> Option<String> {
    let selector = match form {
        PromQlForm::Ratio { total, part, .. } => first_selector(total).or_else(|| first_selector(part)),
        PromQlForm::RawRatio { query, .. } | PromQlForm::Threshold { query, .. } => first_selector(query),
        PromQlForm::Latency { histogram, .. } => Some(histogram.clone()),
    }?;
    let window = format_duration(INTERVAL_WINDOW);
    // Over a day, so that an outage at the moment of asking does not make the interval longer than it is.
    Some(format!(
        "max(max_over_time(count_over_time({selector}[{window}])[1d:{window}]))"
    ))
}

/// The scrape interval by the value of [`interval_query`].
pub fn interval_from_count(count: f64) -> Option<Duration> {
    let is_count = (1.0..1e9).contains(&count);
    is_count.then(|| Duration::from_secs_f64(INTERVAL_WINDOW.as_secs_f64() / count))
}

fn first_selector(query: &str) -> Option<Selector> {
    let expr = parse(query).ok()?;
    let mut found = None;
    expr.walk(&mut |inner: &Expr| {
        let (ExprKind::Selector(selector) | ExprKind::Matrix { selector, .. }) = &inner.kind else {
            return;
        };
        let depends_on_window = selector.selector.metric.as_ref().is_some_and(|name| name.contains('{'));
        if found.is_none() && !depends_on_window {
            found = Some(selector.selector.clone());
        }
    });
    found
}
