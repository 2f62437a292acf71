//! Queries in SLO files: PromQL that is parsed, checked and, where it can be, understood as counters, histograms or gauges
//! that scraping can serve. All formats read their queries here.

mod good;
mod lints;
#[cfg(test)]
mod tests;

use super::codes;
use super::reader::{Field, Reader};
use super::yaml::{Node, Span};
use crate::domain::indicator::{CompareOp, Indicator, IndicatorKind, PromQlForm, PromQlIndicator, RatioPart};
use crate::domain::matcher::Selector;
use crate::domain::promql::{self, Expr, ExprKind, Known, NotUnderstood, TEMPLATE, Understood};

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
    /// The value that holds it.
    node: Node,
}

impl Query {
    /// The place of a piece of its text in the file.
    fn place(&self, reader: &Reader<'_>, place: promql::Place) -> Span {
        place_of(reader, &self.node, &self.text, place)
    }
}

/// Reads a query; what is wrong with it is reported at its place within the text.
pub(super) fn read(reader: &mut Reader<'_>, field: Field<'_>, ranges: Ranges) -> Option<Query> {
    let text = reader.filled(field)?;
    parse(reader, field.node, &text, ranges)
}

/// Parses a text that stands at this node (it may have been rewritten, for example `[window]` to `[{{.window}}]`).
pub(super) fn parse(reader: &mut Reader<'_>, node: &Node, text: &str, ranges: Ranges) -> Option<Query> {
    let text = text.trim();
    let expr = match promql::parse(text) {
        Ok(expr) => expr,
        Err(error) => {
            let span = place_of(reader, node, text, token_at(text, error.at));
            reader.report_with(&codes::PROMQL, span, error.message, error.hint);
            return None;
        }
    };
    let query = Query {
        text: text.to_owned(),
        expr,
        span: node.span,
        node: node.clone(),
    };
    if ranges == Ranges::Template {
        if !promql::has_template(text) {
            report_no_window(reader, &query);
            return None;
        }
        lints::fixed_ranges(reader, &query);
    }
    Some(query)
}

/// Whether two queries say the same.
pub(super) fn same(a: &Query, b: &Query) -> bool {
    a.text == b.text || a.expr.bare().to_string() == b.expr.bare().to_string()
}

/// The groups that the queries of a form name by themselves, as they would be read again.
pub(super) fn groups_of(form: &PromQlForm) -> Vec<String> {
    let parsed = |texts: &[&String]| {
        texts
            .iter()
            .map(|text| promql::parse(text))
            .collect::<Result<Vec<_>, _>>()
    };
    let (queries, understood) = match form {
        PromQlForm::Ratio { total, part, part_is } => {
            let queries = parsed(&[part, total]).unwrap_or_default();
            let [part, total] = &queries[..] else { return Vec::new() };
            let understood = promql::understand_ratio(total, part, *part_is, Known::Counters);
            (queries, understood)
        }
        PromQlForm::RawRatio { query, ratio_of } => {
            let queries = parsed(&[query]).unwrap_or_default();
            let [query] = &queries[..] else { return Vec::new() };
            let understood = promql::understand_raw(query, *ratio_of);
            (queries, understood)
        }
        PromQlForm::Threshold { query, op, value } => {
            let query = promql::parse(query).ok();
            let understood = query.and_then(|query| promql::understand_threshold(&query, *op, *value).ok());
            return understood.map(|understood| understood.group_by).unwrap_or_default();
        }
        PromQlForm::Latency { .. } => return Vec::new(),
    };
    let asked = || promql::result_groups(&queries.iter().collect::<Vec<_>>()).unwrap_or_default();
    understood.map_or_else(|_| asked(), |understood| understood.group_by)
}

/// Says where a selector of the bad events selects the good ones; for formats whose metrics are plain selectors.
pub(super) fn selects_good(reader: &mut Reader<'_>, span: Span, bad: &Selector) {
    if let Some((message, hint)) = good::reason(bad) {
        reader.report_with(&codes::SELECTS_GOOD, span, message, Some(hint));
    }
}

/// The indicator of two queries: all events, and the bad or good ones. Bare selectors become counters; PromQL keeps its text
/// and, where it is understood, what it counts. Groups come from the labels by which both are summed.
pub(super) fn ratio(reader: &mut Reader<'_>, total: &Query, part: &Query, part_is: RatioPart) -> Indicator {
    ratio_of(reader, total, part, part_is, Known::Nothing)
}

/// As [`ratio`], with what the format tells of the metrics.
pub(super) fn ratio_of(
    reader: &mut Reader<'_>,
    total: &Query,
    part: &Query,
    part_is: RatioPart,
    known: Known,
) -> Indicator {
    if same(total, part) {
        let message = "both queries are the same, so that every event counts as bad (or good)";
        reader.report(&codes::BAD_IS_TOTAL, part.span, message);
    }
    lints::part(reader, part, part_is);
    lints::mixed_units(reader, &[total, part]);
    let understood = promql::understand_ratio(&total.expr, &part.expr, part_is, known);
    let is_plain = [total, part]
        .iter()
        .all(|query| matches!(query.expr.kind, ExprKind::Selector(_)));
    let form = PromQlForm::Ratio {
        total: total.text.clone(),
        part: part.text.clone(),
        part_is,
    };
    let is_total = understood.as_ref().is_err_and(|why| why.is_total);
    let queries = if is_total { [total, part] } else { [part, total] };
    events(reader, &queries, form, understood, is_plain)
}

