//! Every command of the applet by its octets: answers, status words, order.
#![allow(clippy::unwrap_used)] // helpers outside of test functions

mod support;

use iot_device::applet::{Applet, CardOptions, ResponseDelivery};
use iot_device::signature::SignatureForm;
use iot_device::{EcdsaSignature, PublicKey};
use support::{Card, Failing, Known, applet, hex, open_door, personalisation, to_hex};

const SIGN_INIT: &str = "002A0000 0D 840101 A10103 91020001 920104";
const DIGEST: &str = "9E20 000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F";

fn digest() -> [u8; 32] {
    hex(&DIGEST[5..]).try_into().unwrap()
}

#[test]
fn other_classes_are_refused() {
    let mut card = Card::selected();
    for class in ["04", "0C", "10", "40", "84", "90", "A0", "FF"] {
        card.expect(&format!("{class}84000008"), "6E00");
    }
    for class in ["00", "80"] {
        card.expect_status(&format!("{class}84000008"), "9000");
    }
    card.expect("80A4040007A0000005590010", "6E00");
    card.expect("8070000001", "6E00");
    card.expect("00E620000D000007A0000005590010000000", "6E00");
    card.expect("00E2800005750383010200", "6E00");
}

#[test]
fn unknown_instructions_are_refused() {
    let mut card = Card::selected();
    for instruction in ["00", "46", "48", "4A", "2E", "FF"] {
        card.expect(&format!("00{instruction}0000"), "6D00");
    }
}

#[test]
fn broken_lengths_are_refused() {
    let mut card = Card::selected();
    for apdu in [
        "",
        "00",
        "008400",
        "00B00000 05 8301",
        "00B00000 01 02 03 04 05",
    ] {
        card.expect(apdu, "6700");
    }
    card.expect("008400000000FF", "6700"); // extended length
    card.expect("00840000", "6700"); // nothing expected
    card.expect("008400000101 08", "6700"); // data where there is none
}

#[test]
fn parameters_that_are_not_zero_are_refused() {
    let mut card = Card::selected();
    card.generate();
    for apdu in [
        "0084010008",
        "0084000108",
        "00CD0100 03 850101",
        "00B90001 03 840101",
        "00CB0001",
        "00CB0200",
        "00CB0102",
        "00CBC200 03 850101".replace("C200", "C201").as_str(),
        "00CBC500 03 850101",
        "002A0200 0D 840101 A10103 91020001 920104",
        "002B0100 22",
        "00240200 03 850105",
        "00A4000007A0000005590010",
        "00A4040407A0000005590010",
        "00700100",
        "00708000",
        "00708004",
        "80E62001 0D 0000 07A0000005590010 000000",
        "80E60C00 0D 0000 07A0000005590010 000000",
    ] {
        let apdu = if apdu == "002B0100 22" {
            format!("002B0100 22 {DIGEST}")
        } else {
            apdu.to_owned()
        };
        card.expect(&apdu, "6A86");
    }
}

#[test]
fn every_known_identifier_selects_the_applet() {
    for aid in [
        "A0000005590010",
        "A0000002480400",
        "A00000003053F12401770101495341",
        "A0000001157000000000000049534102",
    ] {
        let mut card = Card::new(applet(open_door()));
        card.expect("0084000008", "6985"); // nothing selected
        let length = aid.len() / 2;
        card.expect(&format!("00A40400{length:02X}{aid}"), "9000");
        card.expect(&format!("00A4040C{length:02X}{aid}00"), "9000");
        card.expect_status("0084000008", "9000");
    }
    let mut card = Card::selected();
    card.expect("00A4040006A00000055900", "6A82");
    card.expect_status("0084000008", "9000"); // what was selected stays
}

#[test]
fn random_has_the_length_asked_for() {
    let mut card = Card::selected();
    for (le, octets) in [("01", 1), ("1C", 28), ("FF", 255), ("00", 256)] {
        let response = hex(&card.send(&format!("00840000{le}")));
        assert_eq!(response.len(), octets + 2);
        assert_eq!(response[octets..], [0x90, 0x00]);
    }
    assert_ne!(card.send("0084000020"), card.send("0084000020"));
}

