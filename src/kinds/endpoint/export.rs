//! A device as a manifest: which it is and how it is set up. Whether it is in service stays with whoever decides that today, and so does
//! what no listing shows, operators and allowances: reading them would take three calls for each device.

use emnify_engine::kind::{Id, Input, Kind as _, Source};

use super::{
    rows::{Row, RowSim},
    spec::{AddressSpace, Endpoint, EndpointSettings, EndpointSim, EndpointSpec},
};
use crate::{
    api::{Iccid, Imei},
    kinds::{
        common::is_mark,
        export::{Draft, Export, Exported, Manifest},
        ip_address_space::IpAddressSpace,
        service_profile::ServiceProfile,
        tariff_profile::TariffProfile,
    },
};

/// Longest name, most tags and longest tag of a manifest.
const LONGEST_NAME: usize = 255;
const MOST_TAGS: usize = 32;
const LONGEST_TAG: usize = 100;

/// Path of what names the SIM.
const SIM: &str = "sim.iccid";

impl Export for Endpoint {
    const EXPORT: Exported<Self> = Exported::Always(Manifest {
        many: true,
        meant: the_sim,
        known_by: |row| Some(("/spec/sim/iccid", row.sim.as_ref()?.iccid.as_deref()?.get(..19)?.to_owned())),
        ..Manifest::of(|row: &Row| row.name.to_string(), |row, _, draft| Ok(write(row, draft)))
    });
}

/// The SIM that the device has, where it is the one that the manifest names.
fn the_sim(row: &Row, input: &Input) -> Option<Id> {
    let Source::Mirror { key, .. } = &input.source else { return None };
    let sim = row.sim.as_ref().filter(|_| input.path == SIM)?;
    sim.iccid.as_deref().is_some_and(|iccid| iccid.starts_with(&key.value)).then_some(Id::Int(sim.id))
}

fn write(row: &Row, draft: &mut Draft<'_>) -> Endpoint {
    let space = row.space.and_then(|space| draft.object(IpAddressSpace::KIND, &Id::Int(space)));
    let settings = EndpointSettings {
        service_profile: Some(draft.reference(ServiceProfile::KIND, row.service_profile)),
        tariff_profile: Some(draft.reference(TariffProfile::KIND, row.tariff_profile)),
        ip_address_space: space
            .map(|name| Box::new(AddressSpace { name: Some(name), ..AddressSpace::default() })),
        tags: tags(row, draft),
        ..EndpointSettings::default()
    };
    let locked = row.imei_lock.then_some(true);
    let spec = EndpointSpec {
        name: name(row, draft),
        sim: row.sim.as_ref().and_then(|sim| named(sim, draft)),
        imei: locked.and_then(|_| imei(row)),
        imei_lock: locked,
        settings,
        common: draft.common(),
        ..EndpointSpec::default()
    };
    Endpoint::new(draft.name(), spec)
}

fn name(row: &Row, draft: &mut Draft<'_>) -> Option<String> {
    if row.name.chars().count() > LONGEST_NAME {
        draft.lacks(format!("name: it has more than {LONGEST_NAME} characters"));
        return None;
    }
    Some(row.name.to_string()).filter(|name| !name.is_empty())
}

/// By its ICCID. A device without a SIM is left without a word: `none` would take out one that somebody puts in.
fn named(sim: &RowSim, draft: &mut Draft<'_>) -> Option<EndpointSim> {
    let is_one = |iccid: &&str| {
        (19..=20).contains(&iccid.len())
            && iccid.starts_with("89")
            && iccid.bytes().all(|byte| byte.is_ascii_digit())
    };
    let Some(iccid) = sim.iccid.as_deref().filter(is_one) else {
        draft.lacks(format!("sim: emnify shows no ICCID of the SIM {}", sim.id));
        return None;
    };
    Some(EndpointSim { iccid: Some(Iccid::from(iccid)), ..EndpointSim::default() })
}

