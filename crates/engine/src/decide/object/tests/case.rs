//! One situation: an object in step with emnify, of which a test changes what it is about.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::{
    decide::{
        conditions,
        error_policy::Effect,
        known::{
            Elsewhere, IntentState, Knowledge, Match, SecretState, Seen, Step, Subject, Trouble, Wanted,
            Workspace,
        },
        object::next_step,
        ready,
    },
    kind::{
        Context, Have, Id,
        reason::{self, condition},
        relations::Users,
        spec::{CommonSpec, CommonStatus, Intent, Provenance, Rejected},
    },
    session::{claims::Owner, guard::Tripped, mirror::UnderWay},
    toy::{Toy, ToyChange, ToyParts, ToyRow, ToyStatus, ToyWant},
};

pub(super) const ID: i64 = 7;
pub(super) const GENERATION: i64 = 3;
pub(super) const NOW: &str = "2026-05-01T12:00:00Z";
pub(super) const MARK: &str = "[k8s prod/ns/a]";

/// What the conditions must say: `Ready`, `Reconciling`, `Stalled`; `None` where there is no such condition.
pub(super) type Shown = (Option<bool>, Option<bool>, Option<bool>);

pub(super) const READY: Shown = (Some(true), None, None);
pub(super) const WORKING: Shown = (Some(false), Some(true), None);
pub(super) const STALLED: Shown = (Some(false), None, Some(true));
pub(super) const NOT_THERE: Shown = (Some(false), None, None);
pub(super) const SILENT: Shown = (None, None, None);

#[allow(clippy::struct_excessive_bools, reason = "it mirrors what it is about")]
pub(super) struct Case {
    pub(super) common: CommonSpec,
    pub(super) status: CommonStatus,
    pub(super) deleting: bool,
    pub(super) finalizer: bool,
    pub(super) suspended: bool,
    pub(super) force_orphan: bool,
    pub(super) undecodable: Option<&'static str>,
    pub(super) workspace: Workspace,
    pub(super) wanted: Wanted<ToyWant>,
    pub(super) seen: Seen<Toy>,
    pub(super) intent: IntentState,
    pub(super) owner: Option<Owner>,
    pub(super) goes: bool,
    pub(super) object_created: Option<Timestamp>,
    pub(super) secret: SecretState,
    pub(super) used_by: Vec<String>,
    pub(super) users: Option<Users>,
    pub(super) guard: Result<(), Tripped>,
    pub(super) undone: bool,
    pub(super) under_way: Option<UnderWay>,
    pub(super) elsewhere: Option<Elsewhere>,
    pub(super) trouble: Option<Trouble>,
    pub(super) crd_terminating: bool,
    pub(super) edited: bool,
}

pub(super) fn now() -> Timestamp {
    NOW.parse().unwrap()
}

pub(super) fn want() -> ToyWant {
    ToyWant { name: Some("a".into()), mark: Some(MARK.into()), ..ToyWant::default() }
}

pub(super) fn row() -> ToyRow {
    ToyRow { id: ID, name: "a".into(), note: MARK.into(), ..ToyRow::default() }
}

pub(super) fn found(row: ToyRow) -> Match<Toy> {
    let have = Have {
        row: Arc::new(row),
        parts: Arc::new(ToyParts { read: true, ..ToyParts::default() }),
        output: None,
    };
    Match { id: Id::Int(ID), have, ours: true, likely: false, foreign: None, missing: Vec::new() }
}

/// An emnify object without our mark.
pub(super) fn strangers() -> Match<Toy> {
    Match { ours: false, ..found(ToyRow { note: String::new(), ..row() }) }
}

/// An emnify object that another installation has marked.
pub(super) fn foreign() -> Match<Toy> {
    Match { foreign: Some("other/ns/a".into()), ..strangers() }
}

