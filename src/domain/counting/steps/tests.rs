//! Steps: what is asked, what a value is worth, and where its events go.

use std::time::Duration;

use super::*;
use crate::domain::answer::AnsweredSeries;
use crate::domain::counts::MICRO;
use crate::domain::promql::parse;
use crate::domain::selector_parser::parse_selector;
use proptest::prelude::*;

const MINUTE: Duration = Duration::from_mins(1);
/// A multiple of every step.
const BEGIN: i64 = 20_000 * 24 * 60;

fn ratio(total: &str, bad: &str) -> PromQlForm {
    PromQlForm::Ratio {
        total: total.to_owned(),
        part: bad.to_owned(),
        part_is: RatioPart::Bad,
    }
}

fn counters() -> PromQlForm {
    ratio("sum(increase(a[{{.window}}]))", "sum(increase(b[{{.window}}]))")
}

fn raw(ratio_of: RatioPart) -> PromQlForm {
    let query = "x[{{.window}}]".to_owned();
    PromQlForm::RawRatio { query, ratio_of }
}

fn threshold() -> PromQlForm {
    PromQlForm::Threshold {
        query: "depth".to_owned(),
        op: CompareOp::Lte,
        value: 100.0,
    }
}

fn latency(histogram: &str) -> PromQlForm {
    PromQlForm::Latency {
        histogram: parse_selector(histogram).expect("it is a selector"),
        threshold: 0.3,
        written: "300ms".to_owned(),
    }
}

/// A series with values at minutes after the beginning.
fn series(labels: &[(&str, &str)], values: &[(i64, f64)]) -> AnsweredSeries {
    let samples = values.iter().map(|(minute, value)| (minute_at(*minute), *value));
    AnsweredSeries {
        metric: String::new(),
        labels: labels.iter().copied().collect(),
        samples: samples.collect(),
    }
}

fn minute_at(minute: i64) -> Timestamp {
    Minute(BEGIN + minute).start()
}

fn answer(role: Role, series: Vec<AnsweredSeries>) -> (Role, Answer) {
    (
        role,
        Answer {
            series,
            notes: Vec::new(),
        },
    )
}

fn count_to(form: &PromQlForm, answers: &[(Role, Answer)], minutes: i64, last: i64) -> RangeCount {
    let step = MINUTE * minutes as u32;
    count_steps(form, &[], answers, minute_at(minutes), minute_at(last), step)
}

/// Total and good events by minute after the beginning, and the observed minutes.
fn shown(count: &RangeCount) -> (Vec<(i64, f64, f64)>, Vec<i64>) {
    let events = |micro: i64| micro as f64 / MICRO as f64;
    let minutes = count
        .minutes
        .iter()
        .map(|((_, minute), (total, good))| (minute.0 - BEGIN, events(*total), events(*good)));
    let observed = count.observed.iter().map(|minute| minute.0 - BEGIN);
    (minutes.collect(), observed.collect())
}

