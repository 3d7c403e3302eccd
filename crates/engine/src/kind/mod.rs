//! The contract of a kind: what differs between kinds, and nothing else.

mod batch;
pub mod census;
mod change;
pub mod cron;
pub mod decoded;
pub(crate) mod description;
mod inputs;
pub mod managed;
pub mod mark;
pub mod message;
pub(crate) mod object_key;
pub mod reason;
pub mod record;
mod record_change;
pub(crate) mod relations;
pub mod secret;
pub mod set;
mod shown;
pub mod spec;
pub mod task;
pub mod trigger;

use std::{
    collections::{BTreeMap, HashMap},
    fmt::{self, Debug, Display},
    hash::Hash,
    time::Duration,
};

use emnify::Error;
use jiff::Timestamp;
use kube::{CustomResourceExt, core::NamespaceResourceScope};
use secrecy::SecretString;
use serde::{Serialize, de::DeserializeOwned};

use self::spec::{AdoptionPolicy, CommonSpec, CommonStatus, WorkspaceRef};
pub use self::{
    batch::Batch,
    change::{BatchKey, Change, Class, Diff, FieldDiff, Verb, misuse, request},
    description::Description,
    inputs::{Input, Inputs, Invalid, LookupRow, Source, Table},
    managed::{Context, Have, Managed, Phase, Reply, Veto},
    record_change::{Applied, FieldChange, RecordChange, SubChange},
    shown::Shown,
};

/// Identity of an emnify object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Id {
    /// Most families.
    Int(i64),
    /// UUIDs and opaque path segments.
    Text(String),
}

impl Id {
    /// Reads what a status or a spec holds; digits become a number.
    pub fn parse(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Text(text.to_owned()), Self::Int)
    }

    /// The number, if it is one.
    pub fn int(&self) -> Option<i64> {
        match self {
            Self::Int(n) => Some(*n),
            Self::Text(_) => None,
        }
    }

    /// The number that most families take; an id that is none cannot exist there.
    pub fn number(&self) -> Result<i64, Error> {
        self.int().ok_or_else(|| Error::NotFound { message: format!("{self} is not a numeric id") })
    }
}

impl From<Id> for String {
    fn from(id: Id) -> Self {
        id.to_string()
    }
}

impl Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(n) => write!(f, "{n}"),
            Self::Text(s) => f.write_str(s),
        }
    }
}

impl From<i64> for Id {
    fn from(n: i64) -> Self {
        Self::Int(n)
    }
}

/// An entry of the mirror's key index: the name of the key and its value, such as `("iccid", "8988..")`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Which key; a constant of the kind.
    pub name: &'static str,
    /// Its value.
    pub value: String,
}

impl Key {
    /// The key every kind with display names indexes, for `externalName` references.
    pub const NAME: &'static str = "name";

    /// A key.
    pub fn new(name: &'static str, value: impl Into<String>) -> Self {
        Self { name, value: value.into() }
    }
}

/// What an event, a record or an alert speaks of. emnify does not always name the object itself: of a device it may tell by
/// its SIM alone. [R]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The object with this id.
    Id(Id),
    /// Whatever the mirror knows to carry this key.
    Key(Key),
}

/// How to recognise the emnify object that a spec without a known id means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Find {
    /// A natural key: what carries it is the object meant, but not necessarily ours. Adoption policy applies.
    Natural(Key),
    /// Our mark or nonce: what carries it is ours.
    Trace(Key),
}

impl Find {
    /// The key to look up.
    pub fn key(&self) -> &Key {
        match self {
            Self::Natural(key) | Self::Trace(key) => key,
        }
    }
}

/// Kubernetes side of a kind: a namespaced custom resource with the common fields.
pub trait Kind:
    kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + CustomResourceExt
    + Clone
    + Debug
    + Serialize
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
    /// The status type.
    type Status: Status;
    /// Kind name, as in manifests.
    const KIND: &'static str;
    /// Policy fields.
    fn common(&self) -> &CommonSpec;
    /// The workspace that the spec names.
    fn workspace_ref(&self) -> Option<&WorkspaceRef> {
        self.common().workspace_ref.as_ref()
    }
    /// What was last written, if anything.
    fn status(&self) -> Option<&Self::Status>;
    /// Dates in the spec after which it means something else. One that passes counts as an edit of the spec, once.
    fn dates(&self, _now: Timestamp) -> Dates {
        Dates::default()
    }
}

/// The dates of a spec around a moment, such as the end of a contract.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dates {
    /// The last one that has passed.
    pub passed: Option<Timestamp>,
    /// The next one.
    pub next: Option<Timestamp>,
}

