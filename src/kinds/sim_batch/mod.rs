//! `SimBatch`: a delivery of SIMs that is registered once.
//!
//! A task with one target, the batch. emnify refuses a second registration, so that one whose answer is missing is simply tried again.

mod ranges;
mod registration;
mod spec;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use emnify::{Api, Error};
use emnify_engine::kind::{
    Id, Input, Inputs, Invalid, Kind, Status,
    spec::{CommonSpec, CommonStatus, WorkspaceRef},
    task::{Again, Outcome, Progress, Task, TaskStatus, Terms, Work, World},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use self::registration::Registration;
pub use self::spec::{BatchSimState, SimBatch, SimBatchSpec, SimBatchStatus};
use super::sim::Sim;

/// The one target. A BIC may be all digits, which as an id would lose those that lead.
const TARGET: &str = "batch";

impl Kind for SimBatch {
    type Status = SimBatchStatus;

    const KIND: &'static str = "SimBatch";

    /// It adopts, corrects and retires nothing.
    fn common(&self) -> &CommonSpec {
        static NONE: LazyLock<CommonSpec> = LazyLock::new(CommonSpec::default);
        &NONE
    }

    fn workspace_ref(&self) -> Option<&WorkspaceRef> {
        self.spec.workspace_ref.as_ref()
    }

    fn status(&self) -> Option<&SimBatchStatus> {
        self.status.as_ref()
    }
}

impl Status for SimBatchStatus {
    fn common(&self) -> &CommonStatus {
        &self.common
    }

    fn common_mut(&mut self) -> &mut CommonStatus {
        &mut self.common
    }
}

impl TaskStatus for SimBatchStatus {
    fn progress(&self) -> &Progress {
        &self.progress
    }

    fn progress_mut(&mut self) -> &mut Progress {
        &mut self.progress
    }
}

impl Task for SimBatch {
    type Member = Sim;
    type Pool = Sim;
    type Call = Registration;

    /// The SIMs come to the whole organisation.
    const SENSITIVE: bool = true;
    const EXPIRES: bool = false;

    fn terms(&self) -> Result<Terms, Invalid> {
        if self.spec.state == Some(BatchSimState::Activated) {
            return Err(Invalid::new("state", "emnify registers SIMs as Issued whatever is asked"));
        }
        let until = self.spec.valid_until.as_ref().map(|date| date.get("validUntil")).transpose()?;
        Ok(Terms {
            suspend: self.spec.suspend == Some(true),
            window: 1,
            max_failed: None,
            not_before: None,
            valid_until: until,
            active_seconds: None,
            ttl_seconds: None,
            irreversible: false,
            confirmed: None,
            disturbs: 0,
            serial: None,
            again: Again::Yes,
            lone: true,
        })
    }

    fn inputs(&self) -> Vec<Input> {
        Vec::new()
    }

    fn targets(&self, _: &Inputs, _: &World<'_, Self>) -> Result<Vec<Id>, Invalid> {
        Ok(vec![Id::Text(TARGET.to_owned())])
    }

    fn concerns(&self, _: &Id, _: &World<'_, Self>) -> Vec<(&'static str, Id)> {
        Vec::new()
    }

    fn display_name(&self, _: &Id, _: &World<'_, Self>) -> Option<String> {
        Some(self.spec.bic.to_string())
    }

    fn prepare(&self, _: &Id, _: &Inputs, _: &World<'_, Self>) -> Result<Registration, Outcome> {
        let factory_test = self.spec.state == Some(BatchSimState::FactoryTest);
        Ok(Registration { bic: self.spec.bic.to_string(), factory_test })
    }

    fn report(&self, _: &mut SimBatchStatus) {}

    fn keep(status: &mut SimBatchStatus, kept: &Value) {
        registration::keep(status, kept);
    }

    async fn send(api: &Api, _: &Id, call: &Registration) -> Result<Outcome, Error> {
        call.send(api).await
    }

    /// Never asked: it is sent again.
    async fn prove(_: &Api, _: &Id, _: &Registration, _: Timestamp) -> Result<Option<Outcome>, Error> {
        Ok(None)
    }

    /// Never asked: the answer is the end.
    async fn follow(&self, _: &Api, _: &Id, _: &Work, _: SignedDuration) -> Result<Option<Outcome>, Error> {
        Ok(None)
    }
}
