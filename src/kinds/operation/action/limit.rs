//! Traffic beyond the limit of a profile.

use emnify::{Api, Error, wire::limit_extension::LimitExtension};
use emnify_engine::kind::task::{Again, Outcome};
use jiff::Timestamp;

use super::facts::{Facts, invalid};
use crate::kinds::operation::params::ExtendTrafficLimit;

pub(super) const EXTEND: Facts = Facts::of("extendTrafficLimit", Again::Proof, 1);
pub(super) const END: Facts = Facts::of("endTrafficLimitExtensions", Again::Yes, 1);

/// More traffic for one device.
#[derive(Clone, Debug)]
pub struct Extension {
    bytes: i64,
    limit: Option<i64>,
}

impl ExtendTrafficLimit {
    pub(super) fn read(&self) -> Result<Extension, Outcome> {
        let bytes = self.volume.bytes("volume").map_err(|why| invalid(&why))?;
        let limit = self.traffic_limit.as_ref().map(|limit| limit.int("trafficLimit"));
        Ok(Extension { bytes, limit: limit.transpose().map_err(|why| invalid(&why))? })
    }
}

fn told(made: &LimitExtension) -> Outcome {
    let until = made.expiration_date.map(|until| format!(" until {until}")).unwrap_or_default();
    let detail = made.volume.map(|volume| format!("{volume} more{until}"));
    Outcome::Succeeded { id: made.id.map(|id| id.to_string()), detail }
}

impl Extension {
    pub(super) async fn send(&self, api: &Api, device: i64) -> Result<Outcome, Error> {
        api.extend_traffic_limit(device, self.bytes, self.limit).await.map(|made| told(&made))
    }

    /// The newest extension of this volume that was made since then.
    pub(super) async fn prove(
        &self,
        api: &Api,
        device: i64,
        since: Timestamp,
    ) -> Result<Option<Outcome>, Error> {
        let all = api.limit_extensions(device).await?;
        #[allow(clippy::cast_precision_loss, reason = "volumes that are sold are far below 2^52")]
        let same = all.iter().filter(|made| {
            made.volume == Some(self.bytes as f64) && made.created_at.is_some_and(|at| at >= since)
        });
        Ok(same.max_by_key(|made| (made.created_at, made.id)).map(told))
    }
}
