use kube::CustomResourceExt;
use serde_json::{Value, json};

use super::*;

fn token() -> Value {
    json!({"applicationTokenSecretRef": {"name": "emnify", "key": "token"}})
}

fn user(mfa: Option<Value>) -> Value {
    let mut user =
        json!({"username": "a@example.com", "passwordSecretRef": {"name": "emnify", "key": "password"}});
    if let Some(mfa) = mfa {
        user["mfa"] = mfa;
    }
    json!({ "user": user })
}

fn problem(kind: &str, spec: Value) -> Option<String> {
    let mut object = json!({"apiVersion": "emnify.io/v1alpha1", "kind": kind, "metadata": {"name": "main"}});
    object["spec"] = spec;
    let errors = match kind {
        "Workspace" => serde_json::from_value::<Workspace>(object).unwrap().validate_cel(),
        _ => serde_json::from_value::<ClusterWorkspace>(object).unwrap().validate_cel(),
    };
    errors.err().map(|errors| format!("{errors:?}"))
}

#[test]
fn a_workspace_with_counts_of_an_earlier_release_is_read_and_its_counts_are_made_anew() {
    for counts in [json!({"endpoints": 3, "sims": 4}), json!({}), json!(null), json!([{"kind": "Sim"}])] {
        let status = json!({"observedGeneration": 1, "counts": counts});
        let object = json!({
            "apiVersion": "emnify.io/v1alpha1", "kind": "Workspace", "metadata": {"name": "main"},
            "spec": {"credentials": token()}, "status": status,
        });
        let status = serde_json::from_value::<Workspace>(object).expect("it is readable").status.unwrap();
        assert_eq!((status.counts.len(), status.observed_generation), (0, Some(1)), "{counts}");
    }
    let ours = json!({"counts": [{"kind": "Sim", "count": 4}]});
    let read: WorkspaceStatus = serde_json::from_value(ours.clone()).unwrap();
    assert_eq!(json!(read), ours, "what this release writes is kept");
}

#[test]
fn exactly_one_way_to_log_in() {
    assert_eq!(problem("Workspace", json!({"credentials": token()})), None);
    assert_eq!(problem("Workspace", json!({"credentials": user(None)})), None);
    let mut both = token();
    both["user"] = user(None)["user"].clone();
    for credentials in [json!({}), both] {
        let problem =
            problem("Workspace", json!({"credentials": credentials})).expect("neither and both are refused");
        assert!(problem.contains("set exactly one of applicationTokenSecretRef, user"), "{problem}");
    }
}

#[test]
fn a_user_has_one_name_and_at_most_one_second_factor() {
    let key = json!({"name": "emnify", "key": "k"});
    let totp = json!({"totpSecretRef": key});
    let device = json!({"trustedDevice": {"codeSecretRef": key}});
    for mfa in [totp, device.clone()] {
        assert_eq!(problem("Workspace", json!({"credentials": user(Some(mfa))})), None);
    }
    let mut both = device;
    both["totpSecretRef"] = key.clone();
    for mfa in [both, json!({})] {
        assert!(problem("Workspace", json!({"credentials": user(Some(mfa))})).is_some(), "one second factor");
    }
    let mut credentials = user(None);
    credentials["user"]["usernameSecretRef"] = key;
    assert!(problem("Workspace", json!({"credentials": credentials})).is_some(), "one user name");
}

#[test]
fn a_cluster_workspace_says_in_one_way_whom_it_allows() {
    let spec = |allowed: Value| json!({"credentials": token(), "allowedNamespaces": allowed});
    for allowed in [json!({"names": ["a"]}), json!({"matchLabels": {"team": "iot"}}), json!({"all": true})] {
        assert_eq!(problem("ClusterWorkspace", spec(allowed)), None);
    }
    for allowed in [json!({}), json!({"all": false}), json!({"names": ["a"], "all": true})] {
        assert!(problem("ClusterWorkspace", spec(allowed.clone())).is_some(), "{allowed} is refused");
    }
}

#[test]
fn no_two_workspaces_share_a_session_secret() {
    let access: Access = serde_json::from_value(json!({"credentials": token()})).unwrap();
    let own = |namespace: &str, name: &str| {
        let mut own = Workspace::new(name, WorkspaceSpec { access: access.clone() });
        own.metadata.namespace = Some(namespace.into());
        own.session_secret()
    };
    let shared = ClusterWorkspaceSpec {
        access: access.clone(),
        allowed_namespaces: None,
        allowed_kinds: None,
        allow_force: None,
    };
    let shared = ClusterWorkspace::new("main", shared).session_secret();
    assert_eq!(own("team-a", "main"), "session.workspace.team-a.main");
    assert_eq!(shared, "session.clusterworkspace.main");
    assert_ne!(own("a-b", "c"), own("a", "b-c"), "they lie in one namespace");
    assert!(own(&"a".repeat(63), &"b".repeat(63)).len() <= 253, "a Secret's name is that long at most");
}

#[test]
fn a_name_leaves_room_for_the_session_secret() {
    let access: Access = serde_json::from_value(json!({"credentials": token()})).unwrap();
    assert!(Workspace::new(&"a".repeat(63), WorkspaceSpec { access: access.clone() }).validate_cel().is_ok());
    assert!(Workspace::new(&"a".repeat(64), WorkspaceSpec { access }).validate_cel().is_err());
}

#[test]
fn cluster_workspaces_are_cluster_scoped() {
    assert_eq!(ClusterWorkspace::crd().spec.scope, "Cluster");
    assert_eq!(Workspace::crd().spec.scope, "Namespaced");
}
