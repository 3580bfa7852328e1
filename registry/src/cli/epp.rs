//! `iot-registry epp …`: a small EPP client, for operators and for trials.

mod asked;

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::Args;
use iot_epp_api::epp::client::{Conversation, ReceivedResponse, Refused};
use iot_epp_api::epp::mapping::said;
use iot_epp_api::epp::{EppCommand, ResponseData};
use iot_epp_api::response::SlotCertificate;
use iot_epp_api::secret::Secret;
use iot_epp_api::{AccountName, ClientTransactionId};
use iot_identity::Slot;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};

use self::asked::{Asked, command};
use super::print;
use crate::cli::output::{print_line, print_text};
use crate::config::Config;
use crate::directory::{self, Directory};
use crate::https_client::new_transaction_id;
use crate::pem::certificate_pem;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Args)]
pub(super) struct EppArguments {
    #[command(flatten)]
    door: EppDoor,
    #[command(subcommand)]
    asked: Asked,
}

/// Where the EPP door is, and who comes in.
#[derive(Args)]
struct EppDoor {
    /// EPP door of the registry, host:port; by default the one configured in the directory.
    #[arg(long, env = "IOT_REGISTRY_EPP_SERVER")]
    server: Option<String>,
    /// Root certificate of the service (PEM); by default the directory's own.
    #[arg(long, env = "IOT_REGISTRY_ROOTS")]
    roots: Option<PathBuf>,
    /// Name of the account.
    #[arg(long)]
    account: AccountName,
    /// The account's client certificate (PEM).
    #[arg(long)]
    cert: PathBuf,
    /// Its private key (PEM).
    #[arg(long)]
    key: PathBuf,
    /// File with the account's password.
    #[arg(long)]
    password_file: PathBuf,
    /// Client transaction id; repeating it repeats the command safely.
    #[arg(long)]
    cltrid: Option<ClientTransactionId>,
}

pub(super) fn run(directory: &Directory, arguments: &EppArguments) -> anyhow::Result<()> {
    let door = &arguments.door;
    let (mut session, greeting) = Conversation::begin(door.connect(directory)?)?;
    let new_password = match &arguments.asked {
        Asked::NewPassword { file } => Some(secret(file)?),
        _ => None,
    };
    let (password, id) = (secret(&door.password_file)?, new_transaction_id());
    let login = session.login(&door.account, password, new_password, &id)?;
    ensure!(
        login.answer.code.is_success(),
        "login: {}",
        Refused::of(&login.answer)
    );
    match command(&arguments.asked)? {
        None => {
            let date = greeting
                .date
                .format(&time::format_description::well_known::Rfc3339)?;
            print_line!("{}, {date}: logged in", greeting.server_id);
        }
        Some(command) => {
            let said = said(&command).context("EPP has no words for this")?;
            let id = door.cltrid.clone().unwrap_or_else(new_transaction_id);
            show(session.ask(said, &id)?)?;
        }
    }
    // What was asked is done; a connection that breaks now breaks nothing.
    let _ = session.ask(EppCommand::Logout, &new_transaction_id());
    Ok(())
}

fn secret(path: &Path) -> anyhow::Result<Secret> {
    let octets = directory::read_secret(path)?;
    let text = std::str::from_utf8(&octets).context("the password file is not text")?;
    Ok(Secret::new(text.trim()))
}

impl EppDoor {
    fn connect(
        &self,
        directory: &Directory,
    ) -> anyhow::Result<StreamOwned<ClientConnection, TcpStream>> {
        let address = match &self.server {
            Some(server) => server.clone(),
            None => {
                let epp = Config::load(directory)?.listen.epp;
                epp.context("the registry has no EPP door: listen.epp in registry.toml")?
                    .to_string()
            }
        };
        let own_root = || directory.trust().join("service").join("root.cert.pem");
        let root = self.roots.clone().unwrap_or_else(own_root);
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&directory::read_public(
            &root,
        )?)?)?;
        let chain = fs::read(&self.cert).with_context(|| self.cert.display().to_string())?;
        let chain = CertificateDer::pem_slice_iter(&chain).collect::<Result<_, _>>()?;
        let key = PrivateKeyDer::from_pem_slice(&directory::read_secret(&self.key)?)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)?;
        let host = address
            .rsplit_once(':')
            .map_or(address.as_str(), |(host, _)| host);
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())?;
        let connection = ClientConnection::new(Arc::new(config), name)?;
        let socket = TcpStream::connect(&address).with_context(|| address.clone())?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_nodelay(true)?;
        Ok(StreamOwned::new(connection, socket))
    }
}

/// Prints an answer; a refusal is an error.
fn show(response: ReceivedResponse) -> anyhow::Result<()> {
    let answer = response.answer;
    if !answer.code.is_success() {
        bail!(
            "{} [{}]",
            Refused::of(&answer),
            response.server_transaction_id.as_str()
        );
    }
    print_line!(
        "{} [{}]",
        answer.code,
        response.server_transaction_id.as_str()
    );
    if let Some(queue) = &answer.queue {
        print_line!(
            "messages      {} (first or acknowledged: {})",
            queue.count,
            queue.message_id
        );
        if let Some(head) = &queue.head {
            print_line!("message       {}: {}", head.queued_at, head.text);
        }
    }
    match &answer.data {
        None => {}
        Some(ResponseData::Check(results)) => {
            for one in results {
                let word = if one.available {
                    "available"
                } else {
                    "not available"
                };
                print_line!(
                    "{} {word} {}",
                    one.device_id,
                    one.reason.as_deref().unwrap_or_default()
                );
            }
        }
        Some(ResponseData::Info(info)) => print::device(info),
        Some(ResponseData::Transfer { transfer, times }) => {
            print::transfer(transfer);
            times.iter().for_each(print::times);
        }
        Some(ResponseData::Certificate(data)) => {
            let found = &data.certificate;
            print_text!("{}", certificate_pem(&found.certificate));
            for certificate in &found.chain {
                print_text!("{}", certificate_pem(certificate));
            }
        }
        Some(ResponseData::Create(data)) => {
            issued(data.issued.as_ref(), data.pending_slot);
            data.times.iter().for_each(print::times);
        }
        Some(ResponseData::Update(data)) => {
            issued(data.issued.as_ref(), data.pending_slot);
            data.times.iter().for_each(print::times);
        }
        Some(other) => print_line!("{other:?}"),
    }
    Ok(())
}

/// Prints the certificate that a command brought, or where it is while the command is pending.
fn issued(certificate: Option<&SlotCertificate>, pending: Option<Slot>) {
    if let Some(issued) = certificate {
        print_text!("{}", certificate_pem(&issued.certificate));
    }
    if let Some(slot) = pending {
        print_line!("slot          {slot}: info with --slot {slot} has its certificate");
    }
}
