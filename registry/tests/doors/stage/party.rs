//! An account with everything by which it is recognised.

use std::net::SocketAddr;

use iot_epp_api::command::AccountCommand;
use iot_epp_api::response::Issued;
use iot_epp_api::secret::Secret;
use iot_epp_api::{
    AccountName, BearerToken, ClientTransactionId, Command, DeviceInfo, Problem, Reply, Response,
    ResultCode, Role, Scopes,
};
use iot_registry::https_client::HttpsClient;
use rcgen::KeyPair;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::Stage;

/// A certificate with those above it, and its key.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    key: Vec<u8>,
}

impl Identity {
    pub(crate) fn new(chain: Vec<Vec<u8>>, key: &KeyPair) -> Self {
        Self {
            chain: chain.into_iter().map(CertificateDer::from).collect(),
            key: key.serialize_der(),
        }
    }

    pub(crate) fn key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.clone()).into()
    }
}

/// An account at the registry's doors.
pub(crate) struct Party {
    pub(crate) name: AccountName,
    pub(crate) role: Role,
    pub(crate) token: BearerToken,
    pub(crate) identity: Option<Identity>,
    pub(crate) password: Option<Secret>,
    json: HttpsClient,
}

impl Party {
    pub(super) fn new(
        name: &str,
        role: Role,
        token: BearerToken,
        api: SocketAddr,
        roots_pem: &[u8],
    ) -> Self {
        let address = api.to_string();
        let again = BearerToken::parse(token.expose()).unwrap();
        Self {
            name: super::account(name),
            role,
            token,
            identity: None,
            password: None,
            json: HttpsClient::new(&address, roots_pem, again).unwrap(),
        }
    }

    pub(super) fn with_identity(mut self, identity: Option<Identity>) -> Self {
        self.identity = identity;
        self
    }

    /// Gets a client certificate and a password; the certificate's number.
    pub(crate) async fn enrol(&mut self, stage: &Stage) -> u64 {
        let key = KeyPair::generate().unwrap();
        let csr = rcgen::CertificateParams::default().serialize_request(&key);
        let command = AccountCommand::IssueCertificate {
            name: self.name.clone(),
            csr: csr.unwrap().der().to_vec(),
        };
        let issued = stage.operator.done(Command::Account(command)).await;
        let Reply::ClientCertificate {
            certificate_id,
            certificate,
            ..
        } = issued
        else {
            panic!("{issued:?}");
        };
        let name = self.name.clone();
        let command = AccountCommand::ResetPassword { name };
        match stage.operator.done(Command::Account(command)).await {
            Reply::Password(password) => self.password = Some(password),
            other => panic!("{other:?}"),
        }
        self.identity = Some(Identity::new(vec![certificate], &key));
        certificate_id
    }

    /// A token of this account for these uses.
    pub(crate) async fn token_for(&self, stage: &Stage, scopes: Scopes, secs: u32) -> Self {
        let command = AccountCommand::IssueToken {
            name: self.name.clone(),
            scopes,
            lifetime_secs: secs,
        };
        match stage.operator.done(Command::Account(command)).await {
            Reply::TokenIssued { token, .. } => stage.again(self, &token),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn give(&self, command: Command) -> Response {
        self.json.give(command).await.unwrap()
    }

    pub(crate) async fn give_as(&self, command: Command, id: &str) -> Response {
        let id = ClientTransactionId::parse(id).unwrap();
        self.json.give_as(command, id).await.unwrap()
    }

    /// The reply to a command that has to succeed.
    #[track_caller]
    pub(crate) fn done(&self, command: Command) -> impl Future<Output = Reply> {
        let caller = std::panic::Location::caller();
        async move {
            let asked = format!("{command:?}");
            match self.give(command).await.outcome {
                Ok(reply) => reply,
                Err(problem) => panic!("{} at {caller}: {asked}: {problem}", self.name),
            }
        }
    }

    /// The problem of a command that has to be refused.
    #[track_caller]
    pub(crate) fn refused(&self, command: Command) -> impl Future<Output = Problem> {
        let caller = std::panic::Location::caller();
        async move {
            let asked = format!("{command:?}");
            match self.give(command).await.outcome {
                Err(problem) => problem,
                Ok(reply) => panic!("{} at {caller}: {asked}: {reply:?}", self.name),
            }
        }
    }

    /// The code of whatever comes.
    pub(crate) async fn code(&self, command: Command) -> ResultCode {
        self.give(command).await.code
    }

    /// Issues a credential; panics when it is not published at once.
    #[track_caller]
    pub(crate) fn issued(&self, command: Command) -> impl Future<Output = Issued> {
        let reply = self.done(command);
        async move {
            match reply.await {
                Reply::Issued(issued) => *issued,
                other => panic!("{other:?}"),
            }
        }
    }

    /// The device after a change of it.
    #[track_caller]
    pub(crate) fn changed(&self, command: Command) -> impl Future<Output = DeviceInfo> {
        let reply = self.done(command);
        async move {
            match reply.await {
                Reply::Changed { info, .. } => *info,
                other => panic!("{other:?}"),
            }
        }
    }
}
