//! The chain above the zone: V1 to V3, V8, V10, V12.

use iot_verifier::chain::ChainFault;
use iot_verifier::dnskey::{KeyFault, KeyFlaw};
use iot_verifier::limits::Limit;
use iot_verifier::rrset::AnswerFault;
use iot_verifier::signature::SignatureFault;
use iot_verifier::{Bogus, ChainEnd};

use super::broken;
use crate::rogue::above::*;
use crate::rogue::key::{KSK, Key, ZSK};
use crate::rogue::records::{Signing, cname, of_class, raw};
use crate::rogue::*;

/// What is wrong at a name of the chain.
fn at(name: &str, fault: impl Into<Bogus>) -> Bogus {
    let (name, fault) = (name_of(name), Box::new(fault.into()));
    ChainFault::At { name, fault }.into()
}

fn signature(record_type: u16, fault: SignatureFault) -> Bogus {
    Bogus::Signature { record_type, fault }
}

fn put(
    answers: &mut Answers,
    name: &'static str,
    record_type: u16,
    answer: Vec<hickory_proto::rr::Record>,
) {
    answers.insert((name, record_type), Sections::positive(answer));
}

/// A P-256 key under the number of another algorithm.
fn calling_itself(algorithm: u8) -> Key {
    let mut key = Key::generate(KSK);
    key.algorithm = algorithm;
    key
}

/// Another signature than was made: its last octet differs.
fn spoil(rrsig: &mut hickory_proto::rr::Record) {
    let mut rdata = rdata_of(rrsig);
    *rdata.last_mut().unwrap() ^= 1;
    *rrsig = raw(&rrsig.name.to_ascii(), RRSIG, &rdata);
}

/// The domain's key as it is published, after a change of its fields, named and signing as ever.
fn with_changed_key(
    above: &mut Above,
    answers: &mut Answers,
    change: impl FnOnce(&mut Key),
) -> Bogus {
    change(&mut above.tld[0]);
    *answers = above.honest();
    let flaw = |flaw| at(TLD, KeyFault::AnchoredKeyUnusable(flaw));
    let key = &above.tld[0];
    match (key.flags, key.protocol) {
        (0, _) => flaw(KeyFlaw::NotZoneKey),
        (_, 3) => flaw(KeyFlaw::Revoked),
        _ => flaw(KeyFlaw::Protocol),
    }
}

