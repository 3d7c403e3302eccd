//! One shard serves an organisation: whoever holds the organisation's Lease.
//!
//! It is held by the shard, not by a process of it: which process acts for the shard is settled by the shard's own lease,
//! so that a new leader goes on without a pause.

use std::{
    collections::{BTreeMap, HashMap},
    convert::Infallible,
    sync::Arc,
    time::Duration,
};

use data_encoding::HEXLOWER;
use emnify::{Gate, Moment};
use emnify_engine::cluster::refusal;
use futures::{StreamExt as _, stream};
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client, core::ObjectMeta};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use super::{
    lease::{Before, Observer},
    leases::{Leases, Mine, Taken},
};
use crate::settings::shard::Shard;

/// A claim that was not renewed for so long may be taken by another shard: its Deployment is gone.
const DURATION: Duration = Duration::from_secs(120);
/// A claim that could not be renewed for so long is no longer relied on.
const RELIED_ON: Duration = Duration::from_secs(80);
/// Renewed when it is older.
const RENEW: Duration = Duration::from_secs(15);
/// How often claims are looked at.
const LOOK: Duration = Duration::from_secs(5);
/// Renewals under way: a claim that waits for a slow answer must not make the others late.
const AT_ONCE: usize = 16;
/// Name of claims, before a hash of host and organisation.
const PREFIX: &str = "emnify-organisation";

/// Which organisation, for people.
const ORGANISATION: &str = "emnify.io/organisation";
/// On which host, for people.
const HOST: &str = "emnify.io/host";
/// The selector of the shard that holds it, for people.
const SELECTOR: &str = "emnify.io/shard-selector";

/// Host and organisation.
pub type Place = (String, i64);

/// Another shard serves the organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Condition message: who, and what to do.
    pub message: String,
}

/// What this shard claims.
pub struct Claims {
    leases: Leases,
    shard: Shard,
    gate: Arc<Gate>,
    all: Mutex<HashMap<Place, Arc<tokio::sync::Mutex<Claim>>>>,
}

struct Claim {
    mine: Option<Mine>,
    observer: Observer,
    gate: Arc<Gate>,
}

impl Claims {
    /// Claims of a shard in a namespace. Gates of organisations stand within `gate`.
    pub fn new(client: Client, namespace: &str, shard: Shard, gate: Arc<Gate>) -> Self {
        let leases = Leases::new(Api::namespaced(client, namespace), shard.lease().to_owned(), DURATION);
        Self { leases, shard, gate, all: Mutex::default() }
    }

    /// Claims an organisation, unless it is ours; returns the gate that is open while the claim holds. [`Claims::keep`]
    /// renews it.
    pub async fn hold(&self, place: &Place) -> Result<Result<Arc<Gate>, Conflict>, kube::Error> {
        let claim = self.of(place);
        let mut claim = claim.lock().await;
        if claim.mine.is_some() && claim.gate.lives() {
            return Ok(Ok(claim.gate.clone()));
        }
        if self.renew(&mut claim).await? {
            return Ok(Ok(claim.gate.clone()));
        }
        match self.leases.take(&self.blank(place), &mut claim.observer).await? {
            Taken::Ours(mine, before) => {
                tracing::info!(organisation = place.1, host = place.0, ?before, "organisation claimed");
                if matches!(before, Before::Expired | Before::Unfinished) {
                    claim.gate.hold_creates(emnify::Config::REQUEST_TIMEOUT);
                }
                claim.gate.open_until(mine.since.after(RELIED_ON));
                claim.mine = Some(mine);
                Ok(Ok(claim.gate.clone()))
            }
            Taken::Theirs(lease, _) => Ok(Err(conflict(place, &lease))),
        }
    }

    /// Renews what is held, for ever. A look at a workspace does not: it may wait for a login or fail for a Secret, and
    /// others act by the claim meanwhile.
    pub async fn keep(&self) -> Infallible {
        loop {
            tokio::time::sleep(LOOK).await;
            let all: Vec<_> = self.all.lock().iter().map(|(place, claim)| (place.1, claim.clone())).collect();
            let renewals = all.into_iter().map(|(organisation, claim)| self.keep_one(organisation, claim));
            stream::iter(renewals).buffer_unordered(AT_ONCE).collect::<()>().await;
        }
    }

    async fn keep_one(&self, organisation: i64, claim: Arc<tokio::sync::Mutex<Claim>>) {
        let mut claim = claim.lock().await;
        let is_time = |mine: &Mine| mine.since.after(RENEW).is_over(Moment::now());
        if !self.gate.lives() || !claim.mine.as_ref().is_some_and(is_time) {
            return;
        }
        match self.renew(&mut claim).await {
            Ok(true) => {}
            Ok(false) => tracing::warn!(organisation, "another shard took the organisation"),
            Err(error) => {
                let error = refusal::brief(&error);
                tracing::warn!(organisation, error, "claim of the organisation not renewed");
            }
        }
    }

