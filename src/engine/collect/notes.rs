//! Notes: what a person should know about an SLO's data; the API shows them as diagnostics.

use std::collections::{BTreeMap, HashMap};

use crate::domain::counting::Note;
use crate::domain::indicator::{Indicator, IndicatorKind};
use crate::domain::shown::{cut, shown_url};
use crate::domain::time::{MINUTE_MS, Timestamp};
use crate::engine::snapshot::DiagnosticView;

/// How long a note about a single visit is shown.
const SHOWN_MS: i64 = 60 * MINUTE_MS;

/// A histogram without the threshold's bucket.
const MISSING_BUCKET: &str = "D001";
/// Credits from zero that were not believed.
const UNBELIEVABLE: &str = "D002";
/// A counter fell without a restart.
const FELL: &str = "D009";
/// A difference that does not fit the ledger.
const OVERFLOW: &str = "D003";
/// More bad (or good) events than events.
pub const PART_ABOVE_TOTAL: &str = "D004";
/// Another process has become the baseline.
const ANOTHER_PROCESS: &str = "D005";
/// Values of a server's query that are no events, or no ratio.
const STRANGE_VALUES: &str = "D006";

/// Nothing has ever matched.
pub const UNFED: &str = "D010";

/// The notes of all SLOs, by SLO, then by code and target.
#[derive(Debug, Default)]
pub struct Notes(HashMap<i64, BTreeMap<(&'static str, String), Shown>>);

#[derive(Debug)]
struct Shown {
    message: String,
    hint: Option<String>,
    until: Option<Timestamp>,
}

impl Notes {
    /// Takes over what the last visit to a target said of an SLO; what it does not say any more is dropped.
    pub fn set(&mut self, slo: i64, target: &str, notes: Vec<Note>, at: Timestamp) {
        if notes.is_empty() && self.0.get(&slo).is_none_or(BTreeMap::is_empty) {
            return;
        }
        let shown = self.0.entry(slo).or_default();
        shown.remove(&(MISSING_BUCKET, target.to_owned()));
        for note in notes {
            let (code, message, hint, passing) = describe(&note, &shown_url(target));
            let until = passing.then_some(Timestamp(at.0 + SHOWN_MS));
            let is_new = !shown.contains_key(&(code, target.to_owned()));
            if is_new {
                tracing::warn!(code, diagnostic = message, "data");
            }
            shown.insert((code, target.to_owned()), Shown { message, hint, until });
        }
    }

    /// The store refused a target's events.
    pub fn refused(&mut self, slo: i64, target: &str, at: Timestamp) {
        let message = format!(
            "the store refused the events of {}: they do not fit; its values are a new baseline",
            shown_url(target)
        );
        self.pass(slo, OVERFLOW, target, message, at);
    }

    /// A target's events fit each by itself, but not together.
    pub fn beyond(&mut self, slo: i64, target: &str, at: Timestamp) {
        let message = format!(
            "the events of one minute on {} do not fit the ledger together: some were not counted, the minute is not \
             observed",
            shown_url(target)
        );
        self.pass(slo, OVERFLOW, target, message, at);
    }

    fn pass(&mut self, slo: i64, code: &'static str, target: &str, message: String, at: Timestamp) {
        let shown = Shown {
            message,
            hint: None,
            until: Some(Timestamp(at.0 + SHOWN_MS)),
        };
        let known = self.0.entry(slo).or_default();
        if !known.contains_key(&(code, target.to_owned())) {
            tracing::warn!(code, diagnostic = shown.message, "data");
        }
        known.insert((code, target.to_owned()), shown);
    }

    /// The notes of one SLO.
    pub fn of(&self, slo: i64) -> Vec<DiagnosticView> {
        let shown = self.0.get(&slo).into_iter().flatten();
        shown
            .map(|((code, _), shown)| running(code, shown.message.clone(), shown.hint.clone()))
            .collect()
    }

    /// Drops notes whose time is over.
    pub fn expire(&mut self, now: Timestamp) {
        for shown in self.0.values_mut() {
            shown.retain(|_, note| note.until.is_none_or(|until| now < until));
        }
    }

    /// Drops what was said of targets that are gone, unless it passes by itself.
    pub fn retain_targets(&mut self, is_there: impl Fn(&str) -> bool) {
        for shown in self.0.values_mut() {
            shown.retain(|(_, target), note| note.until.is_some() || is_there(target));
        }
    }

    /// Keeps the notes of SLOs that still run.
    pub fn retain(&mut self, keep: impl Fn(i64) -> bool) {
        self.0.retain(|slo, _| keep(*slo));
    }
}

/// A diagnostic of the running daemon: it has no place in a file.
pub fn running(code: &str, message: String, hint: Option<String>) -> DiagnosticView {
    DiagnosticView {
        code: code.to_owned(),
        message,
        file: None,
        line: None,
        column: None,
        hint,
    }
}

/// Nothing has ever fed the SLO, though there was time to look.
pub fn unfed(indicator: &Indicator) -> DiagnosticView {
    let (message, hint) = match (&indicator.kind, indicator.source.as_deref()) {
        (IndicatorKind::Probe { job }, _) => (
            format!("the probes of job {job:?} have no target"),
            "/targets shows what is probed; `targets`, or a discovery that finds some, stands beside the `job_name` in \
             nines.yml",
        ),
        (_, None) => (
            "no series on any target matches its selectors".to_owned(),
            "/targets shows which targets answer, and how many of their samples are selected; compare the selectors' \
             names and labels with a page of the target that should feed it",
        ),
        (_, Some(server)) => (
            format!("no series on the server {server:?} matches its selectors"),
            "ask the server for the selectors one by one: one without a result has a name or a label that is not there",
        ),
    };
    running(UNFED, message, Some(hint.to_owned()))
}

/// Code, message, hint, and whether it passes by itself.
fn describe(note: &Note, target: &str) -> (&'static str, String, Option<String>, bool) {
    match note {
        Note::MissingBucket { histogram, nearest } => {
            let message = format!(
                "{} on {target} has no bucket for the threshold, so neither its good nor its total events count",
                cut(histogram)
            );
            (MISSING_BUCKET, message, Some(what_bounds_there_are(nearest)), false)
        }
        Note::Unbelievable {
            events,
            beside,
            rate,
            limit,
        } => {
            let message = format!(
                "{events:.0} events from zero on {target} imply {rate:.0} events/s, above the {limit:.0} that are believed; \
                 the visit counted neither number ({beside:.0} other events were in it), its values are a new baseline"
            );
            (UNBELIEVABLE, message, None, true)
        }
        Note::MissingCount { histogram } => {
            let message =
                format!("{histogram} on {target} has no `_count`, so neither its good nor its total events count");
            let hint = "a histogram has a `_count` beside its buckets; the page or a rule drops it".to_owned();
            (MISSING_BUCKET, message, Some(hint), false)
        }
        Note::FellWithoutRestart { series } => {
            let message = format!(
                "{series} on {target} fell although its process did not start anew; the new value counted from zero"
            );
            let hint = "two processes behind one address invent events: list each by itself".to_owned();
            (FELL, message, Some(hint), true)
        }
        Note::Replaced => {
            let message =
                format!("for five minutes only another process has answered at {target}: it is the new baseline");
            (ANOTHER_PROCESS, message, None, true)
        }
        Note::Overflow { series } => {
            let message = format!(
                "the increase of {} on {target} does not fit the ledger (more than 9.2 × 10^12 events): it was not counted, the minute is not observed, and the value is the new baseline",
                cut(series)
            );
            (OVERFLOW, message, None, true)
        }
        Note::NoEvents {
            asked,
            value,
            at,
            values,
        } => {
            let message = format!(
                "{target} answered {value} at {at} when asked for {asked} ({values} such values): that is no number of \
                 events, so these steps were not seen"
            );
            (STRANGE_VALUES, message, Some(ASK_BY_HAND.to_owned()), true)
        }
        Note::NoCount {
            series,
            value,
            at,
            samples,
        } => {
            let message = format!(
                "{} on {target} was {value} at {at} ({samples} such samples): that is no count, so they counted nothing; \
                 what comes after counts from the last number before",
                cut(series)
            );
            let hint = "ask the server for this series at that time to see where the value comes from";
            (STRANGE_VALUES, message, Some(hint.to_owned()), true)
        }
        Note::RatioOutside { value, at, values } => {
            let message = format!(
                "{target} answered the ratio {value} at {at} ({values} such values): a ratio lies between 0 and 1, so the \
                 nearer of the two was taken"
            );
            (STRANGE_VALUES, message, Some(ASK_BY_HAND.to_owned()), true)
        }
    }
}

const ASK_BY_HAND: &str = "ask the server for the SLO's query at that time to see what is wrong with it";

/// What to do about a missing bucket. In text, a native histogram has no bucket but that of all observations.
fn what_bounds_there_are(nearest: &[String]) -> String {
    match nearest {
        [] => "it has no buckets on the page".to_owned(),
        [only] if only.parse() == Ok(f64::INFINITY) => {
            "its only bound is +Inf; if it is a native histogram, set `scrape_native_histograms: true` for the job: only \
             pages in the protobuf format have its buckets"
                .to_owned()
        }
        _ => format!("the nearest bounds are {}; use one of them as threshold", nearest.join(" and ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_bounds_a_histogram_has_says_what_to_do() {
        for (nearest, said) in [
            (&[][..], "no buckets"),
            (&["+Inf"], "scrape_native_histograms: true"),
            (&["5", "+Inf"], "5 and +Inf"),
            (&["0.25", "0.5"], "0.25 and 0.5"),
        ] {
            let nearest: Vec<String> = nearest.iter().map(|bound| (*bound).to_owned()).collect();
            let hint = what_bounds_there_are(&nearest);
            assert!(hint.contains(said), "{hint}");
        }
    }

    #[test]
    fn what_nothing_feeds_is_told_where_to_look() {
        let indicator = |kind: IndicatorKind, source: Option<&str>| Indicator {
            kind,
            source: source.map(str::to_owned),
            group_by: Vec::new(),
        };
        let web = IndicatorKind::Probe { job: "web".to_owned() };
        for (indicator, message, hint) in [
            (
                indicator(web, None),
                "the probes of job \"web\" have no target",
                "/targets",
            ),
            (
                indicator(IndicatorKind::Events, None),
                "no series on any target matches its selectors",
                "/targets",
            ),
            (
                indicator(IndicatorKind::Events, Some("eu")),
                "no series on the server \"eu\" matches its selectors",
                "ask the server",
            ),
        ] {
            let found = unfed(&indicator);
            assert_eq!((found.code.as_str(), found.message.as_str()), ("D010", message));
            assert!(found.hint.is_some_and(|text| text.contains(hint)));
        }
    }
}
