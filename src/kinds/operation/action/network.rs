//! Networks that a device may not use.

use emnify::{Api, Error, wire::event::Event};
use emnify_engine::kind::{
    Input, Inputs, Invalid, reason,
    task::{Again, Outcome},
};
use jiff::Timestamp;
use serde_json::Value;

use super::facts::Facts;
use crate::kinds::{
    common::lookups::OPERATORS,
    operation::{
        device::Device,
        params::{BlockCurrentOperator, UnblockOperators},
    },
};

pub(super) const BLOCK: Facts = Facts::of("blockCurrentOperator", Again::Proof, 1).serial();
pub(super) const UNBLOCK: Facts = Facts::of("unblockOperators", Again::Yes, 0).serial();

/// Networks that are allowed again.
#[derive(Clone, Debug)]
pub struct Unblock(Option<Vec<i64>>);

impl BlockCurrentOperator {
    pub(super) fn of(&self, device: &Device) -> Result<Self, Outcome> {
        if self.reattach == Some(true) {
            device.out_of_factory_test(self.acknowledge_factory_test_end)?;
        }
        Ok(self.clone())
    }

    pub(super) async fn send(&self, api: &Api, device: i64) -> Result<Outcome, Error> {
        let seen = api.connectivity(device).await?;
        let here = seen.and_then(|seen| seen.location?.operator).map(|operator| (operator.id, operator.name));
        let operator = if here.is_some() { here } else { last(api, device).await? };
        let Some((operator, name)) = operator else {
            let message = "emnify does not tell which network the device is in: name it in operatorBlocklist of its Endpoint";
            return Ok(Outcome::Failed { reason: reason::OPERATOR_UNKNOWN, message: message.to_owned() });
        };
        match api.block_operator(device, operator).await {
            Ok(()) => {}
            // blocked already
            Err(error @ Error::Conflict { .. }) => {
                if !blocked(api, device).await?.contains(&operator) {
                    return Err(error);
                }
            }
            Err(error) => return Err(error),
        }
        if self.reattach == Some(true)
            && let Err(error) = api.reset_connectivity(device, false, true).await
        {
            return half_done(operator, &error);
        }
        Ok(Outcome::Succeeded { id: Some(operator.to_string()), detail: name })
    }
}

impl BlockCurrentOperator {
    /// The network that the device was in when it was sent is forbidden, and left where that was asked for. Sent again, it would forbid the
    /// one that the device is in by now.
    pub(super) async fn prove(
        &self,
        api: &Api,
        device: i64,
        since: Timestamp,
    ) -> Result<Option<Outcome>, Error> {
        let blocked = blocked(api, device).await?;
        let here = api.connectivity(device).await?.and_then(|seen| Some(seen.location?.operator?.id));
        let events = api.newest_events_of(device).await?;
        let before = attachments(&events).find(|(at, ..)| *at <= since).map(|(_, id, _)| id);
        let moved = attachments(&events).any(|(at, ..)| at > since);
        let Some(was) = before.or(here.filter(|_| !moved)) else {
            let message =
                "which network the device was in cannot be told any more: look at its blocked networks";
            return Ok(moved.then(|| Outcome::Unknown(message.to_owned())));
        };
        let left = self.reattach != Some(true) || here != Some(was);
        let done = blocked.contains(&was) && left;
        Ok(done.then(|| Outcome::Succeeded { id: Some(was.to_string()), detail: None }))
    }
}

/// The network is blocked, and the device was not told to leave it. From the beginning once more, that would block the one that the device
/// is in by then: a reading tells what is left to do.
fn half_done(operator: i64, error: &Error) -> Result<Outcome, Error> {
    let message = format!("network {operator} is blocked, and the device still registered there: {error}");
    match error {
        Error::Rejected { .. } | Error::NotFound { .. } | Error::Capacity { .. } | Error::Conflict { .. } => {
            Ok(Outcome::Failed { reason: reason::REJECTED, message })
        }
        _ => Err(Error::Ambiguous { message }),
    }
}

/// Events that tell of the network that a device attached to. [S]
const ATTACHED: [i64; 2] = [1, 2];

/// The network that a device attached to last, as far as its newest events tell.
async fn last(api: &Api, device: i64) -> Result<Option<(i64, Option<String>)>, Error> {
    let events = api.newest_events_of(device).await?;
    Ok(attachments(&events).next().map(|(_, id, name)| (id, name)))
}

/// Times and networks of attachments, the newest first.
fn attachments(events: &[Event]) -> impl Iterator<Item = (Timestamp, i64, Option<String>)> {
    let attached = |event: &&Event| event.event_type.as_ref().is_some_and(|kind| ATTACHED.contains(&kind.id));
    events.iter().filter(attached).filter_map(|event| {
        let told = event.detail.get("operator").unwrap_or(&event.detail);
        let name = told.get("name").and_then(Value::as_str).map(str::to_owned);
        Some((event.timestamp?, told.get("id")?.as_i64()?, name))
    })
}

fn path(index: usize) -> String {
    format!("action.unblockOperators.operators[{index}]")
}

impl UnblockOperators {
    pub(super) fn inputs(&self) -> Vec<Input> {
        let all = self.operators.iter().flatten().enumerate();
        all.filter_map(|(index, operator)| operator.input(&path(index), &OPERATORS)).collect()
    }

    pub(super) fn of(&self, from: &Inputs) -> Result<Unblock, Invalid> {
        let Some(operators) = &self.operators else { return Ok(Unblock(None)) };
        let ids = operators.iter().enumerate().map(|(index, one)| one.required(&path(index), from));
        Ok(Unblock(Some(ids.collect::<Result<_, _>>()?)))
    }
}

impl Unblock {
    pub(super) async fn send(&self, api: &Api, device: i64) -> Result<Outcome, Error> {
        let meant = |id: &i64| self.0.as_ref().is_none_or(|ids| ids.contains(id));
        let (mut freed, mut missing) = (0, None);
        for id in blocked(api, device).await?.into_iter().filter(meant) {
            match api.unblock_operator(device, id).await {
                Ok(()) => freed += 1,
                // allowed meanwhile
                Err(error @ Error::NotFound { .. }) => missing = Some(error),
                Err(error) => return Err(error),
            }
        }
        if let Some(error) = missing
            && blocked(api, device).await?.iter().any(meant)
        {
            return Err(error);
        }
        Ok(Outcome::Succeeded { id: None, detail: Some(format!("{freed} allowed again")) })
    }
}

/// Ids of the networks that a device may not use.
async fn blocked(api: &Api, device: i64) -> Result<Vec<i64>, Error> {
    Ok(api.blocked_operators(device).await?.into_iter().map(|operator| operator.id).collect())
}
