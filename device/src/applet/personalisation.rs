//! What a card is made with: its names, its containers and the points in which real cards differ.

use iot_identity::DeviceId;
use thiserror::Error;

use crate::signature::SignatureForm;

/// Shortest and longest application identifier (ISO/IEC 7816-4 §12.2.3).
const AID_OCTETS: std::ops::RangeInclusive<usize> = 5..=16;

/// An application identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aid(Vec<u8>);

impl Aid {
    /// The identifier that GSMA registered for IoT SAFE; Orange, wolfSSL and Zariot use it.
    pub fn gsma() -> Self {
        Self(vec![0xA0, 0x00, 0x00, 0x05, 0x59, 0x00, 0x10])
    }

    /// The identifier of CIRA's middleware.
    pub fn cira() -> Self {
        Self(vec![0xA0, 0x00, 0x00, 0x02, 0x48, 0x04, 0x00])
    }

    /// The identifier of Thales' libraries.
    pub fn thales() -> Self {
        let mut octets = vec![0xA0, 0x00, 0x00, 0x00, 0x30, 0x53, 0xF1, 0x24, 0x01, 0x77];
        octets.extend_from_slice(&[0x01, 0x01, 0x49, 0x53, 0x41]);
        Self(octets)
    }

    /// The identifier of NTT's applet.
    pub fn ntt() -> Self {
        let mut octets = vec![0xA0, 0x00, 0x00, 0x01, 0x15, 0x70, 0x00, 0x00];
        octets.extend_from_slice(&[0x00, 0x00, 0x00, 0x00, 0x49, 0x53, 0x41, 0x02]);
        Self(octets)
    }

    /// Every identifier under which a known client looks for the applet, the registered one first.
    pub fn known() -> Vec<Self> {
        vec![Self::gsma(), Self::cira(), Self::thales(), Self::ntt()]
    }

    /// Another identifier, 5 to 16 octets.
    ///
    /// # Errors
    /// When the length is another.
    pub fn new(octets: &[u8]) -> Result<Self, PersonalisationError> {
        if AID_OCTETS.contains(&octets.len()) {
            Ok(Self(octets.to_vec()))
        } else {
            Err(PersonalisationError::AidLength {
                octets: octets.len(),
            })
        }
    }

    /// The octets.
    pub fn as_octets(&self) -> &[u8] {
        &self.0
    }
}

/// What the local terminal may do with an object (tag 60).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Reading: a file's content, a public key.
    pub read: bool,
    /// Changing: a new key pair, a peer's public key. Files are written through the issuer's door.
    pub update: bool,
}

impl Access {
    /// Read only.
    pub const READ: Self = Self {
        read: true,
        update: false,
    };
    /// Read and change.
    pub const READ_UPDATE: Self = Self {
        read: true,
        update: true,
    };

    pub(crate) fn octet(self) -> u8 {
        u8::from(self.read) | u8::from(self.update) << 1
    }
}

/// What a key may be used for (tag 61).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyFunctions {
    /// Signing (private) or verifying (public).
    pub sign: bool,
    /// Being made anew on the card.
    pub generate: bool,
}

impl KeyFunctions {
    pub(crate) fn octet(self) -> u8 {
        u8::from(self.sign) | u8::from(self.generate) << 1
    }
}

/// Kind of content of a file (tag 21).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileUsage {
    /// Anything.
    General,
    /// An X.509 certificate, DER.
    Certificate,
}

/// How an object is found: by id, and by label if it has one. Unique among objects of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectName {
    /// 1 to 20 octets.
    pub id: Vec<u8>,
    /// 1 to 60 octets of text. Lengths 12, 20, 28 and so on crash one deployed client.
    pub label: Option<String>,
}

