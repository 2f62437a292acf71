//! The rules for servers, one by one.

use std::time::Duration;

use super::super::memory::{Interval, TargetMemory};
use super::super::*;
use super::world::{Kind, indicator};
use crate::domain::counting::cursor::UNIT_DAYS_MAX;
use crate::domain::counts::MICRO;
use crate::domain::time::MINUTE_MS;

const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
/// A minute's first millisecond.
const FROM: Timestamp = Timestamp(1_795_000_020_000);

/// A time so many seconds after the beginning.
fn at(seconds: i64) -> Timestamp {
    Timestamp(FROM.0 + seconds * 1000)
}

fn series(code: &str, samples: &[(i64, f64)]) -> AnsweredSeries {
    AnsweredSeries {
        metric: "requests_total".to_owned(),
        labels: [("job", "shop"), ("instance", "a"), ("code", code)]
            .into_iter()
            .collect(),
        samples: samples.iter().map(|(seconds, value)| (at(*seconds), *value)).collect(),
    }
}

fn target() -> ServerTarget {
    ServerTarget {
        job: "shop".to_owned(),
        instance: "a".to_owned(),
    }
}

fn starts(samples: &[(i64, i64)]) -> Asides {
    let samples = samples
        .iter()
        .map(|(seconds, start)| (at(*seconds), at(*start).as_seconds()));
    Asides {
        starts: [(target(), samples.collect())].into(),
        ..Asides::default()
    }
}

/// Total and good events.
fn sums(count: &RangeCount) -> (i64, i64) {
    let add = |sum: (i64, i64), (total, good): &(i64, i64)| (sum.0 + total, sum.1 + good);
    let (total, good) = count.minutes.values().fold((0, 0), add);
    (total / MICRO, good / MICRO)
}

/// What a baseline and then a chunk count.
fn count(baseline: &[AnsweredSeries], answer: &[AnsweredSeries], asides: &Asides) -> RangeCount {
    let (mut cursor, indicator) = (RangeCursor::new(FROM), indicator(Kind::Ratio, false));
    cursor.take_baseline(&indicator, baseline);
    cursor.count(&indicator, answer, asides, at(3600))
}

#[test]
fn the_sample_before_the_range_is_the_baseline() {
    let answer = [
        series("200", &[(-75, 90.0), (-60, 100.0), (0, 103.0), (15, 110.0)]),
        series("500", &[(-60, 5.0), (15, 6.0)]),
    ];
    // What lies exactly at the beginning belongs to the history before it.
    let counted = count(&answer, &answer, &Asides::default());
    assert_eq!(sums(&counted), (8, 7));
    assert_eq!(counted.observed, [FROM.minute()].into());
    assert_eq!(counted.matched_at, Some(at(15)));
}

#[test]
fn what_is_no_count_counts_nothing_and_is_told() {
    type Case = (&'static str, &'static [(i64, f64)], Option<Note>);
    let note = |value: f64, seconds: i64, samples: u64| Note::NoCount {
        series: r#"requests_total{code="200",instance="a",job="shop"}"#.to_owned(),
        value: value.to_string(),
        at: at(seconds),
        samples,
    };
    let cases: [Case; 6] = [
        (
            "a lone NaN may be a staleness marker",
            &[(60, 13.0), (75, f64::NAN), (600, 20.0)],
            None,
        ),
        (
            "NaN for longer than two intervals is a value",
            &[
                (60, 13.0),
                (75, f64::NAN),
                (90, f64::NAN),
                (105, f64::NAN),
                (165, f64::NAN),
                (195, f64::NAN),
                (300, 20.0),
            ],
            Some(note(f64::NAN, 165, 2)),
        ),
        (
            "infinity is no count, ever",
            &[(60, f64::INFINITY), (75, -f64::INFINITY), (90, 20.0)],
            Some(note(f64::INFINITY, 60, 2)),
        ),
        (
            "nor is what is negative",
            &[(60, -1.0), (75, 20.0)],
            Some(note(-1.0, 60, 1)),
        ),
        (
            "nor what is too large for the ledger",
            &[(60, 1e31), (75, 20.0)],
            Some(note(1e31, 60, 1)),
        ),
        ("numbers are", &[(60, 15.0), (75, 20.0)], None),
    ];
    for (what, samples, told) in cases {
        let baseline = [series("200", &[(-15, 10.0)]), series("500", &[(-15, 1.0)])];
        let quiet = [60, 75, 90, 105, 120, 135].map(|seconds| (seconds, 1.0));
        let answer = [series("200", samples), series("500", &quiet)];
        let counted = count(&baseline, &answer, &Asides::default());
        assert_eq!(sums(&counted), (10, 10), "{what}: from the last number before");
        assert_eq!(counted.notes, Vec::from_iter(told), "{what}");
    }
    let born = [series("200", &[(60, f64::NAN), (75, 20.0), (90, 23.0)])];
    let counted = count(&[], &born, &Asides::default());
    assert_eq!(
        (sums(&counted), counted.notes),
        ((3, 3), vec![note(f64::NAN, 60, 1)]),
        "one without any number before"
    );
}

