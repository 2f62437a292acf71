//! Reading raw samples: the selectors of an SLO, and what must be known besides to count them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::chunk::CHUNK_MIN;
use super::steps::{self, aligned};
use crate::domain::answer::{Answer, AnsweredSeries, ServerTarget};
use crate::domain::counting::Note;
use crate::domain::counting::range::{Asides, Questions, RangeCount, RangeCursor};
use crate::domain::indicator::{Indicator, IndicatorKind, PromQlForm};
use crate::domain::matcher::{MatchOp, Matcher, Selector};
use crate::domain::time::Timestamp;
use crate::engine::ports::{QueryFailure, QueryFailureReason, QueryServer};

/// So far before the first sample lies what may be its baseline; a target that was scraped within it was known.
pub const LOOKBACK: Duration = Duration::from_mins(10);
/// Targets of one question.
const TARGETS_AT_A_TIME: usize = 50;

/// Expressions over more series than this are left to the server to compute.
const SERIES_MAX: f64 = 2000.0;

/// Whether expressions are counted from raw samples: where it was understood what they count, the server gives raw
/// samples, and there are not too many of them. Then they count exactly, where `increase()` extrapolates and sees nothing
/// of what happens across a gap. A server that computes values of what it has no raw samples of is asked to compute.
pub async fn can_be_read(
    server: &dyn QueryServer,
    indicator: &Indicator,
    form: &PromQlForm,
    at: Timestamp,
) -> Result<bool, QueryFailure> {
    let (mut found, mut refused) = (0, None);
    for selector in asked_selectors(indicator) {
        match server.samples(&selector, at - LOOKBACK, at).await {
            Ok(answer) => found += answer.series.len(),
            Err(failure) if is_refusal(&failure) => refused = Some(selector.clone()),
            Err(failure) => return Err(failure),
        }
        if largest(server, &count_query(&selector), at).await? > SERIES_MAX {
            return Ok(false);
        }
    }
    if refused.is_none() && found > 0 {
        return Ok(true);
    }
    let (until, step) = (aligned(at, CHUNK_MIN), CHUNK_MIN);
    match steps::read(server, (form, &indicator.group_by), step, until - LOOKBACK, until).await {
        Ok(read) if read.samples > 0 => match refused {
            None => Ok(false),
            // It may not have been ready: how an SLO is read is for long.
            Some(selector) => match server.samples(&selector, at - LOOKBACK, at).await {
                Ok(answer) => Ok(found + answer.series.len() > 0),
                Err(failure) if is_refusal(&failure) => Ok(false),
                Err(failure) => Err(failure),
            },
        },
        Ok(_) => Ok(refused.is_none()),
        Err(failure) if refused.is_none() && failure.reason == QueryFailureReason::BadQuery => Ok(true),
        // Who answers nothing has shown nothing of what it can.
        Err(failure) => Err(failure),
    }
}

/// The server says itself that it gives no such samples. An answer that cannot be understood says nothing of that.
fn is_refusal(failure: &QueryFailure) -> bool {
    [QueryFailureReason::BadQuery, QueryFailureReason::TooMuch].contains(&failure.reason)
}

/// Whether a server has the histogram as a native one only.
pub async fn is_native(server: &dyn QueryServer, histogram: &Selector, at: Timestamp) -> Result<bool, QueryFailure> {
    let count = format!("{}_count", histogram.metric.as_deref().unwrap_or_default());
    let count = histogram.with_metric(count);
    if largest(server, &count_query(&count), at).await? > 0.0 {
        return Ok(false);
    }
    // `last_over_time` knows native histograms in newer versions only. A server without the function has none.
    Ok(largest(server, &format!("count(histogram_count({histogram}))"), at).await? > 0.0)
}

fn count_query(selector: &Selector) -> String {
    format!("count(last_over_time({selector}[1h]))")
}

/// The largest value of an expression; 0 where it has none, or the server does not understand it.
pub async fn largest(server: &dyn QueryServer, query: &str, at: Timestamp) -> Result<f64, QueryFailure> {
    let answer = unless_refused(server.instant(query, at).await)?;
    let values = answer.series.iter().flat_map(|series| &series.samples);
    Ok(values.map(|(_, value)| *value).fold(0.0, f64::max))
}

/// What a server refuses to say besides is not known; it does not keep from counting.
fn unless_refused(answer: Result<Answer, QueryFailure>) -> Result<Answer, QueryFailure> {
    match answer {
        Err(failure) if failure.reason == QueryFailureReason::BadQuery => Ok(Answer::default()),
        other => other,
    }
}

/// What came of reading a chunk, of samples or of steps.
pub struct ChunkRead {
    /// What it counts.
    pub count: RangeCount,
    /// How many samples or values were read.
    pub samples: u64,
    /// What the server says about its answers.
    pub notes: Vec<String>,
}

