//! SLOs of every kind.

use std::time::Duration;

use proptest::prelude::*;

use crate::domain::alert::policy::{AlertPolicy, AlertWindow, BurnCondition, Severity, SeveritySettings};
use crate::domain::indicator::{
    CompareOp, CompositeMember, CompositePart, Indicator, IndicatorKind, PromQlForm, PromQlIndicator, RatioPart,
};
use crate::domain::labels::Labels;
use crate::domain::objective::Objective;
use crate::domain::selector_parser::parse_selector;
use crate::domain::slo::{BudgetingMethod, NoDataPolicy, Origin, Slo, SloId};
use crate::domain::window::{CalendarUnit, CalendarWindow, TimeWindow, WindowLength};

const TEXT: &str =
    "[A-Za-z0-9 .:#'\"{}\\[\\],&*!|>%@`-]{1,16}|\\PC{1,8}|yes|0123|1e3|null|~|a: b|two\nlines\n|x\n\n y: z";

fn name() -> impl Strategy<Value = String> {
    "[A-Za-z0-9][A-Za-z0-9_.-]{0,8}"
}

fn labels() -> impl Strategy<Value = Labels> {
    let pairs = proptest::collection::vec(("[a-z][a-z_]{0,6}x", TEXT), 0..3);
    pairs.prop_map(|pairs| pairs.into_iter().collect())
}

fn objective() -> impl Strategy<Value = Objective> {
    prop_oneof![1..1_000_000_000_i64, Just(999_000_000), Just(995_500_000)]
        .prop_map(|parts| Objective::from_parts_per_billion(parts).expect("in range"))
}

fn length() -> impl Strategy<Value = WindowLength> {
    (1..100_000_u32).prop_map(|minutes| WindowLength::from_minutes(minutes).expect("in range"))
}

fn window() -> impl Strategy<Value = TimeWindow> {
    let month = (WindowLength::DAYS_30, "30d".to_owned());
    let rolling = prop_oneof![
        Just(month),
        length().prop_map(|length| (length, length.to_prometheus()))
    ];
    let start = chrono::NaiveDate::from_ymd_opt(2026, 2, 3).and_then(|day| day.and_hms_opt(4, 5, 6));
    let calendar = (1..9_u32, 0..7_usize, any::<bool>(), any::<bool>());
    prop_oneof![
        rolling.prop_map(|(length, written)| TimeWindow::Rolling { length, written }),
        calendar.prop_map(
            move |(count, unit, has_start, is_far)| TimeWindow::Calendar(CalendarWindow {
                count,
                unit: CalendarUnit::ALL[unit],
                start: start.filter(|_| has_start),
                zone: if is_far {
                    chrono_tz::Tz::Asia__Kathmandu
                } else {
                    chrono_tz::Tz::UTC
                },
            })
        ),
    ]
}

fn op() -> impl Strategy<Value = CompareOp> {
    prop_oneof![
        Just(CompareOp::Lte),
        Just(CompareOp::Lt),
        Just(CompareOp::Gte),
        Just(CompareOp::Gt)
    ]
}

fn part_is() -> impl Strategy<Value = RatioPart> {
    prop_oneof![Just(RatioPart::Bad), Just(RatioPart::Good)]
}

fn threshold() -> impl Strategy<Value = (f64, String)> {
    prop_oneof![
        Just((0.3, "300ms".to_owned())),
        Just((2.5, "2.5".to_owned())),
        Just((1.0, "1s".to_owned()))
    ]
}

