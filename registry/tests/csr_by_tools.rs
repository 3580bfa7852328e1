//! Certificate requests as tools make them, openssl before all: what is accepted, and which of its
//! other keys, digests and forms are refused, by which error.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

mod crafted;
mod harness;

use std::path::Path;

use crafted::{P256, key_info, oid};
use harness::{EID, ZONE, judge};
use iot_identity::{DeviceId, ZoneName};
use iot_registry::csr::{AcceptedCsr, CsrError, accept};

fn accept_eid(octets: &[u8]) -> Result<AcceptedCsr, CsrError> {
    accept(
        octets,
        DeviceId::parse(EID).unwrap(),
        &ZoneName::parse(ZONE).unwrap(),
    )
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

/// Runs openssl and reads the file that it wrote; `None` when it is missing and may be.
fn openssl(directory: &Path, arguments: &str) -> Option<Vec<u8>> {
    let out = directory.join("out");
    let words = arguments
        .split(' ')
        .map(|word| word.replace("DIR", directory.to_str().unwrap()));
    let mut words: Vec<String> = words.collect();
    words.extend(["-out".to_owned(), out.to_str().unwrap().to_owned()]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let output = judge("openssl", &words)?;
    harness::succeed(&output);
    Some(std::fs::read(out).unwrap())
}

const NEW_P256: &str =
    "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout DIR/key";

#[test]
fn ordinary_requests_of_openssl_are_accepted() {
    let scratch = tempfile::tempdir().unwrap();
    let name = own_name();
    for rest in [
        "-subj /CN=device".to_owned(),
        "-subj /CN=device -outform DER".to_owned(),
        "-subj /".to_owned(),
        format!("-subj /CN={EID}"),
        format!("-subj /O=Operator/CN={name}"),
        format!("-subj /CN={name} -addext subjectAltName=DNS:{name}"),
        "-subj /CN=device -addext extendedKeyUsage=clientAuth".to_owned(),
        "-subj /CN=device -addext keyUsage=critical,digitalSignature".to_owned(),
        "-subj /CN=device -addext basicConstraints=CA:FALSE".to_owned(),
        "-subj /CN=device -utf8 -newhdr".to_owned(),
    ] {
        let Some(csr) = openssl(scratch.path(), &format!("{NEW_P256} {rest}")) else {
            return;
        };
        accept_eid(&csr).unwrap_or_else(|error| panic!("{rest}: {error}"));
    }
}

#[test]
fn key_taken_from_a_request_of_openssl_is_the_key_in_its_file() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    let Some(csr) = openssl(dir, &format!("{NEW_P256} -subj /CN=device")) else {
        return;
    };
    let accepted = accept_eid(&csr).unwrap();
    let public = openssl(
        dir,
        "ec -in DIR/key -pubout -outform DER -conv_form uncompressed",
    )
    .unwrap();
    assert_eq!(key_info(&oid(P256), accepted.point()), public);
}

#[test]
fn other_keys_of_openssl_are_refused_by_their_kind() {
    let scratch = tempfile::tempdir().unwrap();
    for (key, found) in [
        ("rsa:2048", "RSA"),
        ("ed25519", "Ed25519"),
        ("ed448", "of an unknown type"),
        ("ec -pkeyopt ec_paramgen_curve:P-384", "on the curve P-384"),
        ("ec -pkeyopt ec_paramgen_curve:P-521", "on the curve P-521"),
        (
            "ec -pkeyopt ec_paramgen_curve:secp256k1",
            "on another curve",
        ),
        (
            "ec -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit",
            "on a curve given by explicit parameters",
        ),
    ] {
        let arguments = format!("req -new -newkey {key} -nodes -keyout DIR/key -subj /CN=device");
        let Some(csr) = openssl(scratch.path(), &arguments) else {
            return;
        };
        assert_eq!(refusal(key, &csr), CsrError::Key { found });
    }
}

#[test]
fn compressed_points_and_other_digests_of_openssl_are_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    let new = |rest: &str| openssl(dir, &format!("{NEW_P256} -subj /CN=device {rest}"));
    let Some(with_sha1) = new("-sha1") else {
        return;
    };
    assert_eq!(refusal("SHA-1", &with_sha1), CsrError::SignatureAlgorithm);
    for digest in ["-sha384", "-sha512", "-sha3-256"] {
        assert_eq!(
            refusal(digest, &new(digest).unwrap()),
            CsrError::SignatureAlgorithm
        );
    }
    let compressed = openssl(dir, "ec -in DIR/key -conv_form compressed").unwrap();
    std::fs::write(dir.join("compressed"), compressed).unwrap();
    let csr = openssl(dir, "req -new -key DIR/compressed -subj /CN=device").unwrap();
    assert_eq!(refusal("compressed", &csr), CsrError::Point);
}

#[test]
fn text_of_openssl_around_a_block_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    if let Some(csr) = openssl(
        scratch.path(),
        &format!("{NEW_P256} -subj /CN=device -text"),
    ) {
        assert!(matches!(
            refusal("openssl -text", &csr),
            CsrError::Pem { .. }
        ));
    }
}

#[test]
fn wishes_in_requests_of_openssl_are_refused_by_what_they_are() {
    let scratch = tempfile::tempdir().unwrap();
    for (wish, is_right) in [
        ("basicConstraints=critical,CA:TRUE", "AsksForAuthority"),
        ("keyUsage=keyCertSign", "AsksForAuthority"),
        ("subjectAltName=DNS:www.bank.example", "ForeignName"),
        ("subjectAltName=IP:192.0.2.1", "ForeignName"),
        ("subjectAltName=email:root@bank.example", "ForeignName"),
        ("extendedKeyUsage=serverAuth", "NotGranted"),
        (
            "extendedKeyUsage=clientAuth,anyExtendedKeyUsage",
            "NotGranted",
        ),
        ("1.2.3.4=critical,ASN1:NULL", "NotGranted"),
        ("tlsfeature=status_request", "NotGranted"),
    ] {
        let arguments = format!("{NEW_P256} -subj /CN=device -addext {wish}");
        let Some(csr) = openssl(scratch.path(), &arguments) else {
            return;
        };
        let refused = format!("{:?}", refusal(wish, &csr));
        assert!(refused.starts_with(is_right), "{wish}: {refused}");
    }
}

#[test]
fn requests_of_rcgen_are_accepted_unless_they_ask_for_more() {
    let key = rcgen::KeyPair::generate().unwrap();
    let request =
        |params: &rcgen::CertificateParams| params.serialize_request(&key).unwrap().der().to_vec();
    let own = rcgen::CertificateParams::new(vec![own_name()]).unwrap();
    let accepted = accept_eid(&request(&own)).unwrap();
    assert_eq!(accepted.point(), key.public_key_raw());
    let foreign = rcgen::CertificateParams::new(vec!["www.bank.example".to_owned()]).unwrap();
    assert!(matches!(
        refusal("foreign", &request(&foreign)),
        CsrError::ForeignName { .. }
    ));

    let p384 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let csr = own.serialize_request(&p384).unwrap();
    assert_eq!(
        refusal("P-384", csr.der()),
        CsrError::Key {
            found: "on the curve P-384"
        }
    );
}
