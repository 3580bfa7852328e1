//! Files on the card: read by every client, written through the issuer's door.

use iot_device::applet::CardOptions;

use crate::support::{Card, applet, to_hex};

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
