//! `Automation`: what emnify does when an event happens. A beta: an organisation that does not take part is told once, on its
//! workspace.
//!
//! Our mark ends the description. The event cannot be changed; all else goes in one call, which replaces lists whole and leaves out
//! nothing, so that what the spec leaves out is read first and sent back as it is.

mod change;
mod export;
mod lookups;
mod spec;
#[cfg(test)]
mod tests;
mod want;

use std::time::Duration;

use emnify::{
    Api, Cursor, Error, Page,
    wire::automation::{AUTOMATIONS, Automation as Row, AutomationCreate, AutomationWrite},
};
use emnify_engine::kind::{
    Applied, Context, Description, Diff, Facts, FieldChange, FieldDiff, Find, Have, Id, Input, Inputs,
    Invalid, Key, Kind as _, Managed, RecordChange, Reply, Status, managed::Uses, mark, misuse, spec::Intent,
};

pub use self::spec::{Automation, AutomationSpec, AutomationStatus};
use self::{
    change::{Change, Event, To, actions, all, list},
    spec::Recipient,
    want::Want,
};
use crate::kinds::{
    common::events::{print, said},
    custom_event::CustomEvent,
};

/// What a new one gets where the spec does not say. [?]
const ACTIVE: &str = "ACTIVE";

impl Managed for Automation {
    type Row = Row;
    type Part = std::convert::Infallible;
    type Parts = ();
    type Want = Want;
    type Change = Change;
    type News = ();

    /// It is listed as often as its status may tell of executions.
    const FACTS: Facts = Facts { sweep_every: Duration::from_secs(10 * 60), ..Facts::RECORD };
    /// It tells of everybody's devices.
    const SENSITIVE: bool = true;
    const USES: &'static [Uses<Self>] = &[Uses {
        kind: CustomEvent::KIND,
        of: |row, _| match Event::of(row)? {
            Event::Custom(id) => Some(Id::Text(id)),
            Event::System(_) => None,
        },
    }];

    fn id(row: &Row) -> Id {
        Id::Text(row.id.clone())
    }

    fn keys(row: &Row, put: &mut dyn FnMut(Key)) {
        put(Key::new(Key::NAME, &row.name));
        if let Some(mark) = mark::split(&row.description).1 {
            put(Key::new(mark::KEY, mark));
        }
    }

    fn mark(row: &Row) -> Option<String> {
        mark::split(&row.description).1.map(str::to_owned)
    }

    fn inputs(&self) -> Vec<Input> {
        want::inputs(self)
    }

    fn want(&self, from: &Inputs) -> Result<Want, Invalid> {
        want::want(self, from)
    }

    fn find(want: &Want, _: Option<&Intent>) -> Vec<Find> {
        vec![Find::Trace(Key::new(mark::KEY, want.description.owner()))]
    }

    fn create(want: &Want, _: Option<&Intent>) -> Option<Change> {
        let name = want.name.as_ref().unwrap_or(&want.born).clone();
        let state = want.state.clone().unwrap_or_else(|| ACTIVE.to_owned());
        let targeting = want.targeting.clone().unwrap_or_default();
        let description = want.description.created();
        let new = |path: &str, new: String, to| FieldChange::new(FieldDiff::new(path, "-", new), to);
        Some(RecordChange::Create(vec![
            new("name", name.clone(), To::Name(name)),
            new("description", description.clone(), To::Description(description)),
            new("state", state.clone(), To::State(state)),
            new("event", want.event.to_string(), To::Event(want.event.clone())),
            new("actions", list(&want.actions), To::Actions(want.actions.clone())),
            new("targeting", print(&targeting), To::Targeting(targeting)),
        ]))
    }

    fn diff(want: &Want, have: &Have<Self>, context: &Context<'_, Self>) -> Diff<Change> {
        let sets = differences(want, &have.row, context).into_iter();
        let patch = RecordChange::patch(sets.map(|(diff, to)| FieldChange::new(diff, to)).collect());
        let event = Event::of(&have.row).filter(|event| *event != want.event);
        let immutable = event.map(|old| FieldDiff::new("event", old, &want.event)).into_iter().collect();
        Diff { immutable, ..Diff::from(patch.into_iter().collect::<Vec<_>>()) }
    }

    fn retire(_: &Have<Self>, _: &Context<'_, Self>) -> Vec<Change> {
        vec![RecordChange::Delete { disturbs: 0 }]
    }

    fn assume(change: &Change, row: &mut Row, parts: &mut ()) {
        change.assume(row, parts);
    }

    fn report(&self, have: &Have<Self>, _: Option<&()>, status: &mut AutomationStatus) {
        let row = &have.row;
        let event =
            row.event.as_ref().and_then(|event| event.custom_event.as_ref().or(event.system_event.as_ref()));
        let event = event.map(|event| mark::split(&event.name).0).filter(|name| !name.is_empty());
        // what a change is assumed to have made does not say what the event is called
        status.event = event.map(str::to_owned).or(status.event.take());
        status.state = Some(row.status.clone()).filter(|state| !state.is_empty());
        status.executions = row.number_of_executions;
        status.last_execution = row.last_execution.map(|at| at.to_string());
        let recipients = row.actions.iter().flat_map(|action| &action.recipients);
        status.recipients = recipients.map(|email| Recipient { email: email.clone() }).collect();
        status.recipients.sort();
        status.recipients.dedup();
    }

    async fn list(api: &Api, at: Cursor) -> Result<Page<Row>, Error> {
        AUTOMATIONS.list(api, at).await
    }

    async fn read(api: &Api, id: &Id) -> Result<Option<Row>, Error> {
        AUTOMATIONS.get(api, id.to_string()).await
    }

    async fn read_part(_: &Api, _: &Id, part: Self::Part, (): &mut ()) -> Result<(), Error> {
        match part {}
    }

    async fn make(api: &Api, new: &Change) -> Result<Reply<Self>, Error> {
        let (mut rest, mut event) = (nothing(), None);
        for set in new.created()? {
            set.to.put(&mut rest);
            if let To::Event(awaited) = &set.to {
                event = Some(awaited.write());
            }
        }
        let actionable_event = event.ok_or_else(|| misuse("an automation waits for an event"))?;
        let made = AUTOMATIONS.create(api, &AutomationCreate { actionable_event, rest }).await?;
        Ok(Reply { id: Some(Id::Text(made.id)), ..Reply::default() })
    }

    /// All keys are required, so that what the spec leaves out is what emnify has now: the listing may be minutes old.
    async fn apply(api: &Api, id: &Id, change: &Change) -> Result<Reply<Self>, Error> {
        let id = id.to_string();
        match change.applied()? {
            Applied::Patch(sets) => {
                let now = AUTOMATIONS.get(api, id.clone()).await?;
                let now = now.ok_or_else(|| Error::NotFound { message: format!("no automation {id}") })?;
                let mut body = AutomationWrite::from(&now);
                for set in sets {
                    set.to.put(&mut body);
                }
                let row = AUTOMATIONS.patched(api, id, &body).await?;
                return Ok(Reply { row, ..Reply::default() });
            }
            Applied::Sub(none) => match none.0 {},
            Applied::Delete => AUTOMATIONS.delete(api, id).await?,
        }
        Ok(Reply::default())
    }
}

