//! Workspaces that go, or are made anew, while nobody watches: a listing is all that tells of it.

use emnify_engine::kind::spec::WorkspaceKey;

use super::*;

/// A watch breaks after this time, each time, with the word that what it missed is forgotten.
const WATCHED: Duration = Duration::from_secs(10);
const SOON: Duration = Duration::from_secs(90);

impl Cluster {
    /// What a client hears that lists, and watches: nothing but what a listing shows.
    fn listing(&self) -> Value {
        let objects = self.0.lock();
        let all = objects.iter().filter(|(path, _)| path.contains("/workspaces/"));
        let items: Vec<Value> = all.map(|(_, object)| object.clone()).collect();
        json!({"kind": "WorkspaceList", "apiVersion": "emnify.io/v1alpha1", "metadata": {"resourceVersion": "1"}, "items": items})
    }

    fn watched_client(self: &Arc<Self>) -> kube::Client {
        let cluster = self.clone();
        kube_client("ns", move |head, body| {
            let cluster = cluster.clone();
            async move {
                let (status, answer) = match (head.uri.path().ends_with("/workspaces"), head.uri.query()) {
                    (true, Some(query)) if query.contains("watch=true") => {
                        tokio::time::sleep(WATCHED).await;
                        let expired = json!({"kind": "Status", "status": "Failure", "reason": "Expired", "code": 410, "message": "too old"});
                        (200, json!({"type": "ERROR", "object": expired}))
                    }
                    (true, _) => (200, cluster.listing()),
                    _ => cluster.answer(head.method.as_str(), head.uri.path(), body),
                };
                (status, format!("{answer}\n"))
            }
        })
    }
}

/// A process that watches, and hears of changes by listings alone.
struct Watching {
    stage: Stage,
    stop: watch::Sender<bool>,
}

impl Watching {
    fn new() -> Self {
        let mut stage = Stage::with(&[("ns", TOKEN)], &[(TOKEN, 42)]);
        stage.controller = Stage::on(&stage.cluster.watched_client(), stage.platform.clone());
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(stage.controller.clone().run::<Workspace>(stopped));
        Self { stage, stop }
    }

    fn organisation(&self) -> Option<String> {
        let key = WorkspaceKey { namespace: Some("ns".into()), name: "main".into() };
        self.stage.controller.sessions.of(&key).map(|session| session.organisation.clone())
    }

    fn kept(&self) -> Option<Value> {
        self.stage.cluster.get(&secret("emnify-system", "session.workspace.ns.main"))
    }

    async fn until(&self, what: &str, so: impl Fn(&Self) -> bool) {
        let end = Instant::now() + SOON;
        while !so(self) {
            assert!(Instant::now() < end, "{what}");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_workspace_that_went_while_nobody_watched_is_served_no_more_and_its_login_is_gone() {
    let all = Watching::new();
    all.until("it is served", |all| all.organisation().is_some() && all.kept().is_some()).await;
    // somebody took the finalizer off by hand
    all.stage.cluster.0.lock().remove(&workspace("ns"));
    all.until("its session ends", |all| all.organisation().is_none()).await;
    all.until("no live login is left", |all| all.kept().is_none()).await;
    all.stop.send_replace(true);
}

#[tokio::test(start_paused = true)]
async fn a_namesake_that_came_while_nobody_watched_has_a_login_of_its_own() {
    let all = Watching::new();
    all.until("it is served", |all| all.organisation().is_some() && all.kept().is_some()).await;
    let belongs = |all: &Watching, to: &str| {
        all.kept().is_some_and(|kept| kept["metadata"]["annotations"]["emnify.io/workspace-uid"] == to)
    };
    assert!(belongs(&all, "uid-ns"));
    let mut namesake = all.stage.cluster.get(&workspace("ns")).unwrap();
    namesake["metadata"]["uid"] = json!("uid-another");
    namesake["status"] = Value::Null;
    all.stage.cluster.put(workspace("ns"), namesake);
    all.until("it logs in by itself", |all| all.stage.platform.logins.lock().len() == 2).await;
    all.until("and is served", |all| all.organisation().is_some() && belongs(all, "uid-another")).await;
    all.stop.send_replace(true);
}
