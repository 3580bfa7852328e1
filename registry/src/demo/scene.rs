//! Everybody who takes part: the registry with its doors, the operator's account, the service
//! provider, and what a verifier needs to know beforehand.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use iot_dns_zone::{Profile, ZoneKeys};
use iot_epp_api::command::{AccountChange, AccountCommand};
use iot_epp_api::{AccountName, BearerToken, Command, IdPrefix, Reply, Role};
use iot_identity::{DeviceId, ZoneName};
use iot_verifier::transport::dot::DotTransport;
use iot_verifier::{Checker, Policy, ServerIdentity, ZoneAnchor};
use rustls::RootCertStore;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};

use super::esim::Esim;
use super::provider::Provider;
use crate::config::{InitialConfig, Listen};
use crate::directory::{self, Directory};
use crate::https_client::HttpsClient;
use crate::init::init;
use crate::start::Running;
use crate::trust_anchor;

/// The device of the story: the example of SGP.02.
pub(super) const DEVICE_ID: &str = "89049032123451234512345678901235";
const ZONE: &str = "iotregistry.example";

pub(super) struct Scene {
    pub(super) directory: Directory,
    pub(super) running: Running,
    /// The mobile operator at the registry's door.
    pub(super) operator: HttpsClient,
    pub(super) provider: Provider,
    pub(super) esim: Esim,
    pub(super) device_id: DeviceId,
    /// Checks over DNS-over-TLS, as anybody would.
    pub(super) checker: Arc<Checker<DotTransport>>,
    pub(super) anchor_file: PathBuf,
    pub(super) bind_anchor_file: PathBuf,
}

impl Scene {
    /// Makes a registry at `path` and opens everything.
    pub(super) async fn set(path: &Path, any_port: bool) -> anyhow::Result<Self> {
        let directory = Directory::new(path);
        let zone = ZoneName::parse(ZONE)?;
        init(
            &directory,
            &InitialConfig {
                zone: zone.clone(),
                profile: Profile::Standard,
                name_servers: Vec::new(),
                contact: None,
                listen: if any_port {
                    Listen::any_port()
                } else {
                    Listen::development([127, 0, 0, 1].into())
                },
            },
        )?;
        let running = Running::start(&directory)
            .await
            .context("are the development ports in use? 'demo --once' takes free ones")?;
        let roots_pem = directory::read_public(&service_root(&directory))?;
        let operator = make_operator(&directory, &running, &roots_pem).await?;
        let keys = ZoneKeys::load(&directory.zone())?;
        let anchor = keys.ds_presentation(&zone);
        let anchor_file = path.join("anchor.ds");
        let bind_anchor_file = path.join("anchor.bind");
        directory::write_public(&anchor_file, format!("{anchor}\n").as_bytes())?;
        let bind_anchor = trust_anchor::bind_statement(&keys, &zone);
        directory::write_public(&bind_anchor_file, bind_anchor.as_bytes())?;
        let checker = Arc::new(make_checker(&running, &roots_pem, &anchor)?);
        let provider = Provider::start(&running, Arc::clone(&checker)).await?;
        let device_id = DeviceId::parse(DEVICE_ID)?;
        let esim = Esim::personalise(device_id)?;
        Ok(Self {
            directory,
            running,
            operator,
            provider,
            esim,
            device_id,
            checker,
            anchor_file,
            bind_anchor_file,
        })
    }

    /// Ends everything.
    pub(super) async fn clear(self) {
        self.provider.stop().await;
        self.running.stop().await;
    }
}

/// Root certificate by which our own listeners are recognised.
pub(super) fn service_root(directory: &Directory) -> PathBuf {
    directory.trust().join("service").join("root.cert.pem")
}

/// Makes the mobile operator's account, through the door of the registry's operators.
async fn make_operator(
    directory: &Directory,
    running: &Running,
    roots_pem: &[u8],
) -> anyhow::Result<HttpsClient> {
    let address = running.listen.api.to_string();
    let token = directory::read_secret(&directory.operator_token())?;
    let token = BearerToken::parse(std::str::from_utf8(&token)?)?;
    let registry = HttpsClient::new(&address, roots_pem, token)?;
    let name = AccountName::parse("mno-example")?;
    let command = AccountCommand::Create {
        name: name.clone(),
        role: Role::Mno,
    };
    let token = match registry.give(Command::Account(command)).await?.outcome {
        Ok(Reply::AccountCreated { token, .. }) => token,
        other => bail!("the account was not made: {other:?}"),
    };
    for change in [
        AccountChange::AddPrefix(IdPrefix::parse("89")?),
        AccountChange::AllowIccids(true),
    ] {
        let name = name.clone();
        let command = AccountCommand::Update { name, change };
        let outcome = registry.give(Command::Account(command)).await?.outcome;
        outcome.map_err(|problem| anyhow!("the account may register nothing: {problem}"))?;
    }
    Ok(HttpsClient::new(&address, roots_pem, token)?)
}

fn make_checker(
    running: &Running,
    roots_pem: &[u8],
    anchor: &str,
) -> anyhow::Result<Checker<DotTransport>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(roots_pem)?)?;
    let address = *running
        .listen
        .dot
        .first()
        .ok_or_else(|| anyhow!("no DoT listener"))?;
    let name = ServerName::try_from("localhost")?;
    let identity = ServerIdentity::Name {
        name,
        roots: Arc::new(roots),
    };
    let transport = DotTransport::new(address, identity)?;
    Ok(Checker::new(
        transport,
        ZoneAnchor::parse(anchor)?,
        Policy::default(),
    ))
}
