//! Per-organisation limits of single operations.

use http::Method;

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

    /// The class of an operation, if it has one.
    pub(crate) fn of(method: &Method, route: &str) -> Option<Self> {
        if method != Method::GET {
            return None;
        }
        match route {
            "/api/v1/endpoint"
            | "/api/v1/sim"
            | "/api/v1/event"
            | "/api/v1/stats/daily"
            | "/api/v1/endpoint/{endpoint_id}/connectivity_info"
            | "/api/v1/organisation/{org_id_or_my}/stats"
            | "/api/v1/sim/{sim_id}/stats" => Some(Class::Listing),
            "/api/v1/endpoint/{endpoint_id}" | "/api/v1/endpoint/{endpoint_id}/connectivity" => {
                Some(Class::Detail)
            }
            "/api/v1/sim/{sim_id}"
            | "/api/v1/service_profile"
            | "/api/v1/service_profile/{profile_id}"
            | "/api/v1/tariff_profile"
            | "/api/v1/tariff_profile/{tariff_profile_id}"
            | "/api/v1/endpoint/{endpoint_id}/stats"
            | "/api/v1/endpoint/{endpoint_id}/stats/daily" => Some(Class::Light),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_reads_have_a_class() {
        assert_eq!(Class::of(&Method::GET, "/api/v1/endpoint"), Some(Class::Listing));
        assert_eq!(Class::of(&Method::POST, "/api/v1/endpoint"), None, "a create is not a listing");
        assert_eq!(Class::of(&Method::GET, "/api/v1/endpoint/{endpoint_id}"), Some(Class::Detail));
        assert_eq!(Class::of(&Method::GET, "/api/v1/dns"), None);
    }
}
