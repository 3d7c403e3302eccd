//! Everything that can be sent for a device: each is one call, or one item of a bulk call.

use std::fmt;

use emnify_engine::kind::{BatchKey, Change as Contract, Class, FieldDiff, Table, Verb, request};

use super::{quota::Post, rows::Tag};
use crate::kinds::{
    sim::{SimState, state::status as sim_status},
    tag::names::TAGS,
};

/// One call.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Makes the device.
    Create(Create),
    /// Changes fields of the device.
    Patch(Patch),
    /// Sets the state of its SIM.
    SimState {
        /// Id of the SIM.
        sim: i64,
        /// Status id as last seen.
        from: i64,
        /// New state.
        to: SimState,
    },
    /// Suspends the SIM that is about to leave the device: its state was set by the object, which is about to let go of it.
    SuspendLeaving {
        /// Id of the SIM.
        sim: i64,
    },
    /// Makes a tag that the spec names.
    CreateTag(String),
    /// Puts tags on the device.
    AddTags(Vec<Tag>),
    /// Takes tags off the device.
    RemoveTags(Vec<Tag>),
    /// Forbids an operator, by id.
    BlockOperator(i64),
    /// Allows an operator again, by id.
    UnblockOperator(i64),
    /// Sets an allowance.
    SetQuota(Traffic, Post),
    /// Removes an allowance.
    DeleteQuota(Traffic),
    /// Deletes the device.
    Delete {
        /// It still holds a SIM, which emnify then releases and suspends.
        holds_sim: bool,
    },
}

/// What an allowance is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Traffic {
    /// In MB.
    Data,
    /// In messages.
    Sms,
}

impl Traffic {
    /// Path of the allowance in the spec.
    pub fn path(self) -> &'static str {
        match self {
            Self::Data => "quota.data",
            Self::Sms => "quota.sms",
        }
    }
}

/// A new device.
#[derive(Clone, Debug, PartialEq)]
pub struct Create {
    /// Its name.
    pub name: String,
    /// May use the network.
    pub enabled: bool,
    /// Id of the service profile.
    pub service_profile: i64,
    /// Id of the tariff profile.
    pub tariff_profile: i64,
    /// Its SIM, by id.
    pub sim: Option<i64>,
    /// Activate the SIM; sent explicitly either way, because the API's default has changed over time [R][S].
    pub activate: bool,
    /// IMEI.
    pub imei: Option<String>,
    /// Bind it to the IMEI.
    pub imei_lock: Option<bool>,
    /// Fixed address.
    pub address: Option<String>,
    /// Id of the address space.
    pub space: Option<i64>,
}

impl Create {
    fn request(&self) -> String {
        let Self {
            name,
            enabled,
            service_profile,
            tariff_profile,
            sim,
            activate,
            imei,
            imei_lock,
            address,
            space,
        } = self;
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let id = |value: &Option<i64>| value.map_or_else(String::new, |id| id.to_string());
        let (sim, space, imei, address) = (id(sim), id(space), text(imei), text(address));
        let lock = imei_lock.map_or_else(String::new, |lock| lock.to_string());
        format!(
            "create name={name} enabled={enabled} serviceProfile={service_profile} tariffProfile={tariff_profile} sim={sim} \
             activate={activate} imei={imei} imeiLock={lock} ipAddress={address} ipAddressSpace={space}"
        )
    }
}

/// Changed fields of a device.
#[derive(Clone, Debug, PartialEq)]
pub struct Patch(pub Vec<Field>);

/// One changed field.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// What emnify has, for people.
    pub old: String,
    /// What it should have.
    pub set: FieldChange,
}

/// New value of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldChange {
    /// Name.
    Name(String),
    /// May use the network.
    Enabled(bool),
    /// Id of the service profile.
    ServiceProfile(i64),
    /// Id of the tariff profile.
    TariffProfile(i64),
    /// Id of the SIM, or none.
    Sim(Option<i64>),
    /// IMEI.
    Imei(String),
    /// Bound to the IMEI.
    ImeiLock(bool),
    /// Address.
    Address(String),
    /// Id of the address space.
    Space(i64),
}

