//! Pure rules shared by resources: dates, address ranges, the PHP dialect.

pub mod cidr;
pub mod dates;
pub mod php;
