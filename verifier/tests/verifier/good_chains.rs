//! Chains from the root that hold.

use std::sync::Arc;

use hickory_proto::op::ResponseCode;
use iot_verifier::chain::follow_chain;
use iot_verifier::signature::SignatureFault;
use iot_verifier::{
    Bogus, ChainEnd, ChainEvidence, ChainFault, KeyEvidence, Known, TrustAnchor, ValidationError,
    Verdict, validate,
};

use crate::rogue::above::*;
use crate::rogue::key::Key;
use crate::rogue::records::{Signing, raw};
use crate::rogue::*;

#[track_caller]
fn expect_active(above: &Above, answers: &Answers) -> Verdict {
    let verdict = above.judge(answers).unwrap();
    assert!(matches!(&verdict, Verdict::Active(_)), "{verdict:?}");
    verdict
}

#[test]
fn every_algorithm_above_the_zone_is_accepted() {
    for root in [8, 10, 13, 14, 15] {
        for tld in [8, 10, 13, 14, 15] {
            let above = Above::with_algorithms(root, tld);
            let verdict = expect_active(&above, &above.honest());
            let algorithms = verdict.signatures().iter().map(|one| one.algorithm);
            assert_eq!(
                algorithms.collect::<Vec<_>>(),
                [root, root, tld, tld, 13, 13]
            );
        }
    }
}

#[test]
fn the_signatures_of_a_verdict_stand_in_the_order_of_the_chain() {
    let above = Above::new();
    let verdict = expect_active(&above, &above.honest());
    let said: Vec<_> = verdict
        .signatures()
        .iter()
        .map(|one| {
            (
                one.owner.to_string(),
                one.record_type,
                one.signer.to_string(),
            )
        })
        .collect();
    let expected = [
        (ROOT, DNSKEY, ROOT),
        (TLD, DS, ROOT),
        (TLD, DNSKEY, TLD),
        (ZONE, DS, TLD),
        (ZONE, DNSKEY, ZONE),
        (OWNER, CERT, ZONE),
    ];
    let expected = expected.map(|(owner, number, signer)| (owner.into(), number, signer.into()));
    assert_eq!(said, expected);
}

#[test]
fn each_state_is_proven_below_a_chain() {
    let above = Above::new();
    let inactive = above.judge(&above.around(&above.world.inactive())).unwrap();
    assert!(matches!(inactive, Verdict::Inactive(_)));
    let absent = above.judge(&above.around(&above.world.absent())).unwrap();
    assert!(matches!(absent, Verdict::Absent(_)));
}

#[test]
fn a_ds_record_that_is_not_understood_hinders_none_that_is() {
    let above = Above::new();
    let mut answers = above.honest();
    let (strange, sha1) = (
        raw(ZONE, DS, &[0, 7, 13, 9, 1, 2, 3]),
        ds(ZONE, &above.world.ksk, 1),
    );
    let set = vec![strange, sha1, ds(ZONE, &above.world.ksk, 4)];
    answers.insert((ZONE, DS), Sections::positive(above.by_tld(set)));
    expect_active(&above, &answers);
}

#[test]
fn a_key_rollover_above_the_zone_is_gone_along_with() {
    let above = Above::new();
    let mut answers = above.honest();
    // The root signs with its key and the next one, and names the domain's present and next key.
    let (next_root, next_tld) = (Key::of(13, 257), Key::of(8, 257));
    let mut keys = above.root_keys();
    keys.push(raw(ROOT, DNSKEY, &next_root.rdata()));
    let by_present = Above::by(&above.root[0], ROOT).rrsig(&keys);
    let by_next = Above::by(&next_root, ROOT).rrsig(&keys);
    keys.extend([by_next, by_present]);
    answers.insert((ROOT, DNSKEY), Sections::positive(keys));
    let set = vec![ds(TLD, &next_tld, 2), ds(TLD, &above.tld[0], 2)];
    answers.insert((TLD, DS), Sections::positive(above.by_root(set)));
    expect_active(&above, &answers);
}

/// The root has the registry's zone itself: there is no zone between.
fn without_domain(above: &Above, denial: Vec<hickory_proto::rr::Record>) -> Answers {
    let mut answers = above.honest();
    answers.insert((TLD, DS), denied(ResponseCode::NoError, denial));
    answers.insert((TLD, DNSKEY), denied(ResponseCode::NoError, Vec::new()));
    let zone_ds = above.by_root(vec![ds(ZONE, &above.world.ksk, 2)]);
    answers.insert((ZONE, DS), Sections::positive(zone_ds));
    answers
}

#[test]
fn a_name_that_is_no_zone_is_gone_past() {
    let above = Above::new();
    // By a name that is there, by one that only has names below it, and by their hashes.
    let there = root_nsec(TLD, ZONE, &[TXT]);
    let between = root_nsec(ROOT, ZONE, &ROOT_TYPES);
    let hashed = Hashed {
        zone: ROOT,
        iterations: 3,
        salt: &[0xab],
        flags: 1,
        types: &[],
    };
    for denial in [there, between, hashed.at(TLD)] {
        let answers = without_domain(&above, above.by_root(vec![denial]));
        let verdict = expect_active(&above, &answers);
        let signers = verdict
            .signatures()
            .iter()
            .map(|one| one.signer.to_string());
        assert_eq!(signers.filter(|signer| signer == TLD).count(), 0);
    }
}

