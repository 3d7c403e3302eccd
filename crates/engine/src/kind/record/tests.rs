use std::{sync::Arc, time::Duration};

use emnify::wire::{Collection, Entry};
use jiff::Timestamp;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{json, to_value};

use super::*;
use crate::kind::{
    Change as _, Source,
    spec::{AdoptionPolicy, CommonSpec, Provenance},
};

/// A label: found by our mark, may be changed, follows another object.
#[derive(CustomResource, JsonSchema, Clone, Debug, Default, Serialize, Deserialize)]
#[kube(
    group = "emnify.io",
    version = "v1alpha1",
    kind = "Label",
    plural = "labels",
    namespaced,
    status = "LabelStatus"
)]
#[serde(rename_all = "camelCase")]
struct LabelSpec {
    name: String,
    colour: Option<i64>,
    text: Option<String>,
    follows: Option<String>,
    #[serde(flatten)]
    common: CommonSpec,
}

#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct LabelStatus {
    colour: Option<i64>,
    #[serde(flatten)]
    common: CommonStatus,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
struct LabelRow {
    id: i64,
    name: String,
    colour: Option<i64>,
    note: String,
    leader: Option<i64>,
    devices: u64,
}

impl Entry for LabelRow {
    type Id = i64;
    fn id(&self) -> i64 {
        self.id
    }
}

crate::kind!(Label, LabelStatus);

const FACTS: Facts = Facts {
    has_read: true,
    serial: None,
    sweep_every: Duration::from_secs(900),
    scrub_every: Duration::from_secs(900),
    adoption: AdoptionPolicy::Never,
    needs_intent: false,
};

impl Record for Label {
    type Row = LabelRow;
    const NOUN: &'static str = "label";
    const FACTS: Facts = FACTS;
    const IDENTITY: Identity = Identity::Mark("text");
    const NAME: &'static [&'static str] = &["name"];
    const FIELDS: &'static [Field<Self>] = &[
        field!(name),
        field!(colour).disturbing(|row| row.devices),
        field!(text => note),
        Field::<Self>::new(
            "follows",
            "leader",
            |object, from| Ok(object.spec.follows.as_ref().and(from.int("follows")).map(Value::Int)),
            |row| row.leader.value(),
            |row, value| put(&mut row.leader, value),
        )
        .looked_up(|object| {
            let name = object.spec.follows.clone()?;
            Some(Input::new("follows", Source::Object { kind: "Label", name }))
        }),
    ];
    const CALLS: Collection<LabelRow> = Collection::at("/labels", "/labels/{id}");

    fn report(row: &LabelRow, status: &mut LabelStatus) {
        status.colour = row.colour;
    }
}

/// A pair: found by what it is, and never changed.
#[derive(CustomResource, JsonSchema, Clone, Debug, Default, Serialize, Deserialize)]
#[kube(
    group = "emnify.io",
    version = "v1alpha1",
    kind = "Pair",
    plural = "pairs",
    namespaced,
    status = "PairStatus"
)]
struct PairSpec {
    left: String,
    right: String,
    #[serde(flatten)]
    common: CommonSpec,
}

#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct PairStatus {
    #[serde(flatten)]
    common: CommonStatus,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
struct PairRow {
    id: String,
    left: String,
    right: String,
}

impl Entry for PairRow {
    type Id = String;
    fn id(&self) -> String {
        self.id.clone()
    }
}

crate::kind!(Pair, PairStatus);

impl Record for Pair {
    type Row = PairRow;
    const NOUN: &'static str = "pair";
    const FACTS: Facts = FACTS;
    const IDENTITY: Identity = Identity::Natural;
    const NAME: &'static [&'static str] = &["left", "right"];
    const FIELDS: &'static [Field<Self>] = &[field!(left).immutable(), field!(right).immutable()];
    const CALLS: Collection<PairRow> = Collection::at("/pairs", "/pairs/{id}").listed_only();
}

/// A flag: called as its object unless the spec says otherwise, with a mark that stays.
#[derive(CustomResource, JsonSchema, Clone, Debug, Default, Serialize, Deserialize)]
#[kube(
    group = "emnify.io",
    version = "v1alpha1",
    kind = "Flag",
    plural = "flags",
    namespaced,
    status = "FlagStatus"
)]
struct FlagSpec {
    title: Option<String>,
    note: Option<String>,
    #[serde(flatten)]
    common: CommonSpec,
}

