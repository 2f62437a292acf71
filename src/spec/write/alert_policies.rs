//! Alert policies in OpenSLO's words: one window for each condition, one condition for each policy.

use super::openslo::{Telling, named};
use super::yaml::{Map, Out};
use crate::domain::alert::policy::{AlertPolicy, BurnCondition};
use crate::domain::labels::Labels;
use crate::domain::time::format_duration;
use crate::domain::window::WindowLength;

/// The label in which readers of OpenSLO files keep who is told.
const TARGETS_LABEL: &str = "notification_targets";

/// The inline policies of an SLO; none for the default policy, which holds where nothing is written.
pub(super) fn alert_policies(telling: &mut Telling<'_>, slo_name: &str) -> Vec<Out> {
    let policy = &telling.slo.alerting;
    let default = AlertPolicy::default_for(telling.slo.window.length(), telling.slo.objective);
    if *policy == default {
        return Vec::new();
    }
    if !policy.enabled {
        telling.lose("OpenSLO cannot say that nobody is called; whoever reads the file may alert by default");
        return Vec::new();
    }
    if policy.burn == default.burn {
        lose_settings(telling, &default);
        telling.lose("its alert policy is the default one with changes, which OpenSLO has no words for");
        return Vec::new();
    }
    if policy.burn.is_empty() {
        telling.lose("OpenSLO cannot say that there are no burn conditions");
        return Vec::new();
    }
    lose_settings(telling, &default);
    let name = if policy.name == default.name {
        // Readers call it so again, in their own way.
        slo_name.to_owned()
    } else {
        policy.name.clone()
    };
    if name != policy.name {
        telling.lose(format!("its alert is called \"{name}\" instead of \"{}\"", policy.name));
    }
    let name = telling.name("its alert policy", &name);
    let conditions = policy.burn.iter().enumerate();
    conditions
        .map(|(index, condition)| {
            let name = if index == 0 {
                name.clone()
            } else {
                format!("{name}-{}", index + 1)
            };
            write_policy(telling, &name, condition)
        })
        .collect()
}

fn lose_settings(telling: &mut Telling<'_>, default: &AlertPolicy) {
    let policy = &telling.slo.alerting;
    if policy.min_events != default.min_events || policy.min_failures != default.min_failures {
        telling.lose("OpenSLO does not know `min_events` and `min_failures`");
    }
    if policy.keep_firing_for != default.keep_firing_for {
        telling.lose("OpenSLO does not know `keep_firing_for`");
    }
    if let (Some(after), true) = (policy.no_data_for, policy.no_data_for != default.no_data_for) {
        telling.lose(format!(
            "OpenSLO cannot say after how long without data to call; {} are left out",
            format_duration(after)
        ));
    }
}

fn write_policy(telling: &mut Telling<'_>, name: &str, condition: &BurnCondition) -> Out {
    let policy = &telling.slo.alerting;
    let mut metadata = named(name);
    let own = policy.labels.iter().filter(|(label, _)| *label != TARGETS_LABEL);
    set_words(telling, &mut metadata, &own.collect(), &policy.annotations);
    let mut spec = Map::new();
    spec.set("alertWhenNoData", Out::bare(policy.no_data_for.is_some()));
    spec.set("alertWhenBreaching", Out::bare(true));
    spec.set("conditions", Out::List(vec![write_condition(telling, name, condition)]));
    spec.set("notificationTargets", Out::List(targets(telling)));
    let mut out = Map::new();
    out.text("kind", "AlertPolicy");
    out.set("metadata", metadata.done());
    out.set("spec", spec.done());
    out.done()
}

fn set_words(telling: &mut Telling<'_>, metadata: &mut Map, labels: &Labels, annotations: &Labels) {
    if let Some(labels) = telling.pairs("label", labels) {
        metadata.set("labels", labels);
    }
    if let Some(annotations) = telling.pairs("annotation", annotations) {
        metadata.set("annotations", annotations);
    }
}

/// OpenSLO wants to know who is told; in nines the routes do.
fn targets(telling: &mut Telling<'_>) -> Vec<Out> {
    let known = telling.slo.alerting.labels.get(TARGETS_LABEL).to_owned();
    let references = known.split(',').filter(|name| !name.is_empty());
    let references: Vec<Out> = references
        .map(|name| Out::Map(vec![("targetRef".to_owned(), Out::text(name))]))
        .collect();
    if !references.is_empty() {
        return references;
    }
    telling.lose("routes decide who is told; its alert policies name the target `nines` instead");
    let mut out = Map::new();
    out.text("kind", "AlertNotificationTarget");
    out.set("metadata", named("nines").done());
    out.set("spec", Out::Map(vec![("target".to_owned(), Out::text("nines"))]));
    vec![out.done()]
}

fn write_condition(telling: &mut Telling<'_>, name: &str, condition: &BurnCondition) -> Out {
    if condition.short.length != condition.long.length {
        telling.lose("a burn condition of OpenSLO has one window; the short windows are left out");
    }
    let settings = telling.slo.alerting.settings(condition.severity);
    let word = settings.labels.get("severity");
    let word = if word.is_empty() {
        condition.severity.word()
    } else {
        word
    };
    let mut metadata = named(name);
    let own = settings.labels.iter().filter(|(label, _)| *label != "severity");
    set_words(telling, &mut metadata, &own.collect(), &settings.annotations);
    let mut burn = Map::new();
    burn.text("kind", "burnrate");
    burn.text("op", "gt");
    burn.set("threshold", Out::bare(condition.factor));
    burn.text(
        "lookbackWindow",
        shorthand(condition.long.length, &condition.long.written),
    );
    let after = condition.pending_for;
    burn.text("alertAfter", format!("{}m", after.as_secs() / 60));
    if !after.as_secs().is_multiple_of(60) || after.subsec_nanos() > 0 {
        telling.lose(format!(
            "OpenSLO has no seconds; `for: {}` is cut to minutes",
            format_duration(after)
        ));
    }
    let mut spec = Map::new();
    spec.text("severity", word);
    spec.set("condition", burn.done());
    let mut out = Map::new();
    out.text("kind", "AlertCondition");
    out.set("metadata", metadata.done());
    out.set("spec", spec.done());
    out.done()
}

/// A length in OpenSLO's shorthand, which has one unit: as it was written, if that is one.
pub(super) fn shorthand(length: WindowLength, written: &str) -> String {
    const UNITS: [(char, u32); 4] = [('w', 7 * 1_440), ('d', 1_440), ('h', 60), ('m', 1)];
    let minutes = length.minutes();
    let says_it = UNITS.iter().any(|(letter, size)| {
        let count = written
            .strip_suffix(*letter)
            .and_then(|count| count.parse::<u32>().ok());
        count.and_then(|count| count.checked_mul(*size)) == Some(minutes)
    });
    if says_it {
        return written.to_owned();
    }
    let unit = UNITS[1..].iter().find(|(_, size)| minutes.is_multiple_of(*size));
    unit.map_or_else(
        || format!("{minutes}m"),
        |(letter, size)| format!("{}{letter}", minutes / size),
    )
}
