//! What happens by itself as time passes.

use jiff::{SignedDuration, Timestamp};

use super::State;
use super::sim::Actor;

/// How long events are kept. [P]
const EVENT_DAYS: i64 = 30;

impl State {
    /// Lets everything happen that is due.
    pub fn pass_time(&mut self, now: Timestamp) {
        let oldest = now - SignedDuration::from_hours(24 * EVENT_DAYS);
        for organisation in self.organisations.values_mut() {
            let mut platform = Actor { next: &mut self.next_ids, now, user: None };
            organisation.settle_traffic(&mut platform);
            organisation.settle_attachments(&mut platform);
            organisation.settle_streams(now);
            organisation.settle_euiccs(&mut platform);
            organisation.settle_sim_operations(&mut platform);
            while let Some(entry) = organisation.events.first_entry()
                && entry.get().timestamp < oldest
            {
                entry.remove();
            }
        }
    }
}
