//! Windows: `30d`, or a calendar's.

use chrono::{NaiveDate, NaiveDateTime};
use chrono_tz::Tz;

use crate::domain::time::parse_duration;
use crate::domain::window::{CalendarUnit, CalendarWindow, TimeWindow, WindowLength};
use crate::spec::codes;
use crate::spec::reader::{Field, Fields, Reader, as_duration};
use crate::spec::suggest::suggest;

/// How a start is written.
pub(in crate::spec) const START_FORMAT: &str = "%Y-%m-%d %H:%M:%S";

/// Reads a window.
pub(super) fn read(reader: &mut Reader<'_>, field: Field<'_>) -> Option<TimeWindow> {
    if field.node.entries().is_some() {
        return read_calendar(reader, field).map(TimeWindow::Calendar);
    }
    let (length, written) = read_length(reader, field)?;
    Some(TimeWindow::Rolling { length, written })
}

/// A length in whole minutes, and as it was written.
pub(super) fn read_length(reader: &mut Reader<'_>, field: Field<'_>) -> Option<(WindowLength, String)> {
    if field.node.text().is_none() {
        reader.expected(field, "a duration such as 30d");
        return None;
    }
    let written = reader.text(field)?;
    let length = match parse_duration(&written) {
        Err(error) => {
            let unit = calendar_word(&written).filter(|_| field.key == "window");
            let calendar = unit.map(|unit| format!("write `window: {{calendar: {}}}`", unit.word()));
            let hint = as_duration(&written).or(calendar);
            let message = format!("`{}` is {error}", field.key);
            reader.report_with(&codes::DURATION, field.node.span, message, hint);
            return None;
        }
        Ok(duration) => WindowLength::from_duration(duration),
    };
    if length.is_none() {
        let message = format!(
            "`{}` is {written}; it must be whole minutes, at least 1m and at most ten years",
            field.key
        );
        reader.report(&codes::DURATION, field.node.span, message);
    }
    length.map(|length| (length, written))
}

/// `month`, `monthly` and `calendar month` mean a calendar's window.
fn calendar_word(written: &str) -> Option<CalendarUnit> {
    let lower = written.to_lowercase();
    let found = CalendarUnit::ALL.into_iter().find(|unit| lower.contains(unit.word()));
    found.or_else(|| (lower == "daily").then_some(CalendarUnit::Day))
}

fn read_calendar(reader: &mut Reader<'_>, field: Field<'_>) -> Option<CalendarWindow> {
    let mut fields = Fields::open(reader, field)?;
    let unit = fields
        .require("calendar")
        .and_then(|field| reader.choice(field, &CalendarUnit::ALL.map(|unit| (unit.word(), unit))));
    let every = fields.get("every");
    let count = every.map_or(Some(1), |field| read_count(reader, field));
    let start = fields
        .get("start")
        .map_or(Some(None), |field| read_start(reader, field).map(Some));
    let zone = fields
        .get("zone")
        .map_or(Some(Tz::UTC), |field| read_zone(reader, field));
    fields.finish_with(
        reader,
        &[
            ("timezone", "zone", "the key is `zone`"),
            ("timeZone", "zone", "the key is `zone`"),
            ("unit", "calendar", "the key is `calendar`"),
            ("count", "every", "the key is `every`"),
            ("startTime", "start", "the key is `start`"),
            (
                "duration",
                "calendar",
                "write `window: 30d` for the last 30 days, or `calendar: month`",
            ),
            ("rolling", "calendar", "write `window: 30d` for the last 30 days"),
        ],
    );
    let window = CalendarWindow {
        count: count?,
        unit: unit?,
        start: start?,
        zone: zone?,
    };
    if window.length().is_none() {
        let message = format!("{} {}s are longer than ten years", window.count, window.unit.word());
        reader.report(&codes::DURATION, every.unwrap_or(field).node.span, message);
        return None;
    }
    Some(window)
}

fn read_count(reader: &mut Reader<'_>, field: Field<'_>) -> Option<u32> {
    let count = u32::try_from(reader.whole(field)?).ok().filter(|count| *count > 0);
    if count.is_none() {
        let message = "`every` must be at least 1, and the whole window at most ten years";
        reader.report(&codes::NUMBER, field.node.span, message);
    }
    count
}

fn read_start(reader: &mut Reader<'_>, field: Field<'_>) -> Option<NaiveDateTime> {
    let text = reader.text(field)?;
    let text = text.trim();
    let time = NaiveDateTime::parse_from_str(&text.replacen('T', " ", 1), START_FORMAT).ok();
    let day = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0);
    let start = time.or_else(day);
    if start.is_none() {
        let message = format!("`start` is \"{text}\", no date and time");
        let hint = Some("write civil time in the window's zone: '2026-01-01 00:00:00'".to_owned());
        reader.report_with(&codes::DATE, field.node.span, message, hint);
    }
    start
}

fn read_zone(reader: &mut Reader<'_>, field: Field<'_>) -> Option<Tz> {
    let text = reader.text(field)?;
    let zone = text.trim().parse().ok();
    if zone.is_none() {
        let meant = suggest(&text, chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()));
        let hint = meant.map_or_else(
            || "zones are IANA names: Europe/Berlin, America/New_York, UTC".to_owned(),
            |zone| format!("did you mean `{zone}`?"),
        );
        reader.report_with(
            &codes::ZONE,
            field.node.span,
            format!("\"{text}\" is no time zone"),
            Some(hint),
        );
    }
    zone
}
