//! `alerting`: Pyrra's four tiers, which follow from the window alone, and its alert about missing metrics.

use std::time::Duration;

use super::TOOL;
use crate::domain::alert::policy::{AlertPolicy, AlertWindow, BurnCondition, NO_DATA_NAME, Severity, SeveritySettings};
use crate::domain::labels::Labels;
use crate::domain::objective::Objective;
use crate::domain::window::WindowLength;
use crate::spec::codes;
use crate::spec::foreign;
use crate::spec::lints::{self, ConditionSpans};
use crate::spec::reader::{Field, Fields, Reader};

const DEFAULT_NAME: &str = "ErrorBudgetBurn";
const DEFAULT_ABSENT_NAME: &str = "SLOMetricAbsent";
const BILLION: u128 = 1_000_000_000;

/// A tier: the SLO's window is divided to give its durations.
struct Tier {
    severity: Severity,
    pending: u64,
    long: u64,
    short: u64,
    factor: u32,
}

/// Fast, medium, slow and long-term burn. For 28 days: 1h, 6h, 1d and 4d.
const TIERS: [Tier; 4] = [
    Tier {
        severity: Severity::Page,
        pending: 28 * 24 * 30,
        long: 28 * 24,
        short: 28 * 24 * 12,
        factor: 14,
    },
    Tier {
        severity: Severity::Page,
        pending: 28 * 24 * 4,
        long: 28 * 4,
        short: 28 * 24 * 2,
        factor: 7,
    },
    Tier {
        severity: Severity::Ticket,
        pending: 28 * 24,
        long: 28,
        short: 28 * 12,
        factor: 2,
    },
    Tier {
        severity: Severity::Ticket,
        pending: 28 * 8,
        long: 7,
        short: 28 * 4,
        factor: 1,
    },
];

/// Reads `alerting`, which may be absent. `goal` is `None` where the objective or the window is wrong, which is said
/// already.
pub(super) fn read(
    reader: &mut Reader<'_>,
    field: Option<Field<'_>>,
    goal: Option<(Objective, WindowLength)>,
    spans: ConditionSpans,
) -> Option<AlertPolicy> {
    let written = match field {
        Some(field) => Written::read(reader, field)?,
        None => Written::default(),
    };
    let (objective, window) = goal?;
    let mut burn = conditions(window);
    if written.burn_rates {
        // Below 1 % a ratio was meant, which is said already.
        if objective.ratio() >= 0.01 {
            for condition in &burn {
                lints::condition(reader, condition, objective, window, spans);
            }
        }
        say_what_is_too_short(reader, window, spans);
    } else if written.absent {
        burn.clear();
    }
    Some(AlertPolicy {
        name: written.name.unwrap_or_else(|| DEFAULT_NAME.to_owned()),
        // Without any alert the windows stay, as Pyrra's recording rules do.
        enabled: written.burn_rates || written.absent,
        burn,
        no_data_for: written.absent.then(|| absent_for(objective, window)),
        page: settings(written.page.as_deref().unwrap_or("critical")),
        ticket: settings(written.ticket.as_deref().unwrap_or("warning")),
        ..AlertPolicy::default_for(window, objective)
    })
}

/// The burn conditions for this window, as Pyrra rounds them; none of their windows is shorter than a minute.
pub(super) fn conditions(window: WindowLength) -> Vec<BurnCondition> {
    let condition = |tier: &Tier| {
        let short = minutes(window, tier.short).max(1);
        // Pyrra's rounding can make both windows of a short SLO window equal.
        let long = minutes(window, tier.long).max(short + 1);
        BurnCondition {
            severity: tier.severity,
            long: alert_window(long),
            short: alert_window(short),
            factor: f64::from(tier.factor),
            pending_for: Duration::from_secs(minutes(window, tier.pending) * 60),
        }
    };
    TIERS.iter().map(condition).collect()
}

/// A part of the window, rounded to the minute, a half away from zero.
fn minutes(window: WindowLength, divisor: u64) -> u64 {
    const MINUTE: u128 = 60_000_000_000;
    let part = window.duration().as_nanos() / u128::from(divisor);
    u64::try_from((part + MINUTE / 2) / MINUTE).unwrap_or(u64::MAX)
}

fn alert_window(minutes: u64) -> AlertWindow {
    let length = u32::try_from(minutes).ok().and_then(WindowLength::from_minutes);
    // A part of a window is as long as a window can be.
    let length = length.unwrap_or(WindowLength::DAYS_30);
    AlertWindow {
        length,
        written: length.to_prometheus(),
    }
}

/// After how long Pyrra misses a metric: as long as the fast burn of an outage takes to call, at least a minute.
fn absent_for(objective: Objective, window: WindowLength) -> Duration {
    const MINUTE: u128 = 60 * BILLION;
    let fast = &TIERS[0];
    let bad = BILLION - u128::try_from(objective.parts_per_billion()).unwrap_or_default();
    let long = Duration::from_secs(minutes(window, fast.long) * 60).as_nanos();
    let pending = Duration::from_secs(minutes(window, fast.pending) * 60).as_nanos();
    let after = u128::from(fast.factor) * bad * long / BILLION + pending;
    let minutes = u64::try_from((after + MINUTE / 2) / MINUTE).unwrap_or(u64::MAX / 60);
    Duration::from_secs(minutes.max(1) * 60)
}

