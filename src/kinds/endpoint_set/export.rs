//! Devices that differ in SIM and name only, as one set. Its tag on each of them is what a set is ([ADR 5]), so taking over sends that,
//! and nothing else.
//!
//! [ADR 5]: ../../../docs/adr/0005-membership-by-two-tags.md

use std::collections::HashSet;

use emnify_engine::kind::spec::{AdoptionPolicy, CommonSpec};
use serde_json::{Value, json};

use super::{
    choose::Test,
    list::{listed, written},
    spec::{ConfigMapKeyRef, EndpointSet, EndpointSetSpec, EndpointTemplate, SimSource},
};
use crate::{
    api::{DataKey, Iccid, ObjectName, Reference},
    kinds::{
        common::is_mark,
        endpoint::{Change, Endpoint, EndpointSim, EndpointSpec, rows::Row},
        export::{Draft, ExportSet, Means},
        sim::rows::Row as SimRow,
    },
};

/// ICCIDs that a spec lists; more stand in a `ConfigMap`.
const LISTED: usize = 1_000;
/// Longest name of a set before an id is added to it: it is part of a tag.
const LONGEST_NAME: usize = 40;
/// Key of the `ConfigMap`.
const KEY: &str = "iccids";

impl ExportSet for EndpointSet {
    type Template = EndpointTemplate;

    fn template(member: &Endpoint) -> Option<EndpointTemplate> {
        let EndpointSpec { name: _, sim, imei, imei_lock, ip_address, settings, common } = &member.spec;
        sim.as_ref().filter(|sim| is_only_named(sim))?;
        let is_its_own = imei.is_some() || imei_lock.is_some() || ip_address.is_some();
        let (id, workspace_ref) = (common.id.clone(), common.workspace_ref.clone());
        let is_plain = *common == CommonSpec { id, workspace_ref, ..CommonSpec::default() };
        (is_plain && !is_its_own).then(|| EndpointTemplate { sim: None, settings: settings.clone() })
    }

    /// After its profiles, and the tags that all of them carry.
    fn called(template: &EndpointTemplate) -> String {
        let settings = &template.settings;
        let mut words = Vec::new();
        for reference in [&settings.service_profile, &settings.tariff_profile].into_iter().flatten() {
            let Reference { name, id, .. } = reference;
            let word = name.as_ref().map(ToString::to_string);
            words.extend(word.or_else(|| id.as_ref().map(ToString::to_string)));
        }
        words.extend(settings.tags.iter().flatten().cloned());
        words.dedup();
        words.join("-").chars().take(LONGEST_NAME).collect()
    }

    fn held(row: &Row) -> Option<SimRow> {
        let sim = row.sim.as_ref()?;
        Some(SimRow { id: sim.id, iccid: sim.iccid.clone(), endpoint: Some(row.id), ..SimRow::default() })
    }

    fn carries(row: &Row, tag: &str) -> bool {
        row.tags.iter().flatten().any(|held| held.name == tag)
    }

    fn write(template: EndpointTemplate, held: &[SimRow], draft: &Draft<'_>) -> (EndpointSet, Option<Value>) {
        let iccids = held.iter().filter_map(|sim| sim.iccid.as_deref());
        let (sims, text) = if held.len() <= LISTED {
            let list = iccids.map(Iccid::from).collect();
            (SimSource { list: Some(list), ..SimSource::default() }, None)
        } else {
            let name = format!("{}-sims", draft.name());
            let lines: String = iccids.flat_map(|iccid| [iccid, "\n"]).collect();
            let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {KEY: lines}});
            let from = ConfigMapKeyRef { name: ObjectName::from(name), key: DataKey::from(KEY) };
            (SimSource { config_map_ref: Some(from), ..SimSource::default() }, Some(map))
        };
        let common = CommonSpec { adoption_policy: Some(AdoptionPolicy::IfUnowned), ..draft.policies() };
        let spec = EndpointSetSpec { template, sims: Some(sims), common, ..EndpointSetSpec::default() };
        (EndpointSet::new(draft.name(), spec), text)
    }

    fn joins(change: &Change) -> bool {
        match change {
            Change::CreateTag(name) => is_mark(name),
            Change::AddTags(tags) => tags.iter().all(|tag| is_mark(&tag.name)),
            _ => false,
        }
    }

    fn means(&self, text: Option<&str>) -> Result<Means<'_, Row>, String> {
        let Some(source) = &self.spec.sims else { return Ok(Box::new(|_| false)) };
        if let Some(selector) = &source.selector {
            let test = Test::new(selector, "sims.selector", false).map_err(|invalid| invalid.to_string())?;
            return Ok(Box::new(move |row| {
                Self::held(row).is_some_and(|sim| test.passes(&sim, false, &vec![row.clone()]))
            }));
        }
        let entries = match (&source.list, text) {
            (Some(list), _) => listed(list),
            (None, Some(text)) => written(text),
            (None, None) => return Err("sims.configMapRef: the folder has no such ConfigMap".to_owned()),
        };
        let entries = entries.map_err(|invalid| invalid.to_string())?;
        let named: HashSet<String> = entries.into_iter().map(|entry| entry.iccid).collect();
        let iccid = |row: &Row| row.sim.as_ref()?.iccid.as_deref()?.get(..19).map(str::to_owned);
        Ok(Box::new(move |row| iccid(row).is_some_and(|iccid| named.contains(&iccid))))
    }
}

