//! Objects that are alike as sets: whom the sets of the folder mean already, and who becomes a new one.

use std::{collections::HashMap, mem};

use emnify_engine::kind::{
    Id, Kind as _, Managed as _,
    set::{ObjectSet, PoolRow},
};

use super::{
    folder::Folder,
    names,
    proof::{self, Whole},
    stock::{All, Stock},
    told::{Batch, Organisation},
};
use crate::{
    check::Checker,
    kinds::export::{Draft, Export as _, ExportSet, Exported, Known},
    plugin::cli::Sets,
};

/// So many that are alike become a set where nobody names a tag.
const FEWEST: usize = 10;
/// So many are one set at most: kubectl keeps what it applies in an annotation, which has room for no more ICCIDs.
const MOST: usize = 10_000;

/// Who becomes a set, and what is there already.
pub(super) struct Way<'a> {
    pub(super) sets: &'a Sets,
    pub(super) folder: Option<&'a Folder>,
}

/// A kind of fleet, whatever its types are.
pub(super) trait Fleet: Send {
    /// Takes members out of what is exported one by one.
    fn gather(
        &mut self,
        stocks: &mut [Box<dyn Stock>],
        way: &Way<'_>,
        known: &mut Known,
        told: &mut Organisation,
    );
    fn write(&self, known: &Known, checker: &Checker) -> Batch;
}

/// Sets of one kind.
pub(super) struct Fleets<F: ExportSet> {
    /// Members of each, by id; the first one stands for all.
    sets: Vec<Vec<Whole<F::Member>>>,
}

impl<F: ExportSet> Default for Fleets<F> {
    fn default() -> Self {
        Self { sets: Vec::new() }
    }
}

impl<F: ExportSet> Fleet for Fleets<F> {
    fn gather(
        &mut self,
        stocks: &mut [Box<dyn Stock>],
        way: &Way<'_>,
        known: &mut Known,
        told: &mut Organisation,
    ) {
        let Way { sets, folder } = *way;
        let all = stocks.iter_mut().find_map(|stock| stock.any().downcast_mut::<All<F::Member>>());
        let Some(all) = all else { return };
        leave::<F>(all, folder, told);
        let (alike, alone) = alike::<F>(all, sets, known);
        all.rows = alone;
        self.sets = alike;
        if let (Sets::Tag(tag), true) = (sets, self.sets.is_empty()) {
            told.notes.push(format!("no {} with the tag {tag} is left for an {}", F::Member::KIND, F::KIND));
        }
        let mut called = Vec::new();
        for members in &self.sets {
            let template = template::<F>(members, known);
            called.extend(id::<F>(members).zip(template.map(|template| F::called(&template))));
        }
        for members in &self.sets {
            for (row, _) in members {
                known.forget(F::Member::KIND, &F::Member::id(row));
            }
        }
        let taken = folder.map(|folder| folder.names(F::KIND)).unwrap_or_default();
        let names = names::of(F::KIND, &called, &taken);
        for (((id, _), name), members) in called.into_iter().zip(names).zip(&self.sets) {
            told.notes.push(format!(
                "{} {name}: applied, it puts its tag on {} devices, which disturbs none of them, and sends nothing else",
                F::KIND,
                members.len(),
            ));
            known.put(F::KIND, id, name, None);
        }
    }

    fn write(&self, known: &Known, checker: &Checker) -> Batch {
        let mut batch = Batch::of(F::KIND, false);
        for members in &self.sets {
            let Some(id) = id::<F>(members) else { continue };
            let Some(name) = known.name(F::KIND, &id) else { continue };
            if let Err(why) = put::<F>(name, members, known, checker, &mut batch) {
                let why = format!("{why}; --sets never exports them one by one");
                batch.failed.push((id, why));
            }
        }
        batch
    }
}

