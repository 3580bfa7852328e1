//! The EPP door's codec and session, from outside: schemas, hostile input, the order of a session.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

mod choices;
mod commands;
mod documents;
mod driven;
mod ends;
mod hostile;
mod samples;
mod schemas;
mod session;
mod values;
