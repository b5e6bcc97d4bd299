//! The part of JSON Schema that our own schema uses, so that the examples can be checked
//! against it without a library.

use serde_json::Value;

/// Why a value does not fit a schema; empty where it does.
pub(crate) fn errors(root: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut wrong = |why: String| found.push(format!("{at}: {why}"));
    if let Some(reference) = schema["$ref"].as_str() {
        let target = root.pointer(reference.trim_start_matches('#')).expect("a definition");
        return errors(root, target, value, at);
    }
    if let Some(constant) = schema.get("const")
        && constant != value
    {
        wrong(format!("is {value}, not {constant}"));
    }
    if let Some(words) = schema["enum"].as_array()
        && !words.contains(value)
    {
        wrong(format!("{value} is none of {words:?}"));
    }
    if let Some(kinds) = schema.get("type") {
        let list = kinds.as_array().map_or(std::slice::from_ref(kinds), Vec::as_slice);
        let kinds: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
        if !kinds.iter().any(|kind| is_of(value, kind)) {
            wrong(format!("{value} is no {kinds:?}"));
        }
    }
    for (word, order) in [("minimum", -1.0), ("maximum", 1.0)] {
        if let (Some(bound), Some(number)) = (schema[word].as_f64(), value.as_f64())
            && (number - bound) * order > 0.0
        {
            wrong(format!("{number} is beyond {bound}"));
        }
    }
    found.extend(inside(root, schema, value, at));
    for word in ["oneOf", "anyOf"] {
        let Some(choices) = schema[word].as_array().filter(|it| it[0].get("format").is_none())
        else {
            continue;
        };
        let each: Vec<_> = choices.iter().map(|it| errors(root, it, value, at)).collect();
        let fits = each.iter().filter(|errors| errors.is_empty()).count();
        if fits == 0 || word == "oneOf" && fits > 1 {
            found.push(format!("{at}: fits {fits} of {word}: {each:?}"));
        }
    }
    found
}

fn inside(root: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(object) = value.as_object() {
        for field in schema["required"].as_array().into_iter().flatten() {
            if !object.contains_key(field.as_str().unwrap_or_default()) {
                found.push(format!("{at}: lacks {field}"));
            }
        }
        for (key, value) in object {
            let at = format!("{at}.{key}");
            let others = schema.get("additionalProperties");
            match schema["properties"].get(key).or(others) {
                Some(Value::Bool(false)) => found.push(format!("{at}: is unknown")),
                Some(schema) => found.extend(errors(root, schema, value, &at)),
                None => {}
            }
        }
    }
    if let Some(items) = value.as_array() {
        let count = items.len() as u64;
        let least = schema["minItems"].as_u64().unwrap_or(0);
        if count < least || schema["maxItems"].as_u64().is_some_and(|most| count > most) {
            found.push(format!("{at}: has {count} elements"));
        }
        for item in items {
            found.extend(errors(root, &schema["items"], item, &format!("{at}[]")));
        }
    }
    found
}

fn is_of(value: &Value, kind: &str) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("type {other}"),
    }
}
