//! Which certificate requests are accepted, and by which error each other one is refused: requests
//! made octet by octet.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

mod crafted;

use crafted::*;

use iot_identity::{DeviceId, ZoneName};
use iot_registry::csr::{AcceptedCsr, CSR_OCTETS_MAX, CsrError, accept};

const EID: &str = "89049032123451234512345678901235";
const ICCID: &str = "8912230200031010008f";
const ZONE: &str = "iotregistry.example";
const REQUEST: &str = "CERTIFICATE REQUEST";
const SHA384: &[u64] = &[1, 2, 840, 10045, 4, 3, 3];
const SHA1: &[u64] = &[1, 2, 840, 10045, 4, 1];
const SECP256K1: &[u64] = &[1, 3, 132, 0, 10];

fn accept_for(id: &str, octets: &[u8]) -> Result<AcceptedCsr, CsrError> {
    accept(
        octets,
        DeviceId::parse(id).unwrap(),
        &ZoneName::parse(ZONE).unwrap(),
    )
}

fn accept_eid(octets: &[u8]) -> Result<AcceptedCsr, CsrError> {
    accept_for(EID, octets)
}

fn refusal(what: &str, octets: &[u8]) -> CsrError {
    match accept_eid(octets) {
        Ok(_) => panic!("{what}: accepted"),
        Err(error) => error,
    }
}

fn own_name() -> String {
    format!("1.{EID}.{ZONE}")
}

#[test]
fn text_around_a_block_is_refused_and_white_space_is_not() {
    let der = Draft::new().der();
    let block = pem(REQUEST, &der);
    let accepted = accept_eid(&der).unwrap();
    let padding = " ".repeat(CSR_OCTETS_MAX - block.len());
    for good in [
        block.clone(),
        block.trim_end().to_owned(),
        block.replace('\n', "\r\n"),
        format!("\r\n\t {block}\n\n"),
        format!("{block}{padding}"),
        pem("NEW CERTIFICATE REQUEST", &der),
    ] {
        assert_eq!(
            accept_eid(good.as_bytes()).as_ref(),
            Ok(&accepted),
            "{good}"
        );
    }
    let cut = |text: &str| block.replace(text, "");
    for (what, bad) in [
        ("empty", String::new()),
        ("white space", " \n".to_owned()),
        ("garbage", "hello".to_owned()),
        ("two blocks", format!("{block}{block}")),
        (
            "a block and the key",
            format!("{block}{}", pem("PRIVATE KEY", &der)),
        ),
        ("text before", format!("my request:\n{block}")),
        ("text behind", format!("{block}that was it")),
        ("byte order mark", format!("\u{feff}{block}")),
        ("no-break space before", format!("\u{a0}{block}")),
        ("a certificate's label", pem("CERTIFICATE", &der)),
        ("two labels", block.replace("BEGIN C", "BEGIN NEW C")),
        (
            "label in lower case",
            block.replace("CERTIFICATE", "certificate"),
        ),
        ("no end", cut("-----END CERTIFICATE REQUEST-----\n")),
        ("no begin", cut("-----BEGIN CERTIFICATE REQUEST-----\n")),
        (
            "header fields",
            block.replacen('\n', "\nProc-Type: 4,ENCRYPTED\n\n", 1),
        ),
        ("junk between", block.replacen("\nMI", "\n*MI", 1)),
        ("NUL between", block.replacen("\nMI", "\n\0MI", 1)),
        ("padding in the middle", block.replacen("\nMI", "\n==MI", 1)),
        ("base64url", block.replacen("\nMI", "\n_-MI", 1)),
    ] {
        assert!(
            matches!(refusal(what, bad.as_bytes()), CsrError::Pem { .. }),
            "{what}"
        );
    }
    let latin1 = [block.as_bytes(), b"\xe4"].concat();
    assert!(matches!(
        refusal("not UTF-8", &latin1),
        CsrError::Pem { .. }
    ));
    assert_eq!(
        refusal("nothing between", pem(REQUEST, b"").as_bytes()),
        CsrError::Der
    );
}

