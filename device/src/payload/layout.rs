//! Container numbers of CIRA's middleware, and a card made with them.
//!
//! Ids have one octet. Private keys, public keys and files are numbered apart, so 1 is both a
//! private key and its public half.

use iot_identity::DeviceId;

use crate::applet::{
    Access, Aid, CardOptions, FileContainer, FileUsage, KeyFunctions, KeyPairContainer, ObjectName,
    Personalisation, PublicKeyContainer,
};
use crate::card::{KeyPairReference, ObjectReference};

/// The device's key pair.
pub const CLIENT_KEY: u8 = 1;
/// The device's certificate.
pub const CLIENT_CERTIFICATE: u8 = 2;
/// The certificate of the application service provider.
pub const ASP_CERTIFICATE: u8 = 3;
/// A key pair for one connection.
pub const EPHEMERAL_KEY: u8 = 4;
/// The other side's public key.
pub const PEER_KEY: u8 = 5;
/// The registry's root certificate.
pub const REGISTRY_ROOT: u8 = 6;
/// The certificate of the registry's issuing authority.
pub const ISSUING_CERTIFICATE: u8 = 7;
/// The endpoint, JSON.
pub const ENDPOINT: u8 = 8;
/// Signature over the endpoint.
pub const ENDPOINT_SIGNATURE: u8 = 9;
/// Signature over the certificate of the application service provider.
pub const ASP_CERTIFICATE_SIGNATURE: u8 = 10;

/// The files with their labels. No label has 12, 20, 28… octets: those crash a deployed client.
const FILES: [(u8, &str, FileUsage); 7] = [
    (CLIENT_CERTIFICATE, "client-cert", FileUsage::Certificate),
    (ASP_CERTIFICATE, "asp-cert", FileUsage::Certificate),
    (REGISTRY_ROOT, "root-cert", FileUsage::Certificate),
    (ISSUING_CERTIFICATE, "ca-cert", FileUsage::Certificate),
    (ENDPOINT, "endpoint", FileUsage::General),
    (ENDPOINT_SIGNATURE, "url-sig", FileUsage::General),
    (ASP_CERTIFICATE_SIGNATURE, "asp-sig", FileUsage::General),
];

/// The device's key pair, as a client names it.
pub fn client_key() -> KeyPairReference {
    KeyPairReference {
        private: object(CLIENT_KEY),
        public: object(CLIENT_KEY),
    }
}

/// The object with this container number, whatever its kind.
pub fn object(container: u8) -> ObjectReference {
    ObjectReference::Id(vec![container])
}

/// A card with all containers empty: the device's pair is made by GENERATE KEY PAIR, the files are
/// written by the operator. It answers to every known application identifier.
pub fn personalisation(device_id: DeviceId, options: CardOptions) -> Personalisation {
    let sign_and_generate = KeyFunctions {
        sign: true,
        generate: true,
    };
    let key_pair = |label: &str, number| KeyPairContainer {
        label: Some(label.to_owned()),
        private_id: vec![number],
        public_id: vec![number],
        access: Access::READ_UPDATE,
        functions: sign_and_generate,
        generate_now: false,
    };
    Personalisation {
        aids: Aid::known(),
        device_id: Some(device_id),
        key_pairs: vec![
            key_pair("client-key", CLIENT_KEY),
            key_pair("ephemeral", EPHEMERAL_KEY),
        ],
        public_keys: vec![PublicKeyContainer {
            name: ObjectName {
                id: vec![PEER_KEY],
                label: Some("peer-key".to_owned()),
            },
            access: Access::READ_UPDATE,
            functions: KeyFunctions {
                sign: true,
                generate: false,
            },
        }],
        files: FILES
            .map(|(number, label, usage)| FileContainer {
                name: ObjectName {
                    id: vec![number],
                    label: Some(label.to_owned()),
                },
                access: Access::READ,
                usage,
                content: None,
            })
            .into(),
        options,
    }
}
