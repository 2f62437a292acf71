//! JSON Schemas of the formats that nines writes.

use serde_json::{Value, json};

/// The schema of `nines/v1`.
pub fn native() -> Value {
    json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "nines/v1", "type": "object"})
}

/// The schema of OpenSLO v1.
pub fn openslo() -> Value {
    json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "openslo/v1", "type": "object"})
}
