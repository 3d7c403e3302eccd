//! The emnify side of a trigger: what was missed of the event log is read, and devices get their tags.

use std::sync::Arc;

use emnify::{
    Api, Cursor, Error,
    wire::{Listing, event::EventWindow},
};
use jiff::{SignedDuration, Timestamp};

use super::{
    controller::TriggerController,
    listening::Trouble,
    look::{complete, show, tag_of},
};
use crate::{
    cluster::observer::Share,
    decide::{error_policy::Verdict, known::Explanation},
    kind::{
        Id,
        decoded::Decoded,
        object_key::ObjectKey,
        reason,
        spec::WorkspaceRef,
        trigger::{Filter, Heard, MOST_TARGETS, Tagged, Trigger},
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
        let resolved = self.kube.workspace(&object);
        let access = resolved.state.ok().filter(|access| Arc::ptr_eq(&access.session, &session));
        let Some(access) = access else { return ticket };
        let uid = object.uid();
        let listed = complete::<T::Task>(&session);
        if listed {
            self.narrow(uid, &access, (&key, &resolved.workspace));
        }
        let work = self.with(uid, |one| match &one.filter {
            _ if listed && !one.untagged.is_empty() => {
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
                let share = |id: &Id| Share::deed(&key, T::KIND, id, format!("tag {tag}"), 0);
                self.kube.shared.tell(|| devices.iter().map(share).collect(), done.as_ref().err());
                done.map(|tagged| self.tagged(&object, &tagged, devices))
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

    /// Leaves those that are gone, carry the tag, or are not its own to touch: a task that somebody wrote may name any device.
    fn narrow(&self, uid: &str, access: &Access, (who, workspace): (&ObjectKey, &WorkspaceRef)) {
        let tag = tag_of(&self.kube.shared, who);
        show::<T::Task, _>(&self.kube.shared, access, (who, workspace), |world, here| {
            self.with(uid, |one| {
                one.untagged.retain(|device| {
                    T::exists(device, world)
                        && !T::carries(device, &tag, world)
                        && here.foreign(&T::concerns(device, world)).is_none()
                });
            })
        });
    }

    /// Devices have the tag, but for those that emnify refuses, which are told: they wait for nothing, and had their turn as long as this
    /// process knows of it.
    fn tagged(&self, object: &Decoded<T>, tagged: &Tagged, devices: Vec<Id>) {
        for (device, why) in &tagged.refused {
            let message = format!(
                "once: device {device} cannot have the tag that says that it had its turn, and may have another one: {why}"
            );
            self.kube.shared.events.say(object, true, reason::REJECTED, &message);
        }
        self.with(object.uid(), |one| {
            one.trouble = None;
            one.tag = Some(tagged.tag);
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
        let now = self.kube.now();
        self.with(uid, |one| {
            let failures = one.trouble.as_ref().map_or(1, |before| before.failures.saturating_add(1));
            let until = pause::after(now, pause::spread(verdict.next.pause(failures)));
            one.trouble =
                Some(Trouble { until, failures, why: Explanation::new(verdict.reason, verdict.message) });
        });
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
