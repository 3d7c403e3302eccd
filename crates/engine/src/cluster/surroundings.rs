//! What a task, or a trigger of tasks, sees around it: mirrors, objects of its namespace, and whose a device is.

use std::sync::Arc;

use super::{context::Shared, workspaces::Applicant};
use crate::{
    kind::{
        Id, Kind,
        object_key::ObjectKey,
        reason,
        spec::{WorkspaceKind, WorkspaceRef},
        task::{Here, Labels, Outcome},
    },
    session::{Session, claims::Right},
};

/// Objects of the namespace of one object.
pub(crate) struct Surroundings<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) session: &'a Arc<Session>,
    pub(crate) who: &'a ObjectKey,
    pub(crate) workspace: &'a WorkspaceRef,
}

impl Surroundings<'_> {
    /// The object that has this emnify object, of whatever namespace.
    fn holder(&self, kind: &'static str, id: &Id) -> Option<ObjectKey> {
        let listed = self.session.claims.holder(&Right::Object(kind, id.clone()));
        // what a set has not claimed yet is marked as its own
        listed.or_else(|| self.shared.kinds().find_map(|any| any.holder(self.session, kind, id)))
    }

    /// Why it leaves this alone, if it is not its own to touch.
    pub(crate) fn foreign(&self, concerns: &[(&'static str, Id)]) -> Option<Outcome> {
        let mut managed = false;
        for (kind, id) in concerns {
            let Some(holder) = self.holder(kind, id) else { continue };
            if holder.namespace != self.who.namespace {
                // whose it is elsewhere is nobody's business here
                let message = format!("{kind} {id} belongs to an object of another namespace");
                return Some(Outcome::Skipped { reason: reason::OWNERSHIP_CONFLICT, message });
            }
            managed = true;
        }
        if managed || self.workspace.kind != Some(WorkspaceKind::ClusterWorkspace) {
            return None;
        }
        let who = Applicant { namespace: &self.who.namespace, kind: self.who.kind, force: true };
        self.shared.workspaces.resolve(&who, Some(self.workspace)).state.err()?;
        let name = &self.workspace.name;
        let message = format!(
            "no object of this namespace manages it; ClusterWorkspace {name} needs allowForce for that"
        );
        Some(Outcome::Skipped { reason: reason::OWNERSHIP_CONFLICT, message })
    }
}

impl Here for Surroundings<'_> {
    fn labelled(&self, kind: &str, passes: &dyn Fn(&Labels) -> bool) -> Vec<Id> {
        let any = self.shared.kind(kind);
        any.map(|any| any.labelled(self.session, &self.who.namespace, passes)).unwrap_or_default()
    }

    fn members(&self, kind: &str, name: &str) -> Option<Vec<Id>> {
        self.shared.kind(kind)?.members(self.session, &self.who.namespace, name)
    }

    fn manager(&self, (kind, id): (&'static str, &Id), fields: &[(&str, &str)]) -> Option<String> {
        let holder = self.holder(kind, id)?;
        let any = self.shared.kind(holder.kind)?;
        let mut of_it = fields.iter().filter(|(kind, _)| *kind == holder.kind);
        let (_, pointer) = of_it.find(|(_, pointer)| any.sets(&holder, pointer))?;
        Some(format!("spec{} of {holder}", pointer.replace('/', ".")))
    }
}

/// Kinds whose listings it reads.
pub(crate) fn demand<M: Kind, P: Kind>(shared: &Shared, session: &Arc<Session>, who: &ObjectKey) {
    for kind in [M::KIND, P::KIND] {
        if let Some(any) = shared.kind(kind) {
            any.demand(session, who);
        }
    }
}