impl FieldChange {
    fn path(&self) -> &'static str {
        match self {
            Self::Name(_) => "name",
            Self::Enabled(_) => "enabled",
            Self::ServiceProfile(_) => "serviceProfile",
            Self::TariffProfile(_) => "tariffProfile",
            Self::Sim(_) => "sim",
            Self::Imei(_) => "imei",
            Self::ImeiLock(_) => "imeiLock",
            Self::Address(_) => "ipAddress",
            Self::Space(_) => "ipAddressSpace",
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Name(text) | Self::Imei(text) | Self::Address(text) => text.clone(),
            Self::Enabled(flag) | Self::ImeiLock(flag) => flag.to_string(),
            Self::ServiceProfile(id) | Self::TariffProfile(id) | Self::Space(id) => id.to_string(),
            Self::Sim(id) => id.map_or_else(|| "none".into(), |id| id.to_string()),
        }
    }

    /// It may cut the device off or re-price it.
    fn disturbs(&self) -> bool {
        !matches!(self, Self::Name(_) | Self::Enabled(true) | Self::ImeiLock(false))
    }
}

impl Field {
    fn diff(&self) -> FieldDiff {
        FieldDiff::new(self.set.path(), &self.old, self.set.text())
    }
}

fn names(tags: &[Tag]) -> String {
    tags.iter().map(|tag| tag.name.as_str()).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create(new) => write!(f, "create {}", new.name),
            Self::SuspendLeaving { sim } => {
                write!(f, "sim.state: Activated -> Suspended, because SIM {sim} leaves the device")
            }
            Self::CreateTag(name) => write!(f, "create tag {name}"),
            Self::AddTags(tags) => write!(f, "tags: add {}", names(tags)),
            Self::RemoveTags(tags) => write!(f, "tags: remove {}", names(tags)),
            Self::BlockOperator(id) => write!(f, "operatorBlocklist: add {id}"),
            Self::UnblockOperator(id) => write!(f, "operatorBlocklist: remove {id}"),
            Self::DeleteQuota(traffic) => write!(f, "{}: remove", traffic.path()),
            Self::Delete { holds_sim: true } => f.write_str("release the SIM and delete"),
            Self::Delete { holds_sim: false } => f.write_str("delete"),
            Self::Patch(_) | Self::SimState { .. } | Self::SetQuota(..) => {
                let fields: Vec<_> = self.fields().iter().map(ToString::to_string).collect();
                f.write_str(&fields.join("; "))
            }
        }
    }
}

impl Contract for Change {
    fn fields(&self) -> Vec<FieldDiff> {
        let tags = |tags: &[Tag], removed: bool| {
            let ends = |name| if removed { (name, "") } else { ("", name) };
            let pairs = tags.iter().map(|tag| ends(tag.name.as_str()));
            pairs.map(|(old, new)| FieldDiff::new("tags", old, new)).collect()
        };
        match self {
            Self::Create(_) | Self::Delete { .. } => Vec::new(),
            Self::Patch(Patch(fields)) => fields.iter().map(Field::diff).collect(),
            Self::SimState { from, to, .. } => vec![FieldDiff::new("sim.state", sim_status::name(*from), to)],
            Self::SuspendLeaving { .. } => {
                vec![FieldDiff::new(
                    "sim.state",
                    sim_status::name(sim_status::ACTIVATED),
                    SimState::Suspended,
                )]
            }
            Self::CreateTag(name) => vec![FieldDiff::new("tags", "", name)],
            Self::AddTags(added) => tags(added, false),
            Self::RemoveTags(removed) => tags(removed, true),
            Self::BlockOperator(id) => vec![FieldDiff::new("operatorBlocklist", "", id)],
            Self::UnblockOperator(id) => vec![FieldDiff::new("operatorBlocklist", id, "")],
            Self::SetQuota(traffic, post) => post
                .changed
                .iter()
                .map(|(field, old, new)| FieldDiff::new(format!("{}.{field}", traffic.path()), old, new))
                .collect(),
            Self::DeleteQuota(traffic) => vec![FieldDiff::new(traffic.path(), "set", "none")],
        }
    }

