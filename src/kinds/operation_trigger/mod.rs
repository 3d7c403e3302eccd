//! `OperationTrigger`: operations at times, or for devices that emnify tells of.
//!
//! When it fires, and for whom, is decided by the engine (`decide::trigger`); here is what a manifest means.

mod spec;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, sync::LazyLock, time::Duration};

use emnify::{
    Api, Cursor, Error,
    wire::tag::{TAGS, TagItem, TagWrite},
};
use emnify_engine::kind::{
    Id, Input, Inputs, Invalid, Key, Kind, Source, Status,
    cron::Cron,
    message::MessageNews,
    spec::{CommonSpec, CommonStatus, WorkspaceRef},
    task::World,
    trigger::{Cause, Filter, Fired, Heard, Means, Tagged, Trigger, TriggerStatus, TriggerTerms, When},
};
use jiff::SignedDuration;
use kube::core::ObjectMeta;

pub use self::spec::{
    ConcurrencyPolicy, OperationTemplate, OperationTrigger, OperationTriggerSpec, OperationTriggerStatus,
    SmsKind, TemplateMetadata, TemplateSpec, TriggerEvent, TriggerSchedule, TriggerSms, TriggerWhen,
};
use super::{
    common::lookups::{EVENT_TYPES, OPERATORS},
    endpoint::{Endpoint, rows::key},
    operation::{DeviceReference, Operation, OperationSpec, OperationTarget, devices},
    sim::Sim,
};

/// What is told within this time goes into one operation, unless the spec says otherwise.
const GATHER: Duration = Duration::from_secs(5);
const GATHERS: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);
/// Devices in an hour, unless the spec says otherwise.
const MOST_PER_HOUR: i32 = 100;
/// How late a time may be, in seconds, unless the spec says otherwise.
const LATE: i32 = 300;
/// Operations that are kept, of each kind, unless the spec says otherwise.
const KEPT: i32 = 3;

impl Kind for OperationTrigger {
    type Status = OperationTriggerStatus;

    const KIND: &'static str = "OperationTrigger";

    /// It adopts, corrects and retires nothing.
    fn common(&self) -> &CommonSpec {
        static NONE: LazyLock<CommonSpec> = LazyLock::new(CommonSpec::default);
        &NONE
    }

    fn workspace_ref(&self) -> Option<&WorkspaceRef> {
        self.spec.workspace_ref.as_ref()
    }

    fn status(&self) -> Option<&OperationTriggerStatus> {
        self.status.as_ref()
    }
}

impl Status for OperationTriggerStatus {
    fn common(&self) -> &CommonStatus {
        &self.common
    }

    fn common_mut(&mut self) -> &mut CommonStatus {
        &mut self.common
    }
}

impl TriggerStatus for OperationTriggerStatus {
    fn fired(&self) -> &Fired {
        &self.fired
    }

    fn fired_mut(&mut self) -> &mut Fired {
        &mut self.fired
    }
}

fn type_path(at: usize) -> String {
    format!("when.event.types[{at}]")
}

fn operator_path(at: usize) -> String {
    format!("when.event.operators[{at}]")
}

fn is_id(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_digit())
}

impl Trigger for OperationTrigger {
    type Task = Operation;

    const SENSITIVE: bool = true;

    fn terms(&self) -> Result<TriggerTerms, Invalid> {
        let spec = &self.spec;
        let when = spec.when.read()?;
        let for_devices = spec.operation.spec.action.is_for_devices()?;
        if !for_devices && !matches!(when, When::Schedule(_)) {
            let why = "it needs a schedule: it is not for single devices, or cannot be taken back";
            return Err(Invalid::new("operation.spec.action", why));
        }
        let gather = spec.gather.as_ref().map(|gather| gather.get("gather")).transpose()?.unwrap_or(GATHER);
        if !GATHERS.contains(&gather) {
            return Err(Invalid::new("gather", "write a time from 1s to 1h"));
        }
        let kept = |limit: Option<i32>| usize::try_from(limit.unwrap_or(KEPT)).unwrap_or_default();
        Ok(TriggerTerms {
            suspend: spec.suspend == Some(true),
            when,
            once: spec.once == Some(true),
            gather,
            most_per_hour: u64::try_from(spec.max_targets_per_hour.unwrap_or(MOST_PER_HOUR))
                .unwrap_or_default(),
            late: SignedDuration::from_secs(spec.starting_deadline_seconds.unwrap_or(LATE).into()),
            forbid: spec.concurrency_policy != Some(ConcurrencyPolicy::Allow),
            keep_succeeded: kept(spec.successful_history_limit),
            keep_failed: kept(spec.failed_history_limit),
        })
    }

