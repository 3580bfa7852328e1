//! The EPP door over real sockets: TLS, sessions, and what hostile clients get out of it.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

mod door;
mod frames;
mod hostile;
mod identity;
mod instant;
mod limits;
mod login;
mod registry;
mod story;
mod valid;
