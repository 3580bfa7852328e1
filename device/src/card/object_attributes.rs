//! Objects as a card lists them.

use super::{CardError, malformed};
use crate::apdu::{Tlv, tag};

/// The command that lists objects.
const COMMAND: &str = "GET DATA";
/// Most attributes in one object.
const ATTRIBUTES_MAX: usize = 24;

/// Kind of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectKind {
    /// A private key; never readable.
    PrivateKey,
    /// A public key.
    PublicKey,
    /// A file.
    File,
    /// A secret key (applet 2).
    SecretKey,
}

/// What a card says about an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectAttributes {
    /// Kind.
    pub kind: ObjectKind,
    /// Id, if the card gives one.
    pub id: Option<Vec<u8>>,
    /// Label, if it has one. Octets that are no UTF-8 are replaced.
    pub label: Option<String>,
    /// True when the container holds a value.
    pub activated: bool,
    /// A file's size in octets, as the card gives it.
    pub file_octets: Option<u16>,
}

impl ObjectAttributes {
    /// Reads a list of objects, each in its outer tag; unknown attributes are passed over.
    pub(crate) fn parse_list(octets: &[u8], objects_max: usize) -> Result<Vec<Self>, CardError> {
        Tlv::read_at_most(octets, objects_max)
            .map_err(|_| malformed(COMMAND, "its objects cannot be read"))?
            .into_iter()
            .map(Self::parse)
            .collect()
    }

    fn parse(object: Tlv<'_>) -> Result<Self, CardError> {
        let kind = match object.tag {
            tag::PRIVATE_KEY => ObjectKind::PrivateKey,
            tag::PUBLIC_KEY => ObjectKind::PublicKey,
            tag::FILE => ObjectKind::File,
            tag::SECRET_KEY => ObjectKind::SecretKey,
            _ => return Err(malformed(COMMAND, "it lists an unknown kind of object")),
        };
        let attributes = Tlv::read_at_most(object.value, ATTRIBUTES_MAX)
            .map_err(|_| malformed(COMMAND, "the attributes of an object cannot be read"))?;
        let value = |wanted: &[u8]| {
            attributes
                .iter()
                .find(|attribute| wanted.contains(&attribute.tag))
                .map(|attribute| attribute.value)
        };
        Ok(Self {
            kind,
            id: value(&[0x83, 0x84, 0x85, 0x86]).map(<[u8]>::to_vec),
            label: value(&[0x73, 0x74, 0x75, 0x76])
                .map(|label| String::from_utf8_lossy(label).into_owned()),
            activated: value(&[tag::STATE]) == Some(&[1]),
            file_octets: value(&[tag::FILE_SIZE])
                .and_then(|size| size.try_into().ok())
                .map(u16::from_be_bytes),
        })
    }
}
