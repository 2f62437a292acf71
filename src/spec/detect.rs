//! Which format a document is in, by its markers.

use super::helm;
use super::yaml::Node;

/// The formats that can be told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DocumentKind {
    /// `version: nines/v1`
    Native,
    /// `apiVersion: openslo/v1`, also `openslo.com/v1`
    OpenSloV1,
    /// `apiVersion: openslo/v1alpha`
    OpenSloV1Alpha,
    /// `apiVersion: openslo.com/v2alpha`
    OpenSloV2Alpha,
    /// `version: prometheus/v1`
    Sloth,
    /// `apiVersion: sloth.slok.dev/v1`
    SlothResource,
    /// `apiVersion: sloth.slok.dev/v1`, `kind: AlertWindows`
    AlertWindows,
    /// `apiVersion: pyrra.dev/…`
    Pyrra,
    /// `apiVersion: sre.google.com/…`
    SloGenerator,
    /// A marker of one of these, in a version that nobody knows.
    UnknownVersion,
    /// `nines.yml`
    Config,
    /// `blackbox.yml`: modules of blackbox exporter.
    Blackbox,
    /// A Kubernetes object that is no SLO.
    OtherObject,
    /// Rules for Prometheus.
    PrometheusRules,
    /// YAML whose values Helm is yet to fill in.
    HelmTemplate,
    /// `Chart.yaml`
    HelmChart,
    /// A kustomization without its `apiVersion`, or a patch.
    Kustomize,
    /// None of these.
    #[default]
    Unknown,
}

/// Top-level keys that only a configuration has.
const CONFIG_KEYS: [&str; 20] = [
    "global",
    "scrape_configs",
    "scrape_config_files",
    "receivers",
    "prometheus_servers",
    "slo_files",
    "route",
    "storage",
    "rule_files",
    "alerting",
    "remote_write",
    "remote_read",
    "probes",
    "probe_modules",
    "probe_module_files",
    "probe_limits",
    "connectivity",
    "probe_endpoint",
    "heartbeats",
    "egress",
];
/// Kinds that only SLO formats have: with another `apiVersion` they are mistakes, not objects of somebody else.
const SLO_KINDS: [&str; 8] = [
    "SLO",
    "SLI",
    "AlertCondition",
    "AlertNotificationTarget",
    "AlertWindows",
    "PrometheusServiceLevel",
    "PrometheusSLO",
    "ServiceLevelObjective",
];
/// What the markers of the formats begin with, and the versions that are read.
const FAMILIES: [(&str, &str); 6] = [
    ("nines", "nines/v1"),
    ("prometheus", "prometheus/v1"),
    ("openslo", "openslo/v1, openslo/v1alpha and openslo.com/v2alpha"),
    ("sloth.slok.dev", "sloth.slok.dev/v1"),
    ("pyrra.dev", "pyrra.dev/v1alpha1"),
    ("sre.google.com", "sre.google.com/v2"),
];

/// The markers of the formats that are read.
pub(super) const MARKERS: [&str; 8] = [
    "nines/v1",
    "prometheus/v1",
    "openslo/v1",
    "openslo/v1alpha",
    "openslo.com/v2alpha",
    "sloth.slok.dev/v1",
    "pyrra.dev/v1alpha1",
    "sre.google.com/v2",
];
/// Keys of a kustomization that hardly anything else has; one of them is needed.
const KUSTOMIZATION: [&str; 17] = [
    "resources",
    "bases",
    "components",
    "patches",
    "patchesStrategicMerge",
    "patchesJson6902",
    "configMapGenerator",
    "secretGenerator",
    "generators",
    "transformers",
    "replacements",
    "helmCharts",
    "namePrefix",
    "nameSuffix",
    "commonLabels",
    "commonAnnotations",
    "crds",
];
/// The other keys that it may have.
const KUSTOMIZATION_TOO: [&str; 15] = [
    "kind",
    "metadata",
    "namespace",
    "labels",
    "images",
    "replicas",
    "generatorOptions",
    "helmGlobals",
    "helmChartInflationGenerator",
    "validators",
    "vars",
    "configurations",
    "openapi",
    "buildMetadata",
    "sortOptions",
];
/// What a JSON patch (RFC 6902) does.
const PATCH_OPERATIONS: [&str; 6] = ["add", "remove", "replace", "move", "copy", "test"];

impl DocumentKind {
    /// The format of a document.
    pub fn of(root: &Node) -> Self {
        if is_kustomize(root) {
            return Self::Kustomize;
        }
        let kind = Self::by_marker(root);
        let is_of_others = matches!(
            kind,
            Self::Config | Self::Blackbox | Self::OtherObject | Self::PrometheusRules | Self::HelmChart
        );
        if !is_of_others && helm::fills(root) {
            return Self::HelmTemplate;
        }
        kind
    }

