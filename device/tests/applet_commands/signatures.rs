//! Making keys, signing and verifying.

use iot_device::applet::CardOptions;
use iot_device::signature::SignatureForm;
use iot_device::{EcdsaSignature, PublicKey};

use crate::support::{Card, applet, hex, to_hex};
use crate::{DIGEST, SIGN_INIT};

fn digest() -> [u8; 32] {
    hex(&DIGEST[5..]).try_into().unwrap()
}

#[test]
fn a_key_pair_is_made_read_and_replaced() {
    let mut card = Card::selected();
    card.expect("00CD0000 03 850101", "6985"); // empty container
    card.expect(SIGN_INIT, "6985");
    card.expect("00B90000 03 840101", "614D");
    let made = card.send("00C000004D");
    assert!(made.starts_with("8401018501013445494386410 4".replace(' ', "").as_str()));
    let read = card.fetch("00CD0000 03 850101");
    assert_eq!(read.len(), 2 * (0x47 + 2));
    assert_eq!(made[12..], read);
    let by_label = format!("00CD0000 0C 750A{}", to_hex(b"client-key"));
    assert_eq!(card.fetch(&by_label), read);
    let replaced = to_hex(&card.generate());
    assert!(!read.contains(&replaced));
    assert!(card.fetch("00CD0000 03 850101").contains(&replaced));
    card.expect("00B90000 03 840109", "6A82");
    card.expect("00CD0000 03 850109", "6A82");
    card.expect("00B90000", "6A80");
}

#[test]
fn a_pair_in_use_by_any_channel_is_not_replaced() {
    let mut card = Card::selected();
    card.generate();
    card.expect("0070000001", "019000");
    card.expect("01A4040007A0000005590010", "9000");
    card.expect(&SIGN_INIT.replacen("00", "01", 1), "9000");
    card.expect("00B90000 03 840101", "6985");
    card.expect("00708001", "9000");
    card.expect_status("00B90000 03 840101", "614D");
    card.expect("002C0000 0D 850101 A10103 91020001 920104", "9000");
    card.expect("00B90000 03 840101", "6985");
    card.expect("002C0100", "9000");
    card.expect_status("00B90000 03 840101", "614D");
}

#[test]
fn a_digest_is_signed_in_each_form() {
    for (form, head) in [
        (SignatureForm::OneOctetLength, "3340"),
        (SignatureForm::TwoOctetLength, "330040"),
        (SignatureForm::Der, "33"),
    ] {
        let options = CardOptions {
            signature_form: form,
            ..CardOptions::default()
        };
        let mut card = Card::new(applet(options));
        card.expect("00A4040007A0000005590010", "9000");
        let key = PublicKey::from_point(&card.generate()).unwrap();
        card.expect(SIGN_INIT, "9000");
        let answer = card.fetch(&format!("002B8000 22 {DIGEST}"));
        assert!(answer.ends_with("9000"));
        let value = hex(answer
            .strip_prefix(head)
            .unwrap()
            .strip_suffix("9000")
            .unwrap());
        let signature = match form {
            SignatureForm::Der => EcdsaSignature::from_der(&value[1..]).unwrap(),
            _ => EcdsaSignature::from_octets(value.try_into().unwrap()),
        };
        assert!(key.verifies(&digest(), &signature));
    }
}

#[test]
fn a_session_is_replaced_by_a_second_init() {
    let mut card = Card::selected();
    card.generate();
    card.expect(SIGN_INIT, "9000");
    card.expect("002B0000 04 9B020102", "6A86"); // mode 3 has one UPDATE
    card.expect(&format!("002B8000 22 {DIGEST}"), "6985"); // which ended the session
    card.expect(&SIGN_INIT.replace("A10103", "A10101"), "9000");
    card.expect(SIGN_INIT, "9000"); // mode 3 replaces mode 1
    card.expect(&format!("002B8000 22 {DIGEST}"), "6142");
    card.expect(&format!("002B8000 22 {DIGEST}"), "6985"); // once only
    card.expect("002A0100", "9000");
    card.expect("002A0100", "6985");
}

#[test]
fn incorrect_inits_are_refused_and_open_nothing() {
    let mut card = Card::selected();
    card.generate();
    for (apdu, status) in [
        ("002A0000 0D 840109 A10103 91020001 920104", "6A82"),
        ("002A0000 0D 850101 A10103 91020001 920104", "6A80"),
        ("002A0000 0D 840101 A10102 91020001 920104", "6A80"),
        ("002A0000 0D 840101 A10103 91020002 920104", "6A80"),
        ("002A0000 0D 840101 A10103 91020001 920102", "6A80"),
        ("002A0000 0A 840101 A10103 91020001", "6A80"),
        ("002A0000 10 840101 840101 A10103 91020001 920104", "6A80"),
        ("002A0000 03 840101", "6A80"),
        ("002A0000", "6A80"),
        ("002A0000 02 8405", "6A80"),
    ] {
        card.expect(SIGN_INIT, "9000");
        card.expect(apdu, status);
        card.expect(&format!("002B8000 22 {DIGEST}"), "6985");
    }
}

