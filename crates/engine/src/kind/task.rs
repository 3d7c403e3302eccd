//! A task: one Kubernetes object that is carried out once, target by target.
//!
//! Its *progress* is in its status: which targets have their answer, and which may have been sent (the *window*). What is in no
//! window was certainly not sent, so that a process that dies at any moment sends nothing twice that must not be.
//!
//! [`Task`] is what a kind has to say. `decide::task` decides the next step, purely; the controller carries it out.

// the schema derive wraps each struct in a module of its own
#![allow(unreachable_pub)]

use std::{collections::BTreeMap, fmt::Debug, future::Future};

use emnify::{Api, Error};
use jiff::{SignedDuration, Timestamp};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Id, Input, Inputs, Invalid, Kind, Managed, Status,
    set::{Pool, TextRef},
};

/// Results that a status names.
pub const SHOWN_RESULTS: usize = 100;
/// Targets that one window holds at most.
pub const LARGEST_WINDOW: usize = 50;

/// A kind of object that is carried out once. Implementations are pure and stateless, but for the calls at the end.
pub trait Task: Kind<Status: TaskStatus> {
    /// What targets are, or what holds them.
    type Member: Managed;
    /// What members hold one of, and may be named by.
    type Pool: Managed;
    /// What is sent for one target. It prints no secret.
    type Call: Clone + Debug + Send + Sync + 'static;

    /// What it does concerns the whole organisation: who shares a workspace has to name the kind.
    const SENSITIVE: bool = false;
    /// Its objects may have a time to live after they finished, and are deleted then.
    const EXPIRES: bool = true;

    /// How it is carried out.
    fn terms(&self) -> Result<Terms, Invalid>;
    /// What it needs from outside before it can begin.
    fn inputs(&self) -> Vec<Input>;
    /// Text from the namespace that [`Task::targets`] reads: a list of ICCIDs in a `ConfigMap`.
    fn text(&self) -> Option<TextRef> {
        None
    }
    /// Whom it is about. Asked anew before each window.
    fn targets(&self, from: &Inputs, world: &World<'_, Self>) -> Result<Vec<Id>, Invalid>;
    /// The emnify object that a target is, and what it holds: whose objects have a say.
    fn concerns(&self, target: &Id, world: &World<'_, Self>) -> Vec<(&'static str, Id)>;
    /// Devices that a target disturbs, where it is not as many as the terms say.
    fn disturbs(&self, _target: &Id, _world: &World<'_, Self>) -> Option<u64> {
        None
    }
    /// What the target is called by people.
    fn display_name(&self, target: &Id, world: &World<'_, Self>) -> Option<String>;
    /// What to send for one target, or why it is left alone.
    fn prepare(&self, target: &Id, from: &Inputs, world: &World<'_, Self>) -> Result<Self::Call, Outcome>;
    /// Writes what a look at the object shows besides its progress.
    fn report(&self, status: &mut Self::Status);
    /// Writes what emnify told of a target, see [`Note::kept`].
    fn keep(_status: &mut Self::Status, _kept: &Value) {}

    /// Carries it out for one target. An error says that it was not carried out, or that nobody knows.
    fn send(api: &Api, target: &Id, call: &Self::Call)
    -> impl Future<Output = Result<Outcome, Error>> + Send;
    /// What became of a call whose answer is missing and that was sent at `since`, by emnify's clock, or later; `None` if it left no
    /// trace. Only asked where [`Again::Proof`] is said.
    fn prove(
        api: &Api,
        target: &Id,
        call: &Self::Call,
        since: Timestamp,
    ) -> impl Future<Output = Result<Option<Outcome>, Error>> + Send;
    /// What has become of work that [`Outcome::UnderWay`] told of, so long after; `None`: it still is.
    fn follow(
        &self,
        api: &Api,
        target: &Id,
        work: &Work,
        elapsed: SignedDuration,
    ) -> impl Future<Output = Result<Option<Outcome>, Error>> + Send;
}

/// How a task is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Nothing more is sent.
    pub suspend: bool,
    /// Targets per window.
    pub window: usize,
    /// It ends when so many failed; `None`: it goes on.
    pub max_failed: Option<Failures>,
    /// It does not begin before this time.
    pub not_before: Option<Timestamp>,
    /// What has not begun by this time never does.
    pub valid_until: Option<Timestamp>,
    /// What is left so many seconds after the start is not sent.
    pub active_seconds: Option<u32>,
    /// The object is deleted so many seconds after it finished.
    pub ttl_seconds: Option<u32>,
    /// It cannot be taken back, and needs the number of targets to be confirmed.
    pub irreversible: bool,
    /// The number of targets that was confirmed.
    pub confirmed: Option<u64>,
    /// Devices that each target disturbs.
    pub disturbs: u64,
    /// Its calls go one after another with others of this group.
    pub serial: Option<&'static str>,
    /// What happens to a target whose answer is missing.
    pub again: Again,
    /// Its one target is in no listing: none is read for it, nobody else can hold it, and what becomes of it becomes of the task.
    pub lone: bool,
}

/// How many targets may fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failures {
    /// So many.
    Count(u64),
    /// This part of all, in percent.
    Percent(u64),
}

impl Failures {
    /// So many of `total`.
    pub fn of(self, total: u64) -> u64 {
        match self {
            Self::Count(count) => count,
            Self::Percent(percent) => total.saturating_mul(percent) / 100,
        }
    }
}

/// What happens to a target whose answer is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// It is sent again: twice is as good as once.
    Yes,
    /// A reading tells.
    Proof,
    /// Nobody will know.
    Never,
}

