//! Indicators: which events are counted, and which of them are good.

use super::labels::{Group, Labels};
use super::matcher::Selector;
use super::objective::Objective;
use super::selection::Wanted;
use super::slo::SloId;
use super::sql::SqlIndicator;
use super::suggest::suggest;

/// The definition of an SLI.
#[derive(Clone, Debug, PartialEq)]
pub struct Indicator {
    /// What is counted.
    pub kind: IndicatorKind,
    /// The Prometheus server that is asked. Without one, selectors read the scraped targets, and PromQL asks the default
    /// server or, where none is configured, is served by scraping as far as it was understood.
    pub source: Option<String>,
    /// The labels by whose values events are grouped; empty for one budget in all.
    pub group_by: Vec<String>,
}

/// The forms that an indicator can take.
#[derive(Clone, Debug, PartialEq)]
pub enum IndicatorKind {
    /// Counters: all events, and the bad or the good ones.
    Ratio {
        /// All events.
        total: Selector,
        /// The other selector.
        part: Selector,
        /// What the other selector counts.
        part_is: RatioPart,
    },
    /// A histogram: good are the observations at or below the threshold.
    Latency {
        /// The histogram's family name (without `_bucket`) and matchers.
        histogram: Selector,
        /// The threshold in the metric's own unit, to be compared with `le` as a number.
        threshold: f64,
        /// As written in the file: `300ms`.
        written: String,
    },
    /// A gauge: each second of a series is one event, good while the comparison holds.
    Gauge {
        /// The gauge.
        gauge: Selector,
        /// The comparison.
        op: CompareOp,
        /// With what the value is compared.
        value: f64,
    },
    /// Expressions that a server evaluates.
    PromQl(PromQlIndicator),
    /// Each verdict of a probe is one event.
    Probe {
        /// The `job_name` of the probe.
        job: String,
    },
    /// Pushed events.
    Events,
    /// Each run of a job is one event, and so is each one that does not come.
    Heartbeat {
        /// The name of the heartbeat.
        name: String,
    },
    /// Rows of a database.
    Sql(SqlIndicator),
    /// Other indicators, weighed.
    Composite(Vec<CompositeMember>),
    /// A query to a system that nines cannot ask.
    Foreign {
        /// Its name: `Datadog`.
        system: String,
    },
}

/// What the configuration has for SLOs to name: servers that can be asked, probes, heartbeats.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// Their names; `None` where the configuration is not known.
    pub names: Option<Vec<String>>,
    /// The one that is asked where an SLO names none.
    pub default: Option<String>,
    /// The names of the heartbeats; `None` where the configuration is not known.
    pub heartbeats: Option<Vec<String>>,
    /// The names of the databases that can be asked; `None` where the configuration is not known.
    pub databases: Option<Vec<String>>,
    /// The `job_name`s of the probes; `None` where the configuration is not known.
    pub probes: Option<Vec<String>>,
}

impl Sources {
    /// It is certain that there is no such server.
    fn lack(&self, name: &str) -> bool {
        self.names
            .as_ref()
            .is_some_and(|names| names.iter().all(|known| known != name))
    }

    /// Why no database can be asked.
    fn lack_of_database(&self, source: Option<&str>) -> Option<String> {
        let databases = self.databases.as_ref()?;
        let Some(source) = source else {
            return Some(match databases.as_slice() {
                [] => "it asks a database, and `sql_servers` in nines.yml names none".to_owned(),
                _ => "it asks a database; say with `source` which one of `sql_servers` in nines.yml".to_owned(),
            });
        };
        if databases.iter().any(|known| known == source) {
            return None;
        }
        let near = suggest(source, databases.iter().map(String::as_str));
        let mend = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        Some(format!(
            "it asks the database \"{source}\", which is not among `sql_servers` in nines.yml{mend}"
        ))
    }

