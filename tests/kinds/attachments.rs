//! Attachments of Cloud Connect: days in phases, whoever dies on the way, and nothing ordered twice.

use std::time::Duration;

use emnify_apiserver::Cluster;
use emnify_simulator::state::Organisation;
use serde_json::{Value, json};

use crate::{
    clock,
    stage::Stage,
    wire::{Asked, Wrong},
};

const KIND: &str = "CloudConnect";
const OUTPUT: &str = "/api/v1/namespaces/ns/secrets/tunnel";
const DAY: u64 = 86_400;

fn gateway() -> Value {
    json!({
        "region": "eu-west-1", "acknowledgeMonthlyFee": true,
        "transitGateway": {"vpcCidrs": ["10.0.0.0/16"], "awsAccountId": "123456789012"},
    })
}

fn tunnel() -> Value {
    json!({
        "region": "eu-west-1", "acknowledgeMonthlyFee": true,
        "vpn": {"publicIp": "203.0.113.10", "onPremCidrs": ["192.0.2.0/24"], "outputSecret": {"name": "tunnel"}},
    })
}

fn gone_with_its_object(mut spec: Value) -> Value {
    spec["deletionPolicy"] = json!("Delete");
    spec
}

fn broken() -> Wrong {
    Wrong::Answer(500, json!({"error_code": 0, "message": "broken"}))
}

fn orders(asked: &Asked) -> bool {
    asked.method == "POST" && asked.is("/cnc/breakout")
}

impl Stage {
    async fn attaching(spec: Value) -> Self {
        let stage = Self::new().await;
        // as slow as it is
        stage.organisation(|organisation| organisation.attachment_step = None);
        stage.cluster.apply_a(KIND, "dc", spec);
        stage
    }

    fn organisation(&self, edit: impl FnOnce(&mut Organisation)) {
        self.wire.simulator.edit(|state| edit(state.organisations.get_mut(&1001).unwrap())).unwrap();
    }

    /// Another cluster that knows nothing, and the same emnify.
    async fn rebuilt(self) -> Self {
        let wire = self.wire.clone();
        self.stop().await;
        let stage = Self::on(Cluster::new(clock::now), wire).await;
        stage.cluster.apply_a(KIND, "dc", gateway());
        stage
    }

    /// emnify begins to take an attachment down.
    fn taken_down(&self, id: u64) {
        self.organisation(|organisation| {
            let row = organisation.attachments.get_mut(&id).unwrap();
            (row.status, row.since) = (6, crate::clock::now());
        });
    }

    /// Ids and states of the attachments that are there.
    fn attached(&self) -> Vec<(u64, u64)> {
        self.wire.simulator.inspect(|state| {
            let all = state.organisations[&1001].attachments.values();
            all.filter(|row| row.status != 7).map(|row| (row.id, row.status)).collect()
        })
    }

    fn dc(&self) -> Value {
        self.cluster.object(KIND, "dc").unwrap_or_default()
    }

    /// Why it is not ready, where that is current.
    fn why(&self) -> String {
        let object = self.dc();
        let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let ready = conditions.iter().find(|c| c["type"] == "Ready" && c["status"] == "False");
        let current = |c: &&Value| c["observedGeneration"] == object["metadata"]["generation"];
        ready.filter(current).and_then(|c| c["reason"].as_str()).unwrap_or_default().to_owned()
    }

    async fn says(&self, reason: &str) {
        let started = tokio::time::Instant::now();
        while self.why() != reason {
            let status = self.dc()["status"].clone();
            assert!(started.elapsed().as_secs() < 1_200, "it never says {reason}: {status:#}");
            self.pass(1).await;
        }
    }

    async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let started = tokio::time::Instant::now();
        while !holds(self) {
            let told = (self.attached(), self.dc()["status"].clone());
            assert!(started.elapsed().as_secs() < 1_200, "{what}: {told:#?}");
            self.pass(1).await;
        }
    }

    /// Requests with this method to the family.
    fn sent(&self, method: &str) -> usize {
        let carried = self.wire.carried();
        carried.iter().filter(|asked| asked.starts_with(method) && asked.contains("/cnc/breakout")).count()
    }

    fn id(&self) -> u64 {
        self.attached().first().expect("it was ordered").0
    }
}

