//! What a create or PATCH of a device says, whether that is possible, and doing it.

use std::net::Ipv4Addr;

use serde_json::Value;

use crate::http::body::{self, Wanted};
use crate::http::refusal::{Code, Issue, Refusal};
use crate::state::{Actor, Draft, Endpoint, Organisation, SimState};

/// What a device refers to, in the API's words. [R] The first is recorded, the others are like it.
const SERVICE_PROFILE: &str = "Service profile";
const TARIFF_PROFILE: &str = "Tariff profile";
const SPACE: &str = "IP address space";
const SIM: &str = "SIM";

/// A wanted device, or wanted changes of one. None: not said.
#[derive(Debug, Clone, Default)]
#[allow(clippy::option_option, reason = "not said, cleared and set are three things")]
pub(super) struct Change {
    name: Option<String>,
    tags: Option<Option<String>>,
    enabled: Option<bool>,
    service_profile: Option<u64>,
    tariff_profile: Option<u64>,
    imei: Option<Option<String>>,
    imei_lock: Option<bool>,
    ip_address: Option<Ipv4Addr>,
    space: Option<u64>,
    /// Some(None) releases the SIM.
    sim: Option<Option<u64>>,
    sim_state: Option<SimState>,
    activate: Option<bool>,
}

impl Change {
    /// Reads a body; what cannot be read becomes an issue.
    pub(super) fn read(body: &Value, issues: &mut Vec<Issue>) -> Self {
        let mut change = Self::default();
        if let Some(name) = body.get("name") {
            change.name = name.as_str().map(str::to_owned);
            if change.name.is_none() {
                issues.push(Issue::format("name"));
            }
        }
        change.tags = optional_text(body, "tags", issues, |_| true);
        change.imei = optional_text(body, "imei", issues, |imei| {
            (14..=16).contains(&imei.len()) && imei.bytes().all(|byte| byte.is_ascii_hexdigit())
        });
        change.service_profile = required_reference(body, "service_profile", SERVICE_PROFILE, issues);
        change.tariff_profile = required_reference(body, "tariff_profile", TARIFF_PROFILE, issues);
        change.enabled = match required_reference(body, "status", "Status", issues) {
            None => None,
            Some(status @ (0 | 1)) => Some(status == 0),
            Some(_) => {
                issues.push(Issue::new(Code::NOT_ALLOWED, "status must be 0 or 1"));
                None
            }
        };
        if let Some(lock) = body.get("imei_lock").filter(|lock| !lock.is_null()) {
            change.imei_lock = body::flag(lock);
            if change.imei_lock.is_none() {
                issues.push(Issue::format("imei_lock"));
            }
        }
        change.read_address(body, issues);
        change.read_sim(body, issues);
        change
    }

    fn read_address(&mut self, body: &Value, issues: &mut Vec<Issue>) {
        match body::wanted(body, "ip_address_space") {
            Wanted::Id(space) => self.space = Some(space),
            Wanted::Impossible(id) => issues.push(Issue::not_found(SPACE, id)),
            Wanted::Unsaid | Wanted::Cleared | Wanted::Unreadable => {}
        }
        let Some(address) = body.get("ip_address").and_then(Value::as_str).filter(|text| !text.is_empty())
        else {
            return;
        };
        self.ip_address = address.parse().ok();
        if self.ip_address.is_none() {
            issues.push(Issue::format("ip_address"));
        } else if self.space.is_none() {
            issues.push(Issue::required("ip_address_space.id"));
        }
    }

    fn read_sim(&mut self, body: &Value, issues: &mut Vec<Issue>) {
        self.sim = match body::wanted(body, "sim") {
            Wanted::Unsaid => None,
            Wanted::Cleared => Some(None),
            Wanted::Id(id) => Some(Some(id)),
            Wanted::Impossible(id) => {
                issues.push(Issue::not_found(SIM, id));
                None
            }
            Wanted::Unreadable => {
                issues.push(Issue::format("sim.id"));
                None
            }
        };
        let sim = &body["sim"];
        self.activate = sim.get("activate").and_then(body::flag);
        if let Some(status) = sim.get("status").filter(|status| !status.is_null()) {
            self.sim_state = body::id_of(status).and_then(SimState::from_id);
            if self.sim_state.is_none() {
                issues.push(Issue::format("sim.status"));
            }
        }
    }

