//! Answers that must be accepted, and how long they may be believed.

use std::sync::Arc;

use hickory_proto::op::ResponseCode;
use iot_verifier::{
    Bogus, Channel, KeyEvidence, Lookup, Verdict, Wanted, ZoneAnchor, authenticate_keys,
};

use crate::rogue::key::{KSK, Key, ZSK};
use crate::rogue::records::{Signing, nsec, raw};
use crate::rogue::*;

#[test]
fn published_credentials_are_active() {
    let world = World::new();
    for wanted in [Wanted::Cert, Wanted::Tlsa, Wanted::Both] {
        let mut case = world.active();
        case.wanted = wanted;
        let Ok(Verdict::Active(active)) = world.judge(&case) else {
            panic!("{wanted:?}: {:?}", world.judge(&case));
        };
        assert_eq!(active.fingerprint(), fingerprint());
        assert_eq!(*active.owner(), owner());
        assert_eq!(active.valid_until(), NOW + ttl());
    }
}

#[test]
fn withdrawn_credentials_are_inactive_and_unknown_ones_absent() {
    let world = World::new();
    for wanted in [Wanted::Cert, Wanted::Tlsa, Wanted::Both] {
        let mut case = world.inactive();
        case.wanted = wanted;
        let verdict = world.judge(&case);
        assert!(matches!(verdict, Ok(Verdict::Inactive(_))), "{verdict:?}");
        let mut case = world.absent();
        case.wanted = wanted;
        let verdict = world.judge(&case).unwrap();
        assert!(matches!(verdict, Verdict::Absent(_)), "{verdict:?}");
        // Not kept for the whole TTL, so that a new device is not hidden.
        assert_eq!(verdict.valid_until(), NOW + 30);
        assert_eq!(
            verdict.signatures().len(),
            if wanted == Wanted::Both { 5 } else { 3 }
        );
    }
}

#[test]
fn an_absent_slot_of_a_known_device_is_absent() {
    let world = World::new();
    // The device's label exists because of slot 2; one NSEC denies slot 1 and the wildcard.
    let second = format!("2.{DEVICE}.{ZONE}");
    let denial = vec![nsec(OTHER_OWNER, &second, &[TXT, RRSIG, NSEC])];
    let case = world.denied(ResponseCode::NXDomain, vec![denial]);
    // 890... sorts before 891..., so this NSEC points backwards.
    assert!(world.judge(&case).is_err());
    let denial = vec![nsec(&zone_name("8"), &second, &[TXT, RRSIG, NSEC])];
    let case = world.denied(ResponseCode::NXDomain, vec![denial]);
    assert!(matches!(world.judge(&case), Ok(Verdict::Absent(_))));
}

#[test]
fn the_last_nsec_of_the_zone_denies_what_comes_after_it() {
    let world = World::new();
    let denial = vec![
        vec![nsec(ZONE, &zone_name("7"), &APEX_TYPES)],
        vec![nsec(&zone_name("8"), ZONE, &[TXT, RRSIG, NSEC])],
    ];
    let case = world.denied(ResponseCode::NXDomain, denial);
    assert!(matches!(world.judge(&case), Ok(Verdict::Absent(_))));
    // The only name of a zone.
    let denial = vec![vec![nsec(ZONE, ZONE, &APEX_TYPES)]];
    let case = world.denied(ResponseCode::NXDomain, denial);
    assert!(matches!(world.judge(&case), Ok(Verdict::Absent(_))));
}

#[test]
fn white_lies_prove_absence() {
    let world = World::new();
    // RFC 4470: names just before and just after, which need not exist.
    let before = zone_name("89049032123451234512345678901234~");
    let after = zone_name("89049032123451234512345678901235\\000");
    let denial = vec![
        vec![nsec(&zone_name("!~"), &zone_name("0"), &[RRSIG, NSEC])],
        vec![nsec(&before, &after, &[RRSIG, NSEC])],
    ];
    let case = world.denied(ResponseCode::NXDomain, denial);
    let verdict = world.judge(&case);
    assert!(matches!(verdict, Ok(Verdict::Absent(_))), "{verdict:?}");
    let denial = vec![vec![nsec(
        OWNER,
        &format!("\\000.{OWNER}"),
        &[TXT, RRSIG, NSEC],
    )]];
    let case = world.denied(ResponseCode::NoError, denial);
    assert!(matches!(world.judge(&case), Ok(Verdict::Inactive(_))));
}

