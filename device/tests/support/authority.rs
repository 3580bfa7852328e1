//! A registry's certificates, and a service's.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)] // each test file uses a part of it

use iot_device::PublicKey;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SanType,
    SignatureAlgorithm,
};

/// A root, and an authority below it that issues certificates.
pub struct Authority {
    pub root: Certificate,
    pub issuing: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// A key that the card gave.
pub struct CardKey([u8; 65]);

impl PublicKeyData for CardKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

fn parameters(common_name: &str) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    parameters.distinguished_name = name;
    parameters
}

fn authority_parameters(common_name: &str, path_length: u8) -> CertificateParams {
    let mut parameters = parameters(common_name);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(path_length));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    parameters
}

impl Authority {
    pub fn new() -> Self {
        let root_key = KeyPair::generate().unwrap();
        let root_parameters = authority_parameters("Test root", 1);
        let root = root_parameters.self_signed(&root_key).unwrap();
        let root_issuer = Issuer::new(root_parameters, root_key);
        let issuing_key = KeyPair::generate().unwrap();
        let issuing_parameters = authority_parameters("Test issuing authority", 0);
        let issuing = issuing_parameters
            .signed_by(&issuing_key, &root_issuer)
            .unwrap();
        Self {
            root,
            issuing,
            issuer: Issuer::new(issuing_parameters, issuing_key),
        }
    }

    /// The certificate of a device.
    pub fn device(&self, common_name: &str, dns_names: &[&str], key: &PublicKey) -> Vec<u8> {
        let mut parameters = parameters(common_name);
        parameters.subject_alt_names = dns_names
            .iter()
            .map(|name| SanType::DnsName((*name).try_into().unwrap()))
            .collect();
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = parameters.signed_by(&CardKey(key.point()), &self.issuer);
        certificate.unwrap().der().to_vec()
    }

    /// The certificate of a server, and its key.
    pub fn server(&self, host: &str) -> (Certificate, KeyPair) {
        let mut parameters = parameters(host);
        parameters.subject_alt_names = vec![SanType::DnsName(host.try_into().unwrap())];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().unwrap();
        (parameters.signed_by(&key, &self.issuer).unwrap(), key)
    }
}
