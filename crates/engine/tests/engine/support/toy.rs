//! A small kind that has one of everything: a mark, a natural key, references, pieces, a Secret, a life.
//!
//! It rides on the endpoint calls of the client, which carry every error that a kind can meet.

use std::{cell::Cell, time::Duration};

use emnify::{
    Api, Cursor, Error, Page,
    wire::{
        Listing,
        endpoint::{Endpoint, status},
        event::{Event, Record},
    },
};
use emnify_engine::kind::{
    self, Alert, BatchKey, Class, Context, Diff, EventEffect, Facts, FieldDiff, Find, Have, Id, Input,
    Inputs, Invalid, Key, Managed, OutputRef, Phase, Reply, Source, Subject, Verb,
    managed::{Bulk, Census, Events, Recent, Users, Uses},
    mark, reason,
    secret::SecretValue,
    spec::{AdoptionPolicy, CommonSpec, CommonStatus, Intent, Provenance},
};
use futures::FutureExt;
use jiff::Timestamp;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::calls::{census, changed, make_many, mark_many, page, send_one, shown, with_users};

#[path = "toy_calls.rs"]
mod calls;

/// Rows of a page of what changed last.
pub(crate) const RECENT: u32 = 10;
/// A device that emnify cannot bring back.
pub(crate) const BROKEN: i64 = 7;
/// A device that emnify is still working on.
pub(crate) const BUSY: i64 = 9;
/// A device that emnify is still setting up.
pub(crate) const STARTING: i64 = 11;
/// A device that emnify could not set up.
pub(crate) const GIVEN_UP: i64 = 13;
/// A device that emnify is taking down.
pub(crate) const GOING: i64 = 15;
/// emnify accepts changes of devices called so and carries them out later.
pub(crate) const SLOW: &str = "slow";

thread_local! {
    /// The function of toys that panics, in a test of its own.
    pub(crate) static BUG: Cell<&'static str> = const { Cell::new("") };
    /// emnify accepts deletions and carries them out later, in a test of its own.
    pub(crate) static DELETES_LATER: Cell<bool> = const { Cell::new(false) };
}

/// Panics where the test wants it.
pub(crate) fn may_panic(function: &str) {
    assert!(BUG.get() != function, "{function} met a row that it did not expect");
}

/// A toy.
#[derive(CustomResource, JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "emnify.io",
    version = "v1alpha1",
    kind = "Toy",
    plural = "toys",
    namespaced,
    status = "ToyStatus"
)]
#[serde(rename_all = "camelCase")]
#[allow(clippy::struct_excessive_bools, reason = "each is a quirk of its own")]
pub(crate) struct ToySpec {
    /// Policies.
    #[serde(flatten)]
    pub(crate) common: CommonSpec,
    /// Name in emnify.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// Natural key; cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) serial: Option<String>,
    /// Another toy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) follows: Option<String>,
    /// Wanted state: `Enabled` or `Disabled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) state: Option<String>,
    /// A tag it has to carry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tag: Option<i64>,
    /// The Secret that takes its token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) secret: Option<String>,
    /// The Secret that holds its code, which emnify never shows: name and key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<(String, String)>,
    /// Make it anew.
    #[serde(default)]
    pub(crate) renew: bool,
    /// It stands for something that cannot be created.
    #[serde(default)]
    pub(crate) existing: bool,
    /// It leaves no mark in emnify.
    #[serde(default)]
    pub(crate) unmarked: bool,
    /// Its serial number can be changed, and taken away.
    #[serde(default)]
    pub(crate) movable: bool,
}

/// What is known of a toy.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ToyStatus {
    /// As for every kind.
    #[serde(flatten)]
    pub(crate) common: CommonStatus,
    /// Its name in emnify.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// Its last event said that it has a session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) online: Option<bool>,
    /// How many follow it, as counted here: emnify does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) users: Option<i64>,
}

emnify_engine::kind!(Toy, ToyStatus);

