//! What a server has of the metrics that nines knows, and which SLOs could be made of it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::known::{Bad, Errors, KNOWN, Kind, Known};
use crate::domain::answer::{Answer, AnsweredSeries};
use crate::domain::time::Timestamp;
use crate::engine::ports::{QueryFailure, QueryFailureReason, QueryServer};

/// The name of a service is not longer.
const SERVICE_MAX: usize = 253;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The known metrics that are there, with how many services each tells apart.
    pub metrics: Vec<(&'static Known, usize)>,
    /// The SLOs that could be made, the most telling first.
    pub proposals: Vec<Proposal>,
    /// What people should know.
    pub notes: Vec<String>,
}

/// An SLO that could be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Proposal {
    pub kind: Kind,
    pub service: String,
    pub name: String,
    pub metric: &'static str,
    pub what: What,
}

/// What is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// Two selectors.
    Ratio { total: String, bad: String },
    /// A histogram and the matchers of its series.
    Latency {
        histogram: &'static str,
        matchers: Vec<String>,
    },
    /// A gauge that is 1 while all is well.
    Boolean { gauge: String },
}

/// A service on the server: the label that names it, and its value.
type Place = (&'static str, String);

/// Asks what there is. Only the names of metrics are asked of all series, everything else of metrics that are there.
pub(super) async fn look(server: &dyn QueryServer, now: Timestamp) -> Result<Found, QueryFailure> {
    let (metrics, buckets) = known_names();
    let mut names = names(server, metrics, "", now).await?;
    names.extend(self::names(server, buckets, ",le=\"+Inf\"", now).await?);
    let mut looker = Looker {
        server,
        now,
        found: Found::default(),
        taken: HashSet::new(),
        names: HashMap::new(),
    };
    let there = || KNOWN.iter().filter(|known| names.contains(known.metric));
    for known in there().filter(|known| known.kind != Kind::Up && !known.is_last) {
        looker.add(known, &names).await?;
    }
    if looker.found.proposals.is_empty() {
        for known in there().filter(|known| known.is_last) {
            looker.add(known, &names).await?;
        }
    }
    for known in there().filter(|known| known.kind == Kind::Up) {
        looker.add(known, &names).await?;
    }
    let mut found = looker.found;
    found
        .proposals
        .sort_by(|a, b| (a.kind, &a.service, &a.name).cmp(&(b.kind, &b.service, &b.name)));
    Ok(found)
}

/// The names of all known counters and gauges, and those of the buckets of histograms.
fn known_names() -> (BTreeSet<String>, BTreeSet<String>) {
    let metrics = KNOWN.iter().map(|known| known.metric.to_owned());
    let buckets = KNOWN.iter().filter_map(|known| known.latency).map(bucket);
    (metrics.collect(), buckets.collect())
}

/// Which of these names are there; all of them where the server is too large to tell, so that each is asked for.
async fn names(
    server: &dyn QueryServer,
    names: BTreeSet<String>,
    only: &str,
    now: Timestamp,
) -> Result<BTreeSet<String>, QueryFailure> {
    let all = names.iter().map(String::as_str).collect::<Vec<_>>().join("|");
    let query = format!("count by (__name__) ({{__name__=~\"{all}\"{only}}})");
    match server.instant(&query, now).await {
        Ok(answer) => Ok(answer.series.into_iter().map(|series| series.metric).collect()),
        Err(failure) if failure.reason == QueryFailureReason::TooMuch => Ok(names),
        Err(failure) => Err(failure),
    }
}

/// The series of a histogram's buckets.
pub(super) fn bucket(histogram: &'static str) -> String {
    format!("{histogram}_bucket")
}

struct Looker<'a> {
    server: &'a dyn QueryServer,
    now: Timestamp,
    found: Found,
    /// What a service has already: of the same kind and name it gets one.
    taken: HashSet<(Place, String)>,
    /// The value of the label behind each service's name.
    names: HashMap<String, String>,
}

