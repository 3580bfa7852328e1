//! What a certificate request may ask for: nothing but what every device gets anyway. Whatever
//! happens to its octets, no other key comes out of it.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

mod crafted;

use crafted::*;
use iot_identity::{DeviceId, ZoneName};
use iot_registry::csr::{AcceptedCsr, CsrError, accept};
use proptest::prelude::*;

const EID: &str = "89049032123451234512345678901235";
const OTHER_EID: &str = "89049032123451234512345678901332";
const ZONE: &str = "iotregistry.example";
/// KeyUsage keyCertSign, cRLSign, digitalSignature, keyAgreement: unused bits and octet.
const CERT_SIGN: (u8, u8) = (2, 0x04);
const CRL_SIGN: (u8, u8) = (1, 0x02);
const DIGITAL_SIGNATURE: (u8, u8) = (7, 0x80);
const KEY_AGREEMENT: (u8, u8) = (3, 0x08);

fn accept_eid(octets: &[u8]) -> Result<AcceptedCsr, CsrError> {
    accept(
        octets,
        DeviceId::parse(EID).unwrap(),
        &ZoneName::parse(ZONE).unwrap(),
    )
}

fn refusal(what: &str, draft: &Draft) -> CsrError {
    match accept_eid(&draft.der()) {
        Ok(_) => panic!("{what}: accepted"),
        Err(error) => error,
    }
}

fn not_granted(what: &str, draft: &Draft) -> String {
    match refusal(what, draft) {
        CsrError::NotGranted { what } => what,
        other => panic!("{what}: {other:?}"),
    }
}

fn key_usage((unused_bits, bits): (u8, u8)) -> Draft {
    Draft::new().key_usage(unused_bits, bits)
}

/// BasicConstraints (RFC 5280 §4.2.1.9).
fn authority(path_length: Option<u8>) -> Vec<u8> {
    let path_length = path_length
        .map(|length| vec![0x02, 0x01, length])
        .unwrap_or_default();
    sequence(&[&[0x01, 0x01, 0xff], &path_length])
}

#[test]
fn wishes_that_every_device_gets_anyway_are_accepted() {
    let own = format!("1.{EID}.{ZONE}");
    let all = alternative_names(&[(DNS_NAME, own.as_bytes()), (DNS_NAME, own.as_bytes())]);
    for (what, draft) in [
        (
            "own name",
            Draft::new().alternative_name(DNS_NAME, own.as_bytes()),
        ),
        (
            "own name in capitals",
            Draft::new().alternative_name(DNS_NAME, own.to_uppercase().as_bytes()),
        ),
        (
            "own name twice",
            Draft::new().extension(ALTERNATIVE_NAME, &all),
        ),
        (
            "CA:FALSE",
            Draft::new().extension(BASIC_CONSTRAINTS, &sequence(&[])),
        ),
        ("digitalSignature", key_usage(DIGITAL_SIGNATURE)),
        (
            "clientAuth",
            Draft::new().extended_key_usage(&[CLIENT_AUTHENTICATION]),
        ),
    ] {
        accept_eid(&draft.der()).unwrap_or_else(|error| panic!("{what}: {error}"));
    }
}

#[test]
fn wish_to_be_an_authority_is_refused_as_such() {
    let constraints = |content: &[u8]| Draft::new().extension(BASIC_CONSTRAINTS, content);
    let both = sequence(&[
        &sequence(&[&oid(KEY_USAGE), &value(4, &bit_string(7, &[0x80]))]),
        &sequence(&[
            &oid(BASIC_CONSTRAINTS),
            &[1, 1, 0xff],
            &value(4, &authority(None)),
        ]),
    ]);
    for (what, draft) in [
        ("CA:TRUE", constraints(&authority(None))),
        ("CA:TRUE, pathlen 0", constraints(&authority(Some(0)))),
        (
            "CA:TRUE, critical",
            Draft::new().critical_extension(BASIC_CONSTRAINTS, &authority(None)),
        ),
        (
            "CA:TRUE behind something harmless",
            Draft::new().attribute(EXTENSION_REQUEST, &[&both]),
        ),
        (
            "CA:TRUE in a second attribute",
            key_usage(DIGITAL_SIGNATURE).extension(BASIC_CONSTRAINTS, &authority(None)),
        ),
        ("keyCertSign", key_usage(CERT_SIGN)),
        ("cRLSign", key_usage(CRL_SIGN)),
        ("digitalSignature and keyCertSign", key_usage((2, 0x84))),
    ] {
        assert_eq!(refusal(what, &draft), CsrError::AsksForAuthority, "{what}");
    }
}