    fn class(&self) -> Class {
        match self {
            // Billing starts.
            Self::Create(new) => {
                Class { verb: Verb::Create, urgent: false, disturbs: u64::from(new.activate) }
            }
            Self::Patch(Patch(fields)) => {
                let disturbs = u64::from(fields.iter().any(|field| field.set.disturbs()));
                Class { verb: Verb::Update, urgent: false, disturbs }
            }
            // Suspension stops costs.
            Self::SimState { to, .. } => {
                Class { verb: Verb::Update, urgent: *to == SimState::Suspended, disturbs: 1 }
            }
            Self::SuspendLeaving { .. } => Class { verb: Verb::Update, urgent: true, disturbs: 1 },
            // Without an allowance, or with one of nothing, a profile that applies it cuts the device off. Which profile
            // does is not known here.
            Self::BlockOperator(_) | Self::DeleteQuota(_) => {
                Class { verb: Verb::Update, urgent: false, disturbs: 1 }
            }
            Self::SetQuota(_, post) => {
                Class { verb: Verb::Update, urgent: false, disturbs: u64::from(post.last_added <= 0.0) }
            }
            Self::Delete { .. } => Class { verb: Verb::Delete, urgent: true, disturbs: 1 },
            Self::CreateTag(_) | Self::AddTags(_) | Self::RemoveTags(_) | Self::UnblockOperator(_) => {
                Class::quiet(Verb::Update)
            }
        }
    }

    fn request(&self) -> String {
        match self {
            Self::Create(new) => new.request(),
            other => request(other.class().verb, &other.fields()).unwrap_or_else(|| other.to_string()),
        }
    }

    fn repeatable(&self) -> bool {
        match self {
            // A device more, a transition that may be illegal by then, a used volume restored.
            Self::Create(_) | Self::SimState { .. } | Self::SuspendLeaving { .. } | Self::SetQuota(..) => {
                false
            }
            Self::Patch(_)
            | Self::CreateTag(_)
            | Self::AddTags(_)
            | Self::RemoveTags(_)
            | Self::BlockOperator(_)
            | Self::UnblockOperator(_)
            | Self::DeleteQuota(_)
            | Self::Delete { .. } => true,
        }
    }

    fn batch(&self) -> Option<BatchKey> {
        let key = match self {
            // Only what the answer cannot confuse: a SIM is in one device, an address too.
            Self::Create(new) if new.sim.is_some() || new.address.is_some() => {
                let status = if new.enabled { "enabled" } else { "disabled" };
                let space = new.space.map_or_else(String::new, |id| id.to_string());
                format!("create/{}/{}/{status}/{space}", new.service_profile, new.tariff_profile)
            }
            // Releasing is recorded for single patches only. [R]
            Self::Patch(Patch(fields)) if fields.iter().all(|f| f.set != FieldChange::Sim(None)) => {
                "patch".into()
            }
            // Factory Test only through the SIM itself: two sources disagree about its number in bulk patches. [S]
            Self::SimState { to: SimState::Activated | SimState::Suspended, .. } => "sim-state".into(),
            // Many devices may miss the same tag at once.
            Self::CreateTag(name) => format!("tag/{name}"),
            Self::AddTags(_) => "add-tags".into(),
            Self::RemoveTags(_) => "remove-tags".into(),
            Self::Delete { holds_sim } => format!("delete/{holds_sim}"),
            Self::Create(_)
            | Self::Patch(_)
            | Self::SimState { .. }
            | Self::SuspendLeaving { .. }
            | Self::BlockOperator(_)
            | Self::UnblockOperator(_)
            | Self::SetQuota(..)
            | Self::DeleteQuota(_) => return None,
        };
        Some(BatchKey(key))
    }

    fn refreshes(&self) -> Option<&'static Table> {
        matches!(self, Self::CreateTag(_)).then_some(&TAGS)
    }

    fn activates(&self) -> bool {
        match self {
            Self::Create(new) => new.activate,
            Self::SimState { to, .. } => *to == SimState::Activated,
            _ => false,
        }
    }

    fn unsettles(&self) -> bool {
        // Another SIM brings its own state.
        matches!(self, Self::Patch(Patch(fields)) if fields.iter().any(|f| matches!(f.set, FieldChange::Sim(Some(_)))))
    }

    fn strip(self, ignored: &dyn Fn(&str) -> bool) -> Option<Self> {
        match self {
            Self::Patch(Patch(mut fields)) => {
                fields.retain(|field| !ignored(field.set.path()));
                (!fields.is_empty()).then_some(Self::Patch(Patch(fields)))
            }
            other => {
                let fields = other.fields();
                (fields.is_empty() || !fields.iter().all(|field| ignored(&field.path))).then_some(other)
            }
        }
    }
}
