//! Which SIMs are the fleet.
//!
//! The order is that of the rollout: members as they joined, then new ones by ICCID. 100,000 rows are looked at in one
//! pass and one sort, and kept as numbers.

use std::collections::{HashMap, HashSet};

use emnify_engine::kind::{
    Id, Invalid, Key, Managed, reason,
    set::{Candidates, Choice, CurrentMember, Failure, Pool},
};

use super::{
    list::{self, Entry},
    spec::{EndpointSet, SimPool, SimSelector},
};
use crate::kinds::{
    endpoint::Endpoint,
    sim::{
        Sim,
        rows::{Row, key},
    },
};

/// The members that the spec means.
pub(super) fn choose(object: &EndpointSet, from: &Candidates<'_, EndpointSet>) -> Result<Choice, Invalid> {
    let spec = &object.spec;
    match (&spec.sims, &spec.pool) {
        (Some(sims), None) => match (&sims.list, &sims.config_map_ref, &sims.selector) {
            (Some(list), None, None) => Ok(named(&list::listed(list)?, from)),
            (None, Some(_), None) => {
                let missing = || Invalid::new("sims.configMapRef", "the ConfigMap has no such key");
                Ok(named(&list::written(from.text.ok_or_else(missing)?)?, from))
            }
            (None, None, Some(selector)) => {
                let selected = selected(selector, "sims.selector", false, from)?;
                Ok(Choice { members: selected.all(from.pool), unmet: Vec::new() })
            }
            _ => Err(Invalid::new("sims", "set exactly one of list, configMapRef, selector")),
        },
        (None, Some(pool)) => pooled(pool, from),
        _ => Err(Invalid::new("sims", "set exactly one of sims, pool")),
    }
}

/// SIMs that are named one by one.
fn named(entries: &[Entry], from: &Candidates<'_, EndpointSet>) -> Choice {
    let mut order = Order::new(from.members);
    let mut unmet = Vec::new();
    let mut unknown = HashSet::new();
    for Entry { iccid, place } in entries {
        let found = from.pool.find(&Key::new(key::ICCID, iccid));
        match found.iter().find_map(Id::int) {
            Some(sim) => order.take(sim, digits(iccid)),
            None if unknown.insert(iccid) => unmet.push(Failure {
                member: iccid.clone(),
                reason: reason::NOT_FOUND,
                message: format!(
                    "{place}: no SIM of this workspace has this ICCID: compare with the SIM or the portal"
                ),
            }),
            None => {}
        }
    }
    Choice { members: order.all(from.pool), unmet }
}

/// So many free SIMs.
fn pooled(pool: &SimPool, from: &Candidates<'_, EndpointSet>) -> Result<Choice, Invalid> {
    let mut selected = selected(&pool.selector, "pool.selector", true, from)?;
    let Some(replicas) = pool.replicas else {
        // a number that goes, as when a tool takes fields over, is no wish for none
        selected.new.clear();
        return Ok(Choice { members: selected.all(from.pool), unmet: Vec::new() });
    };
    let mut members = selected.all(from.pool);
    let replicas = usize::try_from(replicas)
        .map_err(|_| Invalid::new("pool.replicas", "write a number of at least 0"))?;
    let unmet = (members.len() < replicas).then(|| Failure {
        member: "pool.replicas".into(),
        reason: reason::NOT_FOUND,
        message: format!(
            "only {} of {replicas} SIMs match: widen pool.selector, or lower replicas",
            members.len()
        ),
    });
    members.truncate(replicas);
    Ok(Choice { members, unmet: unmet.into_iter().collect() })
}

/// SIMs that a selector picks. `free`: only those that are in no device, or in a member.
fn selected<'a>(
    selector: &SimSelector,
    path: &str,
    free: bool,
    from: &Candidates<'a, EndpointSet>,
) -> Result<Order<'a>, Invalid> {
    let test = Test::new(selector, path, free)?;
    let mut order = Order::new(from.members);
    from.pool.each(&mut |row| {
        if !Sim::is_deleted(row) && test.passes(row, order.holds(row.id), from.holders) {
            order.take(row.id, row.iccid.as_deref().map_or(u64::MAX, digits));
        }
    });
    Ok(order)
}

