//! Puts whole families into the copy, in one edit each.

use std::collections::BTreeMap;

use bytes::Bytes;
use emnify::TransportError;
use emnify_simulator::{
    reference_data::{self, Family as Uuids, Operator},
    state::{HeldVolume, Organisation, State, Table, Tariff},
};
use http::{Request, Response};
use serde_json::{Value, json};

use super::{
    Copy, Known, devices,
    families::{Family, Group, Piece},
    others, profiles,
    read::{Lacks, id, list, number, text},
};
use crate::live::Fetch;

/// So many pages of a listing are read, and no more.
const MOST_PAGES: usize = 1_000;

/// What automations are made of, by the route of its list.
const CATALOGUE: [(Uuids, &str); 3] = [
    (Uuids::SystemEvent, "/api/v1/event/system/configuration"),
    (Uuids::Action, "/api/v1/automation/action"),
    (Uuids::Template, "/api/v1/event/custom/template"),
];

/// What rows of a fleet name by id, and what checks it: lookups of the copy, by the route of the live one.
const LOOKUPS: [(&str, &str); 6] = [
    ("breakout_region", "/api/v1/breakout_region"),
    ("esme_interface_type", "/api/v1/esme_interface_type"),
    ("rat_type", "/api/v1/rat_type"),
    ("service", "/api/v1/service"),
    ("sms_limit", "/api/v1/traffic_limit"),
    ("tag_color", "/api/v2/tag-colors"),
];

/// The rows of a family.
type Rows = (Family, Vec<Value>);

impl Copy {
    /// Reads the families of a group and puts them into the copy.
    pub(super) async fn fill(&self, known: &mut Known, group: Group) -> Result<(), TransportError> {
        if group == Group::Automations {
            for (family, route) in CATALOGUE {
                let answer = self.read(Fetch { route, args: vec![], query: vec![] }).await?;
                known.names.learn_catalogue(family, &body_of(&answer));
            }
        }
        if group == Group::Fleet {
            self.learn_lookups().await?;
        }
        let mut read: Vec<Rows> = Vec::new();
        for family in group.families() {
            match self.listed(*family).await? {
                Ok(rows) => {
                    known.names.learn(*family, &rows);
                    read.push((*family, rows));
                }
                Err(refusal) => {
                    self.tell(format!(
                        "{}: the token may not read them (status {}), so nothing is planned that needs them",
                        family.name(),
                        refusal.status().as_u16()
                    ));
                    known.refused.insert(*family, refusal);
                }
            }
        }
        let volumes = if group == Group::Fleet { self.volumes().await? } else { Value::Null };
        self.put(known, &read, &volumes);
        if group == Group::Fleet {
            self.learn_zones(known).await?;
        }
        Ok(())
    }

    /// The zones of a tariff stand on the page of any profile that has it.
    async fn learn_zones(&self, known: &mut Known) -> Result<(), TransportError> {
        let organisation = self.organisation;
        let profiles: BTreeMap<u64, u64> = self.simulator.inspect(|state| {
            let org = state.organisations.get(&organisation);
            let profiles = org.into_iter().flat_map(|org| org.tariff_profiles.values());
            profiles.map(|profile| (profile.tariff, profile.id)).collect()
        });
        for profile in profiles.into_values() {
            if known.rows.contains(&(Family::TariffProfiles, profile)) {
                self.learn_piece(known, Piece::TariffProfile, profile).await?;
            }
        }
        Ok(())
    }

    /// Ids of lookups mean what they mean live. One that the login may not read is what this program knows.
    async fn learn_lookups(&self) -> Result<(), TransportError> {
        for (lookup, route) in LOOKUPS {
            let answer = self.read(Fetch { route, args: vec![], query: vec![] }).await?;
            for row in list(&body_of(&answer)) {
                let Some(number) = number(&row["id"]) else { continue };
                let kept = match lookup {
                    "sms_limit" => {
                        let (Some(service), Some(volume)) =
                            (id(&row["service"]), super::read::number(&row["volume"]))
                        else {
                            continue;
                        };
                        json!({"id": number, "service": service, "volume": volume})
                    }
                    _ => row.clone(),
                };
                reference_data::learn(lookup, number, kept);
            }
        }
        let answer = self.read(Fetch { route: "/api/v1/operator", args: vec![], query: vec![] }).await?;
        for row in list(&body_of(&answer)) {
            if let (Some(id), Some(name)) = (number(&row["id"]), text(&row["name"])) {
                Operator::learn(id, &name);
            }
        }
        Ok(())
    }

