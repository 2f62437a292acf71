//! Which keys the readers ask for, so that a test can hold the schemas against them.

use std::cell::RefCell;
use std::collections::BTreeSet;

thread_local! {
    static KEYS: RefCell<BTreeSet<(&'static str, &'static str)>> = const { RefCell::new(BTreeSet::new()) };
}

/// A key of a map, which is called after its own key.
pub fn note(map: &'static str, key: &'static str) {
    KEYS.with_borrow_mut(|keys| keys.insert((map, key)));
}

/// All that was asked for in this thread.
pub fn keys() -> BTreeSet<(&'static str, &'static str)> {
    KEYS.with_borrow(Clone::clone)
}
