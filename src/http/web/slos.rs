//! `/`: all SLOs, the worst first, groups below their SLO, what does not load in its place.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::State as Extract;
use axum::http::Uri;
use axum::response::Response;

use super::pages::{self, PageLink};
use super::verdict::{self, STATES, State};
use super::{Frame, page};
use crate::domain::time::Timestamp;
use crate::engine::snapshot::{BudgetView, ConditionView, DiagnosticView, SloView, Snapshot};
use crate::http::format;
use crate::http::query::Query;
use crate::http::state::HttpState;

/// Groups shown below one SLO; its own page shows them all.
const GROUPS_SHOWN: usize = 5;

#[derive(Template)]
#[template(path = "slos.html")]
struct SlosPage {
    frame: Frame,
    total: usize,
    counts: Vec<Count>,
    rows: Vec<Row>,
    search: String,
    state: String,
    is_filtered: bool,
    pages: Vec<PageLink>,
}

struct Count {
    state: State,
    number: usize,
    href: String,
}

/// One line of the list.
pub struct Row {
    /// Its state.
    pub state: State,
    /// `service`, empty for a group.
    pub service: String,
    /// The SLO's name, the group's labels or the document's file.
    pub name: String,
    /// Its page; empty for a document that never loaded.
    pub href: String,
    /// It belongs to the SLO above.
    pub is_group: bool,
    /// `99.9%`
    pub objective: String,
    /// The SLI, and over which window.
    pub sli: String,
    /// `30d`
    pub window: String,
    /// The budget; `None` when it is unknown.
    pub budget: Option<Meter>,
    /// Why the budget is unknown.
    pub unknown: &'static str,
    /// Burn rates with their windows: `1h / 5m`.
    pub burn: String,
    /// Their windows.
    pub burn_windows: String,
    /// When the budget ends.
    pub exhausts: Option<super::Time>,
    /// Alerts that are not inactive.
    pub alerts: String,
    /// What is wrong with its file.
    pub problems: Vec<Problem>,
    /// What else is to be said of it, with its sign.
    pub note: Option<(State, String)>,
    /// Groups that are not listed.
    pub more_groups: usize,
}

/// A bar with its numbers.
pub struct Meter {
    /// `18 %`
    pub percent: String,
    /// Events left.
    pub events: String,
    /// 0 to 100.
    pub width: String,
    /// Less than nothing is left.
    pub is_over: bool,
}

/// A diagnostic in one line.
pub struct Problem {
    /// `slos/search.yaml:12:9`
    pub place: String,
    /// The stable code.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub hint: String,
}

/// The page.
pub async fn slos(Extract(state): Extract<HttpState>, uri: Uri) -> Response {
    let snapshot = state.snapshot.load();
    let query = Query::of(&uri);
    let (search, wanted) = (query.get("q").unwrap_or("").trim(), query.get("state").unwrap_or(""));
    let families = families(&snapshot);
    let is_filtered = !search.is_empty() || !wanted.is_empty();
    let kept: Vec<&Family<'_>> = families
        .iter()
        .filter(|family| family.is_like(search, wanted))
        .collect();
    let number = pages::number(&query);
    let now = state.clock.now();
    let rows = pages::slice(&kept, number)
        .iter()
        .flat_map(|family| family.rows(now))
        .collect();
    let (q, of_state) = (format::escaped(search), format::escaped(wanted));
    let pages = pages::links(kept.len(), number, |number| {
        format!("/?page={number}&q={q}&state={of_state}")
    });
    page(&SlosPage {
        frame: Frame::of(&state, &snapshot, "SLOs", "slos"),
        total: families.len(),
        counts: counts(&families),
        rows,
        search: search.to_owned(),
        state: wanted.to_owned(),
        is_filtered,
        pages,
    })
}

/// An SLO with its groups, the worst first.
struct Family<'a> {
    state: State,
    slo: &'a SloView,
    groups: Vec<&'a SloView>,
}

