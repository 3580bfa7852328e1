//! Bad input through the real door of a real registry: each gets its own clear refusal, and leaves
//! no trace in database or zone.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

mod crafted;
mod inside;
mod refusing;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crafted::*;
use http::Method;
use inside::raw::Ask;
use inside::{EID, ICCID, ZONE};
use refusing::{World, good_csr};

fn percent_encoded(text: &str) -> String {
    text.bytes().map(|octet| format!("%{octet:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn device_ids_that_are_none_are_refused_by_the_rule_they_break() {
    let world = World::make().await;
    let csr = good_csr();
    let arabic_indic: String = EID
        .chars()
        .map(|digit| char::from_u32(0x660 + digit.to_digit(10).unwrap()).unwrap())
        .collect();
    for (id, says) in [
        ("89049032123451234512345678901236", "check digits"),
        ("89049032123451234512345678901253", "check digits"),
        (&EID[..31], "this one has 31"),
        (&format!("{EID}0"), "this one has 33"),
        (&format!("{EID} "), "this one has 33"),
        (
            "8904903212345123451234567890123a",
            "character 32 is something else",
        ),
        (
            "+9049032123451234512345678901235",
            "character 1 is something else",
        ),
        (
            "８9049032123451234512345678901235",
            "character 1 is something else",
        ),
        (&arabic_indic, "character 1 is something else"),
        (
            "8904903212345123\u{0}512345678901235",
            "character 17 is something else",
        ),
        ("8912230200031010009f", "Luhn"),
        ("89122302000310100081", "Luhn"),
        ("7912230200031010008f", "begins with 89"),
        ("8912230200031010008e", "character 20 is something else"),
        ("891223020003101000ff", "character 19 is something else"),
        ("", "this one has 0"),
        ("1.89049032123451234512345678901235", "this one has 34"),
        ("../../zone", "this one has 10"),
    ] {
        let refusal = (400, "02005", says);
        let answer = world.refuses(id, &Ask::register(id, &csr), refusal).await;
        assert_eq!(answer.json()["errors"][0]["paths"][0], "$.id", "{id}");
        for (method, below) in [
            (Method::GET, ""),
            (Method::DELETE, ""),
            (Method::GET, "/availability"),
            (Method::POST, "/processes/deactivateProcesses"),
        ] {
            let path = format!("/rpp/v1/devices/{}{below}", percent_encoded(id));
            let ask = Ask::new(method, path).header("rpp-cltrid", "raw-request-2");
            world.refuses(id, &ask, refusal).await;
        }
    }
    world.still_registers(ICCID).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificate_requests_that_are_wrong_are_refused_by_what_is_wrong() {
    let world = World::make().await;
    let draft = Draft::new();
    let block = |draft: &Draft| pem("CERTIFICATE REQUEST", &draft.der());
    let mut broken = draft.der();
    *broken.last_mut().unwrap() ^= 1;
    let rsa = sequence(&[&oid(&[1, 2, 840, 113549, 1, 1, 1]), &[5, 0]]);
    let rsa = Draft {
        key: sequence(&[&rsa, &bit_string(0, &[0x30; 270])]),
        ..draft.clone()
    };
    let p384 = key_info(&oid(&[1, 3, 132, 0, 34]), &[4; 97]);
    let p384 = Draft {
        key: p384,
        ..draft.clone()
    };
    let authority = draft
        .clone()
        .extension(BASIC_CONSTRAINTS, &sequence(&[&[1, 1, 0xff]]));
    let foreign_name = draft
        .clone()
        .alternative_name(DNS_NAME, b"www.bank.example");
    let others_name = format!("1.{EID}.{ZONE}");
    let others_name = draft
        .clone()
        .alternative_name(DNS_NAME, others_name.as_bytes());
    let other_device = draft.clone().common_name(UTF8_STRING, EID.as_bytes());
    let hidden = draft
        .clone()
        .common_name(UTF8_STRING, "a\u{202e}b".as_bytes());
    let password = draft
        .clone()
        .attribute(CHALLENGE_PASSWORD, &[&value(UTF8_STRING, b"x")]);
    let too_long = draft.clone().common_name(UTF8_STRING, &[b'a'; 16 * 1024]);
    let one_block = block(&draft);
    for (what, csr, refusal) in [
        (
            "garbage",
            "hello, world".to_owned(),
            (400, "02005", "neither PEM"),
        ),
        ("empty", String::new(), (400, "02005", "neither PEM")),
        (
            "garbage in base64",
            STANDARD.encode([7; 300]),
            (400, "02005", "DER"),
        ),
        (
            "a sequence in base64",
            STANDARD.encode([0x30, 0]),
            (400, "02005", "PKCS#10"),
        ),
        (
            "two blocks",
            format!("{one_block}{one_block}"),
            (400, "02005", "more than one block"),
        ),
        (
            "a certificate",
            one_block.replace(" REQUEST", ""),
            (400, "02005", "one PEM block"),
        ),
        (
            "text behind",
            format!("{one_block}-"),
            (400, "02005", "one PEM block"),
        ),
        (
            "broken signature",
            STANDARD.encode(&broken),
            (422, "02306", "signature does not fit"),
        ),
        (
            "RSA",
            block(&rsa),
            (422, "02306", "is RSA; devices have P-256 keys"),
        ),
        (
            "P-384",
            block(&p384),
            (422, "02306", "is on the curve P-384"),
        ),
        (
            "CA:TRUE",
            block(&authority),
            (422, "02306", "certification authority"),
        ),
        (
            "foreign name",
            block(&foreign_name),
            (422, "02306", "www.bank.example"),
        ),
        (
            "another's name",
            block(&others_name),
            (422, "02306", "subject alternative name"),
        ),
        (
            "another's id",
            block(&other_device),
            (422, "02306", "is not that of device"),
        ),
        (
            "hidden characters",
            block(&hidden),
            (422, "02306", "direction characters"),
        ),
        (
            "challenge password",
            block(&password),
            (422, "02306", "1.2.840.113549.1.9.7"),
        ),
        (
            "over 16 KiB",
            block(&too_long),
            (400, "02004", "longer than 16384 octets"),
        ),
        (
            "over 16 KiB of DER",
            STANDARD.encode(too_long.der()),
            (400, "02004", "longer than 16384"),
        ),
    ] {
        let answer = world
            .refuses(what, &Ask::register(ICCID, &csr), refusal)
            .await;
        assert_eq!(answer.json()["errors"][0]["paths"][0], "$.csr", "{what}");
    }
    world.still_registers(ICCID).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_are_not_what_was_agreed_are_refused_by_name() {
    let world = World::make().await;
    let csr = serde_json::to_string(&good_csr()).unwrap();
    let good = format!("\"id\":\"{ICCID}\",\"csr\":{csr}");
    let with = |more: &str| format!("{{{good},{more}}}");
    let long = with(&format!("\"x\":\"{}\"", "a".repeat(64 * 1024)));
    let deep = with(&format!("\"x\":{}", "[".repeat(20_000)));
    for (what, body, refusal) in [
        (
            "unknown member",
            with("\"owner\":\"mno-b\""),
            (400, "02001", "unknown member \"owner\""),
        ),
        (
            "id twice",
            with(&format!("\"id\":\"{EID}\"")),
            (400, "02001", "\"id\" comes twice"),
        ),
        (
            "same id twice",
            with(&format!("\"id\":\"{ICCID}\"")),
            (400, "02001", "\"id\" comes twice"),
        ),
        (
            "csr twice",
            with(&format!("\"csr\":{csr}")),
            (400, "02001", "\"csr\" comes twice"),
        ),
        (
            "escaped twice",
            with("\"\\u0069d\":\"1\""),
            (400, "02001", "\"id\" comes twice"),
        ),
        (
            "member in capitals",
            with("\"ID\":\"1\""),
            (400, "02001", "unknown member \"ID\""),
        ),
        (
            "over 64 KiB",
            long,
            (413, "02004", "longer than 65536 octets"),
        ),
        ("deep", deep, (400, "02001", "nested deeper than 8 levels")),
        (
            "no csr",
            format!("{{\"id\":\"{ICCID}\"}}"),
            (400, "02003", "\"csr\" is missing"),
        ),
        (
            "no id",
            format!("{{\"csr\":{csr}}}"),
            (400, "02003", "\"id\" is missing"),
        ),
        (
            "number",
            format!("{{\"id\":{EID},\"csr\":{csr}}}"),
            (400, "02005", "has to be a string"),
        ),
        (
            "null",
            format!("{{\"id\":null,\"csr\":{csr}}}"),
            (400, "02005", "has to be a string"),
        ),
        (
            "array",
            format!("[{{{good}}}]"),
            (400, "02001", "not one JSON object"),
        ),
        (
            "two objects",
            format!("{{{good}}}{{{good}}}"),
            (400, "02001", "not one JSON object"),
        ),
        (
            "trailing comma",
            format!("{{{good},}}"),
            (400, "02001", "not one JSON object"),
        ),
        (
            "not closed",
            format!("{{{good}"),
            (400, "02001", "not one JSON object"),
        ),
        ("empty", String::new(), (400, "02001", "body is empty")),
        (
            "byte order mark",
            format!("\u{feff}{{{good}}}"),
            (400, "02001", "byte order mark"),
        ),
    ] {
        world.refuses(what, &Ask::create(body), refusal).await;
    }
    let right = Ask::create(format!("{{{good}}}"));
    let mut not_utf8 = right.clone();
    not_utf8.body[7] = 0xff;
    world
        .refuses("not UTF-8", &not_utf8, (400, "02001", "not UTF-8"))
        .await;
    let change = |name: &str, value: Option<&str>| {
        let mut ask = right.clone();
        ask.headers.retain(|(header, _)| *header != name);
        let name = if name == "rpp-cltrid" {
            "rpp-cltrid"
        } else {
            "content-type"
        };
        ask.headers
            .extend(value.map(|value| (name, value.to_owned())));
        ask
    };
    for (what, ask, refusal) in [
        (
            "text",
            change("content-type", Some("text/plain")),
            (415, "02001", "Content-Type"),
        ),
        (
            "no type",
            change("content-type", None),
            (415, "02001", "Content-Type"),
        ),
        (
            "no id of its own",
            change("rpp-cltrid", None),
            (400, "02003", "RPP-Cltrid is missing"),
        ),
        (
            "short id",
            change("rpp-cltrid", Some("ab")),
            (400, "02005", "3 to 64"),
        ),
        (
            "two blanks in it",
            change("rpp-cltrid", Some("a  b c")),
            (400, "02005", "3 to 64"),
        ),
    ] {
        world.refuses(what, &ask, refusal).await;
    }
    // The same body is right when nothing is wrong with it.
    let answer = world.inside.send(&right.token(world.mno_a.expose())).await;
    assert_eq!(answer.status.as_u16(), 201, "{}", answer.json());
    world.inside.stop().await;
}
