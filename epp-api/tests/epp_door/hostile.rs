//! Hazards P1 to P5 and P7 to P12, over the socket: each is answered with its code or the end of the
//! session, and other sessions go on.

use std::sync::atomic::Ordering;
use std::time::Duration;

use iot_epp_api::epp::encode_frame;

use crate::door::{Door, ONE, TWO, Wire};
use crate::frames::{self, EID};
use crate::registry::{CSR, HELD, PENDING};

const EPP: &str = "<epp xmlns=\"urn:ietf:params:xml:ns:epp-1.0\">";

/// Asks for each document and expects the code; the session goes on.
async fn answered(wire: &mut Wire, documents: &[String], code: u16) {
    for document in documents {
        let refused = wire.ask(document).await;
        assert_eq!(refused.code(), code, "{document:.200}");
        assert!(!refused.has("passwd") && !refused.has("root:"));
    }
    assert!(wire.ask(&frames::hello()).await.has("<greeting>"));
}

#[tokio::test]
async fn entities_and_document_types_are_2001() {
    let door = Door::open().await;
    let mut wire = door.logged_in(ONE).await;
    let with = |head: &str, id: &str| {
        let info = frames::device_about("A-1", "info", id, "");
        format!(
            "{head}{}",
            info.replacen("<?xml version=\"1.0\" encoding=\"UTF-8\"?>", "", 1)
        )
    };
    let documents = [
        with(
            "<!DOCTYPE epp [<!ENTITY a SYSTEM \"file:///etc/passwd\">]>",
            "&a;",
        ),
        with(
            "<!DOCTYPE epp [<!ENTITY % a SYSTEM \"http://127.0.0.1:9/\"> %a;]>",
            EID,
        ),
        with(
            "<!DOCTYPE epp [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;\">]>",
            "&b;",
        ),
        with("<?xml-stylesheet href=\"http://127.0.0.1:9/\"?>", EID),
        with(
            "",
            "<xi:include xmlns:xi=\"http://www.w3.org/2001/XInclude\" href=\"/etc/passwd\"/>",
        ),
        with("", "&undefined;"),
        with("", &format!("<![CDATA[{EID}]]>")),
    ];
    answered(&mut wire, &documents, 2001).await;
}

#[tokio::test]
async fn floods_within_a_frame_are_2001() {
    let door = Door::open().await;
    let mut wire = door.logged_in(ONE).await;
    let attributes: String = (0..7_000).map(|n| format!(" a{n}=''")).collect();
    let declarations: String = (0..3_000).map(|n| format!(" xmlns:a{n}='b'")).collect();
    let documents = [
        format!("{EPP}<hello{attributes}/></epp>"),
        format!("{EPP}<hello{declarations}/></epp>"),
        format!("{EPP}{}", "<a>".repeat(20_000)),
        format!("{EPP}{}</epp>", "<a/>".repeat(16_000)),
        format!("{EPP}{}</epp>", "x".repeat(65_000)),
    ];
    answered(&mut wire, &documents, 2001).await;
}

#[tokio::test]
async fn lengths_that_are_none_end_the_session_and_no_other() {
    let door = Door::open().await;
    let mut other = door.logged_in(TWO).await;
    for (length, code) in [
        (0_u32, 2001),
        (1, 2001),
        (3, 2001),
        (4, 2001),
        (65_541, 2500),
        (0x7fff_ffff, 2500),
        (0xffff_ffff, 2500),
    ] {
        let mut wire = door.logged_in(ONE).await;
        wire.write(&length.to_be_bytes()).await.unwrap();
        // What still comes must not take the answer back.
        let _ = wire.write(&[b'x'; 30_000]).await;
        assert_eq!(wire.read().await.code(), code, "{length}");
        wire.ended().await;
    }
    assert_eq!(other.ask(&frames::poll("A-1")).await.code(), 1300);
}

#[tokio::test]
async fn frames_may_come_in_pieces_and_glued() {
    let door = Door::open().await;
    let mut wire = door.logged_in(ONE).await;
    for octet in encode_frame(&frames::hello()) {
        wire.write(&[octet]).await.unwrap();
    }
    assert!(wire.read().await.has("<greeting>"));
    let glued: Vec<u8> = [
        frames::poll("G-1"),
        frames::hello(),
        frames::info("G-2"),
        frames::poll("G-3"),
    ]
    .iter()
    .flat_map(|document| encode_frame(document))
    .collect();
    wire.write(&glued).await.unwrap();
    assert!(wire.read().await.has("<clTRID>G-1</clTRID>"));
    assert!(wire.read().await.has("<greeting>"));
    assert!(wire.read().await.has("<clTRID>G-2</clTRID>"));
    assert!(wire.read().await.has("<clTRID>G-3</clTRID>"));
}

