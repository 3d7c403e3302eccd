//! What the operator asked of the platform, as the simulator counted it.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
};

use emnify_simulator::{Entry, Simulator};

use super::{
    figure::{Value, count},
    report::Report,
};

/// Where the person at the portal sits: not at the operator's address.
pub(super) const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// Calls of the operator, in the order of arrival.
#[derive(Clone, Debug)]
pub(super) struct Calls(pub(super) Vec<Entry>);

impl Calls {
    /// Those after the request of this number.
    pub(super) fn after(simulator: &Simulator, number: u64) -> Self {
        let entries = simulator.requests_after(number);
        Self(entries.into_iter().filter(|entry| entry.source != ELSEWHERE).collect())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Those that may change something; logins change nothing.
    pub(super) fn writes(&self) -> usize {
        self.0.iter().filter(|entry| entry.method != "GET" && !is_login(entry)).count()
    }

    pub(super) fn logins(&self) -> usize {
        self.0.iter().filter(|entry| is_login(entry)).count()
    }

    /// How many were refused for being too many.
    pub(super) fn throttled(&self) -> usize {
        self.0.iter().filter(|entry| entry.status == 429).count()
    }

    /// How often each route was called, with the outcomes that are no success.
    fn by_route(&self) -> BTreeMap<String, (usize, BTreeMap<u16, usize>)> {
        let mut routes = BTreeMap::<String, (usize, BTreeMap<u16, usize>)>::new();
        for entry in &self.0 {
            let (calls, refused) = routes.entry(format!("{} {}", entry.method, entry.route)).or_default();
            *calls += 1;
            if !(200..300).contains(&entry.status) {
                *refused.entry(entry.status).or_default() += 1;
            }
        }
        routes
    }

    /// Lists them by route.
    pub(super) fn show(&self, report: &mut Report) {
        for (route, (calls, refused)) in self.by_route() {
            let refused: Vec<_> = refused.iter().map(|(status, calls)| outcome(*status, *calls)).collect();
            let refused =
                if refused.is_empty() { String::new() } else { format!(" ({})", refused.join(", ")) };
            report.shows(format!("- {route}{refused}"), count(calls));
        }
    }

    /// Lists them by route, the sum beside its bar.
    pub(super) fn show_against(&self, report: &mut Report, what: &str, most: u64) {
        report.at_most(what, count(self.len()), Value::Count(most));
        self.show(report);
    }
}

/// How many calls had an outcome that is no success.
fn outcome(status: u16, calls: usize) -> String {
    match status {
        // Cut, or still under way.
        0 => format!("{calls} without an answer"),
        status => format!("{calls} x {status}"),
    }
}

/// A login in whatever way.
pub(super) fn is_login(entry: &Entry) -> bool {
    entry.route.starts_with("/api/v1/authenticate")
}

/// A call, for tests.
#[cfg(test)]
pub(super) fn entry(method: &str, route: &str) -> Entry {
    Entry {
        number: 1,
        at: jiff::Timestamp::UNIX_EPOCH,
        method: method.to_owned(),
        route: route.to_owned(),
        path: route.to_owned(),
        query: String::new(),
        status: 200,
        organisation: None,
        source: [127, 0, 0, 1].into(),
        agent: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(method: &str, route: &str, status: u16) -> Entry {
        Entry { status, ..super::entry(method, route) }
    }

    #[test]
    fn calls_are_told_apart_by_route_and_outcome() {
        let calls = Calls(vec![
            entry("POST", "/api/v1/authenticate", 200),
            entry("GET", "/api/v1/endpoint", 200),
            entry("GET", "/api/v1/endpoint", 429),
            entry("POST", "/api/v2/endpoint/multi", 0),
        ]);
        assert_eq!((calls.len(), calls.logins(), calls.writes(), calls.throttled()), (4, 1, 1, 1));
        let routes = calls.by_route();
        assert_eq!(routes["GET /api/v1/endpoint"], (2, BTreeMap::from([(429, 1)])));
        assert_eq!(
            routes["POST /api/v2/endpoint/multi"].1,
            BTreeMap::from([(0, 1)]),
            "a cut call is no success"
        );
    }
}
