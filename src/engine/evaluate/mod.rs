//! Evaluating: at every tick the counts are committed, the windows move on, the alerts step, and the read model is
//! swapped.

pub mod alerts;
pub mod view;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use self::alerts::{Alerts, Condition, burn_conditions, no_data_condition, no_data_key};
use self::view::{ViewFacts, active_views, idle_view, slo_view};
use super::catalog::{Catalog, Entry, Keys};
use super::collect::SloHealth;
use super::collect::notes::{PART_ABOVE_TOTAL, running, unfed};
use super::commit::Committer;
use super::history::History;
use super::ports::{Epoch, EvaluationCommit, KeyId, Store, StoreResult};
use super::push::{self, Pushes};
use super::read::Readers;
use super::snapshot::{DiagnosticView, SloView, Snapshot, TargetView};
use super::stats::Stats;
use crate::domain::alert::AlertState;
use crate::domain::evaluation::{BudgetState, Evaluation, evaluate};
use crate::domain::labels::Group;
use crate::domain::slo::SloId;
use crate::domain::time::{MINUTE_MS, SECOND_MS, Timestamp};
use crate::domain::window::WindowLength;

/// No transition happens before every feeding target was visited twice, or this time has passed since the start.
const SETTLE_MS: i64 = 2 * MINUTE_MS;
/// More bad (or good) events than events for this long is a diagnostic (counting rule 7).
const CLAMPED_SHOWN_AFTER_MS: i64 = 5 * MINUTE_MS;
/// A jump of the clock by more than this makes ticks untrusted until two of them agree.
const JUMP_MS: i64 = 60 * MINUTE_MS;
/// The last evaluation's time is stored at least this often.
const NOTE_TIME_EVERY_MS: i64 = 10 * SECOND_MS;
/// At most so many points stand in a budget's chart.
const CHART_POINTS: usize = 120;

/// Evaluates all SLOs, tick by tick.
pub struct Evaluator {
    store: Arc<dyn Store>,
    readers: Arc<Readers>,
    pushes: Arc<Pushes>,
    epoch: Epoch,
    catalog: Arc<Catalog>,
    keys: Keys,
    history: History,
    alerts: Alerts,
    started_at: Timestamp,
    last_tick: Option<Timestamp>,
    untrusted: bool,
    noted_at: Option<Timestamp>,
    /// Memory must be read again before it is used.
    stale: bool,
    clamped_since: HashMap<KeyId, Timestamp>,
    charts: HashMap<KeyId, Vec<(Timestamp, Option<f64>)>>,
    charts_hour: Option<i64>,
    revision: u64,
}

/// One SLO, or one group, with its ledger key.
struct Unit<'a> {
    entry: &'a Entry,
    group: Option<Group>,
    key: KeyId,
    evaluation: Evaluation,
}

impl Evaluator {
    /// Reads ledger and alerts from the store. Nobody is taken to have looked since the last evaluation that it knows.
    pub async fn load(
        store: Arc<dyn Store>,
        epoch: Epoch,
        readers: Arc<Readers>,
        (catalog, mut keys): (Arc<Catalog>, Keys),
        now: Timestamp,
        revision: u64,
    ) -> StoreResult<Self> {
        let history = {
            let mut changes = readers.books.lock().await;
            changes.clear();
            // Keys that were made since the others were read.
            keys.extend(&store.load_keys().await?);
            History::load(store.as_ref(), &wanted_keys(&catalog, &keys), now).await?
        };
        let last_look = store.last_evaluation_at().await?;
        let alerts = Alerts::load(&store.load_alerts().await?, last_look);
        Ok(Self {
            store,
            epoch,
            readers,
            pushes: Arc::default(),
            catalog,
            keys,
            history,
            alerts,
            started_at: now,
            last_tick: None,
            untrusted: false,
            noted_at: None,
            stale: false,
            clamped_since: HashMap::new(),
            charts: HashMap::new(),
            charts_hour: None,
            revision,
        })
    }

    /// What is pushed feeds SLOs too.
    pub fn listen_to(&mut self, pushes: Arc<Pushes>) {
        self.pushes = pushes;
    }

    /// The alerts as they stand.
    pub fn alerts(&self) -> &Alerts {
        &self.alerts
    }

    /// Goes on from the evaluator that looked until now: its settings were reloaded.
    pub fn go_on_from(&mut self, before: &Self) {
        // What a failed commit has left in memory is not trusted.
        if !before.stale {
            self.alerts.go_on_from(&before.alerts);
        }
    }

    /// One tick of the active process: commit, advance, evaluate, step, store. After an error memory is read again at
    /// the next tick.
    pub async fn tick(
        &mut self,
        committer: &Committer,
        stats: &Stats,
        now: Timestamp,
        muted_by: impl Fn(&str) -> Vec<String>,
    ) -> StoreResult<Snapshot> {
        let result = self.try_tick(committer, stats, now, muted_by).await;
        self.stale |= result.is_err();
        result
    }

