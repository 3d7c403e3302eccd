//! What Argo CD and Flux make of our objects: the Lua and CEL that are shipped for them, and the rules they have built
//! in, asked about every status that the operator writes.

mod actions;
mod agreement;
mod argo;
mod examples;
mod flux;
mod situations;
