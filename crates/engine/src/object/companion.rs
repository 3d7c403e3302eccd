//! Reads the companion listing of a kind: rarely, and only while somebody here has an object that it may tell of.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use emnify::{Cursor, Error, Lane};
use tokio::time::{Instant, sleep, sleep_until};

use super::{Controller, listing::sweep_every};
use crate::{
    cluster::refusal::Line,
    kind::{Id, Managed, managed::Companion},
    session::{Session, caller::Caller, pause},
};

/// Objects that come at once share a reading.
const GATHER: Duration = Duration::from_secs(10);
/// It is not read again before this time, whoever comes and whatever fails.
const REST: Duration = Duration::from_secs(300);

/// What one reading brought.
struct Reading<K: Managed> {
    told: HashMap<Id, K::News>,
    pages: u32,
    /// Some entry could not be read: silence proves nothing.
    torn: bool,
}

impl<K: Managed> Controller<K> {
    /// Starts reading the companion listing, if the kind has one.
    pub(super) fn accompany(self: &Arc<Self>, session: &Arc<Session>) {
        if let Some(companion) = K::COMPANION {
            let task = format!("{} beside {}", companion.name, K::KIND);
            let reader = self.clone().accompany_for_ever(session.clone(), companion);
            self.kube.shared.tasks.of_session(session, &task, reader);
        }
    }

    async fn accompany_for_ever(self: Arc<Self>, session: Arc<Session>, companion: Companion<K>) {
        let kind_state = session.kind_state::<K>();
        let (mut failures, mut line) = (0u32, Line::of_what_may_fail());
        let mut due = Instant::now() + companion.every;
        let mut silent = HashSet::new();
        loop {
            let asked = tokio::select! {
                () = kind_state.untold.notified() => true,
                () = sleep_until(due) => false,
            };
            if asked {
                sleep(GATHER).await;
            } else {
                due = Instant::now() + companion.every;
            }
            let wanted = self.accompanied(&session, &companion);
            let news = |id: &Id| !asked || kind_state.mirror.is_untold(id);
            if !wanted.iter().any(news) {
                continue;
            }
            let caller = session.reader_of(companion.name);
            match self.read_companion(&session, &companion, &caller, &wanted).await {
                Ok(reading) => {
                    caller.heard(companion.name);
                    line.over();
                    failures = 0;
                    due = Instant::now() + sweep_every(companion.every, reading.pages);
                    self.tell_of(&session, Self::told_of(&companion, reading, &wanted, &mut silent));
                    sleep(REST).await;
                }
                Err(error) => {
                    let (organisation, what) = (&session.organisation, companion.name);
                    if line.is_news(&error.to_string()) {
                        tracing::warn!(kind = K::KIND, organisation, what, %error, "not read, what was known stays");
                    }
                    caller.unheard(companion.name, &error, self.kube.now());
                    failures = failures.saturating_add(1);
                    sleep(pause::spread(pause::doubling(REST, failures, companion.every))).await;
                    due = Instant::now();
                }
            }
        }
    }

    /// What somebody here is bound to, and the listing may tell of.
    fn accompanied(&self, session: &Session, companion: &Companion<K>) -> HashSet<Id> {
        let here =
            |(organisation, id): &(String, Id)| (*organisation == session.organisation).then(|| id.clone());
        let mut bound: HashSet<Id> = self.owners.lock().keys().filter_map(here).collect();
        let mirror = &session.kind_state::<K>().mirror;
        bound.retain(|id| mirror.row(id).is_some_and(|row| (companion.tells_of)(&row)));
        bound
    }

    async fn read_companion(
        &self,
        session: &Session,
        companion: &Companion<K>,
        caller: &Caller,
        wanted: &HashSet<Id>,
    ) -> Result<Reading<K>, Error> {
        let api = caller.client.api(Lane::Sweep);
        let kind_state = session.kind_state::<K>();
        let mut reading = Reading { told: HashMap::new(), pages: 0, torn: false };
        let mut next = Some(Cursor::first());
        while let Some(at) = next {
            let page = (companion.page)(&api, at).await?;
            next = page.next();
            reading.pages += 1;
            reading.torn |= page.cut || page.nameless > 0 || !page.unreadable.is_empty();
            for (key, news) in page.items.into_iter().flatten() {
                let of = kind_state.mirror.find(&key).into_iter().filter(|id| wanted.contains(id));
                reading.told.extend(of.map(|id| (id, news.clone())));
            }
        }
        Ok(reading)
    }

    /// What a reading tells of each. Of whom nothing is told twice in a row, nothing is known any more.
    fn told_of(
        companion: &Companion<K>,
        reading: Reading<K>,
        wanted: &HashSet<Id>,
        silent: &mut HashSet<Id>,
    ) -> HashMap<Id, K::News> {
        let mut told = reading.told;
        if !reading.torn {
            let untold: HashSet<Id> = wanted.iter().filter(|id| !told.contains_key(*id)).cloned().collect();
            told.extend(untold.intersection(silent).map(|id| (id.clone(), companion.silent.clone())));
            *silent = untold;
        }
        told
    }

    /// Wakes those of whom something else is known now.
    fn tell_of(&self, session: &Session, told: HashMap<Id, K::News>) {
        let (mirror, now) = (&session.kind_state::<K>().mirror, self.kube.now());
        for (id, news) in told {
            if mirror.told(&id, news, now) {
                self.trigger_owner(session, &id, "another listing tells of it");
            }
        }
    }
}
