//! `CustomEvent`: an event of the organisation's own, for automations to wait for.
//!
//! emnify has no update. Our mark ends the name, so an event is found again after a crash. Those who wait for it need to know what
//! it supports, which its row says.

mod change;
mod export;
mod spec;
mod template;
#[cfg(test)]
mod tests;

use emnify::{
    Api, Cursor, Error, Page,
    wire::{
        TextRef,
        custom_event::{CUSTOM_EVENTS, CustomEvent as Row, CustomEventCreate, Property, Template},
    },
};
use emnify_engine::kind::{
    Applied, Context, Description, Diff, Facts, FieldChange, FieldDiff, Find, Have, Id, Input, Inputs,
    Invalid, Key, Managed, RecordChange, Reply, Shown, mark, spec::Intent,
};

use self::change::{Change, To};
pub use self::spec::{CustomEvent, CustomEventSpec, CustomEventStatus};
use crate::{
    api::References,
    kinds::common::events::{Supports, print, said, wire},
};

const TEMPLATE: &str = "template";

/// What a spec wants of an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Want {
    name: Description,
    /// What a new event is called where the spec does not say.
    born: String,
    template: String,
    properties: Option<Vec<Property>>,
}

impl Managed for CustomEvent {
    type Row = Row;
    type Part = std::convert::Infallible;
    type Parts = ();
    type Want = Want;
    type Change = Change;
    type News = ();

    const FACTS: Facts = Facts::RECORD;

    fn id(row: &Row) -> Id {
        Id::Text(row.id.clone())
    }

    fn keys(row: &Row, put: &mut dyn FnMut(Key)) {
        let (name, mark) = mark::split(&row.name);
        put(Key::new(Key::NAME, name));
        if let Some(mark) = mark {
            put(Key::new(mark::KEY, mark));
        }
    }

    fn mark(row: &Row) -> Option<String> {
        mark::split(&row.name).1.map(str::to_owned)
    }

    fn shown(row: &Row) -> Option<Shown> {
        let (actions, targeting) = (row.actions.clone(), row.targeting_parameters.clone());
        Some(Shown::new(Supports { actions, targeting }))
    }

    fn inputs(&self) -> Vec<Input> {
        self.spec.template.known(TEMPLATE, &template::TEMPLATES).into_iter().collect()
    }

    fn want(&self, from: &Inputs) -> Result<Want, Invalid> {
        let properties = self.spec.properties.as_deref();
        let said = properties.map(|all| wire(Some(all)));
        // one that is there already may be left as it is
        let judged = said.is_some() || self.spec.common.id.is_none();
        if let Some(known) = from.shown::<Template>(TEMPLATE).filter(|_| judged) {
            template::check(known, said.as_deref().unwrap_or_default())?;
        }
        Ok(Want {
            name: Description::new(self.spec.name.clone(), from),
            born: from.name().to_owned(),
            template: self.spec.template.text(TEMPLATE, from)?,
            properties: said,
        })
    }

    fn find(want: &Want, _: Option<&Intent>) -> Vec<Find> {
        vec![Find::Trace(Key::new(mark::KEY, want.name.owner()))]
    }

    fn create(want: &Want, _: Option<&Intent>) -> Option<Change> {
        let text = want.name.text.as_ref().unwrap_or(&want.born).clone();
        let name = Description { text: Some(text), ..want.name.clone() }.created();
        let properties = want.properties.clone().unwrap_or_default();
        let new = |path: &str, new: &str, to| FieldChange::new(FieldDiff::new(path, "-", new), to);
        Some(RecordChange::Create(vec![
            new("name", &name, To::Name(name.clone())),
            new(TEMPLATE, &want.template, To::Template(want.template.clone())),
            new("properties", &print(&properties), To::Properties(properties)),
        ]))
    }

    fn diff(want: &Want, have: &Have<Self>, _: &Context<'_, Self>) -> Diff<Change> {
        let row = &have.row;
        let name = want.name.differs(&row.name).map(|diff| FieldDiff { path: "name".into(), ..diff });
        let template = row.template.as_ref().filter(|template| **template != want.template);
        let template = template.map(|old| FieldDiff::new(TEMPLATE, old, &want.template));
        let properties = want.properties.as_ref();
        let properties = properties.filter(|new| said(new) != said(&row.configuration_properties));
        let properties = properties
            .map(|new| FieldDiff::new("properties", print(&row.configuration_properties), print(new)));
        Diff { immutable: [name, template, properties].into_iter().flatten().collect(), ..Diff::default() }
    }

    fn retire(_: &Have<Self>, _: &Context<'_, Self>) -> Vec<Change> {
        vec![RecordChange::Delete { disturbs: 0 }]
    }

    fn assume(change: &Change, row: &mut Row, parts: &mut ()) {
        change.assume(row, parts);
    }

    fn report(&self, have: &Have<Self>, _: Option<&()>, status: &mut CustomEventStatus) {
        status.supported_actions.clone_from(&have.row.actions);
        status.supported_targeting.clone_from(&have.row.targeting_parameters);
    }

    async fn list(api: &Api, at: Cursor) -> Result<Page<Row>, Error> {
        CUSTOM_EVENTS.list(api, at).await
    }

    async fn read(api: &Api, id: &Id) -> Result<Option<Row>, Error> {
        CUSTOM_EVENTS.get(api, id.to_string()).await
    }

    async fn read_part(_: &Api, _: &Id, part: Self::Part, (): &mut ()) -> Result<(), Error> {
        match part {}
    }

    async fn make(api: &Api, new: &Change) -> Result<Reply<Self>, Error> {
        // it was logged in for the listing that a create follows
        let identity = api.client().identity();
        let organisation = identity.ok_or_else(|| Error::Unavailable { message: "not logged in".into() })?;
        let mut body = CustomEventCreate {
            organisation: organisation.organisation_id.into(),
            template: TextRef { id: String::new() },
            configuration_properties: Vec::new(),
            name: String::new(),
        };
        for set in new.created()? {
            match &set.to {
                To::Name(name) => body.name.clone_from(name),
                To::Template(id) => body.template.id.clone_from(id),
                To::Properties(all) => body.configuration_properties.clone_from(all),
            }
        }
        let made = CUSTOM_EVENTS.create(api, &body).await?;
        Ok(Reply { id: Some(Id::Text(made.id)), ..Reply::default() })
    }

    async fn apply(api: &Api, id: &Id, change: &Change) -> Result<Reply<Self>, Error> {
        match change.applied()? {
            Applied::Patch(_) => return Err(emnify_engine::kind::misuse("emnify changes no custom event")),
            Applied::Sub(none) => match none.0 {},
            Applied::Delete => CUSTOM_EVENTS.delete(api, id.to_string()).await?,
        }
        Ok(Reply::default())
    }
}
