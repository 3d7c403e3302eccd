//! What the page tells of a workspace.

use emnify::Ledger;
use emnify_engine::{
    kind::reason::{annotation, condition::READY},
    session::guard::{GuardLimit, GuardState, humane},
};
use jiff::Timestamp;
use kube::ResourceExt as _;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    plugin::cluster::Found,
    workspace::spec::{Access, KindCount},
};

/// Titles of the cells; what is cut at the edge of a window says least.
pub(super) const HEADS: [&str; 10] = [
    "WORKSPACE",
    "READY",
    "REASON",
    "GUARD",
    "ORGANISATION",
    "PLAN",
    "REQUESTS",
    "LISTED AT",
    "LOG READ TO",
    "LOGIN UNTIL",
];

/// A workspace on the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    name: String,
    ready: String,
    reason: String,
    guard: (GuardLimit, GuardState),
    organisation: Option<String>,
    plan: Option<String>,
    requests: Option<String>,
    /// When each kind was last listed completely.
    pub(super) listed: Vec<(String, Timestamp)>,
    log_read_to: Option<String>,
    login_until: Option<String>,
    /// Nothing is asked for it.
    pub(super) suspended: bool,
}

impl Row {
    pub(super) fn of(found: &Found) -> Self {
        let text = |pointer: &str| found.text(pointer).map(str::to_owned);
        let (ready, reason) = found
            .condition(READY)
            .map_or(("Unknown".to_owned(), "-".to_owned()), |ready| (ready.status, ready.reason));
        Self {
            name: name(found),
            ready,
            reason,
            guard: guard(found),
            organisation: organisation(found),
            plan: text("/status/tariffPlan"),
            requests: requests(found),
            listed: listed(found),
            log_read_to: text("/status/events/position"),
            login_until: text("/status/tokenExpiresAt"),
            suspended: suspended(found),
        }
    }

    /// Below [`HEADS`]. Of kinds that nobody has `here` any more nothing new is listed.
    pub(super) fn cells(&self, here: impl Fn(&str) -> bool, now: Timestamp) -> Vec<String> {
        let or_none = |known: &Option<String>| known.clone().unwrap_or_else(|| "-".to_owned());
        let oldest = self.listed.iter().filter(|(kind, _)| here(kind)).map(|(_, at)| *at).min();
        let (GuardLimit { devices, window }, state) = &self.guard;
        let tripped = if state.tripped { "tripped: " } else { "" };
        vec![
            self.name.clone(),
            self.ready.clone(),
            self.reason.clone(),
            format!("{tripped}{} of {devices} in {}", state.counted(*window, now), humane(*window)),
            or_none(&self.organisation),
            or_none(&self.plan),
            or_none(&self.requests),
            or_none(&oldest.map(|at| at.to_string())),
            or_none(&self.log_read_to),
            or_none(&self.login_until),
        ]
    }
}

fn name(found: &Found) -> String {
    if found.namespace().is_empty() {
        found.typed()
    } else {
        format!("{} in {}", found.typed(), found.namespace())
    }
}

fn organisation(found: &Found) -> Option<String> {
    let (name, id) = (found.text("/status/organisation/name"), found.text("/status/organisation/id")?);
    Some(format!("{} ({id})", name.unwrap_or("-")))
}

fn requests(found: &Found) -> Option<String> {
    let requests = found.object.data.pointer("/status/budget/requests").and_then(Value::as_u64)?;
    let percent = requests.saturating_mul(100) / Ledger::MONTHLY_LIMIT;
    Some(format!("{requests} ({percent}%) in {}", found.text("/status/budget/month").unwrap_or("-")))
}

/// Of what somebody broke in the status, nothing is told.
fn listed(found: &Found) -> Vec<(String, Timestamp)> {
    let counts: Vec<Value> = read(found, "/status/counts").unwrap_or_default();
    let counts = counts.into_iter().filter_map(|one| serde_json::from_value::<KindCount>(one).ok());
    counts.filter_map(|of| Some((of.kind, of.listed_at?.as_str().parse().ok()?))).collect()
}