#[test]
fn application_data_has_68_octets_and_does_not_change() {
    let mut card = Card::selected();
    let data = card.send("00CB000044");
    assert_eq!(data.len(), 2 * (0x44 + 2));
    assert_eq!(data, card.send("00CB0000"));
    assert!(data.starts_with("1001011120"));
    assert!(
        data.ends_with(
            "B1012 0B20110B30110B4010090010391020001920104930100940100B701089000"
                .replace(' ', "")
                .as_str()
        )
    );
}

#[test]
fn the_object_list_comes_in_pages_of_whole_objects() {
    let mut card = Card::selected();
    card.expect("00CB0101", "6985"); // no first page yet
    let mut listed = Vec::new();
    let mut response = hex(&card.send("00CB010000"));
    let mut pages = 1;
    loop {
        let status = response.split_off(response.len() - 2);
        assert!(response.len() <= 255);
        let mut rest = response.as_slice();
        while let [tag, length, after @ ..] = rest {
            listed.push(*tag);
            rest = &after[usize::from(*length)..];
        }
        match status[..] {
            [0x63, 0x00] => response = hex(&card.send("00CB010100")),
            [0x90, 0x00] => break,
            _ => panic!("{status:02X?}"),
        }
        pages += 1;
    }
    assert!(pages > 1);
    assert_eq!(to_hex(&listed), "C1C1C2C2C2C3C3C3C3C3C3C3");
    card.expect("00CB0101", "6985"); // the list is over
}

