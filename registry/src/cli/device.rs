//! `iot-registry device register|info|list|activate|deactivate|delete`

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use iot_epp_api::{ClientTransactionId, Command, Reply};
use iot_identity::DeviceId;

use super::ask::{DoorArguments, reply_of};
use super::print;
use crate::csr::CSR_OCTETS_MAX;
use crate::directory::{self, Directory};
use crate::https_client::new_transaction_id;

/// Devices fetched with one request of a list.
const PAGE_DEVICES: u16 = 500;

#[derive(Subcommand)]
pub(super) enum DeviceCommand {
    /// Register a device: its certificate is signed and its fingerprint published.
    Register(RegisterArguments),
    /// Everything about a device.
    Info(OneDevice),
    /// The account's devices.
    List {
        #[command(flatten)]
        door: DoorArguments,
    },
    /// Publish the device's certificates again.
    Activate(OneDevice),
    /// Withdraw the device's certificates from the DNS.
    Deactivate(OneDevice),
    /// Delete the device; it can be restored for 30 days.
    Delete(OneDevice),
}

#[derive(Args)]
pub(super) struct OneDevice {
    /// EID (32 digits) or ICCID (20 characters).
    #[arg(long)]
    id: DeviceId,
    /// Client transaction id; repeating it repeats the request safely.
    #[arg(long)]
    cltrid: Option<ClientTransactionId>,
    #[command(flatten)]
    door: DoorArguments,
}

#[derive(Args)]
pub(super) struct RegisterArguments {
    #[command(flatten)]
    device: OneDevice,
    /// Certificate signing request, PEM or DER.
    #[arg(long)]
    csr: PathBuf,
    /// Write the certificate to this file instead of showing it.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Write the chain above the certificate (issuing CA and root) to this file.
    #[arg(long)]
    chain: Option<PathBuf>,
}

pub(super) async fn run(directory: &Directory, command: &DeviceCommand) -> anyhow::Result<()> {
    match command {
        DeviceCommand::Register(arguments) => register(directory, arguments).await,
        DeviceCommand::Info(device) => {
            let command = Command::DeviceInfo {
                device_id: device.id,
            };
            match ask(directory, device, command).await? {
                Reply::Device(info) => print::device(&info),
                other => bail!("unexpected answer {other:?}"),
            }
            Ok(())
        }
        DeviceCommand::List { door } => list(directory, door).await,
        DeviceCommand::Activate(device) => {
            change(
                directory,
                device,
                Command::DeviceActivate {
                    device_id: device.id,
                },
            )
            .await
        }
        DeviceCommand::Deactivate(device) => {
            change(
                directory,
                device,
                Command::DeviceDeactivate {
                    device_id: device.id,
                },
            )
            .await
        }
        DeviceCommand::Delete(device) => {
            change(
                directory,
                device,
                Command::DeviceDelete {
                    device_id: device.id,
                },
            )
            .await
        }
    }
}

async fn ask(directory: &Directory, device: &OneDevice, command: Command) -> anyhow::Result<Reply> {
    let transaction_id = device.cltrid.clone().unwrap_or_else(new_transaction_id);
    let client = device.door.client(directory)?;
    reply_of(client.give_as(command, transaction_id).await?)
}

async fn change(directory: &Directory, device: &OneDevice, command: Command) -> anyhow::Result<()> {
    print::change(&ask(directory, device, command).await?);
    Ok(())
}

async fn register(directory: &Directory, arguments: &RegisterArguments) -> anyhow::Result<()> {
    let csr = directory::read_public(&arguments.csr)?;
    if csr.len() > CSR_OCTETS_MAX {
        bail!(
            "{} has more than {CSR_OCTETS_MAX} octets; that is no CSR",
            arguments.csr.display()
        );
    }
    // Before anything is registered: a certificate that cannot be written would be lost.
    for path in [&arguments.out, &arguments.chain].into_iter().flatten() {
        directory::probe_write(path)?;
    }
    let command = Command::DeviceCreate {
        device_id: arguments.device.id,
        csr,
    };
    match ask(directory, &arguments.device, command).await? {
        Reply::DeviceCreated {
            info,
            certificate_pem,
            chain_pem,
            publication,
        } => {
            print::device(&info);
            print::times(&publication);
            match &arguments.out {
                Some(path) => directory::write_public(path, certificate_pem.as_bytes())?,
                None => print!("{certificate_pem}"),
            }
            if let Some(path) = &arguments.chain {
                directory::write_public(path, chain_pem.as_bytes())
                    .context("the device is registered, but the chain was not written")?;
            }
        }
        other => print::change(&other),
    }
    Ok(())
}

async fn list(directory: &Directory, door: &DoorArguments) -> anyhow::Result<()> {
    let client = door.client(directory)?;
    let mut after = None;
    loop {
        let command = Command::DeviceList {
            after,
            limit: PAGE_DEVICES,
        };
        let Reply::Devices {
            devices,
            next_after,
        } = reply_of(client.give(command).await?)?
        else {
            bail!("unexpected answer");
        };
        for info in devices {
            println!("{:<32} {:<13} {}", info.device_id, info.state, info.account);
        }
        match next_after {
            Some(next) => after = Some(next),
            None => return Ok(()),
        }
    }
}
