//! Two tenants in one cluster: what one of them writes never gives it the login, or the organisation, of another.

use emnify_engine::session::{Access, guard::GuardLimit};
use secrecy::ExposeSecret;

use super::*;
use crate::workspace::{
    credentials::{Secrets, TrustedDevice},
    session_secret::TYPE,
};
use std::collections::BTreeMap;

const SALT: &str = "a salt that the tenant wrote";
const SOON: Duration = Duration::from_secs(60);

/// What an earlier release would have kept beside the credentials: every word of it is the tenant's.
fn forged(namespace: &str, token: &str, jwt: &str) -> Value {
    let workspace = Cluster::with(&[(namespace, token)]).workspace(namespace);
    let trusted_device = TrustedDevice { salt: SALT.to_owned().into(), fingerprint: "f".to_owned().into() };
    let data = BTreeMap::from([("token".to_owned(), token.as_bytes().to_vec())]);
    let secrets = Secrets::from([("emnify".to_owned(), Some(data))]);
    let offer = workspace.spec.access.credentials.offer(&secrets, &trusted_device, None).unwrap();
    let encoded = |text: &str| data_encoding::BASE64.encode(text.as_bytes());
    json!({
        "type": TYPE,
        "metadata": {
            "name": "main-session",
            "ownerReferences": [{"apiVersion": "emnify.io/v1alpha1", "kind": "Workspace", "name": "main", "uid": format!("uid-{namespace}")}],
            "annotations": {"emnify.io/origin": "https://cdn.emnify.net", "emnify.io/credential": offer.digests.credential},
        },
        "data": {"jwt": encoded(jwt), "salt": encoded(SALT), "fingerprint": encoded("f")},
    })
}

fn requests_with(stage: &Stage, jwt: &str) -> Vec<String> {
    let asked = stage.platform.asked.lock();
    asked.iter().filter(|(_, with)| with == jwt).map(|(path, _)| path.clone()).collect()
}

