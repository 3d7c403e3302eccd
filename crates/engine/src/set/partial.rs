//! What a refused call made.

use jiff::Timestamp;

use super::{controller::SetEntry, state::SetState};
use crate::{
    kind::{Managed, set::ObjectSet},
    session::{
        mirror::Known,
        past::{appeared, by_emnify},
    },
};

/// A listing that was complete after a refused call tells whether the call had made anything.
pub(super) fn learn_from<F: ObjectSet>(entry: &SetEntry<F>, set: &SetState<F>, now: Timestamp) {
    let kind_state = entry.session.kind_state::<F::Member>();
    let Some(complete) = kind_state.mirror.complete_since() else { return };
    for (pool, unsure) in set.roster.unsure.iter().filter(|(_, u)| u.refused && complete >= u.proof) {
        let since = appeared(by_emnify(&entry.session, unsure.proof, now));
        let made = kind_state.mirror.find(&F::key(*pool)).iter().any(|id| {
            matches!(kind_state.mirror.get(id), Known::Present(row) if F::Member::created(&row).is_none_or(|at| at >= since))
        });
        if made {
            kind_state.learn_partial();
        } else {
            kind_state.learn_whole();
        }
    }
}