/// A listing entry.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ToyRow {
    pub(crate) id: i64,
    pub(crate) name: String,
    /// Our mark, as it is stored.
    pub(crate) note: String,
    /// Its natural key.
    pub(crate) serial: Option<String>,
    /// What it follows.
    pub(crate) follows: i64,
    /// Its state.
    pub(crate) status: i64,
    /// When it was made.
    pub(crate) created: Option<Timestamp>,
    /// When it was last changed.
    pub(crate) updated: Option<Timestamp>,
    /// How many follow it, where they were counted.
    pub(crate) users: Option<i64>,
}

impl From<Endpoint> for ToyRow {
    fn from(e: Endpoint) -> Self {
        Self {
            id: e.id,
            name: e.name.unwrap_or_default(),
            note: e.tags.unwrap_or_default(),
            serial: e.imei,
            follows: e.service_profile.map_or(0, |p| p.id),
            status: e.status.unwrap_or_default(),
            created: e.created,
            updated: e.last_updated,
            users: None,
        }
    }
}

/// What no listing shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ToyPart {
    /// The tags.
    Tags,
}

/// The pieces.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ToyParts {
    /// Ids of tags.
    pub(crate) tags: Vec<i64>,
    /// They were read.
    pub(crate) read: bool,
}

/// The spec as a request.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ToyWant {
    pub(crate) name: Option<String>,
    /// Natural key.
    pub(crate) serial: Option<String>,
    /// What it follows.
    pub(crate) follows: Option<i64>,
    /// Wanted state.
    pub(crate) state: Option<i64>,
    /// Wanted tag.
    pub(crate) tag: Option<i64>,
    pub(crate) code: Option<SecretValue>,
    /// Our mark, unless it leaves none.
    pub(crate) mark: Option<String>,
    /// Make it anew.
    pub(crate) renew: bool,
    /// It cannot be created.
    pub(crate) existing: bool,
    /// Its serial number is changed rather than immutable.
    pub(crate) movable: bool,
    /// The set it belongs to, as its mark says.
    pub(crate) toy_set: Option<String>,
}

/// What can be sent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ToyChange {
    /// Makes it.
    Create(ToyWant),
    /// Gives it another serial number, or none.
    Serial(Option<String>, Option<String>),
    /// Gives it another name.
    Rename(String, String),
    /// Lets it follow another.
    Follow(i64, i64),
    /// Changes its state.
    State(i64),
    /// Gives it a tag.
    Tag(i64),
    /// Gives it another code.
    Code(SecretValue),
    /// Writes our mark on it.
    Mark(String),
    /// Deletes it.
    Delete,
}

impl kind::Change for ToyChange {
    fn fields(&self) -> Vec<FieldDiff> {
        match self {
            Self::Create(_) | Self::Delete => Vec::new(),
            Self::Serial(old, new) => {
                vec![FieldDiff::new("serial", shown(old.as_deref()), shown(new.as_deref()))]
            }
            Self::Rename(old, new) => vec![FieldDiff::new("name", old, new)],
            Self::Follow(old, new) => vec![FieldDiff::new("profile.follows", old, new)],
            Self::State(state) => vec![FieldDiff::new("state", "-", state)],
            Self::Tag(tag) => vec![FieldDiff::new("tag", "-", tag)],
            Self::Code(_) => vec![FieldDiff::new("code", "***", "***")],
            Self::Mark(mark) => vec![FieldDiff::new("mark", "-", mark)],
        }
    }

    fn request(&self) -> String {
        match self {
            Self::Create(want) => format!("create {want:?}"),
            other => kind::request(other.class().verb, &other.fields()).unwrap_or_else(|| other.to_string()),
        }
    }

    fn class(&self) -> Class {
        match self {
            Self::Create(_) => Class::quiet(Verb::Create),
            Self::Delete => Class { verb: Verb::Delete, urgent: true, disturbs: 1 },
            Self::State(_) => Class { verb: Verb::Update, urgent: false, disturbs: 1 },
            _ => Class::quiet(Verb::Update),
        }
    }

    fn repeatable(&self) -> bool {
        !matches!(self, Self::Create(_))
    }

    fn accepted(&self) -> bool {
        match self {
            Self::Rename(old, _) => old == SLOW,
            Self::Delete => DELETES_LATER.get(),
            _ => false,
        }
    }

    fn carries(&self) -> Vec<String> {
        if let Self::Code(_) = self { vec!["code".to_owned()] } else { Vec::new() }
    }

