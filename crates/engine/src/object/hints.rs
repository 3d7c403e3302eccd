//! What hints say about objects of a kind: who is woken, what is read again, what is told to people.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use emnify::{
    Cursor, Error, Lane,
    wire::event::{Event, Record},
};
use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, sleep, sleep_until};

use super::Controller;
use crate::{
    cluster::{context::Alerted, refusal::Line},
    hints::recent::{Next, Recent},
    kind::{Alert, Id, Managed, Subject, object_key::ObjectKey},
    session::{
        Session,
        caller::Caller,
        mirror::{Known, Mirror},
        pace::Reader,
        role::Doing,
    },
};

/// News about one object is written at most this often.
const NEWS_EVERY: SignedDuration = SignedDuration::from_secs(10);
/// Objects that no object here holds are marked too, up to this many at a time: a set may hold them, or somebody may want
/// to take one over.
const UNOWNED: usize = 20;

/// The objects meant. What is known by a key that no row carries yet is told by what changed last, or by the next listing.
fn meant<K: Managed>(mirror: &Mirror<K>, of: Subject) -> Vec<Id> {
    match of {
        Subject::Id(id) => vec![id],
        Subject::Key(key) => mirror.find(&key),
    }
}

impl<K: Managed> Controller<K> {
    /// Takes note of events, oldest first.
    pub(super) fn on_events(self: &Arc<Self>, session: &Arc<Session>, events: &[(Event, Timestamp)]) {
        let kind_state = session.kind_state::<K>();
        let mut fresh: BTreeSet<Id> = BTreeSet::new();
        let mut doubts: BTreeMap<Id, Timestamp> = BTreeMap::new();
        let Some(hears) = K::EVENTS else { return };
        for (event, at) in events {
            if let Some(alert) = (hears.alert)(event) {
                for id in meant(&kind_state.mirror, alert.of.clone()) {
                    self.warn(session, &id, &alert, *at);
                }
            }
            let Some(heard) = (hears.effect)(event) else { continue };
            for id in meant(&kind_state.mirror, heard.of) {
                match heard.news.clone() {
                    Some(news) => {
                        if kind_state.mirror.on_events(&id, news, *at) {
                            fresh.insert(id);
                        }
                    }
                    None => {
                        doubts.insert(id, *at);
                    }
                }
            }
        }
        let now = session.server_time();
        doubts.retain(|id, at| kind_state.mirror.is_news(id, *at, now));
        let (marked, more) = self.doubt(session, doubts.into_keys().collect());
        if more {
            session.hints.wish(K::KIND, self.kube.now());
        }
        fresh.extend(marked);
        self.tell(session, &fresh);
    }

    /// Records of a data stream name objects that may have changed. Most of those about a device that is corrected are about
    /// the correction itself.
    pub(super) fn on_records(self: &Arc<Self>, session: &Arc<Session>, records: &[Record]) {
        let kind_state = session.kind_state::<K>();
        let Some(hears) = K::EVENTS else { return };
        let now = session.server_time();
        let mut ids: BTreeSet<Id> = BTreeSet::new();
        for record in records {
            let of = (hears.record)(record).map(|of| meant(&kind_state.mirror, of)).unwrap_or_default();
            ids.extend(
                of.into_iter()
                    .filter(|id| record.timestamp.is_none_or(|at| kind_state.mirror.is_news(id, at, now))),
            );
        }
        // what waits to be read already needs no second mark
        ids.retain(|id| matches!(kind_state.mirror.get(id), Known::Present(_)));
        let ours = ids.iter().any(|id| self.is_held(session, id));
        let (marked, more) = self.doubt(session, ids.into_iter().collect());
        if more && ours {
            session.hints.wish(K::KIND, self.kube.now());
        }
        self.tell(session, &marked.into_iter().collect());
    }

    /// Marks objects as doubtful, as long as that is cheaper than a listing; returns the marked ones, and whether there
    /// were more.
    fn doubt(&self, session: &Arc<Session>, ids: Vec<Id>) -> (Vec<Id>, bool) {
        let kind_state = session.kind_state::<K>();
        let (mut owned, mut free): (Vec<Id>, Vec<Id>) =
            ids.into_iter().partition(|id| self.is_held(session, id));
        let allowed = session.hints.allow(K::KIND, owned.len(), kind_state.mirror.len());
        let more = owned.len() > allowed || free.len() > UNOWNED;
        owned.truncate(allowed);
        free.truncate(UNOWNED);
        owned.extend(free);
        owned.retain(|id| kind_state.mirror.doubt(id));
        (owned, more)
    }

