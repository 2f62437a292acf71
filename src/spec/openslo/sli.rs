//! Indicators: `ratioMetric` and `thresholdMetric`.

use super::metadata::{self, Named};
use super::metric::{self, Metric};
use super::{Scope, TOOL, rules};
use crate::domain::indicator::{CompareOp, Indicator, IndicatorKind, RatioPart};
use crate::domain::promql::Known;
use crate::domain::selector_parser::parse_selector;
use crate::spec::codes;
use crate::spec::query::{self, Query};
use crate::spec::reader::{Field, Fields, Reader};
use crate::spec::yaml::{Node, Span};

/// An indicator that was read. What a threshold is compared with stands in the objective.
#[derive(Clone, Debug)]
pub(super) enum Sli {
    /// A ratio.
    Ratio(Indicator),
    /// A value that is yet to be compared.
    Threshold {
        query: Query,
        source: Option<String>,
        /// It stands in another document, where what is odd about its query is reported.
        elsewhere: bool,
    },
    /// A value from a system that nines cannot ask.
    ForeignThreshold(String),
}

/// What a value is compared with.
#[derive(Clone, Debug)]
pub(super) struct Comparison {
    /// How.
    pub op: CompareOp,
    /// With what.
    pub value: f64,
    /// The value as it is written.
    pub written: String,
    /// Where the value stands.
    pub span: Span,
}

impl Sli {
    /// Whether objectives need `op` and `value`.
    pub fn is_threshold(&self) -> bool {
        !matches!(self, Self::Ratio(_))
    }

    /// The indicator with this comparison; `None` where one is needed and missing. `reader` is that of the SLO.
    pub fn indicator(&self, reader: &mut Reader<'_>, comparison: Option<&Comparison>) -> Option<Indicator> {
        match self {
            Self::Ratio(indicator) => Some(indicator.clone()),
            Self::ForeignThreshold(system) => comparison.map(|_| foreign(system.clone())),
            Self::Threshold {
                query,
                source,
                elsewhere,
            } => {
                let comparison = comparison?;
                let Comparison { op, value, .. } = *comparison;
                let indicator = latency(reader, query, comparison).unwrap_or_else(|| {
                    let mut silent = Reader::new("", "");
                    let reader = if *elsewhere { &mut silent } else { reader };
                    query::threshold(reader, query, op, value)
                });
                Some(with_source(indicator, source.clone()))
            }
        }
    }

    /// The same, for a reference from another document.
    fn elsewhere(self) -> Self {
        match self {
            Self::Threshold { query, source, .. } => Self::Threshold {
                query,
                source,
                elsewhere: true,
            },
            other => other,
        }
    }
}

fn foreign(system: String) -> Indicator {
    Indicator {
        kind: IndicatorKind::Foreign { system },
        source: None,
        group_by: Vec::new(),
    }
}

fn with_source(indicator: Indicator, source: Option<String>) -> Indicator {
    Indicator {
        source: source.or(indicator.source),
        ..indicator
    }
}

/// Reads the `spec` of an SLI, inline or of its own.
pub(super) fn read_spec(reader: &mut Reader<'_>, field: Field<'_>, scope: Scope<'_>) -> Option<Sli> {
    let mut fields = Fields::open(reader, field)?;
    if let Some(field) = fields.get("description") {
        rules::description(reader, field);
    }
    let ratio = fields.get("ratioMetric");
    let threshold = fields.get("thresholdMetric");
    fields.finish_foreign(reader, TOOL);
    match (ratio, threshold) {
        (Some(ratio), None) => read_ratio(reader, ratio, scope).map(Sli::Ratio),
        (None, Some(threshold)) => Some(threshold_of(metric::read(reader, threshold, scope)?)),
        (both, _) => {
            let found = if both.is_some() { "both" } else { "neither" };
            let message =
                format!("`spec` of an indicator has exactly one of `ratioMetric` and `thresholdMetric`, not {found}");
            reader.report(&codes::EXCLUSIVE, field.key_span, message);
            None
        }
    }
}

