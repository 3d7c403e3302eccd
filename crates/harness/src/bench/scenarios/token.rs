//! A Workspace whose token emnify refuses.

use std::time::Duration;

use anyhow::Result;
use emnify_simulator::Entry;
use kube::api::ListParams;
use serde_json::{Value as Json, json};
use tokio::time::{Instant, sleep};

use crate::{
    bench::{
        calls::is_login,
        environment::Environment,
        environments::Environments,
        figure::{Value, count, float, seconds},
        report::Report,
    },
    stage::condition,
};

/// Objects that could complain.
const DEVICES: u64 = 100;
/// Two probes of 5.5 minutes, and a little.
const MEASURED: Duration = Duration::from_secs(12 * 60);
/// One probe, and a little.
const QUICK: Duration = Duration::from_secs(6 * 60 + 30);
const HOUR: f64 = 3_600.0;

pub(super) async fn wrong(environments: &Environments, report: &mut Report) -> Result<()> {
    let measured = if environments.site.quick { QUICK } else { MEASURED };
    let mut environment = Environment::open(&environments.site, DEVICES).await?;
    let start = environment.mark().await?;
    environment.stage.apply_secret("wrong", &[("token", "nobodys-token")]).await?;
    environment.stage.apply(&workspace(&environment.stage.base_url())).await?;
    environment.make(DEVICES).await?;
    let until = Instant::now() + measured;
    while Instant::now() < until {
        sleep(Duration::from_secs(1)).await;
    }
    let calls = environment.calls(start);
    calls.show(report);
    let logins: Vec<_> = calls.0.iter().filter(|entry| is_login(entry)).collect();
    report.shows("measured for", seconds(start.at.elapsed()));
    report.shows("logins in that time", count(logins.len()));
    report.at_most("logins an hour", hourly(&logins, measured), Value::Count(12));
    report.note(
        "the hour is not waited for: it is one login at its begin, and one more in each of the shortest time that was \
         seen between two",
    );
    let (workspace, devices) =
        (complaints(&environment, "Workspace").await?, complaints(&environment, "Endpoint").await?);
    report.is("Workspaces that tell of the refused token", Value::Count(workspace), Value::Count(1));
    report.is("devices that tell of it", Value::Count(devices), Value::Count(0));
    environment.close().await
}

fn workspace(base_url: &str) -> String {
    json!({
        "apiVersion": "emnify.io/v1alpha1", "kind": "Workspace", "metadata": {"name": "default"},
        "spec": {
            "baseUrl": base_url,
            "credentials": {"applicationTokenSecretRef": {"name": "wrong", "key": "token"}},
        },
    })
    .to_string()
}

/// Logins of an hour that goes on like this.
fn hourly(logins: &[&Entry], measured: Duration) -> Value {
    let gaps = logins.windows(2).map(|pair| pair[1].at.duration_since(pair[0].at).as_secs_f64());
    // Without a second login the next may come any moment.
    let shortest = gaps.fold(measured.as_secs_f64(), f64::min).max(1.0);
    let most = (0..=3_600).take_while(|more| float(*more) * shortest < HOUR).count();
    if logins.is_empty() { Value::NotMeasured("nobody logged in") } else { count(most) }
}

/// How many objects of a kind say in a condition that emnify refuses the token.
async fn complaints(environment: &Environment, kind: &str) -> Result<u64> {
    let objects = environment.stage.api(kind)?.list(&ListParams::default()).await?;
    let mut complaints = 0;
    for object in objects.items {
        let object: Json = serde_json::to_value(object)?;
        let ready = condition(&object, "Ready").cloned().unwrap_or_default();
        complaints += u64::from(ready["reason"] == "Unauthorized");
    }
    Ok(complaints)
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::*;
    use crate::bench::calls;

    fn login(second: i64) -> Entry {
        let at = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second);
        Entry { at, ..calls::entry("POST", "/api/v1/authenticate") }
    }

    #[test]
    fn an_hour_is_reckoned_from_the_shortest_time_between_two_logins() {
        let hour = |seconds: &[i64]| {
            let logins: Vec<_> = seconds.iter().map(|second| login(*second)).collect();
            hourly(&logins.iter().collect::<Vec<_>>(), MEASURED)
        };
        assert_eq!(hour(&[0, 330, 660]), Value::Count(11), "0, 5.5, 11 .. 55 minutes");
        assert_eq!(hour(&[0, 300]), Value::Count(12), "0, 5 .. 55 minutes");
        assert_eq!(hour(&[0, 10]), Value::Count(360));
        assert_eq!(hour(&[0]), Value::Count(5), "no second one in 12 minutes");
        assert!(matches!(hour(&[]), Value::NotMeasured(_)));
    }
}