fn keys(access: &Access) -> Vec<Option<String>> {
    access.session.callers().iter().map(|caller| caller.key.namespace.clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_forged_login_joins_nobody_whoever_is_looked_at_first() {
    for order in [["victim", "intruder"], ["intruder", "victim"]] {
        let tenants = order.map(|name| (name, if name == "victim" { "token-1001" } else { "junk" }));
        let mut stage = Stage::with(&tenants, &[("token-1001", 1001)]);
        let forgery = jwt(1001, "forged");
        stage.cluster.put(secret("intruder", "main-session"), forged("intruder", "junk", &forgery));
        stage.pass(SOON).await;
        stage.restart();
        stage.pass(SOON).await;
        let victim = stage.access("victim").expect("who has a login is served");
        assert_eq!(victim.session.organisation, "1001");
        assert_eq!(keys(&victim), [Some("victim".to_owned())], "nobody else is in the session ({order:?})");
        assert!(stage.access("intruder").is_none(), "a claim is no login");
        let with = requests_with(&stage, &forgery);
        assert!(with.iter().all(|path| path.ends_with("/organisation/my")), "it was only tried: {with:?}");
        let live = victim.caller.client.token().unwrap();
        let live = live.token.expose_secret().to_owned();
        assert!(stage.platform.issued.lock().contains_key(&live), "the victim's login is its own");
        let kept = stage.cluster.get(&secret("emnify-system", "session.workspace.intruder.main")).unwrap();
        assert!(kept["data"]["jwt"].is_null(), "what was not proven is not kept: {kept:#}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_forged_login_beside_a_valid_token_leads_to_the_tokens_own_organisation() {
    let tenants = [("victim", "token-1001"), ("intruder", "token-2002")];
    let stage = Stage::with(&tenants, &[("token-1001", 1001), ("token-2002", 2002)]);
    let forgery = jwt(1001, "forged");
    stage.cluster.put(secret("intruder", "main-session"), forged("intruder", "token-2002", &forgery));
    stage.pass(SOON).await;
    let (victim, intruder) = (stage.access("victim").unwrap(), stage.access("intruder").unwrap());
    assert_eq!((&*victim.session.organisation, &*intruder.session.organisation), ("1001", "2002"));
    assert_eq!(keys(&victim), [Some("victim".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_release_kept_costs_no_login() {
    let stage = Stage::with(&[("ns", TOKEN)], &[(TOKEN, 42)]);
    let genuine = stage.platform.issue(42);
    stage.cluster.put(secret("ns", "main-session"), forged("ns", TOKEN, &genuine));
    stage.pass(SOON).await;
    assert!(stage.platform.logins.lock().is_empty(), "an upgrade is no storm of logins");
    assert_eq!(stage.access("ns").unwrap().session.organisation, "42");
    let kept = stage.cluster.get(&secret("emnify-system", "session.workspace.ns.main")).unwrap();
    assert_eq!(
        kept["data"]["salt"],
        data_encoding::BASE64.encode(SALT.as_bytes()),
        "digests in the status stay right"
    );
    assert!(!kept["data"]["jwt"].is_null(), "and the next restart needs none either");
    let former = stage.cluster.get(&secret("ns", "main-session")).unwrap();
    assert!(former["data"]["jwt"].is_null(), "no live token is left where tenants read: {former:#}");
}

/// Workspaces as an earlier release left them: a login beside the credentials of each, and its words in the status.
fn left_by_an_earlier_release(stage: &Stage, tokens: &[(String, String)], works: bool) {
    let told = |kind: &str, status: &str| json!({"type": kind, "status": status, "reason": "UpToDate", "message": "", "lastTransitionTime": "2026-04-01T00:00:00Z", "observedGeneration": 1});
    for (namespace, token) in tokens {
        let organisation = stage.platform.tokens[token];
        let kept = if works { stage.platform.issue(organisation) } else { jwt(organisation, "ended") };
        let former = forged(namespace, token, &kept);
        let accepted = former["metadata"]["annotations"]["emnify.io/credential"].clone();
        stage.cluster.put(secret(namespace, "main-session"), former);
        let status = json!({
            "observedGeneration": 1, "conditions": [told("Ready", "True")], "counts": {"endpoints": 3, "sims": 4},
            "organisation": {"id": organisation.to_string(), "name": "Example"}, "credential": {"accepted": accepted},
            "tokenExpiresAt": "2026-05-01T16:00:00Z",
        });
        merge(stage.cluster.0.lock().get_mut(&workspace(namespace)).unwrap(), &json!({"status": status}));
    }
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_of_many_workspaces_is_no_storm_of_logins() {
    const MANY: i64 = 40;
    for works in [true, false] {
        let tokens: Vec<_> = (0..MANY).map(|n| (format!("ns-{n}"), format!("token-{n}"))).collect();
        let tenants: Vec<_> = tokens.iter().map(|(namespace, token)| (&**namespace, &**token)).collect();
        // some share an organisation
        let known: Vec<_> = tenants.iter().zip(0..).map(|((_, token), n)| (*token, 1_000 + n % 30)).collect();
        let mut stage = Stage::with(&tenants, &known);
        left_by_an_earlier_release(&stage, &tokens, works);
        stage.pass(SOON * 5).await;
        let expected = if works { 0 } else { tokens.len() };
        let logins = || stage.platform.logins.lock().len();
        assert_eq!(logins(), expected, "one at most for each, and none where the one that was kept works");
        for ((namespace, _), (_, organisation)) in tenants.iter().zip(&known) {
            let access = stage.access(namespace).expect("everybody is served");
            assert_eq!(access.session.organisation, organisation.to_string());
            let status = stage.cluster.workspace(namespace).status.unwrap();
            assert!(conditions::is_true(&status.conditions, "Ready", Some(1)), "{namespace} stays Ready");
        }
        stage.restart();
        stage.pass(SOON).await;
        assert_eq!(stage.platform.logins.lock().len(), expected, "and the next start needs none");
    }
}

#[tokio::test(start_paused = true)]
async fn workspaces_of_one_organisation_share_what_is_known_and_not_who_acts() {
    let tenants = [("a", "token-a"), ("b", "token-b")];
    let stage = Stage::with(&tenants, &[("token-a", 1001), ("token-b", 1001)]);
    stage.pass(SOON).await;
    let (a, b) = (stage.access("a").unwrap(), stage.access("b").unwrap());
    assert!(Arc::ptr_eq(&a.session, &b.session), "listings and limits are the organisation's");
    assert!(!Arc::ptr_eq(&a.caller, &b.caller));
    let token = |access: &Access| access.caller.client.token().unwrap().token.expose_secret().to_owned();
    let (of_a, of_b) = (token(&a), token(&b));

    b.caller.guard.set_limit(GuardLimit { devices: 1, ..GuardLimit::default() }, "Workspace b/main");
    assert!(b.caller.guard.ask("x", 1, 2).is_err(), "the guard of one");
    assert!(a.caller.guard.ask("y", 1, 2).is_ok(), "says nothing about the other");

    b.caller.client.login().await.unwrap();
    assert_ne!(token(&b), of_b, "one of them logs in anew");
    assert_eq!(token(&a), of_a, "and the other goes on with its own login");

    let refusal = emnify::Error::Unauthorized { status: 401, message: "revoked".into() };
    a.caller.report_refusal(&refusal);
    assert_eq!(a.session.reader().key, b.caller.key, "listings use a login that works");
}

#[tokio::test(start_paused = true)]
async fn a_workspace_that_is_gone_takes_its_login_along() {
    let stage = Stage::with(&[("ns", TOKEN)], &[(TOKEN, 42)]);
    stage.pass(SOON).await;
    let path = secret("emnify-system", "session.workspace.ns.main");
    assert!(stage.cluster.get(&path).is_some());
    let patch = json!({"metadata": {"deletionTimestamp": clock().to_string()}});
    merge(stage.cluster.0.lock().get_mut(&workspace("ns")).unwrap(), &patch);
    stage.pass(Duration::from_secs(5)).await;
    assert!(stage.cluster.get(&path).is_none(), "no live token outlives its workspace");
    let object = stage.cluster.get(&workspace("ns")).unwrap();
    assert_eq!(object["metadata"]["finalizers"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn an_organisation_of_the_same_id_at_another_address_is_not_taken_for_the_same() {
    for confirmed in [false, true] {
        let mut stage = Stage::with(&[("ns", TOKEN)], &[(TOKEN, 42)]);
        stage.pass(SOON).await;
        let mut patch =
            json!({"spec": {"baseUrl": "https://portal.emnify.net"}, "metadata": {"generation": 2}});
        if confirmed {
            patch["metadata"]["annotations"] = json!({"emnify.io/refresh": "1"});
        }
        merge(stage.cluster.0.lock().get_mut(&workspace("ns")).unwrap(), &patch);
        stage.restart();
        stage.pass(SOON).await;
        assert_eq!(stage.access("ns").is_some(), confirmed, "served (confirmed: {confirmed})");
        let message = stage.stalled();
        assert_eq!(message.contains("live at https://cdn.emnify.net, and this is"), !confirmed, "{message}");
        let back = json!({"spec": {"baseUrl": null}, "metadata": {"generation": 3}});
        merge(stage.cluster.0.lock().get_mut(&workspace("ns")).unwrap(), &back);
        stage.pass(SOON).await;
        let message = stage.stalled();
        assert_eq!(message.contains("live at https://portal.emnify.net"), confirmed, "each way: {message}");
    }
}
