//! A kind whose object is one record: a table of fields, and the calls of its family.
//!
//! ```ignore
//! impl Record for DnsConfig {
//!     type Row = wire::DnsConfig; // the wire type is the row
//!     const NOUN: &'static str = "DNS configuration";
//!     const FACTS: Facts = Facts { sweep_every: Duration::from_secs(900), .. };
//!     const IDENTITY: Identity = Identity::Natural;
//!     const NAME: &'static [&'static str] = &["primary", "secondary"];
//!     const FIELDS: &'static [Field<Self>] = &[field!(primary).immutable(), field!(secondary).immutable()];
//!     const CALLS: Collection<Self::Row> = emnify::wire::DNS;
//! }
//! ```
//!
//! What needs more than that (parts, events, several calls for one change) implements [`Managed`] by hand.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    fmt::{self, Debug, Display},
    marker::PhantomData,
};

use emnify::{
    Api, Cursor, Error, Page,
    wire::{Collection, Entry, EntryId},
};
use serde::{Serialize, Serializer};

use super::{
    Applied, Context, Description, Diff, Facts, FieldChange, FieldDiff, Find, Have, Id, Input, Inputs,
    Invalid, Key, Kind, Managed, RecordChange, Reply, Status, SubChange, Table, mark,
    spec::{CommonStatus, Intent},
};

/// Name of the key of names without regard to case.
const FOLDED: &str = "folded name";

/// A kind of one record. What it implements is read as a table.
pub trait Record: Kind {
    /// The record as listings show it: the type of `crates/emnify`.
    type Row: Entry<Id: RecordId> + Clone + PartialEq + Debug + Send + Sync + 'static;

    /// What people call it, such as `DNS configuration`.
    const NOUN: &'static str;
    /// What never changes about the kind.
    const FACTS: Facts;
    /// Its objects hand out the organisation itself; see [`Managed::SENSITIVE`].
    const SENSITIVE: bool = false;
    /// See [`Managed::INTERCHANGEABLE`].
    const INTERCHANGEABLE: bool = false;
    /// See [`Managed::TABLE`].
    const TABLE: Option<&'static Table> = None;
    /// How the record is found when its id is not known: a pair of resolvers by their addresses.
    const IDENTITY: Identity;
    /// Paths of the fields that make up its name in emnify, for `externalName` references: `primary, secondary`.
    const NAME: &'static [&'static str];
    /// emnify takes two names that differ only in case for one: a record is found by its name in any case, the one that is
    /// spelled so first.
    const FOLDS: bool = false;
    /// All fields that the spec may set, each in a line: `field!(primary).immutable()`.
    const FIELDS: &'static [Field<Self>];
    /// What every new record says besides: of a pair of resolvers, `ip_address_version: 4`.
    const FIXED: &'static [(&'static str, i64)] = &[];
    /// The calls of its family.
    const CALLS: Collection<Self::Row>;

    /// No object may have it, whatever it names: a tag that marks whose a device is. It is as if it were not there.
    fn is_reserved(_row: &Self::Row) -> bool {
        false
    }

    /// Devices that lose something when the record is deleted, such as those that carry a tag.
    fn holders(_row: &Self::Row) -> u64 {
        0
    }

    /// What should be known of the spec though it is carried out; see [`Managed::concern`].
    fn concern(&self) -> Option<(&'static str, String)> {
        None
    }

    /// What a refused create means, where the family answers in a way of its own.
    fn refused(error: Error) -> Error {
        error
    }

    /// Writes what users want to see into the status.
    fn report(_row: &Self::Row, _status: &mut Self::Status) {}
}

/// How a record is found when its id is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// By its name: what is called so is the record meant, whoever made it.
    Natural,
    /// By our mark, which ends the text at this path: what carries it is ours.
    Mark(&'static str),
}

/// An id of a record.
pub trait RecordId: EntryId {
    /// As the engine knows it.
    fn id(self) -> Id;
    /// As its family knows it; [`Error::NotFound`] for an id that cannot exist there.
    fn of(id: &Id) -> Result<Self, Error>;
}

impl RecordId for i64 {
    fn id(self) -> Id {
        Id::Int(self)
    }
    fn of(id: &Id) -> Result<Self, Error> {
        id.number()
    }
}

impl RecordId for String {
    fn id(self) -> Id {
        Id::Text(self)
    }
    fn of(id: &Id) -> Result<Self, Error> {
        Ok(id.to_string())
    }
}

/// Value of a field, as a body carries it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// Explicitly nothing.
    None,
    /// A number, or the id of what a reference means.
    Int(i64),
    /// The id of what a reference means, where bodies embed it: `{"id": 4}`.
    #[serde(serialize_with = "embedded")]
    Ref(i64),
    /// A switch.
    Flag(bool),
    /// A text.
    Text(String),
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn embedded<S: Serializer>(id: &i64, to: S) -> Result<S::Ok, S::Error> {
    BTreeMap::from([("id", id)]).serialize(to)
}

