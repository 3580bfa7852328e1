//! The registry's program: see `iot-registry --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    iot_registry::cli::run()
}
