//! As much of JSON Schema's draft-07 as our schemas use; a keyword that it does not know is an error of the schema.

use serde_json::Value;

/// What is wrong with a value, with its path.
pub fn errors(root: &Value, schema: &Value, value: &Value, path: &str) -> Vec<String> {
    let Some(keywords) = schema.as_object() else {
        return vec![format!("{path}: the schema is no map")];
    };
    let mut found = Vec::new();
    for (keyword, argument) in keywords {
        found.extend(keyword_errors(root, schema, keyword, argument, value, path));
    }
    found
}

fn keyword_errors(
    root: &Value,
    schema: &Value,
    keyword: &str,
    argument: &Value,
    value: &Value,
    path: &str,
) -> Vec<String> {
    let is_valid = |schema: &Value| errors(root, schema, value, path).is_empty();
    let listed = || argument.as_array().cloned().unwrap_or_default();
    let items = value.as_array();
    let holds = match keyword {
        "$schema" | "title" | "description" | "definitions" | "then" => true,
        "$ref" => {
            let target = argument
                .as_str()
                .and_then(|text| root.pointer(text.trim_start_matches('#')));
            return target.map_or_else(
                || vec![format!("{path}: {argument}?")],
                |target| errors(root, target, value, path),
            );
        }
        "type" => match argument {
            Value::Array(words) => words.iter().any(|word| is_type(word, value)),
            word => is_type(word, value),
        },
        "properties" => return property_errors(root, argument, value, path),
        "additionalProperties" => return additional_errors(root, schema, argument, value, path),
        "propertyNames" => keys(value)
            .iter()
            .all(|key| errors(root, argument, &Value::from(key.as_str()), path).is_empty()),
        "required" => listed()
            .iter()
            .all(|key| value.get(key.as_str().unwrap_or_default()).is_some()),
        "dependencies" => argument.as_object().into_iter().flatten().all(|(key, needs)| {
            let needs = needs.as_array().cloned().unwrap_or_default();
            value.get(key).is_none()
                || needs
                    .iter()
                    .all(|need| value.get(need.as_str().unwrap_or_default()).is_some())
        }),
        "items" => {
            let each = items.into_iter().flatten().enumerate();
            return each
                .flat_map(|(n, item)| errors(root, argument, item, &format!("{path}/{n}")))
                .collect();
        }
        "enum" => listed().contains(value),
        "const" => argument == value,
        "anyOf" => listed().iter().any(is_valid),
        "oneOf" => listed().iter().filter(|schema| is_valid(schema)).count() == 1,
        "allOf" => {
            return listed()
                .iter()
                .flat_map(|schema| errors(root, schema, value, path))
                .collect();
        }
        "not" => !is_valid(argument),
        "if" => !is_valid(argument) || schema.get("then").is_none_or(is_valid),
        other => fits(other, argument, value),
    };
    if holds {
        Vec::new()
    } else {
        vec![format!("{path}: {keyword} {argument}")]
    }
}

/// The keywords about sizes and texts.
fn fits(keyword: &str, argument: &Value, value: &Value) -> bool {
    let at_least = |size: Option<usize>| size.is_none_or(|size| size as u64 >= argument.as_u64().unwrap_or(0));
    let at_most = |size: Option<usize>| size.is_none_or(|size| size as u64 <= argument.as_u64().unwrap_or(0));
    let number = |holds: fn(f64, f64) -> bool| {
        value
            .as_f64()
            .is_none_or(|n| holds(n, argument.as_f64().unwrap_or(f64::NAN)))
    };
    let items = value.as_array();
    match keyword {
        "minLength" => at_least(value.as_str().map(str::len)),
        "maxLength" => at_most(value.as_str().map(str::len)),
        "minItems" => at_least(items.map(Vec::len)),
        "maxItems" => at_most(items.map(Vec::len)),
        "maxProperties" => at_most(value.as_object().map(serde_json::Map::len)),
        "uniqueItems" => items.is_none_or(|items| items.iter().enumerate().all(|(n, item)| !items[..n].contains(item))),
        "minimum" => number(|n, bound| n >= bound),
        "maximum" => number(|n, bound| n <= bound),
        "exclusiveMinimum" => number(|n, bound| n > bound),
        "exclusiveMaximum" => number(|n, bound| n < bound),
        "pattern" => {
            // Rust's expressions have no look-ahead; ours only keep `__` away from the front.
            let pattern = argument.as_str().unwrap_or_default();
            let plain = regex::Regex::new(&pattern.replace("(?!__)", "")).expect("a pattern");
            let refused = |text: &str| pattern.contains("(?!__)") && text.starts_with("__");
            value.as_str().is_none_or(|text| plain.is_match(text) && !refused(text))
        }
        other => panic!("unknown keyword {other}"),
    }
}

fn property_errors(root: &Value, properties: &Value, value: &Value, path: &str) -> Vec<String> {
    let known = properties.as_object().into_iter().flatten();
    let present = known.filter_map(|(key, schema)| Some((key, schema, value.get(key)?)));
    present
        .flat_map(|(key, schema, inner)| errors(root, schema, inner, &format!("{path}/{key}")))
        .collect()
}

fn additional_errors(root: &Value, schema: &Value, argument: &Value, value: &Value, path: &str) -> Vec<String> {
    let known = schema.get("properties").map(keys).unwrap_or_default();
    let others = keys(value).into_iter().filter(|key| !known.contains(key));
    let told = others.flat_map(|key| match argument {
        Value::Bool(false) => vec![format!("{path}: unknown key {key}")],
        schema => errors(root, schema, &value[&key], &format!("{path}/{key}")),
    });
    told.collect()
}

fn keys(value: &Value) -> Vec<String> {
    value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, _)| key.clone())
        .collect()
}

fn is_type(word: &Value, value: &Value) -> bool {
    match word.as_str().unwrap_or_default() {
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "null" => value.is_null(),
        other => panic!("unknown type {other}"),
    }
}
