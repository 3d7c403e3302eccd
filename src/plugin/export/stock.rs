//! Everything of one kind, read and written. What cannot be read or written is told, and the rest goes on.

use std::{
    any::Any,
    collections::{HashMap, HashSet},
    sync::Arc,
};

use emnify::{Api, Cursor};
use emnify_engine::kind::{Have, Id, Key, Managed, Table};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream};

use super::{
    folder::{Folder, Held},
    names,
    proof::{self, Whole},
    told::{Batch, Organisation},
};
use crate::{
    check::Checker,
    kinds::export::{Draft, Export, Known, Manifest},
    plugin::emnify::mended,
};

/// So many objects are read at once, where a listing does not show all of them.
const AT_ONCE: usize = 4;

/// A kind of which everything is read, whatever its types are.
pub(super) trait Stock: Send {
    fn read<'a>(&'a mut self, api: &'a Api, told: &'a mut Organisation) -> BoxFuture<'a, ()>;
    fn tables(&self) -> Vec<&'static Table>;
    fn name(&mut self, known: &mut Known, folder: Option<&Folder>);
    fn write(&self, known: &Known, checker: &Checker) -> Batch;
    /// Objects of the folder that emnify has no more.
    fn vanished(&self, folder: &Folder) -> Vec<String>;
    fn any(&mut self) -> &mut dyn Any;
}

/// Everything of one kind.
pub(super) struct All<K: Export> {
    manifest: Manifest<K>,
    pub(super) rows: Vec<Whole<K>>,
    /// Ids of all that is there, also of what is not exported; `None` where the listing was not whole.
    there: Option<HashSet<String>>,
    /// What the folder has of them.
    held: HashMap<Id, Held>,
}

impl<K: Export> All<K> {
    pub(super) fn of(manifest: Manifest<K>) -> Self {
        Self { manifest, rows: Vec::new(), there: None, held: HashMap::new() }
    }

    /// The folder has it under a name of its own.
    pub(super) fn holds(&self, id: &Id) -> bool {
        self.held.contains_key(id)
    }

    /// How the object of the folder and emnify differ.
    fn compared(&self, held: &Held, have: &Have<K>, known: &Known) -> Vec<String> {
        let told = serde_json::from_value::<K>(held.object.clone())
            .map_err(|error| format!("it cannot be read: {error}"))
            .and_then(|object| proof::differences(&object, have, &self.manifest, known));
        let all = told.unwrap_or_else(|why| vec![format!("cannot be compared: {why}")]);
        all.into_iter().map(|one| format!("{held}: {one}")).collect()
    }
}

impl<K: Export> Stock for All<K> {
    fn read<'a>(&'a mut self, api: &'a Api, told: &'a mut Organisation) -> BoxFuture<'a, ()> {
        async move {
            let (rows, whole_listing) = listed::<K>(api, told).await;
            let there = || rows.iter().filter(|row| !K::is_deleted(row)).map(|row| K::id(row).to_string());
            self.there = whole_listing.then(|| there().collect());
            let parts = self.manifest.parts;
            let reading = free::<K>(rows, told).into_iter().map(|row| {
                let needed = parts(&row);
                whole::<K>(api.clone(), row, needed)
            });
            let mut read = stream::iter(reading).buffered(AT_ONCE);
            while let Some(one) = read.next().await {
                match one {
                    Ok(one) => self.rows.push(one),
                    Err(why) => told.problems.push(why),
                }
            }
        }
        .boxed()
    }

    fn tables(&self) -> Vec<&'static Table> {
        self.rows.iter().flat_map(|(row, parts)| (self.manifest.tables)(row, parts)).collect()
    }

    fn name(&mut self, known: &mut Known, folder: Option<&Folder>) {
        let mut new = Vec::new();
        for (row, _) in &self.rows {
            let id = K::id(row);
            match folder.and_then(|folder| folder.find(K::KIND, &id, (self.manifest.known_by)(row))) {
                Some(held) => {
                    known.put(K::KIND, id.clone(), held.name.clone(), K::shown(row));
                    if folder.is_some_and(|folder| folder.is_far(held)) {
                        known.is_elsewhere(K::KIND, &id);
                    }
                    self.held.insert(id, held.clone());
                }
                None => new.push((id, (self.manifest.called)(row), K::shown(row))),
            }
        }
        let called: Vec<_> = new.iter().map(|(id, called, _)| (id.clone(), called.clone())).collect();
        let taken = folder.map(|folder| folder.names(K::KIND)).unwrap_or_default();
        let names = names::of(K::KIND, &called, &taken);
        for ((id, _, shown), name) in new.into_iter().zip(names) {
            known.put(K::KIND, id, name, shown);
        }
    }

    fn write(&self, known: &Known, checker: &Checker) -> Batch {
        let mut batch = Batch::of(K::KIND, self.manifest.many);
        let alone = (!self.manifest.many).then_some(checker);
        for (row, parts) in &self.rows {
            let id = K::id(row);
            let have = Have { row: row.clone(), parts: parts.clone(), output: None };
            if let Some(held) = self.held.get(&id) {
                batch.differs.extend(self.compared(held, &have, known));
                continue;
            }
            let Some(name) = known.name(K::KIND, &id) else { continue };
            let mut draft = Draft::new(known, name, &id);
            let object = (self.manifest.write)(row, parts, &mut draft);
            let (lacks, secrets) = draft.finish();
            let written = object.and_then(|object| {
                proof::takes_over(&object, &have, &self.manifest, known)?;
                batch.put(&object, alone)
            });
            match written {
                Ok(()) => {
                    batch.to_fill_in.extend(secrets);
                    batch.lacks.extend(lacks.iter().map(|lack| format!("{} {id}: {lack}", K::KIND)));
                }
                Err(why) => batch.failed.push((id, why)),
            }
        }
        batch
    }

    fn vanished(&self, folder: &Folder) -> Vec<String> {
        let Some(there) = &self.there else { return Vec::new() };
        let gone = folder.of(K::KIND).filter_map(|held| Some((held, held.id()?)));
        let gone = gone.filter(|(_, id)| !there.contains(*id));
        gone.map(|(held, id)| {
            format!("{held}: emnify has no {} {id} any more; nothing is deleted here", K::KIND)
        })
        .collect()
    }

    fn any(&mut self) -> &mut dyn Any {
        self
    }
}

