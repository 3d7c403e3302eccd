//! Which workspace an object belongs to, and whether it can be worked with.

use std::{collections::HashMap, fmt, sync::Arc};

use parking_lot::RwLock;
use tokio::sync::watch;

use crate::{
    kind::spec::{WorkspaceKey, WorkspaceKind, WorkspaceRef},
    session::{Access, Session},
};

/// Name of the workspace that objects without `workspaceRef` belong to.
const DEFAULT: &str = "default";

/// Somebody who wants to use a workspace.
#[derive(Clone, Copy, Debug)]
pub struct Applicant<'a> {
    /// Namespace of the object.
    pub namespace: &'a str,
    /// Kind of the object.
    pub kind: &'a str,
    /// It wants to take over what others have marked.
    pub force: bool,
}

/// Why somebody may not use a `ClusterWorkspace`; each says what to change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Its namespace.
    #[error("namespace {0} is not among its spec.allowedNamespaces")]
    Namespace(String),
    /// It would take over what others have marked.
    #[error("adoptionPolicy: Force needs its spec.allowForce; use IfUnowned")]
    Force,
    /// Its kind.
    #[error("kind {0} is not among its spec.allowedKinds")]
    Kind(String),
}

/// Why an object has no session to work in; each says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotServed {
    /// The object names no workspace, and there is no default one.
    #[error("there is no Workspace named default in this namespace; create one or set workspaceRef")]
    NoDefault,
    /// There is no such `Workspace`.
    #[error("Workspace {0} does not exist here; create it or correct workspaceRef")]
    NoWorkspace(String),
    /// There is no such `ClusterWorkspace`, or no right to see it.
    #[error(
        "ClusterWorkspace {0} does not exist here (an operator with --namespaces serves none); create it or correct workspaceRef"
    )]
    NoClusterWorkspace(String),
    /// Another process serves the workspace: what belongs to it is not touched.
    #[error("{0:?} {1} is served by another shard")]
    Elsewhere(WorkspaceKind, String),
    /// The `ClusterWorkspace` is not for this object.
    #[error("ClusterWorkspace {0}: {1}")]
    Refused(String, Refusal),
    /// The workspace does not work; the last says why.
    #[error("{0:?} {1}: {2}")]
    NotReady(WorkspaceKind, String, String),
}

/// Says whether somebody may use a `ClusterWorkspace`.
pub type Allows = Arc<dyn Fn(&Applicant<'_>) -> Result<(), Refusal> + Send + Sync>;

/// A workspace as objects see it.
#[derive(Clone)]
pub struct Entry {
    /// The live session and who acts in it for this workspace, or why there is none.
    pub state: Result<Access, String>,
    /// For a `ClusterWorkspace`: who may use it.
    pub allows: Option<Allows>,
    /// Generation of its spec, with which `allows` may change.
    pub generation: Option<i64>,
}

impl Entry {
    /// A workspace that is not served yet, and why.
    pub fn waiting(why: &str) -> Self {
        Self { state: Err(why.to_owned()), allows: None, generation: None }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("state", &self.state).finish_non_exhaustive()
    }
}

/// What a reference to a workspace leads to.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// What it resolved to, to pin in the status.
    pub workspace: WorkspaceRef,
    /// The live session and who acts in it for this workspace, or why there is none.
    pub state: Result<Access, NotServed>,
}

/// All workspaces.
#[derive(Debug, Default)]
pub struct Workspaces {
    slots: RwLock<HashMap<WorkspaceKey, Slot>>,
    /// Origins, also of those that do not work.
    hosts: RwLock<HashMap<WorkspaceKey, String>>,
    /// Moves when what a workspace gives its objects does.
    published: watch::Sender<()>,
}

#[derive(Clone, Debug)]
enum Slot {
    Here(Entry),
    Elsewhere,
}

