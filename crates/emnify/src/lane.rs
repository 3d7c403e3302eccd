//! Lanes: who goes first when requests are scarce.

use std::fmt;

/// A priority in the request budget, most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Deletes that stop billing, rate zones after a tariff change.
    Safety,
    /// A person waits: an edit of an object that already exists.
    Interactive,
    /// Creates and adoptions.
    Create,
    /// Corrections of drift.
    Repair,
    /// The event log and the recently changed page.
    Hints,
    /// Complete listings.
    Sweep,
    /// Slow re-reads of what no listing shows.
    Scrub,
}

impl Lane {
    /// Every lane, most urgent first.
    pub const ALL: [Lane; 7] =
        [Lane::Safety, Lane::Interactive, Lane::Create, Lane::Repair, Lane::Hints, Lane::Sweep, Lane::Scrub];

    /// The label in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Lane::Safety => "safety",
            Lane::Interactive => "interactive",
            Lane::Create => "create",
            Lane::Repair => "repair",
            Lane::Hints => "hints",
            Lane::Sweep => "sweep",
            Lane::Scrub => "scrub",
        }
    }

    /// The part of the burst (in percent) that this lane leaves untouched for more urgent ones.
    pub(crate) const fn reserve_percent(self) -> u32 {
        match self {
            Lane::Safety | Lane::Interactive => 0,
            Lane::Create => 5,
            Lane::Repair => 10,
            Lane::Hints => 15,
            Lane::Sweep => 25,
            Lane::Scrub => 50,
        }
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