impl Looker<'_> {
    async fn add(&mut self, known: &'static Known, names: &BTreeSet<String>) -> Result<(), QueryFailure> {
        let labels = known.services.iter().copied();
        let labels = labels.chain(known.errors.iter().map(|errors| errors.label));
        let query = count_by(labels, &selector(known.metric, known.only.map(str::to_owned)));
        let places = places(known, &self.ask(known.metric, &query).await?);
        if !places.is_empty() {
            self.found.metrics.push((known, places.len()));
        }
        let mut blind = Vec::new();
        for (place, errors) in &places {
            let matchers = matchers(known, place);
            let what = match (known.kind, errors) {
                (Kind::Probe | Kind::Up, _) => What::Boolean {
                    gauge: selector(known.metric, matchers),
                },
                (_, Some(errors)) => What::Ratio {
                    total: selector(known.metric, matchers.clone()),
                    bad: selector(known.metric, matchers.into_iter().chain([is_bad(errors)])),
                },
                (_, None) => {
                    blind.push(shown_place(place));
                    continue;
                }
            };
            let is_covered = self.taken.iter().any(|(taken, _)| taken == place);
            if known.kind != Kind::Up || !is_covered {
                self.propose(known, place, "availability", known.metric, what);
            }
        }
        if !blind.is_empty() {
            let labels: Vec<&str> = known.errors.iter().map(|errors| errors.label).collect();
            self.found.notes.push(format!(
                "{} of {} has no label that tells errors ({})",
                known.metric,
                some_of(&blind),
                labels.join(", ")
            ));
        }
        match known.latency {
            Some(histogram) if names.contains(&bucket(histogram)) => self.add_latency(known, histogram).await,
            _ => Ok(()),
        }
    }

    async fn add_latency(&mut self, known: &'static Known, histogram: &'static str) -> Result<(), QueryFailure> {
        let all = known
            .only
            .map(str::to_owned)
            .into_iter()
            .chain(["le=\"+Inf\"".to_owned()]);
        let query = count_by(known.services.iter().copied(), &selector(&bucket(histogram), all));
        for place in places(known, &self.ask(histogram, &query).await?).keys() {
            let matchers = matchers(known, place);
            self.propose(
                known,
                place,
                "latency",
                histogram,
                What::Latency { histogram, matchers },
            );
        }
        Ok(())
    }

    /// What is too much for the server costs this metric, which is said, and not the others.
    async fn ask(&mut self, metric: &str, query: &str) -> Result<Answer, QueryFailure> {
        match self.server.instant(query, self.now).await {
            Err(failure) if is_too_much(&failure) => {
                self.found.notes.push(format!("{metric} was left out: {failure}"));
                Ok(Answer::default())
            }
            answer => answer,
        }
    }

    fn propose(&mut self, known: &Known, place: &Place, name: &str, metric: &'static str, what: What) {
        let name = match known.kind {
            Kind::Http => name.to_owned(),
            Kind::Grpc | Kind::Ingress => format!("{}-{name}", known.kind.word()),
            Kind::Probe => "probes".to_owned(),
            Kind::Up => "up".to_owned(),
        };
        if !self.taken.insert((place.clone(), name.clone())) {
            return;
        }
        let service = self.service(&place.1);
        self.found.proposals.push(Proposal {
            kind: known.kind,
            service,
            name,
            metric,
            what,
        });
    }

    /// A name for a service; different ones never share it.
    fn service(&mut self, value: &str) -> String {
        let name = service_name(value);
        let mut unique = name.clone();
        let mut number = 2;
        while self.names.get(&unique).is_some_and(|known| known != value) {
            unique = format!("{name}-{number}");
            number += 1;
        }
        self.names.insert(unique.clone(), value.to_owned());
        unique
    }
}

/// The services of an answer, each with the label that tells its errors.
fn places(known: &'static Known, answer: &Answer) -> BTreeMap<Place, Option<&'static Errors>> {
    let mut places: BTreeMap<Place, Option<usize>> = BTreeMap::new();
    for series in &answer.series {
        let Some(place) = place(known, series) else {
            continue;
        };
        let telling = known
            .errors
            .iter()
            .position(|errors| tells(errors, series.labels.get(errors.label)));
        let best = places.entry(place).or_default();
        *best = [*best, telling].into_iter().flatten().min();
    }
    let errors = |best: Option<usize>| best.and_then(|best| known.errors.get(best));
    places.into_iter().map(|(place, best)| (place, errors(best))).collect()
}

fn place(known: &Known, series: &AnsweredSeries) -> Option<Place> {
    let named = known.services.iter().find(|label| !series.labels.get(label).is_empty());
    match (named, known.services) {
        (Some(label), _) => Some((label, series.labels.get(label).to_owned())),
        // Who pushes metrics may have no job; it is a service all the same.
        (None, ["job"]) => Some(("job", String::new())),
        (None, _) => None,
    }
}

/// A label's value is one of those that tell good from bad.
fn tells(errors: &Errors, value: &str) -> bool {
    match errors.bad {
        Bad::Matching(_) => !value.is_empty(),
        Bad::Status => match value.as_bytes() {
            [b'1'..=b'5', rest @ ..] => {
                rest.len() == 2
                    && rest
                        .iter()
                        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'x' | b'X'))
            }
            _ => false,
        },
    }
}