#[test]
fn sessions_are_limited_and_end_with_their_channel() {
    let mut card = Card::selected();
    card.generate();
    let init = |number: u8| SIGN_INIT.replacen("0000", &format!("00{number:02X}"), 1);
    for number in 0..8 {
        card.expect(&init(number), "9000");
    }
    card.expect(&init(8), "6989");
    card.expect(&init(7), "9000"); // replacing is not one more
    card.expect(&format!("002B8007 22 {DIGEST}"), "6142");
    card.expect(&init(8), "9000"); // a finished session blocks nothing
    card.expect("00A4040007A0000005590010", "9000");
    card.expect("002A0100", "6985");
    card.expect(SIGN_INIT, "9000");
    card.applet.reset();
    card.expect("00A4040007A0000005590010", "9000");
    card.expect(&format!("002B8000 22 {DIGEST}"), "6985");
}

#[test]
fn a_signature_is_verified_on_the_card() {
    let mut card = Card::selected();
    let point = to_hex(&card.generate());
    card.expect(SIGN_INIT, "9000");
    let signature = card.fetch(&format!("002B8000 22 {DIGEST}"));
    let raw = &signature[4..132];
    // The peer's container: put, then verify.
    card.expect("00240000 03 850105", "9000");
    card.expect(&format!("00D88000 47 3445 4943 8641 {point}"), "9000");
    card.expect("00240100", "9000");
    let init = "002C0000 0D 850105 A10103 91020001 920104";
    for form in ["3340", "330040"] {
        let data = format!("{DIGEST}{form}{raw}").replace(' ', "");
        card.expect(init, "9000");
        card.expect(&format!("002D8000 {:02X} {data}", data.len() / 2), "9000");
        let other = data.replacen("0001", "0101", 1);
        card.expect(init, "9000");
        card.expect(&format!("002D8000 {:02X} {other}", data.len() / 2), "6D01");
    }
    card.expect(init, "9000");
    card.expect(&format!("002D8000 22 {DIGEST}"), "6A80"); // no signature
    card.expect("002D8000", "6985");
}

#[test]
fn a_full_text_is_signed_and_verified() {
    let mut card = Card::selected();
    let key = PublicKey::from_point(&card.generate()).unwrap();
    let text = vec![0x5A; 400];
    card.expect(&SIGN_INIT.replace("A10103", "A10101"), "9000");
    let first = format!("9B820190{}", to_hex(&text[..200]));
    card.expect(&format!("002B0000 CC {first}"), "9000");
    let answer = card.fetch(&format!("002B8000 C8 {}", to_hex(&text[200..])));
    let raw = &answer[4..132];
    let signature = EcdsaSignature::from_octets(hex(raw).try_into().unwrap());
    let sha_256 = ring::digest::digest(&ring::digest::SHA256, &text);
    assert!(key.verifies(sha_256.as_ref().try_into().unwrap(), &signature));

    card.expect("002C0001 0D 850101 A10101 91020001 920104", "9000");
    card.expect(&format!("002D0001 CC {first}"), "9000");
    let rest = to_hex(&text[200..320]);
    card.expect(&format!("002D0001 78 {rest}"), "9000");
    let last = format!("{}3340{raw}", to_hex(&text[320..]));
    card.expect(&format!("002D8001 {:02X} {last}", last.len() / 2), "9000");
}

#[test]
fn a_peer_key_must_be_a_point_of_the_curve() {
    let mut card = Card::selected();
    card.generate();
    for data in [
        format!("3445 4943 8641 04{}", "01".repeat(64)),
        format!("3445 4943 8641 02{}", "00".repeat(64)),
        "3404 4902 8600".to_owned(),
        "3400".to_owned(),
    ] {
        let data = data.replace(' ', "");
        card.expect("00240000 03 850105", "9000");
        card.expect(&format!("00D88000 {:02X} {data}", data.len() / 2), "6A80");
    }
    card.expect("00240000 03 850101", "6985"); // the device's own key is not put
    card.expect("00240000 03 850109", "6A82");
    card.expect("00CD0000 03 850105", "6985"); // nothing was put
    card.expect("00D88000 02 3400", "6985");
}
