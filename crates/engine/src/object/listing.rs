//! Keeps the mirror of a kind: one complete listing after another, as slowly as the kind allows.

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use emnify::{Cursor, Error, Lane};
use futures::FutureExt;
use jiff::Timestamp;
use tokio::time::{Instant, sleep, sleep_until};

use super::Controller;
use crate::{
    cluster::refusal::Line,
    kind::{Id, Managed, object_key::ObjectKey},
    session::{
        KindState, Session,
        caller::Caller,
        chance,
        mirror::{Incomplete, Mirror},
        pause,
        role::Doing,
    },
};

/// A listing that moved while it was read is read again this soon, and after twice as long each time; one that failed
/// a step later.
const AGAIN: Duration = Duration::from_secs(5);
/// The longest pause after a listing that proved nothing.
const MOST_AGAIN: Duration = Duration::from_secs(320);
/// Listings that are asked for within this time of each other are one row, with growing pauses between them.
const ROW: Duration = pause::MINUTE;
/// The longest of these pauses.
const MOST_ASKED: Duration = Duration::from_secs(90);

/// A page of a listing may be read again after this long: listings of one kind cost at most 0.02 requests per second.
const PAGE_EVERY: Duration = Duration::from_secs(50);

enum Swept {
    /// With so many pages.
    Complete(u32),
    Incomplete(Incomplete),
    Failed(Error),
}

impl<K: Managed> Controller<K> {
    /// The kind state of this kind; the first call starts the sweeper.
    pub(super) fn demand(self: &Arc<Self>, session: &Arc<Session>) -> Arc<KindState<K>> {
        let kind_state = session.kind_state::<K>();
        if !kind_state.swept.swap(true, Ordering::Relaxed) {
            let sweeper = self.clone().sweep_for_ever(session.clone());
            self.kube.shared.tasks.of_session(session, &format!("listing of {}", K::KIND), sweeper);
            self.accompany(session);
        }
        kind_state
    }

    /// `who` looks again after each complete listing of this kind.
    pub(super) fn wait_on_sweep(session: &Session, who: &ObjectKey) {
        session.kind_state::<K>().waiting.lock().insert(who.clone());
    }

    async fn sweep_for_ever(self: Arc<Self>, session: Arc<Session>) {
        let kind_state = session.kind_state::<K>();
        let (mut failures, mut in_a_row) = (0u32, 0u32);
        let mut line = Line::of_what_may_fail();
        let mut asked = false;
        loop {
            let first = kind_state.mirror.complete_since().is_none();
            let reader = session.lister::<K>();
            let swept = self.sweep(&session, &reader, &kind_state, asked).await;
            let ended = Instant::now();
            failures = if let Swept::Complete(_) = swept { 0 } else { failures.saturating_add(1) };
            let pause = match swept {
                Swept::Complete(pages) => {
                    line.over();
                    self.kube.shared.allowed::<K>(&reader, Doing::List);
                    self.swept(&session, &kind_state, first);
                    let every = session.sweep_every().unwrap_or(sweep_every(K::FACTS.sweep_every, pages));
                    every.mul_f64(chance::between(0.9..1.1))
                }
                Swept::Incomplete(why) => {
                    tracing::info!(kind = K::KIND, organisation = session.organisation, %why, "sweep repeated");
                    pause::doubling(AGAIN, failures, MOST_AGAIN)
                }
                Swept::Failed(error) => {
                    if line.is_news(&error.to_string()) {
                        tracing::warn!(kind = K::KIND, organisation = session.organisation, %error, "sweep failed");
                    }
                    reader.failed::<K>(Doing::List, "", &error, self.kube.now());
                    pause::spread(pause::doubling(AGAIN * 2, failures, MOST_AGAIN))
                }
            };
            if failures > 0 {
                // whoever asks meanwhile waits as well, and is served by the next
                sleep(pause).await;
                asked |= kind_state.sweep.notified().now_or_never().is_some();
                in_a_row = 0;
                continue;
            }
            asked = tokio::select! {
                () = sleep(pause) => false,
                () = kind_state.sweep.notified() => true,
            };
            if !asked || ended.elapsed() > ROW {
                in_a_row = 0;
            } else {
                in_a_row = in_a_row.saturating_add(1);
                let floor = pause::growing(in_a_row, MOST_ASKED);
                sleep_until(ended + if in_a_row > 1 { floor } else { Duration::ZERO }).await;
            }
        }
    }

