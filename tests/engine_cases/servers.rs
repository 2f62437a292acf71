//! SLOs that are read from servers: what is asked, counted and kept, step by step.

use std::sync::Arc;
use std::time::Duration;

use nines::domain::time::Timestamp;
use nines::engine::catalog::Keys;
use nines::engine::clock::Clock;
use nines::engine::ports::{CatalogStore, ListedServer, QueryFailureReason};
use nines::engine::read::keys::SloKeys;
use nines::engine::read::reader::{ReadError, Reader, StepDone, Writing};

use super::faulty::Fault;
use super::server::FakeServer;
use super::world::{Database, NOW, World};

const SLO: &str = "
version: nines/v1
service: shop
slos:
  - name: api
    objective: 99
    window: 1d
    indicator: {source: main, total: requests_total, bad: 'requests_total{code=\"500\"}'}
    alerting:
      burn: [{severity: page, long: 1h, short: 5m, factor: 5}]
";

/// Only the server can tell what it counts.
pub const COMPUTED: &str = "
version: nines/v1
service: shop
slos:
  - name: api
    objective: 99
    window: 1d
    indicator: {source: main, total: 'sum(increase(a_total[{{.window}}])) + b', bad: 'sum(increase(b_total[{{.window}}])) + b'}
    alerting:
      burn: [{severity: page, long: 1h, short: 5m, factor: 5}]
";

/// The last sample lies where the present is read up to, a minute and some behind the clock.
const LAST: Timestamp = Timestamp(NOW.0 - 90_000);

fn listed(server: &Arc<FakeServer>) -> ListedServer {
    ListedServer {
        name: "main".to_owned(),
        shown_url: "http://main".to_owned(),
        is_default: true,
        query_offset: Duration::from_mins(1),
        interval: Duration::from_mins(1),
        concurrency: 4,
        server: Arc::clone(server) as _,
        config_hash: 1,
    }
}

/// A world with a server, and the reader of its SLO.
pub struct Reading {
    pub world: World,
    pub server: Arc<FakeServer>,
    pub reader: Reader,
}

impl Reading {
    pub async fn begin(database: Database, slos: &str, server: FakeServer) -> Option<Self> {
        let world = World::begin(database, slos).await?;
        let reader = reader(&world).await;
        Some(Self {
            world,
            server: Arc::new(server),
            reader,
        })
    }

    fn writing(&self) -> Writing {
        Writing {
            store: Arc::clone(&self.world.store) as _,
            epoch: self.world.epoch,
            books: Arc::clone(&self.world.active.readers().books),
        }
    }

    /// One step of the present or of the past; where it stands is asked for first.
    pub async fn step(&mut self, of_past: bool) -> Result<StepDone, ReadError> {
        let (writing, server, now) = (self.writing(), listed(&self.server), self.world.clock.now());
        if self.reader.state().is_none() {
            self.reader.open(&writing, &server, now).await?;
        }
        if of_past {
            self.reader.look_back(&writing, &server, now).await
        } else {
            self.reader.follow(&writing, &server, now).await
        }
    }

    /// Steps, the present first, until all was read; how many.
    pub async fn read_all(&mut self) -> usize {
        let mut steps = 0;
        loop {
            let done = self.step(false).await.expect("the present is read");
            steps += 1;
            if done.is_current {
                break;
            }
        }
        while self.reader.state().is_some_and(|state| state.missing().is_some()) {
            self.step(true).await.expect("the past is read");
            steps += 1;
        }
        steps
    }

    /// Another process with a new reader goes on from the store.
    async fn restart(self) -> Self {
        let world = self.world.restart(1).await;
        let reader = reader(&world).await;
        Self { world, reader, ..self }
    }

    async fn shows(&mut self, what: &str, expected: (i64, i64)) {
        self.world.tick().await;
        assert_eq!(self.world.events("shop/api"), expected, "{what}");
        self.world.prove().await;
    }
}

async fn reader(world: &World) -> Reader {
    let settings = world.active.settings();
    let records = world.store.inner.load_slos().await.expect("SLOs");
    let catalog = nines::engine::catalog::Catalog::new(&settings.desired, &records, 1);
    let mut keys = Keys::default();
    keys.extend(&world.store.inner.load_keys().await.expect("keys"));
    let entry = &catalog.entries[0];
    Reader::new(entry, SloKeys::of(entry.id, &keys).expect("a key"))
}

