//! Quotas, and what is counted against them.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::sim::Actor;
use super::{Draft, Endpoint, Organisation, Quota, Usage, device::HourUsage};
use crate::rules::dates;

/// Quota states. [S]
pub const ACTIVE: u64 = 1;
/// Used up.
pub const EXHAUSTED: u64 = 2;
/// Over.
pub const EXPIRED: u64 = 3;

/// Which of a device's quotas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// MB.
    Data,
    /// Messages.
    Sms,
}

impl Measure {
    /// The quota of that measure.
    pub fn of(self, endpoint: &mut Endpoint) -> &mut Option<Quota> {
        match self {
            Self::Data => &mut endpoint.data_quota,
            Self::Sms => &mut endpoint.sms_quota,
        }
    }

    /// Types of the events "threshold reached" and "used up".
    fn events(self) -> (u64, u64) {
        match self {
            Self::Data => (18, 19),
            Self::Sms => (20, 21),
        }
    }
}

impl Organisation {
    /// Takes data from a device's quota.
    pub fn use_data(&mut self, actor: &mut Actor<'_>, endpoint: u64, volume: f64) {
        self.use_quota(actor, endpoint, Measure::Data, volume);
    }

    pub(super) fn use_quota(&mut self, actor: &mut Actor<'_>, endpoint: u64, measure: Measure, volume: f64) {
        let Some(row) = self.endpoints.get_mut(&endpoint) else {
            return;
        };
        let Some(quota) = measure.of(row).as_mut().filter(|quota| quota.status == ACTIVE) else {
            return;
        };
        let before = quota.volume;
        quota.volume -= volume;
        let threshold = quota.threshold_volume();
        let (reached, used_up) = measure.events();
        let detail = json!({"quota": {
            "threshold_percentage": quota.threshold_percentage,
            "threshold_volume": threshold,
            "volume": quota.volume,
        }});
        let crossed = threshold.is_some_and(|threshold| before > threshold && quota.volume <= threshold);
        let exhausted = quota.volume <= 0.0;
        if exhausted {
            quota.status = EXHAUSTED;
            quota.last_status_change_date = actor.now;
        }
        if crossed {
            actor.emit(self, Draft::new(reached).endpoint(endpoint).detail(detail.clone()));
        }
        if exhausted {
            actor.emit(self, Draft::new(used_up).endpoint(endpoint).detail(detail));
        }
    }

    /// Lets quotas expire and refill, messages expire and limit extensions end.
    pub(super) fn settle_traffic(&mut self, actor: &mut Actor<'_>) {
        if self.indexes.settled.is_some_and(|until| actor.now < until) {
            return;
        }
        let mut next = Timestamp::MAX;
        let (mut expired, mut moving) = (Vec::new(), Vec::new());
        for endpoint in self.endpoints.values_mut() {
            for measure in [Measure::Data, Measure::Sms] {
                if let Some(quota) = measure.of(endpoint)
                    && settle_quota(quota, actor.now, &mut next)
                    && measure == Measure::Data
                {
                    expired.push(endpoint.id);
                }
            }
            for (sms, at) in endpoint.sms.values().filter_map(|sms| Some((sms, sms.moves()?))) {
                if at <= actor.now {
                    moving.push((endpoint.id, sms.id, at));
                } else {
                    next = next.min(at);
                }
            }
            endpoint.limit_extensions.retain(|_, extension| extension.expiration_date > actor.now);
            let ends = endpoint.limit_extensions.values().map(|extension| extension.expiration_date);
            next = ends.fold(next, Timestamp::min);
        }
        self.indexes.settled = Some(next);
        for (endpoint, sms, at) in moving {
            self.move_sms(actor, endpoint, sms, at);
        }
        for endpoint in expired {
            actor.emit(self, Draft::new(60).endpoint(endpoint));
            self.cut_if_without_quota(actor, endpoint);
        }
    }
}

/// Refills and expires a quota; true when it has just expired.
fn settle_quota(quota: &mut Quota, now: Timestamp, next: &mut Timestamp) -> bool {
    if quota.status == EXPIRED {
        return false;
    }
    let over = quota.expiry_date <= now;
    let last_day = dates::day(now.min(quota.expiry_date));
    while quota.auto_refill && quota.refilled < last_day {
        quota.refilled = quota.refilled.saturating_add(SignedDuration::from_hours(24));
        quota.volume += quota.last_volume_added;
        if quota.status == EXHAUSTED && quota.volume > 0.0 {
            quota.status = ACTIVE;
            quota.last_status_change_date = dates::midnight(quota.refilled);
        }
    }
    if over {
        quota.status = EXPIRED;
        quota.last_status_change_date = quota.expiry_date;
        return true;
    }
    *next = (*next).min(quota.expiry_date);
    if quota.auto_refill {
        *next = (*next).min(dates::midnight(quota.refilled.saturating_add(SignedDuration::from_hours(24))));
    }
    false
}

impl Endpoint {
    /// Counts traffic, by day and in the running hour.
    pub fn count(&mut self, now: Timestamp, usage: Usage) {
        self.usage.entry(dates::day(now)).or_default().add(usage);
        let hour = now.as_second().div_euclid(3600);
        if self.last_hour.hour != hour {
            self.last_hour = HourUsage { hour, usage: Usage::default() };
        }
        self.last_hour.usage.add(usage);
    }

    /// What it used in the hour of `now`.
    pub fn used_in_hour(&self, now: Timestamp) -> Usage {
        let same = self.last_hour.hour == now.as_second().div_euclid(3600);
        if same { self.last_hour.usage } else { Usage::default() }
    }
}

impl Usage {
    /// Adds other traffic to it.
    pub fn add(&mut self, other: Self) {
        self.data_tx += other.data_tx;
        self.data_rx += other.data_rx;
        self.sms_tx += other.sms_tx;
        self.sms_rx += other.sms_rx;
    }
}

impl Quota {
    /// What is left when the threshold is reached.
    pub fn threshold_volume(&self) -> Option<f64> {
        Some(self.last_volume_added * self.threshold_percentage? / 100.0)
    }
}
