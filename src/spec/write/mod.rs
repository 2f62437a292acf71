//! Writes SLOs as files, in the native format and as OpenSLO.

mod alert_policies;
#[cfg(test)]
mod generate;
mod native;
mod openslo;
#[cfg(test)]
mod tests;
mod yaml;

use crate::domain::slo::Slo;

/// Where editors find the schema of a written native file: in a folder beside that of the SLO files, filled by
/// `nines generate schema`.
pub const NATIVE_SCHEMA: &str = "../schemas/nines-v1.schema.json";

/// The same for OpenSLO.
pub const OPENSLO_SCHEMA: &str = "../schemas/openslo-v1.schema.json";

/// A file that was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// The YAML.
    pub text: String,
    /// How many SLOs are in it; the others are left out, and the losses say why.
    pub slos: usize,
    /// What the format could not say, a sentence each.
    pub losses: Vec<String>,
    /// What a person should know of it, and is no loss.
    pub notes: Vec<String>,
}

/// Writes SLOs in the native format, a document for each service.
pub fn native(slos: &[Slo]) -> Written {
    native::write(slos)
}

/// Writes SLOs in OpenSLO v1, an object for each service and each SLO.
pub fn openslo(slos: &[Slo]) -> Written {
    openslo::write(slos)
}

/// The line by which editors find the schema.
fn modeline(schema: &str) -> String {
    format!("# yaml-language-server: $schema={schema}\n")
}
