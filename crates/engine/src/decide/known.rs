//! What a decision is made from, and what it can be.

use std::{fmt::Display, time::Duration};

use jiff::{SignedDuration, Timestamp};

use super::error_policy::{Effect, Waiting};
use crate::{
    kind::{
        Context, Have, Id, Invalid, Key, Managed,
        relations::Users,
        spec::{CommonSpec, CommonStatus, Provenance},
    },
    session::{
        Access,
        claims::Owner,
        guard::Tripped,
        mirror::{self, UnderWay},
    },
};

/// May these changes disturb as many devices as they would?
pub type Guarding<'a, C> = dyn Fn(&[C]) -> Result<(), Tripped> + 'a;

/// Another object here has in emnify what this one wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elsewhere {
    /// Which one.
    pub owner_name: String,
    /// What it has, such as `sim 7`.
    pub what: String,
    /// It is not about to let go of it.
    pub stays: bool,
    /// What this one has, no longer wants, and somebody else here does: it lets go of that first.
    pub exchange: Option<Key>,
}

/// What Kubernetes says about the object.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own about the object")]
pub struct Subject<'a> {
    /// Why it could not be decoded.
    pub undecodable: Option<&'a str>,
    /// Policies.
    pub common: &'a CommonSpec,
    /// Last status.
    pub status: &'a CommonStatus,
    /// `metadata.generation`.
    pub generation: Option<i64>,
    /// `metadata.deletionTimestamp` is set.
    pub deleting: bool,
    /// Our finalizer is there.
    pub finalizer: bool,
    /// The annotation `emnify.io/suspend` is `"true"`.
    pub suspended: bool,
    /// The annotation `emnify.io/force-orphan` is `"true"`.
    pub force_orphan: bool,
}

/// The workspace the object belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Workspace {
    /// Missing, or its credentials do not work; the text says which.
    NotReady(String),
    /// Logged in.
    Ready {
        /// The organisation.
        organisation: String,
    },
}

impl Workspace {
    /// By the session that it leads to.
    pub(crate) fn of<E: Display>(state: &Result<Access, E>) -> Self {
        match state {
            Ok(access) => Self::Ready { organisation: access.session.organisation.clone() },
            Err(why) => Self::NotReady(why.to_string()),
        }
    }
}

/// The spec as a request.
#[derive(Clone, Debug)]
pub enum Wanted<W> {
    /// All inputs were found.
    Ready(W),
    /// A reference is missing, deleting, or has no id in this session; the text names it.
    ReferenceNotReady(String),
    /// A table or a mirror that an input needs is not read yet.
    Observing(String),
    /// It cannot be one.
    Invalid(Invalid),
}

/// What is known of the emnify object.
#[derive(Debug)]
pub enum Seen<K: Managed> {
    /// The listing is not complete.
    Unknown,
    /// Something says that this entry may be wrong: read it.
    Doubt(Id),
    /// Proven not to exist.
    Absent,
    /// It exists.
    Present(Match<K>),
    /// Several could be meant.
    Several(Vec<Id>),
}

/// An emnify object and how it was recognised.
#[derive(Debug)]
pub struct Match<K: Managed> {
    /// Its id.
    pub id: Id,
    /// What is known of it.
    pub have: Have<K>,
    /// It carries our mark, or an open intent made it.
    pub ours: bool,
    /// Only its name and the installation's mark say that it may be meant.
    pub likely: bool,
    /// It carries another installation's or object's mark.
    pub foreign: Option<String>,
    /// Pieces that must be read before it can be compared.
    pub missing: Vec<K::Part>,
}

/// An intent that is written in the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntentState {
    /// None is open.
    None,
    /// Recorded by this process and certainly not sent.
    Unsent,
    /// It was part of a bulk call that was refused, and made nothing as far as is known: as good as unsent, but what
    /// does turn up is ours.
    Refused,
    /// It may have been sent, and its deadline has not passed in a complete listing.
    Open,
    /// It may have been sent, and a complete listing begun after its deadline shows nothing it made.
    Lapsed,
}

