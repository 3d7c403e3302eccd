//! How devices move through the network.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::sim::Actor;
use super::{Draft, Endpoint, Location, Organisation, PdpContext, SimState, State, Tariff, Usage};
use super::{NextIds, Table};
use crate::control::Signal;
use crate::reference_data::Operator;

/// LTE, as the radio type of a simulated registration.
const LTE: u64 = 6;
/// MB a simulated session moves in a second, both ways together.
const RATE: f64 = 0.001;

/// Why a device finds no network.
const REFUSED: &str = "every operator of its rate zones is refused";

impl State {
    /// Lets something happen to a device.
    ///
    /// # Errors
    /// A sentence saying why it cannot happen.
    pub fn signal(&mut self, endpoint: u64, signal: Signal, now: Timestamp) -> Result<(), String> {
        let org = self
            .organisations
            .values_mut()
            .find(|org| org.endpoints.contains_key(&endpoint))
            .ok_or_else(|| format!("there is no device {endpoint}"))?;
        let mut actor = Actor { next: &mut self.next_ids, now, user: None };
        match signal {
            Signal::Attach => org.attach(&mut actor, &self.tariffs, endpoint),
            Signal::Online => org.go_online(&mut actor, &self.tariffs, endpoint),
            Signal::Travel => org.travel(&mut actor, &self.tariffs, endpoint),
            Signal::Detach => {
                org.end_session(&mut actor, endpoint);
                Ok(())
            }
            Signal::Offline => {
                org.drop_connection(&mut actor, endpoint);
                Ok(())
            }
            Signal::Block => {
                org.end_session(&mut actor, endpoint);
                org.connection(endpoint).blocked = true;
                actor.emit(org, Draft::new(11).endpoint(endpoint));
                Ok(())
            }
        }
    }

    /// An organisation, the tariffs and the counters: what a reset needs at once.
    pub fn network(&mut self, organisation: u64) -> (&mut Organisation, &Table<Tariff>, &mut NextIds) {
        let org = self.organisations.get_mut(&organisation).expect("a caller's organisation exists");
        (org, &self.tariffs, &mut self.next_ids)
    }
}

impl Endpoint {
    /// The API's word for its connectivity. [R]
    pub fn connectivity_status(&self) -> &'static str {
        let connectivity = &self.connectivity;
        if connectivity.blocked {
            "BLOCKED"
        } else if connectivity.pdp_context.is_some() {
            "ONLINE"
        } else if connectivity.location.is_some() {
            "ATTACHED"
        } else {
            "OFFLINE"
        }
    }
}

impl Organisation {
    fn connection(&mut self, endpoint: u64) -> &mut super::Connectivity {
        &mut self.endpoints.get_mut(&endpoint).expect("the caller looked it up").connectivity
    }

    /// Registers a device in the first network it may use.
    ///
    /// # Errors
    /// A sentence saying what keeps it out.
    pub fn attach(
        &mut self,
        actor: &mut Actor<'_>,
        tariffs: &Table<Tariff>,
        endpoint: u64,
    ) -> Result<(), String> {
        let row = self.endpoints.get(&endpoint).ok_or_else(|| format!("there is no device {endpoint}"))?;
        self.in_service(row)?;
        if self.lacks_rate_zone(row) {
            // Every network refuses it from now on. [P]
            self.drop_connection(actor, endpoint);
            self.connection(endpoint).blocked = true;
            return Err("its tariff profile has no rate zone selected".to_owned());
        }
        let operator = *self.networks_for(tariffs, row).first().ok_or(REFUSED)?;
        let imei = row.imei.clone().unwrap_or_else(|| format!("3567890{:07}01", endpoint % 10_000_000));
        let known =
            row.connectivity.location.as_ref().is_some_and(|location| location.operator == operator.id);
        let row = self.endpoints.get_mut(&endpoint).expect("looked up above");
        row.imei = Some(imei);
        row.connectivity.blocked = false;
        if !known {
            self.register(actor, endpoint, operator);
            self.deliver_buffered(actor, endpoint);
        }
        Ok(())
    }

    /// Registers an attached device in the next network that it may use; where there is no other, it stays.
    fn travel(
        &mut self,
        actor: &mut Actor<'_>,
        tariffs: &Table<Tariff>,
        endpoint: u64,
    ) -> Result<(), String> {
        let row = self.endpoints.get(&endpoint).ok_or_else(|| format!("there is no device {endpoint}"))?;
        self.in_service(row)?;
        let location = row.connectivity.location.as_ref().ok_or("the device is not attached")?;
        let networks = self.networks_for(tariffs, row);
        let here = networks.iter().position(|operator| operator.id == location.operator);
        let next = networks.iter().cycle().nth(here.map_or(0, |here| here + 1));
        let next = *next.ok_or(REFUSED)?;
        if next.id != location.operator {
            self.register(actor, endpoint, next);
        }
        Ok(())
    }

    fn register(&mut self, actor: &mut Actor<'_>, endpoint: u64, operator: &Operator) {
        self.connection(endpoint).location =
            Some(Location { operator: operator.id, since: actor.now, rat_type: LTE });
        let detail = json!({"id": operator.id, "name": operator.name, "country": operator.country().json()});
        for kind in [1, 2] {
            actor.emit(self, Draft::new(kind).endpoint(endpoint).detail(detail.clone()));
        }
    }