#[test]
fn requests_over_16_kib_are_refused_before_they_are_read() {
    for octets in [
        vec![b' '; CSR_OCTETS_MAX + 1],
        vec![0x30; CSR_OCTETS_MAX + 1],
    ] {
        let octets_sent = CSR_OCTETS_MAX + 1;
        assert_eq!(
            refusal("long", &octets),
            CsrError::TooLarge {
                octets: octets_sent
            }
        );
    }
    assert_eq!(
        refusal("not too long", &[0x30; CSR_OCTETS_MAX]),
        CsrError::Der
    );
    // A request that is right in everything but its length.
    let long = Draft::new()
        .common_name(UTF8_STRING, &[b'a'; CSR_OCTETS_MAX])
        .der();
    assert!(matches!(
        refusal("long and right", &long),
        CsrError::TooLarge { .. }
    ));
}

#[test]
fn other_encodings_of_the_same_request_are_refused() {
    let draft = Draft::new();
    let der = draft.der();
    assert_eq!(
        der[..2],
        [0x30, 0x81],
        "the cases below rest on this length form"
    );
    let content = &der[3..];
    let version = |octets: &[u8]| {
        Draft {
            version: octets.to_vec(),
            ..draft.clone()
        }
        .der()
    };
    let without_version = Draft {
        version: Vec::new(),
        ..draft.clone()
    }
    .der();
    for (what, octets) in [
        ("trailing octet", [&der[..], &[0]].concat()),
        ("trailing value", [&der[..], &[0x05, 0x00]].concat()),
        ("twice", [&der[..], &der[..]].concat()),
        (
            "indefinite length",
            [&[0x30, 0x80], content, &[0, 0]].concat(),
        ),
        (
            "long length",
            [&[0x30, 0x82, 0x00, der[2]], content].concat(),
        ),
        (
            "length of four octets",
            [&[0x30, 0x84, 0, 0, 0, der[2]], content].concat(),
        ),
        ("cut", der[..der.len() - 1].to_vec()),
        ("version 2", version(&[0x02, 0x01, 0x01])),
        ("version -1", version(&[0x02, 0x01, 0xff])),
        (
            "version 0 in two octets",
            version(&[0x02, 0x02, 0x00, 0x00]),
        ),
        ("version as BOOLEAN", version(&[0x01, 0x01, 0x00])),
        ("no version", without_version),
        (
            "a certificate in its place",
            sequence(&[&sequence(&[&value(0xa0, &[2, 1, 2])])]),
        ),
        (
            "unused bits in the signature",
            Draft {
                unused_signature_bits: 1,
                ..draft.clone()
            }
            .der(),
        ),
        (
            "nested too deep",
            (0..40).fold(vec![5, 0], |inner, _| sequence(&[&inner])),
        ),
    ] {
        assert_eq!(refusal(what, &octets), CsrError::Der, "{what}");
    }
    assert_eq!(
        refusal(
            "in PEM",
            pem(REQUEST, &[&der[..], &[0]].concat()).as_bytes()
        ),
        CsrError::Der
    );
}

