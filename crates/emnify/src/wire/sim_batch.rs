//! Batches of SIMs, registered once by the code on their box.

use serde::Serialize;

use super::common::Ref;
use super::record::record;
use super::sim::Sim;
use crate::api::Api;
use crate::call::Call;
use crate::error::Error;

/// How a batch stands, for whoever asks. [S]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchState {
    /// It can be registered.
    Registrable,
    /// It was registered before.
    Registered,
    /// No batch has this code.
    Unknown,
    /// Its SIMs belong to another organisation.
    Foreign,
}

record!(
    /// What a registration made.
    #[derive(Debug, Clone, Default, PartialEq)]
    pub struct Registration {
        /// Its SIMs, of which ids and ICCIDs are shown [R]. emnify names them this once.
        #[key("sim")]
        pub sims: Vec<Sim>,
    }
);

#[derive(Serialize)]
struct Wanted {
    sim_status: Ref,
}

impl Api {
    /// How the batch with this code stands.
    pub async fn sim_batch(&self, bic: &str) -> Result<BatchState, Error> {
        match self.call(Call::get("/api/v1/sim_batch/bic/{bic}").arg(bic)).await {
            Ok(_) => Ok(BatchState::Registrable),
            Err(Error::Rejected { status: 400, .. }) => Ok(BatchState::Registered),
            Err(Error::Rejected { status: 422, .. }) => Ok(BatchState::Foreign),
            Err(Error::NotFound { .. }) => Ok(BatchState::Unknown),
            Err(error) => Err(error),
        }
    }

    /// Registers the batch, with SIMs in this [`status`](super::sim::status). emnify refuses a second time [R], and does not say why
    /// it refuses: ask how the batch stands.
    pub async fn register_sim_batch(&self, bic: &str, status: i64) -> Result<Registration, Error> {
        let call = Call::patch("/api/v1/sim_batch/bic/{bic}").arg(bic).repeatable(false);
        let reply = self.call(call.body(&Wanted { sim_status: status.into() })).await?;
        // it is registered, whatever can be read of the answer
        Ok(reply.json().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json, to_value};

    use super::*;

    #[test]
    fn a_registration_asks_for_a_state_and_names_its_sims() {
        assert_eq!(to_value(Wanted { sim_status: 4.into() }).unwrap(), json!({"sim_status": {"id": 4}}));
        let made: Registration =
            from_value(json!({"sim": [{"id": 7, "iccid": "8988303000000000101"}]})).unwrap();
        assert_eq!(made.sims[0].number(), Some("8988303000000000101"));
    }
}
