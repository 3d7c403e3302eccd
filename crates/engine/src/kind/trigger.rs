//! A trigger: an object that makes tasks, at times or when emnify tells of something.
//!
//! [`Trigger`] is what a kind has to say. `decide::trigger` decides what is due and for whom, purely; the controller makes the tasks.

// the schema derive wraps each struct in a module of its own
#![allow(unreachable_pub)]

use std::{
    collections::{BTreeSet, HashSet},
    future::Future,
    time::Duration,
};

use emnify::{Api, Error, wire::event::Event};
use jiff::{SignedDuration, Timestamp};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Id, Input, Inputs, Invalid, Kind, Status,
    cron::Cron,
    message::MessageNews,
    task::{Task, World},
};

/// The tag of a device that had its turn: this, and `installation/namespace/name` of the trigger.
pub const ONCE_PREFIX: &str = "k8s-once:";
/// The most devices of one task.
pub const MOST_TARGETS: usize = 1000;
/// Names that a status lists of tasks that are not over.
pub const SHOWN_ACTIVE: usize = 20;
/// Parts that the last hour is counted in.
pub const PARTS: usize = 12;

/// A kind of object that makes tasks. Implementations are pure and stateless, but for the call at the end.
pub trait Trigger: Kind<Status: TriggerStatus> {
    /// What it makes.
    type Task: Task;

    /// What it does concerns the whole organisation: who shares a workspace has to name the kind.
    const SENSITIVE: bool = false;

    /// When and how it makes them.
    fn terms(&self) -> Result<TriggerTerms, Invalid>;
    /// What it needs from outside before it can listen.
    fn inputs(&self) -> Vec<Input>;
    /// What it listens for.
    fn filter(&self, from: &Inputs) -> Result<Filter, Invalid>;
    /// The devices that it means.
    fn means(&self, world: &World<'_, Self::Task>) -> Result<Means, Invalid>;
    /// The device that something is about.
    fn device_of(heard: &Heard, world: &World<'_, Self::Task>) -> Option<Id>;
    /// The device is there, as far as is known.
    fn exists(device: &Id, world: &World<'_, Self::Task>) -> bool;
    /// The emnify objects that a device is and holds: whose objects have a say.
    fn concerns(device: &Id, world: &World<'_, Self::Task>) -> Vec<(&'static str, Id)>;
    /// The device carries this tag, as far as is known.
    fn carries(device: &Id, tag: &str, world: &World<'_, Self::Task>) -> bool;
    /// The task for these, without its name and owner; for none, as a schedule makes it.
    fn make(&self, causes: &[Cause]) -> Self::Task;
    /// What a task that it made was made for.
    fn causes(task: &Self::Task) -> Vec<Cause>;
    /// When it makes tasks, in short. Another text begins anew.
    fn when(&self) -> String;
    /// Writes what a look at the object shows besides its progress.
    fn report(&self, status: &mut Self::Status);

    /// Gives devices a tag, which is made if there is none. Its id, once known, saves asking for it.
    fn tag(
        api: &Api,
        tag: (&str, Option<i64>),
        devices: &[Id],
    ) -> impl Future<Output = Result<Tagged, Error>> + Send;
}

/// What came of giving devices a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tagged {
    /// Id of the tag.
    pub tag: i64,
    /// Devices that emnify does not let have it, and why; all others carry it, or are gone.
    pub refused: Vec<(Id, String)>,
}

/// When and how a trigger makes tasks.
#[derive(Clone, Debug, PartialEq)]
pub struct TriggerTerms {
    /// It makes none.
    pub suspend: bool,
    /// When.
    pub when: When,
    /// Each device at most once, ever.
    pub once: bool,
    /// What is told within this time goes into one task.
    pub gather: Duration,
    /// So many devices in an hour; the rest is dropped.
    pub most_per_hour: u64,
    /// A time that was missed for longer than this is left out.
    pub late: SignedDuration,
    /// No task of a schedule beside one that is not over.
    pub forbid: bool,
    /// Tasks that are kept once they succeeded.
    pub keep_succeeded: usize,
    /// Tasks that are kept once they failed.
    pub keep_failed: usize,
}

/// When a trigger makes tasks.
#[derive(Clone, Debug, PartialEq)]
pub enum When {
    /// At times.
    Schedule(Box<Cron>),
    /// When the event log tells of something.
    Events,
    /// When something becomes of a message.
    Messages,
}

/// The devices that a trigger means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Means {
    /// Any of the organisation.
    Any,
    /// These.
    Only(HashSet<Id>),
    /// Those that carry a tag.
    Tagged(String),
}

/// What a trigger listens for, as far as what is heard tells by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Events.
    Events {
        /// Ids of their types.
        types: BTreeSet<i64>,
        /// Alerts only, or what is none only.
        alert: Option<bool>,
        /// Ids of networks; empty for any.
        operators: BTreeSet<i64>,
        /// Codes or names of countries, in lower case; empty for any.
        countries: BTreeSet<String>,
    },
    /// What becomes of messages.
    Messages {
        /// What has to become of one.
        news: MessageNews,
        /// Number that it is for.
        dest_address: Option<String>,
    },
}

impl Filter {
    /// Passes what a trigger listens for.
    pub fn passes(&self, heard: &Heard) -> bool {
        match (self, &heard.what) {
            (Self::Events { types, alert, operators, countries }, What::Event(event)) => {
                let network = event.operator;
                event.kind.is_some_and(|kind| types.contains(&kind))
                    && alert.is_none_or(|alert| alert == event.alert)
                    && (operators.is_empty() || network.is_some_and(|id| operators.contains(&id)))
                    && (countries.is_empty() || event.countries.iter().any(|name| countries.contains(name)))
            }
            (Self::Messages { news, dest_address }, What::Message { news: what, dest_address: to }) => {
                news == what && dest_address.as_ref().is_none_or(|wanted| to.as_ref() == Some(wanted))
            }
            _ => false,
        }
    }
}

/// Something that was told of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Its id: of an event, or of a message.
    pub id: i64,
    /// When it happened, by emnify's clock.
    pub at: Timestamp,
    /// Id of the device, where it is named.
    pub endpoint: Option<i64>,
    /// Id of the SIM, where it is named.
    pub sim: Option<i64>,
    /// What it is.
    pub what: What,
}

