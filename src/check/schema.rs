//! The part of structural schemas that our CRDs use.
//!
//! A library for JSON Schema would neither know int-or-string, nullable and list types nor be able to name the line.

use std::collections::HashSet;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use regex::Regex;
use serde_json::Value;

use super::document::{Located, Node};

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
        let int_or_string = schema.x_kubernetes_int_or_string == Some(true);
        let wanted =
            if int_or_string { "int-or-string" } else { schema.type_.as_deref().unwrap_or("object") };
        match (&value.node, wanted) {
            (Node::Scalar(Value::Null), _) if schema.nullable == Some(true) => {}
            (Node::Map(entries), "object") => self.object(value, entries, schema, path),
            (Node::List(items), "array") => self.array(value, items, schema, path),
            (Node::Scalar(Value::String(text)), "string" | "int-or-string") => {
                self.text(value, text, schema, path);
            }
            (Node::Scalar(Value::Bool(_)), "boolean") => {}
            (Node::Scalar(Value::Number(number)), "integer" | "int-or-string") if !number.is_f64() => {
                self.number(value, number.as_f64(), schema, path);
            }
            (Node::Scalar(Value::Number(number)), "number") => {
                self.number(value, number.as_f64(), schema, path);
            }
            (node, wanted) => self.problem(value, path, wrong_type(node, wanted)),
        }
    }

    fn object(&mut self, at: &Located, entries: &[(String, Located)], schema: &JSONSchemaProps, path: &str) {
        for name in schema.required.iter().flatten().filter(|name| at.get(name).is_none()) {
            self.problem(at, &join(path, name), "is required");
        }
        for (name, value) in entries {
            let path = join(path, name);
            let known = schema.properties.as_ref().and_then(|properties| properties.get(name));
            match (known, &schema.additional_properties) {
                (Some(schema), _) => self.value(value, schema, &path),
                (None, Some(JSONSchemaPropsOrBool::Schema(schema))) => self.value(value, schema, &path),
                (None, Some(JSONSchemaPropsOrBool::Bool(true))) => {}
                (None, _) if schema.properties.is_none() => {}
                (None, _) => {
                    let names = schema.properties.iter().flatten().map(|(name, _)| name.as_str());
                    self.problem(value, &path, unknown(name, names));
                }
            }
        }
    }

    fn array(&mut self, at: &Located, items: &[Located], schema: &JSONSchemaProps, path: &str) {
        let count = i64::try_from(items.len()).unwrap_or(i64::MAX);
        if let Some(min) = schema.min_items.filter(|min| count < *min) {
            self.problem(at, path, format!("needs at least {min} entries"));
        }
        if let Some(max) = schema.max_items.filter(|max| count > *max) {
            self.problem(at, path, format!("has {count} entries, {max} are allowed"));
        }
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
        let allowed = schema.enum_.as_deref().unwrap_or_default();
        if !allowed.is_empty() && !allowed.iter().any(|value| value.0 == text) {
            let names: Vec<_> = allowed.iter().filter_map(|value| value.0.as_str()).collect();
            let names = names.join(", ");
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
        let matches = Regex::new(pattern).is_ok_and(|regex| regex.is_match(text));
        if !matches {
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
        Node::Scalar(Value::Null) => {
            "nothing: give it a value, or remove the line to leave the field unmanaged"
        }
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
        "int-or-string" => "a number or text",
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
