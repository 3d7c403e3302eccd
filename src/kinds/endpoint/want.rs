//! From a spec to ids: what has to be looked up, and what follows from it.

use emnify_engine::kind::{
    Id, Input, Inputs, Invalid, Key, Kind, Source,
    set::Marks,
    spec::{AdoptionPolicy, CommonSpec},
};
use kube::ResourceExt;

use super::{
    quota,
    rows::{Tag, Want},
    spec::{AddressSpace, DataQuota, Endpoint, EndpointSettings, EndpointSim, SmsQuota},
};
use crate::{
    api::{Reference, References, Target},
    kinds::{
        common::{MARK_PREFIX, is_mark, lookups::OPERATORS},
        ip_address_space::{self, IpAddressSpace},
        sim::{rows::key as sim_key, state::WantedState},
        tag::names::TAGS,
    },
};

const SERVICE_PROFILE: &str = "serviceProfile";
const TARIFF_PROFILE: &str = "tariffProfile";
const SPACE: &str = "ipAddressSpace";
/// Key of the tag that marks our devices in the inputs; no spec path.
const MARK: &str = "mark";
/// How tags that mark devices begin.
/// emnify counts data in MB.
const MEGABYTE: i64 = 1_000_000;

fn tag_path(at: &str, name: &str) -> String {
    format!("{at}tags[{name}]")
}

fn operator_path(at: &str, index: usize) -> String {
    format!("{at}operatorBlocklist[{index}]")
}

/// Path of the member that names the SIM.
fn sim_path(sim: &EndpointSim) -> &'static str {
    match sim {
        EndpointSim { iccid: Some(_), .. } => "sim.iccid",
        EndpointSim { eid: Some(_), .. } => "sim.eid",
        _ => "sim.name",
    }
}

/// Everything to look up. The engine puts the name of the installation into that of the mark.
pub fn inputs(object: &Endpoint) -> Vec<Input> {
    let mut inputs = settings_inputs(&object.spec.settings, "");
    let sim = object.spec.sim.as_ref();
    inputs.extend(sim.and_then(|sim| Some(Input::new(sim_path(sim), sim_source(sim)?))));
    inputs
}

/// What settings refer to, and the mark; `at` is put before every path.
pub fn settings_inputs(settings: &EndpointSettings, at: &str) -> Vec<Input> {
    let profile = |reference: &Option<Reference>, path, kind| {
        reference.as_ref().and_then(|reference| reference.input(&format!("{at}{path}"), Target::Kind(kind)))
    };
    let mut inputs: Vec<Input> = [
        profile(&settings.service_profile, SERVICE_PROFILE, "ServiceProfile"),
        profile(&settings.tariff_profile, TARIFF_PROFILE, "TariffProfile"),
    ]
    .into_iter()
    .flatten()
    .collect();
    let space = settings.ip_address_space.as_deref().and_then(space_source);
    inputs.extend(space.map(|source| Input::new(format!("{at}{SPACE}"), source)));
    for name in settings.tags.iter().flatten() {
        let source = Source::Lookup { table: &TAGS, name: name.clone(), optional: true };
        inputs.push(Input::new(tag_path(at, name), source));
    }
    let mark = Source::Lookup { table: &TAGS, name: mark_name("{installation}"), optional: true };
    inputs.push(Input::new(MARK, mark));
    for (index, operator) in settings.operator_blocklist.iter().flatten().enumerate() {
        inputs.extend(operator.input(&operator_path(at, index), &OPERATORS));
    }
    inputs
}

/// An ICCID that cannot be read is no input: `want` says what is wrong with it.
fn sim_source(sim: &EndpointSim) -> Option<Source> {
    let by = |name, value: String| Source::Mirror { kind: "Sim", key: Key::new(name, value) };
    if let Some(iccid) = &sim.iccid {
        return iccid.normal("sim.iccid").ok().map(|iccid| by(sim_key::ICCID, iccid));
    }
    if let Some(eid) = &sim.eid {
        return Some(by(sim_key::EID, eid.to_string()));
    }
    sim.name.as_ref().map(|name| Source::Object { kind: "Sim", name: name.to_string() })
}

