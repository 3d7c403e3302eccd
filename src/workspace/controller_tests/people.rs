//! Workspaces that log in as a person: another workspace of theirs, a new password, a second factor; and a process that ends at
//! every point between two effects.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicI64, AtomicUsize},
};

use emnify::ServiceTransport;
use emnify_simulator::{Options, Simulator, state::User};
use futures::future::pending;
use tokio::sync::Notify;

use super::*;

const ADA: u64 = 301;
/// What Ada's password is, and what it is to be: as digests, which the operator sends as they are.
const OLD: &str = "2f9e53523b62abc141a2b4d6019d23cba835dbd0";
const NEW: &str = "a94a8fe5ccb19ba61c4c0873d391e987982fbbd3";
const OTHER: &str = "da39a3ee5e6b4b0d3255bfef95601890afd80709";

/// Ends a process before or after one of its effects, in emnify and in the cluster.
struct Fuse {
    left: AtomicI64,
    burnt: AtomicUsize,
    blown: Notify,
}

#[derive(Clone, Copy, PartialEq)]
enum Burn {
    Goes,
    Before,
    After,
}

impl Fuse {
    /// Ends the process at the point of this number: before the first effect, after it, before the second.
    fn at(point: i64) -> Arc<Self> {
        Arc::new(Self { left: AtomicI64::new(point), burnt: AtomicUsize::new(0), blown: Notify::new() })
    }

    fn none() -> Arc<Self> {
        Self::at(i64::MAX)
    }

    fn burn(&self, is_effect: bool) -> Burn {
        let left = self.left.load(Ordering::SeqCst);
        if left < 0 {
            return Burn::Before;
        }
        if !is_effect {
            return Burn::Goes;
        }
        self.burnt.fetch_add(1, Ordering::SeqCst);
        self.left.store(left - 2, Ordering::SeqCst);
        match left {
            0 => Burn::Before,
            1 => Burn::After,
            _ => Burn::Goes,
        }
    }

    async fn ends<T>(&self, burn: Burn, when: Burn) -> Option<T> {
        if burn == when {
            self.blown.notify_one();
            pending::<()>().await;
        }
        None
    }
}

/// The way of one process to emnify.
struct Way {
    inner: Arc<dyn Transport>,
    fuse: Arc<Fuse>,
    /// How often each password was refused.
    refused: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Transport for Way {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        Box::pin(async move {
            let burn = self.fuse.burn(request.method() != http::Method::GET);
            self.fuse.ends::<()>(burn, Burn::Before).await;
            let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
            let login = request.uri().path() == "/api/v1/authenticate";
            let answer = self.inner.send(request).await;
            if let (true, Some(password), Ok(answer)) = (login, body["password"].as_str(), &answer)
                && answer.status() == StatusCode::UNAUTHORIZED
            {
                *self.refused.lock().entry(password.to_owned()).or_default() += 1;
            }
            self.fuse.ends::<()>(burn, Burn::After).await;
            answer
        })
    }
}

/// The way of one process to the cluster.
fn client(cluster: &Arc<Cluster>, fuse: &Arc<Fuse>) -> kube::Client {
    let (cluster, fuse) = (cluster.clone(), fuse.clone());
    kube_client("ns", move |head, body| {
        let (cluster, fuse) = (cluster.clone(), fuse.clone());
        async move {
            let event = head.uri.path().ends_with("/events");
            let burn = fuse.burn(head.method != http::Method::GET && !event);
            fuse.ends::<()>(burn, Burn::Before).await;
            let (status, answer) = cluster.answer(head.method.as_str(), head.uri.path(), body);
            fuse.ends::<()>(burn, Burn::After).await;
            (status, answer.to_string())
        }
    })
}

/// A workspace that logs in as Ada, and one process after the other.
struct People {
    cluster: Arc<Cluster>,
    simulator: Simulator,
    refused: Arc<Mutex<BTreeMap<String, usize>>>,
    controller: Arc<WorkspaceController>,
    fuse: Arc<Fuse>,
}

impl People {
    /// `user`: what the spec says beside name and password.
    fn new(user: &Value) -> Self {
        let options = Options { start: Some(clock()), ..Options::default() };
        let (cluster, simulator) = (Cluster::with(&[("ns", "")]), Simulator::start(options));
        let (refused, fuse) = (Arc::default(), Fuse::none());
        let controller = Self::process(&cluster, &simulator, &refused, &fuse);
        let people = Self { cluster, simulator, refused, controller, fuse };
        people.spec(user);
        people.secret(&[("password", OLD)]);
        people
    }

