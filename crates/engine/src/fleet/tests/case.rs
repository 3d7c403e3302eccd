//! A set of toys, what is known of its members, and one look at it.

use std::{cell::Cell, ops::RangeInclusive, time::Duration};

use emnify::wire::endpoint::status;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::{
    claims::Owner,
    fleet::{
        Failure, Fleet, Rollout,
        assess::Measure,
        plan::{self, Bounds, Load, Next, Outlook},
        roster::{Leaver, Roster, Stand, Trouble},
    },
    herd::{ChipRow, Herd, HerdSpec},
    kind::{Change, Id},
    mirror::Mirror,
    rejected,
    spec::CommonSpec,
    toy::{Toy, ToyChange, ToyParts, ToyRow},
};

pub(super) const NOW: Timestamp = Timestamp::constant(1_777_636_800, 0);
const MADE: &str = "made [k8s prod/ns/h]";

/// So many seconds after [`NOW`].
pub(super) fn later(seconds: i64) -> Timestamp {
    NOW.saturating_add(SignedDuration::from_secs(seconds)).unwrap()
}

/// A device with a chip, named as the herd wants it.
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
    pub(super) fn called(self, name: &str) -> Self {
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
pub(super) struct Sent(Vec<Load<Herd>>);

impl Sent {
    pub(super) fn chips(&self) -> Vec<i64> {
        self.0.iter().map(|load| load.key).collect()
    }

    pub(super) fn all(&self, rule: impl Fn(&ToyChange) -> bool) -> bool {
        !self.0.is_empty() && self.0.iter().all(|load| rule(&load.change))
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
        let leavers = ids.map(|id| Leaver { id, pool: id - 10, made });
        self.roster.leavers.extend(leavers);
        plan::newest_first(&mut self.roster.leavers);
        let gone: Vec<i64> = self.roster.leavers.iter().map(|l| l.pool).collect();
        self.roster.seats.retain(|seat| !gone.contains(&seat.pool));
    }

    pub(super) fn refuse(&mut self, chip: i64, change: &ToyChange) {
        let failure =
            Failure { member: chip.to_string(), reason: crate::reason::REJECTED, message: "no".into() };
        self.roster.failures.insert(
            chip,
            Trouble {
                failure,
                refused: Some(rejected::digest(change, "")),
                until: Some(later(7_200)),
                tries: 1,
            },
        );
    }

    pub(super) fn outlook(&mut self) -> Outlook<Herd> {
        let mut roster = std::mem::take(&mut self.roster);
        let outlook = self.with(|measure, bounds| {
            plan::survey(&mut roster, measure, &bounds.rollout);
            plan::next(&mut roster, measure, bounds)
        });
        self.roster = roster;
        outlook
    }

    /// The next thing to do while the set is being deleted.
    pub(super) fn farewell(&mut self) -> Next<Herd> {
        let mut roster = std::mem::take(&mut self.roster);
        let outlook = self.with(|measure, bounds| {
            plan::survey(&mut roster, measure, &bounds.rollout);
            plan::farewell(&mut roster, measure, bounds)
        });
        self.roster = roster;
        outlook.next
    }

    pub(super) fn next(&mut self) -> Next<Herd> {
        self.outlook().next
    }

    /// The next call, which is under way afterwards.
    pub(super) fn send(&mut self) -> Sent {
        let Next::Send(loads, _) = self.next() else { return Sent(Vec::new()) };
        plan::sent(&mut self.roster, &loads, &self.rollout, self.now);
        Sent(loads)
    }

    /// The call took effect.
    pub(super) fn done(&mut self, sent: &Sent) {
        for load in &sent.0 {
            let Some(id) = load.id.clone() else { continue };
            if load.change.class().verb == crate::kind::Verb::Delete {
                self.members.forget(&id);
                continue;
            }
            let mut row = ToyRow::clone(&self.members.row(&id).unwrap());
            <Toy as crate::kind::Managed>::assume(&load.change, &mut row, &mut ToyParts::default());
            self.members.wrote(row, Instant::now());
        }
        self.roster.doubt_all();
    }

    pub(super) fn wake(&self) -> Option<Timestamp> {
        plan::wake_at(&self.roster, &self.rollout, self.now)
    }

    pub(super) fn stands(&self) -> Vec<Stand> {
        self.roster.seats.iter().map(|seat| seat.stand).collect()
    }

    fn with<T>(&self, look: impl FnOnce(&Measure<'_, Herd>, &Bounds<'_>) -> T) -> T {
        let spec = HerdSpec { prefix: Some(self.prefix.into()), state: self.state, ..HerdSpec::default() };
        let herd = Herd::new("h", spec);
        let mut base = herd.base(&crate::kind::Inputs::new("prod", "ns/h", None)).unwrap();
        base.state = self.state;
        let (made, adopted) = (herd.memory(None, true), herd.memory(None, false));
        let rival = |chip: i64, _: Option<&Id>, _: bool| {
            self.rivals.contains(&chip).then(|| Owner { name: "Toy ns/other".to_owned(), goes: self.goes })
        };
        let measure = Measure {
            base: Some(&base),
            common: &self.common,
            members: &self.members,
            pool: &self.pool,
            set: &herd,
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
            if devices <= self.allows { Ok(()) } else { Err("too many".to_owned()) }
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
        look(&measure, &bounds)
    }
}
