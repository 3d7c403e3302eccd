//! `Endpoint`: a device.
//!
//! One object is composed of many sub-resources: the device itself, the state of its SIM, tags, blocked operators and
//! allowances. [`diff`](diff::diff) orders them; SIM states follow the rules in [`crate::kinds::sim::state`], allowances those in
//! [`quota`]. A device is found again by its SIM, else by its address, else (only after an interrupted create) by its
//! name and profiles.

mod bulk;
mod change;
mod connectivity;
mod diff;
mod events;
mod export;
mod io;
mod quota;
mod report;
pub(crate) mod rows;
mod spec;
#[cfg(test)]
mod tests;
pub(crate) mod want;

use std::time::Duration;

use emnify::{Api, Cursor, Error, Page};
use emnify_engine::kind::{
    Context, Diff, Facts, Find, Have, Id, Input, Inputs, Invalid, Key, Kind, Managed, Reply,
    managed::{Bulk, Census, Events, Extra, Extras, Look, Recent, Uses},
    spec::{AdoptionPolicy, Intent},
};
use futures::FutureExt;
use jiff::Timestamp;

pub use self::{
    change::Change,
    connectivity::Connectivity,
    rows::{Part, Parts, Row, Want},
    spec::{
        AddressSpace, ConnectivityStatus, DataQuota, Endpoint, EndpointSettings, EndpointSim,
        EndpointSimStatus, EndpointSpec, EndpointStatus, QuotaStatus, Quotas, SetAllowance, SmsQuota,
        UsageStatus,
    },
};
use self::{diff::Memory, rows::key};
use super::{
    common::alerts, service_profile::ServiceProfile, sim::state_claim, tariff_profile::TariffProfile,
};

impl Managed for Endpoint {
    type Row = Row;
    type Part = Part;
    type Parts = Parts;
    type Want = Want;
    type Change = Change;
    type News = Connectivity;

