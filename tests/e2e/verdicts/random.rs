//! Random manifests: an example, and what may go wrong with it.

use std::fs;

use rand::{Rng, rngs::StdRng, seq::IndexedRandom};
use regex::Regex;
use serde::Deserialize as _;
use serde_json::{Value, json};

/// A good object.
pub(super) struct Base {
    pub(super) plural: String,
    pub(super) namespaced: bool,
    /// What it is called in the API server.
    pub(super) name: String,
    pub(super) object: Value,
    schema: Value,
}

/// Texts that patterns ask for, and some that none does.
const TEXTS: [&str; 22] = [
    "a",
    "a-b.c",
    "A b",
    "123",
    "0",
    "8988303000000010140",
    "89883030000000101401",
    "89049032000001000000000000000001",
    "901430000010140",
    "356938035643809",
    "10m",
    "1h30m",
    "2026-12-31T23:59:59Z",
    "10.192.0.0/24",
    "10.192.0.20",
    "DEUD1",
    "262-03",
    "500M",
    "10%",
    "Endpoint",
    "https://cdn.emnify.net",
    "{iccid}",
];

/// All examples of all kinds.
pub(super) fn examples() -> Vec<Base> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let files = fs::read_dir(folder).expect("there are examples").flatten().map(|file| file.path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect();
    files.sort();
    let texts = files.iter().map(|path| fs::read_to_string(path).expect("examples are text"));
    let texts: Vec<String> = texts.collect();
    let documents = texts.iter().flat_map(|text| serde_yaml::Deserializer::from_str(text));
    let objects = documents.map(|document| Value::deserialize(document).expect("examples are YAML"));
    let mut bases: Vec<Base> = objects.filter_map(base).collect();
    for (index, base) in bases.iter_mut().enumerate() {
        base.name = format!("base-{index}");
        base.object["metadata"]["name"] = base.name.as_str().into();
    }
    for family in emnify_operator::definitions::families() {
        let plural = &family.resource.plural;
        assert!(bases.iter().any(|base| base.plural == *plural), "{plural} has an example");
    }
    bases
}

fn base(mut object: Value) -> Option<Base> {
    let crd = emnify_operator::definitions::crds()
        .into_iter()
        .find(|crd| object["kind"] == crd.spec.names.kind.as_str())?;
    let schema = crd.spec.versions[0].schema.as_ref()?.open_api_v3_schema.as_ref()?;
    let mut schema = serde_json::to_value(schema).ok()?;
    let properties = schema["properties"].as_object_mut()?;
    properties.remove("status");
    let texts = json!({"type": "object", "additionalProperties": {"type": "string"}});
    properties.insert(
        "metadata".to_owned(),
        json!({"type": "object", "properties": {"labels": texts.clone(), "annotations": texts}}),
    );
    object.as_object_mut()?.remove("status");
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("namespace");
    }
    Some(Base {
        plural: crd.spec.names.plural.clone(),
        namespaced: crd.spec.scope == "Namespaced",
        name: String::new(),
        object,
        schema,
    })
}

/// An object made of one of `bases`, and which.
pub(super) fn manifest(rng: &mut StdRng, bases: &[Base]) -> (usize, Value) {
    let index = rng.random_range(0..bases.len());
    let base = &bases[index];
    let mut object = base.object.clone();
    if rng.random_bool(0.2) {
        object["spec"] = any(rng, &base.schema["properties"]["spec"], 0);
    }
    for _ in 0..rng.random_range(0..3) {
        change(rng, &mut object, &base.schema);
    }
    (index, object)
}

/// Changes something at a random place.
fn change(rng: &mut StdRng, object: &mut Value, schema: &Value) {
    let mut places = Vec::new();
    walk(object, schema, "", &mut places);
    // Some at the top, or the many fields below always win.
    let (path, schema) = places.choose(rng).expect("there is a spec").clone();
    let at = object.pointer_mut(&path).expect("it was there");
    let fixed = path.is_empty() || path == "/metadata";
    match rng.random_range(0..11) {
        0 if !fixed => *at = Value::Null,
        1 if !fixed => *at = wrong(rng),
        3 => shrink(rng, at, fixed),
        4 => stretch(rng, at),
        5 => spoil(rng, at),
        6 if !fixed => *at = any(rng, schema, 1),
        7 => unknown(rng, at),
        8 => double(rng, at),
        _ => extend(rng, at, schema),
    }
}

