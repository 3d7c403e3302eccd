//! From what emnify shows to a manifest that takes it over: what each kind says about that, and what it is given for it.
//!
//! A manifest says what its object is and how it is set up: names, profiles, tags, limits. Whether something is in service (`enabled`, the
//! state of a SIM, `paused`) is left out, so that taking over puts nothing into service, or back into it, that starts costs.

use std::collections::HashMap;

use emnify_engine::{
    kind::{
        Id, Input, LookupRow, Managed, Shown, Source, Table, mark,
        set::{MemberChange, MemberRow, ObjectSet, PoolRow},
        spec::{CommonSpec, WorkspaceRef},
    },
    session::lookups::fold,
};
use serde::Serialize;
use serde_json::Value;

use crate::{
    api::{
        ClearableReference, DataKey, ExternalReference, ExternalTextReference, NumericId, ObjectName,
        OperatorReference, Reference, SecretKeyRef, TextId, TextReference,
    },
    kinds::common::lookups::OPERATORS,
};

/// A kind of which manifests are written, or that says why none are. Every kind of the registry does.
pub trait Export: Managed {
    /// How, or why not.
    const EXPORT: Exported<Self>;
}

/// Whether manifests of a kind are written.
#[derive(Debug)]
pub enum Exported<K: Managed> {
    /// Always.
    Always(Manifest<K>),
    /// Where the kind is asked for by name; and why only there.
    OnRequest(&'static str, Manifest<K>),
    /// Never; and why.
    Never(&'static str),
}

/// Writes the manifest of one object, or says why there can be none.
pub type Write<K> = fn(&<K as Managed>::Row, &<K as Managed>::Parts, &mut Draft<'_>) -> Result<K, String>;

/// How the manifest of one object is made. All of it is pure.
pub struct Manifest<K: Managed> {
    /// There may be thousands: in files of their own size, and too many to be held against the definition one by one.
    pub many: bool,
    /// Pieces that it needs beyond the listing.
    pub parts: fn(&K::Row) -> Vec<K::Part>,
    /// Tables by whose names it calls what only emnify has.
    pub tables: fn(&K::Row, &K::Parts) -> Vec<&'static Table>,
    /// What emnify calls the object, after which it is named.
    pub called: fn(&K::Row) -> String,
    /// The manifest, or why there can be none.
    pub write: Write<K>,
    /// What a field of it means, where only the row tells: the SIM that a device has.
    pub meant: fn(&K::Row, &Input) -> Option<Id>,
    /// The field of a spec that means this object as surely as its id, as a pointer, and how it begins: the ICCID of a device's SIM.
    pub known_by: fn(&K::Row) -> Option<(&'static str, String)>,
}

/// A kind of fleet: as one of them objects that are alike can be written. Every kind of fleet of the registry is one.
pub trait ExportSet: ObjectSet<Member: Export> {
    /// What a set says of all of its members.
    type Template: PartialEq + Serialize;

    /// What of this manifest of a single object a set can say of all; `None` where it says something that is its own.
    fn template(member: &Self::Member) -> Option<Self::Template>;
    /// What a set with the template is called.
    fn called(template: &Self::Template) -> String;
    /// What is known of that which a member holds, from the member alone.
    fn held(row: &MemberRow<Self>) -> Option<PoolRow<Self>>;
    /// The member carries the tag.
    fn carries(row: &MemberRow<Self>, tag: &str) -> bool;
    /// The set of the members that hold these, which takes them over; and an object that it names, if it needs one.
    fn write(template: Self::Template, held: &[PoolRow<Self>], draft: &Draft<'_>) -> (Self, Option<Value>);
    /// The change says that a member is of the set, and nothing else.
    fn joins(change: &MemberChange<Self>) -> bool;
    /// Whom the set means; `text`: what [`ObjectSet::text`] names. Else why that is not known.
    fn means(&self, text: Option<&str>) -> Result<Means<'_, MemberRow<Self>>, String>;
}

/// Says of a row whether it is meant.
pub type Means<'a, R> = Box<dyn Fn(&R) -> bool + 'a>;

impl<K: Managed> Manifest<K> {
    /// One that needs the listing only.
    pub const fn of(called: fn(&K::Row) -> String, write: Write<K>) -> Self {
        Self {
            many: false,
            parts: |_| Vec::new(),
            tables: |_, _| Vec::new(),
            called,
            write,
            meant: |_, _| None,
            known_by: |_| None,
        }
    }
}

impl<K: Managed> std::fmt::Debug for Manifest<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Manifest").field("many", &self.many).finish_non_exhaustive()
    }
}

/// What is known of the organisation: what is exported under which name, and what tables call their rows.
#[derive(Debug, Default)]
pub struct Known {
    /// The workspace that all objects name; `None`: the default.
    workspace: Option<WorkspaceRef>,
    objects: HashMap<&'static str, HashMap<Id, Named>>,
    tables: HashMap<&'static str, Names>,
}

#[derive(Debug)]
struct Named {
    name: String,
    shown: Option<Shown>,
    /// In a namespace in which what is written cannot name it.
    elsewhere: bool,
}

#[derive(Debug, Default)]
struct Names {
    rows: HashMap<Id, LookupRow>,
    /// Ids by folded name.
    ids: HashMap<String, Vec<Id>>,
}

impl Known {
    /// Nothing is known yet; objects name this workspace.
    pub fn of(workspace: Option<WorkspaceRef>) -> Self {
        Self { workspace, ..Self::default() }
    }

    /// An object of the kind is exported under this name.
    pub fn put(&mut self, kind: &'static str, id: Id, name: String, shown: Option<Shown>) {
        self.objects.entry(kind).or_default().insert(id, Named { name, shown, elsewhere: false });
    }

    /// What is written cannot name it: by its id only.
    pub fn is_elsewhere(&mut self, kind: &'static str, id: &Id) {
        if let Some(named) = self.objects.get_mut(kind).and_then(|all| all.get_mut(id)) {
            named.elsewhere = true;
        }
    }

    /// It is not exported after all.
    pub fn forget(&mut self, kind: &'static str, id: &Id) {
        if let Some(all) = self.objects.get_mut(kind) {
            all.remove(id);
        }
    }

    /// The name of the object.
    pub fn name(&self, kind: &str, id: &Id) -> Option<&str> {
        self.objects.get(kind)?.get(id).map(|named| named.name.as_str())
    }

    /// The table was read.
    pub fn learn(&mut self, table: &Table, rows: Vec<LookupRow>) {
        let mut names = Names::default();
        for row in rows {
            for name in &row.names {
                let ids = names.ids.entry(fold(name)).or_default();
                if !ids.contains(&row.id) {
                    ids.push(row.id.clone());
                }
            }
            names.rows.insert(row.id.clone(), row);
        }
        self.tables.insert(table.name, names);
    }

    /// What only this row of the table is called, in the table's order.
    fn names_of(&self, table: &Table, id: &Id) -> impl Iterator<Item = &str> {
        let names = self.tables.get(table.name);
        let row = names.and_then(|names| names.rows.get(id));
        let alone = move |name: &&String| {
            let ids = names.and_then(|names| names.ids.get(&fold(name)));
            ids.is_some_and(|ids| ids.len() == 1)
        };
        row.into_iter().flat_map(|row| &row.names).filter(alone).map(String::as_str)
    }

    /// What an input of a manifest leads to: an id, and what is shown of it.
    pub fn resolve(&self, input: &Input) -> Option<(Id, Option<Shown>)> {
        match &input.source {
            Source::Object { kind, name } => {
                let (id, named) = self.objects.get(kind)?.iter().find(|(_, named)| named.name == *name)?;
                Some((id.clone(), named.shown.clone()))
            }
            Source::Lookup { table, name, .. } => {
                let names = self.tables.get(table.name)?;
                let [id] = names.ids.get(&fold(name))?.as_slice() else { return None };
                Some((id.clone(), names.rows.get(id).and_then(|row| row.shown.clone())))
            }
            Source::Mirror { .. }
            | Source::Workspace { .. }
            | Source::Masked { .. }
            | Source::Secret { .. } => None,
        }
    }
}

/// A key of a Secret that a person has to fill in, because emnify does not show what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToFillIn {
    /// Name of the Secret.
    pub secret: String,
    /// Key in its data.
    pub key: String,
    /// What it holds.
    pub holds: String,
}

/// The manifest of one object while it is written.
#[derive(Debug)]
pub struct Draft<'a> {
    known: &'a Known,
    name: &'a str,
    id: String,
    lacks: Vec<String>,
    secrets: Vec<ToFillIn>,
}

impl<'a> Draft<'a> {
    /// That of the object with this id, under this name.
    pub fn new(known: &'a Known, name: &'a str, id: &Id) -> Self {
        Self { known, name, id: id.to_string(), lacks: Vec::new(), secrets: Vec::new() }
    }

