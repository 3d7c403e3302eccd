//! A SIM as a manifest, without the state: setting one is a decision.

use super::{
    rows::Row,
    spec::{Sim, SimSpec},
};
use crate::{
    api::{Eid, Iccid, Imsi},
    kinds::export::{Draft, Export, Exported, Manifest},
};

impl Export for Sim {
    const EXPORT: Exported<Self> = Exported::OnRequest(
        "devices name their SIMs, and a manifest of a SIM sets nothing before it sets a state",
        Manifest {
            many: true,
            known_by: |row| Some(("/spec/iccid", row.iccid.as_deref()?.get(..19)?.to_owned())),
            ..Manifest::of(called, |row, (), draft| write(row, draft))
        },
    );
}

fn called(row: &Row) -> String {
    row.iccid.as_ref().or(row.imsi.as_ref()).or(row.eid.as_ref()).map(ToString::to_string).unwrap_or_default()
}

fn write(row: &Row, draft: &mut Draft<'_>) -> Result<Sim, String> {
    let digits = |text: Option<&str>, lengths: std::ops::RangeInclusive<usize>| {
        let fits =
            |text: &&str| lengths.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        text.filter(fits).map(str::to_owned)
    };
    let mut spec = SimSpec { common: draft.common(), ..SimSpec::default() };
    if let Some(iccid) = digits(row.iccid.as_deref(), 19..=20).filter(|iccid| iccid.starts_with("89")) {
        spec.iccid = Some(Iccid::from(iccid));
    } else if let Some(imsi) = digits(row.imsi.as_deref(), 14..=15) {
        spec.imsi = Some(Imsi::from(imsi));
    } else if let Some(eid) = digits(row.eid.as_deref(), 32..=32) {
        spec.eid = Some(Eid::from(eid));
    } else {
        return Err("emnify shows no ICCID, IMSI or EID that a manifest could name it by".to_owned());
    }
    Ok(Sim::new(draft.name(), spec))
}
