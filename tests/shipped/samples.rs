//! What is written by hand for each kind, beside its own folder: who adds one is told what is missing.

use std::{collections::BTreeSet, fs, path::Path};

use emnify_engine::kind::{Managed, set::ObjectSet, task::Task, trigger::Trigger};
use emnify_operator::kinds::{Visitor, for_each};
use serde::Deserialize as _;
use serde_json::Value;

use crate::ROOT;

fn registered() -> BTreeSet<String> {
    struct Names(BTreeSet<String>);
    impl Visitor for Names {
        fn visit<K: Managed>(&mut self) {
            self.0.insert(K::KIND.to_owned());
        }
        fn visit_set<F: ObjectSet>(&mut self) {
            self.0.insert(F::KIND.to_owned());
        }
        fn visit_task<T: Task>(&mut self) {
            self.0.insert(T::KIND.to_owned());
        }
        fn visit_trigger<T: Trigger>(&mut self) {
            self.0.insert(T::KIND.to_owned());
        }
    }
    let mut names = Names(BTreeSet::new());
    for_each(&mut names);
    names.0
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Kinds of the objects of ours in a text of YAML.
fn kinds(text: &str) -> BTreeSet<String> {
    let documents = serde_yaml::Deserializer::from_str(text);
    let objects = documents.map(|object| Value::deserialize(object).expect("manifests are YAML"));
    let ours = objects.filter(|object| object["apiVersion"] == "emnify.io/v1alpha1");
    ours.map(|object| object["kind"].as_str().unwrap_or_default().to_owned()).collect()
}

fn missing(found: &BTreeSet<String>) -> Vec<String> {
    registered().difference(found).cloned().collect()
}

#[test]
fn every_kind_lives_under_the_rights_of_the_chart_in_a_test() {
    let objects = missing(&kinds(&read("tests/e2e/install/objects.yaml")));
    assert!(objects.is_empty(), "tests/e2e/install/objects.yaml has an object of every kind: {objects:?}");
    let edits: Value = serde_yaml::from_str(&read("tests/e2e/install/edits.yaml")).expect("edits are YAML");
    let edits = missing(&edits.as_object().into_iter().flatten().map(|(kind, _)| kind.clone()).collect());
    assert!(edits.is_empty(), "tests/e2e/install/edits.yaml has an edit of every kind: {edits:?}");
}

#[test]
fn every_kind_has_an_example() {
    let files = fs::read_dir(Path::new(ROOT).join("examples")).expect("there are examples").flatten();
    let files = files.map(|file| file.path()).filter(|path| path.extension().is_some_and(|e| e == "yaml"));
    let found = files.flat_map(|path| kinds(&fs::read_to_string(path).expect("examples are text"))).collect();
    let missing = missing(&found);
    assert!(missing.is_empty(), "examples/ has an example of every kind: {missing:?}");
}
