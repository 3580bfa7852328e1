//! What is wrong with a command, and the code that says so.

use iot_epp_api::ResultCode;
use iot_epp_api::epp::{Frame, UnreadFrame};

use crate::schemas::{examples, validate};

/// An example with one text replaced by another.
pub(crate) fn altered(name: &str, old: &str, new: &str) -> String {
    let (_, document) = examples()
        .into_iter()
        .find(|(found, _)| found == name)
        .unwrap();
    assert!(document.contains(old), "{name} has no {old}");
    document.replacen(old, new, 1)
}

fn refused(name: &str, old: &str, new: &str) -> UnreadFrame {
    let document = altered(name, old, new);
    match Frame::read(document.as_bytes()) {
        Ok(frame) => panic!("{name} with {new:.80}: {frame:?}"),
        Err(unread) => unread,
    }
}

fn check(code: ResultCode, cases: &[(&str, &str, &str)]) {
    for (name, old, new) in cases {
        let unread = refused(name, old, new);
        assert_eq!(unread.error.code(), code, "{name}, {new:.80}: {unread}");
        let id = unread
            .client_transaction_id
            .unwrap_or_else(|| panic!("{name}, {new:.80}"));
        assert!(
            id.as_str().starts_with("MNO-00"),
            "the answer has the client's name for it"
        );
        assert!(unread.error.to_string().len() < 300);
    }
}

const ID: &str = "<device:id>89049032123451234512345678901235</device:id>";
const AUTH_INFO: &str = "<device:pw>Kq9(mZ2!vW7#xR4&amp;tY6e</device:pw>";

#[test]
fn what_is_missing_is_2003() {
    check(
        ResultCode::RequiredParameterMissing,
        &[
            ("device-info", ID, ""),
            ("device-create", "unit=\"y\"", ""),
            ("device-create", AUTH_INFO, ""),
            ("device-hold", " s=\"clientHold\"", ""),
            ("device-hold", "<device:status s=\"clientHold\"/>", ""),
            (
                "device-renew",
                "<device:curExpDate>2031-11-22</device:curExpDate>",
                "",
            ),
            ("device-transfer-push", "<device:to>mno-two</device:to>", ""),
            ("device-transfer-query", " op=\"query\"", ""),
            ("poll-acknowledge", " msgID=\"17\"", ""),
            ("poll-request", " op=\"req\"", ""),
            (
                "poll-request",
                " op=\"req\"",
                " xmlns:x=\"urn:x\" x:op=\"req\"",
            ),
            ("login", "<clID>mno-one</clID>", ""),
            (
                "login",
                "<loginSec:pw>an example of a long password</loginSec:pw>",
                "",
            ),
            (
                "login",
                "<loginSec:newPW>another example, longer still</loginSec:newPW>",
                "",
            ),
            ("logout", "<logout/>", ""),
        ],
    );
}

#[test]
fn values_outside_their_syntax_are_2005() {
    check(
        ResultCode::ParameterSyntax,
        &[
            (
                "device-info",
                "89049032123451234512345678901235",
                "89049032123451234512345678901236",
            ),
            (
                "device-info",
                "89049032123451234512345678901235",
                "8904 9032123451234512345678901235",
            ),
            ("device-info", "89049032123451234512345678901235", ""),
            ("device-certificate", ">2<", ">0<"),
            ("device-certificate", ">2<", ">10000<"),
            ("device-certificate", ">2<", "><"),
            ("device-create", "unit=\"y\"", "unit=\"d\""),
            ("device-create", ">5<", ">five<"),
            ("device-create", ">5<", ">-1<"),
            ("device-create", "MIHR", "M_HR"),
            ("device-create", "asp-one", "ASP-One"),
            ("device-hold", "clientHold", "clientHeld"),
            (
                "device-hold",
                "<device:status s=\"clientHold\"/>",
                "<device:status s=\"clientHold\"/><device:status s=\"clientHold\"/>",
            ),
            ("device-update", "<device:slot>1<", "<device:slot>0<"),
            ("device-update", "<device:slot>1<", "<device:slot>10000<"),
            ("device-update", "compromised", "forgotten"),
            ("device-renew", "2031-11-22", "2031-02-29"),
            ("device-renew", "2031-11-22", "2031-11-22+02:00"),
            ("device-renew", "2031-11-22", "22.11.2031"),
            ("device-transfer-pull", "held", "hold"),
            ("device-transfer-query", "\"query\"", "\"ask\""),
            ("poll-acknowledge", "\"17\"", "\"seventeen\""),
            ("poll-acknowledge", "\"17\"", "\"18446744073709551616\""),
            ("login", "mno-one", "mo"),
            ("login", "mno-one", "mno-one-is-too-long"),
            ("login", "<pw>[LOGIN-SECURITY]", "<pw>short"),
            ("login", "<pw>[LOGIN-SECURITY]", "<pw>[LOGIN-SECURITY]!"),
            ("login", "an example of a long password", "five5"),
        ],
    );
}