    fn process(
        cluster: &Arc<Cluster>,
        simulator: &Simulator,
        refused: &Arc<Mutex<BTreeMap<String, usize>>>,
        fuse: &Arc<Fuse>,
    ) -> Arc<WorkspaceController> {
        let inner = Arc::new(ServiceTransport::new(simulator.router()));
        let way = Way { inner, fuse: fuse.clone(), refused: refused.clone() };
        Stage::on(&client(cluster, fuse), Arc::new(way))
    }

    /// Another process, which ends at this point.
    fn restart(&mut self, fuse: Arc<Fuse>) {
        self.fuse.left.store(-1, Ordering::SeqCst);
        self.controller = Self::process(&self.cluster, &self.simulator, &self.refused, &fuse);
        self.fuse = fuse;
    }

    /// Another spec, of another generation.
    fn spec(&self, user: &Value) {
        let mut objects = self.cluster.0.lock();
        let object = objects.get_mut(&workspace("ns")).unwrap();
        let mut person = json!({
            "username": "ada@example.com",
            "passwordSecretRef": {"name": "emnify", "key": "password"},
            "previousPasswordSecretRef": {"name": "emnify", "key": "previous"},
        });
        merge(&mut person, user);
        object["spec"] = json!({"credentials": {"user": person}});
        object["metadata"]["generation"] = json!(object["metadata"]["generation"].as_i64().unwrap() + 1);
    }

    fn secret(&self, values: &[(&str, &str)]) {
        let data: BTreeMap<_, _> = values
            .iter()
            .map(|(key, value)| (*key, data_encoding::BASE64.encode(value.as_bytes())))
            .collect();
        self.cluster.put(secret("ns", "emnify"), json!({"metadata": {"name": "emnify"}, "data": data}));
    }

    /// Looks for so long, or until the process ends; true if it did.
    async fn pass(&self, time: Duration) -> bool {
        let looks = async {
            let followed = Followed::<Workspace>::default();
            let end = Instant::now() + time;
            while Instant::now() < end {
                let workspace = self.cluster.workspace("ns");
                self.controller.reconcile(&workspace, followed.trigger()).await;
                tokio::time::sleep(LOOK / 2).await;
            }
        };
        tokio::select! {
            () = looks => false,
            () = self.fuse.blown.notified() => true,
        }
    }

    fn conditions(&self) -> Vec<String> {
        let status = self.cluster.workspace("ns").status.unwrap_or_default();
        let all = status.conditions.iter().filter(|c| c.status == "True");
        all.map(|c| format!("{} {} {}", c.type_, c.reason, c.message)).collect()
    }

    fn is_ready(&self) -> bool {
        let workspace = self.cluster.workspace("ns");
        let conditions = workspace.status.unwrap_or_default().conditions;
        conditions::is_true(&conditions, "Ready", workspace.metadata.generation)
    }

    async fn ready(&self, what: &str) {
        let ended = self.pass(MINUTES * 4).await;
        assert!(!ended && self.is_ready(), "{what}: {:#?}", self.conditions());
    }

    fn ada<T>(&self, look: impl FnOnce(&User) -> T) -> T {
        self.simulator.inspect(|state| look(&state.users[&ADA]))
    }

    /// Nobody was locked out, and no password was refused twice.
    fn is_safe(&self, what: &str) {
        let refused = self.refused.lock().clone();
        assert!(refused.values().all(|times| *times <= 1), "{what}: a password is refused once: {refused:?}");
        let lockout = self.ada(|ada| ada.lockout.clone());
        assert!(lockout.until.is_none() && lockout.failures < 3, "{what}: {lockout:?}");
    }

    fn refresh(&self, value: &str) {
        let mut objects = self.cluster.0.lock();
        let object = objects.get_mut(&workspace("ns")).unwrap();
        merge(object, &json!({"metadata": {"annotations": {"emnify.io/refresh": value}}}));
    }
}

