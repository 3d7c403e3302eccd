//! What a kind of objects has to say, and nothing else. What only some kinds have is a constant that holds the functions that
//! are read together, or nothing.

use std::{
    collections::BTreeMap,
    fmt::{self, Debug},
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
use secrecy::SecretString;

use super::{
    Alert, Change, Diff, EventEffect, Facts, Find, Id, Input, Inputs, Invalid, Key, Kind, LookupRow, Output,
    OutputRef, Shown, Subject, Table, misuse, spec::Intent,
};

/// One kind of emnify object that is kept in step with a custom resource.
///
/// Implementations are stateless. Everything but the last five functions is pure; those make one call each and
/// never retry, wait or log: the engine does that once for every kind.
///
/// What most kinds leave out has a neutral answer here: a method where one function says it all, a constant where
/// several belong together: a kind cannot give one half and forget the other.
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
    /// Its objects hand out the organisation itself, as a token does, or tell of all of it, as a stream does: a workspace that several share has to allow it by name.
    const SENSITIVE: bool = false;
    /// Each of its objects is ordered and paid for by itself, as a tunnel is: one is deleted with its Kubernetes object only where
    /// `deletionPolicy: Delete` is written, and one that vanished is ordered anew only when a person asks for it.
    const ORDERED: bool = false;
    /// Several that share a natural key are as good as one another, as pairs of the same resolvers are: the lowest id is meant.
    const INTERCHANGEABLE: bool = false;
    /// What events say of it: a device goes online, a SIM is suspended.
    const EVENTS: Option<Events<Self>> = None;
    /// What metrics count of it: devices by connectivity, SIMs by state.
    const CENSUS: Option<Census<Self>> = None;
    /// Reads what changed last: devices that somebody edits in the portal.
    const RECENT: Option<Recent<Self>> = None;
    /// Its objects are replaced in time: tokens rotate.
    const RENEWAL: Option<Renewal<Self>> = None;
    /// Kinds that it uses: a device has a service profile and a tariff profile.
    const USES: &'static [Uses<Self>] = &[];
    /// Its rows say how many use them: profiles count their devices.
    const USERS: Option<Users<Self>> = None;
    /// The listing alone is enough for objects in step until the slow rotation has read the rest: thousands of devices are not read
    /// one by one after a restart. [`Managed::diff`] then says nothing of pieces that were never read, and [`Managed::report`] keeps
    /// what it said of them.
    const LISTED_ALONE: bool = false;
    /// Pieces that only the report needs: where a device is, how much it has used.
    const EXTRAS: Option<Extras<Self>> = None;
    /// Another listing tells what its own does not show: which profile of an eUICC is in use.
    const COMPANION: Option<Companion<Self>> = None;
    /// Its listing is this lookup table too: devices name tags, and nobody reads the same list twice.
    const TABLE: Option<&'static Table> = None;
    /// Calls for several objects at once: a thousand devices share one.
    const BULK: Option<Bulk<Self>> = None;

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
    /// When the row was created, for intents without a nonce.
    fn created(_row: &Self::Row) -> Option<Timestamp> {
        None
    }
    /// What those who refer to the object need to know of it beyond its id: of a custom event, what an automation may do on it.
    fn shown(_row: &Self::Row) -> Option<Shown> {
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
    /// What is carried out as the spec says, and yet should be known: calls in clear. A reason and a text for people, who hear of
    /// it once for each generation that comes in step.
    fn concern(&self) -> Option<(&'static str, String)> {
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
    /// The change that makes the object; `None` where the API cannot, as with SIMs.
    fn create(want: &Self::Want, intent: Option<&Intent>) -> Option<Self::Change>;
    /// What differs, as calls. Only fields that the spec sets may differ. [`Context::edited`] tells an edit of the
    /// spec from drift.
    fn diff(want: &Self::Want, have: &Have<Self>, context: &Context<'_, Self>) -> Diff<Self::Change>;
    /// What emnify does with an object that does not differ: it may still be setting it up, or have given it up. A busy object
    /// is read as often as its phase says, and is in step when it is settled. One that emnify takes down is busy with the reason
    /// [`DELETING`](super::reason::DELETING), and is not deleted once more.
    fn phase(_have: &Have<Self>, _now: Timestamp) -> Phase {
        Phase::Settled
    }
    /// The calls that retire the object, in order: a device lets go of its SIM, which is suspended, and is deleted. Each may be
    /// repeated after a crash.
    fn retire(have: &Have<Self>, context: &Context<'_, Self>) -> Vec<Self::Change>;
    /// Why a change is not sent although the spec asks for it; asked of what would be sent next, and of what retires the object.
    fn forbids(_change: &Self::Change, _have: &Have<Self>, _context: &Context<'_, Self>) -> Option<Veto> {
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
    /// Writes when something happened that only a look shows, before [`Managed::report`] overwrites what the last look saw:
    /// since when a stream is in its state.
    fn note(_have: &Have<Self>, _now: Timestamp, _status: &mut Self::Status) {}
    /// Writes what users want to see into the status, such as the address of a device.
    fn report(&self, have: &Have<Self>, news: Option<&Self::News>, status: &mut Self::Status);

    /// One page of the listing.
    fn list(api: &Api, at: Cursor) -> impl Future<Output = Result<Page<Self::Row>, Error>> + Send;
    /// One object; `None` when the API says that it does not exist.
    fn read(api: &Api, id: &Id) -> impl Future<Output = Result<Option<Self::Row>, Error>> + Send;
    /// One piece of one object.
    fn read_part(
        api: &Api,
        id: &Id,
        part: Self::Part,
        into: &mut Self::Parts,
    ) -> impl Future<Output = Result<(), Error>> + Send;
    /// Makes the object that [`Managed::create`] describes. Kinds of which emnify makes none, as SIMs, leave it out.
    fn make(_api: &Api, _new: &Self::Change) -> impl Future<Output = Result<Reply<Self>, Error>> + Send {
        async { Err(misuse("emnify makes no objects of this kind")) }
    }
    /// Sends one change of an object that is there.
    fn apply(
        api: &Api,
        id: &Id,
        change: &Self::Change,
    ) -> impl Future<Output = Result<Reply<Self>, Error>> + Send;
}

/// What emnify does with an object that is otherwise as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nothing.
    Settled,
    /// It is not done yet, or waits for somebody outside.
    Busy {
        /// The object is read again after this time.
        poll: Duration,
        /// A constant of [`crate::kind::reason`].
        reason: &'static str,
        /// For people: what is waited for.
        message: String,
    },
    /// It gave up, and a person must act.
    Broken {
        /// A constant of [`crate::kind::reason`].
        reason: &'static str,
        /// For people: what is wrong and how to mend it.
        message: String,
    },
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

/// Why a change is not sent: the object stalls, and says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Veto {
    /// A constant of [`crate::kind::reason`].
    pub reason: &'static str,
    /// Names the field and the mend.
    pub message: String,
}

impl Veto {
    /// A veto.
    pub fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
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
    /// E-mail addresses, in lower case, that Workspaces of the organisation log in with; never changed.
    pub own_users: Vec<String>,
    /// The Workspace of the object logs in as a person, not with an application token.
    pub as_user: bool,
}

impl<K: Managed> Debug for Context<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("now", &self.now)
            .field("edited", &self.edited)
            .finish_non_exhaustive()
    }
}

/// What comes of a call.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, Error>>;

/// The kind hears of its objects from the event log of emnify: a device goes online, and its status says so at once.
pub struct Events<K: Managed> {
    /// What an event says, if it speaks of this kind.
    pub effect: fn(&Event) -> Option<EventEffect<K::News>>,
    /// What an event warns of, if it concerns this kind.
    pub alert: fn(&Event) -> Option<Alert>,
    /// The object that a record of a data stream names, if it is of this kind.
    pub record: fn(&Record) -> Option<Subject>,
    /// What is known after news that followed on what was known before: an event tells only part of what it changes.
    pub follow: fn(&K::News, K::News) -> K::News,
}

/// Puts groups that metrics count an object of the mirror in, such as `("connectivity", "Online")`; a group has few names.
pub type Census<K> = fn(
    &<K as Managed>::Row,
    Option<&<K as Managed>::News>,
    Option<&<K as Managed>::Parts>,
    &mut dyn FnMut(&'static str, &str),
);

/// The listing can be sorted by last change: what people did in the portal is seen long before the next sweep.
pub struct Recent<K: Managed> {
    /// One page of the listing by last change, newest first.
    pub page: for<'a> fn(&'a Api, Cursor) -> Answer<'a, Page<K::Row>>,
    /// When the row was last changed by anybody.
    pub changed: fn(&K::Row) -> Option<Timestamp>,
}

/// An object that the kind made is replaced by another one in time, as tokens are: its id then differs from what the spec
/// once named, and the earlier ones stay for a while.
#[allow(clippy::type_complexity, reason = "each of them is written once, here")]
pub struct Renewal<K: Managed> {
    /// Called when the new object was made, with the id it replaces, before the new id is bound.
    pub renewed: fn(&mut K::Status, &Id, Timestamp),
    /// When what it stands for ends, as its status tells, unless it is renewed before.
    pub expires: fn(&K) -> Option<Timestamp>,
    /// The row was made by the object too, as the predecessor of a rotated token is, and is retired with it, also where the
    /// one that it is bound to is gone. The mark on the row names the object; the time is when that was made.
    pub remains: fn(&K::Row, Option<&K::Status>, Option<Timestamp>) -> bool,
    /// The id that the change ends, where that is not the one that it is sent for: revoking a predecessor of a token.
    pub ends: fn(&K::Change) -> Option<Id>,
}

/// A kind of which emnify deletes no object while one of this kind uses it: a service profile that devices have.
pub struct Uses<K: Managed> {
    /// The kind that is used.
    pub kind: &'static str,
    /// The object of it that is used: of a device, the id of its service profile. Pieces are there of bound objects only.
    pub of: fn(&K::Row, Option<&K::Parts>) -> Option<Id>,
}

/// The row with that number of users, such as a service profile with its `used_count`; `None` if it says so already.
pub type Users<K> = fn(&<K as Managed>::Row, i64) -> Option<<K as Managed>::Row>;

/// Names the pieces that only the report needs. Nobody waits for them: they are read in slow rotation, and one that emnify refuses
/// leaves the object in step.
pub type Extras<K> = fn(&Look<'_, K>) -> Vec<Extra<<K as Managed>::Part>>;

/// What is known of an object when its extras are asked for.
#[derive(Debug)]
pub struct Look<'a, K: Managed> {
    /// The listing's entry.
    pub row: &'a K::Row,
    /// What was read beyond the listing.
    pub parts: &'a K::Parts,
    /// Last status.
    pub status: Option<&'a K::Status>,
    /// How often the workspace wants to know what each device has used; `None`: not at all.
    pub usage_every: Option<Duration>,
}

/// A piece that only the report needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extra<P> {
    /// Which one.
    pub part: P,
    /// It is read again when it is so old; `None`: once is enough.
    pub every: Option<Duration>,
    /// When an earlier process read it.
    pub read: Option<Timestamp>,
    /// What was read is no longer so.
    pub stale: bool,
    /// People have asked for it: the rotation may make so many requests more.
    pub asked_for: bool,
}

impl<P> Extra<P> {
    /// A piece that is read once.
    pub fn once(part: P) -> Self {
        Self { part, every: None, read: None, stale: false, asked_for: false }
    }

    /// A piece that is read again and again.
    pub fn every(part: P, every: Duration) -> Self {
        Self { every: Some(every), ..Self::once(part) }
    }
}

/// A listing that tells of rows of the kind what only the report needs, as news. It is read rarely, and only while an object here is
/// bound to a row that it may tell of; where it is refused, what was told last stays in the status.
#[allow(clippy::type_complexity, reason = "each of them is written once, here")]
pub struct Companion<K: Managed> {
    /// What is listed; where a login may not read it, its Workspace says so.
    pub name: &'static str,
    /// How old what it told may become.
    pub every: Duration,
    /// It may tell of this row.
    pub tells_of: fn(&K::Row) -> bool,
    /// One page: what each entry tells, and of which rows; of one that is told of twice the later counts.
    pub page: for<'a> fn(&'a Api, Cursor) -> Answer<'a, Page<Told<K::News>>>,
    /// What is known of a row that it does not tell of.
    pub silent: K::News,
}

