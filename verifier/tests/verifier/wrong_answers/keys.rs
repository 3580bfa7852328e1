//! The zone's keys and limits: V2, V3, V10, V18, V21.

use std::sync::Arc;

use hickory_proto::rr::Record;
use iot_verifier::dnskey::{KeyFault, KeyFlaw};
use iot_verifier::limits::Limit;
use iot_verifier::signature::SignatureFault;
use iot_verifier::{
    Bogus, ClockImplausible, KeyEvidence, Policy, ValidationError, Wanted, ZoneAnchor,
    authenticate_keys,
};

use super::refused;
use crate::rogue::key::{KSK, Key, ZSK};
use crate::rogue::records::{Signing, raw};
use crate::rogue::*;

fn over_keys(fault: SignatureFault) -> Bogus {
    Bogus::Signature {
        record_type: DNSKEY,
        fault,
    }
}

/// The active case with these DNSKEY records, signed by the KSK.
fn with_keys(world: &World, more: Vec<Record>) -> Case {
    let mut case = world.active();
    let mut rrset = world.dnskey_records();
    rrset.extend(more);
    case.keys.answer = world.by_ksk().sign(rrset);
    case
}

fn keys(count: usize) -> Vec<Record> {
    (0..count)
        .map(|_| raw(ZONE, DNSKEY, &Key::generate(ZSK).rdata()))
        .collect()
}

/// RRSIGs that name the ZSK, all different and all wrong.
fn bad_signatures(world: &World, records: &[Record], key: &Key, count: usize) -> Vec<Record> {
    let stranger = Key::generate(ZSK);
    let signing = Signing {
        key: &stranger,
        tag: Some(key.tag()),
        ..world.by_zsk()
    };
    (0..count).map(|_| signing.rrsig(records)).collect()
}

