//! A set of toys: each holds a chip, which is its serial number.

use std::time::Duration;

use emnify::{
    Api, Cursor, Error, Page,
    wire::{Listing, sim::Sim as Wire},
};
use emnify_engine::kind::{
    Context, Diff, Facts, Find, Have, Id, Input, Inputs, Invalid, Key, Managed, Reply, Source,
    decoded::Undecodable,
    mark, reason,
    set::{Activations, Candidates, Choice, Failure, Marks, ObjectSet, Rollout, Tally, TextRef},
    spec::{AdoptionPolicy, CommonSpec, CommonStatus, Intent, Provenance, RefusedMember},
};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::toy::{Toy, ToyChange, ToyRow, ToyStatus, ToyWant, may_panic};

/// A chip.
#[derive(CustomResource, JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "emnify.io",
    version = "v1alpha1",
    kind = "Chip",
    plural = "chips",
    namespaced,
    status = "ChipStatus"
)]
pub(crate) struct ChipSpec {
    /// Policies.
    #[serde(flatten)]
    pub(crate) common: CommonSpec,
}

/// What is known of a chip.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ChipStatus {
    /// As for every kind.
    #[serde(flatten)]
    pub(crate) common: CommonStatus,
}

emnify_engine::kind!(Chip, ChipStatus);

/// A listing entry.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ChipRow {
    pub(crate) id: i64,
}

impl Managed for Chip {
    type Row = ChipRow;
    type Part = ();
    type Parts = ();
    type Want = ();
    type Change = ToyChange;
    type News = ();

    const FACTS: Facts = Facts {
        has_read: false,
        serial: None,
        sweep_every: Duration::from_secs(300),
        scrub_every: Duration::from_secs(3_600),
        adoption: AdoptionPolicy::IfUnowned,
        needs_intent: false,
    };

    fn id(row: &ChipRow) -> Id {
        Id::Int(row.id)
    }
    fn keys(_: &ChipRow, _: &mut dyn FnMut(Key)) {}
    fn want(&self, _: &Inputs) -> Result<(), Invalid> {
        Ok(())
    }
    fn find((): &(), _: Option<&Intent>) -> Vec<Find> {
        Vec::new()
    }
    fn create((): &(), _: Option<&Intent>) -> Option<ToyChange> {
        None
    }
    fn diff((): &(), _: &Have<Self>, _: &Context<'_, Self>) -> Diff<ToyChange> {
        Diff::default()
    }
    fn retire(_: &Have<Self>, _: &Context<'_, Self>) -> Vec<ToyChange> {
        Vec::new()
    }
    fn assume(_: &ToyChange, _: &mut ChipRow, (): &mut ()) {}
    fn report(&self, _: &Have<Self>, _: Option<&()>, _: &mut ChipStatus) {}

    async fn list(api: &Api, at: Cursor) -> Result<Page<ChipRow>, Error> {
        Ok(api.list_sims(at, &Listing::all()).await?.map(|sim: Wire| ChipRow { id: sim.id }))
    }
    async fn read(_: &Api, _: &Id) -> Result<Option<ChipRow>, Error> {
        Ok(None)
    }
    async fn read_part(_: &Api, _: &Id, (): (), (): &mut ()) -> Result<(), Error> {
        Ok(())
    }
    async fn apply(_: &Api, _: &Id, _: &ToyChange) -> Result<Reply<Self>, Error> {
        Ok(Reply::default())
    }
}

