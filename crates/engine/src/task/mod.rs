//! One kind of tasks at work: watch, decide, write, send.
//!
//! `look` gathers what is known and asks `decide::task`; `reconcile` does the Kubernetes side of the step, which is where what may
//! be sent is written down, and queues the emnify side; `dispatch` looks again when the turn has come and makes one call.

mod controller;
mod dispatch;
mod look;
mod reconcile;

pub(crate) use self::controller::{TaskController, TaskHandle};
