//! What to do about a device. Pure; the rules for SIM states are those of `Sim`.

use std::net::Ipv4Addr;

use emnify_engine::kind::{Diff, FieldDiff, Invalid, Key, spec::Provenance};
use jiff::Timestamp;

use super::{
    change::{Change, Create, Field, FieldChange, Patch, Traffic},
    quota,
    rows::{self, Parts, Row, RowSim, Tag, Want, key, status},
    spec::{EndpointStatus, SetAllowance},
};
use crate::kinds::sim::{
    SimState,
    state::{Move, status as sim_status},
};

/// What a decision depends on besides spec and device.
#[derive(Clone, Copy, Debug)]
pub struct Memory<'a> {
    /// Last status.
    pub status: Option<&'a EndpointStatus>,
    /// The spec changed since the device was last in step.
    pub edited: bool,
    /// Wall clock.
    pub now: Timestamp,
}

impl Memory<'_> {
    fn allowance(&self, traffic: Traffic) -> Option<&SetAllowance> {
        let quota = self.status?.quota.as_ref()?;
        match traffic {
            Traffic::Data => quota.data.as_ref(),
            Traffic::Sms => quota.sms.as_ref(),
        }
    }

    fn made_by_us(&self) -> bool {
        self.status.is_some_and(|status| status.common.provenance == Some(Provenance::Created))
    }

    fn sim_state_is_ours(&self) -> bool {
        self.status.and_then(|s| s.sim.as_ref()).is_some_and(|sim| sim.managed == Some(true))
    }

    /// The object set the state of this very SIM.
    fn set_state_of(&self, sim: i64) -> bool {
        let known = self.status.and_then(|s| s.sim.as_ref());
        self.sim_state_is_ours() && known.is_some_and(|known| known.id == sim.to_string())
    }
}

/// The device as it is made; `None` while a profile is missing.
pub fn create(want: &Want) -> Option<Create> {
    let sim = want.sim.flatten();
    Some(Create {
        name: want.name.clone().unwrap_or_else(|| want.create_name.clone()),
        enabled: want.enabled.unwrap_or(false),
        service_profile: want.service_profile?,
        tariff_profile: want.tariff_profile?,
        sim,
        activate: sim.is_some() && want.sim_state.is_some_and(|wanted| wanted.activates_at_once()),
        imei: want.imei.clone(),
        imei_lock: want.imei_lock,
        address: want.address.clone(),
        space: want.space,
    })
}

/// Everything that differs, in the order in which it is safe: allowances before a profile that applies them, the
/// SIM before its state, and allowances away only after the profile is.
pub fn diff(want: &Want, row: &Row, parts: &Parts, memory: Memory<'_>) -> Diff<Change> {
    let mut diff = Diff::default();
    let tags = Tags::of(want, row, memory);
    diff.changes.extend(tags.missing.iter().map(|tag| Change::CreateTag(tag.name.clone())));
    quotas(want, parts, memory, &mut diff.changes);
    let (state, ends_test) = sim_state(want, row, memory, &mut diff);
    if want.enabled.is_some() && !knows_status(row) {
        let unknown =
            format!("enabled: the device is in state {} in emnify, which is waited for", row.status);
        diff.waiting.get_or_insert(unknown);
    }
    let mut fields = fields(want, row);
    if row.in_factory_test()
        && fields.iter().any(|f| matches!(f.set, FieldChange::Enabled(_)))
        && !want.acknowledged
    {
        fields.retain(|field| !matches!(field.set, FieldChange::Enabled(_)));
        // A test that the spec ends anyway is over at the next look.
        if !ends_test {
            diff.illegal = Some(Invalid::new(
                "enabled",
                "the SIM is in FactoryTest, which a change of the device's status ends, and billing starts; set \
                 acknowledgeFactoryTestEnd: true to allow that",
            ));
        }
    }
    if !fields.is_empty() {
        diff.changes.extend(leaving(&fields, row, memory));
        diff.changes.push(Change::Patch(Patch(fields)));
    }
    diff.changes.extend(state);
    diff.changes.extend(tags.changes());
    blocklist(want, parts, &mut diff.changes);
    surplus_quotas(want, parts, memory, &mut diff.changes);
    diff
}

