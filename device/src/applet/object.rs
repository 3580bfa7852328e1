//! The objects on the card (IoT.05 §2.1): keys and files with their attributes.

use super::command_data::ObjectReference;
use super::file::File;
use super::key::PrivateKey;
use super::personalisation::{
    Access, FileContainer, FileUsage, KeyFunctions, KeyPairContainer, ObjectName, Personalisation,
    PersonalisationError, PublicKeyContainer,
};
use super::random::RandomSource;
use crate::apdu::{StatusWord, tag, tlv};
use crate::public_key::PublicKey;

/// Longest id, longest label (IoT.05).
const ID_OCTETS_MAX: usize = 20;
const LABEL_OCTETS_MAX: usize = 60;
/// Key type "NIST P-256, persistent".
const P256_PERSISTENT: u8 = 0x13;
/// Usage "general".
const GENERAL: u8 = 1;

/// A container for a private key.
pub(crate) struct PrivateKeyObject {
    pub(crate) name: ObjectName,
    pub(crate) access: Access,
    pub(crate) functions: KeyFunctions,
    /// Place of the public half in [`ObjectStore::public_keys`].
    pub(crate) partner: usize,
    pub(crate) key: Option<PrivateKey>,
}

/// A container for a public key.
pub(crate) struct PublicKeyObject {
    pub(crate) name: ObjectName,
    pub(crate) access: Access,
    pub(crate) functions: KeyFunctions,
    pub(crate) key: Option<PublicKey>,
}

/// Everything the applet keeps. Keys stay at their place for the life of the card.
pub(crate) struct ObjectStore {
    pub(crate) private_keys: Vec<PrivateKeyObject>,
    pub(crate) public_keys: Vec<PublicKeyObject>,
    pub(crate) files: Vec<File>,
}

impl ObjectStore {
    /// Makes the containers, and the key pairs that are to be made at once.
    pub(crate) fn personalise(
        personalisation: Personalisation,
        random: &mut dyn RandomSource,
    ) -> Result<Self, PersonalisationError> {
        let mut store = Self {
            private_keys: Vec::new(),
            public_keys: Vec::new(),
            files: Vec::new(),
        };
        for container in personalisation.key_pairs {
            store.add_key_pair(container, random)?;
        }
        for container in personalisation.public_keys {
            store.add_public_key(container)?;
        }
        for container in personalisation.files {
            store.add_file(container)?;
        }
        Ok(store)
    }

    fn add_key_pair(
        &mut self,
        container: KeyPairContainer,
        random: &mut dyn RandomSource,
    ) -> Result<(), PersonalisationError> {
        let KeyPairContainer {
            label,
            private_id,
            public_id,
            access,
            functions,
            generate_now,
        } = container;
        let name = ObjectName {
            id: private_id,
            label: label.clone(),
        };
        check_new_name(&name, self.private_keys.iter().map(|object| &object.name))?;
        let key = generate_now
            .then(|| PrivateKey::generate(random))
            .transpose()?;
        // The public half is changed by making a new pair only, never by PUT PUBLIC KEY.
        self.add_public_key(PublicKeyContainer {
            name: ObjectName {
                id: public_id,
                label,
            },
            access: Access {
                update: false,
                ..access
            },
            functions,
        })?;
        let partner = self.public_keys.len() - 1;
        self.public_keys[partner].key = key.as_ref().map(PrivateKey::public_key);
        self.private_keys.push(PrivateKeyObject {
            name,
            access: Access {
                read: false,
                ..access
            },
            functions,
            partner,
            key,
        });
        Ok(())
    }

    fn add_public_key(
        &mut self,
        container: PublicKeyContainer,
    ) -> Result<(), PersonalisationError> {
        let PublicKeyContainer {
            name,
            access,
            functions,
        } = container;
        if self.public_keys.len() == Personalisation::KEYS_MAX {
            return Err(PersonalisationError::TooManyObjects);
        }
        check_new_name(&name, self.public_keys.iter().map(|object| &object.name))?;
        self.public_keys.push(PublicKeyObject {
            name,
            access,
            functions,
            key: None,
        });
        Ok(())
    }

    /// Adds a file container, as personalisation and the issuer's door do.
    pub(crate) fn add_file(
        &mut self,
        container: FileContainer,
    ) -> Result<(), PersonalisationError> {
        if self.files.len() == Personalisation::FILES_MAX {
            return Err(PersonalisationError::TooManyObjects);
        }
        check_new_name(&container.name, self.files.iter().map(File::name))?;
        self.files.push(File::new(container)?);
        Ok(())
    }

