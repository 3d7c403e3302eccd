//! Whom an operation is about.

use emnify_engine::kind::{Id, Input, Inputs, Invalid, Key, Kind, Source, task::World};

use super::{
    Operation,
    spec::{DeviceReference, OperationTarget, SimTargets},
};
use crate::{
    api::{Iccid, Member, Reference, References, Target},
    kinds::{
        cloud_connect::CloudConnect,
        data_stream::DataStream,
        endpoint::{Endpoint, rows::key},
        endpoint_set::{EndpointSet, Entry, SimTest, iccids},
        service_profile::ServiceProfile,
        sim,
        user::User,
    },
};

const ONE: &str = "set exactly one member that fits the action";

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
        let stream = self.data_stream.as_ref();
        let stream =
            stream.and_then(|stream| stream.input("target.dataStream", Target::Kind(DataStream::KIND)));
        let others = self.references().into_iter();
        let others = others.filter_map(|(kind, path, reference)| reference?.input(path, Target::Kind(kind)));
        named.chain(stream).chain(others).collect()
    }

    /// Objects with numbers, of which an action takes one.
    fn references(&self) -> [(&'static str, &'static str, Option<&Reference>); 3] {
        [
            (CloudConnect::KIND, "target.cloudConnect", self.cloud_connect.as_ref()),
            (ServiceProfile::KIND, "target.serviceProfile", self.service_profile.as_ref()),
            (User::KIND, "target.user", self.user.as_ref()),
        ]
    }

    /// Id of the one object of this kind that it means.
    pub(super) fn only(&self, kind: &str, from: &Inputs) -> Result<Id, Invalid> {
        if let (DataStream::KIND, Some(stream)) = (kind, &self.data_stream) {
            return stream.text("target.dataStream", from).map(|id| Id::parse(&id));
        }
        let reference =
            self.references().into_iter().find(|(of, _, reference)| *of == kind && reference.is_some());
        let Some((_, path, Some(reference))) = reference else { return Err(Invalid::new("target", ONE)) };
        reference.required(path, from).map(Id::Int)
    }

    /// What the one object is called in the spec.
    pub(super) fn called(&self) -> Option<String> {
        let others = self.references().into_iter().filter_map(|(.., reference)| reference?.member());
        let all = self.data_stream.as_ref().and_then(References::member).into_iter().chain(others);
        all.into_iter().find_map(|member| match member {
            Member::Object(name) | Member::External(name) => Some(name.to_owned()),
            Member::Id(_) | Member::None => None,
        })
    }

    /// EIDs of the eUICCs that it means.
    pub(super) fn eids(&self) -> Vec<Id> {
        self.euiccs.iter().flatten().map(|eid| Id::Text(eid.to_string())).collect()
    }

    /// Ids of the devices that it means; a SIM in no device means none.
    pub(super) fn devices(&self, from: &Inputs, world: &World<'_, Operation>) -> Result<Vec<Id>, Invalid> {
        let Self { endpoints, endpoint_selector, endpoint_set, tag, sims, .. } = self;
        match (endpoints, endpoint_selector, endpoint_set, tag, sims) {
            (Some(all), None, None, None, None) => {
                let found =
                    all.iter().enumerate().map(|(index, one)| (one, one.device(&path(index), from, world)));
                // one that a trigger named may be gone by now, which keeps no other from its turn
                let there = found.filter(|(one, found)| one.cause.is_none() || found.is_ok());
                named(there.map(|(_, found)| found), world)
            }
            (None, Some(selector), None, None, None) if !selector.match_labels.is_empty() => {
                let wanted = &selector.match_labels;
                Ok(world.here.labelled(Endpoint::KIND, &|labels| {
                    wanted
                        .iter()
                        .all(|(key, value)| labels.get(key).is_some_and(|label| label == value.as_str()))
                }))
            }
            (None, None, Some(set), None, None) => {
                let name = set.name.as_str();
                let missing = || {
                    format!("there is no EndpointSet {name} in this namespace; create it or correct the name")
                };
                let members = world.here.members(EndpointSet::KIND, name);
                members.ok_or_else(|| Invalid::new("target.endpointSet", missing()))
            }
            (None, None, None, Some(tag), None) => Ok(tagged(tag, world)),
            (None, None, None, None, Some(sims)) => {
                let holder =
                    |sim: &Id| world.members.find(&Key::new(key::SIM, sim.to_string())).into_iter().next();
                Ok(sims.ids(world)?.iter().filter_map(holder).collect())
            }
            _ => Err(Invalid::new("target", ONE)),
        }
    }

    /// Ids of the SIMs that it means; a device without one means none.
    pub(super) fn sims(&self, from: &Inputs, world: &World<'_, Operation>) -> Result<Vec<Id>, Invalid> {
        if let (Some(sims), None, None, None, None) =
            (&self.sims, &self.endpoints, &self.endpoint_selector, &self.endpoint_set, &self.tag)
        {
            return sims.ids(world);
        }
        let mut found = Vec::new();
        for id in self.devices(from, world)? {
            let number = id.int().unwrap_or_default();
            world.members.with(number, &mut |row| found.extend(row.sim.as_ref().map(|sim| Id::Int(sim.id))));
        }
        Ok(found)
    }
}