/// Twenty hours of a service, a sample a minute: an event and a bad one every minute, but for the gaps (in minutes before
/// the last sample); a restart ten hours ago. Gives all and bad events that must be counted.
fn history(server: &FakeServer, gaps: &[(usize, usize)]) -> (i64, i64) {
    let minutes = 20 * 60;
    let is_hidden = |at: usize| {
        let ago = minutes - 1 - at;
        gaps.iter().any(|(from, until)| (*until..*from).contains(&ago))
    };
    let restart = minutes - 600;
    let value = |at: usize| {
        if at < restart {
            1000 + at as u64
        } else {
            (at - restart) as u64 + 1
        }
    };
    let values: Vec<Option<u64>> = (0..minutes).map(|at| (!is_hidden(at)).then(|| value(at))).collect();
    for code in ["200", "500"] {
        server.counter(&[("job", "shop"), ("instance", "a"), ("code", code)], LAST, 60, &values);
    }
    let shown: Vec<u64> = values.into_iter().flatten().collect();
    let events: u64 = shown
        .windows(2)
        .map(|pair| if pair[1] < pair[0] { pair[1] } else { pair[1] - pair[0] })
        .sum();
    (2 * events as i64, events as i64)
}

pub async fn the_present_is_read_first_and_the_whole_is_exact(database: Database) {
    let server = FakeServer::default();
    let expected = history(&server, &[]);
    let Some(mut reading) = Reading::begin(database, SLO, server).await else {
        return;
    };
    let done = reading.step(false).await.expect("it is read");
    assert!(done.is_current && done.matched, "one chunk holds the alert windows");
    let asked = reading.server.asked.lock().expect("no panic").clone();
    let first = asked.iter().map(|(after, _)| after.0).min().expect("it has asked");
    assert!(NOW.0 - first < 2 * 3_600_000, "the present comes first: {asked:?}");
    reading.shows("the last hour", (118, 59)).await;
    reading.read_all().await;
    reading.shows("all of it", expected).await;
    reading.read_all().await;
    reading.shows("reading on changes nothing", expected).await;
    let view = reading.world.view("shop/api");
    assert!(
        view.coverage.is_some_and(|coverage| (0.82..0.85).contains(&coverage)),
        "{:?}",
        view.coverage
    );
}

pub async fn a_gap_across_the_place_where_both_strands_meet_is_filled_once(database: Database) {
    for gaps in [&[(90, 30)][..], &[(62, 5)], &[(1100, 300), (70, 58)], &[(59, 48)]] {
        let server = FakeServer::default();
        let expected = history(&server, gaps);
        let Some(mut reading) = Reading::begin(database, SLO, server).await else {
            return;
        };
        reading.read_all().await;
        reading.shows(&format!("{gaps:?}"), expected).await;
    }
}

pub async fn killed_at_any_step_it_comes_to_the_same(database: Database) {
    let gaps = [(70, 40), (400, 380)];
    for killed_after in [1, 2, 3, 5] {
        let server = FakeServer::default();
        let expected = history(&server, &gaps);
        let Some(mut reading) = Reading::begin(database, SLO, server).await else {
            return;
        };
        for step in 0..killed_after {
            let of_past = step > 0;
            reading.step(of_past).await.expect("it is read");
        }
        let mut reading = reading.restart().await;
        reading.read_all().await;
        reading
            .shows(&format!("killed after {killed_after} steps"), expected)
            .await;
    }
}

pub async fn a_store_that_fails_changes_nothing(database: Database) {
    for fault in [Fault::Before, Fault::After] {
        for failing in 0..4 {
            let server = FakeServer::default();
            let expected = history(&server, &[(70, 40)]);
            let Some(mut reading) = Reading::begin(database, SLO, server).await else {
                return;
            };
            for step in 0..failing {
                reading.step(step > 0).await.expect("it is read");
            }
            reading.world.store.fail("commit_reads", fault);
            let failed = reading.step(failing > 0).await;
            assert!(
                matches!(failed, Err(ReadError::Store(_))),
                "{fault:?} at step {failing}"
            );
            reading.read_all().await;
            reading.shows(&format!("{fault:?} at step {failing}"), expected).await;
        }
    }
}

