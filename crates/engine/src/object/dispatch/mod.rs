//! The emnify side: when the turn of an object has come, it is planned again and one call is sent.

mod call;
mod outcome;

use std::sync::Arc;

use emnify::{Api, Error};
use tokio::time::Instant;

use self::call::CallItem;
use super::{Controller, scrub::Rotating};
use crate::{
    decide::known::{SecretState, Step},
    kind::{Id, Managed, decoded::Decoded},
    session::{
        Access, Session,
        queue::Ticket,
        role::{self, Doing},
    },
};

/// Who reads which emnify object, and for whom.
struct Reading<'a, K: Managed> {
    access: &'a Access,
    api: &'a Api,
    object: &'a Decoded<K>,
    id: &'a Id,
}

impl<K: Managed> Controller<K> {
    /// Plans the object of a ticket again and makes the call that it needs.
    pub(super) async fn dispatch(self: Arc<Self>, session: Arc<Session>, api: Api, ticket: Ticket) -> Ticket {
        let key = ticket.item.object.clone();
        let Some(object) = self.kube.object(&key).filter(|o| o.uid() == ticket.item.uid) else {
            return ticket;
        };
        let (status, _) = self.kube.newest(&object);
        let secret = match self.read_secret(&object).await {
            Ok(secret) => secret,
            Err(error) => {
                tracing::warn!(kind = K::KIND, %error, "output Secret not read");
                (SecretState::Unknown, None)
            }
        };
        let (status, decision) = self.decide_bound(&object, status, &secret, self.kube.now());
        // a workspace that now leads elsewhere wakes its objects itself
        let Some(access) = decision.access().filter(|its| Arc::ptr_eq(&its.session, &session)) else {
            return ticket;
        };
        let api = &api.by(&access.caller.client);
        let (its, by) = (&*object, &access);
        let of = |id| Reading { access: by, api, object: its, id };
        match &decision.step {
            Step::Read(id) => self.read(&of(id)).await,
            Step::ReadParts(id, parts) => self.read_parts(&of(id), parts).await,
            Step::UpToDate { have, .. } | Step::Differs { have: Some(have), .. } => {
                let (caller, now) = (&access.caller, self.kube.now());
                let (status, inputs) = (status.as_ref(), &decision.inputs);
                let rotating =
                    Rotating { session: &session, caller, object: &object, have, status, inputs, now };
                let due = rotating.due_part();
                self.read_parts(&of(&K::id(&have.row)), due.as_slice()).await;
            }
            Step::Busy { have, parts, busy } => {
                let id = K::id(&have.row);
                // somebody may have read it meanwhile
                if busy.rest(session.kind_state::<K>().mirror.age(&id)).is_zero() {
                    self.read(&of(&id)).await;
                    self.read_parts(&of(&id), parts).await;
                }
            }
            Step::Create(_) | Step::Apply(..) | Step::Retire(..) => {
                if let Some(first) = CallItem::first(object.clone(), status, decision) {
                    self.send(&access, api, first, &ticket).await;
                }
            }
            _ => {}
        }
        self.kube.trigger(&key, "its call is over");
        ticket
    }

    async fn read(&self, reading: &Reading<'_, K>) {
        let Reading { access, api, object, id } = *reading;
        let caller = &*access.caller;
        if !caller.may_try::<K>(Doing::Read, self.kube.now()) {
            return;
        }
        let kind_state = access.session.kind_state::<K>();
        let sent = Instant::now();
        match K::read(api, id).await {
            Ok(found) => {
                self.kube.shared.allowed::<K>(caller, Doing::Read);
                match found {
                    Some(row) => drop(kind_state.mirror.put(row, sent)),
                    None if kind_state.mirror.denied(id, sent) => {}
                    None => self.unconfirmed(object),
                }
            }
            Err(error) => self.failed(caller, Doing::Read, object, &error),
        }
    }

    async fn read_parts(&self, reading: &Reading<'_, K>, parts: &[K::Part]) {
        let Reading { access, api, object, id } = *reading;
        let kind_state = access.session.kind_state::<K>();
        let caller = &*access.caller;
        for part in parts {
            let doing = role::piece::<K>(part);
            if !caller.may_try::<K>(doing.clone(), self.kube.now()) {
                continue;
            }
            let sent = Instant::now();
            let mut into = K::Parts::clone(&kind_state.mirror.parts(id, &[], None).0);
            match K::read_part(api, id, *part, &mut into).await {
                Ok(()) => {
                    self.kube.shared.allowed::<K>(caller, doing);
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
