//! How a command of the command line reaches a registry: through the door of a running one, or by
//! opening the directory when none is running there.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use iot_epp_api::server::Registry as _;
use iot_epp_api::{
    AccountName, BearerToken, Caller, Command, Door, Reply, Request, Response, Role, Scopes,
};

use crate::config::Config;
use crate::directory::{self, Directory, DirectoryError};
use crate::https_client::HttpsClient;
use crate::init::OPERATOR_ACCOUNT;
use crate::start::{Core, StartError};

/// Where the registry's door is and how to recognise it.
#[derive(Args, Clone, Debug)]
pub(super) struct DoorArguments {
    /// HTTPS door of the registry, host:port; by default the one configured in the directory.
    #[arg(long, env = "IOT_REGISTRY_SERVER")]
    server: Option<String>,
    /// Root certificate of the service (PEM); by default the directory's own.
    #[arg(long, env = "IOT_REGISTRY_ROOTS")]
    roots: Option<PathBuf>,
    /// File with the account's bearer token; by default client.token in the directory.
    #[arg(long, env = "IOT_REGISTRY_TOKEN_FILE")]
    token_file: Option<PathBuf>,
}

impl DoorArguments {
    /// Whether a door was named: then the registry is asked there and not looked at here.
    pub(super) fn names_server(&self) -> bool {
        self.server.is_some()
    }

    /// The door as an account of an operator or service provider uses it.
    pub(super) fn client(&self, directory: &Directory) -> anyhow::Result<HttpsClient> {
        let token = self
            .token_file
            .clone()
            .unwrap_or_else(|| directory.client_token());
        self.client_with_token(directory, token).context(
            "an account's token is needed: make an account with 'iot-registry account add NAME --save-token FILE'",
        )
    }

    fn client_with_token(
        &self,
        directory: &Directory,
        token_file: PathBuf,
    ) -> anyhow::Result<HttpsClient> {
        let address = match &self.server {
            Some(server) => server.clone(),
            None => Config::load(directory)?.listen.api.to_string(),
        };
        let roots = self
            .roots
            .clone()
            .unwrap_or_else(|| directory.trust().join("service").join("root.cert.pem"));
        let token = directory::read_secret(&token_file)?;
        let token = std::str::from_utf8(&token)
            .context("the token file is not text")?
            .trim();
        let token = BearerToken::parse(token)?;
        Ok(HttpsClient::new(
            &address,
            &directory::read_public(&roots)?,
            token,
        )?)
    }

    /// Gives a command about the published zone as the registry's own operator: only a running
    /// registry has one.
    pub(super) async fn ask_running(
        &self,
        directory: &Directory,
        command: Command,
    ) -> anyhow::Result<Reply> {
        let running = || matches!(directory.lock(), Err(DirectoryError::Locked { .. }));
        if self.server.is_none() && !running() {
            bail!(
                "no registry is running in {}: the published zone is looked at beside a running one; start 'iot-registry serve' first",
                directory.root().display()
            );
        }
        self.ask_as_operator(directory, command).await
    }

    /// Gives a command as the registry's own operator.
    pub(super) async fn ask_as_operator(
        &self,
        directory: &Directory,
        command: Command,
    ) -> anyhow::Result<Reply> {
        if self.server.is_none() && directory.is_initialised() {
            match Core::open(directory).await {
                Ok(core) => return ask_core(core, command).await,
                // Somebody has it open: a running registry, which is asked instead.
                Err(StartError::Directory(DirectoryError::Locked { .. })) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let token_file = self
            .token_file
            .clone()
            .unwrap_or_else(|| directory.operator_token());
        let client = self.client_with_token(directory, token_file)?;
        reply_of(client.give(command).await?)
    }
}

/// Gives a command to a registry that this process has opened.
async fn ask_core(core: Core, command: Command) -> anyhow::Result<Reply> {
    let account = AccountName::parse(OPERATOR_ACCOUNT)?;
    let caller = Caller {
        account,
        role: Role::Operator,
        scopes: Scopes::ALL,
    };
    let request = Request::new(command, None, Door::CommandLine);
    let response = core.service.execute(&caller, request).await;
    core.close().await;
    reply_of(response)
}

/// The reply, or the problem as an error.
pub(super) fn reply_of(response: Response) -> anyhow::Result<Reply> {
    match response.outcome {
        Ok(reply) => Ok(reply),
        Err(problem) => bail!("{problem} [{}]", response.server_transaction_id),
    }
}
