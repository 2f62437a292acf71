//! What a server's last week says of a proposal, and the objective that follows from it.

use std::time::Duration;

use super::look::{Proposal, What, bucket, is_too_much, quoted, selector};
use crate::domain::answer::Answer;
use crate::domain::time::{MINUTE_MS, Timestamp};
use crate::engine::ports::{QueryFailure, QueryServer};

const HOUR_MS: i64 = 60 * MINUTE_MS;

/// The objectives that are proposed, in percent.
const OBJECTIVES: [(&str, f64); 8] = [
    ("99.99", 99.99),
    ("99.95", 99.95),
    ("99.9", 99.9),
    ("99.5", 99.5),
    ("99", 99.0),
    ("98", 98.0),
    ("95", 95.0),
    ("90", 90.0),
];
/// What is proposed where even that was not met.
const LOWEST: &str = "90";
/// What is proposed where nothing is known.
const GUESS: &str = "99";
/// The hours that are measured; where that is too much for the server, the next fewer.
const HOURS: [i64; 3] = [7 * 24, 24, 1];
/// The ranges in which requests are sorted into buckets, likewise.
const RANGES: [&str; 2] = ["1d", "1h"];
/// The share of requests that a latency's threshold should hold.
const WITHIN: f64 = 0.99;
/// The threshold, in seconds, where nothing is known.
const USUAL_SECONDS: f64 = 0.5;
/// The window of what is proposed, in hours.
const WINDOW_HOURS: f64 = 30.0 * 24.0;

/// A proposal with its numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Measured {
    pub proposal: Proposal,
    /// In percent.
    pub objective: &'static str,
    /// What was measured, and over what.
    pub remark: String,
    /// Of a latency, as it is written.
    pub threshold: Option<String>,
}

/// Why nothing can be proposed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unmeasurable {
    /// A histogram without bounds.
    #[error("{0} has no bucket below +Inf, so that no threshold can be proposed")]
    NoBuckets(&'static str),
    /// The server does not say.
    #[error("no threshold for {0}: {1}")]
    Failed(&'static str, QueryFailure),
}

/// Measures one proposal.
pub(super) async fn measure(
    server: &dyn QueryServer,
    proposal: Proposal,
    now: Timestamp,
) -> Result<Measured, Unmeasurable> {
    let mut threshold = None;
    let (total, part, part_is_bad) = match &proposal.what {
        What::Ratio { total, bad } => (increase(total), increase(bad), true),
        What::Boolean { gauge } => (
            format!("sum(count_over_time({gauge}[1h]))"),
            format!("sum(sum_over_time({gauge}[1h]))"),
            false,
        ),
        What::Latency { histogram, matchers } => {
            let bounds = bounds(server, histogram, matchers, now).await;
            let bounds = bounds.map_err(|failure| Unmeasurable::Failed(histogram, failure))?;
            let bound = choose(histogram, &bounds).ok_or(Unmeasurable::NoBuckets(histogram))?;
            threshold = Some(written(histogram, bound.value));
            let of = |le: String| increase(&selector(&bucket(histogram), matchers.iter().cloned().chain([le])));
            (of("le=\"+Inf\"".to_owned()), of(bound.matcher()), false)
        }
    };
    let counted = count(server, (&total, &part), part_is_bad, now).await;
    let is_boolean = matches!(proposal.what, What::Boolean { .. });
    let (objective, remark) = conclude(counted, is_boolean, threshold.as_deref());
    Ok(Measured {
        proposal,
        objective,
        remark,
        threshold,
    })
}

fn increase(selector: &str) -> String {
    format!("sum(increase({selector}[1h]))")
}

/// Events of the last hours.
#[derive(Clone, Copy, Debug)]
struct Counted {
    good: f64,
    total: f64,
    /// Since when there are data, in hours; at most what was asked for.
    hours: i64,
}

/// Counts over the last week, or over as much of it as the server can do at once.
async fn count(
    server: &dyn QueryServer,
    queries: (&str, &str),
    part_is_bad: bool,
    now: Timestamp,
) -> Result<Counted, QueryFailure> {
    let mut counted = count_hours(server, queries, part_is_bad, now, HOURS[0]).await;
    for hours in &HOURS[1..] {
        if !counted.as_ref().is_err_and(is_too_much) {
            break;
        }
        counted = count_hours(server, queries, part_is_bad, now, *hours).await;
    }
    counted
}

/// Counts hour by hour, which spares the server the long ranges and tells since when there are data.
async fn count_hours(
    server: &dyn QueryServer,
    (total, part): (&str, &str),
    part_is_bad: bool,
    now: Timestamp,
    hours: i64,
) -> Result<Counted, QueryFailure> {
    let first = Timestamp(now.0 - (hours - 1) * HOUR_MS);
    let hour = Duration::from_hours(1);
    let total = server.steps(total, first, now, hour).await?;
    let part = server.steps(part, first, now, hour).await?;
    let (all, some) = (sum(&total), sum(&part));
    let good = if part_is_bad { all - some } else { some };
    Ok(Counted {
        good: good.clamp(0.0, all.max(0.0)),
        total: all,
        hours: now.since(begin(&total).unwrap_or(first)) / HOUR_MS + 1,
    })
}

fn sum(answer: &Answer) -> f64 {
    let samples = answer.series.iter().flat_map(|series| &series.samples);
    samples.map(|(_, value)| *value).filter(|value| value.is_finite()).sum()
}

fn begin(answer: &Answer) -> Option<Timestamp> {
    let firsts = answer.series.iter().filter_map(|series| series.samples.first());
    firsts.map(|(at, _)| *at).min()
}

/// A bucket: its bound, how that is written on the server, and what it holds.
#[derive(Clone, Debug)]
struct Bound {
    value: f64,
    texts: Vec<String>,
    count: f64,
}

impl Bound {
    fn matcher(&self) -> String {
        match self.texts.as_slice() {
            [only] => format!("le={}", quoted(only)),
            several => {
                let several: Vec<String> = several.iter().map(|text| regex::escape(text)).collect();
                format!("le=~{}", quoted(&several.join("|")))
            }
        }
    }
}

/// The buckets of a histogram over the last day, lowest first.
async fn bounds(
    server: &dyn QueryServer,
    histogram: &'static str,
    matchers: &[String],
    now: Timestamp,
) -> Result<Vec<Bound>, QueryFailure> {
    let selector = selector(&bucket(histogram), matchers.to_vec());
    let mut answer = Ok(Answer::default());
    for range in RANGES {
        let query = format!("sum by (le) (increase({selector}[{range}]))");
        answer = server.instant(&query, now).await;
        if !answer.as_ref().is_err_and(is_too_much) {
            break;
        }
    }
    let mut bounds: Vec<Bound> = Vec::new();
    for series in answer?.series {
        let text = series.labels.get("le").to_owned();
        let (Ok(value), Some((_, count))) = (text.parse::<f64>(), series.samples.last()) else {
            continue;
        };
        if value.is_nan() || !count.is_finite() {
            continue;
        }
        match bounds.iter_mut().find(|bound| bound.value.total_cmp(&value).is_eq()) {
            Some(bound) => {
                bound.texts.push(text);
                bound.count += count;
            }
            None => bounds.push(Bound {
                value,
                texts: vec![text],
                count: *count,
            }),
        }
    }
    bounds.sort_by(|a, b| a.value.total_cmp(&b.value));
    Ok(bounds)
}

/// The lowest bound that holds about 99 % of the requests; where none does, the highest.
fn choose<'a>(histogram: &str, bounds: &'a [Bound]) -> Option<&'a Bound> {
    let total = bounds.last().map_or(0.0, |last| last.count);
    let fits: Vec<&Bound> = bounds
        .iter()
        .filter(|bound| bound.value > 0.0 && bound.value.is_finite())
        .collect();
    let holds = |bound: &&&Bound| {
        if total > 0.0 {
            bound.count >= WITHIN * total
        } else {
            bound.value >= USUAL_SECONDS * if is_in_seconds(histogram) { 1.0 } else { 1000.0 }
        }
    };
    fits.iter().find(holds).or(fits.last()).copied()
}

