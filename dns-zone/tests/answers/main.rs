//! Every case of an answer, with and without DNSSEC, read back by another implementation.

#![allow(clippy::unwrap_used, reason = "tests")]

mod asking;
mod denials;
mod expiry;
#[path = "../fixture/mod.rs"]
mod fixture;
mod hostile;
mod messages;
mod options;
mod records;
mod sizes;
#[path = "../traps/mod.rs"]
mod traps;