/// A metric whose value is compared.
pub(super) fn threshold_of(metric: Metric) -> Sli {
    match metric {
        Metric::PromQl { query, source } => Sli::Threshold {
            query: *query,
            source,
            elsewhere: false,
        },
        Metric::Foreign(system) => Sli::ForeignThreshold(system),
    }
}

/// Reads an inline indicator: `metadata` and `spec`.
pub(super) fn read_inline(reader: &mut Reader<'_>, field: Field<'_>, scope: Scope<'_>) -> Option<Sli> {
    let mut fields = Fields::open(reader, field)?;
    let metadata_field = fields.get("metadata");
    let metadata = metadata::read(reader, metadata_field, field.key_span, Named::Should, scope);
    if let Some(field) = metadata_field
        && !(metadata.labels.is_empty() && metadata.annotations.is_empty())
    {
        let message = "labels and annotations of an indicator are not carried; those of the SLO are";
        reader.report(&codes::NOT_CARRIED, field.key_span, message);
    }
    let spec = fields.get("spec");
    if spec.is_none() {
        let message = format!("`{}` has no `spec`", field.key);
        let hint = field
            .node
            .get("ratioMetric")
            .or_else(|| field.node.get("thresholdMetric"));
        let hint = hint.map(|_| "put the metric under `spec:`".to_owned());
        reader.report_with(&codes::MISSING_KEY, field.key_span, message, hint);
    }
    fields.finish_foreign(reader, TOOL);
    read_spec(reader, spec?, scope)
}

/// Reads an SLI that is a document of its own, for a reference to it.
pub(super) fn read_object(reader: &mut Reader<'_>, root: &Node, scope: Scope<'_>) -> Option<Sli> {
    let spec = root.entry("spec")?;
    let field = Field {
        key: "spec",
        key_span: spec.key_span,
        node: &spec.value,
    };
    read_spec(reader, field, scope).map(Sli::elsewhere)
}

fn read_ratio(reader: &mut Reader<'_>, field: Field<'_>, scope: Scope<'_>) -> Option<Indicator> {
    let mut fields = Fields::open(reader, field)?;
    let counter = fields.get("counter");
    let is_counter = counter.and_then(|field| reader.boolean(field));
    let [good, bad, total, raw] = ["good", "bad", "total", "raw"].map(|key| fields.get(key));
    let raw_type = fields.get("rawType");
    let has_metric_key = field.node.entry("metric").is_some();
    fields.finish_foreign(reader, TOOL);
    // What there is, is read, so that all errors are found.
    let mut read = |field: Option<Field<'_>>| field.map(|field| metric::read(reader, field, scope));
    let (good_read, bad_read, total_read, raw_read) = (read(good), read(bad), read(total), read(raw));
    if let Some(problem) = ratio_problem([good, bad, total, raw].map(|part| part.is_some())) {
        let hint = (has_metric_key && total.is_none()).then(|| "did you mean `total` with `metric`?".to_owned());
        let message = format!("`ratioMetric` {problem}");
        reader.report_with(&codes::EXCLUSIVE, field.key_span, message, hint);
        return None;
    }
    if let Some(raw_read) = raw_read {
        let ratio_of = read_raw_type(reader, raw_type, field);
        return Some(raw_indicator(reader, raw_read?, ratio_of?));
    }
    if let Some(field) = raw_type {
        let message = "`rawType` has no effect without `raw`";
        reader.report(&codes::NO_EFFECT, field.key_span, message);
    }
    let (part, part_is) = match (good_read, bad_read) {
        (Some(good), _) => (good, RatioPart::Good),
        (None, bad) => (bad?, RatioPart::Bad),
    };
    let (total, part) = (total_read??, part?);
    if let (Some(false), Some(counter)) = (is_counter, counter) {
        let message =
            "`counter: false` is not carried: bare selectors are counted as counters, PromQL as it is written";
        reader.report(&codes::NOT_CARRIED, counter.node.span, message);
    }
    let known = if is_counter == Some(true) {
        Known::Counters
    } else {
        Known::Nothing
    };
    Some(ratio_indicator(reader, field.key_span, [total, part], part_is, known))
}

