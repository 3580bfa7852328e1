//! COMPUTE SIGNATURE and VERIFY SIGNATURE, INIT and UPDATE (ECDSA over P-256 with SHA-256).

use super::command_data::{ObjectKind, ObjectReference, take_reference};
use super::digest_input::{DigestInput, Progress};
use super::object::ObjectStore;
use super::random::RandomSource;
use super::session::{Operation, Session, Sessions, is_last_part};
use crate::apdu::{Command, StatusWord, Tlv};
use crate::signature::{EcdsaSignature, SignatureForm};

/// Algorithm "ECDSA" (tag 92).
pub(crate) const ECDSA: u8 = 0x04;
/// Hash "SHA-256" (tag 91).
pub(crate) const SHA_256: [u8; 2] = [0x00, 0x01];

/// COMPUTE SIGNATURE, INIT: which key, and in which mode.
pub(crate) fn compute_init(
    sessions: &mut Sessions,
    store: &ObjectStore,
    command: &Command<'_>,
) -> Result<(), StatusWord> {
    sessions.init(Operation::ComputeSignature, command, |data| {
        let (key, input) = parse_init(data, ObjectKind::PrivateKey, |reference| {
            store.private_key(reference)
        })?;
        let object = &store.private_keys[key];
        if object.key.is_none() || !object.functions.sign {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        Ok(Session::ComputeSignature(key, input))
    })
}

/// COMPUTE SIGNATURE, UPDATE: the text or digest; the last one answers the signature.
pub(crate) fn compute_update(
    sessions: &mut Sessions,
    store: &ObjectStore,
    random: &mut dyn RandomSource,
    form: SignatureForm,
    command: &Command<'_>,
) -> Result<Vec<u8>, StatusWord> {
    let operation = Operation::ComputeSignature;
    let last = is_last_part(command.p1)?;
    let Session::ComputeSignature(key, input) = sessions.take(operation, command.p2)? else {
        return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
    };
    match input.update(command.data, last, <[u8]>::is_empty)? {
        Progress::More(input) => {
            let session = Session::ComputeSignature(key, input);
            sessions.put(operation, command.p2, session);
            Ok(Vec::new())
        }
        Progress::Digest(digest, []) => {
            let key = store.private_keys[key]
                .key
                .as_ref()
                .ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
            let signature = key
                .sign_digest(&digest, random)
                .map_err(|_| StatusWord::UNKNOWN_ERROR)?;
            sessions.put(operation, command.p2, Session::Finished);
            Ok(signature.to_tlv(form))
        }
        Progress::Digest(..) => Err(StatusWord::INCORRECT_DATA),
    }
}

/// VERIFY SIGNATURE, INIT: which public key, and in which mode.
pub(crate) fn verify_init(
    sessions: &mut Sessions,
    store: &ObjectStore,
    command: &Command<'_>,
) -> Result<(), StatusWord> {
    sessions.init(Operation::VerifySignature, command, |data| {
        let (key, input) = parse_init(data, ObjectKind::PublicKey, |reference| {
            store.public_key(reference)
        })?;
        let object = &store.public_keys[key];
        if object.key.is_none() || !object.functions.sign {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        Ok(Session::VerifySignature(key, input))
    })
}

/// VERIFY SIGNATURE, UPDATE: the text or digest, in the last one followed by the signature.
pub(crate) fn verify_update(
    sessions: &mut Sessions,
    store: &ObjectStore,
    command: &Command<'_>,
) -> Result<(), StatusWord> {
    let operation = Operation::VerifySignature;
    let last = is_last_part(command.p1)?;
    let Session::VerifySignature(key, input) = sessions.take(operation, command.p2)? else {
        return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
    };
    let is_signature = |octets: &[u8]| EcdsaSignature::from_tlv(octets).is_some();
    match input.update(command.data, last, is_signature)? {
        Progress::More(input) => {
            let session = Session::VerifySignature(key, input);
            sessions.put(operation, command.p2, session);
            Ok(())
        }
        Progress::Digest(digest, signature) => {
            let signature =
                EcdsaSignature::from_tlv(signature).ok_or(StatusWord::INCORRECT_DATA)?;
            let key = store.public_keys[key]
                .key
                .as_ref()
                .ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
            sessions.put(operation, command.p2, Session::Finished);
            if key.verifies(&digest, &signature) {
                Ok(())
            } else {
                Err(StatusWord::SIGNATURE_MISMATCH)
            }
        }
    }
}

/// The data field of both INITs: one key, one mode, one hash, one algorithm, nothing else.
fn parse_init(
    data: &[u8],
    kind: ObjectKind,
    find: impl FnOnce(&ObjectReference<'_>) -> Result<usize, StatusWord>,
) -> Result<(usize, DigestInput), StatusWord> {
    let mut objects = Tlv::read_all(data).map_err(|_| StatusWord::INCORRECT_DATA)?;
    let reference = take_reference(&mut objects, kind)?;
    let input = DigestInput::take(&mut objects)?;
    if !objects.is_empty() {
        return Err(StatusWord::INCORRECT_DATA);
    }
    Ok((find(&reference)?, input))
}
