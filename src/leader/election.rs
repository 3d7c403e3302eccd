//! One process of a shard leads: whoever holds the shard's lease.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use emnify::{Gate, Moment};
use emnify_engine::cluster::refusal::{self, Line};
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, core::ObjectMeta};
use parking_lot::Mutex;
use rand::Rng;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::{
    lease::{Before, Observer},
    leases::{Leases, Mine, Taken},
};
use crate::settings::lead::Terms;

/// Letting go of the lease is worth no more time than this when the process ends: less than a lease takes to expire, and
/// with the drain before it within the chart's grace period.
const RELEASE: Duration = Duration::from_secs(5);

/// Why leading ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// Another process holds the lease.
    #[error("another process took the lease")]
    Taken,
    /// It could not be renewed in time.
    #[error("the lease could not be renewed within --renew-deadline")]
    Expired,
}

/// How the election stands, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// This process leads.
    pub leads: bool,
    /// How often the lease changed hands, as last seen.
    pub transitions: u64,
}

/// The election of one shard, and our part in it.
pub struct Election {
    leases: Leases,
    name: String,
    terms: Terms,
    gate: Arc<Gate>,
    mine: Mutex<Option<Mine>>,
    transitions: AtomicU64,
}

impl Election {
    /// An election by the lease `name` under the identity `me`. `gate` is open while we lead.
    pub fn new(leases: Api<Lease>, name: &str, me: String, terms: Terms, gate: Arc<Gate>) -> Self {
        Self {
            leases: Leases::new(leases, me, terms.duration),
            name: name.to_owned(),
            terms,
            gate,
            mine: Mutex::default(),
            transitions: AtomicU64::new(0),
        }
    }

    /// Returns once we lead.
    pub async fn won(&self) {
        let metadata = ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() };
        let blank = Lease { metadata, spec: None };
        let mut observer = Observer::default();
        let (mut told, mut line) = (None, Line::default());
        loop {
            match self.leases.take(&blank, &mut observer).await {
                Ok(Taken::Ours(mine, before)) => return self.began(mine, before),
                Ok(Taken::Theirs(lease, _)) => {
                    self.note(&lease);
                    let holder = super::lease::holder(&lease).map(str::to_owned);
                    if told != holder {
                        tracing::info!(lease = self.name, holder, "standing by");
                        told = holder;
                    }
                }
                Err(error) => {
                    let error = refusal::brief(&error);
                    if line.is_news(&error) {
                        tracing::warn!(lease = self.name, error, "lease not read or written");
                    }
                }
            }
            // candidates that started together should not stay together
            let jitter = rand::rng().random_range(0.8..1.0);
            sleep(self.terms.retry.mul_f64(jitter)).await;
        }
    }

    fn began(&self, mine: Mine, before: Before) {
        // ourselves: a write of ours whose answer was lost, and nobody knows any more what was there before
        if matches!(before, Before::Expired | Before::Unfinished | Before::Ourselves) {
            self.gate.hold_creates(emnify::Config::REQUEST_TIMEOUT);
        }
        tracing::info!(lease = self.name, ?before, "leading");
        self.renewed(mine);
    }

    fn renewed(&self, mine: Mine) {
        self.gate.open_until(mine.since.after(self.terms.renew));
        self.note(&mine.lease);
        *self.mine.lock() = Some(mine);
    }

    fn note(&self, lease: &Lease) {
        let transitions = lease.spec.as_ref().and_then(|spec| spec.lease_transitions).unwrap_or(0);
        self.transitions.store(u64::try_from(transitions).unwrap_or(0), Ordering::Relaxed);
    }

    /// Renews the lease for as long as it is ours. When this returns the gate is shut.
    pub async fn lost(&self) -> Lost {
        let lost = self.hold().await;
        self.gate.close();
        lost
    }

    async fn hold(&self) -> Lost {
        let Some(mut mine) = self.mine() else { return Lost::Expired };
        let mut next = Instant::now() + self.terms.retry;
        loop {
            sleep_until(next).await;
            next = Instant::now() + self.terms.retry;
            let end = mine.since.after(self.terms.renew);
            // a process that was stopped meanwhile has lost, whatever the API server would say
            if end.is_over(Moment::now()) {
                return Lost::Expired;
            }
            match timeout_at(end.steady, self.leases.renew(&mine)).await {
                Ok(Ok(Some(renewed))) => {
                    mine = renewed.clone();
                    self.renewed(renewed);
                }
                Ok(Ok(None)) => return Lost::Taken,
                Ok(Err(error)) => {
                    tracing::warn!(lease = self.name, error = refusal::brief(&error), "lease not renewed");
                }
                Err(_) => return Lost::Expired,
            }
        }
    }

    fn mine(&self) -> Option<Mine> {
        self.mine.lock().clone()
    }

    /// Ends leading: shuts the gate, then lets go of the lease, saying whether anything that must not be repeated is
    /// still under way. Others take over at once. Does nothing if we do not lead.
    pub async fn release(&self) {
        let Some(mine) = self.mine.lock().take() else {
            return;
        };
        self.gate.close();
        let unfinished = self.gate.is_creating();
        match tokio::time::timeout(RELEASE, self.leases.release(&mine, unfinished)).await {
            Ok(Ok(())) => tracing::info!(lease = self.name, unfinished, "lease released"),
            Ok(Err(error)) => {
                let error = refusal::brief(&error);
                tracing::warn!(lease = self.name, error, "lease not released; it will expire");
            }
            Err(_) => tracing::warn!(lease = self.name, "lease not released in time; it will expire"),
        }
    }

    /// How it stands.
    pub fn snapshot(&self) -> Snapshot {
        let leads = self.mine().is_some() && self.gate.lives();
        Snapshot { leads, transitions: self.transitions.load(Ordering::Relaxed) }
    }
}

impl std::fmt::Debug for Election {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Election").field("lease", &self.name).finish_non_exhaustive()
    }
}
