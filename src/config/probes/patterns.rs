//! Regular expressions of modules: Go's, as in blackbox exporter, not anchored.

use regex::bytes::{Regex, RegexBuilder};

use crate::config::context::Context;
use crate::domain::matcher::with_literals;
use crate::source::probe::settings::{HeaderMatch, RecordConditions};
use crate::spec::codes;
use crate::spec::reader::{Field, Fields};

/// The largest compiled expression, in bytes: hostile patterns are refused, not run.
const REGEX_SIZE_MAX: usize = 1 << 20;
/// How many conditions of a kind a module may have.
const CONDITIONS_MAX: usize = 100;

/// One expression.
pub(super) fn read_one(context: &mut Context<'_>, field: Field<'_>) -> Option<Regex> {
    let text = context.reader.text(field)?;
    let build = |pattern: &str| RegexBuilder::new(pattern).size_limit(REGEX_SIZE_MAX).build();
    // What Go takes literally is an error of grammar here: `{"a": 1}`.
    match build(&text).or_else(|error| build(&with_literals(&text)).map_err(|_| error)) {
        Ok(regex) => Some(regex),
        Err(error) => {
            let why = error.to_string();
            let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ");
            let message = format!("`{}` is no regular expression: {why}", field.key);
            context.reader.report(&codes::PATTERN, field.node.span, message);
            None
        }
    }
}

/// A list of expressions.
pub(super) fn read(context: &mut Context<'_>, fields: &mut Fields<'_>, key: &'static str) -> Vec<Regex> {
    let items = items(context, fields, key);
    items.into_iter().filter_map(|item| read_one(context, item)).collect()
}

/// Conditions on headers.
pub(super) fn read_headers(context: &mut Context<'_>, fields: &mut Fields<'_>, key: &'static str) -> Vec<HeaderMatch> {
    let items = items(context, fields, key);
    items
        .into_iter()
        .filter_map(|item| read_header(context, item))
        .collect()
}

fn read_header(context: &mut Context<'_>, item: Field<'_>) -> Option<HeaderMatch> {
    let mut fields = Fields::open(&mut context.reader, item)?;
    let header = fields.require("header");
    let header = header.and_then(|field| context.reader.filled(field));
    let regexp = fields.require("regexp").and_then(|field| read_one(context, field));
    let allow_missing = context.boolean(&mut fields, "allow_missing", false);
    context.finish(fields);
    Some(HeaderMatch {
        header: header?,
        regexp: regexp?,
        allow_missing,
    })
}

/// Conditions on the records of one section of a DNS answer.
pub(super) fn read_records(context: &mut Context<'_>, fields: &mut Fields<'_>, key: &'static str) -> RecordConditions {
    let section = fields.get(key);
    let Some(mut fields) = section.and_then(|field| Fields::open(&mut context.reader, field)) else {
        return RecordConditions::default();
    };
    let conditions = RecordConditions {
        fail_if_matches: read(context, &mut fields, "fail_if_matches_regexp"),
        fail_if_all_match: read(context, &mut fields, "fail_if_all_match_regexp"),
        fail_if_not_matches: read(context, &mut fields, "fail_if_not_matches_regexp"),
        fail_if_none_matches: read(context, &mut fields, "fail_if_none_matches_regexp"),
    };
    context.finish(fields);
    conditions
}

/// The items of a list that is not too long.
pub(super) fn items<'n>(context: &mut Context<'_>, fields: &mut Fields<'n>, key: &'static str) -> Vec<Field<'n>> {
    let Some(field) = fields.get(key) else {
        return Vec::new();
    };
    let mut items = context.reader.list(field);
    if items.len() > CONDITIONS_MAX {
        let message = format!("`{key}` may have {CONDITIONS_MAX} items, not {}", items.len());
        context.reader.report(&codes::RANGE, field.key_span, message);
        items.truncate(CONDITIONS_MAX);
    }
    items
}
