//! `Sim`: a SIM card or eUICC profile that the organisation owns.
//!
//! SIMs come from orders and batches, so the kind only adopts: by ICCID (20 digits are normalised to 19), EID or IMSI.
//! The one writable field is the state, and its rules are in [`state`].
//! What is on an eUICC is told by another listing, see [`euicc`].

mod diff;
pub mod euicc;
mod export;
mod io;
pub mod period;
pub mod rows;
mod spec;
pub mod state;
#[cfg(test)]
mod tests;

use std::time::Duration;

use emnify::{Api, Cursor, Error, Page};
use emnify_engine::kind::{
    Context, Diff, Facts, Find, Have, Id, Inputs, Invalid, Key, Managed, Reply, Subject,
    managed::{Census, Companion, Events},
    spec::{AdoptionPolicy, Intent},
};

use self::{
    rows::{Row, SetState, Want, key},
    state::{WantedState, status},
};
use super::common::alerts;

pub use self::{
    spec::{Sim, SimSpec, SimStatus},
    state::SimState,
};

/// The right to set the state of the SIM with this id. `Sim` and `Endpoint` compete for it.
pub fn state_claim(sim: i64) -> Key {
    Key::new("sim-state", sim.to_string())
}

impl Managed for Sim {
    type Row = Row;
    type Part = std::convert::Infallible;
    type Parts = ();
    type Want = Want;
    type Change = SetState;
    type News = euicc::News;

    const EVENTS: Option<Events<Self>> = Some(Events {
        effect: io::on_event,
        alert: |event| alerts::about(Subject::Id(Id::Int(event.sim.as_ref()?.id?)), event),
        record: |record| record.sim.map(|id| Subject::Id(Id::Int(id))),
        follow: |_, news| news,
    });
    const CENSUS: Option<Census<Self>> =
        Some(|row, _, _, put| put(crate::kinds::common::group::SIM, &status::name(row.status)));
    const COMPANION: Option<Companion<Self>> = Some(euicc::COMPANION);

    const FACTS: Facts = Facts {
        has_read: true,
        serial: None,
        sweep_every: Duration::from_secs(900),
        scrub_every: Duration::from_secs(86_400),
        adoption: AdoptionPolicy::IfUnowned,
        needs_intent: false,
    };

    fn id(row: &Row) -> Id {
        Id::Int(row.id)
    }

    fn keys(row: &Row, put: &mut dyn FnMut(Key)) {
        if row.is_tombstone() {
            return;
        }
        for name in [key::ICCID, key::EID, key::IMSI] {
            if let Some(number) = row.number(name) {
                put(Key::new(name, number));
            }
        }
    }

    fn is_deleted(row: &Row) -> bool {
        row.is_tombstone()
    }

    fn want(&self, _: &Inputs) -> Result<Want, Invalid> {
        let spec = &self.spec;
        let number = match (&spec.iccid, &spec.eid, &spec.imsi) {
            (Some(iccid), None, None) => Key::new(key::ICCID, iccid.normal("iccid")?),
            (None, Some(eid), None) => Key::new(key::EID, eid.as_str()),
            (None, None, Some(imsi)) => Key::new(key::IMSI, imsi.as_str()),
            _ => return Err(Invalid::new("iccid", "set exactly one of iccid, eid, imsi")),
        };
        let state = WantedState::read(spec.state, &spec.active, spec.acknowledge_factory_test_end, "")?;
        Ok(Want { number, state })
    }

    fn find(want: &Want, _: Option<&Intent>) -> Vec<Find> {
        vec![Find::Natural(want.number.clone())]
    }

    fn claims(want: &Want, row: Option<&Row>) -> Vec<Key> {
        want.state.and(row).map(|row| state_claim(row.id)).into_iter().collect()
    }

    fn create(_: &Want, _: Option<&Intent>) -> Option<SetState> {
        None
    }

    fn diff(want: &Want, have: &Have<Self>, context: &Context<'_, Self>) -> Diff<SetState> {
        diff::diff(want, &have.row, context.edited, context.now)
    }

    fn retire(_: &Have<Self>, _: &Context<'_, Self>) -> Vec<SetState> {
        Vec::new()
    }

    fn assume(change: &SetState, row: &mut Row, (): &mut ()) {
        row.status = change.to.id();
    }

    fn report(&self, have: &Have<Self>, told: Option<&euicc::News>, status: &mut SimStatus) {
        let row = &have.row;
        match told {
            Some(told) => status.euicc = told.as_ref().map(Into::into),
            // of this SIM it was told by an earlier process
            None if row.eid.is_some() && status.iccid.as_deref() == row.iccid.as_deref() => {}
            None => status.euicc = None,
        }
        status.iccid = row.iccid.as_deref().map(Into::into);
        status.eid = row.eid.as_deref().map(Into::into);
        status.imsi = row.imsi.as_deref().map(Into::into);
        status.msisdn = row.msisdn.as_deref().map(Into::into);
        status.state = Some(status::name(row.status).into_owned());
        status.endpoint_id = row.endpoint.map(|id| id.to_string());
        status.model_id = row.model.map(|id| id.to_string());
        status.activation_date = row.activated.map(|at| at.to_string());
    }

    async fn list(api: &Api, at: Cursor) -> Result<Page<Row>, Error> {
        io::list(api, at).await
    }

    async fn read(api: &Api, id: &Id) -> Result<Option<Row>, Error> {
        io::read(api, id).await
    }

    async fn read_part(_: &Api, _: &Id, part: Self::Part, (): &mut ()) -> Result<(), Error> {
        match part {}
    }

    async fn apply(api: &Api, id: &Id, change: &SetState) -> Result<Reply<Self>, Error> {
        api.set_sim_status(id.number()?, change.to.id()).await?;
        Ok(Reply::default())
    }
}
