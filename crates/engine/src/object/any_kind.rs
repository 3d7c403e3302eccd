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

use super::Controller;
use crate::{
    cluster::{
        context::AnyKind,
        object::{self, home_of, rank},
    },
    decide::known::{SecretState, Step},
    kind::{
        Id, Key, Managed, Shown, Status, Table,
        census::Census,
        object_key::ObjectKey,
        relations::{Located, RefState, Users},
        spec::{ManagementPolicy, WorkspaceKey},
        task::Labels,
    },
    metrics::snapshot::ObjectsSnapshot,
    session::{
        Access, Session,
        claims::{Claimed, Right},
        mirror::Known,
        queue::Ticket,
    },
};

/// A controller behind [`AnyKind`].
pub(crate) struct Handle<K: Managed>(pub(crate) Arc<Controller<K>>);

impl<K: Managed> AnyKind for Handle<K> {
    fn reference(&self, namespace: &str, name: &str) -> RefState {
        let Some(object) = self.0.kube.watches.object(namespace, name) else { return RefState::Missing };
        let common = self.0.kube.common(&object);
        match (&common.id, home_of(&self.0.kube.shared, &object, &common)) {
            _ if object.meta().deletion_timestamp.is_some() => RefState::Deleting,
            (Some(id), Some((organisation, host))) => {
                RefState::Bound { id: Id::parse(id), organisation, host }
            }
            _ => RefState::Unbound,
        }
    }

    fn locate(&self, session: &Arc<Session>, key: &Key, who: &ObjectKey) -> Located {
        let kind_state = self.0.demand(session);
        Controller::<K>::wait_on_sweep(session, who);
        let ids = kind_state.mirror.find(key);
        match ids.as_slice() {
            [] if kind_state.mirror.complete_since().is_some() => Located::Nothing,
            [] => Located::Unread,
            [id] => Located::One(id.clone()),
            [lowest, ..] if K::INTERCHANGEABLE => Located::One(lowest.clone()),
            several => Located::Several(several.to_vec()),
        }
    }

    fn shown(&self, session: &Session, id: &Id) -> Option<Shown> {
        K::shown(&*session.kind_state::<K>().mirror.row(id)?)
    }

    fn feeds(&self, table: &Table) -> bool {
        K::TABLE.is_some_and(|fed| fed.name == table.name)
    }

    fn users(&self, session: &Arc<Session>, kind: &str, id: &Id, who: &ObjectKey) -> Option<Users> {
        let mut users = Users::default();
        let Some(used) = K::USES.iter().find(|used| used.kind == kind) else { return Some(users) };
        let mirror = &self.0.demand(session).mirror;
        Controller::<K>::wait_on_sweep(session, who);
        mirror.complete_since()?;
        let mut rows: Vec<(Id, String)> = Vec::new();
        mirror.survey(|row, _, parts| {
            if (used.of)(row, parts).as_ref() == Some(id) {
                rows.push((K::id(row), display_name::<K>(row)));
            }
        });
        rows.sort();
        for (user, called) in rows {
            // by nobody: nobody's uid is empty
            let managed = session.claims.wanted(&Right::of::<K>(&user), "");
            let all = if managed { &mut users.here } else { &mut users.nobodys };
            all.push(called);
        }
        Some(users)
    }

    fn users_of(&self, session: &Session, kind: &str, counts: &mut HashMap<Id, i64>) -> Option<bool> {
        let used = K::USES.iter().find(|used| used.kind == kind)?;
        let mirror = &session.kind_state::<K>().mirror;
        mirror.each(&mut |row| {
            if let Some(id) = (used.of)(row, None) {
                *counts.entry(id).or_default() += 1;
            }
        });
        Some(mirror.complete_since().is_some())
    }

    fn recount(&self, session: &Session) {
        let Some(with_users) = K::USERS else { return };
        let mut counts = HashMap::new();
        let users: Vec<bool> = self
            .0
            .kube
            .shared
            .kinds()
            .filter_map(|kind| kind.users_of(session, K::KIND, &mut counts))
            .collect();
        if users.is_empty() || users.contains(&false) {
            return;
        }
        let (mirror, now) = (&session.kind_state::<K>().mirror, Instant::now());
        let mut moved = Vec::new();
        mirror.each(&mut |row| {
            let id = K::id(row);
            moved.extend(with_users(row, counts.get(&id).copied().unwrap_or(0)).map(|row| (id, row)));
        });
        for (id, row) in moved {
            // what is in doubt is read anyway
            if matches!(mirror.get(&id), Known::Present(_)) && mirror.put(row, now) {
                self.0.trigger_owner(session, &id, "others use it now, or no longer");
            }
        }
    }

