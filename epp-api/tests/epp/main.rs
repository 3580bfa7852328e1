//! The EPP door's codec and session, from outside: schemas, hostile input, the order of a session.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

mod arbitrary;
mod choices;
mod client;
mod commands;
mod documents;
mod driven;
mod ends;
mod hostile;
mod mapping;
mod samples;
mod schemas;
mod session;
mod values;
