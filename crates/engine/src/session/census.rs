//! The last census of a session.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::kind::census::Census;

/// A census is taken again when it is older: a hundred thousand devices take some 50 ms.
const CENSUS_KEPT: Duration = Duration::from_secs(60);

/// The last census of a session.
#[derive(Debug, Default)]
pub(crate) struct LastCensus(Mutex<Option<(Instant, Census)>>);

impl LastCensus {
    /// The last one, or a new one if that is too old.
    pub(crate) fn or_else(&self, take: impl FnOnce() -> Census) -> Census {
        let mut last = self.0.lock();
        match &*last {
            Some((at, census)) if at.elapsed() < CENSUS_KEPT => census.clone(),
            _ => last.insert((Instant::now(), take())).1.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_census_is_not_taken_at_each_scrape() {
        let (last, taken) = (LastCensus::default(), std::cell::Cell::new(0));
        let ask = || {
            last.or_else(|| {
                taken.set(taken.get() + 1);
                Census::default()
            })
        };
        ask();
        tokio::time::advance(CENSUS_KEPT / 2).await;
        ask();
        assert_eq!(taken.get(), 1, "half a minute later it is still good");
        tokio::time::advance(CENSUS_KEPT).await;
        ask();
        assert_eq!(taken.get(), 2);
    }
}
