//! Random histories of a server, and what an obvious count of them gives.

use std::collections::BTreeMap;

use super::super::{Asides, Questions};
use crate::domain::answer::{AnsweredSeries, ServerTarget};
use crate::domain::counts::to_micro;
use crate::domain::indicator::{CompareOp, Indicator, IndicatorKind, RatioPart};
use crate::domain::labels::Labels;
use crate::domain::selector_parser::parse_selector;
use crate::domain::time::{MINUTE_MS, Timestamp};

/// When all histories begin.
pub const BEGIN: i64 = 1_795_000_000_123;
/// The chunks begin here; what lies before is baseline.
pub const FROM: Timestamp = Timestamp(BEGIN + 6 * MINUTE_MS);

/// What the SLO counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Ratio,
    Latency,
    Gauge,
}

pub fn indicator(kind: Kind, is_grouped: bool) -> Indicator {
    let selector = |text: &str| parse_selector(text).expect("it is a selector");
    let kind = match kind {
        Kind::Ratio => IndicatorKind::Ratio {
            total: selector("requests_total"),
            part: selector(r#"requests_total{code="500"}"#),
            part_is: RatioPart::Bad,
        },
        Kind::Latency => IndicatorKind::Latency {
            histogram: selector("latency"),
            threshold: 0.3,
            written: "300ms".to_owned(),
        },
        Kind::Gauge => IndicatorKind::Gauge {
            gauge: selector("requests_total"),
            op: CompareOp::Lte,
            value: 900.0,
        },
    };
    let group_by = if is_grouped {
        vec!["code".to_owned()]
    } else {
        Vec::new()
    };
    Indicator {
        kind,
        source: Some("main".to_owned()),
        group_by,
    }
}

/// How one target behaves.
#[derive(Clone, Debug)]
pub struct Script {
    pub interval_s: i64,
    pub phase_ms: i64,
    pub shows_start: bool,
    /// It is scraped before its first series appear.
    pub is_scraped_before: bool,
    pub scale: f64,
    pub ops: Vec<u8>,
}

/// What a server has of one target.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    pub target: ServerTarget,
    /// Samples of 200, 500 and a series that churns.
    pub series: BTreeMap<&'static str, Vec<(Timestamp, f64)>>,
    pub starts: Vec<(Timestamp, f64)>,
    pub ups: Vec<Timestamp>,
}

impl Truth {
    /// Plays a script.
    pub fn of(index: usize, script: &Script) -> Self {
        let target = ServerTarget {
            job: "shop".to_owned(),
            instance: format!("a\"{index}\\"),
        };
        let mut truth = Self {
            target,
            ..Self::default()
        };
        let mut at = BEGIN + script.phase_ms;
        let mut start = at as f64 / 1e3 - 90.0;
        let (mut ok, mut bad, mut lost) = (1000.0 * script.scale, None::<f64>, 0.0);
        if script.is_scraped_before {
            truth.ups.push(Timestamp(at - 7 * MINUTE_MS));
        }
        for op in &script.ops {
            let amount = f64::from(*op) / 4.0 * script.scale;
            at += script.interval_s * 1000;
            let mut shown_bad = true;
            match op % 16 {
                8 => {
                    lost += amount;
                    continue;
                }
                9 => {
                    start = at as f64 / 1e3 - f64::from(*op) / 8.0;
                    ok = amount + lost;
                    bad = bad.map(|bad| if *op > 128 { amount / 2.0 } else { bad + 2000.0 });
                }
                10 => shown_bad = false,
                11 => bad = Some(bad.unwrap_or(0.0) + amount * 100.0),
                12 => ok *= 0.995,
                13 => ok /= 2.0,
                14 => at += 40 * script.interval_s * 1000 * i64::from(op / 64),
                15 => bad = bad.map(|bad| if *op > 128 { f64::NAN } else { bad - 1.0 }),
                _ => ok += amount,
            }
            if bad.is_some_and(f64::is_nan) && op % 16 != 15 {
                bad = Some(amount);
            }
            truth.show("200", at, Some(ok));
            truth.show("500", at, bad.filter(|_| shown_bad));
            truth.show("302", at, (op % 7 == 0).then_some(ok + 7.0));
            truth.ups.push(Timestamp(at));
            // Sometimes the page is cut after the counters.
            if script.shows_start && op % 5 != 0 {
                truth.starts.push((Timestamp(at), start));
            }
        }
        truth
    }

    fn show(&mut self, code: &'static str, at: i64, value: Option<f64>) {
        if let Some(value) = value {
            self.series.entry(code).or_default().push((Timestamp(at), value));
        }
    }