#[test]
fn one_object_comes_with_its_outer_tag() {
    let mut card = Card::selected();
    let label = to_hex(b"client-key");
    let keys = "4B01134E0101610103 920104 91020001 6F0100".replace(' ', "");
    let private = |state| format!("C1 28 740A{label} 840101 600102 4A01{state} {keys} 9000");
    let public = |state| format!("C2 28 750A{label} 850101 600101 4A01{state} {keys} 9000");
    let plain = |text: String| text.replace(' ', "");
    assert_eq!(card.fetch("00CBC100 03 840101"), plain(private("00")));
    card.generate();
    assert_eq!(card.fetch("00CBC100 03 840101"), plain(private("01")));
    assert_eq!(
        card.fetch(&format!("00CBC200 0C 750A{label} 00")),
        plain(public("01"))
    );
    let file = format!(
        "C3 1A 7308{} 830108 600101 4A0100 210101 20020000 9000",
        to_hex(b"endpoint")
    );
    assert_eq!(card.fetch("80CBC300 03 830108"), plain(file));
    card.write(8, &[0x7B; 300]);
    assert!(card.fetch("00CBC300 03 830108").ends_with("2002012C9000"));
    card.expect(
        "00CBC300 03 830109 ".replace("830109", "830120").as_str(),
        "6A82",
    );
    card.expect("00CBC400 03 860101", "6A82");
    card.expect("00CBC300 03 840108", "6A80"); // a name of another kind
    card.expect("00CBC300 06 830108 830108", "6A80");
    card.expect("00CBC300", "6A80");
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

#[test]
fn a_file_reads_as_every_client_expects() {
    let mut card = Card::selected();
    let content: Vec<u8> = (0..=255).cycle().take(300).collect();
    card.expect("00B00000 03 830102", "6985"); // empty container
    card.write(2, &content);
    card.expect("00B00000 03 830102", "61FF");
    assert_eq!(card.send("00C00000FF"), to_hex(&content[..255]) + "9000");
    assert_eq!(
        card.fetch("00B000FF 03 830102 00"),
        to_hex(&content[255..]) + "9000"
    );
    assert_eq!(
        card.fetch("00B0012C 03 830102 00"),
        "00".repeat(255) + "9000"
    );
    assert_eq!(
        card.fetch("00B00032 03 830102 32"),
        to_hex(&content[50..100]) + "9000"
    );
    card.expect("00B00800 03 830102", "9000");
    card.expect("00B00801 03 830102", "6A86");
    card.expect("00B0FFFF 03 830102", "6A86");
    card.expect("00B00000 03 830120", "6A82");
    card.expect("00B00000 03 850102", "6A80");
}

#[test]
fn waiting_data_belongs_to_its_channel_and_to_the_last_command() {
    let mut card = Card::selected();
    card.generate();
    card.expect("01A4040007A0000005590010", "9000");
    card.expect("00CD0000 03 850101", "6147");
    card.expect("01C0000047", "6985");
    card.expect_status("0184000008", "9000"); // another channel does not disturb
    card.expect("00C0010047", "6A86");
    card.expect("00C0000047010203", "6700");
    card.expect_status("80C0000010", "6137"); // either class, in parts
    card.expect_status("00C0000000", "9000");
    card.expect("00C0000000", "6985");
    card.expect("00CD0000 03 850101", "6147");
    card.expect_status("0084000008", "9000");
    card.expect("00C0000047", "6985"); // forgotten
}

#[test]
fn direct_delivery_answers_at_once() {
    let options = CardOptions {
        response_delivery: ResponseDelivery::Direct,
        ..CardOptions::default()
    };
    let mut card = Card::new(applet(options));
    card.expect("00A4040007A0000005590010", "9000");
    let answer = card.send("00B90000 03 840101 00");
    assert_eq!(answer.len(), 2 * (0x4D + 2));
    let parts = card.send("00CD0000 03 850101 20");
    assert!(parts.ends_with("6127"));
    assert_eq!(card.send("00C0000027").len(), 2 * (0x27 + 2));
}

#[test]
fn channels_open_and_close() {
    let mut card = Card::new(applet(open_door()));
    card.expect("0184000008", "6881");
    card.expect("01C0000008", "6881");
    card.expect("0070000001", "019000");
    card.expect("0070000001", "029000");
    card.expect("00700003", "9000");
    card.expect("0070000001", "6A81"); // none left
    card.expect("00700002", "6A86"); // open already
    card.expect("01708001", "9000");
    card.expect("00708001", "6881"); // closed already
    card.expect("0170000001", "6881");
    card.expect("01A4040007A0000005590011", "6A82");
    card.expect("0184000008", "6881"); // a failed SELECT opens nothing
    card.expect("01A4040007A0000005590010", "9000");
    card.expect_status("8184000008", "9000");
    card.expect("00708000", "6A86"); // channel 0 stays
    card.applet.reset();
    card.expect("0184000008", "6881");
}

#[test]
fn the_ecasd_knows_the_eid() {
    let mut card = Card::selected();
    card.expect("00A40400 10 A0000005591010FFFFFFFF8900000200 00", "9000");
    card.expect("80CA005A00", &format!("5A10{}9000", support::EID));
    card.expect("80CA005B00", "6A88");
    card.expect("0084000008", "6D00");
}

#[test]
fn files_are_written_by_numbered_blocks_only() {
    let mut card = Card::selected();
    let install = "80E62000 0D 0000 07A0000005590010 000000";
    card.expect("80E28000 05 7503830102", "6985"); // no INSTALL
    card.expect("80E62000 0D 0000 07A0000005590011 000000", "6A88");
    card.expect("80E62000 0C 0000 07A0000005590010 0000", "6A80");
    card.expect(install, "6101");
    card.expect("00C0000001", "009000");
    card.expect("80E20001 05 7503830102", "6A86"); // begins with 0
    card.expect("80E20000 05 7503830102", "6985"); // and that ended the script
    for (block, status) in [
        ("80E28000 05 7503830120", "6A82"),
        ("80E28000 05 7503840102", "6A80"),
        ("80E28000 06 770101 770101", "6A80"),
        ("80E28000 03 770101", "6985"),
        ("80E28000 03 790101", "6A80"),
        ("80E24000 05 7503830102", "6A86"),
        ("80E28000", "6A80"),
    ] {
        card.expect_status(install, "6101");
        card.expect(block, status);
        card.expect("80E28000 05 7503830102", "6985");
    }
}

#[test]
fn a_script_that_fails_leaves_the_files_as_they_were() {
    let mut card = Card::selected();
    card.write(2, b"before");
    card.expect_status("80E62000 0D 0000 07A0000005590010 000000", "6101");
    card.expect("80E20000 05 7503830102", "9000");
    card.expect("80E20001 05 7703616263", "9000");
    assert!(
        card.fetch("00B00000 03 830102")
            .starts_with(&to_hex(b"before"))
    );
    card.expect("80E20002 05 7503830120", "6A82");
    assert!(
        card.fetch("00B00000 03 830102")
            .starts_with(&to_hex(b"before"))
    );
    // A file is created, and its twin refused: neither stays.
    card.expect_status("80E62000 0D 0000 07A0000005590010 000000", "6101");
    card.expect("80E20000 05 7403830130", "9000");
    card.expect("80E28001 05 7403830130", "6A80");
    card.expect("00CBC300 03 830130", "6A82");
}

#[test]
fn files_are_created_filled_emptied_and_deleted() {
    let mut card = Card::selected();
    let install = "80E62000 0D 0000 07A0000005590010 000000";
    card.expect_status(install, "6101");
    card.expect("80E20000 0B 7409 830130 7301 78 210102", "9000");
    card.expect("80E20001 05 7503830130", "9000");
    card.expect("80E28002 04 77023000", "9000");
    assert_eq!(
        card.fetch("00CBC300 03 730178"),
        "C313730178830130600101 4A0101 210102 20020002 9000".replace(' ', "")
    );
    card.write(0x30, &[]);
    card.expect("00B00000 03 830130", "6985");
    card.expect_status(install, "6101");
    card.expect("80E28000 05 7603830130", "9000");
    card.expect("00B00000 03 830130", "6A82");
}

#[test]
fn a_file_longer_than_its_capacity_is_refused() {
    let mut card = Card::selected();
    card.write(2, &[1; 2048]);
    card.expect_status("80E62000 0D 0000 07A0000005590010 000000", "6101");
    card.expect("80E20000 05 7503830102", "9000");
    for block in 1..=10 {
        card.expect(
            &format!("80E200{block:02X} CB 7781C8{}", "02".repeat(200)),
            "9000",
        );
    }
    card.expect(&format!("80E2800B 33 7731{}", "02".repeat(49)), "6A84");
    assert!(card.fetch("00B00000 03 830102").starts_with("01"));
}

#[test]
fn a_closed_door_does_not_know_its_commands() {
    let mut card = Card::new(applet(CardOptions::default()));
    card.expect("00A4040007A0000005590010", "9000");
    card.expect("80E62000 0D 0000 07A0000005590010 000000", "6D00");
    card.expect("80E28000 05 7503830102", "6D00");
}

#[test]
fn the_private_key_is_in_no_answer() {
    // The first 32 random octets that the card draws after its own id are the private key.
    let personalisation = personalisation(open_door());
    let applet = Applet::personalise(personalisation, Box::new(Known(0x41))).unwrap();
    let mut card = Card::new(applet);
    card.expect("00A4040007A0000005590010", "9000");
    let point = card.generate();
    let private_key = [0x42; 32];
    let expected = p256::SecretKey::from_slice(&private_key).unwrap();
    let expected = expected.public_key().to_sec1_bytes();
    assert_eq!(point, *expected, "the test knows the private key");

    card.expect(SIGN_INIT, "9000");
    card.fetch(&format!("002B8000 22 {DIGEST}"));
    card.write(2, &[0x30, 0]);
    for instruction in 0..=0xFF {
        for class in ["00", "80"] {
            for parameters in ["0000", "0100", "0101", "C100", "C200", "C300", "8000"] {
                for body in ["", "00", "03840101", "0384010100", "03850101", "03830101"] {
                    if instruction != 0xB9 {
                        card.fetch(&format!("{class}{instruction:02X}{parameters}{body}"));
                    }
                }
            }
        }
        if instruction == 0xA4 || instruction == 0x70 {
            card.expect("00A4040007A0000005590010", "9000");
        }
    }
    let part = &private_key[..8];
    let leaks = |response: &Vec<u8>| response.windows(part.len()).any(|window| window == part);
    assert!(card.said.len() > 10_000);
    assert!(!card.said.iter().any(leaks));
    assert!(!format!("{:?}", card.applet).contains("66, 66"));
    assert_eq!(card.generate().len(), 65); // still in order
}

#[test]
fn a_card_without_random_octets_makes_nothing() {
    let personalisation = personalisation(open_door());
    assert!(Applet::personalise(personalisation, Box::new(Failing)).is_err());
}
