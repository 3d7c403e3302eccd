//! SIMs and addresses that move between devices, or are exchanged, in one commit or in two and in either order: both end
//! right within a minute, and emnify refuses nobody.

use serde_json::{Value, json};

use crate::stage::Stage;

const SIMS: [&str; 2] = ["8988303000000010001", "8988303000000010002"];
const ADDRESSES: [&str; 2] = ["10.192.0.20", "10.192.0.21"];

/// A device with one of the SIMs and one of the addresses, or none.
fn device(sim: Option<usize>, address: Option<usize>) -> Value {
    let mut spec = json!({"serviceProfile": {"id": "101"}, "tariffProfile": {"id": "201"}, "ipAddressSpace": {"id": "31"}});
    spec["sim"] = sim.map_or_else(|| json!({"none": true}), |sim| json!({"iccid": SIMS[sim]}));
    if let Some(address) = address {
        spec["ipAddress"] = json!(ADDRESSES[address]);
    }
    spec
}

impl Stage {
    fn device(&self, name: &str) -> (Option<String>, Option<String>) {
        self.wire.simulator.inspect(|state| {
            let all = &state.organisations[&1001];
            let device = all.endpoints.values().find(|device| device.name == name).unwrap();
            let sim = device.sim.map(|sim| all.sims[&sim].iccid.clone());
            (sim, device.ip_address.map(|address| address.to_string()))
        })
    }

    async fn two(a: Value, b: Value) -> Self {
        let stage = Self::new().await;
        for (name, spec) in [("a", a), ("b", b)] {
            stage.cluster.apply_a("Endpoint", name, spec);
            stage.ready("Endpoint", name).await;
        }
        stage.pass(60).await;
        stage
    }

    async fn within_a_minute(&self, what: &str) {
        self.pass(60).await;
        for name in ["a", "b"] {
            assert!(
                self.is_ready("Endpoint", name),
                "{what}: {:#}",
                self.cluster.object("Endpoint", name).unwrap()["status"]
            );
        }
        let told = self.cluster.events();
        assert!(told.iter().all(|(reason, _)| reason != "Rejected"), "{what}: nobody is refused: {told:?}");
    }
}

/// What moves from `a` to `b`, or both ways, in either order.
async fn moved(before: [Value; 2], after: [Value; 2], what: &str, right: impl Fn(&Stage) -> bool) {
    for order in [[0, 1], [1, 0]] {
        let stage = Stage::two(before[0].clone(), before[1].clone()).await;
        for which in order {
            stage.cluster.apply_a("Endpoint", ["a", "b"][which], after[which].clone());
        }
        stage.within_a_minute(&format!("{what}, {order:?}")).await;
        assert!(right(&stage), "{what}, {order:?}: {:?} {:?}", stage.device("a"), stage.device("b"));
        stage.stop().await;
    }
}

fn has(stage: &Stage, name: &str, sim: Option<usize>, address: Option<usize>) -> bool {
    let (its_sim, its_address) = stage.device(name);
    let sim = its_sim.as_deref() == sim.map(|sim| SIMS[sim]);
    sim && address.is_none_or(|address| its_address.as_deref() == Some(ADDRESSES[address]))
}

#[tokio::test(start_paused = true)]
async fn a_sim_moves_to_another_device() {
    let (before, after) =
        ([device(Some(0), None), device(None, None)], [device(None, None), device(Some(0), None)]);
    moved(before, after, "a SIM", |s| has(s, "a", None, None) && has(s, "b", Some(0), None)).await;
}

#[tokio::test(start_paused = true)]
async fn two_sims_are_exchanged() {
    let before = [device(Some(0), None), device(Some(1), None)];
    let after = [before[1].clone(), before[0].clone()];
    moved(before, after, "SIMs", |s| has(s, "a", Some(1), None) && has(s, "b", Some(0), None)).await;
}

#[tokio::test(start_paused = true)]
async fn an_address_moves_to_another_device() {
    for sims in [[None, None], [Some(0), Some(1)]] {
        let before = [device(sims[0], Some(0)), device(sims[1], None)];
        let after = [device(sims[0], Some(1)), device(sims[1], Some(0))];
        let right = |s: &Stage| has(s, "a", sims[0], Some(1)) && has(s, "b", sims[1], Some(0));
        moved(before, after, "an address", right).await;
    }
}

#[tokio::test(start_paused = true)]
async fn two_addresses_are_exchanged() {
    for sims in [[None, None], [Some(0), Some(1)]] {
        let before = [device(sims[0], Some(0)), device(sims[1], Some(1))];
        let after = [device(sims[0], Some(1)), device(sims[1], Some(0))];
        let right = |s: &Stage| has(s, "a", sims[0], Some(1)) && has(s, "b", sims[1], Some(0));
        moved(before, after, "addresses", right).await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_address_in_two_manifests_is_told() {
    let stage = Stage::two(device(Some(0), Some(0)), device(Some(1), Some(1))).await;
    stage.cluster.apply_a("Endpoint", "b", device(Some(1), Some(0)));
    stage.pass(60).await;
    let status = stage.cluster.object("Endpoint", "b").unwrap()["status"].to_string();
    assert!(status.contains("OwnershipConflict") && status.contains("Endpoint ns/a"), "{status}");
    stage.stop().await;
}