    /// The SIM it would assign.
    pub(super) fn sim(&self) -> Option<u64> {
        self.sim.flatten()
    }

    /// The IMEI it would set.
    pub(super) fn imei(&self) -> Option<&str> {
        self.imei.as_ref()?.as_deref()
    }

    /// What a create must say. [S]
    pub(super) fn check_complete(&self, issues: &mut Vec<Issue>) {
        for (said, field, what) in [
            (self.service_profile.is_some(), "service_profile", SERVICE_PROFILE),
            (self.tariff_profile.is_some(), "tariff_profile", TARIFF_PROFILE),
            (self.enabled.is_some(), "status", "Status"),
        ] {
            let refused = |issue: &Issue| issue.message.starts_with(field) || issue.message.starts_with(what);
            if !said && !issues.iter().any(refused) {
                issues.push(Issue::required(field));
            }
        }
    }

    /// Whether references exist and nothing is claimed twice. `endpoint` is the device a PATCH changes.
    pub(super) fn check(&self, org: &Organisation, endpoint: Option<u64>, issues: &mut Vec<Issue>) {
        let unknown = |id: Option<u64>, known: &dyn Fn(&u64) -> bool| id.filter(|id| !known(id));
        for (what, unknown) in [
            (SERVICE_PROFILE, unknown(self.service_profile, &|id| org.service_profiles.contains_key(id))),
            (TARIFF_PROFILE, unknown(self.tariff_profile, &|id| org.tariff_profiles.contains_key(id))),
            (SPACE, unknown(self.space, &|id| org.ip_address_spaces.contains_key(id))),
        ] {
            issues.extend(unknown.map(|id| Issue::not_found(what, id)));
        }
        if let Some(sim) = self.sim() {
            self.check_sim(org, endpoint, sim, issues);
        } else if self.sim.is_none()
            && let Some(state) = self.sim_state
            && let Some(sim) = endpoint.and_then(|id| org.endpoints.get(&id)?.sim)
            && !org.sims[&sim].status.may_become(state)
        {
            issues.push(illegal(org.sims[&sim].status, state));
        }
        if let Some(address) = self.ip_address {
            let own = endpoint.and_then(|id| org.endpoints.get(&id)?.ip_address);
            if org.space_of(address) != self.space {
                issues.push(Issue::format("ip_address"));
            } else if own != Some(address) && org.indexes.addresses.contains(&address) {
                issues.push(Issue::new(Code::DUPLICATED, "ip_address is in use"));
            }
        }
    }

    fn check_sim(&self, org: &Organisation, endpoint: Option<u64>, sim: u64, issues: &mut Vec<Issue>) {
        let Some(row) = org.sims.get(&sim).filter(|row| row.status != SimState::Deleted) else {
            issues.push(Issue::not_found(SIM, sim));
            return;
        };
        if org.endpoint_of_sim(sim).is_some_and(|holder| Some(holder) != endpoint) {
            issues.push(Issue::new(Code::NOT_ALLOWED, "sim is assigned to another endpoint"));
        }
        if let Some(state) = self.sim_state
            && !row.status.may_become(state)
        {
            issues.push(illegal(row.status, state));
        }
    }

    /// Makes a device of a checked change. `activates`: what an unsaid `activate` means.
    ///
    /// # Errors
    /// 404, code 1601: no address is free. [R]
    pub(super) fn create(
        self,
        org: &mut Organisation,
        actor: &mut Actor<'_>,
        activates: bool,
    ) -> Result<u64, Refusal> {
        let (space, address) = match self.ip_address.zip(self.space) {
            Some((address, space)) => (space, address),
            None => org.free_address(self.space).ok_or_else(no_address)?,
        };
        let enabled = self.enabled.unwrap_or(false);
        let id = org.endpoints.add(
            actor.next,
            Endpoint {
                name: self.name.clone().unwrap_or_default(),
                tags: self.tags.clone().flatten(),
                enabled,
                service_profile: self.service_profile.unwrap_or(0),
                tariff_profile: self.tariff_profile.unwrap_or(0),
                imei: self.imei.clone().flatten(),
                imei_lock: self.imei_lock.unwrap_or(false),
                created: actor.now,
                last_updated: actor.now,
                ..Endpoint::default()
            },
        );
        org.place(id, space, address);
        if let Some(sim) = self.sim() {
            // Activation first, then assignment, as recorded. [R]
            let automatic = activates && enabled && org.sims[&sim].status == SimState::Issued;
            let to = self.wanted_state(org, self.activate.unwrap_or(automatic));
            set_state(org, actor, sim, to, id);
            org.reassign_sim(actor, id, Some(sim));
        }
        Ok(id)
    }

