//! Calls, one each.

use emnify::{
    Api, Cursor, Error, Page,
    wire::{
        Named, Reference,
        service_profile::{SERVICE_PROFILES, ServiceProfile as Wire, ServiceProfileWrite},
        traffic_limit::{self, DataLimitCreate},
    },
};
use emnify_engine::kind::{Applied, Id, Reply};

use super::{
    ServiceProfile,
    change::{Change, FieldChange, Sub, To},
    rows::{DataLimit, DataRule, Detail, Flag, Flags, HaveService, Link, Links, Part, Parts, Row},
};

pub(super) async fn list(api: &Api, at: Cursor) -> Result<Page<Row>, Error> {
    Ok(SERVICE_PROFILES.list(api, at).await?.map(|profile| row(&profile)))
}

pub(super) async fn read(api: &Api, id: &Id) -> Result<Option<Row>, Error> {
    Ok(SERVICE_PROFILES.get(api, id.number()?).await?.as_ref().map(row))
}

pub(super) async fn read_part(api: &Api, id: &Id, part: Part, into: &mut Parts) -> Result<(), Error> {
    let id = id.number()?;
    match part {
        Part::Detail => into.detail = SERVICE_PROFILES.get(api, id).await?.map(detail),
        Part::DataLimits => {
            into.data_limits = Some(api.data_limits(id).await?.iter().map(data_limit).collect());
        }
    }
    Ok(())
}

pub(super) async fn make(api: &Api, new: &Change) -> Result<Reply<ServiceProfile>, Error> {
    let created = SERVICE_PROFILES.create(api, &write(new.created()?)).await?;
    Ok(Reply { id: Some(created.id.into()), ..Reply::default() })
}

pub(super) async fn apply(api: &Api, id: &Id, change: &Change) -> Result<Reply<ServiceProfile>, Error> {
    let id = id.number()?;
    match change.applied()? {
        Applied::Patch(sets) => SERVICE_PROFILES.patch(api, id, &write(sets)).await?,
        Applied::Sub(sub) => send(api, id, sub).await?,
        Applied::Delete => SERVICE_PROFILES.delete(api, id).await?,
    }
    Ok(Reply::default())
}

async fn send(api: &Api, id: i64, sub: &Sub) -> Result<(), Error> {
    match sub {
        Sub::AddService { service } => api.add_service(id, *service).await,
        Sub::RemoveService { service, .. } => api.remove_service(id, *service).await,
        Sub::SetLimit { service, limit, .. } => api.set_service_limit(id, *service, *limit).await,
        Sub::RemoveLimit { service, limit, .. } => api.delete_service_limit(id, *service, *limit).await,
        Sub::AddDataLimit { rule, .. } => {
            let limit = DataLimitCreate {
                volume: rule.volume,
                warning_percent: rule.warning_percent,
                satellite_only: rule.satellite_only,
            };
            api.create_data_limit(id, &limit).await.map(drop)
        }
        Sub::RemoveDataLimit { id: limit, .. } => api.delete_data_limit(id, *limit).await,
    }
}

fn write(sets: &[FieldChange]) -> ServiceProfileWrite {
    let mut body = ServiceProfileWrite::default();
    for set in sets {
        match &set.to {
            To::Name(name) => body.name = Some(name.clone()),
            To::Description(text) => body.description = Some(text.clone()),
            To::Flag(flag, on) => write_flag(&mut body, *flag, *on),
            To::Link(link, id) => write_link(&mut body, *link, *id),
        }
    }
    body
}

fn write_flag(body: &mut ServiceProfileWrite, flag: Flag, on: bool) {
    let field = match flag {
        Flag::Allowed2g => &mut body.allowed_2g,
        Flag::Allowed3g => &mut body.allowed_3g,
        Flag::Allowed4g => &mut body.allowed_4g,
        Flag::AllowedNbIot => &mut body.allowed_nb_iot,
        Flag::AllowedNbIotGeo => &mut body.allowed_nb_iot_geo,
        Flag::ApplyDataQuota => &mut body.apply_data_quota,
        Flag::ApplySmsQuota => &mut body.apply_sms_quota,
        Flag::Retail => &mut body.retail,
        Flag::Nipdp => &mut body.nipdp,
        Flag::SmsP2pInt => &mut body.sms_p2p_int,
        Flag::SmsP2pExt => &mut body.sms_p2p_ext,
    };
    *field = Some(on);
}

fn write_link(body: &mut ServiceProfileWrite, link: Link, id: Option<i64>) {
    let reference = Some(id.map_or(Reference::Cleared, Reference::To));
    match link {
        Link::Dns => body.dns = reference,
        Link::ApiCallback => body.api_callback = reference,
        Link::ApiSecret => body.api_secret = reference,
        Link::MocCallback => body.moc_callback = reference,
        Link::EsmeInterfaceType => body.esme_interface_type = id.map(Into::into),
        Link::BreakoutRegion => body.breakout_region = id.map(Into::into),
    }
}

fn row(profile: &Wire) -> Row {
    let mut flags = flags(profile);
    flags.retain(|flag, _| flag.listed());
    Row {
        id: profile.id,
        name: profile.name.clone(),
        description: profile.description.clone().unwrap_or_default(),
        used_count: profile.used_count.unwrap_or(0),
        flags,
    }
}

fn flags(profile: &Wire) -> Flags {
    let value = |flag: Flag| match flag {
        Flag::Allowed2g => profile.allowed_2g,
        Flag::Allowed3g => profile.allowed_3g,
        Flag::Allowed4g => profile.allowed_4g,
        Flag::AllowedNbIot => profile.allowed_nb_iot,
        Flag::AllowedNbIotGeo => profile.allowed_nb_iot_geo,
        Flag::ApplyDataQuota => profile.apply_data_quota,
        Flag::ApplySmsQuota => profile.apply_sms_quota,
        Flag::Retail => profile.retail,
        Flag::Nipdp => profile.nipdp,
        Flag::SmsP2pInt => profile.sms_p2p_int,
        Flag::SmsP2pExt => profile.sms_p2p_ext,
    };
    Flag::ALL.iter().filter_map(|flag| Some((*flag, value(*flag)?))).collect()
}

fn detail(profile: Wire) -> Detail {
    let flags = flags(&profile);
    let id = |named: &Option<Named>| named.as_ref().map(|named| named.id);
    let links = Links::from([
        (Link::Dns, id(&profile.dns)),
        (Link::ApiCallback, id(&profile.api_callback)),
        (Link::ApiSecret, id(&profile.api_secret)),
        (Link::MocCallback, id(&profile.moc_callback).or(profile.moc_callback_id)),
        (Link::EsmeInterfaceType, id(&profile.esme_interface_type)),
        (Link::BreakoutRegion, id(&profile.breakout_region)),
    ]);
    let services = profile.services.unwrap_or_default().into_iter().map(|service| {
        let name = service.description.unwrap_or_else(|| service.id.to_string());
        let limits = service.traffic_limits.iter().map(|limit| limit.id).collect();
        (service.id, HaveService { name, limits })
    });
    Detail { flags, links, services: services.collect() }
}

fn data_limit(limit: &traffic_limit::DataLimit) -> DataLimit {
    let rule = DataRule {
        volume: limit.volume.unwrap_or(0),
        warning_percent: limit.warning_percent,
        satellite_only: limit.satellite_only,
    };
    DataLimit { id: Some(limit.id), rule }
}
