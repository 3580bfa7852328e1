//! `iot-registry serve`

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::initialise;
use crate::cli::output::print_line;
use crate::directory::Directory;
use crate::start::{AnsweringOnly, Running};

#[derive(Args)]
pub(super) struct ServeArguments {
    /// Refuse an empty directory instead of making a registry with the defaults in it.
    #[arg(long)]
    no_init: bool,
}

pub(super) async fn run(directory: &Directory, arguments: &ServeArguments) -> anyhow::Result<()> {
    if !directory.is_initialised() && !arguments.no_init {
        initialise::run_with_defaults(directory)?;
    }
    let (mut terminate, mut interrupt) = told_to_end()?;
    let (early_terminate, early_interrupt) = told_to_end()?;
    let starting = tokio::spawn(end_early(early_terminate, early_interrupt));
    let running = match Running::start(directory).await {
        Ok(running) => running,
        Err(reason) if reason.leaves_the_zone() => {
            let answering = AnsweringOnly::start(directory, reason).await?;
            starting.abort();
            return answer_only(answering, terminate, interrupt).await;
        }
        Err(error) => return Err(error.into()),
    };
    starting.abort();
    let listen = &running.listen;
    print_line!(
        "zone {} serial {}",
        running.core.config.zone.apex,
        running.core.serial()
    );
    print_line!("DNS  {}", addresses(&listen.dns));
    print_line!("DoT  {}", addresses(&listen.dot));
    print_line!("DoH  {}", addresses(&listen.doh));
    print_line!("API  https://{}", listen.api);
    if let Some(address) = listen.api_certificates {
        print_line!("API for client certificates  https://{address}");
    }
    if let Some(address) = listen.epp {
        print_line!("EPP  {address}");
    }
    print_line!("ready");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping");
    running.stop().await;
    Ok(())
}

fn told_to_end() -> std::io::Result<(Signal, Signal)> {
    let terminate = signal(SignalKind::terminate())?;
    Ok((terminate, signal(SignalKind::interrupt())?))
}

/// Ends the process at once when it is told to during a start, which may build the zone for minutes:
/// nothing is lost by ending in the middle.
async fn end_early(mut terminate: Signal, mut interrupt: Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("ending before the start is done");
    std::process::exit(0);
}

async fn answer_only(
    answering: AnsweringOnly,
    mut terminate: Signal,
    mut interrupt: Signal,
) -> anyhow::Result<()> {
    let listen = &answering.listen;
    print_line!("DNS  {}", addresses(&listen.dns));
    print_line!("DoT  {}", addresses(&listen.dot));
    print_line!("DoH  {}", addresses(&listen.doh));
    print_line!("API  https://{} (refuses)", listen.api);
    print_line!("answering only");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    answering.stop().await;
    Ok(())
}

fn addresses(list: &[std::net::SocketAddr]) -> String {
    list.iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(" ")
}
