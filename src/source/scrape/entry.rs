//! One text of a page as it is remembered, in twelve bytes: a page may have a million of them.

use crate::domain::bounds::BOUNDS_MAX;

/// How long the text is: at most 64 KiB. All bits are set where there is none.
const LENGTH: u32 = (1 << 17) - 1;
/// More comes of it than that it is passed over.
const TAKEN: u32 = 1 << 17;
/// A rule drops it: it is not counted among the page's samples either.
const DROPPED: u32 = 1 << 18;
/// From here on: the number of its bound, or that it has none.
const BOUND_SHIFT: u32 = 20;
const NO_BOUND: u32 = u32::MAX >> BOUND_SHIFT;
const _: () = assert!(BOUNDS_MAX <= NO_BOUND as usize);

/// What came of one text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// The text's hash where it is passed over; otherwise where the text stands, and the number among those taken.
    words: [u32; 2],
    flags: u32,
}

impl Entry {
    /// Of a text of which nothing comes: it is only recognised, by its hash. There may be many more of these than others,
    /// and that one of them is taken for another of the same length has a chance of one in 2^64: the hash is seeded anew
    /// for each target. `None` where it is too long.
    pub(super) fn passed_over(hash: u64, length: usize, dropped: bool, bound: Option<u32>) -> Option<Self> {
        let mut entry = Self {
            words: [hash as u32, (hash >> 32) as u32],
            flags: flags(length, dropped)?,
        };
        entry.set_bound(bound);
        Some(entry)
    }

    /// Of a text from which something comes. `None` where it is too long.
    pub(super) fn taken(text_at: u32, number: u32, length: usize, dropped: bool) -> Option<Self> {
        Some(Self {
            words: [text_at, number],
            flags: flags(length, dropped)? | TAKEN | NO_BOUND << BOUND_SHIFT,
        })
    }

    /// How long its text is.
    pub(super) fn length(self) -> usize {
        (self.flags & LENGTH) as usize
    }

    /// A rule drops it.
    pub(super) fn is_dropped(self) -> bool {
        self.flags & DROPPED != 0
    }

    /// Its text's hash, where it is passed over.
    pub(super) fn hash(self) -> Option<u64> {
        let [low, high] = self.words;
        (self.flags & TAKEN == 0).then_some(u64::from(high) << 32 | u64::from(low))
    }

    /// Where its text stands, where it is taken.
    pub(super) fn text_at(self) -> Option<u32> {
        (self.flags & TAKEN != 0).then_some(self.words[0])
    }

    /// Its number among those taken.
    pub(super) fn taken_at(self) -> Option<u32> {
        (self.flags & TAKEN != 0).then_some(self.words[1])
    }

    /// It is to be learned anew: no text is its own any more.
    pub(super) fn void(&mut self) {
        self.flags |= LENGTH;
    }

    /// Other entries have gone.
    pub(super) fn move_to(&mut self, text_at: u32, number: u32) {
        self.words = [text_at, number];
    }

    /// The number of its bound, for a bucket that is passed over.
    pub(super) fn bound(self) -> Option<u32> {
        Some(self.flags >> BOUND_SHIFT).filter(|bound| *bound != NO_BOUND)
    }

    /// Gives it the number of its bound.
    pub(super) fn set_bound(&mut self, bound: Option<u32>) {
        let bound = bound.filter(|bound| *bound < NO_BOUND).unwrap_or(NO_BOUND);
        self.flags = self.flags & !(NO_BOUND << BOUND_SHIFT) | bound << BOUND_SHIFT;
    }
}

fn flags(length: usize, dropped: bool) -> Option<u32> {
    let length = u32::try_from(length).ok().filter(|length| *length < LENGTH)?;
    Some(length | if dropped { DROPPED } else { 0 })
}

/// Which entries a page has had.
#[derive(Debug, Default)]
pub(super) struct Marks {
    bits: Vec<u64>,
    count: usize,
}

impl Marks {
    /// With room for so many entries.
    pub(super) fn with_room(entries: usize) -> Self {
        Self {
            bits: vec![0; entries.div_ceil(64)],
            count: 0,
        }
    }

    /// Marks one; whether it was not marked yet.
    pub(super) fn mark(&mut self, at: u32) -> bool {
        let (word, bit) = (at as usize / 64, 1_u64 << (at % 64));
        if word >= self.bits.len() {
            self.bits.resize(word + 1, 0);
        }
        let is_new = self.bits[word] & bit == 0;
        self.bits[word] |= bit;
        self.count += usize::from(is_new);
        is_new
    }

    /// Whether it is marked.
    pub(super) fn has(&self, at: u32) -> bool {
        let word = self.bits.get(at as usize / 64);
        word.is_some_and(|word| word & (1 << (at % 64)) != 0)
    }

    /// How many are marked.
    pub(super) fn count(&self) -> usize {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_keeps_what_it_is_given() {
        let hash = 0x0123_4567_89ab_cdef;
        for (length, dropped, bound) in [
            (0, false, None),
            (65_536, true, Some(BOUNDS_MAX as u32 - 1)),
            (7, false, Some(0)),
        ] {
            let mut entry = Entry::passed_over(hash, length, dropped, bound).expect("it is not too long");
            let shown = (entry.hash(), entry.length(), entry.is_dropped(), entry.bound());
            assert_eq!(shown, (Some(hash), length, dropped, bound));
            assert_eq!((entry.text_at(), entry.taken_at()), (None, None));
            entry.set_bound(Some(5));
            assert_eq!(
                (entry.bound(), entry.length(), entry.is_dropped()),
                (Some(5), length, dropped)
            );
            let mut entry = Entry::taken(9, u32::MAX, length, dropped).expect("it is not too long");
            assert_eq!(
                (entry.text_at(), entry.taken_at(), entry.hash()),
                (Some(9), Some(u32::MAX), None)
            );
            entry.move_to(1, 2);
            assert_eq!(
                (entry.text_at(), entry.taken_at(), entry.bound()),
                (Some(1), Some(2), None)
            );
        }
        let mut entry = Entry::passed_over(hash, 7, true, Some(3)).expect("it is not too long");
        entry.void();
        assert!(entry.length() > 65_536 && entry.bound() == Some(3) && entry.is_dropped());
        assert!(Entry::taken(0, 0, 1 << 17, false).is_none() && Entry::passed_over(0, 1 << 17, false, None).is_none());
    }

    #[test]
    fn marks_count_each_entry_once() {
        let mut marks = Marks::with_room(3);
        let new: Vec<bool> = [1, 63, 64, 1, 1000].map(|at| marks.mark(at)).into();
        assert_eq!((new, marks.count()), (vec![true, true, true, false, true], 4));
        assert!(marks.has(1000) && !marks.has(2) && !marks.has(u32::MAX));
    }
}