/// What the listing shows, each object once, and whether that is all.
async fn listed<K: Managed>(api: &Api, told: &mut Organisation) -> (Vec<K::Row>, bool) {
    let (mut rows, mut seen, mut next) = (Vec::new(), HashSet::new(), Some(Cursor::first()));
    let before = told.problems.len();
    while let Some(at) = next {
        let page = match K::list(api, at).await {
            Ok(page) => page,
            Err(error) => {
                let part = if rows.is_empty() { "" } else { " to its end" };
                told.problems.push(format!(
                    "{}: the listing cannot be read{part}: {:#}",
                    K::KIND,
                    mended(error)
                ));
                break;
            }
        };
        next = page.next();
        let odd = page.unreadable.iter().map(|id| format!("{} {id}: it cannot be read", K::KIND));
        told.problems.extend(odd);
        if page.nameless > 0 {
            told.problems.push(format!("{}: {} cannot be read, not even their ids", K::KIND, page.nameless));
        }
        if next.is_none() && page.cut {
            told.problems.push(format!("{}: emnify does not say whether there are more", K::KIND));
        }
        let known = rows.len();
        let empty = page.items.is_empty();
        rows.extend(page.items.into_iter().filter(|row| seen.insert(K::id(row))));
        // pages that repeat themselves end, too
        if rows.len() == known && !empty {
            break;
        }
    }
    rows.sort_by_cached_key(K::id);
    (rows, told.problems.len() == before)
}

/// Without what is gone, what an operator made, and all but one of what is as good as one another.
fn free<K: Managed>(rows: Vec<K::Row>, told: &mut Organisation) -> Vec<K::Row> {
    let (mut kept, mut marked, mut alike) = (Vec::new(), 0_usize, 0_usize);
    let mut keys: HashSet<Key> = HashSet::new();
    for row in rows {
        if K::is_deleted(&row) {
            continue;
        }
        if K::mark(&row).is_some() {
            marked += 1;
            continue;
        }
        let mut new = true;
        if K::INTERCHANGEABLE {
            K::keys(&row, &mut |key| new &= keys.insert(key));
        }
        if new {
            kept.push(row);
        } else {
            alike += 1;
        }
    }
    if marked > 0 {
        told.notes.push(format!(
            "{}: {marked} left out that carry the mark of an operator: they are in a cluster already",
            K::KIND
        ));
    }
    if alike > 0 {
        told.notes.push(format!("{}: {alike} left out that are the same as another one", K::KIND));
    }
    kept
}

/// A row with the pieces that its manifest needs.
async fn whole<K: Managed>(api: Api, row: K::Row, needed: Vec<K::Part>) -> Result<Whole<K>, String> {
    let (id, mut parts) = (K::id(&row), K::Parts::default());
    for part in needed {
        let read = K::read_part(&api, &id, part, &mut parts).await;
        read.map_err(|error| format!("{} {id}: it cannot be read whole: {:#}", K::KIND, mended(error)))?;
    }
    Ok((Arc::new(row), Arc::new(parts)))
}
