//! The part of structural schemas that our CRDs use, as the API server applies it.
//!
//! A library for JSON Schema would not do: the server takes nulls away before it looks, knows int-or-string and list
//! types, refuses fields that it does not know, and a finding has to name the line. That the two agree is tested with a
//! real API server (`tests/e2e/verdicts.rs`).

use std::{
    collections::{HashMap, HashSet},
    sync::LazyLock,
};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use parking_lot::RwLock;
use regex::Regex;
use serde_json::{Number, Value};

use super::document::{Located, Node};
use crate::definitions;

/// What is wrong where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// Line, from 1.
    pub(super) line: u64,
    /// Path of the field.
    pub(super) path: String,
    /// What is wrong and how to mend it.
    pub(super) message: String,
}

/// Everything in `value` that `schema` refuses, including fields it does not know.
pub(super) fn validate(value: &Located, schema: &JSONSchemaProps, path: &str) -> Vec<Problem> {
    let mut found = Vec::new();
    Walk { found: &mut found }.value(value, schema, path);
    found
}

/// The value as the API server sees it when it applies rules: without fields that are null, but with keys of maps whose value
/// is, and with whole numbers where they are wanted.
pub(super) fn served(value: &Located, schema: &JSONSchemaProps) -> Value {
    match &value.node {
        Node::Scalar(Value::Number(number)) if matches!(wanted(schema), "integer" | INT_OR_STRING) => {
            whole(number).map_or_else(|| number.clone().into(), Value::from)
        }
        Node::Scalar(scalar) => scalar.clone(),
        Node::List(items) => match &schema.items {
            Some(JSONSchemaPropsOrArray::Schema(schema)) => {
                items.iter().map(|item| served(item, schema)).collect()
            }
            _ => value.json(),
        },
        Node::Map(entries) => {
            let entries = entries.iter().filter_map(|(name, value)| match field(schema, name) {
                Field::Known(_) if value.is_null() && schema.additional_properties.is_none() => None,
                Field::Known(_) if value.is_null() => Some((name.clone(), Value::Null)),
                Field::Known(schema) => Some((name.clone(), served(value, schema))),
                Field::Anything | Field::Unknown => Some((name.clone(), value.json())),
            });
            Value::Object(entries.collect())
        }
    }
}

const INT_OR_STRING: &str = "int-or-string";

fn wanted(schema: &JSONSchemaProps) -> &str {
    let either = schema.x_kubernetes_int_or_string == Some(true);
    if either { INT_OR_STRING } else { schema.type_.as_deref().unwrap_or("object") }
}

/// A number without a fraction, however it is written: `80`, `80.0`, `8e1`.
fn whole(number: &Number) -> Option<i64> {
    /// Beyond, a float does not say which whole number it is.
    const EXACT: f64 = 9_007_199_254_740_991.0;
    let float =
        || number.as_f64().filter(|float| number.is_f64() && float.fract() == 0.0 && float.abs() <= EXACT);
    #[allow(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
    number.as_i64().or_else(|| float().map(|float| float as i64))
}

/// What a schema says of a member of an object.
enum Field<'a> {
    Known(&'a JSONSchemaProps),
    Anything,
    Unknown,
}

fn field<'a>(schema: &'a JSONSchemaProps, name: &str) -> Field<'a> {
    let known = schema.properties.as_ref().and_then(|properties| properties.get(name));
    match (known, &schema.additional_properties) {
        (Some(schema), _) => Field::Known(schema),
        (None, Some(JSONSchemaPropsOrBool::Schema(schema))) => Field::Known(schema),
        (None, Some(JSONSchemaPropsOrBool::Bool(true))) => Field::Anything,
        (None, _) if schema.properties.is_none() => Field::Anything,
        (None, _) => Field::Unknown,
    }
}

/// Whether a text fits a pattern of a schema. There are few, and each is compiled once.
fn fits(text: &str, pattern: &str) -> bool {
    static COMPILED: LazyLock<RwLock<HashMap<String, Option<Regex>>>> = LazyLock::new(RwLock::default);
    if let Some(known) = COMPILED.read().get(pattern) {
        return known.as_ref().is_some_and(|regex| regex.is_match(text));
    }
    let compiled = Regex::new(pattern).ok();
    let fits = compiled.as_ref().is_some_and(|regex| regex.is_match(text));
    COMPILED.write().insert(pattern.to_owned(), compiled);
    fits
}

struct Walk<'a> {
    found: &'a mut Vec<Problem>,
}

