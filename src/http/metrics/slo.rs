//! The families about SLOs, alerts and targets: what the snapshot holds.

use std::collections::BTreeMap;

use super::writer::{Kind, Label, Writer};
use crate::domain::time::Timestamp;
use crate::engine::snapshot::{SloView, Snapshot};

/// Writes them.
pub fn write(writer: &mut Writer, snapshot: &Snapshot) {
    let known: Vec<Running<'_>> = snapshot.slos.iter().filter_map(Running::of).collect();
    write_info(writer, &known);
    let running: Vec<Running<'_>> = known.into_iter().filter(|slo| slo.view.as_of.is_some()).collect();
    write_budget(writer, &running);
    write_events(writer, &running);
    write_spec_valid(writer, &snapshot.slos);
    write_alerts(writer, snapshot);
    write_targets(writer, snapshot);
}

/// An SLO, or one of its groups, with its identifying labels. One that is paused has no numbers, and is only named.
struct Running<'a> {
    view: &'a SloView,
    labels: [Label<'a>; 3],
    objective: f64,
}

impl<'a> Running<'a> {
    /// `None` for a document that never loaded: it has no objective.
    fn of(view: &'a SloView) -> Option<Self> {
        let (id, service, name) = (view.id.as_deref()?, view.service.as_deref()?, view.name.as_deref()?);
        let labels = [("service", service), ("slo", name), ("slo_id", id)];
        Some(Self {
            view,
            labels,
            objective: view.objective?,
        })
    }

    fn window(&self) -> &'a str {
        self.view.window.as_ref().map_or("", |window| window.text())
    }

    fn with<'b>(&self, name: &'b str, value: &'b str) -> [Label<'b>; 4]
    where
        'a: 'b,
    {
        let [service, slo, id] = self.labels;
        [service, slo, id, (name, value)]
    }
}

