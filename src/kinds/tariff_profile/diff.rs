//! What differs between spec and emnify, as calls in an order that never leaves devices cut off for long.

use std::collections::{BTreeMap, BTreeSet};

use emnify_engine::kind::{Diff, FieldDiff, Have, Invalid, spec::CommonStatus};

use super::{
    TariffProfile,
    change::{Change, FieldChange, Sub, To},
    rows::{Blocked, Row, Want, WantZone, Zone, Zones},
};

/// A tariff goes first, because it wipes the zones; the zones follow at once, selections before deselections.
pub(super) fn diff(want: &Want, have: &Have<TariffProfile>, status: Option<&CommonStatus>) -> Diff<Change> {
    let row = &have.row;
    let devices = u64::try_from(row.used_count).unwrap_or(0);
    let sets = sets(want, row, status, devices);
    let wipes = sets.iter().any(|set| matches!(set.to, To::Tariff(_)));
    let patch = Change::patch(sets);
    let (remove, assign) = volume(want, row, devices);
    let mut diff = Diff::from(remove.map(Change::Sub).into_iter().chain(patch).collect::<Vec<_>>());
    let empty = Zones::Wiped { selected: BTreeSet::new() };
    let known = if wipes { &empty } else { &have.parts.zones };
    let mut subs = Vec::new();
    match zones(want.zones.as_deref(), known, devices) {
        Verdict::Changes(zones) => subs.extend(zones),
        Verdict::Waiting(zones, why) => {
            subs.extend(zones);
            diff.waiting = Some(why);
        }
        Verdict::Illegal(why) => diff.illegal = Some(why),
    }
    subs.extend(assign);
    if let Some(wanted) = &want.blocklist {
        let none = BTreeMap::new();
        blocklist(wanted, have.parts.blocklist.as_ref().unwrap_or(&none), devices, &mut subs);
    }
    diff.changes.extend(subs.into_iter().map(Change::Sub));
    diff
}

/// Everything that one create can carry; emnify requires a tariff.
pub(super) fn create(want: &Want) -> Option<Change> {
    let tariff = want.tariff?;
    let description = want.description.created();
    Some(Change::Create(vec![
        FieldChange::new(FieldDiff::new("name", "-", &want.name), To::Name(want.name.clone())),
        FieldChange::new(FieldDiff::new("description", "-", &description), To::Description(description)),
        FieldChange::new(FieldDiff::new("tariff", "-", tariff), To::Tariff(tariff)),
    ]))
}

fn sets(want: &Want, row: &Row, status: Option<&CommonStatus>, devices: u64) -> Vec<FieldChange> {
    let mut sets = Vec::new();
    if want.name != row.name {
        let diff = FieldDiff::new("name", &row.name, &want.name);
        sets.push(FieldChange::new(diff, To::Name(want.name.clone())));
    }
    if let Some(diff) = want.description.diff(&row.description, status) {
        let to = To::Description(diff.new.clone());
        sets.push(FieldChange::new(diff, to));
    }
    let known = row.tariff.as_ref().map(|(id, _)| *id);
    if let Some(tariff) = want.tariff.filter(|tariff| Some(*tariff) != known) {
        let old = known.map_or_else(|| "none".to_owned(), |id| id.to_string());
        let set = FieldChange::new(FieldDiff::new("tariff", old, tariff), To::Tariff(tariff));
        // it re-prices every device, and wipes the rate zones
        sets.push(FieldChange { disturbs: devices, unsettles: true, ..set });
    }
    sets
}

/// emnify refuses a second inclusive volume, and one of another tariff.
fn volume(want: &Want, row: &Row, devices: u64) -> (Option<Sub>, Option<Sub>) {
    let have = row.inclusive_volume;
    match want.inclusive_volume {
        Some(want) if want != have => (
            have.map(|volume| Sub::RemoveVolume { volume, devices }),
            want.map(|volume| Sub::AssignVolume { volume }),
        ),
        _ => (None, None),
    }
}

enum Verdict {
    Changes(Vec<Sub>),
    Waiting(Vec<Sub>, String),
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
            WantZone::Id(id) => changes.push(Sub::SelectZone { zone: *id, name: id.to_string() }),
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

fn selection(want: &BTreeSet<i64>, zones: &[Zone], devices: u64) -> Vec<Sub> {
    let (mut select, mut deselect) = (Vec::new(), Vec::new());
    for Zone { id, name, selected } in zones {
        let name = name.clone();
        match (want.contains(id), selected) {
            (true, false) => select.push(Sub::SelectZone { zone: *id, name }),
            (false, true) => deselect.push(Sub::DeselectZone { zone: *id, name, devices }),
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
    changes: &mut Vec<Sub>,
) {
    let operators: BTreeSet<_> = have.keys().chain(want.keys()).copied().collect();
    let (free, none) = (Blocked::default(), BTreeSet::new());
    for operator in operators {
        let known = have.get(&operator).unwrap_or(&free);
        let block = |rats| Sub::Block { operator, rats, devices };
        let rats = match want.get(&operator) {
            Some(None) => {
                // Single technologies do no harm beside the whole operator.
                changes.extend((!known.whole).then(|| block(Vec::new())));
                continue;
            }
            Some(Some(rats)) => rats,
            None => &none,
        };
        changes.extend(known.whole.then_some(Sub::Unblock { operator }));
        let missing: Vec<_> = rats.difference(&known.rats).copied().collect();
        changes.extend((!missing.is_empty()).then(|| block(missing)));
        changes.extend(known.rats.difference(rats).map(|rat| Sub::UnblockRat { operator, rat: *rat }));
    }
}
