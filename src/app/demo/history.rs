//! Thirty days that never were: what the demo's SLOs would have counted.

use super::random::Random;
use super::shop::REGIONS;
use crate::domain::counts::{Bucket, MICRO};
use crate::domain::time::{DAY_MINUTES, Minute};

/// How far back the story goes.
pub const DAYS: i64 = 30;
/// Requests in a minute, over the whole day; as many as the shop serves.
const MEAN_PER_MINUTE: f64 = 3000.0;
/// Incidents of the past: days before the end, minute of that day counted from the end, minutes, share of bad events.
const INCIDENTS: [(i64, i64, i64, f64); 3] = [(21, 540, 25, 0.2), (9, 870, 40, 0.1), (3, 200, 6, 0.08)];

/// What kind of events an SLO of the demo counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Requests; bad ones failed.
    Availability,
    /// The requests of one region, by its place among the shop's regions.
    Region(usize),
    /// Requests; bad ones were slow.
    Latency,
    /// Seconds; bad ones had a long queue.
    Queue,
}

/// The profile of one of the demo's SLOs, by its id, and of its group, by its region.
pub fn profile(slo: &str, region: Option<&str>) -> Option<Profile> {
    match (slo, region) {
        ("checkout/availability" | "checkout/availability-fast" | "checkout/availability-by-region", None) => {
            Some(Profile::Availability)
        }
        ("checkout/availability-by-region", Some(region)) => REGIONS
            .iter()
            .position(|(known, _)| *known == region)
            .map(Profile::Region),
        ("checkout/latency", None) => Some(Profile::Latency),
        ("shop/queue", None) => Some(Profile::Queue),
        _ => None,
    }
}

/// The regions that have a history of their own.
pub fn regions() -> impl Iterator<Item = &'static str> {
    REGIONS.iter().map(|(region, _)| *region)
}

/// The thirty days before `end`, minute by minute. The same arguments give the same history, and the regions' events
/// add up to those of [`Profile::Availability`].
pub fn history(profile: Profile, end: Minute) -> impl Iterator<Item = (Minute, Bucket)> {
    (end.0 - DAYS * DAY_MINUTES..end.0).map(move |minute| (Minute(minute), bucket(profile, minute, end.0)))
}

fn bucket(profile: Profile, minute: i64, end: i64) -> Bucket {
    let (total, bad) = match profile {
        Profile::Region(index) => region(index, minute, end),
        Profile::Availability => {
            let of_regions = (0..REGIONS.len()).map(|index| region(index, minute, end));
            of_regions.fold((0, 0), |sum, (total, bad)| (sum.0 + total, sum.1 + bad))
        }
        Profile::Latency => {
            let (total, failed) = bucket_counts(Profile::Availability, minute, end);
            let slow = chance(minute, 7).near(total as f64 * 0.018) + failed;
            (total, slow.min(total))
        }
        Profile::Queue => (60, if trouble(minute, end) > 0.0 { 45 } else { 0 }),
    };
    Bucket {
        total: total * MICRO,
        good: (total - bad) * MICRO,
        observed: true,
    }
}

fn bucket_counts(profile: Profile, minute: i64, end: i64) -> (i64, i64) {
    let bucket = bucket(profile, minute, end);
    (bucket.total / MICRO, (bucket.total - bucket.good) / MICRO)
}

/// Total and bad events of one region.
fn region(index: usize, minute: i64, end: i64) -> (i64, i64) {
    let mut random = chance(minute, index as u64);
    let share = REGIONS.get(index).map_or(0.0, |(_, share)| *share);
    let total = random.near(MEAN_PER_MINUTE * share * shape(minute) * random.clone().between(0.95, 1.05));
    let error_ratio = (0.0002 + trouble(minute, end)).min(1.0);
    (total, random.near(total as f64 * error_ratio).min(total))
}

/// The shape of a day and of a week: quiet nights, busy evenings, slow weekends; 1 on average.
fn shape(minute: i64) -> f64 {
    let hour = minute.rem_euclid(DAY_MINUTES) as f64 / 60.0;
    let day = 1.0 + 0.45 * ((hour - 15.0) / 24.0 * std::f64::consts::TAU).cos();
    // Day 0 of unix time was a Thursday.
    let weekend = matches!(minute.div_euclid(DAY_MINUTES).rem_euclid(7), 2 | 3);
    day * if weekend { 0.8 } else { 1.08 }
}

/// The share of events that an incident of the past broke in this minute.
fn trouble(minute: i64, end: i64) -> f64 {
    let before_end = end - minute;
    let in_it = |(days, offset, length, _): &&(i64, i64, i64, f64)| {
        let began = days * DAY_MINUTES + offset;
        (began - length < before_end) && (before_end <= began)
    };
    INCIDENTS.iter().find(in_it).map_or(0.0, |(.., share)| *share)
}

/// Every minute has its own chance, so that it does not depend on where the history begins.
fn chance(minute: i64, stream: u64) -> Random {
    Random::seeded(minute.unsigned_abs().wrapping_mul(0x1_0001).wrapping_add(stream << 48))
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: Minute = Minute(29_000_000);

    /// Total and bad events.
    fn sums(profile: Profile) -> (i64, i64) {
        history(profile, END).fold((0, 0), |(total, bad), (_, bucket)| {
            (total + bucket.total / MICRO, bad + (bucket.total - bucket.good) / MICRO)
        })
    }

    #[test]
    fn it_covers_thirty_days_and_stays_within_bounds() {
        for profile in [
            Profile::Availability,
            Profile::Region(1),
            Profile::Latency,
            Profile::Queue,
        ] {
            let minutes: Vec<_> = history(profile, END).collect();
            assert_eq!(minutes.len(), 43_200);
            assert_eq!(
                (minutes[0].0, minutes[43_199].0),
                (Minute(END.0 - 43_200), Minute(END.0 - 1))
            );
            let sound = |bucket: &Bucket| bucket.observed && 0 <= bucket.good && bucket.good <= bucket.total;
            assert!(minutes.iter().all(|(_, bucket)| sound(bucket)), "{profile:?}");
        }
    }

    #[test]
    fn some_of_every_budget_is_spent_and_some_is_left() {
        let table = [
            ("checkout/availability", 0.001, 0.25..0.75),
            ("checkout/latency", 0.05, 0.2..0.6),
            ("shop/queue", 0.01, 0.05..0.5),
        ];
        for (slo, error_ratio, expected) in table {
            let (total, bad) = sums(profile(slo, None).expect(slo));
            let spent = bad as f64 / (total as f64 * error_ratio);
            assert!(expected.contains(&spent), "{slo}: {spent}");
        }
    }

    #[test]
    fn the_regions_add_up_to_the_whole() {
        let parts = regions().map(|region| profile("checkout/availability-by-region", Some(region)).expect(region));
        let sum = parts
            .map(sums)
            .fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
        assert_eq!(sum, sums(Profile::Availability));
    }

    #[test]
    fn the_mean_is_the_shops_and_days_have_a_shape() {
        let (total, _) = sums(Profile::Availability);
        let mean = total as f64 / 43_200.0;
        assert!((2800.0..3200.0).contains(&mean), "{mean}");
        let midnight = END.0.div_euclid(DAY_MINUTES) * DAY_MINUTES - DAY_MINUTES;
        let at = |hour: i64| bucket(Profile::Availability, midnight + hour * 60, END.0).total;
        assert!(at(15) > 2 * at(3), "{} and {}", at(15), at(3));
    }
}
