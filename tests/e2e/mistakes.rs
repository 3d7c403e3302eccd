//! Mistakes in manifests and Secrets: each gives a condition and an event that name the field and the mend, and
//! mending heals without a restart.

mod credentials;
mod manifests;