#[test]
fn values_beyond_their_bounds_are_2004() {
    let long_csr = "AAAA".repeat(5462);
    let ids = format!(
        "{}{}",
        "<device:id>8912230200031010008f</device:id>".repeat(999),
        ID
    );
    let bindings = "<device:binding><device:slot>2</device:slot><device:asp>asp-two</device:asp></device:binding>";
    check(
        ResultCode::ParameterRange,
        &[
            ("device-create", ">5<", ">0<"),
            ("device-create", ">5<", ">100<"),
            ("device-create", ">5<", ">256<"),
            ("device-create", "MIHR", &long_csr),
            ("device-check", ID, &ids),
            (
                "device-update",
                "</device:add>",
                &format!("{}</device:add>", bindings.repeat(100)),
            ),
            (
                "login",
                "<svcExtension>",
                &format!("{}<svcExtension>", "<objURI>urn:x</objURI>".repeat(64)),
            ),
        ],
    );
}

#[test]
fn what_does_not_go_together_is_2306() {
    let authorized = format!("{ID}<device:authInfo>{AUTH_INFO}</device:authInfo>");
    let arriving = format!("{ID}<device:arrival>held</device:arrival>");
    check(
        ResultCode::ParameterPolicy,
        &[
            (
                "device-create",
                AUTH_INFO,
                "<device:pw>only-19-characters!</device:pw>",
            ),
            (
                "device-create",
                AUTH_INFO,
                "<device:pw>with a space in the midst</device:pw>",
            ),
            (
                "device-update",
                "<device:pw/>",
                "<device:pw>short</device:pw>",
            ),
            ("device-transfer-push", ID, &authorized),
            ("device-transfer-cancel", ID, &arriving),
            ("device-transfer-query", ID, &arriving),
            (
                "device-transfer-approve",
                ID,
                &format!("{ID}<device:to>mno-two</device:to>"),
            ),
            ("login", "<pw>[LOGIN-SECURITY]", "<pw>short-password"),
        ],
    );
}

#[test]
fn what_the_schema_does_not_have_is_2001() {
    check(
        ResultCode::SyntaxError,
        &[
            ("device-info", ID, &format!("{ID}{ID}")),
            (
                "device-info",
                ID,
                &format!("{ID}<device:slot>1</device:slot>"),
            ),
            (
                "device-info",
                ID,
                &format!("{ID}<device:owner>me</device:owner>"),
            ),
            ("device-info", "<device:id>", "<device:id a=\"b\">"),
            (
                "device-info",
                "<device:id>",
                "<device:id xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"b\">",
            ),
            ("device-info", ID, &format!("text{ID}")),
            ("device-info", ID, &format!("&#32;{ID}")),
            ("device-info", "<device:id>89", "<device:id>8<device:b/>9"),
            (
                "device-info",
                "<clTRID>",
                "<clTRID xmlns=\"urn:x\"/><clTRID>",
            ),
            ("device-info", "<info>", "<info op=\"x\">"),
            (
                "device-info",
                "<device:info ",
                "<device:check xmlns:device=\"tag:iotregistry.example,2026:epp:device-1.0\"/><device:info ",
            ),
            ("device-info", "<device:info ", "<hello/><device:info "),
            (
                "device-update",
                "<device:pw/>",
                "<device:pw/><device:null/>",
            ),
            (
                "device-restore",
                "<device:restore/>",
                "<device:restore>1</device:restore>",
            ),
            ("logout", "<logout/>", "<logout/><logout/>"),
            ("logout", "<logout/>", "<logout>now</logout>"),
        ],
    );
}

