//! Counted runs against a real registry: the same code runs small in the tests and whole in
//! `deploy/soak`.
//!
//! A run has a count and a seed. Choices, ids and moments follow from the seed; keys, and what the
//! machine interleaves, do not. It ends with the first breach of what the registry promises.
//!
//! In reading order:
//!
//! 1. [`operations`]: random registrations, holds, releases and deletions; afterwards the zone has
//!    to be what a model says, what the outside judges accept, and what a full signing gives.
//! 2. [`kills`]: `iot-registry serve` is killed at random moments under load; nothing acknowledged
//!    may be lost, and what was not acknowledged is there wholly or not at all.
//! 3. What both use: [`draws`] and [`device_ids`] (choices), [`accounts`] (clients at the HTTPS
//!    door), [`names`] (what the DNS says, validated), [`zone_text`] (a dump as values), [`report`].

pub mod accounts;
pub mod device_ids;
pub mod draws;
pub mod kills;
pub mod names;
pub mod operations;
pub mod report;
pub mod zone_text;
