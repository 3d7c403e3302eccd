//! The client against a scripted transport: one test per rule of logging in, sending and reading.

mod api;
mod auth;
mod secrets;
mod stage;