broken! {
    root_keys_without_the_anchored_one_are_refused => |_, answers| {
        let other = Above::with_algorithms(13, 13).honest();
        answers.insert((ROOT, DNSKEY), other[&(ROOT, DNSKEY)].clone());
        at(ROOT, KeyFault::NotAnchored)
    };
    root_keys_signed_by_the_zsk_alone_are_refused => |above, answers| {
        put(answers, ROOT, DNSKEY, above.by_root(above.root_keys()));
        at(ROOT, KeyFault::NotSignedByAnchoredKey)
    };
    root_keys_whose_signature_has_expired_are_refused => |above, answers| {
        let expiration = NOW - 301;
        let inception = expiration - 3_600;
        let signing = Signing { inception, expiration, ..Above::by(&above.root[0], ROOT) };
        put(answers, ROOT, DNSKEY, signing.sign(above.root_keys()));
        at(ROOT, signature(DNSKEY, SignatureFault::Expired { expiration: expiration as i64 }))
    };
    no_root_keys_are_refused => |_, answers| {
        put(answers, ROOT, DNSKEY, Vec::new());
        at(ROOT, KeyFault::Missing)
    };
    domain_keys_that_no_ds_record_names_are_refused => |above, answers| {
        let other = Key::generate(KSK);
        let keys = vec![raw(TLD, DNSKEY, &other.rdata())];
        put(answers, TLD, DNSKEY, Above::by(&other, TLD).sign(keys));
        let _ = above;
        at(TLD, KeyFault::NotAnchored)
    };
    domain_keys_signed_by_another_than_the_named_one_are_refused => |above, answers| {
        put(answers, TLD, DNSKEY, above.by_tld(above.tld_keys()));
        at(TLD, KeyFault::NotSignedByAnchoredKey)
    };
    the_roots_key_is_no_key_of_another_zone => |above, answers| {
        // Copied into the domain's RRset, and signing it rightly.
        let mut keys = above.tld_keys();
        keys.remove(0);
        keys.push(raw(TLD, DNSKEY, &above.root[0].rdata()));
        put(answers, TLD, DNSKEY, Above::by(&above.root[0], TLD).sign(keys));
        at(TLD, KeyFault::NotAnchored)
    };
    the_zones_key_is_no_key_of_its_parent => |above, answers| {
        let mut keys = above.tld_keys();
        keys.push(raw(TLD, DNSKEY, &above.world.ksk.rdata()));
        put(answers, TLD, DNSKEY, Above::by(&above.world.ksk, TLD).sign(keys));
        at(TLD, KeyFault::NotSignedByAnchoredKey)
    };
    domain_key_that_is_revoked_is_refused => |above, answers| {
        with_changed_key(above, answers, |key| key.flags = KSK | 0x80)
    };
    domain_key_that_is_no_zone_key_is_refused => |above, answers| {
        with_changed_key(above, answers, |key| key.flags = 0)
    };
    domain_key_of_another_protocol_is_refused => |above, answers| {
        with_changed_key(above, answers, |key| key.protocol = 2)
    };
    domain_key_under_another_algorithm_than_its_ds_is_refused => |above, answers| {
        let set = vec![ds(TLD, &calling_itself(14), 2)];
        put(answers, TLD, DS, above.by_root(set));
        at(TLD, KeyFault::NotAnchored)
    };
    unsigned_ds_is_refused => |_, answers| {
        let sections = answers.get_mut(&(TLD, DS)).unwrap();
        sections.answer.truncate(1);
        at(TLD, signature(DS, SignatureFault::Unsigned))
    };
    ds_that_the_child_signed_itself_is_refused => |above, answers| {
        let set = vec![ds(TLD, &above.tld[0], 2)];
        put(answers, TLD, DS, above.by_tld(set));
        let signer = name_of(TLD);
        at(TLD, signature(DS, SignatureFault::Signer { signer }))
    };
    ds_signed_by_the_child_in_its_parents_name_is_refused => |above, answers| {
        let set = vec![ds(TLD, &above.tld[0], 2)];
        put(answers, TLD, DS, Above::by(&above.tld[1], ROOT).sign(set));
        let key_tag = above.tld[1].tag();
        at(TLD, signature(DS, SignatureFault::NoKey { key_tag }))
    };
    ds_of_the_zone_signed_by_its_grandparent_is_refused => |above, answers| {
        let set = vec![ds(ZONE, &above.world.ksk, 2)];
        put(answers, ZONE, DS, above.by_root(set));
        at(ZONE, signature(DS, SignatureFault::Signer { signer: name_of(ROOT) }))
    };
    ds_expanded_from_a_wildcard_is_refused => |above, answers| {
        let signing = Signing { labels: Some(0), ..Above::by(&above.root[1], ROOT) };
        put(answers, TLD, DS, signing.sign(vec![ds(TLD, &above.tld[0], 2)]));
        let fault = SignatureFault::WildcardExpanded { labels: 0, owner_labels: 1 };
        at(TLD, signature(DS, fault))
    };
    ds_whose_signature_is_not_yet_valid_is_refused => |above, answers| {
        let inception = NOW + 301;
        let signing = Signing { inception, ..Above::by(&above.tld[1], TLD) };
        put(answers, ZONE, DS, signing.sign(vec![ds(ZONE, &above.world.ksk, 2)]));
        at(ZONE, signature(DS, SignatureFault::NotYetValid { inception: inception as i64 }))
    };
    ds_under_a_wrong_signature_is_refused => |above, answers| {
        let mut set = above.by_tld(vec![ds(ZONE, &above.world.ksk, 2)]);
        set[0] = ds(ZONE, &Key::generate(KSK), 2);
        put(answers, ZONE, DS, set);
        at(ZONE, signature(DS, SignatureFault::Invalid))
    };
    ds_of_another_name_is_refused => |above, answers| {
        put(answers, TLD, DS, above.by_root(vec![ds("test.", &above.tld[0], 2)]));
        at(TLD, AnswerFault::OtherOwner { owner: name_of("test.") })
    };
    ds_of_another_class_is_refused => |above, answers| {
        let chaos = of_class(ds(TLD, &above.tld[0], 2), hickory_proto::rr::DNSClass::CH);
        put(answers, TLD, DS, above.by_root(vec![chaos]));
        at(TLD, AnswerFault::ForeignClass { record_type: DS, class: 3 })
    };
    ds_beside_another_type_is_refused => |above, answers| {
        let mut set = above.by_root(vec![ds(TLD, &above.tld[0], 2)]);
        set.extend(above.by_root(vec![raw(TLD, TXT, &[1, b'x'])]));
        put(answers, TLD, DS, set);
        at(TLD, AnswerFault::OtherType { record_type: TXT })
    };
    an_alias_in_the_chain_is_refused => |above, answers| {
        put(answers, TLD, DS, above.by_root(vec![cname(TLD, "test.")]));
        at(TLD, AnswerFault::Alias { record_type: CNAME })
    };
    an_alias_of_the_zone_is_refused => |above, answers| {
        let dname = raw(ZONE, DNAME, name_of("other.example.").wire());
        put(answers, ZONE, DS, above.by_tld(vec![dname]));
        at(ZONE, AnswerFault::Alias { record_type: DNAME })
    };
    more_ds_records_than_any_zone_has_are_refused => |above, answers| {
        let set = (0..9).map(|_| ds(TLD, &Key::generate(KSK), 2)).collect();
        put(answers, TLD, DS, above.by_root(set));
        Bogus::from(Limit::DsRecords)
    };
    more_keys_than_any_zone_has_are_refused_above_it_too => |above, answers| {
        let mut keys = above.tld_keys();
        keys.extend((0..15).map(|_| raw(TLD, DNSKEY, &Key::generate(ZSK).rdata())));
        put(answers, TLD, DNSKEY, Above::by(&above.tld[0], TLD).sign(keys));
        Bogus::from(Limit::KeyRecords)
    };
    more_keys_of_one_tag_than_two_are_refused_above_it_too => |above, answers| {
        let mut keys = above.tld_keys();
        for steps in 1..3 {
            keys.push(raw(TLD, DNSKEY, &above.tld[0].rdata_of_twin(steps)));
        }
        put(answers, TLD, DNSKEY, Above::by(&above.tld[0], TLD).sign(keys));
        Bogus::from(Limit::KeysPerTag)
    };
    the_work_of_a_whole_chain_is_limited => |above, answers| {
        // Seven wrong signatures before the right one, at every place: each by a key that is there.
        for (name, record_type, signer) in [
            (ROOT, DNSKEY, ROOT),
            (TLD, DS, ROOT),
            (TLD, DNSKEY, TLD),
            (ZONE, DS, TLD),
            (ZONE, DNSKEY, ZONE),
        ] {
            let key = match (name, record_type) {
                (ROOT, _) => &above.root[0],
                (TLD, DS) => &above.root[1],
                (TLD, _) => &above.tld[0],
                (_, DS) => &above.tld[1],
                _ => &above.world.ksk,
            };
            let sections = answers.get_mut(&(name, record_type)).unwrap();
            let records: Vec<_> = sections
                .answer
                .iter()
                .filter(|record| u16::from(record.record_type()) == record_type)
                .cloned()
                .collect();
            for number in 0..7 {
                let original_ttl = 100 + number;
                let wrong = Signing { original_ttl, ..Above::by(key, signer) };
                let mut rrsig = wrong.rrsig(&records);
                spoil(&mut rrsig);
                sections.answer.insert(0, rrsig);
            }
        }
        Bogus::from(Limit::SignatureChecks)
    };
}

