//! The command that mends what an object waits for, where one does.

use emnify_engine::kind::reason::{
    self,
    annotation::FORCE_ORPHAN,
    condition::{BUDGET_LOW, GUARD_TRIPPED, ORGANISATION_BLOCKED, READY, RESTRICTED},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::plugin::{cluster::Found, steer};

/// Reasons that end once the object is read anew.
const REFRESHED: [&str; 4] = [reason::VANISHED, reason::REJECTED, reason::NOT_TAKEN, reason::ACCEPT_EXPIRED];

/// What a person types, by the reason for which the object is not ready.
pub(super) fn command(found: &Found, why: &str) -> Option<String> {
    let on =
        |verb: &str, what: &str| Some(format!("The command: kubectl emnify {verb} {what}{}", found.within()));
    let of = |verb: &str| on(verb, &found.typed());
    if steer::is_annotated(found) {
        return of("resume");
    }
    match found.workspace() {
        None if is_true(found, GUARD_TRIPPED) => return of("approve"),
        Some((kind, name)) if why == reason::GUARD_TRIPPED => {
            return on("approve", &format!("{}/{name}", kind.to_lowercase()));
        }
        _ => {}
    }
    if found.is_well() {
        return None;
    }
    if found.condition(READY).is_some_and(|ready| ready.message.contains(FORCE_ORPHAN)) {
        return of("release");
    }
    REFRESHED.contains(&why).then(|| of("refresh")).flatten()
}

fn is_true(found: &Found, kind: &str) -> bool {
    found.condition(kind).is_some_and(|condition| condition.status == "True")
}

/// What a workspace that is ready holds up all the same: its guard, its budget, and what emnify does not allow.
pub(super) fn held_up(workspace: &Found) -> Vec<String> {
    let kinds = [GUARD_TRIPPED, BUDGET_LOW, RESTRICTED, ORGANISATION_BLOCKED];
    let all = kinds.iter().filter_map(|kind| workspace.condition(kind)).filter(|one| one.status == "True");
    let told = |one: &Condition| {
        let mend = command(workspace, &one.reason).map(|mend| format!(" {mend}")).unwrap_or_default();
        format!("{workspace}: {}: {}{mend}", one.reason, one.message)
    };
    all.map(|one| told(&one)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, json};

    use super::*;
    use crate::definitions::families;

    fn found(kind: &str, annotations: &Value, conditions: &[(&str, &str, &str, &str)]) -> Found {
        let conditions: Vec<_> = conditions
            .iter()
            .map(|(kind, status, reason, message)| {
                json!({"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": "2026-05-01T12:00:00Z"})
            })
            .collect();
        let object = json!({"apiVersion": "emnify.io/v1alpha1", "kind": kind,
            "metadata": {"name": "a", "namespace": "iot", "annotations": annotations}, "spec": {"workspaceRef": {"name": "roof"}},
            "status": {"conditions": conditions}});
        let family = families().into_iter().find(|family| family.resource.kind == kind).unwrap();
        Found::of(&family, from_value(object).unwrap())
    }

    fn device(reason: &str, message: &str) -> Option<String> {
        command(&found("Endpoint", &json!({}), &[("Ready", "False", reason, message)]), reason)
    }

    #[test]
    fn the_command_that_mends_it_can_be_copied() {
        let is = |verb: &str| Some(format!("The command: kubectl emnify {verb} -n iot"));
        assert_eq!(device("GuardTripped", "held"), is("approve workspace/roof"));
        assert_eq!(device("Rejected", "emnify says no"), is("refresh endpoint/a"));
        assert_eq!(
            device("Unauthorized", "annotate it with emnify.io/force-orphan=true"),
            is("release endpoint/a")
        );
        assert_eq!(device("InvalidSpec", "name"), None, "an edit mends it");
        let ready = [("Ready", "True", "UpToDate", "")];
        assert_eq!(command(&found("Endpoint", &json!({}), &ready), "UpToDate"), None);
        let suspended = found("Endpoint", &json!({"emnify.io/suspend": "true"}), &ready);
        assert_eq!(command(&suspended, "UpToDate"), is("resume endpoint/a"));
    }

    #[test]
    fn a_workspace_that_is_ready_may_hold_things_up() {
        let ready = ("Ready", "True", "UpToDate", "");
        let calm = found("Workspace", &json!({}), &[ready, ("GuardTripped", "False", "UpToDate", "")]);
        assert!(held_up(&calm).is_empty());
        let conditions = [
            ready,
            ("GuardTripped", "True", "GuardTripped", "200 devices"),
            ("BudgetLow", "True", "BudgetSlowed", "80 % used"),
        ];
        let told = held_up(&found("Workspace", &json!({}), &conditions));
        assert!(
            told[0].ends_with(
                "GuardTripped: 200 devices The command: kubectl emnify approve workspace/a -n iot"
            ),
            "{told:?}"
        );
        assert!(told[1].contains("BudgetSlowed: 80 % used"), "{told:?}");
    }
}
