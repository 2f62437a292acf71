//! SQL indicators: a query whose rows say how many events there were between two moments.

use std::time::Duration;

use super::time::Timestamp;

/// What a query is asked for: rows with `total` and `good` (or `bad`), and, where the query tells events of several
/// moments apart, `at`. All other columns are labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlIndicator {
    /// The query, as written, with `{{.from}}` and `{{.until}}`.
    pub query: String,
    /// Events are counted in periods of this length: whole minutes that divide a day.
    pub every: Duration,
}

/// The names of the columns that mean something.
pub const COLUMNS: [&str; 4] = ["total", "good", "bad", "at"];

/// What stands for the first moment, and for the first one that is not meant any more.
const PLACES: [&str; 2] = ["from", "until"];

impl SqlIndicator {
    /// The query for events in `[from, until)`. Both are written as literals with their zone; where the query was
    /// written for a driver, it has no parameters whose type the database would have to guess.
    pub fn filled(&self, from: Timestamp, until: Timestamp) -> String {
        let mut text = self.query.clone();
        for (place, at) in PLACES.into_iter().zip([from, until]) {
            let literal = format!("timestamptz '{}'", at.to_rfc3339());
            for written in spellings(place) {
                text = text.replace(&written, &literal);
            }
        }
        text.trim().trim_end_matches(';').trim_end().to_owned()
    }

    /// What is wrong with a query, before anybody is asked; `None` where nothing is.
    pub fn problem(query: &str) -> Option<&'static str> {
        let has = |place: &str| spellings(place).iter().any(|written| query.contains(written));
        let first = query.split_whitespace().next().unwrap_or_default().to_lowercase();
        let inner = query.trim().trim_end_matches(';');
        if !["select", "with"].contains(&first.trim_start_matches('(')) {
            Some("a query begins with `select` or `with`")
        } else if inner.contains(';') {
            Some("one query is possible, without `;` within it")
        } else if !(has("from") && has("until")) {
            Some("the query must say which events are meant: at or after {{.from}} and before {{.until}}")
        } else {
            None
        }
    }
}

/// `{{.from}}` and `{{ .from }}`.
fn spellings(place: &str) -> [String; 2] {
    [format!("{{{{.{place}}}}}"), format!("{{{{ .{place} }}}}")]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_literals_with_their_zone() {
        let indicator = SqlIndicator {
            query: "select 1 as total where at >= {{.from}} and at < {{ .until }} ; \n".to_owned(),
            every: Duration::from_mins(1),
        };
        let filled = indicator.filled(Timestamp(0), Timestamp(60_000));
        assert_eq!(
            filled,
            "select 1 as total where at >= timestamptz '1970-01-01T00:00:00Z' and at < timestamptz '1970-01-01T00:01:00Z'"
        );
    }

    #[test]
    fn queries_that_cannot_be_are_said_at_once() {
        let range = "where at >= {{.from}} and at < {{.until}}";
        for (query, problem) in [
            (format!("select count(*) as total from orders {range}"), None),
            (
                format!("\n WITH x as (select 1) select 1 as total from x {range};"),
                None,
            ),
            (format!("delete from orders {range}"), Some("begins with")),
            (format!("select 1 {range}; drop table orders"), Some("one query")),
            ("select count(*) as total from orders".to_owned(), Some("which events")),
            ("select 1 where at >= {{.from}}".to_owned(), Some("which events")),
            (String::new(), Some("begins with")),
        ] {
            let found = SqlIndicator::problem(&query);
            assert_eq!(found.is_some(), problem.is_some(), "{query}: {found:?}");
            assert!(
                found.unwrap_or_default().contains(problem.unwrap_or_default()),
                "{query}"
            );
        }
    }
}
