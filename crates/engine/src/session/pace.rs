//! How often hints are read, and how many single reads they may cause: pure.

use std::time::Duration;

/// Time between two readings of the event log.
const TAIL: Duration = Duration::from_secs(10);
/// The same while we make many objects, whose events are our own.
const TAIL_BUSY: Duration = Duration::from_secs(60);
/// Time between two readings of what changed last.
const RECENT: Duration = Duration::from_secs(25);
/// The same while we make many objects, which are what changed last.
const RECENT_BUSY: Duration = Duration::from_secs(120);
/// Failures double the pause up to 2 to the power of this.
const LONGEST: u32 = 5;

/// One of the readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// Of the event log.
    Tail,
    /// Of what changed last.
    Recent,
}

impl Reader {
    /// Pause before looking whether a reading is due.
    pub(crate) fn tick(self) -> Duration {
        match self {
            Self::Tail => TAIL,
            Self::Recent => RECENT,
        }
    }

    /// Pause between two readings; `creating`: objects are being made, `failures`: readings that failed in a row.
    pub(crate) fn pause(self, creating: bool, failures: u32) -> Duration {
        let pause = match (self, creating) {
            (_, false) => self.tick(),
            (Self::Tail, true) => TAIL_BUSY,
            (Self::Recent, true) => RECENT_BUSY,
        };
        pause.saturating_mul(1 << failures.min(LONGEST))
    }
}

/// An allowance that is used up is whole again after this time.
const MINUTE: Duration = Duration::from_secs(60);
/// Single reads that a small kind is worth.
const FEW: usize = 5;
/// Rows of a page: beyond so many pages' worth of single reads a listing is cheaper.
const PAGE: usize = 1000;

/// Single reads that hints may cause: in a minute about as many as the pages of a listing, which shows more. It comes back bit
/// by bit, so that a burst does not make what happens next wait for the end of a minute.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Allowance {
    /// What was taken is paid for by then.
    paid: Duration,
}

impl Allowance {
    /// Takes up to `wanted` reads at `now` (any clock that moves on) for a kind of `size` objects; how many it got.
    pub(crate) fn take(&mut self, wanted: usize, size: usize, now: Duration) -> usize {
        let each = MINUTE / u32::try_from(FEW + size / PAGE).unwrap_or(u32::MAX);
        let room = MINUTE.saturating_sub(self.paid.saturating_sub(now)).as_nanos() / each.as_nanos().max(1);
        let got = wanted.min(usize::try_from(room).unwrap_or(usize::MAX));
        self.paid = self.paid.max(now) + each.saturating_mul(u32::try_from(got).unwrap_or(u32::MAX));
        got
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_are_rare_while_we_make_objects_and_after_failures() {
        let pause = |reader: Reader, creating, failures| reader.pause(creating, failures).as_secs();
        assert_eq!((pause(Reader::Tail, false, 0), pause(Reader::Recent, false, 0)), (10, 25));
        assert_eq!((pause(Reader::Tail, true, 0), pause(Reader::Recent, true, 0)), (60, 120));
        assert_eq!(
            (pause(Reader::Tail, false, 2), pause(Reader::Tail, false, 99)),
            (40, 320),
            "failures back off"
        );
        let per_second = 1.0 / 10.0 + 1.0 / 25.0;
        assert!(per_second < 0.15, "hints leave room for sweeps in the 0.2 requests/s of the steady state");
    }

    #[test]
    fn a_flood_gets_few_single_reads() {
        let mut allowance = Allowance::default();
        let at = Duration::from_secs;
        assert_eq!(allowance.take(3, 10_000, at(100)), 3);
        assert_eq!(allowance.take(8_000, 10_000, at(101)), 12, "a listing of 10 pages shows the rest");
        assert_eq!(allowance.take(1, 10_000, at(103)), 0);
        assert_eq!(
            allowance.take(2, 10_000, at(104)),
            1,
            "one every four seconds, and no minute without any"
        );
        assert_eq!(allowance.take(99, 10_000, at(999)), 15, "what nobody took is not kept");
        assert_eq!(Allowance::default().take(9, 0, at(0)), 5, "a small kind has some, too");
    }
}
