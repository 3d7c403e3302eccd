//! SIMs that move to another workspace.

use emnify::{
    Api, Error,
    wire::{Ref, sim::SimMigration},
};
use emnify_engine::kind::{
    Id, Input, Inputs, Invalid, Source,
    task::{Again, Outcome},
};

use super::{
    facts::{Facts, invalid},
    given::Given,
};
use crate::kinds::operation::params::MigrateSims;

const MOVE: Facts = Facts::of("migrateSims", Again::Proof, 1).irreversible();
const LOOK: Facts = Facts::of("migrateSims", Again::Yes, 0);

const WORKSPACE: &str = "action.migrateSims.targetWorkspace.workspaceRef";

/// One SIM that moves.
#[derive(Clone, Debug)]
pub struct Moving(SimMigration);

impl MigrateSims {
    pub(super) fn facts(&self) -> Facts {
        if self.dry_run == Some(true) { LOOK } else { MOVE }
    }

    pub(super) fn of(&self, given: &Given<'_>) -> Result<Moving, Outcome> {
        given.person()?;
        self.read(given.target, given.from).map(Moving).map_err(|why| invalid(&why))
    }

    pub(super) fn inputs(&self) -> Vec<Input> {
        let workspace = self.target_workspace.workspace_ref.iter().cloned();
        workspace.map(|workspace| Input::new(WORKSPACE, Source::Workspace { workspace })).collect()
    }

    fn read(&self, sim: &Id, from: &Inputs) -> Result<SimMigration, Invalid> {
        let sim = sim.int().ok_or_else(|| Invalid::new("target", "a SIM has a number"))?;
        let target = match &self.target_workspace.id {
            Some(id) => id.int("action.migrateSims.targetWorkspace.id")?,
            None => from.int(WORKSPACE).ok_or_else(|| Invalid::new(WORKSPACE, "name a workspace"))?,
        };
        Ok(SimMigration {
            sims: vec![Ref { id: sim }],
            target_workspace: Ref { id: target },
            allowed_sim_statuses: self
                .allowed_states
                .iter()
                .flatten()
                .map(|state| Ref { id: state.id() })
                .collect(),
            auto_detach_devices: self.detach_devices == Some(true),
            dry_run: self.dry_run == Some(true),
        })
    }
}

impl Moving {
    pub(super) async fn send(&self, api: &Api) -> Result<Outcome, Error> {
        api.migrate_sims(&self.0).await?;
        let detail = self.0.dry_run.then(|| "it can be moved".to_owned());
        Ok(Outcome::Succeeded { id: None, detail })
    }

    /// It is not here any more.
    pub(super) async fn prove(&self, api: &Api, sim: i64) -> Result<Option<Outcome>, Error> {
        Ok(api.sim(sim).await?.is_none().then_some(Outcome::DONE))
    }
}
