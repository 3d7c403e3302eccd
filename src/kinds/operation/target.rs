//! Whom an operation is about.

use emnify_engine::kind::{Id, Input, Inputs, Invalid, Key, Kind, Source, task::World};

use super::{
    Operation,
    spec::{DeviceReference, OperationTarget},
};
use crate::kinds::{
    endpoint::{Endpoint, rows::key},
    endpoint_set::EndpointSet,
    sim,
};

/// Path of a device that is named one by one.
fn path(index: usize) -> String {
    format!("target.endpoints[{index}]")
}

impl OperationTarget {
    /// Objects that it names.
    pub(super) fn inputs(&self) -> Vec<Input> {
        let named = self.endpoints.iter().flatten().enumerate().filter_map(|(index, device)| {
            let name = device.name.as_ref()?.as_str().to_owned();
            Some(Input::new(path(index), Source::Object { kind: Endpoint::KIND, name }))
        });
        named.collect()
    }

    /// Ids of the devices that it means.
    pub(super) fn devices(&self, from: &Inputs, world: &World<'_, Operation>) -> Result<Vec<Id>, Invalid> {
        let Self { endpoints, endpoint_selector, endpoint_set, tag } = self;
        match (endpoints, endpoint_selector, endpoint_set, tag) {
            (Some(all), None, None, None) => {
                all.iter().enumerate().map(|(index, one)| one.device(&path(index), from, world)).collect()
            }
            (None, Some(selector), None, None) if !selector.match_labels.is_empty() => {
                let wanted = &selector.match_labels;
                Ok(world.here.labelled(Endpoint::KIND, &|labels| {
                    wanted
                        .iter()
                        .all(|(key, value)| labels.get(key).is_some_and(|label| label == value.as_str()))
                }))
            }
            (None, None, Some(set), None) => {
                let name = set.name.as_str();
                let missing = || {
                    format!("there is no EndpointSet {name} in this namespace; create it or correct the name")
                };
                let members = world.here.members(EndpointSet::KIND, name);
                members.ok_or_else(|| Invalid::new("target.endpointSet", missing()))
            }
            (None, None, None, Some(tag)) => Ok(tagged(tag, world)),
            _ => Err(Invalid::new(
                "target",
                "set exactly one of endpoints, endpointSelector, endpointSet, tag",
            )),
        }
    }
}

impl DeviceReference {
    fn device(&self, path: &str, from: &Inputs, world: &World<'_, Operation>) -> Result<Id, Invalid> {
        let unknown = |what: &str| Invalid::new(path, format!("{what}; correct it"));
        match (&self.name, &self.id, &self.iccid) {
            (Some(_), None, None) => {
                from.id(path).cloned().ok_or_else(|| unknown("the object has no device yet"))
            }
            (None, Some(id), None) => {
                let number = id.int(path)?;
                let mut there = false;
                world.members.with(number, &mut |_| there = true);
                there.then_some(Id::Int(number)).ok_or_else(|| unknown("the organisation has no such device"))
            }
            (None, None, Some(iccid)) => {
                let iccid = iccid.normal(path)?;
                let sims = world.pool.find(&Key::new(sim::rows::key::ICCID, iccid));
                let sim =
                    sims.first().ok_or_else(|| unknown("the organisation has no SIM with this ICCID"))?;
                let holder = world.members.find(&Key::new(key::SIM, sim.to_string()));
                holder.into_iter().next().ok_or_else(|| unknown("the SIM with this ICCID is in no device"))
            }
            _ => Err(Invalid::new(path, "set exactly one of name, id, iccid")),
        }
    }
}

fn tagged(tag: &str, world: &World<'_, Operation>) -> Vec<Id> {
    let mut found = Vec::new();
    world.members.each(&mut |row| {
        let carries =
            row.tags.as_ref().is_some_and(|tags| tags.iter().any(|one| one.name.eq_ignore_ascii_case(tag)));
        if carries {
            found.push(Id::Int(row.id));
        }
    });
    found
}
