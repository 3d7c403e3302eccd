//! Who may use a `ClusterWorkspace`.

use std::collections::BTreeMap;

use emnify_engine::cluster::workspaces::{Applicant, Refusal};

use super::spec::ClusterWorkspaceSpec;
use crate::{api::LabelValue, kinds};

/// Whether a cluster workspace must name a kind: it hands out the organisation itself.
fn is_sensitive(kind: &str) -> bool {
    kinds::sensitive().contains(&kind)
}

impl ClusterWorkspaceSpec {
    /// Whether somebody in a namespace with these labels may use the workspace; else what to change.
    pub fn admits(&self, who: &Applicant<'_>, labels: &BTreeMap<String, String>) -> Result<(), Refusal> {
        let Applicant { namespace, kind, force } = *who;
        if !self.admits_namespace(namespace, labels) {
            return Err(Refusal::Namespace(namespace.to_owned()));
        }
        if force && self.allow_force != Some(true) {
            return Err(Refusal::Force);
        }
        let kind_allowed = match &self.allowed_kinds {
            Some(kinds) => kinds.iter().any(|allowed| allowed == kind),
            None => !is_sensitive(kind),
        };
        if kind_allowed { Ok(()) } else { Err(Refusal::Kind(kind.to_owned())) }
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
    use kube::CustomResourceExt;
    use serde_json::{Value, json};

    use super::*;
    use crate::workspace::ClusterWorkspace;

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
        assert_eq!(refusal, Refusal::Namespace("a".into()));
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
        let text = serde_json::to_string(&ClusterWorkspace::crd()).unwrap();
        let sensitive = kinds::sensitive();
        assert!(sensitive.contains(&"ApplicationToken"), "a token is a login of the organisation");
        for kind in sensitive {
            assert!(text.contains(&format!("`{kind}`")), "the description of allowedKinds names {kind}");
            let refusal = open.admits(&who(kind, "a"), &labels("iot")).unwrap_err();
            assert!(matches!(refusal, Refusal::Kind(_)), "{refusal}");
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
        assert_eq!(refusal, Refusal::Force);
        assert!(everywhere(true).admits(&taking, &labels("iot")).is_ok());
    }
}
