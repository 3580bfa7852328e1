//! Making and loading the trust roots: `<dir>/trust/{device,service,account}/`.
//!
//! Whoever reads `device/issuing.key.pem` can make device certificates that nothing in the DNS
//! confirms; `service/server.key.pem` lets him pose as our listeners; `account/root.key.pem` lets
//! him make client certificates for accounts. All are written 0600 and refused when exposed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::str;
use std::sync::Arc;

use iot_epp_api::server::mutual_tls::{MutualTlsError, mutual_tls};
use iot_identity::ZoneName;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints,
    PKCS_ECDSA_P256_SHA256, SanType,
};
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;
use time::OffsetDateTime;

use super::account::AccountCa;
use super::issue::{IssuingCa, random_serial};
use crate::csr;
use crate::directory::{self, Directory, DirectoryError};

/// Years of a root; the issuing CA has half of that, a server certificate ten days more than one.
const ROOT_YEARS: i64 = 20;
const ISSUING_YEARS: i64 = 10;
const SERVER_DAYS: i64 = 375;
/// Certificates are valid from a little before they are made, for clocks that lag.
const BACKDATE_SECS: i64 = 300;

/// Why the trust roots cannot be made or loaded.
#[derive(Debug, Error)]
pub enum TrustError {
    /// A file is missing, exposed or unreadable.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// A key or certificate could not be made or read.
    #[error("{}: {source}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What the library said.
        source: rcgen::Error,
    },
    /// A file does not contain what its name says.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The server's own TLS configuration.
    #[error("server certificate: {0}")]
    Tls(#[from] rustls::Error),
}

/// What the registry itself holds of the three roots.
pub struct TrustRoots {
    /// Issues device certificates.
    pub issuing: IssuingCa,
    /// Root certificate of the devices, PEM.
    pub device_root_pem: String,
    /// The same, DER.
    pub device_root: CertificateDer<'static>,
    /// Our listeners' certificate and key.
    pub service: ServiceIdentity,
    /// Makes client certificates of accounts, while its key is here.
    pub account: AccountCa,
    /// Public keys that no device may have, as hashes: those of the roots themselves.
    pub own_key_hashes: Vec<[u8; 32]>,
}

/// Certificate chain and key of the listeners.
pub struct ServiceIdentity {
    /// Leaf, then root.
    pub chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl ServiceIdentity {
    /// A server configuration that asks for no client certificate and offers `protocols` (ALPN).
    ///
    /// # Errors
    /// The key does not fit the certificate.
    pub fn server_config(&self, protocols: &[&[u8]]) -> Result<Arc<ServerConfig>, rustls::Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(self.chain.clone(), self.key.clone_key())?;
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(Arc::new(config))
    }
}

impl ServiceIdentity {
    /// A server configuration that demands a client certificate of this root.
    ///
    /// # Errors
    /// The key does not fit the certificate, or the root is none.
    pub fn mutual_config(
        &self,
        account_root: CertificateDer<'static>,
    ) -> Result<Arc<ServerConfig>, MutualTlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let (chain, key) = (self.chain.clone(), self.key.clone_key());
        Ok(Arc::new(mutual_tls(provider, chain, key, account_root)?))
    }
}

impl TrustRoots {
    /// Makes all three roots under the directory; used once, by `init`.
    ///
    /// `server_names` are the host names and addresses in the listeners' certificate.
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn create(
        directory: &Directory,
        zone: &ZoneName,
        server_names: &[String],
        now: u64,
    ) -> Result<(), TrustError> {
        let trust = directory.trust();
        let now = time_of(now);
        let device = Authority::root(&trust.join("device"), &format!("{zone} device root"), now)?;
        device.issue_issuing_ca(&trust.join("device"), zone, now)?;
        let service =
            Authority::root(&trust.join("service"), &format!("{zone} service root"), now)?;
        service.issue_server(&trust.join("service"), server_names, now)?;
        Authority::root(&trust.join("account"), &format!("{zone} account root"), now)?;
        Ok(())
    }

    /// Loads what `create` made, and what an operator has put in its place.
    ///
    /// # Errors
    /// [`TrustError`]; a key that does not belong to its certificate is one.
    pub fn load(directory: &Directory, zone: &ZoneName) -> Result<Self, TrustError> {
        let device = directory.trust().join("device");
        let service = directory.trust().join("service");
        let account = directory.trust().join("account");
        let issuing = IssuingCa::load(
            &device.join("issuing.cert.pem"),
            &device.join("issuing.key.pem"),
            zone.clone(),
        )?;
        let mut own_key_hashes = vec![issuing.key_hash()];
        for path in [&device, &service, &account] {
            own_key_hashes.push(certificate_key_hash(&path.join("root.cert.pem"))?);
        }
        own_key_hashes.push(certificate_key_hash(&service.join("server.cert.pem"))?);
        let root_path = device.join("root.cert.pem");
        let device_root_pem = read_text(&root_path)?;
        let device_root =
            CertificateDer::from_pem_slice(device_root_pem.as_bytes()).map_err(|error| {
                TrustError::File {
                    path: root_path,
                    reason: error.to_string(),
                }
            })?;
        Ok(Self {
            issuing,
            device_root_pem,
            device_root,
            service: load_service(&service)?,
            account: AccountCa::load(&account)?,
            own_key_hashes,
        })
    }
}

impl TrustRoots {
    /// The certificates above those of devices, DER: issuer, then root.
    pub fn device_chain(&self) -> Vec<Vec<u8>> {
        vec![
            self.issuing.certificate_der().to_vec(),
            self.device_root.to_vec(),
        ]
    }
}

