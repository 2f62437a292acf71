//! A fresh store for one test case, and short ways to say what it is fed.

use std::time::Duration;

use nines::domain::counts::{Bucket, MICRO};
use nines::domain::slo::SloId;
use nines::domain::time::{Minute, Timestamp};
use nines::engine::ports::{
    CatalogStore, Credit, Epoch, KeyId, LeaseState, LeaseStore, LedgerStore, LoadedSlo, ReadCommit, ReadSpan,
    TargetCommit,
};
use nines::store::SqlStore;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, SqliteConnection};

use super::postgres;

/// 2026-11-21T08:00:00Z.
pub const NOW: Timestamp = Timestamp(1_795_248_000_000);

/// A migrated store whose lease is ours, and the way to open it again.
pub struct Fixture {
    pub store: SqlStore,
    pub epoch: Epoch,
    pub url: String,
    /// The database's folder, for as long as it is needed.
    _folder: Option<tempfile::TempDir>,
}

impl Fixture {
    pub async fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = format!("sqlite:{}", folder.path().join("nines.db").display());
        Self::open(url, Some(folder)).await
    }

    pub async fn postgres() -> Option<Self> {
        Some(Self::open(postgres::database().await?, None).await)
    }

    async fn open(url: String, folder: Option<tempfile::TempDir>) -> Self {
        let store = SqlStore::connect(&url).await.expect("the store opens");
        store.migrate().await.expect("the tables are made");
        let epoch = hold(&store, None).await;
        Self {
            store,
            epoch,
            url,
            _folder: folder,
        }
    }

    /// The URL of another database, without a table.
    pub async fn empty_url(&self) -> String {
        match self.url.strip_prefix("sqlite:") {
            Some(file) => format!("sqlite:{file}.other"),
            None => postgres::database().await.expect("Postgres is there"),
        }
    }

    /// Ends the store and opens it again, as a restart does.
    pub async fn restart(&mut self) {
        self.store.close().await;
        self.run_raw("update lease set expires_at = 0").await;
        self.store = SqlStore::connect(&self.url).await.expect("the store opens again");
        self.store.migrate().await.expect("the tables are there");
        self.epoch = hold(&self.store, None).await;
    }

    /// Runs SQL past the store.
    pub async fn run_raw(&self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        if self.url.starts_with("sqlite") {
            let mut connection = SqliteConnection::connect(&self.url).await.expect("a connection");
            connection.execute(sql).await.expect("it runs");
            connection.close().await.expect("it closes");
        } else {
            let mut connection = PgConnection::connect(&self.url).await.expect("a connection");
            connection.execute(sql).await.expect("it runs");
            connection.close().await.expect("it closes");
        }
    }

    /// Ledger keys of an SLO of their own.
    pub async fn keys(&self, count: usize) -> Vec<KeyId> {
        let slos: Vec<LoadedSlo> = (0..count).map(|n| loaded(&format!("slo-{n}"), &[], "v1")).collect();
        let records = self
            .store
            .sync_slos(self.epoch, &slos, NOW)
            .await
            .expect("SLOs are known");
        let wanted: Vec<_> = records.iter().map(|record| (record.id, None)).collect();
        let keys = self
            .store
            .ensure_keys(self.epoch, &wanted, NOW)
            .await
            .expect("keys are made");
        keys.into_iter().map(|key| key.id).collect()
    }

    /// Targets, by their numbers.
    pub async fn targets(&self, count: usize) -> Vec<i64> {
        let keys: Vec<String> = (0..count).map(|n| format!("shop http://host-{n}/metrics")).collect();
        let records = self
            .store
            .sync_targets(self.epoch, &keys, NOW)
            .await
            .expect("targets are known");
        records.into_iter().map(|record| record.id).collect()
    }

    /// Credits through one target, whatever its cursor.
    pub async fn credit(&self, target: i64, credits: Vec<Credit>) {
        let cursors = self.store.load_cursors(&[target]).await.expect("a cursor");
        let commit = commit(target, cursors[0].seq, credits);
        self.store
            .commit_visits(self.epoch, &[commit], NOW)
            .await
            .expect("the credits are committed");
    }
}

/// Takes the lease.
pub async fn hold(store: &SqlStore, held: Option<Epoch>) -> Epoch {
    match store
        .acquire_lease("me", held, Duration::from_secs(10))
        .await
        .expect("an answer")
    {
        LeaseState::Held(epoch) => epoch,
        LeaseState::Taken { holder } => panic!("{holder} holds the lease"),
    }
}

pub fn loaded(name: &str, previous: &[&str], indicator: &str) -> LoadedSlo {
    LoadedSlo {
        slo: SloId::new("shop", name),
        previous_names: previous.iter().map(ToString::to_string).collect(),
        indicator: indicator.to_owned(),
        begins_anew: false,
    }
}

pub fn commit(target: i64, expected_seq: i64, credits: Vec<Credit>) -> TargetCommit {
    TargetCommit {
        target,
        expected_seq,
        header: vec![1, 2, 3],
        credits,
        ..TargetCommit::default()
    }
}

/// A reader's minutes: these keys, from and to, what they hold.
pub fn read(target: i64, expected_seq: i64, keys: &[KeyId], span: (i64, i64), minutes: &[Credit]) -> ReadCommit {
    ReadCommit {
        target,
        expected_seq,
        header: expected_seq.to_le_bytes().to_vec(),
        span: Some(ReadSpan {
            keys: keys.to_vec(),
            from: Minute(span.0),
            to: Minute(span.1),
        }),
        minutes: minutes.to_vec(),
        added: Vec::new(),
    }
}

/// Whole events, of which one is bad.
pub fn credit(key: KeyId, minute: i64, events: i64) -> Credit {
    Credit {
        key,
        minute: Minute(minute),
        bucket: Bucket {
            total: events * MICRO,
            good: (events - 1) * MICRO,
            observed: true,
        },
    }
}