/// A set of toys.
#[derive(CustomResource, JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "emnify.io",
    version = "v1alpha1",
    kind = "ToySet",
    plural = "toysets",
    namespaced,
    status = "ToySetStatus"
)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ToySetSpec {
    /// Policies.
    #[serde(flatten)]
    pub(crate) common: CommonSpec,
    /// Chips, one by one.
    #[serde(default)]
    pub(crate) chips: Vec<i64>,
    /// That many of all chips, instead: members first, then by id.
    #[serde(default)]
    pub(crate) replicas: Option<usize>,
    /// Of all chips only those in no toy, members apart.
    #[serde(default)]
    pub(crate) free: bool,
    /// A `ConfigMap` that names the chips instead, in the key `chips`.
    #[serde(default)]
    pub(crate) listed_in: Option<String>,
    /// Names of toys are this and their chip.
    #[serde(default)]
    pub(crate) prefix: Option<String>,
    /// Toy that all follow.
    #[serde(default)]
    pub(crate) follows: Option<String>,
    /// Wanted state of all: 0 or 1.
    #[serde(default)]
    pub(crate) state: Option<i64>,
    /// Members that may be disturbed at once.
    #[serde(default)]
    pub(crate) max_unavailable: Option<u64>,
    /// Seconds that a disturbed member has to be well.
    #[serde(default)]
    pub(crate) min_ready: u64,
    /// Members that are left alone.
    #[serde(default)]
    pub(crate) partition: u64,
    /// Creates per minute.
    #[serde(default)]
    pub(crate) per_minute: Option<u64>,
}

/// What is known of a set of toys.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ToySetStatus {
    /// As for every kind.
    #[serde(flatten)]
    pub(crate) common: CommonStatus,
    /// Wanted.
    #[serde(default)]
    pub(crate) desired: u64,
    /// In step.
    #[serde(default)]
    pub(crate) ready: u64,
    /// Left alone.
    #[serde(default)]
    pub(crate) held: u64,
    /// Enabled ones.
    #[serde(default)]
    pub(crate) enabled: u64,
    /// Creates of the last minute, as `time n`.
    #[serde(default)]
    pub(crate) created: Vec<String>,
    /// What was refused.
    #[serde(default)]
    pub(crate) refusals: Vec<RefusedMember>,
    /// What is wrong, as `member reason`.
    #[serde(default)]
    pub(crate) failures: Vec<String>,
}

emnify_engine::kind!(ToySet, ToySetStatus);

impl ObjectSet for ToySet {
    type Member = Toy;
    type Pool = Chip;

    fn inputs(&self) -> Vec<Input> {
        may_panic("ToySet::inputs");
        let follows = self.spec.follows.clone();
        follows.map(|name| Input::new("follows", Source::Object { kind: "Toy", name })).into_iter().collect()
    }

    fn salvage(set: &Undecodable) -> Self {
        may_panic("ToySet::salvage");
        let spec = ToySetSpec { common: set.spec.clone(), ..ToySetSpec::default() };
        Self { metadata: set.meta.clone(), spec, status: None }
    }

    fn base(&self, from: &Inputs) -> Result<ToyWant, Invalid> {
        may_panic("ToySet::base");
        Ok(ToyWant {
            follows: from.int("follows"),
            state: self.spec.state,
            toy_set: Some(format!("{}/{}", from.installation, from.object)),
            ..ToyWant::default()
        })
    }

    fn member(&self, base: &ToyWant, chip: &ChipRow) -> Result<ToyWant, Invalid> {
        may_panic("ToySet::member");
        let prefix = self.spec.prefix.as_deref().unwrap_or("toy");
        Ok(ToyWant {
            name: Some(format!("{prefix}-{}", chip.id)),
            serial: Some(chip.id.to_string()),
            ..base.clone()
        })
    }

    fn text(&self) -> Option<TextRef> {
        may_panic("ToySet::text");
        let config_map = self.spec.listed_in.clone()?;
        Some(TextRef { config_map, key: "chips".into() })
    }

    fn choose(&self, from: &Candidates<'_, Self>) -> Result<Choice, Invalid> {
        may_panic("ToySet::choose");
        let mut stock: Vec<i64> = Vec::new();
        from.pool.each(&mut |chip| stock.push(chip.id));
        stock.sort_unstable();
        if let Some(replicas) = self.spec.replicas {
            let mut members: Vec<i64> = from.members.iter().map(|held| held.pool).collect();
            stock.retain(|chip| !self.spec.free || from.holders.find(&Self::key(*chip)).is_empty());
            stock.retain(|chip| !members.contains(chip));
            members.extend(stock);
            members.truncate(replicas);
            return Ok(Choice { members, unmet: Vec::new() });
        }
        let named: Vec<i64> = match from.text {
            Some(text) => text.split_whitespace().filter_map(|word| word.parse().ok()).collect(),
            None => self.spec.chips.clone(),
        };
        let (members, missing): (Vec<i64>, Vec<i64>) = named.iter().partition(|chip| stock.contains(chip));
        let unmet = missing.iter().map(|chip| Failure {
            member: format!("chip-{chip}"),
            reason: reason::NOT_FOUND,
            message: "there is no such chip".into(),
        });
        Ok(Choice { members, unmet: unmet.collect() })
    }