    /// Says an alert on the objects that hold what it is about.
    fn warn(&self, session: &Session, id: &Id, alert: &Alert, at: Timestamp) {
        let owned = self.bound_objects(session, id);
        for object in &owned {
            self.kube.shared.events.say_once(&**object, &alert.into(), at);
        }
        if !owned.is_empty() {
            return;
        }
        // a member of a set has no object of its own
        for kind in self.kube.shared.kinds() {
            kind.alerted(&Alerted { kind: K::KIND, session, id, alert, at });
        }
    }

    fn is_held(&self, session: &Session, id: &Id) -> bool {
        let key = (session.organisation.clone(), id.clone());
        self.owners.lock().contains_key(&key)
    }

    /// Wakes the holders of objects that hints spoke of, not more often than news may be written.
    fn tell(self: &Arc<Self>, session: &Arc<Session>, ids: &BTreeSet<Id>) {
        for id in ids {
            self.trigger_sets(session, id);
        }
        let (now, start) = (self.kube.now(), Instant::now());
        let mut due: Vec<(Instant, ObjectKey)> = Vec::new();
        for object in ids.iter().flat_map(|id| self.bound_objects(session, id)) {
            let uid = object.uid();
            let wait = self.kube.memory.may_tell(uid, now, NEWS_EVERY).err().unwrap_or_default();
            due.push((start + wait, object.key()));
        }
        if due.is_empty() {
            return;
        }
        due.sort_unstable();
        let (controller, hints) = (self.clone(), session.clone());
        self.kube.shared.tasks.errand_of(session, &format!("hints of {}", K::KIND), async move {
            for (at, key) in due {
                sleep_until(at).await;
                sleep_until(hints.hints.slot()).await;
                controller.kube.trigger(&key, "a hint spoke of it");
            }
        });
    }

    /// Reads what changed last, where the kind can be asked for it, until the session is stopped.
    pub(super) fn follow(self: &Arc<Self>, session: &Arc<Session>) {
        if K::RECENT.is_some() {
            let reader = self.clone().recent_for_ever(session.clone());
            self.kube.shared.tasks.of_session(session, &format!("recent changes of {}", K::KIND), reader);
        }
    }

    async fn recent_for_ever(self: Arc<Self>, session: Arc<Session>) {
        let kind_state = session.kind_state::<K>();
        let (mut recent, mut failures, mut last) = (Recent::default(), 0u32, None::<Instant>);
        let mut line = Line::of_what_may_fail();
        loop {
            sleep(Reader::Recent.tick()).await;
            let pause = Reader::Recent.pause(session.creating(), failures);
            if kind_state.mirror.complete_since().is_none() || last.is_some_and(|last| last.elapsed() < pause)
            {
                continue;
            }
            last = Some(Instant::now());
            let reader = session.lister::<K>();
            failures = match self.read_recent(&session, &reader, &mut recent).await {
                Ok(()) => {
                    line.over();
                    0
                }
                Err(error) => {
                    if line.is_news(&error.to_string()) {
                        tracing::warn!(kind = K::KIND, organisation = session.organisation, %error, "changes not read");
                    }
                    reader.failed::<K>(Doing::List, "", &error, self.kube.now());
                    failures.saturating_add(1)
                }
            };
        }
    }

    async fn read_recent(
        &self,
        session: &Arc<Session>,
        reader: &Caller,
        recent: &mut Recent,
    ) -> Result<(), Error> {
        let kind_state = session.kind_state::<K>();
        let api = reader.client.api(Lane::Hints);
        let mut reading = recent.begin(session.creating());
        let mut at = Cursor::first();
        let Some(last) = K::RECENT else { return Ok(()) };
        loop {
            let sent = Instant::now();
            let page = (last.page)(&api, at).await?;
            let following = page.next();
            let changed: Vec<_> = page.items.iter().map(last.changed).collect();
            for id in kind_state.mirror.put_listed(page.items, sent) {
                self.trigger_owner(session, &id, "it is among what changed last");
            }
            match (reading.page(&changed, following.is_none()), following) {
                (Next::More, Some(next)) => at = next,
                (Next::GiveUp, _) => {
                    session.hints.wish(K::KIND, self.kube.now());
                    break;
                }
                _ => break,
            }
        }
        recent.close(&reading);
        Ok(())
    }
}
