//! Validates manifests without a cluster: what the API server would refuse, with file and line.

mod document;
mod schema;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrBool,
};
use kube::core::cel::Validator;
use serde_json::Value;

use self::{
    document::{Located, Node},
    schema::Problem,
};
use crate::api::{GROUP, VERSION};

/// Something that a manifest gets wrong. Prints as `file:line: path: what is wrong and the mend`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// File as it was named.
    pub file: String,
    /// Line, from 1.
    pub line: u64,
    /// Path of the field; empty for the file as a whole.
    pub path: String,
    /// What is wrong and how to mend it.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, path, message } = self;
        if path.is_empty() {
            write!(f, "{file}:{line}: {message}")
        } else {
            write!(f, "{file}:{line}: {path}: {message}")
        }
    }
}

/// What became of a set of manifests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// Objects of other groups, as `file:line: note`.
    pub skipped: Vec<String>,
    /// Objects that were looked at.
    pub objects: usize,
}

/// The schemas to check against.
#[derive(Debug)]
pub struct Checker {
    kinds: BTreeMap<String, Schema>,
}

#[derive(Debug)]
struct Schema {
    structure: JSONSchemaProps,
    /// The same as JSON, for the rules in it.
    rules: Value,
}

impl Checker {
    /// Checks against these CRDs.
    pub fn new(crds: &[CustomResourceDefinition]) -> Self {
        let kinds = crds.iter().filter_map(|crd| {
            let version = crd.spec.versions.iter().find(|version| version.name == VERSION)?;
            let mut structure = version.schema.as_ref()?.open_api_v3_schema.clone()?;
            let rules = serde_json::to_value(&structure).expect("a schema is JSON");
            structure.properties.get_or_insert_default().extend(envelope());
            Some((crd.spec.names.kind.clone(), Schema { structure, rules }))
        });
        Self { kinds: kinds.collect() }
    }

    /// Checks the text of one file and adds what it finds to `report`.
    pub fn file(&self, file: &str, text: &str, report: &mut Report) {
        let documents = match document::parse(text) {
            Ok(documents) => documents,
            Err((line, message)) => {
                report.findings.push(finding(file, Problem { line, path: String::new(), message }));
                return;
            }
        };
        for document in &documents {
            self.document(file, document, report);
        }
    }

    fn document(&self, file: &str, object: &Located, report: &mut Report) {
        let text = |key: &str| object.get(key).and_then(Located::text);
        let (Some(version), Some(kind)) = (text("apiVersion"), text("kind")) else {
            let message = "is no Kubernetes object: apiVersion and kind are required".to_owned();
            let problem = Problem { line: object.line, path: String::new(), message };
            return report.findings.push(finding(file, problem));
        };
        if let (("v1", "List"), Some(Node::List(items))) =
            ((version, kind), object.get("items").map(|i| &i.node))
        {
            return items.iter().for_each(|item| self.document(file, item, report));
        }
        let (group, _) = version.split_once('/').unwrap_or(("", version));
        if group != GROUP {
            let line = object.line_of("kind");
            return report
                .skipped
                .push(format!("{file}:{line}: {version} {kind} is not of group {GROUP}: skipped"));
        }
        report.objects += 1;
        let problems = self.object(object, version, kind);
        report.findings.extend(problems.into_iter().map(|problem| finding(file, problem)));
    }

    fn object(&self, object: &Located, version: &str, kind: &str) -> Vec<Problem> {
        let problem = |path: &str, message: String| {
            vec![Problem { line: object.line_of(path), path: path.to_owned(), message }]
        };
        if version != format!("{GROUP}/{VERSION}") {
            return problem("apiVersion", format!("{version} is not served: use {GROUP}/{VERSION}"));
        }
        let Some(schema) = self.kinds.get(kind) else {
            let known: Vec<_> = self.kinds.keys().map(String::as_str).collect();
            return problem(
                "kind",
                format!("{kind} is not a kind of {GROUP}: use one of {}", known.join(", ")),
            );
        };
        let mut problems = schema::validate(object, &schema.structure, "");
        let metadata = object.get("metadata");
        let named = ["name", "generateName"].iter().any(|key| metadata.and_then(|m| m.get(key)).is_some());
        if !named {
            problems.extend(problem("metadata", "name is required".to_owned()));
        }
        // Rules may trip over what the schema already refuses, and would then only repeat it.
        if problems.is_empty() {
            problems = rules(object, &schema.rules);
        }
        problems
    }
}

/// What every object has beside spec and status; CRDs leave it to the API server.
fn envelope() -> [(String, JSONSchemaProps); 3] {
    let text = JSONSchemaProps { type_: Some("string".to_owned()), ..JSONSchemaProps::default() };
    let texts = JSONSchemaProps {
        additional_properties: Some(JSONSchemaPropsOrBool::Schema(Box::new(text.clone()))),
        ..JSONSchemaProps::default()
    };
    let name = JSONSchemaProps {
        pattern: Some("^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$".to_owned()),
        max_length: Some(253),
        description: Some("Lower-case letters, digits, dashes and dots".to_owned()),
        ..text.clone()
    };
    let known = [
        ("name", name),
        ("generateName", text.clone()),
        ("namespace", text.clone()),
        ("labels", texts.clone()),
        ("annotations", texts),
    ];
    let metadata = JSONSchemaProps {
        properties: Some(known.into_iter().map(|(key, schema)| (key.to_owned(), schema)).collect()),
        additional_properties: Some(JSONSchemaPropsOrBool::Bool(true)),
        ..JSONSchemaProps::default()
    };
    [("apiVersion".to_owned(), text.clone()), ("kind".to_owned(), text), ("metadata".to_owned(), metadata)]
}

/// What the CEL rules of the CRD refuse.
fn rules(object: &Located, schema: &Value) -> Vec<Problem> {
    let Err(errors) = Validator::new().validate(schema, &object.json(), None) else { return Vec::new() };
    let problem = |error: &kube::core::cel::ValidationError| Problem {
        line: object.line_of(&error.field_path),
        path: error.field_path.clone(),
        message: error.message.clone(),
    };
    errors.iter().map(problem).collect()
}

fn finding(file: &str, problem: Problem) -> Finding {
    let Problem { line, path, message } = problem;
    Finding { file: file.to_owned(), line, path, message }
}