    async fn try_tick(
        &mut self,
        committer: &Committer,
        stats: &Stats,
        now: Timestamp,
        muted_by: impl Fn(&str) -> Vec<String>,
    ) -> StoreResult<Snapshot> {
        self.refresh_if_stale(now).await?;
        self.watch_clock(now);
        self.history.advance(self.store.as_ref(), now).await?;
        let committed = committer.commit(now).await?;
        for record in &committed.new_keys {
            if let Some(entry) = self.catalog.entry(record.slo) {
                self.history.add(record.id, windows_of(entry));
            }
        }
        self.keys.extend(&committed.new_keys);
        for commit in &committed.commits {
            self.history.credit(&commit.credits);
        }
        self.take_over_reads(now).await?;
        let collector = &committer.collector;
        collector.expire_notes(now);
        collector.set_busiest(self.busiest_rates());
        let mut health = collector.health();
        health.extend(self.readers.health(now));
        health.extend(self.pushes.health());
        health.extend(committer.probes.health(now));
        let catalog = Arc::clone(&self.catalog);
        let units = self.evaluate_all(&catalog, now);
        self.step_alerts(&units, &health, now, stats).await?;
        let views = self.views(&units, &health, now);
        self.last_tick = Some(now);
        stats.evaluations.increment();
        let mut targets = collector.target_views();
        targets.extend(committer.probes.views());
        Ok(self.snapshot(views, targets, now, true, muted_by))
    }

    /// The read model of a standby: what the store holds, evaluated, without stepping anything.
    pub fn look(&mut self, now: Timestamp) -> Snapshot {
        let catalog = Arc::clone(&self.catalog);
        let units = self.evaluate_all(&catalog, now);
        let views = self.views(&units, &HashMap::new(), now);
        self.snapshot(views, Vec::new(), now, false, |_| Vec::new())
    }

    async fn refresh_if_stale(&mut self, now: Timestamp) -> StoreResult<()> {
        if self.stale {
            let mut changes = self.readers.books.lock().await;
            changes.clear();
            self.keys = Keys::default();
            self.keys.extend(&self.store.load_keys().await?);
            self.history = History::load(self.store.as_ref(), &wanted_keys(&self.catalog, &self.keys), now).await?;
            self.alerts = Alerts::load(&self.store.load_alerts().await?, self.last_tick);
            self.stale = false;
        }
        Ok(())
    }

    /// Takes over what readers have committed since the last tick.
    async fn take_over_reads(&mut self, now: Timestamp) -> StoreResult<()> {
        let mut changes = self.readers.books.lock().await;
        let changes = std::mem::take(&mut *changes);
        for record in &changes.new_keys {
            if let Some(entry) = self.catalog.entry(record.slo) {
                self.history.add(record.id, windows_of(entry));
            }
        }
        self.keys.extend(&changes.new_keys);
        let mut unknown = changes.unknown;
        let (recent, old): (Vec<_>, Vec<_>) = changes
            .credits
            .into_iter()
            .partition(|credit| History::is_recent(credit.minute, now));
        unknown.extend(old.iter().map(|credit| credit.key));
        let known: Vec<_> = recent
            .into_iter()
            .filter(|credit| !unknown.contains(&credit.key))
            .collect();
        self.history.credit(&known);
        // Of old minutes memory has no detail: whether one is observed only now is the store's to say.
        let unknown: Vec<KeyId> = unknown.into_iter().collect();
        if !unknown.is_empty() {
            self.charts_hour = None;
        }
        self.history.reload(self.store.as_ref(), &unknown).await
    }

    /// After a jump forward of more than an hour nothing is resolved until two readings agree.
    fn watch_clock(&mut self, now: Timestamp) {
        let jumped = self.last_tick.is_some_and(|last| now.since(last) > JUMP_MS);
        if jumped {
            tracing::warn!("the clock has jumped by more than an hour; nothing resolves until two ticks agree");
        }
        self.untrusted = jumped;
    }