fn kind() -> impl Strategy<Value = IndicatorKind> {
    let selector = "m_[a-z_]{3,6}(\\{job=\"[a-z \\\\\\\\']{1,4}\",code=~\"5..\"\\})?";
    let selector = selector.prop_filter_map("a selector", |text| parse_selector(&text).ok());
    let query = "sum\\(rate\\(m_[a-z_]{3,6}\\{a=\"[a-z #:]{0,3}\"\\}\\[\\{\\{\\.window\\}\\}\\]\\)\\)( /\nsum\\(rate\\(b\\[\\{\\{\\.window\\}\\}\\]\\)\\))?";
    let form = prop_oneof![
        (query, query, part_is()).prop_map(|(total, part, part_is)| PromQlForm::Ratio { total, part, part_is }),
        ("avg_over_time\\(m_[a-z]{1,4}\\[5m\\]\\)", query, part_is())
            .prop_map(|(total, part, part_is)| PromQlForm::Ratio { total, part, part_is }),
        (query, part_is()).prop_map(|(query, ratio_of)| PromQlForm::RawRatio { query, ratio_of }),
        ("max\\(m_[a-z]{3}\\)", op(), -5.0..5.0).prop_map(|(query, op, value)| PromQlForm::Threshold {
            query,
            op,
            value
        }),
        (selector.clone(), threshold()).prop_map(|(histogram, (threshold, written))| PromQlForm::Latency {
            histogram: histogram.with_metric("d_seconds"),
            threshold,
            written,
        }),
    ];
    prop_oneof![
        (selector.clone(), selector.clone(), part_is()).prop_map(|(total, part, part_is)| IndicatorKind::Ratio {
            total,
            part,
            part_is
        }),
        (selector.clone(), threshold()).prop_map(|(histogram, (threshold, written))| IndicatorKind::Latency {
            histogram: histogram.with_metric("d_seconds"),
            threshold,
            written,
        }),
        (selector, op(), prop_oneof![Just(1.0), -1e9..1e9]).prop_map(|(gauge, op, value)| IndicatorKind::Gauge {
            gauge,
            op,
            value
        }),
        form.prop_map(|form| IndicatorKind::PromQl(PromQlIndicator { form, scraped: None })),
        TEXT.prop_filter("not blank", |text| !text.trim().is_empty())
            .prop_map(|job| IndicatorKind::Probe { job }),
        Just(IndicatorKind::Events),
        name().prop_map(|name| IndicatorKind::Heartbeat { name }),
    ]
}

fn indicator() -> impl Strategy<Value = Indicator> {
    let groups = prop_oneof![Just(Vec::new()), Just(vec!["region".to_owned(), "zone".to_owned()])];
    (kind(), any::<bool>(), groups).prop_map(|(kind, has_source, group_by)| {
        let on_server = !matches!(
            kind,
            IndicatorKind::Probe { .. } | IndicatorKind::Events | IndicatorKind::Heartbeat { .. }
        );
        let has_labels = !matches!(kind, IndicatorKind::Heartbeat { .. });
        Indicator {
            kind,
            source: (has_source && on_server).then(|| "main".to_owned()),
            group_by: if has_labels { group_by } else { Vec::new() },
        }
    })
}

/// Any indicator, or a composite of some.
fn whole_indicator() -> impl Strategy<Value = Indicator> {
    let part = prop_oneof![
        Just(CompositePart::Slo(SloId::new("svc", "first"))),
        (indicator(), objective()).prop_map(|(indicator, objective)| CompositePart::Indicator { indicator, objective }),
    ];
    let members = proptest::collection::vec((prop_oneof![Just(1.0), 0.1..9.0], part), 1..4);
    let composite = members.prop_map(|members| {
        let members = members.into_iter().enumerate();
        let members = members.map(|(n, (weight, part))| CompositeMember {
            name: format!("part {n}"),
            weight,
            part,
        });
        Indicator {
            kind: IndicatorKind::Composite(members.collect()),
            source: None,
            group_by: Vec::new(),
        }
    });
    prop_oneof![4 => indicator(), 1 => composite]
}

fn method() -> impl Strategy<Value = (BudgetingMethod, NoDataPolicy)> {
    let slice = WindowLength::from_minutes(1).expect("a minute");
    let any_policy = (0..4_usize).prop_map(|n| NoDataPolicy::ALL[n]);
    let sliced = (
        prop_oneof![objective(), Just(Objective::from_percent("95").expect("one"))],
        any::<bool>(),
    );
    let sliced = sliced.prop_map(move |(target, is_ratio)| {
        if is_ratio {
            BudgetingMethod::RatioTimeslices { slice }
        } else {
            BudgetingMethod::Timeslices { slice, target }
        }
    });
    prop_oneof![
        Just((BudgetingMethod::Occurrences, NoDataPolicy::Ignore)),
        Just((BudgetingMethod::Occurrences, NoDataPolicy::Hold)),
        (sliced, any_policy),
    ]
}

