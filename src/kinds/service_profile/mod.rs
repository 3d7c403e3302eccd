//! `ServiceProfile`: which services and radio technologies devices may use, and within which limits.
//!
//! The listing shows names and the radio and quota switches; services, references and the other switches come with the
//! detail; data limits are a list of their own. emnify has no update of limits: [`change`] deletes and creates.

pub mod change;
mod diff;
mod export;
mod io;
pub mod rows;
mod spec;
#[cfg(test)]
mod tests;
mod want;

use std::time::Duration;

use emnify::{Api, Cursor, Error, Page};
use emnify_engine::kind::{
    Context, Diff, Facts, Find, Have, Id, Input, Inputs, Invalid, Key, Kind as _, Managed, Reply,
    managed::{Users, Uses},
    mark,
    spec::{AdoptionPolicy, Intent},
};

pub use self::spec::{
    DataLimit, Service, ServiceLimit, ServiceProfile, ServiceProfileSpec, ServiceProfileStatus,
};
use self::{
    change::Change,
    rows::{DATA, Link, Part, Parts, Row, Want},
};
use super::api_secret::ApiSecret;

impl Managed for ServiceProfile {
    type Row = Row;
    type Part = Part;
    type Parts = Parts;
    type Want = Want;
    type Change = Change;
    type News = ();

    const FACTS: Facts = Facts {
        has_read: true,
        serial: None,
        sweep_every: Duration::from_secs(5 * 60),
        // what the listing does not show is read with each sweep: profiles are few, and cut devices off
        scrub_every: Duration::from_secs(5 * 60),
        adoption: AdoptionPolicy::Never,
        needs_intent: true,
    };

    const USERS: Option<Users<Self>> = Some(used_by);
    const USES: &'static [Uses<Self>] = &[Uses { kind: ApiSecret::KIND, of: signed_with }];

    fn id(row: &Row) -> Id {
        Id::Int(row.id)
    }

    fn keys(row: &Row, put: &mut dyn FnMut(Key)) {
        put(Key::new(Key::NAME, &row.name));
        if let Some(mark) = Self::mark(row) {
            put(Key::new(mark::KEY, mark));
        }
    }

    fn mark(row: &Row) -> Option<String> {
        mark::split(&row.description).1.map(str::to_owned)
    }

    fn inputs(&self) -> Vec<Input> {
        self.spec.inputs()
    }

    fn want(&self, from: &Inputs) -> Result<Want, Invalid> {
        self.spec.want(from)
    }

    fn find(want: &Want, _: Option<&Intent>) -> Vec<Find> {
        vec![Find::Trace(Key::new(mark::KEY, want.description.owner()))]
    }

    fn parts(want: &Want) -> Vec<Part> {
        let detail =
            want.services.is_some() || !want.links.is_empty() || want.flags.keys().any(|flag| !flag.listed());
        let data_off = want.services.as_ref().is_some_and(|all| !all.contains_key(&DATA));
        let limits = want.data_limits.is_some() || data_off;
        detail.then_some(Part::Detail).into_iter().chain(limits.then_some(Part::DataLimits)).collect()
    }

    fn create(want: &Want, _: Option<&Intent>) -> Option<Change> {
        Some(diff::create(want))
    }

    fn diff(want: &Want, have: &Have<Self>, context: &Context<'_, Self>) -> Diff<Change> {
        diff::diff(want, have, context.status.map(|status| &status.common))
    }

    fn retire(_: &Have<Self>, _: &Context<'_, Self>) -> Vec<Change> {
        // emnify deletes none that a device uses
        vec![Change::Delete { disturbs: 0 }]
    }

    fn assume(change: &Change, row: &mut Row, parts: &mut Parts) {
        change.assume(row, parts);
    }

    fn report(&self, have: &Have<Self>, _: Option<&()>, status: &mut ServiceProfileStatus) {
        status.used_count = Some(have.row.used_count);
        if let Some(detail) = &have.parts.detail {
            status.services = detail.services.values().map(|service| service.name.clone()).collect();
        }
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

/// The row with that number of devices, if it says another.
fn used_by(row: &Row, users: i64) -> Option<Row> {
    (row.used_count != users).then(|| Row { used_count: users, ..row.clone() })
}

/// The key that signs calls of its devices, as far as the detail was read.
fn signed_with(_: &Row, parts: Option<&Parts>) -> Option<Id> {
    let link = parts?.detail.as_ref()?.links.get(&Link::ApiSecret)?;
    link.map(Id::Int)
}
