//! The series of a target's last page: what came of each text, and which follows which.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::hint::black_box;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::entry::{Entry, Marks};
use crate::domain::bounds::Bounds;
use crate::domain::labels::Labels;
use crate::domain::reading::Series;

/// No entry, no date.
pub(super) const NONE: u32 = u32::MAX;

/// After so many pages in whose order nothing has changed, the places of the texts are given up until they are asked for.
const PAGES_IN_ORDER: u8 = 8;

/// What comes of a text that is more than passed over.
#[derive(Debug)]
pub(super) struct Taken {
    /// The series, when it is selected.
    pub series: Option<Arc<Series>>,
    /// The first one of the same series: a page may write it in two ways.
    pub same_as: u32,
    /// The last page for which this series was given out.
    pub given: u32,
    /// The date that it is, for a `_created` sample; otherwise the one that dates it, if any.
    date: u32,
    pub kind: Kind,
}

/// What else there is to a text.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Kind {
    /// A rule drops it: it is not counted among the page's samples either.
    pub dropped: bool,
    /// It is a `_created` sample that may date others.
    pub created: bool,
    /// It is the process's start.
    pub start: bool,
}

/// What else an entry belongs to.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// The key of the series that it dates.
    pub dates: Option<String>,
    /// The number of its bound, for a bucket of a histogram of which an SLO wants a bucket.
    pub bound: Option<u32>,
}

/// When the series of a family with the same labels began.
#[derive(Debug)]
pub(super) struct Date {
    /// See [`dated_key`].
    key: Box<str>,
    /// The last page that had it, and what it said there first.
    pub seen: u32,
    pub value: f64,
}

/// What is known of a target's series. It never holds more than one page does.
#[derive(Debug)]
pub(super) struct KnownSeries {
    entries: Vec<Entry>,
    /// In the order of their entries, as their texts and dates are.
    taken: Vec<Taken>,
    /// The texts of what is taken, one behind the other.
    texts: Vec<u8>,
    dates: Vec<Date>,
    /// The bounds of histograms of which an SLO wants a bucket.
    bounds: Arc<Bounds>,
    /// Which entry follows which; empty as long as that is their order.
    next: Vec<u32>,
    /// The entry with which a page begins.
    first: u32,
    /// The entries by their texts; empty while nobody asks.
    places: HashTable<u32>,
    /// For how many pages nobody has asked.
    unasked: u8,
    hasher: RandomState,
    /// How much of all that the last page that counted has left.
    kept: Kept,
    /// Entries came or went since they were linked.
    unlinked: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Kept {
    entries: usize,
    taken: usize,
    texts: usize,
    dates: usize,
    bounds: usize,
}

impl Default for KnownSeries {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            taken: Vec::new(),
            texts: Vec::new(),
            dates: Vec::new(),
            bounds: Arc::default(),
            next: Vec::new(),
            first: NONE,
            places: HashTable::new(),
            unasked: 0,
            hasher: RandomState::default(),
            kept: Kept::default(),
            unlinked: false,
        }
    }
}

impl KnownSeries {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many series are more than passed over.
    pub(super) fn taken_len(&self) -> usize {
        self.taken.len()
    }

    /// The entry with which a page probably begins.
    pub(super) fn first(&self) -> u32 {
        self.first
    }

    /// The entry that followed on the last page that had this one.
    pub(super) fn next(&self, at: u32) -> u32 {
        self.next.get(at as usize).copied().unwrap_or(at.saturating_add(1))
    }

    pub(super) fn entry(&self, at: u32) -> Option<Entry> {
        self.entries.get(at as usize).copied()
    }

    pub(super) fn taken(&self, at: u32) -> Option<&Taken> {
        self.taken.get(at as usize)
    }

    /// The selected series of a page that had these entries.
    pub(super) fn selected(&self, seen: &Marks) -> impl Iterator<Item = &Series> {
        let entries = (0..).zip(&self.entries).filter(|(at, _)| seen.has(*at));
        entries.filter_map(|(_, entry)| self.taken(entry.taken_at()?)?.series.as_deref())
    }

    /// What is taken and, for a `_created` sample, its date.
    pub(super) fn taken_mut(&mut self, at: u32) -> Option<(&mut Taken, Option<&mut Date>)> {
        let taken = self.taken.get_mut(at as usize)?;
        let date = if taken.kind.created {
            self.dates.get_mut(taken.date as usize)
        } else {
            None
        };
        Some((taken, date))
    }

