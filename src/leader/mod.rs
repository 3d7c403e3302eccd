//! Who may act. Of the replicas of a shard one leads ([`election`]), and of all shards one serves an organisation
//! ([`organisation_lease`]); both are Leases ([`lease`], [`leases`]) that open and shut an [`emnify::Gate`]. Requests to emnify ask the
//! gate in the client, writes to Kubernetes in [`fenced_client`]. [`Shard`] says which workspaces are ours.

pub mod election;
pub mod fenced_client;
pub mod lease;
pub mod leases;
pub mod organisation_lease;

#[cfg(test)]
mod tests;

use std::{env, sync::Arc};

use emnify::Gate;
use kube::{Api, Client};

use self::{election::Election, organisation_lease::Claims};
use crate::settings::{Settings, shard::Shard};

/// This process's part among replicas and shards.
#[derive(Debug)]
pub struct Lead {
    /// Open while this process may act.
    pub gate: Arc<Gate>,
    /// Workspaces that are ours.
    pub shard: Shard,
    /// The election, unless nobody else can lead.
    pub election: Option<Election>,
    /// Organisations that this shard serves, unless there can be no other shard.
    pub claims: Option<Claims>,
}

impl Lead {
    /// What the settings say; with an election its gate is shut until it is won. `client` writes Leases whether we lead
    /// or not.
    pub fn new(settings: &Settings, client: &Client, me: &str) -> Arc<Self> {
        let lead = &settings.lead;
        let shard = lead.shard.clone();
        if !lead.elect {
            return Arc::new(Self { gate: Gate::open(), shard, election: None, claims: None });
        }
        let (gate, namespace) = (Gate::shut(), &settings.operator_namespace);
        let leases = Api::namespaced(client.clone(), namespace);
        let election = Election::new(leases, shard.lease(), me.to_owned(), lead.terms, gate.clone());
        let claims = Claims::new(client.clone(), namespace, shard.clone(), gate.clone());
        Arc::new(Self { gate, shard, election: Some(election), claims: Some(claims) })
    }

    /// Returns once this process leads.
    pub async fn won(&self) {
        if let Some(election) = &self.election {
            election.won().await;
        }
    }

    /// Keeps what this process leads by; returns when it must not act any more, and the gate is shut then.
    pub async fn lost(&self) -> election::Lost {
        let claims = async {
            match &self.claims {
                Some(claims) => claims.keep().await,
                None => std::future::pending().await,
            }
        };
        let election = async {
            match &self.election {
                Some(election) => election.lost().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            lost = election => lost,
            never = claims => match never {},
        }
    }

    /// Lets go of the lease, if it is ours.
    pub async fn release(&self) {
        if let Some(election) = &self.election {
            election.release().await;
        }
    }

    /// How it stands, for metrics; a process that nobody stands by for leads always.
    pub fn snapshot(&self) -> election::Snapshot {
        let alone = election::Snapshot { leads: self.gate.lives(), transitions: 0 };
        self.election.as_ref().map_or(alone, Election::snapshot)
    }
}

/// Who this process is among all candidates: the pod's name, and what tells it from an earlier life of the pod.
pub fn identity() -> String {
    let host = env::var("HOSTNAME").ok().filter(|name| !name.is_empty());
    format!("{}_{:08x}", host.as_deref().unwrap_or("emnify-operator"), rand::random::<u32>())
}