impl Workspaces {
    /// Publishes the state of a workspace; true if it changed for those who use it.
    pub fn publish(&self, key: WorkspaceKey, entry: Entry) -> bool {
        let mut all = self.slots.write();
        let same = all.get(&key).is_some_and(|old| match old {
            Slot::Here(old) => old.generation == entry.generation && same_state(&old.state, &entry.state),
            Slot::Elsewhere => false,
        });
        all.insert(key, Slot::Here(entry));
        drop(all);
        if !same {
            self.published.send_replace(());
        }
        !same
    }

    /// The workspace gives this session to its objects already.
    pub(crate) fn gives(&self, key: &WorkspaceKey, session: &Arc<Session>) -> bool {
        let all = self.slots.read();
        let Some(Slot::Here(Entry { state: Ok(access), .. })) = all.get(key) else { return false };
        Arc::ptr_eq(&access.session, session)
    }

    /// Waits until a workspace gives the session to its objects.
    pub(crate) async fn used(&self, session: &Arc<Session>) {
        let mut published = self.published.subscribe();
        while !self.sessions().iter().any(|known| Arc::ptr_eq(known, session)) {
            published.changed().await.expect("the sender is part of what is borrowed");
        }
    }

    /// The workspace exists, and will be published.
    pub fn expect(&self, key: WorkspaceKey) {
        let mut all = self.slots.write();
        all.entry(key).or_insert_with(|| Slot::Here(Entry::waiting("its login is not ready yet")));
    }

    /// The workspace's objects live on this host (an origin), whether or not it works.
    pub fn lives_on(&self, key: &WorkspaceKey, host: String) {
        self.hosts.write().insert(key.clone(), host);
    }

    /// The host of a workspace, as far as it is known.
    pub(crate) fn host(&self, key: &WorkspaceKey) -> Option<String> {
        self.hosts.read().get(key).cloned()
    }

    /// Another process serves the workspace; true if it did not before.
    pub fn leave(&self, key: WorkspaceKey) -> bool {
        let mut all = self.slots.write();
        !matches!(all.insert(key, Slot::Elsewhere), Some(Slot::Elsewhere))
    }

    /// The workspace object is gone.
    pub fn remove(&self, key: &WorkspaceKey) {
        self.slots.write().remove(key);
        self.hosts.write().remove(key);
    }

    /// What each workspace gives its objects, of those that work.
    pub(crate) fn accesses(&self) -> Vec<Access> {
        let all = self.slots.read();
        let working = all.values().filter_map(|slot| match slot {
            Slot::Here(entry) => entry.state.as_ref().ok().cloned(),
            Slot::Elsewhere => None,
        });
        working.collect()
    }

    /// Every session in use, once.
    pub fn sessions(&self) -> Vec<Arc<Session>> {
        let all = self.slots.read();
        let mut sessions: Vec<Arc<Session>> = Vec::new();
        let served = all.values().filter_map(|slot| match slot {
            Slot::Here(entry) => entry.state.as_ref().ok(),
            Slot::Elsewhere => None,
        });
        for access in served {
            if !sessions.iter().any(|known| Arc::ptr_eq(known, &access.session)) {
                sessions.push(access.session.clone());
            }
        }
        sessions
    }

    /// Finds the workspace of an object.
    pub fn resolve(&self, who: &Applicant<'_>, wanted: Option<&WorkspaceRef>) -> Resolved {
        let all = self.slots.read();
        let own =
            |name: &str| WorkspaceKey { namespace: Some(who.namespace.to_owned()), name: name.to_owned() };
        let shared = |name: &str| WorkspaceKey { namespace: None, name: name.to_owned() };
        let key = match wanted {
            Some(r) if r.kind == Some(WorkspaceKind::ClusterWorkspace) => shared(&r.name),
            Some(r) => own(&r.name),
            None if !all.contains_key(&own(DEFAULT)) && all.contains_key(&shared(DEFAULT)) => shared(DEFAULT),
            None => own(DEFAULT),
        };
        let kind_of =
            if key.namespace.is_some() { WorkspaceKind::Workspace } else { WorkspaceKind::ClusterWorkspace };
        let name = || key.name.clone();
        let state = match all.get(&key) {
            None if wanted.is_none() => Err(NotServed::NoDefault),
            None if key.namespace.is_some() => Err(NotServed::NoWorkspace(name())),
            None => Err(NotServed::NoClusterWorkspace(name())),
            Some(Slot::Elsewhere) => Err(NotServed::Elsewhere(kind_of, name())),
            Some(Slot::Here(entry)) => match entry.allows.as_ref().map(|allows| allows(who)) {
                // a deletion is refused too: only a status tells what was made for an object, and who administers its
                // namespace may write that, so that leave to retire would be leave to delete anything of the organisation
                Some(Err(refusal)) => Err(NotServed::Refused(name(), refusal)),
                _ => entry.state.clone().map_err(|why| NotServed::NotReady(kind_of, name(), why)),
            },
        };
        Resolved { workspace: WorkspaceRef { kind: Some(kind_of), name: key.name }, state }
    }
}

