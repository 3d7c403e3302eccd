//! One rule book: a set of one and an object decide alike, whatever is known.

use std::sync::Arc;

use emnify::wire::endpoint::status;

use super::case::{Case, NOW, device, later};
use crate::{
    decide::{
        error_policy::Waiting,
        known::{IntentState, Knowledge, Match, SecretState, Seen, Step, Subject, Wanted, Workspace},
        member::{AssessContext, MemberStep},
        object::next_step,
        roster::Slot,
    },
    kind::{
        Context, Have, Id, Kind, Managed, reason,
        set::ObjectSet,
        spec::{AdoptionPolicy, CommonSpec, CommonStatus, DriftPolicy, ManagementPolicy, Provenance},
    },
    session::{claims::Owner, mirror::UnderWay},
    toy::{BROKEN, BUSY, GIVEN_UP, STARTING, Toy, ToyChange, ToyParts, ToyRow, ToyWant},
    toy_set::ToySet,
};

const CHIP: i64 = 1;
/// A name that an accepted change is about to mend.
const RENAMED: &str = "slow";
const ID: i64 = 11;
const OURS: &str = "made [k8s prod/ns/h]";

/// How far one came with the emnify object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    New,
    Bound,
    InStep,
}

/// What is known, in the words of both.
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Clone, Debug)]
struct Facts {
    /// Its note, or that there is none.
    row: Option<(&'static str, &'static str, i64)>,
    doubted: bool,
    stage: Stage,
    state: Option<i64>,
    rival: bool,
    goes: bool,
    young: bool,
    common: CommonSpec,
    /// emnify accepted the change before, and carries it out.
    accepted: bool,
}

impl Facts {
    fn under_way(&self, change: &ToyChange) -> Option<UnderWay> {
        let rename = matches!(change, ToyChange::Rename(old, _) if old == RENAMED);
        (self.accepted && rename).then_some(UnderWay::Carrying(std::time::Duration::from_secs(2)))
    }

    fn observes(&self) -> bool {
        self.common.management() == ManagementPolicy::Observe
    }

    fn emnify(&self) -> Option<ToyRow> {
        let (note, name, state) = self.row?;
        // made long before any create of ours
        Some(ToyRow { status: state, ..device(ID, CHIP, note).display_name(name).old() })
    }

    /// What the member of the set comes to.
    fn member(&self) -> String {
        let mut case = Case::unlisted(CHIP..=CHIP);
        if let Some(row) = self.emnify() {
            case.put(row);
        }
        case.list_at(NOW);
        if self.accepted {
            let rename = ToyChange::Rename(RENAMED.into(), "toy-1".into());
            case.members.accepted(&Id::Int(ID), &rename, false);
        }
        if self.doubted {
            case.members.doubt(&Id::Int(ID));
        }
        (case.intent, case.common, case.state) = (None, self.common.clone(), self.state);
        (case.goes, case.young, case.calm) = (self.goes, self.young, self.stage == Stage::InStep);
        case.rivals.extend((self.rival && !self.observes()).then_some(CHIP));
        let bound = self.stage != Stage::New;
        let slot = Slot {
            pool: CHIP,
            id: if bound { ID } else { 0 },
            made: bound,
            settled: self.stage == Stage::InStep,
            ..Slot::default()
        };
        case.with(|context, _| match context.slot(0, &slot, false).need {
            MemberStep::Wait => "wait".into(),
            MemberStep::Read(_) => "read".into(),
            MemberStep::ReadParts(..) => "read parts".into(),
            MemberStep::Create(_) => "create".into(),
            MemberStep::Send(_, change) => format!("send {change}"),
            MemberStep::Partitioned(_) => "partitioned".into(),
            MemberStep::Drifted(None) => "not there".into(),
            MemberStep::Drifted(Some(_)) => "differs".into(),
            MemberStep::Busy(..) => "busy".into(),
            MemberStep::Settled(..) => "in step".into(),
            MemberStep::Fail(reason, _) => reason.into(),
        })
    }

    /// What an object comes to that wants the same.
    fn object(&self) -> String {
        let case = Case { state: self.state, ..Case::new(CHIP..=CHIP) };
        case.with(|context, _| {
            let (want, made, adopted) = of(context);
            let mut common = CommonStatus { organisation_id: Some("42".into()), ..CommonStatus::default() };
            if self.stage != Stage::New {
                (common.id, common.provenance) = (Some(ID.to_string()), Some(Provenance::Created));
            }
            loop {
                let memory = if common.provenance == Some(Provenance::Adopted) { &adopted } else { &made };
                match self.step(&want, &common, memory) {
                    // it goes on at once
                    Step::Bind { id, provenance } => {
                        (common.id, common.provenance) = (Some(id.to_string()), Some(provenance));
                    }
                    step => return word(&step),
                }
            }
        })
    }