/// The indicator of one query that gives the ratio itself.
pub(super) fn raw_ratio(reader: &mut Reader<'_>, query: &Query, ratio_of: RatioPart) -> Indicator {
    lints::comparison(reader, query);
    lints::mixed_units(reader, &[query]);
    let understood = promql::understand_raw(&query.expr, ratio_of);
    let form = PromQlForm::RawRatio {
        query: query.text.clone(),
        ratio_of,
    };
    events(reader, &[query], form, understood, false)
}

/// The indicator of one query whose value is compared. A bare selector becomes a gauge.
pub(super) fn threshold(reader: &mut Reader<'_>, query: &Query, op: CompareOp, value: f64) -> Indicator {
    let understood = promql::understand_threshold(&query.expr, op, value);
    let form = PromQlForm::Threshold {
        query: query.text.clone(),
        op,
        value,
    };
    if let Err(why) = &understood {
        report_server(reader, query, why);
    }
    indicator(form, understood, true)
}

/// The indicator of queries for events, the one to blame first. Where only a server can answer, that is said, and what
/// is grouped stays grouped.
fn events(
    reader: &mut Reader<'_>,
    queries: &[&Query],
    form: PromQlForm,
    understood: Result<Understood, NotUnderstood>,
    is_plain: bool,
) -> Indicator {
    let mut groups = Vec::new();
    if let (Err(why), Some(blamed)) = (&understood, queries.first()) {
        report_server(reader, blamed, why);
        for query in queries {
            // What is counted by scraping has its windows by itself.
            if !promql::has_template(&query.text) {
                lints::fixed_ranges(reader, query);
            }
        }
        groups = asked_groups(reader, queries, blamed);
    }
    let mut indicator = indicator(form, understood, is_plain);
    indicator.group_by.extend(groups);
    indicator
}

/// The labels by which a server's answers are grouped.
fn asked_groups(reader: &mut Reader<'_>, queries: &[&Query], blamed: &Query) -> Vec<String> {
    let exprs: Vec<&Expr> = queries.iter().map(|query| &query.expr).collect();
    promql::result_groups(&exprs).unwrap_or_else(|why| {
        let message = format!("the groups of this query are not carried: {why}");
        reader.report(&codes::NOT_CARRIED, blamed.span, message);
        Vec::new()
    })
}

fn report_server(reader: &mut Reader<'_>, query: &Query, why: &NotUnderstood) {
    let message = format!("this is asked of a Prometheus server, for scraping cannot serve it: {why}");
    reader.report(&codes::NEEDS_SERVER, query.span, message);
}

/// The indicator of what was understood, or of what is asked. What is plain needs no PromQL any more.
fn indicator(form: PromQlForm, understood: Result<Understood, NotUnderstood>, is_plain: bool) -> Indicator {
    let (kind, group_by) = match understood {
        Ok(Understood { kind, group_by }) if is_plain => (kind, group_by),
        Ok(Understood { kind, group_by }) => {
            let scraped = Some(Box::new(kind));
            (IndicatorKind::PromQl(PromQlIndicator { form, scraped }), group_by)
        }
        Err(_) => (
            IndicatorKind::PromQl(PromQlIndicator { form, scraped: None }),
            Vec::new(),
        ),
    };
    Indicator {
        kind,
        source: None,
        group_by,
    }
}

fn report_no_window(reader: &mut Reader<'_>, query: &Query) {
    let message = format!("the query is asked over several windows, so its range must be {TEMPLATE}");
    let (span, hint) = match lints::first_fixed_range(&query.expr) {
        Some(place) => {
            let written = query.text.get(place.start..place.end).unwrap_or_default();
            let hint = format!("write [{TEMPLATE}] instead of [{written}]");
            (query.place(reader, place), hint)
        }
        None => (query.span, format!("for example rate(http_requests_total[{TEMPLATE}])")),
    };
    reader.report_with(&codes::WINDOW_TEMPLATE, span, message, Some(hint));
}

/// The name, number or sign that stands at a byte.
fn token_at(text: &str, at: usize) -> promql::Place {
    let rest = text.get(at..).unwrap_or_default();
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let word = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
    let length = word.max(rest.chars().next().map_or(0, char::len_utf8));
    promql::Place {
        start: at,
        end: at + length,
    }
}

/// The place in the file of a piece of a query. Where the query was rewritten, what it has in common with the value at its
/// beginning and at its end still has its exact place.
fn place_of(reader: &Reader<'_>, node: &Node, text: &str, place: promql::Place) -> Span {
    let written = node.text().unwrap_or_default();
    let lead = written.len() - written.trim_start().len();
    let trimmed = written.trim();
    let same_ahead = common(text.bytes(), trimmed.bytes());
    let same_behind = common(text.bytes().rev(), trimmed.bytes().rev());
    let offset = |at: usize| {
        if at <= same_ahead {
            Some(lead + at)
        } else if text.len() - at.min(text.len()) <= same_behind {
            Some(lead + trimmed.len() - (text.len() - at.min(text.len())))
        } else {
            None
        }
    };
    let (Some(start), Some(end)) = (offset(place.start), offset(place.end)) else {
        return node.span;
    };
    let span = reader.place_within(node, start);
    let end = reader.place_within(node, end).start;
    Span {
        end: end.max(span.start),
        ..span
    }
}

fn common(a: impl Iterator<Item = u8>, b: impl Iterator<Item = u8>) -> usize {
    a.zip(b).take_while(|(a, b)| a == b).count()
}
