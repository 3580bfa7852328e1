//! Both doors of a real registry: what its accounts can do there, and what they cannot.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

mod audit;
mod audit_of_accounts;
mod auth_info;
mod bursts;
mod certificates;
mod credentials;
mod forced_transfers;
mod instant;
mod job_retries;
mod jobs;
mod lifecycle;
mod matrix;
mod messages;
mod openapi;
mod passwords;
mod providers;
mod queue_order;
mod stage;
mod stories;
mod strangers;
mod timing;
mod tombstones;
mod transfers;
mod windows;
mod withdrawals;