    /// Why there can be no verdicts of this probe.
    fn lack_of_probe(&self, job: &str) -> Option<String> {
        let probes = self.probes.as_ref()?;
        if probes.iter().any(|known| known == job) {
            return None;
        }
        let near = suggest(job, probes.iter().map(String::as_str));
        let mend = near.map_or_else(
            || "add it there, or write the `job_name` of one that is there".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        Some(format!(
            "it counts the probe \"{job}\", which is not among `probes` in nines.yml; {mend}"
        ))
    }
}

/// PromQL expressions, as written. A range may be the template `{{.window}}`.
#[derive(Clone, Debug, PartialEq)]
pub struct PromQlIndicator {
    /// What the expressions mean.
    pub form: PromQlForm,
    /// The same over series themselves, scraped or a server's, where the expressions were understood.
    pub scraped: Option<Box<IndicatorKind>>,
}

impl PromQlIndicator {
    /// A native histogram, of a server or of scraped pages, which count it as they count any other. Without a name it
    /// is found by its matchers, which only a server can do.
    pub fn native_latency(histogram: Selector, threshold: f64, written: String) -> Self {
        let scraped = histogram.metric.is_some().then(|| {
            Box::new(IndicatorKind::Latency {
                histogram: histogram.clone(),
                threshold,
                written: written.clone(),
            })
        });
        let form = PromQlForm::Latency {
            histogram,
            threshold,
            written,
        };
        Self { form, scraped }
    }
}

/// What PromQL expressions mean.
#[derive(Clone, Debug, PartialEq)]
pub enum PromQlForm {
    /// Two rates, or increases: of all events, and of the bad or good ones.
    Ratio {
        /// All events.
        total: String,
        /// The other expression.
        part: String,
        /// What the other expression counts.
        part_is: RatioPart,
    },
    /// The ratio itself: each second weighs one event.
    RawRatio {
        /// Its expression, between 0 and 1.
        query: String,
        /// What it is the share of.
        ratio_of: RatioPart,
    },
    /// A value that is compared: each second of a series is one event.
    Threshold {
        /// The value.
        query: String,
        /// The comparison.
        op: CompareOp,
        /// With what it is compared.
        value: f64,
    },
    /// Native histograms: the share of observations at or below the threshold.
    Latency {
        /// The histogram, as a selector.
        histogram: Selector,
        /// The threshold in the metric's own unit.
        threshold: f64,
        /// As written in the file: `300ms`.
        written: String,
    },
}

/// A part of a composite.
#[derive(Clone, Debug, PartialEq)]
pub struct CompositeMember {
    /// Its name.
    pub name: String,
    /// Its weight, above 0.
    pub weight: f64,
    /// What it is.
    pub part: CompositePart,
}

/// What a part of a composite is.
#[derive(Clone, Debug, PartialEq)]
pub enum CompositePart {
    /// An indicator with an objective of its own.
    Indicator {
        /// What is counted.
        indicator: Indicator,
        /// The wanted share.
        objective: Objective,
    },
    /// Another SLO.
    Slo(SloId),
}

/// What the second selector of a ratio counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RatioPart {
    /// Bad events.
    Bad,
    /// Good events.
    Good,
}

/// Comparisons, with OpenSLO's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompareOp {
    /// At most.
    Lte,
    /// Less than.
    Lt,
    /// At least.
    Gte,
    /// Greater than.
    Gt,
}

impl CompareOp {
    /// Whether `left op right`.
    pub fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Self::Lte => left <= right,
            Self::Lt => left < right,
            Self::Gte => left >= right,
            Self::Gt => left > right,
        }
    }

    /// As written in a file.
    pub fn word(self) -> &'static str {
        match self {
            Self::Lte => "lte",
            Self::Lt => "lt",
            Self::Gte => "gte",
            Self::Gt => "gt",
        }
    }
}

impl Indicator {
    /// The series that a scrape must keep. A latency indicator needs `<family>_count` and, of `<family>_bucket`, its
    /// threshold's. What a server keeps is not scraped.
    pub fn wanted(&self) -> Vec<Wanted> {
        if self.source.is_some() {
            return Vec::new();
        }
        match &self.kind {
            IndicatorKind::Ratio { total, part, .. } => vec![total.clone().into(), part.clone().into()],
            IndicatorKind::Latency {
                histogram, threshold, ..
            } => {
                let family = histogram.metric.as_deref().unwrap_or("");
                let buckets = Wanted {
                    selector: histogram.with_metric(format!("{family}_bucket")),
                    threshold: Some(*threshold),
                };
                vec![buckets, histogram.with_metric(format!("{family}_count")).into()]
            }
            IndicatorKind::Gauge { gauge, .. } => vec![gauge.clone().into()],
            IndicatorKind::PromQl(_)
            | IndicatorKind::Probe { .. }
            | IndicatorKind::Events
            | IndicatorKind::Heartbeat { .. }
            | IndicatorKind::Sql(_)
            | IndicatorKind::Composite(_)
            | IndicatorKind::Foreign { .. } => Vec::new(),
        }
    }