/// Nothing is said of the SIM but which it is.
fn is_only_named(sim: &EndpointSim) -> bool {
    sim.iccid.is_some() && *sim == EndpointSim { iccid: sim.iccid.clone(), ..EndpointSim::default() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use emnify_engine::kind::{Id, set::ObjectSet};

    use super::*;
    use crate::kinds::{
        endpoint::rows::{RowSim, Tag},
        export::Known,
    };

    fn member(spec: &Value) -> Endpoint {
        let mut whole = json!({"id": "9", "name": "Meter", "sim": {"iccid": "8988303000000010001"},
            "serviceProfile": {"name": "meters"}, "tariffProfile": {"id": "201"}, "tags": ["roof"]});
        for (field, value) in spec.as_object().unwrap() {
            whole[field] = value.clone();
        }
        Endpoint::new("meter", serde_json::from_value(whole).unwrap())
    }

    #[test]
    fn a_set_says_what_is_not_one_devices_own() {
        let template = EndpointSet::template(&member(&json!({}))).unwrap();
        let said = serde_json::to_value(&template).unwrap();
        let wanted =
            json!({"serviceProfile": {"name": "meters"}, "tariffProfile": {"id": "201"}, "tags": ["roof"]});
        assert_eq!(said, wanted);
        let other = member(&json!({"id": "10", "name": "Gauge", "sim": {"iccid": "8988303000000010002"}}));
        assert_eq!(EndpointSet::template(&other), Some(template), "SIM and name are each one's own");
        for own in [
            json!({"imei": "4901542032375180", "imeiLock": true}),
            json!({"ipAddress": "10.0.0.1"}),
            json!({"sim": null}),
            json!({"sim": {"iccid": "8988303000000010001", "state": "Activated"}}),
            json!({"driftPolicy": "Warn"}),
        ] {
            assert_eq!(EndpointSet::template(&member(&own)), None, "{own}");
        }
    }

    #[test]
    fn a_set_is_called_after_its_profiles_and_tags_and_fits_into_a_tag() {
        let called = |spec: Value| EndpointSet::called(&EndpointSet::template(&member(&spec)).unwrap());
        assert_eq!(called(json!({})), "meters-201-roof");
        assert_eq!(called(json!({"tariffProfile": {"name": "meters"}, "tags": null})), "meters");
        assert_eq!(called(json!({"tags": ["x".repeat(100)]})).chars().count(), LONGEST_NAME);
    }

    fn sims(count: u64) -> Vec<SimRow> {
        let sim = |n| SimRow { id: 1, iccid: Some(format!("89883038800{n:08}").into()), ..SimRow::default() };
        (0..count).map(sim).collect()
    }

    #[test]
    fn a_set_lists_its_sims_and_many_stand_in_a_config_map() {
        let known = Known::default();
        let draft = Draft::new(&known, "meters", &Id::Int(9));
        let write = |count| EndpointSet::write(EndpointTemplate::default(), &sims(count), &draft);
        let (few, text) = write(1_000);
        assert_eq!((few.spec.sims.unwrap().list.map(|list| list.len()), text), (Some(1_000), None));
        assert_eq!(few.spec.common.adoption_policy, Some(AdoptionPolicy::IfUnowned));
        assert_eq!(few.spec.common.id, None, "a set is not one object of emnify");
        let (many, text) = write(1_001);
        let text = text.unwrap();
        let meant = ObjectSet::text(&many).unwrap();
        assert_eq!(meant.config_map, text["metadata"]["name"]);
        assert_eq!(text["data"][&meant.key].as_str().unwrap().lines().count(), 1_001);
    }

    fn device(iccid: &str, tag: &str) -> Row {
        let sim = RowSim { id: 7, iccid: Some(iccid.into()), ..RowSim::default() };
        Row {
            id: 9,
            sim: Some(sim),
            tags: Some(vec![Tag { id: Some(1), name: tag.into() }].into()),
            ..Row::default()
        }
    }

    #[test]
    fn a_set_of_a_folder_means_the_devices_that_it_would_choose() {
        let means = |sims: Value, text: Option<&str>| {
            let spec = json!({"template": {}, "sims": sims});
            let set = EndpointSet::new("meters", serde_json::from_value(spec).unwrap());
            let both = [device("8988303000000010001", "roof"), device("8988303000000010002", "attic")];
            let means = set.means(text)?;
            Ok::<_, String>(both.map(|row| means(&row)))
        };
        let first = Ok([true, false]);
        assert_eq!(means(json!({"list": ["8988303000000010001"]}), None), first);
        let map = json!({"configMapRef": {"name": "sims", "key": "iccids"}});
        assert_eq!(means(map.clone(), Some("# roof\n8988303000000010001\n")), first);
        assert_eq!(means(json!({"selector": {"tag": "roof"}}), None), first);
        assert!(means(map, None).unwrap_err().contains("no such ConfigMap"), "whom it means is not known");
        assert!(means(json!({"list": ["12"]}), None).is_err());
    }

    #[test]
    fn only_marks_join_a_set() {
        let tag = |name: &str| Tag { id: Some(1), name: name.into() };
        assert!(EndpointSet::joins(&Change::CreateTag("k8s:prod/ns/meters".into())));
        assert!(EndpointSet::joins(&Change::AddTags(vec![tag("k8s:prod/ns/meters")])));
        assert!(!EndpointSet::joins(&Change::AddTags(vec![tag("k8s:prod/ns/meters"), tag("roof")])));
        assert!(!EndpointSet::joins(&Change::BlockOperator(1)));
    }
}
