//! Which format a file is in, by its markers.

use super::yaml::Node;

/// The formats that can be told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DocumentKind {
    /// `version: nines/v1`
    Native,
    /// `apiVersion: openslo/v1` and others
    OpenSlo,
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
    /// `nines.yml`
    Config,
    /// None of these.
    #[default]
    Unknown,
}

/// Top-level keys that only a configuration has.
const CONFIG_KEYS: [&str; 6] = ["global", "scrape_configs", "receivers", "slo_files", "route", "storage"];

impl DocumentKind {
    /// The format of a document.
    pub fn of(root: &Node) -> Self {
        let text = |key| root.get(key).and_then(Node::text);
        let (version, api_version) = (text("version"), text("apiVersion"));
        match (version, api_version) {
            (Some(version), _) if version.starts_with("nines/") => Self::Native,
            (Some(version), _) if version.starts_with("prometheus/") => Self::Sloth,
            (_, Some(api)) if api.starts_with("openslo") => Self::OpenSlo,
            (_, Some(api)) if api.starts_with("sloth.slok.dev/") => {
                if text("kind") == Some("AlertWindows") {
                    Self::AlertWindows
                } else {
                    Self::SlothResource
                }
            }
            (_, Some(api)) if api.starts_with("pyrra.dev/") => Self::Pyrra,
            (_, Some(api)) if api.starts_with("sre.google.com/") => Self::SloGenerator,
            (None, None) if CONFIG_KEYS.iter().any(|key| root.entry(key).is_some()) => Self::Config,
            _ => Self::Unknown,
        }
    }

    /// The format's name, for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Native => "nines",
            Self::OpenSlo => "OpenSLO",
            Self::Sloth => "Sloth",
            Self::SlothResource => "Sloth's Kubernetes resource",
            Self::AlertWindows => "Sloth's AlertWindows",
            Self::Pyrra => "Pyrra",
            Self::SloGenerator => "slo-generator",
            Self::Config => "a nines configuration",
            Self::Unknown => "unknown",
        }
    }
}
