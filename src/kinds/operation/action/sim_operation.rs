//! Operations on SIMs and eUICCs as a whole.

use emnify::{
    Api, Cursor, Error,
    wire::sim_operation::{SimOperation as Row, SimTarget},
};
use emnify_engine::kind::{
    Id, Input, Inputs, Invalid, Source, reason,
    task::{Again, Outcome, Work},
};
use jiff::Timestamp;

use super::{
    facts::{Facts, invalid},
    given::Given,
};
use crate::{
    api::{References, Target},
    kinds::{
        common::lookups::{ESIM_PRODUCTS, SIM_OPERATION_ACTIONS},
        operation::params::SimOperation,
    },
};

pub(super) const DO: Facts = Facts::of("simOperation", Again::Proof, 1).irreversible();

const ACTION: &str = "action.simOperation.action";
const PRODUCT: &str = "action.simOperation.product";

/// What is done with one SIM or eUICC.
#[derive(Clone, Debug)]
pub struct Deed {
    action: i64,
    product: Option<i64>,
    target: SimTarget,
}

impl SimOperation {
    pub(super) fn inputs(&self) -> Vec<Input> {
        let name = self.action.clone();
        let action =
            Input::new(ACTION, Source::Lookup { table: &SIM_OPERATION_ACTIONS, name, optional: false });
        let product = self.product.as_ref();
        let product = product.and_then(|product| product.input(PRODUCT, Target::Table(&ESIM_PRODUCTS)));
        [action].into_iter().chain(product).collect()
    }

    pub(super) fn of(&self, given: &Given<'_>) -> Result<Deed, Outcome> {
        let (action, product) = self.read(given.from).map_err(|why| invalid(&why))?;
        let target = match given.target {
            Id::Int(sim) => SimTarget::Sim(*sim),
            Id::Text(eid) => SimTarget::Eid(eid.clone()),
        };
        Ok(Deed { action, product, target })
    }

    fn read(&self, from: &Inputs) -> Result<(i64, Option<i64>), Invalid> {
        let action = from.int(ACTION).ok_or_else(|| Invalid::new(ACTION, "emnify knows no such action"))?;
        let product = self.product.as_ref().map(|product| product.required(PRODUCT, from));
        Ok((action, product.transpose()?))
    }
}

impl Deed {
    pub(super) async fn send(&self, api: &Api) -> Result<Outcome, Error> {
        if let (SimTarget::Eid(eid), Some(_)) = (&self.target, self.product)
            && api.is_linked(eid).await?
        {
            let message = "the eUICC has a profile already".to_owned();
            return Ok(Outcome::Failed { reason: reason::LINKED, message });
        }
        let made = api.begin_sim_operation(self.action, self.product, &self.target).await?;
        Ok(Outcome::UnderWay(Work { id: made.id, within: None }))
    }

    /// The newest operation of this kind on this target since then.
    pub(super) async fn prove(&self, api: &Api, since: Timestamp) -> Result<Option<Outcome>, Error> {
        let mut next = Some(Cursor::first());
        while let Some(at) = next {
            let page = api.newest_sim_operations(at).await?;
            next = page.next();
            for row in page.items {
                if row.creation_date.is_some_and(|at| at < since) {
                    return Ok(None);
                }
                if row.action == Some(self.action) && row.is_on(&self.target) {
                    let work = Work { id: row.id.clone(), within: None };
                    return Ok(Some(ended(&row).unwrap_or(Outcome::UnderWay(work))));
                }
            }
        }
        Ok(None)
    }
}

pub(super) async fn follow(api: &Api, work: &Work) -> Result<Option<Outcome>, Error> {
    let row = api.sim_operation(&work.id).await?;
    let gone = || Error::NotFound { message: "the operation is gone".to_owned() };
    row.ok_or_else(gone).map(|row| ended(&row))
}

fn ended(row: &Row) -> Option<Outcome> {
    row.finalization_date?;
    let failed = row.failed_count.is_some_and(|failed| failed > 0) || !row.errors.is_empty();
    if !failed {
        return Some(Outcome::Succeeded { id: Some(row.id.clone()), detail: None });
    }
    let why = row.errors.iter().find_map(|error| error.message.clone());
    let message = why.unwrap_or_else(|| "emnify could not carry it out and does not say why".to_owned());
    Some(Outcome::Failed { reason: reason::REJECTED, message })
}