/// Fields of the device itself.
fn fields(want: &Want, row: &Row) -> Vec<Field> {
    let mut fields = Vec::new();
    let mut put = |old: String, set: FieldChange| fields.push(Field { old, set });
    if let Some(name) = want.name.as_ref().filter(|name| **name != row.name) {
        put(row.name.to_string(), FieldChange::Name(name.clone()));
    }
    if let Some(id) = want.service_profile.filter(|id| *id != row.service_profile) {
        put(row.service_profile.to_string(), FieldChange::ServiceProfile(id));
    }
    if let Some(id) = want.tariff_profile.filter(|id| *id != row.tariff_profile) {
        put(row.tariff_profile.to_string(), FieldChange::TariffProfile(id));
    }
    let held = row.sim.as_ref().map(|sim| sim.id);
    if let Some(sim) = want.sim.filter(|sim| *sim != held) {
        put(or_none(held), FieldChange::Sim(sim));
    }
    let lock = want.imei_lock.unwrap_or(row.imei_lock);
    if let Some(imei) = want
        .imei
        .as_ref()
        .filter(|imei| want.imei_lock == Some(true) && Some(head(imei)) != row.imei.as_deref().map(head))
    {
        put(row.imei.as_deref().unwrap_or("none").into(), FieldChange::Imei(imei.clone()));
    }
    if lock != row.imei_lock {
        put(row.imei_lock.to_string(), FieldChange::ImeiLock(lock));
    }
    address(want, row, &mut put);
    let enabled = row.status == status::ENABLED;
    if let Some(wanted) = want.enabled.filter(|wanted| *wanted != enabled && knows_status(row)) {
        put(enabled.to_string(), FieldChange::Enabled(wanted));
    }
    fields
}

/// One that this version does not know may pass: nothing is sent against it.
fn knows_status(row: &Row) -> bool {
    [status::ENABLED, status::DISABLED].contains(&row.status)
}

/// A SIM that an edit takes off the device is treated like that of a deleted one: nobody would stop its costs later. It is
/// suspended while it is still on the device, so that a crash between the two leaves nothing undone.
fn leaving(fields: &[Field], row: &Row, memory: Memory<'_>) -> Option<Change> {
    let goes = fields.iter().any(|field| matches!(field.set, FieldChange::Sim(_)));
    let sim = row.sim.as_ref().filter(|sim| goes && memory.edited && memory.set_state_of(sim.id))?;
    (sim.status == Some(sim_status::ACTIVATED)).then_some(Change::SuspendLeaving { sim: sim.id })
}

/// An address is only valid with its space, so both go together.
fn address(want: &Want, row: &Row, put: &mut impl FnMut(String, FieldChange)) {
    let moved = want.space.is_some_and(|space| row.space != Some(space));
    let other = want.address.as_ref().is_some_and(|address| row.address.as_deref() != Some(address));
    if !moved && !other {
        return;
    }
    if let Some(address) = &want.address {
        put(row.address.as_deref().unwrap_or("none").into(), FieldChange::Address(address.clone()));
    }
    if let Some(space) = want.space {
        put(or_none(row.space), FieldChange::Space(space));
    }
}

fn or_none(id: Option<i64>) -> String {
    id.map_or_else(|| "none".into(), |id| id.to_string())
}

/// The part of an IMEI that names the device: without check digit, software version and filler.
fn head(imei: &str) -> &str {
    imei.get(..14).unwrap_or(imei)
}

/// The change of the SIM's state, and whether it ends Factory Test on purpose.
fn sim_state(want: &Want, row: &Row, memory: Memory<'_>, diff: &mut Diff<Change>) -> (Option<Change>, bool) {
    let (Some(Some(wanted)), Some(state)) = (want.sim, want.sim_state) else { return (None, false) };
    let Some(RowSim { id, status, .. }) = row.sim.as_ref().filter(|sim| sim.id == wanted) else {
        // It is assigned first.
        return (None, false);
    };
    let Some(from) = *status else {
        diff.waiting = Some("sim.state: the state of the newly assigned SIM is not known yet".into());
        return (None, false);
    };
    match state.next(from, memory.edited, memory.now) {
        Move::Stay => (None, false),
        Move::To(to) => (Some(Change::SimState { sim: *id, from, to }), from == sim_status::FACTORY_TEST),
        Move::Drifted => {
            diff.reported.push(FieldDiff::new("sim.state", sim_status::name(from), state.state));
            (None, false)
        }
        Move::Passing(why) => {
            diff.waiting = Some(format!("sim.state: {why}"));
            (None, false)
        }
        Move::Illegal(why) => {
            diff.illegal = Some(Invalid::new("sim.state", why));
            (None, false)
        }
    }
}

