//! Every command of the applet by its octets: answers, status words, order.
#![allow(clippy::unwrap_used)] // helpers outside of test functions

mod files;
mod signatures;
#[path = "../support/mod.rs"]
mod support;

use iot_device::applet::{Applet, CardOptions, ResponseDelivery};
use support::{Card, Failing, Known, applet, hex, open_door, personalisation, to_hex};

const SIGN_INIT: &str = "002A0000 0D 840101 A10103 91020001 920104";

const DIGEST: &str = "9E20 000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F";

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
