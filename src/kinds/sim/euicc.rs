//! The eUICC of a SIM: which of its profiles is in use. No listing of SIMs shows it, so that of eUICCs is read beside it.

use std::time::Duration;

use emnify::{
    Api, Cursor, Error, Page,
    wire::{
        Listing,
        euicc::{Euicc as Wire, EuiccProfile, LARGEST_PAGE},
    },
};
use emnify_engine::kind::{
    Key,
    managed::{Companion, Told},
};
use futures::FutureExt;
use jiff::Timestamp;
use smol_str::{SmolStr, format_smolstr};

use super::{Sim, rows::key, spec::EuiccStatus};

/// An eUICC is asked for its profiles once a day [D], so this is often enough.
const EVERY: Duration = Duration::from_secs(3_600);

/// What is told of SIMs.
pub const COMPANION: Companion<Sim> = Companion {
    name: "eUICCs",
    every: EVERY,
    tells_of: |row| row.eid.is_some(),
    page: |api, at| page(api, at).boxed(),
    silent: None,
};

/// The eUICC of a SIM; `None`: emnify shows none.
pub type News = Option<OnEuicc>;

/// A SIM as its eUICC has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnEuicc {
    /// 32 digits.
    pub eid: SmolStr,
    /// State of its profile in emnify's words; `None` where the eUICC does not show the profile.
    pub state: Option<SmolStr>,
    /// Its profile is the fallback, where that is shown.
    pub fallback: Option<bool>,
    /// When the eUICC last asked for operations.
    pub polled: Option<Timestamp>,
}

async fn page(api: &Api, at: Cursor) -> Result<Page<Told<News>>, Error> {
    let page = api.list_euiccs(at, &Listing::all().per_page(LARGEST_PAGE)).await?;
    Ok(page.map(|euicc| told(&euicc)))
}

/// Of every SIM with the EID, and, more closely, of those whose profiles it shows.
fn told(wire: &Wire) -> Told<News> {
    let euicc =
        OnEuicc { eid: wire.eid.as_str().into(), state: None, fallback: None, polled: wire.last_polled };
    let profiles = wire.profiles.iter().filter_map(|profile| {
        let known = OnEuicc { state: state(profile), fallback: Some(profile.fallback), ..euicc.clone() };
        Some((Key::new(key::ICCID, profile.number()?), Some(known)))
    });
    let all = Key::new(key::EID, wire.eid.as_str());
    std::iter::once((all, Some(euicc.clone()))).chain(profiles).collect()
}

fn state(profile: &EuiccProfile) -> Option<SmolStr> {
    let status = profile.status.as_ref()?;
    Some(status.name.as_deref().map_or_else(|| format_smolstr!("Unknown{}", status.id), SmolStr::from))
}

impl From<&OnEuicc> for EuiccStatus {
    fn from(known: &OnEuicc) -> Self {
        Self {
            eid: known.eid.as_str().into(),
            profile: known.state.as_deref().map(Into::into),
            fallback: known.fallback,
            last_polled_at: known.polled.map(|at| at.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_sim_of_an_euicc_is_told_of_and_its_own_profile_says_more() {
        let euicc = json!({"id": 1, "eid": "8904", "profile": [
            {"iccid_with_luhn": "89883030000000100023", "status": {"id": 2, "description": "Enabled"}},
            {"iccid_with_luhn": "89883030000000100031", "status": {"id": 9}, "fallback_attribute": true},
            {"iccid_with_luhn": "not a number"},
        ]});
        let told = told(&serde_json::from_value(euicc).unwrap());
        let short: Vec<_> = told
            .iter()
            .map(|(key, told)| {
                let told = told.as_ref().unwrap();
                (key.name, key.value.as_str(), told.state.as_deref(), told.fallback)
            })
            .collect();
        assert_eq!(
            short,
            [
                (key::EID, "8904", None, None),
                (key::ICCID, "8988303000000010002", Some("Enabled"), Some(false)),
                (key::ICCID, "8988303000000010003", Some("Unknown9"), Some(true)),
            ],
            "and of who is told of twice the later counts"
        );
    }
}
