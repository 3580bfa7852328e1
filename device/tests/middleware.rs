//! The client against a virtual card: in this process, over TCP, and in each way that cards differ.
#![allow(clippy::unwrap_used)] // helpers outside of test functions

mod support;

use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use iot_device::apdu::StatusWord;
use iot_device::applet::{Aid, CardOptions, ResponseDelivery};
use iot_device::card::serve::serve;
use iot_device::card::{ObjectKind, TcpCard};
use iot_device::payload::layout;
use iot_device::signature::SignatureForm;
use iot_device::{CardError, CardTransport, IotSafe, ObjectReference, VirtualCard};
use support::{applet, device_id, open_door};

fn virtual_card(options: CardOptions) -> VirtualCard {
    VirtualCard::new(applet(options))
}

fn open(card: &VirtualCard) -> IotSafe {
    IotSafe::open(card.clone(), &Aid::known()).unwrap()
}

fn status(error: CardError) -> StatusWord {
    match error {
        CardError::Refused { status, .. } => status,
        other => panic!("{other}"),
    }
}

#[test]
fn signatures_of_every_kind_of_card_verify() {
    for signature_form in [
        SignatureForm::OneOctetLength,
        SignatureForm::TwoOctetLength,
        SignatureForm::Der,
    ] {
        for response_delivery in [ResponseDelivery::GetResponse, ResponseDelivery::Direct] {
            let options = CardOptions {
                signature_form,
                response_delivery,
                ..open_door()
            };
            let mut card = open(&virtual_card(options));
            let key = layout::client_key();
            let public_key = card.generate_key_pair(&key.private).unwrap();
            assert_eq!(card.public_key(&key.public).unwrap(), public_key);
            let signature = card.sign(&key.private, b"text").unwrap();
            let digest = ring::digest::digest(&ring::digest::SHA256, b"text");
            let digest = digest.as_ref().try_into().unwrap();
            assert!(public_key.verifies(digest, &signature));
            let file = layout::object(layout::CLIENT_CERTIFICATE);
            let content = [&[0x30, 0x82, 0x02, 0x58][..], &[7; 600]].concat();
            card.write_file(&file, &content).unwrap();
            assert_eq!(card.read_file(&file).unwrap(), content);
        }
    }
}

#[test]
fn a_session_left_open_does_not_disturb_the_next_signature() {
    let card = virtual_card(open_door());
    let mut client = open(&card);
    let key = layout::client_key();
    client.generate_key_pair(&key.private).unwrap();
    // The client's own channel, between INIT and UPDATE.
    let init = support::hex("012A0000 0D 840101 A10101 91020001 920104");
    assert_eq!(card.clone().transmit(&init).unwrap(), [0x90, 0x00]);
    client.sign(&key.private, b"text").unwrap();
}

#[test]
fn objects_are_found_by_label_and_listed_with_their_state() {
    let mut card = open(&virtual_card(open_door()));
    let by_label = ObjectReference::Label("client-key".to_owned());
    card.generate_key_pair(&by_label).unwrap();
    card.write_file(&layout::object(layout::ENDPOINT), b"{}")
        .unwrap();
    let objects = card.objects().unwrap();
    let kinds = |kind| objects.iter().filter(|object| object.kind == kind).count();
    assert_eq!(kinds(ObjectKind::PrivateKey), 2);
    assert_eq!(kinds(ObjectKind::PublicKey), 3);
    assert_eq!(kinds(ObjectKind::File), 7);
    let file = |label: &str| {
        let found = |object: &&_| object_label(object) == Some(label);
        objects.iter().find(found).unwrap()
    };
    assert!(file("endpoint").activated);
    assert_eq!(file("endpoint").file_octets, Some(2));
    assert!(!file("client-cert").activated);
    assert!(file("client-key").activated && !file("ephemeral").activated);
}

fn object_label(object: &iot_device::card::ObjectAttributes) -> Option<&str> {
    object.label.as_deref()
}

#[test]
fn the_eid_comes_from_the_card() {
    let mut card = open(&virtual_card(open_door()));
    assert_eq!(card.eid().unwrap(), device_id());
    for _ in 0..5 {
        card.eid().unwrap(); // no channel is left open
    }
}

