//! `iot-registry account add|list|disable`

use std::path::PathBuf;

use anyhow::{bail, ensure};
use clap::{Args, Subcommand};
use iot_epp_api::{AccountName, Command, Reply, Role};

use super::ask::DoorArguments;
use super::print;
use crate::directory::{self, Directory};

#[derive(Subcommand)]
pub(super) enum AccountCommand {
    /// Make an account; its bearer token is shown once.
    Add(AddArguments),
    /// All accounts.
    List {
        #[command(flatten)]
        door: DoorArguments,
    },
    /// Refuse an account from now on.
    Disable {
        /// Name of the account.
        name: AccountName,
        #[command(flatten)]
        door: DoorArguments,
    },
}

#[derive(Args)]
pub(super) struct AddArguments {
    /// Name: 3 to 16 lower-case letters, digits and hyphens.
    name: AccountName,
    /// mno (registers devices), asp (service provider) or operator.
    #[arg(long, default_value = "mno")]
    role: Role,
    /// Write the token to this file (mode 0600) instead of showing it.
    #[arg(long)]
    save_token: Option<PathBuf>,
    #[command(flatten)]
    door: DoorArguments,
}

pub(super) async fn run(directory: &Directory, command: &AccountCommand) -> anyhow::Result<()> {
    match command {
        AccountCommand::Add(arguments) => add(directory, arguments).await,
        AccountCommand::List { door } => {
            match door
                .ask_as_operator(directory, Command::AccountList)
                .await?
            {
                Reply::Accounts(accounts) => accounts.iter().for_each(print::account),
                other => bail!("unexpected answer {other:?}"),
            }
            Ok(())
        }
        AccountCommand::Disable { name, door } => {
            let command = Command::AccountDisable { name: name.clone() };
            match door.ask_as_operator(directory, command).await? {
                Reply::Account(account) => print::account(&account),
                other => bail!("unexpected answer {other:?}"),
            }
            Ok(())
        }
    }
}

async fn add(directory: &Directory, arguments: &AddArguments) -> anyhow::Result<()> {
    // Before the account is made: a token that cannot be written would be lost.
    if let Some(path) = &arguments.save_token {
        ensure!(
            !path.exists(),
            "{} exists; the token goes to a new file",
            path.display()
        );
        directory::probe_write(path)?;
    }
    let command = Command::AccountCreate {
        name: arguments.name.clone(),
        role: arguments.role,
    };
    let Reply::AccountCreated { name, token } =
        arguments.door.ask_as_operator(directory, command).await?
    else {
        bail!("unexpected answer");
    };
    match &arguments.save_token {
        Some(path) => {
            directory::write_secret(path, token.expose().as_bytes())?;
            println!(
                "account {name} ({}) made; its token is in {}",
                arguments.role,
                path.display()
            );
        }
        None => {
            println!(
                "account {name} ({}) made; its token, shown only now:",
                arguments.role
            );
            println!("{}", token.expose());
        }
    }
    Ok(())
}