/// What one entry of a companion listing tells, each with the key of the rows that it is about.
pub type Told<N> = Vec<(Key, N)>;

/// The API has calls for several objects at once. What shares a call has one [batch key](Change::batch).
#[allow(clippy::type_complexity, reason = "each of them is written once, here")]
pub struct Bulk<K: Managed> {
    /// Largest number of objects in one call.
    pub most: usize,
    /// Makes several objects; one reply each, in order.
    pub make: for<'a> fn(&'a Api, &'a [K::Change]) -> Answer<'a, Vec<Reply<K>>>,
    /// Changes several objects; one reply each, in order.
    pub apply: for<'a> fn(&'a Api, &'a [(Id, K::Change)]) -> Answer<'a, Vec<Reply<K>>>,
    /// For how many objects like the one that the change makes the API has room; `None` where it has no such limit or does
    /// not say. Asked before objects are made in bulk.
    pub room: for<'a> fn(&'a Api, &'a K::Change) -> Answer<'a, Option<usize>>,
}

/// Largest number of changes of the kind in one call.
pub fn largest_batch<K: Managed>() -> usize {
    K::BULK.map_or(1, |bulk| bulk.most)
}

macro_rules! opaque {
    ($($option:ident),*) => {
        $(impl<K: Managed> Debug for $option<K> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($option)).finish_non_exhaustive()
            }
        })*
    };
}

opaque!(Events, Recent, Renewal, Uses, Companion, Bulk);