    fn is_in_step(&self, key: &ObjectKey) -> bool {
        let Some(object) = self.0.kube.object(key) else { return true };
        let (status, _) = self.0.kube.newest(&object);
        if status.as_ref().is_none_or(|status| status.common().id.is_none()) {
            return true;
        }
        let none = (SecretState::NotNeeded, None);
        let decision = self.0.decide(&object, status.as_ref(), &none, self.0.kube.now());
        matches!(decision.step, Step::UpToDate { .. })
    }

    fn demand(&self, session: &Arc<Session>, who: &ObjectKey) {
        self.0.demand(session);
        Controller::<K>::wait_on_sweep(session, who);
    }

    fn labelled(&self, session: &Session, namespace: &str, passes: &dyn Fn(&Labels) -> bool) -> Vec<Id> {
        let objects = self.0.kube.objects();
        let here = objects.iter().filter(|object| {
            object.namespace() == namespace
                && object.meta().deletion_timestamp.is_none()
                && passes(object.labels())
                && self.0.kube.lives_in(object, session)
        });
        here.filter_map(|object| self.0.kube.common(object).id.as_deref().map(Id::parse)).collect()
    }

    fn sets(&self, key: &ObjectKey, pointer: &str) -> bool {
        self.0.kube.sets(key, pointer)
    }

    fn trigger(&self, key: &ObjectKey, why: &str) {
        self.0.kube.trigger(key, why);
    }

    fn inputs_changed(&self, key: &ObjectKey) {
        if let Some(object) = self.0.kube.object(key) {
            self.0.kube.memory.forgive(object.uid());
        }
        self.trigger(key, "a Secret that it uses changed");
    }

    fn trigger_all(&self, workspace: &WorkspaceKey) {
        self.0.kube.trigger_all(workspace);
    }

    fn row_changed(&self, kind: &str, session: &Session, id: &Id) {
        if kind == K::KIND {
            self.0.wake_waiting(session, id);
        }
    }

    fn allowed_again(&self, workspace: &WorkspaceKey) {
        for object in self.0.kube.objects() {
            if self.0.kube.common(&object).rejected.is_some() {
                self.0.kube.memory.forgive(object.uid());
            }
        }
        self.trigger_all(workspace);
    }

    fn claim_all(&self, access: &Access) {
        let session = &access.session;
        for object in self.0.kube.objects() {
            let common = self.0.kube.common(&object);
            if let Some(id) = &common.id
                && object::lives_in(&self.0.kube.shared, &object, &common, session)
            {
                let id = Id::parse(id);
                self.0.note_owner(&session.organisation, id.clone(), &object);
                if object.common().management() != ManagementPolicy::Observe {
                    let right = Claimed::new(Right::of::<K>(&id), true);
                    session.claims.set(&object.key(), &rank(&object), vec![right]);
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
        K::EVENTS.is_some()
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
        if let Some(put) = K::CENSUS
            && self.count(session).is_some()
        {
            let mirror = &session.kind_state::<K>().mirror;
            mirror.survey(|row, news, parts| {
                put(row, news, parts, &mut |group, name| census.add(group, name));
            });
        }
    }

    fn listed_at(&self, session: &Session) -> Option<Timestamp> {
        session.kind_state::<K>().mirror.complete_since()
    }

    fn objects(&self, now: Timestamp) -> ObjectsSnapshot {
        ObjectsSnapshot::count(&self.0.kube.objects(), now, |object| {
            K::RENEWAL.and_then(|renewal| (renewal.expires)(object))
        })
    }

    fn dependents(&self, workspace: &WorkspaceKey) -> Vec<String> {
        self.0.kube.dependents(workspace, |common| common.id.is_some() || common.intent.is_some())
    }

    fn listed(&self) -> BoxFuture<'_, ()> {
        self.0.kube.watches.listed().boxed()
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
