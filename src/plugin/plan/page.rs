//! What came of a rehearsal, as people and programs read it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use emnify_engine::{
    cluster::observer::Share,
    kind::{
        Verb, reason,
        reason::condition::{COMPLETE, DRIFTED, FAILED, READY, STALLED},
    },
};
use emnify_rehearsal::{Outcome, Played};
use serde::Serialize;
use serde_json::Value;

use super::kinds::Sort;

/// What an object waits for that does not come in a rehearsal: nobody knows what it would do then.
const UNDECIDED: [&str; 5] = [
    reason::REFERENCE_NOT_READY,
    reason::OBSERVING,
    reason::WORKSPACE_NOT_READY,
    reason::UNAUTHORIZED,
    reason::UNAVAILABLE,
];

/// What would happen.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The organisation, by id.
    pub organisation: String,
    /// Objects, in the order of the manifests.
    pub objects: Vec<Entry>,
    /// How many of them nothing happens to.
    pub unchanged: usize,
    /// Requests to emnify that change something.
    pub calls: usize,
    /// Devices that are deleted, disabled, suspended, activated, cut off or re-priced.
    pub devices_disturbed: u64,
    /// What begins to cost.
    pub starts_billing: Vec<String>,
    /// What ends to.
    pub stops_billing: Vec<String>,
    /// Guards that hold changes back until somebody approves of them.
    pub guards: Vec<Tripped>,
    /// What people should know.
    pub notes: Vec<String>,
    /// What cannot be planned.
    pub problems: Vec<String>,
}

/// A guard that trips.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tripped {
    /// Whose it is.
    pub workspace: String,
    /// Devices that were disturbed before.
    pub done: u64,
    /// Devices that would be disturbed by what waits.
    pub asked: u64,
    /// Objects that wait.
    pub objects: usize,
    /// What the workspace allows.
    pub max_devices: u64,
}

/// What happens to an object.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Its kind.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What happens to it in emnify.
    pub action: Action,
    /// Id in emnify of what is there already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What is sent for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// Why it ends as it does, where that is not well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// A person has to act.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stalled: bool,
}

/// What happens to an object in emnify.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// It is made.
    Create,
    /// What is there is taken over.
    Adopt,
    /// It is changed.
    Change,
    /// It is made anew, and the old one goes.
    Replace,
    /// It is deleted.
    Delete,
    /// It is left behind as it is.
    Leave,
    /// Something is carried out once.
    Run,
    /// Nothing happens.
    None,
}

/// Something that is sent.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// For people.
    pub what: String,
    /// Field by field, where the change says so.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,
    /// How many are changed alike.
    #[serde(skip_serializing_if = "is_one")]
    pub times: usize,
    /// It waits until the guard is approved of.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub after_approval: bool,
    /// Why emnify would refuse it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
fn is_one(times: &usize) -> bool {
    *times == 1
}

/// A field that changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Field {
    /// Path in the spec.
    pub path: String,
    /// What emnify has.
    pub old: String,
    /// What it gets.
    pub new: String,
}

/// What was sent for one object.
#[derive(Default)]
struct Sent<'a>(Vec<(&'a Share, bool, Option<&'a str>)>);

type Key = (String, String, String);

impl Plan {
    /// What the outcome of a rehearsal means.
    pub(super) fn of(
        outcome: &Outcome,
        sorts: &[Sort],
        organisation: String,
        notes: BTreeSet<String>,
    ) -> Self {
        let mut sent: HashMap<Key, Sent<'_>> = HashMap::new();
        let first_held = outcome.held.first().map_or(usize::MAX, |held| held.made);
        for (at, made) in outcome.made.iter().enumerate() {
            for share in &made.shares {
                let object = &share.object;
                let key = (object.kind.to_owned(), object.namespace.clone(), object.name.clone());
                sent.entry(key).or_default().0.push((share, at >= first_held, made.error.as_deref()));
            }
        }
        let mut plan = Self { organisation, calls: outcome.requests.len(), ..Self::default() };
        for played in &outcome.objects {
            let key = key_of(&played.before);
            let sent = sent.remove(&key).unwrap_or_default();
            plan.count(&sent, sorts);
            let entry = entry(key, played, &sent);
            if entry.action == Action::None && entry.message.is_none() {
                plan.unchanged += 1;
            } else {
                plan.objects.push(entry);
            }
        }
        plan.guards = outcome.held.iter().map(tripped).collect();
        plan.notes = notes.into_iter().collect();
        plan.problems.clone_from(&outcome.told);
        if outcome.unfinished {
            plan.problems.push("the plan did not come to rest in time: what is told is not all".to_owned());
        }
        plan
    }

    /// What the calls of an object mean for devices and bills.
    fn count(&mut self, sent: &Sent<'_>, sorts: &[Sort]) {
        let mut disturbed: BTreeMap<String, u64> = BTreeMap::new();
        for (number, (share, _, error)) in sent.0.iter().enumerate() {
            if error.is_some() {
                continue;
            }
            // one that is made has no id yet, and is disturbed once
            let whom = match (&share.id, share.of == share.object.kind) {
                (_, true) => String::new(),
                (Some(id), false) => id.to_string(),
                (None, false) => format!("new {number}"),
            };
            let most = disturbed.entry(whom).or_default();
            *most = share.class.disturbs.max(*most);
            let told = |what: &str| format!("{}: {what}", share.object);
            let ordered = sorts.iter().any(|sort| sort.kind == share.of && sort.ordered);
            let set_to =
                |state: &str| share.fields.iter().any(|f| f.path.ends_with("state") && f.new == state);
            let starts =
                share.activates || set_to("Activated") || (ordered && share.class.verb == Verb::Create);
            let devices = ["Endpoint", "Sim"].contains(&share.of);
            let stops = (devices && share.class.urgent) || (ordered && share.class.verb == Verb::Delete);
            if starts {
                self.starts_billing.push(told(&share.what));
            } else if stops {
                self.stops_billing.push(told(&share.what));
            }
        }
        self.devices_disturbed += disturbed.values().sum::<u64>();
    }