    /// Every page of a listing, or the answer that says that there is none for this login.
    async fn listed(&self, family: Family) -> Result<Result<Vec<Value>, Response<Bytes>>, TransportError> {
        let (route, paging) = family.listing();
        let (mut rows, mut page) = (Vec::new(), 1_usize);
        loop {
            let query = paging.map_or_else(Vec::new, |(key, size)| {
                vec![("page", page.to_string()), (key, size.to_string())]
            });
            let answer = self.read(Fetch { route, args: vec![], query }).await?;
            match answer.status().as_u16() {
                200..300 => {}
                401 | 403 | 404 => return Ok(Err(answer)),
                status => {
                    let why = format!("{} cannot be read: status {status}", family.name());
                    return Err(TransportError::Connect(why));
                }
            }
            let body = body_of(&answer);
            let last = number(&body["last_page"]).or_else(|| {
                let pages = answer.headers().get("x-total-pages")?;
                pages.to_str().ok()?.parse().ok()
            });
            match body {
                Value::Array(some) => rows.extend(some),
                Value::Object(mut one) => match one.remove("data") {
                    Some(Value::Array(some)) => rows.extend(some),
                    _ if !one.is_empty() => rows.push(Value::Object(one)),
                    _ => {}
                },
                _ => {}
            }
            let pages = last.and_then(|last| usize::try_from(last).ok()).unwrap_or(1);
            if paging.is_none() || page >= pages.min(MOST_PAGES) {
                return Ok(Ok(rows));
            }
            page += 1;
        }
    }

    /// Volumes that the organisation has bought; who may not see them has none.
    async fn volumes(&self) -> Result<Value, TransportError> {
        let route = "/api/v1/organisation/{org_id_or_my}/inclusive_volume/active";
        let answer = self.read(Fetch { route, args: vec!["my".to_owned()], query: vec![] }).await?;
        Ok(if answer.status().is_success() { body_of(&answer) } else { Value::Null })
    }

    fn put(&self, known: &mut Known, read: &[Rows], volumes: &Value) {
        let (mut problems, now) = (Vec::new(), self.simulator.now());
        let organisation = self.organisation;
        let edited = self.simulator.edit(|state| {
            for (family, rows) in read {
                for row in rows {
                    let row = if known.names.is_empty() { row.clone() } else { translated(row, known) };
                    if let Err(why) = put_row(state, organisation, (*family, &row), now) {
                        let name = text(&row["id"]).unwrap_or_else(|| "without an id".to_owned());
                        problems.push(format!("{} {name} is not in the plan: {why}", family.name()));
                    }
                }
            }
            let (org, _) = state.split(organisation);
            for (family, rows) in read {
                if *family == Family::Endpoints {
                    devices::stand_ins(org, rows);
                    devices::part(org, &mut problems);
                }
            }
            hold(state, organisation, volumes);
        });
        known.rows.extend(
            read.iter().flat_map(|(family, rows)| {
                rows.iter().filter_map(|row| Some((*family, number(&row["id"])?)))
            }),
        );
        if let Err(why) = edited {
            problems.push(format!("the organisation cannot be copied: {why}"));
            // what is not there would be taken for what can be made
            let refusal =
                Response::builder().status(403).body(Bytes::from_static(b"{\"message\": \"not copied\"}"));
            let refusal = refusal.expect("the status is ours");
            known.refused.extend(read.iter().map(|(family, _)| (*family, refusal.clone())));
        }
        for problem in problems {
            self.tell(problem);
        }
    }

