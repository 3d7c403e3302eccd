//! What the status says about a device.

use emnify_engine::{
    decide::conditions::{self, Wanted},
    kind::{
        Kind,
        reason::{self, condition::CONNECTED},
    },
};
use jiff::{SignedDuration, Timestamp};

use super::{
    connectivity::{Connectivity, newest},
    quota,
    rows::{Parts, Row, RowSim, Usage},
    spec::{
        ConnectivityStatus, Endpoint, EndpointSimStatus, EndpointStatus, QuotaStatus, SetAllowance,
        UsageStatus,
    },
};
use crate::kinds::sim::state::status as sim_status;

/// Writes everything that can be seen.
pub fn report(
    object: &Endpoint,
    row: &Row,
    parts: &Parts,
    news: Option<&Connectivity>,
    status: &mut EndpointStatus,
) {
    status.address = row.address.as_deref().map(Into::into);
    status.imei = row.imei.as_deref().map(Into::into);
    status.sim = row.sim.as_ref().map(|sim| sim_status_of(object, sim));
    status.tags = tags(object, row, &status.tags);
    status.quota = quotas(object, parts, status.quota.take().map(|quota| *quota)).map(Box::new);
    if let Some(used) = &parts.usage {
        status.usage = Some(usage(used).into());
    }
    let unattached = Connectivity { word: "OFFLINE".into(), ..Connectivity::default() };
    let never_attached = status.connectivity.is_none() && made_for(object, row);
    let seen = newest(news, parts.connectivity.as_ref()).or(never_attached.then_some(&unattached));
    if let Some(seen) = seen {
        connectivity(object, row, seen, status);
    }
}

fn usage(used: &Usage) -> UsageStatus {
    let (cost, currency) = used.cost.clone().unzip();
    UsageStatus {
        month: used.month.clone(),
        data_megabytes: used.megabytes.to_string(),
        sms: used.sms,
        cost: cost.map(|cost| cost.to_string()),
        currency,
        as_of: used.as_of.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    }
}

/// A device younger than its object was made for it, and a new device was never attached [P]: that need not be read.
fn made_for(object: &Endpoint, row: &Row) -> bool {
    const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_secs(60);
    let asked = object.metadata.creation_timestamp.as_ref().map(|at| at.0);
    matches!((row.created, asked), (Some(made), Some(asked)) if made.duration_since(asked) > -CLOCKS_DIFFER)
}

fn sim_status_of(object: &Endpoint, sim: &RowSim) -> EndpointSimStatus {
    let wanted = object.spec.sim.as_ref().filter(|wanted| wanted.state.is_some());
    let ours = wanted.is_some_and(|wanted| {
        let iccid = wanted.iccid.as_ref().and_then(|iccid| iccid.normal("sim.iccid").ok());
        iccid.is_none_or(|iccid| sim.iccid.as_deref() == Some(&*iccid))
    });
    EndpointSimStatus {
        id: sim.id.to_string(),
        iccid: sim.iccid.as_deref().map(Into::into),
        state: sim.status.map(|id| sim_status::name(id).into_owned()),
        managed: ours.then_some(true),
    }
}

/// Tags on the device that this object wants, or wanted until the spec changed and still has to take off.
fn tags(object: &Endpoint, row: &Row, before: &[String]) -> Vec<String> {
    let Some(held) = &row.tags else { return before.to_vec() };
    let wanted = object.spec.settings.tags.as_deref().unwrap_or_default();
    let mut tags: Vec<String> = held
        .iter()
        .map(|tag| &tag.name)
        .filter(|name| wanted.contains(name) || before.contains(name))
        .cloned()
        .collect();
    tags.sort_unstable();
    tags
}

/// Allowances as they were last set: kept for as long as they are wanted, also when emnify shows none any more, so that one
/// that has ended is not given again.
fn quotas(object: &Endpoint, parts: &Parts, before: Option<QuotaStatus>) -> Option<QuotaStatus> {
    let before = before.unwrap_or_default();
    let wanted = object.spec.settings.quota.clone().unwrap_or_default();
    let data = super::want::data_quota(wanted.data.as_ref(), "").ok().flatten();
    let sms = super::want::sms_quota(wanted.sms.as_ref(), "").ok().flatten();
    let after = QuotaStatus {
        data: allowance(data.as_ref(), parts.data_quota.as_ref(), before.data),
        sms: allowance(sms.as_ref(), parts.sms_quota.as_ref(), before.sms),
    };
    (after != QuotaStatus::default()).then_some(after)
}

fn allowance(
    wanted: Option<&quota::Want>,
    live: Option<&Option<quota::Live>>,
    before: Option<SetAllowance>,
) -> Option<SetAllowance> {
    match live {
        None => before,
        Some(None) => before.filter(|_| wanted.is_some()),
        Some(Some(live)) => live.posted.clone().or(before).or_else(|| {
            // Found as wanted: adopted, or posted just before a crash.
            wanted
                .filter(|want| live.last_added == Some(want.allowance))
                .map(|want| want.remembered(live.expiry))
        }),
    }
}

/// Newer knowledge wins; what has no time loses to what has one unless the state differs.
fn connectivity(object: &Endpoint, row: &Row, seen: &Connectivity, status: &mut EndpointStatus) {
    let before = status.connectivity.clone().unwrap_or_default();
    let before = Connectivity {
        operator: before.operator,
        country: before.country,
        rat_type: before.rat_type,
        ..Connectivity::default()
    };
    let seen = seen.clone().after(&before);
    let fresh = ConnectivityStatus {
        state: seen.state().to_owned(),
        operator: seen.operator,
        country: seen.country,
        rat_type: seen.rat_type,
        cell: seen.cell,
        since: seen.since.map(|at| at.to_string()),
    };
    let time = |text: &Option<String>| text.as_ref().and_then(|at| at.parse::<Timestamp>().ok());
    let stale = status.connectivity.as_ref().is_some_and(|old| match (time(&old.since), seen.since) {
        (Some(old), Some(new)) => old > new,
        (_, None) => old.state == fresh.state,
        (None, Some(_)) => false,
    });
    if !stale {
        status.connectivity = Some(fresh.into());
    }
    if let Some(shown) = &status.connectivity {
        let reachable = matches!(shown.state.as_str(), "Online" | "Attached");
        let since = time(&shown.since).or(row.updated).or(row.created).unwrap_or(Timestamp::UNIX_EPOCH);
        let message = match (&shown.operator, &shown.country) {
            (Some(operator), Some(country)) if reachable => format!("{operator}, {country}"),
            (Some(place), None) | (None, Some(place)) if reachable => place.clone(),
            _ => String::new(),
        };
        let wanted =
            Wanted { kind: CONNECTED, status: reachable, reason: reason_of(&shown.state), message: &message };
        let generation =
            Kind::status(object).and_then(|s| s.common.observed_generation).or(object.metadata.generation);
        conditions::set(&mut status.common.conditions, &wanted, generation, since);
    }
}

/// A condition's reason cannot be any word of the API.
fn reason_of(state: &str) -> &'static str {
    match state {
        "Online" => reason::ONLINE,
        "Attached" => reason::ATTACHED,
        "Offline" => reason::OFFLINE,
        "Blocked" => reason::BLOCKED,
        _ => reason::UNKNOWN,
    }
}
