//! GET DATA: what the applet can do, and which objects it holds.

use super::command_data::ObjectKind;
use super::file::File;
use super::object::{ObjectStore, PrivateKeyObject, PublicKeyObject};
use super::personalisation::Personalisation;
use super::session::SESSIONS_MAX;
use super::sign::{ECDSA, SHA_256};
use crate::apdu::{StatusWord, tag, tlv};

/// Version of the interface.
const INTERFACE_VERSION: u8 = 1;
/// Functions of the application: signatures and key generation.
const FUNCTIONS: u8 = 0x03;
/// Most octets of an object list in one response.
const PAGE_OCTETS_MAX: usize = 255;

/// The application's data, 68 octets.
pub(crate) fn application(applet_id: &[u8; 32]) -> Vec<u8> {
    let mut data = Vec::new();
    tlv::append(&mut data, tag::VERSION, &[INTERFACE_VERSION]);
    tlv::append(&mut data, tag::APPLET_ID, applet_id);
    tlv::append(
        &mut data,
        tag::FILES_MAX,
        &[Personalisation::FILES_MAX as u8],
    );
    let keys_max = [Personalisation::KEYS_MAX as u8];
    tlv::append(&mut data, tag::PRIVATE_KEYS_MAX, &keys_max);
    tlv::append(&mut data, tag::PUBLIC_KEYS_MAX, &keys_max);
    tlv::append(&mut data, tag::SECRET_KEYS_MAX, &[0]);
    tlv::append(&mut data, tag::FUNCTIONS, &[FUNCTIONS]);
    tlv::append(&mut data, tag::HASH, &SHA_256);
    tlv::append(&mut data, tag::SIGNATURE_ALGORITHM, &[ECDSA]);
    tlv::append(&mut data, tag::KEY_AGREEMENT, &[0]);
    tlv::append(&mut data, tag::KEY_DERIVATION, &[0]);
    tlv::append(&mut data, tag::SESSIONS_MAX, &[SESSIONS_MAX as u8]);
    data
}

/// One page of the object list: whole objects from place `first` on, and the place where the next
/// page begins, `None` after the last object.
pub(crate) fn object_list(store: &ObjectStore, first: usize) -> (Vec<u8>, Option<usize>) {
    let private_keys = store.private_keys.iter().map(PrivateKeyObject::to_tlv);
    let public_keys = store.public_keys.iter().map(PublicKeyObject::to_tlv);
    let files = store.files.iter().map(File::to_tlv);
    let objects = private_keys.chain(public_keys).chain(files);
    let mut page = Vec::new();
    for (place, object) in objects.enumerate().skip(first) {
        if page.len() + object.len() > PAGE_OCTETS_MAX {
            return (page, Some(place));
        }
        page.extend_from_slice(&object);
    }
    (page, None)
}

/// One object, outer tag included; `kind` is P1.
pub(crate) fn one_object(
    store: &ObjectStore,
    kind: u8,
    data: &[u8],
) -> Result<Vec<u8>, StatusWord> {
    match kind {
        tag::PRIVATE_KEY => {
            let place = store.private_key(&ObjectKind::PrivateKey.only_reference(data)?)?;
            Ok(store.private_keys[place].to_tlv())
        }
        tag::PUBLIC_KEY => {
            let place = store.public_key(&ObjectKind::PublicKey.only_reference(data)?)?;
            Ok(store.public_keys[place].to_tlv())
        }
        tag::FILE => {
            let place = store.file(&ObjectKind::File.only_reference(data)?)?;
            Ok(store.files[place].to_tlv())
        }
        // Applet 2's secret keys: the kind exists, the card holds none.
        tag::SECRET_KEY => Err(StatusWord::NOT_FOUND),
        _ => Err(StatusWord::INCORRECT_P1_P2),
    }
}