#[test]
fn life_is_the_least_of_ttl_original_ttl_and_signature() {
    let world = World::new();
    let until = |edit: &dyn Fn(&mut Case)| {
        let mut case = world.active();
        edit(&mut case);
        world.judge(&case).unwrap().valid_until()
    };
    let with_ttl = |ttl: u32| until(&|case| case.cert.answer[0].ttl = ttl);
    assert_eq!(with_ttl(7), NOW + 7);
    assert_eq!(with_ttl(86_400), NOW + ttl());
    assert_eq!(with_ttl(u32::MAX), NOW);
    let with_expiration = |expiration: u64| {
        let signing = Signing {
            expiration,
            ..world.by_zsk()
        };
        until(&|case| case.cert.answer = signing.sign(vec![cert_record()]))
    };
    assert_eq!(with_expiration(NOW + 20), NOW + 20);
    // Accepted within the clock skew, and not to be kept.
    assert_eq!(with_expiration(NOW - 300), NOW);
    // The keys' own signature ends first.
    let signing = Signing {
        expiration: NOW + 11,
        ..world.by_ksk()
    };
    let keys = signing.sign(world.dnskey_records());
    assert_eq!(until(&|case| case.keys.answer = keys.clone()), NOW + 11);
}

#[test]
fn signature_times_are_read_across_2038_and_2106() {
    for now in [
        0x7fff_ffff,
        0x8000_0000,
        0x8000_0100,
        0xffff_ff00,
        0x1_0000_0000,
        0x1_0000_0100,
        0x1_8000_0000,
    ] {
        let world = World::at(now);
        let verdict = world.judge(&world.active()).unwrap();
        assert_eq!(verdict.valid_until(), now + ttl());
    }
}

#[test]
fn the_inception_may_lie_ahead_by_the_clock_skew() {
    let world = World::new();
    let mut case = world.active();
    let signing = Signing {
        inception: NOW + 300,
        ..world.by_zsk()
    };
    case.cert.answer = signing.sign(vec![cert_record()]);
    assert!(world.judge(&case).is_ok());
}

#[test]
fn one_good_signature_among_bad_ones_is_enough() {
    let world = World::new();
    let stranger = Key::generate(ZSK);
    let bad = Signing {
        tag: Some(world.zsk.tag()),
        key: &stranger,
        ..world.by_zsk()
    };
    let mut case = world.active();
    case.cert.answer.insert(1, bad.rrsig(&[cert_record()]));
    assert!(world.judge(&case).is_ok());
}

#[test]
fn key_rollovers_keep_verifying() {
    let world = World::new();
    let (new_ksk, new_zsk) = (Key::generate(KSK), Key::generate(ZSK));
    // Both ZSKs published, the new one signs; both KSKs published and signing.
    let mut rrset = world.dnskey_records();
    rrset.push(raw(ZONE, DNSKEY, &new_ksk.rdata()));
    rrset.push(raw(ZONE, DNSKEY, &new_zsk.rdata()));
    let mut case = world.active();
    let by_new_ksk = Signing {
        key: &new_ksk,
        ..world.by_ksk()
    };
    let second = by_new_ksk.rrsig(&rrset);
    case.keys.answer = world.by_ksk().sign(rrset);
    case.keys.answer.push(second);
    let by_new_zsk = Signing {
        key: &new_zsk,
        ..world.by_zsk()
    };
    case.cert.answer = by_new_zsk.sign(vec![cert_record()]);
    assert!(world.judge(&case).is_ok());
}

#[test]
fn a_dnskey_anchor_and_an_anchor_with_several_keys_work() {
    use base64::prelude::*;
    let world = World::new();
    let evidence = gather(&world.active()).unwrap();
    let public = BASE64_STANDARD.encode(&world.ksk.rdata()[4..]);
    let (first, second) = public.split_at(40);
    let text = format!(
        "; keys of the registry\n\n{} ; the old one\niotregistry.example. DNSKEY 257 3 13 {first} {second}\n",
        World::new().anchor_text()
    );
    let anchor = ZoneAnchor::parse(&text).unwrap();
    assert_eq!(anchor.key_tags()[1], world.ksk.tag());
    assert!(validate(&evidence, &anchor, &policy_at(NOW), NOW).is_ok());
}

