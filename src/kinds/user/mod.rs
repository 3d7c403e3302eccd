//! `User`: a person who may log in to the workspace, with their roles.
//!
//! A person belongs to workspaces where the tariff plan has them, and to the account alone elsewhere. The organisation always keeps an
//! active Administrator, and the operator never touches the user that it logs in as.

mod change;
mod diff;
mod export;
mod io;
mod rows;
mod spec;
#[cfg(test)]
mod tests;

use std::time::Duration;

use emnify::{Api, Cursor, Error, Page, wire::user::role};
use emnify_engine::kind::{
    Context, Diff, Facts, Find, Have, Id, Inputs, Invalid, Key, Managed, Reply, Veto, spec::Intent,
};
use jiff::Timestamp;

pub use self::spec::{DefaultWorkspace, User, UserRole, UserSpec, UserStatus};
use self::{
    change::Change,
    rows::{Part, Parts, Row, Want, state_name},
};

impl Managed for User {
    type Row = Row;
    type Part = Part;
    type Parts = Parts;
    type Want = Want;
    type Change = Change;
    type News = ();

    const FACTS: Facts = Facts {
        serial: Some("user"),
        // no event tells of roles: they are read with each listing, and people are few
        scrub_every: Duration::from_secs(15 * 60),
        ..Facts::RECORD
    };
    const SENSITIVE: bool = true;

    fn id(row: &Row) -> Id {
        Id::Int(row.id)
    }

    fn keys(row: &Row, put: &mut dyn FnMut(Key)) {
        put(Key::new(Key::NAME, &row.username));
    }

    fn created(row: &Row) -> Option<Timestamp> {
        row.created
    }

    fn want(&self, _: &Inputs) -> Result<Want, Invalid> {
        let default = self.spec.default_workspace.as_ref().map(|at| at.id.int("defaultWorkspace.id"));
        Ok(Want {
            username: self.spec.username.trim().to_lowercase(),
            name: self.spec.name.clone(),
            roles: self.spec.roles.iter().map(|role| (role.id(), *role)).collect(),
            suspended: self.spec.suspended,
            default_workspace: default.transpose()?,
        })
    }

    fn find(want: &Want, _: Option<&Intent>) -> Vec<Find> {
        vec![Find::Natural(Key::new(Key::NAME, &want.username))]
    }

    fn parts(want: &Want) -> Vec<Part> {
        let demotes = want.suspended == Some(true) || !want.roles.contains_key(&role::ADMINISTRATOR);
        [Part::Detail].into_iter().chain(demotes.then_some(Part::OtherAdministrator)).collect()
    }

    fn parts_to_retire(_: Option<&UserStatus>) -> Vec<Part> {
        vec![Part::Detail, Part::OtherAdministrator]
    }

    fn create(want: &Want, _: Option<&Intent>) -> Option<Change> {
        Some(diff::create(want))
    }

    fn diff(want: &Want, have: &Have<Self>, context: &Context<'_, Self>) -> Diff<Change> {
        diff::diff(want, have, context)
    }

    fn forbids(change: &Change, have: &Have<Self>, context: &Context<'_, Self>) -> Option<Veto> {
        diff::forbids(change, have, context)
    }

    fn retire(_: &Have<Self>, _: &Context<'_, Self>) -> Vec<Change> {
        vec![Change::Delete { disturbs: 0 }]
    }

    fn assume(change: &Change, row: &mut Row, parts: &mut Parts) {
        change.assume(row, parts);
    }

    fn report(&self, have: &Have<Self>, _: Option<&()>, status: &mut UserStatus) {
        status.created = have.row.created.map(|at| at.to_string().into());
        let Some(detail) = &have.parts.detail else { return };
        status.state = detail.state(have.row.account).map(|state| state_name(state).to_owned());
        let roles =
            detail.roles.iter().filter_map(|id| UserRole::of(*id)).map(|role| role.as_str().to_owned());
        status.roles = roles.chain(detail.foreign.iter().cloned()).collect();
        status.second_factor = Some(detail.second_factor);
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
