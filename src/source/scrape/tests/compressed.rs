//! Pages that come compressed, or drop by drop.

use std::convert::Infallible;
use std::io::Write;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::get;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream;
use tower_http::compression::CompressionLayer;

use super::{job, labels, selection};
use crate::domain::reading::{Missing, MissingReason, Page, Reading};
use crate::source::scrape::discovery::list_once;
use crate::source::scrape::settings::{ScrapeJob, TargetGroup};

/// Serves this at `/metrics` and gives back the address.
async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address.to_string()
}

fn gzipped(page: &'static str, times: usize) -> Router {
    Router::new()
        .route("/metrics", get(move || async move { page.repeat(times) }))
        .layer(CompressionLayer::new().gzip(true))
}

async fn visit(settings: ScrapeJob, address: String) -> Result<Page, Missing> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let settings = ScrapeJob {
        static_targets: vec![TargetGroup {
            targets: vec![address],
            labels: labels(&[]),
        }],
        ..settings
    };
    match list_once(vec![settings])[0]
        .visitor
        .visit(&selection(&["a_total"]))
        .await
    {
        Reading::Page(page) => Ok(page),
        Reading::Missing(missing) => Err(missing),
    }
}

#[tokio::test]
async fn a_gzipped_page_is_unpacked_and_its_limit_is_that_of_the_text() {
    let limited = || ScrapeJob {
        body_size_limit: 1_000_000,
        ..job("shop")
    };
    let line = "a_total{x=\"some label\"} 1\n";
    let address = serve(gzipped(line, 30_000)).await;
    let page = visit(limited(), address.clone()).await.unwrap();
    assert_eq!((page.bytes, page.samples_seen), (30_000 * line.len() as u64, 30_000));
    let address = serve(gzipped(line, 100_000)).await;
    let missing = visit(limited(), address).await.unwrap_err();
    assert_eq!(missing.reason, MissingReason::TooLarge, "{missing}");
}

#[tokio::test]
async fn a_large_page_is_read_piece_by_piece() {
    let address = serve(Router::new().route("/metrics", get(|| async { "a_total 1\n".repeat(150_000) }))).await;
    let page = visit(job("shop"), address).await.unwrap();
    assert_eq!(
        (page.samples_seen, page.samples.len(), page.warnings.len()),
        (150_000, 1, 20)
    );
}

#[tokio::test]
async fn a_page_that_drips_is_given_up_at_the_timeout() {
    let drops = || async {
        let every = tokio::time::interval(Duration::from_millis(10));
        Body::from_stream(stream::unfold(every, |mut every| async {
            every.tick().await;
            Some((Ok::<_, Infallible>(Bytes::from_static(b"a_total 1\n")), every))
        }))
    };
    let address = serve(Router::new().route("/metrics", get(drops))).await;
    let impatient = ScrapeJob {
        timeout: Duration::from_millis(150),
        ..job("shop")
    };
    let missing = visit(impatient, address).await.unwrap_err();
    assert_eq!(
        (missing.reason, missing.detail.as_str()),
        (MissingReason::Timeout, "timed out after 150ms")
    );
}

#[tokio::test]
async fn gzip_of_several_members_is_read_to_its_end_and_nothing_else_may_follow() {
    let member = |text: &str| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let (first, second) = (member("a_total{x=\"1\"} 1\n"), member("a_total{x=\"2\"} 2\n"));
    let both = [first.clone(), second].concat();
    let cut = both[..both.len() - 5].to_vec();
    let garbage = [first.as_slice(), b"<html>"].concat();
    for (body, expected, what) in [
        (first, Some(1), "one member"),
        (both, Some(2), "two"),
        (cut, None, "the second is cut"),
        (garbage, None, "something else follows"),
    ] {
        let answer = move || async move { ([("content-encoding", "gzip")], body) };
        let address = serve(Router::new().route("/metrics", get(answer))).await;
        let visited = visit(job("shop"), address).await;
        assert_eq!(visited.as_ref().ok().map(|page| page.samples.len()), expected, "{what}");
        if let Err(missing) = visited {
            assert_eq!(missing.reason, MissingReason::Body, "{what}: {missing}");
        }
    }
}