pub async fn a_server_that_gives_no_answer_moves_no_watermark(database: Database) {
    let reasons = [
        QueryFailureReason::Unavailable,
        QueryFailureReason::Timeout,
        QueryFailureReason::Body,
        QueryFailureReason::Partial,
        QueryFailureReason::BadQuery,
    ];
    for reason in reasons {
        let server = FakeServer::default();
        let expected = history(&server, &[]);
        let Some(mut reading) = Reading::begin(database, SLO, server).await else {
            return;
        };
        reading.step(false).await.expect("it is read");
        let before = reading.reader.state().cloned();
        reading.server.faults.lock().expect("no panic").push_back(reason);
        let failed = reading.step(true).await;
        assert!(
            matches!(&failed, Err(ReadError::Query(failure)) if failure.reason == reason),
            "{reason:?}"
        );
        assert_eq!(reading.reader.state().cloned(), before, "{reason:?}");
        reading.read_all().await;
        reading.shows(reason.word(), expected).await;
    }
}

pub async fn what_is_too_much_is_asked_for_in_smaller_chunks(database: Database) {
    let server = FakeServer::default();
    let expected = history(&server, &[]);
    *server.samples_max.lock().expect("no panic") = Some(50);
    let Some(mut reading) = Reading::begin(database, SLO, server).await else {
        return;
    };
    let mut refused = 0;
    for of_past in [false, true] {
        loop {
            match reading.step(of_past).await {
                Ok(_) => {}
                Err(ReadError::Query(failure)) if failure.reason == QueryFailureReason::TooMuch => {
                    assert!(reading.reader.ask_for_less(of_past), "there is less to ask for");
                    refused += 1;
                }
                Err(error) => panic!("{error}"),
            }
            let state = reading.reader.state().expect("it has begun");
            let end = reading.reader.end(&listed(&reading.server), NOW);
            if (!of_past && state.read_until() >= end) || (of_past && state.missing().is_none()) {
                break;
            }
        }
    }
    assert!(
        (1..20).contains(&refused),
        "{refused} refused: what was too much is not asked for again and again"
    );
    reading.shows("in small chunks", expected).await;
}