    /// Whether it is still ours.
    async fn renew(&self, claim: &mut Claim) -> Result<bool, kube::Error> {
        let Some(mine) = &claim.mine else { return Ok(false) };
        claim.mine = self.leases.renew(mine).await?;
        if let Some(renewed) = &claim.mine {
            claim.gate.open_until(renewed.since.after(RELIED_ON));
        } else {
            claim.gate.close();
        }
        Ok(claim.mine.is_some())
    }

    /// Lets go of an organisation: nothing is sent for it any more, and another shard may take it at once.
    pub async fn release(&self, place: &Place) {
        let claim = self.all.lock().remove(place);
        let Some(claim) = claim else { return };
        let mut claim = claim.lock().await;
        claim.gate.close();
        // taken, so that a renewal that waits for the lock does not take it back
        let Some(mine) = claim.mine.take() else { return };
        match self.leases.release(&mine, claim.gate.is_creating()).await {
            Ok(()) => tracing::info!(organisation = place.1, "organisation released"),
            Err(error) => {
                let error = refusal::brief(&error);
                tracing::warn!(
                    organisation = place.1,
                    error,
                    "organisation not released; its claim will expire"
                );
            }
        }
    }

    fn of(&self, place: &Place) -> Arc<tokio::sync::Mutex<Claim>> {
        let fresh = || {
            let claim = Claim { mine: None, observer: Observer::default(), gate: self.gate.shut_within() };
            Arc::new(tokio::sync::Mutex::new(claim))
        };
        let mut all = self.all.lock();
        all.entry(place.clone()).or_insert_with(fresh).clone()
    }

    fn blank(&self, (host, organisation): &Place) -> Lease {
        let annotations = BTreeMap::from([
            (ORGANISATION.to_owned(), organisation.to_string()),
            (HOST.to_owned(), host.clone()),
            (SELECTOR.to_owned(), self.shard.selector().to_owned()),
        ]);
        let metadata = ObjectMeta {
            name: Some(name(host, *organisation)),
            annotations: Some(annotations),
            ..ObjectMeta::default()
        };
        Lease { metadata, spec: None }
    }
}

impl std::fmt::Debug for Claims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Claims").field("shard", &self.shard).finish_non_exhaustive()
    }
}

/// A name that a Lease may have, whatever the host looks like.
fn name(host: &str, organisation: i64) -> String {
    let digest = HEXLOWER.encode(&Sha256::digest(format!("{host}|{organisation}")));
    format!("{PREFIX}-{}", &digest[..16])
}

fn conflict((_, organisation): &Place, lease: &Lease) -> Conflict {
    let holder = super::lease::holder(lease).unwrap_or("nobody yet");
    let annotation = |key: &str| lease.metadata.annotations.as_ref().and_then(|all| all.get(key));
    let selector = match annotation(SELECTOR).map(String::as_str) {
        Some("") | None => "without --shard-selector".to_owned(),
        Some(selector) => format!("with --shard-selector {selector}"),
    };
    Conflict {
        message: format!(
            "organisation {organisation} is already served by the shard {holder} ({selector}); give all workspaces of an \
             organisation labels of one shard"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_has_a_name_of_its_own_for_each_host_and_organisation() {
        let one = name("https://cdn.emnify.net", 1001);
        assert_eq!(one, name("https://cdn.emnify.net", 1001), "all shards compete for the same Lease");
        assert_ne!(one, name("https://cdn.emnify.net", 1002));
        assert_ne!(one, name("http://127.0.0.1:8080", 1001));
        assert!(one.len() <= 63 && one.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-'), "{one}");
    }

    #[test]
    fn a_conflict_names_the_other_shard_and_the_mend() {
        let annotations = BTreeMap::from([(SELECTOR.to_owned(), "tier=gold".to_owned())]);
        let metadata = ObjectMeta { annotations: Some(annotations), ..ObjectMeta::default() };
        let blank = Lease { metadata, spec: None };
        let lease =
            crate::leader::lease::held(blank, "emnify-operator-1a", DURATION, jiff::Timestamp::UNIX_EPOCH);
        let message = conflict(&("h".into(), 1001), &lease).message;
        for part in ["organisation 1001", "emnify-operator-1a", "tier=gold", "labels of one shard"] {
            assert!(message.contains(part), "{message}");
        }
    }
}
