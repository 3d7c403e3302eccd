//! Whole lives of devices against the simulated API: decisions and calls together, without the engine.

use std::sync::Arc;

use emnify::{
    Api, BaseUrl, Client, Config, Credentials, Cursor, HostLimits, Lane, ServiceTransport, wire::Listing,
};
use emnify_engine::kind::{Batch, Managed, Source, Table};
use emnify_simulator::{Dialect, Options, Seed, Signal, Simulator};
use serde_json::json;

use crate::kinds::{
    endpoint::{
        diff::{diff, retire},
        events::on_event,
        report::report,
        rows::Parts,
        tests::*,
    },
    ip_address_space::IpAddressSpace,
    sim::{self, Sim},
};

const SIM: u64 = 10_000_001;

fn simulator(dialect: Dialect) -> Simulator {
    Simulator::start(Options { seed: Seed::example(), dialect, ..Options::default() })
}

fn api(simulator: &Simulator) -> Api {
    let transport = Arc::new(ServiceTransport::new(simulator.router()));
    let credentials = Credentials::ApplicationToken("example-token".to_owned().into());
    let base = BaseUrl::parse("http://127.0.0.1:1").unwrap();
    Client::new(Config::new(base, credentials, transport, HostLimits::new(1.0))).api(Lane::Interactive)
}

fn device(spec: serde_json::Value) -> Endpoint {
    Endpoint::new("meter-9", serde_json::from_value(spec).unwrap())
}

/// What the engine does for one object, minus everything that makes it an engine.
struct World {
    api: Api,
    object: Endpoint,
    id: Option<Id>,
    parts: Parts,
    edited: bool,
}

impl World {
    fn new(simulator: &Simulator, object: Endpoint) -> Self {
        Self { api: api(simulator), object, id: None, parts: Parts::default(), edited: true }
    }

    async fn want(&self) -> Want {
        let mut inputs = Inputs::default();
        inputs.installation = "prod".into();
        for input in self.object.inputs() {
            let found = match input.source {
                Source::Lookup { table, name, .. } => {
                    look_up(&self.api, table, &name.replace("{installation}", "prod")).await
                }
                Source::Mirror { kind: "Sim", key } => sim_id(&self.api, &key).await,
                Source::Mirror { kind: "IpAddressSpace", key } => space_id(&self.api, &key).await,
                other => panic!("{}: {other:?}", input.path),
            };
            if let Some(id) = found {
                inputs.put(input.path, id);
            }
        }
        self.object.want(&inputs).unwrap()
    }

    async fn row(&self) -> Option<Row> {
        Endpoint::read(&self.api, self.id.as_ref()?).await.unwrap()
    }

    async fn send(&mut self, change: crate::kinds::endpoint::Change) {
        let batch = Batch::of([(self.id.as_ref(), &change)]).unwrap();
        let sent = batch.send::<Endpoint>(&self.api).await;
        let reply = sent.unwrap_or_else(|error| panic!("{change}: {error}")).remove(0);
        self.id = self.id.take().or(reply.id);
    }

    /// Decides and sends until nothing is left, and says what was sent.
    async fn settle(&mut self) -> Vec<String> {
        let mut sent = Vec::new();
        for _ in 0..12 {
            let want = self.want().await;
            let Some(row) = self.row().await else {
                let create = Endpoint::create(&want, None).unwrap();
                sent.push("create".to_owned());
                self.send(create).await;
                continue;
            };
            for part in Endpoint::parts(&want) {
                let id = self.id.clone().unwrap();
                Endpoint::read_part(&self.api, &id, part, &mut self.parts).await.unwrap();
            }
            let mut status = self.object.status.take().unwrap_or_else(created);
            self.object.status = Some(status.clone());
            report(&self.object, &row, &self.parts, None, &mut status);
            self.object.status = Some(status.clone());
            let decided = diff(&want, &row, &self.parts, memory(&status, self.edited));
            assert_eq!(decided.illegal, None);
            if decided.changes.is_empty() {
                self.edited = false;
                return sent;
            }
            for change in decided.changes {
                sent.push(change.to_string());
                let mut row = row.clone();
                self.send(change.clone()).await;
                Endpoint::assume(&change, &mut row, &mut self.parts);
            }
        }
        panic!("it does not settle: {sent:?}");
    }