#[test]
fn a_new_target_counts_from_zero_where_it_began_within_the_history() {
    let answer = [series("200", &[(900, 40.0), (915, 50.0)])];
    let scraped = Asides {
        scraped_before: [target()].into(),
        ..Asides::default()
    };
    for (what, asides, events) in [
        ("nothing is known", Asides::default(), 10),
        ("it was scraped before", scraped, 50),
        ("its process began shortly before", starts(&[(900, 870)]), 50),
        ("its process began too long before", starts(&[(900, 290)]), 10),
        ("the start time is too old", starts(&[(590, 580)]), 10),
    ] {
        assert_eq!(sums(&count(&[], &answer, &asides)), (events, events), "{what}");
    }
    let early = [series("200", &[(60, 40.0), (75, 50.0)])];
    let before_all = starts(&[(60, -30)]);
    assert_eq!(
        sums(&count(&[], &early, &before_all)),
        (10, 10),
        "it began before the history"
    );
}

#[test]
fn a_fall_is_judged_by_the_start_times_around_it() {
    let baseline = [series("200", &[(-15, 1000.0)]), series("500", &[(-15, 50.0)])];
    let small = [series("200", &[(15, 995.0)]), series("500", &[(15, 60.0)])];
    let large = [series("200", &[(15, 30.0)]), series("500", &[(15, 60.0)])];
    for (what, answer, asides, total, resets) in [
        (
            "a small fall of the same process",
            &small,
            starts(&[(-15, -900), (15, -900)]),
            10,
            0,
        ),
        ("a small fall of nobody knows what", &small, Asides::default(), 1005, 1),
        (
            "a large fall of the same process",
            &large,
            starts(&[(-15, -900), (15, -900)]),
            40,
            1,
        ),
        (
            "a fall and a newer process",
            &large,
            starts(&[(-15, -900), (15, 5)]),
            90,
            2,
        ),
        (
            "a fall and an older process",
            &large,
            starts(&[(-15, -900), (15, -1000)]),
            40,
            1,
        ),
        (
            "a fall and a process that ran beside",
            &large,
            starts(&[(-15, -900), (15, -100)]),
            40,
            1,
        ),
    ] {
        let counted = count(&baseline, answer, &asides);
        assert_eq!((sums(&counted).0, counted.resets), (total, resets), "{what}");
    }
}

#[test]
fn only_falls_and_newcomers_are_asked_for() {
    let indicator = indicator(Kind::Ratio, false);
    let mut cursor = RangeCursor::new(FROM);
    let answer = [series("200", &[(-15, 1000.0)])];
    cursor.take_baseline(&indicator, &answer);
    let rising = [series("200", &[(15, 1000.0), (30, f64::NAN), (45, 1001.0)])];
    assert!(cursor.questions(&indicator, &rising).is_empty());
    let minutes_before = |seconds: i64| Timestamp(at(seconds).0 - 5 * MINUTE_MS);
    for (what, answer, since) in [
        ("below the baseline", series("200", &[(15, 999.0)]), -15),
        (
            "within the chunk",
            series("200", &[(15, 1001.0), (30, 1002.0), (45, 5.0)]),
            30,
        ),
    ] {
        let questions = cursor.questions(&indicator, &[answer]);
        assert_eq!(questions.starts, [(target(), minutes_before(since))].into(), "{what}");
        assert!(questions.newcomers.is_empty(), "{what}");
    }
    let questions = RangeCursor::new(FROM).questions(&indicator, &rising);
    assert_eq!(questions.newcomers, [(target(), at(15))].into());
    assert_eq!(questions.starts, [(target(), minutes_before(15))].into());
}

