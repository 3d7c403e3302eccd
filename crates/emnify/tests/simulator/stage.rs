//! A simulator and clients of it.

use std::sync::Arc;

use emnify::{BaseUrl, Client, Config, Credentials, HostLimits, ServiceTransport};
use emnify_simulator::{Limits, Options, Seed, Simulator};

/// The example workspace, with the limits of the real API.
pub(crate) fn example() -> Simulator {
    start(Seed::example())
}

pub(crate) fn start(seed: Seed) -> Simulator {
    Simulator::start(Options { seed, limits: Limits::Real, ..Options::default() })
}

pub(crate) fn client_of(simulator: &Simulator, credentials: Credentials) -> Client {
    let transport = Arc::new(ServiceTransport::new(simulator.router()));
    let base = BaseUrl::parse("http://127.0.0.1:1").unwrap();
    Client::new(Config::new(base, credentials, transport, HostLimits::new(1.0)))
}

/// A client with the example workspace's application token.
pub(crate) fn client(simulator: &Simulator) -> Client {
    client_of(simulator, Credentials::ApplicationToken("example-token".to_owned().into()))
}

/// How often a route was called with this outcome.
pub(crate) fn calls(simulator: &Simulator, method: &str, route: &str, status: u16) -> u64 {
    let requests = simulator.requests();
    let same = |count: &&emnify_simulator::Count| {
        count.method == method && count.route == route && count.status == status
    };
    requests.counts.iter().filter(same).map(|count| count.count).sum()
}

pub(crate) fn logins(simulator: &Simulator) -> u64 {
    calls(simulator, "POST", "/api/v1/authenticate", 200)
}
