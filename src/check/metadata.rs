//! What the API server asks of every object's `metadata`; definitions say nothing about it.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::{
    document::{Located, Node},
    schema::Problem,
};
use crate::api::OBJECT_NAME;

/// A form that a text may be asked to have.
struct Form(LazyLock<Regex>);

impl Form {
    const fn new(make: fn() -> Regex) -> Self {
        Self(LazyLock::new(make))
    }

    fn fits(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

macro_rules! forms {
    ($($name:ident = $pattern:expr;)*) => {
        $(static $name: Form = Form::new(|| Regex::new($pattern).expect("a constant pattern"));)*
    };
}

forms! {
    NAME = OBJECT_NAME;
    NAMESPACE = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
    PREFIX = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*[-.]?$";
    VALUE = "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$";
    KEY = "^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$";
}

/// Bytes of all annotations together.
const ANNOTATIONS: usize = 256 * 1024;
/// Fields that tools write, and whose form is theirs.
const OTHERS: [&str; 10] = [
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generation",
    "managedFields",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// What is wrong with the `metadata` of an object.
pub(super) fn validate(object: &Located) -> Vec<Problem> {
    let mut found = Vec::new();
    let Some(metadata) = object.get("metadata").filter(|metadata| !metadata.is_null()) else {
        note(&mut found, object, "metadata", "name is required");
        return found;
    };
    let Node::Map(entries) = &metadata.node else {
        note(&mut found, metadata, "metadata", "must be a mapping with a name");
        return found;
    };
    for (key, value) in entries.iter().filter(|(_, value)| !value.is_null()) {
        let path = format!("metadata.{key}");
        match key.as_str() {
            "name" => named(&mut found, value, &path, (&NAME, 253), NAME_WORDS),
            "generateName" => named(&mut found, value, &path, (&PREFIX, 253), NAME_WORDS),
            "namespace" => named(&mut found, value, &path, (&NAMESPACE, 63), NAMESPACE_WORDS),
            "labels" => labels(&mut found, value),
            "annotations" => annotations(&mut found, value),
            other if OTHERS.contains(&other) => {}
            _ => note(&mut found, value, &path, "is not a field here: remove it"),
        }
    }
    let given = |key: &str| metadata.get(key).and_then(Located::text).is_some_and(|text| !text.is_empty());
    if !given("name") && !given("generateName") && found.is_empty() {
        note(&mut found, metadata, "metadata", "name is required");
    }
    found
}

const NAME_WORDS: &str = "use lower-case letters, digits and dashes, with single dots between them";
const NAMESPACE_WORDS: &str = "use lower-case letters and digits, with dashes between them";
const KEY_WORDS: &str =
    "use letters and digits, with -, _ and . between them, and a domain and a slash before that if need be";

fn note(found: &mut Vec<Problem>, at: &Located, path: &str, message: impl Into<String>) {
    found.push(Problem { line: at.line, path: path.to_owned(), message: message.into() });
}

fn text<'a>(found: &mut Vec<Problem>, value: &'a Located, path: &str) -> Option<&'a str> {
    if value.text().is_none() {
        let quote = matches!(value.node, Node::Scalar(Value::Number(_) | Value::Bool(_)));
        note(found, value, path, if quote { "must be text: quote it" } else { "must be text" });
    }
    value.text()
}

fn named(found: &mut Vec<Problem>, at: &Located, path: &str, (form, max): (&Form, usize), words: &str) {
    let Some(name) = text(found, at, path).filter(|name| !name.is_empty()) else { return };
    if name.len() > max {
        note(found, at, path, format!("has {} characters, {max} are allowed", name.len()));
    } else if !form.fits(name) {
        note(found, at, path, format!("{name:?} is no name: {words}"));
    }
}

/// The entries of a mapping of texts with good keys.
fn texts<'a>(found: &mut Vec<Problem>, at: &'a Located, path: &str) -> Vec<(String, &'a Located, &'a str)> {
    let Node::Map(entries) = &at.node else {
        note(found, at, path, "must be a mapping of texts");
        return Vec::new();
    };
    let mut good = Vec::new();
    for (key, value) in entries {
        let path = format!("{path}.{key}");
        // Keys of annotations may have capitals in their domain, too.
        let lower = path.starts_with("metadata.annotations").then(|| key.to_lowercase());
        if !qualified(lower.as_deref().unwrap_or(key)) {
            note(found, value, &path, format!("{key:?} is no key: {KEY_WORDS}"));
        }
        if value.is_null() {
            continue;
        }
        if let Some(text) = text(found, value, &path) {
            good.push((path, value, text));
        }
    }
    good
}

fn labels(found: &mut Vec<Problem>, at: &Located) {
    for (path, at, value) in texts(found, at, "metadata.labels") {
        if value.len() > 63 {
            note(found, at, &path, format!("has {} characters, 63 are allowed", value.len()));
        } else if !VALUE.fits(value) {
            let message = format!(
                "{value:?} is no value of a label: use letters and digits, with -, _ and . between them"
            );
            note(found, at, &path, message);
        }
    }
}

fn annotations(found: &mut Vec<Problem>, at: &Located) {
    let size: usize = texts(found, at, "metadata.annotations")
        .iter()
        .map(|(path, _, value)| path.len() + value.len())
        .sum();
    if size > ANNOTATIONS {
        note(found, at, "metadata.annotations", format!("has {size} bytes, {ANNOTATIONS} are allowed"));
    }
}

/// A name of at most 63 characters, with or without a domain before it.
fn qualified(key: &str) -> bool {
    let (domain, name) = key.split_once('/').map_or((None, key), |(domain, name)| (Some(domain), name));
    name.len() <= 63 && KEY.fits(name) && domain.is_none_or(|domain| domain.len() <= 253 && NAME.fits(domain))
}
