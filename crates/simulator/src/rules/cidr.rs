//! IPv4 ranges: which ones an organisation may hold. [S]

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// Ranges that may be allocated. [S]
pub const ALLOWED: [Cidr; 4] = [
    Cidr::new(Ipv4Addr::new(10, 192, 0, 0), 12),
    Cidr::new(Ipv4Addr::new(100, 64, 0, 0), 10),
    Cidr::new(Ipv4Addr::new(10, 112, 0, 0), 12),
    Cidr::new(Ipv4Addr::new(10, 176, 0, 0), 12),
];

/// The part of the allowed ranges the platform keeps for itself. [S]
pub const RESERVED: Cidr = Cidr::new(Ipv4Addr::new(100, 64, 0, 0), 24);

/// An IPv4 network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cidr {
    network: Ipv4Addr,
    prefix: u8,
}

/// Why a range cannot be had. Both come with one error code; only the message tells them apart. [S]
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Outside every allowed range.
    #[error("requested IP address space is not in an allowed range")]
    NotAllowed,
    /// Overlaps the reserved range.
    #[error("requested IP address space overlaps with a reserved range")]
    Reserved,
}

impl Cidr {
    const fn new(network: Ipv4Addr, prefix: u8) -> Self {
        Self { network, prefix }
    }

    fn mask(self) -> u32 {
        u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0)
    }

    /// The block of 16 addresses that an address lies in.
    pub const fn block_of(address: Ipv4Addr) -> Self {
        Self::new(Ipv4Addr::from_bits(address.to_bits() & !15), 28)
    }

    /// Its first address.
    pub fn network(self) -> Ipv4Addr {
        self.network
    }

    /// Its last address.
    pub fn last(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.network.to_bits() | !self.mask())
    }

    /// Whether an address lies within.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        address.to_bits() & self.mask() == self.network.to_bits()
    }

    /// Whether all of another network lies within.
    pub fn covers(self, other: Self) -> bool {
        self.prefix <= other.prefix && self.contains(other.network)
    }

    /// Whether the two share an address.
    pub fn overlaps(self, other: Self) -> bool {
        self.covers(other) || other.covers(self)
    }

    /// Whether an organisation may hold this range.
    ///
    /// # Errors
    /// Why not.
    pub fn allowed(self) -> Result<(), Refused> {
        if !ALLOWED.iter().any(|range| range.covers(self)) {
            return Err(Refused::NotAllowed);
        }
        if RESERVED.overlaps(self) {
            return Err(Refused::Reserved);
        }
        Ok(())
    }
}

impl FromStr for Cidr {
    type Err = String;

    /// `a.b.c.d/n` with no bit set behind the prefix.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || format!("'{text}' is not an IPv4 network in CIDR notation");
        let (network, prefix) = text.split_once('/').ok_or_else(invalid)?;
        let cidr = Self {
            network: network.parse().map_err(|_| invalid())?,
            prefix: prefix.parse().ok().filter(|prefix| *prefix <= 32).ok_or_else(invalid)?,
        };
        if cidr.contains(cidr.network) { Ok(cidr) } else { Err(invalid()) }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        text.parse().expect("a network")
    }

    #[test]
    fn only_a_network_address_names_a_range() {
        assert_eq!(cidr("10.192.0.16/28").to_string(), "10.192.0.16/28");
        for wrong in ["10.192.0.1/28", "10.192.0.0", "10.192.0.0/33", "ten/8", "fd00::/64", ""] {
            assert!(wrong.parse::<Cidr>().is_err(), "{wrong} is no IPv4 network");
        }
    }

    #[test]
    fn ranges_overlap_when_one_holds_the_other() {
        assert!(cidr("10.176.0.0/12").overlaps(cidr("10.188.33.16/28")), "the documented example");
        assert!(cidr("10.188.33.16/28").overlaps(cidr("10.176.0.0/12")));
        assert!(!cidr("10.192.0.0/28").overlaps(cidr("10.192.0.16/28")));
    }

    #[test]
    fn a_range_is_refused_for_one_of_two_reasons() {
        assert_eq!(cidr("10.200.0.0/24").allowed(), Ok(()));
        assert_eq!(cidr("100.65.0.0/16").allowed(), Ok(()));
        assert_eq!(cidr("192.168.0.0/24").allowed(), Err(Refused::NotAllowed));
        assert_eq!(cidr("10.0.0.0/8").allowed(), Err(Refused::NotAllowed), "larger than any allowed range");
        assert_eq!(cidr("100.64.0.128/25").allowed(), Err(Refused::Reserved));
        assert_eq!(cidr("100.64.0.0/16").allowed(), Err(Refused::Reserved), "contains the reserved part");
    }
}
