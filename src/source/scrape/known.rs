//! The series of a target's last page: their texts in one piece, what came of each, and which follows which.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::hint::black_box;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::domain::bounds::Bounds;
use crate::domain::labels::Labels;
use crate::domain::reading::Series;

/// No entry, no date.
pub(super) const NONE: u32 = u32::MAX;

/// What came of one series' text. There may be very many of them: each byte counts.
#[derive(Debug)]
pub(super) struct Entry {
    /// The series, when it is selected.
    pub series: Option<Arc<Series>>,
    /// Where its text stands among all texts, or its text's hash where it is passed over; and how long its text is.
    text_at: u32,
    text_length: u32,
    /// The entry that followed on the last page that had this one.
    pub next: u32,
    /// The last page that had this text.
    pub seen: u32,
    /// The first entry of the same series: a page may write it in two ways.
    pub same_as: u32,
    /// The last page for which this series was given out.
    pub given: u32,
    /// The date that it is, for a `_created` sample; for a bucket that is passed over, its bound; otherwise the date that
    /// dates it, if any.
    pub date: u32,
    pub kind: Kind,
}

/// What else there is to an entry.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Kind {
    /// A rule drops it: it is not counted among the page's samples either.
    pub dropped: bool,
    /// It is a `_created` sample that may date others.
    pub created: bool,
    /// It is the process's start.
    pub start: bool,
}

impl Entry {
    /// Nothing comes of it: it is only recognised, by a hash of its text. There may be many more of these than others,
    /// and that one of them is taken for another of the same length has a chance of one in 2^64: the hash is seeded anew
    /// for each target.
    fn is_passed_over(&self) -> bool {
        self.series.is_none() && !self.kind.created && !self.kind.start
    }

    /// How many bytes stand for it among the texts.
    fn stored_length(&self) -> usize {
        if self.is_passed_over() {
            size_of::<u64>()
        } else {
            self.text_length as usize
        }
    }
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
    dates: Vec<Date>,
    /// The bounds of histograms of which an SLO wants a bucket.
    bounds: Arc<Bounds>,
    /// The entries' texts or the hashes that stand for them, one behind the other in the entries' order.
    texts: Vec<u8>,
    /// The entries by their texts.
    places: HashTable<u32>,
    hasher: RandomState,
    /// How many entries, dates and bounds the last page that counted has left.
    kept: (usize, usize, usize),
    /// Entries came or went since they were linked.
    unlinked: bool,
    /// The entry with which a page begins.
    first: u32,
}

impl Default for KnownSeries {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            dates: Vec::new(),
            bounds: Arc::default(),
            texts: Vec::new(),
            places: HashTable::new(),
            hasher: RandomState::default(),
            kept: (0, 0, 0),
            unlinked: false,
            first: NONE,
        }
    }
}

impl KnownSeries {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The entry with which a page probably begins.
    pub(super) fn first(&self) -> u32 {
        self.first
    }

    pub(super) fn entry(&self, at: u32) -> Option<&Entry> {
        self.entries.get(at as usize)
    }

    /// Looks at the series of these entries before they are counted one by one, so that the processor fetches them from
    /// memory together.
    pub(super) fn fetch(&self, entries: impl Iterator<Item = u32>) {
        let series = entries.filter_map(|at| self.entry(at)?.series.as_ref());
        black_box(series.map(Arc::strong_count).fold(0, usize::wrapping_add));
    }

    /// The entry and, for a `_created` sample, its date.
    pub(super) fn entry_mut(&mut self, at: u32) -> Option<(&mut Entry, Option<&mut Date>)> {
        let entry = self.entries.get_mut(at as usize)?;
        let date = if entry.kind.created {
            self.dates.get_mut(entry.date as usize)
        } else {
            None
        };
        Some((entry, date))
    }

    /// Whether this is the text of that entry.
    pub(super) fn is(&self, at: u32, text: &[u8]) -> bool {
        let Some(entry) = self.entry(at).filter(|entry| entry.text_length as usize == text.len()) else {
            return false;
        };
        let stored = stored(&self.texts, entry);
        if entry.is_passed_over() {
            stored == self.hasher.hash_one(text).to_ne_bytes()
        } else {
            stored == text
        }
    }

