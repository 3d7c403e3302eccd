//! Registering a batch: what emnify says of it before, what it answers, and what is made of a refusal that does not say why.

use emnify::{
    Api, Error,
    wire::{
        sim::status,
        sim_batch::{BatchState, Registration as Made},
    },
};
use emnify_engine::kind::{
    reason,
    task::{Note, Outcome},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ranges, spec::SimBatchStatus};
use crate::kinds::endpoint_set::IccidRange;

/// A registration.
#[derive(Clone, Debug)]
pub struct Registration {
    pub(super) bic: String,
    /// SIMs come in Factory Test.
    pub(super) factory_test: bool,
}

/// What emnify names once, and the status keeps.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    sims: i64,
    ranges: Vec<IccidRange>,
    truncated: bool,
    at: String,
}

impl Registration {
    /// Asks first: a refusal of the registration itself says nothing. Sent again it finds what it did before.
    pub(super) async fn send(&self, api: &Api) -> Result<Outcome, Error> {
        if let Some(outcome) = settled(api.sim_batch(&self.bic).await?) {
            return Ok(outcome);
        }
        if self.factory_test && !allows_factory_test(api).await? {
            let message = "the tariff plan has no Factory Test: make a new SimBatch with state Issued";
            return Ok(Outcome::Failed { reason: reason::INVALID_SPEC, message: message.to_owned() });
        }
        let state = if self.factory_test { status::FACTORY_TEST } else { status::ISSUED };
        match api.register_sim_batch(&self.bic, state).await {
            Ok(made) => Ok(registered(&made, api.client().server_time())),
            Err(Error::Rejected { status: 422, .. }) => {
                let settled = settled(api.sim_batch(&self.bic).await?);
                Ok(settled.unwrap_or_else(unexplained))
            }
            Err(error) => Err(error),
        }
    }
}

/// What is final about a batch before anything is sent.
fn settled(state: BatchState) -> Option<Outcome> {
    let failed = |reason, message: &str| Some(Outcome::Failed { reason, message: message.to_owned() });
    match state {
        BatchState::Registrable => None,
        BatchState::Registered => Some(Outcome::Noted(Note {
            reason: reason::ALREADY_REGISTERED,
            message: "the batch is registered already; emnify does not say again which SIMs it has"
                .to_owned(),
            kept: None,
        })),
        BatchState::Unknown => {
            failed(reason::NOT_FOUND, "emnify knows no batch with this BIC: compare it with the box")
        }
        BatchState::Foreign => {
            failed(reason::REJECTED, "the SIMs of this batch belong to another organisation: ask emnify")
        }
    }
}

fn unexplained() -> Outcome {
    let message = "emnify refuses the registration and does not say why, though the batch can be registered: ask emnify";
    Outcome::Failed { reason: reason::REJECTED, message: message.to_owned() }
}

async fn allows_factory_test(api: &Api) -> Result<bool, Error> {
    let plan = api.active_tariff_plan().await?;
    Ok(plan.and_then(|plan| plan.factory_test_mode_allowed) == Some(true))
}

fn registered(made: &Made, at: Timestamp) -> Outcome {
    let (ranges, truncated) = ranges::of(&made.sims);
    let sims = i64::try_from(made.sims.len()).unwrap_or(i64::MAX);
    let at = Timestamp::from_second(at.as_second()).unwrap_or(at).to_string();
    let message = match sims {
        0 => "registered; emnify did not say which SIMs".to_owned(),
        1 => "1 SIM registered".to_owned(),
        sims => format!("{sims} SIMs registered"),
    };
    let kept = serde_json::to_value(Kept { sims, ranges, truncated, at });
    Outcome::Noted(Note { reason: reason::COMPLETE, message, kept: kept.ok() })
}

/// Writes what was kept.
pub(super) fn keep(status: &mut SimBatchStatus, kept: &serde_json::Value) {
    let Ok(Kept { sims, ranges, truncated, at }) = Kept::deserialize(kept) else { return };
    status.sims = Some(sims).filter(|sims| *sims > 0);
    status.iccid_ranges = ranges;
    status.ranges_truncated = truncated.then_some(true);
    status.completed_at = Some(at);
}
