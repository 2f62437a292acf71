//! Which windows alert: Sloth's catalogs by period, its own and those of `AlertWindows` documents.

use std::time::Duration;

use super::TOOL;
use crate::domain::alert::policy::{AlertWindow, BurnCondition, Severity};
use crate::domain::time::parse_duration;
use crate::domain::window::WindowLength;
use crate::spec::codes;
use crate::spec::load::Context;
use crate::spec::objects::Object;
use crate::spec::reader::{Field, Fields, Reader};
use crate::spec::yaml::Node;

const KIND: &str = "AlertWindows";
/// The periods of Sloth's own catalogs, in days.
const BUILT_IN_DAYS: [u32; 2] = [28, 30];

/// The windows of one period.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Catalog {
    period: WindowLength,
    page_quick: Burn,
    page_slow: Burn,
    ticket_quick: Burn,
    ticket_slow: Burn,
}

/// How much of the budget is spent over the long window when the alert fires.
#[derive(Clone, Debug, PartialEq)]
struct Burn {
    budget_percent: f64,
    short: WindowLength,
    long: WindowLength,
}

impl Catalog {
    /// The first catalog of these files for a period; else Sloth's own.
    pub fn of_period(context: &Context<'_>, period: WindowLength) -> Option<Self> {
        let mut written = objects(context).filter_map(|object| silently(object.node, period));
        written
            .next()
            .or_else(|| Self::built_in().find(|catalog| catalog.period == period))
    }

    /// The conditions, in the order in which Sloth writes them.
    pub fn conditions(&self) -> [BurnCondition; 4] {
        [
            self.condition(Severity::Page, &self.page_quick),
            self.condition(Severity::Page, &self.page_slow),
            self.condition(Severity::Ticket, &self.ticket_quick),
            self.condition(Severity::Ticket, &self.ticket_slow),
        ]
    }

    fn condition(&self, severity: Severity, burn: &Burn) -> BurnCondition {
        // The order of these operations gives the very factors that Sloth writes, to the last bit.
        let factor = burn.budget_percent * hours(self.period) / 100.0 / hours(burn.long);
        let window = |length: WindowLength| AlertWindow {
            length,
            written: length.to_prometheus(),
        };
        BurnCondition {
            severity,
            long: window(burn.long),
            short: window(burn.short),
            factor,
            pending_for: Duration::ZERO,
        }
    }

    /// Sloth's own catalogs: the windows of the Site Reliability Workbook, for four weeks and for a month.
    fn built_in() -> impl Iterator<Item = Self> {
        let minutes = |minutes| WindowLength::from_minutes(minutes);
        BUILT_IN_DAYS.into_iter().filter_map(move |days| {
            let burn = |budget_percent, short, long| {
                Some(Burn {
                    budget_percent,
                    short: minutes(short)?,
                    long: minutes(long)?,
                })
            };
            Some(Self {
                period: minutes(days * 1440)?,
                page_quick: burn(2.0, 5, 60)?,
                page_slow: burn(5.0, 30, 360)?,
                ticket_quick: burn(10.0, 120, 1440)?,
                ticket_slow: burn(10.0, 360, 4320)?,
            })
        })
    }
}

/// Every period that has a catalog, as Prometheus writes durations.
pub(super) fn known_periods(context: &Context<'_>) -> Vec<String> {
    let written = objects(context).filter_map(|object| {
        let period = period_of(object.node)?;
        silently(object.node, period).map(|_| period)
    });
    let built_in = Catalog::built_in().map(|catalog| catalog.period);
    let mut periods: Vec<_> = built_in.chain(written).collect();
    periods.sort_unstable();
    periods.dedup();
    periods.into_iter().map(days).collect()
}

/// Checks a document of kind `AlertWindows`, also against the others of these files.
pub(super) fn check(reader: &mut Reader<'_>, root: &Node, context: &Context<'_>) {
    let Some(catalog) = read(reader, root) else {
        return;
    };
    let mut before = objects(context).take_while(|object| !std::ptr::eq(object.node, root));
    let same_period = before.find_map(|object| {
        let first = silently(object.node, catalog.period)?;
        Some((object.place(), first))
    });
    let Some((place, first)) = same_period else {
        return;
    };
    let period = days(catalog.period);
    let field = root.get("spec").and_then(|spec| spec.get("sloPeriod"));
    let span = field.map_or(root.span, |node| node.span);
    if first == catalog {
        let message = format!("the windows for {period} are defined in {place} too, with the same numbers");
        reader.report(&codes::DUPLICATE_OBJECT, span, message);
    } else {
        let message = format!("the windows for {period} are defined in {place} too, with other numbers");
        let hint = "a period has one catalog; remove one of them".to_owned();
        reader.report_with(&codes::DUPLICATE_NAME, span, message, Some(hint));
    }
}