/// What was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// An event of the log.
    Event(Box<Told>),
    /// Something became of a message.
    Message {
        /// What became of it.
        news: MessageNews,
        /// Number that it is for.
        dest_address: Option<String>,
    },
}

/// What an event says that is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Id of its type.
    pub kind: Option<i64>,
    /// It is an alert.
    pub alert: bool,
    /// Id of the network.
    pub operator: Option<i64>,
    /// Code and name of the country, in lower case.
    pub countries: Vec<String>,
}

impl Heard {
    /// What an event says that is asked for.
    pub fn event(event: &Event, at: Timestamp) -> Self {
        // location events carry the network itself or within, session events a country
        let detail = &event.detail;
        let operator = detail.get("operator").unwrap_or(detail);
        let number = |value: &Value| value.as_i64().or_else(|| value.as_str()?.parse().ok());
        let named = |value: &Value| value.as_str().map(str::to_lowercase);
        let network = operator.get("country").is_some() || detail.get("operator").is_some();
        let country = detail.get("country").or_else(|| operator.get("country"));
        let told = Told {
            kind: event.kind(),
            alert: event.alert,
            operator: operator.get("id").filter(|_| network).and_then(number),
            countries: ["iso_code", "name"].iter().filter_map(|key| named(country?.get(key)?)).collect(),
        };
        let what = What::Event(Box::new(told));
        Self { id: event.id, at, endpoint: event.endpoint_id(), sim: event.sim_id(), what }
    }
}

/// A device, and what was told of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cause {
    /// The device.
    pub device: Id,
    /// Id of what was told.
    pub id: i64,
}

/// A status with the progress of a trigger in it.
pub trait TriggerStatus: Status {
    /// What it did so far.
    fn fired(&self) -> &Fired;
    /// What it did so far, to write.
    fn fired_mut(&mut self) -> &mut Fired;
}

/// What a trigger did so far: flattened into its status.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Fired {
    /// When it makes operations, in short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// It listens since then, RFC 3339: what happened before leads to nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// The last time of the schedule that an operation was made for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_schedule_time: Option<String>,
    /// The next time of the schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_schedule_time: Option<String>,
    /// When it made an operation last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_fired: Option<String>,
    /// The operation that it made last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_operation: Option<String>,
    /// Operations that it made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fired: Option<i64>,
    /// Devices that it left out because of `maxTargetsPerHour`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped: Option<i64>,
    /// Up to here, by emnify's clock, what was told is dealt with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<String>,
    /// Devices of the last hour, by its parts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = PARTS))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub recent: Vec<Recent>,
    /// Operations of it that are not over, by name; of many the first 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = SHOWN_ACTIVE))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub active: Vec<String>,
    /// How many those are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<i64>,
}

/// Devices of a part of an hour.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Recent {
    /// When it began, RFC 3339.
    pub since: String,
    /// How many devices.
    pub targets: i64,
}
