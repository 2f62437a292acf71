//! Whether an answer is one to the question that was asked.

use std::time::Duration;

use super::{json, selector, series, server, settings};
use crate::domain::time::Timestamp;
use crate::engine::ports::{QueryFailure, QueryFailureReason, QueryServer};
use crate::source::prometheus::server::PrometheusServer;
use crate::source::testing::Server;

const AFTER: Timestamp = Timestamp(60_000);
const UNTIL: Timestamp = Timestamp(120_000);

/// Asks for all that can be asked of a server that answers every question with this result.
struct Asked {
    server: PrometheusServer,
    _fake: Server,
}

impl Asked {
    async fn answering(body: &str) -> Self {
        let fake = Server::scripted(vec![json("200 OK", body)]).await;
        let (server, _) = server(settings(&format!("http://{}", fake.address)));
        Self { server, _fake: fake }
    }

    async fn samples(&self) -> Result<usize, QueryFailure> {
        let up = selector(r#"up{job=~"a.*"}"#);
        let answer = self.server.samples(&up, AFTER, UNTIL).await;
        answer.map(|answer| answer.sample_count())
    }

    async fn steps(&self) -> Result<usize, QueryFailure> {
        let answer = self.server.steps("up", AFTER, UNTIL, Duration::from_mins(1)).await;
        answer.map(|answer| answer.sample_count())
    }

    async fn instant(&self) -> Result<usize, QueryFailure> {
        let answer = self.server.instant("up", UNTIL).await;
        answer.map(|answer| answer.sample_count())
    }
}

#[tokio::test]
async fn a_result_of_another_type_answers_another_question() {
    let up = r#"[{"metric":{"__name__":"up","job":"ab"},"value":[120,"1"]}]"#;
    for (kind, result, answers_ranges, answers_moments) in [
        (
            "matrix",
            &*up.replace("[120,\"1\"]", "[[120,\"1\"]]").replace("value", "values"),
            true,
            false,
        ),
        ("matrix", "[]", true, false),
        ("vector", up, false, true),
        ("vector", "[]", false, true),
        ("scalar", r#"[120,"1"]"#, false, true),
        ("string", r#"[120,"1"]"#, false, false),
        ("", "[]", false, false),
    ] {
        let body = format!(r#"{{"status":"success","data":{{"resultType":"{kind}","result":{result}}}}}"#);
        let asked = Asked::answering(&body).await;
        for (what, answer, is_one) in [
            ("samples", asked.samples().await, answers_ranges),
            ("steps", asked.steps().await, answers_ranges),
            ("a moment", asked.instant().await, answers_moments),
        ] {
            let Err(failure) = answer else {
                assert!(is_one, "{what}: {body}");
                continue;
            };
            let says_so = failure.detail.contains(&format!("`resultType` is \"{kind}\""));
            assert!(!is_one && says_so, "{what}: {body}: {failure}");
            assert_eq!(failure.reason, QueryFailureReason::Format, "{what}: {body}");
        }
    }
}

#[tokio::test]
async fn series_that_were_not_selected_answer_another_question() {
    let one = |labels: &str| format!(r#"{{"metric":{{{labels}}},"values":[[120,"1"]]}}"#);
    let right = one(r#""__name__":"up","job":"ab""#);
    for (what, result, strange) in [
        ("what was asked for", right.clone(), None),
        (
            "another label's value",
            one(r#""__name__":"up","job":"b""#),
            Some(r#"the series `up{job="b"}` is none of `up{job=~"a.*"}`"#),
        ),
        (
            "another metric",
            one(r#""__name__":"down","job":"ab""#),
            Some(r#"`down{job="ab"}` is none of"#),
        ),
        ("no metric", one(r#""job":"ab""#), Some(r#"`{job="ab"}` is none of"#)),
        ("no label", one(r#""__name__":"up""#), Some("`up` is none of")),
        ("one of two", format!("{right},{}", one("")), Some("`` is none of")),
    ] {
        let asked = Asked::answering(&series(&result)).await;
        let answer = asked.samples().await;
        match (answer, strange) {
            (Ok(count), None) => assert_eq!(count, 1, "{what}"),
            (Err(failure), Some(words)) => {
                assert_eq!(failure.reason, QueryFailureReason::Format, "{what}");
                assert!(failure.detail.contains(words), "{what}: {failure}");
            }
            (answer, _) => panic!("{what}: {answer:?}"),
        }
        assert!(
            asked.steps().await.is_ok(),
            "{what}: expressions name their results as they like"
        );
    }
}

#[tokio::test]
async fn samples_outside_of_the_range_are_dropped_and_values_off_the_steps_are_refused() {
    let body =
        series(r#"{"metric":{"__name__":"up","job":"a"},"values":[[60,"1"],[60.001,"2"],[120,"3"],[120.001,"4"]]}"#);
    let asked = Asked::answering(&body).await;
    let answer = asked.server.samples(&selector("up"), AFTER, UNTIL).await;
    assert_eq!(
        answer.expect("an answer").series[0].samples,
        [(Timestamp(60_001), 2.0), (UNTIL, 3.0)]
    );
    let failure = asked.steps().await.expect_err("moved steps");
    assert_eq!(failure.reason, QueryFailureReason::Format);
    assert!(failure.detail.contains("1970-01-01T00:01:00.001Z"), "{failure}");
}