    /// Looks at these series before they are counted one by one, so that the processor fetches them from memory together.
    pub(super) fn fetch(&self, taken: impl Iterator<Item = u32>) {
        let series = taken.filter_map(|at| self.taken(at)?.series.as_ref());
        black_box(series.map(Arc::strong_count).fold(0, usize::wrapping_add));
    }

    /// Whether this is the text of that entry.
    pub(super) fn is(&self, at: u32, text: &[u8]) -> bool {
        let entry = self.entries.get(at as usize);
        entry.is_some_and(|entry| entry.length() == text.len() && self.is_text_of(*entry, text))
    }

    /// How long the text of an entry is, where a line begins with it and a blank behind it.
    pub(super) fn begins(&self, at: u32, line: &[u8]) -> Option<usize> {
        let entry = *self.entries.get(at as usize)?;
        let length = entry.length();
        (line.get(length) == Some(&b' ') && self.is_text_of(entry, &line[..length])).then_some(length)
    }

    /// Whether a text that is as long as the entry's is the entry's.
    fn is_text_of(&self, entry: Entry, text: &[u8]) -> bool {
        match entry.hash() {
            Some(hash) => hash == self.hasher.hash_one(text),
            None => stored(&self.texts, entry) == text,
        }
    }

    /// When this series began, by what the page says.
    pub(super) fn created(&self, taken: &Taken, page: u32) -> Option<f64> {
        if taken.kind.created {
            return None;
        }
        let date = self.dates.get(taken.date as usize)?;
        (date.seen == page && date.value.is_finite() && date.value > 0.0).then_some(date.value)
    }

    /// The entry with this text.
    pub(super) fn find(&mut self, text: &str) -> Option<u32> {
        self.unasked = 0;
        if self.places.is_empty() && !self.entries.is_empty() {
            self.find_places();
        }
        let text = text.as_bytes();
        let found = self.places.find(self.hasher.hash_one(text), |at| self.is(*at, text));
        found.copied()
    }

    fn find_places(&mut self) {
        let (entries, texts, hasher) = (&self.entries, &self.texts, &self.hasher);
        let hash_of = |at: &u32| hash_of(entries, texts, hasher, *at);
        self.places.reserve(entries.len(), hash_of);
        for at in 0..entries.len() as u32 {
            self.places.insert_unique(hash_of(&at), at, hash_of);
        }
    }

    /// Remembers that `at` comes behind `last`, or first where there is no such entry.
    pub(super) fn follow(&mut self, last: u32, at: u32) {
        if last as usize >= self.entries.len() {
            self.first = at;
        } else if self.next(last) != at {
            let entries = self.entries.len() as u32;
            self.next.extend(self.next.len() as u32 + 1..=entries);
            self.next[last as usize] = at;
        }
    }

    /// The number of a bound that histograms of this family have; `None` where there is no room for it.
    pub(super) fn bound(&mut self, family: &str, written: &str) -> Option<u32> {
        let known = self.bounds.find(family, written);
        known.or_else(|| Arc::make_mut(&mut self.bounds).add(family, written))
    }

    /// All bounds.
    pub(super) fn bounds(&self) -> Arc<Bounds> {
        Arc::clone(&self.bounds)
    }

    /// Adds an entry that was not found. `None` when there is no more room.
    pub(super) fn add(&mut self, text: &str, series: Option<Arc<Series>>, kind: Kind, links: Links) -> Option<u32> {
        let at = u32::try_from(self.entries.len()).ok().filter(|at| *at != NONE)?;
        let text = text.as_bytes();
        let hash = self.hasher.hash_one(text);
        let entry = if series.is_some() || kind.created || kind.start {
            let (text_at, number) = (u32::try_from(self.texts.len()).ok()?, self.taken.len() as u32);
            let entry = Entry::taken(text_at, number, text.len(), kind.dropped)?;
            self.take(series, kind, links.dates);
            self.texts.extend(text);
            entry
        } else {
            Entry::passed_over(hash, text.len(), kind.dropped, links.bound)?
        };
        self.entries.push(entry);
        let (entries, texts, hasher) = (&self.entries, &self.texts, &self.hasher);
        self.places
            .insert_unique(hash, at, |at| hash_of(entries, texts, hasher, *at));
        self.unlinked = true;
        Some(at)
    }

