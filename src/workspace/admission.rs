//! Who may use a `ClusterWorkspace`.

use std::collections::BTreeMap;

use super::spec::ClusterWorkspaceSpec;

/// Kinds that hand out the organisation itself; a cluster workspace must name them.
const SENSITIVE: [&str; 3] = ["ApplicationToken", "User", "Operation"];

impl ClusterWorkspaceSpec {
    /// Whether objects of `kind` in `namespace`, which has these labels, may use the workspace; else what to change.
    pub fn admits(
        &self,
        kind: &str,
        namespace: &str,
        labels: &BTreeMap<String, String>,
    ) -> Result<(), String> {
        if !self.admits_namespace(namespace, labels) {
            return Err(format!("namespace {namespace} is not among its spec.allowedNamespaces"));
        }
        let kind_allowed = match &self.allowed_kinds {
            Some(kinds) => kinds.iter().any(|allowed| allowed == kind),
            None => !SENSITIVE.contains(&kind),
        };
        if kind_allowed { Ok(()) } else { Err(format!("kind {kind} is not among its spec.allowedKinds")) }
    }

    /// Whether objects may take over what another installation has marked.
    pub fn admits_force(&self) -> bool {
        self.allow_force == Some(true)
    }

    fn admits_namespace(&self, namespace: &str, labels: &BTreeMap<String, String>) -> bool {
        let Some(allowed) = &self.allowed_namespaces else { return false };
        let named = allowed.names.as_ref().is_some_and(|names| names.iter().any(|name| name == namespace));
        let all_labels = |wanted: &BTreeMap<String, String>| {
            !wanted.is_empty() && wanted.iter().all(|(key, value)| labels.get(key) == Some(value))
        };
        named || allowed.match_labels.as_ref().is_some_and(all_labels) || allowed.all == Some(true)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn spec(mut rest: Value) -> ClusterWorkspaceSpec {
        rest["credentials"] = json!({"applicationTokenSecretRef": {"name": "emnify", "key": "token"}});
        serde_json::from_value(rest).unwrap()
    }

    fn labels(team: &str) -> BTreeMap<String, String> {
        BTreeMap::from([("team".to_owned(), team.to_owned())])
    }

    #[test]
    fn no_namespace_is_allowed_unless_the_spec_says_so() {
        let refusal = spec(json!({})).admits("Endpoint", "a", &labels("iot")).unwrap_err();
        assert!(refusal.contains("namespace a is not among its spec.allowedNamespaces"), "{refusal}");
        let named = spec(json!({"allowedNamespaces": {"names": ["a"]}}));
        assert!(named.admits("Endpoint", "a", &labels("iot")).is_ok());
        assert!(named.admits("Endpoint", "b", &labels("iot")).is_err());
        let labelled = spec(json!({"allowedNamespaces": {"matchLabels": {"team": "iot"}}}));
        assert!(labelled.admits("Endpoint", "b", &labels("iot")).is_ok());
        assert!(labelled.admits("Endpoint", "b", &labels("web")).is_err());
        assert!(spec(json!({"allowedNamespaces": {"all": true}})).admits("Sim", "c", &labels("web")).is_ok());
    }

    #[test]
    fn kinds_that_hand_out_the_organisation_must_be_named() {
        let open = spec(json!({"allowedNamespaces": {"all": true}}));
        for kind in SENSITIVE {
            let refusal = open.admits(kind, "a", &labels("iot")).unwrap_err();
            assert!(refusal.contains("spec.allowedKinds"), "{refusal}");
        }
        let named = spec(json!({"allowedNamespaces": {"all": true}, "allowedKinds": ["ApplicationToken"]}));
        assert!(named.admits("ApplicationToken", "a", &labels("iot")).is_ok());
        assert!(named.admits("Endpoint", "a", &labels("iot")).is_err(), "a list replaces the default");
    }

    #[test]
    fn force_is_allowed_only_in_so_many_words() {
        assert!(!spec(json!({})).admits_force() && !spec(json!({"allowForce": false})).admits_force());
        assert!(spec(json!({"allowForce": true})).admits_force());
    }
}
