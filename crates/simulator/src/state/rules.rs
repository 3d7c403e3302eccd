//! Rules that keep an organisation's rows in step: indexes, SIM assignment, addresses.

use std::net::Ipv4Addr;

use super::{Indexes, Organisation, SimState};

impl Organisation {
    /// Rebuilds the indexes and gives an address to each device without one.
    pub(crate) fn index(&mut self) -> Result<(), String> {
        let mut indexes = Indexes::default();
        for sim in self.sims.values() {
            if indexes.sim_by_iccid.insert(sim.iccid.clone(), sim.id).is_some() {
                return Err(format!("sims: iccid {} is used twice", sim.iccid));
            }
        }
        for endpoint in self.endpoints.values() {
            let name = &endpoint.name;
            for (known, what) in [
                (self.service_profiles.contains_key(&endpoint.service_profile), "service_profile"),
                (self.tariff_profiles.contains_key(&endpoint.tariff_profile), "tariff_profile"),
                (endpoint.sim.is_none_or(|sim| self.sims.contains_key(&sim)), "sim"),
            ] {
                if !known {
                    return Err(format!("endpoints: {name}: no such {what} in the organisation"));
                }
            }
            if let Some(sim) = endpoint.sim
                && indexes.endpoint_by_sim.insert(sim, endpoint.id).is_some()
            {
                return Err(format!("endpoints: {name}: its sim is assigned to another one"));
            }
            if let Some(address) = endpoint.ip_address
                && !indexes.addresses.insert(address)
            {
                return Err(format!("endpoints: {name}: ip_address {address} is used twice"));
            }
        }
        self.indexes = indexes;
        let placed = self.endpoints.values().filter(|endpoint| endpoint.ip_address_space.is_none());
        let found: Vec<_> = placed.filter_map(|row| Some((row.id, self.space_of(row.ip_address?)))).collect();
        for (id, space) in found {
            self.endpoints.get_mut(&id).expect("just seen").ip_address_space = space;
        }
        let unaddressed: Vec<u64> = self
            .endpoints
            .values()
            .filter(|endpoint| endpoint.ip_address.is_none())
            .map(|endpoint| endpoint.id)
            .collect();
        for id in unaddressed {
            let wanted = self.endpoints[&id].ip_address_space;
            let Some((space, address)) = self.free_address(wanted) else {
                return Err(format!("endpoints: {}: no free ip_address", self.endpoints[&id].name));
            };
            self.place(id, space, address);
        }
        Ok(())
    }

    /// The lowest free host address of one space, or of all in the order of their ids. [R]
    pub fn free_address(&mut self, space: Option<u64>) -> Option<(u64, Ipv4Addr)> {
        let spaces: Vec<u64> = match space {
            Some(space) => vec![space],
            None => self.ip_address_spaces.keys().copied().collect(),
        };
        spaces.into_iter().find_map(|id| {
            let (first, last) = hosts(&self.ip_address_spaces.get(&id)?.ip_address_space)?;
            let from = self.indexes.lowest_free.get(&id).copied().unwrap_or(first);
            let free = (u32::from(from.max(first))..=u32::from(last))
                .map(Ipv4Addr::from)
                .find(|address| !self.indexes.addresses.contains(address));
            let next = free.unwrap_or(Ipv4Addr::BROADCAST);
            self.indexes.lowest_free.insert(id, next);
            Some((id, free?))
        })
    }

    /// The space an address lies in.
    pub fn space_of(&self, address: Ipv4Addr) -> Option<u64> {
        self.ip_address_spaces
            .values()
            .find(|space| {
                hosts(&space.ip_address_space).is_some_and(|(first, last)| (first..=last).contains(&address))
            })
            .map(|space| space.id)
    }

    /// Gives a device an address, freeing the one it had.
    pub fn place(&mut self, endpoint: u64, space: u64, address: Ipv4Addr) {
        self.free_place(endpoint);
        self.indexes.addresses.insert(address);
        if let Some(endpoint) = self.endpoints.get_mut(&endpoint) {
            endpoint.ip_address = Some(address);
            endpoint.ip_address_space = Some(space);
        }
    }