/// What became of one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Carried out.
    Succeeded {
        /// Id of what it made.
        id: Option<String>,
        /// What emnify said of it.
        detail: Option<String>,
    },
    /// Carried out, and there is more to say of it.
    Noted(Note),
    /// Not carried out, and not tried again.
    Failed {
        /// A constant of [`super::reason`].
        reason: &'static str,
        /// What is wrong and how to mend it.
        message: String,
    },
    /// Left alone on purpose.
    Skipped {
        /// A constant of [`super::reason`].
        reason: &'static str,
        /// Why.
        message: String,
    },
    /// It may have been carried out, and nobody will know.
    Unknown(String),
    /// emnify took it and works on it: what becomes of it is followed.
    UnderWay(Work),
}

/// What is said of a target that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// A constant of [`super::reason`]; [`super::reason::COMPLETE`] where there is nothing unusual.
    pub reason: &'static str,
    /// For people.
    pub message: String,
    /// What emnify told once and the status keeps, in the kind's own words.
    pub kept: Option<Value>,
}

/// What emnify works on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// Its id in emnify.
    pub id: String,
    /// What it is part of, where its id alone does not say.
    pub within: Option<Id>,
}

impl Outcome {
    /// Carried out, and there is no more to say.
    pub const DONE: Self = Self::Succeeded { id: None, detail: None };
}

/// What a task sees of emnify and of its namespace.
#[allow(missing_debug_implementations, reason = "it borrows mirrors")]
pub struct World<'a, T: Task> {
    /// Whatever may be a member, complete.
    pub members: &'a dyn Pool<T::Member>,
    /// The pool, complete.
    pub pool: &'a dyn Pool<T::Pool>,
    /// Objects of the namespace.
    pub here: &'a dyn Here,
    /// What [`Task::text`] names.
    pub text: Option<&'a str>,
    /// It has begun: whom it names and is gone was done, or left.
    pub begun: bool,
    /// E-mail addresses, in lower case, of the people that logins of the organisation are.
    pub own_users: Vec<String>,
    /// The login is a person's, not an application's.
    pub as_user: bool,
}

/// What a labelled object has.
pub type Labels = BTreeMap<String, String>;

/// Objects of a task's namespace, and those that have what they ask about.
pub trait Here {
    /// Ids of the emnify objects of `kind` that objects of the namespace stand for whose labels pass.
    fn labelled(&self, kind: &str, passes: &dyn Fn(&Labels) -> bool) -> Vec<Id>;
    /// Ids of the members of a set of the namespace; `None` if there is no such set.
    fn members(&self, kind: &str, name: &str) -> Option<Vec<Id>>;
    /// The object that sets one of these fields of an emnify object: the kind of the object, and a JSON pointer into its spec.
    fn manager(&self, of: (&'static str, &Id), fields: &[(&str, &str)]) -> Option<String>;
}

/// A status with progress in it.
pub trait TaskStatus: Status {
    /// How far it is.
    fn progress(&self) -> &Progress;
    /// How far it is, to write.
    fn progress_mut(&mut self) -> &mut Progress;
}

/// How far a task is: flattened into its status.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// `Pending`, `Suspended`, `Running`, `Complete` or `Failed`: for people; conditions say the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// When it began, RFC 3339. From then on target and action do not change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// Generation that it began with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_generation: Option<i64>,
    /// When it finished, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<String>,
    /// Targets, counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets: Option<TargetCounts>,
    /// Targets are taken by ascending id; up to here all have their answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// What may have been sent and has no answer here yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// What became of each target while there are at most 100 of them; of more, those that did not succeed, the first 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = SHOWN_RESULTS))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub results: Vec<TargetResult>,
    /// How far it is, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Targets, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetCounts {
    /// All, when it began.
    pub total: i64,
    /// Carried out.
    pub succeeded: i64,
    /// Not carried out.
    pub failed: i64,
    /// Perhaps carried out: look at them.
    pub unknown: i64,
    /// Left alone on purpose.
    pub skipped: i64,
}

impl TargetCounts {
    /// Those that have an answer.
    pub fn answered(&self) -> i64 {
        self.succeeded + self.failed + self.unknown + self.skipped
    }
}

/// Targets that may have been sent. It is written before any of them is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// Their ids.
    #[schemars(length(max = LARGEST_WINDOW))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub targets: Vec<String>,
    /// When it was opened, RFC 3339, by emnify's clock.
    pub since: String,
    /// Unique to this window, so that a process knows its own.
    pub nonce: String,
}

/// What became of one target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetResult {
    /// Its id in emnify.
    pub target: String,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `Succeeded`, `Failed`, `Skipped` or `Unknown`.
    pub state: String,
    /// Why, where it did not succeed, or not as usual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What is wrong and how to mend it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Id in emnify of what it made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What emnify said of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}
