//! Calls for devices: one each.

use emnify::{
    Api, Cursor, Error, Page,
    wire::{
        Listing, Nullable,
        endpoint::{Endpoint as Wire, EndpointCreate, EndpointOwn, EndpointPatch, SimAssignment, SimChange},
        quota::{Allowance, Quota},
        sim::status as sim_status,
        tag::{TAGS, TagItem, TagWrite},
        usage::Month,
    },
};
use emnify_engine::kind::{Id, LookupRow, Reply, misuse};
use jiff::{Timestamp, tz::TimeZone};

use super::{
    Endpoint,
    change::{Change, Create, FieldChange, Patch, Traffic},
    quota::{Live, Post},
    rows::{Part, Parts, Row, RowSim, Tag, TagList, Usage, status},
    spec::SetAllowance,
};
use crate::kinds::sim::SimState;

/// Devices of a page of what changed last: more than people change in 20 s, less than a listing.
const RECENT: u32 = 100;

/// Letters of a date that name the month.
const MONTH: usize = "2026-11".len();

/// emnify requires a threshold for SMS. [S]
const SMS_THRESHOLD: f64 = 80.0;

/// One page of the listing.
pub async fn list(api: &Api, at: Cursor) -> Result<Page<Row>, Error> {
    Ok(rows(api.list_endpoints(at, &Listing::all()).await?))
}

/// One page by last change, newest first.
pub async fn recent(api: &Api, at: Cursor) -> Result<Page<Row>, Error> {
    let page = api.list_endpoints(at, &Listing::all().sort("-last_updated").per_page(RECENT)).await?;
    Ok(rows(page))
}

fn rows(page: Page<Wire>) -> Page<Row> {
    page.try_map(|wire| wire.id, row)
}

/// One device, as the listing shows it, because only that shows the tags; what the listing does not show is asked for
/// directly, so that absence is proven.
pub async fn read(api: &Api, id: &Id) -> Result<Option<Row>, Error> {
    let Some(id) = id.int() else { return Ok(None) };
    let page = api.list_endpoints(Cursor::first(), &Listing::all().filter("id", id)).await?;
    let found = match page.items.into_iter().find(|endpoint| endpoint.id == id) {
        Some(found) => Some(found),
        None => api.endpoint(id).await?,
    };
    Ok(found.map(row).transpose()?.filter(|row| !row.is_tombstone()))
}

/// A row needs its profiles and its status; all answers but that of a bulk create have them.
fn row(wire: Wire) -> Result<Row, Error> {
    let missing = |what: &str| Error::Unreadable { message: format!("endpoint {} has no {what}", wire.id) };
    let status = wire.status.ok_or_else(|| missing("status"))?;
    let service_profile = wire.service_profile.as_ref().ok_or_else(|| missing("service_profile"))?.id;
    let tariff_profile = wire.tariff_profile.as_ref().ok_or_else(|| missing("tariff_profile"))?.id;
    Ok(Row {
        id: wire.id,
        name: wire.name.unwrap_or_default().into(),
        status,
        service_profile,
        tariff_profile,
        sim: wire.sim.map(|sim| RowSim {
            id: sim.id,
            iccid: sim.number().map(Into::into),
            status: sim.status,
        }),
        imei: wire.imei.map(Into::into),
        imei_lock: wire.imei_lock.unwrap_or(false),
        address: wire.ip_address.map(Into::into),
        space: wire.ip_address_space,
        tags: wire
            .tag_assignments
            .map(|tags| tags.into_iter().map(|tag| Tag { id: Some(tag.id), name: tag.name }).collect()),
        created: wire.created,
        updated: wire.last_updated,
    })
}

/// One piece that no listing shows.
pub async fn read_part(api: &Api, id: &Id, part: Part, into: &mut Parts) -> Result<(), Error> {
    let Some(id) = id.int() else { return Ok(()) };
    match part {
        Part::Blocklist => {
            let mut ids: Vec<i64> =
                api.blocked_operators(id).await?.iter().map(|operator| operator.id).collect();
            ids.sort_unstable();
            into.blocklist = Some(ids);
        }
        Part::DataQuota => {
            let quota = api.data_quota(id).await?;
            let posted = posted(into.data_quota.as_ref());
            into.data_quota = Some(quota.map(|quota| live(&quota, posted)));
        }
        Part::SmsQuota => {
            let quota = api.sms_quota(id).await?;
            let posted = posted(into.sms_quota.as_ref());
            into.sms_quota = Some(quota.map(|quota| live(&quota, posted)));
        }
        Part::Connectivity => into.connectivity = api.connectivity(id).await?.map(Into::into),
        Part::Usage => {
            // a device that is gone has used what it had
            if let Some(stats) = api.device_stats(id).await? {
                let used = stats.current_month.unwrap_or_default();
                into.usage = Some(Box::new(usage(used, api.client().server_time())));
            }
        }
    }
    Ok(())
}

