//! `iot-registry zone dump|ds|check|rebuild`

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::{Subcommand, ValueEnum};
use iot_dns_zone::ZoneKeys;
use iot_epp_api::command::ZoneCommand as Asked;
use iot_epp_api::{Command, Reply, ZoneReport};

use super::ask::DoorArguments;
use super::beside::Beside;
use super::load::{self, LoadArguments};
use super::output;
use crate::cli::output::{print_line, print_text};
use crate::config::Config;
use crate::directory::{self, Directory};
use crate::trust_anchor;

#[derive(Subcommand)]
pub(super) enum ZoneCommand {
    /// The signed zone as a master file, read beside the running registry; through its door with
    /// --server.
    Dump {
        /// Write it to this file instead of showing it.
        #[arg(long)]
        out: Option<PathBuf>,
        #[command(flatten)]
        door: DoorArguments,
    },
    /// DS record for the parent zone, which is also the trust anchor for verifiers.
    Ds {
        /// ds, dnskey (the key itself), or bind (a trust-anchors statement, for delv).
        #[arg(long, value_enum, default_value_t = AnchorFormat::Ds)]
        format: AnchorFormat,
    },
    /// Verify every signature and compare the zone with the database, beside the running registry;
    /// in it with --server.
    Check {
        #[command(flatten)]
        door: DoorArguments,
    },
    /// Load credentials that were issued elsewhere, by their fingerprints, and build the zone anew.
    /// While no registry runs here. After a crash, the same command goes on where it was.
    Load(LoadArguments),
    /// After the loss of a newer database: publish what this one says, above every serial that was
    /// published. Devices that were withdrawn meanwhile can become active again.
    Rebuild,
    /// After a long stand-still: take the clock as right although the database was last used far from
    /// the present time.
    AcceptClock,
    /// After the loss of the key signing key: take the present one as right. Every verifier needs the
    /// new anchor.
    AcceptKey,
}

/// How a trust anchor is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum AnchorFormat {
    /// DS record (RFC 4034 §5.3).
    Ds,
    /// DNSKEY record (RFC 4034 §2.2).
    Dnskey,
    /// `trust-anchors` statement of BIND, delv and nothing else.
    Bind,
}

pub(super) async fn run(directory: &Directory, command: &ZoneCommand) -> anyhow::Result<()> {
    match command {
        ZoneCommand::Dump { out, door } => dump(directory, out.as_deref(), door).await,
        ZoneCommand::Ds { format } => ds(directory, *format),
        ZoneCommand::Check { door } => check(directory, door).await,
        ZoneCommand::Load(arguments) => load::run(directory, arguments).await,
        ZoneCommand::AcceptClock => {
            crate::start::accept_clock(directory).await?;
            print_line!("the present time is taken as right");
            Ok(())
        }
        ZoneCommand::AcceptKey => {
            crate::start::accept_key(directory).await?;
            print_line!(
                "the present key signing key is taken as right; give its anchor to everybody:"
            );
            ds(directory, AnchorFormat::Ds)
        }
        ZoneCommand::Rebuild => {
            let serial = crate::start::rebuild(directory).await?;
            print_line!("the zone was rebuilt from the database with serial {serial}");
            Ok(())
        }
    }
}

async fn dump(
    directory: &Directory,
    out: Option<&Path>,
    door: &DoorArguments,
) -> anyhow::Result<()> {
    if !door.names_server()
        && let Some(mut zone) = Beside::open(directory)?
    {
        let snapshot = zone.snapshot()?;
        return deliver(out, |out| iot_dns_zone::dump(&snapshot, out));
    }
    let Reply::ZoneText(text) = door
        .ask_running(directory, Command::Zone(Asked::Dump))
        .await?
    else {
        bail!("unexpected answer");
    };
    deliver(out, |out| out.write_all(text.as_bytes()))
}

/// Writes to the file, whole or not at all, or shows it for as long as somebody looks.
fn deliver(
    out: Option<&Path>,
    content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> anyhow::Result<()> {
    tokio::task::block_in_place(|| {
        let Some(path) = out else {
            return Ok(output::show(content)?);
        };
        Ok(directory::write_public_with(path, content)?)
    })
}

fn ds(directory: &Directory, format: AnchorFormat) -> anyhow::Result<()> {
    let config = Config::load(directory)?;
    let keys = ZoneKeys::load(&directory.zone())?;
    let apex = &config.zone.apex;
    match format {
        AnchorFormat::Ds => print_text!(
            "{}",
            trust_anchor::ds_text(&keys, apex, config.zone.profile)
        ),
        AnchorFormat::Dnskey => print_line!("{}", keys.dnskey_presentation(apex)),
        AnchorFormat::Bind => print_text!("{}", trust_anchor::bind_statement(&keys, apex)),
    }
    Ok(())
}

async fn check(directory: &Directory, door: &DoorArguments) -> anyhow::Result<()> {
    if !door.names_server()
        && let Some(mut zone) = Beside::open(directory)?
    {
        return tell(&zone.check().await?);
    }
    let Reply::ZoneReport(report) = door
        .ask_running(directory, Command::Zone(Asked::Check))
        .await?
    else {
        bail!("unexpected answer");
    };
    tell(&report)
}

fn tell(report: &ZoneReport) -> anyhow::Result<()> {
    print_line!(
        "zone {} serial {}: {} device names, {} signatures verified",
        report.zone,
        report.serial,
        report.device_names,
        report.signatures_verified
    );
    for finding in &report.findings {
        print_line!("finding: {finding}");
    }
    if !report.findings.is_empty() {
        bail!("{} findings", report.findings.len());
    }
    print_line!("the zone equals the database; nothing is wrong");
    Ok(())
}
