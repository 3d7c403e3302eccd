//! What differs between spec and emnify, as calls in an order that never leaves devices cut off for long.

use std::collections::{BTreeMap, BTreeSet};

use emnify_engine::kind::{Diff, FieldDiff, Have, Invalid, spec::CommonStatus};

use super::{TariffProfile, change::{Change, FieldChange, To}, rows::{Blocked, Parts, Row, Want, WantZone, Zone, Zones}};

/// A tariff goes first, because it wipes the zones; the zones follow at once, selections before deselections.
pub(super) fn diff(want: &Want, have: &Have<TariffProfile>, status: Option<&CommonStatus>) -> Diff<Change> {
    let row = &have.row;
    let devices = u64::try_from(row.used_count).unwrap_or(0);
    let sets = sets(want, row, status);
    let wipes = sets.iter().any(|set| matches!(set.to, To::Tariff(_)));
    let patch = (!sets.is_empty()).then_some(Change::Patch { sets, devices });
    let (remove, assign) = volume(want, row, devices);
    let mut diff = Diff::from(remove.into_iter().chain(patch).collect::<Vec<_>>());
    let empty = Zones::Wiped { selected: BTreeSet::new() };
    let known = if wipes { &empty } else { &have.parts.zones };
    match zones(want.zones.as_deref(), known, devices) {
        Verdict::Changes(changes) => diff.changes.extend(changes),
        Verdict::Waiting(changes, why) => {
            diff.changes.extend(changes);
            diff.waiting = Some(why);
        }
        Verdict::Illegal(why) => diff.illegal = Some(why),
    }
    diff.changes.extend(assign);
    if let Some(wanted) = &want.blocklist {
        let none = BTreeMap::new();
        blocklist(wanted, have.parts.blocklist.as_ref().unwrap_or(&none), devices, &mut diff.changes);
    }
    diff
}

/// Everything that one create can carry; emnify requires a tariff.
pub(super) fn create(want: &Want) -> Option<Change> {
    let tariff = want.tariff?;
    let description = want.description.created();
    Some(Change::Create(vec![
        FieldChange { diff: FieldDiff::new("name", "-", &want.name), to: To::Name(want.name.clone()) },
        FieldChange { diff: FieldDiff::new("description", "-", &description), to: To::Description(description) },
        FieldChange { diff: FieldDiff::new("tariff", "-", tariff), to: To::Tariff(tariff) },
    ]))
}

/// What a success means for what is known.
pub(super) fn assume(change: &Change, row: &mut Row, parts: &mut Parts) {
    match change {
        Change::Create(sets) | Change::Patch { sets, .. } => {
            for set in sets {
                match &set.to {
                    To::Name(name) => row.name.clone_from(name),
                    To::Description(text) => row.description.clone_from(text),
                    To::Tariff(tariff) => {
                        row.tariff = Some((*tariff, None));
                        parts.zones = Zones::Wiped { selected: BTreeSet::new() };
                    }
                }
            }
        }
        Change::SelectZone { zone, .. } => select(&mut parts.zones, *zone, true),
        Change::DeselectZone { zone, .. } => select(&mut parts.zones, *zone, false),
        Change::AssignVolume { volume } => row.inclusive_volume = Some(*volume),
        Change::RemoveVolume { .. } => row.inclusive_volume = None,
        Change::Block { operator, rats, .. } => edit(parts, *operator, |entry| {
            entry.whole |= rats.is_empty();
            entry.rats.extend(rats);
        }),
        Change::Unblock { operator } => edit(parts, *operator, |entry| entry.whole = false),
        Change::UnblockRat { operator, rat } => {
            edit(parts, *operator, |entry| entry.rats.retain(|known| known != rat));
        }
        Change::Delete => {}
    }
}

/// An entry goes when nothing of the operator is blocked any more.
fn edit(parts: &mut Parts, operator: i64, edit: impl FnOnce(&mut Blocked)) {
    let Some(list) = &mut parts.blocklist else { return };
    let entry = list.entry(operator).or_default();
    edit(entry);
    if *entry == Blocked::default() {
        list.remove(&operator);
    }
}

fn select(zones: &mut Zones, id: i64, on: bool) {
    match zones {
        Zones::Unread => {}
        Zones::Wiped { selected } if on => drop(selected.insert(id)),
        Zones::Wiped { selected } => drop(selected.remove(&id)),
        Zones::Read(all) => {
            for zone in all.iter_mut().filter(|zone| zone.id == id) {
                zone.selected = on;
            }
        }
    }
}

fn sets(want: &Want, row: &Row, status: Option<&CommonStatus>) -> Vec<FieldChange> {
    let mut sets = Vec::new();
    if want.name != row.name {
        let diff = FieldDiff::new("name", &row.name, &want.name);
        sets.push(FieldChange { diff, to: To::Name(want.name.clone()) });
    }
    if let Some(diff) = want.description.diff(&row.description, status) {
        let to = To::Description(diff.new.clone());
        sets.push(FieldChange { diff, to });
    }
    let known = row.tariff.as_ref().map(|(id, _)| *id);
    if let Some(tariff) = want.tariff.filter(|tariff| Some(*tariff) != known) {
        let old = known.map_or_else(|| "none".to_owned(), |id| id.to_string());
        sets.push(FieldChange { diff: FieldDiff::new("tariff", old, tariff), to: To::Tariff(tariff) });
    }
    sets
}