    /// What a request names that nothing that was read told of, as a tariff that no profile has yet.
    pub(super) fn make_room(&self, family: Family, request: &Request<Bytes>) {
        if family != Family::TariffProfiles {
            return;
        }
        let body: Value = serde_json::from_slice(request.body()).unwrap_or(Value::Null);
        let Some(tariff) = id(&body["tariff"]) else { return };
        if self.simulator.inspect(|state| state.tariffs.contains_key(&tariff)) {
            return;
        }
        self.tell(format!(
            "tariff {tariff}: no tariff profile has it yet, so its rate zones are not known before one does"
        ));
        self.simulator.amend(|state| {
            state.tariffs.put(Tariff {
                id: tariff,
                name: tariff.to_string(),
                description: String::new(),
                rate_zones: Table::default(),
                inclusive_volumes: Table::default(),
            });
        });
    }
}

fn body_of(answer: &Response<Bytes>) -> Value {
    serde_json::from_slice(answer.body()).unwrap_or(Value::Null)
}

fn translated(row: &Value, known: &Known) -> Value {
    serde_json::from_str(&known.names.to_copy(&row.to_string())).unwrap_or(Value::Null)
}

/// Volumes that may be assigned.
fn hold(state: &mut State, organisation: u64, volumes: &Value) {
    for row in list(volumes) {
        let (Some(volume), Some(tariff)) = (profiles::inclusive_volume(row), id(&row["tariff"])) else {
            continue;
        };
        let held = HeldVolume {
            inclusive_volume: volume.id,
            start_date: volume.start_date,
            end_date: volume.end_date,
            pooled: volume.pooled,
        };
        if let Some(known) = state.tariffs.get_mut(&tariff) {
            known.inclusive_volumes.put(volume);
        }
        let (org, _) = state.split(organisation);
        org.inclusive_volumes.push(held);
    }
}

/// Puts one row where it belongs.
fn put_row(
    state: &mut State,
    organisation: u64,
    (family, row): (Family, &Value),
    now: jiff::Timestamp,
) -> Result<(), Lacks> {
    if family == Family::Users {
        state.users.put(others::user(row, organisation)?);
        return Ok(());
    }
    if family == Family::TariffProfiles {
        let profile = profiles::tariff(row, state)?;
        state.split(organisation).0.tariff_profiles.put(profile);
        return Ok(());
    }
    put_own(state.split(organisation).0, (family, row), now)
}

fn put_own(
    org: &mut Organisation,
    (family, row): (Family, &Value),
    now: jiff::Timestamp,
) -> Result<(), Lacks> {
    match family {
        Family::IpAddressSpaces => {
            org.ip_address_spaces.put(others::space(row)?);
        }
        Family::Dns => {
            org.dns.put(others::dns(row)?);
        }
        Family::Tags => {
            org.tags.put(others::tag(row)?);
        }
        Family::ApiCallbacks => {
            org.api_callbacks.put(others::callback(row)?);
        }
        Family::ApiSecrets => {
            org.api_secrets.put(others::secret(row)?);
        }
        Family::ServiceProfiles => {
            org.service_profiles.put(profiles::service(row)?);
        }
        Family::Sims => {
            org.sims.put(devices::sim(row, org.id)?);
        }
        Family::Endpoints => {
            if let Some(endpoint) = devices::endpoint(row)? {
                org.endpoints.put(endpoint);
            }
        }
        Family::CustomEvents => {
            org.custom_events.put(others::custom_event(row)?);
        }
        Family::Automations => {
            org.automations.put(others::automation(row)?);
        }
        Family::DataStreams => {
            let number = row["id"].as_str().and_then(emnify_simulator::state::DataStream::number_of);
            let number = number.ok_or("its id cannot be read")?;
            org.data_streams.put(others::stream(row, number)?);
        }
        Family::Attachments => {
            org.attachments.put(others::attachment(row, now)?);
        }
        Family::ApplicationTokens => {
            let mut token = others::token(row)?;
            // what the rehearsal is logged in with
            if let Some(login) = org.application_tokens.get(&token.id).filter(|old| old.token == super::LOGIN)
            {
                token.token.clone_from(&login.token);
            }
            org.application_tokens.put(token);
        }
        Family::Users | Family::TariffProfiles => unreachable!("they are put by who knows the whole state"),
    }
    Ok(())
}
