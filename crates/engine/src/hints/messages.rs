//! Callbacks about messages: handed to whoever acts on them. A receipt is a hint like others: work that is followed is asked about
//! sooner, and what the receipt says is not believed.

use std::{slice::from_ref, time::Duration};

use crate::{
    cluster::context::Shared,
    kind::message::{Heard, Message},
};

/// An organisation that nobody here knows may be one that is not logged in to yet, so long after this process began to work.
const WARMING_UP: Duration = Duration::from_secs(120);

impl Shared {
    /// A callback told of a message. Nothing here waits for anything. A message that names no organisation is shown to every session:
    /// what it names exists in one of them.
    pub fn on_message(&self, message: &Message) -> Heard {
        let mut sessions = self.workspaces.sessions();
        sessions.retain(|session| message.organisation.as_ref().is_none_or(|id| *id == session.organisation));
        if sessions.is_empty() {
            let warm = self.opened_at().is_some_and(|opened| opened.elapsed() >= WARMING_UP);
            return if warm && !self.settings.sharded { Heard::Nowhere } else { Heard::Elsewhere };
        }
        for session in &sessions {
            self.kinds().for_each(|kind| kind.on_messages(session, from_ref(message)));
        }
        Heard::Here
    }
}
