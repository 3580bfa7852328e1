//! `iot-registry device …`

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use iot_epp_api::command::{DeviceChange, DeviceCommand as Asked};
use iot_epp_api::device::WithdrawReason;
use iot_epp_api::period::Period;
use iot_epp_api::response::Issued;
use iot_epp_api::{AccountName, ClientTransactionId, Command, Reply};
use iot_identity::{DeviceId, Slot};

use super::ask::{DoorArguments, reply_of};
use super::{output, print};
use crate::cli::output::{print_line, print_text};
use crate::csr::CSR_OCTETS_MAX;
use crate::directory::{self, Directory};
use crate::https_client::new_transaction_id;
use crate::pem::certificate_pem;

/// Devices fetched with one request of a list.
const PAGE_DEVICES: u16 = 500;

#[derive(Subcommand)]
pub(super) enum DeviceCommand {
    /// Register a device: its certificate is signed and its fingerprint published.
    Register(RegisterArguments),
    /// Another credential on a device, beside those that are there.
    AddSlot(IssueArguments),
    /// Take a credential back, for ever.
    Withdraw(WithdrawArguments),
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
    /// Bring a deleted device back, held.
    Restore(OneDevice),
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
    issue: IssueArguments,
    /// How long the registration lasts, such as P10Y.
    #[arg(long)]
    period: Option<Period>,
}

#[derive(Args)]
pub(super) struct IssueArguments {
    #[command(flatten)]
    device: OneDevice,
    /// Certificate signing request, PEM or DER.
    #[arg(long)]
    csr: PathBuf,
    /// The application service provider that the credential is for.
    #[arg(long)]
    asp: Option<AccountName>,
    /// Write the certificate to this file instead of showing it.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Write the chain above the certificate (issuing CA and root) to this file.
    #[arg(long)]
    chain: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct WithdrawArguments {
    #[command(flatten)]
    device: OneDevice,
    /// Number of the credential.
    #[arg(long)]
    slot: Slot,
    /// superseded or compromised.
    #[arg(long, value_parser = reason)]
    reason: WithdrawReason,
}

fn reason(text: &str) -> Result<WithdrawReason, &'static str> {
    WithdrawReason::from_name(text).ok_or("the reason is superseded or compromised")
}

pub(super) async fn run(directory: &Directory, command: &DeviceCommand) -> anyhow::Result<()> {
    let change = |device, asked| change(directory, device, asked);
    match command {
        DeviceCommand::Register(RegisterArguments { issue, period }) => {
            let asked = |csr| Asked::Create {
                device_id: issue.device.id,
                csr,
                period: *period,
                asp: issue.asp.clone(),
                auth_info: None,
            };
            self::issue(directory, issue, asked).await
        }
        DeviceCommand::AddSlot(issue) => {
            let asked = |csr| Asked::NewSlot {
                device_id: issue.device.id,
                csr,
                asp: issue.asp.clone(),
            };
            self::issue(directory, issue, asked).await
        }
        DeviceCommand::Withdraw(WithdrawArguments {
            device,
            slot,
            reason,
        }) => {
            let (slot, reason) = (*slot, *reason);
            let asked = Asked::Update {
                device_id: device.id,
                changes: vec![DeviceChange::Withdraw { slot, reason }],
            };
            change(device, asked).await
        }
        DeviceCommand::Info(device) => {
            let asked = Asked::Info {
                device_id: device.id,
                auth_info: None,
            };
            match ask(directory, device, asked).await? {
                Reply::Device(info) => print::device(&info),
                other => bail!("unexpected answer {other:?}"),
            }
            Ok(())
        }
        DeviceCommand::List { door } => list(directory, door).await,
        DeviceCommand::Activate(device) => {
            let device_id = device.id;
            change(device, Asked::Activate { device_id }).await
        }
        DeviceCommand::Deactivate(device) => {
            let device_id = device.id;
            change(device, Asked::Deactivate { device_id }).await
        }
        DeviceCommand::Delete(device) => {
            let device_id = device.id;
            change(device, Asked::Delete { device_id }).await
        }
        DeviceCommand::Restore(device) => {
            let device_id = device.id;
            change(device, Asked::Restore { device_id }).await
        }
    }
}

async fn ask(directory: &Directory, device: &OneDevice, asked: Asked) -> anyhow::Result<Reply> {
    let transaction_id = device.cltrid.clone().unwrap_or_else(new_transaction_id);
    let client = device.door.client(directory)?;
    let command = Command::Device(asked);
    reply_of(client.give_as(command, transaction_id).await?)
}

async fn change(directory: &Directory, device: &OneDevice, asked: Asked) -> anyhow::Result<()> {
    print::change(&ask(directory, device, asked).await?);
    Ok(())
}

async fn issue(
    directory: &Directory,
    arguments: &IssueArguments,
    asked: impl FnOnce(Vec<u8>) -> Asked,
) -> anyhow::Result<()> {
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
    match ask(directory, &arguments.device, asked(csr)).await? {
        Reply::Issued(issued) => deliver(arguments, &issued),
        other => {
            print::change(&other);
            Ok(())
        }
    }
}

fn deliver(arguments: &IssueArguments, issued: &Issued) -> anyhow::Result<()> {
    print::device(&issued.info);
    print::times(&issued.times);
    let pem = certificate_pem(&issued.certificate.certificate);
    match &arguments.out {
        Some(path) => directory::write_public(path, pem.as_bytes())?,
        None => print_text!("{pem}"),
    }
    if let Some(path) = &arguments.chain {
        let chain: String = issued
            .certificate
            .chain
            .iter()
            .map(|der| certificate_pem(der))
            .collect();
        directory::write_public(path, chain.as_bytes())
            .context("the certificate is issued, but the chain was not written")?;
    }
    Ok(())
}

async fn list(directory: &Directory, door: &DoorArguments) -> anyhow::Result<()> {
    let client = door.client(directory)?;
    let mut after = None;
    loop {
        let asked = Asked::List {
            after,
            limit: PAGE_DEVICES,
        };
        let Reply::Devices {
            devices,
            next_after,
        } = reply_of(client.give(Command::Device(asked)).await?)?
        else {
            bail!("unexpected answer");
        };
        for info in devices {
            print_line!("{:<32} {:<13} {}", info.device_id, info.state, info.account);
        }
        match next_after.filter(|_| output::is_open()) {
            Some(next) => after = Some(next),
            None => return Ok(()),
        }
    }
}