fn is_in_seconds(histogram: &str) -> bool {
    histogram.ends_with("_seconds")
}

/// A bound as a threshold: with a unit where that means exactly the same, else as a bare number.
fn written(histogram: &str, bound: f64) -> String {
    let ms = if is_in_seconds(histogram) {
        bound * 1000.0
    } else {
        bound
    };
    let ms = ms.round();
    let back = if is_in_seconds(histogram) { ms / 1000.0 } else { ms };
    let has_unit = ["_seconds", "_milliseconds", "_ms"]
        .iter()
        .any(|unit| histogram.ends_with(unit));
    if !has_unit || !(1.0..1e9).contains(&ms) || back.total_cmp(&bound).is_ne() {
        return bound.to_string();
    }
    if (ms % 1000.0).total_cmp(&0.0).is_eq() {
        format!("{}s", ms / 1000.0)
    } else {
        format!("{ms}ms")
    }
}

/// The objective, and what is to be said of it.
fn conclude(
    counted: Result<Counted, QueryFailure>,
    is_boolean: bool,
    threshold: Option<&str>,
) -> (&'static str, String) {
    let events = if is_boolean { "samples" } else { "requests" };
    let counted = match counted {
        Ok(counted) => counted,
        Err(failure) => return (GUESS, format!("not measured, {GUESS} is a guess: {failure}")),
    };
    let time = in_words(counted.hours);
    if counted.total.round() < 1.0 {
        return (GUESS, format!("measured: no {events} in {time}, {GUESS} is a guess"));
    }
    let percent = counted.good / counted.total * 100.0;
    let per_window = counted.total / counted.hours as f64 * WINDOW_HOURS;
    let is_met = |objective: f64| percent + 1e-9 >= objective;
    // A budget of less than one event is spent by the first bad one.
    let has_budget = |objective: f64| is_boolean || per_window * (100.0 - objective) / 100.0 >= 1.0;
    let best = OBJECTIVES.iter().find(|(_, objective)| is_met(*objective));
    let taken = OBJECTIVES
        .iter()
        .find(|(_, objective)| is_met(*objective) && has_budget(*objective));
    let within = threshold
        .map(|threshold| format!(" within {threshold}"))
        .unwrap_or_default();
    let mut remark = format!(
        "measured: {} % of about {} {events}{within} in {time}",
        shown_percent(percent),
        grouped(counted.total)
    );
    let objective = match (taken, best) {
        (Some(taken), best) => {
            if best != Some(taken) {
                remark += "; a higher objective would leave less than one bad request in 30 days";
            }
            taken.0
        }
        (None, Some(_)) => {
            remark += "; that is too few for a budget of even one bad request in 30 days";
            LOWEST
        }
        (None, None) => {
            remark.extend(["; ", LOWEST, " was not met"]);
            LOWEST
        }
    };
    (objective, remark)
}

fn in_words(hours: i64) -> String {
    match hours {
        ..=1 => "the last hour".to_owned(),
        2..=47 => format!("the last {hours} hours"),
        _ => format!("the last {} days", hours / 24),
    }
}

/// Three decimals at most, never rounded up: 99.9999 % is not all.
fn shown_percent(percent: f64) -> String {
    let text = format!("{:.3}", (percent * 1000.0 + 1e-6).floor() / 1000.0);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A whole number with commas.
fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