/// What the guard allows and has counted. A spec with a value that makes no sense has the usual limit in the operator, too.
fn guard(found: &Found) -> (GuardLimit, GuardState) {
    let terms = read::<Access>(found, "/spec").and_then(|access| access.terms(None).ok());
    let limit = terms.map(|terms| terms.guard).unwrap_or_default();
    (limit, read(found, "/status/guard").unwrap_or_default())
}

fn suspended(found: &Found) -> bool {
    let asked = found.object.data.pointer("/spec/suspend").and_then(Value::as_bool);
    let annotated = found.object.annotations().get(annotation::SUSPEND);
    asked == Some(true) || annotated.is_some_and(|value| value == "true")
}

fn read<T: DeserializeOwned>(found: &Found, pointer: &str) -> Option<T> {
    serde_json::from_value(found.object.data.pointer(pointer)?.clone()).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::definitions::families;

    fn row(spec: &Value, status: &Value) -> Row {
        let family = families().into_iter().find(|family| family.resource.kind == "Workspace").unwrap();
        let object = json!({"apiVersion": "emnify.io/v1alpha1", "kind": "Workspace",
            "metadata": {"name": "default", "namespace": "iot"}, "spec": spec, "status": status});
        Row::of(&Found::of(&family, serde_json::from_value(object).unwrap()))
    }

    fn cell(row: &Row, head: &str, now: &str) -> String {
        let cells = row.cells(|kind| kind != "Tag", now.parse().unwrap());
        cells[HEADS.iter().position(|known| *known == head).unwrap()].clone()
    }

    #[test]
    fn the_guard_tells_what_it_counts_within_its_window() {
        let login = json!({"applicationTokenSecretRef": {"name": "emnify", "key": "token"}});
        let (bare, guarded) = (
            json!({"credentials": login}),
            json!({"credentials": login, "guard": {"maxDevices": 20, "window": "1h"}}),
        );
        let done = |since: &str, devices: i64| json!({"since": since, "devices": devices});
        let status = json!({"guard": {"trip": 1, "done": [done("2026-05-01T10:00:00Z", 4), done("2026-05-01T11:30:00Z", 7)]}});
        let at = |spec, status: &Value, now| cell(&row(spec, status), "GUARD", now);
        assert_eq!(
            at(&guarded, &status, "2026-05-01T12:00:00Z"),
            "7 of 20 in 1h",
            "the others are too long ago"
        );
        assert_eq!(at(&guarded, &status, "2026-05-01T13:00:00Z"), "0 of 20 in 1h");
        assert_eq!(
            at(&bare, &json!({}), "2026-05-01T12:00:00Z"),
            "0 of 100 in 10m",
            "without one of its own"
        );
        let held = json!({"guard": {"trip": 2, "tripped": true, "done": [done("2026-05-01T11:59:00Z", 20)]}});
        assert_eq!(at(&guarded, &held, "2026-05-01T12:00:00Z"), "tripped: 20 of 20 in 1h");
        let broken = json!({"guard": {"done": "somebody's"}});
        assert_eq!(at(&guarded, &broken, "2026-05-01T12:00:00Z"), "0 of 20 in 1h");
        let nonsense = json!({"credentials": login, "budgetPercent": 0});
        let told = at(&nonsense, &held, "2026-05-01T12:00:00Z");
        assert_eq!(told, "tripped: 20 of 100 in 10m", "as the operator takes it");
    }

    #[test]
    fn a_workspace_tells_how_old_the_oldest_is_that_it_shows() {
        let of = |kind: &str, at: Value| json!({"kind": kind, "count": 3, "listedAt": at});
        let counts = json!([
            of("Endpoint", json!("2026-05-01T12:00:00Z")),
            of("Sim", json!("2026-05-01T11:50:00Z")),
            of("User", json!("yesterday")),
            of("Tag", json!("2026-05-01T01:00:00Z")),
            of("ServiceProfile", Value::Null),
            "broken"
        ]);
        let row = row(&json!({}), &json!({"counts": counts}));
        let told = cell(&row, "LISTED AT", "2026-05-01T12:00:00Z");
        assert_eq!(told, "2026-05-01T11:50:00Z", "of the Tag that nobody has any more nothing is listed");
        let kinds: Vec<_> = row.listed.iter().map(|(kind, _)| kind.as_str()).collect();
        assert_eq!(kinds, ["Endpoint", "Sim", "Tag"]);
    }
}