impl Dates {
    /// Those of `all` around `now`; what happens at a date holds from then on.
    pub fn around(all: impl IntoIterator<Item = Timestamp>, now: Timestamp) -> Self {
        let (passed, next): (Vec<_>, Vec<_>) = all.into_iter().partition(|date| *date <= now);
        Self { passed: passed.into_iter().max(), next: next.into_iter().min() }
    }

    /// Whether the last date that passed is the one that was carried out.
    pub fn are_settled(&self, common: &CommonStatus) -> bool {
        // as instants: a date may be written in more than one way
        common.settled_date.as_ref().and_then(|date| date.parse().ok()) == self.passed
    }
}

/// A status with the common fields in it.
pub trait Status:
    Clone + Debug + Default + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// The common fields.
    fn common(&self) -> &CommonStatus;
    /// The common fields, to write.
    fn common_mut(&mut self) -> &mut CommonStatus;
}

/// Implements [`Kind`] and [`Status`] for a custom resource whose spec and status flatten a field `common`. A third name is
/// the method of the spec that [`Kind::dates`] asks.
#[macro_export]
macro_rules! kind {
    ($kind:ident, $status:ident $(, $dates:ident)?) => {
        impl $crate::kind::Kind for $kind {
            type Status = $status;
            const KIND: &'static str = stringify!($kind);
            fn common(&self) -> &$crate::kind::spec::CommonSpec {
                &self.spec.common
            }
            fn status(&self) -> Option<&$status> {
                self.status.as_ref()
            }
            $(fn dates(&self, now: ::jiff::Timestamp) -> $crate::kind::Dates {
                self.spec.$dates(now)
            })?
        }
        impl $crate::kind::Status for $status {
            fn common(&self) -> &$crate::kind::spec::CommonStatus {
                &self.common
            }
            fn common_mut(&mut self) -> &mut $crate::kind::spec::CommonStatus {
                &mut self.common
            }
        }
    };
}

/// Finalizer on every object that the operator may have to clean up after.
pub const FINALIZER: &str = "emnify.io/finalizer";

/// What never changes about a kind.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// The API has a read of one object; otherwise a second sweep proves absence.
    pub has_read: bool,
    /// Writes of kinds that share a group are sent one after another.
    pub serial: Option<&'static str>,
    /// Time between two sweeps of the listing.
    pub sweep_every: Duration,
    /// Parts of bound objects older than this are read again, slowly.
    pub scrub_every: Duration,
    /// What holds when the spec names no adoption policy.
    pub adoption: AdoptionPolicy,
    /// An intent is recorded before a create: what it made has no natural key, or only the answer tells that it is ours, to be
    /// deleted with the object.
    pub needs_intent: bool,
}

impl Facts {
    /// Those of most records: few, rarely changed, and without a mark, so that only the answer to a create tells ours from what
    /// was there. Where emnify has no read of one, the collection reads the listing.
    pub const RECORD: Self = Self {
        has_read: true,
        serial: None,
        sweep_every: Duration::from_secs(15 * 60),
        scrub_every: Duration::from_secs(24 * 60 * 60),
        adoption: AdoptionPolicy::Never,
        needs_intent: true,
    };
}

/// What our output Secret holds.
#[derive(Clone, Debug, Default)]
pub struct Output {
    /// Its values.
    pub data: HashMap<String, SecretString>,
    /// Its annotations, such as the id that the values belong to.
    pub annotations: BTreeMap<String, String>,
}

/// Where a kind puts secrets that emnify shows once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputRef {
    /// Name of the Secret in the object's namespace.
    pub name: String,
    /// The Secret outlives the object.
    pub keep: bool,
}

/// What an event of the emnify log says about an object of a kind.
#[derive(Clone, Debug, PartialEq)]
pub struct EventEffect<P> {
    /// What it speaks of.
    pub of: Subject,
    /// What may be stored at once, when newer than what is known.
    pub news: Option<P>,
}

/// Something that people should know about an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// What it speaks of.
    pub of: Subject,
    /// A constant of [`crate::kind::reason`].
    pub reason: &'static str,
    /// For people.
    pub note: String,
    /// Alerts with the same key are one, whoever sees them how often.
    pub key: String,
}

/// A warning that is said once of an object, whatever process says it.
#[derive(Clone, Copy, Debug)]
pub struct Warning<'a> {
    /// A constant of [`crate::kind::reason`].
    pub reason: &'static str,
    /// For people.
    pub note: &'a str,
    /// Warnings of one object with the same key are one.
    pub key: &'a str,
}

impl<'a> From<&'a Alert> for Warning<'a> {
    fn from(Alert { reason, note, key, .. }: &'a Alert) -> Self {
        Self { reason, note, key }
    }
}
