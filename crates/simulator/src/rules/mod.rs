//! Pure rules shared by families: dates, address ranges, the PHP dialect.

pub mod cidr;
pub mod dates;
pub mod php;