    /// What it lacks, and the Secrets that it needs.
    pub fn finish(self) -> (Vec<String>, Vec<ToFillIn>) {
        (self.lacks, self.secrets)
    }

    /// Name of the object.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// What all manifests say: which object of emnify is meant. Nothing else is needed: what was there before the object is left
    /// behind when the object goes.
    pub fn common(&self) -> CommonSpec {
        CommonSpec { id: Some(self.id.clone()), ..self.policies() }
    }

    /// The same of what is no object of emnify.
    pub fn policies(&self) -> CommonSpec {
        CommonSpec { workspace_ref: self.known.workspace.clone(), ..CommonSpec::default() }
    }

    /// Something is left out because no manifest can say it.
    pub fn lacks(&mut self, what: impl Into<String>) {
        self.lacks.push(what.into());
    }

    /// A key of the Secret that is named after the object.
    pub fn secret(&mut self, key: &str, holds: impl Into<String>) -> SecretKeyRef {
        let secret = format!("{}-secrets", self.name);
        self.secrets.push(ToFillIn { secret: secret.clone(), key: key.to_owned(), holds: holds.into() });
        SecretKeyRef { name: ObjectName::from(secret), key: DataKey::from(key) }
    }

    /// Free text without the mark of an operator; empty is nothing.
    pub fn text(&mut self, path: &str, text: &str, most: usize) -> Option<String> {
        let text = mark::split(text).0;
        if text.chars().count() > most {
            self.lacks(format!("{path}: it has more than {most} characters"));
            return None;
        }
        Some(text.to_owned()).filter(|text| !text.is_empty())
    }

