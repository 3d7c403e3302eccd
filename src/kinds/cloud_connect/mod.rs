//! `CloudConnect`: a private way between the devices and a network of the customer's.
//!
//! It is ordered, billed by the month, set up in minutes to days, and never changed. emnify shows little of what was ordered, so our
//! mark at the end of the description holds a digest of it: an attachment is found again after a crash, never ordered twice,
//! and an edit of what nobody shows is told all the same.

mod change;
mod diff;
mod export;
mod lookups;
mod rows;
mod spec;
#[cfg(test)]
mod tests;
mod want;

use std::time::Duration;

use emnify::{
    Api, Cursor, Error, Page,
    wire::{
        cloud_connect::{ATTACHMENTS, Attachment as Row},
        event::Event,
    },
};
use emnify_engine::kind::{
    Context, Diff, EventEffect, Facts, Find, Have, Id, Input, Inputs, Invalid, Key, Managed, OutputRef,
    Phase, Reply, Subject, Veto,
    managed::{Census, Events},
    mark, misuse,
    spec::{DeletionPolicy, Intent},
};
use jiff::Timestamp;

pub use self::spec::{CloudConnect, CloudConnectSpec, CloudConnectStatus};
use self::{
    change::{Change, Order},
    rows::{Part, Parts},
    spec::TunnelStatus,
    want::{Attached, Want},
};
use super::common::group;

/// Events of the log that tell of an attachment: a share was made, it is available, it ended. [P]
const EVENTS: [i64; 3] = [22, 23, 25];

impl Managed for CloudConnect {
    type Row = Row;
    type Part = Part;
    type Parts = Parts;
    type Want = Want;
    type Change = Change;
    type News = ();

    // everybody's devices get a way to somebody's network, and it is billed to the organisation
    const SENSITIVE: bool = true;
    const ORDERED: bool = true;
    const EVENTS: Option<Events<Self>> =
        Some(Events { effect, alert: |_| None, record: |_| None, follow: |(), ()| () });
    const CENSUS: Option<Census<Self>> =
        Some(|row, _, _, put| put(group::CLOUD_CONNECT, &diff::state_name(row)));

    const FACTS: Facts = Facts {
        serial: Some("cnc"),
        sweep_every: Duration::from_secs(5 * 60),
        // whether tunnels are up
        scrub_every: Duration::from_secs(10 * 60),
        ..Facts::RECORD
    };

    fn id(row: &Row) -> Id {
        Id::Int(row.id)
    }

    fn keys(row: &Row, put: &mut dyn FnMut(Key)) {
        if let Some(name) = &row.name {
            put(Key::new(Key::NAME, name));
        }
        // one that is gone is not the one that was ordered in its place
        if let (_, Some(owner), _) = want::marked(row.description.as_deref())
            && !diff::is_deleted(row)
        {
            put(Key::new(mark::KEY, owner));
        }
    }

    fn mark(row: &Row) -> Option<String> {
        want::marked(row.description.as_deref()).1.map(str::to_owned)
    }

    fn is_deleted(row: &Row) -> bool {
        diff::is_deleted(row)
    }

    fn created(row: &Row) -> Option<Timestamp> {
        row.created
    }

    fn inputs(&self) -> Vec<Input> {
        want::inputs(self)
    }

    /// It stays where the attachment does, as it does unless the spec says otherwise.
    fn output(&self) -> Option<OutputRef> {
        let name = self.spec.vpn.as_ref()?.output_secret.as_ref()?.name.to_string();
        let keep = self.spec.common.deletion_policy != Some(DeletionPolicy::Delete);
        Some(OutputRef { name, keep })
    }

    fn want(&self, from: &Inputs) -> Result<Want, Invalid> {
        want::want(self, from)
    }

    fn find(want: &Want, _: Option<&Intent>) -> Vec<Find> {
        vec![Find::Trace(Key::new(mark::KEY, &want.owner))]
    }

