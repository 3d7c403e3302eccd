//! `EndpointSet`: a fleet of devices as one object.
//!
//! A member is a device with a SIM that [`choose`](choose::choose) picks, by one template. All rules of a single device
//! hold for it: it is diffed, retired and sent by [`Endpoint`]. What Kubernetes does not hold is on the device itself:
//! the set's tag says that it belongs to the set, the installation's mark that the set made it.

mod choose;
mod export;
mod list;
mod name;
mod report;
mod spec;
#[cfg(test)]
mod tests;
mod want;

use emnify_engine::kind::{
    Have, Input, Inputs, Invalid, Key,
    decoded::Undecodable,
    set::{Candidates, Choice, Marks, ObjectSet, Rollout, Tally, TextRef},
    spec::RefusedMember,
};
use jiff::Timestamp;

pub use self::spec::{
    ActivationLimit, ActivationStatus, ConfigMapKeyRef, EndpointSet, EndpointSetSpec, EndpointSetStatus,
    EndpointTemplate, IccidRange, MemberFailure, RolloutSpec, SimPool, SimSelector, SimSource, TemplateSim,
};
pub(in crate::kinds) use self::{
    choose::Test as SimTest,
    list::{Entry, iccids},
};
use super::{
    endpoint::{
        self, Change, Connectivity, Endpoint, EndpointStatus,
        rows::{Row, Want},
    },
    sim::{Sim, SimState, rows::Row as SimRow},
};
use serde::Deserialize;

impl ObjectSet for EndpointSet {
    type Member = Endpoint;
    type Pool = Sim;

    fn inputs(&self) -> Vec<Input> {
        want::inputs(self)
    }

    /// The state of the SIMs is read on its own: where the set has set it, members that leave are suspended.
    fn salvage(set: &Undecodable) -> Self {
        let state = SimState::deserialize(&set.raw["template"]["sim"]["state"]).ok();
        let sim = state.map(|state| TemplateSim { state: Some(state), ..TemplateSim::default() });
        let template = EndpointTemplate { sim, ..EndpointTemplate::default() };
        let spec = EndpointSetSpec { template, common: set.spec.clone(), ..EndpointSetSpec::default() };
        Self { metadata: set.meta.clone(), spec, status: None }
    }

    fn base(&self, from: &Inputs) -> Result<Want, Invalid> {
        want::base(self, from)
    }

    fn member(&self, base: &Want, pool: &SimRow) -> Result<Want, Invalid> {
        want::member(self, base, pool)
    }

    fn text(&self) -> Option<TextRef> {
        let from = self.spec.sims.as_ref()?.config_map_ref.as_ref()?;
        Some(TextRef { config_map: from.name.to_string(), key: from.key.to_string() })
    }

    fn choose(&self, from: &Candidates<'_, Self>) -> Result<Choice, Invalid> {
        choose::choose(self, from)
    }

    fn rollout(&self, desired: u64) -> Rollout {
        // What cannot be read is refused with the template, before anything is rolled out.
        want::rollout(self, desired).unwrap_or_default()
    }

    fn key(pool: i64) -> Key {
        Key::new(endpoint::rows::key::SIM, pool.to_string())
    }

    fn pool_entry(row: &Row) -> Option<i64> {
        row.sim.as_ref().map(|sim| sim.id)
    }

    fn display_name(pool: &SimRow) -> String {
        pool.iccid.as_deref().map_or_else(|| format!("SIM {}", pool.id), Into::into)
    }

    fn marks(row: &Row) -> Option<Marks<'_>> {
        row.tags.as_deref().map(endpoint::want::marks)
    }

    fn resembles(want: &Want, row: &Row) -> bool {
        row.name == *want.name.as_ref().unwrap_or(&want.create_name)
            && want.service_profile == Some(row.service_profile)
            && want.tariff_profile == Some(row.tariff_profile)
    }

    fn memory(&self, status: Option<&EndpointSetStatus>, made: bool) -> EndpointStatus {
        report::memory(self, status, made)
    }

    fn release(&self, have: &Have<Endpoint>) -> Vec<Change> {
        let set = want::place(self);
        let tags = have.row.tags.iter().flatten();
        let ours = tags.filter(|tag| endpoint::want::marks_member_of(tag, &set));
        let ours: Vec<_> = ours.cloned().collect();
        if ours.is_empty() { Vec::new() } else { vec![Change::RemoveTags(ours)] }
    }

    fn available(_: &Row, news: Option<&Connectivity>) -> bool {
        news.is_none_or(|news| news.state() != "Blocked")
    }

    fn count(row: &Row, news: Option<&Connectivity>, put: &mut dyn FnMut(&'static str, &str)) {
        report::count(row, news, put);
    }

    fn activated(status: &EndpointSetStatus) -> Vec<(Timestamp, u64)> {
        report::activated(status)
    }

    fn keep_activated(status: &mut EndpointSetStatus, activated: &[(Timestamp, u64)]) {
        report::keep_activated(status, activated);
    }

    fn refused(status: &EndpointSetStatus) -> &[RefusedMember] {
        &status.refusals
    }

    fn keep_refused(status: &mut EndpointSetStatus, refused: Vec<RefusedMember>) {
        status.refusals = refused;
    }

    fn report(&self, tally: &Tally, status: &mut EndpointSetStatus) {
        report::report(self, tally, status);
    }
}