fn condition() -> impl Strategy<Value = BurnCondition> {
    let window = |minutes: u32| {
        let length = WindowLength::from_minutes(minutes).expect("in range");
        AlertWindow {
            length,
            written: length.to_prometheus(),
        }
    };
    let severity = prop_oneof![Just(Severity::Page), Just(Severity::Ticket)];
    (
        severity,
        1..5_000_u32,
        0..5_000_u32,
        0.01..50.0,
        prop_oneof![Just(0), 1..500_u64],
    )
        .prop_map(move |(severity, short, more, factor, pending)| BurnCondition {
            severity,
            long: window(short + more),
            short: window(short),
            factor,
            pending_for: Duration::from_secs(pending),
        })
}

/// Changes of the default policy.
#[derive(Clone, Debug)]
struct Changes {
    mode: u8,
    burn: Option<Vec<BurnCondition>>,
    words: [SeveritySettings; 3],
    numbers: (bool, u64, u64, u64, u64),
}

impl Changes {
    fn apply(self, default: AlertPolicy) -> AlertPolicy {
        let (enabled, min_events, min_failures, no_data, keep) = self.numbers;
        let [all, page, ticket] = self.words;
        let mut policy = default;
        match self.mode {
            0 => return policy,
            1 => (policy.enabled, policy.no_data_for) = (false, None),
            2 => policy.burn.retain(|condition| condition.severity == Severity::Page),
            _ => {
                policy.enabled = enabled;
                policy.burn = self.burn.unwrap_or(policy.burn);
                (policy.min_events, policy.min_failures) = (min_events, min_failures);
                policy.no_data_for = (no_data > 0).then(|| Duration::from_secs(no_data * 900));
                policy.keep_firing_for = Duration::from_millis(keep * 1_500);
                (policy.labels, policy.annotations) = (all.labels, all.annotations);
                (policy.page, policy.ticket) = (page, ticket);
            }
        }
        policy
    }
}

fn changes() -> impl Strategy<Value = Changes> {
    let burn = proptest::option::of(proptest::collection::vec(condition(), 0..3));
    let words = || (labels(), labels()).prop_map(|(labels, annotations)| SeveritySettings { labels, annotations });
    let numbers = (any::<bool>(), 0..100_u64, 0..3_u64, 0..2_u64, 0..2_u64);
    (burn, [words(), words(), words()], numbers, 0..5_u8).prop_map(|(burn, words, numbers, mode)| Changes {
        mode,
        burn,
        words,
        numbers,
    })
}

fn slo() -> impl Strategy<Value = Slo> {
    let words = (
        proptest::option::of(TEXT),
        proptest::option::of(TEXT),
        proptest::option::of(TEXT),
    );
    let about = (
        name(),
        words,
        labels(),
        labels(),
        any::<bool>(),
        proptest::collection::vec(name(), 0..2),
    );
    (about, whole_indicator(), objective(), window(), method(), changes()).prop_map(
        |(about, indicator, objective, window, (method, no_data), changes)| {
            let (name, (description, owner, text), labels, annotations, public, previous_names) = about;
            Slo {
                id: SloId::new("svc", name),
                description,
                owner,
                labels,
                annotations,
                indicator,
                objective,
                alerting: changes.apply(AlertPolicy::default_for(window.length(), objective)),
                window,
                method,
                no_data,
                policy: text,
                previous_names,
                public,
                asks_server: false,
                origin: Origin::default(),
                source_text: String::new(),
            }
        },
    )
}

/// SLOs of two services, no name twice; each composite's reference is there.
pub fn slos() -> impl Strategy<Value = Vec<Slo>> {
    (proptest::collection::vec(slo(), 1..4), slo()).prop_map(|(mut slos, mut last)| {
        for (n, slo) in slos.iter_mut().enumerate() {
            slo.id.name = if n == 0 {
                "first".to_owned()
            } else {
                format!("{}-{n}", slo.id.name)
            };
        }
        if matches!(slos[0].indicator.kind, IndicatorKind::Composite(_)) {
            slos[0].indicator.kind = IndicatorKind::Events;
        }
        last.id.service = "other".to_owned();
        slos.push(last);
        slos
    })
}