impl Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Int(n) | Self::Ref(n) => Display::fmt(n, f),
            Self::Flag(on) => Display::fmt(on, f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// What a field of a spec or a row may be: a text, a number, a switch, or one of them that may be missing.
pub trait Scalar: Sized {
    /// Its value; [`Value::None`] where it is missing.
    fn value(&self) -> Value;
    /// What the value stands for; that of another type is as good as none.
    fn of_value(value: Value) -> Option<Self>;
}

macro_rules! scalar {
    ($($type:ty: $variant:ident),*) => {
        $(impl Scalar for $type {
            fn value(&self) -> Value {
                Value::$variant(self.clone())
            }
            fn of_value(value: Value) -> Option<Self> {
                match value {
                    Value::$variant(inner) => Some(inner),
                    _ => None,
                }
            }
        })*
    };
}

scalar!(String: Text, i64: Int, bool: Flag);

impl<T: Scalar> Scalar for Option<T> {
    fn value(&self) -> Value {
        self.as_ref().map_or(Value::None, T::value)
    }
    fn of_value(value: Value) -> Option<Self> {
        Some(T::of_value(value))
    }
}

type Wanted<K> = fn(&K, &Inputs) -> Result<Option<Value>, Invalid>;

/// One field of a record. [`field!`](crate::field) makes those that spec and row call the same.
pub struct Field<K: Record> {
    path: &'static str,
    body: &'static str,
    want: Wanted<K>,
    have: fn(&K::Row) -> Value,
    set: fn(&mut K::Row, Value),
    input: Option<fn(&K) -> Option<Input>>,
    disturbs: Option<fn(&K::Row) -> u64>,
    immutable: bool,
    named: bool,
}

impl<K: Record> Field<K> {
    /// The field that a spec has at `path` and bodies call `body`: what the spec wants of it (`None` leaves it alone), what
    /// a row has, and how a row looks once it is set.
    pub const fn new(
        path: &'static str,
        body: &'static str,
        want: Wanted<K>,
        have: fn(&K::Row) -> Value,
        set: fn(&mut K::Row, Value),
    ) -> Self {
        Self { path, body, want, have, set, input: None, disturbs: None, immutable: false, named: false }
    }

    /// emnify cannot change it: an edit stalls with `ImmutableField`.
    #[must_use]
    pub const fn immutable(self) -> Self {
        Self { immutable: true, ..self }
    }

    /// Where the spec leaves it out, a new record gets the name of its object here; nothing holds the record to it after.
    #[must_use]
    pub const fn named(self) -> Self {
        Self { named: true, ..self }
    }

    /// What the spec says has to be looked up first, as the object that a reference names.
    #[must_use]
    pub const fn looked_up(self, input: fn(&K) -> Option<Input>) -> Self {
        Self { input: Some(input), ..self }
    }

    /// A change disturbs as many devices as the row says.
    #[must_use]
    pub const fn disturbing(self, devices: fn(&K::Row) -> u64) -> Self {
        Self { disturbs: Some(devices), ..self }
    }
}

impl<K: Record> Debug for Field<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Field").field("path", &self.path).finish_non_exhaustive()
    }
}

/// The [`Field`] that spec and row call the same, or `spec => row` where they do not: `field!(cidr => ip_address_space)`.
#[macro_export]
macro_rules! field {
    ($name:ident) => {
        $crate::field!($name => $name)
    };
    ($spec:ident => $row:ident) => {
        $crate::kind::record::Field::<Self>::new(
            stringify!($spec),
            stringify!($row),
            |object, _| Ok($crate::kind::record::wanted(&object.spec.$spec)),
            |row| $crate::kind::record::Scalar::value(&row.$row),
            |row, value| $crate::kind::record::put(&mut row.$row, value),
        )
    };
}

/// What a field of the spec wants; a missing one wants nothing.
pub fn wanted(field: &impl Scalar) -> Option<Value> {
    Some(field.value()).filter(|value| *value != Value::None)
}

/// Sets a field of a row.
pub fn put<T: Scalar>(field: &mut T, value: Value) {
    if let Some(value) = T::of_value(value) {
        *field = value;
    }
}

/// What a spec wants of a record, by the place of the field in the table; what it leaves out is not in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Want {
    fields: BTreeMap<usize, Value>,
    /// What only a new record gets, because the spec leaves it out.
    born: BTreeMap<usize, Value>,
    /// The text that ends with our mark.
    marked: Option<Description>,
}

/// A field of the table and its new value.
#[derive(Clone, Debug, PartialEq)]
pub struct Set {
    at: usize,
    value: Value,
}

