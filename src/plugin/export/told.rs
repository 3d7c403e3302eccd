//! What comes of an export: manifests, and what is said of them.

use std::collections::BTreeSet;

use emnify_engine::kind::Id;
use serde::Serialize;
use serde_json::Value;

use super::yaml;
use crate::{
    check::{Checker, Finding, Report},
    kinds::export::ToFillIn,
};

/// An organisation as manifests.
#[derive(Debug, Default)]
pub struct Organisation {
    /// Its id.
    pub id: Option<i64>,
    /// Documents by kind, in the order of the registry.
    pub written: Vec<Written>,
    /// Keys of Secrets that a person fills in.
    pub to_fill_in: Vec<ToFillIn>,
    /// What is in the folder and not so in emnify.
    pub differs: Vec<String>,
    /// What was left out on purpose, and what applying it sends.
    pub notes: Vec<String>,
    /// What could not be exported, or not all of it.
    pub problems: Vec<String>,
}

/// The manifests of a kind.
#[derive(Debug)]
pub struct Written {
    /// Its name.
    pub kind: &'static str,
    /// There may be thousands.
    pub many: bool,
    /// How many objects.
    pub objects: usize,
    /// YAML, each a document.
    pub documents: Vec<String>,
    /// Fields that they use, such as `spec.sim.iccid`, with `[]` for items of lists.
    pub fields: BTreeSet<String>,
}

/// What came of writing a kind.
pub(super) struct Batch {
    pub(super) written: Written,
    pub(super) to_fill_in: Vec<ToFillIn>,
    pub(super) differs: Vec<String>,
    pub(super) lacks: Vec<String>,
    /// Objects without a manifest, and why.
    pub(super) failed: Vec<(Id, String)>,
}

impl Batch {
    pub(super) fn of(kind: &'static str, many: bool) -> Self {
        let written = Written { kind, many, objects: 0, documents: Vec::new(), fields: BTreeSet::new() };
        Self { written, to_fill_in: Vec::new(), differs: Vec::new(), lacks: Vec::new(), failed: Vec::new() }
    }

    /// Takes in the manifest of an object; `alone`: it is held against its definition.
    pub(super) fn put(&mut self, object: &impl Serialize, alone: Option<&Checker>) -> Result<(), String> {
        let mut value = serde_json::to_value(object).map_err(|error| error.to_string())?;
        if let Some(top) = value.as_object_mut() {
            top.retain(|_, part| *part != Value::Null);
        }
        let document = yaml::document(&value);
        if let Some(checker) = alone {
            let mut report = Report::default();
            checker.file("", &document, &mut report);
            let told = |finding: &Finding| format!("{}: {}", finding.path, finding.message);
            let wrong: Vec<String> = report.findings.iter().map(told).collect();
            if !wrong.is_empty() {
                return Err(format!("no manifest can say it: {}", wrong.join("; ")));
            }
        }
        note_fields(&value["spec"], "spec", &mut self.written.fields);
        self.written.objects += 1;
        self.written.documents.push(document);
        Ok(())
    }

    /// Takes in what the last object names.
    pub(super) fn beside<'a>(&mut self, others: impl Iterator<Item = &'a Value>) {
        self.written.documents.extend(others.map(yaml::document));
    }
}

/// Every field that a value uses.
fn note_fields(value: &Value, at: &str, found: &mut BTreeSet<String>) {
    found.insert(at.to_owned());
    match value {
        Value::Object(map) => {
            map.iter().for_each(|(key, below)| note_fields(below, &format!("{at}.{key}"), found));
        }
        Value::Array(items) => items.iter().for_each(|below| note_fields(below, &format!("{at}[]"), found)),
        _ => {}
    }
}
