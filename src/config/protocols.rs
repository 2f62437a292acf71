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
    if let Some(field) = fields.get("always_scrape_classic_histograms") {
        context.reader.boolean(field);
        let message =
            "`always_scrape_classic_histograms` has no effect: both kinds of buckets are read where a page has both";
        context.reader.report(&codes::NO_EFFECT, field.key_span, message);
    }
    ProtocolDefaults {
        accepted,
        native_histograms,
    }
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
    if items.is_empty() {
        context.reader.expected(field, "a list of at least one protocol");
    }
    (!accepted.is_empty()).then_some(accepted)
}

fn words() -> [(&'static str, Protocol); 5] {
    Protocol::ALL.map(|protocol| (protocol.word(), protocol))
}