    fn evaluate_all<'a>(&mut self, catalog: &'a Catalog, now: Timestamp) -> Vec<Unit<'a>> {
        let mut units = Vec::with_capacity(catalog.entries.len());
        for entry in &catalog.entries {
            let mut keys = Vec::new();
            keys.extend(self.keys.get(entry.id, None).map(|key| (None, key)));
            if !entry.slo.indicator.group_by.is_empty() {
                let of_present = |group: &Group| {
                    group
                        .0
                        .iter()
                        .map(|(name, _)| name)
                        .eq(entry.slo.indicator.group_by.iter())
                };
                let groups = self
                    .keys
                    .groups_of(entry.id)
                    .into_iter()
                    .filter(|(group, _)| of_present(group));
                keys.extend(groups.map(|(group, key)| (Some(group), key)));
            }
            for (group, key) in keys {
                let evaluation = evaluate(&entry.slo, |window| self.history.sum(key, window), now);
                if evaluation.clamped {
                    self.clamped_since.entry(key).or_insert(now);
                } else {
                    self.clamped_since.remove(&key);
                }
                units.push(Unit {
                    entry,
                    group,
                    key,
                    evaluation,
                });
            }
        }
        units
    }

    async fn step_alerts(
        &mut self,
        units: &[Unit<'_>],
        health: &HashMap<i64, SloHealth>,
        now: Timestamp,
        stats: &Stats,
    ) -> StoreResult<()> {
        let mut commit = EvaluationCommit {
            at: now,
            ..EvaluationCommit::default()
        };
        let (conditions, unseen) = self.conditions(units, health, now);
        let next = self.alerts.step(conditions, &unseen, &mut commit);
        let time_is_due = self.noted_at.is_none_or(|at| now.since(at) >= NOTE_TIME_EVERY_MS);
        let changed = !(commit.alerts.is_empty() && commit.removed.is_empty() && commit.transitions.is_empty());
        if changed || time_is_due {
            self.store.commit_evaluation(self.epoch, &commit).await?;
            self.noted_at = Some(now);
        }
        for (key, _) in &commit.transitions {
            tracing::info!(alert = key, "alert transition");
            stats.transitions.add(&[key.rsplit(' ').next().unwrap_or("")], 1);
        }
        self.alerts = next;
        Ok(())
    }

    /// The conditions of all alerts, and for how long each SLO has been without data.
    fn conditions<'a>(
        &self,
        units: &'a [Unit<'_>],
        health: &HashMap<i64, SloHealth>,
        now: Timestamp,
    ) -> (Vec<Condition<'a>>, BTreeMap<SloId, i64>) {
        let (mut conditions, mut unseen) = (Vec::new(), BTreeMap::new());
        let waited = now.since(self.started_at) >= SETTLE_MS;
        for unit in units {
            let slo = &unit.entry.slo;
            let of_slo = health.get(&unit.entry.id).cloned().unwrap_or_default();
            let mut of_unit = Vec::new();
            if slo.alerting.enabled && (unit.group.is_some() || slo.indicator.group_by.is_empty()) {
                of_unit.extend(burn_conditions(slo, unit.group.as_ref(), &unit.evaluation));
            }
            if slo.alerting.enabled && unit.group.is_none() {
                let unseen_ms = self.unseen_ms(unit, &of_slo, now);
                unseen.insert(slo.id.clone(), unseen_ms);
                of_unit.extend(no_data_condition(slo, &of_slo, unseen_ms, now));
            }
            for mut condition in of_unit {
                let is_active = || self.alerts.status(&condition.key).state() != AlertState::Inactive;
                if !(waited || of_slo.settled) || (self.untrusted && is_active()) {
                    condition.causes.iter_mut().for_each(|cause| cause.holds = None);
                }
                conditions.push(condition);
            }
        }
        (conditions, unseen)
    }

    /// For how long nothing was seen while nines looked: the time between ticks, never the time in which it was down.
    fn unseen_ms(&self, unit: &Unit<'_>, health: &SloHealth, now: Timestamp) -> i64 {
        let before = self.alerts.unseen_ms(&no_data_key(&unit.entry.slo));
        let Some(last) = self.last_tick else { return before };
        if health.matched_at.is_some_and(|at| at > last) {
            return 0;
        }
        before.saturating_add(now.since(last).clamp(0, JUMP_MS))
    }

    fn views(&mut self, units: &[Unit<'_>], health: &HashMap<i64, SloHealth>, now: Timestamp) -> Vec<SloView> {
        self.chart_budgets(units, now);
        let backfills = self.readers.views();
        let mut coverage = 0.0;
        let view = |unit: &Unit<'_>| {
            let of_slo = health.get(&unit.entry.id);
            if unit.group.is_none() {
                coverage = unit.evaluation.coverage;
            }
            let mut diagnostics: Vec<DiagnosticView> = Vec::new();
            if unit.group.is_none() {
                diagnostics.extend(of_slo.iter().flat_map(|health| health.diagnostics.clone()));
                diagnostics.extend(of_slo.and_then(|health| self.unfed_diagnostic(unit, health, now)));
            }
            diagnostics.extend(self.clamped_diagnostic(unit.key, now));
            let facts = ViewFacts {
                group: unit.group.as_ref(),
                alerts: &self.alerts,
                lifetime: self.history.lifetime(unit.key),
                resets: of_slo.map_or(0, |health| health.resets),
                coverage,
                diagnostics,
                backfill: backfills.get(&unit.entry.id).filter(|_| unit.group.is_none()).cloned(),
                budget_history: self.charts.get(&unit.key).cloned().unwrap_or_default(),
            };
            slo_view(unit.entry, &unit.evaluation, facts, now)
        };
        units.iter().map(view).collect()
    }

    /// Why there is no data, where nothing has ever fed the SLO. Of a server that has not given everything yet, nobody
    /// can tell.
    fn unfed_diagnostic(&self, unit: &Unit<'_>, health: &SloHealth, now: Timestamp) -> Option<DiagnosticView> {
        let server = unit.entry.slo.indicator.source.as_deref();
        let waited = server.is_none() && now.since(self.started_at) >= SETTLE_MS;
        let is_unfed = health.feeding == 0 && unit.evaluation.state == BudgetState::NoData;
        let indicator = &unit.entry.slo.indicator;
        (is_unfed && (health.looked || waited))
            .then(|| push::unfed(&indicator.kind).unwrap_or_else(|| unfed(indicator)))
    }

    fn clamped_diagnostic(&self, key: KeyId, now: Timestamp) -> Option<DiagnosticView> {
        let since = self
            .clamped_since
            .get(&key)
            .filter(|since| now.since(**since) >= CLAMPED_SHOWN_AFTER_MS)?;
        let message =
            format!("since {since} the window has held more bad (or good) events than events; they are clamped");
        let hint = "the second selector should select a part of what `total` selects".to_owned();
        Some(running(PART_ABOVE_TOTAL, message, Some(hint)))
    }

    /// How the budget of the present window was spent, hour by hour: 1 at its start, what remains at its end.
    fn chart_budgets(&mut self, units: &[Unit<'_>], now: Timestamp) {
        let hour = now.minute().hour().0;
        if self.charts_hour == Some(hour) {
            return;
        }
        self.charts_hour = Some(hour);
        self.charts.clear();
        for unit in units {
            let allowed = unit.evaluation.budget.allowed;
            let from = unit.entry.slo.window.length().first_minute(now).hour();
            let hours: Vec<_> = self
                .history
                .hours(unit.key)
                .into_iter()
                .filter(|(hour, _)| *hour >= from)
                .collect();
            if allowed <= 0.0 || hours.len() < 2 {
                continue;
            }
            let every = hours.len().div_ceil(CHART_POINTS);
            let mut spent = 0.0;
            let mut points = Vec::new();
            for (number, (hour, sum)) in hours.iter().enumerate() {
                spent += super::snapshot::events((sum.total - sum.good).max(0));
                if number % every == every - 1 || number + 1 == hours.len() {
                    points.push((hour.first_minute().start(), Some(1.0 - spent / allowed)));
                }
            }
            self.charts.insert(unit.key, points);
        }
    }

    fn busiest_rates(&self) -> HashMap<i64, f64> {
        let rate = |entry: &Entry| {
            self.keys
                .get(entry.id, None)
                .map(|key| (entry.id, self.history.busiest_rate(key)))
        };
        self.catalog.entries.iter().filter_map(rate).collect()
    }

    fn snapshot(
        &mut self,
        mut slos: Vec<SloView>,
        targets: Vec<TargetView>,
        now: Timestamp,
        active: bool,
        muted_by: impl Fn(&str) -> Vec<String>,
    ) -> Snapshot {
        self.revision += 1;
        slos.extend(self.catalog.idle.iter().map(idle_view));
        slos.sort_by(|a, b| (a.id.is_none(), &a.id, &a.file, a.line).cmp(&(b.id.is_none(), &b.id, &b.file, b.line)));
        Snapshot {
            revision: self.revision,
            as_of: now,
            slos,
            alerts: active_views(&self.alerts, muted_by),
            targets,
            discrepancy_micro: None,
            heartbeats: Vec::new(),
            active,
        }
    }
}

/// Every ledger key of the catalog with the windows that are to be summed.
fn wanted_keys(catalog: &Catalog, keys: &Keys) -> Vec<(KeyId, Vec<WindowLength>)> {
    let mut wanted = Vec::new();
    for entry in &catalog.entries {
        let windows = windows_of(entry);
        wanted.extend(keys.get(entry.id, None).map(|key| (key, windows.clone())));
        wanted.extend(
            keys.groups_of(entry.id)
                .into_iter()
                .map(|(_, key)| (key, windows.clone())),
        );
    }
    wanted
}

fn windows_of(entry: &Entry) -> Vec<WindowLength> {
    let mut windows: Vec<WindowLength> = entry
        .slo
        .alerting
        .windows()
        .into_iter()
        .map(|window| window.length)
        .collect();
    windows.push(entry.slo.window.length());
    windows
}
