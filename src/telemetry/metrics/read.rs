//! Values and labels as they are read off a snapshot.

use emnify::{
    Count, Lane, MonthSnapshot,
    wire::usage::{Currency, Month, MonthlyStats},
};
use emnify_engine::metrics::snapshot::ObjectsSnapshot;
use jiff::{SignedDuration, Timestamp};

use super::Snapshot;

/// Takes something with labels.
type Each<'a, T> = dyn FnMut(&[&str], T) + 'a;

pub(super) fn each_count(now: &Snapshot, put: &mut dyn FnMut(&[&str], &Count)) {
    for host in &now.hosts {
        for (key, count) in &host.counts {
            let status = key.status.to_string();
            put(&[&host.host, &key.method, key.route, &status, key.lane.as_str()], count);
        }
    }
}

/// What a window allows at once now, and ever.
pub(super) fn each_window(now: &Snapshot, put: &mut Each<'_, (f64, f64)>) {
    for host in &now.hosts {
        for window in &host.limits.windows {
            let organisation = window.organisation.map(|id| id.to_string()).unwrap_or_default();
            put(&[&host.host, window.name, &organisation], (window.available, window.burst));
        }
    }
}

pub(super) fn each_month(now: &Snapshot, put: &mut dyn FnMut(&str, &str, &MonthSnapshot)) {
    for host in &now.hosts {
        for month in &host.limits.months {
            put(&host.host, &month.organisation.to_string(), month);
        }
    }
}

/// Kubernetes objects by kind, workspaces among them.
pub(super) fn each_objects(now: &Snapshot, put: &mut dyn FnMut(&ObjectsSnapshot)) {
    now.engine.objects.iter().for_each(&mut *put);
    let mut kinds: Vec<ObjectsSnapshot> = Vec::new();
    for workspace in &now.workspaces {
        let at = kinds.iter().position(|objects| objects.kind == workspace.kind).unwrap_or_else(|| {
            kinds.push(ObjectsSnapshot { kind: workspace.kind, ..ObjectsSnapshot::default() });
            kinds.len() - 1
        });
        kinds[at].add(workspace.ready, workspace.deleted, now.now);
    }
    kinds.iter().for_each(put);
}

/// What the objects of an organisation are like, by name within a group.
pub(super) fn each_named(now: &Snapshot, group: &str, put: &mut Each<'_, f64>) {
    for session in &now.sessions {
        for (name, count) in session.census.of(group) {
            put(&[&session.organisation, name], small(count));
        }
    }
}

/// Organisations whose usage was read, and when.
pub(super) fn each_used(now: &Snapshot, put: &mut dyn FnMut(&str, &MonthlyStats, Timestamp)) {
    for session in &now.sessions {
        if let Some((stats, at)) = &session.usage {
            put(&session.organisation, stats, *at);
        }
    }
}

/// Months of them: `current` and `last`.
pub(super) fn each_month_used(now: &Snapshot, put: &mut dyn FnMut(&str, &str, &Month)) {
    each_used(now, &mut |organisation, stats, _| {
        for (name, month) in [("current", &stats.current_month), ("last", &stats.last_month)] {
            if let Some(month) = month {
                put(organisation, name, month);
            }
        }
    });
}

/// Code of a currency; empty where emnify names none.
pub(super) fn code(currency: Option<&Currency>) -> &str {
    currency.map_or("", |currency| currency.code.as_str())
}

pub(super) fn each_lane<T>(values: &[T; 7], mut put: impl FnMut(&str, &T)) {
    Lane::ALL.into_iter().zip(values).for_each(|(lane, value)| put(lane.as_str(), value));
}

#[allow(clippy::cast_precision_loss, reason = "counts of requests are far below 2^52")]
pub(super) fn whole(count: u64) -> f64 {
    count as f64
}

pub(super) fn small(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}

pub(super) fn flag(yes: bool) -> f64 {
    f64::from(u8::from(yes))
}

/// Seconds since 1970.
pub(super) fn timestamp(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}

/// An age; two clocks may differ.
pub(super) fn seconds(age: SignedDuration) -> f64 {
    age.as_secs_f64().max(0.0)
}