    fn activates(&self) -> bool {
        matches!(self, Self::Create(_))
    }

    fn batch(&self) -> Option<BatchKey> {
        match self {
            Self::Create(want) => Some(BatchKey(format!("create {:?}", want.follows))),
            Self::Mark(_) => Some(BatchKey("mark".into())),
            _ => None,
        }
    }
}

/// The toy an event names, or else the one whose serial number is that of the SIM it names.
fn of(event: &Event) -> Option<Subject> {
    let by_serial = || Some(Subject::Key(Key::new("serial", event.sim_id()?.to_string())));
    event.endpoint_id().map(|id| Subject::Id(Id::Int(id))).or_else(by_serial)
}

impl Managed for Toy {
    type Row = ToyRow;
    type Part = ToyPart;
    type Parts = ToyParts;
    type Want = ToyWant;
    type Change = ToyChange;
    type News = bool;

    const EVENTS: Option<Events<Self>> = Some(Events {
        effect,
        alert,
        record,
        follow: |_, news| {
            may_panic("follow");
            news
        },
    });
    const CENSUS: Option<Census<Self>> = Some(census);
    const RECENT: Option<Recent<Self>> = Some(Recent { page, changed });
    const USES: &'static [Uses<Self>] = &[Uses { kind: "Toy", of: followed }];
    const USERS: Option<Users<Self>> = Some(with_users);
    const LISTED_ALONE: bool = true;
    const BULK: Option<Bulk<Self>> = Some(Bulk {
        most: 10,
        make: |api, new| make_many(api, new).boxed(),
        apply: |api, changes| mark_many(api, changes).boxed(),
        room: |_, _| async { Ok(None) }.boxed(),
    });

    const FACTS: Facts = Facts {
        has_read: true,
        serial: Some("toy"),
        sweep_every: Duration::from_secs(300),
        scrub_every: Duration::from_secs(3_600),
        adoption: AdoptionPolicy::Never,
        needs_intent: true,
    };

    fn id(row: &ToyRow) -> Id {
        Id::Int(row.id)
    }

    fn keys(row: &ToyRow, put: &mut dyn FnMut(Key)) {
        may_panic("keys");
        put(Key::new(Key::NAME, &row.name));
        if let Some(mark) = Self::mark(row) {
            put(Key::new("mark", mark));
        }
        if let Some(serial) = &row.serial {
            put(Key::new("serial", serial));
        }
    }

    fn mark(row: &ToyRow) -> Option<String> {
        may_panic("mark");
        mark::split(&row.note).1.map(str::to_owned)
    }

    fn is_deleted(row: &ToyRow) -> bool {
        may_panic("gone");
        row.status == status::DELETED
    }

    fn created(row: &ToyRow) -> Option<Timestamp> {
        may_panic("created");
        row.created
    }

    fn inputs(&self) -> Vec<Input> {
        may_panic("inputs");
        let follows = self.spec.follows.clone();
        let follows = follows.map(|name| Input::new("follows", Source::Object { kind: "Toy", name }));
        let code = self.spec.code.clone();
        let code = code.map(|(name, key)| Input::new("code", Source::Secret { name, key }));
        follows.into_iter().chain(code).collect()
    }

    fn output(&self) -> Option<OutputRef> {
        may_panic("output");
        self.spec.secret.clone().map(|name| OutputRef { name, keep: false })
    }

    fn want(&self, from: &Inputs) -> Result<ToyWant, Invalid> {
        may_panic("want");
        let state = match self.spec.state.as_deref() {
            None => None,
            Some("Enabled") => Some(status::ENABLED),
            Some("Disabled") => Some(status::DISABLED),
            Some(other) => return Err(Invalid::new("state", format!("{other} is not a state; use Enabled"))),
        };
        Ok(ToyWant {
            name: self.spec.name.clone(),
            serial: self.spec.serial.clone(),
            follows: from.int("follows"),
            state,
            tag: self.spec.tag,
            code: from.secret_value("code").cloned(),
            mark: (!self.spec.unmarked).then(|| from.mark()),
            renew: self.spec.renew,
            existing: self.spec.existing,
            movable: self.spec.movable,
            toy_set: None,
        })
    }

