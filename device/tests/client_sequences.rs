//! The command sequences of deployed clients, octet by octet, and commands that no client would
//! send.
#![allow(clippy::unwrap_used)] // helpers outside of test functions

mod support;

use proptest::prelude::*;
use support::{Card, applet, hex, open_door, to_hex};

const DIGEST: &str = "9E20 000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F";

/// A card with a pair in container 1, and nothing open.
fn provisioned() -> Card {
    let mut card = Card::selected();
    card.generate();
    card.write(2, &[0x30, 3, 1, 2, 3]);
    card.applet.reset();
    card
}

#[test]
fn signing_as_thales_and_cira_do() {
    let mut card = provisioned();
    // Channels are closed until an error says that there are none.
    card.expect("01708001", "6881");
    card.expect("0070000001", "019000");
    card.expect("01A4040007A000000248040000", "9000");
    for _ in 0..2 {
        // No session is ever closed.
        card.expect("012A0000 0D 840101 A10103 91020001 920104", "9000");
        card.expect(&format!("012B8000 22 {DIGEST}"), "6142");
        let response = card.send("01C0000042");
        assert!(response.starts_with("3340") && response.ends_with("9000"));
        assert_eq!(response.len(), 2 * (0x42 + 2));
    }
    card.expect("01708001 00", "9000");
    card.expect("00708001 00", "6881");
}

#[test]
fn reading_as_cira_does() {
    let mut card = provisioned();
    card.expect("0070000001", "019000");
    card.expect("01A4040007A0000002480400", "9000");
    let mut offset = 0;
    let mut file = Vec::new();
    // Ends only when the next block would begin at or behind 2,048.
    loop {
        let answer = card.fetch(&format!("01B0{offset:04X} 03 830102"));
        let block = hex(answer.strip_suffix("9000").unwrap());
        assert!(!block.is_empty() && block.len() <= 255);
        offset += block.len();
        file.extend(block);
        if offset >= 2048 {
            break;
        }
    }
    assert_eq!(file.len(), 2048);
    assert_eq!(file[..6], [0x30, 3, 1, 2, 3, 0]);
}

#[test]
fn signing_and_verifying_as_orange_does() {
    let mut card = provisioned();
    card.expect("0070000001", "019000");
    // A wrong Le of 10 00 behind the identifier.
    card.expect("01A4040007A00000055900101000", "9000");
    card.expect_status("0184000010", "9000");
    assert_eq!(card.send("01CB000044").len(), 2 * (0x44 + 2));
    card.expect_status("01CB010000", "6300");
    card.expect("012A0101 00", "6985"); // none open, and it goes on
    // Commands with data have a stray octet, of the first kind at the end.
    card.expect("012A0001 0D 840101 A10101 91020001 920104 00", "9000");
    card.expect("012B8001 05 9B03616263 00", "6142");
    let signature = card.send("01C0000042");
    let raw = &signature[4..132];
    card.expect("012A0101 00", "9000");
    card.expect("012C0101 00", "6985");
    card.expect("012C0001 0D 850101 A10101 91020001 920104 00", "9000");
    card.expect(&format!("012D8001 47 9B03616263 3340{raw} 00"), "9000");
    card.expect("012C0101 00", "9000");
    card.expect("01708001", "9000");
}

#[test]
fn reading_as_orange_does() {
    let mut card = provisioned();
    card.expect("0070000001", "019000");
    card.expect("01A4040007A00000055900101000", "9000");
    // Blocks of 50 octets, the second kind of stray octet before Le.
    let mut file = String::new();
    for block in 0..20 {
        let octets = if block == 0 { 5 } else { 50 };
        let offset = file.len() / 2;
        card.expect(
            &format!("01B0{offset:04X} 03 830102 00 32"),
            &format!("61{octets:02X}"),
        );
        let response = card.send(&format!("01C00000{octets:02X}"));
        file.push_str(response.strip_suffix("9000").unwrap());
    }
    assert!(file.starts_with(&to_hex(&[0x30, 3, 1, 2, 3, 0])));
}