const MINUTES: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn one_user_serves_another_of_their_workspaces_and_no_call_goes_to_the_first() {
    let mut people = People::new(&json!({"switchTo": "1002"}));
    let renews = |state: &mut emnify_simulator::State| {
        state.organisations.get_mut(&1002).unwrap().token_lifetime = 14_400;
    };
    people.simulator.edit(renews).unwrap();
    people.ready("a login is switched").await;
    let organisation =
        |people: &People| people.cluster.workspace("ns").status.unwrap().organisation.unwrap().id;
    assert_eq!(organisation(&people), "1002", "the pin is of the target");
    people.pass(HOURS * 9).await;
    people.ready("a renewal is switched again").await;
    people.restart(Fuse::none());
    people.pass(HOURS * 9).await;
    people.ready("and so after a restart").await;
    let log = people.simulator.requests_after(0);
    assert!(!log.is_empty());
    let strayed = log.iter().find(|entry| {
        !entry.path.starts_with("/api/v1/authenticate") && entry.organisation.is_some_and(|id| id != 1002)
    });
    assert!(strayed.is_none(), "not one call goes to the user's own workspace: {strayed:?}");
    let switched = people.simulator.requests().count("POST", "/api/v1/authenticate/workspace");
    assert!(switched >= 3, "each login is switched: {switched}");

    let leave = |state: &mut emnify_simulator::State| {
        state.users.get_mut(&ADA).unwrap().workspaces.retain(|at| at.organisation == 1001);
    };
    people.simulator.edit(leave).unwrap();
    people.pass(HOURS * 5).await;
    let told = people.conditions().join("\n");
    assert!(told.contains("Stalled WorkspaceChanged spec.credentials.user.switchTo"), "{told}");
    let logins = || people.simulator.requests().count("POST", "/api/v1/authenticate");
    let before = logins();
    people.pass(HOURS * 5).await;
    assert_eq!(logins(), before, "nothing is tried until somebody acts");
    people.spec(&json!({"switchTo": "1001"}));
    people.ready("another organisation is another attempt").await;
    people.is_safe("with one password");
}

/// The Secrets of a rotation.
fn rotate(people: &People) {
    people.secret(&[("password", NEW), ("previous", OLD)]);
}

#[tokio::test(start_paused = true)]
async fn a_new_password_takes_the_place_of_the_one_before_wherever_the_process_ends() {
    let mut points = 0;
    for point in 0.. {
        let mut people = People::new(&json!({}));
        people.ready("at first").await;
        rotate(&people);
        people.restart(Fuse::at(point));
        let ended = people.pass(MINUTES * 4).await;
        people.restart(Fuse::none());
        let what = format!("the process ended at point {point}");
        people.ready(&what).await;
        people.is_safe(&what);
        assert_eq!(people.ada(|ada| ada.password_sha1.clone()), NEW, "{what}");
        let status = people.cluster.workspace("ns").status.unwrap();
        assert_eq!(status.credential.unwrap().previous_obsolete, Some(true), "{what}: the other one can go");
        people.secret(&[("password", NEW)]);
        people.ready("without the one before").await;
        if !ended {
            points = point;
            break;
        }
    }
    assert!(points > 10, "there were points to end at: {points}");
}