/// What a first lookup leaves for the next one.
fn found_before(above: &Above, answers: &Answers) -> Known {
    let evidence = gather_chain(answers, Known::default()).unwrap();
    let TrustAnchor::Root { root, zone } = above.anchor() else {
        panic!("not the root's");
    };
    let chain = evidence.chain.unwrap();
    let delegation = follow_chain(&chain, &root, &zone, &policy_at(NOW), NOW).unwrap();
    assert_eq!(delegation.keep_until(), NOW + ttl());
    Known {
        keys: None,
        delegation: Some(delegation),
    }
}

#[test]
fn what_is_known_of_the_chain_is_not_asked_for_again() {
    let above = Above::new();
    let mut answers = above.honest();
    let known = found_before(&above, &answers);
    answers.retain(|(name, _), _| ![ROOT, TLD].contains(name));
    answers.remove(&(ZONE, DS));
    let evidence = gather_chain(&answers, known).unwrap();
    let verdict = validate(&evidence, &above.anchor(), &policy_at(NOW), NOW).unwrap();
    assert_eq!(verdict.signatures().len(), 6, "the chain's are among them");
}

#[test]
fn a_known_chain_ends_with_its_first_signature() {
    let above = Above::new();
    let mut answers = above.honest();
    let short = Signing {
        expiration: NOW + 100,
        ..Above::by(&above.root[1], ROOT)
    };
    let tld_ds = short.sign(vec![ds(TLD, &above.tld[0], 2)]);
    answers.insert((TLD, DS), Sections::positive(tld_ds));
    let known = found_before(&above, &answers);
    let evidence = gather_chain(&answers, known).unwrap();
    let at = |now| validate(&evidence, &above.anchor(), &policy_at(NOW), now);
    assert_eq!(at(NOW).unwrap().valid_until(), NOW + ttl());
    assert!(at(NOW + 100 + 300).is_ok(), "the clocks may differ");
    let expired = Bogus::Signature {
        record_type: DS,
        fault: SignatureFault::Expired {
            expiration: (NOW + 100) as i64,
        },
    };
    assert_eq!(at(NOW + 100 + 301), Err(expired.into()));
}

#[test]
fn a_chain_that_was_followed_from_another_root_is_not_taken() {
    let above = Above::new();
    let known = found_before(&above, &above.honest());
    let evidence = gather_chain(&above.honest(), known).unwrap();
    let other = Above::with_algorithms(13, 13);
    let judged = validate(&evidence, &other.anchor(), &policy_at(NOW), NOW);
    assert_eq!(judged, Err(Bogus::from(ChainFault::OtherAnchor).into()));
}

#[test]
fn evidence_without_its_chain_is_none() {
    let above = Above::new();
    let mut evidence = gather_chain(&above.honest(), Known::default()).unwrap();
    let (anchor, policy) = (above.anchor(), policy_at(NOW));
    let judge = |evidence: &_| validate(evidence, &anchor, &policy, NOW).unwrap_err();
    let Some(ChainEvidence::Answered(links)) = evidence.chain.take() else {
        panic!("no chain");
    };
    let missing = |name: &str| {
        let name = name_of(name);
        ValidationError::from(Bogus::from(ChainFault::Missing { name }))
    };
    assert_eq!(judge(&evidence), missing(ZONE));
    for (left_out, name) in [(0, ROOT), (1, TLD), (2, ZONE)] {
        let place = links
            .iter()
            .position(|link| link.name == name_of(name))
            .unwrap();
        let mut fewer = links.clone();
        fewer.remove(place);
        evidence.chain = Some(ChainEvidence::Answered(fewer));
        assert_eq!(judge(&evidence), missing(name), "{left_out}");
        // Twice is as bad as never: which of the two counts?
        let mut more = links.clone();
        more.push(links[place].clone());
        evidence.chain = Some(ChainEvidence::Answered(more));
        assert_eq!(judge(&evidence), missing(name), "{left_out}");
    }
}

#[test]
fn a_zone_that_is_no_zone_of_its_own_has_no_verdict() {
    let above = Above::new();
    let mut answers = above.honest();
    let nsec = records::nsec(ZONE, TLD, &[TXT, RRSIG, NSEC]);
    let denial = denied(ResponseCode::NoError, above.by_tld(vec![nsec]));
    answers.insert((ZONE, DS), denial);
    let name = name_of(ZONE);
    let expected = ValidationError::ChainEnds(ChainEnd::NotDelegated { name });
    assert_eq!(above.judge(&answers), Err(expected.into()));
}

#[test]
fn a_zone_of_its_own_anchor_needs_no_chain() {
    let world = World::new();
    let evidence = gather_with_keys(&world.active(), None).unwrap();
    assert!(evidence.chain.is_none());
    let Some(keys) = iot_verifier::authenticate_keys(
        match &evidence.keys {
            KeyEvidence::Answered(answer) => answer,
            KeyEvidence::Known(_) => panic!("nothing was known"),
        },
        &world.anchor(),
        &policy_at(NOW),
        NOW,
    )
    .ok()
    .map(Arc::new) else {
        panic!("keys");
    };
    // Keys that the zone's own anchor vouched for are not those of the root's.
    let above = Above::new();
    let mut evidence = gather_chain(&above.honest(), Known::default()).unwrap();
    evidence.keys = KeyEvidence::Known(keys);
    let judged = validate(&evidence, &above.anchor(), &policy_at(NOW), NOW);
    let expected = Bogus::from(iot_verifier::dnskey::KeyFault::OtherAnchor);
    assert_eq!(judged, Err(expected.into()));
}
