use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use emnify::{
    Api, BaseUrl, Client, Config, Credentials, Error, HostLimits, Lane, ServiceTransport, Transport,
    TransportError,
};
use emnify_engine::kind::{Context, Have, Id, Inputs, Managed, Veto, reason};
use emnify_simulator::{Options, Simulator, state::Membership};
use futures::future::BoxFuture;
use http::{Request, Response};
use serde_json::{Value, json};

use super::{
    User,
    change::{Change, Sub},
    rows::{Detail, Parts, Row},
    spec::UserRole,
};
use crate::kinds::laws::{api, context, is_found_again, kind_laws, look, object, settle};

fn row() -> Row {
    Row { id: 7, username: "jo@example.com".into(), name: "Jo".into(), created: None, account: Some(1) }
}

fn parts() -> Parts {
    let detail = Detail {
        roles: BTreeSet::from([2]),
        foreign: Vec::new(),
        second_factor: false,
        here: Some(1),
        default_workspace: Some(1001),
    };
    Parts { detail: Some(detail), other_administrator: Some(true) }
}

fn spec(more: &Value) -> Value {
    let mut spec = json!({"username": "Jo@Example.com", "name": "Jo", "roles": ["User"]});
    for (key, value) in more.as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    spec
}

kind_laws!(
    User,
    there: (row(), parts()),
    inputs: Inputs::new("prod", "fleet/a", None),
    bare: spec(&json!({})),
    others: [
        spec(&json!({"name": "Jo Doe"})),
        spec(&json!({"roles": ["Observer"]})),
        spec(&json!({"roles": ["Administrator", "User"], "suspended": true})),
        spec(&json!({"defaultWorkspace": {"id": "1002"}})),
    ],
    new: spec(&json!({})),
);

/// What would be sent next, in words, or why it is not.
fn next(spec: &Value, row: &Row, parts: &Parts, context: &Context<'_, User>) -> Result<Vec<String>, Veto> {
    let want = object::<User>(spec).want(&Inputs::default()).unwrap();
    let have: Have<User> = Have { row: Arc::new(row.clone()), parts: Arc::new(parts.clone()), output: None };
    let changes = User::diff(&want, &have, context).changes;
    match changes.first().and_then(|change| User::forbids(change, &have, context)) {
        Some(veto) => Err(veto),
        None => Ok(changes.iter().map(ToString::to_string).collect()),
    }
}

fn administrator(others: Option<bool>) -> Parts {
    let mut parts = Parts { other_administrator: others, ..parts() };
    parts.detail.as_mut().unwrap().roles = BTreeSet::from([1]);
    parts
}

#[test]
fn name_roles_state_and_default_workspace_change_in_this_order_and_roles_are_given_first() {
    let all = spec(
        &json!({"name": "Jo Doe", "roles": ["Observer"], "suspended": true, "defaultWorkspace": {"id": "1002"}}),
    );
    let told = next(&all, &row(), &parts(), &Context { as_user: true, ..context() }).unwrap();
    assert_eq!(
        told,
        [
            "name: Jo -> Jo Doe",
            "roles: - -> Observer",
            "roles: User -> -",
            "suspended: false -> true",
            "defaultWorkspace: 1001 -> 1002"
        ]
    );
}