#[test]
fn queries_have_the_step_as_their_window_and_can_be_parsed() {
    let region = &["region".to_owned()][..];
    let cases = [
        (
            counters(),
            &[][..],
            vec!["sum(increase(a[5m]))", "sum(increase(b[5m]))"],
        ),
        (
            ratio("a:rate{{ .window }}", "sum(rate(b[1h]))"),
            region,
            vec!["a:rate5m", "sum(rate(b[1h]))"],
        ),
        (threshold(), &[], vec!["depth"]),
        (
            latency(r#"x_seconds{job="a"}"#),
            &[],
            vec![
                r#"sum (histogram_count(increase(x_seconds{job="a"}[5m])))"#,
                r#"histogram_fraction(-Inf, 0.3, sum (increase(x_seconds{job="a"}[5m])))"#,
            ],
        ),
        (
            latency(r#"{__name__=~"x|y"}"#),
            region,
            vec![
                r#"sum by (region) (histogram_count(increase({__name__=~"x|y"}[5m])))"#,
                r#"histogram_fraction(-Inf, 0.3, sum by (region) (increase({__name__=~"x|y"}[5m])))"#,
            ],
        ),
    ];
    for (form, group_by, wanted) in cases {
        let asked = queries(&form, group_by, 5 * MINUTE);
        let texts: Vec<&str> = asked.iter().map(|query| query.text.as_str()).collect();
        assert_eq!(texts, wanted);
        for text in texts {
            assert!(parse(text).is_ok(), "{text}");
        }
    }
}

#[test]
fn the_outermost_counting_function_says_what_a_value_is_worth() {
    // Of a step of five minutes.
    for (query, worth, why) in [
        ("sum(increase(x[{{.window}}]))", 1.0, "events of the window"),
        ("sum by (a) (delta(x[{{.window}}]))", 1.0, "events of the window"),
        ("count_over_time(x[{{.window}}])", 1.0, "samples of the window"),
        (
            "sum(sum_over_time((up)[{{.window}}:1m]))",
            1.0,
            "a subquery of the window",
        ),
        ("sum(rate(x[{{.window}}]))", 300.0, "per second"),
        ("irate(x[5m])", 300.0, "per second"),
        ("deriv(x[1h])", 300.0, "per second"),
        ("sum(increase(x[5m]))", 1.0, "a fixed range as long as the step"),
        ("sum(increase(x[1h]))", 1.0 / 12.0, "a twelfth of an hour"),
        ("sum(increase(x[1m])) or vector(0)", 5.0, "five times a minute"),
        ("job:requests:rate5m", 300.0, "a recorded rate"),
        ("sum(x)", 300.0, "a bare value"),
        (
            "max_over_time(increase(x[1m])[{{.window}}:])",
            5.0,
            "the first function that counts",
        ),
        ("sum_over_time(rate(x[1m])[{{.window}}:1m])", 1.0, "the outermost one"),
        (
            "clamp_min(sum(increase(x[{{.window}}])) - sum(increase(y[1h])), 0)",
            1.0,
            "the left one",
        ),
        ("no PromQL [", 300.0, "what cannot be parsed is a bare value"),
    ] {
        let found = weight(query, 5 * MINUTE);
        assert!((found - worth).abs() < 1e-12, "{query}: {why}, not {found}");
    }
}

#[test]
fn values_become_events() {
    let total = |value| answer(Role::Total, vec![series(&[], &[(1, value)])]);
    let part = |value| answer(Role::Part, vec![series(&[], &[(1, value)])]);
    let value = |role, value| vec![answer(role, vec![series(&[], &[(1, value)])])];
    let rates = ratio("sum(rate(a[{{.window}}]))", "sum(rate(b[{{.window}}]))");
    let seen = vec![0];
    let cases = [
        (
            "two increases",
            counters(),
            vec![total(10.0), part(2.5)],
            Some((10.0, 7.5)),
            true,
        ),
        (
            "two rates",
            rates,
            vec![total(10.0), part(0.5)],
            Some((600.0, 570.0)),
            true,
        ),
        ("no bad events", counters(), vec![total(10.0)], Some((10.0, 10.0)), true),
        (
            "bad events of nothing, as matched",
            counters(),
            vec![part(2.0)],
            Some((0.0, -2.0)),
            false,
        ),
        (
            "no events",
            counters(),
            vec![total(0.0), part(0.0)],
            Some((0.0, 0.0)),
            true,
        ),
        (
            "an unknown total",
            counters(),
            vec![total(f64::NAN), part(1.0)],
            None,
            false,
        ),
        ("an infinite total", counters(), vec![total(f64::INFINITY)], None, false),
        ("a negative total", counters(), vec![total(-1.0)], None, false),
        (
            "an unknown part",
            counters(),
            vec![total(5.0), part(f64::NAN)],
            None,
            false,
        ),
        ("too many events", counters(), vec![total(1e13)], None, false),
        (
            "an error ratio",
            raw(RatioPart::Bad),
            value(Role::Ratio, 0.25),
            Some((60.0, 45.0)),
            true,
        ),
        (
            "a success ratio",
            raw(RatioPart::Good),
            value(Role::Ratio, 0.25),
            Some((60.0, 15.0)),
            true,
        ),
        (
            "a ratio of nothing",
            raw(RatioPart::Bad),
            value(Role::Ratio, f64::NAN),
            Some((0.0, 0.0)),
            true,
        ),
        (
            "a ratio above 1",
            raw(RatioPart::Bad),
            value(Role::Ratio, 1.5),
            Some((60.0, 0.0)),
            true,
        ),
        (
            "a ratio below 0",
            raw(RatioPart::Bad),
            value(Role::Ratio, -0.5),
            Some((60.0, 60.0)),
            true,
        ),
        (
            "an infinite ratio",
            raw(RatioPart::Bad),
            value(Role::Ratio, f64::INFINITY),
            None,
            false,
        ),
        (
            "a value that holds",
            threshold(),
            value(Role::Value, 100.0),
            Some((60.0, 60.0)),
            true,
        ),
        (
            "a value that does not",
            threshold(),
            value(Role::Value, 100.5),
            Some((60.0, 0.0)),
            true,
        ),
        (
            "a value that is none",
            threshold(),
            value(Role::Value, f64::NAN),
            Some((0.0, 0.0)),
            true,
        ),
    ];
    for (what, form, answers, events, is_seen) in cases {
        let count = count_to(&form, &answers, 1, 1);
        let minutes = events.map(|(total, good)| (0, total, good)).into_iter().collect();
        assert_eq!(
            shown(&count),
            (minutes, if is_seen { seen.clone() } else { Vec::new() }),
            "{what}"
        );
        assert_eq!(count.matched_at, Some(minute_at(1)), "{what}");
    }
}

#[test]
fn a_native_histogram_has_a_total_and_a_share() {
    let form = latency("x");
    let both = |total, share: Option<f64>| {
        let share = share.map(|share| series(&[], &[(1, share)]));
        vec![
            answer(Role::Total, vec![series(&[], &[(1, total)])]),
            answer(Role::Fraction, share.into_iter().collect()),
        ]
    };
    for (what, answers, events) in [
        ("three quarters are fast", both(10.0, Some(0.75)), Some((10.0, 7.5))),
        ("none at all", both(0.0, Some(f64::NAN)), Some((0.0, 0.0))),
        ("nobody knows how fast", both(10.0, None), None),
        ("nobody knows how fast either", both(10.0, Some(f64::NAN)), None),
    ] {
        let count = count_to(&form, &answers, 1, 1);
        let minutes: Vec<_> = events.map(|(total, good)| (0, total, good)).into_iter().collect();
        let observed: Vec<_> = events.map(|_| 0).into_iter().collect();
        assert_eq!(shown(&count), (minutes, observed), "{what}");
        assert_eq!(count.notes.is_empty(), events.is_some(), "{what}");
    }
}

#[test]
fn what_is_wrong_with_values_is_said_once_for_each_query() {
    let values = [(1, f64::NAN), (2, -3.0), (3, 5.0)];
    let answers = [answer(Role::Total, vec![series(&[], &values)])];
    let count = count_to(&counters(), &answers, 1, 3);
    let note = Note::NoEvents {
        asked: Role::Total.word(),
        value: "NaN".to_owned(),
        at: minute_at(1),
        values: 2,
    };
    assert_eq!((count.notes.clone(), shown(&count).1), (vec![note], vec![2]));
    let answers = [answer(Role::Ratio, vec![series(&[], &[(1, 1.0 + 1e-12), (2, 1.5)])])];
    let count = count_to(&raw(RatioPart::Bad), &answers, 1, 2);
    let note = Note::RatioOutside {
        value: "1.5".to_owned(),
        at: minute_at(2),
        values: 1,
    };
    assert_eq!(count.notes, [note]);
}

#[test]
fn result_labels_choose_the_group_and_series_of_one_group_are_added() {
    let group_by = ["region".to_owned()];
    let total = vec![
        series(&[("region", "eu"), ("zone", "a")], &[(1, 10.0)]),
        series(&[("region", "eu"), ("zone", "b")], &[(1, 5.0)]),
        series(&[("region", "us")], &[(1, f64::NAN)]),
        series(&[], &[(1, 1.0)]),
    ];
    let part = vec![series(&[("region", "eu")], &[(1, 3.0)])];
    let answers = [answer(Role::Total, total), answer(Role::Part, part)];
    let count = count_steps(&counters(), &group_by, &answers, minute_at(1), minute_at(1), MINUTE);
    let minutes: Vec<_> = count
        .minutes
        .iter()
        .map(|((group, _), (total, good))| (group.to_label_set(), total / MICRO, good / MICRO))
        .collect();
    let wanted = [(r#"{region=""}"#, 1, 1), (r#"{region="eu"}"#, 15, 12)];
    assert_eq!(
        minutes,
        wanted.map(|(group, total, good)| (group.to_owned(), total, good))
    );
    assert_eq!(shown(&count).1, [0]);
}

#[test]
fn a_steps_events_are_spread_over_the_minutes_before_it() {
    let answers = [
        answer(
            Role::Total,
            vec![series(&[], &[(3, 1.0), (5, 9.0), (6, 3.0), (9, 7.0)])],
        ),
        answer(Role::Part, vec![series(&[], &[(3, 0.000_001)])]),
    ];
    let count = count_to(&counters(), &answers, 3, 6);
    let (good, bad_last) = (0.333_333, 0.333_334);
    let minutes = vec![
        (0, 0.333_333, good),
        (1, 0.333_333, good),
        (2, bad_last, good),
        (3, 1.0, 1.0),
        (4, 1.0, 1.0),
        (5, 1.0, 1.0),
    ];
    assert_eq!(shown(&count), (minutes, vec![0, 1, 2, 3, 4, 5]));
    let nothing = count_to(&counters(), &[answer(Role::Total, Vec::new())], 3, 6);
    assert_eq!(nothing, RangeCount::default(), "an empty answer is no events");
}

#[test]
fn a_step_holds_four_scrapes_in_whole_minutes_that_divide_a_day() {
    for (seconds, minutes) in [
        (1, 1),
        (15, 1),
        (16, 2),
        (30, 2),
        (60, 4),
        (100, 8),
        (120, 8),
        (300, 20),
        (900, 60),
        (86_400, 1440),
    ] {
        let step = learned_step(Some(Duration::from_secs(seconds)));
        assert_eq!(step, MINUTE * minutes, "scraped every {seconds} s");
    }
    assert_eq!(learned_step(None), MINUTE);
    assert_eq!(learned_step(Some(Duration::MAX)), 1440 * MINUTE);
}

#[test]
fn the_scrape_interval_is_learned_from_the_first_selector() {
    let asked = |form: &PromQlForm| interval_query(form);
    let query = |selector: &str| Some(format!("max(max_over_time(count_over_time({selector}[10m])[1d:10m]))"));
    assert_eq!(asked(&counters()), query("a"));
    let recorded = ratio("a:rate{{.window}}", r#"sum(rate(b{code=~"5.."}[1h] offset 5m))"#);
    assert_eq!(asked(&recorded), query(r#"b{code=~"5.."}"#));
    assert_eq!(asked(&latency("x")), query("x"));
    assert_eq!(asked(&ratio("vector(1)", "vector(0)")), None);
    for (count, seconds) in [(40.0, Some(15.0)), (2.0, Some(300.0)), (0.0, None), (f64::NAN, None)] {
        assert_eq!(
            interval_from_count(count),
            seconds.map(Duration::from_secs_f64),
            "{count}"
        );
    }
}

proptest! {
    #[test]
    fn the_minutes_of_all_steps_sum_to_the_values(
        minutes in prop::sample::select(vec![1_i64, 2, 3, 4, 5, 8, 20]),
        values in prop::collection::vec((0_u32..2_000_000_000, 0_u32..2_000_000_000), 1..40),
    ) {
        let micro = |number: u32| f64::from(number) / 1e6;
        let at = |index: usize| (index as i64 + 1) * minutes;
        let total: Vec<_> = values.iter().enumerate().map(|(i, (total, _))| (at(i), micro(*total))).collect();
        let part: Vec<_> = values.iter().enumerate().map(|(i, (_, part))| (at(i), micro(*part))).collect();
        let answers = [
            answer(Role::Total, vec![series(&[], &total)]),
            answer(Role::Part, vec![series(&[], &part)]),
        ];
        let count = count_to(&counters(), &answers, minutes, at(values.len() - 1));
        let sums = count.minutes.values().fold((0, 0), |sum, (total, good)| (sum.0 + total, sum.1 + good));
        let all: i64 = values.iter().map(|(total, _)| i64::from(*total)).sum();
        let bad: i64 = values.iter().map(|(_, part)| i64::from(*part)).sum();
        prop_assert_eq!(sums, (all, all - bad));
        prop_assert_eq!(count.minutes.len() as i64, minutes * values.len() as i64);
        prop_assert!(count.minutes.values().all(|(total, good)| good <= total));
    }
}

#[test]
fn rows_tell_of_all_periods_also_of_those_without_a_row() {
    let named = |region: &str, values: &[(i64, f64)]| series(&[("region", region)], values);
    let answers = [
        answer(
            Role::Total,
            vec![named("eu", &[(5, 10.0), (15, 4.0)]), named("us", &[(5, 1.0)])],
        ),
        answer(Role::Part, vec![named("eu", &[(5, 9.0), (15, 4.0)])]),
    ];
    let every = MINUTE * 5;
    let count = |group_by: &[String], answers: &[(Role, Answer)]| {
        count_rows(RatioPart::Good, group_by, answers, minute_at(5), minute_at(15), every)
    };
    let all = count(&[], &answers);
    let (minutes, observed) = shown(&all);
    let sum = minutes
        .iter()
        .fold((0.0, 0.0), |sum, (_, total, good)| (sum.0 + total, sum.1 + good));
    assert_eq!((sum.0.round(), sum.1.round()), (15.0, 13.0));
    assert_eq!(
        observed,
        (0..15).collect::<Vec<i64>>(),
        "nothing happened in the second period, and that was seen"
    );
    assert_eq!(all.matched_at, Some(minute_at(15)));
    let by_region = count(&["region".to_owned()], &answers);
    assert_eq!(
        by_region.minutes.len(),
        15,
        "two periods of eu, one of us, five minutes each"
    );
    let spoiled = [answer(Role::Total, vec![named("eu", &[(5, -1.0), (10, 2.0)])])];
    let (_, observed) = shown(&count(&[], &spoiled));
    assert_eq!(
        observed,
        (5..15).collect::<Vec<i64>>(),
        "a number of events is not negative: that period was not seen"
    );
}