#[tokio::test(start_paused = true)]
async fn a_rotation_without_a_login_at_hand_never_risks_a_third_refusal() {
    for changed_before in [false, true] {
        for point in 0.. {
            let mut people = People::new(&json!({}));
            if changed_before {
                let edit = |state: &mut emnify_simulator::State| {
                    state.users.get_mut(&ADA).unwrap().password_sha1 = NEW.to_owned();
                };
                people.simulator.edit(edit).unwrap();
            }
            rotate(&people);
            people.restart(Fuse::at(point));
            let ended = people.pass(MINUTES * 4).await;
            people.restart(Fuse::none());
            people.pass(MINUTES * 30).await;
            let what = format!("changed before: {changed_before}, ended at point {point}");
            people.is_safe(&what);
            if !people.is_ready() {
                let told = people.conditions().join("\n");
                assert!(ended && told.contains("emnify.io/refresh"), "{what}: a person is asked: {told}");
                people.refresh("1");
                people.ready(&what).await;
            }
            assert_eq!(people.ada(|ada| ada.password_sha1.clone()), NEW, "{what}");
            if !ended {
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_password_is_refused_once_however_often_the_process_starts() {
    let mut people = People::new(&json!({}));
    people.secret(&[("password", NEW), ("previous", OTHER)]);
    for _ in 0..6 {
        people.pass(MINUTES * 7).await;
        people.restart(Fuse::none());
    }
    people.is_safe("both are wrong");
    assert_eq!(people.refused.lock().len(), 2, "each was tried");
    let told = people.conditions().join("\n");
    assert!(told.contains("Stalled Unauthorized spec.credentials.user.passwordSecretRef"), "{told}");
    // the answer is lost each time
    let mut people = People::new(&json!({}));
    people.secret(&[("password", NEW)]);
    for _ in 0..6 {
        people.restart(Fuse::at(5));
        people.pass(MINUTES * 7).await;
    }
    let lockout = people.ada(|ada| ada.lockout.clone());
    assert!(lockout.until.is_none() && lockout.failures < 3, "lost answers count as refusals: {lockout:?}");
}

fn managed() -> Value {
    json!({"mfa": {"managed": {"secretName": "ada-mfa"}}})
}

/// Ids and states of Ada's keys.
fn factors(people: &People) -> Vec<(String, u64)> {
    people.ada(|ada| ada.mfa_keys.values().map(|key| (key.secret_key.clone(), key.status)).collect())
}

/// The key in the Secret that the spec names.
fn written(people: &People) -> Option<String> {
    let data = people.cluster.get(&secret("ns", "ada-mfa"))?["data"]["totp"].as_str()?.to_owned();
    String::from_utf8(data_encoding::BASE64.decode(data.as_bytes()).ok()?).ok()
}

#[tokio::test(start_paused = true)]
async fn a_second_factor_is_active_only_with_its_key_kept_wherever_the_process_ends() {
    let mut points = 0;
    for point in 0.. {
        let mut people = People::new(&json!({}));
        people.ready("at first").await;
        people.spec(&managed());
        people.restart(Fuse::at(point));
        let ended = people.pass(MINUTES * 4).await;
        let what = format!("the process ended at point {point}");
        let active: Vec<_> = factors(&people).into_iter().filter(|(_, status)| *status == 1).collect();
        assert!(
            active.iter().all(|(key, _)| written(&people).as_ref() == Some(key)),
            "{what}: nobody is locked out"
        );
        people.restart(Fuse::none());
        people.ready(&what).await;
        let key = written(&people).unwrap();
        assert_eq!(factors(&people), [(key, 1)], "{what}: one key, active, and kept");
        people.simulator.advance(HOURS * 24 * 31);
        people.ready("a login with the code").await;
        people.is_safe(&what);
        if !ended {
            points = point;
            break;
        }
    }
    assert!(points > 10, "there were points to end at: {points}");
}

#[tokio::test(start_paused = true)]
async fn a_lost_secret_is_written_again_and_a_foreign_one_left_alone() {
    let people = People::new(&managed());
    people.ready("with a second factor").await;
    let key = written(&people).unwrap();
    people.cluster.0.lock().remove(&secret("ns", "ada-mfa"));
    people.ready("its Secret is gone").await;
    assert_eq!(written(&people), Some(key), "whoever deletes it locks nobody out");

    let people = People::new(&managed());
    people
        .cluster
        .put(secret("ns", "ada-mfa"), json!({"metadata": {"name": "ada-mfa"}, "type": "Opaque", "data": {}}));
    people.pass(MINUTES * 4).await;
    let told = people.conditions().join("\n");
    assert!(told.contains("Stalled SecretNotOwned"), "{told}");
    assert_eq!(factors(&people), [], "no key is made that has no place");
    assert!(
        people.controller.sessions.of(&key_of(&people.cluster.workspace("ns"))).is_some(),
        "and the login serves"
    );
}

#[tokio::test(start_paused = true)]
async fn without_the_field_the_second_factor_goes_and_the_secret_stays_wherever_the_process_ends() {
    for point in 0.. {
        let mut people = People::new(&managed());
        people.ready("with a second factor").await;
        people.spec(&json!({}));
        people.restart(Fuse::at(point));
        let ended = people.pass(MINUTES * 4).await;
        people.restart(Fuse::none());
        let what = format!("the process ended at point {point}");
        people.ready(&what).await;
        assert_eq!(factors(&people), [], "{what}");
        assert!(written(&people).is_some(), "{what}: the Secret is the user's to delete");
        people.simulator.advance(HOURS * 24 * 31);
        people.ready("a login with the password alone").await;
        people.is_safe(&what);
        if !ended {
            break;
        }
    }
}