#[test]
fn keys_that_are_no_uncompressed_point_of_p256_are_refused() {
    let draft = Draft::new();
    let with_key = |key: Vec<u8>| {
        Draft {
            key,
            ..draft.clone()
        }
        .der()
    };
    let point = draft.point();
    let mut off_curve = point.clone();
    off_curve[64] ^= 1;
    let compressed = [&[0x02 | (point[64] & 1)], &point[1..33]].concat();
    let hybrid = [&[0x06 | (point[64] & 1)], &point[1..]].concat();
    for (what, bad) in [
        ("compressed", compressed),
        ("hybrid", hybrid),
        ("infinity", vec![0]),
        ("nothing", Vec::new()),
        ("short", point[..64].to_vec()),
        ("long", [&point[..], &[0]].concat()),
    ] {
        let csr = with_key(key_info(&oid(P256), &bad));
        assert_eq!(refusal(what, &csr), CsrError::Point, "{what}");
    }
    // Such a key proves nothing: nobody can have its private half.
    let csr = with_key(key_info(&oid(P256), &off_curve));
    assert_eq!(refusal("off the curve", &csr), CsrError::ProofOfPossession);
    let foreign = with_key(key_info(&oid(P256), &Draft::new().point()));
    assert_eq!(
        refusal("another's key", &foreign),
        CsrError::ProofOfPossession
    );

    let other_curve = with_key(key_info(&oid(SECP256K1), &point));
    assert_eq!(
        refusal("secp256k1", &other_curve),
        CsrError::Key {
            found: "on another curve"
        }
    );
    let explicit = CsrError::Key {
        found: "on a curve given by explicit parameters",
    };
    let prime_field = oid(&[1, 2, 840, 10045, 1, 1]);
    for curve in [
        sequence(&[&[2, 1, 1], &sequence(&[&prime_field])]),
        vec![5, 0],
        Vec::new(),
    ] {
        assert_eq!(
            refusal("parameters", &with_key(key_info(&curve, &point))),
            explicit
        );
    }
    let mut unused = key_info(&oid(P256), &point);
    let place = unused.len() - point.len() - 1;
    unused[place] = 1;
    assert!(matches!(
        refusal("unused bits", &with_key(unused)),
        CsrError::Der | CsrError::Point
    ));
}

#[test]
fn signature_algorithms_other_than_ecdsa_with_sha256_are_refused() {
    let null = [0x05, 0x00];
    for (what, algorithm) in [
        ("SHA-1", sequence(&[&oid(SHA1)])),
        ("SHA-384", sequence(&[&oid(SHA384)])),
        ("a key type", sequence(&[&oid(EC_PUBLIC_KEY)])),
        (
            "NULL parameters (RFC 5758 §3.2)",
            sequence(&[&oid(ECDSA_WITH_SHA256), &null]),
        ),
    ] {
        let csr = Draft {
            signature_algorithm: algorithm,
            ..Draft::new()
        }
        .der();
        assert_eq!(refusal(what, &csr), CsrError::SignatureAlgorithm, "{what}");
    }
}

#[test]
fn subject_that_names_the_device_is_accepted_and_another_device_is_not() {
    let name = own_name();
    let utf8 = |text: &str| Draft::new().common_name(UTF8_STRING, text.as_bytes()).der();
    for good in [
        EID,
        &name,
        &name.to_uppercase(),
        &format!("{name}."),
        "",
        "Sensor 7 (Käse)",
    ] {
        accept_eid(&utf8(good)).unwrap_or_else(|error| panic!("{good}: {error}"));
    }
    accept_for(ICCID, &utf8(&ICCID.to_uppercase())).unwrap();
    for bad in [
        ICCID.to_owned(),
        ICCID.to_uppercase(),
        format!("1.{ICCID}.{ZONE}"),
        format!("1.{ICCID}.{}", ZONE.to_uppercase()),
        format!("1.{EID}.other.example"),
        format!("1.{ICCID}.a.zone.longer.than.ours.may.be.example"),
    ] {
        let refused = refusal(&bad, &utf8(&bad));
        let device_id = DeviceId::parse(EID).unwrap();
        assert_eq!(
            refused,
            CsrError::OtherDevice {
                common_name: bad,
                device_id
            }
        );
    }
    for bad in [
        "a\0b",
        "\u{202e}21",
        "a\u{200b}b",
        "a\nb",
        "\u{7f}",
        "\u{feff}a",
        "\u{2066}",
    ] {
        assert_eq!(refusal("subject", &utf8(bad)), CsrError::Subject, "{bad:?}");
    }
    let not_utf8 = Draft::new().common_name(UTF8_STRING, b"\xff\xfe").der();
    assert!(matches!(
        refusal("not UTF-8", &not_utf8),
        CsrError::Subject | CsrError::Der
    ));
}