#[test]
fn the_parts_of_a_handshake_as_wolfssl_does() {
    let mut card = provisioned();
    // No channel is ever opened.
    card.expect("01A4040007A0000005590010", "9000");
    let attributes = card.fetch("81CBC300 03 830102");
    assert!(attributes.starts_with("C3") && attributes.ends_with("200200059000"));
    assert_eq!(card.fetch("81B00000 03 830102 05"), "30030102039000");
    for _ in 0..2 {
        card.expect("81B90000 03 840104", "614D");
        assert!(card.send("01C000004D").starts_with("840104850104"));
    }
    let peer = card.fetch("81CD0000 03 850101");
    let key = peer.strip_suffix("9000").unwrap();
    card.expect("81240002 03 850105", "9000");
    card.expect(&format!("81D88002 47 {key}"), "9000");
    card.expect("81240102 03 850105", "9000");
    card.expect("812A0001 0D 840101 A10103 91020001 920104", "9000");
    let signature = card.fetch(&format!("812B8001 22 {DIGEST}"));
    card.expect("812A0101", "9000");
    let raw = &signature[4..132];
    card.expect("812C0001 0D 850105 A10103 91020001 920104", "9000");
    card.expect(&format!("812D8001 65 {DIGEST} 330040{raw}"), "9000");
    card.expect("812C0101", "9000");
    card.expect("81460000 06 840104 850105", "6D00"); // key agreement is not there yet
}

/// Status words that the card uses.
fn is_status_word(status: [u8; 2]) -> bool {
    matches!(
        status,
        [0x61, _]
            | [0x90 | 0x63 | 0x67 | 0x6E, 0x00]
            | [0x68, 0x81]
            | [0x69, 0x85 | 0x89]
            | [0x6A, 0x80 | 0x81 | 0x82 | 0x84 | 0x86 | 0x88]
            | [0x6D, 0x00 | 0x01]
    )
}

const INSTRUCTIONS: [u8; 18] = [
    0xA4, 0x70, 0xC0, 0xCA, 0x84, 0xCB, 0xB0, 0xCD, 0xB9, 0x24, 0xD8, 0x2A, 0x2B, 0x2C, 0x2D, 0xE6,
    0xE2, 0x46,
];

/// Data fields that get past the first check.
fn data_field() -> impl Strategy<Value = Vec<u8>> {
    let known = [
        "840101",
        "850101",
        "850105",
        "830102",
        "A0000005590010",
        "840101 A10103 91020001 920104",
        "840101 A10101 91020001 920104",
        "850101 A10101 91020001 920104",
        "9B03616263",
        "9B820190 00",
        "9B0003E8 00",
        "9E20 0000000000000000000000000000000000000000000000000000000000000000",
        "0000 07A0000005590010 000000",
        "7503830102",
        "77023000",
        "7403830130",
        "7603830130",
        "3445 4943 8641 04",
    ];
    let known = prop::sample::select(known.map(hex).to_vec());
    let tail = prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(any::<u8>(), 0..80)];
    (known, tail).prop_map(|(head, tail)| [head, tail].concat())
}

/// Commands that look right, with anything in them.
fn command() -> impl Strategy<Value = Vec<u8>> {
    let class = prop::sample::select(vec![0x00u8, 0x01, 0x80, 0x81]);
    let p1 = prop::sample::select(vec![0x00u8, 0x00, 0x00, 0x01, 0x04, 0x08, 0x20, 0x80, 0xC3]);
    let p2 = prop::sample::select(vec![0x00u8, 0x00, 0x00, 0x01, 0x02, 0x5A]);
    let le = prop::option::of(any::<u8>());
    (
        class,
        prop::sample::select(INSTRUCTIONS.to_vec()),
        p1,
        p2,
        data_field(),
        le,
    )
        .prop_map(|(class, instruction, p1, p2, data, le)| {
            let mut apdu = vec![class, instruction, p1, p2];
            if !data.is_empty() {
                apdu.push(data.len() as u8);
                apdu.extend(data);
            }
            apdu.extend(le);
            apdu
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_commands_get_a_known_status_word(
        apdus in prop::collection::vec(
            prop_oneof![
                8 => command(),
                1 => prop::collection::vec(any::<u8>(), 0..300),
                1 => Just(hex("00A4040007A0000005590010")),
            ],
            1..120,
        )
    ) {
        let mut card = Card::new(applet(open_door()));
        card.expect("00A4040007A0000005590010", "9000");
        for apdu in &apdus {
            let response = card.applet.handle_apdu(apdu);
            prop_assert!((2..=258).contains(&response.len()));
            let status = [response[response.len() - 2], response[response.len() - 1]];
            prop_assert!(is_status_word(status), "{apdu:02X?}: {status:02X?}");
        }
        card.applet.reset();
        card.expect("00A4040007A0000005590010", "9000");
        prop_assert_eq!(card.generate().len(), 65);
    }
}
