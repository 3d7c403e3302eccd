//! Objects in every state that the operator's own code can bring them into.

use emnify_engine::{
    decide::{
        error_policy::{Effect, Waiting},
        known::{Explanation, Step},
        ready,
    },
    kind::{Id, Kind as _, Managed, Status as _, reason, set::ObjectSet, task::Task, trigger::Trigger},
    session::guard::{GuardLimit, Trip},
};
use emnify_operator::{
    kinds::{Endpoint, Visitor, for_each},
    workspace::{
        WorkspaceStatus,
        decide::{Decision, Memory, Step as Login, Verdict},
        status::{self, Shown},
    },
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::flux::Status;

/// The generation of every object here.
const NOW: i64 = 5;

/// An object, and what the design's table says of it.
pub(super) struct Situation {
    /// For messages.
    pub(super) name: String,
    pub(super) kind: &'static str,
    pub(super) object: Value,
    /// Argo CD's health.
    pub(super) health: &'static str,
    /// Part of what a person reads beside it.
    pub(super) says: String,
    /// kstatus, and Flux with our expressions.
    pub(super) flux: Status,
}

const WHY: &str = "what is wrong and how to mend it";

/// What an earlier look has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    Nothing,
    /// Ready for this many generations.
    Ready {
        generation: i64,
    },
    Stalled,
}

const BEFORE: [Before; 4] = [
    Before::Nothing,
    Before::Ready { generation: NOW },
    Before::Ready { generation: NOW - 1 },
    Before::Stalled,
];

/// Every reason with every effect, on every kind, whatever was so before.
pub(super) fn of_managed_kinds() -> Vec<Situation> {
    let mut all = All(Vec::new());
    for_each(&mut all);
    all.0
}

struct All(Vec<Situation>);

impl Visitor for All {
    fn visit<K: Managed>(&mut self) {
        of_kind::<K>(&mut self.0);
    }

    fn visit_set<F: ObjectSet>(&mut self) {}

    fn visit_task<T: Task>(&mut self) {}

    fn visit_trigger<T: Trigger>(&mut self) {}
}

fn of_kind<K: Managed>(all: &mut Vec<Situation>) {
    for before in BEFORE {
        for (reason, _) in reason::ALL {
            // its own test
            if *reason == reason::SUSPENDED {
                continue;
            }
            for waiting in [Waiting::Keep, Waiting::Working] {
                all.push(settled::<K>(before, &Step::Wait(told(reason), waiting), reason, waiting.into()));
            }
            all.push(settled::<K>(before, &Step::Stall(told(reason)), reason, Effect::Stalled));
        }
        let working: [(Step<K>, _); 5] = [
            (Step::AddFinalizer, reason::PENDING),
            (Step::RecordIntent, reason::PENDING),
            (Step::ReserveSecret, reason::PENDING),
            (Step::Read(Id::Int(1)), reason::OBSERVING),
            (Step::ReadParts(Id::Int(1), Vec::new()), reason::OBSERVING),
        ];
        for (step, reason) in working {
            all.push(settled::<K>(before, &step, reason, Effect::Keep));
        }
    }
}

fn told(reason: &'static str) -> Explanation {
    Explanation { reason, message: WHY.into() }
}

fn settled<K: Managed>(before: Before, step: &Step<K>, reason: &str, effect: Effect) -> Situation {
    let status = after::<K>(before, step);
    let kept = effect == Effect::Keep && before == Before::Ready { generation: NOW };
    let (health, flux) = match effect {
        Effect::Stalled => ("Degraded", Status::Failed),
        Effect::Keep if kept => ("Healthy", Status::Current),
        Effect::Keep | Effect::Working => ("Progressing", Status::InProgress),
    };
    Situation {
        name: format!("{} {before:?}, then {step:?}", K::KIND),
        kind: K::KIND,
        object: object(K::KIND, &json!({}), &json!(status)),
        health,
        says: if kept { reason::UP_TO_DATE.into() } else { reason.to_owned() },
        flux,
    }
}

/// The status after an earlier look and this one.
fn after<K: Managed>(before: Before, step: &Step<K>) -> K::Status {
    let mut status = left_by::<K>(before);
    ready::conditions(step, Some(NOW), &mut status, Timestamp::UNIX_EPOCH);
    status
}

fn left_by<K: Managed>(before: Before) -> K::Status {
    let mut status = K::Status::default();
    match before {
        Before::Nothing => {}
        Before::Ready { generation } => {
            ready::up_to_date(status.common_mut(), Some(generation), Timestamp::UNIX_EPOCH);
            status.common_mut().observed_generation = Some(generation);
        }
        Before::Stalled => {
            let step = Step::<K>::Stall(told(reason::REJECTED));
            ready::conditions(&step, Some(NOW - 1), &mut status, Timestamp::UNIX_EPOCH);
        }
    }
    status
}

