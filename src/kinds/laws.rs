//! What holds for every kind, whatever it keeps in step.

use std::sync::Arc;

use emnify::{Api, BaseUrl, Client, Config, Credentials, Cursor, HostLimits, Lane, ServiceTransport};
use emnify_engine::kind::{
    Context, Diff, Have, Id, Inputs, Managed, Source, secret::SecretValue, spec::Intent,
};
use emnify_simulator::Simulator;
use jiff::Timestamp;
use serde_json::{Value, json};

/// More calls than any sample needs until nothing differs.
const ROUNDS: usize = 5;

/// An object of the kind with this spec.
pub(crate) fn object<K: Managed>(spec: &Value) -> K {
    let manifest = json!({
        "apiVersion": K::api_version(&()), "kind": K::KIND,
        "metadata": {"name": "a", "namespace": "fleet"}, "spec": spec,
    });
    serde_json::from_value(manifest).unwrap_or_else(|error| panic!("{spec} is no {}: {error}", K::KIND))
}

pub(crate) fn api(simulator: &Simulator) -> Api {
    let transport = Arc::new(ServiceTransport::new(simulator.router()));
    let base = BaseUrl::parse("http://127.0.0.1:1").unwrap();
    let credentials = Credentials::ApplicationToken("example-token".to_owned().into());
    Client::new(Config::new(base, credentials, transport, HostLimits::new(1.0))).api(Lane::Create)
}

/// What a decision on an edit sees of an object without a status.
pub(crate) fn look<K: Managed>(want: &K::Want, row: &K::Row, parts: &K::Parts) -> Diff<K::Change> {
    let have: Have<K> = Have { row: Arc::new(row.clone()), parts: Arc::new(parts.clone()), output: None };
    K::diff(want, &have, &context())
}

pub(crate) fn context<'a, K: Managed>() -> Context<'a, K> {
    Context {
        now: Timestamp::UNIX_EPOCH,
        object_created: None,
        status: None,
        edited: true,
        factory_test: false,
        own_tokens: Vec::new(),
        own_users: Vec::new(),
        as_user: false,
    }
}

/// Once all that is asked for is believed to have happened, nothing more is asked for.
pub(crate) fn comes_to_rest<K: Managed>(specs: &[Value], inputs: &Inputs, row: &K::Row, parts: &K::Parts) {
    for spec in specs {
        let want = object::<K>(spec).want(inputs).unwrap_or_else(|error| panic!("{spec}: {error}"));
        let (mut row, mut parts) = (row.clone(), parts.clone());
        let first = look::<K>(&want, &row, &parts).changes;
        assert!(!first.is_empty(), "a sample asks for something: {spec}");
        for round in 0.. {
            let changes = look::<K>(&want, &row, &parts).changes;
            if changes.is_empty() {
                break;
            }
            let told: Vec<_> = changes.iter().map(ToString::to_string).collect();
            assert!(round < ROUNDS, "{spec} is never in step; it still asks for {told:?}");
            for change in changes {
                K::assume(&change, &mut row, &mut parts);
            }
        }
    }
}

/// A spec that sets as little as it can asks for nothing.
pub(crate) fn leaves_alone<K: Managed>(spec: &Value, inputs: &Inputs, row: &K::Row, parts: &K::Parts) {
    let want = object::<K>(spec).want(inputs).unwrap_or_else(|error| panic!("{spec}: {error}"));
    let diff = look::<K>(&want, row, parts);
    let told: Vec<_> = diff.changes.iter().map(ToString::to_string).collect();
    assert!(told.is_empty(), "what the spec leaves out is left alone, not {told:?}");
    assert!(diff.immutable.is_empty() && diff.reported.is_empty(), "nor told of: {diff:?}");
    assert_eq!(diff.illegal, None, "nor held against the spec");
}

/// Finds what the spec names, as the engine does.
pub(crate) async fn inputs<K: Managed>(api: &Api, object: &K) -> Inputs {
    let mut inputs = Inputs::new("prod", "fleet/a", None);
    for input in object.inputs() {
        if let Source::Secret { .. } | Source::Masked { .. } = &input.source {
            let value = "correct horse battery staple".to_owned();
            inputs.put_secret(input.path, SecretValue::new(value.into(), "digest"));
            continue;
        }
        let Source::Lookup { table, name, optional } = &input.source else { continue };
        let name = &name.replace("{installation}", &inputs.installation);
        let rows = (table.load)(api.clone()).await.unwrap();
        let mut named =
            rows.iter().filter(|row| row.names.iter().any(|known| known.eq_ignore_ascii_case(name)));
        let Some(row) = named.next() else {
            assert!(optional, "no {} {name:?}", table.name);
            continue;
        };
        assert!(named.next().is_none(), "{name} is ambiguous");
        inputs.put(input.path, row.id.clone());
    }
    inputs
}

