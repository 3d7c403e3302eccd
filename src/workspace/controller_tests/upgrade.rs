//! A workspace that the release before this one served, and its login.

use super::*;

/// What that release did not keep in the Secret of a login.
const NEWER: [&str; 4] = ["passwords", "totp", "otpauth", "credentials"];

/// The fields that it had in a status.
const STATUS: [&str; 14] = [
    "observedGeneration",
    "organisation",
    "tariffPlan",
    "factoryTestMode",
    "tokenExpiresAt",
    "credential",
    "lastError",
    "counts",
    "budget",
    "scrub",
    "events",
    "guard",
    "lastHandledRefreshAt",
    "conditions",
];

#[tokio::test(start_paused = true)]
async fn an_upgrade_of_many_workspaces_logs_none_of_them_in() {
    let names: Vec<_> = (0..20).map(|n| (format!("ns{n}"), format!("token-{n}"))).collect();
    let tenants: Vec<_> = names.iter().map(|(namespace, token)| (&**namespace, &**token)).collect();
    let tokens: Vec<_> =
        tenants.iter().zip(100..).map(|((_, token), organisation)| (*token, organisation)).collect();
    let mut stage = Stage::with(&tenants, &tokens);
    stage.pass(Duration::from_secs(120)).await;
    assert_eq!(stage.platform.logins.lock().len(), 20, "each has logged in once");

    let mut before = BTreeMap::new();
    for (namespace, _) in &names {
        let path = secret("emnify-system", &format!("session.workspace.{namespace}.main"));
        let mut kept = stage.cluster.get(&path).expect("its login is kept");
        kept["data"].as_object_mut().unwrap().retain(|key, _| !NEWER.contains(&&**key));
        stage.cluster.put(path, kept);
        let mut object = stage.cluster.get(&workspace(namespace)).unwrap();
        let status = object["status"].as_object_mut().unwrap();
        status.retain(|field, _| STATUS.contains(&&**field));
        status.insert("counts".into(), json!({"endpoints": 3, "sims": 4}));
        for field in ["state", "currency", "monthlyCostLimit"] {
            status["organisation"].as_object_mut().unwrap().remove(field);
        }
        before.insert(namespace.clone(), object["status"]["organisation"].clone());
        stage.cluster.put(workspace(namespace), object);
    }
    stage.restart();
    stage.pass(HOURS).await;
    assert_eq!(stage.platform.logins.lock().len(), 20, "an upgrade is no storm of logins");
    for (namespace, organisation) in before {
        let status = stage.cluster.workspace(&namespace).status.unwrap();
        assert!(conditions::is_true(&status.conditions, "Ready", Some(1)), "{namespace}");
        let now = json!(status.organisation);
        for field in ["id", "name", "baseUrl"] {
            assert_eq!(now[field], organisation[field], "{namespace}: {field} is known still");
        }
        assert_eq!(now["currency"], "EUR", "{namespace}: what is new is read");
    }
}