/// Reads and counts the samples up to `until`, and moves the cursor on. After an error the cursor must not be used.
pub async fn read(
    server: &dyn QueryServer,
    indicator: &Indicator,
    cursor: &mut RangeCursor,
    is_first: bool,
    until: Timestamp,
) -> Result<ChunkRead, QueryFailure> {
    let selectors = asked_selectors(indicator);
    if is_first {
        let from = cursor.read_until();
        let (before, _) = ask_all(server, &selectors, from - LOOKBACK, from).await?;
        cursor.take_baseline(indicator, &before);
    }
    let (answer, notes) = ask_all(server, &selectors, cursor.read_until(), until).await?;
    let samples = answer.iter().map(|series| series.samples.len() as u64).sum();
    let questions = cursor.questions(indicator, &answer);
    let asides = ask_asides(server, &questions, until).await?;
    let mut count = cursor.count(indicator, &answer, &asides, until);
    name_bounds(server, indicator, &mut count.notes, until).await?;
    Ok(ChunkRead { count, samples, notes })
}

/// Where histograms lack the threshold's bucket, the server tells which bounds they have.
async fn name_bounds(
    server: &dyn QueryServer,
    indicator: &Indicator,
    notes: &mut [Note],
    at: Timestamp,
) -> Result<(), QueryFailure> {
    let IndicatorKind::Latency {
        histogram, threshold, ..
    } = &indicator.kind
    else {
        return Ok(());
    };
    let mut lacking: Vec<&mut Vec<String>> = Vec::new();
    for note in notes {
        if let Note::MissingBucket { nearest, .. } = note {
            lacking.push(nearest);
        }
    }
    if lacking.is_empty() {
        return Ok(());
    }
    let buckets = histogram.with_metric(format!("{}_bucket", histogram.metric.as_deref().unwrap_or_default()));
    let query = format!("group by (le) (last_over_time({buckets}[1h]))");
    let answer = unless_refused(server.instant(&query, at).await)?;
    let bounds = answer.series.iter().map(|series| series.labels.get("le").to_owned());
    let mut bounds: Vec<(f64, String)> = bounds.filter_map(|le| Some((le.parse().ok()?, le))).collect();
    bounds.sort_by(|a, b| a.0.total_cmp(&b.0));
    let above = bounds.partition_point(|(le, _)| le <= threshold);
    let around = bounds[..above].last().into_iter().chain(bounds.get(above));
    let around: Vec<String> = around.map(|(_, le)| le.clone()).collect();
    for nearest in lacking {
        nearest.clone_from(&around);
    }
    Ok(())
}

/// The selectors whose samples an SLO needs. Of a histogram only the threshold's bucket is asked for, in every spelling
/// that the number has on pages and servers.
pub fn asked_selectors(indicator: &Indicator) -> Vec<Selector> {
    match &indicator.kind {
        IndicatorKind::Ratio { total, part, .. } if holds_all_of(total, part) => vec![total.clone()],
        IndicatorKind::Ratio { total, part, .. } => vec![total.clone(), part.clone()],
        IndicatorKind::Latency {
            histogram, threshold, ..
        } => {
            let family = histogram.metric.as_deref().unwrap_or_default();
            let mut bucket = histogram.with_metric(format!("{family}_bucket"));
            // A number's spellings are plain characters, so that the expression is always a valid one.
            bucket
                .matchers
                .extend(Matcher::new("le", MatchOp::Regex, spellings(*threshold)));
            vec![bucket, histogram.with_metric(format!("{family}_count"))]
        }
        IndicatorKind::Gauge { gauge, .. } => vec![gauge.clone()],
        _ => Vec::new(),
    }
}

/// Whether `all` selects whatever `part` does.
fn holds_all_of(all: &Selector, part: &Selector) -> bool {
    all.metric == part.metric && all.matchers.iter().all(|matcher| part.matchers.contains(matcher))
}

/// A regular expression for the spellings of a number: `0.3`, `0.30`, `3e-01`; `1`, `1.0`, `1e+00`.
fn spellings(number: f64) -> String {
    let plain = number.to_string();
    let scientific = format!("{number:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("[+]?", exponent),
    };
    format!("{}|{}e{sign}0*{digits}", decimals(&plain), decimals(mantissa))
}

/// A decimal number, with any zeros behind its fraction.
fn decimals(text: &str) -> String {
    match text.split_once('.') {
        Some((whole, fraction)) => format!("{whole}[.]{fraction}0*"),
        None => format!("{text}([.]0*)?"),
    }
}

async fn ask_all(
    server: &dyn QueryServer,
    selectors: &[Selector],
    after: Timestamp,
    until: Timestamp,
) -> Result<(Vec<AnsweredSeries>, Vec<String>), QueryFailure> {
    let (mut series, mut notes) = (Vec::new(), Vec::new());
    for selector in selectors {
        let mut answer = server.samples(selector, after, until).await?;
        series.append(&mut answer.series);
        notes.append(&mut answer.notes);
    }
    Ok((series, notes))
}

