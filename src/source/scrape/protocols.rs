//! In which formats a target is asked for its page, and in which it answers.

use super::exposition::Format;
use super::failure::missing;
use crate::domain::reading::{Missing, MissingReason};

/// A format of pages, with Prometheus's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// `PrometheusProto`: the only one with native histograms.
    PrometheusProto,
    /// `OpenMetricsText1.0.0`
    OpenMetricsText100,
    /// `OpenMetricsText0.0.1`
    OpenMetricsText001,
    /// `PrometheusText1.0.0`
    PrometheusText100,
    /// `PrometheusText0.0.4`
    PrometheusText004,
}

impl Protocol {
    /// All of them, in the order in which they are asked for where native histograms are wanted.
    pub const ALL: [Self; 5] = [
        Self::PrometheusProto,
        Self::OpenMetricsText100,
        Self::OpenMetricsText001,
        Self::PrometheusText100,
        Self::PrometheusText004,
    ];

    /// As it is written in a file.
    pub fn word(self) -> &'static str {
        match self {
            Self::PrometheusProto => "PrometheusProto",
            Self::OpenMetricsText100 => "OpenMetricsText1.0.0",
            Self::OpenMetricsText001 => "OpenMetricsText0.0.1",
            Self::PrometheusText100 => "PrometheusText1.0.0",
            Self::PrometheusText004 => "PrometheusText0.0.4",
        }
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::PrometheusProto => {
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
            }
            Self::OpenMetricsText100 => "application/openmetrics-text;version=1.0.0",
            Self::OpenMetricsText001 => "application/openmetrics-text;version=0.0.1",
            Self::PrometheusText100 => "text/plain;version=1.0.0",
            Self::PrometheusText004 => "text/plain;version=0.0.4",
        }
    }

    fn form(self) -> PageForm {
        match self {
            Self::PrometheusProto => PageForm::Protobuf,
            Self::OpenMetricsText100 | Self::OpenMetricsText001 => PageForm::Text(Format::OpenMetrics),
            Self::PrometheusText100 | Self::PrometheusText004 => PageForm::Text(Format::Text),
        }
    }
}

/// What one job asks its targets for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Protocols {
    /// `scrape_protocols`, the preferred one first. Without any, OpenMetrics is preferred to the text format: it ends
    /// visibly, and it dates its counters.
    pub accepted: Vec<Protocol>,
    /// `fallback_scrape_protocol`: how an answer is read whose `Content-Type` tells nothing.
    pub fallback: Option<Protocol>,
}

impl Protocols {
    /// The header `Accept`.
    pub fn accept(&self) -> String {
        if self.accepted.is_empty() {
            return "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
                .to_owned();
        }
        let first = Protocol::ALL.len() + 1;
        let weighed = |(place, media_type): (usize, &str)| format!("{media_type};q=0.{}", first - place);
        let asked = self
            .accepted
            .iter()
            .take(Protocol::ALL.len())
            .map(|protocol| protocol.media_type());
        let all: Vec<String> = asked.chain(["*/*"]).enumerate().map(weighed).collect();
        all.join(",")
    }

    /// How an answer with this `Content-Type` is to be read.
    pub fn form_of(&self, content_type: &str) -> Result<PageForm, Missing> {
        let mut parts = content_type.split(';').map(str::trim);
        let media_type = parts.next().unwrap_or("").to_ascii_lowercase();
        let refused = |what: &str| {
            let detail = format!("the page is {what}, not a page of metrics");
            Err(missing(MissingReason::Format, detail))
        };
        match (media_type.as_str(), self.fallback) {
            ("application/openmetrics-text", _) => Ok(PageForm::Text(Format::OpenMetrics)),
            ("text/plain", _) => Ok(PageForm::Text(Format::Text)),
            ("application/vnd.google.protobuf", fallback) => match (parts.all(is_delimited), fallback) {
                (true, _) => Ok(PageForm::Protobuf),
                (false, Some(protocol)) => Ok(protocol.form()),
                (false, None) => refused("protobuf of another message or encoding"),
            },
            (_, Some(protocol)) => Ok(protocol.form()),
            ("text/html" | "application/json", None) => refused(&media_type),
            (_, None) => Ok(PageForm::Text(Format::Text)),
        }
    }
}

/// How a page is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageForm {
    /// As text.
    Text(Format),
    /// As delimited messages.
    Protobuf,
}

/// Whether a parameter of protobuf's media type fits messages with their lengths before them.
fn is_delimited(parameter: &str) -> bool {
    let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
    let value = value.trim().trim_matches('"');
    match name.trim().to_ascii_lowercase().as_str() {
        "proto" => value == "io.prometheus.client.MetricFamily",
        "encoding" => value.eq_ignore_ascii_case("delimited"),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_are_asked_for_in_their_order() {
        let all = Protocols {
            accepted: Protocol::ALL.to_vec(),
            fallback: None,
        };
        let two = Protocols {
            accepted: vec![Protocol::PrometheusText004, Protocol::PrometheusProto],
            fallback: None,
        };
        for (protocols, expected) in [
            (
                &Protocols::default(),
                "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            ),
            (
                &all,
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,\
                 application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,\
                 text/plain;version=1.0.0;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
            ),
            (
                &two,
                "text/plain;version=0.0.4;q=0.6,\
                 application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.5,*/*;q=0.4",
            ),
        ] {
            assert_eq!(protocols.accept(), expected);
        }
    }

    #[test]
    fn the_content_type_tells_how_a_page_is_read_and_where_it_does_not_the_fallback_does() {
        let (text, open) = (PageForm::Text(Format::Text), PageForm::Text(Format::OpenMetrics));
        let cases = [
            ("", None, Some(text)),
            ("", Some(Protocol::OpenMetricsText100), Some(open)),
            ("", Some(Protocol::PrometheusProto), Some(PageForm::Protobuf)),
            (
                "text/plain; version=0.0.4; charset=utf-8",
                Some(Protocol::PrometheusProto),
                Some(text),
            ),
            ("text/plain;version=1.0.0;escaping=underscores", None, Some(text)),
            (
                "Application/OpenMetrics-Text; version=1.0.0",
                Some(Protocol::PrometheusText004),
                Some(open),
            ),
            (
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
                None,
                Some(PageForm::Protobuf),
            ),
            (
                "application/vnd.google.protobuf;proto=\"io.prometheus.client.MetricFamily\";encoding=delimited;escaping=values",
                None,
                Some(PageForm::Protobuf),
            ),
            ("application/vnd.google.protobuf", None, Some(PageForm::Protobuf)),
            ("application/vnd.google.protobuf;encoding=text", None, None),
            ("application/vnd.google.protobuf;proto=some.Other", None, None),
            ("text/html; charset=utf-8", None, None),
            ("application/json", None, None),
            ("text/html", Some(Protocol::PrometheusText004), Some(text)),
            ("application/octet-stream", None, Some(text)),
            (
                "application/octet-stream",
                Some(Protocol::PrometheusProto),
                Some(PageForm::Protobuf),
            ),
        ];
        for (content_type, fallback, expected) in cases {
            let protocols = Protocols {
                accepted: Vec::new(),
                fallback,
            };
            assert_eq!(
                protocols.form_of(content_type).ok(),
                expected,
                "{content_type} {fallback:?}"
            );
        }
    }
}
