//! How long before its target was listed a process may have begun (rule 1).

use std::time::Duration;

use crate::domain::time::Timestamp;

/// A process may have begun this long before its target was listed and still count from zero.
pub const BORN_BEFORE_LISTED_MAX: Duration = Duration::from_mins(10);

/// When a target was first listed, moved back so that ten minutes before it hold ten minutes in which nines was up.
pub fn shift_by_downtime(listed_at: Timestamp, downtimes: &[(Timestamp, Timestamp)]) -> Timestamp {
    let ten_minutes = BORN_BEFORE_LISTED_MAX.as_millis() as i64;
    let (mut earliest, mut up_left) = (listed_at, ten_minutes);
    let mut before: Vec<_> = downtimes.iter().filter(|(_, until)| *until <= listed_at).collect();
    before.sort_by_key(|(_, until)| std::cmp::Reverse(*until));
    for (from, until) in before {
        let up = earliest.since(*until);
        if up >= up_left {
            break;
        }
        up_left -= up.max(0);
        earliest = earliest.min(*from);
    }
    Timestamp(earliest.0 - up_left + ten_minutes)
}
