//! Certificate requests signed on the card, judged by OpenSSL.
#![allow(clippy::unwrap_used)] // helpers outside of test functions

mod support;

use std::process::Command;

use iot_device::applet::{Aid, CardOptions};
use iot_device::csr::CertificateRequest;
use iot_device::payload::layout;
use iot_device::signature::SignatureForm;
use iot_device::{CardError, IotSafe, VirtualCard};
use iot_identity::OwnerName;
use support::{applet, open_door};

fn openssl(arguments: &[&str]) -> (bool, String) {
    let output = Command::new("openssl").args(arguments).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

#[test]
fn openssl_accepts_the_request() {
    for signature_form in [SignatureForm::OneOctetLength, SignatureForm::Der] {
        let options = CardOptions {
            signature_form,
            ..open_door()
        };
        let card = VirtualCard::new(applet(options));
        let mut card = IotSafe::open(card, &Aid::known()).unwrap();
        let key = layout::client_key();
        let name = format!("1.{}.iotregistry.example", support::EID);
        let owner_name = OwnerName::parse_in_any_zone(&name).unwrap();
        let error = CertificateRequest::sign(&mut card, &key, &owner_name).unwrap_err();
        assert!(matches!(error, CardError::Refused { .. })); // no key yet

        let public_key = card.generate_key_pair(&key.private).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("request.pem");
        let file = file.to_str().unwrap();
        for _ in 0..8 {
            // Lengths of signatures differ.
            let request = CertificateRequest::sign(&mut card, &key, &owner_name).unwrap();
            std::fs::write(file, request.to_pem()).unwrap();
            let (accepted, text) =
                openssl(&["req", "-in", file, "-verify", "-noout", "-text", "-subject"]);
            assert!(accepted, "{text}");
            assert!(text.contains("self-signature verify OK"), "{text}");
            assert!(text.contains(&format!("CN = {name}")), "{text}");
            assert!(text.contains("ASN1 OID: prime256v1"), "{text}");
            assert!(text.contains("Version: 1 (0x0)"), "{text}");
        }
        let (_, key_text) = openssl(&["req", "-in", file, "-pubkey", "-noout"]);
        assert_eq!(
            key_text,
            iot_device::pem::pem("PUBLIC KEY", &public_key.to_spki_der())
        );
    }
}

#[test]
fn openssl_refuses_a_request_that_was_changed() {
    let card = VirtualCard::new(applet(open_door()));
    let mut card = IotSafe::open(card, &Aid::known()).unwrap();
    let key = layout::client_key();
    card.generate_key_pair(&key.private).unwrap();
    let name = format!("1.{}.iotregistry.example", support::EID);
    let owner_name = OwnerName::parse_in_any_zone(&name).unwrap();
    let request = CertificateRequest::sign(&mut card, &key, &owner_name).unwrap();
    let mut der = request.as_der().to_vec();
    let place = der.windows(2).position(|pair| pair == b"1.").unwrap();
    der[place] = b'2';
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("request.der");
    std::fs::write(&file, der).unwrap();
    let file = file.to_str().unwrap();
    let (_, text) = openssl(&["req", "-inform", "DER", "-in", file, "-verify", "-noout"]);
    assert!(text.contains("verify failure"), "{text}");
}
