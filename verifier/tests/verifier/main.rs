//! Tests of the public API against a rogue signer: a party that holds the test zone's keys and signs
//! whatever it is told to.

// Helpers outside of test functions unwrap as these do.
#![allow(clippy::unwrap_used)]

mod binding;
mod caching;
mod command_line;
mod failover;
mod good_answers;
mod good_chains;
mod mutations;
mod outside_judges;
mod rogue;
mod transports;
mod wrong_answers;
