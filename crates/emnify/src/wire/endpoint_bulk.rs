//! Many endpoints in one call: at most 2,000, and never two such calls of one organisation at a time [S][D].

use serde::Serialize;

use super::common::Ref;
use super::endpoint::{Endpoint, EndpointOwn, EndpointPatch};
use crate::api::Api;
use crate::call::Call;
use crate::error::Error;

/// Endpoints per call [S].
pub const LARGEST_BATCH: usize = 2_000;

/// New endpoints that share policies, state and address space.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EndpointBatch {
    /// State of all.
    pub status: Ref,
    /// Service policy of all.
    pub service_profile: Ref,
    /// Coverage policy of all.
    pub tariff_profile: Ref,
    /// Address space of all; required with addresses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip_address_space: Option<Ref>,
    /// What differs.
    pub endpoints: Vec<EndpointOwn>,
}

/// Changes to one endpoint of many.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EndpointBatchPatch {
    /// Which one.
    pub id: i64,
    /// What changes.
    #[serde(flatten)]
    pub patch: EndpointPatch,
}

impl Api {
    /// Creates endpoints. An answer without the new endpoints is [`Error::Ambiguous`].
    pub async fn create_endpoints(&self, batch: &EndpointBatch) -> Result<Vec<Endpoint>, Error> {
        let made: Vec<Endpoint> =
            self.call(Call::post("/api/v2/endpoint/multi").body(batch)).await?.list()?;
        if made.len() == batch.endpoints.len() {
            return Ok(made);
        }
        Err(Error::Ambiguous {
            message: format!(
                "{} endpoints were asked for, the answer shows {}",
                batch.endpoints.len(),
                made.len()
            ),
        })
    }

    /// Changes endpoints.
    pub async fn patch_endpoints(&self, patches: &[EndpointBatchPatch]) -> Result<(), Error> {
        self.call(Call::patch("/api/v2/endpoint/multi").body(&patches)).await.map(drop)
    }

    /// Deletes endpoints. Their SIMs are released and suspended, never deleted [S].
    pub async fn delete_endpoints(&self, ids: &[i64]) -> Result<(), Error> {
        let ids: Vec<Ref> = ids.iter().copied().map(Ref::from).collect();
        let call = Call::delete("/api/v2/endpoint/multi").query("delete_sims", false).body(&ids);
        self.call(call).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_patch_of_many_names_each() {
        let patch = EndpointPatch { status: Some(1.into()), ..EndpointPatch::default() };
        let one = EndpointBatchPatch { id: 9, patch };
        assert_eq!(serde_json::to_value([one]).unwrap(), json!([{"id": 9, "status": {"id": 1}}]));
    }
}
