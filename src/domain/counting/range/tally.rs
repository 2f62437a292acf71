//! What a chunk of raw samples adds to an SLO.

use std::collections::{BTreeMap, BTreeSet};

use super::strange::StrangeSamples;
use crate::domain::counting::Note;
use crate::domain::labels::Group;
use crate::domain::time::{Minute, Timestamp};

/// More notes than this say nothing new.
const NOTES_MAX: usize = 20;

/// What an answer adds to an SLO.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RangeCount {
    /// Total and good events in millionths, by group and minute. Where a gap was filled these are minutes before the
    /// range, too.
    pub minutes: BTreeMap<(Group, Minute), (i64, i64)>,
    /// The minutes in which something was seen that counted.
    pub observed: BTreeSet<Minute>,
    /// Series that were reset.
    pub resets: u64,
    /// What a person should know; each once, and not more than twenty.
    pub notes: Vec<Note>,
    /// When a sample last matched.
    pub matched_at: Option<Timestamp>,
}

/// A count in the making: the minutes of each group by themselves, so that no group is named anew for every visit.
#[derive(Default)]
pub(super) struct Tally {
    minutes: BTreeMap<Group, BTreeMap<Minute, (i64, i64)>>,
    count: RangeCount,
    last_observed: Option<Minute>,
    /// Samples that are no count.
    pub strange: StrangeSamples,
}

impl Tally {
    /// Adds events to a minute of a group.
    pub fn add(&mut self, group: &Group, minute: Minute, total: i64, good: i64) {
        if let Some(minutes) = self.minutes.get_mut(group) {
            let sum = minutes.entry(minute).or_default();
            if let (Some(total), Some(good)) = (sum.0.checked_add(total), sum.1.checked_add(good)) {
                *sum = (total, good);
            } else {
                let series = group.to_label_set();
                self.note(Note::Overflow { series });
            }
        } else {
            let minutes = BTreeMap::from([(minute, (total, good))]);
            self.minutes.insert(group.clone(), minutes);
        }
    }

    /// Something was seen in this minute that counted.
    pub fn observe(&mut self, minute: Minute) {
        if self.last_observed != Some(minute) {
            self.count.observed.insert(minute);
            self.last_observed = Some(minute);
        }
    }

    /// Series were reset.
    pub fn reset(&mut self, series: u32) {
        self.count.resets += u64::from(series);
    }

    /// Samples matched.
    pub fn matched(&mut self, at: Timestamp) {
        self.count.matched_at = self.count.matched_at.max(Some(at));
    }

    /// A person should know this.
    pub fn note(&mut self, note: Note) {
        self.count.add_note(note);
    }

    /// All of it.
    pub fn finish(mut self) -> RangeCount {
        if let Some(note) = std::mem::take(&mut self.strange).note() {
            self.note(note);
        }
        let minutes = self.minutes.into_iter().flat_map(|(group, minutes)| {
            let of_group = move |(minute, sums)| ((group.clone(), minute), sums);
            minutes.into_iter().map(of_group)
        });
        RangeCount {
            minutes: minutes.collect(),
            ..self.count
        }
    }
}

impl RangeCount {
    /// Adds events to a minute of a group, in millionths.
    pub fn add(&mut self, at: (Group, Minute), (total, good): (i64, i64)) {
        let sum = self.minutes.entry(at).or_default();
        *sum = (sum.0.saturating_add(total), sum.1.saturating_add(good));
    }

    /// Adds a note that is not there yet, while there is room.
    pub(in crate::domain::counting) fn add_note(&mut self, note: Note) {
        if self.notes.len() < NOTES_MAX && !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}