/// A failure whose pause ends in so many seconds.
pub(super) fn trouble(reason: &'static str, effect: Effect, seconds: i64) -> Trouble {
    let until = now().checked_add(SignedDuration::from_secs(seconds)).unwrap();
    Trouble { reason, message: "as emnify said".into(), effect, until }
}

/// An object that is bound and as it should be.
pub(super) fn bound() -> Case {
    Case {
        common: CommonSpec::default(),
        status: CommonStatus {
            id: Some(ID.to_string()),
            organisation_id: Some("42".into()),
            provenance: Some(Provenance::Created),
            ..CommonStatus::default()
        },
        deleting: false,
        finalizer: true,
        suspended: false,
        force_orphan: false,
        undecodable: None,
        workspace: Workspace::Ready { organisation: "42".into() },
        wanted: Wanted::Ready(want()),
        seen: Seen::Present(found(row())),
        intent: IntentState::None,
        owner: None,
        goes: false,
        object_created: None,
        secret: SecretState::NotNeeded,
        used_by: Vec::new(),
        users: Some(Users::default()),
        guard: Ok(()),
        undone: false,
        under_way: None,
        elsewhere: None,
        trouble: None,
        crd_terminating: false,
        edited: false,
    }
}

/// An object that was just applied; emnify has nothing like it.
pub(super) fn fresh() -> Case {
    unbound(Seen::Absent)
}

/// An object without an id, of whose emnify object this is known.
pub(super) fn unbound(seen: Seen<Toy>) -> Case {
    Case { status: CommonStatus::default(), seen, edited: true, ..bound() }
}

/// A bound object that is being deleted.
pub(super) fn leaving() -> Case {
    Case { deleting: true, ..bound() }
}

/// With an intent in the status that is in this state.
pub(super) fn with_intent(case: Case, state: IntentState) -> Case {
    let intent = Some(Box::new(Intent { nonce: "n".into(), since: NOW.into() }));
    Case { intent: state, status: CommonStatus { intent, ..case.status.clone() }, ..case }
}

/// With other policies.
pub(super) fn policy(case: Case, set: impl FnOnce(&mut CommonSpec)) -> Case {
    let mut common = case.common.clone();
    set(&mut common);
    Case { common, ..case }
}

/// With another spec.
pub(super) fn wanting(case: Case, change: impl FnOnce(&mut ToyWant)) -> Case {
    let mut wanted = want();
    change(&mut wanted);
    Case { wanted: Wanted::Ready(wanted), ..case }
}

/// A bound object of which emnify has this.
pub(super) fn present(row: ToyRow) -> Case {
    Case { seen: Seen::Present(found(row)), ..bound() }
}

/// A bound object whose name differs.
pub(super) fn renamed() -> Case {
    wanting(bound(), |w| w.name = Some("b".into()))
}

impl Case {
    pub(super) fn decide(self) -> Step<Toy> {
        let subject = Subject {
            undecodable: self.undecodable,
            common: &self.common,
            status: &self.status,
            generation: Some(GENERATION),
            deleting: self.deleting,
            finalizer: self.finalizer,
            suspended: self.suspended,
            force_orphan: self.force_orphan,
        };
        let guard = |_: &[ToyChange]| self.guard.clone();
        let digest = |change: &ToyChange| format!("{change:?}");
        let undone = |_: &ToyChange| self.undone;
        let known = Knowledge {
            workspace: self.workspace,
            wanted: self.wanted,
            seen: self.seen,
            intent: self.intent,
            owner: self.owner,
            goes: &|_| self.goes,
            secret: self.secret,
            used_by: self.used_by,
            users: &|_| self.users.clone(),
            holds_on: &|_| false,
            guard: &guard,
            digest: &digest,
            undone: &undone,
            under_way: &|_, _| self.under_way,
            free: &|_| true,
            elsewhere: self.elsewhere,
            trouble: self.trouble,
            crd_terminating: self.crd_terminating,
            context: Context {
                now: now(),
                object_created: self.object_created,
                status: None,
                edited: self.edited,
                factory_test: false,
                own_tokens: Vec::new(),
                own_users: Vec::new(),
                as_user: false,
            },
        };
        next_step(&subject, known)
    }