#[tokio::test]
async fn a_length_shorter_than_its_document_ends_in_an_error_not_in_a_command() {
    let door = Door::open().await;
    let mut wire = door.logged_in(ONE).await;
    let mut frame = encode_frame(&frames::delete("A-1"));
    let short = u32::try_from(frame.len() - 9).unwrap();
    frame[..4].copy_from_slice(&short.to_be_bytes());
    wire.write(&frame).await.unwrap();
    assert_eq!(wire.read().await.code(), 2001);
    // What was left over is no length: "nd><" is nearly two billions.
    assert_eq!(wire.read().await.code(), 2500);
    wire.ended().await;
    assert_eq!(door.registry.begun.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn other_encodings_are_2001() {
    let door = Door::open().await;
    let mut wire = door.logged_in(ONE).await;
    let hello = frames::hello();
    let utf_16 = |mark: &[u16], big: bool| -> Vec<u8> {
        let units = mark.iter().copied().chain(hello.encode_utf16());
        let octets = |unit: u16| {
            if big {
                unit.to_be_bytes()
            } else {
                unit.to_le_bytes()
            }
        };
        units.flat_map(octets).collect()
    };
    let declared = |encoding: &str| {
        format!("<?xml version=\"1.0\" encoding=\"{encoding}\"?>{hello}").into_bytes()
    };
    for octets in [
        utf_16(&[], true),
        utf_16(&[], false),
        utf_16(&[0xfeff], true),
        utf_16(&[0xfeff], false),
        declared("UTF-16"),
        declared("UTF-7"),
        declared("ISO-8859-1"),
        [hello.as_bytes(), b"\0"].concat(),
        [hello.as_bytes(), b"<!-- \xc0\xaf -->"].concat(),
        [hello.as_bytes(), b"<!-- \xed\xa0\x80 -->"].concat(),
    ] {
        let length = u32::try_from(octets.len() + 4).unwrap();
        wire.write(&[&length.to_be_bytes(), octets.as_slice()].concat())
            .await
            .unwrap();
        assert_eq!(wire.read().await.code(), 2001);
    }
    assert!(wire.ask(&frames::hello()).await.has("<greeting>"));
}

#[tokio::test]
async fn namespaces_and_comments_do_not_hide_values() {
    let door = Door::open().await;
    let mut wire = door.logged_in(ONE).await;
    let info = frames::info("A-1");
    let split = format!("{}<!-- -->{}", &EID[..2], &EID[2..]);
    let two = info.replacen("</command>", "</command><command><logout/></command>", 1);
    let foreign_id = info.replacen("<d:id>", "<d:id xmlns:d=\"urn:x\">", 1);
    let documents = [info.replace(EID, &split), two, foreign_id];
    answered(&mut wire, &documents, 2001).await;
    let domain = info.replace(
        "tag:iotregistry.example,2026:epp:device-1.0",
        "urn:ietf:params:xml:ns:domain-1.0",
    );
    assert_eq!(wire.ask(&domain).await.code(), 2307);
    let fee = "<extension><fee:check xmlns:fee=\"urn:ietf:params:xml:ns:epp:fee-1.0\"/></extension><clTRID>";
    let extended = info.replacen("<clTRID>", fee, 1);
    assert_eq!(wire.ask(&extended).await.code(), 2103);
    assert_eq!(door.registry.begun.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn foreign_devices_and_messages_are_as_absent_ones() {
    let door = Door::open().await;
    let mut one = door.logged_in(ONE).await;
    let mut two = door.logged_in(TWO).await;
    assert_eq!(one.ask(&frames::create("A-1", CSR)).await.code(), 1000);
    let without_name = |document: &str| {
        let (head, _) = document.split_once("<svTRID>").unwrap();
        head.to_owned()
    };
    let absent = "8912230200031010008f";
    for (verb, content) in [
        ("info", ""),
        ("delete", ""),
        ("update", "<d:add><d:status s=\"clientHold\"/></d:add>"),
        ("renew", "<d:curExpDate>2031-11-22</d:curExpDate>"),
    ] {
        let foreign = two.ask(&frames::device("A-2", verb, content)).await;
        let absent = two
            .ask(&frames::device_about("A-2", verb, absent, content))
            .await;
        assert_eq!(foreign.code(), 2303, "{verb}");
        assert_eq!(without_name(&foreign.0), without_name(&absent.0), "{verb}");
    }
    let taken = two.ask(&frames::create("A-3", CSR)).await;
    assert_eq!(taken.code(), 2302);
    assert!(!taken.has(ONE) && taken.has("<device:id"));
    let pull = frames::device(
        "A-4",
        "transfer op=\"request\"",
        "<d:authInfo><d:pw>guessed</d:pw></d:authInfo>",
    );
    let refused = two.ask(&pull).await;
    assert_eq!(refused.code(), 2202);
    assert!(!refused.has("guessed"));
    assert_eq!(two.ask(&frames::acknowledge("A-5", 1)).await.code(), 2303);
}

#[tokio::test]
async fn a_create_whose_answer_was_lost_is_there_once() {
    let door = Door::open().await;
    let mut wire = door.logged_in(ONE).await;
    wire.send(&frames::create("LOST-1", HELD)).await;
    while door.registry.begun.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    drop(wire);
    door.registry.release.add_permits(2);
    while door.registry.ended.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(
        door.registry.device_count(),
        1,
        "the client's end did not stop the command"
    );
    let mut wire = door.logged_in(ONE).await;
    let again = wire.ask(&frames::create("LOST-1", HELD)).await;
    assert_eq!(again.code(), 1000);
    assert!(again.has("<device:certificate>"));
    assert_eq!(wire.ask(&frames::create("LOST-2", CSR)).await.code(), 2302);
    assert_eq!(door.registry.device_count(), 1);
}

#[tokio::test]
async fn transaction_names_that_are_none_are_2001() {
    let door = Door::open().await;
    let mut wire = door.logged_in(ONE).await;
    for id in [
        "ab",
        "a\u{a0}bc",
        "abc&#x1b;[31m",
        "Größe\u{202e}-17",
        &"x".repeat(65),
        &"ß".repeat(65),
        &"x".repeat(60_000),
    ] {
        let refused = wire.ask(&frames::info(id)).await;
        assert_eq!(refused.code(), 2001, "{id:.80}");
        assert!(!refused.has("<clTRID>"));
    }
    for longest in ["x", "ß", "端"].map(|one| one.repeat(64)) {
        assert!(wire.ask(&frames::info(&longest)).await.has(&longest));
    }
    for (id, echoed) in [
        ("order 17", "order 17"),
        ("Größe-17", "Größe-17"),
        ("&#10;abc&#10;&#10;def", "abc def"),
    ] {
        let answer = wire.ask(&frames::info(id)).await;
        assert!(
            answer.has(&format!("<clTRID>{echoed}</clTRID>")),
            "{}",
            answer.0
        );
    }
}

#[tokio::test]
async fn a_pending_create_is_1001_without_certificate() {
    let door = Door::open().await;
    let mut wire = door.logged_in(ONE).await;
    let pending = wire.ask(&frames::create("A-1", PENDING)).await;
    assert_eq!(pending.code(), 1001);
    assert!(pending.has("<device:creData") && !pending.has("<device:certificate>"));
}

#[tokio::test]
async fn a_hold_is_carried_out_again_under_the_same_name() {
    let door = Door::open().await;
    let mut wire = door.logged_in(ONE).await;
    assert_eq!(wire.ask(&frames::create("A-1", CSR)).await.code(), 1000);
    for frame in [
        frames::hold("H-1"),
        frames::unhold("H-2"),
        frames::hold("H-1"),
    ] {
        assert_eq!(wire.ask(&frame).await.code(), 1000);
    }
    assert!(
        wire.ask(&frames::info("A-2"))
            .await
            .has("<device:status s=\"clientHold\"/>")
    );
    let prohibited = frames::device(
        "A-3",
        "update",
        "<d:add><d:status s=\"pendingDelete\"/></d:add>",
    );
    let refused = wire.ask(&prohibited).await;
    assert_eq!(refused.code(), 2306);
    assert!(refused.has("nobody sets it"));
}
