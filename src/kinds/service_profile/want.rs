//! From the spec to what emnify should hold.

use std::collections::BTreeMap;

use emnify_engine::kind::{Description, Input, Inputs, Invalid, Source};

use super::{
    rows::{DATA, DataRule, Flag, Flags, Link, Links, Want, WantService},
    spec::{Service, ServiceLimit, ServiceProfileSpec},
};
use crate::{
    api::{ClearableReference, ExternalReference, Member, References, Target},
    kinds::common::lookups,
};

/// A reference field: to an object here or in emnify, clearable or not.
enum Field<'a> {
    Object(&'a ClearableReference),
    Plain(&'a ExternalReference),
}

impl References for Field<'_> {
    fn member(&self) -> Option<Member<'_>> {
        match self {
            Self::Object(reference) => reference.member(),
            Self::Plain(reference) => reference.member(),
        }
    }
}

impl ServiceProfileSpec {
    /// What has to be looked up.
    pub(super) fn inputs(&self) -> Vec<Input> {
        let mut inputs: Vec<Input> = self
            .links()
            .into_iter()
            .filter_map(|(link, field)| field.input(link.path(), link.target()))
            .collect();
        for (at, service) in self.services.iter().flatten().enumerate() {
            let (id, limit) = (service_path(at), limit_path(at));
            inputs.extend(service.service.input(&id, Target::Table(&lookups::SERVICES)));
            let name = limit_name(service);
            let source = |name| Source::Lookup { table: &lookups::SERVICE_LIMITS, name, optional: false };
            inputs.extend(name.map(|name| Input::new(limit, source(name))));
        }
        inputs
    }

    /// What emnify should hold.
    pub(super) fn want(&self, from: &Inputs) -> Result<Want, Invalid> {
        let mut links = Links::new();
        for (link, field) in self.links() {
            links.insert(link, field.int(link.path(), from)?);
        }
        let services = self.services.as_deref().map(|all| want_services(all, from)).transpose()?;
        let data_limits = self.data_rules()?;
        let limited = data_limits.as_ref().is_some_and(|limits| !limits.is_empty());
        if limited && services.as_ref().is_some_and(|all| !all.contains_key(&DATA)) {
            return Err(Invalid::new(
                "dataLimits",
                "add the service Data (id 38) to services, or remove the limits",
            ));
        }
        Ok(Want {
            name: self.name.clone(),
            description: Description::new(self.description.clone(), from),
            flags: self.flags(),
            links,
            services,
            data_limits,
        })
    }

    fn links(&self) -> Vec<(Link, Field<'_>)> {
        let objects = [
            (Link::Dns, &self.dns),
            (Link::ApiCallback, &self.api_callback),
            (Link::ApiSecret, &self.api_secret),
            (Link::MocCallback, &self.moc_callback),
        ];
        let plain = [
            (Link::EsmeInterfaceType, &self.esme_interface_type),
            (Link::BreakoutRegion, &self.breakout_region),
        ];
        let objects = objects.into_iter().filter_map(|(l, r)| Some((l, Field::Object(r.as_ref()?))));
        let plain = plain.into_iter().filter_map(|(l, r)| Some((l, Field::Plain(r.as_ref()?))));
        objects.chain(plain).collect()
    }

    fn flags(&self) -> Flags {
        let value = |flag: Flag| match flag {
            Flag::Allowed2g => self.allowed_2g,
            Flag::Allowed3g => self.allowed_3g,
            Flag::Allowed4g => self.allowed_4g,
            Flag::AllowedNbIot => self.allowed_nb_iot,
            Flag::AllowedNbIotGeo => self.allowed_nb_iot_geo,
            Flag::ApplyDataQuota => self.apply_data_quota,
            Flag::ApplySmsQuota => self.apply_sms_quota,
            Flag::Retail => self.retail,
            Flag::Nipdp => self.nipdp,
            Flag::SmsP2pInt => self.sms_p2p_int,
            Flag::SmsP2pExt => self.sms_p2p_ext,
        };
        Flag::ALL.iter().filter_map(|flag| Some((*flag, value(*flag)?))).collect()
    }

    fn data_rules(&self) -> Result<Option<Vec<DataRule>>, Invalid> {
        let Some(limits) = &self.data_limits else { return Ok(None) };
        let rules = limits.iter().enumerate().map(|(at, limit)| {
            Ok(DataRule {
                volume: limit.volume.bytes(&format!("dataLimits[{at}].volume"))?,
                warning_percent: limit.warning_percent,
                satellite_only: limit.satellite_only.unwrap_or(false),
            })
        });
        rules.collect::<Result<_, _>>().map(Some)
    }
}

fn want_services(services: &[Service], from: &Inputs) -> Result<BTreeMap<i64, WantService>, Invalid> {
    let mut all = BTreeMap::new();
    for (at, service) in services.iter().enumerate() {
        let id = service.service.required(&service_path(at), from)?;
        let limit = match &service.limit {
            None => None,
            Some(_) if id == DATA => {
                return Err(Invalid::new(limit_path(at), "data is limited by dataLimits, not here"));
            }
            Some(ServiceLimit { volume: None, .. }) => Some(None),
            Some(_) => {
                let missing = || Invalid::new(limit_path(at), "is not in emnify's fixed choice of limits");
                Some(Some(from.int(&limit_path(at)).ok_or_else(missing)?))
            }
        };
        let path = format!("services[{at}]");
        if let Some(earlier) = all.insert(id, WantService { path: path.clone(), limit }) {
            return Err(Invalid::new(path, format!("is the same service as {}: remove one", earlier.path)));
        }
    }
    Ok(all)
}

fn service_path(at: usize) -> String {
    format!("services[{at}].service")
}

fn limit_path(at: usize) -> String {
    format!("services[{at}].limit")
}

/// How the catalogue's table calls the wanted limit.
fn limit_name(service: &Service) -> Option<String> {
    let limit = service.limit.as_ref()?;
    let volume = limit.volume?;
    let service = match service.service.member()? {
        Member::Id(id) => id,
        Member::External(name) => name,
        Member::Object(_) | Member::None => return None,
    };
    Some(lookups::limit_name(service, volume, limit.period.as_deref()))
}
