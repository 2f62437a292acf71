//! In which formats targets are asked for their pages: `scrape_protocols` and what belongs to it.

use super::context::Context;
use crate::source::scrape::settings::{Protocol, Protocols};
use crate::spec::codes;
use crate::spec::reader::Fields;

/// What `global` says and jobs inherit.
#[derive(Clone, Debug, Default)]
pub(super) struct ProtocolDefaults {
    accepted: Option<Vec<Protocol>>,
    native_histograms: bool,
}

/// Reads the keys of `global`.
pub(super) fn read_global_protocols(context: &mut Context<'_>, fields: &mut Fields<'_>) -> ProtocolDefaults {
    let defaults = ProtocolDefaults::default();
    read_keys(context, fields, &defaults)
}

/// Reads the keys of a job. The job's own list wins over all; where nobody wrote one and native histograms are wanted,
/// protobuf is preferred, as in Prometheus.
pub(super) fn read_protocols(
    context: &mut Context<'_>,
    fields: &mut Fields<'_>,
    global: &ProtocolDefaults,
) -> Protocols {
    let own = read_keys(context, fields, global);
    let accepted = match own.accepted {
        Some(accepted) => accepted,
        None if own.native_histograms => Protocol::ALL.to_vec(),
        None => Vec::new(),
    };
    let fallback = fields.get("fallback_scrape_protocol");
    let fallback = fallback.and_then(|field| context.reader.choice(field, &words()));
    Protocols { accepted, fallback }
}

fn read_keys(context: &mut Context<'_>, fields: &mut Fields<'_>, inherited: &ProtocolDefaults) -> ProtocolDefaults {
    let native = fields.get("scrape_native_histograms");
    let native_histograms = native.map_or(inherited.native_histograms, |field| {
        context.reader.boolean(field) == Some(true)
    });
    let accepted = read_list(context, fields).or_else(|| inherited.accepted.clone());
    if let (Some(field), Some(accepted)) = (native, &accepted)
        && native_histograms
        && !accepted.contains(&Protocol::PrometheusProto)
    {
        let message = "`scrape_native_histograms` has no effect: `scrape_protocols` lacks PrometheusProto, the only format \
                       that has them";
        context.reader.report(&codes::NO_EFFECT, field.key_span, message);
    }
    read_without_effect(context, fields);
    ProtocolDefaults {
        accepted,
        native_histograms,
    }
}

/// Keys of Prometheus's about native histograms that change nothing here.
fn read_without_effect(context: &mut Context<'_>, fields: &mut Fields<'_>) {
    let both = "both kinds of buckets are read where a page has both";
    context.fixed(fields, "always_scrape_classic_histograms", true, both);
    context.fixed(fields, "scrape_classic_histograms", true, both);
    let classic = "classic histograms count as they are";
    context.fixed(fields, "convert_classic_histograms_to_nhcb", false, classic);
    let as_they_are = "native histograms are read as pages have them";
    let limits = ["native_histogram_bucket_limit", "native_histogram_min_bucket_factor"];
    context.unsupported(fields, &limits.map(|key| (key, as_they_are)));
}

/// `scrape_protocols`, each once, at least one.
fn read_list(context: &mut Context<'_>, fields: &mut Fields<'_>) -> Option<Vec<Protocol>> {
    let field = fields.get("scrape_protocols")?;
    let mut accepted = Vec::new();
    let items = context.reader.list(field);
    for item in &items {
        let Some(protocol) = context.reader.choice(*item, &words()) else {
            continue;
        };
        if accepted.contains(&protocol) {
            let message = format!("{} stands twice in `scrape_protocols`", protocol.word());
            context.reader.report(&codes::DUPLICATE_NAME, item.node.span, message);
            continue;
        }
        accepted.push(protocol);
    }
    if field.node.items().is_some_and(<[_]>::is_empty) {
        context.reader.expected(field, "a list of at least one protocol");
    }
    (!accepted.is_empty()).then_some(accepted)
}

fn words() -> [(&'static str, Protocol); 5] {
    Protocol::ALL.map(|protocol| (protocol.word(), protocol))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::source::scrape::settings::{Protocol, Protocols};

    /// The protocols of the one job of this configuration, and what is said about it.
    fn read(global: &str, job: &str) -> (Option<Protocols>, Vec<String>) {
        let text = format!("global: {{{global}}}\nscrape_configs:\n  - job_name: a\n{job}");
        let (config, diagnostics) = super::super::parse(&text, "nines.yml", Path::new("/etc"), &|_| None);
        let protocols = config.and_then(|config| config.jobs.first().map(|job| job.protocols.clone()));
        let said = diagnostics
            .iter()
            .map(|d| format!("{} {}:{}", d.code, d.line, d.column));
        (protocols, said.collect())
    }

    #[test]
    fn formats_are_chosen_globally_and_by_job() {
        use Protocol::{OpenMetricsText100, PrometheusProto, PrometheusText004};
        let (text, proto) = (vec![PrometheusText004], vec![PrometheusProto, OpenMetricsText100]);
        let cases: Vec<(&str, &str, Vec<Protocol>)> = vec![
            ("", "", Vec::new()),
            ("scrape_protocols: [PrometheusText0.0.4]", "", text.clone()),
            (
                "",
                "    scrape_protocols: [PrometheusProto, OpenMetricsText1.0.0]\n",
                proto.clone(),
            ),
            (
                "scrape_protocols: [PrometheusText0.0.4]",
                "    scrape_protocols: [PrometheusProto, OpenMetricsText1.0.0]\n",
                proto.clone(),
            ),
            ("scrape_native_histograms: true", "", Protocol::ALL.to_vec()),
            ("", "    scrape_native_histograms: true\n", Protocol::ALL.to_vec()),
            (
                "scrape_native_histograms: true",
                "    scrape_native_histograms: false\n",
                Vec::new(),
            ),
            (
                "scrape_native_histograms: true",
                "    scrape_protocols: [PrometheusProto, OpenMetricsText1.0.0]\n",
                proto,
            ),
        ];
        for (global, job, accepted) in cases {
            let expected = Protocols {
                accepted,
                fallback: None,
            };
            assert_eq!(read(global, job), (Some(expected), Vec::new()), "{global} {job}");
        }
        let (protocols, said) = read("", "    fallback_scrape_protocol: PrometheusText0.0.4\n");
        let fallback = protocols.and_then(|protocols| protocols.fallback);
        assert_eq!((fallback, said), (Some(PrometheusText004), Vec::new()));
    }

    #[test]
    fn mistakes_and_what_changes_nothing_are_told_with_their_place() {
        for (global, job, expected) in [
            ("scrape_protocols: [PrometheusTxt]", "", "N024 1:29"),
            ("scrape_protocols: []", "", "N006 1:28"),
            ("scrape_protocols: PrometheusProto", "", "N006 1:28"),
            ("scrape_protocols: [PrometheusProto, PrometheusProto]", "", "N017 1:46"),
            ("", "    fallback_scrape_protocol: text\n", "N024 4:31"),
            ("", "    scrape_native_histograms: maybe\n", "N006 4:31"),
            (
                "scrape_protocols: [PrometheusText0.0.4]",
                "    scrape_native_histograms: true\n",
                "L005 4:5",
            ),
            ("", "    always_scrape_classic_histograms: false\n", "L005 4:5"),
            ("convert_classic_histograms_to_nhcb: true", "", "L005 1:10"),
            ("", "    native_histogram_bucket_limit: 160\n", "L023 4:5"),
        ] {
            assert_eq!(read(global, job).1, [expected], "{global} {job}");
        }
    }
}
