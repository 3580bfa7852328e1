//! Records in the answer section, and their content: V4, V5, V12, V13, V14.

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{DNSClass, Record};
use iot_identity::RecordError;
use iot_verifier::rrset::AnswerFault;
use iot_verifier::{Bogus, ResponseCode as Said, ValidationError, Wanted};

use super::refused;
use crate::rogue::records::{cname, of_class, raw};
use crate::rogue::*;

/// The active case with this CERT or TLSA RRset, rightly signed.
fn publishing(world: &World, rrset: Vec<Record>) -> Case {
    let mut case = world.active();
    let signed = world.by_zsk().sign(rrset);
    case.wanted = match u16::from(signed[0].record_type()) {
        TLSA => Wanted::Tlsa,
        _ => Wanted::Cert,
    };
    case.cert.answer = signed.clone();
    case.tlsa.answer = signed;
    case
}

fn cert_like(head: [u8; 5], length: usize) -> Vec<Record> {
    vec![raw(OWNER, CERT, &[&head[..], &vec![7; length]].concat())]
}

fn tlsa_like(head: [u8; 3], length: usize) -> Vec<Record> {
    vec![raw(OWNER, TLSA, &[&head[..], &vec![7; length]].concat())]
}

fn no_cert(fault: RecordError) -> Bogus {
    Bogus::Record {
        record_type: CERT,
        fault,
    }
}

fn no_tlsa(fault: RecordError) -> Bogus {
    Bogus::Record {
        record_type: TLSA,
        fault,
    }
}

