//! What the workspace's status says of requests: the month's, which a restart goes on from, and the slow rotation. Pure.
//!
//! Both always move, so they are told coarsely and rarely.

use std::{collections::BTreeMap, time::Duration};

use emnify::{Lane, Ledger, Pace};
use emnify_engine::{
    decide::conditions::{self, Wanted, clear},
    kind::reason::{self, condition::BUDGET_LOW},
    session::scrub::ScrubSnapshot,
};
use jiff::Timestamp;
use tokio::time::Instant;

use super::spec::{BudgetStatus, ScrubStatus, WorkspaceStatus};

/// Figures that always move are written this often at most.
const EVERY: Duration = Duration::from_secs(600);
/// Requests are told in full thousands.
const REQUESTS: u64 = 1_000;
/// Shares of lanes are told in steps of this many percent.
const PERCENT: u64 = 5;

/// Lets figures that always move through now and then.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rarely(Option<Instant>);

impl Rarely {
    /// Not before ten minutes have passed: what a fresh process knows of a rotation says little.
    pub fn later() -> Self {
        Self(Some(Instant::now()))
    }

    /// True the first time, and then at most every ten minutes.
    pub fn now(&mut self) -> bool {
        let due = self.0.is_none_or(|last| last.elapsed() >= EVERY);
        if due {
            self.0 = Some(Instant::now());
        }
        due
    }
}

/// What is counted from after a restart.
pub fn kept(status: &BudgetStatus) -> Ledger {
    let count = |n: i64| u64::try_from(n).unwrap_or_default();
    let lanes = status.lanes.iter().filter_map(|(name, percent)| {
        let lane = Lane::ALL.into_iter().find(|lane| lane.as_str() == name)?;
        Some((lane, count(*percent)))
    });
    Ledger::of_shares(status.month.clone(), count(status.requests), lanes)
}

/// The month as the status tells it; `None` before the first request.
pub fn told(ledger: &Ledger) -> Option<BudgetStatus> {
    let whole = ledger.lanes.iter().sum::<u64>().max(1);
    let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let lanes = Lane::ALL.into_iter().zip(ledger.lanes).filter_map(|(lane, count)| {
        // rounded to the nearest step
        let percent = (count * 100 + whole * PERCENT / 2) / whole / PERCENT * PERCENT;
        (percent > 0).then(|| (lane.as_str().to_owned(), signed(percent)))
    });
    let lanes: BTreeMap<String, i64> = lanes.collect();
    let requests = signed(ledger.used / REQUESTS * REQUESTS);
    (!ledger.month.is_empty()).then(|| BudgetStatus { month: ledger.month.clone(), requests, lanes })
}

/// The rotation as the status tells it, rounded up; `None` while there is nothing to read.
pub fn rotation(scrub: &ScrubSnapshot) -> Option<ScrubStatus> {
    const MINUTES: u64 = 60;
    const HOURS: u64 = 3_600;
    let up = |n: u64, step: u64| n.div_ceil(step) * step;
    let pieces = u64::try_from(scrub.pieces).unwrap_or(u64::MAX);
    let digits = pieces.checked_ilog10().unwrap_or_default().saturating_sub(1);
    let objects = i64::try_from(up(pieces, 10_u64.pow(digits))).unwrap_or(i64::MAX);
    let rotation = match scrub.rotation.as_secs() {
        seconds if seconds <= 2 * HOURS => format!("{}m", up(seconds, 10 * MINUTES) / MINUTES),
        seconds if seconds <= 48 * HOURS => format!("{}h", up(seconds, HOURS) / HOURS),
        seconds => format!("{}h", up(seconds, 12 * HOURS) / HOURS),
    };
    (pieces > 0).then(|| ScrubStatus { objects, rotation: rotation.into() })
}