fn families(snapshot: &Snapshot) -> Vec<Family<'_>> {
    let mut groups: BTreeMap<(Option<&str>, Option<&str>), Vec<&SloView>> = BTreeMap::new();
    for slo in snapshot.slos.iter().filter(|slo| slo.group.is_some()) {
        groups
            .entry((slo.service.as_deref(), slo.name.as_deref()))
            .or_default()
            .push(slo);
    }
    let mut families = Vec::new();
    for slo in snapshot.slos.iter().filter(|slo| slo.group.is_none()) {
        // A second definition of the same name is listed as well; the groups belong to the one that runs.
        let key = (slo.service.as_deref(), slo.name.as_deref());
        let mut own = if slo.objective.is_some() {
            groups.remove(&key).unwrap_or_default()
        } else {
            Vec::new()
        };
        own.sort_by_key(|group| (verdict::state(group).rank, left_micro(group)));
        families.push(Family {
            state: verdict::state(slo),
            slo,
            groups: own,
        });
    }
    families.sort_by_key(|family| (family.rank(), left_micro(family.slo), family.slo.id.clone()));
    families
}

/// What is left of the budget, in millionths, for sorting.
fn left_micro(slo: &SloView) -> i64 {
    let ratio = slo.error_budget.and_then(|budget| budget.remaining_ratio);
    ratio.map_or(i64::MAX, |ratio| (ratio * 1e6) as i64)
}

impl<'a> Family<'a> {
    fn rank(&self) -> u8 {
        let worst_group = self
            .groups
            .iter()
            .map(|group| verdict::state(group).rank)
            .min()
            .unwrap_or(u8::MAX);
        // A group without events is no news, and its SLO is not worse for it.
        let worst_group = if worst_group < 3 { worst_group } else { u8::MAX };
        let invalid = if self.slo.spec == "invalid" { 3 } else { u8::MAX };
        self.state.rank.min(worst_group).min(invalid)
    }

    fn is_like(&self, search: &str, wanted: &str) -> bool {
        let search = search.to_lowercase();
        let texts = [&self.slo.id, &self.slo.file, &self.slo.owner];
        let labels = self.slo.labels.iter().map(|(name, value)| format!("{name}={value}"));
        let found = search.is_empty()
            || texts
                .into_iter()
                .flatten()
                .any(|text| text.to_lowercase().contains(&search))
            || labels.into_iter().any(|label| label.to_lowercase().contains(&search));
        found && (wanted.is_empty() || self.words().any(|word| word == wanted))
    }

    /// The states by which it is found: its own, and invalid beside it.
    fn words(&self) -> impl Iterator<Item = String> {
        let invalid = (self.slo.spec == "invalid").then_some("Invalid");
        [Some(self.state.word), invalid].into_iter().flatten().map(key_of)
    }

    fn rows(&self, now: Timestamp) -> impl Iterator<Item = Row> + use<'a> {
        let mut head = row(self.slo, now);
        head.more_groups = self.groups.len().saturating_sub(GROUPS_SHOWN);
        let groups: Vec<Row> = self
            .groups
            .iter()
            .take(GROUPS_SHOWN)
            .map(|group| row(group, now))
            .collect();
        std::iter::once(head).chain(groups)
    }
}

/// `At risk` as it stands in an address: `at_risk`.
fn key_of(word: &str) -> String {
    word.to_lowercase().replace(' ', "_")
}