#[test]
fn names_that_are_not_the_devices_are_refused_by_name() {
    let own = format!("1.{EID}.{ZONE}");
    let dns = |name: String| (DNS_NAME, name.into_bytes());
    for (tag, name) in [
        dns(format!("1.{OTHER_EID}.{ZONE}")),
        dns(format!("1.{EID}.other.example")),
        dns(format!("1.{EID}.{ZONE}.other.example")),
        dns(format!("0.{EID}.{ZONE}")),
        dns(format!("01.{EID}.{ZONE}")),
        dns(format!("10000.{EID}.{ZONE}")),
        dns(format!("{EID}.{ZONE}")),
        dns(format!("a.1.{EID}.{ZONE}")),
        dns(format!("*.{EID}.{ZONE}")),
        dns(format!("*.{ZONE}")),
        dns(ZONE.to_owned()),
        dns(format!("ns1.{ZONE}")),
        dns("www.bank.example".to_owned()),
        dns(format!("{own}\0.other.example")),
        dns(format!("{own} ")),
        dns(String::new()),
        (IP_ADDRESS, vec![192, 0, 2, 1]),
        (IP_ADDRESS, vec![0x20; 16]),
        (URI, format!("https://{own}/").into_bytes()),
        (RFC822_NAME, format!("root@{ZONE}").into_bytes()),
        (RFC822_NAME, own.clone().into_bytes()),
        (0xa4, sequence(&[])),
        (0x88, vec![0x2a, 0x03]),
    ] {
        let what = String::from_utf8_lossy(&name).into_owned();
        for names in [
            alternative_names(&[(tag, &name)]),
            alternative_names(&[(DNS_NAME, own.as_bytes()), (tag, &name)]),
        ] {
            let draft = Draft::new().extension(ALTERNATIVE_NAME, &names);
            match refusal(&what, &draft) {
                CsrError::ForeignName { name, .. } => {
                    assert!(
                        !name.contains(char::is_control),
                        "{what:?} is quoted raw: {name:?}"
                    );
                }
                other => panic!("{what:?} (tag {tag:02x}): {other:?}"),
            }
        }
    }
}

#[test]
fn other_wishes_are_refused_with_what_was_asked() {
    let usage = |usages: &[&[u64]]| Draft::new().extended_key_usage(usages);
    let other_usage: &[u64] = &[1, 3, 6, 1, 4, 1, 311, 20, 2, 2];
    let unknown: &[u64] = &[1, 3, 6, 1, 4, 1, 99999, 1];
    for (what, draft, says) in [
        ("anyExtendedKeyUsage", usage(&[ANY_USAGE]), "2.5.29.37"),
        ("serverAuth", usage(&[SERVER_AUTHENTICATION]), "2.5.29.37"),
        (
            "both",
            usage(&[CLIENT_AUTHENTICATION, SERVER_AUTHENTICATION]),
            "2.5.29.37",
        ),
        (
            "all and any",
            usage(&[CLIENT_AUTHENTICATION, ANY_USAGE]),
            "2.5.29.37",
        ),
        (
            "smart card logon",
            usage(&[CLIENT_AUTHENTICATION, other_usage]),
            "2.5.29.37",
        ),
        ("keyAgreement", key_usage(KEY_AGREEMENT), "2.5.29.15"),
        (
            "unknown, critical",
            Draft::new().critical_extension(unknown, &[5, 0]),
            "99999.1",
        ),
        (
            "unknown",
            Draft::new().extension(unknown, &[5, 0]),
            "99999.1",
        ),
        (
            "name constraints",
            Draft::new().extension(&[2, 5, 29, 30], &sequence(&[])),
            "2.5.29.30",
        ),
        (
            "names that do not parse",
            Draft::new().extension(ALTERNATIVE_NAME, b"1"),
            "2.5.29.17",
        ),
        (
            "a challenge password",
            Draft::new().attribute(CHALLENGE_PASSWORD, &[&value(UTF8_STRING, b"secret")]),
            "1.2.840.113549.1.9.7",
        ),
        (
            "an unknown attribute",
            Draft::new().attribute(unknown, &[&[5, 0]]),
            "99999.1",
        ),
    ] {
        let asked = not_granted(what, &draft);
        assert!(asked.contains(says), "{what}: {asked}");
        assert!(!asked.contains("secret"), "{what}: {asked}");
    }
}

