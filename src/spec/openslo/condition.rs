//! Alert conditions.

use std::time::Duration;

use super::metadata::{self, Named};
use super::{Kind, Scope, TOOL, Version, objective, rules, window};
use crate::domain::alert::policy::{AlertWindow, BurnCondition, Severity};
use crate::domain::indicator::CompareOp;
use crate::domain::labels::Labels;
use crate::domain::window::WindowLength;
use crate::spec::codes;
use crate::spec::lints::ConditionSpans;
use crate::spec::reader::{Field, Fields, Reader};
use crate::spec::yaml::{Node, Span};

/// Words that mean that somebody is woken.
const PAGES: [&str; 19] = [
    "page",
    "paging",
    "pager",
    "critical",
    "crit",
    "high",
    "urgent",
    "emergency",
    "fatal",
    "disaster",
    "sev0",
    "sev1",
    "s0",
    "s1",
    "p0",
    "p1",
    "1",
    "blocker",
    "alarm",
];

/// A condition that was read.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    /// What it comes to; `None` where it could never say anything.
    pub burn: Option<BurnCondition>,
    /// Its severity, in its own word.
    pub word: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// Of its metadata.
    pub labels: Labels,
    /// Of its metadata.
    pub annotations: Labels,
    /// Where its parts stand in the file that is being read.
    pub spans: ConditionSpans,
    /// It stands in another document, where what is odd about it alone is reported.
    pub elsewhere: bool,
}

impl Condition {
    /// The same condition, seen from where it is referred to.
    #[must_use]
    pub fn seen_from(self, span: Span) -> Self {
        Self {
            spans: ConditionSpans::from(span),
            elsewhere: true,
            ..self
        }
    }
}

/// Says once of all conditions at one place that each has one window: it is the format that has no second one.
pub(super) fn note_one_window<'c>(reader: &mut Reader<'_>, conditions: impl Iterator<Item = &'c Condition>) {
    let here = conditions.filter(|condition| !condition.elsewhere);
    let mut windows = here.filter_map(|condition| Some((&condition.burn.as_ref()?.long.written, condition.spans)));
    let Some((first, spans)) = windows.next() else {
        return;
    };
    let others: Vec<&str> = windows.map(|(written, _)| written.as_str()).collect();
    let message = if others.is_empty() {
        format!("the condition looks at one window, {first}, so that it is slow to end")
    } else {
        let others = others.join(", ");
        format!("each condition looks at one window ({first}, {others}), so that it is slow to end")
    };
    let hint = Some("native files have a short window beside the long one".to_owned());
    reader.report_with(&codes::ONE_WINDOW, spans.long, message, hint);
}

/// How loudly a severity calls.
pub(super) fn severity(word: &str) -> Severity {
    let word: String = word
        .to_lowercase()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    if PAGES.contains(&word.as_str()) {
        Severity::Page
    } else {
        Severity::Ticket
    }
}

/// Reads a condition that is a document of its own, for a reference to it.
pub(super) fn read_object(reader: &mut Reader<'_>, root: &Node, scope: Scope<'_>) -> Option<Condition> {
    let mut fields = Fields::of_document(root)?;
    read_fields(reader, &mut fields, Named::Must, scope)
}

/// Reads a condition that stands within a policy.
pub(super) fn read_inline(reader: &mut Reader<'_>, field: Field<'_>, scope: Scope<'_>) -> Option<Condition> {
    let mut fields = Fields::open(reader, field)?;
    rules::inline_kind(reader, &mut fields, Kind::AlertCondition)?;
    let condition = read_fields(reader, &mut fields, Named::Should, scope);
    fields.finish_foreign(reader, TOOL);
    condition
}

/// Reads `metadata` and `spec`.
pub(super) fn read_fields(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    named: Named,
    scope: Scope<'_>,
) -> Option<Condition> {
    let metadata = metadata::read(reader, fields.get("metadata"), fields.span(), named, scope);
    let Some(spec) = fields.get("spec") else {
        let message = "`spec` is missing; it holds `severity` and `condition`";
        reader.report(&codes::MISSING_KEY, fields.span(), message);
        return None;
    };
    let mut condition = read_spec(reader, spec, scope)?;
    condition.description = condition.description.or(metadata.display_name);
    condition.labels = metadata.labels;
    condition.annotations = metadata.annotations;
    Some(condition)
}

