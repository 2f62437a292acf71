//! A throw-away Postgres for the tests: one cluster for each test process, one database for each test.
//!
//! The cluster lives in a temporary folder, listens on a loopback port, and does not sync to disk. However the test
//! process ends, the shell that started the server sees the end of a pipe, stops the server and removes the folder.

use std::io::Read;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

/// The cluster of this process.
struct Cluster {
    port: u16,
    /// The shell that keeps the server running as long as its input is open.
    _guard: Child,
}

/// The environment's wish not to have Postgres tested.
const SWITCH: &str = "NINES_TEST_POSTGRES";

static CLUSTER: OnceLock<Cluster> = OnceLock::new();
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// The URL of a fresh, empty database; `None`, loudly, when the environment asks for none.
pub async fn database() -> Option<String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the switch is for people who run the tests, not for the product"
    )]
    if std::env::var(SWITCH).is_ok_and(|value| value == "off") {
        eprintln!("SKIPPED: {SWITCH}=off, so nothing is tested on Postgres");
        return None;
    }
    let cluster = CLUSTER.get_or_init(Cluster::start);
    let name = format!("nines_{}", DATABASES.fetch_add(1, Ordering::SeqCst));
    let mut admin = PgConnection::connect(&cluster.url("postgres"))
        .await
        .expect("the cluster answers");
    let create = format!("create database {name}");
    admin.execute(AssertSqlSafe(create)).await.expect("a database is made");
    Some(cluster.url(&name))
}

impl Cluster {
    fn url(&self, database: &str) -> String {
        format!("postgres://nines@127.0.0.1:{}/{database}", self.port)
    }

    fn start() -> Self {
        let programs = programs();
        let folder = tempfile::Builder::new()
            .prefix("nines-pg")
            .tempdir()
            .expect("a temporary folder");
        // From here on the guard removes it.
        let folder = folder.keep();
        let user = unprivileged_user();
        if let Some((uid, gid)) = user {
            chown(&folder, Some(uid), Some(gid)).expect("the folder is given to Postgres's user");
        }
        let data = folder.join("data");
        let mut initdb = as_user(programs.join("initdb"), user, &folder);
        initdb.arg("--pgdata").arg(&data);
        initdb.args([
            "--username=nines",
            "--auth=trust",
            "--no-sync",
            "--encoding=UTF8",
            "--locale=C",
        ]);
        let made = initdb.output().expect("initdb runs");
        assert!(
            made.status.success(),
            "initdb failed: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        let port = free_port();
        let guard = start_guarded(&programs, user, &folder, &data, port);
        Self { port, _guard: guard }
    }
}

/// Starts the server under a shell that stops it when its own standard input ends, and waits until it answers.
fn start_guarded(programs: &Path, user: Option<(u32, u32)>, folder: &Path, data: &Path, port: u16) -> Child {
    const SCRIPT: &str = r#"
        "$1/postgres" -D "$2" -p "$3" -k "$4" -c listen_addresses=127.0.0.1 -c fsync=off -c synchronous_commit=off \
            -c full_page_writes=off -c max_connections=300 -c shared_buffers=32MB </dev/null >"$4/log" 2>&1 &
        server=$!
        for attempt in $(seq 300); do
            "$1/pg_isready" -q -h 127.0.0.1 -p "$3" -U nines && break
            kill -0 $server 2>/dev/null || exit 1
            sleep 0.1
        done
        echo ready
        cat >/dev/null
        kill -INT $server
        wait $server
        rm -rf "$4"
    "#;
    let mut shell = as_user(PathBuf::from("/bin/sh"), user, folder);
    shell
        .args(["-c", SCRIPT, "guard"])
        .arg(programs)
        .arg(data)
        .arg(port.to_string())
        .arg(folder);
    shell.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
    let mut guard = shell.spawn().expect("a shell starts");
    let mut said = [0; 5];
    let ready = guard.stdout.as_mut().expect("it has an output").read_exact(&mut said);
    if ready.is_err() {
        let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
        panic!("Postgres did not start: {log}");
    }
    guard
}

/// The folder with `initdb`, `postgres` and `pg_isready`.
fn programs() -> PathBuf {
    let complete = |folder: &PathBuf| {
        ["initdb", "postgres", "pg_isready"]
            .iter()
            .all(|name| folder.join(name).is_file())
    };
    #[expect(clippy::disallowed_methods, reason = "where programs are is told by the environment")]
    let path = std::env::var("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    versions.sort();
    folders.extend(versions.into_iter().rev());
    let found = folders.into_iter().find(complete);
    found
        .unwrap_or_else(|| panic!("Postgres is not installed (initdb was looked for); install it, or set {SWITCH}=off"))
}

/// Postgres refuses to run as root: then it runs as `postgres`, or as `nobody`.
fn unprivileged_user() -> Option<(u32, u32)> {
    use std::os::unix::fs::MetadataExt;
    let own = std::fs::metadata("/proc/self").map(|process| process.uid());
    if own.is_ok_and(|uid| uid != 0) {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let find = |wanted: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(wanted))?;
        let mut ids = line.split(':').skip(2).map(str::parse);
        Some((ids.next()?.ok()?, ids.next()?.ok()?))
    };
    find("postgres").or_else(|| find("nobody"))
}

fn as_user(program: PathBuf, user: Option<(u32, u32)>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).env("LC_ALL", "C");
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    command
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it has an address").port()
}
