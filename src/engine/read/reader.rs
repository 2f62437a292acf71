//! The reading of one SLO from its server: what is to be read next, and the commit of what was.

use std::sync::Arc;
use std::time::Duration;

use super::books::Books;
use super::chunk::Chunk;
use super::keys::SloKeys;
use super::plan::{counted, form, reach};
use super::samples::ChunkRead;
use super::span::{boundary, gather};
use super::state::{ReadState, Way};
use super::steps::{REREAD, aligned, first_step, learn_step, span_begin, span_end};
use super::{rows, samples, steps};
use crate::domain::counting::Note;
use crate::domain::counting::range::{RangeCount, RangeCursor};
use crate::domain::indicator::IndicatorKind;
use crate::domain::time::{MINUTE_MS, Minute, Timestamp};
use crate::engine::catalog::Entry;
use crate::engine::ports::{Epoch, ListedServer, QueryFailure, QueryFailureReason, Store, StoreError};

/// A window may have grown by so much without the past being read again; so often a step is learned.
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

/// Where readers write.
#[derive(Clone)]
pub struct Writing {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Under which lease.
    pub epoch: Epoch,
    /// Where changes are entered for the sums in memory.
    pub books: Arc<Books>,
}

/// Why a step of reading has failed.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The server gave no answer that counts.
    #[error(transparent)]
    Query(#[from] QueryFailure),
    /// The store did not keep it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a step of reading has done.
#[derive(Debug, Default)]
pub struct StepDone {
    /// It read what nobody had read before, and some of it matched.
    pub matched: bool,
    /// The present was read as far as it should be.
    pub is_current: bool,
    /// Series that were reset.
    pub resets: u64,
    /// What a person should know of the data.
    pub notes: Vec<Note>,
    /// What the server says about its answers.
    pub server_notes: Vec<String>,
}

/// Reads one SLO.
pub struct Reader {
    /// The SLO's number.
    pub slo: i64,
    /// The SLO.
    pub entry: Entry,
    pub(super) keys: SloKeys,
    /// The store's number of the pseudo target, and how many commits it has seen.
    pub(super) target: (i64, i64),
    pub(super) state: Option<ReadState>,
    live: Chunk,
    past: Chunk,
    /// When the step was last learned from a server that had values too.
    step_learned_at: Option<Timestamp>,
}

impl Reader {
    /// A reader that has not asked the store yet where it stands.
    pub fn new(entry: &Entry, keys: SloKeys) -> Self {
        Self {
            slo: entry.id,
            entry: entry.clone(),
            keys,
            target: (0, 0),
            state: None,
            live: Chunk::default(),
            past: Chunk::default(),
            step_learned_at: None,
        }
    }

    /// Where it stands; `None` before the store was asked.
    pub fn state(&self) -> Option<&ReadState> {
        self.state.as_ref()
    }

    /// The key of the pseudo target under which its state is kept.
    pub fn target_key(source: &str, slo: i64) -> String {
        format!("source {source} slo {slo}")
    }

    /// Reads where it stands from the store; an SLO that was never read begins with its alert windows.
    pub async fn open(&mut self, writing: &Writing, server: &ListedServer, now: Timestamp) -> Result<(), ReadError> {
        let key = Self::target_key(&server.name, self.slo);
        let targets = writing.store.sync_targets(writing.epoch, &[key], now).await?;
        let ids: Vec<i64> = targets.iter().map(|target| target.id).collect();
        let cursors = writing.store.load_cursors(&ids).await?;
        let Some(cursor) = cursors.into_iter().next() else {
            return Err(StoreError::Corrupt("a target without a cursor".to_owned()).into());
        };
        self.target = (cursor.target, cursor.seq);
        let stored = ReadState::decode(&cursor.header).ok();
        let wanted_from = boundary(now - reach(&self.entry.slo).0);
        let ours = (self.entry.indicator, self.keys.sum);
        let holds = |state: &ReadState| (state.indicator, state.key) == ours && state.read_until() >= wanted_from;
        self.state = match stored.filter(holds) {
            Some(state) => Some(state),
            None => Some(self.begin(server, now).await?),
        };
        // A window that has become longer reaches farther back than what was read.
        if self
            .state
            .as_ref()
            .is_some_and(|state| state.from.since(wanted_from) > DAY_MS)
        {
            self.read_again(now);
        }
        Ok(())
    }

    /// Everything lies ahead.
    async fn begin(&self, server: &ListedServer, now: Timestamp) -> Result<ReadState, QueryFailure> {
        let slo = &self.entry.slo;
        let (longest, alerting) = reach(slo);
        let from = boundary(now - longest);
        let live_from = boundary(now - alerting).max(from);
        let at = boundary(now - server.query_offset);
        let asked = server.server.as_ref();
        if let IndicatorKind::Sql(sql) = &slo.indicator.kind {
            return Ok(self.in_steps(sql.every, from, live_from));
        }
        let is_computed = match (&slo.indicator.kind, counted(slo)) {
            (IndicatorKind::PromQl(promql), Some(counted)) => {
                !samples::can_be_read(asked, &counted, &promql.form, at).await?
            }
            (IndicatorKind::Latency { histogram, .. }, _) => samples::is_native(asked, histogram, at).await?,
            (_, counted) => counted.is_none(),
        };
        let way = match form(slo) {
            Some(form) if is_computed => {
                let step = first_step(asked, (&form, &slo.indicator.group_by), at).await?;
                return Ok(self.in_steps(step, from, live_from));
            }
            _ => Way::Samples {
                live: RangeCursor::new(live_from),
                live_from,
                history: (from < live_from).then(|| RangeCursor::new(from)),
            },
        };
        Ok(self.standing(from, way))
    }

    /// The state in which nothing was read yet, and is read in steps of this length.
    fn in_steps(&self, step: Duration, from: Timestamp, live_from: Timestamp) -> ReadState {
        let (from, live_from) = (aligned(from, step), aligned(live_from, step));
        let way = Way::Steps {
            step,
            read_until: live_from,
            history: (from < live_from).then_some((from, live_from)),
        };
        self.standing(from, way)
    }

    /// The state in which the SLO is read in this way, with a history from there.
    fn standing(&self, from: Timestamp, way: Way) -> ReadState {
        ReadState {
            indicator: self.entry.indicator,
            key: self.keys.sum,
            from,
            way,
        }
    }

    /// Reads the past once more, from the beginning of the SLO's longest window.
    pub fn read_again(&mut self, now: Timestamp) {
        let (longest, _) = reach(&self.entry.slo);
        let from = boundary(now - longest);
        let Some(state) = &mut self.state else { return };
        state.from = from;
        match &mut state.way {
            Way::Samples {
                live,
                live_from,
                history,
            } => {
                // A minute before where it stands: the live strand has its baseline already.
                *live_from = (live.read_until() - Duration::from_mins(1)).max(from);
                *history = (from < *live_from).then(|| RangeCursor::new(from));
            }
            Way::Steps {
                step,
                read_until,
                history,
            } => {
                let from = aligned(from, *step);
                *history = (from < *read_until).then_some((from, *read_until));
            }
        }
    }

    /// Up to when the present can be read.
    pub fn end(&self, server: &ListedServer, now: Timestamp) -> Timestamp {
        let at = now - server.query_offset;
        match self.state.as_ref().map(|state| &state.way) {
            Some(Way::Steps { step, .. }) => aligned(at, *step),
            _ => boundary(at),
        }
    }

    /// Reads a chunk of the present, where there is one.
    pub async fn follow(
        &mut self,
        writing: &Writing,
        server: &ListedServer,
        now: Timestamp,
    ) -> Result<StepDone, ReadError> {
        let end = self.end(server, now);
        let Some(state) = self.state.clone() else {
            return Ok(StepDone::default());
        };
        let before = state.read_until();
        if before >= end {
            return Ok(StepDone {
                is_current: true,
                ..StepDone::default()
            });
        }
        let mut done = match state.way {
            Way::Samples {
                live,
                live_from,
                history,
            } => {
                let until = end.min(before + self.live.length());
                let mut cursor = live;
                let is_first = before == live_from;
                let read = self.count_samples(server, false, &mut cursor, is_first, until).await?;
                let mut count = read.count;
                if history.is_some() {
                    // What lies before the live strand is the other one's.
                    gather(&mut count, Minute(live_from.minute().0 + 1));
                }
                let way = Way::Samples {
                    live: cursor,
                    live_from,
                    history,
                };
                let span = (Minute(before.minute().0 + 1), until.minute());
                self.keep(writing, self.standing(state.from, way), span, &count, now)
                    .await?;
                StepDone::of(count, read.notes)
            }
            Way::Steps { step, history, .. } => {
                let after = aligned(before - REREAD, step).max(aligned(state.from, step));
                let until = end.min(span_end(before, step, self.live.length()));
                let read = self.compute_steps(server, false, step, (after, until)).await?;
                if read.samples > 0 && self.learns_another_step(server, step, now).await {
                    return Ok(StepDone::default());
                }
                let way = Way::Steps {
                    step,
                    read_until: until,
                    history,
                };
                let span = (after.minute(), Minute(until.minute().0 - 1));
                self.keep(writing, self.standing(state.from, way), span, &read.count, now)
                    .await?;
                StepDone::of(read.count, read.notes)
            }
        };
        done.is_current = self.state.as_ref().is_some_and(|state| state.read_until() >= end);
        Ok(done)
    }

    /// Reads a chunk of the past, where some is missing.
    pub async fn look_back(
        &mut self,
        writing: &Writing,
        server: &ListedServer,
        now: Timestamp,
    ) -> Result<StepDone, ReadError> {
        let Some(state) = self.state.clone() else {
            return Ok(StepDone::default());
        };
        match state.way {
            Way::Samples {
                live,
                live_from,
                history: Some(history),
            } => {
                if history.read_until() >= live_from {
                    let (from, end) = (state.from, live.read_until());
                    return self.join(writing, server, (from, history, end), now).await;
                }
                let before = history.read_until();
                let until = live_from.min(before + self.past.length());
                let mut cursor = history;
                let is_first = before == state.from;
                let read = self.count_samples(server, true, &mut cursor, is_first, until).await?;
                let way = Way::Samples {
                    live,
                    live_from,
                    history: Some(cursor),
                };
                let span = (Minute(before.minute().0 + 1), until.minute());
                self.keep(writing, self.standing(state.from, way), span, &read.count, now)
                    .await?;
                Ok(StepDone::of(read.count, read.notes))
            }
            Way::Steps {
                step,
                read_until,
                history: Some((from, until)),
            } => {
                let after = span_begin(until, step, self.past.length()).max(from);
                let read = self.compute_steps(server, true, step, (after, until)).await?;
                let way = Way::Steps {
                    step,
                    read_until,
                    history: (after > from).then_some((from, after)),
                };
                let span = (after.minute(), Minute(until.minute().0 - 1));
                self.keep(writing, self.standing(state.from, way), span, &read.count, now)
                    .await?;
                Ok(StepDone::of(read.count, read.notes))
            }
            _ => Ok(StepDone::default()),
        }
    }

    /// History has come to where the live strand began: it counts on to where that one is, and takes its place.
    async fn join(
        &mut self,
        writing: &Writing,
        server: &ListedServer,
        (from, mut cursor, end): (Timestamp, RangeCursor, Timestamp),
        now: Timestamp,
    ) -> Result<StepDone, ReadError> {
        let first = Minute(cursor.read_until().minute().0 + 1);
        let (mut all, mut notes) = (RangeCount::default(), Vec::new());
        while cursor.read_until() < end {
            let until = end.min(cursor.read_until() + self.past.length());
            let mut read = self.count_samples(server, true, &mut cursor, false, until).await?;
            for (at, events) in read.count.minutes {
                all.add(at, events);
            }
            all.observed.append(&mut read.count.observed);
            notes.append(&mut read.notes);
        }
        let way = Way::Samples {
            live: cursor,
            live_from: from,
            history: None,
        };
        self.keep_all(writing, self.standing(from, way), (first, end.minute()), &all, now)
            .await?;
        Ok(StepDone {
            // Resets and notes were told when they were first read.
            server_notes: notes,
            ..StepDone::default()
        })
    }

    async fn count_samples(
        &mut self,
        server: &ListedServer,
        of_past: bool,
        cursor: &mut RangeCursor,
        is_first: bool,
        until: Timestamp,
    ) -> Result<ChunkRead, QueryFailure> {
        let indicator = counted(&self.entry.slo).ok_or_else(no_such_way)?;
        let read = samples::read(server.server.as_ref(), &indicator, cursor, is_first, until).await?;
        self.chunk(of_past).answered(read.samples);
        Ok(read)
    }

    async fn compute_steps(
        &mut self,
        server: &ListedServer,
        of_past: bool,
        step: Duration,
        (after, until): (Timestamp, Timestamp),
    ) -> Result<ChunkRead, QueryFailure> {
        let (asked, indicator) = (server.server.as_ref(), &self.entry.slo.indicator);
        let read = if let IndicatorKind::Sql(sql) = &indicator.kind {
            rows::read(asked, (sql, &indicator.group_by), after, until).await?
        } else {
            let form = form(&self.entry.slo).ok_or_else(no_such_way)?;
            steps::read(asked, (&form, &indicator.group_by), step, after, until).await?
        };
        self.chunk(of_past).answered(read.samples);
        Ok(read)
    }

    /// Learns the step anew, once there are values and then every day: what was learned without any, or from a server that
    /// was out of its mind, must not stay, and a scrape interval may change. What was read with another step is not kept.
    async fn learns_another_step(&mut self, server: &ListedServer, step: Duration, now: Timestamp) -> bool {
        let is_fresh = self.step_learned_at.is_some_and(|at| now.since(at) < DAY_MS);
        let Some(form) = form(&self.entry.slo).filter(|_| !is_fresh) else {
            return false;
        };
        let at = boundary(now - server.query_offset);
        // That this question fails does not keep the present from being read.
        let learned = learn_step(server.server.as_ref(), &form, at).await.ok().flatten();
        self.step_learned_at = Some(now);
        let Some((state, learned)) = self.state.as_mut().zip(learned.filter(|learned| *learned != step)) else {
            return false;
        };
        state.change_step(learned);
        true
    }

    /// The server could not give so much; false when there is no less to ask for.
    pub fn ask_for_less(&mut self, of_past: bool) -> bool {
        self.chunk(of_past).refused()
    }

    fn chunk(&mut self, of_past: bool) -> &mut Chunk {
        if of_past { &mut self.past } else { &mut self.live }
    }
}

impl StepDone {
    fn of(count: RangeCount, server_notes: Vec<String>) -> Self {
        Self {
            matched: count.matched_at.is_some(),
            is_current: false,
            resets: count.resets,
            notes: count.notes,
            server_notes,
        }
    }
}

fn no_such_way() -> QueryFailure {
    QueryFailure {
        reason: QueryFailureReason::BadQuery,
        detail: "the SLO cannot be read in this way".to_owned(),
        retry_after: None,
    }
}
