//! Validates manifests without a cluster: what the API server would refuse, and what the objects of one folder contradict
//! each other in, with file and line.

mod document;
mod files;
mod metadata;
mod report;
mod schema;
#[cfg(test)]
mod tests;
mod together;
#[cfg(test)]
mod together_tests;

use std::{
    collections::BTreeMap,
    sync::{LazyLock, OnceLock},
};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps,
};
use kube::core::cel::{CompiledSchema, Validator, compile_schema};
use serde_json::Value;

pub(crate) use self::files::KUSTOMIZATIONS;
pub use self::report::{Finding, Report};
use self::{
    document::{Located, Node, group},
    files::{Source, Unit},
    report::finding,
    schema::Problem,
};
use crate::{
    api::{GROUP, VERSION},
    definitions::crds,
};

/// The schemas to check against.
#[derive(Debug)]
pub struct Checker {
    kinds: BTreeMap<String, Schema>,
}

/// An object that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// File as it was named.
    pub file: String,
    /// Line, from 1.
    pub line: u64,
    /// It is of this operator's group.
    pub ours: bool,
    /// The object.
    pub object: Value,
}

#[derive(Debug)]
struct Schema {
    structure: JSONSchemaProps,
    /// The rules in it, once an object of the kind was checked.
    rules: OnceLock<CompiledSchema>,
    /// Where `kubectl scale` finds the number, if there is one. The API server reads it there itself, nulls included.
    scale: Option<String>,
}

impl Checker {
    /// Checks against the CRDs of this program.
    pub fn own() -> &'static Self {
        static OWN: LazyLock<Checker> = LazyLock::new(|| Checker::new(&crds()));
        &OWN
    }

    /// Checks against these CRDs.
    pub fn new(crds: &[CustomResourceDefinition]) -> Self {
        let kinds = crds.iter().filter_map(|crd| {
            let version = crd.spec.versions.iter().find(|version| version.name == VERSION)?;
            let mut structure = version.schema.as_ref()?.open_api_v3_schema.clone()?;
            structure.properties.get_or_insert_default().extend(envelope());
            let scale = version.subresources.as_ref().and_then(|all| all.scale.as_ref());
            let scale = scale.map(|scale| scale.spec_replicas_path.trim_start_matches('.').to_owned());
            Some((crd.spec.names.kind.clone(), Schema { structure, rules: OnceLock::new(), scale }))
        });
        Self { kinds: kinds.collect() }
    }

    /// Checks files and folders (`-` is standard input) and adds what it finds to `report`. What cannot be read does not
    /// stop the rest.
    pub fn paths(&self, arguments: &[String], report: &mut Report) {
        let _all = self.manifests(arguments, report);
    }

    /// The same, and hands on what was read: objects of ours as an API server keeps them, and others as they are written.
    pub fn manifests(&self, arguments: &[String], report: &mut Report) -> Vec<Manifest> {
        files::gather(arguments, report).iter().flat_map(|unit| self.unit(unit, report)).collect()
    }

    /// The same of a text.
    pub fn text(&self, name: &str, text: &str, report: &mut Report) -> Vec<Manifest> {
        let source = Source { name: name.to_owned(), text: text.to_owned(), named: true };
        self.unit(&Unit { files: vec![source] }, report)
    }

    /// Checks the text of one file and adds what it finds to `report`.
    pub fn file(&self, file: &str, text: &str, report: &mut Report) {
        let _all = self.text(file, text, report);
    }

    /// Checks each object, and then all of them together.
    fn unit(&self, unit: &Unit, report: &mut Report) -> Vec<Manifest> {
        let mut parsed = Vec::new();
        for source in &unit.files {
            match document::parse(&source.text) {
                Ok(documents) => parsed.push((source.name.as_str(), documents)),
                Err(problem) => undecodable(source, problem, report),
            }
        }
        let mut together = Vec::new();
        for (file, documents) in &parsed {
            for document in documents {
                self.document(file, document, report, &mut together);
            }
        }
        report.findings.extend(together::contradictions(&together));
        together.iter().map(|placed| self.manifest(placed)).collect()
    }

    /// An object as an API server would keep it.
    fn manifest(&self, placed: &together::Placed<'_>) -> Manifest {
        let version = placed.object.get("apiVersion").and_then(Located::text).unwrap_or_default();
        let ours =
            Some(placed.kind).filter(|_| group(version) == GROUP).and_then(|kind| self.kinds.get(kind));
        let object = match ours {
            Some(schema) => schema::served(placed.object, &schema.structure),
            None => placed.object.json(),
        };
        Manifest { file: placed.file.to_owned(), line: placed.object.line, ours: ours.is_some(), object }
    }

    fn document<'a>(
        &self,
        file: &'a str,
        object: &'a Located,
        report: &mut Report,
        together: &mut Vec<together::Placed<'a>>,
    ) {
        let text = |key: &str| object.get(key).and_then(Located::text).filter(|text| !text.is_empty());
        let mut pass_over = |why: String| {
            report.skipped.push(format!("{file}:{}: {why}: passed over", object.line_of("kind")));
        };
        let (version, kind) = match (text("apiVersion"), text("kind")) {
            (Some(version), Some(kind)) => (version, kind),
            (version, kind) => {
                let ours = version.is_some_and(|version| group(version) == GROUP)
                    || (version.is_none() && kind.is_some_and(|kind| self.kinds.contains_key(kind)));
                // A whole object whose head is missing is a mistake; settings of a tool are none.
                let headless = ["metadata", "spec"].iter().all(|key| object.get(key).is_some());
                if !ours && (!headless || version.or(kind).is_some()) {
                    return pass_over("is no Kubernetes object, it has no apiVersion and kind".to_owned());
                }
                let missing = match (version, kind) {
                    (None, Some(_)) => format!("apiVersion is required: {GROUP}/{VERSION}"),
                    (Some(_), None) => format!("kind is required: {}", self.known()),
                    _ => "apiVersion and kind are required".to_owned(),
                };
                let problem = Problem { line: object.line, path: String::new(), message: missing };
                return report.findings.push(finding(file, problem));
            }
        };
        if let (("v1", "List"), Some(Node::List(items))) =
            ((version, kind), object.get("items").map(|i| &i.node))
        {
            return items.iter().for_each(|item| self.document(file, item, report, together));
        }
        if group(version) != GROUP {
            pass_over(format!("{version} {kind} is not of group {GROUP}"));
            return together.push(together::Placed { file, kind, object });
        }
        report.objects += 1;
        let problems = self.object(object, version, kind);
        report.findings.extend(problems.into_iter().map(|problem| finding(file, problem)));
        together.push(together::Placed { file, kind, object });
    }

    fn known(&self) -> String {
        self.kinds.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
    }

    fn object(&self, object: &Located, version: &str, kind: &str) -> Vec<Problem> {
        let problem = |path: &str, message: String| {
            vec![Problem { line: object.line_of(path), path: path.to_owned(), message }]
        };
        if version != format!("{GROUP}/{VERSION}") {
            return problem("apiVersion", format!("{version} is not served: use {GROUP}/{VERSION}"));
        }
        let Some(schema) = self.kinds.get(kind) else {
            return problem("kind", format!("{kind} is not a kind of {GROUP}: use one of {}", self.known()));
        };
        let mut problems = schema::validate(object, &schema.structure, "");
        problems.extend(metadata::validate(object));
        let number = schema.scale.as_deref().and_then(|path| Some((path, object.at(path)?)));
        if let Some((path, _)) = number.filter(|(_, number)| number.is_null()) {
            problems.extend(problem(path, "is empty here: give it a number, or leave it out".to_owned()));
        }
        // Rules may trip over what the schema already refuses, and would then only repeat it.
        if problems.is_empty() {
            problems = rules(object, schema);
        }
        problems
    }
}