fn write_info(writer: &mut Writer, running: &[Running<'_>]) {
    writer.family(
        "nines_slo_info",
        Kind::Gauge,
        "What an SLO is: its objective in percent, its window and its labels.",
    );
    for slo in running {
        let text = slo.view.objective_text.as_deref().unwrap_or("");
        let mut labels: Vec<(String, &str)> = slo
            .labels
            .iter()
            .map(|(name, value)| ((*name).to_owned(), *value))
            .collect();
        labels.push(("objective".to_owned(), text.strip_suffix('%').unwrap_or(text)));
        labels.push(("window".to_owned(), slo.window()));
        for (name, value) in slo.view.labels.iter().filter(|(name, _)| is_label_name(name)) {
            let is_taken = |name: &str| labels.iter().any(|(taken, _)| taken == name);
            let name = if is_taken(name) {
                format!("label_{name}")
            } else {
                name.clone()
            };
            if !is_taken(&name) {
                labels.push((name, value));
            }
        }
        let all: Vec<Label<'_>> = labels.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        writer.sample(&all, 1.0);
    }
    writer.family(
        "nines_slo_objective_ratio",
        Kind::Gauge,
        "The wanted share of good events.",
    );
    for slo in running {
        writer.sample(&slo.labels, slo.objective);
    }
}

/// The format knows no other names; reserved ones begin with two underscores.
fn is_label_name(name: &str) -> bool {
    let rest_is_fine = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    rest_is_fine && !name.is_empty() && !name.starts_with("__") && !name.as_bytes()[0].is_ascii_digit()
}

fn write_budget(writer: &mut Writer, running: &[Running<'_>]) {
    writer.family(
        "nines_slo_sli_ratio",
        Kind::Gauge,
        "The share of good events in the window; absent without events.",
    );
    for slo in running {
        writer.maybe(&slo.with("window", slo.window()), slo.view.sli);
    }
    writer.family(
        "nines_slo_error_budget_remaining_ratio",
        Kind::Gauge,
        "The share of the error budget that is left, below 0 when it is overspent; absent without events.",
    );
    for slo in running {
        writer.maybe(
            &slo.labels,
            slo.view.error_budget.and_then(|budget| budget.remaining_ratio),
        );
    }
    writer.family(
        "nines_slo_burn_rate_ratio",
        Kind::Gauge,
        "How fast the budget is spent: 1 spends exactly all of it in the SLO's window; absent without events.",
    );
    for slo in running {
        for (window, rate) in slo.view.burn_rates.iter().flat_map(|rates| &rates.0) {
            writer.maybe(&slo.with("window", window), *rate);
        }
    }
    writer.family(
        "nines_slo_coverage_ratio",
        Kind::Gauge,
        "Observed minutes of the window over its minutes.",
    );
    for slo in running {
        writer.maybe(&slo.labels, slo.view.coverage);
    }
    writer.family("nines_slo_no_data", Kind::Gauge, "1 when the window holds no events.");
    for slo in running {
        writer.whole(&slo.labels, u64::from(slo.view.state == "no_data"));
    }
    writer.family(
        "nines_slo_last_evaluation_timestamp_seconds",
        Kind::Gauge,
        "The tick at which the numbers were computed.",
    );
    for slo in running {
        writer.maybe(&slo.labels, slo.view.as_of.map(Timestamp::as_seconds));
    }
}

fn write_events(writer: &mut Writer, running: &[Running<'_>]) {
    writer.family(
        "nines_slo_events_total",
        Kind::Counter,
        "All events ever counted, also by earlier processes.",
    );
    for slo in running {
        if let Some((_, total)) = slo.view.lifetime {
            writer.micro(&slo.labels, total);
        }
    }
    writer.family(
        "nines_slo_good_events_total",
        Kind::Counter,
        "All good events ever counted, also by earlier processes.",
    );
    for slo in running {
        if let Some((good, _)) = slo.view.lifetime {
            writer.micro(&slo.labels, good);
        }
    }
    writer.family(
        "nines_slo_resets_total",
        Kind::Counter,
        "Counter resets seen in the series of an SLO since this process started.",
    );
    for slo in running {
        writer.whole(&slo.labels, slo.view.resets);
    }
}

fn write_spec_valid(writer: &mut Writer, slos: &[SloView]) {
    let mut files: BTreeMap<&str, bool> = BTreeMap::new();
    for slo in slos {
        if let Some(file) = slo.file.as_deref() {
            *files.entry(file).or_insert(true) &= slo.spec != "invalid";
        }
    }
    writer.family(
        "nines_slo_spec_valid",
        Kind::Gauge,
        "1 when the SLO file on disk loads; otherwise an earlier one runs.",
    );
    for (file, is_valid) in files {
        writer.whole(&[("file", file)], u64::from(is_valid));
    }
}

fn write_alerts(writer: &mut Writer, snapshot: &Snapshot) {
    let firing = |severity: &str| {
        let is_it = |alert: &&crate::engine::snapshot::AlertView| alert.state == "firing" && alert.severity == severity;
        snapshot.alerts.iter().filter(is_it).count() as u64
    };
    writer.family("nines_alerts_firing", Kind::Gauge, "Alerts that fire.");
    for severity in ["page", "ticket"] {
        writer.whole(&[("severity", severity)], firing(severity));
    }
}

fn write_targets(writer: &mut Writer, snapshot: &Snapshot) {
    let labels = |target: &crate::engine::snapshot::TargetView| {
        ["job", "instance"].map(|name| target.about.labels.get(name).cloned().unwrap_or_default())
    };
    writer.family(
        "nines_target_up",
        Kind::Gauge,
        "1 when the last visit gave a page; absent before the first.",
    );
    for target in scraped(snapshot).filter(|target| target.health != "unknown") {
        let [job, instance] = labels(target);
        writer.whole(
            &[("job", &job), ("instance", &instance)],
            u64::from(target.health == "up"),
        );
    }
    writer.family(
        "nines_target_scrape_duration_seconds",
        Kind::Gauge,
        "How long the last visit took.",
    );
    for target in scraped(snapshot).filter(|target| target.last_scrape.is_some()) {
        let [job, instance] = labels(target);
        writer.sample(&[("job", &job), ("instance", &instance)], target.last_scrape_duration);
    }
}

/// Probed targets have families of their own.
fn scraped(snapshot: &Snapshot) -> impl Iterator<Item = &crate::engine::snapshot::TargetView> {
    snapshot.targets.iter().filter(|target| target.probe.is_none())
}
