//! JSON Schemas of the formats, for editors.

use serde_json::Value;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod validate;

/// The schema of native files (draft-07).
pub fn native() -> Value {
    parsed(include_str!("../../../schemas/nines-v1.schema.json"))
}

/// The schema of OpenSLO v1, all kinds (draft-07).
pub fn openslo() -> Value {
    parsed(include_str!("../../../schemas/openslo-v1.schema.json"))
}

/// The files are a part of the binary and a test reads them; nothing of theirs can be wrong at run time.
fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}
