//! The definition of every kind, workspaces included, with what derived ones lack: what all kinds share, words for the kind
//! itself, and one answer to null.

use emnify_engine::kind::{Managed, set::ObjectSet, task::Task, trigger::Trigger};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceColumnDefinition, CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray,
    JSONSchemaPropsOrBool,
};
use kube::{CustomResourceExt, Resource, core::ApiResource};

use crate::{
    kinds::{Visitor, for_each},
    workspace::{ClusterWorkspace, Workspace},
};

/// What `kubectl get` takes for all kinds.
const CATEGORY: &str = "emnify";

/// The description of every `spec`; what the kind is stands one level above.
const SPEC: &str = "What is wanted. What a field that is left out means, its line says.";

/// Gives a definition what all have: the category, and around its own columns those that are read first and last.
/// `identified` is a kind whose objects are one emnify object each.
fn common(mut definition: CustomResourceDefinition, identified: bool) -> CustomResourceDefinition {
    definition.spec.names.categories = Some(vec![CATEGORY.to_owned()]);
    let column = |name: &str, type_: &str, path: &str| CustomResourceColumnDefinition {
        name: name.to_owned(),
        type_: type_.to_owned(),
        json_path: path.to_owned(),
        ..CustomResourceColumnDefinition::default()
    };
    for version in &mut definition.spec.versions {
        let own = version.additional_printer_columns.take().unwrap_or_default();
        let mut columns = vec![
            column("Ready", "string", r#".status.conditions[?(@.type=="Ready")].status"#),
            column("Reason", "string", r#".status.conditions[?(@.type=="Ready")].reason"#),
        ];
        columns.extend(own);
        columns.extend(identified.then(|| column("Id", "string", ".status.id")));
        columns.push(column("Age", "date", ".metadata.creationTimestamp"));
        version.additional_printer_columns = Some(columns);
    }
    definition
}

/// The same for a kind that is carried out once, or makes those: columns of its own say how it stands, and a condition why.
fn of_a_task(definition: CustomResourceDefinition) -> CustomResourceDefinition {
    let mut definition = common(definition, false);
    for column in
        definition.spec.versions.iter_mut().flat_map(|v| v.additional_printer_columns.iter_mut().flatten())
    {
        if ["Ready", "Reason"].contains(&column.name.as_str()) {
            column.priority = Some(1);
        }
    }
    definition
}

/// A definition as it is shipped.
///
/// `kubectl explain` says what the kind is. Whatever may be left out may also be null, and means the same. The API server
/// leaves no other choice: a merge patch (`kubectl apply`) takes nulls away before anybody looks, and a create does so
/// where a field is not nullable, but server-side apply keeps them and refuses what is not nullable. A kept null counts as
/// unset in the rules. It is never one of an enumeration, whatever that lists, so that the values of a field that may be
/// left out stand in a pattern.
fn finished(mut definition: CustomResourceDefinition) -> CustomResourceDefinition {
    let schemas = definition.spec.versions.iter_mut().filter_map(|version| version.schema.as_mut());
    for schema in schemas.filter_map(|schema| schema.open_api_v3_schema.as_mut()) {
        let spec = schema.properties.as_mut().and_then(|properties| properties.get_mut("spec"));
        if let Some(spec) = spec {
            schema.description = spec.description.replace(SPEC.to_owned()).map(|text| paragraphs(&text));
        }
        optional_or_null(schema);
    }
    definition
}

/// Text whose lines were broken for an editor, as paragraphs.
fn paragraphs(text: &str) -> String {
    let paragraphs: Vec<_> = text.split("\n\n").map(|part| part.replace('\n', " ")).collect();
    paragraphs.join("\n\n")
}

fn optional_or_null(schema: &mut JSONSchemaProps) {
    let required = schema.required.clone().unwrap_or_default();
    for (name, property) in schema.properties.iter_mut().flatten() {
        nullable(property, !required.contains(name));
        optional_or_null(property);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        nullable(values, true);
        optional_or_null(values);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        nullable(items, false);
        optional_or_null(items);
    }
}

fn nullable(schema: &mut JSONSchemaProps, may: bool) {
    schema.nullable = may.then_some(true);
    let Some(values) = schema.enum_.take_if(|_| may) else { return };
    let values: Vec<_> = values.iter().filter_map(|value| value.0.as_str()).collect();
    schema.pattern = Some(format!("^({})$", values.join("|")));
}

/// The values that a pattern lists, if it does nothing else.
pub fn values(pattern: &str) -> Option<Vec<&str>> {
    let values: Vec<_> = pattern.strip_prefix("^(")?.strip_suffix(")$")?.split('|').collect();
    let word = |value: &&str| !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_alphanumeric());
    values.iter().all(word).then_some(values)
}

/// The CRD of every kind, workspaces included.
pub fn crds() -> Vec<CustomResourceDefinition> {
    let mut all = Vec::new();
    each(|crd| all.push(crd));
    all
}

/// The same one after another: a schema is large, and made anew each time.
pub fn each(look: impl FnMut(CustomResourceDefinition)) {
    struct Each<F>(F);
    impl<L: FnMut(CustomResourceDefinition)> Visitor for Each<L> {
        fn visit<K: Managed>(&mut self) {
            (self.0)(finished(common(<K as CustomResourceExt>::crd(), true)));
        }
        fn visit_set<F: ObjectSet>(&mut self) {
            (self.0)(finished(common(<F as CustomResourceExt>::crd(), false)));
        }
        fn visit_task<T: Task>(&mut self) {
            (self.0)(finished(of_a_task(<T as CustomResourceExt>::crd())));
        }
        fn visit_trigger<T: Trigger>(&mut self) {
            (self.0)(finished(of_a_task(<T as CustomResourceExt>::crd())));
        }
    }
    let mut each = Each(look);
    for_each(&mut each);
    for workspace in [Workspace::crd, ClusterWorkspace::crd] {
        (each.0)(finished(common(workspace(), false)));
    }
}

/// A kind without its schema: how it is addressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    /// Group, version and names.
    pub resource: ApiResource,
    /// Its objects are in namespaces.
    pub namespaced: bool,
}