    fn find(want: &ToyWant, intent: Option<&Intent>) -> Vec<Find> {
        may_panic("find");
        let mark = want.mark.as_deref().and_then(|m| mark::split(m).1);
        let trace = mark.map(|m| Find::Trace(Key::new("mark", m)));
        let natural = want.serial.as_ref().map(|s| Find::Natural(Key::new("serial", s)));
        let name = intent.and(want.name.as_ref()).map(|n| Find::Natural(Key::new(Key::NAME, n)));
        trace.into_iter().chain(natural).chain(name).collect()
    }

    fn parts(want: &ToyWant) -> Vec<ToyPart> {
        may_panic("parts");
        want.tag.map(|_| ToyPart::Tags).into_iter().collect()
    }

    fn likely(want: &ToyWant) -> Option<Key> {
        may_panic("likely");
        let keyed = want.mark.is_some() || want.serial.is_some();
        want.name.as_ref().filter(|_| !keyed).map(|name| Key::new(Key::NAME, name))
    }

    /// Toys that are called so are not deleted before their tags are known.
    fn parts_to_retire(status: Option<&ToyStatus>) -> Vec<ToyPart> {
        may_panic("parts_to_retire");
        let reads = status.is_some_and(|s| s.name.as_deref() == Some("read first"));
        reads.then_some(ToyPart::Tags).into_iter().collect()
    }

    fn create(want: &ToyWant, _: Option<&Intent>) -> Option<ToyChange> {
        may_panic("create");
        (!want.existing).then(|| ToyChange::Create(want.clone()))
    }

    fn diff(want: &ToyWant, have: &Have<Self>, context: &Context<'_, Self>) -> Diff<ToyChange> {
        may_panic("diff");
        let row = &have.row;
        let mut diff = Diff::default();
        if let Some(name) = want.name.as_ref().filter(|n| **n != row.name) {
            diff.changes.push(ToyChange::Rename(row.name.clone(), name.clone()));
        }
        if let Some(follows) = want.follows.filter(|f| *f != row.follows) {
            diff.changes.push(ToyChange::Follow(row.follows, follows));
        }
        if let Some(mark) =
            want.toy_set.as_deref().map(|toy_set| marks_of(toy_set, context)).filter(|m| *m != row.note)
        {
            diff.changes.push(ToyChange::Mark(mark));
        }
        if let Some(tag) = want.tag.filter(|t| have.parts.read && !have.parts.tags.contains(t)) {
            diff.changes.push(ToyChange::Tag(tag));
        }
        let sent = context.status.and_then(|status| status.common.input("code"));
        if let Some(code) = want.code.as_ref().filter(|code| sent != Some(code.digest())) {
            diff.changes.push(ToyChange::Code(code.clone()));
        }
        if want.movable && want.serial != row.serial {
            diff.changes.push(ToyChange::Serial(row.serial.clone(), want.serial.clone()));
        } else if let Some(serial) = want.serial.as_ref().filter(|s| row.serial.as_ref() != Some(s)) {
            diff.immutable.push(FieldDiff::new("serial", row.serial.as_deref().unwrap_or("-"), serial));
        }
        match want.state.filter(|s| *s != row.status) {
            _ if [STARTING, GIVEN_UP, GOING].contains(&row.status) => {}
            _ if row.status == BUSY => diff.waiting = Some("emnify is working on it".into()),
            None => {}
            Some(_) if row.status == BROKEN => {
                diff.illegal = Some(Invalid::new("state", "emnify cannot bring it back"));
            }
            Some(state) if context.edited => diff.changes.push(ToyChange::State(state)),
            Some(state) => diff.reported.push(FieldDiff::new("state", row.status, state)),
        }
        diff.renew = want.renew.then(|| "asked for".into());
        diff
    }

    fn phase(have: &Have<Self>, _: Timestamp) -> Phase {
        may_panic("phase");
        let busy = |reason, message: &str| {
            let poll = Duration::from_secs(10);
            Phase::Busy { poll, reason, message: message.into() }
        };
        match have.row.status {
            STARTING => busy(reason::PROVISIONING, "emnify sets it up"),
            GOING => busy(reason::DELETING, "emnify takes it down"),
            GIVEN_UP => Phase::Broken {
                reason: reason::BLOCKED,
                message: "emnify gave it up; delete it there".into(),
            },
            _ => Phase::Settled,
        }
    }