    fn step(&self, want: &ToyWant, common: &CommonStatus, memory: &<Toy as Kind>::Status) -> Step<Toy> {
        let subject = Subject {
            undecodable: None,
            common: &self.common,
            status: common,
            generation: Some(1),
            deleting: false,
            finalizer: true,
            suspended: false,
            force_orphan: false,
        };
        let seen = match self.emnify() {
            Some(_) if self.doubted => Seen::Doubt(Id::Int(ID)),
            Some(row) => {
                let own = Toy::mark(&row);
                let ours = own.as_deref() == Some("prod/ns/h");
                let foreign = own.filter(|_| !ours);
                let have = Have { row: Arc::new(row), parts: Arc::new(ToyParts::default()), output: None };
                Seen::Present(Match {
                    id: Id::Int(ID),
                    have,
                    ours,
                    likely: false,
                    foreign,
                    missing: Vec::new(),
                })
            }
            None => Seen::Absent,
        };
        let owner =
            (self.rival && !self.observes()).then(|| Owner { name: "Toy ns/other".into(), goes: self.goes });
        next_step(
            &subject,
            Knowledge {
                workspace: Workspace::Ready { organisation: "42".into() },
                wanted: Wanted::Ready(want.clone()),
                seen,
                intent: IntentState::None,
                owner,
                goes: &|_| self.goes,
                elsewhere: None,
                secret: SecretState::NotNeeded,
                used_by: Vec::new(),
                users: &|_| None,
                holds_on: &|_| false,
                guard: &|_: &[ToyChange]| Ok(()),
                digest: &|_| String::new(),
                undone: &|_| false,
                under_way: &|_, change| self.under_way(change),
                free: &|_| true,
                trouble: None,
                crd_terminating: false,
                context: Context {
                    now: NOW,
                    object_created: Some(if self.young { NOW } else { later(-3_600) }),
                    status: Some(memory),
                    edited: self.stage != Stage::InStep,
                    factory_test: false,
                    own_tokens: Vec::new(),
                    own_users: Vec::new(),
                    as_user: false,
                },
            },
        )
    }
}

/// What the member wants, and what rules are shown of one that was made and of one that was taken over.
fn of(context: &AssessContext<'_, ToySet>) -> (ToyWant, <Toy as Kind>::Status, <Toy as Kind>::Status) {
    let mut want = None;
    context.pool.with(CHIP, &mut |row| want = context.set.member(context.base.unwrap(), row).ok());
    (want.unwrap(), context.set.memory(None, true), context.set.memory(None, false))
}

fn word(step: &Step<Toy>) -> String {
    match step {
        Step::Wait(told, Waiting::Working) if told.reason == reason::PROGRESSING => "wait".into(),
        Step::Wait(told, _) if told.reason == reason::OBSERVING => "wait".into(),
        Step::Wait(told, _) | Step::Stall(told) if told.reason == reason::VANISHED => "not there".into(),
        Step::Wait(told, _) | Step::Stall(told) | Step::Broken { told, .. } => told.reason.into(),
        Step::Read(_) => "read".into(),
        Step::ReadParts(..) => "read parts".into(),
        Step::RecordIntent | Step::Create(_) => "create".into(),
        Step::Apply(_, changes) => format!("send {}", changes[0]),
        Step::Differs { have: None, .. } => "not there".into(),
        Step::Differs { have: Some(_), .. } => "differs".into(),
        Step::Busy { .. } => "busy".into(),
        Step::UpToDate { .. } => "in step".into(),
        step => step.name().0.into(),
    }
}

/// All that can be known of one of them.
fn everything() -> Vec<Facts> {
    let rows =
        ["", OURS, "made [k8s prod/ns/other]", "made [k8s elsewhere/ns/h]"].into_iter().flat_map(|note| {
            ["toy-1", RENAMED].into_iter().flat_map(move |name| {
                [status::ENABLED, status::DISABLED, BUSY, BROKEN, STARTING, GIVEN_UP]
                    .map(move |state| Some((note, name, state)))
            })
        });
    let adoptions =
        [None, Some(AdoptionPolicy::Never), Some(AdoptionPolicy::IfUnowned), Some(AdoptionPolicy::Force)];
    let mut all = Vec::new();
    for row in rows.chain([None]) {
        for stage in [Stage::New, Stage::Bound, Stage::InStep] {
            for adoption_policy in adoptions {
                for (management_policy, drift_policy) in
                    [(None, None), (Some(ManagementPolicy::Observe), None), (None, Some(DriftPolicy::Warn))]
                {
                    for bits in 0..32_u8 {
                        let bit = |n: u8| bits & (1 << n) != 0;
                        for state in [None, Some(status::ENABLED), Some(status::DISABLED)] {
                            let common = CommonSpec {
                                management_policy,
                                adoption_policy,
                                drift_policy,
                                ..CommonSpec::default()
                            };
                            let (rival, goes, young, doubted) = (bit(0), bit(1), bit(2), bit(3));
                            let accepted = bit(4);
                            all.push(Facts {
                                row,
                                doubted,
                                stage,
                                state,
                                rival,
                                goes,
                                young,
                                common,
                                accepted,
                            });
                        }
                    }
                }
            }
        }
    }
    all
}

#[test]
fn a_set_of_one_and_an_object_decide_alike() {
    let mut decided = std::collections::BTreeMap::<String, usize>::new();
    for facts in everything() {
        // a rival is told to an object before its row is read, and to a member after: nothing is sent in either case
        let told_later = facts.rival && facts.doubted;
        // what was bound and never in step is an object that vanished, and a member that is still being made
        let still_made =
            facts.row.is_none() && facts.stage == Stage::Bound && facts.common.drift_policy.is_some();
        if told_later || still_made {
            continue;
        }
        let (object, member) = (facts.object(), facts.member());
        assert_eq!(object, member, "object and member, of {facts:?}");
        *decided.entry(object).or_default() += 1;
    }
    assert!(decided.len() >= 15, "every ruling is met: {decided:?}");
}
