//! The registry: decides, remembers, issues and publishes.
//!
//! A registration walks through these modules in this order:
//!
//! 1. [`service`]: a command from either door, authorised by [`authorisation`].
//! 2. [`csr`]: the request is accepted or refused ([`der`] looks first).
//! 3. [`store`]: a group transaction reserves slot and serial; [`lifecycle`] decides, purely.
//! 4. [`ca`]: the certificate is signed, once.
//! 5. [`store`]: device, certificate, journal row, audit and result are committed together.
//! 6. [`publisher`]: the journal is carried into the zone; the waiting command is answered.
//!
//! Around it: [`directory`] (files and secrets), [`config`], [`mod@init`], [`start`], [`clock`],
//! [`trust_anchor`], [`load`] (credentials issued elsewhere), [`https_client`] (commands to a running
//! registry), `repetition` (failures that repeat), `detached` (work that may hang), `panics`,
//! [`cli`] and [`demo`]. Only `demo` knows the verifier and the device.

#![warn(clippy::print_stdout)] // what the commands print goes through `cli::output`

pub mod authorisation;
pub mod ca;
pub mod cli;
pub mod clock;
pub mod config;
pub mod csr;
pub mod demo;
pub mod der;
pub mod description;
mod detached;
pub mod directory;
pub mod https_client;
pub mod init;
pub mod jobs;
pub mod lifecycle;
pub mod load;
mod panics;
mod pem;
pub mod publisher;
mod repetition;
pub mod service;
pub mod start;
pub mod store;
pub mod trust_anchor;
