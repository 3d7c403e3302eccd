//! What differs between spec and emnify, as calls in an order that emnify accepts.

use std::collections::BTreeMap;

use emnify_engine::kind::{Diff, FieldDiff, Have, spec::CommonStatus};

use super::{
    ServiceProfile,
    change::{Change, FieldChange, Sub, To},
    rows::{DATA, DataLimit, DataRule, Detail, Row, Want, WantService},
};

/// A limit or service can only be taken away in the order limit, service; the reverse when they are added [S].
pub(super) fn diff(want: &Want, have: &Have<ServiceProfile>, status: Option<&CommonStatus>) -> Diff<Change> {
    let devices = devices(&have.row);
    let none = Detail::default();
    let detail = have.parts.detail.as_ref().unwrap_or(&none);
    let mut calls = Calls { devices, ..Calls::default() };
    if let Some(services) = &want.services {
        calls.services(services, detail);
    }
    let data_off = want.services.as_ref().is_some_and(|s| !s.contains_key(&DATA));
    let limits = have.parts.data_limits.as_deref().unwrap_or_default();
    match &want.data_limits {
        Some(rules) => calls.data_limits(rules, limits, data_off),
        None if data_off => calls.data_limits(&[], limits, true),
        None => {}
    }
    let patch = Change::patch(sets(want, have, detail, status));
    let (removals, additions) = (calls.removals.into_iter(), calls.additions.into_iter());
    let changes = removals.map(Change::Sub).chain(patch).chain(additions.map(Change::Sub)).collect();
    Diff { changes, waiting: calls.waiting, ..Diff::default() }
}

/// Everything that one create can carry.
pub(super) fn create(want: &Want) -> Change {
    let mut sets = vec![
        set("name", "-", &want.name, To::Name(want.name.clone())),
        set("description", "-", want.description.created(), To::Description(want.description.created())),
    ];
    sets.extend(want.flags.iter().map(|(flag, on)| set(flag.path(), "-", on, To::Flag(*flag, *on))));
    let links = want.links.iter().filter(|(_, id)| id.is_some());
    sets.extend(links.map(|(link, id)| set(link.path(), "-", id_text(*id), To::Link(*link, *id))));
    Change::Create(sets)
}

/// Fields of the profile itself.
fn sets(
    want: &Want,
    have: &Have<ServiceProfile>,
    detail: &Detail,
    status: Option<&CommonStatus>,
) -> Vec<FieldChange> {
    let row = &have.row;
    let mut sets = Vec::new();
    if want.name != row.name {
        sets.push(set("name", &row.name, &want.name, To::Name(want.name.clone())));
    }
    if let Some(diff) = want.description.diff(&row.description, status) {
        let to = To::Description(diff.new.clone());
        sets.push(FieldChange::new(diff, to));
    }
    for (flag, on) in &want.flags {
        // A switch that neither listing nor detail shows cannot differ; writing it again and again would not show either.
        let Some(known) = row.flags.get(flag).or_else(|| detail.flags.get(flag)) else { continue };
        if known != on {
            let one = set(flag.path(), known, on, To::Flag(*flag, *on));
            let disturbs = if flag.cuts_at() == Some(*on) { devices(row) } else { 0 };
            sets.push(FieldChange { disturbs, ..one });
        }
    }
    for (link, id) in &want.links {
        let known = detail.links.get(link).copied().flatten();
        if known != *id {
            sets.push(set(link.path(), id_text(known), id_text(*id), To::Link(*link, *id)));
        }
    }
    sets
}

fn set(path: &str, old: impl std::fmt::Display, new: impl std::fmt::Display, to: To) -> FieldChange {
    FieldChange::new(FieldDiff::new(path, old, new), to)
}

fn id_text(id: Option<i64>) -> String {
    id.map_or_else(|| "none".to_owned(), |id| id.to_string())
}

fn devices(row: &Row) -> u64 {
    u64::try_from(row.used_count).unwrap_or(0)
}

/// Calls on sub-resources: those that take away go before the fields of the profile, those that add after them.
#[derive(Default)]
struct Calls {
    removals: Vec<Sub>,
    additions: Vec<Sub>,
    waiting: Option<String>,
    devices: u64,
}

impl Calls {
    fn services(&mut self, want: &BTreeMap<i64, WantService>, have: &Detail) {
        for (service, known) in have.services.iter().filter(|(id, _)| !want.contains_key(id)) {
            let devices = self.devices;
            let removal = |limit: &i64| Sub::RemoveLimit {
                path: "services".into(),
                service: *service,
                limit: *limit,
                devices,
            };
            self.removals.extend(known.limits.iter().map(removal));
        }
        for (service, wanted) in want {
            let known = have.services.get(service);
            if known.is_none() {
                self.additions.push(Sub::AddService { service: *service });
            }
            self.limit(*service, wanted, known.map_or(&[], |k| &k.limits));
        }
        // Pushed into `removals` after all limits: a service with a limit cannot be switched off.
        for (service, known) in have.services.iter().filter(|(id, _)| !want.contains_key(id)) {
            let (name, devices) = (known.name.clone(), self.devices);
            self.removals.push(Sub::RemoveService { service: *service, name, devices });
        }
    }

    /// A limit is replaced by taking the old one away first.
    fn limit(&mut self, service: i64, wanted: &WantService, known: &[i64]) {
        let Some(limit) = wanted.limit else { return };
        let path = || format!("{}.limit", wanted.path);
        let devices = if limit.is_some() { self.devices } else { 0 };
        for old in known.iter().filter(|old| Some(**old) != limit) {
            self.additions.push(Sub::RemoveLimit { path: path(), service, limit: *old, devices });
        }
        if let Some(limit) = limit.filter(|limit| !known.contains(limit)) {
            self.additions.push(Sub::SetLimit { path: path(), service, limit, devices: self.devices });
        }
    }

    /// emnify has no update of a data limit: delete, then create [S].
    fn data_limits(&mut self, want: &[DataRule], have: &[DataLimit], data_off: bool) {
        let loosened = if data_off { self.devices } else { 0 };
        for limit in have {
            if !want.iter().any(|rule| rule.satellite_only == limit.rule.satellite_only) {
                let removal = self.remove_data_limit(limit, loosened);
                // Before the services: Data cannot be switched off while it has a limit.
                self.removals.splice(0..0, removal);
            }
        }
        for rule in want {
            let known = have.iter().find(|limit| limit.rule.satellite_only == rule.satellite_only);
            if known.is_some_and(|limit| same(rule, &limit.rule)) {
                continue;
            }
            let mut rule = rule.clone();
            if let Some(limit) = known {
                let Some(removal) = self.remove_data_limit(limit, self.devices) else { continue };
                rule.warning_percent = rule.warning_percent.or(limit.rule.warning_percent);
                self.additions.push(removal);
            }
            self.additions.push(Sub::AddDataLimit { rule, devices: self.devices });
        }
    }

    fn remove_data_limit(&mut self, limit: &DataLimit, devices: u64) -> Option<Sub> {
        if limit.id.is_none() {
            self.waiting =
                Some("a data limit that was just made is read before it is changed again".to_owned());
        }
        limit.id.map(|id| Sub::RemoveDataLimit { id, rule: limit.rule.clone(), devices })
    }
}

/// An unset warning is unmanaged.
fn same(want: &DataRule, have: &DataRule) -> bool {
    want.volume == have.volume
        && want.warning_percent.is_none_or(|percent| have.warning_percent == Some(percent))
}
