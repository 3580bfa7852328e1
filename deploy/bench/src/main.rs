//! Standing measurements: sets up what a topic needs, runs it, and prints one JSON object a line
//! for each figure. Ids and goals stand in `goals.toml`.

mod figure;
mod machine;
mod story;

use std::process::ExitCode;

use clap::{Parser, ValueEnum};

/// Measures a topic.
#[derive(Parser)]
#[command(name = "iot-bench", version)]
struct Arguments {
    /// What is measured.
    topic: Topic,
    /// A smaller scale with goals of its own.
    #[arg(long)]
    quick: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Topic {
    /// The demo, the build and the tests.
    Story,
}

#[allow(clippy::print_stderr)] // the program's own error message
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let measured = match arguments.topic {
        Topic::Story => story::measure(arguments.quick),
    };
    let topic = match arguments.topic {
        Topic::Story => "story",
    };
    match measured.and_then(|figures| figure::report(topic, arguments.quick, &figures)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(3),
        Err(error) => {
            eprintln!("iot-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