    async fn retire(&mut self) -> Vec<String> {
        let mut sent = Vec::new();
        while let Some(row) = self.row().await {
            let status = self.object.status.clone().unwrap();
            let next = retire(&row, memory(&status, false)).remove(0);
            sent.push(next.to_string());
            assert!(sent.len() < 6, "{sent:?}");
            self.send(next).await;
        }
        sent
    }
}

async fn look_up(api: &Api, table: &'static Table, name: &str) -> Option<Id> {
    let rows = (table.load)(api.clone()).await.unwrap();
    rows.into_iter().find(|row| row.names.iter().any(|n| n.eq_ignore_ascii_case(name))).map(|row| row.id)
}

async fn sim_id(api: &Api, key: &emnify_engine::kind::Key) -> Option<Id> {
    let rows = Sim::list(api, Cursor::first()).await.unwrap().items;
    rows.iter().find(|row| row.number(key.name) == Some(&key.value)).map(Sim::id)
}

async fn space_id(api: &Api, wanted: &emnify_engine::kind::Key) -> Option<Id> {
    let rows = IpAddressSpace::list(api, Cursor::first()).await.unwrap().items;
    let mut named = rows.iter().filter(|row| {
        let mut found = false;
        IpAddressSpace::keys(row, &mut |key| found |= key == *wanted);
        found
    });
    named.next().map(IpAddressSpace::id)
}

fn sim_state(simulator: &Simulator) -> String {
    simulator.inspect(|state| format!("{:?}", state.organisations[&1001].sims[&SIM].status))
}

#[tokio::test]
async fn a_device_lives_and_goes_in_every_dialect() {
    for dialect in [Dialect::D2022, Dialect::D2024, Dialect::D2026] {
        let simulator = simulator(dialect);
        let object = device(json!({
            "serviceProfile": {"id": "101"}, "tariffProfile": {"id": "201"}, "enabled": true,
            "sim": {"iccid": "8988303000000000001", "state": "Activated"}, "tags": ["lab", "roof"],
            "ipAddressSpace": {"cidr": "10.199.0.0/24"}, "ipAddress": "10.199.0.77",
            "operatorBlocklist": [{"tapCode": "AFGAW"}, {"mccMnc": "412-20"}], "quota": {"data": {"allowance": "100M", "period": "720h"}}
        }));
        let mut world = World::new(&simulator, object);
        let sent = world.settle().await;
        assert_eq!(sent[0], "create", "{dialect:?}: {sent:?}");
        assert_eq!(sim_state(&simulator), "Activated", "{dialect:?}");
        let row = world.row().await.unwrap();
        assert_eq!(row.address.as_deref(), Some("10.199.0.77"));
        // Older dialects show no tags anywhere in the listing; what cannot be seen is not touched.
        let tagged = dialect == Dialect::D2026;
        assert_eq!(row.tags.as_deref().map(<[_]>::len), tagged.then_some(3), "{dialect:?}");
        assert_eq!(Endpoint::mark(&row).as_deref(), tagged.then_some("prod"));
        assert_eq!(world.settle().await, [""; 0], "{dialect:?}: in step, nothing is sent");

        world.object.spec.settings.tags = Some(vec!["roof".into()]);
        world.object.spec.settings.quota = None;
        world.object.spec.name = Some("renamed".into());
        let sent = world.settle().await;
        let expected = ["name: meter-9 -> renamed", "tags: remove lab", "quota.data: remove"];
        let expected = expected.into_iter().filter(|line| tagged || !line.starts_with("tags"));
        assert_eq!(sent, expected.collect::<Vec<_>>(), "{dialect:?}");

        let sent = world.retire().await;
        let steps =
            ["sim.state: Activated -> Suspended", "enabled: true -> false", "release the SIM and delete"];
        assert_eq!(sent, steps, "{dialect:?}");
        assert_eq!(sim_state(&simulator), "Suspended", "{dialect:?}: the SIM is there and costs nothing");
    }
}

