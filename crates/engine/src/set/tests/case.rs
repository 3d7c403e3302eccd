//! A set of toys, what is known of its members, and one look at it.

use std::{cell::Cell, ops::RangeInclusive, time::Duration};

use emnify::wire::endpoint::status;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::{
    decide::{
        member::AssessContext,
        rejected,
        roster::{Departure, MemberKey, MemberState, Roster, Trouble},
    },
    kind::{
        Change, Id,
        set::{Failure, ObjectSet, Rollout},
        spec::CommonSpec,
    },
    session::{claims::Owner, guard::Tripped, mirror::Mirror},
    set::{
        call_item::{self, CallItem},
        rollout::{self, Bounds, Next, NextCall},
    },
    toy::{Toy, ToyChange, ToyParts, ToyRow},
    toy_set::{ChipRow, ToySet, ToySetSpec},
};

pub(super) const NOW: Timestamp = Timestamp::constant(1_777_636_800, 0);
const MADE: &str = "made [k8s prod/ns/h]";

/// So many seconds after [`NOW`].
pub(super) fn later(seconds: i64) -> Timestamp {
    NOW.saturating_add(SignedDuration::from_secs(seconds)).unwrap()
}

/// A device with a chip, named as the set wants it.
pub(super) fn device(id: i64, chip: i64, note: &str) -> ToyRow {
    ToyRow {
        id,
        name: format!("toy-{chip}"),
        note: note.into(),
        serial: Some(chip.to_string()),
        follows: 0,
        status: status::ENABLED,
        created: Some(NOW),
        ..ToyRow::default()
    }
}

impl ToyRow {
    pub(super) fn display_name(self, name: &str) -> Self {
        Self { name: name.into(), ..self }
    }

    pub(super) fn old(self) -> Self {
        Self { created: Some(later(-86_400)), ..self }
    }
}

#[allow(clippy::struct_excessive_bools, reason = "it mirrors what it is about")]
pub(super) struct Case {
    pub(super) roster: Roster,
    pub(super) members: Mirror<Toy>,
    pub(super) pool: Vec<ChipRow>,
    pub(super) common: CommonSpec,
    pub(super) rollout: Rollout,
    pub(super) prefix: &'static str,
    pub(super) state: Option<i64>,
    pub(super) fits: usize,
    pub(super) intent: Option<Timestamp>,
    pub(super) inherited: bool,
    /// A listing was complete since one was asked for.
    pub(super) listed: bool,
    pub(super) calm: bool,
    /// Chips that somebody else has the better right to.
    pub(super) rivals: Vec<i64>,
    pub(super) goes: bool,
    pub(super) young: bool,
    /// The guard allows so many, and was asked for so many.
    pub(super) allows: u64,
    pub(super) asked: Cell<u64>,
    pub(super) now: Timestamp,
}

/// What a call carries.
pub(super) struct Sent(Vec<CallItem<ToySet>>);

impl Sent {
    /// Chips of wanted members, and negated ids of those that leave.
    pub(super) fn chips(&self) -> Vec<i64> {
        let number = |key| match key {
            MemberKey::Wanted(chip) => chip,
            MemberKey::Departing(id) => -id,
        };
        self.0.iter().map(|call_item| number(call_item.key)).collect()
    }

    pub(super) fn all(&self, rule: impl Fn(&ToyChange) -> bool) -> bool {
        !self.0.is_empty() && self.0.iter().all(|call_item| rule(&call_item.change))
    }
}

impl Case {
    /// A set of these chips; the listing is complete and shows nothing.
    pub(super) fn new(chips: RangeInclusive<i64>) -> Self {
        let case = Self::unlisted(chips);
        case.list_at(NOW);
        case
    }

    /// The same before the first listing.
    pub(super) fn unlisted(chips: RangeInclusive<i64>) -> Self {
        let pool: Vec<ChipRow> = chips.map(|id| ChipRow { id }).collect();
        let mut roster = Roster::default();
        roster.choose(&pool.iter().map(|chip| chip.id).collect::<Vec<_>>());
        Self {
            roster,
            members: Mirror::default(),
            pool,
            common: CommonSpec::default(),
            rollout: Rollout::default(),
            prefix: "toy",
            state: None,
            fits: 1000,
            intent: Some(NOW),
            inherited: false,
            listed: false,
            calm: false,
            rivals: Vec::new(),
            goes: false,
            young: false,
            allows: u64::MAX,
            asked: Cell::new(0),
            now: NOW,
        }
    }

    /// A set that is in step: chip n is in device n + 10.
    pub(super) fn settled(chips: RangeInclusive<i64>) -> Self {
        let mut case = Self::unlisted(chips.clone());
        for chip in chips {
            case.members.put(device(chip + 10, chip, MADE), Instant::now());
        }
        case.list_at(NOW);
        case.intent = None;
        case.calm = true;
        assert!(matches!(case.next(), Next::Rest));
        case
    }

    /// A complete listing that shows what is known.
    pub(super) fn list_at(&self, at: Timestamp) {
        let mut sweep = Mirror::<Toy>::begin_sweep(at);
        let mut rows = Vec::new();
        self.members.each(&mut |row| rows.push(row.clone()));
        let total = u64::try_from(rows.len()).unwrap();
        self.members.page(&mut sweep, rows, Some(total));
        self.members.finish_sweep(sweep).unwrap();
    }