/// Tags to make, to put on and to take off.
struct Tags {
    missing: Vec<Tag>,
    add: Vec<Tag>,
    remove: Vec<Tag>,
}

impl Tags {
    fn of(want: &Want, row: &Row, memory: Memory<'_>) -> Self {
        let mut all = Self { missing: Vec::new(), add: Vec::new(), remove: Vec::new() };
        let Some(have) = &row.tags else { return all };
        // What was adopted is not marked as made by us: the mark is consent to delete.
        let mark = want.mark.iter().filter(|_| memory.made_by_us());
        for tag in want.tags.iter().flatten().chain(mark) {
            match tag.id {
                _ if have.iter().any(|held| held.is(tag)) => {}
                Some(_) => all.add.push(tag.clone()),
                None => all.missing.push(tag.clone()),
            }
        }
        if let (Some(wanted), Some(status)) = (&want.tags, memory.status) {
            let ours = have.iter().filter(|tag| status.tags.contains(&tag.name));
            all.remove = ours.filter(|tag| !wanted.iter().any(|w| w.is(tag))).cloned().collect();
        }
        all
    }

    fn changes(self) -> impl Iterator<Item = Change> {
        let add = (!self.add.is_empty()).then_some(Change::AddTags(self.add));
        let remove = (!self.remove.is_empty()).then_some(Change::RemoveTags(self.remove));
        add.into_iter().chain(remove)
    }
}

fn blocklist(want: &Want, parts: &Parts, changes: &mut Vec<Change>) {
    let (Some(want), Some(have)) = (&want.blocklist, &parts.blocklist) else { return };
    changes.extend(want.iter().filter(|id| !have.contains(id)).map(|id| Change::BlockOperator(*id)));
    changes.extend(have.iter().filter(|id| !want.contains(id)).map(|id| Change::UnblockOperator(*id)));
}

fn quotas(want: &Want, parts: &Parts, memory: Memory<'_>, changes: &mut Vec<Change>) {
    for (traffic, want, live) in [
        (Traffic::Data, &want.data_quota, &parts.data_quota),
        (Traffic::Sms, &want.sms_quota, &parts.sms_quota),
    ] {
        let (Some(want), Some(live)) = (want, live) else { continue };
        let post = quota::diff(want, live.as_ref(), memory.allowance(traffic), memory.now);
        changes.extend(post.map(|post| Change::SetQuota(traffic, post)));
    }
}

/// An allowance that left the spec goes if this object had set it.
fn surplus_quotas(want: &Want, parts: &Parts, memory: Memory<'_>, changes: &mut Vec<Change>) {
    for (traffic, wanted, live) in [
        (Traffic::Data, want.data_quota.is_some(), &parts.data_quota),
        (Traffic::Sms, want.sms_quota.is_some(), &parts.sms_quota),
    ] {
        if !wanted && memory.allowance(traffic).is_some() && *live != Some(None) {
            changes.push(Change::DeleteQuota(traffic));
        }
    }
}

/// The calls that retire a device, by what is still true of it. A SIM whose state is ours is suspended first and may
/// then go with the device in one bulk delete; any other SIM is released as it is. In Factory Test the device's
/// status is not touched before the SIM is released, because that would activate the SIM.
pub fn retire(row: &Row, memory: Memory<'_>) -> Vec<Change> {
    let mut changes = Vec::new();
    let disable = (row.status == status::ENABLED)
        .then(|| Change::Patch(Patch(vec![Field { old: "true".into(), set: FieldChange::Enabled(false) }])));
    let Some(sim) = &row.sim else {
        changes.extend(disable);
        changes.push(Change::Delete { holds_sim: false });
        return changes;
    };
    let release = released(sim.id);
    let ours = memory.sim_state_is_ours();
    match sim.status {
        Some(from @ (sim_status::ACTIVATED | sim_status::SUSPENDED)) if ours => {
            if from == sim_status::ACTIVATED {
                changes.push(Change::SimState { sim: sim.id, from, to: SimState::Suspended });
            }
            changes.extend(disable);
            changes.push(Change::Delete { holds_sim: true });
        }
        Some(sim_status::FACTORY_TEST) | None => {
            changes.push(release);
            changes.extend(disable);
            changes.push(Change::Delete { holds_sim: false });
        }
        Some(_) => {
            changes.extend(disable);
            changes.push(release);
            changes.push(Change::Delete { holds_sim: false });
        }
    }
    changes
}