#[test]
fn wishes_that_hide_behind_what_a_parser_reads_are_refused() {
    let foreign = alternative_names(&[(DNS_NAME, b"www.bank.example")]);
    let foreign = sequence(&[&sequence(&[&oid(ALTERNATIVE_NAME), &value(4, &foreign)])]);
    let harmless = sequence(&[&oid(BASIC_CONSTRAINTS), &value(4, &sequence(&[]))]);
    let harmless = sequence(&[&harmless]);
    let with = |attributes: Vec<Vec<u8>>| Draft {
        attributes,
        ..Draft::new()
    };
    let request = |parts: &[&[u8]]| sequence(&[&oid(EXTENSION_REQUEST), &parts.concat()]);
    for (what, attributes) in [
        (
            "a second value",
            vec![request(&[&set(&[&harmless, &foreign])])],
        ),
        (
            "behind the values",
            vec![request(&[&set(&[&harmless]), &foreign])],
        ),
        (
            "a second set of values",
            vec![request(&[&set(&[&harmless]), &set(&[&foreign])])],
        ),
        (
            "behind an attribute that is none",
            vec![vec![5, 0], request(&[&set(&[&foreign])])],
        ),
        ("an attribute without a value", vec![request(&[&set(&[])])]),
        ("an attribute without a set", vec![request(&[&foreign])]),
    ] {
        assert_eq!(refusal(what, &with(attributes)), CsrError::Der, "{what}");
    }
    for (what, attributes) in [
        ("alone", vec![request(&[&set(&[&foreign])])]),
        (
            "behind",
            vec![
                request(&[&set(&[&harmless])]),
                request(&[&set(&[&foreign])]),
            ],
        ),
    ] {
        let refused = refusal(what, &with(attributes));
        assert!(
            matches!(refused, CsrError::ForeignName { .. }),
            "{what}: {refused:?}"
        );
    }
}

#[test]
fn no_flipped_bit_of_a_good_request_is_accepted() {
    let good = Draft::new()
        .alternative_name(DNS_NAME, format!("1.{EID}.{ZONE}").as_bytes())
        .der();
    accept_eid(&good).unwrap();
    for place in 0..good.len() {
        for bit in 0..8 {
            let mut flipped = good.clone();
            flipped[place] ^= 1 << bit;
            assert!(
                accept_eid(&flipped).is_err(),
                "octet {place} of {}, bit {bit}",
                good.len()
            );
        }
    }
}

#[test]
fn no_cut_and_no_grown_request_is_accepted() {
    let good = Draft::new().der();
    for length in 0..good.len() {
        assert!(
            accept_eid(&good[..length]).is_err(),
            "the first {length} octets"
        );
    }
    for place in 0..=good.len() {
        for octet in [0x00, 0x30, 0xff] {
            let mut grown = good.clone();
            grown.insert(place, octet);
            assert!(
                accept_eid(&grown).is_err(),
                "{octet:02x} before octet {place}"
            );
        }
    }
}

/// A change of one octet string: replace, insert or remove at a place.
fn edit(octets: &mut Vec<u8>, (place, kind, octet): (usize, u8, u8)) {
    let place = place % (octets.len() + 1);
    match kind {
        0 if place < octets.len() => octets[place] = octet,
        1 if place < octets.len() => drop(octets.remove(place)),
        _ => octets.insert(place, octet),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_octets_are_refused(octets in proptest::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(accept_eid(&octets).is_err());
        let mut der_like = vec![0x30, 0x82, (octets.len() >> 8) as u8, octets.len() as u8];
        der_like.extend(&octets);
        prop_assert!(accept_eid(&der_like).is_err());
        prop_assert!(accept_eid(pem("CERTIFICATE REQUEST", &octets).as_bytes()).is_err());
        prop_assert!(accept_eid(pem("CERTIFICATE REQUEST", &der_like).as_bytes()).is_err());
    }

    #[test]
    fn random_text_is_refused(text in "\\PC{0,300}") {
        prop_assert!(accept_eid(text.as_bytes()).is_err());
        let begin = format!("-----BEGIN CERTIFICATE REQUEST-----{text}-----END CERTIFICATE REQUEST-----");
        prop_assert!(accept_eid(begin.as_bytes()).is_err());
    }

    #[test]
    fn edited_requests_never_yield_another_key(
        edits in proptest::collection::vec((any::<usize>(), 0..3u8, any::<u8>()), 1..6),
        in_pem: bool,
    ) {
        let good = Draft::new().der();
        let key = accept_eid(&good).unwrap();
        let mut edited = if in_pem { pem("CERTIFICATE REQUEST", &good).into_bytes() } else { good };
        for change in edits {
            edit(&mut edited, change);
        }
        if let Ok(accepted) = accept_eid(&edited) {
            prop_assert_eq!(accepted, key);
        }
    }
}