/// What the listing shows.
async fn listed<K: Managed>(api: &Api) -> Vec<K::Row> {
    let (mut rows, mut next) = (Vec::new(), Some(Cursor::first()));
    while let Some(at) = next {
        let page = K::list(api, at).await.unwrap();
        next = page.next();
        rows.extend(page.items);
    }
    rows
}

/// What is made is what the listing shows under the key that the spec is looked for by.
pub(crate) async fn is_found_again<K: Managed>(api: &Api, spec: &Value) -> Id {
    let object = object::<K>(spec);
    let want = object.want(&inputs(api, &object).await).unwrap();
    let intent = Intent { nonce: "3f9a".into(), since: Timestamp::UNIX_EPOCH.to_string() };
    let create = K::create(&want, Some(&intent)).expect("this kind can be created");
    let made = K::make(api, &create).await.unwrap_or_else(|error| panic!("{create}: {error}"));
    let keys: Vec<_> = K::find(&want, Some(&intent)).iter().map(|find| find.key().clone()).collect();
    let rows = listed::<K>(api).await;
    let carries = |row: &&K::Row| {
        let mut found = false;
        K::keys(row, &mut |key| found |= keys.contains(&key));
        found
    };
    let ids: Vec<_> = rows.iter().filter(carries).map(K::id).collect();
    assert_eq!(ids.len(), 1, "exactly one {} is known by {keys:?}", K::KIND);
    let told = made.id.or_else(|| made.row.as_ref().map(K::id));
    assert!(told.is_none_or(|id| id == ids[0]), "and it is the one that was made");
    ids[0].clone()
}

/// Sends what differs until nothing does. Returns what was sent, and what is there now.
pub(crate) async fn settle<K: Managed>(api: &Api, spec: &Value, id: &Id) -> (Vec<String>, Have<K>) {
    let object = object::<K>(spec);
    let want = object.want(&inputs(api, &object).await).unwrap();
    let mut sent = Vec::new();
    for _ in 0..ROUNDS {
        let row = K::read(api, id).await.unwrap().expect("it is there");
        let mut parts = K::Parts::default();
        for part in K::parts(&want) {
            K::read_part(api, id, part, &mut parts).await.unwrap();
        }
        let have = Have { row: Arc::new(row), parts: Arc::new(parts), output: None };
        let diff = K::diff(&want, &have, &context());
        assert_eq!(diff.illegal, None);
        if diff.changes.is_empty() {
            return (sent, have);
        }
        for change in diff.changes {
            sent.push(change.to_string());
            K::apply(api, id, &change).await.unwrap_or_else(|error| panic!("{change}: {error}"));
        }
    }
    panic!("{} does not settle: {sent:?}", K::KIND);
}

/// The laws of a kind, each a test: `there` is what emnify has, `bare` the spec that sets as little as it can, `others` specs
/// that ask for something else, `new` one that the simulator can make.
macro_rules! kind_laws {
    ($kind:ty, there: $there:expr, inputs: $inputs:expr, bare: $bare:expr, others: $others:expr $(, new: $new:expr)? $(,)?) => {
        #[test]
        fn what_is_assumed_to_have_happened_is_not_asked_for_again() {
            let (row, parts) = $there;
            $crate::kinds::laws::comes_to_rest::<$kind>(&$others, &$inputs, &row, &parts);
        }

        #[test]
        fn what_the_spec_leaves_out_is_neither_set_nor_told_of() {
            let (row, parts) = $there;
            $crate::kinds::laws::leaves_alone::<$kind>(&$bare, &$inputs, &row, &parts);
        }

        $(#[tokio::test(start_paused = true)]
        async fn what_was_made_is_found_in_the_listing_and_then_nothing_differs() {
            let simulator = emnify_simulator::Simulator::start(emnify_simulator::Options::default());
            let api = $crate::kinds::laws::api(&simulator);
            let id = $crate::kinds::laws::is_found_again::<$kind>(&api, &$new).await;
            let (_, have) = $crate::kinds::laws::settle::<$kind>(&api, &$new, &id).await;
            assert_eq!(<$kind as emnify_engine::kind::Managed>::id(&have.row), id);
        })?
    };
}

pub(crate) use kind_laws;