/// What every object has beside spec and status; CRDs leave it to the API server.
fn envelope() -> [(String, JSONSchemaProps); 3] {
    let text = JSONSchemaProps { type_: Some("string".to_owned()), ..JSONSchemaProps::default() };
    let metadata =
        JSONSchemaProps { x_kubernetes_preserve_unknown_fields: Some(true), ..JSONSchemaProps::default() };
    [("apiVersion".to_owned(), text.clone()), ("kind".to_owned(), text), ("metadata".to_owned(), metadata)]
}

/// What the CEL rules of the CRD refuse.
fn rules(object: &Located, schema: &Schema) -> Vec<Problem> {
    let mut served = schema::served(object, &schema.structure);
    if let Some(metadata) = served.get_mut("metadata").and_then(Value::as_object_mut) {
        // The API server makes the name before it looks: five characters more, and never more than 63.
        let prefix = metadata.get("generateName").and_then(Value::as_str).map(|p| format!("{p:.58}xxxxx"));
        let unnamed = metadata.get("name").and_then(Value::as_str).unwrap_or_default().is_empty();
        if let Some(name) = prefix.filter(|_| unnamed) {
            metadata.insert("name".to_owned(), name.into());
        }
    }
    let compile = || compile_schema(&serde_json::to_value(&schema.structure).expect("a schema is JSON"));
    let compiled = schema.rules.get_or_init(compile);
    let Err(errors) = Validator::new().validate_compiled(compiled, &served, None) else { return Vec::new() };
    let problem = |error: &kube::core::cel::ValidationError| Problem {
        line: object.line_of(&error.field_path),
        path: error.field_path.clone(),
        message: error.message.clone(),
    };
    errors.iter().map(problem).collect()
}

/// A file that is no YAML is a mistake if it was named or speaks of us, unless it is a template that is yet to be filled in.
fn undecodable(source: &Source, (line, message): (u64, String), report: &mut Report) {
    let Source { name, text, named } = source;
    if text.contains("{{") {
        return report.skipped.push(format!(
            "{name}:{line}: is a template: passed over, check what it renders (helm template .. | emnify-operator check -)"
        ));
    }
    if !named && !text.contains(GROUP) {
        return report.skipped.push(format!("{name}:{line}: is no YAML ({message}): passed over"));
    }
    let message = format!("is no YAML: {message}");
    report.findings.push(finding(name, Problem { line, path: String::new(), message }));
}
