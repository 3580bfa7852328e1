//! Signatures over the device's records: V1, V2, V6, V11.

use iot_verifier::Bogus;
use iot_verifier::dnskey::KeyFlaw;
use iot_verifier::signature::SignatureFault;

use super::refused;
use crate::rogue::key::{Key, ZSK};
use crate::rogue::records::{Signing, TTL, nsec, raw};
use crate::rogue::*;

fn over_cert(fault: SignatureFault) -> Bogus {
    Bogus::Signature {
        record_type: CERT,
        fault,
    }
}

/// The active case with the CERT record signed like this.
fn signed(world: &World, signing: &Signing<'_>) -> Case {
    let mut case = world.active();
    case.cert.answer = signing.sign(vec![cert_record()]);
    case
}

/// A case at `now` whose CERT signature has these times, seen from an honest world.
fn timed(world: &World, inception: u64, expiration: u64) -> Case {
    let signing = Signing {
        inception,
        expiration,
        ..world.by_zsk()
    };
    signed(world, &signing)
}

/// The active case with the ZSK published differently (and the key RRset signed rightly).
fn with_zsk(change: impl FnOnce(&mut Key)) -> (Case, u16, World) {
    let mut world = World::new();
    change(&mut world.zsk);
    let case = world.active();
    let tag = world.zsk.tag();
    (case, tag, world)
}

