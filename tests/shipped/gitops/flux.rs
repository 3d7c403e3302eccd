//! Flux's judgement: the rules of kstatus for custom resources, and `healthCheckExprs` in the order that Flux evaluates
//! them.

use std::{fs, path::Path};

use cel::{Context, Program, Value as Cel, to_value};
use serde_json::Value;

/// What Flux waits on, or gives up on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// It waits.
    InProgress,
    /// It stops waiting and reports a failure.
    Failed,
    /// What depends on it may go on.
    Current,
    /// Being deleted.
    Terminating,
}

/// kstatus: deletion, generation, `Reconciling` and `Stalled` in the order of the list, `Ready`; without any of them an
/// object is taken for current.
pub(super) fn kstatus(object: &Value) -> Status {
    let (metadata, status) = (&object["metadata"], &object["status"]);
    if metadata["deletionTimestamp"].is_string() {
        return Status::Terminating;
    }
    let observed = &status["observedGeneration"];
    if !observed.is_null() && *observed != metadata["generation"] {
        return Status::InProgress;
    }
    let conditions = status["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    for condition in conditions.iter().filter(|condition| condition["status"] == "True") {
        match condition["type"].as_str() {
            Some("Reconciling") => return Status::InProgress,
            Some("Stalled") => return Status::Failed,
            _ => {}
        }
    }
    let ready = conditions.iter().find(|condition| condition["type"] == "Ready");
    if ready.is_none_or(|ready| ready["status"] == "True") { Status::Current } else { Status::InProgress }
}

/// The expressions that are shipped for a kind.
pub(super) struct Expressions {
    in_progress: Program,
    failed: Program,
    current: Program,
}

impl Expressions {
    /// From the patch that is shipped.
    pub(super) fn of(kind: &str) -> Self {
        let file = Path::new(crate::ROOT).join("gitops/flux/health-checks.yaml");
        let text = fs::read_to_string(file).expect("the patch is in the repository");
        let patch: Value = serde_yaml::from_str(&text).expect("the patch is YAML");
        let all = patch["spec"]["healthCheckExprs"].as_array().expect("the patch has expressions");
        let own = all.iter().find(|one| one["kind"] == kind && one["apiVersion"] == "emnify.io/v1alpha1");
        let own = own.unwrap_or_else(|| panic!("{kind} has expressions"));
        let compile = |what: &str| {
            let text = own[what].as_str().unwrap_or_else(|| panic!("{kind} has {what}"));
            Program::compile(text).unwrap_or_else(|error| panic!("{kind}: {what}: {error}"))
        };
        Self { in_progress: compile("inProgress"), failed: compile("failed"), current: compile("current") }
    }

    /// An older generation first, then the expressions; an expression that cannot be evaluated keeps Flux waiting.
    pub(super) fn evaluate(&self, object: &Value) -> Status {
        let observed = &object["status"]["observedGeneration"];
        if !observed.is_null() && *observed != object["metadata"]["generation"] {
            return Status::InProgress;
        }
        let mut context = Context::default();
        for (name, value) in object.as_object().expect("an object is one") {
            let value = to_value(value).expect("JSON is CEL");
            context.add_variable_from_value(name.as_str(), value);
        }
        let order = [
            (&self.in_progress, Status::InProgress),
            (&self.failed, Status::Failed),
            (&self.current, Status::Current),
        ];
        for (program, status) in order {
            match program.execute(&context) {
                Ok(Cel::Bool(true)) => return status,
                Ok(Cel::Bool(false)) => {}
                Ok(other) => panic!("an expression is true or false, not {other:?}"),
                Err(_) => return Status::InProgress,
            }
        }
        Status::InProgress
    }
}
