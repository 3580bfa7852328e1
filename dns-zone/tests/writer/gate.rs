//! Keys that are not those of the zone do not pass the gate.

use std::collections::HashMap;
use std::sync::Arc;

use iot_dns_zone::{
    Jitter, Profile, PublicKeys, Signers, Thoroughness, ZoneKeys, ZoneWriter, gate, plan,
    sign_batch,
};
use iot_identity::Publication;

use crate::fixture::{NOW, active, config, eid, entry, in_order, start, zone};
use crate::{change, said};

#[test]
fn a_signer_with_an_unpublished_key_does_not_pass_the_gate() {
    let zone = zone(Profile::Standard, Vec::new());
    let snapshot = zone.writer.snapshot();
    let other = Signers::start(Arc::new(ZoneKeys::generate().unwrap()));
    let refused = |signers: &PublicKeys| {
        let to_sign = plan(&snapshot, &[change(1, active(1))], NOW).unwrap();
        let signed = sign_batch(to_sign, &other).unwrap();
        let sample = Thoroughness::Sample;
        let passed = gate(signed, signers, sample, &mut Jitter::seeded(1), &other);
        passed.unwrap().unwrap_err()
    };
    let error = refused(&other.keys().public());
    assert!(error.concerns_everything(), "{error}");
    assert!(
        error.to_string().contains("not in the published DNSKEY"),
        "{error}"
    );
    // Also when the signer claims to be the published key, as a token with a wrong slot would.
    let error = refused(snapshot.keys());
    assert!(error.to_string().contains("does not verify"), "{error}");
}

/// Two pairs of keys with the same KSK, and ZSKs of one tag.
fn keys_with_one_tag() -> [ZoneKeys; 2] {
    let mut tags = HashMap::new();
    let (one, other) = loop {
        let keys = ZoneKeys::generate().unwrap();
        let tag = keys.zsk_tag();
        if let Some(known) = tags.insert(tag, keys) {
            break (known, tags.remove(&tag).unwrap());
        }
    };
    let [first, second] = [one, other].map(|keys| {
        let dir = tempfile::tempdir().unwrap();
        keys.save(dir.path()).unwrap();
        dir
    });
    let ksk = iot_dns_zone::KSK_FILE;
    std::fs::copy(first.path().join(ksk), second.path().join(ksk)).unwrap();
    [first, second].map(|dir| ZoneKeys::load(dir.path()).unwrap())
}

#[test]
fn a_key_with_the_tag_of_the_published_one_does_not_pass_the_gate() {
    let [published, twin] = keys_with_one_tag();
    let dir = tempfile::tempdir().unwrap();
    let (config, start) = (config(Profile::Standard), start(Profile::Standard, NOW));
    let entries = in_order(vec![entry(eid(1), 1, active(1))]);
    let writer = ZoneWriter::build(dir.path(), config, published, entries, start, NOW).unwrap();
    let snapshot = writer.snapshot();
    let signers = Signers::start(Arc::new(twin));
    for claimed in [signers.keys().public(), snapshot.keys().clone()] {
        let to_sign = plan(&snapshot, &[change(2, active(2))], NOW).unwrap();
        let signed = sign_batch(to_sign, &signers).unwrap();
        let sample = Thoroughness::Sample;
        let passed = gate(signed, &claimed, sample, &mut Jitter::seeded(1), &signers);
        assert!(passed.unwrap().is_err());
    }
    assert_eq!(
        said(&writer.snapshot(), 1),
        active(1),
        "the zone is as before"
    );
    assert_eq!(said(&writer.snapshot(), 2), Publication::Absent);
}
