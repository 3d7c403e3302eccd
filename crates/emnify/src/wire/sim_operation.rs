//! Operations on SIMs and eUICCs as a whole, such as linking a profile that was bought. [S]

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::common::{Named, Ref};
use super::lenient;
use super::listing::Listing;
use super::record::record;
use crate::api::Api;
use crate::call::Call;
use crate::error::{Error, found};
use crate::page::{Cursor, Page};

/// The largest page [S][D].
const LARGEST_PAGE: u32 = 1_000;

/// What an operation is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SimTarget {
    /// A SIM, by its id.
    Sim(i64),
    /// An eUICC, by its 32 digits.
    Eid(String),
}

impl Serialize for SimTarget {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Sim {
            sim: Ref,
        }
        match self {
            Self::Sim(id) => Sim { sim: Ref { id: *id } }.serialize(to),
            Self::Eid(eid) => Eid { eid }.serialize(to),
        }
    }
}

#[derive(Serialize)]
struct Eid<'a> {
    eid: &'a str,
}

record!(
    /// An operation, as the API keeps it.
    #[derive(Debug, Clone, PartialEq)]
    pub struct SimOperation {
        /// A UUID.
        pub id: String,
        /// Id of what is done.
        #[read(lenient::reference)]
        pub action: Option<i64>,
        /// When it was asked for.
        pub creation_date: Option<Timestamp>,
        /// When it ended.
        pub finalization_date: Option<Timestamp>,
        /// What it is on.
        #[key("target")]
        pub targets: Vec<ShownTarget>,
        /// Targets that failed.
        pub failed_count: Option<i64>,
        /// Why.
        #[key("error")]
        pub errors: Vec<TargetError>,
    }
);

record!(
    /// What an operation is on: a SIM on an eUICC shows both.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct ShownTarget {
        /// Id of the SIM.
        #[read(lenient::reference)]
        pub sim: Option<i64>,
        /// 32 digits.
        pub eid: Option<String>,
    }
);

record!(
    /// What went wrong with a target.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct TargetError {
        /// In words.
        pub message: Option<String>,
    }
);

record!(
    /// A product of which profiles are left that are on no eUICC.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct EsimProduct {
        /// The product.
        pub product: Option<Named>,
    }
);

record!(
    struct Linked {
        eid: String,
    }
);

#[derive(Serialize)]
struct New<'a> {
    action: Ref,
    #[serde(skip_serializing_if = "Option::is_none")]
    product: Option<Ref>,
    target: [&'a SimTarget; 1],
}

#[derive(Serialize)]
struct Validation<'a> {
    target: [Eid<'a>; 1],
}

impl SimOperation {
    /// It is on this.
    pub fn is_on(&self, target: &SimTarget) -> bool {
        self.targets.iter().any(|shown| match target {
            SimTarget::Sim(id) => shown.sim == Some(*id),
            SimTarget::Eid(eid) => shown.eid.as_ref() == Some(eid),
        })
    }
}

impl Api {
    /// Begins an operation on one SIM or eUICC. It may be billed, and is not sent twice.
    pub async fn begin_sim_operation(
        &self,
        action: i64,
        product: Option<i64>,
        target: &SimTarget,
    ) -> Result<SimOperation, Error> {
        let body = New { action: action.into(), product: product.map(Ref::from), target: [target] };
        self.call(Call::post("/api/v1/sim/operation").body(&body)).await?.json()
    }

    /// One operation.
    pub async fn sim_operation(&self, id: &str) -> Result<Option<SimOperation>, Error> {
        let call = Call::get("/api/v1/sim/operation/{operation_id}").arg(id);
        found(self.call(call).await)?.map(|reply| reply.json()).transpose()
    }

    /// A page of operations, the newest first.
    pub async fn newest_sim_operations(&self, at: Cursor) -> Result<Page<SimOperation>, Error> {
        let listing = Listing::all().sort("-creation_date").per_page(LARGEST_PAGE);
        let full = usize::try_from(LARGEST_PAGE).ok();
        self.call(listing.apply(Call::get("/api/v1/sim/operation"), at)).await?.page(at, full)
    }

    /// What can be done with SIMs.
    pub async fn sim_operation_actions(&self) -> Result<Vec<Named>, Error> {
        self.call(Call::get("/api/v1/sim/operation/action")).await?.lookup()
    }

    /// Products of which profiles were bought that are on no eUICC yet.
    pub async fn esim_products(&self) -> Result<Vec<EsimProduct>, Error> {
        self.call(Call::get("/api/v1/sim/unlinked_product_stats")).await?.lookup()
    }

    /// Whether an eUICC has a profile already, and so can take none.
    pub async fn is_linked(&self, eid: &str) -> Result<bool, Error> {
        let call = Call::post("/api/v1/euicc/unlinked_validation").repeatable(true);
        let linked: Vec<Linked> =
            self.call(call.body(&Validation { target: [Eid { eid }] })).await?.list()?;
        Ok(linked.iter().any(|linked| linked.eid == eid))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json, to_value};

    use super::*;

    #[test]
    fn an_operation_names_one_target_and_is_known_by_it() {
        let (sim, eid) = (SimTarget::Sim(7), SimTarget::Eid("89".into()));
        let new = New { action: 1.into(), product: None, target: [&sim] };
        assert_eq!(to_value(new).unwrap(), json!({"action": {"id": 1}, "target": [{"sim": {"id": 7}}]}));
        let new = New { action: 1.into(), product: Some(3.into()), target: [&eid] };
        let sent = json!({"action": {"id": 1}, "product": {"id": 3}, "target": [{"eid": "89"}]});
        assert_eq!(to_value(new).unwrap(), sent);
        let shown = json!({"id": "0b5f4a0e-6a1c-4d53-9a57-3a8f1f0d2c11", "action": {"id": 1, "description": "Link"},
            "status": {"id": 3}, "creation_date": "2026-03-01T10:00:00.000Z", "finalization_date": null,
            "target": [{"sim": {"id": 7}, "eid": "88"}], "total_count": 1, "failed_count": 0, "error": []});
        let operation: SimOperation = from_value(shown).unwrap();
        assert!(operation.is_on(&sim) && !operation.is_on(&eid));
        assert_eq!((operation.action, operation.finalization_date), (Some(1), None));
    }
}
