//! The controller without its types.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
};

use emnify::{
    Api,
    wire::event::{Event, Record},
};
use futures::{FutureExt, future::BoxFuture};
use jiff::Timestamp;
use kube::{Resource, ResourceExt};
use tokio::time::Instant;

use super::{Controller, decide::right_of};
use crate::{
    cluster::{
        context::AnyKind,
        object::{claimant, fallback_status, home_of, lives_in, rank, workspace_key},
    },
    kind::{
        FINALIZER, Id, Key, Managed, Status,
        census::Census,
        decoded::Decoded,
        object_key::Named,
        relations::{Located, RefState, Users},
        spec::{ManagementPolicy, WorkspaceKey},
    },
    metrics::snapshot::ObjectsSnapshot,
    session::{Access, Session, claims::Right, mirror::Known, queue::Ticket},
};

/// A controller behind [`AnyKind`].
pub(crate) struct Handle<K: Managed>(pub(crate) Arc<Controller<K>>);

impl<K: Managed> AnyKind for Handle<K> {
    fn reference(&self, namespace: &str, name: &str) -> RefState {
        let Some(object) = self.0.object(namespace, name) else { return RefState::Missing };
        let (status, _) = self.0.overlay.newest(&object);
        let fallback = fallback_status(&object);
        let common = status.as_ref().map_or(&fallback, Status::common);
        match (&common.id, home_of(&self.0.shared, &object, common)) {
            _ if object.meta().deletion_timestamp.is_some() => RefState::Deleting,
            (Some(id), Some((organisation, host))) => {
                RefState::Bound { id: Id::parse(id), organisation, host }
            }
            _ => RefState::Unbound,
        }
    }

    fn locate(&self, session: &Arc<Session>, key: &Key, who: &Named) -> Located {
        let kind_state = self.0.demand(session);
        Controller::<K>::wait_on_sweep(session, who);
        let ids = kind_state.mirror.find(key);
        match ids.as_slice() {
            [] if kind_state.mirror.complete_since().is_some() => Located::Nothing,
            [] => Located::Unread,
            [id] => Located::One(id.clone()),
            several => Located::Several(several.to_vec()),
        }
    }

    fn users(&self, session: &Arc<Session>, kind: &str, id: &Id, who: &Named) -> Option<Users> {
        let mut users = Users::default();
        if !K::USES.contains(&kind) {
            return Some(users);
        }
        let mirror = &self.0.demand(session).mirror;
        Controller::<K>::wait_on_sweep(session, who);
        mirror.complete_since()?;
        let mut rows: Vec<(Id, String)> = Vec::new();
        mirror.each(&mut |row| {
            if K::uses(row, kind).as_ref() == Some(id) {
                rows.push((K::id(row), display_name::<K>(row)));
            }
        });
        rows.sort();
        for (user, called) in rows {
            // by nobody: nobody's uid is empty
            let managed = session.claims.wanted(&right_of::<K>(&user), "");
            let all = if managed { &mut users.here } else { &mut users.nobodys };
            all.push(called);
        }
        Some(users)
    }

    fn users_of(&self, session: &Session, kind: &str, counts: &mut HashMap<Id, i64>) -> Option<bool> {
        if !K::USES.contains(&kind) {
            return None;
        }
        let mirror = &session.kind_state::<K>().mirror;
        mirror.each(&mut |row| {
            if let Some(used) = K::uses(row, kind) {
                *counts.entry(used).or_default() += 1;
            }
        });
        Some(mirror.complete_since().is_some())
    }

    fn recount(&self, session: &Session) {
        if !K::USED {
            return;
        }
        let mut counts = HashMap::new();
        let users: Vec<bool> =
            self.0.shared.kinds().filter_map(|kind| kind.users_of(session, K::KIND, &mut counts)).collect();
        if users.is_empty() || users.contains(&false) {
            return;
        }
        let (mirror, now) = (&session.kind_state::<K>().mirror, Instant::now());
        let mut moved = Vec::new();
        mirror.each(&mut |row| {
            let id = K::id(row);
            moved.extend(K::with_users(row, counts.get(&id).copied().unwrap_or(0)).map(|row| (id, row)));
        });
        for (id, row) in moved {
            // what is in doubt is read anyway
            if matches!(mirror.get(&id), Known::Present(_)) && mirror.put(row, now) {
                self.0.trigger_owner(session, &id, "others use it now, or no longer");
            }
        }
    }

    fn demand(&self, session: &Arc<Session>, who: &Named) {
        self.0.demand(session);
        Controller::<K>::wait_on_sweep(session, who);
    }

    fn trigger(&self, namespace: &str, name: &str, why: &str) {
        self.0.trigger(namespace, name, why);
    }

