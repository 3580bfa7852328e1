//! `iot-verify`: asks the DNS whether a registry vouches for a device's certificate.

// The one place where people read standard error.
#![allow(clippy::print_stderr)]

use std::process::ExitCode;

mod cli;

fn main() -> ExitCode {
    cli::run()
}
