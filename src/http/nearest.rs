//! The names that are nearest to one that is not known, for "did you mean".

/// Texts longer than this are not compared: the work grows with the product of the lengths.
const LENGTH_MAX: usize = 128;
/// So many names are compared at most.
const CANDIDATES_MAX: usize = 2_000;

/// Up to three candidates that differ little from `wanted`, the nearest first.
pub fn nearest<'a>(wanted: &str, candidates: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    if wanted.len() > LENGTH_MAX {
        return Vec::new();
    }
    let limit = (wanted.chars().count() / 3).max(2);
    let mut near: Vec<(usize, &str)> = candidates
        .filter(|candidate| candidate.len() <= LENGTH_MAX)
        .take(CANDIDATES_MAX)
        .map(|candidate| (distance(wanted, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .collect();
    near.sort_unstable();
    near.into_iter().take(3).map(|(_, candidate)| candidate).collect()
}

/// How many characters must be added, dropped or changed (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (done, from) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = done + 1;
        for (at, to) in right.iter().enumerate() {
            let changed = diagonal + usize::from(from != *to);
            diagonal = row[at + 1];
            row[at + 1] = changed.min(row[at] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let known = ["shop/availability", "shop/latency", "search/availability"];
        assert_eq!(nearest("shop/availabilty", known.into_iter())[0], "shop/availability");
        assert!(nearest("billing", known.into_iter()).is_empty());
        assert!(nearest(&"a".repeat(60_000), known.into_iter()).is_empty());
    }
}