#[test]
fn authorization_information_is_presented_in_any_form() {
    for text in ["", "x", "with a space", "<device:pw/>"] {
        let secret = if text == "<device:pw/>" {
            text.to_owned()
        } else {
            format!("<device:pw>{text}</device:pw>")
        };
        let document = altered("device-info", AUTH_INFO, &secret);
        assert!(Frame::read(document.as_bytes()).is_ok(), "{text}");
    }
    let cleared = altered("device-create", AUTH_INFO, "<device:pw/>");
    let Frame::Command { command, .. } = Frame::read(cleared.as_bytes()).unwrap() else {
        panic!("no command");
    };
    assert!(format!("{command:?}").contains("auth_info: None"));
}

#[test]
fn authorization_information_beside_an_answer_to_a_transfer_is_not_looked_at() {
    let authorized = format!("{ID}<device:authInfo>{AUTH_INFO}</device:authInfo>");
    for name in [
        "device-transfer-approve",
        "device-transfer-reject",
        "device-transfer-cancel",
    ] {
        let plain = altered(name, ID, ID);
        let beside = altered(name, ID, &authorized);
        validate(&[(name.to_owned(), beside.clone())]);
        assert_eq!(
            Frame::read(beside.as_bytes()),
            Frame::read(plain.as_bytes()),
            "{name}"
        );
    }
}

#[test]
fn the_number_of_a_message_says_nothing_where_the_first_one_is_asked_for() {
    let plain = altered("poll-request", "op=\"req\"", "op=\"req\"");
    for id in ["1", "", "not a number"] {
        let numbered = format!("op=\"req\" msgID=\"{id}\"");
        let numbered = altered("poll-request", "op=\"req\"", &numbered);
        validate(&[("poll-request".to_owned(), numbered.clone())]);
        let read = Frame::read(numbered.as_bytes());
        assert_eq!(read, Frame::read(plain.as_bytes()), "{id}");
        assert!(read.is_ok());
    }
}

#[test]
fn commands_and_services_that_are_not_there_have_their_codes() {
    let domain = "xmlns:device=\"urn:ietf:params:xml:ns:domain-1.0\"";
    let device = "xmlns:device=\"tag:iotregistry.example,2026:epp:device-1.0\"";
    check(
        ResultCode::UnimplementedObjectService,
        &[("device-info", device, domain)],
    );
    check(
        ResultCode::UnknownCommand,
        &[("logout", "<logout/>", "<reboot/>")],
    );
    let fee =
        "<extension><fee:check xmlns:fee=\"urn:ietf:params:xml:ns:epp:fee-1.0\"/></extension>";
    let security =
        "<extension><l:loginSec xmlns:l=\"urn:ietf:params:xml:ns:epp:loginSec-1.0\"/></extension>";
    check(
        ResultCode::UnimplementedExtension,
        &[
            ("device-info", "<clTRID>", &format!("{fee}<clTRID>")),
            ("device-info", "<clTRID>", &format!("{security}<clTRID>")),
            (
                "login",
                "<extension>",
                "<extension><fee:check xmlns:fee=\"urn:ietf:params:xml:ns:epp:fee-1.0\"/>",
            ),
            (
                "login",
                "</extension>",
                "<fee:check xmlns:fee=\"urn:ietf:params:xml:ns:epp:fee-1.0\"/></extension>",
            ),
        ],
    );
    let unread = refused(
        "hello",
        "<hello/>",
        "<extension><a xmlns=\"urn:x\"/></extension>",
    );
    assert_eq!(unread.error.code(), ResultCode::UnimplementedCommand);
}
