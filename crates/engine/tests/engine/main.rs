//! The engine at work: one process with a toy kind, an API server and an emnify in memory, paused time.

mod crashes;
mod life;
mod refusals;
mod support;