fn say_what_is_too_short(reader: &mut Reader<'_>, window: WindowLength, spans: ConditionSpans) {
    let is_too_short = |tier: &Tier| {
        let (long, short) = (minutes(window, tier.long), minutes(window, tier.short));
        short == 0 || long <= short
    };
    if TIERS.iter().any(is_too_short) {
        let message = format!(
            "for a window of {} some of Pyrra's alert windows would be shorter than a minute; here they are whole minutes, \
             the short one of 1m at least",
            window.to_prometheus()
        );
        reader.report(&codes::READ_LENIENTLY, spans.long, message);
    }
}

fn settings(word: &str) -> SeveritySettings {
    let mut labels = Labels::new();
    labels.set("severity", word);
    SeveritySettings {
        labels,
        annotations: Labels::new(),
    }
}

/// What is written.
struct Written {
    name: Option<String>,
    burn_rates: bool,
    absent: bool,
    page: Option<String>,
    ticket: Option<String>,
}

impl Default for Written {
    fn default() -> Self {
        Self {
            name: None,
            burn_rates: true,
            absent: true,
            page: None,
            ticket: None,
        }
    }
}

impl Written {
    fn read(reader: &mut Reader<'_>, field: Field<'_>) -> Option<Self> {
        let mut fields = Fields::open(reader, field)?;
        let disabled_field = fields.get("disabled");
        let disabled = disabled_field.and_then(|field| foreign::boolean(reader, field));
        if let Some(field) = disabled_field {
            let message = "`disabled` is deprecated in Pyrra";
            let hint = disabled.map(|disabled| format!("write `burnrates: {}`", !disabled));
            reader.report_with(&codes::DEPRECATED, field.key_span, message, hint);
        }
        let mut flag = |reader: &mut Reader<'_>, key| {
            let field = fields.get(key);
            field.and_then(|field| foreign::boolean(reader, field)).unwrap_or(true)
        };
        let burn_rates = flag(reader, "burnrates") && disabled != Some(true);
        let absent = flag(reader, "absent");
        let name = fields.get("name").and_then(|field| read_name(reader, field));
        if let Some(field) = fields.get("absentName")
            && let Some(name) = reader.text(field)
            && !["", DEFAULT_ABSENT_NAME, NO_DATA_NAME].contains(&name.as_str())
        {
            let message = format!("the alert about missing metrics is called {NO_DATA_NAME}, not {name}");
            reader.report(&codes::NOT_CARRIED, field.node.span, message);
        }
        let (page, ticket) = match fields.get("severities") {
            Some(field) => read_severities(reader, field),
            None => (None, None),
        };
        fields.finish_foreign(reader, TOOL);
        Some(Self {
            name,
            burn_rates,
            absent,
            page,
            ticket,
        })
    }
}

fn read_name(reader: &mut Reader<'_>, field: Field<'_>) -> Option<String> {
    let name = reader.text(field).filter(|name| !name.trim().is_empty())?;
    if name == NO_DATA_NAME {
        let message = format!("{NO_DATA_NAME} is the name of the alert about missing data");
        reader.report(&codes::NAME, field.node.span, message);
    }
    Some(name)
}

/// The words for pages and for tickets. Pyrra has a word for each tier; nines has one for two of them.
fn read_severities(reader: &mut Reader<'_>, field: Field<'_>) -> (Option<String>, Option<String>) {
    let Some(mut fields) = Fields::open(reader, field) else {
        return (None, None);
    };
    let page = read_word(reader, &mut fields, "fastBurn", "mediumBurn", "critical");
    let ticket = read_word(reader, &mut fields, "slowBurn", "longTermBurn", "warning");
    if let Some((field, absent)) = filled(reader, &mut fields, "absent") {
        let word = ticket.as_deref().unwrap_or("warning");
        if absent != word {
            let message = format!("{NO_DATA_NAME} is a ticket, so that its severity is \"{word}\", not \"{absent}\"");
            reader.report(&codes::NOT_CARRIED, field.node.span, message);
        }
    }
    fields.finish_foreign(reader, TOOL);
    (page, ticket)
}

fn read_word(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    first: &'static str,
    second: &'static str,
    default: &str,
) -> Option<String> {
    let (first, second) = (filled(reader, fields, first), filled(reader, fields, second));
    let field = second.as_ref().or(first.as_ref()).map(|(field, _)| *field)?;
    let word = first.map_or_else(|| default.to_owned(), |(_, word)| word);
    let other = second.map_or_else(|| default.to_owned(), |(_, word)| word);
    if word != other {
        let message = format!(
            "both tiers raise one alert, so that its severity is \"{word}\" for the second one too, not \"{other}\""
        );
        reader.report(&codes::NOT_CARRIED, field.node.span, message);
    }
    Some(word)
}

fn filled<'n>(reader: &mut Reader<'_>, fields: &mut Fields<'n>, key: &'static str) -> Option<(Field<'n>, String)> {
    let field = fields.get(key)?;
    let word = reader.text(field).filter(|word| !word.is_empty())?;
    Some((field, word))
}