    /// Remembers that emnify refused this change.
    pub(super) fn rejected(mut self, change: &ToyChange) -> Self {
        self.status.rejected = Some(Box::new(Rejected {
            digest: format!("{change:?}"),
            message: "emnify said no".into(),
            tries: Some(1),
            not_before: Some("2026-05-01T12:10:00Z".into()),
        }));
        self
    }

    /// The step in one word, with the reason where it has one.
    pub(super) fn word(self) -> String {
        word(&self.decide())
    }

    /// What a person is told.
    pub(super) fn message(self) -> String {
        match self.decide() {
            Step::Wait(told, _)
            | Step::Stall(told)
            | Step::Broken { told, .. }
            | Step::Differs { told, .. } => told.message,
            Step::Busy { busy, .. } => busy.told.message,
            other => panic!("{} tells nothing", word(&other)),
        }
    }
}

/// A step in one word, with the reason where it has one.
pub(super) fn word(step: &Step<Toy>) -> String {
    match step {
        Step::Nothing => "nothing".into(),
        Step::RemoveFinalizer { orphaned: true } => "orphan".into(),
        Step::RemoveFinalizer { orphaned: false } => "remove finalizer".into(),
        Step::LeaveBehind(why) => format!("leave behind for {why}"),
        Step::AddFinalizer => "add finalizer".into(),
        Step::Wait(told, _) => format!("wait {}", told.reason),
        Step::Stall(told) => format!("stall {}", told.reason),
        Step::Read(id) => format!("read {id}"),
        Step::ReadParts(id, _) => format!("read parts of {id}"),
        Step::Bind { id, provenance } => format!("bind {id} {provenance:?}"),
        Step::ClearIntent => "clear intent".into(),
        Step::RecordIntent => "record intent".into(),
        Step::ReserveSecret => "reserve secret".into(),
        Step::Create(_) => "create".into(),
        Step::Apply(_, changes) => format!("apply {}", changes[0]),
        Step::Retire(_, changes) => format!("retire {}", changes[0]),
        Step::Differs { told, .. } => format!("differs {}", told.reason),
        Step::Busy { busy, .. } => format!("busy {}", busy.told.reason),
        Step::Broken { told, .. } => format!("broken {}", told.reason),
        Step::UpToDate { .. } => "up to date".into(),
    }
}

/// What the conditions say after `step`, starting from `before`.
pub(super) fn shown(step: &Step<Toy>, before: Vec<Condition>) -> Shown {
    let mut status = ToyStatus::default();
    status.common.conditions = before;
    ready::conditions(step, Some(GENERATION), &mut status, now());
    let says = |kind| conditions::get(&status.common.conditions, kind).map(|c| c.status == "True");
    let shown = (says(condition::READY), says(condition::RECONCILING), says(condition::STALLED));
    assert!(
        !(shown.0 == Some(true) && (shown.1, shown.2) != (None, None)),
        "Ready excludes the others: {shown:?}"
    );
    assert!(!(shown.1.is_some() && shown.2.is_some()), "never Reconciling and Stalled at once");
    assert!(shown.1 != Some(false) && shown.2 != Some(false), "they exist only while true");
    if !matches!(step, Step::Nothing | Step::RemoveFinalizer { .. } | Step::LeaveBehind(_)) {
        assert_eq!(
            status.common.observed_generation,
            Some(GENERATION),
            "every look moves observedGeneration"
        );
    }
    shown
}

/// `Ready=True` of a generation.
pub(super) fn ready_of(generation: i64) -> Vec<Condition> {
    let mut all = Vec::new();
    let wanted =
        conditions::Wanted { kind: condition::READY, status: true, reason: reason::UP_TO_DATE, message: "" };
    conditions::set(&mut all, &wanted, Some(generation), Timestamp::UNIX_EPOCH);
    all
}