/// Every place below, with its schema. Head and name stay as they are.
fn walk<'a>(value: &Value, schema: &'a Value, path: &str, places: &mut Vec<(String, &'a Value)>) {
    places.push((path.to_owned(), schema));
    match value {
        Value::Object(entries) => {
            for (key, value) in
                entries.iter().filter(|(key, _)| !matches!(key.as_str(), "apiVersion" | "kind"))
            {
                let below = if schema["properties"][key].is_object() {
                    &schema["properties"][key]
                } else {
                    &schema["additionalProperties"]
                };
                if below.is_object() {
                    walk(
                        value,
                        below,
                        &format!("{path}/{}", key.replace('~', "~0").replace('/', "~1")),
                        places,
                    );
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                walk(item, &schema["items"], &format!("{path}/{index}"), places);
            }
        }
        _ => {}
    }
}

/// Anything at all.
fn wrong(rng: &mut StdRng) -> Value {
    let all = [
        json!("text"),
        json!(""),
        json!(1),
        json!(0),
        json!(-1),
        json!(80.0),
        json!(0.5),
        json!(1e2),
        json!(1e30),
        json!(i64::MAX),
        json!(u64::MAX),
        json!(true),
        json!(false),
        json!([]),
        json!({}),
        json!([null]),
        json!(["a", 1]),
        json!({"a": 1}),
        json!({"name": "a"}),
    ];
    all.choose(rng).expect("there are some").clone()
}

/// Something that the schema more or less allows.
fn any(rng: &mut StdRng, schema: &Value, depth: usize) -> Value {
    if let Some(values) = schema["enum"].as_array() {
        return values.choose(rng).cloned().unwrap_or_default();
    }
    if schema["x-kubernetes-int-or-string"] == true {
        return if rng.random() { json!(rng.random_range(0..200)) } else { text(rng, schema) };
    }
    match schema["type"].as_str().unwrap_or("object") {
        "string" => text(rng, schema),
        "boolean" => rng.random_bool(0.7).into(),
        "integer" => {
            let bound = |key: &str, default: f64| schema[key].as_f64().unwrap_or(default);
            let (low, high) = (bound("minimum", -1.0), bound("maximum", 1000.0));
            match rng.random_range(0..6) {
                0 => json!(low - 1.0),
                1 => json!(high + 1.0),
                2 => json!(low),
                3 => json!(high),
                #[allow(clippy::cast_possible_truncation, reason = "bounds are small")]
                _ => json!(rng.random_range(low as i64..=high as i64)),
            }
        }
        "array" => (0..rng.random_range(0..4)).map(|_| any(rng, &schema["items"], depth + 1)).collect(),
        _ => {
            let mut object = serde_json::Map::new();
            let required =
                |key: &str| schema["required"].as_array().is_some_and(|all| all.contains(&json!(key)));
            for (key, below) in schema["properties"].as_object().into_iter().flatten() {
                let likely = if depth == 0 { 0.25 } else { 0.4 };
                if required(key) && rng.random_bool(0.95) || rng.random_bool(likely) {
                    object.insert(key.clone(), any(rng, below, depth + 1));
                }
            }
            if schema["additionalProperties"].is_object() {
                for _ in 0..rng.random_range(0..3) {
                    let key = *TEXTS.choose(rng).expect("there are some");
                    object.insert(key.to_owned(), any(rng, &schema["additionalProperties"], depth + 1));
                }
            }
            Value::Object(object)
        }
    }
}

fn text(rng: &mut StdRng, schema: &Value) -> Value {
    if let Some(values) = schema["pattern"].as_str().and_then(emnify_operator::definitions::values)
        && rng.random_bool(0.95)
    {
        return (*values.choose(rng).expect("there are some")).into();
    }
    let pattern = schema["pattern"].as_str().map(|pattern| Regex::new(pattern).expect("patterns are good"));
    let fits: Vec<&str> = TEXTS
        .into_iter()
        .filter(|text| pattern.as_ref().is_none_or(|pattern| pattern.is_match(text)))
        .collect();
    let all = if fits.is_empty() || rng.random_bool(0.05) { &TEXTS[..] } else { &fits };
    (*all.choose(rng).expect("there are some")).into()
}

/// Adds what the schema has and the value lacks.
fn extend(rng: &mut StdRng, at: &mut Value, schema: &Value) {
    match at {
        Value::Object(entries) => {
            let properties = schema["properties"].as_object();
            let missing: Vec<_> =
                properties.into_iter().flatten().filter(|(key, _)| !entries.contains_key(*key)).collect();
            if let Some((key, below)) = missing.choose(rng) {
                entries.insert((*key).clone(), any(rng, below, 1));
            } else if schema["additionalProperties"].is_object() {
                let key = *TEXTS.choose(rng).expect("there are some");
                entries.insert(key.to_owned(), any(rng, &schema["additionalProperties"], 1));
            }
        }
        Value::Array(items) => items.push(any(rng, &schema["items"], 1)),
        _ => *at = any(rng, schema, 1),
    }
}

fn shrink(rng: &mut StdRng, at: &mut Value, fixed: bool) {
    match at {
        Value::Object(entries) => {
            let keys: Vec<String> = entries
                .keys()
                .filter(|key| !matches!(key.as_str(), "apiVersion" | "kind" | "metadata" | "name"))
                .cloned()
                .collect();
            match keys.choose(rng) {
                Some(key) if rng.random_bool(0.7) || fixed => drop(entries.remove(key)),
                _ if !fixed => entries.clear(),
                _ => {}
            }
        }
        Value::Array(items) => items.clear(),
        Value::String(text) => text.clear(),
        _ => {}
    }
}

fn stretch(rng: &mut StdRng, at: &mut Value) {
    match at {
        Value::String(text) => {
            let longest = *[64, 254, 300, 2000].choose(rng).expect("there are some");
            *text = text.chars().chain("x".chars()).cycle().take(longest).collect();
        }
        Value::Array(items) if !items.is_empty() => {
            *items = items.iter().cycle().take(1100).cloned().collect();
        }
        Value::Number(number) => {
            let number = number.as_f64().unwrap_or_default();
            *at = [json!(number), json!(number + 0.5), json!(number * 1e6), json!(-number)]
                .choose(rng)
                .expect("some")
                .clone();
        }
        _ => {}
    }
}

fn spoil(rng: &mut StdRng, at: &mut Value) {
    if let Value::String(text) = at {
        let more =
            *[" ", "\n", ".", "..", "-", "_", "é", "A", "0", ",", "/", "{x}"].choose(rng).expect("some");
        if rng.random() { text.push_str(more) } else { text.insert_str(0, more) }
    }
}

fn unknown(rng: &mut StdRng, at: &mut Value) {
    if let Value::Object(entries) = at {
        // No null: a merge patch takes it away, whoever knows the field.
        entries.insert("colour".to_owned(), wrong(rng));
    }
}

fn double(rng: &mut StdRng, at: &mut Value) {
    if let Value::Array(items) = at
        && let Some(item) = items.choose(rng).cloned()
    {
        items.push(item);
    }
}
