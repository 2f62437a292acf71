//! Durations in OpenSLO's shorthand, and time windows.

use chrono::NaiveDateTime;
use chrono_tz::Tz;

use super::{Scope, TOOL, Version, rules};
use crate::domain::window::{CalendarUnit, CalendarWindow, TimeWindow, WindowLength};
use crate::spec::codes::{self, Code};
use crate::spec::reader::{Field, Fields, Reader};
use crate::spec::yaml::{Entry, Node, Value};

/// A number of units: `4w`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shorthand {
    /// How many; 0 is possible.
    pub count: u32,
    /// Of what.
    pub unit: CalendarUnit,
}

const KEY: &str = "timeWindow";
const UNITS: [(&str, CalendarUnit); 7] = [
    ("m", CalendarUnit::Minute),
    ("h", CalendarUnit::Hour),
    ("d", CalendarUnit::Day),
    ("w", CalendarUnit::Week),
    ("M", CalendarUnit::Month),
    ("Q", CalendarUnit::Quarter),
    ("Y", CalendarUnit::Year),
];
/// How many of the units v2alpha has.
const UNITS_OF_V2ALPHA: usize = 4;

impl Shorthand {
    /// No time at all.
    pub const NOTHING: Self = Self {
        count: 0,
        unit: CalendarUnit::Minute,
    };

    /// As a length of time; `None` for nothing at all and beyond ten years.
    pub fn length(self) -> Option<WindowLength> {
        self.count
            .checked_mul(self.unit.minutes())
            .and_then(WindowLength::from_minutes)
    }

    /// In Prometheus's notation, as it was written where that is the same.
    pub fn to_prometheus(self, length: WindowLength) -> String {
        let same = UNITS[..UNITS_OF_V2ALPHA].iter().find(|(_, unit)| *unit == self.unit);
        same.map_or_else(
            || length.to_prometheus(),
            |(letter, _)| format!("{}{letter}", self.count),
        )
    }
}

/// Reads a shorthand.
pub(super) fn shorthand(reader: &mut Reader<'_>, field: Field<'_>, scope: Scope<'_>) -> Option<Shorthand> {
    let text = reader.filled(field)?;
    let units = if scope.version == Version::V2Alpha {
        &UNITS[..UNITS_OF_V2ALPHA]
    } else {
        &UNITS
    };
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (count, letter) = text.split_at(digits);
    let unit = units.iter().find(|(name, _)| *name == letter).map(|(_, unit)| *unit);
    let (Some(unit), Ok(count)) = (unit, count.parse()) else {
        let letters: Vec<&str> = units.iter().map(|(name, _)| *name).collect();
        let message = if text.starts_with('-') {
            format!("`{}` is \"{text}\"; its value must not be negative", field.key)
        } else {
            format!(
                "`{}` is \"{text}\"; a whole number with one of the units {} is expected",
                field.key,
                letters.join(", ")
            )
        };
        let hint = meant(&text).map(|meant| format!("did you mean `{meant}`?"));
        reader.report_with(&codes::DURATION, field.node.span, message, hint);
        return None;
    };
    Some(Shorthand { count, unit })
}

/// What a word such as `Week`, `1Mo` or `30days` stands for.
fn meant(text: &str) -> Option<String> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (count, word) = text.split_at(digits);
    let count = if count.is_empty() { "1" } else { count };
    let unit = match word.trim().to_lowercase().as_str() {
        "minute" | "minutes" | "min" | "mins" => "m",
        "hour" | "hours" | "hr" | "hrs" | "hourly" | "h" => "h",
        "day" | "days" | "daily" | "d" => "d",
        "week" | "weeks" | "weekly" | "wk" | "w" => "w",
        "month" | "months" | "monthly" | "mo" | "mon" => "M",
        "quarter" | "quarters" | "quarterly" | "qtr" | "q" => "Q",
        "year" | "years" | "yearly" | "yr" | "y" => "Y",
        _ => return None,
    };
    Some(format!("{count}{unit}"))
}

/// A length in whole minutes that fits; anything else is reported.
pub(super) fn length(reader: &mut Reader<'_>, field: Field<'_>, shorthand: Shorthand) -> Option<WindowLength> {
    let length = shorthand.length();
    if length.is_none() {
        let message = format!("`{}` must be at least one minute and at most ten years", field.key);
        rules::uncomputable(reader, &codes::DURATION, field.node.span, message, None);
    }
    length
}