    /// The name of an object of that kind, if it is exported to where it can be named.
    pub fn object(&self, kind: &str, id: &Id) -> Option<ObjectName> {
        let named = self.known.objects.get(kind)?.get(id)?;
        (!named.elsewhere).then(|| ObjectName::from(named.name.as_str()))
    }

    /// An object by its name here, else by its id.
    pub fn reference(&self, kind: &str, id: i64) -> Reference {
        match self.object(kind, &Id::Int(id)) {
            Some(name) => Reference { name: Some(name), ..Reference::default() },
            None => Reference { id: Some(numeric(id)), ..Reference::default() },
        }
    }

    /// The same where nothing may be meant, too.
    pub fn clearable(&self, kind: &str, id: i64) -> ClearableReference {
        let Reference { name, id, .. } = self.reference(kind, id);
        ClearableReference { name, id, ..ClearableReference::default() }
    }

    /// The same of a kind whose ids are texts.
    pub fn text_reference(&self, kind: &str, id: &str) -> TextReference {
        match self.object(kind, &Id::Text(id.to_owned())) {
            Some(name) => TextReference { name: Some(name), ..TextReference::default() },
            None => TextReference { id: Some(TextId::from(id)), ..TextReference::default() },
        }
    }

    /// What only this row of the table is called.
    pub fn names(&self, table: &Table, id: &Id) -> impl Iterator<Item = &'a str> {
        self.known.names_of(table, id)
    }

    /// A row of a table by its name, else by its id.
    pub fn external(&self, table: &Table, id: i64) -> ExternalReference {
        match self.names(table, &Id::Int(id)).next() {
            Some(name) => {
                ExternalReference { external_name: Some(name.to_owned()), ..ExternalReference::default() }
            }
            None => ExternalReference { id: Some(numeric(id)), ..ExternalReference::default() },
        }
    }

    /// The same of a table whose ids are texts, by which rows are called, too.
    pub fn external_text(&self, table: &Table, id: &str) -> ExternalTextReference {
        let name = self.names(table, &Id::Text(id.to_owned())).find(|name| *name != id);
        match name {
            Some(name) => ExternalTextReference {
                external_name: Some(name.to_owned()),
                ..ExternalTextReference::default()
            },
            None => ExternalTextReference { id: Some(TextId::from(id)), ..ExternalTextReference::default() },
        }
    }

    /// A network operator: by country and name, else by what else it is called.
    pub fn operator(&self, id: i64) -> OperatorReference {
        let prefix = |of: fn(&str) -> String| of("");
        let (tap, codes) = (prefix(OperatorReference::tap_name), prefix(OperatorReference::mcc_mnc_name));
        let all: Vec<&str> = self.names(&OPERATORS, &Id::Int(id)).collect();
        let plain = |name: &&&str| !name.starts_with(&tap) && !name.starts_with(&codes);
        let placed = all.iter().filter(plain).find(|name| name.contains(" / "));
        if let Some(name) = placed.or_else(|| all.iter().find(plain)) {
            return OperatorReference {
                external_name: Some((*name).to_owned()),
                ..OperatorReference::default()
            };
        }
        if let Some(code) = all.iter().find_map(|name| name.strip_prefix(&tap)) {
            return OperatorReference { tap_code: Some(code.to_owned()), ..OperatorReference::default() };
        }
        OperatorReference { id: Some(numeric(id)), ..OperatorReference::default() }
    }
}

fn numeric(id: i64) -> NumericId {
    NumericId::from(id.to_string())
}