/// The output Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretState {
    /// The kind has none.
    NotNeeded,
    /// Not read yet.
    Unknown,
    /// Does not exist.
    Missing,
    /// Ours.
    Ours,
    /// Of an earlier object of this kind and name, which is gone: after a restore from a backup it is taken over.
    Restored,
    /// Somebody else's.
    Foreign,
}

/// A failed attempt that is not over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Reason for conditions.
    pub reason: &'static str,
    /// For people.
    pub message: String,
    /// What becomes of `Ready`.
    pub effect: Effect,
    /// No attempt before this time.
    pub until: Timestamp,
}

/// Everything else the decision needs.
pub struct Knowledge<'a, K: Managed> {
    /// Its workspace.
    pub workspace: Workspace,
    /// The spec as a request.
    pub wanted: Wanted<K::Want>,
    /// Its emnify object.
    pub seen: Seen<K>,
    /// The intent in the status.
    pub intent: IntentState,
    /// Another object with a better claim to the same emnify object or right.
    pub owner: Option<Owner>,
    /// The object here that a mark names is being deleted.
    pub goes: &'a dyn Fn(&str) -> bool,
    /// What it wants is still elsewhere.
    pub elsewhere: Option<Elsewhere>,
    /// Its output Secret.
    pub secret: SecretState,
    /// Bound objects that refer to it.
    pub used_by: Vec<String>,
    /// Who uses the emnify object there; `None` before that is listed.
    pub users: &'a dyn Fn(&Id) -> Option<Users>,
    /// Somebody may still use this, which the object has replaced by another one.
    pub holds_on: &'a dyn Fn(&Id) -> bool,
    /// The guard's answer: `Err` with the text of the trip.
    pub guard: &'a Guarding<'a, K::Change>,
    /// Digest of a change with the ids its references mean.
    pub digest: &'a dyn Fn(&K::Change) -> String,
    /// The change was accepted and undone too often in a row to be sent now.
    pub undone: &'a dyn Fn(&K::Change) -> bool,
    /// How far emnify is with a change of the object that it accepted.
    pub under_way: &'a dyn Fn(&Id, &K::Change) -> Option<UnderWay>,
    /// Nobody has this in emnify, and nobody else here wants it.
    pub free: &'a dyn Fn(&Key) -> bool,
    /// The last failure.
    pub trouble: Option<Trouble>,
    /// The kind's CRD is being deleted: orphan.
    pub crd_terminating: bool,
    /// What diffs may depend on.
    pub context: Context<'a, K>,
}

/// Reason and text of a wait or a stall.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// A constant of [`reason`].
    pub reason: &'static str,
    /// Deterministic text for people: what is wrong and how to mend it.
    pub message: String,
}

impl Explanation {
    pub(crate) fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

/// emnify works on an object, which is read again and again until it is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Busy {
    /// What is waited for.
    pub told: Explanation,
    /// What becomes of `Ready`.
    pub waiting: Waiting,
    /// The object is read so long after it was read last.
    pub poll: Duration,
    /// Look again at this time whatever the poll shows.
    pub wake_at: Option<Timestamp>,
}

/// Who waits for longer than [`LONG`] is read so often.
const RARELY: Duration = Duration::from_secs(300);
const LONG: SignedDuration = SignedDuration::from_secs(3_600);

impl Busy {
    /// What begins is likely to be over soon; what takes days, as a customer's consent does, is not asked for every minute.
    pub(crate) fn waits_since(&mut self, since: Timestamp, now: Timestamp) {
        let waited = now.duration_since(since);
        self.poll = if waited >= LONG {
            self.poll.max(RARELY)
        } else {
            self.poll.min(mirror::poll(waited.unsigned_abs()))
        };
    }

    /// How long until the next read of an object that was read so long ago.
    pub(crate) fn rest(&self, age: Option<Duration>) -> Duration {
        self.poll.saturating_sub(age.unwrap_or(Duration::MAX))
    }
}