fn load_service(service: &Path) -> Result<ServiceIdentity, TrustError> {
    let path = service.join("server.cert.pem");
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&directory::read_public(&path)?)
        .collect::<Result<_, _>>()
        .map_err(|error| TrustError::File {
            path: path.clone(),
            reason: error.to_string(),
        })?;
    let path = service.join("server.key.pem");
    let key = PrivateKeyDer::from_pem_slice(&directory::read_secret(&path)?).map_err(|error| {
        TrustError::File {
            path,
            reason: error.to_string(),
        }
    })?;
    Ok(ServiceIdentity { chain, key })
}

/// Hash of the public key of the first certificate in a file, as [`csr::key_hash`] makes it.
fn certificate_key_hash(path: &Path) -> Result<[u8; 32], TrustError> {
    let refuse = |reason: &str| TrustError::File {
        path: path.to_owned(),
        reason: reason.to_owned(),
    };
    let pem = directory::read_public(path)?;
    let der = CertificateDer::from_pem_slice(&pem).map_err(|_| refuse("no PEM certificate"))?;
    let (_, certificate) =
        x509_parser::parse_x509_certificate(&der).map_err(|_| refuse("not a certificate"))?;
    Ok(csr::key_hash(
        &certificate.public_key().subject_public_key.data,
    ))
}

pub(super) fn read_text(path: &Path) -> Result<String, TrustError> {
    String::from_utf8(directory::read_public(path)?).map_err(|_| TrustError::File {
        path: path.to_owned(),
        reason: "not text".to_owned(),
    })
}

/// Loads a private key in PKCS#8 PEM.
pub(super) fn load_key(path: &Path) -> Result<KeyPair, TrustError> {
    let octets = directory::read_secret(path)?;
    let text = str::from_utf8(&octets).map_err(|_| TrustError::File {
        path: path.to_owned(),
        reason: "not text".to_owned(),
    })?;
    KeyPair::from_pem_and_sign_algo(text, &PKCS_ECDSA_P256_SHA256).map_err(certificate_error(path))
}

pub(super) fn certificate_error(path: &Path) -> impl FnOnce(rcgen::Error) -> TrustError + '_ {
    |source| TrustError::Certificate {
        path: path.to_owned(),
        source,
    }
}

fn time_of(unix: u64) -> OffsetDateTime {
    i64::try_from(unix)
        .ok()
        .and_then(|unix| OffsetDateTime::from_unix_timestamp(unix).ok())
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// A certification authority while its files are being made.
struct Authority {
    certificate_pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Makes a self-signed root and writes `root.cert.pem` and `root.key.pem`.
    fn root(path: &Path, common_name: &str, now: OffsetDateTime) -> Result<Self, TrustError> {
        std::fs::create_dir_all(path).map_err(|source| DirectoryError::Io {
            path: path.to_owned(),
            source,
        })?;
        let error = || certificate_error(path);
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(error())?;
        let mut params = authority_params(common_name, now, ROOT_YEARS);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate_pem = params.self_signed(&key).map_err(error())?.pem();
        write_pair(path, "root", &certificate_pem, &key)?;
        Ok(Self {
            certificate_pem,
            issuer: Issuer::new(params, key),
        })
    }

    /// The CA that signs devices: no CA below it, clients only, names in the zone only.
    fn issue_issuing_ca(
        &self,
        path: &Path,
        zone: &ZoneName,
        now: OffsetDateTime,
    ) -> Result<(), TrustError> {
        let error = || certificate_error(path);
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(error())?;
        let mut params = authority_params(&format!("{zone} device issuing CA"), now, ISSUING_YEARS);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: vec![GeneralSubtree::DnsName(zone.to_string())],
            excluded_subtrees: Vec::new(),
        });
        params.use_authority_key_identifier_extension = true;
        let certificate_pem = params.signed_by(&key, &self.issuer).map_err(error())?.pem();
        write_pair(path, "issuing", &certificate_pem, &key)
    }

    /// The certificate of our own listeners; operators replace it by their own files.
    fn issue_server(
        &self,
        path: &Path,
        names: &[String],
        now: OffsetDateTime,
    ) -> Result<(), TrustError> {
        let error = || certificate_error(path);
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(error())?;
        let mut params = base_params(names.first().map_or("localhost", String::as_str), now);
        params.not_after = now + time::Duration::days(SERVER_DAYS);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.subject_alt_names = vec![
            SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            SanType::IpAddress(IpAddr::V6(Ipv6Addr::LOCALHOST)),
        ];
        for name in names {
            params.subject_alt_names.push(match name.parse() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(name.as_str().try_into().map_err(error())?),
            });
        }
        let leaf = params.signed_by(&key, &self.issuer).map_err(error())?.pem();
        write_pair(
            path,
            "server",
            &format!("{leaf}{}", self.certificate_pem),
            &key,
        )
    }
}

fn base_params(common_name: &str, now: OffsetDateTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params.serial_number = Some(random_serial().to_vec().into());
    params.not_before = now - time::Duration::seconds(BACKDATE_SECS);
    params
}

fn authority_params(common_name: &str, now: OffsetDateTime, years: i64) -> CertificateParams {
    let mut params = base_params(common_name, now);
    params.not_after = now + time::Duration::days(years * 365);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn write_pair(path: &Path, stem: &str, certificate: &str, key: &KeyPair) -> Result<(), TrustError> {
    let pem = zeroize::Zeroizing::new(key.serialize_pem());
    directory::write_secret(&path.join(format!("{stem}.key.pem")), pem.as_bytes())?;
    directory::write_public(
        &path.join(format!("{stem}.cert.pem")),
        certificate.as_bytes(),
    )?;
    Ok(())
}
