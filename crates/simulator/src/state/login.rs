//! Who may do what.

use super::State;
use crate::http::token::Claims;

impl State {
    /// The roles a token acts with; none when its owner is gone.
    pub(crate) fn roles(&self, claims: &Claims) -> Option<Vec<u64>> {
        let org = self.organisations.get(&claims.organisation)?;
        if let Some(id) = claims.application_token {
            return Some(org.application_tokens.get(&id)?.roles.clone());
        }
        let user = self.users.get(&claims.user?)?;
        user.workspaces
            .iter()
            .find(|membership| membership.organisation == org.id)
            .map(|membership| membership.roles.clone())
    }
}
