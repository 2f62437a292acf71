//! `route`: Alertmanager's schema, the root only.

use super::context::Context;
use crate::domain::alert::route::{GroupBy, Route};
use crate::notify::settings::ReceiverSettings;
use crate::spec::codes;
use crate::spec::reader::{Field, Fields};
use crate::spec::suggest::suggest;

/// Alertmanager's keys that this version does not support.
const NOT_YET: [&str; 7] = [
    "routes",
    "matchers",
    "match",
    "match_re",
    "mute_time_intervals",
    "active_time_intervals",
    "continue",
];

/// Reads `route`. Without it the only receiver hears everything; with several receivers it must be there.
pub(super) fn read(
    context: &mut Context<'_>,
    route: Option<Field<'_>>,
    receivers_field: Option<Field<'_>>,
    receivers: &[ReceiverSettings],
) -> Option<Route> {
    let Some(route) = route else {
        return match (receivers, receivers_field) {
            ([only], _) => Some(Route::to(only.name.as_str())),
            ([_, _, ..], Some(field)) => {
                let message = "with several receivers, `route` must name the one that hears of everything";
                context.reader.report(&codes::MISSING_KEY, field.key_span, message);
                None
            }
            _ => None,
        };
    };
    let mut fields = Fields::open(&mut context.reader, route)?;
    let receiver = fields.require("receiver");
    let receiver = receiver.and_then(|field| read_receiver(context, field, receivers));
    let default = Route::to(receiver.clone().unwrap_or_default());
    let group_by = fields.get("group_by").map(|field| read_group_by(context, field));
    let group_wait = fields
        .get("group_wait")
        .and_then(|field| context.reader.duration(field));
    let route = Route {
        group_by: group_by.unwrap_or_else(|| default.group_by.clone()),
        group_wait: group_wait.unwrap_or(default.group_wait),
        group_interval: context.period(&mut fields, "group_interval", default.group_interval),
        repeat_interval: context.period(&mut fields, "repeat_interval", default.repeat_interval),
        receiver: receiver.clone().unwrap_or_default(),
    };
    fields.refuse(&mut context.reader, &NOT_YET);
    fields.finish(&mut context.reader);
    receiver.map(|_| route)
}

fn read_receiver(context: &mut Context<'_>, field: Field<'_>, receivers: &[ReceiverSettings]) -> Option<String> {
    let name = context.reader.filled(field)?;
    let known = receivers.iter().map(|receiver| receiver.name.as_str());
    if !known.clone().any(|known| known == name) {
        let hint = suggest(&name, known).map(|known| format!("did you mean `{known}`?"));
        let message = format!("no receiver is named \"{name}\"");
        context
            .reader
            .report_with(&codes::REFERENCE, field.node.span, message, hint);
        return None;
    }
    Some(name)
}

fn read_group_by(context: &mut Context<'_>, field: Field<'_>) -> GroupBy {
    let mut names: Vec<String> = Vec::new();
    for item in context.reader.list(field) {
        let Some(name) = context.reader.filled(item) else {
            continue;
        };
        if names.contains(&name) {
            let message = format!("`group_by` names \"{name}\" twice");
            context.reader.report(&codes::DUPLICATE_NAME, item.node.span, message);
        } else if name == "..." || context.reader.check_label(&name, item.node.span, &[]) {
            names.push(name);
        }
    }
    if !names.iter().any(|name| name == "...") {
        return GroupBy::Names(names);
    }
    if names.len() > 1 {
        let message = "`...` means all labels and stands alone";
        context.reader.report(&codes::CONFLICT, field.node.span, message);
    }
    GroupBy::All
}