impl Walk<'_> {
    fn problem(&mut self, at: &Located, path: &str, message: impl Into<String>) {
        self.found.push(Problem { line: at.line, path: path.to_owned(), message: message.into() });
    }

    fn value(&mut self, value: &Located, schema: &JSONSchemaProps, path: &str) {
        if schema.x_kubernetes_preserve_unknown_fields == Some(true) {
            return;
        }
        let wanted = wanted(schema);
        match (&value.node, wanted) {
            (Node::Map(entries), "object") => self.object(value, entries, schema, path),
            (Node::List(items), "array") => self.array(value, items, schema, path),
            (Node::Scalar(Value::String(text)), "string" | INT_OR_STRING) => {
                self.text(value, text, schema, path);
            }
            (Node::Scalar(Value::Bool(_)), "boolean") => {}
            (Node::Scalar(Value::Number(number)), "integer" | INT_OR_STRING) if whole(number).is_some() => {
                self.number(value, number.as_f64(), schema, path);
            }
            (Node::Scalar(Value::Number(number)), "number") => {
                self.number(value, number.as_f64(), schema, path);
            }
            (node, wanted) => self.problem(value, path, wrong_type(node, wanted)),
        }
    }

    fn object(&mut self, at: &Located, entries: &[(String, Located)], schema: &JSONSchemaProps, path: &str) {
        for name in schema.required.iter().flatten() {
            match at.get(name) {
                None => self.problem(at, &join(path, name), "is required"),
                Some(value) if value.is_null() => {
                    self.problem(value, &join(path, name), "is required, and empty here: give it a value");
                }
                Some(_) => {}
            }
        }
        let count = entries.iter().filter(|(_, value)| !value.is_null()).count();
        self.count(at, count, (schema.min_properties, schema.max_properties), path);
        for (name, value) in entries {
            let path = join(path, name);
            match field(schema, name) {
                Field::Known(_) if value.is_null() => {}
                Field::Known(schema) => self.value(value, schema, &path),
                Field::Anything => {}
                Field::Unknown => {
                    let names = schema.properties.iter().flatten().map(|(name, _)| name.as_str());
                    self.problem(value, &path, unknown(name, names));
                }
            }
        }
    }

    fn count(&mut self, at: &Located, count: usize, (min, max): (Option<i64>, Option<i64>), path: &str) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        if let Some(min) = min.filter(|min| count < *min) {
            let entries = if min == 1 { "entry" } else { "entries" };
            self.problem(at, path, format!("needs at least {min} {entries}"));
        }
        if let Some(max) = max.filter(|max| count > *max) {
            self.problem(at, path, format!("has {count} entries, {max} are allowed"));
        }
    }

    fn array(&mut self, at: &Located, items: &[Located], schema: &JSONSchemaProps, path: &str) {
        self.count(at, items.len(), (schema.min_items, schema.max_items), path);
        if let Some(JSONSchemaPropsOrArray::Schema(schema)) = &schema.items {
            for (index, item) in items.iter().enumerate() {
                self.value(item, schema, &format!("{path}[{index}]"));
            }
        }
        let keys = schema.x_kubernetes_list_map_keys.as_deref().unwrap_or_default();
        let identity = |item: &Located| match schema.x_kubernetes_list_type.as_deref() {
            Some("set") => Some(vec![Some(item.json())]),
            Some("map") => Some(keys.iter().map(|key| item.get(key).map(Located::json)).collect()),
            _ => None,
        };
        let mut earlier = HashSet::new();
        for (index, item) in items.iter().enumerate() {
            let Some(this) = identity(item) else { return };
            if !earlier.insert(this) {
                self.problem(item, &format!("{path}[{index}]"), "is in the list twice: remove one");
            }
        }
    }

    fn text(&mut self, at: &Located, text: &str, schema: &JSONSchemaProps, path: &str) {
        let listed = schema.enum_.iter().flatten().filter_map(|value| value.0.as_str()).collect();
        let allowed: Vec<&str> = schema.pattern.as_deref().and_then(definitions::values).unwrap_or(listed);
        if !allowed.is_empty() && !allowed.contains(&text) {
            let names = allowed.join(", ");
            return self.problem(
                at,
                path,
                format!("{text:?} is not a value of this field, use one of {names}"),
            );
        }
        let length = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
        if let Some(min) = schema.min_length.filter(|min| length < *min) {
            self.problem(at, path, format!("needs at least {min} characters"));
        }
        if let Some(max) = schema.max_length.filter(|max| length > *max) {
            self.problem(at, path, format!("has {length} characters, {max} are allowed"));
        }
        let Some(pattern) = &schema.pattern else { return };
        if !fits(text, pattern) {
            let hint =
                schema.description.as_deref().and_then(|text| text.split(". ").next()).unwrap_or_default();
            let hint = hint.trim_end_matches('.');
            self.problem(at, path, format!("{text:?} does not fit {pattern} ({hint})"));
        }
    }

    fn number(&mut self, at: &Located, number: Option<f64>, schema: &JSONSchemaProps, path: &str) {
        let Some(number) = number else { return };
        if let Some(min) = schema.minimum.filter(|min| number < *min) {
            self.problem(at, path, format!("must be at least {min}"));
        }
        if let Some(max) = schema.maximum.filter(|max| number > *max) {
            self.problem(at, path, format!("must be at most {max}"));
        }
    }
}

fn wrong_type(node: &Node, wanted: &str) -> String {
    let found = match node {
        Node::Scalar(Value::Null) => "nothing: give it a value, or remove the line",
        Node::Scalar(Value::Bool(_)) => "a boolean",
        Node::Scalar(Value::Number(_)) => "a number",
        Node::Scalar(_) => "text",
        Node::List(_) => "a list",
        Node::Map(_) => "a mapping",
    };
    let mend = match (node, wanted) {
        (Node::Scalar(Value::Number(_) | Value::Bool(_)), "string") => ": quote it",
        (Node::Scalar(Value::String(_)), "integer" | "number" | "boolean") => ": remove the quotes",
        _ => "",
    };
    let wanted = match wanted {
        "string" => "text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        INT_OR_STRING => "a whole number or text",
        _ => "a mapping",
    };
    format!("must be {wanted}, YAML reads {found}{mend}")
}

fn unknown<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let closest = known.map(|known| (distance(name, known), known)).min();
    match closest {
        Some((edits, known)) if edits <= 1 + name.len() / 4 => {
            format!("is not a field here, did you mean {known}?")
        }
        _ => "is not a field here: remove it".to_owned(),
    }
}

/// Number of edits between two names, letter case apart (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.to_lowercase(), b.to_lowercase());
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.chars().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
