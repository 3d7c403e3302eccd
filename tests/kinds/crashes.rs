//! Every kind that emnify makes an object of: whatever became of the answer, and whoever died before it, there is one.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::{
    cases::{Case, OBJECTS, STREAMS},
    stage::Stage,
    wire::Wrong,
};

/// The path of the call that makes an object of the kind; `None` where nothing is made.
fn maker(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "ServiceProfile" => "/api/v1/service_profile",
        "TariffProfile" => "/api/v1/tariff_profile",
        "Endpoint" => "/api/v1/endpoint",
        "ApplicationToken" => "/api/v1/application_token",
        "DnsConfig" => "/api/v1/dns",
        "ApiCallback" => "/api/v1/api_callback",
        "CustomEvent" => "/api/v1/event/custom/configuration",
        "Automation" => "/api/v1/automation",
        "ApiSecret" => "/api/v1/api_secret",
        "IpAddressSpace" => "/api/v1/ip_address_space",
        "Tag" => "/api/v2/tags",
        "User" => "/api/v2/user/invitation",
        "DataStream" => "/api/v2/data_stream",
        "CloudConnect" => "/api/v1/cnc/breakout/vpn",
        "Sim" => return None,
        other => panic!("say what makes a {other}"),
    })
}

/// Makes one object of each kind, whose answer comes to grief, and counts what was made.
async fn made_once(cases: &[Case], fate: &Wrong, dies: bool) {
    let stage = Stage::new().await;
    let makers: Vec<_> = cases.iter().filter_map(|case| Some((case.kind, maker(case.kind)?))).collect();
    let (paths, tried) = (makers.clone(), Arc::new(Mutex::new(HashSet::new())));
    let strikes = tried.clone();
    stage.wire.fail(
        move |asked| {
            let makes = asked.method == "POST" && paths.iter().any(|(_, path)| asked.path == *path);
            makes && strikes.lock().unwrap().insert(asked.path.clone())
        },
        fate.clone(),
    );
    for case in cases {
        stage.cluster.apply_a(case.kind, "a", (case.spec)());
    }
    for _ in 0..600 {
        if tried.lock().unwrap().len() == makers.len() {
            break;
        }
        stage.pass(1).await;
    }
    let never: Vec<_> = makers.iter().filter(|(_, path)| !tried.lock().unwrap().contains(*path)).collect();
    assert!(never.is_empty(), "{fate}: never asked for: {never:?}");
    let stage = if dies { stage.restart().await } else { stage };
    for case in cases {
        stage.ready(case.kind, "a").await;
    }
    stage.pass(1_200).await;
    for (kind, path) in &makers {
        let call = format!("POST {path}");
        let mut made = stage.wire.carried().iter().filter(|carried| **carried == call).count();
        if *kind == "Tag" {
            // devices make theirs by the same call
            made = stage.wire.simulator.inspect(|state| {
                state.organisations[&1001].tags.values().filter(|tag| tag.name == "attic").count()
            });
        }
        // the value of a token is shown once: one whose answer was lost is replaced, and revoked
        let most = if *kind == "ApplicationToken" { 2 } else { 1 };
        assert!((1..=most).contains(&made), "{fate}, the process dies: {dies}: {made} times {call}");
    }
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_emnify_made_is_made_once_whatever_became_of_the_answer() {
    for cases in [OBJECTS, STREAMS] {
        for fate in [Wrong::Garbled, Wrong::Slow(Duration::from_secs(5))] {
            for dies in [true, false] {
                made_once(cases, &fate, dies).await;
            }
        }
    }
}