impl SimTargets {
    fn ids(&self, world: &World<'_, Operation>) -> Result<Vec<Id>, Invalid> {
        match (&self.list, &self.config_map_ref, &self.selector) {
            (Some(list), None, None) => {
                named(list.iter().enumerate().map(|(index, iccid)| listed(index, iccid, world)), world)
            }
            (None, Some(_), None) => written(world),
            (None, None, Some(selector)) => {
                let test = SimTest::new(selector, "target.sims.selector", false)?;
                let mut found = Vec::new();
                world.pool.each(&mut |row| {
                    if !row.is_tombstone() && test.passes(row, false, world.members) {
                        found.push(Id::Int(row.id));
                    }
                });
                Ok(found)
            }
            _ => Err(Invalid::new("target.sims", "set exactly one of list, configMapRef, selector")),
        }
    }
}

fn listed(index: usize, iccid: &Iccid, world: &World<'_, Operation>) -> Result<Id, Invalid> {
    let path = format!("target.sims.list[{index}]");
    let unknown = || Invalid::new(&*path, "the organisation has no SIM with this ICCID; correct it");
    with_iccid(&iccid.normal(&path)?, world).ok_or_else(unknown)
}

/// SIMs of the `ConfigMap`. One that is not there stops all: it may be a mistyped one that is.
fn written(world: &World<'_, Operation>) -> Result<Vec<Id>, Invalid> {
    const PATH: &str = "target.sims.configMapRef";
    let text = world.text.ok_or_else(|| Invalid::new(PATH, "the ConfigMap has no such key"))?;
    let entries = iccids(text, PATH)?;
    if entries.is_empty() {
        return Err(Invalid::new(PATH, "the text names no SIM"));
    }
    let one = |entry: &Entry| {
        let unknown = || {
            let told = format!(
                "{}: the organisation has no SIM with ICCID {}; correct it",
                entry.place, entry.iccid
            );
            Invalid::new(PATH, told)
        };
        with_iccid(&entry.iccid, world).ok_or_else(unknown)
    };
    named(entries.iter().map(one), world)
}

/// All of these. One that is not there stops an operation that has not begun; of one that has it was done, or left meanwhile.
fn named(
    all: impl Iterator<Item = Result<Id, Invalid>>,
    world: &World<'_, Operation>,
) -> Result<Vec<Id>, Invalid> {
    if world.begun { Ok(all.filter_map(Result::ok).collect()) } else { all.collect() }
}

fn with_iccid(iccid: &str, world: &World<'_, Operation>) -> Option<Id> {
    world.pool.find(&Key::new(sim::rows::key::ICCID, iccid)).into_iter().next()
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
