//! Quotas of all devices of a service profile.

use emnify::{Api, Error, wire::service_profile::SERVICE_PROFILES};
use emnify_engine::kind::{
    Id, Kind, reason,
    task::{Again, Outcome, World},
};

use super::{
    facts::Facts,
    given::{Given, managed},
};
use crate::kinds::{
    endpoint::Endpoint,
    endpoint_set::EndpointSet,
    operation::{
        params::{QuotaKind, RemoveQuotas},
        spec::Operation,
    },
};

pub(super) const REMOVE: Facts = Facts::of("removeQuotas", Again::Yes, 1).irreversible();

/// Devices of a profile.
pub(crate) fn devices(profile: &Id, world: &World<'_, Operation>) -> Vec<Id> {
    let (mut found, profile) = (Vec::new(), profile.int());
    world.members.each(&mut |row| {
        if !row.is_tombstone() && Some(row.service_profile) == profile {
            found.push(Id::Int(row.id));
        }
    });
    found
}

impl QuotaKind {
    /// As paths and fields of manifests call it.
    fn word(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Sms => "sms",
        }
    }
}

impl RemoveQuotas {
    /// Left alone where a manifest gives one of the devices such a quota.
    pub(super) fn of(&self, given: &Given<'_>) -> Result<QuotaKind, Outcome> {
        let pointer = format!("/quota/{}", self.kind.word());
        let of_a_set = format!("/template{pointer}");
        let fields = [(Endpoint::KIND, &*pointer), (EndpointSet::KIND, &*of_a_set)];
        let mut devices = devices(given.target, given.world).into_iter();
        match devices.find_map(|id| given.world.here.manager((Endpoint::KIND, &id), &fields)) {
            Some(field) => Err(managed(&field)),
            None => Ok(self.kind),
        }
    }
}

pub(super) async fn remove(api: &Api, profile: i64, kind: QuotaKind) -> Result<Outcome, Error> {
    let Some(row) = SERVICE_PROFILES.get(api, profile).await? else {
        let message = "the service profile is gone".to_owned();
        return Ok(Outcome::Failed { reason: reason::NOT_FOUND, message });
    };
    let applied = match kind {
        QuotaKind::Data => row.apply_data_quota,
        QuotaKind::Sms => row.apply_sms_quota,
    };
    if applied != Some(false) {
        let message = format!(
            "the service profile applies {} quotas, and every device without one would be cut off: end that first",
            kind.word()
        );
        return Ok(Outcome::Failed { reason: reason::INVALID_SPEC, message });
    }
    api.remove_quotas(profile, kind.word()).await.map(|()| Outcome::DONE)
}