fn nothing() -> AutomationWrite {
    AutomationWrite {
        name: String::new(),
        description: String::new(),
        status: String::new(),
        configured_actions: Vec::new(),
        targeting_properties: Vec::new(),
    }
}

/// The fields that differ, each with what it is set to.
fn differences(want: &Want, row: &Row, context: &Context<'_, Automation>) -> Vec<(FieldDiff, To)> {
    let mut sets = Vec::new();
    if let Some(name) = want.name.as_ref().filter(|name| **name != row.name) {
        sets.push((FieldDiff::new("name", &row.name, name), To::Name(name.clone())));
    }
    let description: &Description = &want.description;
    if let Some(diff) = description.diff(&row.description, context.status.map(Status::common)) {
        let text = diff.new.clone();
        sets.push((diff, To::Description(text)));
    }
    if let Some(state) = want.state.as_ref().filter(|state| !state.eq_ignore_ascii_case(&row.status)) {
        sets.push((FieldDiff::new("state", &row.status, state), To::State(state.clone())));
    }
    let there = actions(row);
    if all(&want.actions) != all(&there) {
        let diff = FieldDiff::new("actions", list(&there), list(&want.actions));
        sets.push((diff, To::Actions(want.actions.clone())));
    }
    if let Some(targeting) = want.targeting.as_ref().filter(|wanted| said(wanted) != said(&row.targeting)) {
        let diff = FieldDiff::new("targeting", print(&row.targeting), print(targeting));
        sets.push((diff, To::Targeting(targeting.clone())));
    }
    sets
}
