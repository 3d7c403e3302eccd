//! When the operator has nothing left to do.

use std::time::Duration;

use anyhow::{Result, ensure};
use emnify_simulator::Entry;
use tokio::time::{Instant, sleep};

use crate::bench::environment::{Environment, Mark};

/// How long nothing may be listed or written until that counts as rest. First sweeps follow each other at once.
const QUIET: Duration = Duration::from_secs(5);

/// Waits until listings and writes have stopped. Hints and single reads go on for ever.
pub(super) async fn wait(environment: &Environment, since: Mark, within: Duration) -> Result<()> {
    let end = Instant::now() + within;
    let (mut seen, mut last) = (0, Instant::now());
    while last.elapsed() < QUIET {
        let work = environment.calls(since).0.iter().filter(|entry| is_work(entry)).count();
        if work != seen {
            (seen, last) = (work, Instant::now());
        }
        ensure!(
            Instant::now() < end,
            "the operator does not come to rest in {} s\n{}",
            within.as_secs(),
            environment.stage.operator_log_tail()
        );
        sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

/// Whether a call is a page of a sweep, or a write: neither a hint (event log, devices changed last) nor the read of one
/// object.
fn is_work(entry: &Entry) -> bool {
    let hint = entry.route.starts_with("/api/v1/event") || entry.query.contains("sort=-last_updated");
    entry.method != "GET" || !(hint || entry.route.contains('{'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::calls;

    fn entry(method: &str, route: &str, query: &str) -> Entry {
        Entry { query: query.to_owned(), ..calls::entry(method, route) }
    }

    #[test]
    fn hints_and_single_reads_are_no_work() {
        assert!(is_work(&entry("GET", "/api/v1/endpoint", "page=3&per_page=1000")));
        assert!(is_work(&entry("POST", "/api/v2/endpoint/multi", "")));
        assert!(!is_work(&entry("GET", "/api/v1/event", "page=2&q=from:2026-01-01T00:00:00Z")));
        assert!(!is_work(&entry("GET", "/api/v1/endpoint", "sort=-last_updated&per_page=100")));
        assert!(!is_work(&entry("GET", "/api/v1/endpoint/{endpoint_id}/connectivity", "")));
    }
}
