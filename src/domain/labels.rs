//! Label sets: sorted by name, each name once, a missing label is the same as an empty one.

use std::cmp::Ordering;
use std::fmt;

/// Labels sorted by name; no name twice, no empty value. There are very many of them, so all stand in one text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Labels {
    /// Name, value, name, value …
    text: String,
    /// Where each label's name and value end in the text.
    ends: Vec<(u32, u32)>,
}

impl Labels {
    /// No labels.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of a label; `""` when it is not there.
    pub fn get(&self, name: &str) -> &str {
        self.place(name).map_or("", |at| self.pair(at).1)
    }

    /// Sets a label; an empty value removes it.
    pub fn set(&mut self, name: impl AsRef<str>, value: impl AsRef<str>) {
        let (name, value) = (name.as_ref(), value.as_ref());
        match (self.place(name), value.is_empty()) {
            (Ok(at), true) => {
                let (begins, _, ends) = self.span(at);
                self.text.replace_range(begins..ends, "");
                self.ends.remove(at);
                self.shift(at, ends, begins);
            }
            (Ok(at), false) => {
                let (_, begins, ends) = self.span(at);
                self.text.replace_range(begins..ends, value);
                self.shift(at + 1, ends, begins + value.len());
                self.ends[at].1 = (begins + value.len()) as u32;
            }
            (Err(_), true) => {}
            (Err(at), false) => {
                let begins = self.begins(at);
                let middle = begins + name.len();
                let ends = middle + value.len();
                self.text.insert_str(begins, name);
                self.text.insert_str(middle, value);
                self.shift(at, begins, ends);
                self.ends.insert(at, (middle as u32, ends as u32));
            }
        }
    }

    /// The pairs in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        (0..self.ends.len()).map(|at| self.pair(at))
    }

    /// The labels of a series as selectors see them: the page's own and the target's. With `honor_labels` the page's win;
    /// without it the target's do, and what they displace is kept as `exported_<name>`, as in Prometheus.
    #[must_use]
    pub fn with_target(&self, target: &Labels, honor_labels: bool) -> Labels {
        let mut merged = target.clone();
        for (name, value) in self.iter() {
            if honor_labels || target.get(name).is_empty() {
                merged.set(name, value);
            } else {
                merged.set(format!("exported_{name}"), value);
            }
        }
        merged
    }

    /// How many labels there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Gives back room that is kept for more labels.
    pub fn shrink(&mut self) {
        self.text.shrink_to_fit();
        self.ends.shrink_to_fit();
    }

    /// Where this label is, or would be. Most come in their order, so the search begins at the end.
    fn place(&self, name: &str) -> Result<usize, usize> {
        for at in (0..self.ends.len()).rev() {
            match self.pair(at).0.cmp(name) {
                Ordering::Less => return Err(at + 1),
                Ordering::Equal => return Ok(at),
                Ordering::Greater => {}
            }
        }
        Err(0)
    }

    fn pair(&self, at: usize) -> (&str, &str) {
        let (begins, middle, ends) = self.span(at);
        (&self.text[begins..middle], &self.text[middle..ends])
    }

    /// Where the name of a label begins, where its value does, and where that ends.
    fn span(&self, at: usize) -> (usize, usize, usize) {
        let (middle, ends) = self.ends[at];
        (self.begins(at), middle as usize, ends as usize)
    }

    fn begins(&self, at: usize) -> usize {
        at.checked_sub(1).map_or(0, |before| self.ends[before].1 as usize)
    }

    /// Moves the labels from `at` on: what ended at `from` before now ends at `to`.
    fn shift(&mut self, at: usize, from: usize, to: usize) {
        for (middle, ends) in &mut self.ends[at..] {
            *middle = (*middle as usize + to - from) as u32;
            *ends = (*ends as usize + to - from) as u32;
        }
    }
}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Labels {
    fn cmp(&self, other: &Self) -> Ordering {
        self.iter().cmp(other.iter())
    }
}

impl<N: AsRef<str>, V: AsRef<str>> FromIterator<(N, V)> for Labels {
    fn from_iter<T: IntoIterator<Item = (N, V)>>(pairs: T) -> Self {
        let mut labels = Self::new();
        for (name, value) in pairs {
            labels.set(name, value);
        }
        labels
    }
}

/// `{a="b",c="d"}` with Prometheus's escapes; nothing when there are no labels.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_label_set(f, self.iter())
    }
}

/// Writes `{a="b",c="d"}` in the order given, also for empty values; nothing when there are no labels.
pub fn write_label_set<'a>(out: &mut impl fmt::Write, labels: impl Iterator<Item = (&'a str, &'a str)>) -> fmt::Result {
    let mut opened = false;
    for (name, value) in labels {
        out.write_str(if opened { "," } else { "{" })?;
        opened = true;
        write!(out, "{name}=\"")?;
        for character in value.chars() {
            match character {
                '\\' => out.write_str("\\\\")?,
                '"' => out.write_str("\\\"")?,
                '\n' => out.write_str("\\n")?,
                other => out.write_char(other)?,
            }
        }
        out.write_char('"')?;
    }
    if opened { out.write_char('}') } else { Ok(()) }
}

/// The label values of one group of an SLO, in the order of its `group_by`; values may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Group(pub Vec<(String, String)>);

impl Group {
    /// The value that stands for all groups beyond the cap.
    pub const OTHER: &str = "other";

    /// The group of all that is beyond the cap; with several labels each of them is `other`.
    pub fn other<'a>(names: impl IntoIterator<Item = &'a String>) -> Self {
        let pairs = names.into_iter().map(|name| (name.clone(), Self::OTHER.to_owned()));
        Self(pairs.collect())
    }

    /// `{region="eu"}`, also with empty values.
    pub fn to_label_set(&self) -> String {
        let mut text = String::new();
        let pairs = self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        // Writing into a String cannot fail.
        let _ = write_label_set(&mut text, pairs);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_value_is_no_label() {
        let mut labels: Labels = [("b", "2"), ("a", "1"), ("c", "")].into_iter().collect();
        assert_eq!(labels.to_string(), r#"{a="1",b="2"}"#);
        labels.set("a", "");
        assert_eq!((labels.get("a"), labels.get("b"), labels.len()), ("", "2", 1));
    }

    proptest::proptest! {
        #[test]
        fn labels_are_what_a_sorted_map_is(pairs in proptest::collection::vec(("[a-cü]{1,2}", "[x-zö]{0,3}"), 0..12)) {
            let mut labels = Labels::new();
            let mut map = std::collections::BTreeMap::new();
            for (name, value) in &pairs {
                labels.set(name, value);
                if value.is_empty() {
                    map.remove(name);
                } else {
                    map.insert(name.clone(), value.clone());
                }
                let expected: Vec<_> = map.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                proptest::prop_assert_eq!(labels.iter().collect::<Vec<_>>(), expected);
                proptest::prop_assert_eq!(labels.get(name), value);
            }
            let again: Labels = map.iter().rev().collect();
            proptest::prop_assert_eq!(&again, &labels);
        }
    }

    #[test]
    fn values_are_escaped() {
        let labels: Labels = [("v", "say \"hi\"\\\n")].into_iter().collect();
        assert_eq!(labels.to_string(), r#"{v="say \"hi\"\\\n"}"#);
    }
}
