//! What automations are made of, by what specs call it. emnify alone changes it.

use std::time::Duration;

use emnify::{
    Api, Error,
    wire::automation::{AutomationAction, SystemEvent},
};
use emnify_engine::kind::{Id, LookupRow, Shown, Table};
use futures::FutureExt;

use crate::kinds::common::events::Supports;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// System events by name and by id.
pub(super) static SYSTEM_EVENTS: Table =
    Table { name: "system event", folds: true, keep: DAY, load: |api| system_events(api).boxed() };
/// Actions by name, by type and by id.
pub(super) static ACTIONS: Table =
    Table { name: "automation action", folds: true, keep: DAY, load: |api| actions(api).boxed() };

async fn system_events(api: Api) -> Result<Vec<LookupRow>, Error> {
    let row = |event: SystemEvent| LookupRow {
        id: Id::Text(event.id.clone()),
        names: named([event.name, event.id]),
        shown: Some(Shown::new(Supports { actions: event.actions, targeting: event.targeting_parameters })),
    };
    Ok(api.system_events().await?.into_iter().map(row).collect())
}

async fn actions(api: Api) -> Result<Vec<LookupRow>, Error> {
    let row = |action: AutomationAction| LookupRow {
        id: Id::Text(action.id.clone()),
        names: named([action.name.clone(), action.kind.clone(), action.id.clone()]),
        shown: Some(Shown::new(action)),
    };
    Ok(api.automation_actions().await?.into_iter().map(row).collect())
}

fn named(names: impl IntoIterator<Item = String>) -> Vec<String> {
    names.into_iter().filter(|name| !name.is_empty()).collect()
}
