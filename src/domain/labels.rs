//! Label sets: sorted by name, each name once, a missing label is the same as an empty one.

use std::fmt;

/// Labels sorted by name; no name twice, no empty value.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(Vec<(String, String)>);

impl Labels {
    /// No labels.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of a label; `""` when it is not there.
    pub fn get(&self, name: &str) -> &str {
        self.0
            .binary_search_by(|(known, _)| known.as_str().cmp(name))
            .map_or("", |at| &self.0[at].1)
    }

    /// Sets a label; an empty value removes it.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let (name, value) = (name.into(), value.into());
        match (self.0.binary_search_by(|(known, _)| known.cmp(&name)), value.is_empty()) {
            (Ok(at), true) => drop(self.0.remove(at)),
            (Ok(at), false) => self.0[at].1 = value,
            (Err(_), true) => {}
            (Err(at), false) => self.0.insert(at, (name, value)),
        }
    }

    /// The pairs in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
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
        self.0.len()
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Labels {
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

    #[test]
    fn values_are_escaped() {
        let labels: Labels = [("v", "say \"hi\"\\\n")].into_iter().collect();
        assert_eq!(labels.to_string(), r#"{v="say \"hi\"\\\n"}"#);
    }
}
