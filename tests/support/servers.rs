//! Real servers of the query API for the tests, each with samples of a test's own.
//!
//! Each lives in a temporary folder and listens on a loopback port. However the test process ends, the shell that started
//! the server sees the end of a pipe, stops the server and removes the folder.

use std::fmt::Write;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The environment's wish not to have real servers tested.
const SWITCH: &str = "NINES_TEST_SERVERS";

/// So often a server is asked whether it is there.
const TRIES: u32 = 600;

/// A series as it is written into a server: its labels, and values by unix milliseconds.
pub struct Written {
    pub metric: &'static str,
    pub labels: Vec<(&'static str, String)>,
    pub samples: Vec<(i64, f64)>,
}

/// A server that runs as long as this is kept.
pub struct Running {
    pub url: String,
    _guard: Child,
}

/// Whether real servers are to be tested; says so loudly where they are not.
pub fn are_wanted() -> bool {
    #[expect(
        clippy::disallowed_methods,
        reason = "the switch is for people who run the tests, not for the product"
    )]
    let is_off = std::env::var(SWITCH).is_ok_and(|value| value == "off");
    if is_off {
        eprintln!("SKIPPED: {SWITCH}=off, so nothing is tested on Prometheus and VictoriaMetrics");
    }
    !is_off
}

/// A Prometheus that holds these series.
pub async fn prometheus(series: &[Written]) -> Running {
    let folder = folder();
    let text = folder.join("samples.txt");
    std::fs::write(&text, open_metrics(series)).expect("the samples are written");
    let data = folder.join("data");
    let mut promtool = Command::new("promtool");
    promtool
        .args(["tsdb", "create-blocks-from", "openmetrics"])
        .arg(&text)
        .arg(&data);
    let made = promtool
        .output()
        .unwrap_or_else(|error| missing("promtool", "prometheus", &error));
    assert!(
        made.status.success(),
        "promtool: {}",
        String::from_utf8_lossy(&made.stderr)
    );
    let config = folder.join("prometheus.yml");
    std::fs::write(&config, "{}\n").expect("the configuration is written");
    let port = free_port();
    let mut command = guarded(&folder, "prometheus");
    command
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.tsdb.path={}", data.display()))
        .arg("--storage.tsdb.retention.time=100y")
        .arg(format!("--web.listen-address=127.0.0.1:{port}"));
    let running = start(command, port, "prometheus");
    wait_for(&format!("{}/-/ready", running.url), &folder).await;
    running
}

/// A VictoriaMetrics that holds these series.
pub async fn victoria_metrics(series: &[Written]) -> Running {
    let folder = folder();
    let port = free_port();
    let mut command = guarded(&folder, "victoria-metrics");
    command
        .arg(format!("-storageDataPath={}", folder.join("data").display()))
        .arg(format!("-httpListenAddr=127.0.0.1:{port}"))
        .arg("-retentionPeriod=100y");
    let running = start(command, port, "victoria-metrics");
    wait_for(&format!("{}/health", running.url), &folder).await;
    let mut lines = String::new();
    for series in series {
        let mut metric: serde_json::Map<String, serde_json::Value> = series
            .labels
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.as_str().into()))
            .collect();
        metric.insert("__name__".to_owned(), series.metric.into());
        let (timestamps, values): (Vec<i64>, Vec<f64>) = series.samples.iter().copied().unzip();
        let line = serde_json::json!({"metric": metric, "values": values, "timestamps": timestamps});
        writeln!(lines, "{line}").expect("memory");
    }
    let client = reqwest::Client::new();
    for (path, body) in [("/api/v1/import", lines), ("/internal/force_flush", String::new())] {
        let answer = client.post(format!("{}{path}", running.url)).body(body).send().await;
        let status = answer.expect("an answer").status();
        assert!(status.is_success(), "{path}: {status}");
    }
    running
}

/// The series in OpenMetrics, a family for each metric, in the order in which they come.
fn open_metrics(series: &[Written]) -> String {
    let mut text = String::new();
    let mut family = "";
    for series in series {
        if family != series.metric {
            family = series.metric;
            writeln!(text, "# TYPE {family} gauge").expect("memory");
        }
        let labels: Vec<String> = series
            .labels
            .iter()
            .map(|(name, value)| format!("{name}={value:?}"))
            .collect();
        for (at, value) in &series.samples {
            let (seconds, ms) = (at / 1000, at % 1000);
            writeln!(text, "{family}{{{}}} {value} {seconds}.{ms:03}", labels.join(",")).expect("memory");
        }
    }
    text + "# EOF\n"
}

fn folder() -> PathBuf {
    let folder = tempfile::Builder::new().prefix("nines-server").tempdir();
    // The guard removes it.
    folder.expect("a temporary folder").keep()
}

/// A shell that runs this program until its own standard input ends; the program's arguments are to be added.
fn guarded(folder: &Path, program: &str) -> Command {
    const SCRIPT: &str = r#"
        folder=$1
        shift
        "$@" </dev/null >"$folder/log" 2>&1 &
        server=$!
        cat >/dev/null
        kill -INT $server
        wait $server
        rm -rf "$folder"
    "#;
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", SCRIPT, "guard"]).arg(folder).arg(program);
    shell.stdin(Stdio::piped()).stdout(Stdio::null()).process_group(0);
    shell
}

fn start(mut command: Command, port: u16, program: &str) -> Running {
    if let Err(error) = Command::new(program).arg("--version").output() {
        missing(program, program, &error)
    }
    let mut guard = command.spawn().expect("a shell starts");
    guard.stdin.as_mut().expect("its input").flush().expect("a pipe");
    Running {
        url: format!("http://127.0.0.1:{port}"),
        _guard: guard,
    }
}

async fn wait_for(url: &str, folder: &Path) {
    let client = reqwest::Client::new();
    for _ in 0..TRIES {
        if client
            .get(url)
            .send()
            .await
            .is_ok_and(|answer| answer.status().is_success())
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
    panic!("{url} did not answer: {log}");
}

fn missing(program: &str, package: &str, error: &std::io::Error) -> ! {
    panic!(
        "{program} does not run: {error}. Install it with `sh scripts/install-test-needs.sh` (Debian's package {package}), \
         or set {SWITCH}=off to leave out the tests on real servers."
    )
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}