/// Records have no sub-resources.
pub struct Nothing<K>(Infallible, PhantomData<fn() -> K>);

impl<K> Clone for Nothing<K> {
    fn clone(&self) -> Self {
        match self.0 {}
    }
}

impl<K> Debug for Nothing<K> {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {}
    }
}

impl<K: Record> SubChange for Nothing<K> {
    type To = Set;
    type Row = <K as Record>::Row;
    type Parts = ();
    const NOUN: &'static str = K::NOUN;

    fn field(&self) -> FieldDiff {
        match self.0 {}
    }
    fn assume(&self, _: &mut Self::Row, (): &mut ()) {
        match self.0 {}
    }
    fn assume_set(to: &Set, row: &mut Self::Row, (): &mut ()) {
        (<K as Record>::FIELDS[to.at].set)(row, to.value.clone());
    }
}

fn is_marked<K: Record>(field: &Field<K>) -> bool {
    K::IDENTITY == Identity::Mark(field.path)
}

/// The text of the row that may end with our mark.
fn marked<K: Record>(row: &<K as Record>::Row) -> Option<String> {
    let field = <K as Record>::FIELDS.iter().find(|field| is_marked(field))?;
    String::of_value((field.have)(row))
}

/// The name of a record, of the values that its fields have.
fn name<K: Record>(value: impl Fn(usize, &Field<K>) -> Option<Value>) -> Option<Key> {
    let paths = K::NAME.iter().map(|path| {
        let (at, field) = <K as Record>::FIELDS.iter().enumerate().find(|(_, field)| field.path == *path)?;
        let value = value(at, field).filter(|value| *value != Value::None)?.to_string();
        Some(if is_marked(field) { mark::split(&value).0.to_owned() } else { value })
    });
    let words: Vec<String> = paths.collect::<Option<_>>()?;
    (!words.is_empty()).then(|| Key::new(Key::NAME, words.join(", ")))
}

/// The names that a record is found by, best first.
fn names<K: Record>(name: Key) -> impl Iterator<Item = Key> {
    let folded = K::FOLDS.then(|| Key::new(FOLDED, name.value.to_lowercase()));
    [Some(name), folded].into_iter().flatten()
}

fn set<K: Record>(at: usize, diff: FieldDiff, value: Value, row: &<K as Record>::Row) -> FieldChange<Set> {
    let disturbs = <K as Record>::FIELDS[at].disturbs.map_or(0, |devices| devices(row));
    FieldChange { disturbs, ..FieldChange::new(diff, Set { at, value }) }
}

fn differences<K: Record>(
    want: &Want,
    row: &<K as Record>::Row,
    status: Option<&CommonStatus>,
) -> Diff<RecordChange<Nothing<K>>> {
    let (mut sets, mut immutable) = (Vec::new(), Vec::new());
    for (at, field) in <K as Record>::FIELDS.iter().enumerate() {
        let old = (field.have)(row);
        let found = match (&want.marked, want.fields.get(&at)) {
            (Some(text), _) if is_marked(field) => {
                let old = String::of_value(old).unwrap_or_default();
                let diff = if field.immutable { text.differs(&old) } else { text.diff(&old, status) };
                let diff = diff.map(|diff| FieldDiff { path: field.path.into(), ..diff });
                diff.map(|diff| (Value::Text(diff.new.clone()), diff))
            }
            (_, Some(new)) if *new != old => Some((new.clone(), FieldDiff::new(field.path, old, new))),
            _ => None,
        };
        match found {
            Some((_, diff)) if field.immutable => immutable.push(diff),
            Some((value, diff)) => sets.push(set::<K>(at, diff, value, row)),
            None => {}
        }
    }
    Diff { immutable, ..Diff::from(RecordChange::patch(sets).into_iter().collect::<Vec<_>>()) }
}

fn body<K: Record>(sets: &[FieldChange<Set>]) -> BTreeMap<&'static str, Value> {
    sets.iter().map(|set| (<K as Record>::FIELDS[set.to.at].body, set.to.value.clone())).collect()
}

impl<K: Record> Managed for K {
    type Row = <K as Record>::Row;
    type Part = Infallible;
    type Parts = ();
    type Want = Want;
    type Change = RecordChange<Nothing<K>>;
    type News = ();

    const FACTS: Facts = <K as Record>::FACTS;
    const SENSITIVE: bool = <K as Record>::SENSITIVE;
    const INTERCHANGEABLE: bool = <K as Record>::INTERCHANGEABLE;
    const TABLE: Option<&'static Table> = <K as Record>::TABLE;

    fn id(row: &Self::Row) -> Id {
        row.id().id()
    }