#[test]
fn the_usual_rate_is_what_this_cursor_has_credited() {
    let indicator = indicator(Kind::Ratio, false);
    // 40,000 events in 15 s from zero are 2,667/s, 200,000 are 13,333/s: above the 10,000/s that are always believed.
    let late = |second: i64, value: f64| series("500", &[(second, value)]);
    let quiet: Vec<(i64, f64)> = (0..=480).map(|visit| (visit * 15, 0.0)).collect();
    let busy: Vec<(i64, f64)> = (0..=480).map(|visit| (visit * 15, visit as f64 * 30_000.0)).collect();
    for (what, usual, value, is_believed) in [
        ("a small one after quiet hours", &quiet, 40_000.0, true),
        ("a large one after quiet hours", &quiet, 200_000.0, false),
        ("a large one after busy hours", &busy, 200_000.0, true),
    ] {
        let mut cursor = RangeCursor::new(FROM);
        cursor.take_baseline(&indicator, &[series("200", &[(-15, 0.0)])]);
        let answer = [series("200", usual), late(7200, value)];
        let count = cursor.count(&indicator, &answer, &Asides::default(), at(7200));
        assert_eq!(count.notes.is_empty(), is_believed, "{what}: {:?}", count.notes);
        assert_eq!(sums(&count).0 != sums(&count).1, is_believed, "{what}");
    }
}

