//! Secrets whose values go to emnify: each is read by name as long as an object uses it, and who uses it hears of a change.
//!
//! Nothing is listed or watched: the operator sees no Secret that nobody here names.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretString};

use crate::kind::object_key::ObjectKey;

/// Namespace and name of a Secret.
pub(super) type Place = (String, String);
/// `None`: the value is not text.
pub(super) type Data = BTreeMap<String, Option<SecretString>>;

/// What is known of a Secret.
pub(super) enum Known {
    /// It was never read.
    Unread,
    /// It does not exist.
    Missing,
    /// It may not be read, in the API server's words.
    Refused(String),
    There(Data),
}

struct Entry {
    users: BTreeSet<ObjectKey>,
    known: Known,
    /// Whose reader may go on; one that nobody uses any more ends, and who comes later gets another.
    reader: Arc<()>,
}

#[derive(Default)]
struct All {
    entries: HashMap<Place, Entry>,
    /// How many there are in each namespace.
    namespaces: HashMap<String, usize>,
    names: HashMap<ObjectKey, BTreeSet<String>>,
}

/// Secrets in use.
#[derive(Default)]
pub(crate) struct SecretInputs(Mutex<All>);

/// What a key of a Secret holds.
pub(crate) enum Held {
    /// Its value.
    Value(SecretString),
    /// The Secret is being read; who uses it is woken.
    Unread,
    /// Nothing yet: names Secret and key, and the mend.
    Lacking(String),
    /// Something that cannot be sent.
    Unusable(String),
}

impl SecretInputs {
    /// What is at `key`, as last read.
    pub(crate) fn value(&self, namespace: &str, name: &str, key: &str) -> Held {
        let all = self.0.lock();
        let entry = all.entries.get(&(namespace.to_owned(), name.to_owned()));
        match entry.map(|entry| &entry.known) {
            None | Some(Known::Unread) => Held::Unread,
            Some(Known::Missing) => {
                Held::Lacking(format!("Secret {name} does not exist; create it with the key {key}"))
            }
            Some(Known::Refused(why)) => Held::Lacking(format!(
                "key {key} of Secret {name} cannot be read, give the operator the right to get it: {why}"
            )),
            Some(Known::There(data)) => match data.get(key) {
                None => Held::Lacking(format!(
                    "Secret {name} has no key {key}; add it, or name the key that it has"
                )),
                Some(None) => {
                    Held::Unusable(format!("key {key} of Secret {name} is not text; store the value itself"))
                }
                Some(Some(value)) if is_empty(value) => {
                    Held::Lacking(format!("key {key} of Secret {name} is empty; put the value there"))
                }
                Some(Some(value)) => Held::Value(value.clone()),
            },
        }
    }

    /// Replaces the Secrets that `who` uses; returns those that nobody used before.
    pub(super) fn set(&self, who: &ObjectKey, names: &BTreeSet<String>) -> Vec<(Place, Arc<()>)> {
        let All { entries, namespaces, names: before } = &mut *self.0.lock();
        let used = before.remove(who).unwrap_or_default();
        for name in used.difference(names) {
            let place = (who.namespace.clone(), name.clone());
            if let Some(entry) = entries.get_mut(&place) {
                entry.users.remove(who);
                if entry.users.is_empty() {
                    entries.remove(&place);
                    *namespaces.entry(place.0).or_default() -= 1;
                }
            }
        }
        let mut new = Vec::new();
        for name in names {
            let place = (who.namespace.clone(), name.clone());
            let entry = entries.entry(place.clone()).or_insert_with(|| {
                let reader = Arc::new(());
                *namespaces.entry(who.namespace.clone()).or_default() += 1;
                new.push((place, reader.clone()));
                Entry { users: BTreeSet::new(), known: Known::Unread, reader }
            });
            entry.users.insert(who.clone());
        }
        namespaces.retain(|_, count| *count > 0);
        if !names.is_empty() {
            before.insert(who.clone(), names.clone());
        }
        new
    }

    /// Takes note of what was read. Returns who has to hear of it, or `None` where the reader is to end.
    pub(super) fn learn(&self, place: &Place, reader: &Arc<()>, read: Known) -> Option<Vec<ObjectKey>> {
        let mut all = self.0.lock();
        let entry = all.entries.get_mut(place).filter(|entry| Arc::ptr_eq(&entry.reader, reader))?;
        if same(&entry.known, &read) {
            return Some(Vec::new());
        }
        entry.known = read;
        Some(entry.users.iter().cloned().collect())
    }

    /// As how many Secrets one of this namespace counts when reads are shared out: namespaces share alike, so that who names many
    /// holds up nobody else.
    pub(super) fn weight(&self, namespace: &str) -> usize {
        let all = self.0.lock();
        all.namespaces.get(namespace).copied().unwrap_or_default().saturating_mul(all.namespaces.len())
    }

    pub(super) fn goes_on(&self, place: &Place, reader: &Arc<()>) -> bool {
        self.0.lock().entries.get(place).is_some_and(|entry| Arc::ptr_eq(&entry.reader, reader))
    }
}

fn is_empty(value: &SecretString) -> bool {
    value.expose_secret().is_empty()
}

fn same(a: &Known, b: &Known) -> bool {
    match (a, b) {
        (Known::Unread, Known::Unread) | (Known::Missing, Known::Missing) => true,
        (Known::Refused(a), Known::Refused(b)) => a == b,
        (Known::There(a), Known::There(b)) => shown(a).eq(shown(b)),
        _ => false,
    }
}

fn shown(data: &Data) -> impl Iterator<Item = (&str, Option<&str>)> {
    data.iter().map(|(key, value)| (key.as_str(), value.as_ref().map(ExposeSecret::expose_secret)))
}
