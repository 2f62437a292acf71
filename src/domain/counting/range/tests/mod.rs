//! Raw samples are counted the same however they are divided, and as an obvious count of them says.

mod rules;
mod world;

use proptest::prelude::*;

use self::world::{BEGIN, FROM, Kind, Script, Truth, indicator};
use super::*;
use crate::domain::time::MINUTE_MS;

/// How much is read before the first chunk.
const LOOKBACK_MS: i64 = 10 * MINUTE_MS;

/// Reads the whole history in chunks that end at these times.
fn read(truths: &[Truth], kind: Kind, indicator: &Indicator, ends: &[Timestamp]) -> RangeCount {
    let answer = |after: Timestamp, until: Timestamp| {
        let mut answer: Vec<_> = truths
            .iter()
            .flat_map(|truth| truth.answer(kind, after, until))
            .collect();
        // Servers promise no order.
        if until.0 % 2 == 0 {
            answer.reverse();
        }
        answer
    };
    let mut cursor = RangeCursor::new(FROM);
    cursor.take_baseline(indicator, &answer(Timestamp(FROM.0 - LOOKBACK_MS), FROM));
    let mut sum = RangeCount::default();
    for until in ends {
        let chunk = answer(cursor.read_until(), *until);
        let mut asides = Asides::default();
        let questions = cursor.questions(indicator, &chunk);
        for truth in truths {
            truth.aside(&questions, *until, &mut asides);
        }
        let mut stored = RangeCursor::decode(&cursor.encode()).expect("it is read");
        let count = cursor.count(indicator, &chunk, &asides, *until);
        // Once more from the older state, with all that the server has.
        let everything = answer(Timestamp(BEGIN), Timestamp(i64::MAX));
        assert_eq!(stored.count(indicator, &everything, &asides, *until), count);
        assert_eq!(cursor.read_until(), *until);
        cursor = stored;
        for (key, (total, good)) in count.minutes {
            let minute = sum.minutes.entry(key).or_default();
            *minute = (minute.0 + total, minute.1 + good);
        }
        sum.observed.extend(count.observed);
        sum.resets += count.resets;
        sum.matched_at = sum.matched_at.max(count.matched_at);
    }
    sum
}

fn end_of(truths: &[Truth]) -> Timestamp {
    let times = truths.iter().flat_map(|truth| truth.series.values().flatten());
    let last = times.map(|(at, _)| *at).max().unwrap_or_default();
    Timestamp(last.max(FROM).0 + 10 * MINUTE_MS)
}

fn scripts(scale: impl Strategy<Value = f64>) -> impl Strategy<Value = Vec<Script>> {
    let script = (
        prop::sample::select(vec![15_i64, 60, 300]),
        0_i64..15 * MINUTE_MS,
        any::<bool>(),
        any::<bool>(),
        prop::collection::vec(any::<u8>(), 1..50),
    );
    (prop::collection::vec(script, 1..4), scale).prop_map(|(scripts, scale)| {
        let of = |(interval_s, phase_ms, shows_start, is_scraped_before, ops)| Script {
            interval_s,
            phase_ms,
            shows_start,
            is_scraped_before,
            scale,
            ops,
        };
        scripts.into_iter().map(of).collect()
    })
}

fn truths(scripts: &[Script]) -> Vec<Truth> {
    let truths = scripts.iter().enumerate();
    truths.map(|(index, script)| Truth::of(index, script)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_chunks_give_the_same_minutes(
        scripts in scripts(prop::sample::select(vec![1.0, 1.0, 10_000.0])),
        cuts in prop::collection::vec(0_u64..1_000_000, 0..8),
        kind in prop::sample::select(vec![Kind::Ratio, Kind::Latency, Kind::Gauge]),
        is_grouped in any::<bool>(),
    ) {
        let (truths, indicator) = (truths(&scripts), indicator(kind, is_grouped));
        let end = end_of(&truths);
        let span = end.since(FROM);
        let mut ends: Vec<_> = cuts.iter().map(|cut| Timestamp(FROM.0 + span * *cut as i64 / 1_000_000)).collect();
        ends.push(end);
        ends.sort();
        let whole = read(&truths, kind, &indicator, &[end]);
        prop_assert_eq!(read(&truths, kind, &indicator, &ends), whole);
    }

    #[test]
    fn the_sum_is_what_an_obvious_count_says(scripts in scripts(Just(1.0))) {
        let truths = truths(&scripts);
        let count = read(&truths, Kind::Ratio, &indicator(Kind::Ratio, false), &[end_of(&truths)]);
        let sum = count.minutes.values().fold((0, 0), |sum, (total, good)| {
            (sum.0 + i128::from(*total), sum.1 + i128::from(*good))
        });
        let baseline_since = Timestamp(FROM.0 - LOOKBACK_MS);
        let wanted = truths.iter().map(|truth| truth.counted(FROM, baseline_since));
        let wanted = wanted.fold((0, 0), |sum, (total, good)| (sum.0 + total, sum.1 + good));
        prop_assert_eq!(sum, wanted);
        prop_assert_eq!(count.notes, []);
    }

    #[test]
    fn bytes_that_are_no_cursor_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = RangeCursor::decode(&bytes);
        let mut prefixed = vec![1; 1];
        prefixed.extend(bytes);
        let _ = RangeCursor::decode(&prefixed);
    }
}