/// All documents of kind `AlertWindows` that are Sloth's.
fn objects<'a>(context: &'a Context<'_>) -> impl Iterator<Item = &'a Object<'a>> {
    let is_sloths = |object: &&Object<'_>| {
        let api_version = object.node.get("apiVersion").and_then(Node::text);
        api_version.is_some_and(|text| text.trim() == "sloth.slok.dev/v1")
    };
    context.objects.of_kind(KIND).iter().filter(is_sloths)
}

/// The catalog of a document, if it is for this period. Its errors are reported elsewhere, where its own file is read.
fn silently(root: &Node, period: WindowLength) -> Option<Catalog> {
    // Most are for other periods; they need not be read as a whole.
    if period_of(root) != Some(period) {
        return None;
    }
    read(&mut Reader::new("", ""), root)
}

fn period_of(root: &Node) -> Option<WindowLength> {
    let written = root.get("spec")?.get("sloPeriod")?.text()?;
    parse_duration(written).ok().and_then(WindowLength::from_duration)
}

/// Reads a document; `None` where an error was reported.
fn read(reader: &mut Reader<'_>, root: &Node) -> Option<Catalog> {
    let mut fields = Fields::of_document(root)?;
    let (_, _, _) = (fields.get("apiVersion"), fields.get("kind"), fields.get("metadata"));
    let spec = fields.require("spec");
    fields.finish_foreign(reader, TOOL);
    let mut fields = Fields::open(reader, spec?)?;
    let period = fields.require("sloPeriod").and_then(|field| read_length(reader, field));
    let page = fields.require("page").and_then(|field| read_pair(reader, field));
    let ticket = fields.require("ticket").and_then(|field| read_pair(reader, field));
    fields.finish_foreign(reader, TOOL);
    let ((page_quick, page_slow), (ticket_quick, ticket_slow)) = (page?, ticket?);
    Some(Catalog {
        period: period?,
        page_quick,
        page_slow,
        ticket_quick,
        ticket_slow,
    })
}

fn read_pair(reader: &mut Reader<'_>, field: Field<'_>) -> Option<(Burn, Burn)> {
    let mut fields = Fields::open(reader, field)?;
    let quick = fields.require("quick").and_then(|field| read_burn(reader, field));
    let slow = fields.require("slow").and_then(|field| read_burn(reader, field));
    fields.finish_foreign(reader, TOOL);
    quick.zip(slow)
}

fn read_burn(reader: &mut Reader<'_>, field: Field<'_>) -> Option<Burn> {
    let mut fields = Fields::open(reader, field)?;
    let percent_field = fields.require("errorBudgetPercent");
    let percent = percent_field.and_then(|field| read_percent(reader, field));
    let short_field = fields.require("shortWindow");
    let short = short_field.and_then(|field| read_length(reader, field));
    let long = fields
        .require("longWindow")
        .and_then(|field| read_length(reader, field));
    fields.finish_foreign(reader, TOOL);
    let burn = Burn {
        budget_percent: percent?,
        short: short?,
        long: long?,
    };
    if let Some(field) = short_field
        && burn.short >= burn.long
    {
        let message = format!(
            "the short window ({}) is not shorter than the long one ({})",
            burn.short.to_prometheus(),
            burn.long.to_prometheus()
        );
        reader.report(&codes::ONE_WINDOW, field.node.span, message);
    }
    Some(burn)
}

fn read_percent(reader: &mut Reader<'_>, field: Field<'_>) -> Option<f64> {
    let percent = reader.number(field)?;
    if percent <= 0.0 {
        let message = format!("`{}` must be above 0, not {percent}", field.key);
        reader.report(&codes::NUMBER, field.node.span, message);
        return None;
    }
    Some(percent)
}

fn read_length(reader: &mut Reader<'_>, field: Field<'_>) -> Option<WindowLength> {
    let duration = reader.duration(field)?;
    let length = WindowLength::from_duration(duration);
    if length.is_none() {
        let written = field.node.text().unwrap_or_default();
        let message = format!(
            "`{}` is {written}; it must be whole minutes, at least 1m and at most ten years",
            field.key
        );
        reader.report(&codes::DURATION, field.node.span, message);
    }
    length
}

fn hours(length: WindowLength) -> f64 {
    f64::from(length.minutes()) / 60.0
}

/// In days where that is exact, so that people find `28d` and not `4w`.
fn days(length: WindowLength) -> String {
    match length.minutes() {
        minutes if minutes.is_multiple_of(1440) => format!("{}d", minutes / 1440),
        _ => length.to_prometheus(),
    }
}
