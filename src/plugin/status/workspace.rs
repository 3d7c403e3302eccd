//! What the page tells of a workspace.

use emnify::Ledger;
use emnify_engine::{
    kind::reason::condition::READY,
    session::guard::{GuardLimit, GuardState, humane},
};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    plugin::cluster::Found,
    workspace::spec::{Access, KindCount},
};

/// Titles of the cells.
pub(super) const HEADS: [&str; 10] = [
    "WORKSPACE",
    "READY",
    "REASON",
    "ORGANISATION",
    "PLAN",
    "LOGIN UNTIL",
    "REQUESTS",
    "LOG READ TO",
    "LISTED AT",
    "GUARD",
];

/// A workspace on the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// Below [`HEADS`].
    pub(super) cells: Vec<String>,
    /// When each kind was last listed completely.
    pub(super) listed: Vec<(String, Timestamp)>,
}

impl Row {
    pub(super) fn of(found: &Found, now: Timestamp) -> Self {
        let listed = listed(found);
        let text = |pointer: &str| found.text(pointer).unwrap_or("-").to_owned();
        let or_none = |known: Option<String>| known.unwrap_or_else(|| "-".to_owned());
        let (state, reason) = found
            .condition(READY)
            .map_or(("Unknown".to_owned(), "-".to_owned()), |ready| (ready.status, ready.reason));
        let cells = vec![
            name(found),
            state,
            reason,
            or_none(organisation(found)),
            text("/status/tariffPlan"),
            text("/status/tokenExpiresAt"),
            or_none(requests(found)),
            text("/status/events/position"),
            // nothing on the page is older than that
            or_none(listed.iter().map(|(_, at)| *at).min().map(|at| at.to_string())),
            or_none(guard(found, now)),
        ];
        Self { cells, listed }
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

/// How many devices were disturbed, of how many that may be.
fn guard(found: &Found, now: Timestamp) -> Option<String> {
    let GuardLimit { devices, window } = read::<Access>(found, "/spec")?.terms(None).ok()?.guard;
    let state: GuardState = read(found, "/status/guard").unwrap_or_default();
    let tripped = if state.tripped { "tripped: " } else { "" };
    Some(format!("{tripped}{} of {devices} in {}", state.counted(window, now), humane(window)))
}

fn read<T: DeserializeOwned>(found: &Found, pointer: &str) -> Option<T> {
    serde_json::from_value(found.object.data.pointer(pointer)?.clone()).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::definitions::families;

    fn row(spec: &Value, status: &Value, now: &str) -> Row {
        let family = families().into_iter().find(|family| family.resource.kind == "Workspace").unwrap();
        let object = json!({"apiVersion": "emnify.io/v1alpha1", "kind": "Workspace",
            "metadata": {"name": "default", "namespace": "iot"}, "spec": spec, "status": status});
        Row::of(&Found::of(&family, serde_json::from_value(object).unwrap()), now.parse().unwrap())
    }

    fn cell(row: &Row, head: &str) -> String {
        row.cells[HEADS.iter().position(|known| *known == head).unwrap()].clone()
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
        let at = |spec, status: &Value, now| cell(&row(spec, status, now), "GUARD");
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
        assert_eq!(
            at(&json!({"guard": {}}), &held, "2026-05-01T12:00:00Z"),
            "-",
            "a spec that nobody understands"
        );
    }

    #[test]
    fn a_workspace_tells_how_old_the_oldest_is_that_it_shows() {
        let of = |kind: &str, at: Value| json!({"kind": kind, "count": 3, "listedAt": at});
        let counts = json!([
            of("Endpoint", json!("2026-05-01T12:00:00Z")),
            of("Sim", json!("2026-05-01T11:50:00Z")),
            of("Tag", json!("yesterday")),
            of("ServiceProfile", Value::Null),
            "broken"
        ]);
        let row = row(&json!({}), &json!({"counts": counts}), "2026-05-01T12:00:00Z");
        assert_eq!(cell(&row, "LISTED AT"), "2026-05-01T11:50:00Z");
        let kinds: Vec<_> = row.listed.iter().map(|(kind, _)| kind.as_str()).collect();
        assert_eq!(kinds, ["Endpoint", "Sim"]);
    }
}
