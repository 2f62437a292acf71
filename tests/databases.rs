//! SQL indicators against a real Postgres: what its rows say of each period comes back, and nothing can be changed.

mod support {
    pub mod postgres;
}

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use nines::domain::answer::Answer;
use nines::domain::time::Timestamp;
use nines::engine::ports::{QueryFailureReason, QueryServer};
use nines::secret::Secret;
use nines::source::http::settings::SecretSource;
use nines::source::sql::list;
use nines::source::sql::settings::SqlSettings;
use sqlx::{Connection, Executor, PgConnection};

/// 2026-01-15T08:00:00Z
const BEGIN: Timestamp = Timestamp(1_768_464_000_000);
const EVERY: Duration = Duration::from_mins(5);

/// Orders: one every 10 seconds for an hour, in two regions; every seventh was never paid, every fifth was paid late.
const ORDERS: &str = "
create table orders (region text, created_at timestamptz, paid_at timestamptz);
insert into orders
select case when n % 2 = 0 then 'eu' end, at, case when n % 7 <> 0 then at + (case when n % 5 = 0 then 7200 else 60 end) * interval '1 second' end
from generate_series(0, 359) n, lateral (select timestamptz '2026-01-15T08:00:00Z' + n * interval '10 seconds' as at) t";

const PAID: &str = "count(*) filter (where paid_at < created_at + interval '1 hour') as good";
const RANGE: &str = "from orders where created_at >= {{.from}} and created_at < {{.until}}";

async fn database() -> Option<(String, Arc<dyn QueryServer>)> {
    let url = support::postgres::database().await?;
    let mut connection = PgConnection::connect(&url).await.expect("a connection");
    connection.execute(ORDERS).await.expect("orders");
    Some((url.clone(), server(&url)))
}

fn server(url: &str) -> Arc<dyn QueryServer> {
    let settings = SqlSettings {
        name: "shop".to_owned(),
        url: SecretSource::Inline(Secret::new(url)),
        query_offset: Duration::ZERO,
        timeout: Duration::from_secs(2),
        concurrency: 2,
        pace: Duration::from_millis(1),
    };
    list(&[settings], &[], &Arc::default()).remove(0).server
}

/// (good, total) of each order's period and region, by the arithmetic.
fn expected(by_region: bool) -> BTreeMap<(String, i64), (f64, f64)> {
    let mut found = BTreeMap::new();
    for n in 0..360_i64 {
        let region = if by_region && n % 2 == 0 { "eu" } else { "" };
        let period = BEGIN.0 + (n * 10 / 300 + 1) * 300_000;
        let (good, total): &mut (f64, f64) = found.entry((region.to_owned(), period)).or_default();
        *total += 1.0;
        *good += f64::from(u8::from(n % 7 != 0 && n % 5 != 0));
    }
    found
}

fn told(answer: &Answer) -> BTreeMap<(String, i64), (f64, f64)> {
    let mut found: BTreeMap<(String, i64), (f64, f64)> = BTreeMap::new();
    for series in &answer.series {
        for (at, value) in &series.samples {
            let cell = found.entry((series.labels.get("region").to_owned(), at.0)).or_default();
            *(if series.metric == "total" {
                &mut cell.1
            } else {
                &mut cell.0
            }) += value;
        }
    }
    found
}

async fn ask(server: &dyn QueryServer, query: &str) -> Result<Answer, (QueryFailureReason, String)> {
    let last = BEGIN + Duration::from_hours(1);
    let answer = server.steps(query, BEGIN + EVERY, last, EVERY).await;
    answer.map_err(|failure| (failure.reason, failure.detail))
}

#[tokio::test]
async fn rows_are_told_by_period_and_label_however_the_query_is_written() {
    let Some((_, server)) = database().await else { return };
    for (query, by_region, what) in [
        (
            format!("select count(*) as total, {PAID} {RANGE}"),
            false,
            "one row for each period",
        ),
        (
            format!("select region, count(*) as total, {PAID} {RANGE} group by region;"),
            true,
            "a row for each region, null is no name",
        ),
        (
            format!(
                "select created_at as at, 1 as total, (paid_at < created_at + interval '1 hour')::int as good {RANGE}"
            ),
            false,
            "a row for each order, good is null where nothing was paid",
        ),
        (
            format!(
                "with o as (select * {RANGE}) select date_trunc('minute', created_at) as at, region, count(*)::numeric as total, {PAID} from o group by 1, 2"
            ),
            true,
            "a row for each minute and region",
        ),
    ] {
        let answer = ask(server.as_ref(), &query)
            .await
            .unwrap_or_else(|why| panic!("{what}: {why:?}"));
        assert_eq!(told(&answer), expected(by_region), "{what}");
    }
}

#[tokio::test]
async fn what_cannot_be_answered_says_why() {
    let Some((url, server)) = database().await else { return };
    use QueryFailureReason as Reason;
    for (query, reason, words) in [
        (
            format!("select count(*) as all_of_them {RANGE}"),
            Reason::BadQuery,
            "a column `total`",
        ),
        (
            format!("select count(*) as total {RANGE}"),
            Reason::BadQuery,
            "one of `good` and `bad`",
        ),
        (
            format!("select count(*) as total, 1 as good {RANGE} and nobody = 1"),
            Reason::BadQuery,
            "42703",
        ),
        (
            format!("select 'many' as total, 1 as good {RANGE} limit 1"),
            Reason::Format,
            "no number: many",
        ),
        (
            format!("select created_at - interval '1 hour' as at, 1 as total, 1 as good {RANGE}"),
            Reason::Format,
            "not at or after",
        ),
        (
            format!("select null::timestamptz as at, 1 as total, 1 as good {RANGE}"),
            Reason::Format,
            "no `at`",
        ),
        (
            format!("select count(*) as total, 1 as good, pg_sleep(5) {RANGE}"),
            Reason::Timeout,
            "",
        ),
        (
            format!(
                "with d as (delete from orders returning 1) select count(*) as total, 1 as good from d, orders where {}",
                "created_at >= {{.from}} and created_at < {{.until}}"
            ),
            Reason::BadQuery,
            "",
        ),
        (
            format!("select 1 as total, set_config('x.y', '1', false)::int as good, nextval('s') {RANGE}"),
            Reason::BadQuery,
            "42P01",
        ),
    ] {
        let (found, detail) = ask(server.as_ref(), &query).await.expect_err(&query);
        assert_eq!(found, reason, "{query}: {detail}");
        assert!(detail.contains(words), "{query}: {detail}");
    }
    let mut connection = PgConnection::connect(&url).await.expect("a connection");
    let left: i64 = sqlx::query_scalar("select count(*) from orders")
        .fetch_one(&mut connection)
        .await
        .expect("a count");
    assert_eq!(left, 360, "nothing was changed");
}

#[tokio::test]
async fn a_database_that_is_not_there_says_so_without_its_password() {
    let server = server("postgres://nines:hunter2@127.0.0.1:1/shop");
    let (reason, detail) = ask(
        server.as_ref(),
        "select 1 as total, 1 as good where {{.from}} < {{.until}}",
    )
    .await
    .expect_err("nobody answers");
    assert!(
        matches!(reason, QueryFailureReason::Connect | QueryFailureReason::Timeout),
        "{reason:?} {detail}"
    );
    assert!(!detail.contains("hunter2"), "{detail}");
}