#[tokio::test]
async fn an_unset_state_is_never_activated_not_even_where_the_api_would() {
    for dialect in [Dialect::D2022, Dialect::D2026] {
        let simulator = simulator(dialect);
        let object = device(json!({
            "serviceProfile": {"id": "101"}, "tariffProfile": {"id": "201"}, "enabled": true,
            "sim": {"iccid": "8988303000000000001"}
        }));
        let mut world = World::new(&simulator, object);
        world.settle().await;
        assert_eq!(
            sim_state(&simulator),
            "Issued",
            "{dialect:?}: nothing starts billing unless a manifest says so"
        );
        assert_eq!(world.retire().await, ["enabled: true -> false", "sim: 10000001 -> none", "delete"]);
        assert_eq!(sim_state(&simulator), "Issued", "{dialect:?}: released as it was");
    }
}

#[tokio::test]
async fn a_factory_test_starts_and_survives_the_device() {
    let simulator = simulator(Dialect::D2026);
    simulator.edit(|state| state.organisations.get_mut(&1001).unwrap().factory_test = true).unwrap();
    let object = device(json!({
        "serviceProfile": {"id": "101"}, "tariffProfile": {"id": "201"}, "enabled": true,
        "sim": {"iccid": "8988303000000000001", "state": "FactoryTest"}
    }));
    let mut world = World::new(&simulator, object);
    let sent = world.settle().await;
    assert!(sent.contains(&"sim.state: Issued -> FactoryTest".to_owned()), "{sent:?}");
    assert_eq!(world.retire().await, ["sim: 10000001 -> none", "enabled: true -> false", "delete"]);
    assert_eq!(sim_state(&simulator), "FactoryTest", "retiring the device did not start billing");
}

#[tokio::test]
async fn a_device_that_moves_is_heard_and_shown() {
    let simulator = simulator(Dialect::D2026);
    let api = api(&simulator);
    let mut object = device(json!({}));
    let (row, mut parts) = (row(1), Parts::default());
    Endpoint::read_part(&api, &Id::Int(11_000_001), crate::kinds::endpoint::Part::Connectivity, &mut parts)
        .await
        .unwrap();
    let mut status = EndpointStatus::default();
    report(&object, &row, &parts, None, &mut status);
    assert_eq!(status.connectivity.as_ref().unwrap().state, "Offline", "first state by one read");
    for (signal, state) in
        [(Signal::Online, "Online"), (Signal::Detach, "Attached"), (Signal::Offline, "Offline")]
    {
        simulator.device(11_000_001, signal).unwrap();
        let log = api.list_events(Cursor::first(), None, Listing::all().sort("id")).await.unwrap().items;
        let news =
            log.iter().filter_map(on_event).filter_map(|heard| heard.news).reduce(|old, new| new.after(&old));
        object.status = Some(status.clone());
        report(&object, &row, &parts, news.as_ref(), &mut status);
        let shown = status.connectivity.as_ref().unwrap();
        assert_eq!(shown.state, state);
        assert_eq!(shown.operator.is_some(), state != "Offline", "{state}: {shown:?}");
    }
}

#[tokio::test]
async fn a_sim_of_its_own_follows_its_spec() {
    let simulator = simulator(Dialect::D2026);
    let api = api(&simulator);
    let id = Id::Int(10_000_001);
    for (to, shown) in [(SimState::Activated, 1), (SimState::Suspended, 2)] {
        let from = Sim::read(&api, &id).await.unwrap().unwrap().status;
        Sim::apply(&api, &id, &sim::rows::SetState { from, to }).await.unwrap();
        assert_eq!(Sim::read(&api, &id).await.unwrap().unwrap().status, shown);
    }
    let illegal = sim::rows::SetState { from: 2, to: SimState::FactoryTest };
    let refused = Sim::apply(&api, &id, &illegal).await.unwrap_err();
    assert!(
        matches!(refused, emnify::Error::Rejected { .. }),
        "the rules in the diff are emnify's: {refused}"
    );
}