/// One line without blanks around it, as names are written; what is none is left out.
pub(crate) fn line(text: &str, most: usize) -> Option<String> {
    let fits = !text.is_empty()
        && text.trim() == text
        && !text.chars().any(char::is_control)
        && text.chars().count() <= most;
    fits.then(|| text.to_owned())
}

/// Words of names under which addresses carry what only two should know.
const CREDENTIALS: [&str; 11] = [
    "token",
    "secret",
    "password",
    "passwd",
    "pwd",
    "apikey",
    "api_key",
    "api-key",
    "signature",
    "authorization",
    "credential",
];
/// The same as whole names.
const SHORT_CREDENTIALS: [&str; 5] = ["key", "code", "sig", "auth", "pass"];

/// It is a name of something that only two should know.
pub(crate) fn is_credential(name: &str) -> bool {
    let name = name.to_lowercase();
    CREDENTIALS.iter().any(|word| name.contains(word)) || SHORT_CREDENTIALS.contains(&name.as_str())
}

/// What in an address only two should know, if anything looks so: who logs in with it, or a word of its query.
pub(crate) fn credential_in(url: &str) -> Option<String> {
    let rest = url.split_once("://")?.1;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Some("user and password".to_owned());
    }
    let query = rest.split_once('?')?.1;
    let mut names = query.split(['&', '#']).map(|pair| pair.split('=').next().unwrap_or_default());
    names.find(|name| is_credential(name)).map(|name| format!("{name} in its query"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_two_should_know_is_seen_in_addresses() {
        for (url, what) in [
            ("https://ada:pw@example.com/", "user and password"),
            ("https://example.com/hook?code=abc", "code in its query"),
            ("https://example.com/hook?a=1&access_token=abc", "access_token in its query"),
        ] {
            assert_eq!(credential_in(url).as_deref(), Some(what), "{url}");
        }
        for url in ["https://example.com/token", "https://example.com/?country=AT&keyboard=1", "no address"] {
            assert_eq!(credential_in(url), None, "{url}");
        }
    }

    #[test]
    fn an_operator_is_called_by_what_no_other_is_called() {
        let row = |id, names: &[&str]| LookupRow {
            id: Id::Int(id),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            shown: None,
        };
        let mut known = Known::default();
        known.learn(
            &OPERATORS,
            vec![
                row(1, &["Telekom", "Germany / Telekom", "TAP code DEUD1", "MCC-MNC 262-01"]),
                row(2, &["telekom", "TAP code HUNTM", "MCC-MNC 262-01"]),
                row(3, &["Orange"]),
                row(4, &["orange "]),
            ],
        );
        let draft = Draft::new(&known, "a", &Id::Int(9));
        assert_eq!(draft.operator(1).external_name.as_deref(), Some("Germany / Telekom"));
        assert_eq!(draft.operator(2).tap_code.as_deref(), Some("HUNTM"), "two are called Telekom");
        assert_eq!(draft.operator(3).id, Some("3".into()), "two are called Orange, and nothing else");
        assert_eq!(draft.operator(7).id, Some("7".into()), "the table lacks it");
    }

    #[test]
    fn a_reference_is_a_name_where_the_object_is_exported() {
        let mut known = Known::default();
        known.put("ServiceProfile", Id::Int(7), "meters".into(), None);
        let draft = Draft::new(&known, "a", &Id::Int(9));
        assert_eq!(draft.reference("ServiceProfile", 7).name, Some("meters".into()));
        assert_eq!(draft.reference("ServiceProfile", 8).id, Some("8".into()));
        assert_eq!(draft.clearable("ServiceProfile", 7).name, Some("meters".into()));
        assert_eq!(draft.common().id.as_deref(), Some("9"));
        known.is_elsewhere("ServiceProfile", &Id::Int(7));
        let draft = Draft::new(&known, "a", &Id::Int(9));
        assert_eq!(
            draft.reference("ServiceProfile", 7).id,
            Some("7".into()),
            "no name reaches another namespace"
        );
        known.forget("ServiceProfile", &Id::Int(7));
        assert_eq!(known.name("ServiceProfile", &Id::Int(7)), None);
    }

    #[test]
    fn a_text_loses_the_mark_and_one_that_is_too_long_is_told() {
        let known = Known::default();
        let mut draft = Draft::new(&known, "a", &Id::Int(9));
        assert_eq!(draft.text("description", "roof [k8s prod/ns/a]", 9).as_deref(), Some("roof"));
        assert_eq!(draft.text("description", "", 9), None);
        assert_eq!(draft.text("description", "far too long", 9), None);
        assert_eq!(draft.finish().0, ["description: it has more than 9 characters"]);
        assert_eq!((line("a b", 3), line(" a", 3), line("a\nb", 3)), (Some("a b".to_owned()), None, None));
    }
}
