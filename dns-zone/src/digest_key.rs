//! Digests in place of signatures, for counted runs whose subject is which signatures are made and
//! kept, not what they are worth.
//!
//! Anybody can make them, so a process accepts them only after it has made such keys itself, which
//! the product never does. Their public keys are no points of the curve (x is not below the prime),
//! so every other validator refuses them.

use std::sync::atomic::{AtomicBool, Ordering};

use ring::digest::{Context, SHA256};

use crate::key::{PublicKey, Role};
use crate::rrsig::SIGNATURE_OCTETS;

/// Every octet of x.
const NO_COORDINATE: u8 = 0xff;
const COORDINATE_OCTETS: usize = 32;

static ACCEPTED: AtomicBool = AtomicBool::new(false);

/// From now on digests are accepted.
pub(crate) fn accept() {
    ACCEPTED.store(true, Ordering::Relaxed);
}

/// The public key of a role; the two have different tags.
pub(crate) fn public(role: Role) -> PublicKey {
    let mut point = [NO_COORDINATE; 1 + 2 * COORDINATE_OCTETS];
    point[0] = 4;
    let y = match role {
        Role::Ksk => 1,
        Role::Zsk => 2,
    };
    point[1 + COORDINATE_OCTETS..].fill(y);
    PublicKey::new(role, &point)
}

/// Whether a key is one of these, and digests are accepted.
pub(crate) fn accepts(key: &PublicKey) -> bool {
    let x = &key.rdata()[4..4 + COORDINATE_OCTETS];
    x.iter().all(|octet| *octet == NO_COORDINATE) && ACCEPTED.load(Ordering::Relaxed)
}

/// What stands for the signature over `message`: two SHA-256, which differ in every octet.
pub(crate) fn digest(key: &PublicKey, message: &[u8]) -> [u8; SIGNATURE_OCTETS] {
    let mut context = Context::new(&SHA256);
    context.update(key.rdata());
    context.update(message);
    let digest = context.finish();
    let mut octets = [0; SIGNATURE_OCTETS];
    let (first, second) = octets.split_at_mut(SIGNATURE_OCTETS / 2);
    first.copy_from_slice(digest.as_ref());
    for (octet, other) in second.iter_mut().zip(digest.as_ref()) {
        *octet = !other;
    }
    octets
}

#[cfg(test)]
mod tests {
    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    use super::*;
    use crate::key::ZoneKeys;
    use crate::rrsig::verifies;

    #[test]
    fn a_digest_stands_for_one_message_and_one_key() {
        let keys = ZoneKeys::digesting();
        let public = keys.public();
        let octets = keys.sign(Role::Zsk, b"message").unwrap();
        assert!(verifies(&public.zsk, b"message", &octets));
        assert!(!verifies(&public.zsk, b"massage", &octets));
        assert!(!verifies(&public.ksk, b"message", &octets));
        assert_ne!(keys.ksk_tag(), keys.zsk_tag());
    }

    #[test]
    fn a_validator_refuses_keys_of_digests() {
        let keys = ZoneKeys::digesting();
        let octets = keys.sign(Role::Zsk, b"message").unwrap();
        let point = keys.public().zsk.point();
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
        assert!(key.verify(b"message", &octets).is_err());
    }

    #[test]
    fn a_digest_is_no_signature_of_a_real_key() {
        let real = ZoneKeys::generate().unwrap().public();
        let octets = digest(&real.zsk, b"message");
        assert!(!verifies(&real.zsk, b"message", &octets));
    }
}
