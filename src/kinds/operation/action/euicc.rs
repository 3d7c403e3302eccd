//! What eUICCs are told to do at their next poll.

use emnify::{
    Api, Error,
    wire::{
        Ref,
        euicc_operation::{EuiccOperation as Row, NewEuiccOperation},
    },
};
use emnify_engine::kind::{
    Id, Input, Invalid, Source, reason,
    task::{Again, Outcome, Work},
};
use jiff::Timestamp;

use super::{
    facts::{Facts, invalid},
    given::Given,
};
use crate::kinds::{
    common::lookups::{EUICC_ACTIONS, letters},
    operation::params::{EuiccAction, EuiccOperation},
};

const TELL: Facts = Facts::of("euicc", Again::Proof, 1);

const ACTION: &str = "action.euicc.action";
const PROFILE: &str = "action.euicc.profile";
const CODE: &str = "action.euicc.activationCodeSecretRef";

/// What one eUICC is told.
#[derive(Clone, Debug)]
pub struct Told {
    eid: String,
    new: NewEuiccOperation,
    /// The profile that it is about, 19 digits.
    profile: Option<String>,
}

impl EuiccOperation {
    pub(super) fn facts(&self) -> Facts {
        match self.action {
            EuiccAction::DownloadProfile | EuiccAction::DeleteProfile => TELL.irreversible(),
            _ => TELL,
        }
    }

    pub(super) fn inputs(&self) -> Vec<Input> {
        let name = letters(called(self.action));
        let action = Input::new(ACTION, Source::Lookup { table: &EUICC_ACTIONS, name, optional: false });
        let code = self.activation_code_secret_ref.as_ref().map(|code| {
            let (name, key) = (code.name.to_string(), code.key.to_string());
            Input::new(CODE, Source::Secret { name, key })
        });
        [action].into_iter().chain(code).collect()
    }

    pub(super) fn of(&self, given: &Given<'_>) -> Result<Told, Outcome> {
        let eid = match given.target {
            Id::Text(eid) => Some(eid.clone()),
            Id::Int(_) => given.device.sim.as_ref().and_then(|sim| Some(sim.eid.as_deref()?.to_owned())),
        };
        let none =
            || Outcome::Skipped { reason: reason::NOT_FOUND, message: "the SIM is on no eUICC".to_owned() };
        let eid = eid.ok_or_else(none)?;
        let new = self.read(given).map_err(|why| invalid(&why))?;
        let profile = self.profile.as_ref().map(|profile| profile.normal(PROFILE));
        Ok(Told { eid, new, profile: profile.transpose().map_err(|why| invalid(&why))? })
    }

    fn read(&self, given: &Given<'_>) -> Result<NewEuiccOperation, Invalid> {
        let action = given.from.int(ACTION);
        let unknown = || Invalid::new(ACTION, "emnify knows no such action");
        Ok(NewEuiccOperation {
            action: Ref { id: action.ok_or_else(unknown)? },
            iccid_with_luhn: self.profile.as_ref().map(|profile| profile.printed(PROFILE)).transpose()?,
            activation_code: given.from.secret(CODE).cloned(),
            enable: self.enable,
            rollback: self.rollback,
            validity_period: self.validity_seconds.map(i64::from),
        })
    }
}

/// As emnify's table of actions calls it, whatever stands between the letters.
const fn called(action: EuiccAction) -> &'static str {
    match action {
        EuiccAction::DownloadProfile => "Download Profile",
        EuiccAction::EnableProfile => "Enable Profile",
        EuiccAction::DisableProfile => "Disable Profile",
        EuiccAction::DeleteProfile => "Delete Profile",
        EuiccAction::SetFallback => "Set Fallback",
        EuiccAction::UnsetFallback => "Unset Fallback",
        EuiccAction::Audit => "Audit",
    }
}

impl Told {
    pub(super) async fn send(&self, api: &Api) -> Result<Outcome, Error> {
        let Some(euicc) = api.euicc_with(&self.eid).await? else {
            let message = format!("the organisation has no eUICC {}", self.eid);
            return Ok(Outcome::Failed { reason: reason::NOT_FOUND, message });
        };
        let made = api.schedule_euicc_operation(euicc.id, &self.new).await?;
        Ok(Outcome::UnderWay(Work { id: made.id, within: Some(Id::Int(euicc.id)) }))
    }

    /// The newest operation of this kind on this profile since then.
    pub(super) async fn prove(&self, api: &Api, since: Timestamp) -> Result<Option<Outcome>, Error> {
        let Some(euicc) = api.euicc_with(&self.eid).await? else { return Ok(None) };
        let all = api.newest_euicc_operations(euicc.id).await?;
        let same = all.into_iter().filter(|row| {
            row.action == Some(self.new.action.id)
                && (self.profile.is_none() || row.number() == self.profile.as_deref())
                && row.creation_date.is_some_and(|at| at >= since)
        });
        Ok(same.max_by_key(|row| row.creation_date).map(|row| {
            let work = Work { id: row.id.clone(), within: Some(Id::Int(euicc.id)) };
            ended(&row).unwrap_or(Outcome::UnderWay(work))
        }))
    }
}

pub(super) async fn follow(api: &Api, work: &Work) -> Result<Option<Outcome>, Error> {
    let gone = || Error::NotFound { message: "the operation is gone".to_owned() };
    let euicc = work.within.as_ref().and_then(Id::int).ok_or_else(gone)?;
    let row = api.euicc_operation(euicc, &work.id).await?;
    row.ok_or_else(gone).map(|row| ended(&row))
}

fn ended(row: &Row) -> Option<Outcome> {
    row.finalization_date?;
    let status = row.status.as_ref().and_then(|status| status.name.clone()).unwrap_or_default();
    let well = row.error.is_none() && status.to_ascii_lowercase().starts_with("succe");
    if well {
        return Some(Outcome::Succeeded { id: Some(row.id.clone()), detail: Some(status) });
    }
    let why = row.error.as_ref().and_then(|error| error.message.clone());
    let message = why.unwrap_or_else(|| format!("emnify ended it as {status}"));
    Some(Outcome::Failed { reason: reason::REJECTED, message })
}
