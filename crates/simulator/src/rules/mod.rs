//! Pure rules shared by resources: dates, address ranges, the PHP dialect, where calls go.

pub mod cidr;
pub mod dates;
mod loopback;
pub mod php;

pub use loopback::loopback;
