//! Reads and writes leases. The version of what was read guards every write, so that of two who try one succeeds.

use std::time::Duration;

use emnify::Moment;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, api::PostParams, core::ObjectMeta};
use tokio::time::Instant;

use super::lease::{self, Before, Observer, Standing};

/// Leases under one identity.
#[derive(Clone, Debug)]
pub struct Leases {
    api: Api<Lease>,
    me: String,
    duration: Duration,
}

/// A lease that is ours.
#[derive(Clone, Debug)]
pub struct Mine {
    /// As the API server stored it.
    pub lease: Lease,
    /// Before the request that took or renewed it was sent: others cannot have seen it earlier.
    pub since: Moment,
}

/// What a try to take a lease came to.
#[derive(Debug)]
pub enum Taken {
    /// It is ours.
    Ours(Mine, Before),
    /// Somebody else holds it, and no longer than this unless it changes.
    Theirs(Lease, Duration),
}

impl Leases {
    /// Leases that name `me` as their holder, for so long at a time.
    pub fn new(api: Api<Lease>, me: String, duration: Duration) -> Self {
        Self { api, me, duration }
    }

    /// Takes the lease that `blank` names if it is free; `blank` is what is made where there is none.
    pub async fn take(&self, blank: &Lease, observer: &mut Observer) -> Result<Taken, kube::Error> {
        let name = blank.metadata.name.as_deref().unwrap_or_default();
        let since = Moment::now();
        let Some(found) = self.api.get_opt(name).await? else {
            return Ok(match self.create(blank).await? {
                Some(lease) => Taken::Ours(Mine { lease, since }, Before::Nobody),
                None => Taken::Theirs(blank.clone(), self.duration),
            });
        };
        match observer.look(&found, &self.me, self.duration, Instant::now()) {
            Standing::Held(rest) => Ok(Taken::Theirs(found, rest)),
            Standing::Free(before) => {
                let since = Moment::now();
                let mut taken = found.clone();
                // what it says of its holder is said anew
                let annotations = blank.metadata.annotations.clone().unwrap_or_default();
                taken.metadata.annotations.get_or_insert_default().extend(annotations);
                Ok(match self.write(taken).await? {
                    Some(lease) => Taken::Ours(Mine { lease, since }, before),
                    None => Taken::Theirs(found, self.duration),
                })
            }
        }
    }

    /// Renews a lease of ours; `None` if it is no longer.
    pub async fn renew(&self, mine: &Mine) -> Result<Option<Mine>, kube::Error> {
        let since = Moment::now();
        if let Some(lease) = self.write(mine.lease.clone()).await? {
            return Ok(Some(Mine { lease, since }));
        }
        // somebody wrote to it, perhaps only a label; or it was deleted
        let since = Moment::now();
        let written = match self.api.get_opt(&name_of(&mine.lease)).await? {
            Some(found) if lease::holder(&found) == Some(&self.me) => self.write(found).await?,
            Some(_) => None,
            None => {
                let metadata =
                    ObjectMeta { resource_version: None, uid: None, ..mine.lease.metadata.clone() };
                self.create(&Lease { metadata, ..mine.lease.clone() }).await?
            }
        };
        Ok(written.map(|lease| Mine { lease, since }))
    }

    /// Lets go of a lease of ours, so that others need not wait; does nothing if it is no longer.
    pub async fn release(&self, mine: &Mine, unfinished: bool) -> Result<(), kube::Error> {
        let mut lease = mine.lease.clone();
        for _ in 0..2 {
            let free = lease::released(lease, unfinished, Timestamp::now());
            match self.api.replace(&name_of(&free), &PostParams::default(), &free).await {
                Ok(_) => return Ok(()),
                Err(kube::Error::Api(e)) if e.code == 409 => {}
                Err(kube::Error::Api(e)) if e.code == 404 => return Ok(()),
                Err(error) => return Err(error),
            }
            // a write whose answer was lost, or somebody's label
            match self.api.get_opt(&name_of(&free)).await? {
                Some(found) if lease::holder(&found) == Some(&self.me) => lease = found,
                _ => return Ok(()),
            }
        }
        Ok(())
    }

    /// `None` if somebody else wrote meanwhile.
    async fn write(&self, lease: Lease) -> Result<Option<Lease>, kube::Error> {
        let lease = lease::held(lease, &self.me, self.duration, Timestamp::now());
        lost_race(self.api.replace(&name_of(&lease), &PostParams::default(), &lease).await)
    }

    async fn create(&self, blank: &Lease) -> Result<Option<Lease>, kube::Error> {
        let lease = lease::held(blank.clone(), &self.me, self.duration, Timestamp::now());
        lost_race(self.api.create(&PostParams::default(), &lease).await)
    }
}

fn name_of(lease: &Lease) -> String {
    lease.metadata.name.clone().unwrap_or_default()
}

fn lost_race(written: Result<Lease, kube::Error>) -> Result<Option<Lease>, kube::Error> {
    match written {
        Ok(lease) => Ok(Some(lease)),
        Err(kube::Error::Api(e)) if e.code == 409 || e.code == 404 => Ok(None),
        Err(error) => Err(error),
    }
}
