//! One kind of triggers at work: watch, hear, decide, make tasks.
//!
//! `listening` keeps what was told and is not dealt with, of triggers that listen and nobody else; `look` decides and makes the next task; `reconcile`
//! writes what came of it; `dispatch` does what has to be asked of emnify: it reads what was missed of the log, and gives devices their tags.

mod controller;
mod dispatch;
mod listening;
mod look;
mod make;
mod reconcile;

pub(crate) use self::controller::{TriggerController, TriggerHandle};