#[test]
fn what_the_parent_says_in_words_that_are_not_understood_is_the_end() {
    for (digest_type, algorithm) in [(1, 13), (2, 5), (2, 253), (9, 13)] {
        let above = Above::new();
        let mut answers = above.honest();
        let key = calling_itself(algorithm);
        let mut record = ds(ZONE, &key, digest_type);
        if digest_type == 9 {
            record = raw(ZONE, DS, &[&[0, 1, 13, 9][..], &[7; 32]].concat());
        }
        put(&mut answers, ZONE, DS, above.by_tld(vec![record]));
        let name = name_of(ZONE);
        let expected = iot_verifier::ValidationError::ChainEnds(ChainEnd::Unsupported { name });
        assert_eq!(
            above.judge(&answers),
            Err(expected.into()),
            "{digest_type} {algorithm}"
        );
    }
}

#[test]
fn a_registrys_zone_of_another_algorithm_is_refused_although_its_parent_names_it() {
    let above = Above::new();
    let mut answers = above.honest();
    let key = Key::of(15, KSK);
    put(
        &mut answers,
        ZONE,
        DS,
        above.by_tld(vec![ds(ZONE, &key, 2)]),
    );
    let keys = vec![raw(ZONE, DNSKEY, &key.rdata())];
    put(&mut answers, ZONE, DNSKEY, Above::by(&key, ZONE).sign(keys));
    let flaw = KeyFlaw::Algorithm { algorithm: 15 };
    let expected = Bogus::from(KeyFault::AnchoredKeyUnusable(flaw));
    assert_eq!(above.judge(&answers), Err(expected.into()));
}