refused! {
    expired_signature_is_refused => |world: &World| (
        timed(world, NOW - 3_900, NOW - 301),
        over_cert(SignatureFault::Expired { expiration: NOW as i64 - 301 }),
    );
    signature_that_is_not_yet_valid_is_refused => |world: &World| (
        timed(world, NOW + 301, NOW + 3_900),
        over_cert(SignatureFault::NotYetValid { inception: NOW as i64 + 301 }),
    );
    signature_that_expires_before_its_inception_is_refused => |world: &World| (
        timed(world, NOW + 100, NOW + 99),
        over_cert(SignatureFault::InceptionAfterExpiration),
    );
    signature_of_68_years_is_no_signature_of_minus_68_years => |world: &World| (
        timed(world, NOW - 10, NOW + 0x8000_0000),
        over_cert(SignatureFault::InceptionAfterExpiration),
    );
    captured_answer_is_refused_after_expiration_and_skew => |world: &World| {
        let mut case = world.active();
        case.now = NOW + 3_600 + 301;
        (case, over_cert(SignatureFault::Expired { expiration: NOW as i64 + 3_600 }))
    };
    unsigned_record_is_refused => |world: &World| {
        let mut case = world.active();
        case.cert.answer.truncate(1);
        (case, over_cert(SignatureFault::Unsigned))
    };
    signature_over_another_type_is_refused => |world: &World| {
        let mut case = world.active();
        let over_tlsa = case.tlsa.answer[1].clone();
        case.cert.answer[1] = over_tlsa;
        (case, over_cert(SignatureFault::TypeCovered { covered: TLSA }))
    };
    signature_that_claims_another_type_is_refused => |world: &World| (
        signed(world, &Signing { covered: Some(TXT), ..world.by_zsk() }),
        over_cert(SignatureFault::TypeCovered { covered: TXT }),
    );
    signature_over_another_certificate_is_refused => |world: &World| {
        let mut case = world.active();
        let other = raw(OWNER, CERT, &[&[0, 1, 0, 1, 0][..], &[9; 32]].concat());
        case.cert.answer[0] = other;
        (case, over_cert(SignatureFault::Invalid))
    };
    signature_over_another_device_is_refused => |world: &World| {
        let mut case = world.active();
        let other = raw(OTHER_OWNER, CERT, &[&[0, 1, 0, 1, 0][..], &[9; 32]].concat());
        let mut moved = world.by_zsk().sign(vec![other]);
        for record in &mut moved {
            record.name = cert_record().name;
        }
        case.cert.answer = moved;
        (case, over_cert(SignatureFault::Invalid))
    };
    signature_by_the_parent_is_refused => |world: &World| (
        signed(world, &Signing { signer: "example.", ..world.by_zsk() }),
        over_cert(SignatureFault::Signer { signer: wire_name("example.") }),
    );
    signature_by_the_root_is_refused => |world: &World| (
        signed(world, &Signing { signer: ".", ..world.by_zsk() }),
        over_cert(SignatureFault::Signer { signer: wire_name(".") }),
    );
    signature_by_a_sibling_is_refused => |world: &World| (
        signed(world, &Signing { signer: "attacker.example.", ..world.by_zsk() }),
        over_cert(SignatureFault::Signer { signer: wire_name("attacker.example.") }),
    );
    signature_by_the_owner_itself_is_refused => |world: &World| (
        signed(world, &Signing { signer: OWNER, ..world.by_zsk() }),
        over_cert(SignatureFault::Signer { signer: wire_name(OWNER) }),
    );
    signature_by_a_zone_between_is_refused => |world: &World| {
        let between = format!("{DEVICE}.{ZONE}");
        (
            signed(world, &Signing { signer: &between, ..world.by_zsk() }),
            over_cert(SignatureFault::Signer { signer: wire_name(&between) }),
        )
    };
    signature_with_an_unknown_key_tag_is_refused => |world: &World| {
        let key_tag = world.zsk.tag() ^ world.ksk.tag() ^ 1;
        (
            signed(world, &Signing { tag: Some(key_tag), ..world.by_zsk() }),
            over_cert(SignatureFault::NoKey { key_tag }),
        )
    };
    signature_with_the_tag_of_another_key_is_refused => |world: &World| (
        signed(world, &Signing { tag: Some(world.ksk.tag()), ..world.by_zsk() }),
        over_cert(SignatureFault::Invalid),
    );
    signature_of_another_algorithm_is_refused => |world: &World| (
        signed(world, &Signing { algorithm: 14, ..world.by_zsk() }),
        over_cert(SignatureFault::Algorithm { algorithm: 14 }),
    );
    signature_of_a_private_algorithm_is_refused => |world: &World| (
        signed(world, &Signing { algorithm: 253, ..world.by_zsk() }),
        over_cert(SignatureFault::Algorithm { algorithm: 253 }),
    );
    signature_by_an_unpublished_key_is_refused => |world: &World| {
        let stranger = Key::generate(ZSK);
        let key_tag = stranger.tag();
        (
            signed(world, &Signing { key: &stranger, ..world.by_zsk() }),
            over_cert(SignatureFault::NoKey { key_tag }),
        )
    };
    signature_by_a_stranger_with_our_key_tag_is_refused => |world: &World| {
        let stranger = Key::generate(ZSK);
        let tag = Some(world.zsk.tag());
        (
            signed(world, &Signing { key: &stranger, tag, ..world.by_zsk() }),
            over_cert(SignatureFault::Invalid),
        )
    };
    record_expanded_from_a_wildcard_is_refused => |world: &World| (
        signed(world, &Signing { labels: Some(3), ..world.by_zsk() }),
        over_cert(SignatureFault::WildcardExpanded { labels: 3, owner_labels: 4 }),
    );
    record_expanded_from_the_zones_wildcard_is_refused => |world: &World| (
        signed(world, &Signing { labels: Some(2), ..world.by_zsk() }),
        over_cert(SignatureFault::WildcardExpanded { labels: 2, owner_labels: 4 }),
    );
    signature_with_fewer_labels_than_its_signer_is_refused => |world: &World| (
        signed(world, &Signing { labels: Some(1), ..world.by_zsk() }),
        over_cert(SignatureFault::WildcardExpanded { labels: 1, owner_labels: 4 }),
    );
    signature_with_more_labels_than_the_owner_is_refused => |world: &World| (
        signed(world, &Signing { labels: Some(5), ..world.by_zsk() }),
        over_cert(SignatureFault::LabelsTooMany { labels: 5, owner_labels: 4 }),
    );
    signature_of_three_weeks_is_refused => |world: &World| (
        timed(world, NOW - 300, NOW + 21 * 86_400),
        over_cert(SignatureFault::LifetimeTooLong {
            lifetime_secs: 21 * 86_400 + 300,
            max_secs: 22_500,
        }),
    );
    signature_one_second_over_the_lifetime_maximum_is_refused => |world: &World| (
        timed(world, NOW - 300, NOW + 22_201),
        over_cert(SignatureFault::LifetimeTooLong { lifetime_secs: 22_501, max_secs: 22_500 }),
    );
    denial_of_three_weeks_is_refused => |world: &World| {
        let mut case = world.inactive();
        let signing = Signing { expiration: NOW + 21 * 86_400, ..world.by_zsk() };
        case.cert.authority =
            signing.sign(vec![nsec(OWNER, &zone_name("zz"), &[TXT, RRSIG, NSEC])]);
        let fault = SignatureFault::LifetimeTooLong {
            lifetime_secs: 21 * 86_400 + 300,
            max_secs: 22_500,
        };
        (case, Bogus::Signature { record_type: NSEC, fault })
    };
    original_ttl_raised_after_signing_is_refused => |world: &World| {
        let mut case = world.active();
        let mut rdata = rdata_of(&case.cert.answer[1]);
        rdata[4..8].copy_from_slice(&86_400_u32.to_be_bytes());
        case.cert.answer[1] = raw(OWNER, RRSIG, &rdata);
        (case, over_cert(SignatureFault::Invalid))
    };
    signature_cut_short_is_refused => |world: &World| {
        let mut case = world.active();
        let rdata = rdata_of(&case.cert.answer[1]);
        case.cert.answer[1] = raw(OWNER, RRSIG, &rdata[..rdata.len() - 1]);
        (case, over_cert(SignatureFault::Malformed))
    };
    empty_signature_record_is_refused => |world: &World| {
        let mut case = world.active();
        case.cert.answer[1] = raw(OWNER, RRSIG, &[]);
        (case, over_cert(SignatureFault::Malformed))
    };
    compressed_signer_is_refused => |world: &World| {
        let mut case = world.active();
        let mut rdata = rdata_of(&case.cert.answer[1])[..18].to_vec();
        rdata.extend_from_slice(&[0xc0, 12]);
        rdata.extend_from_slice(&[1; 64]);
        case.cert.answer[1] = raw(OWNER, RRSIG, &rdata);
        (case, over_cert(SignatureFault::Malformed))
    };
}