fn read_spec(reader: &mut Reader<'_>, spec: Field<'_>, scope: Scope<'_>) -> Option<Condition> {
    let mut fields = Fields::open(reader, spec)?;
    let description = fields
        .get("description")
        .and_then(|field| rules::description(reader, field));
    let word = fields.get("severity").and_then(|field| rules::filled(reader, field));
    if word.is_none() && fields.get("severity").is_none() {
        let message = "`severity` is missing; it is a ticket";
        rules::refused(
            reader,
            spec.key_span,
            message,
            Some("write `severity: page` or `ticket`".to_owned()),
        );
    }
    let severity = word.as_deref().map_or(Severity::Ticket, severity);
    let condition = fields.require("condition");
    fields.finish_foreign(reader, TOOL);
    let (burn, spans) = read_burn(reader, condition?, severity, scope)?;
    Some(Condition {
        burn,
        word,
        description,
        labels: Labels::new(),
        annotations: Labels::new(),
        spans,
        elsewhere: false,
    })
}

fn read_burn(
    reader: &mut Reader<'_>,
    field: Field<'_>,
    severity: Severity,
    scope: Scope<'_>,
) -> Option<(Option<BurnCondition>, ConditionSpans)> {
    let mut fields = Fields::open(reader, field)?;
    read_kind(reader, &mut fields, field)?;
    read_op(reader, &mut fields, field);
    let threshold_field = fields.require("threshold");
    let threshold = threshold_field.and_then(|field| rules::number(reader, field));
    let lookback_field = fields.require("lookbackWindow");
    let lookback = lookback_field.and_then(|field| window::shorthand(reader, field, scope));
    let after_field = fields.get("alertAfter");
    if after_field.is_none() && scope.version == Version::V2Alpha {
        let message = "`alertAfter` is missing; it is 0m";
        rules::refused(reader, field.key_span, message, None);
    }
    let after = after_field.map(|field| window::shorthand(reader, field, scope));
    fields.finish_foreign(reader, TOOL);
    let (threshold, threshold_field, lookback_field) = (threshold?, threshold_field?, lookback_field?);
    let spans = ConditionSpans {
        long: lookback_field.node.span,
        factor: threshold_field.node.span,
    };
    let after = match after {
        Some(after) => after?,
        None => window::Shorthand::NOTHING,
    };
    let lookback = lookback?;
    let Some(length) = lookback.length().filter(|_| threshold > 0.0) else {
        let message = "a condition with a `threshold` or `lookbackWindow` of 0 says nothing; it is left out";
        reader.report(&codes::READ_LENIENTLY, field.key_span, message);
        return Some((None, spans));
    };
    let window = AlertWindow {
        length,
        written: lookback.to_prometheus(length),
    };
    let burn = BurnCondition {
        severity,
        long: window.clone(),
        short: window,
        factor: threshold,
        pending_for: after.length().map_or(Duration::ZERO, WindowLength::duration),
    };
    Some((Some(burn), spans))
}

fn read_kind(reader: &mut Reader<'_>, fields: &mut Fields<'_>, field: Field<'_>) -> Option<()> {
    if let Some(field) = fields.get("kind") {
        let text = field.node.text().unwrap_or_default().to_lowercase();
        let plain: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
        let elsewhere = match plain.as_str() {
            "sli" => Some("a condition looks at how fast the error budget is spent: write `kind: burnrate`"),
            _ if plain.contains("multi") => Some(
                "write `kind: burnrate`, and a condition for each window; native files have two windows in a condition",
            ),
            _ => None,
        };
        return rules::only_word(reader, field, "burnrate", elsewhere.map(ToOwned::to_owned));
    }
    let message = "`kind` is missing in `condition`; it is `burnrate`";
    rules::refused(reader, field.key_span, message, Some("add `kind: burnrate`".to_owned()));
    Some(())
}

/// A burn rate alerts when it is high; the specification's own example says `lte` and means it so.
fn read_op(reader: &mut Reader<'_>, fields: &mut Fields<'_>, field: Field<'_>) {
    let Some(op) = fields.get("op") else {
        rules::refused(
            reader,
            field.key_span,
            "`op` is missing in `condition`; it is `gt`",
            None,
        );
        return;
    };
    if let Some(CompareOp::Lte | CompareOp::Lt) = objective::read_op(reader, op) {
        let word = op.node.text().unwrap_or_default();
        let message = format!("`op: {word}` would alert while all is well; it is read as `gt`");
        reader.report_with(
            &codes::READ_LENIENTLY,
            op.node.span,
            message,
            Some("write `op: gt`".to_owned()),
        );
    }
}
