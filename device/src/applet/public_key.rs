//! The commands that make, read and put public keys.

use super::command_data::ObjectKind;
use super::key::PrivateKey;
use super::object::ObjectStore;
use super::random::RandomSource;
use super::session::{Operation, Session, Sessions, is_last_part};
use crate::apdu::{Command, StatusWord, Tlv, tag, tlv};
use crate::public_key::PublicKey;

/// GENERATE KEY PAIR: replaces the pair, and answers both ids and the public key. `in_use` says
/// whether a session of any channel uses the private or the public key at these places.
pub(crate) fn generate_key_pair(
    store: &mut ObjectStore,
    random: &mut dyn RandomSource,
    data: &[u8],
    in_use: impl FnOnce(usize, usize) -> bool,
) -> Result<Vec<u8>, StatusWord> {
    let private = store.private_key(&ObjectKind::PrivateKey.only_reference(data)?)?;
    let object = &mut store.private_keys[private];
    let public = &mut store.public_keys[object.partner];
    let allowed = object.access.update && object.functions.generate && public.access.read;
    if !allowed || in_use(private, object.partner) {
        return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
    }
    let key = PrivateKey::generate(random).map_err(|_| StatusWord::UNKNOWN_ERROR)?;
    let public_key = key.public_key();
    let mut answer = Vec::new();
    tlv::append(&mut answer, tag::PRIVATE_KEY_ID, &object.name.id);
    tlv::append(&mut answer, tag::PUBLIC_KEY_ID, &public.name.id);
    answer.extend_from_slice(&public_key.to_tlv());
    object.key = Some(key);
    public.key = Some(public_key);
    Ok(answer)
}

/// READ PUBLIC KEY.
pub(crate) fn read(store: &ObjectStore, data: &[u8]) -> Result<Vec<u8>, StatusWord> {
    let place = store.public_key(&ObjectKind::PublicKey.only_reference(data)?)?;
    let object = &store.public_keys[place];
    match &object.key {
        Some(key) if object.access.read => Ok(key.to_tlv()),
        _ => Err(StatusWord::CONDITIONS_NOT_SATISFIED),
    }
}

/// PUT PUBLIC KEY, INIT: which container.
pub(crate) fn put_init(
    sessions: &mut Sessions,
    store: &ObjectStore,
    command: &Command<'_>,
) -> Result<(), StatusWord> {
    sessions.init(Operation::PutPublicKey, command, |data| {
        let place = store.public_key(&ObjectKind::PublicKey.only_reference(data)?)?;
        if !store.public_keys[place].access.update {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        Ok(Session::PutPublicKey(place))
    })
}

/// PUT PUBLIC KEY, UPDATE: the key, whole, in the last and only UPDATE.
pub(crate) fn put_update(
    sessions: &mut Sessions,
    store: &mut ObjectStore,
    command: &Command<'_>,
) -> Result<(), StatusWord> {
    let operation = Operation::PutPublicKey;
    if !is_last_part(command.p1)? {
        return Err(StatusWord::INCORRECT_P1_P2);
    }
    let Session::PutPublicKey(place) = sessions.take(operation, command.p2)? else {
        return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
    };
    let key = match Tlv::take(command.data) {
        Ok((object, [])) if object.tag == tag::PUBLIC_KEY_DATA => {
            PublicKey::from_tlv_value(object.value).map_err(|_| StatusWord::INCORRECT_DATA)?
        }
        _ => return Err(StatusWord::INCORRECT_DATA),
    };
    store.public_keys[place].key = Some(key);
    sessions.put(operation, command.p2, Session::Finished);
    Ok(())
}