fn same_state(a: &Result<Access, String>, b: &Result<Access, String>) -> bool {
    match (a, b) {
        (Ok(a), Ok(b)) => a.is(b),
        (Err(a), Err(b)) => a == b,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(namespace: Option<&str>) -> WorkspaceKey {
        WorkspaceKey { namespace: namespace.map(Into::into), name: DEFAULT.into() }
    }
    fn who(namespace: &str) -> Applicant<'_> {
        Applicant { namespace, kind: "Endpoint", force: false }
    }
    fn down(why: &str) -> Entry {
        Entry { state: Err(why.into()), allows: None, generation: Some(1) }
    }

    #[test]
    fn another_generation_may_allow_others() {
        let all = Workspaces::default();
        assert!(all.publish(key(None), down("same")), "it is new");
        assert!(!all.publish(key(None), down("same")), "nothing changed");
        let edited = Entry { generation: Some(2), ..down("same") };
        assert!(all.publish(key(None), edited), "whoever waits for it looks again after an edit");
    }

    #[test]
    fn a_workspace_of_another_shard_is_known_and_not_served() {
        let all = Workspaces::default();
        let state = || all.resolve(&who("a"), None).state.unwrap_err();
        assert_eq!(state(), NotServed::NoDefault, "nobody knows of one");
        all.expect(key(Some("a")));
        assert!(
            matches!(state(), NotServed::NotReady(..)),
            "a workspace that was only listed is not missing"
        );
        assert!(all.leave(key(Some("a"))) && !all.leave(key(Some("a"))), "it is told once");
        all.publish(key(None), down("cluster"));
        assert!(
            matches!(state(), NotServed::Elsewhere(WorkspaceKind::Workspace, _)),
            "the namespace's own default still goes before the cluster's"
        );
        assert!(all.sessions().is_empty());
        assert!(all.publish(key(Some("a")), down("back")), "it may come back");
        assert!(matches!(state(), NotServed::NotReady(..)));
    }

    #[test]
    fn the_namespaces_own_default_goes_before_the_clusters() {
        let all = Workspaces::default();
        assert!(all.resolve(&who("a"), None).state.unwrap_err().to_string().contains("create one"));
        all.publish(key(None), down("cluster"));
        assert!(
            all.resolve(&who("a"), None)
                .state
                .unwrap_err()
                .to_string()
                .contains("ClusterWorkspace default: cluster")
        );
        all.publish(key(Some("a")), down("own"));
        assert!(
            all.resolve(&who("a"), None).state.unwrap_err().to_string().contains("Workspace default: own")
        );
        assert!(all.resolve(&who("b"), None).state.unwrap_err().to_string().contains("cluster"));
    }

    #[test]
    fn a_cluster_workspace_serves_only_whom_it_allows() {
        let all = Workspaces::default();
        let allows: Allows = Arc::new(|who| match who.namespace {
            "a" => Ok(()),
            other => Err(Refusal::Namespace(other.into())),
        });
        all.publish(key(None), Entry { allows: Some(allows), ..down("up") });
        assert!(all.resolve(&who("a"), None).state.unwrap_err().to_string().ends_with("up"));
        assert!(all.resolve(&who("b"), None).state.unwrap_err().to_string().contains("allowedNamespaces"));
    }
}
