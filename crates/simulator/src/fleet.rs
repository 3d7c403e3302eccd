//! Seeds of many SIMs.

use std::collections::BTreeSet;

use serde_json::json;

use crate::state::{IpAddressSpace, rules};
use crate::{Seed, SeedError};

/// Digits of a fleet's ICCIDs before the number.
const ICCID: &str = "89883038800";
/// Most SIMs of a fleet, by the digits that are left.
const MOST: u64 = 100_000_000;

/// The ICCID of 19 digits of a fleet's `n`th SIM, from 0. In the order of the numbers, so that a range of ICCIDs is a range of SIMs.
///
/// # Panics
/// From 100 million on.
pub fn iccid(n: u64) -> String {
    assert!(n < MOST, "a fleet has up to {MOST} SIMs");
    format!("{ICCID}{n:08}")
}

impl Seed {
    /// Adds `count` SIMs in state Issued to an organisation, their ICCIDs by [`iccid`] from 0, and address spaces with room for
    /// as many devices.
    ///
    /// # Errors
    /// There is no such organisation, or it has SIMs of these ICCIDs.
    pub fn with_fleet(self, organisation: u64, count: u64) -> Result<Self, SeedError> {
        let mut state = self.into_state();
        if !state.organisations.contains_key(&organisation) {
            return Err(SeedError::Inconsistent(format!("there is no organisation {organisation}")));
        }
        let (org, next) = state.split(organisation);
        let taken: BTreeSet<_> = org.ip_address_spaces.values().map(|s| s.ip_address_space.clone()).collect();
        // 65,534 devices each.
        let mut blocks = (0..=255).map(|block| format!("10.{block}.0.0/16")).filter(|cidr| {
            let (first, last) = rules::hosts(cidr).expect("a block of addresses");
            let meets = |other: &String| {
                rules::hosts(other).is_some_and(|(from, until)| from <= last && first <= until)
            };
            !taken.iter().any(meets)
        });
        for _ in 0..count.div_ceil(65_534) {
            let ip_address_space = blocks.next().ok_or_else(|| {
                SeedError::Inconsistent("10.0.0.0/8 has no room for so many devices".to_owned())
            })?;
            org.ip_address_spaces
                .add(next, IpAddressSpace { id: 0, ip_address_space, ip_address_version: 4 });
        }
        for n in 0..count {
            let sim = json!({
                "iccid": iccid(n), "imsi": format!("9014388{n:08}"), "msisdn": format!("8823688{n:08}"),
            });
            let sim =
                serde_json::from_value(sim).map_err(|error| SeedError::Unreadable(error.to_string()))?;
            org.sims.add(next, sim);
        }
        Self::from_state(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fleet_has_sims_in_order_and_room_for_devices() {
        let seed = Seed::example().with_fleet(1001, 70_000).expect("a fleet");
        let org = &seed.state().organisations[&1001];
        let ours: Vec<_> = org.sims.values().filter(|sim| sim.iccid.starts_with(ICCID)).collect();
        assert_eq!(ours.len(), 70_000);
        assert_eq!((ours[69_999].iccid.as_str(), ours[69_999].iccid.len()), ("8988303880000069999", 19));
        assert!(ours.is_sorted_by_key(|sim| &sim.iccid), "a range of ICCIDs is a range of SIMs");
        let spaces = org.ip_address_spaces.len()
            - Seed::example().state().organisations[&1001].ip_address_spaces.len();
        assert_eq!(spaces, 2, "65,534 addresses are not enough");
        assert!(Seed::example().with_fleet(7, 1).is_err(), "nobody would own them");
        assert!(seed.with_fleet(1001, 1).is_err(), "an ICCID is there once");
    }
}