/// Leaves those alone whom a set of the folder means; where that is not known, all that have no object of their own.
fn leave<F: ExportSet>(all: &mut All<F::Member>, folder: Option<&Folder>, told: &mut Organisation) {
    let mut theirs = 0;
    for held in folder.iter().flat_map(|folder| folder.of(F::KIND)) {
        let set = serde_json::from_value::<F>(held.object.clone()).map_err(|error| error.to_string());
        let text = |set: &F| folder.and_then(|folder| folder.text(&set.text()?));
        let rows = mem::take(&mut all.rows);
        let means = set.as_ref().map_err(Clone::clone).and_then(|set| set.means(text(set)));
        let means = means.unwrap_or_else(|why| {
            told.problems.push(format!(
                "{held}: {why}; whom it means is not known, so no {} is added",
                F::Member::KIND
            ));
            Box::new(|_| true)
        });
        let before = rows.len();
        let is_left = |(row, _): &Whole<F::Member>| all.holds(&F::Member::id(row)) || !means(row);
        let left: Vec<_> = rows.into_iter().filter(is_left).collect();
        theirs += before - left.len();
        drop(means);
        all.rows = left;
    }
    if theirs > 0 {
        told.notes.push(format!("{}: {theirs} left out that a set of the folder means", F::Member::KIND));
    }
}

/// Devices, or whatever a set has as members.
type Rows<F> = Vec<Whole<<F as ObjectSet>::Member>>;

/// Those that become sets, each with its members, and those that stay alone; both in order of their ids.
fn alike<F: ExportSet>(all: &mut All<F::Member>, sets: &Sets, known: &Known) -> (Vec<Rows<F>>, Rows<F>) {
    let (fewest, tag) = match sets {
        Sets::Never => return (Vec::new(), mem::take(&mut all.rows)),
        Sets::Auto => (FEWEST, None),
        Sets::Tag(tag) => (1, Some(tag.as_str())),
    };
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut groups: Vec<Rows<F>> = Vec::new();
    let mut alone = Vec::new();
    for whole in mem::take(&mut all.rows) {
        let may = !all.holds(&F::Member::id(&whole.0)) && tag.is_none_or(|tag| F::carries(&whole.0, tag));
        let one = [whole];
        let key = may.then(|| template::<F>(&one, known)).flatten();
        let key = key.and_then(|template| serde_json::to_string(&template).ok());
        let Some(key) = key else {
            alone.extend(one);
            continue;
        };
        let place = *places.entry(key).or_insert(groups.len());
        if place == groups.len() {
            groups.push(Vec::new());
        }
        groups[place].extend(one);
    }
    let mut found = Vec::new();
    for mut group in groups {
        if group.len() < fewest {
            alone.append(&mut group);
        }
        while !group.is_empty() {
            let rest = group.split_off(group.len().min(MOST));
            found.push(mem::replace(&mut group, rest));
        }
    }
    alone.sort_by_cached_key(|(row, _)| F::Member::id(row));
    (found, alone)
}

/// What a set of these says of all of them, by the manifest of the first; none where that cannot be said whole.
fn template<F: ExportSet>(members: &[Whole<F::Member>], known: &Known) -> Option<F::Template> {
    let (Exported::Always(manifest) | Exported::OnRequest(_, manifest)) = F::Member::EXPORT else {
        return None;
    };
    let (row, parts) = members.first()?;
    let mut draft = Draft::new(known, "", &F::Member::id(row));
    let object = (manifest.write)(row, parts, &mut draft).ok()?;
    F::template(&object).filter(|_| draft.finish().0.is_empty())
}

/// Writes a set.
fn put<F: ExportSet>(
    name: &str,
    members: &[Whole<F::Member>],
    known: &Known,
    checker: &Checker,
    batch: &mut Batch,
) -> Result<(), String> {
    let template = template::<F>(members, known).ok_or("no template can say it")?;
    let held: Vec<PoolRow<F>> = members.iter().filter_map(|(row, _)| F::held(row)).collect();
    let id = id::<F>(members).ok_or("it has no members")?;
    let draft = Draft::new(known, name, &id);
    let (set, text) = F::write(template, &held, &draft);
    proof::joins(&set, members, known)?;
    batch.put(&set, Some(checker))?;
    batch.beside(text.iter());
    Ok(())
}

/// A set is known by the lowest id of its members.
fn id<F: ExportSet>(members: &[Whole<F::Member>]) -> Option<Id> {
    members.first().map(|(row, _)| F::Member::id(row))
}