refused! {
    records_of_another_device_are_refused => |world: &World| {
        let fingerprint = rdata_of(&cert_record());
        let case = publishing(world, vec![raw(OTHER_OWNER, CERT, &fingerprint)]);
        (case, Bogus::from(AnswerFault::OtherOwner { owner: name_of(OTHER_OWNER) }))
    };
    records_of_the_zone_itself_are_refused => |world: &World| {
        let case = publishing(world, vec![raw(ZONE, CERT, &rdata_of(&cert_record()))]);
        (case, Bogus::from(AnswerFault::OtherOwner { owner: name_of(ZONE) }))
    };
    good_records_beside_those_of_another_device_are_refused => |world: &World| {
        let mut case = world.active();
        let other = raw(OTHER_OWNER, CERT, &rdata_of(&cert_record()));
        case.cert.answer.extend(world.by_zsk().sign(vec![other]));
        (case, Bogus::from(AnswerFault::OtherOwner { owner: name_of(OTHER_OWNER) }))
    };
    records_of_another_type_are_refused => |world: &World| {
        let mut case = world.active();
        case.cert.answer = case.tlsa.answer.clone();
        (case, Bogus::from(AnswerFault::OtherType { record_type: TLSA }))
    };
    status_text_as_an_answer_is_refused => |world: &World| {
        let mut case = world.active();
        case.cert.answer = world.by_zsk().sign(vec![status_text()]);
        (case, Bogus::from(AnswerFault::OtherType { record_type: TXT }))
    };
    nsec_as_an_answer_is_refused => |world: &World| {
        let mut case = world.inactive();
        case.cert.answer = std::mem::take(&mut case.cert.authority).split_off(2);
        (case, Bogus::from(AnswerFault::OtherType { record_type: NSEC }))
    };
    signatures_without_records_are_refused => |world: &World| {
        let mut case = world.active();
        case.cert.answer.remove(0);
        (case, Bogus::from(AnswerFault::OnlySignatures))
    };
    records_of_class_chaos_are_refused => |world: &World| {
        let chaos = of_class(cert_record(), DNSClass::CH);
        let case = publishing(world, vec![chaos]);
        (case, Bogus::from(AnswerFault::ForeignClass { record_type: CERT, class: 3 }))
    };
    good_records_beside_those_of_class_hesiod_are_refused => |world: &World| {
        let mut case = world.active();
        case.cert.answer.push(of_class(cert_record(), DNSClass::HS));
        (case, Bogus::from(AnswerFault::ForeignClass { record_type: CERT, class: 4 }))
    };
    denial_of_class_chaos_is_refused => |world: &World| {
        let mut case = world.inactive();
        for record in &mut case.cert.authority {
            record.dns_class = DNSClass::CH;
        }
        (case, Bogus::from(AnswerFault::ForeignClass { record_type: SOA, class: 3 }))
    };
    keys_of_class_chaos_are_refused => |world: &World| {
        let mut case = world.active();
        case.keys.answer[0].dns_class = DNSClass::CH;
        (case, Bogus::from(AnswerFault::ForeignClass { record_type: DNSKEY, class: 3 }))
    };
    alias_to_a_zone_of_the_attacker_is_refused => |world: &World| {
        let mut case = world.active();
        case.cert.answer = world.by_zsk().sign(vec![cname(OWNER, "device.attacker.example.")]);
        (case, Bogus::from(AnswerFault::Alias { record_type: CNAME }))
    };
    alias_beside_the_records_is_refused => |world: &World| {
        let mut case = world.active();
        case.cert.answer.insert(0, cname(OWNER, OWNER));
        (case, Bogus::from(AnswerFault::Alias { record_type: CNAME }))
    };
    redirected_zone_is_refused => |world: &World| {
        let mut case = world.active();
        case.cert.answer.insert(0, raw(ZONE, DNAME, b"\x08attacker\x07example\x00"));
        (case, Bogus::from(AnswerFault::Alias { record_type: DNAME }))
    };
    two_certificates_are_refused => |world: &World| {
        let second = cert_like([0, 1, 0, 1, 0], 32).remove(0);
        let case = publishing(world, vec![cert_record(), second]);
        (case, Bogus::from(AnswerFault::NotExactlyOne { record_type: CERT, found: 2 }))
    };
    twenty_certificates_are_refused => |world: &World| {
        let numbered = |number: u8| raw(OWNER, CERT, &[&[0, 1, 0, 1, 0][..], &[number; 32]].concat());
        let case = publishing(world, (0..20).map(numbered).collect());
        (case, Bogus::from(AnswerFault::NotExactlyOne { record_type: CERT, found: 20 }))
    };
    one_certificate_twice_is_refused => |world: &World| {
        let mut case = world.active();
        case.cert.answer.insert(0, cert_record());
        (case, Bogus::from(AnswerFault::NotExactlyOne { record_type: CERT, found: 2 }))
    };
    two_associations_are_refused => |world: &World| {
        let second = tlsa_like([3, 0, 1], 32).remove(0);
        let case = publishing(world, vec![tlsa_record(), second]);
        (case, Bogus::from(AnswerFault::NotExactlyOne { record_type: TLSA, found: 2 }))
    };
    fingerprints_that_differ_are_refused => |world: &World| {
        let mut case = world.active();
        case.wanted = Wanted::Both;
        case.tlsa.answer = world.by_zsk().sign(tlsa_like([3, 0, 1], 32));
        (case, Bogus::FingerprintsDiffer)
    };
    certificate_published_and_association_withdrawn_is_refused => |world: &World| {
        let mut case = world.active();
        case.wanted = Wanted::Both;
        case.tlsa = world.inactive().tlsa;
        (case, Bogus::from(AnswerFault::Disagree))
    };
    certificate_unknown_and_association_withdrawn_is_refused => |world: &World| {
        let mut case = world.absent();
        case.wanted = Wanted::Both;
        case.tlsa = world.inactive().tlsa;
        (case, Bogus::from(AnswerFault::Disagree))
    };
    certificate_record_of_type_spki_is_refused => |world: &World| (
        publishing(world, cert_like([0, 2, 0, 1, 0], 32)), no_cert(RecordError::Fields),
    );
    certificate_record_of_type_pgp_is_refused => |world: &World| (
        publishing(world, cert_like([0, 3, 0, 1, 0], 32)), no_cert(RecordError::Fields),
    );
    certificate_record_with_another_key_tag_is_refused => |world: &World| (
        publishing(world, cert_like([0, 1, 0, 0, 0], 32)), no_cert(RecordError::Fields),
    );
    certificate_record_with_another_algorithm_is_refused => |world: &World| (
        publishing(world, cert_like([0, 1, 0, 1, 13], 32)), no_cert(RecordError::Fields),
    );
    certificate_record_with_a_short_fingerprint_is_refused => |world: &World| (
        publishing(world, cert_like([0, 1, 0, 1, 0], 31)),
        no_cert(RecordError::Length { found: 36, expected: 37 }),
    );
    certificate_record_with_a_whole_certificate_is_refused => |world: &World| (
        publishing(world, cert_like([0, 1, 0, 1, 0], 600)),
        no_cert(RecordError::Length { found: 605, expected: 37 }),
    );
    empty_certificate_record_is_refused => |world: &World| (
        publishing(world, vec![raw(OWNER, CERT, &[])]),
        no_cert(RecordError::Length { found: 0, expected: 37 }),
    );
    association_of_usage_pkix_ta_is_refused => |world: &World| (
        publishing(world, tlsa_like([0, 0, 1], 32)), no_tlsa(RecordError::Fields),
    );
    association_of_usage_pkix_ee_is_refused => |world: &World| (
        publishing(world, tlsa_like([1, 0, 1], 32)), no_tlsa(RecordError::Fields),
    );
    association_of_usage_dane_ta_is_refused => |world: &World| (
        publishing(world, tlsa_like([2, 0, 1], 32)), no_tlsa(RecordError::Fields),
    );
    association_of_the_key_alone_is_refused => |world: &World| (
        publishing(world, tlsa_like([3, 1, 1], 32)), no_tlsa(RecordError::Fields),
    );
    association_with_full_content_is_refused => |world: &World| (
        publishing(world, tlsa_like([3, 0, 0], 32)), no_tlsa(RecordError::Fields),
    );
    association_by_sha512_is_refused => |world: &World| (
        publishing(world, tlsa_like([3, 0, 2], 64)),
        no_tlsa(RecordError::Length { found: 67, expected: 35 }),
    );
    association_with_a_long_digest_is_refused => |world: &World| (
        publishing(world, tlsa_like([3, 0, 1], 33)),
        no_tlsa(RecordError::Length { found: 36, expected: 35 }),
    );
    empty_association_is_refused => |world: &World| (
        publishing(world, vec![raw(OWNER, TLSA, &[])]),
        no_tlsa(RecordError::Length { found: 0, expected: 35 }),
    );
    records_with_the_code_for_no_such_name_are_refused => |world: &World| {
        let mut case = world.active();
        case.cert.code = ResponseCode::NXDomain;
        (case, Bogus::from(AnswerFault::ResponseCode { response_code: Said::NameError }))
    };
}

#[test]
fn evidence_without_or_with_superfluous_answers_is_refused() {
    let world = World::new();
    let evidence = gather(&world.active()).unwrap();
    let judge = |answers| {
        let mut evidence = evidence.clone();
        evidence.answers = answers;
        validate(&evidence, &world.anchor(), &policy_at(NOW), NOW).map(|_| ())
    };
    let missing = ValidationError::from(Bogus::from(AnswerFault::Missing));
    let answer = evidence.answers[0].clone();
    let mut text = answer.clone();
    text.record_type = TXT;
    assert_eq!(judge(vec![answer.clone()]), Ok(()));
    assert_eq!(judge(Vec::new()), Err(missing.clone()));
    assert_eq!(
        judge(vec![answer.clone(), answer.clone()]),
        Err(missing.clone())
    );
    assert_eq!(judge(vec![text.clone()]), Err(missing.clone()));
    assert_eq!(judge(vec![answer, text]), Err(missing));
}
