//! What is shown of the limits, for metrics.

use std::time::Duration;

use super::month::MonthSnapshot;

/// How the limits stand, for metrics.
#[derive(Debug, Clone, PartialEq)]
pub struct LimitsSnapshot {
    /// Requests that could start at once.
    pub available: f64,
    /// The most that could ever start at once.
    pub burst: f64,
    /// How long the host wants to be left alone.
    pub closed_for: Duration,
    /// Requests waiting for a turn, per lane in the order of [`Lane::ALL`](crate::lane::Lane::ALL).
    pub waiting: [usize; 7],
    /// Every window: of the IP address, of logins, and the classes that were used.
    pub windows: Vec<WindowSnapshot>,
    /// Every organisation that requests were made for.
    pub months: Vec<MonthSnapshot>,
}

/// What is left of one window.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowSnapshot {
    /// `ip`, `login`, or a class of operations: `listing`, `detail`, `light`.
    pub name: &'static str,
    /// The organisation whose window it is; `None` where all share it.
    pub organisation: Option<i64>,
    /// Requests that could start at once.
    pub available: f64,
    /// The most that could ever start at once.
    pub burst: f64,
}