async fn ask_asides(server: &dyn QueryServer, questions: &Questions, until: Timestamp) -> Result<Asides, QueryFailure> {
    let mut asides = Asides::default();
    let since = questions.starts.values().min().copied().unwrap_or(until);
    for selector in of_targets("process_start_time_seconds", questions.starts.keys().collect()) {
        let answer = unless_refused(server.samples(&selector, since, until).await)?;
        for series in answer.series {
            let target = ServerTarget::of(&series.labels);
            asides.starts.entry(target).or_default().extend(series.samples);
        }
    }
    for starts in asides.starts.values_mut() {
        starts.sort_by_key(|(at, _)| *at);
        starts.dedup_by_key(|(at, _)| *at);
    }
    let firsts = questions.newcomers.values();
    let (Some(first), Some(last)) = (firsts.clone().min(), firsts.max()) else {
        return Ok(asides);
    };
    for selector in of_targets("up", questions.newcomers.keys().collect()) {
        let answer = unless_refused(server.samples(&selector, *first - LOOKBACK, *last).await)?;
        for series in answer.series {
            let target = ServerTarget::of(&series.labels);
            let Some(first) = questions.newcomers.get(&target) else {
                continue;
            };
            let was_up = |(at, value): &(Timestamp, f64)| (*first - LOOKBACK..*first).contains(at) && *value >= 1.0;
            if series.samples.iter().any(was_up) {
                asides.scraped_before.insert(target);
            }
        }
    }
    Ok(asides)
}

/// Selectors of a metric of these targets, some of them at a time. Series that have neither job nor instance were
/// computed by the server; nothing tells of when they began.
fn of_targets(metric: &str, targets: BTreeSet<&ServerTarget>) -> Vec<Selector> {
    let mut by_job: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for target in targets.into_iter().filter(|target| !target.instance.is_empty()) {
        by_job.entry(&target.job).or_default().push(&target.instance);
    }
    let mut selectors = Vec::new();
    for (job, instances) in by_job {
        for some in instances.chunks(TARGETS_AT_A_TIME) {
            let instances: Vec<String> = some.iter().map(|instance| regex::escape(instance)).collect();
            let matchers = [
                Matcher::new("job", MatchOp::Equal, job),
                Matcher::new("instance", MatchOp::Regex, instances.join("|")),
            ];
            selectors.push(Selector {
                metric: Some(metric.to_owned()),
                matchers: matchers.into_iter().flatten().collect(),
            });
        }
    }
    selectors
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::selector_parser::parse_selector;

    fn written(selectors: &[Selector]) -> Vec<String> {
        selectors.iter().map(Selector::to_string).collect()
    }

    #[test]
    fn a_threshold_is_found_in_every_spelling() {
        let cases = [
            (
                0.3,
                &["0.3", "0.30", "3e-1", "3e-01"][..],
                &["0.31", "03", "0.03", "0x3"][..],
            ),
            (1.0, &["1", "1.0", "1.", "1e+00", "1e0"], &["10", "1.01", "11"]),
            (1e6, &["1000000", "1e+06", "1e6", "1000000.0"], &["1e5", "100000"]),
            (2.5e-5, &["0.000025", "2.5e-05", "2.50e-5"], &["2.5e5"]),
        ];
        for (number, same, others) in cases {
            let matcher = Matcher::new("le", MatchOp::Regex, spellings(number)).expect("it is valid");
            for text in same {
                assert!(matcher.matches(text), "{number} is {text}");
            }
            for text in others {
                assert!(!matcher.matches(text), "{number} is not {text}");
            }
        }
    }

    #[test]
    fn only_what_is_needed_is_asked_for() {
        let selector = |text: &str| parse_selector(text).expect("it is valid");
        let ratio = |total: &str, part: &str| Indicator {
            kind: IndicatorKind::Ratio {
                total: selector(total),
                part: selector(part),
                part_is: crate::domain::indicator::RatioPart::Bad,
            },
            source: Some("main".to_owned()),
            group_by: Vec::new(),
        };
        let asked = written(&asked_selectors(&ratio(
            r#"a_total{job="x"}"#,
            r#"a_total{job="x",code=~"5.."}"#,
        )));
        assert_eq!(asked, [r#"a_total{job="x"}"#], "the total holds the part");
        let asked = written(&asked_selectors(&ratio("a_total", "b_total")));
        assert_eq!(asked, ["a_total", "b_total"]);
    }

    #[test]
    fn targets_are_asked_for_by_job_and_instance() {
        let target = |job: &str, instance: &str| ServerTarget {
            job: job.to_owned(),
            instance: instance.to_owned(),
        };
        let targets = [
            target("a", "h.x:1"),
            target("a", "h2:1"),
            target("b", "[::1]:9"),
            target("", ""),
        ];
        let asked = written(&of_targets("up", targets.iter().collect()));
        let expected = [
            r#"up{job="a",instance=~"h\\.x:1|h2:1"}"#,
            r#"up{job="b",instance=~"\\[::1\\]:9"}"#,
        ];
        assert_eq!(asked, expected);
    }
}