#[test]
fn the_last_active_administrator_is_neither_demoted_nor_suspended_nor_deleted() {
    let (demoted, suspended) =
        (spec(&json!({})), spec(&json!({"roles": ["Administrator"], "suspended": true})));
    let have =
        |parts: &Parts| Have::<User> { row: Arc::new(row()), parts: Arc::new(parts.clone()), output: None };
    for others in [None, Some(false)] {
        let last = administrator(others);
        let with_role = {
            let mut parts = last.clone();
            parts.detail.as_mut().unwrap().roles.insert(2);
            parts
        };
        for (spec, parts) in [(&demoted, &with_role), (&suspended, &last)] {
            let veto = next(spec, &row(), parts, &context()).unwrap_err();
            assert_eq!(veto.reason, reason::LAST_ADMINISTRATOR, "what is not known is no consent: {veto:?}");
        }
        assert!(next(&demoted, &row(), &last, &context()).is_ok(), "another role can be given meanwhile");
        let gone = User::forbids(&Change::Delete { disturbs: 0 }, &have(&last), &context());
        assert_eq!(gone.map(|veto| veto.reason), Some(reason::LAST_ADMINISTRATOR));
    }
    let one_of_two = administrator(Some(true));
    assert!(next(&suspended, &row(), &one_of_two, &context()).is_ok());
    assert_eq!(User::forbids(&Change::Delete { disturbs: 0 }, &have(&one_of_two), &context()), None);
    let pending = Row { account: Some(0), ..row() };
    let have =
        Have::<User> { row: Arc::new(pending), parts: Arc::new(administrator(Some(false))), output: None };
    let gone = User::forbids(&Change::Delete { disturbs: 0 }, &have, &context());
    assert_eq!(gone, None, "whoever never accepted administers nothing");
}

#[test]
fn the_user_that_the_operator_logs_in_as_is_left_alone() {
    let own = Context { own_users: vec!["jo@example.com".into()], ..context() };
    let want = object::<User>(&spec(&json!({"name": "Other"}))).want(&Inputs::default()).unwrap();
    let have = Have::<User> { row: Arc::new(row()), parts: Arc::new(parts()), output: None };
    let diff = User::diff(&want, &have, &own);
    assert!(diff.changes.is_empty());
    assert!(diff.illegal.unwrap().to_string().starts_with("username: the operator logs in as this user"));
    let gone = User::forbids(&Change::Delete { disturbs: 0 }, &have, &own);
    assert_eq!(gone.map(|veto| veto.reason), Some(reason::INVALID_SPEC), "nor is it deleted");
}

#[test]
fn somebody_with_a_role_that_only_emnify_gives_is_refused_before_anything_is_sent() {
    let mut support = parts();
    support.detail.as_mut().unwrap().foreign = vec!["SuperAdmin".into()];
    let veto = next(&spec(&json!({"name": "Other"})), &row(), &support, &context()).unwrap_err();
    assert_eq!(veto.reason, reason::REJECTED);
    assert!(veto.message.contains("SuperAdmin"), "{veto:?}");
    assert_eq!(
        next(&spec(&json!({})), &row(), &support, &context()),
        Ok(vec![]),
        "one in step may be looked at"
    );
}

#[test]
fn a_default_workspace_needs_a_person_and_workspaces() {
    let spec = spec(&json!({"defaultWorkspace": {"id": "1002"}}));
    let veto = next(&spec, &row(), &parts(), &context()).unwrap_err();
    assert_eq!(veto.reason, reason::USER_CREDENTIALS_NEEDED);
    let mut none = parts();
    none.detail.as_mut().unwrap().default_workspace = None;
    let want = object::<User>(&spec).want(&Inputs::default()).unwrap();
    assert_eq!(look::<User>(&want, &row(), &none).illegal.unwrap().path, "defaultWorkspace");
}

#[test]
fn another_address_is_another_person() {
    let want =
        object::<User>(&spec(&json!({"username": "joanna@example.com"}))).want(&Inputs::default()).unwrap();
    let diff = look::<User>(&want, &row(), &parts());
    assert!(diff.changes.is_empty(), "a new address would invalidate the account: {diff:?}");
    assert_eq!(diff.immutable[0].path, "username");
}