#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct FlagStatus {
    #[serde(flatten)]
    common: CommonStatus,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
struct FlagRow {
    id: i64,
    title: String,
    note: String,
}

impl Entry for FlagRow {
    type Id = i64;
    fn id(&self) -> i64 {
        self.id
    }
}

crate::kind!(Flag, FlagStatus);

impl Record for Flag {
    type Row = FlagRow;
    const NOUN: &'static str = "flag";
    const FACTS: Facts = FACTS;
    const IDENTITY: Identity = Identity::Mark("note");
    const NAME: &'static [&'static str] = &["title"];
    const FIELDS: &'static [Field<Self>] = &[field!(title).named(), field!(note).immutable().named()];
    const CALLS: Collection<FlagRow> = Collection::at("/flags", "/flags/{id}");
}

fn flag(spec: serde_json::Value) -> Flag {
    Flag::new("a", serde_json::from_value(spec).unwrap())
}

fn label(spec: serde_json::Value) -> Label {
    Label::new("a", serde_json::from_value(spec).unwrap())
}

fn pair(left: &str, right: &str) -> Pair {
    Pair::new("a", PairSpec { left: left.into(), right: right.into(), ..PairSpec::default() })
}

fn inputs() -> Inputs {
    let mut inputs = Inputs::new("prod", "fleet/a", None);
    inputs.put("follows", 9.into());
    inputs
}

fn row() -> LabelRow {
    LabelRow {
        id: 7,
        name: "meters".into(),
        colour: Some(1),
        note: "in cellars [k8s prod/fleet/a]".into(),
        leader: Some(9),
        devices: 12,
    }
}

fn look<K: Managed>(want: &K::Want, row: K::Row, status: Option<&K::Status>) -> Diff<K::Change>
where
    K::Parts: Default,
{
    let have: Have<K> = Have { row: Arc::new(row), parts: Arc::default(), output: None };
    let context = Context {
        now: Timestamp::UNIX_EPOCH,
        object_created: None,
        status,
        edited: true,
        factory_test: false,
        own_tokens: Vec::new(),
        own_users: Vec::new(),
        as_user: false,
    };
    K::diff(want, &have, &context)
}

fn printed<C: ToString>(changes: &[C]) -> Vec<String> {
    changes.iter().map(ToString::to_string).collect()
}

fn keys<K: Managed>(row: &K::Row) -> Vec<Key> {
    let mut keys = Vec::new();
    K::keys(row, &mut |key| keys.push(key));
    keys
}

#[test]
fn what_the_spec_leaves_out_is_neither_made_nor_compared() {
    let want = label(json!({"name": "meters"})).want(&inputs()).unwrap();
    assert!(look::<Label>(&want, row(), None).changes.is_empty(), "colour, text and leader stay");
    let create = Label::create(&want, None).unwrap();
    let body = to_value(body::<Label>(create.created().unwrap())).unwrap();
    assert_eq!(
        body,
        json!({"name": "meters", "note": "[k8s prod/fleet/a]"}),
        "our mark, though no text is wanted"
    );
}

#[test]
fn fields_that_differ_go_in_one_body_by_the_names_of_the_family() {
    let spec = json!({"name": "pumps", "colour": 2, "text": "on roofs", "follows": "b"});
    let object = label(spec);
    let inputs = {
        let mut inputs = inputs();
        inputs.put("follows", 8.into());
        inputs
    };
    let want = object.want(&inputs).unwrap();
    let changes = look::<Label>(&want, row(), None).changes;
    assert_eq!(
        printed(&changes),
        ["name: meters -> pumps, colour: 1 -> 2, text: in cellars [k8s prod/fleet/a] -> on roofs [k8s \
          prod/fleet/a], follows: 9 -> 8"]
    );
    assert_eq!(changes[0].class().disturbs, 12, "a colour concerns every device with the label");
    let Ok(Applied::Patch(sets)) = changes[0].applied() else { panic!("{changes:?}") };
    assert_eq!(
        to_value(body::<Label>(sets)).unwrap(),
        json!({"name": "pumps", "colour": 2, "note": "on roofs [k8s prod/fleet/a]", "leader": 8})
    );
    let mut row = row();
    changes[0].assume(&mut row, &mut ());
    assert!(look::<Label>(&want, row, None).changes.is_empty(), "afterwards nothing differs");
}