    fn trigger_all(&self, workspace: &WorkspaceKey) {
        for object in self.0.objects() {
            let namespace = object.namespace().unwrap_or_default();
            if workspace.namespace.as_ref().is_none_or(|n| *n == namespace) {
                self.0.trigger(&namespace, &object.name_any(), "its workspace changed");
            }
        }
    }

    fn row_changed(&self, kind: &str, session: &Session, id: &Id) {
        if kind == K::KIND {
            self.0.wake_waiting(session, id);
        }
    }

    fn allowed_again(&self, workspace: &WorkspaceKey) {
        for object in self.0.objects() {
            let status = self.0.overlay.newest(&object).0;
            if status.is_some_and(|status| status.common().rejected.is_some()) {
                self.0.memory.forgive(&object.uid().unwrap_or_default());
            }
        }
        self.trigger_all(workspace);
    }

    fn claim_all(&self, access: &Access) {
        let session = &access.session;
        for object in self.0.objects() {
            let (status, _) = self.0.overlay.newest(&object);
            let fallback = fallback_status(&object);
            let common = status.as_ref().map_or(&fallback, Status::common);
            if let Some(id) = &common.id
                && lives_in(&self.0.shared, &object, common, session)
            {
                let id = Id::parse(id);
                self.0.note_owner(&session.organisation, id.clone(), &object);
                if object.common().management() != ManagementPolicy::Observe {
                    let right = Right::new(right_of::<K>(&id), true);
                    session.claims.set(&claimant(&object), &rank(&object), vec![right]);
                }
            }
        }
    }

    fn dispatch(&self, session: Arc<Session>, api: Api, ticket: Ticket) -> BoxFuture<'static, Ticket> {
        self.0.clone().dispatch(session, api, ticket).boxed()
    }

    fn name(&self) -> &'static str {
        K::KIND
    }

    fn listens(&self) -> bool {
        K::LISTENS
    }

    fn follow(&self, session: &Arc<Session>) {
        self.0.follow(session);
    }

    fn on_events(&self, session: &Arc<Session>, events: &[(Event, Timestamp)]) {
        self.0.on_events(session, events);
    }

    fn on_records(&self, session: &Arc<Session>, records: &[Record]) {
        self.0.on_records(session, records);
    }

    fn sweep_since(&self, session: &Session, since: Timestamp) {
        let kind_state = session.kind_state::<K>();
        if kind_state.swept.load(Ordering::Relaxed) {
            Controller::<K>::sweep_since(&kind_state, since);
        }
    }

    fn count(&self, session: &Session) -> Option<usize> {
        let kind_state = session.kind_state::<K>();
        kind_state.mirror.complete_since().map(|_| kind_state.mirror.len())
    }

    fn census(&self, session: &Session, census: &mut Census) {
        if K::COUNTED && self.count(session).is_some() {
            let mirror = &session.kind_state::<K>().mirror;
            mirror.survey(|row, news, parts| {
                K::census(row, news, parts, &mut |group, name| census.add(group, name));
            });
        }
    }

    fn listed_at(&self, session: &Session) -> Option<Timestamp> {
        session.kind_state::<K>().mirror.complete_since()
    }

    fn objects(&self, now: Timestamp) -> ObjectsSnapshot {
        ObjectsSnapshot::count(&self.0.objects(), now, K::expires)
    }

    fn dependents(&self, workspace: &WorkspaceKey) -> Vec<String> {
        let depends = |object: &Decoded<K>| {
            let (status, _) = self.0.overlay.newest(object);
            let fallback = fallback_status(object);
            let common = status.as_ref().map_or(&fallback, Status::common);
            let bound = common.id.is_some() || common.intent.is_some();
            bound
                && object.finalizers().iter().any(|f| f == FINALIZER)
                && workspace_key(&self.0.shared, object, common) == *workspace
        };
        let named = |object: &Decoded<K>| {
            format!("{} {}/{}", K::KIND, object.namespace().unwrap_or_default(), object.name_any())
        };
        self.0.objects().iter().filter(|o| depends(o)).map(|o| named(o)).collect()
    }

    fn listed(&self) -> bool {
        self.0.watches.listed()
    }
}

/// Kind, id and name of an emnify object, for people.
fn display_name<K: Managed>(row: &K::Row) -> String {
    let mut name = None;
    K::keys(row, &mut |key| {
        if key.name == Key::NAME && !key.value.is_empty() {
            name = Some(key.value);
        }
    });
    match name {
        Some(name) => format!("{} {} ({name})", K::KIND, K::id(row)),
        None => format!("{} {}", K::KIND, K::id(row)),
    }
}
