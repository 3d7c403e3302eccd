//! Who may use a `ClusterWorkspace`.

use std::collections::BTreeMap;

use emnify_engine::cluster::workspaces::Applicant;

use super::spec::ClusterWorkspaceSpec;
use crate::api::LabelValue;

/// Kinds that hand out the organisation itself; a cluster workspace must name them.
const SENSITIVE: [&str; 3] = ["ApplicationToken", "User", "Operation"];

impl ClusterWorkspaceSpec {
    /// Whether somebody in a namespace with these labels may use the workspace; else what to change.
    pub fn admits(&self, who: &Applicant<'_>, labels: &BTreeMap<String, String>) -> Result<(), String> {
        let Applicant { namespace, kind, force } = *who;
        if !self.admits_namespace(namespace, labels) {
            return Err(format!("namespace {namespace} is not among its spec.allowedNamespaces"));
        }
        if force && self.allow_force != Some(true) {
            return Err("adoptionPolicy: Force needs its spec.allowForce; use IfUnowned".to_owned());
        }
        let kind_allowed = match &self.allowed_kinds {
            Some(kinds) => kinds.iter().any(|allowed| allowed == kind),
            None => !SENSITIVE.contains(&kind),
        };
        if kind_allowed { Ok(()) } else { Err(format!("kind {kind} is not among its spec.allowedKinds")) }
    }

    fn admits_namespace(&self, namespace: &str, labels: &BTreeMap<String, String>) -> bool {
        let Some(allowed) = &self.allowed_namespaces else { return false };
        let named =
            allowed.names.as_ref().is_some_and(|names| names.iter().any(|name| name.as_str() == namespace));
        let all_labels = |wanted: &BTreeMap<String, LabelValue>| {
            let has = |key, value: &LabelValue| labels.get(key).is_some_and(|found| found == value.as_str());
            !wanted.is_empty() && wanted.iter().all(|(key, value)| has(key, value))
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

    fn who<'a>(kind: &'a str, namespace: &'a str) -> Applicant<'a> {
        Applicant { namespace, kind, force: false }
    }

    fn labels(team: &str) -> BTreeMap<String, String> {
        BTreeMap::from([("team".to_owned(), team.to_owned())])
    }

    #[test]
    fn no_namespace_is_allowed_unless_the_spec_says_so() {
        let refusal = spec(json!({})).admits(&who("Endpoint", "a"), &labels("iot")).unwrap_err();
        assert!(refusal.contains("namespace a is not among its spec.allowedNamespaces"), "{refusal}");
        let named = spec(json!({"allowedNamespaces": {"names": ["a"]}}));
        assert!(named.admits(&who("Endpoint", "a"), &labels("iot")).is_ok());
        assert!(named.admits(&who("Endpoint", "b"), &labels("iot")).is_err());
        let labelled = spec(json!({"allowedNamespaces": {"matchLabels": {"team": "iot"}}}));
        assert!(labelled.admits(&who("Endpoint", "b"), &labels("iot")).is_ok());
        assert!(labelled.admits(&who("Endpoint", "b"), &labels("web")).is_err());
        assert!(
            spec(json!({"allowedNamespaces": {"all": true}}))
                .admits(&who("Sim", "c"), &labels("web"))
                .is_ok()
        );
    }

    #[test]
    fn kinds_that_hand_out_the_organisation_must_be_named() {
        let open = spec(json!({"allowedNamespaces": {"all": true}}));
        for kind in SENSITIVE {
            let refusal = open.admits(&who(kind, "a"), &labels("iot")).unwrap_err();
            assert!(refusal.contains("spec.allowedKinds"), "{refusal}");
        }
        let named = spec(json!({"allowedNamespaces": {"all": true}, "allowedKinds": ["ApplicationToken"]}));
        assert!(named.admits(&who("ApplicationToken", "a"), &labels("iot")).is_ok());
        assert!(named.admits(&who("Endpoint", "a"), &labels("iot")).is_err(), "a list replaces the default");
    }

    #[test]
    fn force_is_allowed_only_in_so_many_words() {
        let everywhere = |force: bool| spec(json!({"allowedNamespaces": {"all": true}, "allowForce": force}));
        let taking = Applicant { force: true, ..who("Endpoint", "a") };
        let refusal = everywhere(false).admits(&taking, &labels("iot")).unwrap_err();
        assert!(refusal.contains("spec.allowForce"), "{refusal}");
        assert!(everywhere(true).admits(&taking, &labels("iot")).is_ok());
    }
}