    fn keys(row: &Self::Row, put: &mut dyn FnMut(Key)) {
        name::<K>(|_, field| Some((field.have)(row))).into_iter().flat_map(names::<K>).for_each(&mut *put);
        if let Some(mark) = <K as Managed>::mark(row) {
            put(Key::new(mark::KEY, mark));
        }
    }

    fn mark(row: &Self::Row) -> Option<String> {
        mark::split(&marked::<K>(row)?).1.map(str::to_owned)
    }

    fn is_deleted(row: &Self::Row) -> bool {
        K::is_reserved(row)
    }

    fn inputs(&self) -> Vec<Input> {
        <K as Record>::FIELDS.iter().filter_map(|field| (field.input?)(self)).collect()
    }

    fn concern(&self) -> Option<(&'static str, String)> {
        <K as Record>::concern(self)
    }

    fn want(&self, from: &Inputs) -> Result<Want, Invalid> {
        let mut want = Want::default();
        for (at, field) in <K as Record>::FIELDS.iter().enumerate() {
            let value = (field.want)(self, from)?;
            if field.named && value.is_none() {
                want.born.insert(at, Value::Text(from.name().to_owned()));
            }
            if is_marked(field) {
                want.marked = Some(Description::new(value.and_then(String::of_value), from));
            } else if let Some(value) = value {
                want.fields.insert(at, value);
            }
        }
        Ok(want)
    }

    fn find(want: &Want, _: Option<&Intent>) -> Vec<Find> {
        match K::IDENTITY {
            Identity::Natural => {
                let name = name::<K>(|at, _| want.fields.get(&at).or_else(|| want.born.get(&at)).cloned());
                name.into_iter().flat_map(names::<K>).map(Find::Natural).collect()
            }
            Identity::Mark(_) => {
                let ours = want.marked.as_ref().map(|text| Find::Trace(Key::new(mark::KEY, text.owner())));
                ours.into_iter().collect()
            }
        }
    }

    fn create(want: &Want, _: Option<&Intent>) -> Option<Self::Change> {
        let mut sets = Vec::new();
        for (at, field) in <K as Record>::FIELDS.iter().enumerate() {
            let born = want.born.get(&at).cloned();
            let value = match &want.marked {
                Some(text) if is_marked(field) => {
                    let text = Description {
                        text: text.text.clone().or(born.and_then(String::of_value)),
                        ..text.clone()
                    };
                    Some(Value::Text(text.created()))
                }
                _ => want.fields.get(&at).filter(|value| **value != Value::None).cloned().or(born),
            };
            let new = value
                .map(|value| FieldChange::new(FieldDiff::new(field.path, "-", &value), Set { at, value }));
            sets.extend(new);
        }
        Some(RecordChange::Create(sets))
    }

    fn diff(want: &Want, have: &Have<Self>, context: &Context<'_, Self>) -> Diff<Self::Change> {
        differences::<K>(want, &have.row, context.status.map(Status::common))
    }

    fn retire(have: &Have<Self>, _: &Context<'_, Self>) -> Vec<Self::Change> {
        vec![RecordChange::Delete { disturbs: K::holders(&have.row) }]
    }

    fn assume(change: &Self::Change, row: &mut Self::Row, parts: &mut ()) {
        change.assume(row, parts);
    }

    fn report(&self, have: &Have<Self>, _: Option<&()>, status: &mut Self::Status) {
        <K as Record>::report(&have.row, status);
    }

    async fn list(api: &Api, at: Cursor) -> Result<Page<Self::Row>, Error> {
        K::CALLS.list(api, at).await
    }

    async fn read(api: &Api, id: &Id) -> Result<Option<Self::Row>, Error> {
        K::CALLS.get(api, RecordId::of(id)?).await
    }

    async fn read_part(_: &Api, _: &Id, part: Infallible, (): &mut ()) -> Result<(), Error> {
        match part {}
    }

    async fn make(api: &Api, new: &Self::Change) -> Result<Reply<Self>, Error> {
        let mut body = body::<K>(new.created()?);
        body.extend(K::FIXED.iter().map(|(name, value)| (*name, Value::Int(*value))));
        let made = K::CALLS.create(api, &body).await.map_err(K::refused)?;
        Ok(Reply { id: Some(made.id.id()), ..Reply::default() })
    }

    async fn apply(api: &Api, id: &Id, change: &Self::Change) -> Result<Reply<Self>, Error> {
        let id = RecordId::of(id)?;
        match change.applied()? {
            Applied::Patch(sets) => K::CALLS.patch(api, id, &body::<K>(sets)).await?,
            Applied::Sub(none) => match none.0 {},
            Applied::Delete => K::CALLS.delete(api, id).await?,
        }
        Ok(Reply::default())
    }
}

#[cfg(test)]
mod tests;
