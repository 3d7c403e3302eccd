//! What Cloud Connect attachments do in time.

use jiff::Timestamp;
use serde_json::json;

use super::{
    Draft, Organisation, State,
    cloud_connect::{Attachment, kind, status},
    sim::Actor,
};

impl Organisation {
    /// Lets attachments go on that are due.
    pub(super) fn settle_attachments(&mut self, actor: &mut Actor<'_>) {
        let (now, step) = (actor.now, self.attachment_step);
        let due = |row: &Attachment| {
            let (after, to) = row.next(step)?;
            let at = row.since + after;
            (at <= now).then_some((row.id, at, to))
        };
        while let Some((id, at, to)) = self.attachments.values().find_map(due) {
            let row = self.attachments.get_mut(&id).expect("just seen");
            (row.status, row.since) = (to, at);
            if to == status::DEACTIVATED {
                row.terminated = Some(at);
            }
            match to {
                status::ACTIVE => self.tell_attachment(actor, 23, id),
                status::DEACTIVATED => self.tell_attachment(actor, 25, id),
                _ => {}
            }
        }
    }

    /// Writes an event about an attachment.
    pub(crate) fn tell_attachment(&mut self, actor: &mut Actor<'_>, event: u64, id: u64) {
        let Some(row) = self.attachments.get(&id) else { return };
        let detail = json!({"breakout_id": row.id, "name": row.name, "region": row.region});
        actor.emit(self, Draft::new(event).detail(detail));
    }
}

impl State {
    /// The customer accepts the share of a transit gateway and attaches it.
    pub(crate) fn accept_attachment(&mut self, id: u64, now: Timestamp) -> Result<(), String> {
        let rows = self.organisations.values_mut();
        let row = rows.into_iter().find_map(|org| org.attachments.get_mut(&id));
        let row = row.ok_or_else(|| format!("there is no attachment {id}"))?;
        if row.kind != kind::TGW || !matches!(row.status, status::PENDING_CUSTOMER | status::PENDING_AWS) {
            return Err(format!("attachment {id} waits for nobody"));
        }
        if row.expired(now) {
            return Err(format!("the share of attachment {id} has expired"));
        }
        (row.status, row.since) = (status::PENDING_EGN, now);
        Ok(())
    }
}