#[test]
fn whoever_has_not_accepted_yet_is_not_asked_again() {
    let pending = Row { account: Some(0), ..row() };
    let mut parts = parts();
    parts.detail.as_mut().unwrap().here = Some(0);
    let same = spec(&json!({"suspended": false}));
    assert_eq!(
        next(&same, &pending, &parts, &context()),
        Ok(vec![]),
        "somebody's mailbox is not the manifest's fault"
    );
    let mut status = super::UserStatus::default();
    let have = Have::<User> { row: Arc::new(pending), parts: Arc::new(parts), output: None };
    object::<User>(&same).report(&have, None, &mut status);
    assert_eq!((status.state.as_deref(), status.roles), (Some("ActivationPending"), vec!["User".to_owned()]));
}

#[test]
fn manifests_are_checked() {
    let check = |more: Value| object::<User>(&spec(&more)).validate_cel().is_ok();
    assert!(check(json!({})));
    let bad = json!({"username": "a@example.com", "name": "A", "roles": ["SuperAdmin"]});
    let manifest =
        json!({"apiVersion": "emnify.io/v1alpha1", "kind": "User", "metadata": {"name": "a"}, "spec": bad});
    assert!(serde_json::from_value::<User>(manifest).is_err(), "nobody gives what only emnify gives");
}

fn simulator(workspaces: bool) -> Simulator {
    let simulator = Simulator::start(Options::default());
    let edit = simulator.edit(|state| {
        state.organisations.get_mut(&1001).unwrap().tariff_plan.workspaces_enabled = workspaces;
    });
    edit.unwrap();
    simulator
}

/// Accepts invitations.
fn accept(simulator: &Simulator, id: &Id) {
    let edit = simulator.edit(|state| {
        let user = state.users.get_mut(&u64::try_from(id.int().unwrap()).unwrap()).unwrap();
        user.status = 1;
        user.workspaces[0].status = 1;
    });
    edit.unwrap();
}

fn at(simulator: &Simulator, id: &Id) -> (u64, Membership) {
    let id = u64::try_from(id.int().unwrap()).unwrap();
    simulator.inspect(|state| (state.users[&id].status, state.users[&id].workspaces[0].clone()))
}

#[tokio::test(start_paused = true)]
async fn a_person_is_invited_changed_suspended_and_taken_out_in_either_plan() {
    for workspaces in [true, false] {
        let simulator = simulator(workspaces);
        let api = api(&simulator);
        let id = is_found_again::<User>(&api, &spec(&json!({}))).await;
        assert_eq!(at(&simulator, &id).1.roles, [2], "with the roles of the spec, not emnify's default");
        accept(&simulator, &id);
        let other =
            spec(&json!({"name": "Jo Doe", "roles": ["Administrator", "Observer"], "suspended": true}));
        settle::<User>(&api, &other, &id).await;
        let (account, here) = at(&simulator, &id);
        assert_eq!(here.roles.iter().copied().collect::<BTreeSet<_>>(), BTreeSet::from([1, 3]));
        assert_eq!((account, here.status), if workspaces { (1, 2) } else { (2, 1) }, "{workspaces}");
        settle::<User>(&api, &spec(&json!({"suspended": false})), &id).await;
        User::apply(&api, &id, &Change::Delete { disturbs: 0 }).await.unwrap();
        assert_eq!(User::read(&api, &id).await, Ok(None));
    }
}

#[tokio::test(start_paused = true)]
async fn somebody_of_an_organisation_without_workspaces_is_told_of_once() {
    let simulator = simulator(true);
    let edit = simulator.edit(|state| {
        state.organisations.get_mut(&1002).unwrap().tariff_plan.workspaces_enabled = false;
        state.users.get_mut(&301).unwrap().workspaces.retain(|at| at.organisation == 1002);
    });
    edit.unwrap();
    let want =
        object::<User>(&spec(&json!({"username": "ada@example.com"}))).want(&Inputs::default()).unwrap();
    let refused = User::make(&api(&simulator), &User::create(&want, None).unwrap()).await.unwrap_err();
    assert!(matches!(refused, Error::Rejected { .. }), "nothing ends it by itself: {refused}");
    assert!(refused.to_string().contains("another one without workspaces"), "{refused}");
}

