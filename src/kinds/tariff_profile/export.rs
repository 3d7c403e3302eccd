//! A tariff profile as a manifest.

use std::collections::{BTreeMap, BTreeSet};

use emnify_engine::kind::{Id, Table};

use super::{
    rows::{Blocked, Part, Parts, Row, Zone, Zones},
    spec::{BlockedOperator, InclusiveVolume, TariffProfile, TariffProfileSpec},
};
use crate::{
    api::{ExternalReference, NumericId},
    kinds::{
        common::lookups::{OPERATORS, RAT_TYPES, TARIFFS},
        export::{Draft, Export, Exported, Manifest},
    },
};

/// As many as a manifest may list.
const MOST_OPERATORS: usize = 256;

impl Export for TariffProfile {
    const EXPORT: Exported<Self> = Exported::Always(Manifest {
        parts: |_| vec![Part::Detail, Part::Blocklist],
        tables,
        ..Manifest::of(|row| row.name.clone(), write)
    });
}

fn tables(row: &Row, parts: &Parts) -> Vec<&'static Table> {
    let blocked = || parts.blocklist.iter().flat_map(BTreeMap::values);
    let needed = [
        (row.tariff.is_some(), &TARIFFS),
        (blocked().next().is_some(), &OPERATORS),
        (blocked().any(|blocked| !blocked.rats.is_empty()), &RAT_TYPES),
    ];
    needed.into_iter().filter_map(|(needed, table)| needed.then_some(table)).collect()
}

fn write(row: &Row, parts: &Parts, draft: &mut Draft<'_>) -> Result<TariffProfile, String> {
    let Zones::Read(zones) = &parts.zones else {
        return Err("rateZones: emnify does not show them".to_owned());
    };
    let selected: Vec<_> = zones.iter().filter(|zone| zone.selected).map(|zone| named(zone, zones)).collect();
    if selected.is_empty() {
        return Err(
            "rateZones: none is selected, so that every device with it is cut off; select one in the portal"
                .to_owned(),
        );
    }
    let blocklist = parts.blocklist.as_ref().ok_or("operatorBlocklist: emnify does not show it")?;
    let volume = row.inclusive_volume;
    let spec = TariffProfileSpec {
        name: row.name.clone(),
        description: draft.text("description", &row.description, 255),
        tariff: row.tariff.as_ref().map(|(id, _)| draft.external(&TARIFFS, *id)),
        rate_zones: Some(selected),
        operator_blocklist: blocked(blocklist, draft),
        inclusive_volume: volume
            .map(|id| InclusiveVolume { id: Some(NumericId::from(id.to_string())), none: None }),
        common: draft.common(),
    };
    Ok(TariffProfile::new(draft.name(), spec))
}

/// By its name, if the tariff has no other zone of that name.
fn named(zone: &Zone, zones: &[Zone]) -> ExternalReference {
    let alone = zones.iter().filter(|other| other.name.eq_ignore_ascii_case(&zone.name)).count() == 1;
    if alone && !zone.name.is_empty() {
        return ExternalReference { external_name: Some(zone.name.clone()), ..ExternalReference::default() };
    }
    ExternalReference { id: Some(NumericId::from(zone.id.to_string())), ..ExternalReference::default() }
}

/// All of them or none: the list is the whole of what is blocked.
fn blocked(list: &BTreeMap<i64, Blocked>, draft: &mut Draft<'_>) -> Option<Vec<BlockedOperator>> {
    if list.is_empty() {
        return None;
    }
    if list.len() > MOST_OPERATORS {
        draft.lacks(format!("operatorBlocklist: it has more than {MOST_OPERATORS} operators"));
        return None;
    }
    let mut all = Vec::new();
    for (operator, Blocked { whole, rats }) in list {
        // single technologies do no harm beside the whole operator
        let rat_types = if *whole { None } else { Some(names(rats, draft)?) };
        all.push(BlockedOperator { operator: draft.operator(*operator), rat_types });
    }
    Some(all)
}

/// Manifests name radio technologies, and nothing else means one.
fn names(rats: &BTreeSet<i64>, draft: &mut Draft<'_>) -> Option<Vec<String>> {
    let mut all = Vec::new();
    for rat in rats {
        let Some(name) = draft.names(&RAT_TYPES, &Id::Int(*rat)).next() else {
            draft.lacks(format!(
                "operatorBlocklist: emnify does not tell what the radio technology {rat} is called"
            ));
            return None;
        };
        all.push(name.to_owned());
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use emnify_engine::kind::LookupRow;
    use serde_json::{Value, json, to_value};

    use super::*;
    use crate::kinds::export::Known;

    fn zone(id: i64, name: &str, selected: bool) -> Zone {
        Zone { id, name: name.into(), selected }
    }

    fn written(zones: Vec<Zone>, rats: &[i64]) -> Result<(Value, Vec<String>), String> {
        let mut known = Known::default();
        known.learn(&RAT_TYPES, vec![LookupRow { id: Id::Int(2), names: vec!["2G".into()], shown: None }]);
        let blocked = Blocked { whole: rats.is_empty(), rats: rats.iter().copied().collect() };
        let blocklist = Some(BTreeMap::from([(24, blocked)]));
        let parts = Parts { zones: Zones::Read(zones), blocklist, ..Parts::default() };
        let row = Row { id: 7, name: "Europe".into(), tariff: Some((11, None)), ..Row::default() };
        let mut draft = Draft::new(&known, "europe", &Id::Int(7));
        let object = write(&row, &parts, &mut draft)?;
        Ok((to_value(&object.spec).unwrap(), draft.finish().0))
    }

    #[test]
    fn zones_go_by_their_name_if_that_is_theirs_alone() {
        let zones = vec![zone(71, "Europe", true), zone(72, "World", true), zone(73, "world", false)];
        let (spec, lacks) = written(zones, &[2]).unwrap();
        assert_eq!(spec["rateZones"], json!([{"externalName": "Europe"}, {"id": "72"}]));
        assert_eq!(spec["operatorBlocklist"], json!([{"operator": {"id": "24"}, "ratTypes": ["2G"]}]));
        assert_eq!((&spec["tariff"], lacks.len()), (&json!({"id": "11"}), 0));
        let whole = written(vec![zone(71, "Europe", true)], &[]).unwrap().0;
        assert_eq!(whole["operatorBlocklist"], json!([{"operator": {"id": "24"}}]));
    }

    #[test]
    fn a_blocklist_that_cannot_be_said_whole_is_left_alone_and_a_profile_without_zones_is_told() {
        let (spec, lacks) = written(vec![zone(71, "Europe", true)], &[2, 9]).unwrap();
        assert!(spec.get("operatorBlocklist").is_none(), "half of it would unblock the rest");
        assert!(lacks[0].contains("radio technology 9"), "{lacks:?}");
        let why = written(vec![zone(71, "Europe", false)], &[]).unwrap_err();
        assert!(why.contains("none is selected"), "{why}");
    }
}
