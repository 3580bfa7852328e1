//! The accounts of a run: a directory with a registry in it, and clients at its HTTPS door.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, bail};
use iot_dns_zone::Profile;
use iot_epp_api::command::{AccountChange, AccountCommand, DeviceCommand, ZoneCommand};
use iot_epp_api::{
    AccountName, BearerToken, ClientTransactionId, Command, IdPrefix, Reply, Response, ResultCode,
    Role,
};
use iot_identity::ZoneName;
use iot_registry::config::{InitialConfig, Listen};
use iot_registry::directory::{self, Directory};
use iot_registry::https_client::HttpsClient;

/// Zone of every run.
pub const ZONE: &str = "iotregistry.example";
/// Accounts of mobile operators in every run.
pub const OPERATORS: [&str; 2] = ["mno-a", "mno-b"];

/// Makes a registry in a directory; its listeners take any free port at every start.
///
/// # Errors
/// Those of the registry's own `init`.
pub fn initialise(path: &Path, profile: Profile) -> anyhow::Result<Directory> {
    let directory = Directory::new(path);
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let initial = InitialConfig {
        zone: ZoneName::parse(ZONE)?,
        profile,
        name_servers: Vec::new(),
        contact: None,
        listen: Listen {
            dns: vec![any],
            dot: vec![any],
            doh: vec![any],
            api: any,
            api_certificates: None,
            epp: Some(any),
        },
    };
    iot_registry::init::init(&directory, &initial)?;
    Ok(directory)
}

/// A client at the door, in the name of whoever has the token.
///
/// # Errors
/// When the service's root certificate cannot be read.
pub fn client(
    directory: &Directory,
    api: SocketAddr,
    token: BearerToken,
) -> anyhow::Result<HttpsClient> {
    let roots = directory::read_public(&service_root(directory))?;
    Ok(HttpsClient::new(&api.to_string(), &roots, token)?)
}

/// Root certificate by which the listeners are recognised.
pub fn service_root(directory: &Directory) -> std::path::PathBuf {
    directory.trust().join("service").join("root.cert.pem")
}

/// Token of the registry's own operators.
///
/// # Errors
/// When the file cannot be read or holds no token.
pub fn registry_token(directory: &Directory) -> anyhow::Result<BearerToken> {
    let token = directory::read_secret(&directory.operator_token())?;
    Ok(BearerToken::parse(std::str::from_utf8(&token)?.trim())?)
}

/// Makes the accounts of [`OPERATORS`], which may register every device; their tokens.
///
/// # Errors
/// When the registry refuses.
pub async fn make_operators(registry: &HttpsClient) -> anyhow::Result<Vec<BearerToken>> {
    let mut tokens = Vec::with_capacity(OPERATORS.len());
    for name in OPERATORS {
        let name = AccountName::parse(name)?;
        let create = AccountCommand::Create {
            name: name.clone(),
            role: Role::Mno,
        };
        match registry.give(Command::Account(create)).await?.outcome {
            Ok(Reply::AccountCreated { token, .. }) => tokens.push(token),
            other => bail!("account {name}: {other:?}"),
        }
        let grants = [
            AccountChange::AddPrefix(IdPrefix::parse("89")?),
            AccountChange::AllowIccids(true),
        ];
        for change in grants {
            let name = name.clone();
            let grant = Command::Account(AccountCommand::Update { name, change });
            let given = registry.give(grant).await?.outcome;
            given.context("what an account may register")?;
        }
    }
    Ok(tokens)
}

/// A new key's certificate request, DER. The key is thrown away: nobody signs with it.
///
/// # Errors
/// When the system's random source fails.
pub fn certificate_request() -> anyhow::Result<Vec<u8>> {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
    let request = rcgen::CertificateParams::default().serialize_request(&key)?;
    Ok(request.der().to_vec())
}

/// Names the requests of one client, so that a retry can be told from a new request.
#[derive(Debug)]
pub struct Transactions {
    prefix: String,
    given: u64,
}

impl Transactions {
    /// Identifiers that begin with `prefix`.
    pub fn new(prefix: impl Into<String>) -> Self {
        let prefix = prefix.into();
        Self { prefix, given: 0 }
    }

    /// One that was not used before.
    pub fn new_id(&mut self) -> ClientTransactionId {
        self.given += 1;
        ClientTransactionId::parse(&format!("{}-{}", self.prefix, self.given))
            .expect("a short prefix, a hyphen and a number")
    }
}

/// Has the running registry compare its zone with its database; the number of device names.
///
/// # Errors
/// The findings.
pub async fn check_zone(registry: &HttpsClient) -> anyhow::Result<u64> {
    match registry
        .give(Command::Zone(ZoneCommand::Check))
        .await?
        .outcome
    {
        Ok(Reply::ZoneReport(report)) if report.findings.is_empty() => Ok(report.device_names),
        Ok(Reply::ZoneReport(report)) => bail!("zone check: {}", report.findings.join("; ")),
        other => bail!("zone check: {other:?}"),
    }
}

/// The code of a refusal, or of what was done instead.
pub fn code_of(response: &Response) -> ResultCode {
    match &response.outcome {
        Ok(_) => response.code,
        Err(problem) => problem.code,
    }
}

/// The device in an answer to info; none when there is no such device.
///
/// # Errors
/// Any other answer.
pub async fn device_info(
    client: &HttpsClient,
    device_id: iot_identity::DeviceId,
) -> anyhow::Result<Option<iot_epp_api::DeviceInfo>> {
    let asked = Command::Device(DeviceCommand::Info {
        device_id,
        auth_info: None,
    });
    let response = client.give(asked).await;
    match response.context("device info")?.outcome {
        Ok(Reply::Device(info)) => Ok(Some(*info)),
        Err(problem) if problem.code == ResultCode::ObjectDoesNotExist => Ok(None),
        other => bail!("info of {device_id}: {other:?}"),
    }
}
