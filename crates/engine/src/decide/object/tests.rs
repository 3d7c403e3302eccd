//! The table of the design, row by row, and the policies that bend it.

mod case;
mod policies;
mod rows;