/// The call that takes the SIM out of a device, if one is in it.
pub fn release(row: &Row) -> Option<Change> {
    row.sim.as_ref().map(|sim| released(sim.id))
}

/// emnify takes an address away only by giving another one: the next one in its /24 that nobody has or wants, until the
/// device gets its own. A network that is smaller refuses some, and the next look takes the next.
pub fn step_aside(row: &Row, free: &dyn Fn(&Key) -> bool) -> Option<Change> {
    let (space, old) = (row.space?, row.address.as_ref()?);
    let [a, b, c, host] = old.parse::<Ipv4Addr>().ok()?.octets();
    let others =
        (host.saturating_add(1)..=254).chain((1..host).rev()).map(|d| Ipv4Addr::new(a, b, c, d).to_string());
    let aside = others.into_iter().find(|it| free(&Key::new(key::ADDRESS, rows::address(space, it))))?;
    let address = Field { old: old.to_string(), set: FieldChange::Address(aside) };
    Some(Change::Patch(Patch(vec![
        address,
        Field { old: space.to_string(), set: FieldChange::Space(space) },
    ])))
}

fn released(sim: i64) -> Change {
    Change::Patch(Patch(vec![Field { old: sim.to_string(), set: FieldChange::Sim(None) }]))
}

/// What a bodiless success means for what we know.
pub fn assume(change: &Change, row: &mut Row, parts: &mut Parts) {
    match change {
        Change::Patch(Patch(fields)) => fields.iter().for_each(|field| assume_field(&field.set, row)),
        Change::SimState { sim, to, .. } => {
            if let Some(held) = row.sim.as_mut().filter(|held| held.id == *sim) {
                held.status = Some(to.id());
            }
        }
        Change::SuspendLeaving { sim } => {
            if let Some(held) = row.sim.as_mut().filter(|held| held.id == *sim) {
                held.status = Some(sim_status::SUSPENDED);
            }
        }
        Change::AddTags(added) => {
            if let Some(tags) = &mut row.tags {
                *tags = tags.iter().chain(added).cloned().collect();
            }
        }
        Change::RemoveTags(removed) => {
            if let Some(tags) = &mut row.tags {
                let stays = |tag: &&Tag| !removed.iter().any(|gone| gone.is(tag));
                *tags = tags.iter().filter(stays).cloned().collect();
            }
        }
        Change::BlockOperator(id) => {
            if let Some(blocked) = &mut parts.blocklist {
                blocked.push(*id);
                blocked.sort_unstable();
            }
        }
        Change::UnblockOperator(id) => {
            if let Some(blocked) = &mut parts.blocklist {
                blocked.retain(|blocked| blocked != id);
            }
        }
        Change::SetQuota(Traffic::Data, post) => parts.data_quota = Some(Some(post.live())),
        Change::SetQuota(Traffic::Sms, post) => parts.sms_quota = Some(Some(post.live())),
        Change::DeleteQuota(Traffic::Data) => parts.data_quota = Some(None),
        Change::DeleteQuota(Traffic::Sms) => parts.sms_quota = Some(None),
        Change::Delete { .. } => row.status = status::DELETED,
        Change::Create(_) | Change::CreateTag(_) => {}
    }
}

fn assume_field(set: &FieldChange, row: &mut Row) {
    match set {
        FieldChange::Name(name) => row.name = name.into(),
        FieldChange::Enabled(true) => row.status = status::ENABLED,
        FieldChange::Enabled(false) => row.status = status::DISABLED,
        FieldChange::ServiceProfile(id) => row.service_profile = *id,
        FieldChange::TariffProfile(id) => row.tariff_profile = *id,
        FieldChange::Sim(sim) => row.sim = sim.map(|id| RowSim { id, ..RowSim::default() }),
        FieldChange::Imei(imei) => row.imei = Some(imei.into()),
        FieldChange::ImeiLock(lock) => row.imei_lock = *lock,
        FieldChange::Address(address) => row.address = Some(address.into()),
        FieldChange::Space(id) => row.space = Some(*id),
    }
}