/// Another Administrator beside Ada.
async fn grace(api: &Api, simulator: &Simulator) -> Id {
    let grace = spec(&json!({"username": "grace@example.com", "roles": ["Administrator"]}));
    let id = is_found_again::<User>(api, &grace).await;
    accept(simulator, &id);
    id
}

const ADA: Id = Id::Int(301);

fn demotion() -> [Change; 3] {
    [
        Change::Sub(Sub::RemoveRole(UserRole::Administrator)),
        Change::Sub(Sub::Suspend(true)),
        Change::Delete { disturbs: 0 },
    ]
}

fn administrators(simulator: &Simulator) -> usize {
    simulator.inspect(|state| {
        let here = |user: &&emnify_simulator::state::User| {
            let at = user.workspaces.iter().find(|at| at.organisation == 1001);
            user.status == 1 && at.is_some_and(|at| at.status == 1 && at.roles.contains(&1))
        };
        state.users.values().filter(here).count()
    })
}

#[tokio::test(start_paused = true)]
async fn of_two_that_are_demoted_one_after_the_other_the_second_stays_whatever_was_known_of_the_first() {
    for change in demotion() {
        for workspaces in [true, false] {
            let simulator = simulator(workspaces);
            let api = api(&simulator);
            let grace = grace(&api, &simulator).await;
            for id in [&ADA, &grace] {
                User::apply(&api, id, &Change::Sub(Sub::AddRole(UserRole::User))).await.unwrap();
            }
            User::apply(&api, &ADA, &change).await.unwrap();
            let refused = User::apply(&api, &grace, &change).await.unwrap_err();
            assert!(matches!(refused, Error::Conflict { .. }), "{change}: {refused}");
            assert!(refused.to_string().contains("last active Administrator"), "{refused}");
            assert_eq!(administrators(&simulator), 1, "{change}");
        }
    }
}

/// Somebody at the portal who acts just before the first request that is a write.
struct Portal {
    inner: Arc<dyn Transport>,
    act: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Transport for Portal {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        let writes = request.method() != http::Method::GET && !request.uri().path().contains("authenticate");
        if writes && let Some(act) = self.act.lock().unwrap().take() {
            act();
        }
        self.inner.send(request)
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_turns_out_to_have_been_the_last_one_gets_it_back() {
    for change in &demotion()[..2] {
        let simulator = simulator(true);
        let plain = api(&simulator);
        let grace = grace(&plain, &simulator).await;
        User::apply(&plain, &ADA, &Change::Sub(Sub::AddRole(UserRole::User))).await.unwrap();
        let at_the_portal = simulator.clone();
        let act = Box::new(move || {
            let edit = at_the_portal.edit(|state| {
                let id = u64::try_from(grace.int().unwrap()).unwrap();
                state.users.get_mut(&id).unwrap().workspaces[0].roles = vec![3];
            });
            edit.unwrap();
        });
        let portal =
            Portal { inner: Arc::new(ServiceTransport::new(simulator.router())), act: Mutex::new(Some(act)) };
        let base = BaseUrl::parse("http://127.0.0.1:1").unwrap();
        let credentials = Credentials::ApplicationToken("example-token".to_owned().into());
        let client = Client::new(Config::new(base, credentials, Arc::new(portal), HostLimits::new(1.0)));
        let refused = User::apply(&client.api(Lane::Create), &ADA, change).await.unwrap_err();
        assert!(matches!(refused, Error::Conflict { .. }), "{change}: {refused}");
        assert_eq!(administrators(&simulator), 1, "{change}: it was given back");
    }
}

#[test]
fn what_is_sent_is_remembered_by_what_it_asks() {
    let asked: Vec<_> = demotion().iter().map(emnify_engine::kind::Change::request).collect();
    assert_eq!(asked[1], "update suspended=true");
}
