//! What the status says about a set, and what it lets members know.

use emnify_engine::kind::{
    reason,
    set::Tally,
    spec::{CommonStatus, Provenance},
};
use jiff::Timestamp;
use kube::ResourceExt;

use super::spec::{ActivationStatus, EndpointSet, EndpointSetStatus, MemberFailure};
use crate::kinds::{
    endpoint::{
        Connectivity, EndpointSimStatus, EndpointStatus, QuotaStatus, SetAllowance,
        rows::{Row, status as device},
        want::{data_quota, sms_quota},
    },
    sim::state::status as sim,
};

/// Groups that members are counted in.
mod group {
    pub(super) use crate::kinds::common::group::{CONNECTIVITY, SIM};
    pub(super) const SERVICE: &str = "service";
    /// The only name in [`SERVICE`].
    pub(super) const AVAILABLE: &str = "Available";
}

/// Counts a member.
pub(super) fn count(row: &Row, news: Option<&Connectivity>, put: &mut dyn FnMut(&'static str, &str)) {
    put(group::CONNECTIVITY, news.map_or(reason::UNKNOWN, Connectivity::state));
    let state = row.sim.as_ref().and_then(|sim| sim.status);
    if let Some(state) = state {
        put(group::SIM, &sim::name(state));
    }
    if row.status == device::ENABLED && matches!(state, Some(sim::ACTIVATED | sim::FACTORY_TEST)) {
        put(group::SERVICE, group::AVAILABLE);
    }
}

/// Activations as the status keeps them; what somebody broke is left out.
pub(super) fn activated(status: &EndpointSetStatus) -> Vec<(Timestamp, u64)> {
    let told = |kept: &ActivationStatus| {
        Some((kept.at.as_str().parse().ok()?, u64::try_from(kept.members).unwrap_or_default()))
    };
    status.activations.iter().filter_map(told).collect()
}

/// Keeps them.
pub(super) fn keep_activated(status: &mut EndpointSetStatus, activated: &[(Timestamp, u64)]) {
    let kept = activated.iter().map(|(at, n)| ActivationStatus {
        at: at.to_string().into(),
        members: i64::try_from(*n).unwrap_or(i64::MAX),
    });
    status.activations = kept.collect();
}

/// Writes the counts.
pub(super) fn report(object: &EndpointSet, tally: &Tally, status: &mut EndpointSetStatus) {
    let group = |name| {
        let group = tally.groups.get(name).into_iter().flatten();
        group.map(|(name, count)| (name.clone(), int(*count))).collect()
    };
    let some = |count: u64| (count > 0).then(|| int(count));
    status.desired_replicas = Some(int(tally.desired));
    status.replicas = Some(int(tally.current));
    status.ready_replicas = Some(int(tally.ready));
    status.held_replicas = some(tally.held);
    status.leaving_replicas = some(tally.leaving);
    status.failed_replicas = some(tally.failed);
    status.connectivity = group(group::CONNECTIVITY);
    status.sim_states = group(group::SIM);
    let available = tally.groups.get(group::SERVICE).and_then(|service| service.get(group::AVAILABLE));
    status.available_replicas = Some(int(available.copied().unwrap_or_default()));
    status.failures = tally
        .failures
        .iter()
        .map(|failure| MemberFailure {
            iccid: failure.member.clone(),
            reason: failure.reason.to_owned(),
            message: failure.message.clone(),
        })
        .collect();
    // A name may be longer than a label's value; an autoscaler wants a selector that can be read and is not empty.
    status.label_selector = object.uid().map(|uid| format!("emnify.io/endpointset-uid={uid}"));
    remember(object, tally.ready == tally.current, status);
}

/// What was put on members stays known until all are as the template now wants them, so that it can be taken off.
fn remember(object: &EndpointSet, settled: bool, status: &mut EndpointSetStatus) {
    let settings = &object.spec.template.settings;
    let mut tags = settings.tags.clone().unwrap_or_default();
    if !settled {
        tags.append(&mut status.tags);
    }
    tags.sort_unstable();
    tags.dedup();
    status.tags = tags;
    if settled {
        let quota = settings.quota.clone().unwrap_or_default();
        let data = data_quota(quota.data.as_ref(), "").ok().flatten();
        let sms = sms_quota(quota.sms.as_ref(), "").ok().flatten();
        let given = QuotaStatus {
            data: data.map(|quota| quota.remembered(None)),
            sms: sms.map(|quota| quota.remembered(None)),
        };
        status.quota = (given != QuotaStatus::default()).then_some(given);
    }
}

/// The set does not know when a member's allowance ends: one that was added later has none yet and is given it.
fn undated(given: QuotaStatus) -> QuotaStatus {
    let undated = |set: SetAllowance| SetAllowance { ends: Some(Timestamp::MAX.to_string()), ..set };
    QuotaStatus { data: given.data.map(undated), sms: given.sms.map(undated) }
}

/// What a member would have in its status if it had one.
pub(super) fn memory(object: &EndpointSet, status: Option<&EndpointSetStatus>, made: bool) -> EndpointStatus {
    let template = &object.spec.template;
    let ours = template.sim.as_ref().is_some_and(|sim| sim.state.is_some());
    // Left out, tags are nobody's business, as for a single device.
    let tags = status.filter(|_| template.settings.tags.is_some()).map(|status| status.tags.clone());
    EndpointStatus {
        sim: ours.then(|| EndpointSimStatus { managed: Some(true), ..EndpointSimStatus::default() }),
        tags: tags.unwrap_or_default(),
        quota: status.and_then(|status| status.quota.clone()).map(|quota| undated(quota).into()),
        common: CommonStatus {
            provenance: Some(if made { Provenance::Created } else { Provenance::Adopted }),
            ..CommonStatus::default()
        },
        ..EndpointStatus::default()
    }
}

/// Counts in statuses are int32, as the scale subresource wants them.
fn int(count: u64) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