    /// What a server answers to all selectors of an SLO.
    pub fn answer(&self, kind: Kind, after: Timestamp, until: Timestamp) -> Vec<AnsweredSeries> {
        let mut answer = Vec::new();
        for (code, samples) in &self.series {
            let samples: Vec<_> = between(samples, after, until);
            let (metric, extra) = match (kind, *code) {
                (Kind::Latency, "200") => ("latency_count", ("code", "")),
                (Kind::Latency, "500") => ("latency_bucket", ("le", "0.30")),
                (Kind::Latency, _) => ("latency_bucket", ("le", "+Inf")),
                (_, code) => ("requests_total", ("code", code)),
            };
            let mut labels: Labels = [extra].into_iter().collect();
            labels.set("job", &self.target.job);
            labels.set("instance", &self.target.instance);
            let series = AnsweredSeries {
                metric: metric.to_owned(),
                labels,
                samples,
            };
            if series.samples.is_empty() {
                continue;
            }
            // Two selectors may answer the same series, the second one perhaps with more samples.
            if *code == "500" {
                let mut less = series.clone();
                less.samples.pop();
                answer.insert(0, less);
                answer.push(series.clone());
            }
            answer.push(series);
        }
        answer
    }

    /// Answers questions with nothing more than was asked for.
    pub fn aside(&self, questions: &Questions, until: Timestamp, asides: &mut Asides) {
        if let Some(since) = questions.starts.get(&self.target) {
            let starts = between(&self.starts, *since, until);
            asides.starts.insert(self.target.clone(), starts);
        }
        if let Some(first) = questions.newcomers.get(&self.target)
            && self.was_scraped_before(*first)
        {
            asides.scraped_before.insert(self.target.clone());
        }
    }

    fn was_scraped_before(&self, first: Timestamp) -> bool {
        let since = Timestamp(first.0 - 10 * MINUTE_MS);
        self.ups.iter().any(|up| (since..first).contains(up))
    }

    /// What counts from a time on by the rules, in millionths: total and good. Values are last values until something
    /// else is known, and every rule is looked up in the whole history.
    pub fn counted(&self, from: Timestamp, baseline_since: Timestamp) -> (i128, i128) {
        let mut visits: Vec<Timestamp> = self.series.values().flatten().map(|(at, _)| *at).collect();
        visits.sort();
        visits.dedup();
        visits.retain(|at| *at > baseline_since);
        let mut last: BTreeMap<&str, f64> = BTreeMap::new();
        let (mut previous, mut sum) = (None::<Timestamp>, (0, 0));
        for at in visits {
            let start = self.start_at(at).filter(|_| at > from);
            let before = previous.and_then(|previous| self.start_at(previous));
            let (is_same, is_newer) = match (start, before, previous) {
                (Some(now), Some(then), Some(previous)) => {
                    let is_same = (now - then).abs() <= 5.0;
                    (is_same, !is_same && now > then && now >= previous.as_seconds() - 60.0)
                }
                _ => (false, false),
            };
            let shown: Vec<(&str, f64)> = self
                .series
                .iter()
                .filter_map(|(code, samples)| {
                    let (_, value) = samples.iter().find(|(time, _)| *time == at)?;
                    Some((*code, *value))
                })
                .collect();
            let fell = |(code, value): &(&str, f64)| last.get(code).is_some_and(|last| value < last);
            let counts = |value: f64| value >= 0.0;
            let resets_all = is_newer && shown.iter().filter(|(_, value)| counts(*value)).any(fell);
            let is_new = previous.is_none();
            let young = start.is_some_and(|start| start > from.as_seconds() && start >= at.as_seconds() - 600.0);
            let from_zero_if_new = !is_new || young || self.was_scraped_before(at);
            let known = last.clone();
            if resets_all {
                last.retain(|_, value| value.is_nan());
                last.clear();
            }
            for (code, value) in shown {
                if !counts(value) {
                    last.entry(code).or_insert(f64::NAN);
                    continue;
                }
                let base = match known.get(code) {
                    Some(last) if last.is_nan() => value,
                    Some(_) if resets_all => 0.0,
                    Some(then) if value < *then && is_same && then - value < then * 0.01 => continue,
                    Some(then) if value < *then => 0.0,
                    Some(then) => *then,
                    None if from_zero_if_new => 0.0,
                    None => value,
                };
                let delta = to_micro(value).unwrap_or(0) - to_micro(base).unwrap_or(0);
                last.insert(code, value);
                if at > from {
                    sum.0 += delta;
                    sum.1 += if code == "500" { 0 } else { delta };
                }
            }
            previous = Some(at);
        }
        sum
    }

    fn start_at(&self, at: Timestamp) -> Option<f64> {
        let since = Timestamp(at.0 - 5 * MINUTE_MS);
        let mut held = self.starts.iter().filter(|(time, _)| *time > since && *time <= at);
        held.next_back().map(|(_, start)| *start)
    }
}

fn between(samples: &[(Timestamp, f64)], after: Timestamp, until: Timestamp) -> Vec<(Timestamp, f64)> {
    let within = samples.iter().filter(|(at, _)| *at > after && *at <= until);
    within.copied().collect()
}