/// The digits, without the filler that some have at the end.
fn imei(row: &Row) -> Option<Imei> {
    let digits: String = row.imei.as_deref()?.chars().take_while(char::is_ascii_digit).collect();
    (14..=16).contains(&digits.len()).then(|| Imei::from(digits))
}

/// Tags of people: those that mark devices are an operator's.
fn tags(row: &Row, draft: &mut Draft<'_>) -> Option<Vec<String>> {
    let mut all = Vec::new();
    for tag in row.tags.iter().flatten().filter(|tag| !is_mark(&tag.name)) {
        let fits = !tag.name.is_empty() && !tag.name.contains(',') && tag.name.chars().count() <= LONGEST_TAG;
        if fits && all.len() < MOST_TAGS {
            all.push(tag.name.clone());
        } else {
            draft.lacks(format!("tags: {} is one too many, or none that a manifest can say", tag.name));
        }
    }
    all.sort_unstable();
    all.dedup();
    Some(all).filter(|all| !all.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::kinds::{
        endpoint::rows::{Tag, status},
        export::Known,
    };

    fn device() -> Row {
        let tag = |id, name: &str| Tag { id: Some(id), name: name.into() };
        Row {
            id: 9,
            name: "Meter 1".into(),
            status: status::ENABLED,
            service_profile: 101,
            tariff_profile: 201,
            sim: Some(RowSim { id: 7, iccid: Some("8988303000000010001".into()), status: Some(1) }),
            imei: Some("4901542032375180f".into()),
            address: Some("10.192.0.2".into()),
            space: Some(31),
            tags: Some(vec![tag(1, "roof"), tag(2, "K8S:old"), tag(3, "attic")].into()),
            ..Row::default()
        }
    }

    fn known() -> Known {
        let mut known = Known::default();
        known.put("ServiceProfile", Id::Int(101), "meters".into(), None);
        known
    }

    fn written(row: &Row) -> (Value, Vec<String>) {
        let known = known();
        let mut draft = Draft::new(&known, "meter-1", &Id::Int(row.id));
        let object = write(row, &mut draft);
        (serde_json::to_value(&object.spec).unwrap(), draft.finish().0)
    }

    #[test]
    fn a_manifest_says_which_device_and_how_it_is_set_up_and_not_whether_it_is_in_service() {
        let (spec, lacks) = written(&device());
        let wanted = json!({
            "id": "9", "name": "Meter 1", "sim": {"iccid": "8988303000000010001"}, "tags": ["attic", "roof"],
            "serviceProfile": {"name": "meters"}, "tariffProfile": {"id": "201"},
        });
        assert_eq!(spec, wanted, "no address, no state, no mark, no IMEI that the network reports");
        assert!(lacks.is_empty(), "{lacks:?}");
        let locked = Row { imei_lock: true, ..device() };
        let (spec, _) = written(&locked);
        assert_eq!((&spec["imei"], &spec["imeiLock"]), (&json!("4901542032375180"), &json!(true)));
    }

    #[test]
    fn what_a_manifest_cannot_say_is_told_and_the_rest_is_written() {
        let tags = (0..40).map(|n| Tag { id: Some(n), name: format!("tag {n}") }).collect::<Vec<_>>();
        let odd = Row { name: "x".repeat(256).into(), tags: Some(tags.into()), ..device() };
        let odd = Row { sim: Some(RowSim { id: 7, ..RowSim::default() }), ..odd };
        let (spec, lacks) = written(&odd);
        assert_eq!(spec["tags"].as_array().map(Vec::len), Some(MOST_TAGS));
        assert!(spec.get("name").is_none() && spec.get("sim").is_none());
        assert_eq!(lacks.len(), 10, "{lacks:?}");
        let bare = Row { sim: None, tags: None, name: "".into(), ..device() };
        let (spec, lacks) = written(&bare);
        assert!(spec.get("sim").is_none(), "nobody's SIM is taken out later");
        assert!(lacks.is_empty(), "{lacks:?}");
    }
}
