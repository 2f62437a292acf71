//! `relabel_configs`, `metric_relabel_configs` and the limits on targets, samples and labels.

use super::context::Context;
use crate::domain::relabel::{RelabelAction, RelabelRule, RelabelRules, RuleError, WrittenRule};
use crate::domain::secret_names::sounds_secret;
use crate::source::scrape::settings::PageLimits;
use crate::spec::codes;
use crate::spec::reader::{Field, Fields};

/// The limits of a job, or those of `global` that it inherits.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Limits {
    pub page: PageLimits,
    pub targets: Option<u64>,
}

/// Reads a list of rules; those that make no sense are reported and left out.
pub(super) fn read_rules(context: &mut Context<'_>, fields: &mut Fields<'_>, key: &'static str) -> RelabelRules {
    let Some(list) = fields.get(key) else {
        return RelabelRules::default();
    };
    let items = context.reader.list(list);
    items.into_iter().filter_map(|item| read_rule(context, item)).collect()
}

/// Reads the limits; what is not written, or 0, is what `inherited` says.
pub(super) fn read_limits(context: &mut Context<'_>, fields: &mut Fields<'_>, inherited: Limits) -> Limits {
    let mut limit = |key: &'static str, inherited: Option<u64>| {
        let written = fields.get(key).and_then(|field| context.reader.whole(field));
        written.filter(|limit| *limit > 0).or(inherited)
    };
    Limits {
        page: PageLimits {
            samples: limit("sample_limit", inherited.page.samples),
            labels: limit("label_limit", inherited.page.labels),
            name_length: limit("label_name_length_limit", inherited.page.name_length),
            value_length: limit("label_value_length_limit", inherited.page.value_length),
        },
        targets: limit("target_limit", inherited.targets),
    }
}

fn read_rule(context: &mut Context<'_>, item: Field<'_>) -> Option<RelabelRule> {
    let mut fields = Fields::open(&mut context.reader, item)?;
    let before = context.reader.errors();
    let source_labels = fields.get("source_labels");
    let texts = [
        fields.get("separator"),
        fields.get("regex"),
        fields.get("target_label"),
        fields.get("replacement"),
    ];
    let (modulus, action) = (fields.get("modulus"), fields.get("action"));
    if let [.., Some(target), Some(replacement)] = texts
        && target.node.text().is_some_and(sounds_secret_as_parameter)
    {
        context.hide_all(replacement.node);
    }
    let [separator, regex, target_label, replacement] =
        texts.map(|field| field.and_then(|field| context.reader.text(field)));
    let written = WrittenRule {
        source_labels: source_labels.map(|field| {
            let items = context.reader.list(field);
            items.into_iter().filter_map(|item| context.reader.text(item)).collect()
        }),
        separator,
        regex,
        modulus: modulus.and_then(|field| context.reader.whole(field)),
        target_label,
        replacement,
        action: action.map_or(Some(RelabelAction::default()), |field| read_action(context, field))?,
    };
    fields.finish(&mut context.reader);
    if context.reader.errors() > before {
        return None;
    }
    let [_, regex, target_label, replacement] = texts;
    let separator = texts[0];
    let place = |error: &RuleError| match error.key {
        "source_labels" => source_labels,
        "separator" => separator,
        "regex" => regex,
        "target_label" => target_label,
        "replacement" => replacement,
        _ => modulus,
    };
    RelabelRule::new(written)
        .map_err(|error| {
            let span = place(&error).or(action).map_or(item.node.span, |field| field.node.span);
            context.reader.report(&codes::RELABEL, span, error.message);
        })
        .ok()
}

/// A label whose value becomes a parameter of URLs, and may be a secret.
fn sounds_secret_as_parameter(label: &str) -> bool {
    label.strip_prefix("__param_").is_some_and(sounds_secret)
}

/// The word may be written in any case, as in Prometheus.
fn read_action(context: &mut Context<'_>, field: Field<'_>) -> Option<RelabelAction> {
    let known = field.node.text().map(str::to_lowercase).and_then(|text| {
        let words = RelabelAction::WORDS.into_iter();
        words.filter(|(word, _)| *word == text).map(|(_, action)| action).next()
    });
    known.or_else(|| context.reader.choice(field, &RelabelAction::WORDS))
}
