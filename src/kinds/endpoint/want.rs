//! From a spec to ids: what has to be looked up, and what follows from it.

use emnify_engine::{
    kind::{Id, Input, Inputs, Invalid, Key, Kind, Source},
    spec::AdoptionPolicy,
};
use kube::ResourceExt;

use super::{
    lookups, quota,
    rows::{Tag, Want},
    spec::{DataQuota, Endpoint, EndpointSim, SmsQuota},
};
use crate::{
    api::{Reference, References, Target},
    kinds::{lookups::OPERATORS, sim::rows::key as sim_key},
};

const SERVICE_PROFILE: &str = "serviceProfile";
const TARIFF_PROFILE: &str = "tariffProfile";
const SPACE: &str = "ipAddressSpace";
/// Key of the tag that marks our devices in the inputs; no spec path.
const MARK: &str = "mark";
/// How tags that mark devices begin.
const MARK_PREFIX: &str = "k8s:";
/// emnify counts data in MB.
const MEGABYTE: i64 = 1_000_000;

fn tag_path(name: &str) -> String {
    format!("tags[{name}]")
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
    let spec = &object.spec;
    let profile = |reference: &Option<Reference>, path, kind| {
        reference.as_ref().and_then(|reference| reference.input(path, Target::Kind(kind)))
    };
    let mut inputs: Vec<Input> = [
        profile(&spec.service_profile, SERVICE_PROFILE, "ServiceProfile"),
        profile(&spec.tariff_profile, TARIFF_PROFILE, "TariffProfile"),
    ]
    .into_iter()
    .flatten()
    .collect();
    inputs.extend(spec.sim.as_ref().and_then(|sim| Some(Input::new(sim_path(sim), sim_source(sim)?))));
    if let Some(cidr) = spec.ip_address_space.as_ref().and_then(|space| space.cidr.clone()) {
        let source = Source::Lookup { table: &lookups::IP_ADDRESS_SPACES, name: cidr, optional: false };
        inputs.push(Input::new(SPACE, source));
    }
    for name in spec.tags.iter().flatten() {
        let source = Source::Lookup { table: &lookups::TAGS, name: name.clone(), optional: true };
        inputs.push(Input::new(tag_path(name), source));
    }
    let mark = Source::Lookup { table: &lookups::TAGS, name: mark_name("{installation}"), optional: true };
    inputs.push(Input::new(MARK, mark));
    for (index, operator) in spec.operator_blocklist.iter().flatten().enumerate() {
        inputs.extend(operator.input(&format!("operatorBlocklist[{index}]"), &OPERATORS));
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
    let profile = |reference: &Option<Reference>, path| match reference {
        Some(reference) => reference.required(path, from).map(Some),
        None => needed(object, path).map(|()| None),
    };
    let quota = spec.quota.clone().unwrap_or_default();
    Ok(Want {
        name: spec.name.clone(),
        create_name: object.name_any(),
        enabled: spec.enabled,
        service_profile: profile(&spec.service_profile, SERVICE_PROFILE)?,
        tariff_profile: profile(&spec.tariff_profile, TARIFF_PROFILE)?,
        sim: spec.sim.as_ref().map(|sim| sim_id(sim, from)).transpose()?,
        sim_state: spec.sim.as_ref().and_then(|sim| sim.state),
        imei: spec.imei.as_ref().map(ToString::to_string),
        imei_lock: spec.imei_lock,
        address: spec.ip_address.clone(),
        space: match &spec.ip_address_space {
            Some(space) => Some(match &space.id {
                Some(id) => id.int(SPACE)?,
                None => {
                    from.int(SPACE).ok_or_else(|| Invalid::new(SPACE, "no address space has this CIDR"))?
                }
            }),
            None => None,
        },
        tags: spec
            .tags
            .as_ref()
            .map(|names| names.iter().map(|name| tag(name, &tag_path(name), from)).collect()),
        mark: (!from.installation.is_empty()).then(|| tag(&mark_name(&from.installation), MARK, from)),
        blocklist: blocklist(object, from)?,
        data_quota: data_quota(quota.data.as_ref())?,
        sms_quota: sms_quota(quota.sms.as_ref())?,
        acknowledged: spec.acknowledge_factory_test_end == Some(true),
    })
}

/// Both profiles are needed to make a device, and only then.
fn needed(object: &Endpoint, path: &str) -> Result<(), Invalid> {
    let bound = Kind::status(object).is_some_and(|status| status.common.id.is_some());
    let adopts = object.spec.common.id.is_some()
        || matches!(
            object.spec.common.adoption_policy,
            Some(AdoptionPolicy::IfUnowned | AdoptionPolicy::Force)
        );
    if bound || adopts {
        return Ok(());
    }
    Err(Invalid::new(
        path,
        format!("emnify needs it to create a device: set {path}, or adopt one that exists with id"),
    ))
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

/// The installation that marked a device, from its tags.
pub fn marked_by(tags: &[Tag]) -> Option<String> {
    tags.iter().find_map(|tag| tag.name.strip_prefix(MARK_PREFIX)).map(str::to_owned)
}

fn tag(name: &str, path: &str, from: &Inputs) -> Tag {
    Tag { id: from.int(path), name: name.to_owned() }
}

/// Sorted and without doubles: two names may mean one operator.
fn blocklist(object: &Endpoint, from: &Inputs) -> Result<Option<Vec<i64>>, Invalid> {
    let Some(operators) = &object.spec.operator_blocklist else { return Ok(None) };
    let ids = operators
        .iter()
        .enumerate()
        .map(|(index, operator)| operator.required(&format!("operatorBlocklist[{index}]"), from));
    let mut ids = ids.collect::<Result<Vec<i64>, Invalid>>()?;
    ids.sort_unstable();
    ids.dedup();
    Ok(Some(ids))
}

/// The allowance of data in MB.
pub fn data_quota(spec: Option<&DataQuota>) -> Result<Option<quota::Want>, Invalid> {
    let Some(spec) = spec else { return Ok(None) };
    let bytes = spec.allowance.bytes("quota.data.allowance")?;
    Ok(Some(quota::Want {
        allowance: as_float(bytes) / as_float(MEGABYTE),
        term: quota::Want::term("quota.data", spec.period.as_ref(), spec.expiry.as_ref())?,
        auto_refill: spec.auto_refill,
        threshold: spec.threshold_percentage.map(as_float),
    }))
}

/// The allowance of messages.
pub fn sms_quota(spec: Option<&SmsQuota>) -> Result<Option<quota::Want>, Invalid> {
    let Some(spec) = spec else { return Ok(None) };
    Ok(Some(quota::Want {
        allowance: as_float(spec.allowance),
        term: quota::Want::term("quota.sms", spec.period.as_ref(), spec.expiry.as_ref())?,
        auto_refill: spec.auto_refill,
        threshold: spec.threshold_percentage.map(as_float),
    }))
}

/// The API counts in floats; volumes stay far below 2^53.
#[allow(clippy::cast_precision_loss, reason = "exact below 2^53 bytes, and the API holds no more")]
fn as_float(number: i64) -> f64 {
    number as f64
}
