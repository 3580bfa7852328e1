//! `iot-registry account …`

mod ids;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use clap::{Args, Subcommand};
use iot_epp_api::command::{AccountChange, AccountCommand as Asked};
use iot_epp_api::secret::Secret;
use iot_epp_api::{AccountName, Command, IdPrefix, Reply, Role, Scopes};

use super::ask::DoorArguments;
use super::print;
use crate::cli::output::{print_line, print_text};
use crate::csr::CSR_OCTETS_MAX;
use crate::directory::{self, Directory};
use crate::pem::certificate_pem;

/// Life of a token unless something else is asked for.
const TOKEN_DAYS: u32 = 366;

#[derive(Subcommand)]
pub(super) enum AccountCommand {
    /// Make an account; its bearer token is shown once.
    Add(AddArguments),
    /// All accounts.
    List {
        #[command(flatten)]
        door: DoorArguments,
    },
    /// Everything about an account.
    Show(OneAccount),
    /// Refuse an account from now on.
    Disable(OneAccount),
    /// Accept an account again.
    Enable(OneAccount),
    /// Let an account register ids that begin with these digits.
    AddPrefix(PrefixArguments),
    /// Let it no longer.
    RemovePrefix(PrefixArguments),
    /// Let an account register ids from a file, one a line, and no other account.
    ImportIds {
        #[command(flatten)]
        account: OneAccount,
        /// The file.
        file: PathBuf,
    },
    /// Take the ids of a file, one a line, out of the account's list; devices stay registered.
    RemoveIds {
        #[command(flatten)]
        account: OneAccount,
        /// The file.
        file: PathBuf,
    },
    /// Whether an account may register ICCIDs.
    AllowIccids {
        #[command(flatten)]
        account: OneAccount,
        /// true or false.
        #[arg(action = clap::ArgAction::Set)]
        allowed: bool,
    },
    /// How many devices an account may have.
    Limit {
        #[command(flatten)]
        account: OneAccount,
        /// The number.
        devices_max: u64,
    },
    /// Whether EPP too refuses a client transaction id that comes again with other content.
    StrictTransactionIds {
        #[command(flatten)]
        account: OneAccount,
        /// true or false.
        #[arg(action = clap::ArgAction::Set)]
        strict: bool,
    },
    /// Make a bearer token; it is shown once.
    AddToken(TokenArguments),
    /// Make a token void.
    RevokeToken {
        #[command(flatten)]
        account: OneAccount,
        /// Its number, from 'account show'.
        token_id: u64,
    },
    /// Make a client certificate under the account root.
    AddCertificate(CertificateArguments),
    /// Make a client certificate void.
    RevokeCertificate {
        #[command(flatten)]
        account: OneAccount,
        /// Its number, from 'account show'.
        certificate_id: u64,
    },
    /// Make a password for EPP logins; it is shown once, and the present one is void.
    ResetPassword {
        #[command(flatten)]
        account: OneAccount,
        /// Write it to this file (mode 0600) instead of showing it.
        #[arg(long)]
        save: Option<PathBuf>,
    },
}

#[derive(Args)]
pub(super) struct OneAccount {
    /// Name of the account.
    name: AccountName,
    #[command(flatten)]
    door: DoorArguments,
}

#[derive(Args)]
pub(super) struct AddArguments {
    /// Name: 3 to 16 lower-case letters, digits and hyphens.
    name: AccountName,
    /// mno (registers devices), asp (service provider) or operator.
    #[arg(long, default_value = "mno")]
    role: Role,
    /// Digits with which the ids begin that the account may register; several are possible.
    #[arg(long, value_parser = IdPrefix::parse)]
    prefix: Vec<IdPrefix>,
    /// Write the token to this file (mode 0600) instead of showing it.
    #[arg(long)]
    save_token: Option<PathBuf>,
    #[command(flatten)]
    door: DoorArguments,
}

