//! How operations on SIMs and EIDs are carried out.

use jiff::SignedDuration;
use serde_json::json;

use super::euicc::{Euicc, IOT};
use super::sim::Actor;
use super::sim_operation::{action, status};
use super::{Organisation, Sim, SimOperation, SimTarget};

/// How long an operation stays in each state by itself. [?]
const STEP: SignedDuration = SignedDuration::from_secs(2);

impl Organisation {
    /// Lets operations on SIMs go on that are due.
    pub(super) fn settle_sim_operations(&mut self, actor: &mut Actor<'_>) {
        let now = actor.now;
        let due = |row: &SimOperation| {
            let open = row.finalized.is_none() && row.updated + STEP <= now;
            open.then_some((row.id, row.status, row.updated + STEP))
        };
        while let Some((id, from, at)) = self.sim_operations.values().find_map(due) {
            if from == status::SCHEDULED {
                let row = self.sim_operations.get_mut(&id).expect("just seen");
                (row.status, row.updated) = (status::IN_PROGRESS, at);
                continue;
            }
            let SimOperation { action, product, targets, mut errors, .. } = self.sim_operations[&id].clone();
            for target in targets {
                let eid = target.eid.clone().unwrap_or_default();
                if !eid.is_empty() && errors.iter().any(|(known, _)| *known == eid) {
                    continue;
                }
                if let Err(why) = self.run_on(actor, action, product, &target) {
                    errors.push((eid, why));
                }
            }
            let row = self.sim_operations.get_mut(&id).expect("just seen");
            row.errors = errors;
            (row.status, row.updated, row.finalized) = (status::COMPLETED, at, Some(at));
        }
    }

    fn run_on(
        &mut self,
        actor: &mut Actor<'_>,
        action: u64,
        product: Option<u64>,
        target: &SimTarget,
    ) -> Result<(), String> {
        if action == action::RESET {
            let by_eid = |sim: &&Sim| target.eid.is_some() && sim.eid == target.eid;
            let sim = target.sim.or_else(|| self.sims.values().find(by_eid).map(|sim| sim.id));
            let device = self.endpoint_of_sim(sim.ok_or("No SIM has this EID")?);
            if let Some(device) = device {
                self.drop_connection(actor, device);
            }
            return Ok(());
        }
        let eid = target.eid.as_deref().ok_or("The SIM has no EID")?;
        if self.is_linked(eid) {
            return Err("The EID is linked already".to_owned());
        }
        let product = product.and_then(|id| self.esim_products.get_mut(&id)).ok_or("Unknown product")?;
        product.quantity = product.quantity.checked_sub(1).ok_or("No profile of the product is left")?;
        let name = product.name.clone();
        self.link(actor, eid, &name);
        Ok(())
    }

    /// An eUICC of that EID has a profile at its disposal.
    pub fn is_linked(&self, eid: &str) -> bool {
        self.euiccs.values().any(|euicc| euicc.eid == eid && !euicc.profiles.is_empty())
    }

    /// Puts a profile, which is a SIM, at the disposal of an EID.
    fn link(&mut self, actor: &mut Actor<'_>, eid: &str, product: &str) {
        let number = actor.next.sim;
        let iccid = format!("898830388{number:010}");
        let sim = json!({
            "iccid": iccid, "imsi": format!("90143{number:010}"), "msisdn": format!("88239{number:010}"),
            "eid": eid, "profile_type": IOT, "production_date": actor.now,
        });
        let sim: Sim = serde_json::from_value(sim).expect("a SIM written as a SIM");
        let sim = self.sims.add(actor.next, sim);
        self.indexes.sim_by_iccid.insert(iccid.clone(), sim);
        let profile = json!({"iccid": iccid, "name": product});
        let profile = serde_json::from_value(profile).expect("a profile written as one");
        if let Some(euicc) = self.euiccs.values_mut().find(|euicc| euicc.eid == eid) {
            euicc.profiles.push(profile);
            return;
        }
        let euicc = json!({"eid": eid, "created": actor.now});
        let mut euicc: Euicc = serde_json::from_value(euicc).expect("an eUICC written as one");
        euicc.profiles.push(profile);
        self.euiccs.add(actor.next, euicc);
    }
}