    /// A listing that somebody asked for goes in the lane of those who wait for it.
    async fn sweep(
        &self,
        session: &Arc<Session>,
        reader: &Caller,
        kind_state: &KindState<K>,
        asked: bool,
    ) -> Swept {
        let awaited = || !kind_state.waiting.lock().is_empty();
        let urgent = kind_state.mirror.complete_since().is_none() || (asked && awaited());
        let api = reader.client.api(if urgent { Lane::Create } else { Lane::Sweep });
        let (mut pages, mut unread) = (0, 0);
        let mut sweep = Mirror::<K>::begin_sweep(self.kube.now());
        let mut next = Some(Cursor::first());
        while let Some(at) = next {
            let page = match K::list(&api, at).await {
                Ok(page) => page,
                Err(error) => return Swept::Failed(error),
            };
            if page.cut {
                return Swept::Incomplete(Incomplete::Cut);
            }
            pages += 1;
            next = page.next();
            unread += page.unreadable.len() + page.nameless;
            kind_state.mirror.unreadable(&mut sweep, page.unreadable.into_iter().map(Id::Int), page.nameless);
            for id in kind_state.mirror.page(&mut sweep, page.items, page.total) {
                self.trigger_owner(session, &id, "the listing shows a change");
            }
        }
        if unread > 0 {
            let organisation = &session.organisation;
            tracing::warn!(
                kind = K::KIND,
                organisation,
                unread,
                "rows could not be read; what was known of them stays"
            );
        }
        let began = sweep.started();
        match kind_state.mirror.finish_sweep(sweep) {
            Ok(missing) => {
                if let Some(table) = K::TABLE {
                    session.lookups.feed(table, kind_state.mirror.names(), began);
                }
                for id in missing {
                    self.trigger_owner(session, &id, "the listing does not show it");
                }
                Swept::Complete(pages)
            }
            Err(why) => Swept::Incomplete(why),
        }
    }

    fn swept(&self, session: &Session, kind_state: &KindState<K>, first: bool) {
        self.kube.overlay.settle(self.kube.objects().iter().map(|object| &**object));
        self.kube.memory.tidy(self.kube.now());
        let waiting: BTreeSet<ObjectKey> = std::mem::take(&mut *kind_state.waiting.lock());
        for who in waiting {
            self.kube.shared.trigger(&who, "a listing it waits for is complete");
        }
        if first {
            tracing::info!(
                kind = K::KIND,
                organisation = session.organisation,
                objects = kind_state.mirror.len(),
                "first sweep"
            );
            for object in self.kube.objects() {
                self.kube.trigger(&object.key(), "the first listing is complete");
            }
        }
    }

    /// Asks for a complete listing now, if the last one began before `since`.
    pub(super) fn sweep_since(kind_state: &KindState<K>, since: Timestamp) {
        if kind_state.mirror.complete_since().is_none_or(|at| at < since) {
            kind_state.sweep.notify_one();
        }
    }
}

/// Time between two listings of this many pages, of a kind that is listed so often while it is small.
pub(super) fn sweep_every(usual: Duration, pages: u32) -> Duration {
    usual.max(PAGE_EVERY.saturating_mul(pages))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn huge_kinds_are_listed_more_rarely() {
        let usual = Duration::from_secs(600);
        assert_eq!(sweep_every(usual, 1), usual);
        assert_eq!(sweep_every(usual, 10), usual, "ten thousand devices are as fresh as ten");
        assert_eq!(
            sweep_every(usual, 100),
            Duration::from_secs(5_000),
            "a hundred thousand: within the same share"
        );
    }
}