impl<K: Managed> Step<K> {
    /// A wait, or a stall where a person must act.
    pub(crate) fn told(told: Explanation, effect: Effect) -> Self {
        match effect {
            Effect::Stalled => Self::Stall(told),
            Effect::Keep => Self::Wait(told, Waiting::Keep),
            Effect::Working => Self::Wait(told, Waiting::Working),
        }
    }

    /// Its name, and the reason that it tells, for what counts steps.
    pub fn name(&self) -> (&'static str, &'static str) {
        match self {
            Self::Nothing => ("Nothing", ""),
            Self::RemoveFinalizer { .. } => ("RemoveFinalizer", ""),
            Self::LeaveBehind(_) => ("LeaveBehind", ""),
            Self::AddFinalizer => ("AddFinalizer", ""),
            Self::Wait(told, _) => ("Wait", told.reason),
            Self::Stall(told) => ("Stall", told.reason),
            Self::Read(_) => ("Read", ""),
            Self::ReadParts(..) => ("ReadParts", ""),
            Self::Bind { .. } => ("Bind", ""),
            Self::ClearIntent => ("ClearIntent", ""),
            Self::RecordIntent => ("RecordIntent", ""),
            Self::ReserveSecret => ("ReserveSecret", ""),
            Self::Create(_) => ("Create", ""),
            Self::Apply(..) => ("Apply", ""),
            Self::Retire(..) => ("Retire", ""),
            Self::Differs { told, .. } => ("Differs", told.reason),
            Self::Busy { busy, .. } => ("Busy", busy.told.reason),
            Self::Broken { told, .. } => ("Broken", told.reason),
            Self::UpToDate { .. } => ("UpToDate", ""),
        }
    }
}

/// The next step; each is at most one write to either side.
#[derive(Debug)]
pub enum Step<K: Managed> {
    /// Nothing, and nothing is written.
    Nothing,
    /// Let the object go; the emnify object stays if `orphaned`.
    RemoveFinalizer {
        /// Something is left behind.
        orphaned: bool,
    },
    /// Let the object go though it was to be deleted, which emnify refuses for good; the text says who is in the way.
    LeaveBehind(String),
    /// Before any side effect.
    AddFinalizer,
    /// Something else has to happen first.
    Wait(Explanation, Waiting),
    /// A person must act.
    Stall(Explanation),
    /// Read one object.
    Read(Id),
    /// Read pieces of one object.
    ReadParts(Id, Vec<K::Part>),
    /// Write the id into the status and clear the intent.
    Bind {
        /// The emnify object.
        id: Id,
        /// How it came to be ours.
        provenance: Provenance,
    },
    /// The intent made nothing.
    ClearIntent,
    /// Write an intent into the status.
    RecordIntent,
    /// Create the empty output Secret.
    ReserveSecret,
    /// Send the create.
    Create(K::Change),
    /// Send the changes, first one first.
    Apply(Id, Vec<K::Change>),
    /// Send what retires the object, first one first.
    Retire(Id, Vec<K::Change>),
    /// Differences that are reported and not corrected.
    Differs {
        /// The object, unless it does not exist.
        have: Option<Have<K>>,
        /// [`reason::DRIFTED`] or [`reason::WOULD_CREATE`].
        told: Explanation,
    },
    /// emnify is not done with it.
    Busy {
        /// What is known.
        have: Have<K>,
        /// Pieces that are read with it.
        parts: Vec<K::Part>,
        /// What is waited for, and how often it is read.
        busy: Box<Busy>,
    },
    /// emnify gave it up, and a person must act.
    Broken {
        /// What is known.
        have: Have<K>,
        /// What is wrong.
        told: Explanation,
        /// Look again at this time.
        wake_at: Option<Timestamp>,
    },
    /// In step.
    UpToDate {
        /// What is known.
        have: Have<K>,
        /// Look again at this time.
        wake_at: Option<Timestamp>,
    },
}
