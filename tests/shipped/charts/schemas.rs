//! JSON schemas for kubeconform, made here: it would fetch them from the network otherwise.

use std::{fs, path::Path};

use k8s_openapi::{
    Resource,
    api::{
        apps::v1::Deployment,
        core::v1::{ConfigMap, Namespace, Secret, Service, ServiceAccount},
        networking::v1::NetworkPolicy,
        policy::v1::PodDisruptionBudget,
        rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding},
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use schemars::JsonSchema;
use serde_json::{Value, json};

use super::ROOT;

/// Where kubeconform finds the schema of a kind, below the folder.
pub(super) const TEMPLATE: &str = "{{.Group}}_{{.ResourceKind}}_{{.ResourceAPIVersion}}.json";

/// Writes a schema for every kind that is shipped: Kubernetes' from its published types, ours and the Prometheus
/// operator's from their definitions.
pub(super) fn write(folder: &Path) {
    kubernetes::<Deployment>(folder);
    kubernetes::<ConfigMap>(folder);
    kubernetes::<Namespace>(folder);
    kubernetes::<Secret>(folder);
    kubernetes::<Service>(folder);
    kubernetes::<ServiceAccount>(folder);
    kubernetes::<NetworkPolicy>(folder);
    kubernetes::<PodDisruptionBudget>(folder);
    kubernetes::<ClusterRole>(folder);
    kubernetes::<ClusterRoleBinding>(folder);
    kubernetes::<Role>(folder);
    kubernetes::<RoleBinding>(folder);
    kubernetes::<CustomResourceDefinition>(folder);
    for crd in emnify_operator::definitions::crds() {
        defined(folder, &serde_json::to_value(crd).unwrap());
    }
    for name in ["servicemonitors", "prometheusrules"] {
        let path = format!("tests/vendor/prometheus-operator/monitoring.coreos.com_{name}.yaml");
        let text = fs::read_to_string(Path::new(ROOT).join(path)).unwrap();
        defined(folder, &serde_yaml::from_str(text.trim_start_matches("---")).unwrap());
    }
}

fn kubernetes<K: Resource + JsonSchema>(folder: &Path) {
    let mut schema = schemars::schema_for!(K).to_value();
    // Any value, such as a string of an enumeration: the type's own schema asks for an object.
    for (name, any) in schema["$defs"].as_object_mut().into_iter().flatten() {
        if name.rsplit('.').next() == Some("JSON") {
            *any = json!({});
        }
    }
    strict(&mut schema);
    save(folder, K::GROUP, K::KIND, K::VERSION, &schema);
}

fn defined(folder: &Path, crd: &Value) {
    let group = crd["spec"]["group"].as_str().unwrap();
    let kind = crd["spec"]["names"]["kind"].as_str().unwrap();
    for version in crd["spec"]["versions"].as_array().unwrap() {
        let mut schema = version["schema"]["openAPIV3Schema"].clone();
        // Every object has them, whether its definition says so or not.
        for (name, kind) in [("apiVersion", "string"), ("kind", "string"), ("metadata", "object")] {
            schema["properties"][name] = json!({"type": kind});
        }
        strict(&mut schema);
        save(folder, group, kind, version["name"].as_str().unwrap(), &schema);
    }
}

fn save(folder: &Path, group: &str, kind: &str, version: &str, schema: &Value) {
    // kubeconform takes what stands before the slash of `apiVersion`.
    let group = if group.is_empty() { version } else { group };
    let name = format!("{group}_{}_{version}.json", kind.to_lowercase());
    fs::write(folder.join(name), serde_json::to_string(schema).unwrap()).unwrap();
}

/// Fields that a schema does not name are refused, as `kubectl` refuses them.
fn strict(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            let open = map.contains_key("additionalProperties")
                || map.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
            if map.get("properties").is_some_and(Value::is_object) && !open && is_object(map) {
                map.insert("additionalProperties".into(), false.into());
            }
            map.values_mut().for_each(strict);
        }
        Value::Array(list) => list.iter_mut().for_each(strict),
        _ => {}
    }
}

/// A schema of an object, and not the part of one below `anyOf` or `not`.
fn is_object(map: &serde_json::Map<String, Value>) -> bool {
    let kind = map.get("type");
    kind == Some(&json!("object"))
        || kind.and_then(Value::as_array).is_some_and(|kinds| kinds.contains(&json!("object")))
}