/// Reads `timeWindow`, which holds exactly one window. Without it, it is the one that stands under the objectives, or
/// else the default period.
pub(super) fn read(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    moved: Option<Field<'_>>,
    scope: Scope<'_>,
) -> Option<TimeWindow> {
    let field = fields.get(KEY).or(moved);
    let item = match only_item(reader, field, fields, KEY) {
        Only::Item(item) => item,
        Only::Absent => return Some(default_window(scope)),
        Only::Wrong => return None,
    };
    let mut fields = Fields::open(reader, item)?;
    let duration_field = fields.get("duration");
    if duration_field.is_none() {
        let hint = Some("write for example `duration: 28d`".to_owned());
        reader.report_with(&codes::MISSING_KEY, fields.span(), "`duration` is missing", hint);
    }
    let duration = duration_field.and_then(|field| shorthand(reader, field, scope));
    let alignment = alignment(reader, &mut fields, item, "timeWindow");
    fields.finish_foreign(reader, TOOL);
    finish(reader, duration_field?, duration?, alignment)
}

/// The window that stands under the objectives instead of beside them (`beside` is its key there), where all that have
/// one say the same.
pub(super) fn under_objectives<'n>(
    reader: &Reader<'_>,
    fields: &Fields<'_>,
    beside: &str,
    objectives: &[Field<'n>],
) -> Option<Field<'n>> {
    if reader.is_strict() || fields.has_key(beside) {
        return None;
    }
    let mut windows = objectives.iter().filter_map(|item| item.node.entry(KEY));
    let first = windows.next().filter(|first| !first.value.is_null())?;
    let written = |entry: &Entry| {
        let span = entry.value.span;
        reader.source().get(span.start..span.end).map(str::trim)
    };
    windows.all(|other| written(other) == written(first)).then_some(Field {
        key: KEY,
        key_span: first.key_span,
        node: &first.value,
    })
}

/// Says of a window under an objective what becomes of it; `ignored` is the code where it is not taken.
pub(super) fn report_misplaced(reader: &mut Reader<'_>, window: Field<'_>, is_taken: bool, ignored: &'static Code) {
    let (code, consequence) = if is_taken {
        (&codes::READ_LENIENTLY, "; it is read as that of the SLO")
    } else {
        (ignored, "")
    };
    let message = format!("`timeWindow` stands under an objective{consequence}");
    let hint = "move it up: `timeWindow` belongs under `spec`, beside `objectives`, once for all of them";
    if is_taken {
        reader.report_with(code, window.key_span, message, Some(hint.to_owned()));
    } else {
        reader.report_lenient(code, window.key_span, message, Some(hint.to_owned()));
    }
}

/// The window where none is written.
pub(super) fn default_window(scope: Scope<'_>) -> TimeWindow {
    let length = scope.context.options.default_period;
    TimeWindow::Rolling {
        length,
        written: length.to_prometheus(),
    }
}

/// What a list that holds one item comes to.
pub(super) enum Only<'n> {
    /// The item.
    Item(Field<'n>),
    /// There is nothing.
    Absent,
    /// It is no such list, which was reported.
    Wrong,
}

/// The one item of a list of windows.
pub(super) fn only_item<'n>(
    reader: &mut Reader<'_>,
    field: Option<Field<'n>>,
    fields: &Fields<'_>,
    key: &'static str,
) -> Only<'n> {
    let Some(field) = field.filter(|field| !field.node.items().is_some_and(<[Node]>::is_empty)) else {
        let message = format!("`{key}` is missing; the default period is taken");
        let hint = Some("write for example `[{duration: 30d, isRolling: true}]`".to_owned());
        rules::refused(reader, fields.span(), message, hint.filter(|_| key == "timeWindow"));
        return Only::Absent;
    };
    if let Value::Map(_) = &field.node.value {
        let message = format!("`{key}` must be a list of one window, not a map");
        rules::refused(
            reader,
            field.key_span,
            message,
            Some("put `- ` before its first key".to_owned()),
        );
        return Only::Item(field);
    }
    match field.node.items() {
        None => reader.expected(field, "a list of one window"),
        Some([only]) => {
            return Only::Item(Field {
                node: only,
                key_span: only.span,
                ..field
            });
        }
        Some(all) => {
            let message = format!("`{key}` holds exactly one window, not {}", all.len());
            reader.report(&codes::RANGE, field.key_span, message);
        }
    }
    Only::Wrong
}

/// Start and zone of a calendar.
#[derive(Clone, Copy)]
pub(super) struct Calendar {
    start: Option<NaiveDateTime>,
    zone: Tz,
}

/// How a window moves.
#[derive(Clone, Copy)]
pub(super) enum Alignment {
    /// With the time.
    Rolling,
    /// From one turn to the next.
    Calendar(Calendar),
    /// By a calendar that is wrong, which was reported.
    Wrong,
}

