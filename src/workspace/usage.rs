//! What organisations use and pay, read now and then, for metrics.

use std::{sync::Arc, time::Duration};

use emnify::{Lane, wire::usage::MonthlyStats};
use emnify_engine::{
    cluster::{refusal::Line, tasks::Tasks},
    session::Session,
};
use jiff::Timestamp;
use parking_lot::Mutex;
use rand::Rng;
use tokio::time::sleep;

/// After the start there is more urgent work.
const FIRST: Duration = Duration::from_secs(300);
/// Two requests an hour: bills move slowly.
const EVERY: Duration = Duration::from_secs(1800);

/// Usage of one organisation, once it was read.
#[derive(Debug, Default)]
pub struct Usage(Mutex<Option<(MonthlyStats, Timestamp)>>);

impl Usage {
    /// What was read last, and when.
    pub fn last(&self) -> Option<(MonthlyStats, Timestamp)> {
        self.0.lock().clone()
    }

    /// Reads it until the session is stopped. What cannot be read is left out: a role may not be allowed to.
    pub fn follow(self: &Arc<Self>, tasks: &Tasks, session: &Arc<Session>) {
        tasks.of_session(session, "usage", self.clone().read_for_ever(session.clone()));
    }

    async fn read_for_ever(self: Arc<Self>, session: Arc<Session>) {
        sleep(FIRST).await;
        let mut line = Line::of_what_may_fail();
        loop {
            match session.api(Lane::Scrub).monthly_stats().await {
                Ok(stats) => {
                    let read = Some((stats, session.server_time()));
                    *self.0.lock() = read;
                    line.over();
                }
                Err(error) if !line.is_news(&error.to_string()) => {}
                Err(error) => {
                    tracing::info!(organisation = session.organisation, %error, "usage not read");
                }
            }
            let pause = EVERY.mul_f64(rand::rng().random_range(0.9..1.1));
            sleep(pause).await;
        }
    }
}
