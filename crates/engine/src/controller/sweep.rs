//! Keeps the mirror of a kind: one complete listing after another, as slowly as the kind allows.

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use emnify::{Cursor, Error, Lane};
use jiff::Timestamp;
use rand::Rng;
use tokio::time::sleep;

use super::Controller;
use crate::{
    kind::Managed,
    mirror::{Incomplete, Mirror},
    refs::Named,
    session::{Session, Shelf},
};

/// A listing that moved while it was read is read again this soon.
const AGAIN: Duration = Duration::from_secs(5);

enum Swept {
    Complete,
    Incomplete(Incomplete),
    Failed(Error),
}

impl<K: Managed> Controller<K> {
    /// The shelf of this kind; the first call starts the sweeper.
    pub(super) fn demand(self: &Arc<Self>, session: &Arc<Session>) -> Arc<Shelf<K>> {
        let shelf = session.shelf::<K>();
        if !shelf.swept.swap(true, Ordering::Relaxed) {
            let (controller, session) = (self.clone(), session.clone());
            tokio::spawn(async move {
                let stopped = session.clone();
                tokio::select! {
                    () = stopped.stopped() => {}
                    () = controller.sweep_for_ever(session) => {}
                }
            });
        }
        shelf
    }

    /// `who` looks again after each complete listing of this kind.
    pub(super) fn wait_on_sweep(session: &Session, who: &Named) {
        session
            .shelf::<K>()
            .waiting
            .lock()
            .expect("nobody panics while holding the waiting")
            .insert(who.clone());
    }

    async fn sweep_for_ever(self: Arc<Self>, session: Arc<Session>) {
        let shelf = session.shelf::<K>();
        let mut failures = 0u32;
        loop {
            let first = shelf.mirror.complete_since().is_none();
            let pause = match self.sweep(&session, &shelf).await {
                Swept::Complete => {
                    failures = 0;
                    self.swept(&session, &shelf, first);
                    session
                        .sweep_every()
                        .unwrap_or(K::FACTS.sweep_every)
                        .mul_f64(rand::rng().random_range(0.9..1.1))
                }
                Swept::Incomplete(why) => {
                    tracing::info!(kind = K::KIND, organisation = session.organisation, %why, "sweep repeated");
                    AGAIN
                }
                Swept::Failed(error) => {
                    failures = failures.saturating_add(1);
                    tracing::warn!(kind = K::KIND, organisation = session.organisation, %error, "sweep failed");
                    if let Error::Unauthorized { .. } = error {
                        session.report_refusal(&error);
                    }
                    AGAIN.saturating_mul(1 << failures.min(6))
                }
            };
            tokio::select! {
                () = sleep(pause) => {}
                () = shelf.sweep.notified() => {}
            }
        }
    }

    async fn sweep(&self, session: &Arc<Session>, shelf: &Shelf<K>) -> Swept {
        let lane = if shelf.mirror.complete_since().is_none() { Lane::Create } else { Lane::Sweep };
        let api = session.client.api(lane);
        let mut sweep = Mirror::<K>::begin_sweep(self.shared.now());
        let mut next = Some(Cursor::first());
        while let Some(at) = next {
            let page = match K::list(&api, at).await {
                Ok(page) => page,
                Err(error) => return Swept::Failed(error),
            };
            next = page.next();
            for id in shelf.mirror.page(&mut sweep, page.items, page.total) {
                self.poke_holder(&session.organisation, &id, "the listing shows a change");
            }
        }
        match shelf.mirror.finish_sweep(sweep) {
            Ok(missing) => {
                for id in missing {
                    self.poke_holder(&session.organisation, &id, "the listing does not show it");
                }
                Swept::Complete
            }
            Err(why) => Swept::Incomplete(why),
        }
    }

    fn swept(&self, session: &Session, shelf: &Shelf<K>, first: bool) {
        let waiting: BTreeSet<Named> =
            std::mem::take(&mut *shelf.waiting.lock().expect("nobody panics while holding the waiting"));
        for who in waiting {
            self.shared.poke(&who, "a listing it waits for is complete");
        }
        if first {
            tracing::info!(
                kind = K::KIND,
                organisation = session.organisation,
                objects = shelf.mirror.len(),
                "first sweep"
            );
            for object in self.objects() {
                let who = super::named(&object);
                self.poke(&who.namespace, &who.name, "the first listing is complete");
            }
        }
    }

    /// Asks for a complete listing now, if the last one began before `since`.
    pub(super) fn sweep_since(shelf: &Shelf<K>, since: Timestamp) {
        if shelf.mirror.complete_since().is_none_or(|at| at < since) {
            shelf.sweep.notify_one();
        }
    }
}
