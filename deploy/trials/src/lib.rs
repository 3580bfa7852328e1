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
//! 3. [`compare`]: generated queries to our server and to those of others with the same zone; what
//!    they answer has to be the same, or differ for a reason that is written down.
//! 4. [`edits`]: random sequences of edits on the signed zone itself; each has to end in the zone
//!    that a full signing makes.
//! 5. [`powercuts`]: the power goes at any operation of the disk; what is opened then is what was
//!    acknowledged, or what was on its way.
//! 6. What they use: [`draws`] and [`device_ids`] (choices), [`accounts`] (clients at the HTTPS
//!    door), `keys` (real ones, and digests in their place), [`names`] (what the DNS says,
//!    validated), [`zone_text`] (a dump as values), [`report`].

pub mod accounts;
pub mod compare;
pub mod device_ids;
pub mod draws;
pub mod edits;
mod keys;
pub mod kills;
mod lanes;
pub mod names;
pub mod operations;
pub mod powercuts;
pub mod report;
pub mod zone_text;