/// emnify refuses a second inclusive volume, and one of another tariff.
fn volume(want: &Want, row: &Row, devices: u64) -> (Option<Change>, Option<Change>) {
    let have = row.inclusive_volume;
    match want.inclusive_volume {
        Some(want) if want != have => (
            have.map(|volume| Change::RemoveVolume { volume, devices }),
            want.map(|volume| Change::AssignVolume { volume }),
        ),
        _ => (None, None),
    }
}

enum Verdict {
    Changes(Vec<Change>),
    Waiting(Vec<Change>, String),
    Illegal(Invalid),
}

fn zones(want: Option<&[WantZone]>, known: &Zones, devices: u64) -> Verdict {
    match (want, known) {
        (_, Zones::Unread) => {
            Verdict::Waiting(Vec::new(), "the rate zones of the profile are not read yet".into())
        }
        (None, Zones::Wiped { selected }) if selected.is_empty() => Verdict::Illegal(no_zone()),
        (None, Zones::Read(zones)) if !zones.iter().any(|zone| zone.selected) => Verdict::Illegal(no_zone()),
        (None, Zones::Wiped { .. } | Zones::Read(_)) => Verdict::Changes(Vec::new()),
        (Some(want), Zones::Wiped { selected }) => after_wipe(want, selected),
        (Some(want), Zones::Read(zones)) => match resolve(want, zones) {
            Ok(ids) => Verdict::Changes(selection(&ids, zones, devices)),
            Err(invalid) => Verdict::Illegal(invalid),
        },
    }
}

fn no_zone() -> Invalid {
    Invalid::new(
        "rateZones",
        "no rate zone is selected, so every device with this profile is cut off: name at least one",
    )
}

/// Zones wanted by id come back at once; names have to be read with the new tariff first.
fn after_wipe(want: &[WantZone], selected: &BTreeSet<i64>) -> Verdict {
    let mut changes = Vec::new();
    let mut named = false;
    for zone in want {
        match zone {
            WantZone::Id(id) if selected.contains(id) => {}
            WantZone::Id(id) => changes.push(Change::SelectZone { zone: *id, name: id.to_string() }),
            WantZone::Name(_) => named = true,
        }
    }
    if named {
        Verdict::Waiting(changes, "the rate zones of the new tariff are not read yet".to_owned())
    } else {
        Verdict::Changes(changes)
    }
}

/// Ids of the wanted zones, or what is wrong with one of them.
fn resolve(want: &[WantZone], zones: &[Zone]) -> Result<BTreeSet<i64>, Invalid> {
    let mut ids = BTreeSet::new();
    for (at, wanted) in want.iter().enumerate() {
        let mut found = zones.iter().filter(|zone| match wanted {
            WantZone::Id(id) => zone.id == *id,
            WantZone::Name(name) => zone.name.eq_ignore_ascii_case(name),
        });
        let path = format!("rateZones[{at}]");
        match (found.next(), found.next()) {
            (Some(zone), None) => ids.insert(zone.id),
            (Some(_), Some(_)) => return Err(Invalid::new(path, "several zones have this name: use the id")),
            (None, _) => {
                let names: Vec<_> = zones.iter().map(|zone| format!("{} ({})", zone.name, zone.id)).collect();
                return Err(Invalid::new(
                    path,
                    format!("the tariff has no such zone, only {}", names.join(", ")),
                ));
            }
        };
    }
    Ok(ids)
}

fn selection(want: &BTreeSet<i64>, zones: &[Zone], devices: u64) -> Vec<Change> {
    let (mut select, mut deselect) = (Vec::new(), Vec::new());
    for Zone { id, name, selected } in zones {
        let name = name.clone();
        match (want.contains(id), selected) {
            (true, false) => select.push(Change::SelectZone { zone: *id, name }),
            (false, true) => deselect.push(Change::DeselectZone { zone: *id, name, devices }),
            _ => {}
        }
    }
    select.append(&mut deselect);
    select
}

fn blocklist(
    want: &BTreeMap<i64, Option<BTreeSet<i64>>>,
    have: &BTreeMap<i64, Blocked>,
    devices: u64,
    changes: &mut Vec<Change>,
) {
    let operators: BTreeSet<_> = have.keys().chain(want.keys()).copied().collect();
    let (free, none) = (Blocked::default(), BTreeSet::new());
    for operator in operators {
        let known = have.get(&operator).unwrap_or(&free);
        let block = |rats| Change::Block { operator, rats, devices };
        let rats = match want.get(&operator) {
            Some(None) => {
                // Single technologies do no harm beside the whole operator.
                changes.extend((!known.whole).then(|| block(Vec::new())));
                continue;
            }
            Some(Some(rats)) => rats,
            None => &none,
        };
        changes.extend(known.whole.then_some(Change::Unblock { operator }));
        let missing: Vec<_> = rats.difference(&known.rats).copied().collect();
        changes.extend((!missing.is_empty()).then(|| block(missing)));
        changes.extend(known.rats.difference(rats).map(|rat| Change::UnblockRat { operator, rat: *rat }));
    }
}
