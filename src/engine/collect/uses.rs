//! How the SLOs use one series, with as little text as may be: a page has many series, and each SLO remembers its own.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::cursor::Cursor;
use super::reports::{is_report, may_use};
use crate::domain::counting::text::SharedText;
use crate::domain::counting::units::SeriesUse;
use crate::domain::reading::{Series, Target};
use crate::engine::catalog::Catalog;

/// A series, found by its key; the text is the one that the page's reader holds.
#[derive(Debug)]
pub struct ByKey(pub Arc<Series>);

impl Borrow<str> for ByKey {
    fn borrow(&self) -> &str {
        &self.0.key
    }
}

impl Hash for ByKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.key.hash(state);
    }
}

impl PartialEq for ByKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.key == other.0.key
    }
}

impl Eq for ByKey {}

/// How the SLOs use a series of this target. Their keys are those of the last values where there are any, and one for
/// all where there are none; the family is the last one where it is the same.
pub fn uses_of(
    target: &Target,
    series: &Series,
    cursor: Option<&Cursor>,
    family: &mut SharedText,
    catalog: &Catalog,
) -> Arc<[(i64, SeriesUse)]> {
    let Some((metric, labels)) = target.seen(&series.metric, &series.labels) else {
        return Arc::default();
    };
    let is_report = is_report(series);
    let mut key: Option<SharedText> = None;
    let entries = catalog.users_of(&metric);
    let used = entries.filter(|entry| !(is_report && may_use(&entry.slo.indicator.kind)));
    let used = used.filter_map(|entry| {
        let mut used = entry.slo.indicator.use_of(series, &metric, &labels)?;
        let units = cursor
            .and_then(|cursor| cursor.slos.get(&entry.id))
            .map(|of_slo| &of_slo.units);
        let known = units.and_then(|units| units.get_key_value(&used.key));
        if let Some(known) = known.map(|(known, _)| known).or(key.as_ref()) {
            used.key.share(known);
        }
        used.family.share(family);
        (key, *family) = (Some(used.key.clone()), used.family.clone());
        Some((entry.id, used))
    });
    used.collect()
}
