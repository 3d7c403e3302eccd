//! Per-organisation limits of single operations. Which operation has one is said where it is called: at its collection, or at its
//! call.

/// A documented limit per organisation [D api-guidelines/rate-limits].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Class {
    /// 10 requests/s, burst 5: listings of endpoints, SIMs and events, organisation statistics.
    Listing,
    /// 50 requests/s, burst 25: one endpoint and its connectivity.
    Detail,
    /// 100 requests/s, burst 50: profiles, one SIM, statistics of one device.
    Light,
}

impl Class {
    /// The label in metrics.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Class::Listing => "listing",
            Class::Detail => "detail",
            Class::Light => "light",
        }
    }

    /// A tenth less than what is allowed: requests that leave in order may arrive closer together.
    pub(super) const fn burst_and_rate(self) -> (f64, f64) {
        match self {
            Class::Listing => (4.0, 9.0),
            Class::Detail => (20.0, 45.0),
            Class::Light => (40.0, 90.0),
        }
    }
}