fn is_bad(errors: &Errors) -> String {
    let bad = match errors.bad {
        Bad::Status => "5..",
        Bad::Matching(bad) => bad,
    };
    format!("{}=~\"{bad}\"", errors.label)
}

fn matchers(known: &Known, (label, value): &Place) -> Vec<String> {
    let only = known.only.map(str::to_owned);
    only.into_iter().chain([format!("{label}={}", quoted(value))]).collect()
}

fn count_by<'a>(labels: impl Iterator<Item = &'a str>, selector: &str) -> String {
    format!("count by ({}) ({selector})", labels.collect::<Vec<_>>().join(", "))
}

/// Asking for less may help.
pub(super) fn is_too_much(failure: &QueryFailure) -> bool {
    matches!(
        failure.reason,
        QueryFailureReason::TooMuch | QueryFailureReason::Timeout
    )
}

/// A selector of a metric.
pub(super) fn selector(metric: &str, matchers: impl IntoIterator<Item = String>) -> String {
    let matchers: Vec<String> = matchers.into_iter().collect();
    if matchers.is_empty() {
        return metric.to_owned();
    }
    format!("{metric}{{{}}}", matchers.join(","))
}

/// A label's value as PromQL writes it.
pub(super) fn quoted(value: &str) -> String {
    let mut text = String::from("\"");
    for c in value.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            '\n' => text.push_str("\\n"),
            c if c.is_control() => text += format!("\\u{:04x}", u32::from(c)).as_str(),
            c => text.push(c),
        }
    }
    text.push('"');
    text
}

/// A label's value as the name of a service: what no name may hold becomes `-`.
fn service_name(value: &str) -> String {
    let mut name = String::new();
    for c in value.chars().take(SERVICE_MAX) {
        let is_fit = c.is_ascii_alphanumeric() || !name.is_empty() && matches!(c, '_' | '.' | '-');
        match c {
            _ if is_fit => name.push(c),
            _ if name.is_empty() || name.ends_with('-') => {}
            _ => name.push('-'),
        }
    }
    let name = name.trim_end_matches('-');
    if name.is_empty() { "unnamed" } else { name }.to_owned()
}

fn shown_place((label, value): &Place) -> String {
    format!("{label} {}", quoted(value))
}

/// The first few of many.
fn some_of(all: &[String]) -> String {
    const FEW: usize = 3;
    let few = all.iter().take(FEW).cloned().collect::<Vec<_>>().join(", ");
    match all.len().saturating_sub(FEW) {
        0 => few,
        more => format!("{few} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_value_becomes_the_name_of_a_service() {
        for (value, name) in [
            ("shop", "shop"),
            ("api@docker", "api-docker"),
            ("default/shop", "default-shop"),
            ("serviceMonitor/a/b/0", "serviceMonitor-a-b-0"),
            ("--a  b--", "a-b"),
            ("_x.y", "x.y"),
            ("", "unnamed"),
            ("é", "unnamed"),
        ] {
            assert_eq!(service_name(value), name, "{value:?}");
        }
        assert_eq!(service_name(&"x".repeat(1000)).len(), SERVICE_MAX);
    }

    #[test]
    fn statuses_are_told_from_other_words() {
        let status = &KNOWN[0].errors[0];
        for (value, is_status) in [
            ("200", true),
            ("503", true),
            ("5xx", true),
            ("2XX", true),
            ("", false),
            ("ok", false),
            ("600", false),
            ("2000", false),
            ("1", false),
        ] {
            assert_eq!(tells(status, value), is_status, "{value:?}");
        }
    }

    #[test]
    fn values_are_quoted_as_promql_has_it() {
        assert_eq!(quoted("a\"b\\c\nd\u{1b}"), r#""a\"b\\c\nd\u001b""#);
    }
}
