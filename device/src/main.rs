//! `iot-device`: a virtual IoT SAFE card, and the few things one asks of a card by hand.
#![allow(clippy::print_stderr)]

mod console;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    match console::run(console::Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("iot-device: {error:#}");
            ExitCode::FAILURE
        }
    }
}
