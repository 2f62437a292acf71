//! Queries in SLO files: PromQL that is parsed, checked and, where it can be, understood as counters, histograms or gauges
//! that scraping can serve. All formats read their queries here.

use super::codes;
use super::reader::{Field, Reader};
use super::yaml::{Node, Span};
use crate::domain::indicator::{CompareOp, Indicator, IndicatorKind, PromQlForm, PromQlIndicator, RatioPart};
use crate::domain::promql::{self, Expr};

/// What a format asks of its queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ranges {
    /// Each query must have `{{.window}}` as a range (Sloth; PromQL in native files).
    Template,
    /// Ranges are as they are; a fixed one is a lint where a template is possible (OpenSLO).
    Any,
}

/// A query that was read.
#[derive(Clone, Debug)]
pub(super) struct Query {
    /// As written, trimmed.
    pub text: String,
    /// As parsed.
    pub expr: Expr,
    /// Where it stands.
    pub span: Span,
}

/// Reads a query; what is wrong with it is reported at its place within the text.
pub(super) fn read(reader: &mut Reader<'_>, field: Field<'_>, ranges: Ranges) -> Option<Query> {
    let text = reader.filled(field)?;
    parse(reader, field.node, &text, ranges)
}

/// Parses a text that stands at this node (it may have been rewritten, for example `[window]` to `[{{.window}}]`).
pub(super) fn parse(reader: &mut Reader<'_>, node: &Node, text: &str, ranges: Ranges) -> Option<Query> {
    let _ = ranges;
    match promql::parse(text.trim()) {
        Ok(expr) => Some(Query {
            text: text.trim().to_owned(),
            expr,
            span: node.span,
        }),
        Err(error) => {
            let span = reader.place_within(node, error.at);
            reader.report(&codes::PROMQL, span, error.message);
            None
        }
    }
}

/// The indicator of two queries: all events, and the bad or good ones. Bare selectors become counters; PromQL keeps its text
/// and, where it is understood, what it counts. Groups come from the labels by which both are summed.
pub(super) fn ratio(reader: &mut Reader<'_>, total: &Query, part: &Query, part_is: RatioPart) -> Indicator {
    let _ = reader;
    promql_indicator(PromQlForm::Ratio {
        total: total.text.clone(),
        part: part.text.clone(),
        part_is,
    })
}

/// The indicator of one query that gives the ratio itself.
pub(super) fn raw_ratio(reader: &mut Reader<'_>, query: &Query, ratio_of: RatioPart) -> Indicator {
    let _ = reader;
    promql_indicator(PromQlForm::RawRatio {
        query: query.text.clone(),
        ratio_of,
    })
}

/// The indicator of one query whose value is compared. A bare selector becomes a gauge.
pub(super) fn threshold(reader: &mut Reader<'_>, query: &Query, op: CompareOp, value: f64) -> Indicator {
    let _ = reader;
    promql_indicator(PromQlForm::Threshold {
        query: query.text.clone(),
        op,
        value,
    })
}

fn promql_indicator(form: PromQlForm) -> Indicator {
    Indicator {
        kind: IndicatorKind::PromQl(PromQlIndicator { form, scraped: None }),
        source: None,
        group_by: Vec::new(),
    }
}