/// Says that the month's quota holds requests up, while it does.
pub fn pace(status: &mut WorkspaceStatus, pace: Pace, generation: Option<i64>, now: Timestamp) {
    let (reason, message) = match pace {
        Pace::Free => return clear(&mut status.conditions, BUDGET_LOW),
        Pace::Slowed => (
            reason::BUDGET_SLOWED,
            "requests come faster than this month's share of the quota lasts, so slow re-reads, listings and the event log \
             are read less often; raise spec.budgetPercent, or lengthen spec.sweepInterval",
        ),
        Pace::Spent => (
            reason::BUDGET_SPENT,
            "this month's share of the quota is used up and nothing is sent before the next month (UTC); raise \
             spec.budgetPercent to go on",
        ),
    };
    let wanted = Wanted { kind: BUDGET_LOW, status: true, reason, message };
    conditions::set(&mut status.conditions, &wanted, generation, now);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(used: u64, lanes: [u64; 7]) -> Ledger {
        Ledger { month: "2026-11".into(), used, lanes }
    }

    #[test]
    fn small_moves_do_not_show() {
        let before = told(&ledger(12_040, [0, 40, 1_000, 0, 8_000, 2_500, 500])).unwrap();
        assert_eq!(before.requests, 12_000);
        let lanes: Vec<_> = before.lanes.iter().map(|(lane, percent)| (lane.as_str(), *percent)).collect();
        assert_eq!(
            lanes,
            [("create", 10), ("hints", 65), ("scrub", 5), ("sweep", 20)],
            "in steps of 5 percent"
        );
        let after = told(&ledger(12_900, [0, 50, 1_000, 0, 8_600, 2_700, 550])).unwrap();
        assert_eq!(after, before, "hundreds of requests later the status is the same");
        assert_eq!(told(&Ledger::default()), None, "nothing to tell before the first request");
    }

    #[test]
    fn a_restart_goes_on_from_what_was_told() {
        let status = told(&ledger(4_200, [0, 0, 2_100, 0, 2_100, 0, 0])).unwrap();
        let ledger = kept(&status);
        assert_eq!((ledger.month.as_str(), ledger.used), ("2026-11", 4_000));
        assert_eq!(told(&ledger), Some(status), "and tells the same");
        let unknown = BudgetStatus { lanes: [("other".to_owned(), 50)].into(), ..told(&ledger).unwrap() };
        assert_eq!(kept(&unknown).used, 4_000, "a lane of another version does no harm");
    }

    #[test]
    fn the_rotation_is_told_in_steps() {
        let told = |pieces: usize, seconds: u64| {
            let scrub =
                ScrubSnapshot { pieces, rotation: Duration::from_secs(seconds), asked_for: 0, share: 0.02 };
            rotation(&scrub).map(|told| (told.objects, told.rotation.to_string()))
        };
        assert_eq!(told(0, 0), None);
        assert_eq!(told(7, 350), Some((7, "10m".into())));
        assert_eq!(told(432, 21_600), Some((440, "6h".into())));
        assert_eq!(told(10_001, 500_050), Some((11_000, "144h".into())));
        assert_eq!(told(10_900, 518_300), told(10_100, 505_000), "hundreds more or less are not told");
    }

    #[test]
    fn the_condition_is_there_while_the_quota_holds_requests_up() {
        let mut status = WorkspaceStatus::default();
        pace(&mut status, Pace::Spent, Some(1), Timestamp::UNIX_EPOCH);
        assert_eq!(status.conditions[0].reason, reason::BUDGET_SPENT);
        assert!(status.conditions[0].message.contains("spec.budgetPercent"), "it says what to do");
        pace(&mut status, Pace::Slowed, Some(1), Timestamp::UNIX_EPOCH);
        assert_eq!(status.conditions[0].reason, reason::BUDGET_SLOWED);
        pace(&mut status, Pace::Free, Some(1), Timestamp::UNIX_EPOCH);
        assert!(status.conditions.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn figures_that_always_move_are_written_rarely() {
        let mut rarely = Rarely::default();
        assert!(rarely.now(), "a fresh process tells at once");
        let mut told = 0;
        for _ in 0..180 {
            tokio::time::advance(Duration::from_secs(20)).await;
            told += u32::from(rarely.now());
        }
        assert_eq!(told, 6, "six times an hour");
        assert!(!Rarely::later().now(), "what begins later waits for its first ten minutes");
    }
}
