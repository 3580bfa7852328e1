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
//! 6. [`races`]: two operators ask for one id at the same moment, through either door, and one operator
//!    repeats one request many times at once; there is one device with one certificate.
//! 7. [`doors_kills`]: the kills again, with everything that both doors can do; nothing acknowledged is
//!    lost and nothing is doubled, in database, zone, DNS, queues and audit log.
//! 8. What they use: [`draws`] and [`device_ids`] (choices), [`accounts`] and [`doors`]
//!    (clients), [`inside`] (the rows of a database), [`certificates`] (every serial number), `keys` (real ones, and digests in their place), [`names`] (what the DNS says,
//!    validated), [`zone_text`] (a dump as values), [`report`].

pub mod accounts;
pub mod certificates;
pub mod compare;
pub mod device_ids;
pub mod doors;
pub mod doors_kills;
pub mod draws;
pub mod edits;
pub mod inside;
mod keys;
pub mod kills;
mod lanes;
pub mod names;
pub mod operations;
pub mod powercuts;
pub mod races;
pub mod report;
pub mod zone_text;