#[derive(Args)]
pub(super) struct PrefixArguments {
    #[command(flatten)]
    account: OneAccount,
    /// 2 to 31 digits.
    #[arg(value_parser = IdPrefix::parse)]
    prefix: IdPrefix,
}

#[derive(Args)]
pub(super) struct TokenArguments {
    #[command(flatten)]
    account: OneAccount,
    /// What it may be used for: names of scopes with blanks between them; everything by default.
    #[arg(long)]
    scopes: Option<Scopes>,
    /// How many days it is valid.
    #[arg(long, default_value_t = TOKEN_DAYS)]
    days: u32,
    /// Write it to this file (mode 0600) instead of showing it.
    #[arg(long)]
    save: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct CertificateArguments {
    #[command(flatten)]
    account: OneAccount,
    /// Certificate signing request, PEM or DER.
    #[arg(long)]
    csr: PathBuf,
    /// Write the certificate to this file instead of showing it.
    #[arg(long)]
    out: Option<PathBuf>,
}

pub(super) async fn run(directory: &Directory, command: &AccountCommand) -> anyhow::Result<()> {
    let change = |account, wanted| change(directory, account, wanted);
    match command {
        AccountCommand::Add(arguments) => add(directory, arguments).await,
        AccountCommand::List { door } => {
            match ask(directory, door, Asked::List).await? {
                Reply::Accounts(accounts) => accounts.iter().for_each(print::account),
                other => bail!("unexpected answer {other:?}"),
            }
            Ok(())
        }
        AccountCommand::Show(account) => {
            let name = Some(account.name.clone());
            match ask(directory, &account.door, Asked::Info { name }).await? {
                Reply::Account(info) => print::account_details(&info),
                other => bail!("unexpected answer {other:?}"),
            }
            Ok(())
        }
        AccountCommand::Disable(account) => change(account, AccountChange::Disable).await,
        AccountCommand::Enable(account) => change(account, AccountChange::Enable).await,
        AccountCommand::AddPrefix(PrefixArguments { account, prefix }) => {
            change(account, AccountChange::AddPrefix(prefix.clone())).await
        }
        AccountCommand::RemovePrefix(PrefixArguments { account, prefix }) => {
            change(account, AccountChange::RemovePrefix(prefix.clone())).await
        }
        AccountCommand::ImportIds { account, file } => ids::import(directory, account, file).await,
        AccountCommand::RemoveIds { account, file } => ids::remove(directory, account, file).await,
        AccountCommand::AllowIccids { account, allowed } => {
            change(account, AccountChange::AllowIccids(*allowed)).await
        }
        AccountCommand::Limit {
            account,
            devices_max,
        } => change(account, AccountChange::SetDevicesMax(*devices_max)).await,
        AccountCommand::StrictTransactionIds { account, strict } => {
            change(account, AccountChange::StrictTransactionIds(*strict)).await
        }
        AccountCommand::AddToken(arguments) => add_token(directory, arguments).await,
        AccountCommand::RevokeToken { account, token_id } => {
            let token_id = *token_id;
            change(account, AccountChange::RevokeToken { token_id }).await
        }
        AccountCommand::AddCertificate(arguments) => add_certificate(directory, arguments).await,
        AccountCommand::RevokeCertificate {
            account,
            certificate_id,
        } => {
            let certificate_id = *certificate_id;
            change(account, AccountChange::RevokeCertificate { certificate_id }).await
        }
        AccountCommand::ResetPassword { account, save } => {
            reset_password(directory, account, save.as_deref()).await
        }
    }
}

async fn ask(directory: &Directory, door: &DoorArguments, command: Asked) -> anyhow::Result<Reply> {
    door.ask_as_operator(directory, Command::Account(command))
        .await
}

async fn change(
    directory: &Directory,
    account: &OneAccount,
    change: AccountChange,
) -> anyhow::Result<()> {
    let name = account.name.clone();
    match ask(directory, &account.door, Asked::Update { name, change }).await? {
        Reply::Account(info) => print::account_details(&info),
        other => bail!("unexpected answer {other:?}"),
    }
    Ok(())
}

/// Before a secret is made: one that cannot be written would be lost.
fn check_writable(path: Option<&Path>) -> anyhow::Result<()> {
    let Some(path) = path else { return Ok(()) };
    ensure!(
        !path.exists(),
        "{} exists; the secret goes to a new file",
        path.display()
    );
    Ok(directory::probe_write(path)?)
}

/// Writes a secret to its file, or shows it for the only time.
fn deliver(what: &str, secret: &str, path: Option<&Path>) -> anyhow::Result<()> {
    match path {
        Some(path) => {
            directory::write_secret(path, secret.as_bytes())?;
            print_line!("{what} is in {}", path.display());
        }
        None => print_line!("{what}, shown only now:\n{secret}"),
    }
    Ok(())
}

async fn add(directory: &Directory, arguments: &AddArguments) -> anyhow::Result<()> {
    let path = arguments.save_token.as_deref();
    check_writable(path)?;
    let command = Asked::Create {
        name: arguments.name.clone(),
        role: arguments.role,
    };
    let Reply::AccountCreated { name, token } = ask(directory, &arguments.door, command).await?
    else {
        bail!("unexpected answer");
    };
    print_line!("account {name} ({}) made", arguments.role);
    deliver("its token", token.expose(), path)?;
    for prefix in &arguments.prefix {
        let (name, change) = (name.clone(), AccountChange::AddPrefix(prefix.clone()));
        ask(directory, &arguments.door, Asked::Update { name, change })
            .await
            .with_context(|| {
                format!("the account is made, but the prefix {prefix} is not added")
            })?;
    }
    Ok(())
}

async fn add_token(directory: &Directory, arguments: &TokenArguments) -> anyhow::Result<()> {
    let path = arguments.save.as_deref();
    check_writable(path)?;
    let command = Asked::IssueToken {
        name: arguments.account.name.clone(),
        scopes: arguments.scopes.unwrap_or(Scopes::ALL),
        lifetime_secs: arguments.days.saturating_mul(24 * 3600),
    };
    match ask(directory, &arguments.account.door, command).await? {
        Reply::TokenIssued { token_id, token } => {
            deliver(&format!("token {token_id}"), token.expose(), path)
        }
        other => bail!("unexpected answer {other:?}"),
    }
}

async fn add_certificate(
    directory: &Directory,
    arguments: &CertificateArguments,
) -> anyhow::Result<()> {
    let csr = directory::read_public(&arguments.csr)?;
    ensure!(
        csr.len() <= CSR_OCTETS_MAX,
        "{} has more than {CSR_OCTETS_MAX} octets; that is no CSR",
        arguments.csr.display()
    );
    if let Some(path) = &arguments.out {
        directory::probe_write(path)?;
    }
    let command = Asked::IssueCertificate {
        name: arguments.account.name.clone(),
        csr,
    };
    match ask(directory, &arguments.account.door, command).await? {
        Reply::ClientCertificate {
            certificate_id,
            certificate,
            ..
        } => {
            print_line!("client certificate {certificate_id}");
            let pem = certificate_pem(&certificate);
            match &arguments.out {
                Some(path) => directory::write_public(path, pem.as_bytes())?,
                None => print_text!("{pem}"),
            }
            Ok(())
        }
        other => bail!("unexpected answer {other:?}"),
    }
}

async fn reset_password(
    directory: &Directory,
    account: &OneAccount,
    path: Option<&Path>,
) -> anyhow::Result<()> {
    check_writable(path)?;
    let name = account.name.clone();
    match ask(directory, &account.door, Asked::ResetPassword { name }).await? {
        Reply::Password(password) => deliver("the password", Secret::expose(&password), path),
        other => bail!("unexpected answer {other:?}"),
    }
}
