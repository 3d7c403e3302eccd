//! People, and the organisation itself.

use emnify::{
    Api, Error,
    wire::{organisation::VolumeTerms, user::USERS},
};
use emnify_engine::kind::{
    Id, Input, Invalid, Source, reason,
    task::{Again, Outcome},
};
use jiff::Timestamp;
use secrecy::SecretString;

use super::{
    facts::{Facts, invalid},
    given::Given,
};
use crate::kinds::operation::params::{AssignInclusiveVolume, VerifyRecipient};

pub(super) const RESET_MFA: Facts = Facts::of("resetMfa", Again::Yes, 0).irreversible();
pub(super) const BUY: Facts = Facts::of("assignInclusiveVolume", Again::Proof, 0).irreversible();
pub(super) const VERIFY: Facts = Facts::of("verifyRecipient", Again::Never, 0);

/// What the only target of an operation on the organisation is called where it has no id.
pub(super) const RECIPIENT: &str = "recipient";
const TOKEN: &str = "action.verifyRecipient.tokenSecretRef";

/// Takes second factor and trusted devices from a person, who is none of `own`.
pub(super) async fn reset_mfa(api: &Api, user: i64, own: &[String]) -> Result<Outcome, Error> {
    let Some(row) = USERS.get(api, user).await? else {
        let message = "the user is gone".to_owned();
        return Ok(Outcome::Failed { reason: reason::NOT_FOUND, message });
    };
    if own.contains(&row.username.to_lowercase()) {
        let message = "the operator logs in as this user, and would shut itself out".to_owned();
        return Ok(Outcome::Failed { reason: reason::INVALID_SPEC, message });
    }
    let (keys, devices) = (row.mfa, api.trusted_devices(user).await?);
    let mut gone_before = false;
    for key in &keys {
        gone_before |= was_gone(api.delete_second_factor(user, key.id).await)?;
    }
    for device in &devices {
        gone_before |= was_gone(api.distrust_device(user, *device).await)?;
    }
    if gone_before {
        let left = USERS.get(api, user).await?.map_or(0, |row| row.mfa.len());
        if left + api.trusted_devices(user).await?.len() > 0 {
            let message = "emnify says that they do not exist, and still shows them".to_owned();
            return Ok(Outcome::Failed { reason: reason::REJECTED, message });
        }
    }
    let detail = format!("{} keys and {} trusted devices removed", keys.len(), devices.len());
    Ok(Outcome::Succeeded { id: None, detail: Some(detail) })
}

/// Somebody else removed it meanwhile, or this operation did before.
fn was_gone(answer: Result<(), Error>) -> Result<bool, Error> {
    match answer {
        Ok(()) => Ok(false),
        Err(Error::NotFound { .. }) => Ok(true),
        Err(error) => Err(error),
    }
}

/// A volume that is bought.
#[derive(Clone, Debug)]
pub struct Volume {
    terms: VolumeTerms,
    from: Option<Timestamp>,
}

impl AssignInclusiveVolume {
    pub(super) fn target(&self) -> Result<Id, Invalid> {
        self.id.int("action.assignInclusiveVolume.id").map(Id::Int)
    }

    pub(super) fn of(&self) -> Result<Volume, Outcome> {
        self.read().map_err(|why| invalid(&why))
    }

    fn read(&self) -> Result<Volume, Invalid> {
        let date = |date: &Option<crate::api::Date>, name: &str| {
            date.as_ref().map(|date| date.get(&format!("action.assignInclusiveVolume.{name}"))).transpose()
        };
        let (from, until) = (date(&self.start_date, "startDate")?, date(&self.end_date, "endDate")?);
        if until.is_some_and(|until| from.is_some_and(|from| until <= from)) {
            return Err(Invalid::new("action.assignInclusiveVolume.endDate", "is not after startDate"));
        }
        let text = |at: Option<Timestamp>| at.map(|at| at.to_string());
        Ok(Volume {
            terms: VolumeTerms { start_date: text(from), end_date: text(until), pooled: self.pooled },
            from,
        })
    }
}

impl Volume {
    pub(super) async fn send(&self, api: &Api, id: i64) -> Result<Outcome, Error> {
        api.buy_volume(id, &self.terms).await.map(|()| Outcome::DONE)
    }

    /// It is among those that are paid for, since it was bought. Of one that begins later no reading tells.
    pub(super) async fn prove(&self, api: &Api, id: i64, since: Timestamp) -> Result<Option<Outcome>, Error> {
        if self.from.is_some_and(|from| from > api.client().server_time()) {
            let message = "it may have been bought, and emnify lists only volumes that have begun: ask emnify before making a new object";
            return Ok(Some(Outcome::Unknown(message.to_owned())));
        }
        let bought = |start: Timestamp| self.from.map_or(start >= since, |from| start == from);
        let held = api.active_volumes().await?.into_iter().filter(|held| held.id == id);
        let mut held = held.filter(|held| held.start_date.is_some_and(bought));
        Ok(held.next().map(|_| Outcome::DONE))
    }
}

impl VerifyRecipient {
    pub(super) fn inputs(&self) -> Vec<Input> {
        let (name, key) = (self.token_secret_ref.name.to_string(), self.token_secret_ref.key.to_string());
        vec![Input::new(TOKEN, Source::Secret { name, key })]
    }
}

/// The token that was mailed.
pub(super) fn token(given: &Given<'_>) -> Result<SecretString, Outcome> {
    let missing = || invalid(&Invalid::new(TOKEN, "the Secret has no such key"));
    given.from.secret(TOKEN).cloned().ok_or_else(missing)
}
