//! How a simulator behaves.

use std::time::Duration;

use jiff::Timestamp;

use crate::seed::Seed;

/// Whether limits are enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Limits {
    /// All of the published ones.
    Real,
    /// None.
    #[default]
    Off,
}

/// How the API behaved in a year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, clap::ValueEnum)]
pub enum Dialect {
    /// Creates answer with an empty body, and assigning a SIM activates it. [R]
    #[value(name = "2022")]
    D2022,
    /// As 2022, with endpoint reads and log-ins served by Express. [R]
    #[value(name = "2024")]
    D2024,
    /// Creates answer with the object, and SIMs are activated on demand only. [S][L]
    #[default]
    #[value(name = "2026")]
    D2026,
}

/// What a bulk call with a bad item does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Bulk {
    /// Nothing.
    #[default]
    Atomic,
    /// The items before the bad one.
    Partial,
}

/// Which to follow where what was observed and what is published differ within a year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Sources {
    /// Recordings, sampled answers and what clients rely on. [R][L][3P]
    #[default]
    Observed,
    /// Documentation and schema. [P][S]
    Published,
}

/// Settings of a simulator.
#[derive(Debug, Clone)]
pub struct Options {
    /// What it starts with; the example seed unless set.
    pub seed: Seed,
    /// Whether limits are enforced.
    pub limits: Limits,
    /// How it behaves.
    pub dialect: Dialect,
    /// What to follow where sources differ.
    pub sources: Sources,
    /// What a bulk call with a bad item does.
    pub bulk: Bulk,
    /// Whether assigning a SIM activates it where the request does not say; by dialect unless set.
    pub auto_activate: Option<bool>,
    /// Whether a device write is refused while another one of the organisation is under way.
    pub sequential_writes: bool,
    /// How long a device write takes.
    pub endpoint_write_time: Duration,
    /// How much longer for each device of it.
    pub endpoint_item_time: Duration,
    /// How long a message to a device waits for its first attempt.
    pub sms_time: Duration,
    /// The only data stream is listed as an object rather than in an array, as the schema says. [S]
    pub list_as_object: bool,
    /// The simulated time at the start; the real one unless set.
    pub start: Option<Timestamp>,
    /// Seed of chance.
    pub random_seed: u64,
    /// Whether callbacks and records of data streams go to loopback addresses that take them.
    pub delivers: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: Seed::default(),
            limits: Limits::Off,
            dialect: Dialect::default(),
            sources: Sources::default(),
            bulk: Bulk::default(),
            auto_activate: None,
            sequential_writes: true,
            endpoint_write_time: Duration::ZERO,
            endpoint_item_time: Duration::ZERO,
            sms_time: Duration::ZERO,
            list_as_object: false,
            start: None,
            random_seed: 1,
            delivers: true,
        }
    }
}

impl Options {
    /// Whether assigning a SIM activates it where the request does not say.
    pub fn activates(&self) -> bool {
        self.auto_activate.unwrap_or(self.dialect < Dialect::D2026)
    }
}