#[test]
fn a_reference_is_looked_up_and_its_id_is_sent() {
    let input = label(json!({"name": "a", "follows": "b"})).inputs().remove(0);
    assert!(matches!(input.source, Source::Object { kind: "Label", name } if name == "b"));
    assert!(label(json!({"name": "a"})).inputs().is_empty(), "what the spec leaves out is not looked up");
}

#[test]
fn a_record_is_found_by_our_mark_and_named_without_it() {
    let want = label(json!({"name": "meters"})).want(&inputs()).unwrap();
    let ours = Key::new(mark::KEY, "prod/fleet/a");
    assert_eq!(Label::find(&want, None), [Find::Trace(ours.clone())]);
    assert_eq!(keys::<Label>(&row()), [Key::new(Key::NAME, "meters"), ours]);
    assert_eq!(<Label as Managed>::mark(&row()).as_deref(), Some("prod/fleet/a"));
    let adopted = LabelStatus {
        common: CommonStatus { provenance: Some(Provenance::Adopted), ..CommonStatus::default() },
        ..LabelStatus::default()
    };
    let foreign = LabelRow { note: "theirs".into(), ..row() };
    let changes = look::<Label>(&want, foreign, Some(&adopted)).changes;
    assert!(changes.is_empty(), "what was taken over is not marked: {changes:?}");
}

#[test]
fn a_record_without_a_mark_is_found_by_what_it_is_and_an_edit_of_it_stalls() {
    let want = pair("a", "b").want(&inputs()).unwrap();
    let there = PairRow { id: "x".into(), left: "a".into(), right: "b".into() };
    let name = Key::new(Key::NAME, "a, b");
    assert_eq!(Pair::find(&want, None), [Find::Natural(name.clone())]);
    assert_eq!(keys::<Pair>(&there), [name]);
    assert_eq!(Pair::id(&there), Id::Text("x".into()));
    let edited = look::<Pair>(&pair("a", "c").want(&inputs()).unwrap(), there, None);
    assert!(edited.changes.is_empty(), "nothing is sent that emnify cannot do");
    assert_eq!(edited.immutable, [FieldDiff::new("right", "b", "c")]);
}

#[test]
fn a_new_record_is_called_as_its_object_where_the_spec_says_nothing() {
    let unset = flag(json!({})).want(&inputs()).unwrap();
    let body_of = |want: &Want| {
        let create = Flag::create(want, None).unwrap();
        to_value(body::<Flag>(create.created().unwrap())).unwrap()
    };
    assert_eq!(body_of(&unset), json!({"title": "a", "note": "a [k8s prod/fleet/a]"}));
    let there = FlagRow { id: 7, title: "renamed".into(), note: "edited".into() };
    let diff = look::<Flag>(&unset, there.clone(), None);
    assert!(diff.changes.is_empty() && diff.immutable.is_empty(), "nothing holds it to that: {diff:?}");
    let set = flag(json!({"title": "b", "note": "c"})).want(&inputs()).unwrap();
    assert_eq!(body_of(&set), json!({"title": "b", "note": "c [k8s prod/fleet/a]"}));
}

#[test]
fn a_mark_that_emnify_cannot_change_is_left_as_it_is() {
    let want = flag(json!({"note": "edited"})).want(&inputs()).unwrap();
    let created = CommonStatus { provenance: Some(Provenance::Created), ..CommonStatus::default() };
    let status = FlagStatus { common: created };
    for note in ["edited", "edited [k8s old/fleet/a]"] {
        let there = FlagRow { id: 7, title: "a".into(), note: note.into() };
        assert_eq!(look::<Flag>(&want, there, Some(&status)).immutable, [], "{note}");
    }
    let there = FlagRow { id: 7, title: "a".into(), note: "older [k8s prod/fleet/a]".into() };
    assert_eq!(look::<Flag>(&want, there, None).immutable, [FieldDiff::new("note", "older", "edited")]);
}

#[test]
fn the_status_shows_what_the_row_says() {
    let mut status = LabelStatus::default();
    let have: Have<Label> = Have { row: Arc::new(row()), parts: Arc::default(), output: None };
    Managed::report(&label(json!({"name": "a"})), &have, None, &mut status);
    assert_eq!(status.colour, Some(1));
}