    /// What feeds it: PromQL without a source asks the default server; where there is none, PromQL that was understood
    /// becomes what it counts on scraped targets. Anything else stays as it is.
    #[must_use]
    pub fn fed_by(self, sources: &Sources) -> Self {
        if let (IndicatorKind::Sql(_), None, Some([only])) = (&self.kind, &self.source, sources.databases.as_deref()) {
            let source = Some(only.clone());
            return Self { source, ..self };
        }
        match (self.kind, self.source, &sources.default) {
            (kind @ IndicatorKind::PromQl(_), None, Some(default)) => Self {
                kind,
                source: Some(default.clone()),
                group_by: self.group_by,
            },
            (
                IndicatorKind::PromQl(PromQlIndicator {
                    scraped: Some(kind), ..
                }),
                None,
                None,
            ) => Self {
                kind: *kind,
                source: None,
                group_by: self.group_by,
            },
            (kind, source, _) => Self {
                kind,
                source,
                group_by: self.group_by,
            },
        }
    }

    /// Why this version cannot feed it; `None` when it can.
    pub fn idle_reason(&self, sources: &Sources) -> Option<String> {
        let asks_server = matches!(
            self.kind,
            IndicatorKind::Ratio { .. }
                | IndicatorKind::Latency { .. }
                | IndicatorKind::Gauge { .. }
                | IndicatorKind::PromQl(_)
        );
        if let Some(source) = self.source.as_ref().filter(|_| asks_server) {
            return sources.lack(source).then(|| {
                format!(
                    "it asks the Prometheus server \"{source}\", which is not among `prometheus_servers` in nines.yml"
                )
            });
        }
        let what = match &self.kind {
            IndicatorKind::Ratio { .. }
            | IndicatorKind::Latency { .. }
            | IndicatorKind::Gauge { .. }
            | IndicatorKind::Events
            | IndicatorKind::PromQl(PromQlIndicator { scraped: Some(_), .. }) => return None,
            IndicatorKind::Probe { job } => return sources.lack_of_probe(job),
            IndicatorKind::PromQl(PromQlIndicator {
                form: PromQlForm::Latency { .. },
                ..
            }) => {
                "its histogram has no name, so that only a Prometheus server can answer it: name one under \
                 `prometheus_servers` in nines.yml"
            }
            IndicatorKind::PromQl(_) => {
                "its PromQL is more than a sum of counters, so that only a Prometheus server can answer it: name one \
                 under `prometheus_servers` in nines.yml"
            }
            IndicatorKind::Sql(_) => return sources.lack_of_database(self.source.as_deref()),
            IndicatorKind::Heartbeat { name } => {
                let lacks = |names: &Vec<String>| names.iter().all(|known| known != name);
                return sources.heartbeats.as_ref().filter(|names| lacks(names)).map(|_| {
                    format!("it waits for the heartbeat \"{name}\", which is not among `heartbeats` in nines.yml")
                });
            }
            IndicatorKind::Composite(_) => "composites are not computed by this version yet",
            IndicatorKind::Foreign { system } => return Some(format!("it asks {system}, which nines cannot")),
        };
        Some(what.to_owned())
    }

    /// A text that changes exactly when what is counted changes: selectors, threshold, grouping. Its hash decides
    /// whether series take a new baseline.
    pub fn fingerprint(&self) -> String {
        let what = match &self.kind {
            IndicatorKind::Ratio { total, part, part_is } => format!("ratio {total} {part_is:?} {part}"),
            IndicatorKind::Latency {
                histogram, threshold, ..
            } => format!("latency {histogram} {threshold}"),
            IndicatorKind::Gauge { gauge, op, value } => format!("gauge {gauge} {} {value}", op.word()),
            IndicatorKind::PromQl(PromQlIndicator { form, .. }) => format!("promql {form:?}"),
            IndicatorKind::Probe { job } => format!("probe {job}"),
            IndicatorKind::Events => "events".to_owned(),
            IndicatorKind::Heartbeat { name } => format!("heartbeat {name}"),
            IndicatorKind::Sql(sql) => format!("sql {} every {:?}", sql.query, sql.every),
            IndicatorKind::Composite(members) => format!("composite {members:?}"),
            IndicatorKind::Foreign { system } => format!("foreign {system}"),
        };
        let source = self
            .source
            .as_ref()
            .map(|source| format!(" from {source}"))
            .unwrap_or_default();
        format!("{what} by {:?}{source}", self.group_by)
    }

    /// The group of a series with these labels (its own and its target's); a missing label is `""`.
    pub fn group_of(&self, labels: &Labels) -> Group {
        Group(
            self.group_by
                .iter()
                .map(|name| (name.clone(), labels.get(name).to_owned()))
                .collect(),
        )
    }
}