#[test]
fn refusals_carry_the_status_word() {
    let mut card = open(&virtual_card(CardOptions::default()));
    let key = layout::client_key();
    let error = card.sign(&key.private, b"text").unwrap_err();
    assert_eq!(status(error), StatusWord::CONDITIONS_NOT_SATISFIED);
    let error = card.generate_key_pair(&layout::object(99)).unwrap_err();
    assert_eq!(status(error), StatusWord::NOT_FOUND);
    let file = layout::object(layout::ENDPOINT);
    let error = card.write_file(&file, b"{}").unwrap_err();
    assert_eq!(status(error), StatusWord::INSTRUCTION_NOT_SUPPORTED);
    let long = ObjectReference::Label("x".repeat(100_000));
    assert!(matches!(card.read_file(&long), Err(CardError::TooLong(_))));
}

#[test]
fn a_file_that_does_not_end_is_refused() {
    let mut card = open(&virtual_card(open_door()));
    let file = layout::object(layout::ENDPOINT);
    for content in [
        &b"text"[..],
        b"{\"url\":",
        &[0x30, 0x82, 0x10, 0x00],
        &[7; 2048],
    ] {
        card.write_file(&file, content).unwrap();
        let error = card.read_file(&file).unwrap_err();
        assert!(matches!(error, CardError::Malformed { .. }), "{error}");
    }
    let too_long = card.write_file(&file, &[0x30; 2049]).unwrap_err();
    assert_eq!(status(too_long), StatusWord::NOT_ENOUGH_MEMORY);
}

#[test]
fn random_stays_below_the_length_at_which_a_card_gave_zeros() {
    let mut card = open(&virtual_card(open_door()));
    assert_eq!(card.random(32).unwrap().len(), 32);
    assert_eq!(card.random(255).unwrap().len(), 127);
    assert_ne!(card.random(32).unwrap(), card.random(32).unwrap());
}

#[test]
fn every_client_has_a_channel_and_gives_it_back() {
    let card = virtual_card(open_door());
    let clients: Vec<IotSafe> = (0..3).map(|_| open(&card)).collect();
    let error = IotSafe::open(card.clone(), &Aid::known()).unwrap_err();
    assert_eq!(status(error), StatusWord::FUNCTION_NOT_SUPPORTED);
    drop(clients);
    open(&card).close().unwrap();
    let unknown = [Aid::new(&[1, 2, 3, 4, 5]).unwrap()];
    for _ in 0..4 {
        let error = IotSafe::open(card.clone(), &unknown).unwrap_err();
        assert!(matches!(error, CardError::NoApplet { tried: 1 }));
    }
    open(&card);
}

#[test]
fn a_card_is_reached_over_tcp_by_one_client_after_another() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let card = virtual_card(open_door());
    thread::spawn(move || serve(&listener, &card, |_| {}));
    let connect = || TcpCard::connect(address, Duration::from_secs(10)).unwrap();
    let key = layout::client_key();
    let mut client = IotSafe::open(connect(), &Aid::known()).unwrap();
    let public_key = client.generate_key_pair(&key.private).unwrap();
    drop(client);
    // A client that goes away without closing its channel, and one that talks nonsense.
    let mut rude = connect();
    rude.transmit(&[0x00, 0x70, 0, 0, 1]).unwrap();
    drop(rude);
    std::io::Write::write_all(
        &mut std::net::TcpStream::connect(address).unwrap(),
        &[0xFF; 9],
    )
    .unwrap();
    let mut client = IotSafe::open(connect(), &Aid::known()).unwrap();
    assert_eq!(client.public_key(&key.public).unwrap(), public_key);
}

#[test]
fn a_card_that_is_silent_or_gone_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut silent = TcpCard::connect(address, Duration::from_millis(100)).unwrap();
    assert!(matches!(silent.transmit(&[0; 4]), Err(CardError::Timeout)));
    // A late answer could be taken for the next one: the connection is given up.
    let again = silent.transmit(&[0; 4]);
    assert!(matches!(again, Err(CardError::Unreachable(_))));
    let mut gone = TcpCard::connect(address, Duration::from_secs(10)).unwrap();
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            drop(stream);
            let _ = sender.send(());
        }
    });
    receiver.recv().unwrap();
    receiver.recv().unwrap();
    assert!(matches!(
        gone.transmit(&[0; 4]),
        Err(CardError::Unreachable(_))
    ));
}

#[test]
fn a_card_is_not_offered_to_the_network() {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    assert!(serve(&listener, &virtual_card(open_door()), |_| {}).is_err());
}