pub async fn the_hundred_and_first_group_of_a_server_is_other(database: Database) {
    let server = FakeServer::default();
    for number in 0..130 {
        let values: Vec<Option<u64>> = (0..30).map(Some).collect();
        let tenant = format!("t{number}");
        server.counter(
            &[("job", "shop"), ("instance", "a"), ("tenant", &tenant)],
            LAST,
            60,
            &values,
        );
    }
    let slos = SLO.replace("indicator: {", "indicator: {group_by: [tenant], ");
    let Some(mut reading) = Reading::begin(database, &slos, server).await else {
        return;
    };
    reading.read_all().await;
    // A target whose first sample nothing is known about takes a baseline.
    reading.shows("the sum", (130 * 29, 0)).await;
    let groups = reading
        .world
        .engine
        .snapshot
        .load()
        .slos
        .iter()
        .filter(|slo| slo.group.is_some())
        .count();
    assert_eq!(groups, 101, "a hundred, and other");
    assert_eq!(reading.world.events(r#"shop/api{tenant="other"}"#), (30 * 29, 0));
}

pub async fn a_changed_indicator_begins_anew_and_is_filled_from_history(database: Database) {
    let server = FakeServer::default();
    let (total, bad) = history(&server, &[]);
    let Some(mut reading) = Reading::begin(database, SLO, server).await else {
        return;
    };
    reading.read_all().await;
    reading.shows("before", (total, bad)).await;
    reading
        .world
        .reload(&SLO.replace("total: requests_total", r#"total: 'requests_total{code="500"}'"#))
        .await;
    reading.reader = reader(&reading.world).await;
    reading.shows("nothing of the old one is left", (0, 0)).await;
    reading.read_all().await;
    reading.shows("the new one is filled", (bad, bad)).await;
    reading
        .world
        .reload(&SLO.replace("objective: 99", "objective: 90"))
        .await;
    reading.reader = reader(&reading.world).await;
    reading.read_all().await;
}

pub async fn computed_values_of_the_last_ten_minutes_are_read_again(database: Database) {
    let server = FakeServer::default();
    // Late: the last five minutes have nothing yet.
    *server.computed.lock().expect("no panic") = Some(|query, at| {
        let is_there = at.0 <= LAST.0 - 5 * 60_000;
        is_there.then_some(if query.contains("b_total") { 1.0 } else { 10.0 })
    });
    let Some(mut reading) = Reading::begin(database, COMPUTED, server).await else {
        return;
    };
    reading.read_all().await;
    reading.world.tick().await;
    let early = reading.world.events("shop/api");
    *reading.server.computed.lock().expect("no panic") =
        Some(|query, _| Some(if query.contains("b_total") { 1.0 } else { 10.0 }));
    reading.world.pass(60);
    reading.read_all().await;
    reading.world.tick().await;
    let late = reading.world.events("shop/api");
    // Expressions without a counting function are events per second.
    assert_eq!(late.0 - early.0, 10 * (late.1 - early.1), "{early:?} {late:?}");
    assert!(late.0 > early.0);
    let minutes = reading
        .world
        .view("shop/api")
        .coverage
        .map(|coverage| coverage * 1440.0);
    assert!(
        minutes.is_some_and(|minutes| minutes >= 1436.0),
        "nothing is missing: {minutes:?}"
    );
    reading.world.prove().await;
}

pub async fn what_a_server_has_forgotten_stays_counted(database: Database) {
    let server = FakeServer::default();
    let expected = history(&server, &[]);
    let Some(mut reading) = Reading::begin(database, SLO, server).await else {
        return;
    };
    reading.read_all().await;
    reading.shows("all of it", expected).await;
    for series in reading.server.series.lock().expect("no panic").iter_mut() {
        series.samples.drain(..600);
    }
    reading.reader.read_again(NOW);
    reading.read_all().await;
    // The last half is read again; its first samples are baselines.
    reading.world.tick().await;
    let (total, bad) = reading.world.events("shop/api");
    assert!(
        (expected.0 - 4..=expected.0).contains(&total),
        "{total} of {}",
        expected.0
    );
    assert!((expected.1 - 2..=expected.1).contains(&bad), "{bad} of {}", expected.1);
    reading.world.prove().await;
}

pub async fn an_answer_that_is_empty_for_a_while_takes_nothing_back(database: Database) {
    let server = FakeServer::default();
    let full = |query: &str, _: Timestamp| Some(if query.contains("b_total") { 1.0 } else { 10.0 });
    *server.computed.lock().expect("no panic") = Some(full);
    let Some(mut reading) = Reading::begin(database, COMPUTED, server).await else {
        return;
    };
    reading.read_all().await;
    reading.world.tick().await;
    let before = reading.world.events("shop/api");
    *reading.server.computed.lock().expect("no panic") = Some(|_, _| None);
    for _ in 0..15 {
        reading.world.pass(60);
        reading.read_all().await;
    }
    *reading.server.computed.lock().expect("no panic") = Some(full);
    reading.world.pass(60);
    reading.read_all().await;
    reading.world.tick().await;
    let after = reading.world.events("shop/api");
    // Sixteen minutes have left the window; of the same number that came, eleven were read.
    assert_eq!(after, (before.0 - 5 * 10, before.1 - 5), "{before:?}");
    reading.world.prove().await;
}

pub async fn one_strange_page_does_not_change_how_an_slo_is_read(database: Database) {
    let slos = SLO.replace(
        "total: requests_total, bad: 'requests_total{code=\"500\"}'",
        "total: 'sum(increase(requests_total[{{.window}}]))', bad: 'sum(increase(requests_total{code=\"500\"}[{{.window}}]))'",
    );
    assert!(slos.contains("increase"), "{slos}");
    for (reason, decides) in [
        (QueryFailureReason::Format, false),
        (QueryFailureReason::BadQuery, true),
    ] {
        let server = FakeServer::default();
        let expected = history(&server, &[(400, 380)]);
        *server.computed.lock().expect("no panic") = Some(|_, _| Some(1.0));
        let Some(mut reading) = Reading::begin(database, &slos, server).await else {
            return;
        };
        reading.server.faults.lock().expect("no panic").push_back(reason);
        assert_eq!(reading.step(false).await.is_ok(), decides, "{reason:?}");
        assert_eq!(reading.reader.state().is_some(), decides, "{reason:?}");
        reading.read_all().await;
        let what = format!("{reason:?}: from raw samples, across the gap");
        reading.shows(&what, expected).await;
    }
}