    pub(super) fn put(&mut self, row: ToyRow) {
        self.members.put(row, Instant::now());
        self.roster.doubt_all();
    }

    pub(super) fn forget(&mut self, id: i64) {
        self.members.forget(&Id::Int(id));
        self.roster.doubt_all();
    }

    pub(super) fn doubt(&mut self, ids: RangeInclusive<i64>) {
        for id in ids {
            self.members.doubt(&Id::Int(id));
        }
        self.roster.doubt_all();
    }

    /// The spec changed.
    pub(super) fn edit(&mut self) {
        self.roster.edited();
        self.calm = false;
    }

    /// These have to go; so many of them, from the first, were made by the set.
    pub(super) fn leaving(&mut self, ids: RangeInclusive<i64>, made: bool) {
        let departures = ids.map(|id| Departure { id, pool: id - 10, made });
        self.roster.departures.extend(departures);
        rollout::newest_first(&mut self.roster.departures);
        let gone: Vec<i64> = self.roster.departures.iter().map(|l| l.pool).collect();
        self.roster.slots.retain(|slot| !gone.contains(&slot.pool));
    }

    pub(super) fn refuse(&mut self, chip: i64, change: &ToyChange) {
        let failure =
            Failure { member: chip.to_string(), reason: crate::kind::reason::REJECTED, message: "no".into() };
        self.roster.failures.insert(
            MemberKey::Wanted(chip),
            Trouble {
                failure,
                refused: Some(rejected::digest(change, "")),
                until: Some(later(7_200)),
                tries: 1,
            },
        );
    }

    pub(super) fn next_call(&mut self) -> NextCall<ToySet> {
        let mut roster = std::mem::take(&mut self.roster);
        let next_call = self.with(|context, bounds| {
            rollout::assess_all(&mut roster, context, &bounds.rollout);
            rollout::next(&mut roster, context, bounds)
        });
        self.roster = roster;
        next_call
    }

    /// The next thing to do while the set is being deleted.
    pub(super) fn plan_deletion(&mut self) -> Next<ToySet> {
        let mut roster = std::mem::take(&mut self.roster);
        let next_call = self.with(|context, bounds| {
            rollout::assess_all(&mut roster, context, &bounds.rollout);
            rollout::plan_deletion(&mut roster, context, bounds)
        });
        self.roster = roster;
        next_call.next
    }

    pub(super) fn next(&mut self) -> Next<ToySet> {
        self.next_call().next
    }

    /// The next call, which is under way afterwards.
    pub(super) fn send(&mut self) -> Sent {
        let Next::Send(items, _) = self.next() else { return Sent(Vec::new()) };
        call_item::sent(&mut self.roster, &items, &self.rollout, self.now);
        Sent(items)
    }

    /// The call took effect.
    pub(super) fn done(&mut self, sent: &Sent) {
        for call_item in &sent.0 {
            let Some(id) = call_item.id.clone() else { continue };
            if call_item.change.class().verb == crate::kind::Verb::Delete {
                self.members.forget(&id);
                continue;
            }
            let mut row = ToyRow::clone(&self.members.row(&id).unwrap());
            <Toy as crate::kind::Managed>::assume(&call_item.change, &mut row, &mut ToyParts::default());
            self.members.wrote(row, Instant::now());
        }
        self.roster.doubt_all();
    }

    pub(super) fn wake(&self) -> Option<Timestamp> {
        rollout::wake_at(&self.roster, &self.rollout, self.now)
    }

    pub(super) fn stands(&self) -> Vec<MemberState> {
        self.roster.slots.iter().map(|slot| slot.stand).collect()
    }

    pub(super) fn with<T>(&self, look: impl FnOnce(&AssessContext<'_, ToySet>, &Bounds<'_>) -> T) -> T {
        let spec =
            ToySetSpec { prefix: Some(self.prefix.into()), state: self.state, ..ToySetSpec::default() };
        let toy_set = ToySet::new("h", spec);
        let mut base = toy_set.base(&crate::kind::Inputs::new("prod", "ns/h", None)).unwrap();
        base.state = self.state;
        let (made, adopted) = (toy_set.memory(None, true), toy_set.memory(None, false));
        let rival = |chip: i64, _: Option<&Id>, _: bool| {
            self.rivals.contains(&chip).then(|| Owner { name: "Toy ns/other".to_owned(), goes: self.goes })
        };
        let context = AssessContext {
            base: Some(&base),
            common: &self.common,
            members: &self.members,
            pool: &self.pool,
            set: &toy_set,
            mark: "prod/ns/h",
            installation: "prod",
            made: &made,
            adopted: &adopted,
            intent: self.intent,
            inherited: self.inherited,
            factory_test: false,
            now: self.now,
            partition: usize::try_from(self.rollout.partition).unwrap(),
            calm: self.calm,
            rival: &rival,
            goes: &|_| self.goes,
            meant: "",
            young: self.young,
        };
        let guard = |devices| {
            self.asked.set(devices);
            if devices <= self.allows { Ok(()) } else { Err(Tripped::of_three()) }
        };
        let bounds = Bounds {
            rollout: self.rollout,
            fits: &|_| self.fits,
            guard: &guard,
            window: Duration::from_secs(600),
            intent: self.intent.is_some(),
            edited: !self.calm,
            listed: self.listed,
            plans: true,
        };
        look(&context, &bounds)
    }
}