    fn inputs(&self) -> Vec<Input> {
        let Some(event) = &self.spec.when.event else { return Vec::new() };
        let named = event.types.iter().enumerate().filter(|(_, name)| !is_id(name));
        let types = named.map(|(at, name)| {
            let source = Source::Lookup { table: &EVENT_TYPES, name: name.clone(), optional: false };
            Input::new(type_path(at), source)
        });
        let operators = event.operators.iter().flatten().enumerate();
        types
            .chain(operators.filter_map(|(at, operator)| operator.input(&operator_path(at), &OPERATORS)))
            .collect()
    }

    fn filter(&self, from: &Inputs) -> Result<Filter, Invalid> {
        let TriggerWhen { event, sms, .. } = &self.spec.when;
        if let Some(sms) = sms {
            let news = match sms.kind {
                SmsKind::Received => MessageNews::Received,
                SmsKind::Delivered => MessageNews::Delivered,
                SmsKind::Failed => MessageNews::Failed,
            };
            return Ok(Filter::Messages { news, dest_address: sms.dest_address.clone() });
        }
        let event = event.as_ref().ok_or_else(|| Invalid::new("when", ONE))?;
        let kind = |(at, name): (usize, &String)| match from.int(&type_path(at)) {
            Some(id) => Ok(id),
            None => name.parse().map_err(|_| Invalid::new(type_path(at), "is no type of event")),
        };
        let types = event.types.iter().enumerate().map(kind).collect::<Result<BTreeSet<i64>, _>>()?;
        let operators = event.operators.iter().flatten().enumerate();
        let operators = operators.map(|(at, operator)| operator.required(&operator_path(at), from));
        let countries = event.countries.iter().flatten().map(|country| country.trim().to_lowercase());
        Ok(Filter::Events {
            types,
            alert: event.alert,
            operators: operators.collect::<Result<BTreeSet<i64>, _>>()?,
            countries: countries.collect(),
        })
    }

    fn means(&self, world: &World<'_, Operation>) -> Result<Means, Invalid> {
        let Some(event) = &self.spec.when.event else { return Ok(Means::Any) };
        let named = OperationTarget {
            endpoint_selector: event.endpoint_selector.clone(),
            endpoint_set: event.endpoint_set.clone(),
            ..OperationTarget::default()
        };
        match (&event.tag, named == OperationTarget::default()) {
            (Some(tag), _) => Ok(Means::Tagged(tag.clone())),
            (None, true) => Ok(Means::Any),
            (None, false) => {
                let found = devices(&named, world);
                let found = found
                    .map_err(|why| Invalid::new(why.path.replace("target", "when.event"), why.message))?;
                Ok(Means::Only(found.into_iter().collect()))
            }
        }
    }

    fn device_of(heard: &Heard, world: &World<'_, Operation>) -> Option<Id> {
        let holder = |sim: i64| world.members.find(&Key::new(key::SIM, sim.to_string())).into_iter().next();
        heard.endpoint.map(Id::Int).or_else(|| holder(heard.sim?))
    }

    fn exists(device: &Id, world: &World<'_, Operation>) -> bool {
        let mut exists = false;
        let Some(id) = device.int() else { return false };
        world.members.with(id, &mut |row| exists = !row.is_tombstone());
        exists
    }

    fn concerns(device: &Id, world: &World<'_, Operation>) -> Vec<(&'static str, Id)> {
        let mut all = vec![(Endpoint::KIND, device.clone())];
        if let Some(id) = device.int() {
            world.members.with(id, &mut |row| {
                all.extend(row.sim.as_ref().map(|sim| (Sim::KIND, Id::Int(sim.id))));
            });
        }
        all
    }

    fn carries(device: &Id, tag: &str, world: &World<'_, Operation>) -> bool {
        let mut carries = false;
        if let Some(id) = device.int() {
            world.members.with(id, &mut |row| {
                let tags = row.tags.as_ref();
                carries = tags.is_some_and(|tags| tags.iter().any(|one| one.name.eq_ignore_ascii_case(tag)));
            });
        }
        carries
    }