    /// Takes a device's address away.
    pub fn free_place(&mut self, endpoint: u64) {
        let Some(endpoint) = self.endpoints.get_mut(&endpoint) else {
            return;
        };
        if let Some(address) = endpoint.ip_address.take() {
            self.indexes.addresses.remove(&address);
            if let Some(space) = endpoint.ip_address_space
                && let Some(lowest) = self.indexes.lowest_free.get_mut(&space)
            {
                *lowest = (*lowest).min(address);
            }
        }
    }

    /// The device a SIM is assigned to.
    pub fn endpoint_of_sim(&self, sim: u64) -> Option<u64> {
        self.indexes.endpoint_by_sim.get(&sim).copied()
    }

    /// Assigns a SIM to a device, or releases the one it has.
    pub fn assign_sim(&mut self, endpoint: u64, sim: Option<u64>) {
        let Some(row) = self.endpoints.get_mut(&endpoint) else {
            return;
        };
        if let Some(released) = row.sim.take() {
            self.indexes.endpoint_by_sim.remove(&released);
            row.connectivity = super::Connectivity::default();
        }
        if let Some(sim) = sim {
            row.sim = Some(sim);
            self.indexes.endpoint_by_sim.insert(sim, endpoint);
        }
    }

    /// How many devices use a service profile.
    pub fn service_profile_use(&self, profile: u64) -> usize {
        self.endpoints.values().filter(|row| row.service_profile == profile).count()
    }

    /// How many devices use a tariff profile.
    pub fn tariff_profile_use(&self, profile: u64) -> usize {
        self.endpoints.values().filter(|row| row.tariff_profile == profile).count()
    }
}

/// First and last usable address of a CIDR block: all but the network's own and the broadcast address.
pub fn hosts(cidr: &str) -> Option<(Ipv4Addr, Ipv4Addr)> {
    let (network, bits) = cidr.split_once('/')?;
    let network: Ipv4Addr = network.parse().ok()?;
    let bits: u32 = bits.parse().ok().filter(|bits| *bits <= 30)?;
    let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
    let first = u32::from(network) & mask;
    Some((Ipv4Addr::from(first + 1), Ipv4Addr::from((first | !mask) - 1)))
}

impl SimState {
    /// The API's number of the state.
    pub fn id(self) -> u64 {
        self as u64
    }

    /// The state of that number.
    pub fn from_id(id: u64) -> Option<Self> {
        [Self::Issued, Self::Activated, Self::Suspended, Self::Deleted, Self::FactoryTest]
            .into_iter()
            .find(|state| state.id() == id)
    }

    /// The state's name. [R]
    pub fn name(self) -> &'static str {
        match self {
            Self::Issued => "Issued",
            Self::Activated => "Activated",
            Self::Suspended => "Suspended",
            Self::Deleted => "Deleted",
            Self::FactoryTest => "Factory Test",
        }
    }

    /// Whether a PATCH may lead from here to there: 0→1, 0→4, 4→1, 1⇄2; what is already so stays so. [S][P]
    pub fn may_become(self, to: Self) -> bool {
        use SimState::{Activated, FactoryTest, Issued, Suspended};
        self == to
            || matches!(
                (self, to),
                (Issued, Activated | FactoryTest)
                    | (FactoryTest | Suspended, Activated)
                    | (Activated, Suspended)
            )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_28_block_has_14_usable_addresses() {
        let (first, last) = hosts("10.199.12.16/28").expect("a block");
        assert_eq!(u32::from(last) - u32::from(first) + 1, 14);
        assert_eq!(first, Ipv4Addr::new(10, 199, 12, 17));
    }

    #[test]
    fn sim_transitions_are_the_published_ones() {
        use SimState::{Activated, Deleted, FactoryTest, Issued, Suspended};
        let all = [Issued, Activated, Suspended, Deleted, FactoryTest];
        let legal: Vec<_> = all
            .into_iter()
            .flat_map(|from| all.map(|to| (from, to)))
            .filter(|(from, to)| from != to && from.may_become(*to))
            .collect();
        assert_eq!(
            legal,
            [
                (Issued, Activated),
                (Issued, FactoryTest),
                (Activated, Suspended),
                (Suspended, Activated),
                (FactoryTest, Activated),
            ]
        );
    }
}
