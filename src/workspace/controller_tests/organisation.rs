//! What emnify says of the organisation itself.

use super::*;

const SOON: Duration = Duration::from_secs(90);

/// Requests to this path.
fn asked(stage: &Stage, path: &str) -> usize {
    stage.platform.asked.lock().iter().filter(|(asked, _)| asked.ends_with(path)).count()
}

fn shown(stage: &Stage) -> [Option<String>; 3] {
    let status = stage.cluster.workspace("ns").status.unwrap_or_default();
    let known = status.organisation.expect("the login names the organisation");
    assert_eq!((known.id.as_str(), known.name.as_str()), ("42", "Example"), "as the login says");
    [known.state, known.currency, known.monthly_cost_limit]
}

fn some(texts: [&str; 3]) -> [Option<String>; 3] {
    texts.map(|text| Some(text.to_owned()))
}

#[tokio::test(start_paused = true)]
async fn state_currency_and_limit_of_the_organisation_are_told_and_read_once() {
    let mut stage = Stage::new(true);
    stage.pass(SOON).await;
    assert_eq!(shown(&stage), some(["Active", "EUR", "100.5"]));
    stage.pass(HOURS * 5).await;
    assert_eq!(asked(&stage, "/organisation/my"), 1, "it is read once");
    assert_eq!(asked(&stage, "/currency") + asked(&stage, "/organisation/status"), 0, "names are shown");
    stage.restart();
    stage.pass(Duration::from_secs(1)).await;
    assert_eq!(shown(&stage), some(["Active", "EUR", "100.5"]), "a new process forgets nothing");
}

#[tokio::test(start_paused = true)]
async fn an_organisation_that_is_shown_by_ids_is_named_by_lookups() {
    let stage = Stage::new(true);
    *stage.platform.organisation.lock() =
        json!({"organisation_status_id": "1", "currency_id": 2, "monthly_cost_limit": ""});
    stage.pass(SOON).await;
    let [state, currency, limit] = shown(&stage);
    assert_eq!((state.as_deref(), currency.as_deref(), limit), (Some("Blocked"), Some("USD"), None));
}

#[tokio::test(start_paused = true)]
async fn an_organisation_whose_names_may_not_be_looked_up_is_told_without_them() {
    let stage = Stage::new(true);
    stage.platform.shows_names.store(false, Ordering::Relaxed);
    *stage.platform.organisation.lock() =
        json!({"organisation_status_id": 1, "currency_id": 2, "monthly_cost_limit": "100.50"});
    stage.pass(HOURS * 5).await;
    let [state, currency, limit] = shown(&stage);
    assert_eq!((state.as_deref(), currency.as_deref(), limit.as_deref()), (Some("1"), None, Some("100.5")));
    let tried = asked(&stage, "/organisation/status");
    assert!((2..=30).contains(&tried), "{tried} times in some hours");
    assert_eq!(stage.true_conditions(), ["Ready UpToDate"], "nothing waits for them");
    stage.platform.shows_names.store(true, Ordering::Relaxed);
    stage.pass(HOURS).await;
    assert_eq!(shown(&stage), some(["Blocked", "USD", "100.5"]));
    assert_eq!(asked(&stage, "/organisation/status"), tried + 1, "and then they are known");
}

#[tokio::test(start_paused = true)]
async fn an_organisation_that_may_not_be_read_is_asked_for_ever_more_rarely_and_stays_ready() {
    let stage = Stage::new(true);
    stage.platform.shows_organisation.store(false, Ordering::Relaxed);
    stage.pass(HOURS * 5).await;
    let tried = asked(&stage, "/organisation/my");
    assert!((2..=30).contains(&tried), "{tried} times in some hours");
    assert_eq!(shown(&stage), [None, None, None]);
    assert_eq!(stage.true_conditions(), ["Ready UpToDate"], "nothing waits for it");
    stage.platform.shows_organisation.store(true, Ordering::Relaxed);
    stage.pass(HOURS).await;
    assert_eq!(shown(&stage), some(["Active", "EUR", "100.5"]));
}

#[tokio::test(start_paused = true)]
async fn a_person_who_refreshes_the_workspace_sees_the_organisation_as_it_is_now() {
    let stage = Stage::new(true);
    stage.pass(SOON).await;
    stage.platform.organisation.lock()["status"] = json!({"id": 1, "description": "Blocked"});
    stage.pass(SOON).await;
    assert_eq!(shown(&stage), some(["Active", "EUR", "100.5"]), "nobody told");
    let path = workspace("ns");
    let mut refreshed = stage.cluster.get(&path).unwrap();
    refreshed["metadata"]["annotations"] = json!({"emnify.io/refresh": "1"});
    stage.cluster.put(path, refreshed);
    stage.pass(SOON).await;
    assert_eq!(shown(&stage), some(["Blocked", "EUR", "100.5"]));
}