    /// Place of a private key.
    pub(crate) fn private_key(&self, reference: &ObjectReference<'_>) -> Result<usize, StatusWord> {
        position(&self.private_keys, |object| reference.names(&object.name))
    }

    /// Place of a public key.
    pub(crate) fn public_key(&self, reference: &ObjectReference<'_>) -> Result<usize, StatusWord> {
        position(&self.public_keys, |object| reference.names(&object.name))
    }

    /// Place of a file.
    pub(crate) fn file(&self, reference: &ObjectReference<'_>) -> Result<usize, StatusWord> {
        position(&self.files, |file| reference.names(file.name()))
    }
}

impl PrivateKeyObject {
    /// The object as listed, with its outer tag C1.
    pub(crate) fn to_tlv(&self) -> Vec<u8> {
        let mut value = name_and_state(
            &self.name,
            [tag::PRIVATE_KEY_LABEL, tag::PRIVATE_KEY_ID],
            self.access,
            self.key.is_some(),
        );
        append_key_attributes(&mut value, self.functions);
        wrap(tag::PRIVATE_KEY, &value)
    }
}

impl PublicKeyObject {
    /// The object as listed, with its outer tag C2.
    pub(crate) fn to_tlv(&self) -> Vec<u8> {
        let mut value = name_and_state(
            &self.name,
            [tag::PUBLIC_KEY_LABEL, tag::PUBLIC_KEY_ID],
            self.access,
            self.key.is_some(),
        );
        append_key_attributes(&mut value, self.functions);
        wrap(tag::PUBLIC_KEY, &value)
    }
}

impl File {
    /// The object as listed, with its outer tag C3. The size is that of the content.
    pub(crate) fn to_tlv(&self) -> Vec<u8> {
        let mut value = name_and_state(
            self.name(),
            [tag::FILE_LABEL, tag::FILE_ID],
            self.access(),
            self.content().is_some(),
        );
        let usage = match self.usage() {
            FileUsage::General => 1,
            FileUsage::Certificate => 2,
        };
        tlv::append(&mut value, tag::FILE_USAGE, &[usage]);
        let size = self.content().map_or(0, <[u8]>::len) as u16; // File keeps at most 2,048 octets
        tlv::append(&mut value, tag::FILE_SIZE, &size.to_be_bytes());
        wrap(tag::FILE, &value)
    }
}

fn position<T>(objects: &[T], wanted: impl Fn(&T) -> bool) -> Result<usize, StatusWord> {
    objects.iter().position(wanted).ok_or(StatusWord::NOT_FOUND)
}

/// Ids and labels are unique among objects of one kind, and within their lengths.
fn check_new_name<'a>(
    name: &ObjectName,
    mut others: impl Iterator<Item = &'a ObjectName>,
) -> Result<(), PersonalisationError> {
    let label_fits = name
        .label
        .as_ref()
        .is_none_or(|label| (1..=LABEL_OCTETS_MAX).contains(&label.len()));
    if !(1..=ID_OCTETS_MAX).contains(&name.id.len()) || !label_fits {
        return Err(PersonalisationError::Name { name: name.clone() });
    }
    let taken = others
        .any(|other| other.id == name.id || (other.label.is_some() && other.label == name.label));
    if taken {
        return Err(PersonalisationError::Duplicate { name: name.clone() });
    }
    Ok(())
}

/// The attributes that all kinds share.
fn name_and_state(
    name: &ObjectName,
    [label_tag, id_tag]: [u8; 2],
    access: Access,
    activated: bool,
) -> Vec<u8> {
    let mut value = Vec::new();
    if let Some(label) = &name.label {
        tlv::append(&mut value, label_tag, label.as_bytes());
    }
    tlv::append(&mut value, id_tag, &name.id);
    tlv::append(&mut value, tag::ACCESS, &[access.octet()]);
    tlv::append(&mut value, tag::STATE, &[u8::from(activated)]);
    value
}

/// The attributes of keys.
fn append_key_attributes(value: &mut Vec<u8>, functions: KeyFunctions) {
    tlv::append(value, tag::KEY_TYPE, &[P256_PERSISTENT]);
    tlv::append(value, tag::KEY_USAGE, &[GENERAL]);
    tlv::append(value, tag::KEY_FUNCTIONS, &[functions.octet()]);
    tlv::append(value, tag::SIGNATURE_ALGORITHM, &[super::sign::ECDSA]);
    tlv::append(value, tag::HASH, &super::sign::SHA_256);
    tlv::append(value, tag::KEY_AGREEMENT_ALGORITHM, &[0]);
}

fn wrap(outer: u8, value: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(value.len() + 2);
    tlv::append(&mut octets, outer, value);
    octets
}