    fn retire(have: &Have<Self>, _: &Context<'_, Self>) -> Vec<ToyChange> {
        may_panic("retire");
        let disable = (have.row.status == status::ENABLED).then_some(ToyChange::State(status::DISABLED));
        disable.into_iter().chain([ToyChange::Delete]).collect()
    }

    fn vacate(have: &Have<Self>, key: &Key, _: &dyn Fn(&Key) -> bool) -> Option<ToyChange> {
        (key.name == "serial").then(|| ToyChange::Serial(have.row.serial.clone(), None))
    }

    fn assume(change: &ToyChange, row: &mut ToyRow, parts: &mut ToyParts) {
        may_panic("assume");
        match change {
            ToyChange::Create(_) | ToyChange::Code(_) | ToyChange::Delete => {}
            ToyChange::Serial(_, new) => row.serial.clone_from(new),
            ToyChange::Rename(_, new) => row.name.clone_from(new),
            ToyChange::Follow(_, new) => row.follows = *new,
            ToyChange::State(state) => row.status = *state,
            ToyChange::Tag(tag) => parts.tags.push(*tag),
            ToyChange::Mark(mark) => row.note.clone_from(mark),
        }
    }

    fn report(&self, have: &Have<Self>, news: Option<&bool>, status: &mut ToyStatus) {
        may_panic("report");
        status.name = Some(have.row.name.clone());
        status.online = news.copied().or(status.online);
        status.users = have.row.users.or(status.users);
    }

    async fn list(api: &Api, at: Cursor) -> Result<Page<ToyRow>, Error> {
        may_panic("list");
        Ok(api.list_endpoints(at, &Listing::all()).await?.map(ToyRow::from))
    }

    async fn read(api: &Api, id: &Id) -> Result<Option<ToyRow>, Error> {
        may_panic("read");
        Ok(api.endpoint(id.int().unwrap_or_default()).await?.map(ToyRow::from))
    }

    async fn read_part(api: &Api, id: &Id, _: ToyPart, into: &mut ToyParts) -> Result<(), Error> {
        may_panic("read_part");
        let tags = api.endpoint_tags(id.int().unwrap_or_default()).await?;
        into.read = true;
        into.tags = tags.into_iter().map(|t| t.id).collect();
        Ok(())
    }

    async fn make(api: &Api, new: &ToyChange) -> Result<Reply<Self>, Error> {
        may_panic("send");
        send_one(api, 0, new).await
    }

    async fn apply(api: &Api, id: &Id, change: &ToyChange) -> Result<Reply<Self>, Error> {
        may_panic("send");
        send_one(api, id.int().unwrap_or_default(), change).await
    }
}

/// What a member of a set of toys carries; that we made it is consent to delete it.
fn marks_of(toy_set: &str, context: &Context<'_, Toy>) -> String {
    let made = context.status.is_some_and(|s| s.common.provenance == Some(Provenance::Created));
    if made { format!("made [k8s {toy_set}]") } else { format!("[k8s {toy_set}]") }
}

fn followed(row: &ToyRow, _: Option<&ToyParts>) -> Option<Id> {
    may_panic("uses");
    Some(Id::Int(row.follows)).filter(|_| row.follows != 0)
}

fn effect(event: &Event) -> Option<EventEffect<bool>> {
    may_panic("hear");
    let of = of(event)?;
    let news = match event.kind() {
        Some(3) => Some(true),
        Some(4) => Some(false),
        _ => None,
    };
    Some(EventEffect { of, news })
}

fn alert(event: &Event) -> Option<Alert> {
    may_panic("alert");
    let of = of(event)?;
    let alert = || Alert { of, reason: reason::BLOCKED, note: "blocked".into(), key: event.id.to_string() };
    (event.kind() == Some(11)).then(alert)
}

fn record(record: &Record) -> Option<Subject> {
    may_panic("concerns");
    let by_serial = || record.sim.map(|serial| Subject::Key(Key::new("serial", serial.to_string())));
    record.endpoint.map(|id| Subject::Id(Id::Int(id))).or_else(by_serial)
}