    fn make(&self, causes: &[Cause]) -> Operation {
        let OperationTemplate { metadata, spec } = &self.spec.operation;
        let metadata = metadata.clone().unwrap_or_default();
        let labels = metadata
            .labels
            .map(|labels| labels.into_iter().map(|(key, value)| (key, value.to_string())).collect());
        let told = |cause: &Cause| DeviceReference {
            id: Some(cause.device.to_string().into()),
            cause: Some(cause.id.to_string().into()),
            ..DeviceReference::default()
        };
        let told: Vec<_> = causes.iter().map(told).collect();
        let told = OperationTarget { endpoints: Some(told), ..OperationTarget::default() };
        Operation {
            metadata: ObjectMeta { labels, annotations: metadata.annotations, ..ObjectMeta::default() },
            spec: OperationSpec {
                workspace_ref: self.spec.workspace_ref.clone(),
                target: if causes.is_empty() { spec.target.clone() } else { Some(told) },
                action: spec.action.clone(),
                confirm: spec.confirm.clone(),
                parallelism: spec.parallelism,
                max_failed_targets: spec.max_failed_targets.clone(),
                active_deadline_seconds: spec.active_deadline_seconds,
                ..OperationSpec::default()
            },
            status: None,
        }
    }

    fn causes(task: &Operation) -> Vec<Cause> {
        let told = task.spec.target.iter().flat_map(|target| target.endpoints.iter().flatten());
        let cause = |device: &DeviceReference| {
            let id = device.id.as_ref()?.as_str().parse().ok()?;
            Some(Cause { device: Id::Int(id), id: device.cause.as_ref()?.as_str().parse().ok()? })
        };
        told.filter_map(cause).collect()
    }

    fn when(&self) -> String {
        let TriggerWhen { schedule, event, sms } = &self.spec.when;
        let schedule = schedule.as_ref().map(|TriggerSchedule { cron, time_zone }| match time_zone {
            Some(zone) => format!("{cron} {zone}"),
            None => cron.clone(),
        });
        let event = event.as_ref().map(|event| event.types.join(", "));
        let sms = sms.as_ref().map(|sms| format!("SMS {:?}", sms.kind));
        schedule.or(event).or(sms).unwrap_or_default()
    }

    fn report(&self, status: &mut OperationTriggerStatus) {
        status.action = self.spec.operation.spec.action.name().map(str::to_owned);
    }

    async fn tag(api: &Api, (tag, known): (&str, Option<i64>), devices: &[Id]) -> Result<Tagged, Error> {
        let (mut id, mut sure) = match known {
            Some(id) => (id, false),
            None => (made(api, tag).await?, true),
        };
        let all: Vec<i64> = devices.iter().filter_map(Id::int).collect();
        let (mut refused, mut open) = (Vec::new(), vec![all.as_slice()]);
        while let Some(part) = open.pop() {
            let items: Vec<_> =
                part.iter().map(|endpoint| TagItem { endpoint: *endpoint, tags: vec![id] }).collect();
            let error = match api.add_tags(&items).await {
                Ok(()) => continue,
                Err(error @ (Error::Conflict { .. } | Error::NotFound { .. } | Error::Rejected { .. })) => {
                    error
                }
                Err(error) => return Err(error),
            };
            match part {
                // the tag that was known may be gone
                _ if !sure => {
                    (id, sure) = (made(api, tag).await?, true);
                    open.push(part);
                }
                [endpoint] if matches!(error, Error::Rejected { .. }) => {
                    refused.push((Id::Int(*endpoint), error.to_string()));
                }
                [] | [_] => {}
                // one that has it, or is gone, refuses all of them
                _ => {
                    let (first, second) = part.split_at(part.len().div_ceil(2));
                    open.extend([second, first]);
                }
            }
        }
        Ok(Tagged { tag: id, refused })
    }
}

const ONE: &str = "set exactly one of schedule, event, sms";

impl TriggerWhen {
    fn read(&self) -> Result<When, Invalid> {
        match (&self.schedule, &self.event, &self.sms) {
            (Some(TriggerSchedule { cron, time_zone }), None, None) => {
                let read = Cron::parse(cron, time_zone.as_deref());
                read.map(|cron| When::Schedule(Box::new(cron)))
                    .map_err(|why| Invalid::new("when.schedule", why))
            }
            (None, Some(_), None) => Ok(When::Events),
            (None, None, Some(_)) => Ok(When::Messages),
            _ => Err(Invalid::new("when", ONE)),
        }
    }
}

/// Id of a tag, which is made if there is none.
async fn made(api: &Api, name: &str) -> Result<i64, Error> {
    match TAGS.create(api, &TagWrite::named(name)).await {
        Ok(made) => return Ok(made.id),
        Err(Error::Conflict { .. }) => {}
        Err(error) => return Err(error),
    }
    let mut next = Some(Cursor::first());
    while let Some(at) = next {
        let page = TAGS.list(api, at).await?;
        next = page.next();
        if let Some(tag) = page.items.iter().find(|tag| tag.name.eq_ignore_ascii_case(name)) {
            return Ok(tag.id);
        }
    }
    Err(Error::NotFound { message: format!("the tag {name} is there and is not listed") })
}
