//! The custom resource definitions of this build, so that a stage never runs with files of another one.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

/// Every CRD of the operator.
pub fn crds() -> Vec<CustomResourceDefinition> {
    emnify_operator::definitions::crds()
}

/// All of them in one YAML stream.
pub(super) fn manifests() -> String {
    let documents = crds().into_iter().map(|crd| {
        let text = serde_json::to_string(&crd).expect("a definition is JSON");
        // JSON is YAML.
        format!("---\n{text}\n")
    });
    documents.collect()
}
