//! The indicator of an SLO: `events`, `raw` or `plugin`.

use super::words::{self, Keys};
use super::{TOOL, sli_plugins};
use crate::domain::indicator::{Indicator, RatioPart};
use crate::spec::codes;
use crate::spec::query::{self, Ranges};
use crate::spec::reader::{Field, Fields, Reader};

const TYPES: &str = "exactly one of `events`, `raw` and `plugin` is written";
const UNDER_EVENTS: &str = "it belongs into `events`, one level deeper";
const UNDER_RAW: &str = "it belongs into `raw`, one level deeper";

/// Keys that stand one level too high.
const TOO_HIGH: [(&str, &str); 6] = [
    ("error_query", UNDER_EVENTS),
    ("errorQuery", UNDER_EVENTS),
    ("total_query", UNDER_EVENTS),
    ("totalQuery", UNDER_EVENTS),
    ("error_ratio_query", UNDER_RAW),
    ("errorRatioQuery", UNDER_RAW),
];

/// Reads `sli`; every form that is written is checked, also where there is one too many.
pub(super) fn read(reader: &mut Reader<'_>, field: Field<'_>, keys: &Keys) -> Option<Indicator> {
    let mut fields = Fields::open(reader, field)?;
    let forms = ["events", "raw", "plugin"].map(|key| fields.get(key));
    words::misread(reader, &mut fields, &TOO_HIGH);
    fields.finish_foreign(reader, TOOL);
    let [events, raw, plugin] = forms;
    let read = [
        events.and_then(|events| read_events(reader, events, keys)),
        raw.and_then(|raw| read_raw(reader, raw, keys)),
        plugin.and_then(|plugin| sli_plugins::read(reader, plugin, keys)),
    ];
    let mut written: Vec<_> = forms.into_iter().flatten().collect();
    written.sort_by_key(|form| form.key_span.start);
    match written.as_slice() {
        [_] => read.into_iter().flatten().next(),
        [] => {
            let message = "the SLI has no type";
            reader.report_with(&codes::EXCLUSIVE, field.key_span, message, Some(TYPES.to_owned()));
            None
        }
        [first, second, ..] => {
            let message = format!("the SLI has two types, `{}` and `{}`", first.key, second.key);
            reader.report_with(&codes::EXCLUSIVE, second.key_span, message, Some(TYPES.to_owned()));
            None
        }
    }
}

fn read_events(reader: &mut Reader<'_>, field: Field<'_>, keys: &Keys) -> Option<Indicator> {
    let mut fields = Fields::open(reader, field)?;
    let (error, total) = (fields.require(keys.error_query), fields.require(keys.total_query));
    let bad = error.and_then(|field| query::read(reader, field, Ranges::Template));
    let all = total.and_then(|field| query::read(reader, field, Ranges::Template));
    fields.finish_foreign(reader, TOOL);
    let (bad, all) = (bad?, all?);
    if bad.text == all.text {
        let message = format!("`{}` and `{}` are the same query", keys.error_query, keys.total_query);
        let hint = format!(
            "`{}` selects the bad events only, for example code=~\"5..\"",
            keys.error_query
        );
        reader.report_with(&codes::INDICATOR, bad.span, message, Some(hint));
        return None;
    }
    Some(query::ratio(reader, &all, &bad, RatioPart::Bad))
}

fn read_raw(reader: &mut Reader<'_>, field: Field<'_>, keys: &Keys) -> Option<Indicator> {
    let mut fields = Fields::open(reader, field)?;
    let ratio = fields.require(keys.error_ratio_query);
    let ratio = ratio.and_then(|field| query::read(reader, field, Ranges::Template));
    fields.finish_foreign(reader, TOOL);
    Some(query::raw_ratio(reader, &ratio?, RatioPart::Bad))
}
