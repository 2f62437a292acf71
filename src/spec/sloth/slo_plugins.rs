//! Chains of plugins that change the rules which Sloth writes. nines writes no rules, so most have nothing to do here.

use super::TOOL;
use crate::spec::reader::{Field, Fields, Reader};
use crate::spec::{codes, foreign};

/// The plugin that lets alerts wait for as long as their `for` says.
const ALERT_FOR: &str = "sloth.dev/contrib/alert_for/v1";

/// Plugins that Sloth brings along, and what becomes of what they do.
const KNOWN: [(&str, &str); 13] = [
    ("sloth.dev/core/debug/v1", "it writes a line to Sloth's log"),
    ("sloth.dev/core/noop/v1", "it does nothing"),
    ("sloth.dev/core/validate/v1", "nines checks this file itself"),
    (
        "sloth.dev/core/sli_rules/v1",
        "nines counts events itself, over the whole window and exactly",
    ),
    (
        "sloth.dev/core/metadata_rules/v1",
        "nines exports these numbers as metrics of its own",
    ),
    ("sloth.dev/core/alert_rules/v1", "nines evaluates the alerts itself"),
    (
        "sloth.dev/contrib/denominator_corrected_rules/v1",
        "nines counts events, so that quiet hours weigh no more than their events anyway",
    ),
    (
        "sloth.dev/contrib/error_budget_exhausted_alert/v1",
        "nines has no alert of its own for a spent budget",
    ),
    (
        "sloth.dev/contrib/info_labels/v1",
        "its labels are not on any alert, only on sloth_slo_info; write them as `labels` if they matter",
    ),
    (
        "sloth.dev/contrib/remove_labels/v1",
        "changed labels cost no history in nines",
    ),
    (
        "sloth.dev/contrib/rule_intervals/v1",
        "nines evaluates with each scrape",
    ),
    (
        "sloth.dev/contrib/sli_total_amount_rules/v1",
        "nines keeps the number of all events anyway",
    ),
    (
        "sloth.dev/contrib/validate_victoria_metrics/v1",
        "queries must be PromQL; what only MetricsQL has is refused",
    ),
];

/// Reads a chain; notes say what is not carried. Whether alerts wait because of it.
pub(super) fn read(reader: &mut Reader<'_>, field: Field<'_>) -> bool {
    let Some(mut fields) = Fields::open(reader, field) else {
        return false;
    };
    let overrides_field = fields.get("overridePrevious");
    let overrides = overrides_field.filter(|field| foreign::boolean(reader, *field) == Some(true));
    let chain = fields.get("chain").map(|field| reader.list(field)).unwrap_or_default();
    fields.finish_foreign(reader, TOOL);
    if let Some(overrides) = overrides {
        if chain.is_empty() {
            let message = "`overridePrevious` takes all plugins away, and `chain` names none instead";
            reader.report(&codes::MISSING_KEY, overrides.key_span, message);
        } else {
            let message = "`overridePrevious` has no counterpart: nines counts and alerts whatever the chain is";
            reader.report(&codes::NOT_CARRIED, overrides.key_span, message);
        }
    }
    let mut alerts_wait = false;
    for item in chain {
        alerts_wait |= read_plugin(reader, item);
    }
    alerts_wait
}

fn read_plugin(reader: &mut Reader<'_>, item: Field<'_>) -> bool {
    let Some(mut fields) = Fields::open(reader, item) else {
        return false;
    };
    let id_field = fields.require("id");
    let id = id_field.and_then(|field| reader.filled(field));
    if let Some(field) = fields.get("priority")
        && let Some(text) = reader.text(field)
        && text.parse::<i64>().is_err()
    {
        let message = format!("`priority` must be a whole number, not \"{text}\"");
        reader.report(&codes::NUMBER, field.node.span, message);
    }
    let _ = fields.get("config");
    fields.finish_foreign(reader, TOOL);
    let (Some(id), Some(field)) = (id, id_field) else {
        return false;
    };
    if id == ALERT_FOR {
        return true;
    }
    let why = KNOWN.iter().find(|(known, _)| *known == id).map(|(_, why)| *why);
    let why = why.unwrap_or("it is a Go program; what it changes in Sloth's rules is lost");
    let message = format!("the plugin {id} is not run: {why}");
    reader.report(&codes::NOT_CARRIED, field.node.span, message);
    false
}
