//! What the operator may do in the cluster: exactly what it uses, generated from the registry of kinds.
//!
//! | Scope | Bound where | Used by |
//! |---|---|---|
//! | [`Scope::Cluster`] | everywhere | an operator that serves all namespaces |
//! | [`Scope::ServedNamespace`] | in each of `--namespaces` | an operator that serves these only |
//! | [`Scope::LeavingNamespace`] | everywhere | an operator that serves these only, so that they can be deleted |
//! | [`Scope::OperatorNamespace`] | where the operator runs | both |
//!
//! Discovery and the published schemas are open to everybody who is authenticated (`system:discovery`), so they are not listed.

use k8s_openapi::api::rbac::v1::PolicyRule;

use crate::definitions::{Family, families};

/// Group of all our kinds.
const GROUP: &str = "emnify.io";

/// Where rights hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In the whole cluster.
    Cluster,
    /// In one namespace whose objects are served, without any right elsewhere.
    ServedNamespace,
    /// In a namespace that is being deleted: its Role goes before the objects that the Role is for.
    LeavingNamespace,
    /// In the namespace that the operator runs in, besides one of the others.
    OperatorNamespace,
}

/// Rights that are needed for one reason.
#[derive(Clone, Debug, PartialEq)]
pub struct Right {
    /// What they are for, for whoever reviews them.
    pub why: &'static str,
    /// The rights.
    pub rule: PolicyRule,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 4] =
        [Self::Cluster, Self::ServedNamespace, Self::LeavingNamespace, Self::OperatorNamespace];

    /// Name of its file, without an ending.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cluster => "cluster",
            Self::ServedNamespace => "served-namespace",
            Self::LeavingNamespace => "leaving-namespace",
            Self::OperatorNamespace => "operator-namespace",
        }
    }

    /// What the operator needs there.
    pub fn rights(self) -> Vec<Right> {
        match self {
            Self::Cluster => [objects(true), tasks(), around_objects(), around_cluster()].concat(),
            Self::ServedNamespace => [objects(false), tasks(), around_objects()].concat(),
            Self::LeavingNamespace => objects(false),
            Self::OperatorNamespace => around_operator(),
        }
    }

    /// The rules as a list, each with its reason above.
    pub fn yaml(self) -> String {
        let rules = self.rights().into_iter().map(|right| {
            let rule = serde_yaml::to_string(&[right.rule]).expect("a rule is YAML");
            format!("# {}\n{rule}", right.why)
        });
        let head = "# Generated from the registry of kinds: `UPDATE=1 cargo test --test generated rights`.\n";
        [head.to_owned()].into_iter().chain(rules).collect()
    }
}

/// Our own objects; those of cluster scope only with `cluster`.
fn objects(cluster: bool) -> Vec<Right> {
    let served = families().into_iter().filter(|family| cluster || family.namespaced);
    let plurals: Vec<String> = served.map(|family| family.resource.plural).collect();
    let status: Vec<String> = plurals.iter().map(|plural| format!("{plural}/status")).collect();
    vec![
        right("Objects are followed.", GROUP, &plurals, &["list", "watch"]),
        right("The finalizer is put on and taken off; specs are never written.", GROUP, &plurals, &["patch"]),
        right("What is known of an object is told in its status.", GROUP, &status, &["patch"]),
    ]
}

/// What is carried out once, and may be gone after.
fn tasks() -> Vec<Right> {
    let tasks = crate::definitions::tasks();
    vec![
        right("Triggers make them.", GROUP, &tasks, &["create"]),
        right(
            "One that has a time to live is deleted when that is over, one of a trigger as its limits say.",
            GROUP,
            &tasks,
            &["delete"],
        ),
    ]
}

/// What stands beside objects in their namespaces.
fn around_objects() -> Vec<Right> {
    vec![
        right(
            "Credentials and webhooks' secrets are read by name. No list, no watch: nobody else's are ever seen.",
            "",
            &["secrets"],
            &["get"],
        ),
        right(
            "Tokens that emnify shows once are kept in Secrets of the operator's own.",
            "",
            &["secrets"],
            &["create", "patch"],
        ),
        right(
            "An EndpointSet and an Operation may take their SIMs from a ConfigMap.",
            "",
            &["configmaps"],
            &["get"],
        ),
        right("What happens is told as Events.", "events.k8s.io", &["events"], &["create"]),
    ]
}

/// What only exists once in a cluster.
fn around_cluster() -> Vec<Right> {
    let name = |Family { resource, .. }: Family| format!("{}.{}", resource.plural, resource.group);
    let definitions = families().into_iter().map(name).collect();
    let mut read = right(
        "Definitions that are being deleted leave emnify alone, and those of another version are told.",
        "apiextensions.k8s.io",
        &["customresourcedefinitions"],
        &["get"],
    );
    read.rule.resource_names = Some(definitions);
    vec![
        read,
        right(
            "A ClusterWorkspace selects namespaces by their labels.",
            "",
            &["namespaces"],
            &["list", "watch"],
        ),
    ]
}