    /// Something would be sent to emnify.
    pub fn changes(&self) -> bool {
        self.calls > 0
    }

    /// Something cannot be carried out, or is not known.
    pub fn fails(&self) -> bool {
        let unknown =
            |entry: &Entry| entry.reason.as_deref().is_some_and(|reason| UNDECIDED.contains(&reason));
        !self.problems.is_empty() || self.objects.iter().any(|entry| entry.stalled || unknown(entry))
    }

    /// How many objects something happens to.
    pub(super) fn tally(&self) -> Vec<(Action, usize)> {
        let mut counts: BTreeMap<Action, usize> = BTreeMap::new();
        for entry in &self.objects {
            *counts.entry(entry.action).or_default() += 1;
        }
        counts.into_iter().filter(|(action, _)| *action != Action::None).collect()
    }
}

fn tripped(held: &emnify_rehearsal::Held) -> Tripped {
    Tripped {
        workspace: held.workspace.clone(),
        done: held.trip.done,
        asked: held.trip.asked,
        objects: held.trip.objects,
        max_devices: held.trip.limit.devices,
    }
}

fn key_of(object: &Value) -> Key {
    let text = |at: &str| object.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
    (text("/kind"), text("/metadata/namespace"), text("/metadata/name"))
}

fn entry((kind, namespace, name): Key, played: &Played, sent: &Sent<'_>) -> Entry {
    let id = |object: &Value| object.pointer("/status/id").and_then(Value::as_str).map(str::to_owned);
    let (before, after) = (id(&played.before), played.after.as_ref().and_then(id));
    let action = action(&kind, played, sent);
    let made = matches!(action, Action::Create | Action::Replace);
    let mut entry = Entry {
        kind,
        namespace,
        name,
        action,
        id: before.or(after.filter(|_| !made)),
        changes: sent.changes(),
        reason: None,
        message: None,
        stalled: false,
    };
    let told = played.after.as_ref().and_then(told);
    if let Some((stalled, reason, message)) = told {
        (entry.stalled, entry.reason, entry.message) = (stalled, Some(reason), Some(message));
    }
    entry
}

fn action(kind: &str, played: &Played, sent: &Sent<'_>) -> Action {
    let is = |object: &Value, at: &str, text: &str| object.pointer(at).and_then(Value::as_str) == Some(text);
    let had = played.before.pointer("/status/id").is_some();
    let went = played.before.pointer("/metadata/deletionTimestamp").is_some();
    let done = || sent.0.iter().filter(|(.., error)| error.is_none()).map(|(share, ..)| share);
    let own = |share: &&&Share| share.of == kind;
    let creates = done().any(|share| own(&share) && share.id.is_none() && share.class.verb == Verb::Create);
    if went {
        return if done().next().is_some() { Action::Delete } else { Action::Leave };
    }
    if creates {
        return if had { Action::Replace } else { Action::Create };
    }
    let adopted = played.after.as_ref().is_some_and(|after| is(after, "/status/provenance", "Adopted"));
    if adopted && !had {
        return Action::Adopt;
    }
    match done().next() {
        Some(_) if ["Operation", "SimBatch"].contains(&kind) => Action::Run,
        Some(_) => Action::Change,
        None => Action::None,
    }
}

/// Whether somebody has to act, and why it is not as it should be.
fn told(object: &Value) -> Option<(bool, String, String)> {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array)?;
    let of = |kind: &str, status: &str| {
        let condition = conditions.iter().find(|one| one["type"] == *kind && one["status"] == *status)?;
        let text = |key: &str| condition[key].as_str().unwrap_or_default().to_owned();
        Some((text("reason"), text("message")))
    };
    if let Some((reason, message)) = of(STALLED, "True").or_else(|| of(FAILED, "True")) {
        return Some((true, reason, message));
    }
    if of(COMPLETE, "True").is_some() {
        return None;
    }
    let (reason, message) =
        of(READY, "False").or_else(|| of(READY, "Unknown")).or_else(|| of(DRIFTED, "True"))?;
    Some((false, reason, message))
}

impl Sent<'_> {
    /// Alike ones of a set are told once.
    fn changes(&self) -> Vec<Change> {
        let mut changes: Vec<Change> = Vec::new();
        for (share, after_approval, error) in &self.0 {
            let field = |f: &emnify_engine::kind::FieldDiff| Field {
                path: f.path.clone(),
                old: f.old.clone(),
                new: f.new.clone(),
            };
            let change = Change {
                what: share.what.clone(),
                fields: share.fields.iter().map(field).collect(),
                times: 1,
                after_approval: *after_approval,
                refused: error.map(str::to_owned),
            };
            let alike = |other: &&mut Change| Change { times: 1, ..(**other).clone() } == change;
            match changes.iter_mut().find(alike) {
                Some(same) => same.times += 1,
                None => changes.push(change),
            }
        }
        changes
    }
}