/// The TTL may be anything, the signed one is what counts: see `good_answers` for the clamping.
#[test]
fn ttl_of_zero_is_not_kept() {
    let world = World::new();
    let mut case = world.active();
    case.cert.answer[0].ttl = 0;
    assert_eq!(world.judge(&case).unwrap().valid_until(), NOW);
    assert_ne!(TTL, 0);
}

#[test]
fn keys_that_are_no_zone_keys_sign_nothing() {
    type Change = fn(&mut Key);
    let flaws: [(Change, KeyFlaw); 4] = [
        (|key| key.flags = 0, KeyFlaw::NotZoneKey),
        (|key| key.flags = ZSK | 0x80, KeyFlaw::Revoked),
        (|key| key.protocol = 2, KeyFlaw::Protocol),
        (
            |key| key.algorithm = 14,
            KeyFlaw::Algorithm { algorithm: 14 },
        ),
    ];
    for (change, flaw) in flaws {
        let (case, key_tag, world) = with_zsk(change);
        let expected = over_cert(SignatureFault::UnusableKey { key_tag, flaw });
        assert_eq!(world.judge(&case), Err(expected.into()));
    }
}

#[test]
fn expired_signatures_are_refused_across_2038_and_2106() {
    for turn in [0x8000_0000_u64, 0x1_0000_0000] {
        let world = World::at(turn + 1_000);
        let case = timed(&world, turn - 3_600, turn - 1);
        let expected = over_cert(SignatureFault::Expired {
            expiration: turn as i64 - 1,
        });
        assert_eq!(world.judge(&case), Err(expected.into()));
        let world = World::at(turn - 1_000);
        let case = timed(&world, turn + 1, turn + 3_600);
        let expected = over_cert(SignatureFault::NotYetValid {
            inception: turn as i64 + 1,
        });
        assert_eq!(world.judge(&case), Err(expected.into()));
    }
}

fn wire_name(text: &str) -> iot_verifier::name::Name {
    name_of(text)
}
