//! `TariffProfile`: where devices may connect, through which operators, and at which tariff.
//!
//! A tariff change wipes the selected rate zones, and without a zone every device of the profile is cut off [S][P]. So a
//! spec with a tariff names its zones, zones are selected in the top lane, and a profile without any is never Ready.

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
    Context, Diff, Facts, Find, Have, Id, Input, Inputs, Invalid, Key, Managed, Reply,
    managed::{Extra, Extras, Look, Users},
    mark,
    spec::{AdoptionPolicy, Intent},
};

pub use self::spec::{
    BlockedOperator, InclusiveVolume, TariffProfile, TariffProfileSpec, TariffProfileStatus,
};
use self::{
    change::Change,
    rows::{Part, Parts, Row, Want, Zones},
};

impl Managed for TariffProfile {
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
    const EXTRAS: Option<Extras<Self>> = Some(coverage);

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
        let blocklist = want.blocklist.is_some().then_some(Part::Blocklist);
        [Part::Detail].into_iter().chain(blocklist).collect()
    }

    fn create(want: &Want, _: Option<&Intent>) -> Option<Change> {
        diff::create(want)
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

    fn report(&self, have: &Have<Self>, _: Option<&()>, status: &mut TariffProfileStatus) {
        status.used_count = Some(have.row.used_count);
        status.tariff =
            have.row.tariff.as_ref().map(|(id, name)| name.clone().unwrap_or_else(|| id.to_string()));
        if have.parts.countries.is_some() {
            status.countries = have.parts.countries;
        }
        if let Zones::Read(zones) = &have.parts.zones {
            status.rate_zones = zones.iter().filter(|z| z.selected).map(|z| z.name.clone()).collect();
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

/// emnify adds networks to its zones now and then.
const COVERAGE: Duration = Duration::from_secs(24 * 60 * 60);

/// Where devices may connect follows from zones and blocked operators, and is asked for when either of them changed.
fn coverage(look: &Look<'_, TariffProfile>) -> Vec<Extra<Part>> {
    let stale = look.parts.countries.is_none();
    vec![Extra { stale, ..Extra::every(Part::Coverage, COVERAGE) }]
}
