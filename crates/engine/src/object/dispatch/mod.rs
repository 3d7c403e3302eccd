//! The emnify side: when the turn of an object has come, it is planned again and one call is sent.

mod call;
mod outcome;

use std::sync::Arc;

use emnify::{Api, Error};
use kube::ResourceExt;
use tokio::time::Instant;

use super::Controller;
use crate::{
    decide::known::{SecretState, Step},
    kind::{Id, Managed, decoded::Decoded},
    session::{
        Access, Session,
        queue::Ticket,
        role::{self, Doing},
    },
};

impl<K: Managed> Controller<K> {
    /// Plans the object of a ticket again and makes the call that it needs.
    pub(super) async fn dispatch(self: Arc<Self>, session: Arc<Session>, api: Api, ticket: Ticket) -> Ticket {
        let place = (ticket.item.namespace.clone(), ticket.item.name.clone());
        let Some(object) =
            self.object(&place.0, &place.1).filter(|o| o.uid().as_deref() == Some(&ticket.item.uid))
        else {
            return ticket;
        };
        let (status, _) = self.overlay.newest(&object);
        let secret = match self.read_secret(&object).await {
            Ok(secret) => secret,
            Err(error) => {
                tracing::warn!(kind = K::KIND, %error, "output Secret not read");
                (SecretState::Unknown, None)
            }
        };
        let (status, decision) = self.decide_bound(&object, status, &secret, self.shared.now());
        // a workspace that now leads elsewhere wakes its objects itself
        let Some(access) = decision.access().filter(|its| Arc::ptr_eq(&its.session, &session)) else {
            return ticket;
        };
        let api = api.by(&access.caller.client);
        match &decision.step {
            Step::Read(id) => self.read(&access, &api, &object, id).await,
            Step::ReadParts(id, parts) => self.read_parts(&access, &api, &object, id, parts).await,
            Step::UpToDate { have, .. } | Step::Differs { have: Some(have), .. } => {
                let id = K::id(&have.row);
                let due = Self::due_parts(&session, &id, &object, status.as_ref(), &decision.inputs);
                self.read_parts(&access, &api, &object, &id, &due).await;
            }
            Step::Create(_) | Step::Apply(..) | Step::Retire(..) => {
                self.send(&access, &api, &object, status, decision, &ticket).await;
            }
            _ => {}
        }
        self.trigger(&place.0, &place.1, "its call is over");
        ticket
    }

    async fn read(&self, access: &Access, api: &Api, object: &Decoded<K>, id: &Id) {
        let caller = &*access.caller;
        if !caller.may_try::<K>(Doing::Read, self.shared.now()) {
            return;
        }
        let kind_state = access.session.kind_state::<K>();
        let sent = Instant::now();
        match K::read(api, id).await {
            Ok(found) => {
                self.shared.allowed::<K>(caller, Doing::Read);
                match found {
                    Some(row) => drop(kind_state.mirror.put(row, sent)),
                    None => kind_state.mirror.forget(id),
                }
            }
            Err(error) => self.failed(caller, Doing::Read, object, &error),
        }
    }

    async fn read_parts(&self, access: &Access, api: &Api, object: &Decoded<K>, id: &Id, parts: &[K::Part]) {
        let kind_state = access.session.kind_state::<K>();
        let caller = &*access.caller;
        for part in parts {
            let doing = role::piece::<K>(part);
            if !caller.may_try::<K>(doing.clone(), self.shared.now()) {
                continue;
            }
            let sent = Instant::now();
            let mut into = K::Parts::clone(&kind_state.mirror.parts(id, &[], None).0);
            match K::read_part(api, id, *part, &mut into).await {
                Ok(()) => {
                    self.shared.allowed::<K>(caller, doing);
                    kind_state.mirror.put_parts(id, into, &[*part], sent);
                }
                Err(error) => {
                    if let Error::NotFound { .. } = error {
                        kind_state.mirror.doubt(id);
                    }
                    return self.failed(caller, doing, object, &error);
                }
            }
        }
    }
}