refused! {
    keys_signed_by_the_zsk_alone_are_refused => |world: &World| {
        let mut case = world.active();
        case.keys.answer = world.by_zsk().sign(world.dnskey_records());
        (case, Bogus::from(KeyFault::NotSignedByAnchoredKey))
    };
    keys_signed_by_another_ksk_are_refused => |world: &World| {
        let other = Key::generate(KSK);
        let mut case = world.active();
        let mut rrset = world.dnskey_records();
        rrset.push(raw(ZONE, DNSKEY, &other.rdata()));
        case.keys.answer = Signing { key: &other, ..world.by_ksk() }.sign(rrset);
        (case, Bogus::from(KeyFault::NotSignedByAnchoredKey))
    };
    unsigned_keys_are_refused_although_the_anchored_one_is_there => |world: &World| {
        let mut case = world.active();
        case.keys.answer.truncate(2);
        (case, over_keys(SignatureFault::Unsigned))
    };
    keys_with_a_wrong_signature_are_refused => |world: &World| {
        let mut case = world.active();
        case.keys.answer.insert(0, raw(ZONE, DNSKEY, &Key::generate(ZSK).rdata()));
        (case, over_keys(SignatureFault::Invalid))
    };
    keys_without_the_anchored_one_are_refused => |world: &World| {
        let other = World::new();
        (other.active(), { let _ = world; Bogus::from(KeyFault::NotAnchored) })
    };
    key_with_the_tag_of_the_anchored_one_is_refused => |world: &World| {
        let mut case = world.active();
        let twin = raw(ZONE, DNSKEY, &world.ksk.rdata_of_twin(1));
        case.keys.answer = world.by_ksk().sign(vec![twin]);
        (case, Bogus::from(KeyFault::NotAnchored))
    };
    expired_keys_are_refused => |world: &World| {
        let mut case = world.active();
        let signing = Signing { expiration: NOW - 301, ..world.by_ksk() };
        let signing = Signing { inception: NOW - 9_000, ..signing };
        case.keys.answer = signing.sign(world.dnskey_records());
        (case, over_keys(SignatureFault::Expired { expiration: NOW as i64 - 301 }))
    };
    keys_signed_for_more_than_half_the_circle_of_times_are_refused => |world: &World| {
        // Each time alone is near enough to be read; together they run backwards (RFC 1982).
        let mut case = world.active();
        let half = 0x6000_0000;
        let signing = Signing { inception: NOW - half, expiration: NOW + half, ..world.by_ksk() };
        case.keys.answer = signing.sign(world.dnskey_records());
        (case, over_keys(SignatureFault::InceptionAfterExpiration))
    };
    keys_of_a_zone_above_are_refused => |world: &World| {
        let mut case = world.active();
        for record in &mut case.keys.answer {
            record.name = records_name("example.");
        }
        (case, Bogus::from(iot_verifier::rrset::AnswerFault::OtherOwner {
            owner: name_of("example."),
        }))
    };
    no_keys_at_all_are_refused => |world: &World| {
        let mut case = world.active();
        case.keys.answer.clear();
        (case, Bogus::from(KeyFault::Missing))
    };
    one_key_twice_is_refused => |world: &World| (
        with_keys(world, vec![raw(ZONE, DNSKEY, &world.zsk.rdata())]),
        Bogus::from(KeyFault::Duplicate),
    );
    nine_keys_are_too_many => |world: &World| (
        with_keys(world, keys(7)),
        Bogus::from(Limit::Keys),
    );
    seventeen_key_records_are_too_many => |world: &World| {
        let unusable = |number: u8| raw(ZONE, DNSKEY, &[1, 0, 3, 8, number]);
        (with_keys(world, (0..15).map(unusable).collect()), Bogus::from(Limit::KeyRecords))
    };
    three_keys_with_one_tag_are_too_many => |world: &World| {
        let twins = (1..3).map(|steps| raw(ZONE, DNSKEY, &world.zsk.rdata_of_twin(steps)));
        (with_keys(world, twins.collect()), Bogus::from(Limit::KeysPerTag))
    };
    nine_signatures_over_one_record_are_too_many => |world: &World| {
        let mut case = world.active();
        let bad = bad_signatures(world, &[cert_record()], &world.zsk, 8);
        case.cert.answer.extend(bad);
        (case, Bogus::from(Limit::SignaturesPerRrset))
    };
    three_hundred_signatures_are_not_even_read => |world: &World| {
        let mut case = world.active();
        case.cert.answer.extend(bad_signatures(world, &[cert_record()], &world.zsk, 300));
        (case, Failure::Lookup(iot_verifier::message::MessageError::TooManyRecords.into()))
    };
    many_keys_with_one_tag_times_many_signatures_end_in_the_total => |world: &World| {
        // 8 checks for the keys and 15 for CERT, each with the good signature last; TLSA would take
        // the lookup over 32.
        let twin = raw(ZONE, DNSKEY, &world.zsk.rdata_of_twin(1));
        let mut case = with_keys(world, vec![twin]);
        case.wanted = Wanted::Both;
        let key_records = case.keys.answer[..3].to_vec();
        let bad = bad_signatures(world, &key_records, &world.ksk, 7);
        case.keys.answer.splice(3..3, bad);
        let bad = bad_signatures(world, &[cert_record()], &world.zsk, 7);
        case.cert.answer.splice(1..1, bad);
        let bad = bad_signatures(world, &[tlsa_record()], &world.zsk, 8);
        case.tlsa.answer = std::iter::once(tlsa_record()).chain(bad).collect();
        (case, Bogus::from(Limit::SignatureChecks))
    };
    key_of_the_wrong_length_signs_nothing => |world: &World| {
        let mut rdata = world.zsk.rdata();
        rdata.truncate(67);
        let key_tag = key::tag_of(&rdata);
        let mut case = with_keys(world, vec![raw(ZONE, DNSKEY, &rdata)]);
        let signing = Signing { tag: Some(key_tag), ..world.by_zsk() };
        case.cert.answer = signing.sign(vec![cert_record()]);
        let flaw = KeyFlaw::PublicKeyLength { octets: 63 };
        let fault = SignatureFault::UnusableKey { key_tag, flaw };
        (case, Bogus::Signature { record_type: CERT, fault })
    };
    key_that_is_no_point_of_the_curve_signs_nothing => |world: &World| {
        let rdata = [&[1, 0, 3, 13][..], &[0xff; 64]].concat();
        let tag = Some(key::tag_of(&rdata));
        let mut case = with_keys(world, vec![raw(ZONE, DNSKEY, &rdata)]);
        case.cert.answer = Signing { tag, ..world.by_zsk() }.sign(vec![cert_record()]);
        (case, Bogus::Signature { record_type: CERT, fault: SignatureFault::Invalid })
    };
}