fn counts(families: &[Family<'_>]) -> Vec<Count> {
    let count = |state: State| {
        let word = key_of(state.word);
        let count = families
            .iter()
            .filter(|family| family.words().any(|known| known == word))
            .count();
        Count {
            state,
            number: count,
            href: format!("/?state={word}"),
        }
    };
    STATES.into_iter().map(count).filter(|count| count.number > 0).collect()
}

/// One SLO or group as a line.
pub fn row(slo: &SloView, now: Timestamp) -> Row {
    let window = slo
        .window
        .as_ref()
        .map_or(String::new(), |window| window.text().to_owned());
    let shown = verdict::shown(slo);
    let group = slo
        .group
        .as_ref()
        .map(|pairs| crate::domain::labels::Group(pairs.clone()).to_label_set());
    Row {
        state: verdict::state(slo),
        service: if group.is_some() {
            String::new()
        } else {
            slo.service.clone().unwrap_or_default()
        },
        name: match (&group, &slo.name) {
            (Some(group), _) => group.clone(),
            (None, Some(name)) => name.clone(),
            (None, None) => slo.file.clone().unwrap_or_else(|| format::UNKNOWN.to_owned()),
        },
        href: if slo.objective.is_some() {
            href(slo)
        } else {
            String::new()
        },
        is_group: group.is_some(),
        objective: slo.objective_text.clone().unwrap_or_else(|| format::UNKNOWN.to_owned()),
        sli: sli(slo),
        window,
        budget: slo.error_budget.and_then(meter),
        unknown: unknown(slo),
        burn: shown.map_or_else(
            || format::UNKNOWN.to_owned(),
            |condition| {
                pair(condition, format::rate(condition.long_burn_rate), || {
                    format::rate(condition.short_burn_rate)
                })
            },
        ),
        burn_windows: shown.map_or_else(String::new, |condition| {
            pair(condition, condition.long.clone(), || condition.short.clone())
        }),
        exhausts: slo.exhausts_at.map(|at| super::Time::of(at, now)),
        alerts: alerts(slo),
        problems: if slo.spec == "invalid" {
            slo.diagnostics.iter().map(problem).collect()
        } else {
            Vec::new()
        },
        note: note(slo),
        more_groups: 0,
    }
}

/// What is to be said of the long and the short window; of one window where they are the same.
fn pair(condition: &ConditionView, long: String, short: impl Fn() -> String) -> String {
    if condition.long == condition.short {
        long
    } else {
        format!("{long} / {}", short())
    }
}

/// The SLI with two decimals more than its objective, so that a miss is to be seen.
pub fn sli(slo: &SloView) -> String {
    let text = slo.objective_text.as_deref().unwrap_or("");
    let decimals = text
        .split_once('.')
        .map_or(0, |(_, fraction)| fraction.trim_end_matches('%').len());
    slo.sli.map_or_else(
        || format::UNKNOWN.to_owned(),
        |sli| format::percent(sli, (decimals + 2).max(3)),
    )
}

/// The address of an SLO's page, or of a group's.
pub fn href(slo: &SloView) -> String {
    let (Some(service), Some(name)) = (&slo.service, &slo.name) else {
        return String::new();
    };
    let path = format!("/slos/{}/{}", format::escaped(service), format::escaped(name));
    match &slo.group {
        None => path,
        Some(pairs) => {
            let set = crate::domain::labels::Group(pairs.clone()).to_label_set();
            format!("{path}?group={}", format::escaped(&set))
        }
    }
}

/// A budget as a bar.
pub fn meter(budget: BudgetView) -> Option<Meter> {
    let ratio = budget.remaining_ratio.filter(|ratio| ratio.is_finite())?;
    Some(Meter {
        percent: format::budget_percent(ratio),
        events: format::amount(budget.remaining),
        width: format!("{:.1}", ratio.abs().min(1.0) * 100.0),
        is_over: ratio < 0.0,
    })
}

fn unknown(slo: &SloView) -> &'static str {
    if !slo.idle_reason.is_empty() {
        return "not computed";
    }
    match (slo.objective, slo.coverage) {
        (None, _) => "never loaded",
        (_, Some(coverage)) if coverage > 0.0 => "no events",
        _ => "no data yet",
    }
}

/// An SLO whose file does not load, or that is not computed: what that means.
fn note(slo: &SloView) -> Option<(State, String)> {
    match (slo.spec, slo.idle_reason.is_empty()) {
        ("invalid", true) if slo.objective.is_some() => Some((
            verdict::INVALID,
            "An earlier revision runs, the file on disk does not load:".to_owned(),
        )),
        (_, true) => None,
        ("invalid", false) => Some((
            verdict::INVALID,
            format!(
                "The file on disk does not load, and of the earlier revision {}:",
                slo.idle_reason
            ),
        )),
        (_, false) => Some((verdict::PAUSED, format!("It is not computed: {}.", slo.idle_reason))),
    }
}

fn alerts(slo: &SloView) -> String {
    let calling = slo.alerts.iter().filter(|alert| alert.state != "inactive");
    let words: Vec<String> = calling
        .map(|alert| {
            let name = if alert.name == "SLONoData" {
                "no data"
            } else {
                alert.severity
            };
            let stale = if alert.stale { ", stale" } else { "" };
            format!("{name} {}{stale}", alert.state)
        })
        .collect();
    if words.is_empty() {
        format::UNKNOWN.to_owned()
    } else {
        words.join(", ")
    }
}

/// A diagnostic as a line.
pub fn problem(diagnostic: &DiagnosticView) -> Problem {
    let numbers = [diagnostic.line, diagnostic.column].into_iter().flatten();
    let file = diagnostic.file.clone().unwrap_or_default();
    let place = numbers.fold(file, |place, number| format!("{place}:{number}"));
    Problem {
        place,
        code: diagnostic.code.clone(),
        message: diagnostic.message.clone(),
        hint: diagnostic.hint.clone().unwrap_or_default(),
    }
}