/// What no effect says: differences that are only told, suspension, deletion, an edit that nobody has looked at.
pub(super) fn of_an_endpoint() -> Vec<Situation> {
    let now = Before::Ready { generation: NOW };
    let ready = json!(left_by::<Endpoint>(now));
    let mut drifted = left_by::<Endpoint>(now);
    let common = drifted.common_mut();
    ready::differs(common, &told(reason::DRIFTED), true, Some(NOW), Timestamp::UNIX_EPOCH);
    let would_create = Step::<Endpoint>::Differs { have: None, told: told(reason::WOULD_CREATE) };
    let suspend = Step::<Endpoint>::Wait(told(reason::SUSPENDED), Waiting::Keep);
    let deleting = Step::<Endpoint>::Wait(told(reason::DELETING), Waiting::Working);
    let held = Step::<Endpoint>::Stall(told(reason::GUARD_TRIPPED));
    let policy = json!({"spec": {"managementPolicy": "Suspend"}});
    let annotation = json!({"metadata": {"annotations": {reason::annotation::SUSPEND: "true"}}});
    let leaving = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}});
    let none = json!({});
    let seen_before = |before, step| json!(after::<Endpoint>(before, step));
    let older = Before::Ready { generation: NOW - 1 };
    let rows = [
        ("in step", &none, ready.clone(), "Healthy", "UpToDate", Status::Current),
        ("drifted", &none, json!(drifted), "Healthy", WHY, Status::Current),
        (
            "observed and not there",
            &none,
            seen_before(Before::Nothing, &would_create),
            "Progressing",
            "WouldCreate",
            Status::InProgress,
        ),
        // Ready is kept, and so is what depends on it.
        (
            "suspended by the spec",
            &policy,
            seen_before(now, &suspend),
            "Suspended",
            "suspended",
            Status::Current,
        ),
        (
            "suspended by annotation",
            &annotation,
            seen_before(now, &suspend),
            "Suspended",
            "suspended",
            Status::Current,
        ),
        (
            "suspended before it was ready",
            &policy,
            seen_before(Before::Nothing, &suspend),
            "Suspended",
            "suspended",
            Status::InProgress,
        ),
        (
            "edited, not looked at yet",
            &none,
            json!(left_by::<Endpoint>(older)),
            "Progressing",
            "generation",
            Status::InProgress,
        ),
        (
            "mended, not looked at yet",
            &none,
            json!(left_by::<Endpoint>(Before::Stalled)),
            "Progressing",
            "generation",
            Status::InProgress,
        ),
        ("leaving", &leaving, seen_before(now, &deleting), "Progressing", "Deleting", Status::Terminating),
        (
            "held back while leaving",
            &leaving,
            seen_before(now, &held),
            "Progressing",
            WHY,
            Status::Terminating,
        ),
    ];
    let situation = |(name, meta, status, health, says, flux): (&str, &Value, Value, _, &str, _)| Situation {
        name: name.to_owned(),
        kind: Endpoint::KIND,
        object: object(Endpoint::KIND, meta, &status),
        health,
        says: says.to_owned(),
        flux,
    };
    rows.into_iter().map(situation).collect()
}

/// Every verdict on a login, with a session that works and without.
pub(super) fn of_a_workspace() -> Vec<Situation> {
    let waiting = || Verdict::Waiting { reason: reason::UNAVAILABLE, message: WHY.into() };
    let stalled = || Verdict::Stalled { reason: reason::UNAUTHORIZED, message: WHY.into() };
    let mut all = Vec::new();
    for kind in ["Workspace", "ClusterWorkspace"] {
        let mut add = |name: &str, status: &WorkspaceStatus, health, says: &str, flux| {
            let object = object(kind, &json!({}), &json!(status));
            let name = format!("{kind} {name}");
            all.push(Situation { name, kind, object, health, says: says.to_owned(), flux });
        };
        let ready = shown(WorkspaceStatus::default(), Verdict::Ready);
        add("logged in", &ready, "Healthy", "UpToDate", Status::Current);
        add(
            "a pause beside a session that works",
            &shown(ready.clone(), waiting()),
            "Healthy",
            "UpToDate",
            Status::Current,
        );
        add(
            "no login yet",
            &shown(WorkspaceStatus::default(), waiting()),
            "Progressing",
            "Unavailable",
            Status::InProgress,
        );
        // both tools would give up, and sync nothing until a person asks them to
        add(
            "its Secret is not there yet",
            &shown(WorkspaceStatus::default(), absent()),
            "Progressing",
            "ReferenceNotReady",
            Status::InProgress,
        );
        add("refused", &shown(ready.clone(), stalled()), "Degraded", "Unauthorized", Status::Failed);
        let mut guarded = ready;
        let trip =
            Trip { hash: Some("abc".into()), done: 3, asked: 4, objects: 4, limit: GuardLimit::default() };
        status::guard(&mut guarded, Some(&trip), "emnify.io/approve=", Some(NOW), Timestamp::UNIX_EPOCH);
        // Degraded would hold up the very sync that takes the change back.
        add("guard tripped", &guarded, "Healthy", "emnify.io/approve=abc", Status::Current);
    }
    all
}

fn shown(mut status: WorkspaceStatus, verdict: Verdict) -> WorkspaceStatus {
    let decision =
        Decision { serve: status.observed_generation.is_some(), step: Login::Rest, verdict, wake_at: None };
    let memory = Memory::default();
    let now = Timestamp::UNIX_EPOCH;
    let shown =
        Shown { decision: &decision, memory: &memory, current_login: None, generation: Some(NOW), now };
    status::show(&shown, &mut status);
    status
}

fn absent() -> Verdict {
    Verdict::Waiting { reason: reason::REFERENCE_NOT_READY, message: WHY.into() }
}

/// A manifest with more metadata or spec, and a status.
fn object(kind: &str, more: &Value, status: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "emnify.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": "a", "namespace": "fleet", "generation": NOW},
        "spec": more.get("spec").cloned().unwrap_or_else(|| json!({})),
        "status": status,
    });
    if let Some(more) = more["metadata"].as_object() {
        more.iter().for_each(|(key, value)| object["metadata"][key] = value.clone());
    }
    object
}

/// Created a moment ago.
pub(super) fn fresh(kind: &str) -> Value {
    let mut fresh = object(kind, &json!({}), &json!({}));
    fresh.as_object_mut().expect("an object is one").remove("status");
    fresh
}
