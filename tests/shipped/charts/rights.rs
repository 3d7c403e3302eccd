//! Who may do what.

use std::collections::BTreeSet;

use emnify_operator::rbac::Scope;
use k8s_openapi::api::rbac::v1::PolicyRule;
use serde_json::{Value, json};

use super::{FULL, LEAST, NAMESPACED, of_kind, only, pod, rendered, rendered_in};

fn rules(role: &Value) -> Vec<PolicyRule> {
    serde_json::from_value(role["rules"].clone()).expect("rules of a role")
}

fn wanted(scope: Scope) -> Vec<PolicyRule> {
    scope.rights().into_iter().map(|right| right.rule).collect()
}

/// Roles that the operator's account is bound to, with the namespaces they hold in.
fn bound(objects: &[Value]) -> Vec<(&Value, Option<&str>)> {
    let account = &pod(objects)["serviceAccountName"];
    let mut found = Vec::new();
    for binding in objects.iter().filter(|object| object["roleRef"].is_object()) {
        let subject = &binding["subjects"][0];
        assert_eq!(
            (&subject["name"], &subject["namespace"]),
            (account, &json!("emnify-system")),
            "only the operator's account is bound"
        );
        let role = &binding["roleRef"];
        let namespace = &binding["metadata"]["namespace"];
        let meant = of_kind(objects, role["kind"].as_str().unwrap()).into_iter().find(|found| {
            found["metadata"]["name"] == role["name"] && &found["metadata"]["namespace"] == namespace
        });
        found.push((meant.expect("a binding names a role of the chart"), namespace.as_str()));
    }
    found
}

#[tokio::test]
async fn by_default_the_operator_has_the_rights_it_uses_in_all_namespaces() {
    for values in [LEAST, FULL] {
        let objects = rendered(values).await;
        let bound = bound(&objects);
        assert_eq!(bound.len(), 2, "one for the cluster, one for its own namespace");
        for (role, namespace) in bound {
            let scope = namespace.map_or(Scope::Cluster, |_| Scope::OperatorNamespace);
            assert_eq!(rules(role), wanted(scope), "{namespace:?}: exactly the generated ones");
            assert!(namespace.is_none_or(|namespace| namespace == "emnify-system"));
        }
    }
}

#[tokio::test]
async fn with_named_namespaces_there_is_nothing_of_the_cluster() {
    let without = rendered(&format!("{NAMESPACED}rbac: {{outliveNamespaces: false}}\n")).await;
    for kind in ["ClusterRole", "ClusterRoleBinding"] {
        assert!(of_kind(&without, kind).is_empty(), "{kind}: who may only make Roles can install it");
    }
    let mut held = BTreeSet::new();
    for (role, namespace) in bound(&without) {
        let namespace = namespace.expect("every role is of a namespace");
        let scope =
            if namespace == "emnify-system" { Scope::OperatorNamespace } else { Scope::ServedNamespace };
        assert_eq!(rules(role), wanted(scope), "{namespace}");
        held.insert(namespace);
    }
    assert_eq!(held, BTreeSet::from(["emnify-system", "meters", "trackers"]));
}

#[tokio::test]
async fn a_namespace_that_is_deleted_can_be_finished_when_its_role_has_gone() {
    let objects = rendered(NAMESPACED).await;
    let everywhere: Vec<_> =
        bound(&objects).into_iter().filter(|(_, namespace)| namespace.is_none()).collect();
    assert_eq!(everywhere.len(), 1, "`kubectl delete namespace` takes Role and RoleBinding away first");
    assert_eq!(rules(everywhere[0].0), wanted(Scope::LeavingNamespace));
    let other = rendered_in("other-system", NAMESPACED).await;
    let name = |objects: &[Value]| only(objects, "ClusterRole")["metadata"]["name"].clone();
    assert_ne!(name(&objects), name(&other), "two releases do not share what is of the cluster");
}

#[tokio::test]
async fn the_operators_own_namespace_can_be_served_too() {
    let objects = rendered("installation: test\nwatchNamespaces: [emnify-system]\n").await;
    let names: BTreeSet<_> =
        of_kind(&objects, "Role").into_iter().map(|role| role["metadata"]["name"].as_str()).collect();
    assert_eq!(names.len(), 2, "its two Roles do not share a name");
}

#[tokio::test]
async fn no_role_lists_secrets() {
    for values in [LEAST, FULL, NAMESPACED] {
        for role in rendered(values).await.iter().filter(|object| object["rules"].is_array()) {
            for rule in rules(role) {
                let secrets = rule.resources.iter().flatten().any(|name| name == "secrets" || name == "*");
                let lists = rule.verbs.iter().any(|verb| ["list", "watch", "*"].contains(&verb.as_str()));
                assert!(!(secrets && lists), "{}: {rule:?}", role["metadata"]["name"]);
            }
        }
    }
}

#[tokio::test]
async fn users_of_the_cluster_see_and_change_our_kinds_through_its_own_roles() {
    let objects = rendered(LEAST).await;
    let aggregated = |to: &str| {
        let label = format!("rbac.authorization.k8s.io/aggregate-to-{to}");
        let found = of_kind(&objects, "ClusterRole").into_iter();
        let found: Vec<_> =
            found.filter(|role| role["metadata"]["labels"][&label] == "true").flat_map(rules).collect();
        assert!(!found.is_empty(), "there is a role that is added to {to}");
        found
    };
    let may = |rules: &[PolicyRule], verb: &str, resource: &str| {
        rules.iter().any(|rule| {
            rule.verbs.iter().any(|found| found == verb)
                && rule.resources.iter().flatten().any(|found| found == resource)
        })
    };
    for crd in emnify_operator::definitions::crds().iter().filter(|crd| crd.spec.scope == "Namespaced") {
        let plural = &crd.spec.names.plural;
        assert!(may(&aggregated("view"), "list", plural), "who may view sees {plural}");
        assert!(may(&aggregated("admin"), "delete", plural), "who administers a namespace changes {plural}");
        let edits = may(&aggregated("edit"), "delete", plural);
        let kept = ["users", "operations", "operationtriggers"].contains(&plural.as_str());
        assert_eq!(
            edits, !kept,
            "who may edit changes {plural}, but not who can log in, and does nothing that is billed"
        );
    }
    assert!(!may(&aggregated("view"), "patch", "endpoints"), "who may view changes nothing");
    assert!(!may(&aggregated("edit"), "patch", "endpoints/status"), "status is the operator's");
    let without = rendered(&format!("{LEAST}rbac: {{aggregate: false}}\n")).await;
    assert_eq!(of_kind(&without, "ClusterRole").len(), 1);
}

#[tokio::test]
async fn somebody_elses_account_can_be_used() {
    let objects = rendered(&format!(
        "{LEAST}serviceAccount: {{create: false, name: robot}}\nrbac: {{create: false}}\n"
    ))
    .await;
    assert!(of_kind(&objects, "ServiceAccount").is_empty() && of_kind(&objects, "RoleBinding").is_empty());
    assert_eq!(pod(&objects)["serviceAccountName"], "robot");
    let own = rendered(LEAST).await;
    assert_eq!(only(&own, "ServiceAccount")["metadata"]["name"], pod(&own)["serviceAccountName"]);
}