/// A private key and its public half: one label, two ids.
#[derive(Clone, Debug)]
pub struct KeyPairContainer {
    /// Label of both.
    pub label: Option<String>,
    /// Id of the private key.
    pub private_id: Vec<u8>,
    /// Id of the public key.
    pub public_id: Vec<u8>,
    /// Access to the pair; `update` lets the local terminal order a new pair.
    pub access: Access,
    /// What the pair may be used for.
    pub functions: KeyFunctions,
    /// Whether a pair is made at personalisation; otherwise the container is empty.
    pub generate_now: bool,
}

/// A place for somebody else's public key.
#[derive(Clone, Debug)]
pub struct PublicKeyContainer {
    /// Id and label.
    pub name: ObjectName,
    /// Access; `update` allows PUT PUBLIC KEY.
    pub access: Access,
    /// What the key may be used for.
    pub functions: KeyFunctions,
}

/// A place for a file.
#[derive(Clone, Debug)]
pub struct FileContainer {
    /// Id and label.
    pub name: ObjectName,
    /// Access.
    pub access: Access,
    /// Kind of content.
    pub usage: FileUsage,
    /// Content at personalisation, at most 2,048 octets; `None` for an empty container.
    pub content: Option<Vec<u8>>,
}

/// How the card hands out the answer to a command that carried data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResponseDelivery {
    /// `61xx`, then GET RESPONSE: understood by every known client.
    #[default]
    GetResponse,
    /// In the response itself.
    Direct,
}

/// Whether files can be written through INSTALL \[for personalization\] and STORE DATA.
///
/// There is no secure channel yet: whoever reaches an open door writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IssuerDoor {
    /// Both commands are unknown to the card.
    #[default]
    Closed,
    /// Open. Secure channel: none.
    OpenWithoutSecureChannel,
}

/// The points in which real cards differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CardOptions {
    /// How signatures are written.
    pub signature_form: SignatureForm,
    /// How answers are handed out.
    pub response_delivery: ResponseDelivery,
    /// How files are written.
    pub issuer_door: IssuerDoor,
}

/// Everything a card is made with.
#[derive(Clone, Debug)]
pub struct Personalisation {
    /// Identifiers under which the applet can be selected; at least one.
    pub aids: Vec<Aid>,
    /// The device that the card is in; an EID is answered by the ECASD.
    pub device_id: Option<DeviceId>,
    /// Key pairs, at most [`Personalisation::KEYS_MAX`] private and public keys in all.
    pub key_pairs: Vec<KeyPairContainer>,
    /// Places for other public keys.
    pub public_keys: Vec<PublicKeyContainer>,
    /// Places for files, at most [`Personalisation::FILES_MAX`].
    pub files: Vec<FileContainer>,
    /// Options.
    pub options: CardOptions,
}

impl Personalisation {
    /// Most files on a card.
    pub const FILES_MAX: usize = 32;
    /// Most private, and most public keys on a card.
    pub const KEYS_MAX: usize = 16;
}

/// Why a card cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PersonalisationError {
    /// An application identifier of a wrong length.
    #[error("an AID has 5 to 16 octets; this one has {octets}")]
    AidLength {
        /// Octets found.
        octets: usize,
    },
    /// No application identifier.
    #[error("the applet needs at least one AID to be selected by")]
    NoAid,
    /// An id or label that is empty or too long.
    #[error("an id has 1 to 20 octets and a label 1 to 60; {name:?} breaks that")]
    Name {
        /// The name.
        name: ObjectName,
    },
    /// Two objects of one kind with the same id or label.
    #[error("two objects of one kind share the id or label of {name:?}")]
    Duplicate {
        /// The second one.
        name: ObjectName,
    },
    /// More objects than the card has room for.
    #[error("the card has no room for so many objects")]
    TooManyObjects,
    /// A file that is too long.
    #[error("a file has at most {octets_max} octets; this one has {octets}")]
    FileTooLong {
        /// Octets found.
        octets: usize,
        /// Octets allowed.
        octets_max: usize,
    },
    /// No random octets for a key.
    #[error(transparent)]
    Random(#[from] super::random::RandomError),
}
