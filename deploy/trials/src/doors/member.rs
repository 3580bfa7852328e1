//! An account with everything by which it is recognised at both doors.

use std::sync::Arc;

use anyhow::{Context, bail};
use iot_epp_api::command::{AccountChange, AccountCommand};
use iot_epp_api::secret::Secret;
use iot_epp_api::{AccountName, BearerToken, Command, IdPrefix, Reply, Role};
use iot_registry::directory::{self, Directory};
use iot_registry::https_client::HttpsClient;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use crate::accounts::service_root;

/// An account at the registry's doors.
#[derive(Clone)]
pub struct Member {
    /// Its name.
    pub name: AccountName,
    /// Its bearer token, for the JSON door.
    pub token: BearerToken,
    /// Its password, for the EPP door.
    pub password: Secret,
    /// TLS without a certificate of its own: the JSON door.
    pub(super) tls: Arc<ClientConfig>,
    /// TLS with its client certificate: the EPP door.
    pub(super) mutual_tls: Arc<ClientConfig>,
}

impl Member {
    /// Makes an account with token, client certificate and password; an operator may register every
    /// id.
    ///
    /// # Errors
    /// When the registry refuses.
    pub async fn enrol(
        directory: &Directory,
        registry: &HttpsClient,
        name: &str,
        role: Role,
    ) -> anyhow::Result<Self> {
        let name = AccountName::parse(name)?;
        let create = AccountCommand::Create {
            name: name.clone(),
            role,
        };
        let token = match done(registry, create).await? {
            Reply::AccountCreated { token, .. } => token,
            other => bail!("account {name}: {other:?}"),
        };
        if role == Role::Mno {
            for change in [
                AccountChange::AddPrefix(IdPrefix::parse("89")?),
                AccountChange::AllowIccids(true),
            ] {
                let name = name.clone();
                done(registry, AccountCommand::Update { name, change }).await?;
            }
        }
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let csr = rcgen::CertificateParams::default().serialize_request(&key)?;
        let csr = csr.der().to_vec();
        let certificate = AccountCommand::IssueCertificate {
            name: name.clone(),
            csr,
        };
        let certificate = match done(registry, certificate).await? {
            Reply::ClientCertificate { certificate, .. } => CertificateDer::from(certificate),
            other => bail!("client certificate of {name}: {other:?}"),
        };
        let password = AccountCommand::ResetPassword { name: name.clone() };
        let password = match done(registry, password).await? {
            Reply::Password(password) => password,
            other => bail!("password of {name}: {other:?}"),
        };
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        let roots = roots(directory)?;
        let mutual =
            builder(roots.clone())?.with_client_auth_cert(vec![certificate], key.into())?;
        Ok(Self {
            name,
            token,
            password,
            tls: Arc::new(builder(roots)?.with_no_client_auth()),
            mutual_tls: Arc::new(mutual),
        })
    }
}

async fn done(registry: &HttpsClient, command: AccountCommand) -> anyhow::Result<Reply> {
    let verb = Command::Account(command.clone()).verb();
    let outcome = registry.give(Command::Account(command)).await?.outcome;
    outcome.context(verb)
}

fn roots(directory: &Directory) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let root = directory::read_public(&service_root(directory))?;
    roots.add(CertificateDer::from_pem_slice(&root)?)?;
    Ok(roots)
}

fn builder(
    roots: RootCertStore,
) -> anyhow::Result<rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    Ok(builder
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots))
}