/// `isRolling` and `calendar`, and whether they fit together.
pub(super) fn alignment(reader: &mut Reader<'_>, fields: &mut Fields<'_>, item: Field<'_>, key: &str) -> Alignment {
    let rolling_field = fields.get("isRolling");
    let rolling = rolling_field.and_then(|field| reader.boolean(field));
    if let Some(field) = fields.get("calendar") {
        let calendar = read_calendar(reader, field);
        if rolling == Some(true) {
            let message = format!("`{key}`: `calendar` cannot be set when `isRolling` is true; it rolls");
            rules::refused(
                reader,
                field.key_span,
                message,
                Some("remove one of the two".to_owned()),
            );
            return Alignment::Rolling;
        }
        return calendar.map_or(Alignment::Wrong, Alignment::Calendar);
    }
    if rolling.is_none() && rolling_field.is_some() {
        // It says something, and what is wrong with it was reported.
        return Alignment::Wrong;
    }
    let (alignment, meaning) = match rolling {
        Some(true) => return Alignment::Rolling,
        Some(false) => {
            let natural = Calendar {
                start: None,
                zone: Tz::UTC,
            };
            (Alignment::Calendar(natural), "it follows the calendar, in UTC")
        }
        None => (Alignment::Rolling, "it rolls"),
    };
    let message = format!("`{key}` has no `calendar` and does not say `isRolling: true`; {meaning}");
    let hint = Some("add `isRolling: true`, or a `calendar`".to_owned());
    rules::refused(reader, item.node.span, message, hint);
    alignment
}

fn read_calendar(reader: &mut Reader<'_>, field: Field<'_>) -> Option<Calendar> {
    let mut fields = Fields::open(reader, field)?;
    let start = if let Some(field) = fields.get("startTime") {
        read_start(reader, field).map(Some)
    } else {
        let message = "`startTime` is missing; the calendar's own turns are taken";
        rules::refused(reader, field.node.span, message, None);
        Some(None)
    };
    let zone = if let Some(field) = fields.get("timeZone") {
        read_zone(reader, field)
    } else {
        rules::refused(reader, field.node.span, "`timeZone` is missing; it is UTC", None);
        Some(Tz::UTC)
    };
    fields.finish_foreign(reader, TOOL);
    Some(Calendar {
        start: start?,
        zone: zone?,
    })
}

fn read_start(reader: &mut Reader<'_>, field: Field<'_>) -> Option<NaiveDateTime> {
    let text = reader.filled(field)?;
    let start = NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S").ok();
    // chrono also takes numbers without their leading zeros.
    let start = start.filter(|_| text.len() == "2026-01-01 00:00:00".len());
    if start.is_none() {
        let message = format!("`startTime` is \"{text}\", which is no date and time");
        let hint = Some("write it without zone: `2026-01-01 00:00:00`".to_owned());
        reader.report_with(&codes::DATE, field.node.span, message, hint);
    }
    start
}

fn read_zone(reader: &mut Reader<'_>, field: Field<'_>) -> Option<Tz> {
    let text = reader.filled(field)?;
    let zone = text.parse::<Tz>().ok();
    if zone.is_none() {
        let message = format!("`timeZone` is \"{text}\", which is no time zone");
        let hint = Some("zones are IANA names such as `Europe/Berlin`".to_owned());
        reader.report_with(&codes::ZONE, field.node.span, message, hint);
    }
    zone
}

/// The window of a length and an alignment; `field` is where the length stands.
pub(super) fn finish(
    reader: &mut Reader<'_>,
    field: Field<'_>,
    duration: Shorthand,
    alignment: Alignment,
) -> Option<TimeWindow> {
    let length = length(reader, field, duration)?;
    match alignment {
        Alignment::Rolling => {}
        Alignment::Wrong => return None,
        Alignment::Calendar(Calendar { start, zone }) => {
            return Some(TimeWindow::Calendar(CalendarWindow {
                count: duration.count,
                unit: duration.unit,
                start,
                zone,
            }));
        }
    }
    let written = duration.to_prometheus(length);
    if matches!(
        duration.unit,
        CalendarUnit::Month | CalendarUnit::Quarter | CalendarUnit::Year
    ) {
        let text = field.node.text().unwrap_or_default();
        let message = format!("`{}` is {text}, which rolls: it is read as {written}", field.key);
        let hint = Some("write the days, or add a `calendar`".to_owned());
        reader.report_with(&codes::READ_LENIENTLY, field.node.span, message, hint);
    }
    Some(TimeWindow::Rolling { length, written })
}

/// A bare number of minutes, which the specification's text has and the SDK has not.
pub(super) fn bare_minutes(node: &Node) -> Option<u32> {
    let minutes = node.text()?.trim();
    minutes.parse().ok().filter(|minutes| *minutes > 0)
}
