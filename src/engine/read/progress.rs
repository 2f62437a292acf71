//! How the reading of each SLO is going: for its alerts, and for people.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::reader::{ReadError, StepDone};
use super::state::ReadState;
use crate::domain::time::{Timestamp, format_duration};
use crate::engine::collect::SloHealth;
use crate::engine::collect::notes::running;
use crate::engine::snapshot::DiagnosticView;

/// A server that cannot be asked.
const UNANSWERED: &str = "D007";
/// What a server says about its answers.
const SERVER_NOTE: &str = "D008";
/// At most so many of a server's own notes are shown.
const SERVER_NOTES_MAX: usize = 3;

/// What keeps one strand from being read.
#[derive(Clone, Debug, Default)]
pub struct Trouble {
    /// So many tries have failed since one succeeded.
    failures: u32,
    /// Since when the server gives no answer that counts, and why.
    failure: Option<(Timestamp, String)>,
}

/// How the reading of one SLO is going.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// The server's name.
    pub source: String,
    /// It has ever matched anything.
    pub feeds: bool,
    /// The present was read as far as it should be, since this process took over.
    pub was_current: bool,
    /// What keeps the present from being read.
    pub live: Trouble,
    /// What keeps the past from being read.
    pub past: Trouble,
    /// When the server last answered.
    pub answered_at: Option<Timestamp>,
    /// When something last matched.
    pub matched_at: Option<Timestamp>,
    /// Series that were reset, since this process took over.
    pub resets: u64,
    /// What the server says about its answers.
    pub server_notes: Vec<String>,
    /// Where history begins.
    pub from: Timestamp,
    /// Up to when the present was read.
    pub read_until: Timestamp,
    /// What of the past is still to be read.
    pub missing: Option<(Timestamp, Timestamp)>,
}

impl Progress {
    /// A step of the present or of the past has ended well.
    pub fn done(&mut self, done: StepDone, of_past: bool, now: Timestamp) {
        *self.strand(of_past) = Trouble::default();
        self.answered_at = Some(now);
        self.was_current |= done.is_current;
        self.resets += done.resets;
        if done.matched {
            (self.matched_at, self.feeds) = (Some(now), true);
        }
        if !done.server_notes.is_empty() || done.is_current {
            self.server_notes = done.server_notes;
            self.server_notes.dedup();
            self.server_notes.truncate(SERVER_NOTES_MAX);
        }
    }

    /// A step has failed; tells how many have in a row.
    pub fn failed(&mut self, error: &ReadError, of_past: bool, now: Timestamp) -> u32 {
        let trouble = self.strand(of_past);
        trouble.failures = trouble.failures.saturating_add(1);
        // That the store is away is shown by `/-/ready`; the server has nothing to do with it.
        if let ReadError::Query(error) = error {
            let since = trouble.failure.as_ref().map_or(now, |(since, _)| *since);
            trouble.failure = Some((since, error.to_string()));
        }
        trouble.failures
    }

    fn strand(&mut self, of_past: bool) -> &mut Trouble {
        if of_past { &mut self.past } else { &mut self.live }
    }

    /// Where it stands now.
    pub fn stands(&mut self, state: Option<&ReadState>) {
        if let Some(state) = state {
            self.from = state.from;
            self.read_until = state.read_until();
            self.missing = state.missing();
        }
    }

    /// As evaluation sees it: a server is one feeding target.
    pub fn health(&self, mut notes: Vec<DiagnosticView>) -> SloHealth {
        if let Some((since, why)) = &self.live.failure {
            let known = match self.read_until {
                Timestamp(0) => "nothing was read yet".to_owned(),
                until => format!("nothing is known of the time after {until}"),
            };
            let message = format!(
                "the server \"{}\" gives no answer that counts since {since}: {why}; {known}",
                self.source
            );
            notes.push(running(UNANSWERED, message, None));
        }
        if let Some((since, why)) = &self.past.failure {
            let message = format!(
                "the history of the server \"{}\" cannot be read since {since}: {why}; the present is not affected",
                self.source
            );
            notes.push(running(UNANSWERED, message, None));
        }
        notes.extend(self.server_notes.iter().map(|note| {
            let message = format!("the server \"{}\" says: {note}", self.source);
            running(SERVER_NOTE, message, None)
        }));
        SloHealth {
            feeding: usize::from(self.feeds),
            settled: self.was_current || self.live.failures >= 2,
            looked: self.was_current && self.missing.is_none(),
            seen_at: self.answered_at,
            matched_at: self.matched_at,
            resets: self.resets,
            diagnostics: notes,
        }
    }

    /// As the API shows it.
    pub fn view(&self) -> BackfillView {
        let span = |from: Timestamp, until: Timestamp| until.since(from).max(0) as f64;
        let whole = span(self.from, self.read_until);
        let missing = self.missing.map_or(0.0, |(from, until)| span(from, until));
        BackfillView {
            source: self.source.clone(),
            from: known(self.from),
            read_until: known(self.read_until),
            missing: self.missing,
            done_ratio: if whole > 0.0 {
                (1.0 - missing / whole).max(0.0)
            } else {
                0.0
            },
            error: self
                .live
                .failure
                .as_ref()
                .or(self.past.failure.as_ref())
                .map(|(_, why)| why.clone()),
        }
    }
}

/// How far an SLO was read from its server, as the API shows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct BackfillView {
    /// The server's name.
    pub source: String,
    /// Where the history that is read begins; `None` before it was decided.
    #[serde(serialize_with = "as_time")]
    pub from: Option<Timestamp>,
    /// Up to when the present was read.
    #[serde(serialize_with = "as_time")]
    pub read_until: Option<Timestamp>,
    /// What of the past is still to be read: from, until; `None` when all of it was.
    #[serde(serialize_with = "as_span")]
    pub missing: Option<(Timestamp, Timestamp)>,
    /// The share of the time from `from` to `read_until` that was read.
    pub done_ratio: f64,
    /// Why the server gives no answer that counts, while it gives none.
    pub error: Option<String>,
}

/// A time, where the reading has begun.
fn known(at: Timestamp) -> Option<Timestamp> {
    (at != Timestamp(0)).then_some(at)
}

#[expect(clippy::ref_option, reason = "serde decides the signature")]
fn as_time<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(Timestamp::to_rfc3339).serialize(serializer)
}

#[expect(clippy::ref_option, reason = "serde decides the signature")]
fn as_span<S: Serializer>(span: &Option<(Timestamp, Timestamp)>, serializer: S) -> Result<S::Ok, S::Error> {
    let texts = span.map(|(from, until)| [from.to_rfc3339(), until.to_rfc3339()]);
    texts.serialize(serializer)
}

/// How long to wait after so many failures in a row.
pub fn patience(failures: u32, asked_for: Option<Duration>) -> Duration {
    let own = Duration::from_secs(5) * 2_u32.saturating_pow(failures.saturating_sub(1).min(6));
    asked_for.unwrap_or_default().max(own).min(Duration::from_mins(5))
}

/// A wait, for a log line.
pub fn shown(wait: Duration) -> String {
    format_duration(Duration::from_secs(wait.as_secs().max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_was_looked_at_when_all_of_the_window_was_read() {
        let span = Some((Timestamp(0), Timestamp(1)));
        for (was_current, missing, looked) in [(false, None, false), (true, span, false), (true, None, true)] {
            let progress = Progress {
                was_current,
                missing,
                ..Progress::default()
            };
            assert_eq!(progress.health(Vec::new()).looked, looked, "{was_current} {missing:?}");
        }
    }
}