    fn take(&mut self, series: Option<Arc<Series>>, kind: Kind, dates: Option<String>) {
        let date = dates.map_or(NONE, |key| {
            self.dates.push(Date {
                key: key.into_boxed_str(),
                seen: 0,
                value: 0.0,
            });
            self.dates.len() as u32 - 1
        });
        self.taken.push(Taken {
            series,
            same_as: self.taken.len() as u32,
            given: 0,
            date,
            kind,
        });
    }

    /// This entry's text is to be learned anew on the next page.
    pub(super) fn void(&mut self, at: u32) {
        if let Some(entry) = self.entries.get_mut(at as usize) {
            entry.void();
        }
    }

    /// Forgets what was added since the last page that counted.
    pub(super) fn unlearn(&mut self) {
        let kept = self.kept;
        if self.entries.len() == kept.entries {
            return;
        }
        self.entries.truncate(kept.entries);
        self.taken.truncate(kept.taken);
        self.texts.truncate(kept.texts);
        self.dates.truncate(kept.dates);
        self.next.truncate(kept.entries);
        if self.bounds.len() > kept.bounds {
            Arc::make_mut(&mut self.bounds).keep(&vec![true; kept.bounds]);
        }
        self.places.retain(|at| (*at as usize) < kept.entries);
    }

    /// Keeps what this page had and nothing else.
    pub(super) fn keep(&mut self, seen: &Marks) {
        if seen.count() < self.entries.len() {
            self.forget_unseen(seen);
        }
        self.unasked = self.unasked.saturating_add(1);
        if self.unasked > PAGES_IN_ORDER {
            self.places = HashTable::new();
        }
        self.shrink();
        self.kept = Kept {
            entries: self.entries.len(),
            taken: self.taken.len(),
            texts: self.texts.len(),
            dates: self.dates.len(),
            bounds: self.bounds.len(),
        };
    }

    /// Finds, after entries came or went, which are the same series and which dates which.
    pub(super) fn link(&mut self) {
        if !self.unlinked {
            return;
        }
        let mut first_of: HashMap<&str, u32, RandomState> = HashMap::default();
        first_of.reserve(self.taken.len());
        let mut dates: HashMap<&str, u32, RandomState> = HashMap::default();
        for (at, date) in (0..).zip(&self.dates) {
            dates.entry(&date.key).or_insert(at);
        }
        let mut links: Vec<(u32, u32)> = Vec::with_capacity(self.taken.len());
        for (at, taken) in (0..).zip(&self.taken) {
            let Some(series) = &taken.series else {
                links.push((at, NONE));
                continue;
            };
            let same_as = *first_of.entry(&series.key).or_insert(at);
            let dated_key = if dates.is_empty() { None } else { dated_key(series) };
            let date = dated_key.and_then(|key| dates.get(key.as_str()).copied());
            links.push((same_as, date.unwrap_or(NONE)));
        }
        for (taken, (same_as, date)) in self.taken.iter_mut().zip(links) {
            taken.same_as = same_as;
            if !taken.kind.created {
                taken.date = date;
            }
        }
        self.unlinked = false;
    }

    fn forget_unseen(&mut self, seen: &Marks) {
        let moved = moved((0..self.entries.len()).map(|at| seen.has(at as u32)));
        let moved_to = |at: u32| moved.get(at as usize).copied().unwrap_or(NONE);
        let (mut texts, mut taken_kept, mut dates_kept) = (Vec::new(), Vec::new(), Vec::new());
        let (mut number, mut date) = (0, 0);
        for (entry, moved) in self.entries.iter_mut().zip(&moved) {
            let Some(taken) = entry.taken_at().and_then(|at| self.taken.get_mut(at as usize)) else {
                continue;
            };
            let keep = *moved != NONE;
            taken_kept.push(keep);
            if taken.kind.created {
                dates_kept.push(keep);
                taken.date = date;
                date += u32::from(keep);
            }
            if keep {
                let text_at = texts.len() as u32;
                texts.extend(stored(&self.texts, *entry));
                entry.move_to(text_at, number);
                number += 1;
            }
        }
        if !self.next.is_empty() {
            let next = (0..).zip(&self.next).filter(|(at, _)| moved_to(*at) != NONE);
            self.next = next.map(|(_, next)| moved_to(*next)).collect();
        }
        self.texts = texts;
        self.first = moved_to(self.first);
        retain(&mut self.entries, moved.iter().map(|moved| *moved != NONE));
        retain(&mut self.taken, taken_kept.into_iter());
        retain(&mut self.dates, dates_kept.into_iter());
        self.places.retain(|place| {
            *place = moved_to(*place);
            *place != NONE
        });
        self.forget_bounds();
        self.unlinked = true;
    }