    fn rollout(&self, _: u64) -> Rollout {
        may_panic("ToySet::rollout");
        let window = Duration::from_secs(60);
        Rollout {
            max_unavailable: self.spec.max_unavailable,
            min_ready: Duration::from_secs(self.spec.min_ready),
            partition: self.spec.partition,
            max_activations: self.spec.per_minute.map(|members| Activations { members, window }),
        }
    }

    fn key(chip: i64) -> Key {
        may_panic("ToySet::key");
        Key::new("serial", chip.to_string())
    }

    fn pool_entry(row: &ToyRow) -> Option<i64> {
        may_panic("ToySet::holds");
        row.serial.as_ref()?.parse().ok()
    }

    fn display_name(chip: &ChipRow) -> String {
        may_panic("ToySet::called");
        format!("chip-{}", chip.id)
    }

    fn marks(row: &ToyRow) -> Option<Marks<'_>> {
        may_panic("ToySet::marks");
        let (text, set) = mark::split(&row.note);
        Some(Marks { made_by: (text == "made").then_some("prod"), set })
    }

    fn resembles(want: &ToyWant, row: &ToyRow) -> bool {
        may_panic("ToySet::resembles");
        want.name.as_ref() == Some(&row.name)
    }

    fn memory(&self, _: Option<&ToySetStatus>, made: bool) -> ToyStatus {
        may_panic("ToySet::memory");
        let provenance = if made { Provenance::Created } else { Provenance::Adopted };
        let common = CommonStatus { provenance: Some(provenance), ..CommonStatus::default() };
        ToyStatus { common, ..ToyStatus::default() }
    }

    fn release(&self, have: &Have<Toy>) -> Vec<ToyChange> {
        may_panic("ToySet::release");
        let marked = mark::split(&have.row.note).1.is_some();
        marked.then(|| ToyChange::Mark(String::new())).into_iter().collect()
    }

    fn count(row: &ToyRow, _: Option<&bool>, put: &mut dyn FnMut(&'static str, &str)) {
        may_panic("ToySet::count");
        put("state", if row.status == 0 { "Enabled" } else { "Disabled" });
    }

    fn activated(status: &ToySetStatus) -> Vec<(jiff::Timestamp, u64)> {
        may_panic("ToySet::activated");
        let parsed = |text: &String| {
            let (at, n) = text.split_once(' ')?;
            Some((at.parse().ok()?, n.parse().ok()?))
        };
        status.created.iter().filter_map(parsed).collect()
    }

    fn keep_activated(status: &mut ToySetStatus, activated: &[(jiff::Timestamp, u64)]) {
        may_panic("ToySet::keep_activated");
        status.created = activated.iter().map(|(at, n)| format!("{at} {n}")).collect();
    }

    fn refused(status: &ToySetStatus) -> &[RefusedMember] {
        may_panic("ToySet::refused");
        &status.refusals
    }

    fn keep_refused(status: &mut ToySetStatus, refused: Vec<RefusedMember>) {
        may_panic("ToySet::keep_refused");
        status.refusals = refused;
    }

    fn report(&self, tally: &Tally, status: &mut ToySetStatus) {
        may_panic("ToySet::report");
        status.desired = tally.desired;
        status.ready = tally.ready;
        status.held = tally.held;
        status.enabled =
            tally.groups.get("state").and_then(|states| states.get("Enabled")).copied().unwrap_or_default();
        status.failures = tally.failures.iter().map(|f| format!("{} {}", f.member, f.reason)).collect();
    }
}
