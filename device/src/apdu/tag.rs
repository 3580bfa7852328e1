//! Tags of GSMA IoT.05, all of one octet, and of the TLV commands inside STORE DATA.

/// Version of the interface, in the application's data.
pub const VERSION: u8 = 0x10;
/// Identifier of the applet, 32 octets.
pub const APPLET_ID: u8 = 0x11;
/// Greatest number of files.
pub const FILES_MAX: u8 = 0xB1;
/// Greatest number of private keys.
pub const PRIVATE_KEYS_MAX: u8 = 0xB2;
/// Greatest number of public keys.
pub const PUBLIC_KEYS_MAX: u8 = 0xB3;
/// Greatest number of secret keys.
pub const SECRET_KEYS_MAX: u8 = 0xB4;
/// Greatest number of sessions.
pub const SESSIONS_MAX: u8 = 0xB7;
/// Cryptographic functions of the application.
pub const FUNCTIONS: u8 = 0x90;
/// Hash algorithms, two octets.
pub const HASH: u8 = 0x91;
/// Signature algorithms.
pub const SIGNATURE_ALGORITHM: u8 = 0x92;
/// Key agreement algorithms of the application.
pub const KEY_AGREEMENT: u8 = 0x93;
/// Key derivation algorithms of the application.
pub const KEY_DERIVATION: u8 = 0x94;

/// A private key object, in lists and as P1 of GET DATA.
pub const PRIVATE_KEY: u8 = 0xC1;
/// A public key object.
pub const PUBLIC_KEY: u8 = 0xC2;
/// A file object.
pub const FILE: u8 = 0xC3;
/// A secret key object (applet 2).
pub const SECRET_KEY: u8 = 0xC4;

/// Label of a file.
pub const FILE_LABEL: u8 = 0x73;
/// Label of a private key.
pub const PRIVATE_KEY_LABEL: u8 = 0x74;
/// Label of a public key.
pub const PUBLIC_KEY_LABEL: u8 = 0x75;
/// Id of a file.
pub const FILE_ID: u8 = 0x83;
/// Id of a private key.
pub const PRIVATE_KEY_ID: u8 = 0x84;
/// Id of a public key.
pub const PUBLIC_KEY_ID: u8 = 0x85;

/// Access conditions: bit 0 read, bit 1 update.
pub const ACCESS: u8 = 0x60;
/// State: 0 deactivated, 1 activated.
pub const STATE: u8 = 0x4A;
/// Kind of key; 13 is P-256, persistent.
pub const KEY_TYPE: u8 = 0x4B;
/// Usage of a key: 1 general.
pub const KEY_USAGE: u8 = 0x4E;
/// Cryptographic functions of a key.
pub const KEY_FUNCTIONS: u8 = 0x61;
/// Key agreement algorithms of a key.
pub const KEY_AGREEMENT_ALGORITHM: u8 = 0x6F;
/// Usage of a file: 1 general, 2 X.509 certificate.
pub const FILE_USAGE: u8 = 0x21;
/// Size of a file's content, two octets, big-endian.
pub const FILE_SIZE: u8 = 0x20;

/// Public key data: tag of the whole.
pub const PUBLIC_KEY_DATA: u8 = 0x34;
/// Public key data: the elliptic curve point inside.
pub const ELLIPTIC_CURVE_POINT: u8 = 0x49;
/// Public key data: the octets of the point.
pub const POINT_OCTETS: u8 = 0x86;
/// Mode of a signature: 1 full text, 2 last block, 3 pad and sign.
pub const SIGNATURE_MODE: u8 = 0xA1;
/// Full text to be hashed on the card.
pub const FULL_TEXT: u8 = 0x9B;
/// Digest computed outside.
pub const DIGEST: u8 = 0x9E;
/// A signature.
pub const SIGNATURE: u8 = 0x33;

/// STORE DATA: create a file container.
pub const CREATE_FILE: u8 = 0x74;
/// STORE DATA: select the file whose content follows.
pub const SELECT_FILE: u8 = 0x75;
/// STORE DATA: delete a file container.
pub const DELETE_FILE: u8 = 0x76;
/// STORE DATA: the next octets of the selected file.
pub const UPDATE_FILE: u8 = 0x77;

/// EID in the answer of the ECASD (SGP.02).
pub const EID: u8 = 0x5A;