    /// Forgets the bounds that no bucket has any more.
    fn forget_bounds(&mut self) {
        let mut used = vec![false; self.bounds.len()];
        let of_taken = self
            .taken
            .iter()
            .filter_map(|taken| bound_of(&self.bounds, taken.series.as_ref()?));
        let of_passed_over = self.entries.iter().filter_map(|entry| entry.bound());
        for bound in of_taken.chain(of_passed_over) {
            if let Some(used) = used.get_mut(bound as usize) {
                *used = true;
            }
        }
        if used.iter().all(|used| *used) {
            return;
        }
        Arc::make_mut(&mut self.bounds).keep(&used);
        let moved = moved(used.into_iter());
        for entry in &mut self.entries {
            if let Some(bound) = entry.bound() {
                entry.set_bound(moved.get(bound as usize).copied());
            }
        }
    }

    /// Gives back room that doubling has taken and nothing fills.
    fn shrink(&mut self) {
        let entries = self.entries.len();
        if self.entries.capacity() > entries + entries / 4 {
            self.entries.shrink_to_fit();
            self.taken.shrink_to_fit();
            self.texts.shrink_to_fit();
            self.dates.shrink_to_fit();
            self.next.shrink_to_fit();
        }
        if self.places.capacity() > 2 * entries {
            let (entries, texts, hasher) = (&self.entries, &self.texts, &self.hasher);
            self.places.shrink_to_fit(|at| hash_of(entries, texts, hasher, *at));
        }
    }
}

/// Where each one is when only these are kept; [`NONE`] for the others.
fn moved(is_kept: impl Iterator<Item = bool>) -> Vec<u32> {
    let mut kept = 0;
    let place = |is_kept: bool| {
        let at = if is_kept { kept } else { NONE };
        kept += u32::from(is_kept);
        at
    };
    is_kept.map(place).collect()
}

fn retain<T>(all: &mut Vec<T>, mut is_kept: impl Iterator<Item = bool>) {
    all.retain(|_| is_kept.next() == Some(true));
}

/// The number of the bound that a selected bucket has.
fn bound_of(bounds: &Bounds, series: &Series) -> Option<u32> {
    bounds.find(series.metric.strip_suffix("_bucket")?, series.labels.get("le"))
}

/// The text of an entry that is taken.
fn stored(texts: &[u8], entry: Entry) -> &[u8] {
    let from = entry.text_at().and_then(|at| texts.get(at as usize..));
    from.and_then(|from| from.get(..entry.length())).unwrap_or_default()
}

/// The hash of an entry's text.
fn hash_of(entries: &[Entry], texts: &[u8], hasher: &RandomState, at: u32) -> u64 {
    let Some(entry) = entries.get(at as usize) else {
        return 0;
    };
    entry.hash().unwrap_or_else(|| hasher.hash_one(stored(texts, *entry)))
}

/// The key under which a `_created` sample of this family with these labels dates series.
pub(super) fn family_key(family: &str, labels: &Labels) -> String {
    format!("{family}{labels}")
}

/// The key under which a `_created` sample would date this series: its family's name and its labels without `le`.
/// Only counters and the parts of histograms and summaries have one.
fn dated_key(series: &Series) -> Option<String> {
    let metric = series.metric.as_str();
    if let Some(family) = metric.strip_suffix("_bucket") {
        let labels: Labels = series.labels.iter().filter(|(name, _)| *name != "le").collect();
        return Some(family_key(family, &labels));
    }
    let family = ["_total", "_count", "_sum"]
        .iter()
        .find_map(|suffix| metric.strip_suffix(suffix))?;
    Some(family_key(family, &series.labels))
}