/// Why these parts make no ratio; each tells whether it is there.
fn ratio_problem([good, bad, total, raw]: [bool; 4]) -> Option<&'static str> {
    match (good, bad, total, raw) {
        (_, _, true, true) => Some("has exactly one of `total` and `raw`, not both"),
        (_, _, false, false) => Some("has exactly one of `total` and `raw`, not neither"),
        (false, false, false, true) | (true, false, true, false) | (false, true, true, false) => None,
        (_, _, false, true) => Some("with `raw` has neither `good` nor `bad`"),
        (true, true, true, false) => Some("has exactly one of `good` and `bad`, not both"),
        (false, false, true, false) => Some("with `total` needs `good` or `bad`"),
    }
}

/// What a stored ratio is the share of.
fn read_raw_type(reader: &mut Reader<'_>, field: Option<Field<'_>>, ratio: Field<'_>) -> Option<RatioPart> {
    let Some(field) = field else {
        let message = "`rawType` is missing beside `raw`";
        let hint = Some("write `rawType: success` for good/total, `failure` for bad/total".to_owned());
        reader.report_with(&codes::MISSING_KEY, ratio.key_span, message, hint);
        return None;
    };
    reader.choice(field, &[("success", RatioPart::Good), ("failure", RatioPart::Bad)])
}

fn raw_indicator(reader: &mut Reader<'_>, raw: Metric, ratio_of: RatioPart) -> Indicator {
    match raw {
        Metric::PromQl { query, source } => with_source(query::raw_ratio(reader, &query, ratio_of), source),
        Metric::Foreign(system) => foreign(system),
    }
}

/// The indicator of two metrics; both must come from one source.
pub(super) fn ratio_indicator(
    reader: &mut Reader<'_>,
    span: Span,
    [total, part]: [Metric; 2],
    part_is: RatioPart,
    known: Known,
) -> Indicator {
    match (total, part) {
        (
            Metric::PromQl { query: total, source },
            Metric::PromQl {
                query: part,
                source: other,
            },
        ) if source == other => with_source(query::ratio_of(reader, &total, &part, part_is, known), source),
        (Metric::PromQl { .. }, Metric::PromQl { .. }) => {
            let message = "the two metrics come from different sources; nines asks one of them only";
            reader.report(&codes::NOT_CARRIED, span, message);
            foreign("two sources at once".to_owned())
        }
        (Metric::Foreign(system), _) | (_, Metric::Foreign(system)) => foreign(system),
    }
}

/// Ends of names of histograms that measure how long something takes.
const DURATIONS: [&str; 6] = [
    "_duration_seconds",
    "_latency_seconds",
    "_response_time_seconds",
    "_duration_milliseconds",
    "_latency_milliseconds",
    "_response_time_milliseconds",
];

/// A histogram's name with an upper limit means latency: there is no series of the name itself whose value could be
/// compared. Only names that can hardly be anything else are read so.
fn latency(reader: &mut Reader<'_>, query: &Query, comparison: &Comparison) -> Option<Indicator> {
    if !matches!(comparison.op, CompareOp::Lte | CompareOp::Lt) {
        return None;
    }
    let selector = parse_selector(&query.text).ok()?;
    let name = selector.metric.clone()?;
    let bucket = name.strip_suffix("_bucket");
    let is_duration = DURATIONS.iter().any(|end| name.ends_with(end)) && !name.contains("_last_");
    let has_le = selector.matchers.iter().any(|matcher| matcher.name == "le");
    if has_le || !(bucket.is_some() || is_duration) {
        return None;
    }
    let family = bucket.unwrap_or(&name);
    let message = format!(
        "`{name}` is read as the histogram `{family}`: good are observations of at most {}",
        comparison.written
    );
    let hint = Some(format!("if it is a gauge, write `max({name})`"));
    reader.report_with(
        &codes::READ_LENIENTLY,
        comparison.span,
        message,
        hint.filter(|_| bucket.is_none()),
    );
    Some(Indicator {
        kind: IndicatorKind::Latency {
            histogram: selector.with_metric(family),
            threshold: comparison.value,
            written: comparison.written.clone(),
        },
        source: None,
        group_by: Vec::new(),
    })
}
