//! Documents that somebody made to hurt: refused within bounds, and never a panic.

use iot_epp_api::ResultCode;
use iot_epp_api::epp::{
    ATTRIBUTES_MAX, DEPTH_MAX, ELEMENTS_MAX, FRAME_OCTETS_MAX, Frame, ReadError,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::schemas::examples;
use crate::values::altered;

/// Elements that one document may cost: it is read, and once more for the client's name of it.
const WORK_MAX: usize = 2 * ELEMENTS_MAX;

fn refused(document: &[u8]) -> ReadError {
    let (read, elements) = Frame::read_counted(document);
    assert!(elements <= WORK_MAX);
    let unread = read.unwrap_err();
    assert_eq!(unread.error.code(), ResultCode::SyntaxError, "{unread}");
    unread.error
}

/// A document that was refused before anything of it was parsed.
fn refused_unread(document: &[u8]) -> ReadError {
    assert_eq!(Frame::read_counted(document).1, 0);
    refused(document)
}

const EPP: &str = "<epp xmlns=\"urn:ietf:params:xml:ns:epp-1.0\">";

#[test]
fn document_types_are_impossible() {
    for subset in [
        "<!DOCTYPE epp SYSTEM \"file:///etc/passwd\">",
        "<!DOCTYPE epp SYSTEM \"http://127.0.0.1/dtd\">",
        "<!DOCTYPE epp PUBLIC \"-//x\" \"http://127.0.0.1/dtd\">",
        "<!DOCTYPE epp [<!ENTITY a SYSTEM \"file:///etc/passwd\">]>",
        "<!DOCTYPE epp [<!ENTITY % a SYSTEM \"http://127.0.0.1/\"> %a;]>",
        "<!DOCTYPE epp [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;\">]>",
        "<!doctype epp>",
        "<!ENTITY a \"b\">",
    ] {
        let document = format!("{subset}{EPP}<hello/></epp>");
        assert_eq!(refused_unread(document.as_bytes()), ReadError::DocumentType);
    }
    for reference in ["&a;", "&passwd;", "&nbsp;", "&;"] {
        let document = altered(
            "device-info",
            "<device:pw>",
            &format!("<device:pw>{reference}"),
        );
        let error = refused(document.as_bytes());
        let named = matches!(
            error,
            ReadError::UndefinedEntity | ReadError::NotWellFormed { .. }
        );
        assert!(named, "{error}");
    }
    let included =
        "<xi:include xmlns:xi=\"http://www.w3.org/2001/XInclude\" href=\"/etc/passwd\"/>";
    let document = altered(
        "device-info",
        "<device:id>",
        &format!("<device:id>{included}"),
    );
    assert!(matches!(
        refused(document.as_bytes()),
        ReadError::UnexpectedElement { .. }
    ));
    let sheet = format!("<?xml-stylesheet href=\"http://127.0.0.1/\"?>{EPP}<hello/></epp>");
    assert_eq!(
        refused_unread(sheet.as_bytes()),
        ReadError::ProcessingInstruction
    );
}

#[test]
fn floods_are_refused_before_they_are_parsed() {
    let attributes: String = (0..7_000).map(|n| format!(" a{n}=''")).collect();
    let document = format!("{EPP}<hello{attributes}/></epp>");
    assert_eq!(
        refused_unread(document.as_bytes()),
        ReadError::TooManyAttributes
    );
    let declarations: String = (0..4_000).map(|n| format!(" xmlns:a{n}='b'")).collect();
    let document = format!("{EPP}<hello{declarations}/></epp>");
    assert_eq!(
        refused_unread(document.as_bytes()),
        ReadError::TooManyAttributes
    );
    let document = format!("{EPP}{}", "<a>".repeat(20_000));
    assert_eq!(refused_unread(document.as_bytes()), ReadError::TooDeep);
    let document = format!("{EPP}{}</epp>", "<a/>".repeat(15_000));
    assert_eq!(
        refused_unread(document.as_bytes()),
        ReadError::TooManyElements
    );
    let document = " ".repeat(FRAME_OCTETS_MAX + 1);
    assert_eq!(refused_unread(document.as_bytes()), ReadError::TooLong);
}

/// As many declarations as the caps allow, on as many levels: the parser's own bound holds too.
#[test]
fn declarations_within_the_caps_are_bounded_work() {
    let declarations: String = (0..ATTRIBUTES_MAX)
        .map(|n| format!(" xmlns:a{n}='b'"))
        .collect();
    for depth in 3..=DEPTH_MAX {
        let nested = format!("<a{declarations}>").repeat(depth);
        let document = format!("{nested}{}", "</a>".repeat(depth));
        refused(document.as_bytes());
    }
    let device = "xmlns:device=\"tag:iotregistry.example,2026:epp:device-1.0\"";
    let many = altered("device-info", device, &format!("{device}{declarations}"));
    assert!(matches!(
        refused(many.as_bytes()),
        ReadError::TooManyAttributes
    ));
    let many = many.replacen(" xmlns:a0='b'", "", 1);
    let many = many.replacen("<command>", &format!("<command{declarations}>"), 1);
    assert_eq!(refused(many.as_bytes()), ReadError::Namespace);
    let siblings = format!("<a{declarations}/>").repeat(60);
    let document = format!("{EPP}<command><logout/>{siblings}</command></epp>");
    assert!(document.len() < FRAME_OCTETS_MAX);
    refused(document.as_bytes());
}

#[test]
fn only_utf_8_is_read() {
    let hello = format!("{EPP}<hello/></epp>");
    for declared in ["UTF-16", "UTF-7", "ISO-8859-1", "utf8", ""] {
        let document = format!("<?xml version=\"1.0\" encoding=\"{declared}\"?>{hello}");
        assert_eq!(
            refused(document.as_bytes()),
            ReadError::Declaration,
            "{declared}"
        );
    }
    for declaration in ["version=\"1.1\"", "version=\"2.0\"", "encoding=\"UTF-8\""] {
        let document = format!("<?xml {declaration}?>{hello}");
        assert_eq!(
            refused(document.as_bytes()),
            ReadError::Declaration,
            "{declaration}"
        );
    }
    let big_endian: Vec<u8> = hello.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let little_endian: Vec<u8> = hello.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let marked = |mark: [u8; 2], octets: &[u8]| [&mark[..], octets].concat();
    for document in [
        big_endian.clone(),
        little_endian.clone(),
        marked([0xfe, 0xff], &big_endian),
        marked([0xff, 0xfe], &little_endian),
        b"+ADw-epp+AD4-".to_vec(),
        hello.replace("hello", "hell\0o").into_bytes(),
        [hello.as_bytes(), b"\xc0\x80"].concat(),
        [hello.as_bytes(), b"\xed\xa0\x80"].concat(),
    ] {
        refused(&document);
    }
    assert_eq!(Frame::read(hello.as_bytes()), Ok(Frame::Hello));
}

#[test]
fn values_are_whole_or_refused() {
    for (element, broken) in [
        ("<device:id>8904", "<device:id>89<!-- -->04"),
        ("<device:id>8904", "<device:id>89<?a b?>04"),
        ("<device:id>8904", "<device:id>89<![CDATA[04]]>"),
        ("<device:id>8904", "<device:id><!-- -->8904"),
        ("<device:pw>Kq9", "<device:pw>Kq<!-- -->9"),
        ("<device:pw>Kq9", "<device:pw><![CDATA[Kq9]]>"),
        ("<device:pw>Kq9", "<device:pw>Kq]]>9"),
        ("<device:pw>Kq9", "<device:pw>Kq&#0;9"),
        ("<device:pw>Kq9", "<device:pw>Kq&#x1b;9"),
        ("<device:pw>Kq9", "<device:pw>Kq&#xd800;9"),
        ("<device:pw>Kq9", "<device:pw>Kq&#x110000;9"),
        ("<device:pw>Kq9", "<device:pw>Kq & 9"),
        ("<clTRID>MNO", "<clTRID>M<!-- -->NO"),
    ] {
        refused(altered("device-info", element, broken).as_bytes());
    }
    let password = "<loginSec:pw>an example";
    let broken = "<loginSec:pw>an<!-- --> example";
    let error = refused(altered("login", password, broken).as_bytes());
    let element = "pw".to_owned();
    assert_eq!(error, ReadError::CommentInValue { element });
}

#[test]
fn namespaces_are_those_that_are_in_scope() {
    let device = "xmlns:device=\"tag:iotregistry.example,2026:epp:device-1.0\"";
    for (old, new) in [
        // The prefix is bound to something else, further in.
        ("<device:id>", "<device:id xmlns:device=\"urn:x\">"),
        // The right local name in no namespace, in EPP's, behind a prefix that nobody declared.
        (
            "<device:id>89049032123451234512345678901235</device:id>",
            "<id xmlns=\"\">89049032123451234512345678901235</id>",
        ),
        (
            "<device:id>89049032123451234512345678901235</device:id>",
            "<id>89049032123451234512345678901235</id>",
        ),
        ("<device:info", "<divice:info"),
        (
            device,
            "xmlns:device=\"tag:iotregistry.example,2026:epp:device-1.0\" xmlns:xml=\"urn:x\"",
        ),
        (
            device,
            "xmlns:device=\"tag:iotregistry.example,2026:epp:device-1.0\" xmlns:xmlns=\"urn:x\"",
        ),
        (
            device,
            "xmlns:device=\"tag:iotregistry.example,2026:epp:device-1.0\" a:b=\"c\"",
        ),
        (
            device,
            "xmlns:device=\"tag:iotregistry.example,2026:epp:device-1.0\" xmlns:device=\"tag:iotregistry.example,2026:epp:device-1.0\"",
        ),
        (
            "xmlns=\"urn:ietf:params:xml:ns:epp-1.0\"",
            "xmlns=\"urn:ietf:params:xml:ns:epp-1.1\"",
        ),
        ("xmlns=\"urn:ietf:params:xml:ns:epp-1.0\"", ""),
        ("<command>", "<command xmlns=\"urn:x\">"),
        (
            "<command>",
            "<command xmlns:=\"urn:ietf:params:xml:ns:epp-1.0\">",
        ),
        ("<device:info", "<:info"),
        ("</command>", "</command><command><logout/></command>"),
        ("</epp>", "</epp><epp/>"),
        ("</epp>", "</epp>x"),
        ("</epp>", ""),
        ("</command>", "</commend>"),
    ] {
        refused(altered("device-info", old, new).as_bytes());
    }
    for twice in [
        "op=\"req\" op=\"ack\"",
        "op=\"req\"op2=\"ack\"",
        "op=\"req\" op",
    ] {
        refused(altered("poll-request", "op=\"req\"", twice).as_bytes());
    }
}

#[test]
fn client_transaction_ids_cannot_write_into_logs() {
    let long = "x".repeat(60_000);
    for id in [
        "ab",
        "a b\u{a0}c",
        "abc&#0;def",
        "abc\u{202e}",
        "Größe\u{2066}-17",
        "Größe\u{200b}-17",
        "abc\u{3164}",
        "äb",
        &"ß".repeat(65),
        "abc\u{1b}",
        "<b/>abc",
        "",
        &"x".repeat(65),
        &long,
    ] {
        let document = altered("logout", "MNO-0099", id);
        let (read, _) = Frame::read_counted(document.as_bytes());
        let unread = read.unwrap_err();
        assert_eq!(unread.error.code(), ResultCode::SyntaxError, "{id:.20}");
        assert_eq!(unread.client_transaction_id, None, "it is not repeated");
        assert!(unread.error.to_string().len() < 300);
    }
    // White space around a token is none of it, and inside it is one blank: no line ends there.
    for (id, read) in [
        (" \n MNO-0099\t", "MNO-0099"),
        ("order 17", "order 17"),
        ("Größe-17", "Größe-17"),
        ("заказ 17", "заказ 17"),
        ("abc&#10;&#13;def", "abc def"),
        ("forged\n\tline", "forged line"),
    ] {
        let document = altered("logout", "MNO-0099", id);
        match Frame::read(document.as_bytes()) {
            Ok(Frame::Command {
                client_transaction_id: Some(found),
                ..
            }) => assert_eq!(found.as_str(), read),
            other => panic!("{id}: {other:?}"),
        }
    }
}

/// Pieces that documents are made of, and pieces that break them.
const PIECES: [&str; 24] = [
    "<",
    ">",
    "/>",
    "</",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "<?xml ",
    "?>",
    "<!DOCTYPE ",
    "&",
    ";",
    "&#x",
    "=",
    "\"",
    "'",
    " xmlns:a=",
    "xmlns=''",
    "device:",
    "<a>",
    "</a>",
    "\u{feff}",
    "\0",
];

fn any_example() -> impl Strategy<Value = String> {
    let documents: Vec<String> = examples()
        .into_iter()
        .map(|(_, document)| document)
        .collect();
    select(documents)
}

fn read_in_bounds(document: &[u8]) {
    let (read, elements) = Frame::read_counted(document);
    assert!(elements <= WORK_MAX, "{elements} elements");
    if let Ok(frame) = read {
        let again = Frame::read(frame.write().as_bytes());
        assert_eq!(
            again,
            Ok(frame),
            "what was read is written so that it reads the same"
        );
    }
}

proptest! {
    #[test]
    fn any_octets_are_read_in_bounds(octets in vec(any::<u8>(), 0..2_000)) {
        read_in_bounds(&octets);
    }

    #[test]
    fn any_markup_is_read_in_bounds(pieces in vec(select(&PIECES[..]), 0..20_000)) {
        let mut document = pieces.concat().into_bytes();
        document.truncate(FRAME_OCTETS_MAX);
        read_in_bounds(&document);
    }

    #[test]
    fn any_damage_to_a_frame_is_read_in_bounds(
        document in any_example(),
        damage in vec((any::<Index>(), any::<Index>(), select(&PIECES[..])), 1..6),
    ) {
        let mut octets = document.into_bytes();
        for (begin, length, piece) in damage {
            let begin = begin.index(octets.len() + 1);
            let end = (begin + length.index(20)).min(octets.len());
            octets.splice(begin..end, piece.bytes());
        }
        read_in_bounds(&octets);
    }

    #[test]
    fn any_move_of_a_part_is_read_in_bounds(
        document in any_example(),
        other in any_example(),
        places in any::<[Index; 3]>(),
    ) {
        let lines: Vec<&str> = other.lines().collect();
        let from = places[0].index(lines.len());
        let to = from + places[1].index(lines.len() - from);
        let mut moved: Vec<&str> = document.lines().collect();
        let at = places[2].index(moved.len());
        moved.splice(at..at, lines[from..to].iter().copied());
        read_in_bounds(moved.join("\n").as_bytes());
    }
}