    fn by_marker(root: &Node) -> Self {
        let text = |key| root.get(key).and_then(Node::text).map(str::trim);
        let (version, api_version, kind) = (text("version"), text("apiVersion"), text("kind"));
        match (version, api_version) {
            (Some("nines/v1"), _) => Self::Native,
            (Some("prometheus/v1"), _) => Self::Sloth,
            (_, Some("openslo/v1" | "openslo.com/v1")) => Self::OpenSloV1,
            (_, Some("openslo/v1alpha" | "openslo.com/v1alpha")) => Self::OpenSloV1Alpha,
            (_, Some("openslo.com/v2alpha" | "openslo/v2alpha" | "openslo.com/v2alpha1")) => Self::OpenSloV2Alpha,
            (_, Some("sloth.slok.dev/v1")) if kind == Some("AlertWindows") => Self::AlertWindows,
            (_, Some("sloth.slok.dev/v1")) => Self::SlothResource,
            (_, Some("pyrra.dev/v1alpha1")) => Self::Pyrra,
            // Pyrra itself does not look at it, and its users write this.
            (_, Some("v1alpha1")) if kind == Some("ServiceLevelObjective") => Self::Pyrra,
            (_, Some("sre.google.com/v2")) => Self::SloGenerator,
            (Some(marker), _) | (_, Some(marker)) if family(marker).is_some() => Self::UnknownVersion,
            (Some(_), Some("v1" | "v2")) if kind.is_none() && text("name").is_some() => Self::HelmChart,
            (None, Some(api)) if is_kubernetes(api) && kind.is_some_and(|kind| !SLO_KINDS.contains(&kind)) => {
                Self::OtherObject
            }
            (None, None) if root.entry("groups").is_some_and(|entry| entry.value.items().is_some()) => {
                Self::PrometheusRules
            }
            (None, None) if is_blackbox(root) => Self::Blackbox,
            (None, None) if CONFIG_KEYS.iter().any(|key| root.entry(key).is_some()) => Self::Config,
            _ => Self::Unknown,
        }
    }

    /// The format's marker, for programs; `None` where nines reads no SLOs from it.
    pub fn marker(self) -> Option<&'static str> {
        Some(match self {
            Self::Native => "nines/v1",
            Self::OpenSloV1 => "openslo/v1",
            Self::OpenSloV1Alpha => "openslo/v1alpha",
            Self::OpenSloV2Alpha => "openslo.com/v2alpha",
            Self::Sloth => "prometheus/v1",
            Self::SlothResource | Self::AlertWindows => "sloth.slok.dev/v1",
            Self::Pyrra => "pyrra.dev/v1alpha1",
            Self::SloGenerator => "sre.google.com/v2",
            Self::Config => "nines.yml",
            Self::OtherObject
            | Self::Blackbox
            | Self::PrometheusRules
            | Self::HelmTemplate
            | Self::HelmChart
            | Self::Kustomize
            | Self::UnknownVersion
            | Self::Unknown => return None,
        })
    }

    /// The format's name, for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Native => "nines",
            Self::OpenSloV1 => "OpenSLO v1",
            Self::OpenSloV1Alpha => "OpenSLO v1alpha",
            Self::OpenSloV2Alpha => "OpenSLO v2alpha",
            Self::Sloth => "Sloth",
            Self::SlothResource => "Sloth's Kubernetes resource",
            Self::AlertWindows => "Sloth's AlertWindows",
            Self::Pyrra => "Pyrra",
            Self::SloGenerator => "slo-generator",
            Self::Config => "a nines configuration",
            Self::Blackbox => "blackbox exporter's modules",
            Self::OtherObject => "a Kubernetes object",
            Self::PrometheusRules => "Prometheus's rules",
            Self::HelmTemplate => "a template of Helm",
            Self::HelmChart => "a chart of Helm",
            Self::Kustomize => "Kustomize's",
            Self::UnknownVersion | Self::Unknown => "unknown",
        }
    }
}

/// A map of modules, each with its prober.
fn is_blackbox(root: &Node) -> bool {
    let modules = root.get("modules").and_then(Node::entries).unwrap_or_default();
    !modules.is_empty() && modules.iter().all(|module| module.value.entry("prober").is_some())
}

/// A kustomization that does not say what it is, a JSON patch, or a strategic one with a directive.
fn is_kustomize(root: &Node) -> bool {
    if let Some(items) = root.items() {
        let is_operation = |item: &Node| {
            let text = |key| item.get(key).and_then(Node::text);
            text("op").is_some_and(|op| PATCH_OPERATIONS.contains(&op)) && text("path").is_some()
        };
        return !items.is_empty() && items.iter().all(is_operation);
    }
    let Some(entries) = root.entries() else {
        return false;
    };
    let has = |keys: &[&str]| entries.iter().any(|entry| keys.contains(&entry.key.as_str()));
    let is_known = |key: &str| KUSTOMIZATION.contains(&key) || KUSTOMIZATION_TOO.contains(&key);
    let is_kustomization = has(&KUSTOMIZATION) && entries.iter().all(|entry| is_known(&entry.key));
    is_kustomization || (has(&["apiVersion"]) && has(&["$patch"]))
}

/// `v1`, `apps/v1`, `monitoring.coreos.com/v1beta1`
fn is_kubernetes(api_version: &str) -> bool {
    let version = api_version.rsplit('/').next().unwrap_or_default();
    let number = version.strip_prefix('v').unwrap_or_default();
    number.starts_with(|c: char| c.is_ascii_digit()) && number.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The versions that are read of the format whose marker this is like; `None` when it is like none.
pub(super) fn family(marker: &str) -> Option<&'static str> {
    let (group, _) = marker.split_once('/')?;
    let group = group.to_lowercase();
    FAMILIES
        .iter()
        .find(|(name, _)| group == *name || (*name == "openslo" && group == "openslo.com"))
        .map(|(_, versions)| *versions)
}