    /// How long the text of an entry is, where a line begins with it and a blank behind it.
    pub(super) fn begins(&self, at: u32, line: &[u8]) -> Option<usize> {
        let length = self.entry(at)?.text_length as usize;
        (line.get(length) == Some(&b' ') && self.is(at, &line[..length])).then_some(length)
    }

    /// When the series of this entry began, by what the page says.
    pub(super) fn created(&self, entry: &Entry, page: u32) -> Option<f64> {
        if entry.kind.created {
            return None;
        }
        let date = self.dates.get(entry.date as usize)?;
        (date.seen == page && date.value.is_finite() && date.value > 0.0).then_some(date.value)
    }

    /// The entry with this text.
    pub(super) fn find(&self, text: &str) -> Option<u32> {
        let text = text.as_bytes();
        let found = self.places.find(self.hasher.hash_one(text), |at| self.is(*at, text));
        found.copied()
    }

    /// Remembers that `at` comes behind `last`, or first where there is no such entry.
    pub(super) fn follow(&mut self, last: u32, at: u32) {
        match self.entries.get_mut(last as usize) {
            Some(last) => last.next = at,
            None => self.first = at,
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

    /// Adds an entry that is not there yet. `None` when there is no more room.
    pub(super) fn add(&mut self, text: &str, series: Option<Arc<Series>>, kind: Kind, links: Links) -> Option<u32> {
        let at = u32::try_from(self.entries.len()).ok().filter(|at| *at != NONE)?;
        let text_at = u32::try_from(self.texts.len()).ok()?;
        let text_length = u32::try_from(text.len()).ok()?;
        let date = links.dates.map(|key| {
            self.dates.push(Date {
                key: key.into_boxed_str(),
                seen: 0,
                value: 0.0,
            });
            self.dates.len() as u32 - 1
        });
        let text = text.as_bytes();
        let hash = self.hasher.hash_one(text);
        let bound = links.bound.filter(|_| series.is_none());
        let entry = Entry {
            series,
            text_at,
            text_length,
            next: NONE,
            seen: 0,
            same_as: at,
            given: 0,
            date: date.or(bound).unwrap_or(NONE),
            kind,
        };
        if entry.is_passed_over() {
            self.texts.extend(hash.to_ne_bytes());
        } else {
            self.texts.extend(text);
        }
        self.entries.push(entry);
        let (entries, texts, hasher) = (&self.entries, &self.texts, &self.hasher);
        self.places
            .insert_unique(hash, at, |at| hash_of(entries, texts, hasher, *at));
        self.unlinked = true;
        Some(at)
    }

    /// Forgets what was added since the last page that counted.
    pub(super) fn unlearn(&mut self) {
        let (entries, dates, bounds) = self.kept;
        if self.entries.len() == entries {
            return;
        }
        if self.bounds.len() > bounds {
            Arc::make_mut(&mut self.bounds).keep(&vec![true; bounds]);
        }
        self.texts.truncate(self.entries[entries].text_at as usize);
        self.entries.truncate(entries);
        self.dates.truncate(dates);
        self.places.retain(|at| (*at as usize) < entries);
    }

    /// Keeps what this page had, of which `fresh` texts are different, and nothing else.
    pub(super) fn keep(&mut self, page: u32, fresh: usize) {
        if fresh < self.entries.len() {
            self.forget_unseen(page);
        }
        self.shrink();
        self.kept = (self.entries.len(), self.dates.len(), self.bounds.len());
    }

    /// Finds, after entries came or went, which are the same series and which dates which.
    pub(super) fn link(&mut self) {
        if !self.unlinked {
            return;
        }
        let mut first_of: HashMap<&str, u32, RandomState> = HashMap::default();
        first_of.reserve(self.entries.len());
        let mut dates: HashMap<&str, u32, RandomState> = HashMap::default();
        for (at, date) in (0..).zip(&self.dates) {
            dates.entry(&date.key).or_insert(at);
        }
        let mut links: Vec<(u32, u32)> = Vec::with_capacity(self.entries.len());
        for (at, entry) in (0..).zip(&self.entries) {
            let Some(series) = &entry.series else {
                links.push((at, NONE));
                continue;
            };
            let same_as = *first_of.entry(&series.key).or_insert(at);
            let dated_key = if dates.is_empty() { None } else { dated_key(series) };
            let date = dated_key.and_then(|key| dates.get(key.as_str()).copied());
            links.push((same_as, date.unwrap_or(NONE)));
        }
        for (entry, (same_as, date)) in self.entries.iter_mut().zip(links) {
            entry.same_as = same_as;
            if entry.series.is_some() && !entry.kind.created {
                entry.date = date;
            }
        }
        self.unlinked = false;
    }

    fn forget_unseen(&mut self, page: u32) {
        let mut moved: Vec<u32> = Vec::with_capacity(self.entries.len());
        let (mut entries, mut dates) = (0, 0);
        let mut texts = Vec::with_capacity(self.texts.len());
        let mut dates_kept = Vec::with_capacity(self.dates.len());
        for entry in &mut self.entries {
            let keep = entry.seen == page;
            moved.push(if keep { entries } else { NONE });
            entries += u32::from(keep);
            if entry.kind.created {
                dates_kept.push(keep);
                entry.date = dates;
                dates += u32::from(keep);
            }
            if keep {
                let at = texts.len() as u32;
                texts.extend(stored(&self.texts, entry));
                entry.text_at = at;
            }
        }
        let moved_to = |at: u32| moved.get(at as usize).copied().unwrap_or(NONE);
        self.texts = texts;
        self.entries.retain(|entry| entry.seen == page);
        for entry in &mut self.entries {
            entry.next = moved_to(entry.next);
        }
        self.first = moved_to(self.first);
        let mut kept = dates_kept.iter();
        self.dates.retain(|_| kept.next() == Some(&true));
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
        for entry in &self.entries {
            let bound = match &entry.series {
                Some(series) => bound_of(&self.bounds, series),
                None => Some(entry.date).filter(|_| !entry.kind.created),
            };
            if let Some(used) = bound.and_then(|bound| used.get_mut(bound as usize)) {
                *used = true;
            }
        }
        if used.iter().all(|used| *used) {
            return;
        }
        Arc::make_mut(&mut self.bounds).keep(&used);
        let mut moved = 0..;
        let moved: Vec<u32> = used
            .iter()
            .map(|used| if *used { moved.next().unwrap_or(NONE) } else { NONE })
            .collect();
        let passed_over = self.entries.iter_mut().filter(|entry| entry.is_passed_over());
        passed_over.for_each(|entry| entry.date = moved.get(entry.date as usize).copied().unwrap_or(NONE));
    }

    /// Gives back room that doubling has taken and nothing fills.
    fn shrink(&mut self) {
        let entries = self.entries.len();
        if self.entries.capacity() > entries + entries / 4 {
            self.entries.shrink_to_fit();
            self.texts.shrink_to_fit();
            self.dates.shrink_to_fit();
        }
        if self.places.capacity() > 2 * entries {
            let (entries, texts, hasher) = (&self.entries, &self.texts, &self.hasher);
            self.places.shrink_to_fit(|at| hash_of(entries, texts, hasher, *at));
        }
    }
}

/// The number of the bound that a selected bucket has.
fn bound_of(bounds: &Bounds, series: &Series) -> Option<u32> {
    bounds.find(series.metric.strip_suffix("_bucket")?, series.labels.get("le"))
}

/// What stands for an entry among the texts.
fn stored<'a>(texts: &'a [u8], entry: &Entry) -> &'a [u8] {
    let from = texts.get(entry.text_at as usize..);
    from.and_then(|from| from.get(..entry.stored_length()))
        .unwrap_or_default()
}

/// The hash of an entry's text.
fn hash_of(entries: &[Entry], texts: &[u8], hasher: &RandomState, at: u32) -> u64 {
    let Some(entry) = entries.get(at as usize) else {
        return 0;
    };
    let stored = stored(texts, entry);
    match stored.try_into() {
        Ok(hash) if entry.is_passed_over() => u64::from_ne_bytes(hash),
        _ => hasher.hash_one(stored),
    }
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
