//! From the spec to what emnify should hold.

use std::collections::{BTreeMap, BTreeSet};

use emnify_engine::kind::{Description, Input, Inputs, Invalid, Source};

use super::{
    rows::{Want, WantZone},
    spec::{BlockedOperator, InclusiveVolume, TariffProfileSpec},
};
use crate::{
    api::{Member, NumericId, References, Target},
    kinds::common::lookups,
};

impl TariffProfileSpec {
    /// What has to be looked up. Rate zones are not: only the profile's own detail knows them.
    pub(super) fn inputs(&self) -> Vec<Input> {
        let tariff = self.tariff.as_ref().and_then(|t| t.input("tariff", Target::Table(&lookups::TARIFFS)));
        let mut inputs: Vec<Input> = tariff.into_iter().collect();
        for (at, blocked) in self.operator_blocklist.iter().flatten().enumerate() {
            inputs.extend(blocked.operator.input(&operator_path(at), &lookups::OPERATORS));
            for (rat, name) in blocked.rat_types.iter().flatten().enumerate() {
                let source =
                    Source::Lookup { table: &lookups::RAT_TYPES, name: name.clone(), optional: false };
                inputs.push(Input::new(rat_path(at, rat), source));
            }
        }
        inputs
    }

    /// What emnify should hold.
    pub(super) fn want(&self, from: &Inputs) -> Result<Want, Invalid> {
        Ok(Want {
            name: self.name.clone(),
            description: Description::new(self.description.clone(), from),
            tariff: self.tariff.as_ref().map(|tariff| tariff.required("tariff", from)).transpose()?,
            zones: self.zones()?,
            blocklist: self.operator_blocklist.as_deref().map(|list| blocklist(list, from)).transpose()?,
            inclusive_volume: self.inclusive_volume.as_ref().map(volume).transpose()?,
        })
    }

    fn zones(&self) -> Result<Option<Vec<WantZone>>, Invalid> {
        let Some(zones) = &self.rate_zones else { return Ok(None) };
        let zones = zones.iter().enumerate().map(|(at, zone)| {
            let path = format!("rateZones[{at}]");
            match zone.member() {
                Some(Member::Id(id)) => NumericId::from(id).int(&path).map(WantZone::Id),
                Some(Member::External(name)) => Ok(WantZone::Name(name.to_owned())),
                _ => Err(Invalid::new(path, "set exactly one of id, externalName")),
            }
        });
        zones.collect::<Result<_, _>>().map(Some)
    }
}

fn blocklist(
    list: &[BlockedOperator],
    from: &Inputs,
) -> Result<BTreeMap<i64, Option<BTreeSet<i64>>>, Invalid> {
    let mut all = BTreeMap::new();
    for (at, blocked) in list.iter().enumerate() {
        let operator = blocked.operator.required(&operator_path(at), from)?;
        let rat = |(rat, name): (usize, &String)| {
            let path = rat_path(at, rat);
            from.int(&path)
                .ok_or_else(|| Invalid::new(path, format!("emnify has no radio technology {name}")))
        };
        let rats = blocked.rat_types.as_ref().map(|rats| rats.iter().enumerate().map(rat).collect());
        if all.insert(operator, rats.transpose()?).is_some() {
            return Err(Invalid::new(operator_path(at), "this operator is listed twice: merge the entries"));
        }
    }
    Ok(all)
}

fn volume(volume: &InclusiveVolume) -> Result<Option<i64>, Invalid> {
    volume.id.as_ref().map(|id| id.int("inclusiveVolume.id")).transpose()
}

fn operator_path(at: usize) -> String {
    format!("operatorBlocklist[{at}].operator")
}

fn rat_path(at: usize, rat: usize) -> String {
    format!("operatorBlocklist[{at}].ratTypes[{rat}]")
}