#[test]
fn a_gauge_is_worth_its_seconds_up_to_the_chunks_end_and_two_intervals() {
    let indicator = indicator(Kind::Gauge, true);
    let gauge = |samples: &[(i64, f64)]| [series("200", samples)];
    let mut cursor = RangeCursor::new(FROM);
    cursor.take_baseline(&indicator, &gauge(&[(-35, 1.0), (-20, 1.0), (-5, 1.0)]));
    // Bad from its second sample on, over in the middle of nothing.
    let count = cursor.count(
        &indicator,
        &gauge(&[(10, 1.0), (25, 901.0)]),
        &Asides::default(),
        at(40),
    );
    assert_eq!(sums(&count), (40, 25));
    assert_eq!(count.observed, [FROM.minute()].into());
    let count = cursor.count(&indicator, &[], &Asides::default(), at(50));
    assert_eq!(sums(&count), (10, 0), "seconds go on without an answer");
    let count = cursor.count(&indicator, &[], &Asides::default(), at(500));
    assert_eq!(sums(&count), (5, 0), "until two intervals after the sample");
    let groups: Vec<String> = count.minutes.keys().map(|(group, _)| group.to_label_set()).collect();
    assert_eq!(groups, [r#"{code="200"}"#]);
    let count = cursor.count(&indicator, &[], &Asides::default(), at(900));
    assert_eq!(
        (count.minutes.len(), count.observed.len(), count.matched_at),
        (0, 0, None)
    );
}

#[test]
fn a_target_that_was_gone_for_a_month_is_new() {
    let indicator = indicator(Kind::Ratio, false);
    let month = (UNIT_DAYS_MAX + 1) * DAY_MS / 1000;
    for (what, later, events) in [("a day less", month - 86_400, 7), ("a month", month, 0)] {
        for is_forgotten_before in [false, true] {
            let mut cursor = RangeCursor::new(FROM);
            cursor.take_baseline(&indicator, &[series("200", &[(-15, 100.0)])]);
            let mut asides = Asides::default();
            if is_forgotten_before {
                cursor.count(&indicator, &[], &asides, at(later - 1));
                cursor = RangeCursor::decode(&cursor.encode()).expect("it is read");
            }
            let answer = [series("200", &[(later, 107.0)])];
            let is_new = !cursor.questions(&indicator, &answer).newcomers.is_empty();
            assert_eq!(is_new, events == 0, "{what}");
            let count = cursor.count(&indicator, &answer, &asides, at(later));
            assert_eq!(sums(&count), (events, events), "{what}");
            asides.scraped_before.insert(target());
        }
    }
}

#[test]
fn targets_that_are_gone_are_too_many_one_day() {
    let mut cursor = RangeCursor::new(FROM);
    for index in 0..TARGETS_UNSEEN_MAX as i64 + 500 {
        let memory = TargetMemory {
            last_visit_at: Some(at(index)),
            ..TargetMemory::new(true)
        };
        let instance = index.to_string();
        let job = String::new();
        cursor.targets.insert(ServerTarget { job, instance }, memory);
    }
    let indicator = indicator(Kind::Ratio, false);
    let seen_just_now = at(TARGETS_UNSEEN_MAX as i64 + 500);
    cursor.count(&indicator, &[], &Asides::default(), seen_just_now);
    let oldest = cursor.targets.values().filter_map(|memory| memory.last_visit_at).min();
    assert_eq!((cursor.targets.len(), oldest), (TARGETS_UNSEEN_MAX, Some(at(500))));
    let many = cursor.targets.len();
    for memory in cursor.targets.values_mut() {
        memory.last_visit_at = Some(seen_just_now);
    }
    let (job, instance) = ("shop".to_owned(), String::new());
    cursor
        .targets
        .insert(ServerTarget { job, instance }, TargetMemory::new(true));
    let target = target();
    cursor.targets.insert(
        target,
        TargetMemory {
            last_visit_at: Some(seen_just_now),
            ..TargetMemory::new(true)
        },
    );
    cursor.count(&indicator, &[], &Asides::default(), seen_just_now);
    assert_eq!(cursor.targets.len(), many + 1, "what is there is never too many");
}

#[test]
fn the_interval_is_the_median_of_the_last_differences() {
    let mut interval = Interval::default();
    assert_eq!(interval.get(), Duration::from_mins(1));
    for (differences, seconds) in [
        (&[15_000, 1_800_000][..], 15),
        (&[15_000, 15_000, 14_999], 15),
        (&[60_000, 60_000, 60_000], 15),
        (&[60_000, 60_000, 60_000], 60),
    ] {
        for difference in differences {
            interval.learn(*difference);
        }
        assert_eq!(interval.get(), Duration::from_secs(seconds), "after {differences:?}");
    }
}

#[test]
fn labels_are_read_from_a_series_key() {
    let cases: [&[(&str, &str)]; 4] = [
        &[],
        &[("a", "1")],
        &[("a", "say \"hi\"\\\n"), ("b", "},{=\""), ("c", "ö")],
        &[("job", "shop"), ("z", "\\")],
    ];
    for pairs in cases {
        let labels: Labels = pairs.iter().copied().collect();
        assert_eq!(labels_of_key(&format!("metric{labels}")), labels, "{labels}");
    }
    for garbage in ["a{", "a{b", "a{b=\"", "a{b=\"c\\", "a{b=\"c\",}"] {
        let _ = labels_of_key(garbage);
    }
}

#[test]
fn a_cut_cursor_is_refused() {
    let indicator = indicator(Kind::Ratio, false);
    let mut cursor = RangeCursor::new(FROM);
    cursor.take_baseline(&indicator, &[series("200", &[(-15, 100.0)])]);
    cursor.count(&indicator, &[series("200", &[(15, 110.0)])], &Asides::default(), at(60));
    let bytes = cursor.encode();
    let mut read = RangeCursor::decode(&bytes).expect("it is read");
    for memory in cursor.targets.values_mut().chain(read.targets.values_mut()) {
        memory.slo.changed = false;
    }
    assert_eq!(read, cursor);
    for length in 0..bytes.len() {
        assert!(RangeCursor::decode(&bytes[..length]).is_err(), "{length} bytes");
    }
}
