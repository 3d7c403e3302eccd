//! The contract of a kind: what differs between kinds, and nothing else.

pub mod census;
mod change;
pub mod decoded;
mod inputs;
pub mod mark;
pub mod object_key;
pub mod reason;
pub mod relations;
pub mod set;
pub mod spec;

use std::{
    collections::{BTreeMap, HashMap},
    fmt::{self, Debug, Display},
    hash::Hash,
    sync::Arc,
    time::Duration,
};

use emnify::{
    Api, Cursor, Error, Page,
    wire::event::{Event, Record},
};
use futures::future::BoxFuture;
use jiff::Timestamp;
use kube::{CustomResourceExt, core::NamespaceResourceScope};
use secrecy::SecretString;
use serde::{Serialize, de::DeserializeOwned};

use self::spec::{AdoptionPolicy, CommonSpec, CommonStatus, Intent};
pub use self::{
    change::{BatchKey, Change, Class, Diff, FieldDiff, Verb},
    inputs::{Input, Inputs, Invalid, LookupRow, Source, Table},
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
    /// What was last written, if anything.
    fn status(&self) -> Option<&Self::Status>;
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

/// Implements [`Kind`] and [`Status`] for a custom resource whose spec and status flatten a field `common`.
#[macro_export]
macro_rules! kind {
    ($kind:ident, $status:ident) => {
        impl $crate::kind::Kind for $kind {
            type Status = $status;
            const KIND: &'static str = stringify!($kind);
            fn common(&self) -> &$crate::kind::spec::CommonSpec {
                &self.spec.common
            }
            fn status(&self) -> Option<&$status> {
                self.status.as_ref()
            }
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
    /// Creates leave no natural key behind, so an intent is recorded first.
    pub needs_intent: bool,
    /// Largest number of changes in one call.
    pub max_batch: usize,
}

/// What is known of one emnify object.
#[derive(Debug)]
pub struct Have<K: Managed> {
    /// The listing's entry.
    pub row: Arc<K::Row>,
    /// What was read beyond the listing.
    pub parts: Arc<K::Parts>,
    /// The output Secret, for kinds that have one.
    pub output: Option<Arc<Output>>,
}

impl<K: Managed> Clone for Have<K> {
    fn clone(&self) -> Self {
        Self { row: self.row.clone(), parts: self.parts.clone(), output: self.output.clone() }
    }
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

/// What one sent change brought back.
#[derive(Debug)]
pub struct Reply<K: Managed> {
    /// Id of a created object.
    pub id: Option<Id>,
    /// The object as the API now shows it, where the response says so.
    pub row: Option<K::Row>,
    /// What it added to the lookup table that the change [refreshes](Change::refreshes): the table is not read again.
    pub named: Option<LookupRow>,
    /// Values shown once, for the output Secret.
    pub secret: BTreeMap<String, SecretString>,
}

impl<K: Managed> Default for Reply<K> {
    fn default() -> Self {
        Self { id: None, row: None, named: None, secret: BTreeMap::new() }
    }
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

/// One kind of emnify object that is kept in step with a custom resource.
///
/// Implementations are stateless. Everything but the last four functions is pure; those make one call each and
/// never retry, wait or log: the engine does that once for every kind.
pub trait Managed: Kind {
    /// Listing entry, mirrored for every object of the workspace: keep it small.
    type Row: Clone + PartialEq + Debug + Send + Sync + 'static;
    /// A piece that no listing shows.
    type Part: Copy + Eq + Hash + Debug + Send + Sync + 'static;
    /// The pieces, mirrored for bound objects only.
    type Parts: Clone + Default + PartialEq + Debug + Send + Sync + 'static;
    /// The spec with references as ids; unset stays unset.
    type Want: Clone + PartialEq + Debug + Send + Sync + 'static;
    /// What can be sent.
    type Change: Change;
    /// What an event may say about an object (connectivity); `()` where none does.
    type News: Clone + PartialEq + Debug + Send + Sync + 'static;

    /// What never changes about the kind.
    const FACTS: Facts;
    /// [`Managed::diff`] says nothing of pieces that were never read, and [`Managed::report`] keeps what it said of them:
    /// objects in step can be compared by their listing alone until the slow rotation has read the rest.
    const LISTED_ALONE: bool = false;
    /// An object that it made is replaced by another one in time, as tokens are: its id then differs from what the spec
    /// once named.
    const RENEWS: bool = false;
    /// [`Managed::census`] counts something.
    const COUNTED: bool = false;
    /// [`Managed::on_event`] may hear something.
    const LISTENS: bool = false;
    /// Kinds of which emnify deletes no object while one of this kind uses it: see [`Managed::uses`].
    const USES: &'static [&'static str] = &[];
    /// Its rows say how many use them: see [`Managed::with_users`].
    const USED: bool = false;

    /// Id of a row, such as `42` of the device 42.
    fn id(row: &Self::Row) -> Id;
    /// Keys of a row, for the mirror's index: a device is found by its mark, its SIM and its address.
    fn keys(row: &Self::Row, put: &mut dyn FnMut(Key));
    /// Mark on the row, if it has one: `installation/namespace/name`, or only `installation` where marks are shared.
    fn mark(_row: &Self::Row) -> Option<String> {
        None
    }
    /// The row is deleted or revoked for good, and the listing shows it still, as it does a revoked token: it counts in the
    /// sweep and is absent otherwise.
    fn is_deleted(_row: &Self::Row) -> bool {
        false
    }
    /// The object of `kind`, one of [`Managed::USES`], that the row uses: of a device, the id of its service profile.
    fn uses(_row: &Self::Row, _kind: &str) -> Option<Id> {
        None
    }
    /// The row with that number of users, such as a service profile with its `used_count`; `None` if it says so already.
    fn with_users(_row: &Self::Row, _users: i64) -> Option<Self::Row> {
        None
    }
    /// When the row was created, for intents without a nonce.
    fn created(_row: &Self::Row) -> Option<Timestamp> {
        None
    }
    /// Fields that need something from outside, such as the id of the object that `spec.serviceProfile.name` names.
    fn inputs(&self) -> Vec<Input> {
        Vec::new()
    }
    /// The Secret that the object writes, if any: that of an `ApplicationToken`.
    fn output(&self) -> Option<OutputRef> {
        None
    }
    /// The spec as what emnify should hold, with the ids of everything that it names; what the spec leaves out stays out.
    fn want(&self, from: &Inputs) -> Result<Self::Want, Invalid>;
    /// How to find the object when its id is not known, best first: a device by its SIM, then by our mark.
    fn find(want: &Self::Want, intent: Option<&Intent>) -> Vec<Find>;
    /// What only one object can have in emnify, such as a device its SIM and its address: the natural keys that it is found
    /// by, unless there are more.
    fn exclusive(want: &Self::Want) -> Vec<Key> {
        let all = Self::find(want, None).into_iter();
        all.filter(|find| matches!(find, Find::Natural(_))).map(|find| find.key().clone()).collect()
    }
    /// What an object with no key of its own is likely to be called where only the installation's mark is on it: with that
    /// mark, and nobody bound to it, it may be this one, and a person has to say so.
    fn likely(_want: &Self::Want) -> Option<Key> {
        None
    }
    /// Rights that objects of different kinds may compete for, such as the state of one SIM, which `Sim` and `Endpoint` both
    /// set. The older object wins, as with ownership.
    fn claims(_want: &Self::Want, _row: Option<&Self::Row>) -> Vec<Key> {
        Vec::new()
    }
    /// Pieces that must be known before the diff, such as the quota of a device whose spec sets one; empty when the listing
    /// is enough.
    fn parts(_want: &Self::Want) -> Vec<Self::Part> {
        Vec::new()
    }
    /// Pieces that [`Managed::retire`] depends on; they are read before anything is retired.
    fn parts_to_retire(_status: Option<&Self::Status>) -> Vec<Self::Part> {
        Vec::new()
    }
    /// Pieces that are read once after binding and only for the report, such as where a device is.
    fn extras(_status: Option<&Self::Status>) -> Vec<Self::Part> {
        Vec::new()
    }
    /// The change that makes the object; `None` where the API cannot, as with SIMs.
    fn create(want: &Self::Want, intent: Option<&Intent>) -> Option<Self::Change>;
    /// What differs, as calls. Only fields that the spec sets may differ. [`Context::edited`] tells an edit of the
    /// spec from drift.
    fn diff(want: &Self::Want, have: &Have<Self>, context: &Context<'_, Self>) -> Diff<Self::Change>;
    /// The calls that retire the object, in order: a device lets go of its SIM, which is suspended, and is deleted. Each may be
    /// repeated after a crash.
    fn retire(have: &Have<Self>, context: &Context<'_, Self>) -> Vec<Self::Change>;
    /// The row was made by the object too, as the predecessor of a rotated token is, and is retired with it, also where the
    /// one that it is bound to is gone. The
    /// mark on the row names the object; `object_created` is when that was made.
    fn remains(_row: &Self::Row, _status: Option<&Self::Status>, _born: Option<Timestamp>) -> bool {
        false
    }
    /// The id that the change ends, where that is not the one that it is sent for: revoking a predecessor of a token.
    fn ends(_change: &Self::Change) -> Option<Id> {
        None
    }
    /// The change that lets go of something exclusive that the object has in emnify, so that another object can take it:
    /// two that exchange theirs both let go first. Where it can only be replaced, `free` says what nobody has or wants.
    /// `None` where the API has no such thing.
    fn vacate(_have: &Have<Self>, _key: &Key, _free: &dyn Fn(&Key) -> bool) -> Option<Self::Change> {
        None
    }
    /// What a bodiless success of a change means for what we know: after `enabled: false` the row says so.
    fn assume(change: &Self::Change, row: &mut Self::Row, parts: &mut Self::Parts);
    /// Called when a renewed object was made, with the id it replaces, before the new id is bound.
    fn renewed(_status: &mut Self::Status, _old: &Id, _now: Timestamp) {}
    /// Writes what users want to see into the status, such as the address of a device.
    fn report(&self, have: &Have<Self>, news: Option<&Self::News>, status: &mut Self::Status);
    /// When what it stands for ends, as its status tells, unless it is renewed before.
    fn expires(&self) -> Option<Timestamp> {
        None
    }
    /// Groups that metrics count an object of the mirror in, such as `("connectivity", "Online")`; a group has few names.
    fn census(
        _row: &Self::Row,
        _news: Option<&Self::News>,
        _parts: Option<&Self::Parts>,
        _put: &mut dyn FnMut(&'static str, &str),
    ) {
    }
    /// What is known after `news` that followed on `before`: an event tells only part of what it changes.
    fn follow(_before: &Self::News, news: Self::News) -> Self::News {
        news
    }
    /// What an event says, if it speaks of this kind.
    fn on_event(_event: &Event) -> Option<EventEffect<Self::News>> {
        None
    }
    /// What an event warns of, if it concerns this kind.
    fn alert(_event: &Event) -> Option<Alert> {
        None
    }
    /// The object that a record of a data stream names, if it is of this kind.
    fn on_record(_record: &Record) -> Option<Subject> {
        None
    }
    /// When the row was last changed by anybody, where [`Managed::recent`] sorts by it.
    fn changed(_row: &Self::Row) -> Option<Timestamp> {
        None
    }

    /// One page of the listing.
    fn list(api: &Api, at: Cursor) -> impl Future<Output = Result<Page<Self::Row>, Error>> + Send;
    /// One page of the listing by last change, newest first; `None` where the API cannot sort by that.
    fn recent(_api: &Api, _at: Cursor) -> Option<BoxFuture<'_, Result<Page<Self::Row>, Error>>> {
        None
    }
    /// One object; `None` when the API says that it does not exist.
    fn read(api: &Api, id: &Id) -> impl Future<Output = Result<Option<Self::Row>, Error>> + Send;
    /// One piece of one object.
    fn read_part(
        api: &Api,
        id: &Id,
        part: Self::Part,
        into: &mut Self::Parts,
    ) -> impl Future<Output = Result<(), Error>> + Send;
    /// For how many objects like the one that `create` makes the API has room; `None` where it has no such limit or
    /// does not say. Asked before objects are made in bulk.
    fn room(_api: &Api, _create: &Self::Change) -> impl Future<Output = Result<Option<usize>, Error>> + Send {
        async { Ok(None) }
    }
    /// Sends changes that share a batch key (or a single one); one reply each, in order.
    fn send(
        api: &Api,
        batch: &[(Option<Id>, Self::Change)],
    ) -> impl Future<Output = Result<Vec<Reply<Self>>, Error>> + Send;
}

/// What a diff or a retirement may depend on besides what is wanted and known.
pub struct Context<'a, K: Managed> {
    /// Wall clock.
    pub now: Timestamp,
    /// When the Kubernetes object was created.
    pub object_created: Option<Timestamp>,
    /// Last status, for what the operator alone knows (a quota's allowance, tokens in their grace time).
    pub status: Option<&'a K::Status>,
    /// The spec changed since this object was last in step: wanted states may be applied again.
    pub edited: bool,
    /// The workspace's organisation activates SIMs into Factory Test.
    pub factory_test: bool,
    /// Ids of the application tokens that Workspaces of the organisation log in with; never revoked.
    pub own_tokens: Vec<i64>,
}

impl<K: Managed> Debug for Context<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("now", &self.now)
            .field("edited", &self.edited)
            .finish_non_exhaustive()
    }
}