#[test]
fn the_lifetime_maximum_comes_from_policy_then_anchor_then_default() {
    let world = World::new();
    let signing = Signing {
        expiration: NOW + 86_400,
        ..world.by_zsk()
    };
    let mut case = world.active();
    case.cert.answer = signing.sign(vec![cert_record()]);
    let evidence = gather(&case).unwrap();
    let plain = world.anchor();
    let text = format!("; lifetime-max: 86700\n{}", world.anchor_text());
    let lenient = ZoneAnchor::parse(&text).unwrap();
    let policy = policy_at(NOW);
    assert!(validate(&evidence, &plain, &policy, NOW).is_err());
    assert!(validate(&evidence, &lenient, &policy, NOW).is_ok());
    let strict = policy.with_lifetime_max_secs(86_699);
    assert!(validate(&evidence, &lenient, &strict, NOW).is_err());
    let exact = policy.with_lifetime_max_secs(86_700);
    assert!(validate(&evidence, &plain, &exact, NOW).is_ok());
}

#[test]
fn a_warm_lookup_is_one_query_and_rests_on_known_keys() {
    let world = World::new();
    let case = world.active();
    let KeyEvidence::Answered(answer) = gather(&case).unwrap().keys else {
        panic!("a cold lookup asks for the keys");
    };
    let policy = policy_at(NOW);
    let keys = authenticate_keys(&answer, &world.anchor(), &policy, NOW).unwrap();
    assert_eq!(keys.keep_until(), NOW + ttl());
    let keys = Arc::new(keys);
    let mut lookup = Lookup::new(owner(), Wanted::Cert, Some(Arc::clone(&keys)), [0; 6]);
    assert!(lookup.poll_query().is_some());
    assert_eq!(lookup.poll_query(), None);
    let evidence = gather_with_keys(&case, Some(keys)).unwrap();
    assert!(validate(&evidence, &world.anchor(), &policy, NOW).is_ok());
}

#[test]
fn queries_ask_for_dnssec_and_leave_the_judgement_to_us() {
    use hickory_proto::op::Message;
    let mut lookup = Lookup::new(owner(), Wanted::Both, None, [7; 6]);
    let mut ids = Vec::new();
    while let Some(query) = lookup.poll_query() {
        let message = Message::from_vec(&query.octets).unwrap();
        assert!(message.metadata.recursion_desired && message.metadata.checking_disabled);
        assert!(!message.metadata.authentic_data);
        assert!(message.edns.as_ref().unwrap().flags().dnssec_ok);
        assert_eq!(query.channel, Channel::Datagram);
        ids.push(message.metadata.id);
    }
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

#[test]
fn a_truncated_datagram_is_asked_again_over_a_stream() {
    let world = World::new();
    let case = world.active();
    let mut lookup = Lookup::new(owner(), Wanted::Cert, None, [1, 2, 3, 4, 5, 6]);
    let query = lookup.poll_query().unwrap();
    let mut truncated = answer(&case, &query.octets);
    truncated[2] |= 2;
    truncated.truncate(80);
    lookup
        .handle_response(&truncated, Channel::Datagram, NOW)
        .unwrap();
    let again = lookup.poll_query().unwrap();
    assert_eq!(
        (again.octets, again.channel),
        (query.octets, Channel::Stream)
    );
}

#[test]
fn letter_case_of_the_answer_does_not_matter() {
    let world = World::new();
    let case = world.active();
    let mut lookup = Lookup::new(owner(), Wanted::Cert, None, [1, 2, 3, 4, 5, 6]);
    while let Some(query) = lookup.poll_query() {
        let response = answer(&case, &query.octets);
        let upper: Vec<u8> = response
            .iter()
            .enumerate()
            // The question alone: it is where the names are spelled out.
            .map(|(at, octet)| {
                if (12..40).contains(&at) {
                    octet.to_ascii_uppercase()
                } else {
                    *octet
                }
            })
            .collect();
        lookup
            .handle_response(&upper, Channel::Stream, NOW)
            .unwrap();
    }
    let evidence = lookup.finish().unwrap();
    let verdict = validate(&evidence, &world.anchor(), &policy_at(NOW), NOW);
    assert!(matches!(verdict, Ok(Verdict::Active(_))), "{verdict:?}");
}

#[test]
fn the_error_for_several_bad_signatures_is_the_most_telling() {
    use iot_verifier::signature::SignatureFault;
    let world = World::new();
    let mut case = world.active();
    let expired = Signing {
        inception: NOW - 4_000,
        expiration: NOW - 301,
        ..world.by_zsk()
    };
    let foreign = Signing {
        signer: "example.",
        ..world.by_zsk()
    };
    case.cert.answer = vec![
        cert_record(),
        expired.rrsig(&[cert_record()]),
        foreign.rrsig(&[cert_record()]),
    ];
    let expected = Bogus::Signature {
        record_type: CERT,
        fault: SignatureFault::Expired {
            expiration: NOW as i64 - 301,
        },
    };
    assert_eq!(world.judge(&case), Err(expected.into()));
}