/// Every kind, in the order of [`crds`].
pub fn families() -> Vec<Family> {
    struct Collect(Vec<Family>);
    impl Collect {
        fn push<K: Resource<DynamicType = ()>>(&mut self, namespaced: bool) {
            self.0.push(Family { resource: ApiResource::erase::<K>(&()), namespaced });
        }
    }
    impl Visitor for Collect {
        fn visit<K: Managed>(&mut self) {
            self.push::<K>(true);
        }
        fn visit_set<F: ObjectSet>(&mut self) {
            self.push::<F>(true);
        }
        fn visit_task<T: Task>(&mut self) {
            self.push::<T>(true);
        }
        fn visit_trigger<T: Trigger>(&mut self) {
            self.push::<T>(true);
        }
    }
    let mut all = Collect(Vec::new());
    for_each(&mut all);
    all.push::<Workspace>(true);
    all.push::<ClusterWorkspace>(false);
    all.0
}

/// Plurals of the kinds that are carried out once, and whose objects may have a time to live after that.
pub fn tasks() -> Vec<String> {
    struct Collect(Vec<String>);
    impl Visitor for Collect {
        fn visit<K: Managed>(&mut self) {}
        fn visit_set<F: ObjectSet>(&mut self) {}
        fn visit_task<T: Task>(&mut self) {
            self.0.extend(T::EXPIRES.then(|| <T as kube::Resource>::plural(&()).into_owned()));
        }
        fn visit_trigger<T: Trigger>(&mut self) {}
    }
    let mut all = Collect(Vec::new());
    for_each(&mut all);
    all.0
}

/// A CRD as it is printed and kept in `crds/`.
pub fn yaml(crd: &CustomResourceDefinition) -> String {
    let text = serde_yaml::to_string(crd).expect("a CRD is YAML");
    format!("# Generated by `emnify-operator crd`.\n{text}")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{crds, *};

    #[test]
    fn a_family_is_addressed_as_its_definition_says() {
        let defined: Vec<_> = crds()
            .into_iter()
            .map(|crd| {
                let (spec, version) = (&crd.spec, &crd.spec.versions[0].name);
                let resource = ApiResource {
                    api_version: format!("{}/{version}", spec.group),
                    group: spec.group.clone(),
                    version: version.clone(),
                    kind: spec.names.kind.clone(),
                    plural: spec.names.plural.clone(),
                };
                Family { resource, namespaced: spec.scope == "Namespaced" }
            })
            .collect();
        assert_eq!(families(), defined);
    }

    fn walk(schema: &Value, path: &str, look: &mut impl FnMut(&Value, &str)) {
        look(schema, path);
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            walk(property, &format!("{path}.{name}"), look);
        }
        for below in ["items", "additionalProperties"] {
            if schema[below].is_object() {
                walk(&schema[below], &format!("{path}.{below}"), look);
            }
        }
    }

    fn each_schema(mut look: impl FnMut(&str, &Value)) {
        for crd in crds() {
            let crd = serde_json::to_value(&crd).unwrap();
            let kind = crd["spec"]["names"]["kind"].as_str().unwrap();
            look(kind, &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]);
        }
    }

    #[test]
    fn what_may_be_left_out_may_be_null_and_nothing_else() {
        each_schema(|kind, schema| {
            walk(schema, "", &mut |part, path| {
                let required = part["required"].as_array().cloned().unwrap_or_default();
                for (name, field) in part["properties"].as_object().into_iter().flatten() {
                    let may = !required.contains(&name.as_str().into());
                    let path = format!("{kind}{path}.{name}");
                    assert_eq!(
                        field["nullable"] == true,
                        may,
                        "{path}: create, apply and server-side apply differ on null"
                    );
                    assert!(!may || field["enum"].is_null(), "{path}: null is never one of an enumeration");
                }
            });
        });
    }

    #[test]
    fn a_pattern_of_words_is_a_list_of_values() {
        assert_eq!(values("^(Delete|Orphan)$"), Some(vec!["Delete", "Orphan"]));
        assert_eq!(values("^[0-9]+$").or(values("^(([a-z]))$")), None);
    }

    #[test]
    fn every_kind_and_field_says_what_it_is() {
        each_schema(|kind, schema| {
            let about = schema["description"].as_str().unwrap_or_default();
            assert!(about.len() > 20 && !about.contains("generated"), "{kind} is explained by {about:?}");
            for part in ["spec", "status"] {
                walk(&schema["properties"][part], part, &mut |field, path| {
                    // Items and values are said by what holds them.
                    let last = path.rsplit('.').next();
                    if last.is_some_and(|last| ["items", "additionalProperties"].contains(&last)) {
                        return;
                    }
                    let text = field["description"].as_str().unwrap_or_default();
                    assert!(!text.is_empty(), "{kind}.{path} has no description");
                });
            }
        });
    }
}
