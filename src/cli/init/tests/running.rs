//! The command as a whole: its flags, what it writes into a folder, and how it fails.

use std::fs;

use super::*;
use crate::source::testing::Server;

const JSON: &str = "Content-Type: application/json\r\n";
/// An answer without series: the server has nothing.
const EMPTY: &str = r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;

/// The exit status, what was printed, and what was complained of.
async fn ran(flags: &[&str]) -> (i32, String, String) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let status = run(parsed(flags).expect("flags"), &mut out, &mut err).await;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (status.expect("it runs"), text(out), text(err))
}

async fn empty_server() -> (Server, String) {
    let server = Server::answering("200 OK", JSON, EMPTY).await;
    let url = format!("http://{}", server.address);
    (server, url)
}

#[tokio::test]
async fn secrets_stay_out_of_what_is_written_and_reach_the_server() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    fs::write(path("token"), "hunter3\n").expect("a file");
    let (server, url) = empty_server().await;
    let url = format!("{url}/prom?token=hunter2");
    let (status, out, err) = ran(&[
        "--prometheus-url",
        &url,
        "--output-dir",
        &path("new dir"),
        "--header",
        "X-Scope-OrgID=team-a",
        "--header",
        "X-Api-Key=hunter1",
        "--bearer-token-file",
        &path("token"),
        "--timeout",
        "5s",
    ])
    .await;
    assert_eq!((status, &*err), (0, ""), "{out}");
    let request = server.last_request().to_lowercase();
    for part in [
        "/prom/api/v1/query?token=hunter2",
        "x-scope-orgid: team-a",
        "x-api-key: hunter1",
        "bearer hunter3",
    ] {
        assert!(request.contains(part), "{part}: {request}");
    }
    let text = fs::read_to_string(path("new dir/nines.yml")).expect("it was written");
    for line in [
        "    url: '${NINES_PROMETHEUS_URL}'",
        "      'X-Scope-OrgID': 'team-a'",
        "      'X-Api-Key': '${NINES_HEADER_X_API_KEY}'",
        &format!("    authorization: {{credentials_file: '{}'}}", path("token")),
        "    timeout: 5s",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(!format!("{text}{out}").contains("hunter"), "{text}{out}");
    assert!(out.contains("export NINES_HEADER_X_API_KEY=…"), "{out}");
    assert!(
        out.contains(&format!("nines check '{}'", path("new dir/nines.yml"))),
        "{out}"
    );
    assert!(!fs::exists(path("new dir/slos")).expect("a look"), "there are no SLOs");
}

#[tokio::test]
async fn what_exists_is_replaced_only_by_force() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().to_str().expect("UTF-8");
    let (server, url) = empty_server().await;
    fs::write(folder.path().join("nines.yml"), "mine").expect("a file");
    let flags = ["--prometheus-url", &url, "--output-dir", dir];
    let (status, out, err) = ran(&flags).await;
    assert_eq!((status, &*out), (1, ""));
    assert!(
        err.contains("nines.yml exists already") && err.contains("--force"),
        "{err}"
    );
    assert_eq!(server.count(), 0, "nobody is asked for nothing");
    assert_eq!(
        fs::read_to_string(folder.path().join("nines.yml")).expect("a file"),
        "mine"
    );
    let (status, _, err) = ran(&[&flags[..], &["--force"]].concat()).await;
    assert_eq!((status, &*err), (0, ""));
    assert_ne!(
        fs::read_to_string(folder.path().join("nines.yml")).expect("a file"),
        "mine"
    );
}

#[tokio::test]
async fn files_can_be_printed() {
    let (_server, url) = empty_server().await;
    let (status, out, err) = ran(&["--prometheus-url", &url, "--stdout"]).await;
    assert_eq!(status, 0);
    assert!(out.starts_with("# nines.yml\n# Written by `nines init`"), "{out}");
    assert!(out.contains(&format!("    url: '{url}'\n")), "{out}");
    assert!(err.contains("none of the metrics"), "{err}");
}

#[tokio::test]
async fn failures_are_told_in_flags() {
    let nobody = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        format!("http://{}", listener.local_addr().expect("an address"))
    };
    // So short that nothing is tried twice.
    let hasty = ["--timeout", "200ms", "--stdout"];
    let (status, _, err) = ran(&[&["--prometheus-url", &nobody], &hasty[..]].concat()).await;
    assert_eq!(status, EXIT_UNREACHABLE);
    assert!(
        err.contains("check that it runs, and host and port in --prometheus-url"),
        "{err}"
    );
    for (status, body, exit, words) in [
        ("401 Unauthorized", "", 1, "--bearer-token-file and --header"),
        ("404 Not Found", "", 1, "does --prometheus-url lack a path prefix"),
        ("200 OK", "<html>Sign in</html>", 1, "server main at http://127.0.0.1:"),
        ("503 Service Unavailable", "", EXIT_UNREACHABLE, "HTTP status 503"),
    ] {
        let server = Server::answering(status, "", body).await;
        let url = format!("http://{}", server.address);
        let timeout: &[&str] = if exit == EXIT_UNREACHABLE { &hasty } else { &hasty[2..] };
        let (code, out, err) = ran(&[&["--prometheus-url", &url], timeout].concat()).await;
        assert_eq!((code, &*out), (exit, ""), "{err}");
        assert!(err.contains(words), "{status}: {err}");
    }
    for (flags, words) in [
        (
            &["--prometheus-url", "http://user:hunter2@127.0.0.1:1"][..],
            "--basic-auth.username",
        ),
        (
            &["--prometheus-url", "http://127.0.0.1:1/graph"],
            "what stands before /api/v1",
        ),
        (&["--prometheus-url", "127.0.0.1:9090"], "http://"),
        (
            &["--prometheus-url", "http://127.0.0.1:1", "--tls.ca-file", "/nowhere/ca"],
            "cannot read /nowhere/ca",
        ),
        (
            &["--prometheus-url", "http://127.0.0.1:1", "--header", "Authorization=x"],
            "--bearer-token-file",
        ),
    ] {
        let (status, _, err) = ran(&[flags, &["--stdout"]].concat()).await;
        assert_eq!(status, USAGE, "{flags:?}: {err}");
        assert!(err.contains(words) && !err.contains("hunter2"), "{flags:?}: {err}");
    }
}

#[test]
fn flags_that_belong_together_or_not_are_told() {
    let url = ["--prometheus-url", "http://127.0.0.1:1"];
    for (flags, kind) in [
        (&["--basic-auth.username", "a"][..], ErrorKind::MissingRequiredArgument),
        (&["--stdout", "--force"], ErrorKind::ArgumentConflict),
        (&["--max-slos", "0"], ErrorKind::ValueValidation),
        (&["--header", "X"], ErrorKind::ValueValidation),
        (&["--header", "X=a\nb"], ErrorKind::ValueValidation),
        (&["--timeout", "soon"], ErrorKind::ValueValidation),
    ] {
        let error = parsed(&[&url, flags].concat()).expect_err("a mistake");
        assert_eq!(error.kind(), kind, "{flags:?}");
    }
    assert!(parsed(&[]).is_err(), "which server?");
}