#[test]
fn an_anchored_key_that_is_revoked_is_refused() {
    let mut world = World::new();
    world.ksk.flags = KSK | 0x80;
    let expected = Bogus::from(KeyFault::AnchoredKeyUnusable(KeyFlaw::Revoked));
    assert_eq!(world.judge(&world.active()), Err(expected.into()));
}

#[test]
fn an_anchor_speaks_for_its_own_zone_alone() {
    // The anchor's key, copied into a zone of the attacker that he signs with it in the same way.
    let world = World::new();
    let text = world.anchor_text().replace(ZONE, "attacker.example.");
    let anchor = ZoneAnchor::parse(&text).unwrap();
    let evidence = gather(&world.active()).unwrap();
    let expected = ValidationError::ForeignZone {
        found: owner().zone().clone(),
        anchored: anchor.zone().clone(),
    };
    assert_eq!(
        validate(&evidence, &anchor, &policy_at(NOW), NOW),
        Err(expected)
    );
}

#[test]
fn keys_of_another_anchor_are_refused() {
    let world = World::new();
    let attacker = World::new();
    let policy = policy_at(NOW);
    let KeyEvidence::Answered(answer) = gather(&attacker.active()).unwrap().keys else {
        panic!("a cold lookup asks for the keys");
    };
    let keys = authenticate_keys(&answer, &attacker.anchor(), &policy, NOW).unwrap();
    let evidence = gather_with_keys(&attacker.active(), Some(Arc::new(keys))).unwrap();
    let expected = Bogus::from(KeyFault::OtherAnchor);
    assert_eq!(
        validate(&evidence, &world.anchor(), &policy, NOW),
        Err(expected.into())
    );
}

#[test]
fn kept_keys_expire_with_their_signature() {
    let world = World::new();
    let policy = policy_at(NOW);
    let KeyEvidence::Answered(answer) = gather(&world.active()).unwrap().keys else {
        panic!("a cold lookup asks for the keys");
    };
    let keys = authenticate_keys(&answer, &world.anchor(), &policy, NOW).unwrap();
    let expiration = NOW + 3 * 86_400;
    let evidence = gather_with_keys(&world.active(), Some(Arc::new(keys))).unwrap();
    let expected = over_keys(SignatureFault::Expired {
        expiration: expiration as i64,
    });
    let later = expiration + 301;
    assert_eq!(
        validate(&evidence, &world.anchor(), &policy, later),
        Err(expected.into())
    );
    // A clock set back does not help either.
    let before = Policy::default().with_clock_floor(0);
    let expected = over_keys(SignatureFault::NotYetValid {
        inception: NOW as i64 - 300,
    });
    assert_eq!(
        validate(&evidence, &world.anchor(), &before, NOW - 601),
        Err(expected.into())
    );
}

#[test]
fn a_clock_before_the_build_is_refused() {
    let world = World::new();
    let evidence = gather(&world.active()).unwrap();
    let floor = iot_verifier::policy::BUILT_AT;
    let expected = ClockImplausible { now: 0, floor };
    assert_eq!(
        validate(&evidence, &world.anchor(), &Policy::default(), 0),
        Err(expected.into())
    );
}

#[test]
fn a_clock_skew_of_more_than_five_minutes_cannot_be_had() {
    assert!(Policy::default().with_clock_skew_secs(300).is_ok());
    assert!(Policy::default().with_clock_skew_secs(301).is_err());
}
