//! Bulk jobs: rows arrive in parts, each row is a command of its own, and each has a result.
//!
//! A row is carried out like any other command, through the same authorisation and issuance, under a
//! transaction id made of the job's number and its own. What was carried out is written down some rows
//! at a time; after a crash the rows behind that are carried out again, which does nothing twice.

mod runner;
mod spool;

pub use runner::run;
pub use spool::{RawRow, Spool};