    const EVENTS: Option<Events<Self>> = Some(Events {
        effect: events::on_event,
        alert: |event| alerts::about(events::subject(event.endpoint_id(), event.sim_id())?, event),
        record: |record| events::subject(record.endpoint, record.sim),
        follow: |before, news| news.after(before),
    });
    const CENSUS: Option<Census<Self>> = Some(|_, news, parts, put| {
        connectivity::census(news, parts.and_then(|parts| parts.connectivity.as_ref()), put);
    });
    const RECENT: Option<Recent<Self>> =
        Some(Recent { page: |api, at| io::recent(api, at).boxed(), changed: |row| row.updated });
    const USES: &'static [Uses<Self>] = &[
        Uses { kind: ServiceProfile::KIND, of: |row, _| Some(Id::Int(row.service_profile)) },
        Uses { kind: TariffProfile::KIND, of: |row, _| Some(Id::Int(row.tariff_profile)) },
    ];
    const LISTED_ALONE: bool = true;
    const EXTRAS: Option<Extras<Self>> = Some(extras);
    const BULK: Option<Bulk<Self>> = Some(Bulk {
        most: emnify::wire::endpoint_bulk::LARGEST_BATCH,
        make: |api, new| bulk::make(api, new).boxed(),
        apply: |api, changes| bulk::apply(api, changes).boxed(),
        room: |api, new| bulk::room(api, new).boxed(),
    });

    const FACTS: Facts = Facts {
        has_read: true,
        // emnify wants endpoint writes one after another. [S]
        serial: Some("endpoint"),
        sweep_every: Duration::from_secs(600),
        scrub_every: Duration::from_secs(6 * 3600),
        adoption: AdoptionPolicy::Never,
        needs_intent: true,
    };

    fn id(row: &Row) -> Id {
        Id::Int(row.id)
    }

    fn keys(row: &Row, put: &mut dyn FnMut(Key)) {
        if row.is_tombstone() {
            return;
        }
        put(Key::new(Key::NAME, row.name.as_str()));
        put(Key::new(key::LIKENESS, rows::likeness(&row.name, row.service_profile, row.tariff_profile)));
        if let Some(sim) = &row.sim {
            put(Key::new(key::SIM, sim.id.to_string()));
        }
        if let (Some(space), Some(address)) = (row.space, &row.address) {
            put(Key::new(key::ADDRESS, rows::address(space, address)));
        }
    }

    fn mark(row: &Row) -> Option<String> {
        want::marked_by(row.tags.as_deref()?)
    }

    fn is_deleted(row: &Row) -> bool {
        row.is_tombstone()
    }

    fn created(row: &Row) -> Option<Timestamp> {
        row.created
    }

    fn inputs(&self) -> Vec<Input> {
        want::inputs(self)
    }

    fn want(&self, from: &Inputs) -> Result<Want, Invalid> {
        want::want(self, from)
    }

    fn find(want: &Want, intent: Option<&Intent>) -> Vec<Find> {
        if let Some(Some(sim)) = want.sim {
            return vec![Find::Natural(Key::new(key::SIM, sim.to_string()))];
        }
        if let (Some(space), Some(address)) = (want.space, &want.address) {
            return vec![Find::Natural(Key::new(key::ADDRESS, rows::address(space, address)))];
        }
        // A name alone says nothing, but it does of a device that appeared after we set out to make one.
        match (intent, diff::create(want)) {
            (Some(_), Some(new)) => {
                let likeness = rows::likeness(&new.name, new.service_profile, new.tariff_profile);
                vec![Find::Natural(Key::new(key::LIKENESS, likeness))]
            }
            _ => Vec::new(),
        }
    }

    /// The mark on a device names the installation only, and names are not unique.
    fn likely(want: &Want) -> Option<Key> {
        let keyed = want.sim.flatten().is_some() || (want.space.is_some() && want.address.is_some());
        let name = want.name.as_ref().unwrap_or(&want.create_name);
        (!keyed).then(|| Key::new(Key::NAME, name))
    }

    fn claims(want: &Want, _: Option<&Row>) -> Vec<Key> {
        want.sim_state.and(want.sim.flatten()).map(state_claim).into_iter().collect()
    }

    fn parts(want: &Want) -> Vec<Part> {
        let wanted = [
            (want.blocklist.is_some(), Part::Blocklist),
            (want.data_quota.is_some(), Part::DataQuota),
            (want.sms_quota.is_some(), Part::SmsQuota),
        ];
        wanted.into_iter().filter_map(|(wanted, part)| wanted.then_some(part)).collect()
    }

    fn create(want: &Want, _: Option<&Intent>) -> Option<Change> {
        diff::create(want).map(Change::Create)
    }

    fn diff(want: &Want, have: &Have<Self>, context: &Context<'_, Self>) -> Diff<Change> {
        diff::diff(want, &have.row, &have.parts, memory(context))
    }

    fn retire(have: &Have<Self>, context: &Context<'_, Self>) -> Vec<Change> {
        diff::retire(&have.row, memory(context))
    }

    fn exclusive(want: &Want) -> Vec<Key> {
        let sim = want.sim.flatten().map(|sim| Key::new(key::SIM, sim.to_string()));
        let placed = want.space.zip(want.address.as_ref());
        let address = placed.map(|(space, address)| Key::new(key::ADDRESS, rows::address(space, address)));
        sim.into_iter().chain(address).collect()
    }

    fn vacate(have: &Have<Self>, key: &Key, free: &dyn Fn(&Key) -> bool) -> Option<Change> {
        match key.name {
            key::SIM => diff::release(&have.row),
            key::ADDRESS => diff::step_aside(&have.row, free),
            _ => None,
        }
    }

    fn assume(change: &Change, row: &mut Row, parts: &mut Parts) {
        diff::assume(change, row, parts);
    }

    fn report(&self, have: &Have<Self>, news: Option<&Connectivity>, status: &mut EndpointStatus) {
        report::report(self, &have.row, &have.parts, news, status);
    }

    async fn list(api: &Api, at: Cursor) -> Result<Page<Row>, Error> {
        io::list(api, at).await
    }

    async fn read(api: &Api, id: &Id) -> Result<Option<Row>, Error> {
        io::read(api, id).await
    }

    async fn read_part(api: &Api, id: &Id, part: Part, into: &mut Parts) -> Result<(), Error> {
        io::read_part(api, id, part, into).await
    }

    async fn make(api: &Api, new: &Change) -> Result<Reply<Self>, Error> {
        io::make(api, new).await
    }

    async fn apply(api: &Api, id: &Id, change: &Change) -> Result<Reply<Self>, Error> {
        io::apply(api, id, change).await
    }
}

/// Where it is, until events tell; how much it has used, where the workspace wants to know.
fn extras(look: &Look<'_, Endpoint>) -> Vec<Extra<Part>> {
    let unseen = look.status.is_none_or(|status| status.connectivity.is_none());
    let connectivity = unseen.then(|| Extra::once(Part::Connectivity));
    let usage = look.usage_every.map(|every| {
        let told = look.status.and_then(|status| status.usage.as_ref());
        let read = told.and_then(|usage| usage.as_of.parse().ok());
        Extra { read, asked_for: true, ..Extra::every(Part::Usage, every) }
    });
    connectivity.into_iter().chain(usage).collect()
}

fn memory<'a>(context: &Context<'a, Endpoint>) -> Memory<'a> {
    Memory { status: context.status, edited: context.edited, now: context.now }
}