/// A selector, read.
pub(in crate::kinds) struct Test<'a> {
    ranges: Option<Vec<(u64, u64)>>,
    model: Option<i64>,
    tag: Option<&'a str>,
    free: bool,
}

impl<'a> Test<'a> {
    pub(in crate::kinds) fn new(selector: &'a SimSelector, path: &str, free: bool) -> Result<Self, Invalid> {
        let range = |(index, range): (usize, &super::spec::IccidRange)| {
            let at = format!("{path}.iccidRanges[{index}]");
            let from = digits(&range.from.normal(&format!("{at}.from"))?);
            let to = digits(&range.to.normal(&format!("{at}.to"))?);
            if from > to {
                return Err(Invalid::new(at, "from is above to: swap them"));
            }
            Ok((from, to))
        };
        let ranges = selector.iccid_ranges.as_ref();
        Ok(Self {
            ranges: ranges.map(|ranges| ranges.iter().enumerate().map(range).collect()).transpose()?,
            model: selector.model.as_ref().map(|id| id.int(&format!("{path}.model"))).transpose()?,
            tag: selector.tag.as_deref(),
            free: free || selector.unassigned == Some(true),
        })
    }

    /// `ours`: its device is a member.
    pub(in crate::kinds) fn passes(&self, row: &Row, ours: bool, devices: &dyn Pool<Endpoint>) -> bool {
        let iccid = || row.iccid.as_deref().map(digits);
        self.ranges.as_ref().is_none_or(|ranges| {
            iccid().is_some_and(|iccid| ranges.iter().any(|(from, to)| (*from..=*to).contains(&iccid)))
        }) && self.model.is_none_or(|model| row.model == Some(model))
            && (!self.free || ours || row.endpoint.is_none())
            && self.tag.is_none_or(|tag| row.endpoint.is_some_and(|id| carries(devices, id, tag, ours)))
    }
}

/// What is not known of a member's tags is no reason to let it go.
fn carries(devices: &dyn Pool<Endpoint>, id: i64, tag: &str, ours: bool) -> bool {
    let mut found = false;
    devices.with(id, &mut |row| {
        found = row.tags.as_ref().map_or(ours, |tags| tags.iter().any(|held| held.name == tag));
    });
    found
}

/// An ICCID as a number: 19 digits fit. One that has other digits comes last and is in no range.
fn digits(iccid: &str) -> u64 {
    iccid.parse().unwrap_or(u64::MAX)
}

/// Wanted SIMs in the order of the rollout.
struct Order<'a> {
    members: &'a [CurrentMember],
    /// Place of a SIM among the members.
    places: HashMap<i64, usize>,
    kept: Vec<bool>,
    /// ICCID and id.
    new: Vec<(u64, i64)>,
}

impl<'a> Order<'a> {
    fn new(members: &'a [CurrentMember]) -> Self {
        let places = members.iter().enumerate().map(|(place, member)| (member.pool, place)).collect();
        Self { members, places, kept: vec![false; members.len()], new: Vec::new() }
    }

    fn holds(&self, sim: i64) -> bool {
        self.places.contains_key(&sim)
    }

    fn take(&mut self, sim: i64, iccid: u64) {
        match self.places.get(&sim) {
            Some(place) => self.kept[*place] = true,
            None => self.new.push((iccid, sim)),
        }
    }

    /// What the listing of SIMs does not show can be in no list and no range: that is no reason to let a device go.
    fn all(mut self, pool: &dyn Pool<Sim>) -> Vec<i64> {
        for (member, kept) in self.members.iter().zip(&mut self.kept).filter(|(_, kept)| !**kept) {
            let mut listed = false;
            pool.with(member.pool, &mut |_| listed = true);
            *kept = !listed;
        }
        self.new.sort_unstable();
        self.new.dedup();
        let kept = self.members.iter().zip(&self.kept).filter(|(_, kept)| **kept).map(|(m, _)| m.pool);
        kept.chain(self.new.into_iter().map(|(_, sim)| sim)).collect()
    }
}
