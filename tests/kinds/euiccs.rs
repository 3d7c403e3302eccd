//! The eUICC of a SIM: read beside the listing of SIMs, rarely, and in nobody's way.

use emnify_engine::{kind::spec::WorkspaceKey, session::caller::Caller};
use emnify_simulator::state::{Organisation, euicc::profile};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::{stage::Stage, wire::Wrong};

const PATH: &str = "/api/v1/euicc";
const EID: &str = "89049032000001000000000000000001";
/// SIMs of the seed.
const USED: u64 = 10_000_003;
const PLAIN: u64 = 10_000_002;
const HOUR: u64 = 3_600;

fn iccid(sim: u64) -> String {
    format!("89883030000000{}", sim - 10_000_000 + 10_000)
}

/// The SIM that an eUICC uses, and another one that is on none.
async fn stage() -> Stage {
    let stage = Stage::new().await;
    let profiles = json!([{"iccid": iccid(USED), "status": 2, "fallback_allowed": true, "fallback": true}]);
    let euicc = json!({"id": 1, "eid": EID, "profiles": profiles, "last_polled": "2026-01-02T03:04:05Z"});
    stage.platform(|org| {
        org.euiccs.put(serde_json::from_value(euicc).unwrap());
    });
    stage.put_on(USED);
    stage
}

impl Stage {
    /// Edits the platform as the simulator keeps it.
    fn platform(&self, change: impl FnOnce(&mut Organisation)) {
        let edited = self.wire.simulator.edit(|state| change(state.organisations.get_mut(&1001).unwrap()));
        edited.unwrap();
    }

    /// Puts a SIM on the eUICC.
    fn put_on(&self, sim: u64) {
        self.platform(|org| org.sims.get_mut(&sim).unwrap().eid = Some(EID.into()));
    }

    async fn watched(&self, sim: u64) {
        self.cluster.apply_a("Sim", &format!("s{sim}"), json!({"iccid": iccid(sim)}));
        self.ready("Sim", &format!("s{sim}")).await;
    }

    fn told(&self, sim: u64) -> Value {
        self.cluster.object("Sim", &format!("s{sim}")).unwrap()["status"]["euicc"].clone()
    }

    fn read(&self) -> usize {
        self.wire.carried().iter().filter(|asked| **asked == format!("GET {PATH}")).count()
    }
}

#[tokio::test(start_paused = true)]
async fn a_sim_tells_of_its_profile_within_minutes_and_follows_it_within_an_hour() {
    let stage = stage().await;
    stage.watched(USED).await;
    stage.pass(60).await;
    let told =
        json!({"eid": EID, "profile": "Enabled", "fallback": true, "lastPolledAt": "2026-01-02T03:04:05Z"});
    assert_eq!(stage.told(USED), told);
    assert_eq!(stage.read(), 1);
    stage.platform(|org| org.euiccs.get_mut(&1).unwrap().profiles[0].status = profile::DISABLED);
    stage.pass(HOUR + 60).await;
    assert_eq!(stage.told(USED)["profile"], "Disabled");
    stage.pass(24 * HOUR).await;
    assert!((24..=27).contains(&stage.read()), "once an hour: {}", stage.read());
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn nobody_asks_for_euiccs_where_no_object_has_one() {
    let stage = stage().await;
    stage.watched(PLAIN).await;
    stage.pass(24 * HOUR).await;
    assert_eq!((stage.read(), stage.told(PLAIN)), (0, Value::Null), "an object with another SIM needs none");
    stage.watched(USED).await;
    stage.pass(60).await;
    assert_eq!((stage.read(), stage.told(USED)["profile"].clone()), (1, json!("Enabled")));
    stage.cluster.delete_a("Sim", &format!("s{USED}"));
    stage.pass(2 * HOUR).await;
    let read = stage.read();
    stage.pass(24 * HOUR).await;
    assert_eq!(stage.read(), read, "nor once it is gone");
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn many_objects_share_a_reading_and_a_restart_keeps_what_is_known() {
    let stage = stage().await;
    stage.put_on(PLAIN);
    stage.watched(USED).await;
    stage.watched(PLAIN).await;
    stage.pass(600).await;
    assert!(stage.read() <= 2, "{}", stage.read());
    assert_eq!(
        stage.told(PLAIN),
        json!({"eid": EID, "lastPolledAt": "2026-01-02T03:04:05Z"}),
        "its profile is not on it"
    );
    let known = stage.told(USED);
    stage.wire.fail(|asked| asked.path == PATH, Wrong::Forbidden);
    let stage = stage.restart().await;
    stage.pass(HOUR).await;
    assert_eq!(stage.told(USED), known, "it stays while nobody may read it");
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_read_is_told_once_on_the_workspace_and_tried_rarely() {
    for wrong in [
        Wrong::Forbidden,
        Wrong::Answer(500, json!({})),
        Wrong::Answer(404, json!({"error_code": 1201, "message": "no"})),
        Wrong::Broken,
    ] {
        let stage = stage().await;
        stage.wire.fail(|asked| asked.path == PATH, wrong.clone());
        stage.watched(USED).await;
        stage.pass(6 * HOUR).await;
        assert!(stage.is_ready("Sim", &format!("s{USED}")), "{wrong}: it is as it should be all the same");
        assert_eq!(stage.told(USED), Value::Null, "{wrong}");
        let tried = stage.wire.struck().len();
        assert!((1..=16).contains(&tried), "{wrong}: {tried} in six hours");
        let lacks = stage.access().caller.lacks();
        let told = lacks.iter().filter(|lack| lack.starts_with("list eUICCs")).count();
        assert_eq!(told, usize::from(matches!(wrong, Wrong::Forbidden)), "{wrong}: {lacks:?}");
        stage.wire.heal();
        stage.pass(2 * HOUR).await;
        assert_eq!(stage.told(USED)["profile"], "Enabled", "{wrong}");
        assert!(stage.access().caller.lacks().is_empty(), "{wrong}: it may");
        stage.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_one_login_may_not_read_another_reads() {
    let stage = stage().await;
    let key = WorkspaceKey { namespace: Some("ns".into()), name: "another".into() };
    let client = stage.client("metering-token-2").await;
    let bearer = client.token().unwrap().token.expose_secret().to_owned();
    stage.access().session.admit(Caller::new(key, client));
    stage.wire.fail(move |asked| asked.path == PATH && asked.bearer == bearer, Wrong::Forbidden);
    stage.watched(USED).await;
    stage.pass(HOUR).await;
    assert_eq!((stage.wire.struck().len(), stage.told(USED)["profile"].clone()), (1, json!("Enabled")));
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_ends_nothing_and_what_is_gone_does_not_stay() {
    let stage = stage().await;
    stage.watched(USED).await;
    stage.pass(60).await;
    let known = stage.told(USED);
    // an entry of which not even the id can be read
    let row = json!([{"id": "x", "eid": 7}]);
    stage.wire.fail(|asked| asked.path == PATH, Wrong::Answer(200, row));
    stage.pass(6 * HOUR).await;
    assert_eq!(stage.told(USED), known, "the entry that cannot be read may be the one");
    let before = stage.wire.struck().len();
    stage.wire.fail_once(|asked| asked.path == PATH, Wrong::Answer(200, json!([])));
    stage.pass(6 * HOUR).await;
    assert_eq!(stage.wire.struck().len() - before, 1);
    assert_eq!(stage.told(USED), known, "one absence is none");
    stage.platform(|org| org.euiccs.clear());
    stage.pass(3 * HOUR).await;
    assert_eq!(stage.told(USED), Value::Null, "two are");
    stage.stop().await;
}
