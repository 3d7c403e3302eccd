//! From the template to what a member should be.

use emnify_engine::kind::{
    Input, Inputs, Invalid, Source,
    set::{Activations, Rollout},
};
use kube::ResourceExt;

use super::{name::NameTemplate, spec::EndpointSet};
use crate::kinds::{
    endpoint::{
        rows::Want,
        want::{adopts, set_mark_name, settings_inputs, settings_want, tag},
    },
    sim::{rows::Row as Sim, state::WantedState},
    tag::names::TAGS,
};

/// What is put before paths of the template.
const TEMPLATE: &str = "template.";
/// Key of the set's own tag in the inputs; no spec path.
const SET: &str = "set";
/// Longest name of a tag, as the schema has it for tags of users; emnify documents no limit.
const LONGEST_TAG: usize = 100;

/// `namespace/name`.
pub(super) fn place(object: &EndpointSet) -> String {
    format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any())
}

/// Everything to look up, once for all members.
pub(super) fn inputs(object: &EndpointSet) -> Vec<Input> {
    let mut inputs = settings_inputs(&object.spec.template.settings, TEMPLATE);
    let name = set_mark_name("{installation}", &place(object));
    inputs.push(Input::new(SET, Source::Lookup { table: &TAGS, name, optional: true }));
    inputs
}

/// What all members share.
pub(super) fn base(object: &EndpointSet, from: &Inputs) -> Result<Want, Invalid> {
    let spec = &object.spec;
    name_template(object)?;
    rollout(object, 0)?;
    if spec.common.ignore_fields.iter().any(|field| field == "tags") {
        let message = "tags say which devices are of the set: remove it, and leave template.tags out instead";
        return Err(Invalid::new("ignoreFields", message));
    }
    // A pool makes its devices, and so does a set that may not take over what exists.
    let new = spec.pool.is_some() || !adopts(&spec.common);
    let mut want = settings_want(&spec.template.settings, TEMPLATE, new, from)?;
    if let Some(sim) = &spec.template.sim {
        let consent = spec.template.settings.acknowledge_factory_test_end;
        want.sim_state = WantedState::read(sim.state, &sim.active, consent, &format!("{TEMPLATE}sim."))?;
    }
    if !from.installation.is_empty() {
        let name = set_mark_name(&from.installation, &place(object));
        let length = name.chars().count();
        if length > LONGEST_TAG {
            let message = format!(
                "the tag {name} of its devices has {length} characters, {LONGEST_TAG} are allowed: use a shorter name"
            );
            return Err(Invalid::new("metadata.name", message));
        }
        want.tags.get_or_insert_default().push(tag(&name, SET, from));
    }
    Ok(want)
}

/// What the member with this SIM should be.
pub(super) fn member(object: &EndpointSet, base: &Want, sim: &Sim) -> Result<Want, Invalid> {
    let iccid = sim
        .iccid
        .as_deref()
        .ok_or_else(|| Invalid::new("sims", format!("SIM {} has no ICCID to name its device by", sim.id)))?;
    let named = name_template(object)?.map(|template| template.of(iccid));
    Ok(Want {
        create_name: match &named {
            Some(_) => String::new(),
            None => format!("{}-{iccid}", object.name_any()),
        },
        name: named,
        sim: Some(Some(sim.id)),
        ..base.clone()
    })
}

fn name_template(object: &EndpointSet) -> Result<Option<NameTemplate<'_>>, Invalid> {
    let set = object.metadata.name.as_deref().unwrap_or_default();
    let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
    object.spec.name_template.as_deref().map(|text| NameTemplate::new(text, set, namespace)).transpose()
}

/// How fast changes reach a set of `desired` members.
pub(super) fn rollout(object: &EndpointSet, desired: u64) -> Result<Rollout, Invalid> {
    let Some(spec) = &object.spec.rollout else { return Ok(Rollout::default()) };
    let unavailable = spec.max_unavailable.as_ref();
    let activations = spec.max_activations.as_ref().map(|limit| {
        let window = limit.window.get("rollout.maxActivations.window")?;
        Ok::<_, Invalid>(Activations { members: count(limit.count), window })
    });
    Ok(Rollout {
        max_unavailable: unavailable.map(|max| max.of(desired, "rollout.maxUnavailable")).transpose()?,
        min_ready: spec
            .min_ready
            .as_ref()
            .map(|span| span.get("rollout.minReady"))
            .transpose()?
            .unwrap_or_default(),
        partition: spec.partition.map_or(0, count),
        max_activations: activations.transpose()?,
    })
}

/// The schema allows no negative numbers.
fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}