/// The spec with ids for references.
pub fn want(object: &Endpoint, from: &Inputs) -> Result<Want, Invalid> {
    let spec = &object.spec;
    let settings = settings_want(&spec.settings, "", needs_profiles(object), from)?;
    Ok(Want {
        name: spec.name.clone(),
        create_name: object.name_any(),
        sim: spec.sim.as_ref().map(|sim| sim_id(sim, from)).transpose()?,
        sim_state: match &spec.sim {
            Some(sim) => {
                WantedState::read(sim.state, &sim.active, spec.settings.acknowledge_factory_test_end, "sim.")?
            }
            None => None,
        },
        imei: spec.imei.as_ref().map(ToString::to_string),
        imei_lock: spec.imei_lock,
        address: spec.ip_address.clone(),
        ..settings
    })
}

/// What settings want of any device; who it is is left open. `new`: a device may have to be made, which takes both
/// profiles. `at` is put before every path.
pub fn settings_want(
    settings: &EndpointSettings,
    at: &str,
    new: bool,
    from: &Inputs,
) -> Result<Want, Invalid> {
    let profile = |reference: &Option<Reference>, path| match reference {
        Some(reference) => reference.required(&format!("{at}{path}"), from).map(Some),
        None if new => Err(Invalid::new(
            format!("{at}{path}"),
            format!("emnify needs it to create a device: set {at}{path}, or adopt what exists"),
        )),
        None => Ok(None),
    };
    let quota = settings.quota.clone().unwrap_or_default();
    let tags = settings.tags.as_ref();
    Ok(Want {
        enabled: settings.enabled,
        service_profile: profile(&settings.service_profile, SERVICE_PROFILE)?,
        tariff_profile: profile(&settings.tariff_profile, TARIFF_PROFILE)?,
        space: settings.ip_address_space.as_ref().map(|space| space_id(space, at, from)).transpose()?,
        tags: tags.map(|names| names.iter().map(|name| own_tag(name, at, from)).collect()).transpose()?,
        mark: (!from.installation.is_empty()).then(|| tag(&mark_name(&from.installation), MARK, from)),
        blocklist: blocklist(settings, at, from)?,
        data_quota: data_quota(quota.data.as_ref(), at)?,
        sms_quota: sms_quota(quota.sms.as_ref(), at)?,
        acknowledged: settings.acknowledge_factory_test_end == Some(true),
        ..Want::default()
    })
}

fn space_source(space: &AddressSpace) -> Option<Source> {
    let kind = IpAddressSpace::KIND;
    if let Some(name) = &space.name {
        return Some(Source::Object { kind, name: name.to_string() });
    }
    space.cidr.as_deref().map(|cidr| Source::Mirror { kind, key: ip_address_space::key(cidr) })
}

fn space_id(space: &AddressSpace, at: &str, from: &Inputs) -> Result<i64, Invalid> {
    let path = format!("{at}{SPACE}");
    match &space.id {
        Some(id) => id.int(&path),
        None => from.int(&path).ok_or_else(|| Invalid::new(path, "no address space is meant by it")),
    }
}

/// Both profiles are needed to make a device, and only then.
fn needs_profiles(object: &Endpoint) -> bool {
    let common = &object.spec.common;
    let bound = Kind::status(object).is_some_and(|status| status.common.id.is_some());
    !bound && common.id.is_none() && !adopts(common)
}

/// Devices that are already there may be taken over.
pub fn adopts(common: &CommonSpec) -> bool {
    matches!(common.adoption_policy, Some(AdoptionPolicy::IfUnowned | AdoptionPolicy::Force))
}

/// The id of the SIM; `None` for no SIM.
fn sim_id(sim: &EndpointSim, from: &Inputs) -> Result<Option<i64>, Invalid> {
    if sim.none == Some(true) {
        return Ok(None);
    }
    let path = sim_path(sim);
    if let Some(iccid) = &sim.iccid {
        iccid.normal(path)?;
    }
    match from.id(path) {
        Some(Id::Int(id)) => Ok(Some(*id)),
        _ => Err(Invalid::new(
            path,
            "no SIM of this workspace is meant by it: compare with `kubectl get emsim` or the portal",
        )),
    }
}

