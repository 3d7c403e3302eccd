//! The emnify side of a trigger: what was missed of the event log is read, and devices get their tags.

use std::sync::Arc;

use emnify::{
    Api, Cursor, Error,
    wire::{Listing, event::EventWindow},
};
use jiff::{SignedDuration, Timestamp};

use super::{controller::TriggerController, look::tag_of};
use crate::{
    decide::error_policy::Verdict,
    kind::{
        Id, reason,
        trigger::{Filter, Heard, MOST_TARGETS, Trigger},
    },
    session::{Access, Session, pause, queue::Ticket},
};

/// What it is called where a login may not read it.
const LOG: &str = "event log";
/// As many rows as the API gives; it clamps. [D]
const ROWS: u32 = 1000;
/// Types of events in one request.
const TYPES: usize = 6;
/// Of a part of the log that was missed, so many pages are read for each request.
const MOST_PAGES: usize = 10;
/// The log keeps 30 days [P]; what may be gone while it is read is not asked for.
const RETENTION: SignedDuration = SignedDuration::from_hours(29 * 24);
/// What failed is tried again after this time.
const AGAIN: std::time::Duration = std::time::Duration::from_secs(30);

/// What is to be asked of emnify.
enum Work {
    Tag(Vec<Id>),
    Read((Timestamp, Timestamp), Vec<i64>),
}

impl<T: Trigger> TriggerController<T> {
    /// Does what the trigger of a ticket needs of emnify.
    pub(super) async fn dispatch(self: Arc<Self>, session: Arc<Session>, api: Api, ticket: Ticket) -> Ticket {
        let key = ticket.item.object.clone();
        let Some(object) = self.kube.object(&key).filter(|object| object.uid() == ticket.item.uid) else {
            return ticket;
        };
        let access = self.kube.access(&object).ok().filter(|access| Arc::ptr_eq(&access.session, &session));
        let Some(access) = access else { return ticket };
        let uid = object.uid();
        let work = self.with(uid, |one| match &one.filter {
            _ if !one.untagged.is_empty() => {
                Some(Work::Tag(one.untagged.iter().take(MOST_TARGETS).cloned().collect()))
            }
            Filter::Events { types, .. } => {
                one.unread.map(|part| Work::Read(part, types.iter().copied().collect()))
            }
            Filter::Messages { .. } => None,
        });
        let done = match work.flatten() {
            Some(Work::Tag(devices)) => {
                let tag = tag_of(&self.kube.shared, &key);
                let known = self.with(uid, |one| one.tag.take()).flatten();
                let done = T::tag(&api.clone().by(&access.caller.client), (&tag, known), &devices).await;
                done.map(|id| self.tagged(uid, id, devices))
            }
            Some(Work::Read(part, types)) => self.read(uid, &api, &session, (part, &types)).await,
            None => Ok(()),
        };
        if let Err(error) = done {
            self.troubled(uid, &access, &error);
        }
        self.kube.trigger(&key, "its call is over");
        ticket
    }

    fn tagged(&self, uid: &str, id: i64, devices: Vec<Id>) {
        self.with(uid, |one| {
            one.trouble = None;
            one.tag = Some(id);
            for device in devices {
                one.untagged.remove(&device);
                one.tagged.insert(device);
            }
        });
    }

    fn troubled(&self, uid: &str, access: &Access, error: &Error) {
        let verdict = Verdict::from(error);
        if verdict.reason == reason::UNAUTHORIZED && !matches!(error, Error::Unauthorized { status: 403, .. })
        {
            access.caller.report_refusal(error);
        }
        let until = pause::after(self.kube.now(), AGAIN);
        self.with(uid, |one| one.trouble = Some((until, verdict.reason, verdict.message)));
    }

    /// Reads a part of the log that was missed, the newest first; what is too much of it is skipped.
    async fn read(
        &self,
        uid: &str,
        api: &Api,
        session: &Arc<Session>,
        (part, types): ((Timestamp, Timestamp), &[i64]),
    ) -> Result<(), Error> {
        let reader = session.reader_of(LOG);
        let api = api.clone().by(&reader.client);
        let oldest = part.1.checked_sub(RETENTION).unwrap_or(part.0);
        let window = EventWindow { from: part.0.max(oldest), until: part.1 };
        let (mut found, mut cut) = (Vec::new(), (part.0 < oldest).then_some(oldest));
        for types in types.chunks(TYPES) {
            let types = types.iter().map(ToString::to_string).collect::<Vec<_>>().join("|");
            let listing = Listing::all().filter("type", types).sort("-timestamp").per_page(ROWS);
            let mut next = Some(Cursor::first());
            let mut pages = 0;
            while let Some(at) = next {
                let page = api.list_events(at, Some(window), listing.clone()).await?;
                pages += 1;
                next = page.next();
                let events = page.items.iter();
                found
                    .extend(events.map(|event| Heard::event(event, event.timestamp.unwrap_or(window.until))));
                if next.is_some() && pages >= MOST_PAGES {
                    next = None;
                    cut = cut.max(found.last().map(|heard: &Heard| heard.at));
                }
            }
        }
        reader.heard(LOG);
        let now = self.kube.now();
        self.with(uid, |one| {
            one.trouble = None;
            if let Some(cut) = cut {
                one.skip(part.0, cut);
            }
            for heard in found {
                one.hear(heard, now);
            }
            one.read(part);
        });
        Ok(())
    }
}