/// A quota as read; what we remember of it stays.
fn live(quota: &Quota, posted: Option<SetAllowance>) -> Live {
    Live {
        volume: quota.volume.unwrap_or_default(),
        last_added: quota.last_volume_added,
        expiry: quota.expiry_date,
        auto_refill: quota.auto_refill,
        threshold: quota.threshold_percentage,
        posted,
    }
}

/// What a device has used in the month of `as_of`; emnify leaves a month without traffic out.
fn usage(used: Month, as_of: Timestamp) -> Usage {
    let (data, sms) = (used.data.unwrap_or_default(), used.sms.unwrap_or_default());
    let said = data.month.as_deref().or(sms.month.as_deref());
    let month = said
        .and_then(|day| day.get(..MONTH))
        .map_or_else(|| as_of.to_zoned(TimeZone::UTC).strftime("%Y-%m").to_string(), str::to_owned);
    let paid =
        [&data, &sms].into_iter().filter_map(|traffic| Some((traffic.cost?, traffic.currency.as_ref()?)));
    let cost =
        paid.map(|(cost, currency)| (cost, currency.code.clone())).reduce(|(a, code), (b, _)| (a + b, code));
    Usage {
        month,
        megabytes: data.volume.unwrap_or_default(),
        sms: sms.volume.map(whole).unwrap_or_default(),
        cost: cost.map(|(cost, code)| (rounded(cost), code)),
        as_of,
    }
}

/// Sums of decimals have tails that nobody pays.
fn rounded(cost: f64) -> f64 {
    (cost * 1e6).round() / 1e6
}

fn posted(before: Option<&Option<Live>>) -> Option<SetAllowance> {
    before?.as_ref()?.posted.clone()
}

/// Makes one device.
pub async fn make(api: &Api, new: &Change) -> Result<Reply<Endpoint>, Error> {
    let new = created(new)?;
    let made = api.create_endpoint(&wire_create(new)).await?;
    let bare = Reply { id: Some(Id::Int(made.id)), ..Reply::default() };
    Ok(made.shown.map_or(bare, |shown| reply(new, &shown)))
}

/// What a create makes.
pub(super) fn created(change: &Change) -> Result<&Create, Error> {
    match change {
        Change::Create(new) => Ok(new),
        _ => Err(misuse("only a create makes a device")),
    }
}

/// Sends one change of one device. Tags are written in bulk only.
pub async fn apply(api: &Api, id: &Id, change: &Change) -> Result<Reply<Endpoint>, Error> {
    let id = id.number()?;
    match change {
        Change::Create(_) => return Err(misuse("the device is there already")),
        Change::CreateTag(name) => {
            return Ok(Reply { named: created_tag(api, name).await?, ..Reply::default() });
        }
        Change::AddTags(tags) => api.add_tags(&[tag_item(id, tags)]).await?,
        Change::RemoveTags(tags) => api.remove_tags(&[tag_item(id, tags)]).await?,
        Change::Patch(patch) => api.patch_endpoint(id, &wire_patch(patch)).await?,
        Change::SimState { sim, to, .. } => api.set_sim_status(*sim, to.id()).await?,
        Change::SuspendLeaving { sim } => api.set_sim_status(*sim, SimState::Suspended.id()).await?,
        Change::BlockOperator(operator) => exists(api.block_operator(id, *operator).await)?,
        Change::UnblockOperator(operator) => gone(api.unblock_operator(id, *operator).await)?,
        Change::SetQuota(Traffic::Data, post) => api.set_data_quota(id, &allowance(post, None)).await?,
        Change::SetQuota(Traffic::Sms, post) => {
            api.set_sms_quota(id, &allowance(post, Some(SMS_THRESHOLD))).await?;
        }
        Change::DeleteQuota(Traffic::Data) => gone(api.delete_data_quota(id).await)?,
        Change::DeleteQuota(Traffic::Sms) => gone(api.delete_sms_quota(id).await)?,
        // Only the bulk call takes a device with its SIM.
        Change::Delete { holds_sim: true } => api.delete_endpoints(&[id]).await?,
        Change::Delete { holds_sim: false } => api.delete_endpoint(id).await?,
    }
    Ok(Reply::default())
}