/// What the process itself needs.
fn around_operator() -> Vec<Right> {
    vec![
        right(
            "Of several replicas one works: the holder of the lease.",
            "coordination.k8s.io",
            &["leases"],
            &["get", "create", "update"],
        ),
        right(
            "Logins are kept here, where no tenant writes, and go with their workspaces.",
            "",
            &["secrets"],
            &["get", "create", "patch", "delete"],
        ),
        right(
            "What concerns the whole operator is told on its lease.",
            "events.k8s.io",
            &["events"],
            &["create"],
        ),
    ]
}

fn right(why: &'static str, group: &str, resources: &[impl ToString], verbs: &[&str]) -> Right {
    let rule = PolicyRule {
        api_groups: Some(vec![group.to_owned()]),
        resources: Some(resources.iter().map(ToString::to_string).collect()),
        verbs: verbs.iter().map(ToString::to_string).collect(),
        ..PolicyRule::default()
    };
    Right { why, rule }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// `group/resource verb`, one for each.
    fn grants(scope: Scope) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        for Right { rule, .. } in scope.rights() {
            for group in rule.api_groups.iter().flatten() {
                for resource in rule.resources.iter().flatten() {
                    all.extend(rule.verbs.iter().map(|verb| format!("{group}/{resource} {verb}")));
                }
            }
        }
        all
    }

    #[test]
    fn no_scope_lists_or_watches_secrets() {
        for scope in Scope::ALL {
            for verb in ["list", "watch", "deletecollection"] {
                let refused = format!("/secrets {verb}");
                assert!(
                    !grants(scope).contains(&refused),
                    "{scope:?} must not see Secrets that nobody named"
                );
            }
        }
    }

    #[test]
    fn nothing_is_granted_wholesale() {
        for scope in Scope::ALL {
            let wide: Vec<_> = grants(scope).into_iter().filter(|grant| grant.contains('*')).collect();
            assert!(wide.is_empty(), "{scope:?} names what it grants: {wide:?}");
        }
        let whole =
            |right: &Right| right.rule.resources.iter().flatten().any(|r| r == "customresourcedefinitions");
        for right in Scope::Cluster.rights().iter().filter(|right| whole(right)) {
            let names = right.rule.resource_names.as_ref().map(Vec::len);
            assert_eq!(names, Some(families().len()), "definitions of others are not read");
        }
    }

    #[test]
    fn every_kind_is_followed_and_told() {
        for family in families() {
            let plural = &family.resource.plural;
            for wanted in
                [format!("{plural} list"), format!("{plural} watch"), format!("{plural}/status patch")]
            {
                let wanted = format!("{GROUP}/{wanted}");
                assert!(grants(Scope::Cluster).contains(&wanted), "{wanted} is missing");
                assert_eq!(grants(Scope::ServedNamespace).contains(&wanted), family.namespaced, "{wanted}");
            }
        }
    }

    #[test]
    fn only_what_is_carried_out_once_is_deleted() {
        let all = grants(Scope::Cluster);
        let deleted: Vec<_> = all.iter().filter(|grant| grant.ends_with(" delete")).collect();
        assert_eq!(deleted, ["emnify.io/operations delete"]);
    }

    #[test]
    fn a_served_namespace_needs_nothing_of_the_cluster() {
        let (cluster, served) = (grants(Scope::Cluster), grants(Scope::ServedNamespace));
        assert!(served.is_subset(&cluster), "what is used in one namespace is used in all");
        let only: Vec<_> = cluster.difference(&served).collect();
        assert!(
            only.iter().all(|grant| ["namespaces", "customresourcedefinitions", "clusterworkspaces"]
                .iter()
                .any(|resource| grant.contains(resource))),
            "only cluster-scoped things differ: {only:?}"
        );
    }

    #[test]
    fn objects_of_a_namespace_can_be_let_go_when_its_role_has_gone() {
        let (leaving, served) = (grants(Scope::LeavingNamespace), grants(Scope::ServedNamespace));
        assert!(leaving.is_subset(&served), "nothing that the Role did not allow");
        assert!(leaving.contains("emnify.io/endpoints patch"), "the finalizer is taken off");
        assert!(
            leaving.iter().all(|grant| grant.starts_with("emnify.io/")),
            "our kinds, and no Secrets: {leaving:?}"
        );
    }

    #[test]
    fn the_operators_own_namespace_holds_leases_and_logins() {
        let own = grants(Scope::OperatorNamespace);
        assert!(own.contains("coordination.k8s.io/leases update"));
        assert!(own.contains("/secrets delete"), "a login goes with its workspace");
        let listed = |grant: &String| grant.ends_with("secrets list") || grant.ends_with("secrets watch");
        assert!(!own.iter().any(listed), "logins are read by name");
    }

    #[test]
    fn a_file_is_a_list_of_rules_with_reasons() {
        for scope in Scope::ALL {
            let text = scope.yaml();
            let read: Vec<PolicyRule> = serde_yaml::from_str(&text).unwrap();
            let rules: Vec<_> = scope.rights().into_iter().map(|right| right.rule).collect();
            assert_eq!(read, rules, "charts include it as it is");
            assert_eq!(text.lines().filter(|line| line.starts_with("# ")).count(), rules.len() + 1);
        }
    }
}