/// The tag that marks devices made by this installation.
pub fn mark_name(installation: &str) -> String {
    format!("{MARK_PREFIX}{installation}")
}

/// The tag of the devices of a set, by the set's `namespace/name`.
pub fn set_mark_name(installation: &str, set: &str) -> String {
    format!("{MARK_PREFIX}{installation}/{set}")
}

/// Who marked a device, from its tags.
pub fn marks(tags: &[Tag]) -> Marks<'_> {
    let mut marks = Marks::default();
    for mark in tags.iter().filter_map(|tag| tag.name.strip_prefix(MARK_PREFIX)) {
        let place = if mark.contains('/') { &mut marks.set } else { &mut marks.made_by };
        place.get_or_insert(mark);
    }
    marks
}

/// The tag says that a device belongs to this set (`namespace/name`) of some installation.
pub fn marks_member_of(tag: &Tag, set: &str) -> bool {
    let mark = tag.name.strip_prefix(MARK_PREFIX).and_then(|mark| mark.split_once('/'));
    mark.is_some_and(|(_, place)| place == set)
}

/// Whose a device is: of a set, or else of an installation that made it.
pub fn marked_by(tags: &[Tag]) -> Option<String> {
    let Marks { made_by, set } = marks(tags);
    set.or(made_by).map(str::to_owned)
}

/// A tag of the user: one that could be taken for a mark, in whatever spelling, is refused, because marks say whose a
/// device is.
fn own_tag(name: &str, at: &str, from: &Inputs) -> Result<Tag, Invalid> {
    let path = tag_path(at, name);
    if is_mark(name) {
        return Err(Invalid::new(
            path,
            "tags that start with k8s: or k8s-once: are the operator's own and cannot be set",
        ));
    }
    Ok(tag(name, &path, from))
}

/// A tag by its name; the input at `path` knows its id if it exists.
pub fn tag(name: &str, path: &str, from: &Inputs) -> Tag {
    Tag { id: from.int(path), name: name.to_owned() }
}

/// Sorted and without doubles: two names may mean one operator.
fn blocklist(settings: &EndpointSettings, at: &str, from: &Inputs) -> Result<Option<Vec<i64>>, Invalid> {
    let Some(operators) = &settings.operator_blocklist else { return Ok(None) };
    let ids = operators
        .iter()
        .enumerate()
        .map(|(index, operator)| operator.required(&operator_path(at, index), from));
    let mut ids = ids.collect::<Result<Vec<i64>, Invalid>>()?;
    ids.sort_unstable();
    ids.dedup();
    Ok(Some(ids))
}

/// The allowance of data in MB.
pub fn data_quota(spec: Option<&DataQuota>, at: &str) -> Result<Option<quota::Want>, Invalid> {
    let Some(spec) = spec else { return Ok(None) };
    let path = format!("{at}quota.data");
    let bytes = spec.allowance.bytes(&format!("{path}.allowance"))?;
    Ok(Some(quota::Want {
        allowance: as_float(bytes) / as_float(MEGABYTE),
        term: quota::Want::term(&path, spec.period.as_ref(), spec.expiry.as_ref())?,
        auto_refill: spec.auto_refill,
        threshold: spec.threshold_percentage.map(as_float),
    }))
}

/// The allowance of messages.
pub fn sms_quota(spec: Option<&SmsQuota>, at: &str) -> Result<Option<quota::Want>, Invalid> {
    let Some(spec) = spec else { return Ok(None) };
    let path = format!("{at}quota.sms");
    Ok(Some(quota::Want {
        allowance: as_float(spec.allowance),
        term: quota::Want::term(&path, spec.period.as_ref(), spec.expiry.as_ref())?,
        auto_refill: spec.auto_refill,
        threshold: spec.threshold_percentage.map(as_float),
    }))
}

/// The API counts in floats; volumes stay far below 2^53.
#[allow(clippy::cast_precision_loss, reason = "exact below 2^53 bytes, and the API holds no more")]
fn as_float(number: i64) -> f64 {
    number as f64
}
