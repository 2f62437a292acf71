//! The step of computed values: from what it is learned, and how it is mended.

use std::time::Duration;

use nines::domain::time::Timestamp;
use nines::engine::ports::QueryFailureReason;
use nines::engine::read::state::Way;

use super::server::FakeServer;
use super::servers::{COMPUTED, Reading};
use super::world::Database;

/// Ten events in each step, of which one is bad.
const BUSY: Computed = |query, _| Some(if query.contains("b_total") { 1.0 } else { 10.0 });

type Computed = fn(&str, Timestamp) -> Option<f64>;

async fn reading(database: Database, computed: Computed) -> Option<Reading> {
    let server = FakeServer::default();
    *server.computed.lock().expect("no panic") = Some(computed);
    Reading::begin(database, COMPUTED, server).await
}

/// The step in minutes, and whether some of the past is still to be read.
fn step(reading: &Reading) -> (u64, bool) {
    let state = reading.reader.state().expect("it has begun");
    let Way::Steps { step, history, .. } = &state.way else {
        panic!("values are computed");
    };
    (step.as_secs() / 60, history.is_some())
}

fn says(reading: &Reading, scrapes: f64) {
    *reading.server.scrapes.lock().expect("no panic") = Some(scrapes);
}

pub async fn what_is_refused_at_first_leaves_no_trace(database: Database) {
    let refused = QueryFailureReason::BadQuery;
    let mut shown = Vec::new();
    for (what, faults) in [
        ("nothing", 0),
        ("how often it is scraped", 1),
        ("the SLO's own question, too", 2),
    ] {
        let Some(mut reading) = reading(database, BUSY).await else {
            return;
        };
        reading
            .server
            .faults
            .lock()
            .expect("no panic")
            .extend(vec![refused; faults]);
        if faults == 2 {
            assert!(reading.step(false).await.is_err(), "{what}");
            assert!(reading.reader.state().is_none(), "{what}: nothing was decided");
        }
        reading.read_all().await;
        reading.world.tick().await;
        assert_eq!(step(&reading), (1, false), "{what}");
        shown.push((what, reading.world.events("shop/api")));
        reading.world.prove().await;
    }
    assert!(shown.iter().all(|(_, events)| *events == shown[0].1), "{shown:?}");
}

pub async fn a_step_is_learned_as_soon_as_there_are_values(database: Database) {
    let Some(mut reading) = reading(database, |_, _| None).await else {
        return;
    };
    says(&reading, 0.0);
    reading.read_all().await;
    assert_eq!(step(&reading), (5, false), "nobody knows yet");
    *reading.server.computed.lock().expect("no panic") = Some(BUSY);
    says(&reading, 10.0);
    reading.world.pass(300);
    reading.read_all().await;
    assert_eq!(step(&reading), (4, false), "a sample a minute");
}

pub async fn a_step_that_was_learned_from_nonsense_does_not_stay(database: Database) {
    let Some(mut reading) = reading(database, BUSY).await else {
        return;
    };
    reading.read_all().await;
    assert_eq!(step(&reading), (1, false));
    says(&reading, 10.0);
    reading.world.pass(3600);
    reading.read_all().await;
    assert_eq!(step(&reading), (1, false), "it is not learned all the time");
    reading.world.pass(23 * 3600);
    let done = reading.step(false).await.expect("it is read");
    assert!(!done.is_current, "what was read with the other step is not kept");
    assert_eq!(
        step(&reading),
        (4, true),
        "what was read with too short a step is read again"
    );
    reading.read_all().await;
    assert_eq!(step(&reading), (4, false));
    let state = reading.reader.state().expect("it is read");
    assert_eq!(state.read_until().0 % Duration::from_mins(4).as_millis() as i64, 0);
    reading.world.tick().await;
    reading.world.prove().await;
}
