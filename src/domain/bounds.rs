//! The bounds of histograms' buckets: which an SLO wants, and which there are on a page.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

/// More different bounds of one target's histograms are not remembered.
pub const BOUNDS_MAX: usize = 4000;

/// Whether a bucket's bound is the threshold: the two numbers are the same, however they are spelled.
pub fn is_threshold(bound: f64, threshold: f64) -> bool {
    (bound - threshold).abs() <= threshold.abs() * 1e-12
}

/// The number that a bucket's `le` writes.
pub fn parse_bound(written: &str) -> Option<f64> {
    written.parse().ok().filter(|bound: &f64| !bound.is_nan())
}

/// A bound that some bucket of a histogram has.
#[derive(Clone, Debug, PartialEq)]
pub struct Bound {
    /// The histogram's family, as the page calls it.
    family: Arc<str>,
    /// The bound, as a number.
    pub le: f64,
    /// The bound, as on the page.
    pub written: Box<str>,
}

/// The bounds that the histograms of a page have: where a histogram lacks the threshold's, they tell which are next to it.
/// Each stands once for all histograms of its family, for there are very many of those.
#[derive(Clone, Debug, Default)]
pub struct Bounds {
    all: Vec<Bound>,
    /// Their places in `all`.
    places: HashTable<u32>,
    hasher: RandomState,
}

impl Bounds {
    /// The bounds that histograms of this family have.
    pub fn of<'a>(&'a self, family: &'a str) -> impl Iterator<Item = &'a Bound> {
        self.all.iter().filter(move |bound| &*bound.family == family)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The number of a bound, where it is there.
    pub fn find(&self, family: &str, written: &str) -> Option<u32> {
        let hash = self.hasher.hash_one((family, written));
        let is = |at: &u32| {
            let bound = self.all.get(*at as usize);
            bound.is_some_and(|bound| (&*bound.family, &*bound.written) == (family, written))
        };
        self.places.find(hash, is).copied()
    }

    /// Adds a bound that is not there yet and gives its number; `None` where it is no number, or there is no more room.
    pub fn add(&mut self, family: &str, written: &str) -> Option<u32> {
        let le = parse_bound(written).filter(|_| self.all.len() < BOUNDS_MAX)?;
        let at = self.all.len() as u32;
        let last = self.all.last().map(|bound| &bound.family);
        let same = last.filter(|last| &***last == family);
        let family = same.map_or_else(|| family.into(), Arc::clone);
        self.all.push(Bound {
            family,
            le,
            written: written.into(),
        });
        self.place(at);
        Some(at)
    }

    /// Keeps the bounds at these places, which get the numbers of their order.
    pub fn keep(&mut self, is_kept: &[bool]) {
        let mut kept = is_kept.iter();
        self.all.retain(|_| kept.next() == Some(&true));
        self.places.clear();
        (0..self.all.len() as u32).for_each(|at| self.place(at));
    }

    fn place(&mut self, at: u32) {
        let (all, hasher) = (&self.all, &self.hasher);
        let hash_of = |at: &u32| {
            let bound = all.get(*at as usize);
            bound.map_or(0, |bound| hasher.hash_one((&*bound.family, &*bound.written)))
        };
        self.places.insert_unique(hash_of(&at), at, hash_of);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_is_compared_as_a_number() {
        for (written, threshold, expected) in [
            ("0.3", 0.3, true),
            ("0.30", 0.3, true),
            ("3e-1", 0.3, true),
            ("300e-3", 0.3, true),
            ("0.25", 0.3, false),
            ("+Inf", 0.3, false),
            ("NaN", 0.3, false),
            ("", 0.3, false),
            ("300ms", 0.3, false),
        ] {
            let is = parse_bound(written).is_some_and(|bound| is_threshold(bound, threshold));
            assert_eq!(is, expected, "{written}");
        }
    }

    #[test]
    fn bounds_stand_once_and_keep_their_order() {
        let mut bounds = Bounds::default();
        for (family, written) in [("a", "0.1"), ("a", "0.10"), ("b", "0.1"), ("a", "+Inf")] {
            assert_eq!(bounds.find(family, written), None, "{family} {written}");
            let number = bounds.add(family, written);
            assert_eq!(bounds.find(family, written), number, "{family} {written}");
        }
        assert_eq!(bounds.add("a", "none"), None, "it is no number");
        bounds.keep(&[false, true, true, true]);
        let of_a: Vec<&str> = bounds.of("a").map(|bound| &*bound.written).collect();
        assert_eq!(of_a, ["0.10", "+Inf"]);
        assert_eq!(
            (bounds.find("a", "0.1"), bounds.find("b", "0.1"), bounds.len()),
            (None, Some(1), 3)
        );
    }
}
