//! Long lists in pages.

use crate::http::query::Query;

/// Entries on one page.
const SIZE: usize = 100;
/// Links to pages that are shown at most; filters reach what lies beyond.
const LINKS_MAX: usize = 200;

/// A link to one page of a list.
pub struct PageLink {
    /// From 1.
    pub number: usize,
    /// Its address.
    pub href: String,
    /// It is the one that is shown.
    pub is_current: bool,
}

/// Which page is asked for, from 1; what is no number is the first.
pub fn number(query: &Query) -> usize {
    let asked = query.get("page").and_then(|text| text.parse().ok());
    asked.unwrap_or(1).max(1)
}

/// The entries of this page.
pub fn slice<T>(entries: &[T], number: usize) -> &[T] {
    let from = number.saturating_sub(1).saturating_mul(SIZE).min(entries.len());
    &entries[from..entries.len().min(from + SIZE)]
}

/// Links to all pages; none when there is only one.
pub fn links(entries: usize, current: usize, href: impl Fn(usize) -> String) -> Vec<PageLink> {
    let pages = entries.div_ceil(SIZE).min(LINKS_MAX);
    let link = |number: usize| PageLink {
        number,
        href: href(number),
        is_current: number == current,
    };
    if pages > 1 {
        (1..=pages).map(link).collect()
    } else {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_cut_into_pages_of_a_hundred() {
        let entries: Vec<usize> = (0..250).collect();
        for (number, first, length) in [(1, Some(0), 100), (2, Some(100), 100), (3, Some(200), 50), (4, None, 0)] {
            let shown = slice(&entries, number);
            assert_eq!((shown.first().copied(), shown.len()), (first, length), "page {number}");
        }
        assert!(slice(&entries, usize::MAX).is_empty());
        let numbers = |entries| links(entries, 2, |number| format!("?page={number}")).len();
        assert_eq!(
            [numbers(0), numbers(100), numbers(101), numbers(1_000_000)],
            [0, 0, 2, LINKS_MAX]
        );
    }
}
