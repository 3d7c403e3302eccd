//! IPv4 ranges, and which of them emnify assigns.

use std::{fmt, net::Ipv4Addr, str::FromStr};

/// An IPv4 range; its address is the first of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kinds) struct Network {
    first: u32,
    prefix: u32,
}

/// The ranges that emnify assigns spaces from [S].
const ALLOWED: [Network; 4] = [
    Network::of(10, 192, 0, 12),
    Network::of(100, 64, 0, 10),
    Network::of(10, 112, 0, 12),
    Network::of(10, 176, 0, 12),
];
/// The part of them that emnify keeps for itself [S].
const RESERVED: Network = Network::of(100, 64, 0, 24);

impl Network {
    const fn of(a: u8, b: u8, c: u8, prefix: u32) -> Self {
        Self { first: Ipv4Addr::new(a, b, c, 0).to_bits(), prefix }
    }

    fn covers(self, other: Self) -> bool {
        self.prefix <= other.prefix && other.first & mask(self.prefix) == self.first
    }

    /// Why emnify assigns no such space, if it does not.
    pub(super) fn check(self) -> Result<(), &'static str> {
        if !ALLOWED.iter().any(|range| range.covers(self)) {
            return Err(
                "is not assigned by emnify: take a range within 10.112.0.0/12, 10.176.0.0/12, 10.192.0.0/12 or 100.64.0.0/10",
            );
        }
        if self.covers(RESERVED) || RESERVED.covers(self) {
            return Err("overlaps 100.64.0.0/24, which emnify keeps for itself: take another range");
        }
        Ok(())
    }
}

fn mask(prefix: u32) -> u32 {
    u32::MAX.checked_shl(32 - prefix).unwrap_or(0)
}

impl FromStr for Network {
    type Err = &'static str;

    /// The range that the address is in.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "write an IPv4 range such as 10.192.4.0/24";
        let (address, prefix) = text.split_once('/').ok_or(FORM)?;
        let address: Ipv4Addr = address.parse().map_err(|_| FORM)?;
        let prefix = prefix.parse().ok().filter(|prefix| *prefix <= 32).ok_or(FORM)?;
        Ok(Self { first: address.to_bits() & mask(prefix), prefix })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from_bits(self.first), self.prefix)
    }
}