    /// Opens a data session.
    fn go_online(
        &mut self,
        actor: &mut Actor<'_>,
        tariffs: &Table<Tariff>,
        endpoint: u64,
    ) -> Result<(), String> {
        self.attach(actor, tariffs, endpoint)?;
        let row = &self.endpoints[&endpoint];
        if row.connectivity.pdp_context.is_some() {
            return Ok(());
        }
        if self.lacks_data_quota(row, actor.now) {
            let rejected = Draft::new(3).endpoint(endpoint).source(1).severity(1).alert();
            actor.emit(
                self,
                rejected.text("PDP Context Request rejected, because endpoint has no data quota."),
            );
            return Err("the device has no data quota, which its service profile asks for".to_owned());
        }
        let detail = session_detail(row);
        let id = actor.next.pdp_context;
        actor.next.pdp_context += 1;
        self.connection(endpoint).pdp_context =
            Some(PdpContext { id, created: actor.now, lac: 101, ci: 27_001, tx: 0.0, rx: 0.0 });
        actor.emit(
            self,
            Draft::new(3).endpoint(endpoint).text("New PDP context successfully activated").detail(detail),
        );
        Ok(())
    }

    /// Closes a device's data session, if it has one.
    pub fn end_session(&mut self, actor: &mut Actor<'_>, endpoint: u64) {
        let Some(session) =
            self.endpoints.get_mut(&endpoint).and_then(|row| row.connectivity.pdp_context.take())
        else {
            return;
        };
        let seconds = actor.now.duration_since(session.created).as_secs_f64().max(0.0);
        let (tx, rx) = (session.tx + seconds * RATE / 2.0, session.rx + seconds * RATE / 2.0);
        let volume = json!({"total": tx + rx, "rx": rx, "tx": tx});
        let mut detail = session_detail(&self.endpoints[&endpoint]);
        detail["volume"] = volume;
        actor.emit(self, Draft::new(5).endpoint(endpoint).text("PDP Context deleted").detail(detail));
        let row = self.endpoints.get_mut(&endpoint).expect("looked up above");
        row.count(actor.now, Usage { data_tx: tx, data_rx: rx, ..Usage::default() });
        self.use_data(actor, endpoint, tx + rx);
        self.count_test_traffic(actor, endpoint, tx + rx, 0);
    }

    /// Takes a device out of the network.
    pub fn drop_connection(&mut self, actor: &mut Actor<'_>, endpoint: u64) {
        self.end_session(actor, endpoint);
        let attached = self.connection(endpoint).location.take().is_some();
        self.connection(endpoint).blocked = false;
        if attached {
            for kind in [15, 16] {
                actor.emit(self, Draft::new(kind).endpoint(endpoint));
            }
        }
    }

    /// Whether the platform serves a device at all: enabled, with a SIM in service.
    fn in_service(&self, endpoint: &Endpoint) -> Result<(), String> {
        let sim = endpoint.sim.and_then(|sim| self.sims.get(&sim)).ok_or("the device has no SIM")?;
        if !endpoint.enabled {
            return Err("the device is disabled".to_owned());
        }
        if !matches!(sim.status, SimState::Activated | SimState::FactoryTest) {
            return Err(format!("its SIM is {}", sim.status.name()));
        }
        Ok(())
    }

    /// Operators of the selected rate zones that neither the device nor its policy refuses.
    fn networks_for(&self, tariffs: &Table<Tariff>, endpoint: &Endpoint) -> Vec<&'static Operator> {
        let policy = &self.tariff_profiles[&endpoint.tariff_profile];
        let zones = tariffs.get(&policy.tariff).into_iter().flat_map(|tariff| tariff.rate_zones.values());
        let selected: Vec<_> = zones.filter(|zone| policy.rate_zones.contains(&zone.id)).collect();
        // A zone that names no operator has them all.
        let covered =
            |id: u64| selected.iter().any(|zone| zone.operators.is_empty() || zone.operators.contains(&id));
        let refused = |id: u64| {
            endpoint.operator_blacklist.contains(&id)
                || policy.operator_blocklist.iter().any(|blocked| {
                    blocked.operator == id && (blocked.completely || blocked.rat_types.contains(&LTE))
                })
        };
        Operator::all()
            .iter()
            .filter(|operator| !operator.mnc.is_empty())
            .filter(|operator| covered(operator.id))
            .filter(|operator| !refused(operator.id))
            .collect()
    }
}

/// What events of a session tell.
fn session_detail(endpoint: &Endpoint) -> Value {
    let operator =
        endpoint.connectivity.location.as_ref().and_then(|location| Operator::get(location.operator));
    json!({
        "country": operator.map(|operator| operator.country().json()),
        "pdp_context": {
            "apn": "em",
            "rat_type": LTE,
            "ue_ip_address": endpoint.ip_address.map(|address| address.to_string()),
            "imeisv": endpoint.imei,
        },
    })
}
