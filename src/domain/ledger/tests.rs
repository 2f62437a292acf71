//! The running sums equal a naive recomputation, whatever happens.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const WINDOWS: [u32; 6] = [1, 5, 60, 360, 361, 1500];

/// The truth: every minute that was ever credited.
#[derive(Default)]
struct Naive(BTreeMap<i64, Bucket>);

impl Naive {
    fn credit(&mut self, minute: Minute, credit: Bucket) {
        add_bucket(self.0.entry(minute.0).or_default(), credit);
    }

    fn sum(&self, window: u32, now: Minute) -> WindowSum {
        let mut sum = WindowSum::default();
        for (_, bucket) in self.0.range(now.0 - i64::from(window)..=now.0) {
            sum.total += bucket.total;
            sum.good += bucket.good;
            sum.observed += u32::from(bucket.observed);
        }
        sum
    }

    fn minutes(&self, from: Minute, to: Minute) -> Vec<(Minute, Bucket)> {
        self.0
            .range(from.0..=to.0)
            .map(|(minute, bucket)| (Minute(*minute), *bucket))
            .collect()
    }

    fn hours(&self, from: Hour) -> Vec<(Hour, HourTotal)> {
        let mut hours: BTreeMap<Hour, HourTotal> = BTreeMap::new();
        for (minute, bucket) in self.0.range(from.first_minute().0..) {
            let hour = hours.entry(Minute(*minute).hour()).or_default();
            hour.total += bucket.total;
            hour.good += bucket.good;
            hour.observed += u8::from(bucket.observed);
        }
        hours.into_iter().collect()
    }
}

fn load(ledger: &mut Ledger, key: KeyIndex, naive: &Naive) {
    let hours = naive.hours(ledger.hours_from(key));
    let mut minutes: Vec<_> = ledger
        .minute_spans(key)
        .into_iter()
        .flat_map(|(from, to)| naive.minutes(from, to))
        .collect();
    minutes.sort_unstable_by_key(|(minute, _)| *minute);
    minutes.dedup_by_key(|(minute, _)| *minute);
    ledger.load(key, &hours, &minutes);
}

fn advance(ledger: &mut Ledger, until: Minute, naive: &Naive) {
    for (key, hour) in ledger.missing_edges(until) {
        let first = hour.first_minute();
        ledger.put_edge(key, hour, &naive.minutes(first, Minute(first.0 + 59)));
    }
    ledger.advance(until);
}

/// Minutes to advance, then credits: how many minutes ago, total, good, observed (only of the present minute).
type Step = (i64, Vec<(i64, i64, i64, bool)>);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let ago = prop_oneof![4 => 0_i64..3, 2 => 0_i64..400, 1 => 0_i64..3000];
    let credit = (ago, 0_i64..1000, -10_i64..1000, any::<bool>());
    let minutes = prop_oneof![4 => 0_i64..3, 2 => 0_i64..90, 1 => 0_i64..2000];
    proptest::collection::vec((minutes, proptest::collection::vec(credit, 0..4)), 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn sums_equal_a_naive_recomputation(start in 10_000_i64..20_000, steps in steps(), reload_at in 0_usize..40) {
        let windows: Vec<WindowLength> = WINDOWS.iter().filter_map(|m| WindowLength::from_minutes(*m)).collect();
        let mut ledger = Ledger::new(Minute(start));
        let key = ledger.add(windows.clone());
        let mut naive = Naive::default();
        for (number, (minutes, credits)) in steps.into_iter().enumerate() {
            let until = Minute(ledger.now().0 + minutes);
            advance(&mut ledger, until, &naive);
            for (ago, total, good, observed) in credits {
                let credit = Bucket { total, good, observed: observed && ago == 0 };
                let minute = Minute(until.0 - ago);
                naive.credit(minute, credit);
                ledger.credit(key, minute, credit);
            }
            if number == reload_at {
                load(&mut ledger, key, &naive);
            }
            for window in &windows {
                prop_assert_eq!(ledger.sum(key, *window), Some(naive.sum(window.minutes(), until)), "{:?}", window);
            }
        }
    }
}
