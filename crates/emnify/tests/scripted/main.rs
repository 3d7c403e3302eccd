//! The client against a scripted transport: one test per rule of logging in, sending and reading.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

mod api;
mod auth;
mod collections;
mod pin;
mod readings;
mod secrets;
mod stage;