    /// Applies a checked change to a device.
    ///
    /// # Errors
    /// 404, code 1601: no address is free in the wanted space.
    pub(super) fn apply(self, org: &mut Organisation, actor: &mut Actor<'_>, id: u64) -> Result<(), Refusal> {
        let row = &org.endpoints[&id];
        let place = match (self.ip_address, self.space) {
            (Some(address), Some(space)) => Some((space, address)),
            (None, Some(space)) if row.ip_address_space != Some(space) => {
                Some(org.free_address(Some(space)).ok_or_else(no_address)?)
            }
            _ => None,
        };
        if let Some((space, address)) = place {
            org.place(id, space, address);
        }
        if let Some(sim) = self.sim {
            org.reassign_sim(actor, id, sim);
        }
        let to = self.wanted_state(org, self.activate.unwrap_or(false));
        if let Some(sim) = org.endpoints[&id].sim {
            set_state(org, actor, sim, to, id);
        }
        let row = org.endpoints.get_mut(&id).expect("the caller looked it up");
        let switched = self.enabled.filter(|enabled| *enabled != row.enabled);
        row.name = self.name.unwrap_or_else(|| std::mem::take(&mut row.name));
        row.tags = self.tags.map_or_else(|| row.tags.take(), |tags| Some(tags.unwrap_or_default()));
        row.imei = self.imei.unwrap_or_else(|| row.imei.take());
        row.imei_lock = self.imei_lock.unwrap_or(row.imei_lock);
        row.service_profile = self.service_profile.unwrap_or(row.service_profile);
        row.tariff_profile = self.tariff_profile.unwrap_or(row.tariff_profile);
        row.enabled = self.enabled.unwrap_or(row.enabled);
        row.last_updated = actor.now;
        if let Some(enabled) = switched {
            actor.emit(org, Draft::new(if enabled { 42 } else { 43 }).endpoint(id));
            org.end_factory_test(actor, id);
            if !enabled {
                org.drop_connection(actor, id);
            }
        }
        Ok(())
    }

    /// An explicit state wins; `activate` means Factory Test where the organisation has it. [S]
    fn wanted_state(&self, org: &Organisation, activate: bool) -> Option<SimState> {
        self.sim_state.or_else(|| {
            activate.then_some(if org.factory_test { SimState::FactoryTest } else { SimState::Activated })
        })
    }
}

/// Moves a SIM where that is legal; what `activate` cannot do it leaves. [?]
fn set_state(org: &mut Organisation, actor: &mut Actor<'_>, sim: u64, to: Option<SimState>, endpoint: u64) {
    if let Some(to) = to.filter(|to| org.sims[&sim].status.may_become(*to)) {
        org.set_sim_state_for(actor, sim, to, Some(endpoint));
    }
}

fn illegal(from: SimState, to: SimState) -> Issue {
    Issue::new(Code::NOT_ALLOWED, format!("sim.status: {} cannot become {}", from.name(), to.name()))
}

fn no_address() -> Refusal {
    Refusal::coded(404, Code::UNAVAILABLE, "No IP address is available")
}

fn required_reference(body: &Value, field: &str, what: &str, issues: &mut Vec<Issue>) -> Option<u64> {
    match body::wanted(body, field) {
        Wanted::Id(id) => Some(id),
        Wanted::Impossible(id) => {
            issues.push(Issue::not_found(what, id));
            None
        }
        Wanted::Unsaid => None,
        Wanted::Cleared => {
            issues.push(Issue::required(field));
            None
        }
        Wanted::Unreadable => {
            issues.push(Issue::format(field));
            None
        }
    }
}

#[allow(clippy::option_option, reason = "not said, cleared and set are three things")]
fn optional_text(
    body: &Value,
    field: &str,
    issues: &mut Vec<Issue>,
    fits: impl Fn(&str) -> bool,
) -> Option<Option<String>> {
    match body.get(field)? {
        Value::Null => Some(None),
        Value::String(text) if text.is_empty() && field == "imei" => Some(None),
        Value::String(text) if fits(text) => Some(Some(text.clone())),
        _ => {
            issues.push(Issue::format(field));
            None
        }
    }
}