#[tokio::test(start_paused = true)]
async fn a_transit_gateway_takes_days_and_a_restart_in_each_of_its_phases_orders_nothing() {
    let stage = Stage::attaching(gateway()).await;
    stage.says("WaitingForCustomer").await;
    let status = stage.dc()["status"].clone();
    assert_eq!(status["state"], "Pending AWS Activation");
    assert_eq!(status["monthlyPrice"], "120.00 EUR", "what it costs is told while it waits");
    assert!(status["acceptBefore"].is_string() && status["settledGeneration"].is_null(), "{status:#}");
    let stage = stage.restart().await;
    stage.pass(DAY).await;
    assert_eq!(stage.why(), "WaitingForCustomer");
    let before = stage.sent("GET");
    stage.pass(3_600).await;
    let reads = stage.sent("GET") - before;
    assert!((12..60).contains(&reads), "every five minutes or so, not {reads} times in an hour");
    let stage = stage.restart().await;
    let id = stage.id();
    stage.wire.simulator.accept_attachment(id).unwrap();
    stage.says("Provisioning").await;
    assert!(stage.dc()["status"]["acceptBefore"].is_null(), "it was accepted");
    let stage = stage.restart().await;
    stage.until("emnify sets up its routes", |stage| stage.attached() == [(id, 4)]).await;
    let stage = stage.restart().await;
    stage.ready(KIND, "dc").await;
    let stage = stage.restart().await;
    stage.pass(600).await;
    assert!(stage.is_ready(KIND, "dc"));
    assert_eq!((stage.sent("POST"), stage.attached()), (1, vec![(id, 5)]), "ordered once, and kept");
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_share_that_nobody_accepts_is_a_persons_matter_until_it_is_offered_again() {
    let stage = Stage::attaching(gateway()).await;
    stage.says("WaitingForCustomer").await;
    let id = stage.id();
    let offered = |until: i64| {
        let by = crate::clock::now().saturating_add(jiff::SignedDuration::from_secs(until)).unwrap();
        stage
            .organisation(|organisation| organisation.attachments.get_mut(&id).unwrap().accept_by = Some(by));
    };
    offered(30);
    stage.says("AcceptExpired").await;
    assert_eq!(stage.sent("POST"), 1, "nothing is ordered in its place");
    offered(7 * 86_400);
    stage.says("WaitingForCustomer").await;
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_ordered_is_never_ordered_again_wherever_the_process_dies() {
    let fates = [Wrong::Garbled, Wrong::Slow(Duration::from_secs(5)), Wrong::Slow(Duration::from_secs(90))];
    for (fate, dies) in fates.iter().flat_map(|fate| [(fate, true), (fate, false)]) {
        let stage = Stage::new().await;
        stage.wire.fail(orders, fate.clone());
        stage.cluster.apply_a(KIND, "dc", tunnel());
        stage.until("it is being ordered", |stage| !stage.wire.struck().is_empty()).await;
        stage.wire.heal();
        let stage = if dies { stage.restart().await } else { stage };
        stage.ready(KIND, "dc").await;
        stage.pass(1_200).await;
        let (orders, there) = (stage.sent("POST"), stage.attached().len());
        assert_eq!((orders, there), (1, 1), "{fate}, the process dies: {dies}; found by its mark");
        stage.stop().await;
    }
    // emnify did not take it: it is missing from a listing long enough before it is ordered once more
    for (fate, dies) in [(Wrong::Broken, true), (Wrong::Broken, false), (broken(), true), (broken(), false)] {
        let stage = Stage::new().await;
        stage.wire.fail(orders, fate.clone());
        stage.cluster.apply_a(KIND, "dc", tunnel());
        stage.until("it is being ordered", |stage| !stage.wire.struck().is_empty()).await;
        let stage = if dies { stage.restart().await } else { stage };
        stage.pass(5).await;
        assert_eq!(
            stage.wire.struck().len(),
            1,
            "{fate}: not again before it is known that nothing came of it"
        );
        stage.wire.heal();
        stage.ready(KIND, "dc").await;
        assert_eq!(stage.attached().len(), 1, "{fate}, the process dies: {dies}");
        stage.stop().await;
    }
    // at every moment around the answer
    for pause in (0..=120).step_by(10) {
        let stage = Stage::new().await;
        stage.cluster.apply_a(KIND, "dc", tunnel());
        while stage.sent("POST") == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let stage = stage.restart().await;
        stage.ready(KIND, "dc").await;
        assert_eq!((stage.sent("POST"), stage.attached().len()), (1, 1), "{pause} ms after it was ordered");
        stage.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_key_that_emnify_makes_is_in_its_secret_and_nowhere_else() {
    let stage = Stage::attaching(tunnel()).await;
    stage.until("its place is kept", |stage| stage.cluster.get(OUTPUT).is_some()).await;
    stage.says("Provisioning").await;
    stage.ready(KIND, "dc").await;
    let made = stage.wire.simulator.inspect(|state| {
        let organisation = &state.organisations[&1001];
        organisation.attachments.values().find_map(|row| row.psk.clone()).unwrap()
    });
    let held = |stage: &Stage| stage.cluster.get(OUTPUT).unwrap_or_default()["data"]["tunnel-2-psk"].clone();
    assert_eq!(held(&stage), data_encoding::BASE64.encode(made.as_bytes()));
    assert_eq!(stage.dc()["status"]["tunnels"][0]["state"], "UP");
    stage.cluster.remove(OUTPUT);
    let stage = stage.restart().await;
    stage.until("it is written again", |stage| !held(stage).is_null()).await;
    stage.ready(KIND, "dc").await;
    let told = format!("{} {:?}", stage.dc(), stage.cluster.events());
    assert!(!told.contains(&made), "no status and no event holds it: {told}");
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_attachment_outlives_its_object_unless_the_spec_says_otherwise() {
    let stage = Stage::attaching(tunnel()).await;
    stage.ready(KIND, "dc").await;
    let id = stage.id();
    stage.cluster.delete_a(KIND, "dc");
    stage.until("the object goes", |stage| stage.dc().is_null()).await;
    assert_eq!((stage.attached(), stage.sent("DELETE")), (vec![(id, 5)], 0), "the attachment stays");
    stage.cluster.apply_a(KIND, "dc", gone_with_its_object(tunnel()));
    stage.ready(KIND, "dc").await;
    assert_eq!((stage.id(), stage.sent("POST")), (id, 1), "an object of its name finds it again");
    stage.cluster.delete_a(KIND, "dc");
    stage.until("emnify takes it down", |stage| stage.attached() == [(id, 6)]).await;
    let stage = stage.restart().await;
    stage.says("Deleting").await;
    stage.until("the object goes", |stage| stage.dc().is_null()).await;
    assert_eq!((stage.attached(), stage.sent("DELETE")), (vec![], 1), "after the attachment, asked for once");
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_is_gone_is_ordered_anew_only_by_a_person() {
    let stage = Stage::attaching(gateway()).await;
    stage.says("WaitingForCustomer").await;
    let id = stage.id();
    stage.taken_down(id);
    stage.says("Deleting").await;
    stage.says("Vanished").await;
    let stage = stage.restart().await;
    stage.says("Vanished").await;
    stage.pass(3_600).await;
    assert_eq!(stage.sent("POST"), 1, "nobody pays for what nobody asked for");
    stage.cluster.annotate_a(KIND, "dc", "emnify.io/refresh", "now");
    stage.says("WaitingForCustomer").await;
    assert_eq!((stage.sent("POST"), stage.attached().len()), (2, 1));
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_is_gone_is_not_mistaken_for_the_one_in_its_place() {
    let stage = Stage::attaching(gateway()).await;
    stage.says("WaitingForCustomer").await;
    let id = stage.id();
    stage.taken_down(id);
    stage.says("Vanished").await;
    stage.cluster.annotate_a(KIND, "dc", "emnify.io/refresh", "now");
    stage.says("WaitingForCustomer").await;
    let next = stage.id();
    stage.cluster.delete_a(KIND, "dc");
    stage.until("the object goes", |stage| stage.dc().is_null()).await;
    stage.cluster.apply_a(KIND, "dc", gateway());
    stage.says("WaitingForCustomer").await;
    assert_eq!((stage.sent("POST"), stage.id()), (2, next), "it is found by its mark, and no other is meant");
    assert_ne!(next, id);
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn in_a_rebuilt_cluster_one_is_found_or_followed_to_its_end_or_ordered_once() {
    let stage = Stage::attaching(gateway()).await;
    stage.says("WaitingForCustomer").await;
    let id = stage.id();
    let stage = stage.rebuilt().await;
    stage.says("WaitingForCustomer").await;
    assert_eq!((stage.sent("POST"), stage.id()), (1, id), "it is found by its mark");
    stage.taken_down(id);
    let stage = stage.rebuilt().await;
    stage.says("Deleting").await;
    stage.says("Vanished").await;
    assert_eq!(stage.sent("POST"), 1, "nobody pays anew for what somebody ends just now");
    let stage = stage.rebuilt().await;
    stage.says("WaitingForCustomer").await;
    let stage = stage.restart().await;
    stage.pass(3_600).await;
    let (orders, there) = (stage.sent("POST"), stage.attached().len());
    assert_eq!(
        (orders, there),
        (2, 1),
        "with nothing in emnify a manifest with the fee is an order, and one"
    );
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_edit_stalls_and_setting_it_back_mends_it() {
    let stage = Stage::attaching(tunnel()).await;
    stage.ready(KIND, "dc").await;
    let mut edited = tunnel();
    edited["vpn"]["onPremCidrs"] = json!(["192.0.2.0/25"]);
    stage.cluster.apply_a(KIND, "dc", edited);
    stage.says("ImmutableField").await;
    let stage = stage.restart().await;
    stage.says("ImmutableField").await;
    stage.cluster.apply_a(KIND, "dc", tunnel());
    stage.ready(KIND, "dc").await;
    assert_eq!((stage.sent("POST"), stage.sent("PATCH"), stage.sent("DELETE")), (1, 0, 0));
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn prices_that_are_not_shown_hold_up_nothing() {
    for (refused, price) in [("/currency", json!("120.00")), ("/cnc/pricing", Value::Null)] {
        let stage = Stage::new().await;
        stage.organisation(|organisation| organisation.attachment_step = None);
        stage.wire.fail(move |asked| asked.path.ends_with(refused), Wrong::Forbidden);
        stage.cluster.apply_a(KIND, "dc", gateway());
        stage.says("WaitingForCustomer").await;
        assert_eq!(stage.dc()["status"]["monthlyPrice"], price, "{refused}");
        stage.stop().await;
    }
}