/// A new device as we asked for it and as far as the answer shows it; it cannot have a tag yet.
pub(super) fn reply(new: &Create, made: &Wire) -> Reply<Endpoint> {
    let shown = made.sim.as_ref();
    let row = Row {
        id: made.id,
        name: new.name.as_str().into(),
        status: made.status.unwrap_or(if new.enabled { status::ENABLED } else { status::DISABLED }),
        service_profile: new.service_profile,
        tariff_profile: new.tariff_profile,
        sim: new.sim.map(|id| RowSim {
            id,
            iccid: shown.and_then(|sim| sim.number()).map(Into::into),
            status: shown.and_then(|sim| sim.status),
        }),
        imei: made.imei.as_deref().or(new.imei.as_deref()).map(Into::into),
        imei_lock: made.imei_lock.or(new.imei_lock).unwrap_or(false),
        address: made.ip_address.as_deref().or(new.address.as_deref()).map(Into::into),
        space: made.ip_address_space.or(new.space),
        tags: Some(TagList::from(Vec::new())),
        created: made.created,
        updated: made.last_updated,
    };
    Reply { id: Some(Id::Int(made.id)), row: Some(row), ..Reply::default() }
}

pub(super) fn wire_create(new: &Create) -> EndpointCreate {
    EndpointCreate {
        status: (if new.enabled { status::ENABLED } else { status::DISABLED }).into(),
        service_profile: new.service_profile.into(),
        tariff_profile: new.tariff_profile.into(),
        ip_address_space: new.space.map(Into::into),
        own: own(new),
    }
}

pub(super) fn own(new: &Create) -> EndpointOwn {
    EndpointOwn {
        name: Some(new.name.clone()),
        tags: None,
        sim: new.sim.map(|id| SimAssignment {
            id,
            activate: new.activate,
            // Without it an organisation in factory test mode would start a test.
            status: new.activate.then(|| sim_status::ACTIVATED.into()),
        }),
        imei: new.imei.clone(),
        imei_lock: new.imei_lock,
        ip_address: new.address.clone(),
    }
}

pub(super) fn wire_patch(patch: &Patch) -> EndpointPatch {
    let mut wire = EndpointPatch::default();
    for field in &patch.0 {
        match &field.set {
            FieldChange::Name(name) => wire.name = Some(name.clone()),
            FieldChange::Enabled(true) => wire.status = Some(status::ENABLED.into()),
            FieldChange::Enabled(false) => wire.status = Some(status::DISABLED.into()),
            FieldChange::ServiceProfile(id) => wire.service_profile = Some((*id).into()),
            FieldChange::TariffProfile(id) => wire.tariff_profile = Some((*id).into()),
            FieldChange::Sim(None) => wire.sim = Some(SimChange::Release),
            FieldChange::Sim(Some(id)) => wire.sim = Some(SimChange::Assign { id: *id, status: None }),
            FieldChange::Imei(imei) => wire.imei = Some(Nullable::Set(imei.clone())),
            FieldChange::ImeiLock(lock) => wire.imei_lock = Some(*lock),
            FieldChange::Address(address) => wire.ip_address = Some(address.clone()),
            FieldChange::Space(id) => wire.ip_address_space = Some((*id).into()),
        }
    }
    wire
}

/// The tags of one device in a call for many.
pub(super) fn tag_item(endpoint: i64, tags: &[Tag]) -> TagItem {
    TagItem { endpoint, tags: tags.iter().filter_map(|tag| tag.id).collect() }
}

fn allowance(post: &Post, threshold: Option<f64>) -> Allowance {
    Allowance {
        volume: post.volume,
        last_volume_added: Some(post.last_added),
        status: post.status,
        expires: post.expiry,
        auto_refill: post.auto_refill,
        threshold_percentage: post.threshold.or(threshold).map(whole),
    }
}

/// Percentages and messages are whole, and emnify may spell them with decimals.
#[allow(clippy::cast_possible_truncation, reason = "they are small")]
fn whole(number: f64) -> i64 {
    number.round() as i64
}

/// The row of a new tag; `None` for one that is there already, whose id the table tells.
pub(super) async fn created_tag(api: &Api, name: &str) -> Result<Option<LookupRow>, Error> {
    match TAGS.create(api, &TagWrite::named(name)).await {
        Ok(made) => Ok(Some(LookupRow { id: Id::Int(made.id), names: vec![name.to_owned()], shown: None })),
        Err(Error::Conflict { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What was asked for is there already.
fn exists(result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(Error::Conflict { .. }) => Ok(()),
        other => other,
    }
}

/// What was to be removed is gone already.
fn gone(result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(Error::NotFound { .. }) => Ok(()),
        other => other,
    }
}