    fn parts(want: &Want) -> Vec<Part> {
        let tunnels = !matches!(want.network, Some(Attached::TransitGateway { .. }));
        tunnels.then_some(Part::Tunnels).into_iter().chain([Part::Prices]).collect()
    }

    fn parts_to_retire(_: Option<&CloudConnectStatus>) -> Vec<Part> {
        vec![Part::Devices]
    }

    fn create(want: &Want, _: Option<&Intent>) -> Option<Change> {
        want.network.as_ref().map(|network| Change::Order(want.order(network)))
    }

    fn diff(want: &Want, have: &Have<Self>, context: &Context<'_, Self>) -> Diff<Change> {
        diff::diff(want, have, context)
    }

    fn phase(have: &Have<Self>, now: Timestamp) -> Phase {
        diff::phase(&have.row, now)
    }

    fn retire(have: &Have<Self>, _: &Context<'_, Self>) -> Vec<Change> {
        diff::retire(have)
    }

    fn forbids(change: &Change, have: &Have<Self>, _: &Context<'_, Self>) -> Option<Veto> {
        diff::forbids(change, &have.row)
    }

    /// What was delivered is in the Secret, which is read before each look.
    fn assume(_: &Change, _: &mut Row, _: &mut Parts) {}

    fn report(&self, have: &Have<Self>, _: Option<&()>, status: &mut CloudConnectStatus) {
        let row = &have.row;
        status.state = Some(diff::state_name(row));
        status.kind = diff::kind_name(row);
        status.region.clone_from(&row.region);
        let accept = row.accept_before.filter(|_| diff::waits_for_customer(row));
        status.accept_before = accept.map(|by| by.to_string().into());
        status.attachment_id = row.transit_gateway.clone().or_else(|| row.vpn_connection.clone());
        if let (Some((_, prices)), Some(kind)) = (&have.parts.prices, &row.kind) {
            status.monthly_price = prices.get(&kind.id).cloned();
        }
        let tunnels = have.parts.tunnels.iter().map(|tunnel| TunnelStatus {
            outside_address: tunnel.outside_address.clone(),
            state: tunnel.state.clone(),
        });
        status.tunnels = tunnels.collect();
    }

    async fn list(api: &Api, at: Cursor) -> Result<Page<Row>, Error> {
        ATTACHMENTS.list(api, at).await
    }

    async fn read(api: &Api, id: &Id) -> Result<Option<Row>, Error> {
        ATTACHMENTS.get(api, id.number()?).await
    }

    async fn read_part(api: &Api, id: &Id, part: Part, into: &mut Parts) -> Result<(), Error> {
        rows::read(api, id, part, into).await
    }

    async fn make(api: &Api, new: &Change) -> Result<Reply<Self>, Error> {
        let made = match new {
            Change::Order(Order::TransitGateway(order)) => api.create_transit_gateway(order).await?,
            Change::Order(Order::Vpn(order)) => api.create_vpn(order).await?,
            _ => return Err(misuse("only an order makes an attachment")),
        };
        Ok(Reply { id: Some(Id::Int(made.id)), ..Reply::default() })
    }

    async fn apply(api: &Api, id: &Id, change: &Change) -> Result<Reply<Self>, Error> {
        match change {
            Change::Order(_) => Err(misuse("the attachment was ordered already")),
            Change::Deliver { values, .. } => Ok(Reply { secret: values.clone(), ..Reply::default() }),
            Change::Delete { .. } => {
                ATTACHMENTS.delete(api, id.number()?).await?;
                Ok(Reply::default())
            }
        }
    }
}

/// What happened is read: the log says little of it.
fn effect(event: &Event) -> Option<EventEffect<()>> {
    event.kind().filter(|kind| EVENTS.contains(kind))?;
    let id = event.detail.get("breakout_id")?.as_i64()?;
    Some(EventEffect { of: Subject::Id(Id::Int(id)), news: None })
}
