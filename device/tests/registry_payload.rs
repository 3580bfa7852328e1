//! The registry payload: written to the card, read back, believed or not.
#![allow(clippy::unwrap_used)] // helpers outside of test functions

mod support;

use std::time::Duration;

use iot_device::applet::Aid;
use iot_device::payload::{PayloadCheckError, PayloadError, layout};
use iot_device::{DevicePayload, Endpoint, IotSafe, PublicKey, VirtualCard};
use rustls_pki_types::UnixTime;
use support::authority::Authority;
use support::{applet, open_door};

const NAME: &str = "1.89049032123451234512345678901235.iotregistry.example";

/// 1 January 2026, within the validity of every certificate here.
const NOW_UNIX_SECS: u64 = 1_767_225_600;

fn now() -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(NOW_UNIX_SECS))
}

fn card_with_key() -> (IotSafe, PublicKey) {
    let card = VirtualCard::new(applet(open_door()));
    let mut card = IotSafe::open(card, &Aid::known()).unwrap();
    let key = card
        .generate_key_pair(&layout::client_key().private)
        .unwrap();
    (card, key)
}

fn payload(authority: &Authority, client_certificate: Vec<u8>) -> DevicePayload {
    let (server, _) = authority.server("asp.example");
    DevicePayload {
        client_certificate,
        asp_certificate: server.der().to_vec(),
        registry_root: authority.root.der().to_vec(),
        issuing_certificate: authority.issuing.der().to_vec(),
        endpoint: Endpoint::new("asp.example", 8883).unwrap(),
    }
}

#[test]
fn a_payload_is_read_back_and_believed() {
    let authority = Authority::new();
    let (mut card, key) = card_with_key();
    let payload = payload(&authority, authority.device(NAME, &[NAME], &key));
    payload.write(&mut card).unwrap();
    let read = DevicePayload::read(&mut card).unwrap();
    assert_eq!(read, payload);
    let owner_name = read.check(authority.root.der(), &key, now()).unwrap();
    assert_eq!(owner_name.to_string(), NAME);
    // A shorter payload leaves nothing of the longer one behind.
    let mut second = payload.clone();
    second.endpoint = Endpoint::new("a.example", 1).unwrap();
    second.write(&mut card).unwrap();
    assert_eq!(DevicePayload::read(&mut card).unwrap(), second);
}

#[test]
fn an_empty_card_has_no_payload() {
    let (mut card, _) = card_with_key();
    let error = DevicePayload::read(&mut card).unwrap_err();
    assert!(matches!(error, PayloadError::Card { container: 2, .. }));
}

#[test]
fn what_is_no_certificate_is_neither_written_nor_read() {
    let authority = Authority::new();
    let (mut card, key) = card_with_key();
    let good = payload(&authority, authority.device(NAME, &[NAME], &key));
    let with_tail = [good.client_certificate.as_slice(), &[0]].concat();
    for certificate in [vec![], vec![0x30, 0], with_tail] {
        let mut bad = good.clone();
        bad.client_certificate = certificate;
        let error = bad.write(&mut card).unwrap_err();
        assert!(matches!(error, PayloadError::Certificate { container: 2 }));
        assert!(DevicePayload::read(&mut card).is_err()); // nothing was written
    }
    good.write(&mut card).unwrap();
    let file = layout::object(layout::ASP_CERTIFICATE);
    card.write_file(&file, &[0x30, 1, 0]).unwrap();
    let error = DevicePayload::read(&mut card).unwrap_err();
    assert!(matches!(error, PayloadError::Certificate { container: 3 }));
    good.write(&mut card).unwrap();
    let file = layout::object(layout::ENDPOINT);
    card.write_file(&file, br#"{"url":"asp.example"}"#).unwrap();
    let error = DevicePayload::read(&mut card).unwrap_err();
    assert!(matches!(error, PayloadError::Endpoint(_)));
}

#[test]
fn a_payload_of_another_card_or_registry_is_not_believed() {
    let authority = Authority::new();
    let stranger = Authority::new();
    let (_, key) = card_with_key();
    let (_, other_key) = card_with_key();
    let root = authority.root.der();
    let certificate = authority.device(NAME, &[NAME], &key);
    let good = payload(&authority, certificate.clone());
    let check = |payload: &DevicePayload| payload.check(root, &key, now()).unwrap_err();

    let other = good.check(root, &other_key, now()).unwrap_err();
    assert_eq!(other, PayloadCheckError::OtherKey);
    let other = good.check(stranger.root.der(), &key, now()).unwrap_err();
    assert_eq!(other, PayloadCheckError::OtherRoot);

    let foreign = payload(&authority, stranger.device(NAME, &[NAME], &key));
    assert!(matches!(check(&foreign), PayloadCheckError::Chain { .. }));
    let mut foreign = good.clone();
    foreign.issuing_certificate = stranger.issuing.der().to_vec();
    assert!(matches!(check(&foreign), PayloadCheckError::Chain { .. }));
    let (server, _) = authority.server("asp.example");
    let not_a_client = payload(&authority, server.der().to_vec());
    assert!(matches!(
        check(&not_a_client),
        PayloadCheckError::Chain { .. }
    ));
    let too_late = UnixTime::since_unix_epoch(Duration::from_secs(90_000_000_000));
    let expired = good.check(root, &key, too_late).unwrap_err();
    assert!(matches!(expired, PayloadCheckError::Chain { .. }));

    let other_name = NAME.replacen('1', "2", 1);
    for (common_name, dns_names) in [
        (NAME, vec![]),
        (NAME, vec![other_name.as_str()]),
        (NAME, vec![NAME, other_name.as_str()]),
        ("device.example", vec!["device.example"]),
    ] {
        let certificate = authority.device(common_name, &dns_names, &key);
        let unnamed = payload(&authority, certificate);
        assert_eq!(check(&unnamed), PayloadCheckError::Name);
    }
    assert!(
        payload(&authority, certificate)
            .check(root, &key, now())
            .is_ok()
    );
}
