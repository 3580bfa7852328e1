//! The order of a session: who may say what, and who one is.

use iot_epp_api::ResultCode;
use iot_epp_api::command::{Command, MessageCommand};
use iot_epp_api::epp::session::LoginVerdict;
use iot_epp_api::epp::{Frame, ServerTransactionId};
use iot_epp_api::message::{Change, ChangeOperation, Detail, Event, Message};
use iot_epp_api::{Door, Reply, Response};

use crate::driven::{Driven, example, sent};
use crate::samples::{NOON, account, client_id, info};
use crate::schemas::examples;
use crate::values::altered;

#[test]
fn a_session_goes_from_greeting_to_logout() {
    let mut driven = Driven::connected();
    assert!(driven.asked(&example("hello")).has("<greeting>"));
    driven.say(&example("login"));
    let check = driven.check_login();
    assert_eq!(check.account, account("mno-one"));
    assert_eq!(check.client_transaction_id, Some(client_id("MNO-0001")));
    assert_eq!(check.password.expose(), "an example of a long password");
    assert_eq!(
        check.new_password.unwrap().expose(),
        "another example, longer still"
    );
    assert!(driven.action().is_none(), "one command at a time");
    let accepted = driven.verdict(LoginVerdict::Accepted);
    assert!(accepted.has("<clTRID>MNO-0001</clTRID><svTRID>IOTR-"));
    assert!(driven.asked(&example("hello")).has("<greeting>"));

    driven.say(&example("poll-request"));
    let request = driven.request();
    assert_eq!(request.command, Command::Message(MessageCommand::Head));
    assert_eq!(request.client_transaction_id, Some(client_id("MNO-0010")));
    assert_eq!(
        (request.door, request.digest),
        (Door::Epp, request.command.digest())
    );
    let name = ServerTransactionId::from_random([0xab; 16]);
    let reply = Reply::Messages {
        count: 0,
        head: None,
    };
    let answered = driven.answered(Response::success(name.as_str(), reply));
    assert_eq!(answered.code(), ResultCode::CompletedNoMessages);
    assert!(answered.has("<clTRID>MNO-0010</clTRID>") && answered.has(name.as_str()));

    let bye = driven.asked(&example("logout"));
    assert_eq!(
        (bye.code(), bye.close),
        (ResultCode::CompletedEndingSession, true)
    );
    driven.say(&example("device-delete"));
    assert!(driven.session.is_closed() && driven.action().is_none());
    assert!(!driven.session.wants_octets() && driven.session.deadline().is_none());
}

#[test]
fn commands_before_login_are_2002() {
    for (name, document) in examples() {
        let is_command =
            name.starts_with("device-") || name.starts_with("poll-") || name == "logout";
        if !is_command {
            continue;
        }
        let mut driven = Driven::connected();
        let refused = driven.asked(&document);
        assert_eq!(refused.code(), ResultCode::UseError, "{name}");
        assert!(refused.has("<clTRID>MNO-00") && !refused.close);
        assert!(!driven.session.is_closed());
    }
}

#[test]
fn a_second_login_is_2002() {
    let mut driven = Driven::logged_in();
    assert_eq!(driven.asked(&example("login")).code(), ResultCode::UseError);
    assert!(driven.session.is_logged_in());
}

#[test]
fn another_account_than_the_certificates_is_2200_without_a_look_at_its_password() {
    let mut driven = Driven::connected();
    let other = altered("login", "mno-one", "mno-two");
    assert_eq!(driven.asked(&other).code(), ResultCode::AuthenticationError);
    assert!(!driven.session.is_logged_in());
    assert_eq!(driven.asked(&other).code(), ResultCode::AuthenticationError);
    let last = driven.asked(&other);
    assert_eq!(
        (last.code(), last.close),
        (ResultCode::AuthenticationErrorClosing, true)
    );
}

#[test]
fn the_third_wrong_login_ends_the_session() {
    let mut driven = Driven::connected();
    for expected in [
        (ResultCode::AuthenticationError, false),
        (ResultCode::AuthenticationError, false),
        (ResultCode::AuthenticationErrorClosing, true),
    ] {
        driven.say(&example("login"));
        driven.check_login();
        let refused = driven.verdict(LoginVerdict::Wrong);
        assert_eq!((refused.code(), refused.close), expected);
    }
    driven.say(&example("login"));
    assert!(driven.session.is_closed() && driven.action().is_none());
}

#[test]
fn other_outcomes_of_a_login_have_their_codes() {
    for (verdict, code, close) in [
        (
            LoginVerdict::TooManySessions,
            ResultCode::SessionLimitClosing,
            true,
        ),
        (LoginVerdict::Unavailable, ResultCode::CommandFailed, false),
    ] {
        let mut driven = Driven::connected();
        driven.say(&example("login"));
        driven.check_login();
        let refused = driven.verdict(verdict);
        assert_eq!((refused.code(), refused.close), (code, close));
        assert!(!driven.session.is_logged_in());
    }
}

#[test]
fn weak_new_passwords_are_2306_with_an_event_and_no_failed_login() {
    let weak = altered("login", "another example, longer still", "mno-one-mno-one");
    let mut driven = Driven::connected();
    for _ in 0..5 {
        let refused = driven.asked(&weak);
        assert_eq!(refused.code(), ResultCode::ParameterPolicy);
        assert!(refused.has("<extension><loginSec:loginSecData"));
        assert!(refused.has("type=\"newPW\" level=\"error\""));
        assert!(!refused.has("mno-one-mno-one"));
    }
    driven.say(&example("login"));
    driven.check_login();
    let reason = "it was used before".to_owned();
    let refused = driven.verdict(LoginVerdict::NewPasswordRefused { reason });
    assert_eq!(refused.code(), ResultCode::ParameterPolicy);
    assert!(!driven.session.is_logged_in());
}

#[test]
fn only_the_services_of_the_greeting_can_be_logged_in_for() {
    let device = "<objURI>tag:iotregistry.example,2026:epp:device-1.0</objURI>";
    let change_poll = "<extURI>urn:ietf:params:xml:ns:changePoll-1.0</extURI>";
    for (old, new, code) in [
        (
            "<version>1.0",
            "<version>2.0",
            ResultCode::UnimplementedVersion,
        ),
        ("<lang>en", "<lang>fr", ResultCode::UnimplementedOption),
        (
            device,
            "<objURI>urn:ietf:params:xml:ns:domain-1.0</objURI>",
            ResultCode::UnimplementedObjectService,
        ),
        (
            change_poll,
            "<extURI>urn:ietf:params:xml:ns:secDNS-1.1</extURI>",
            ResultCode::UnimplementedExtension,
        ),
    ] {
        let refused = Driven::connected().asked(&altered("login", old, new));
        assert_eq!(refused.code(), code);
        assert!(!refused.close);
    }
}

#[test]
fn what_was_not_logged_in_for_is_moved_into_the_result() {
    let change_poll = "<extURI>urn:ietf:params:xml:ns:changePoll-1.0</extURI>";
    for (login, moved) in [
        (example("login"), false),
        (altered("login", change_poll, ""), true),
    ] {
        let mut driven = Driven::connected();
        driven.say(&login);
        driven.check_login();
        driven.verdict(LoginVerdict::Accepted);
        driven.say(&example("poll-request"));
        driven.request();
        let message = driven.answered(Response::success("IOTR-1", changed()));
        let reason = "<reason>urn:ietf:params:xml:ns:changePoll-1.0 not in login services</reason>";
        assert_eq!(message.has(reason), moved);
        assert_eq!(message.has("<extension>"), !moved);
        assert!(message.has("<resData><device:infData"));
    }
}

/// A message about a change.
fn changed() -> Reply {
    let change = Change {
        operation: ChangeOperation::Update,
        who: "operator".to_owned(),
        server_transaction_id: "IOTR-2".to_owned(),
        at: NOON,
        reason: None,
        before: Some(info()),
        after: Some(info()),
    };
    let message = Message {
        message_id: 17,
        queued_at: NOON,
        event: Event::StatusChanged,
        text: "Registry held the device.".to_owned(),
        device_id: Some(info().device_id),
        detail: Detail::Change(Box::new(change)),
    };
    Reply::Messages {
        count: 5,
        head: Some(Box::new(message)),
    }
}

#[test]
fn what_means_no_command_is_refused_and_asked_of_nobody() {
    let withdraw = "<device:withdraw><device:slot>1</device:slot><device:reason>superseded</device:reason></device:withdraw>";
    let chg = "</device:chg>";
    for (name, old, new, code, reason) in [
        (
            "device-new-slot",
            chg,
            format!("{withdraw}{chg}"),
            ResultCode::ParameterPolicy,
            "new slot",
        ),
        (
            "device-new-slot",
            chg,
            format!("<device:restore/>{chg}"),
            ResultCode::ParameterPolicy,
            "new slot",
        ),
        (
            "device-restore",
            "<device:restore/>",
            format!("{withdraw}<device:restore/>"),
            ResultCode::ParameterPolicy,
            "restore",
        ),
        (
            "device-hold",
            "clientHold",
            "pendingDelete".to_owned(),
            ResultCode::ParameterPolicy,
            "pendingDelete",
        ),
        (
            "device-hold",
            "clientHold",
            "ok".to_owned(),
            ResultCode::ParameterPolicy,
            "nobody sets it",
        ),
        (
            "device-update",
            "clientUpdateProhibited",
            "clientTransferProhibited".to_owned(),
            ResultCode::ParameterPolicy,
            "added and removed",
        ),
    ] {
        let mut driven = Driven::logged_in();
        let refused = driven.asked(&altered(name, old, &new));
        assert_eq!(refused.code(), code, "{name}");
        assert!(refused.has(reason), "{}", refused.document);
        assert!(driven.session.is_logged_in());
    }
}

#[test]
fn a_session_is_shut_down_between_commands_and_answers_first() {
    let mut driven = Driven::logged_in();
    driven.say(&example("poll-request"));
    driven.request();
    let moment = driven.moment();
    assert_eq!(driven.session.shut_down("the end", &moment), None);
    driven.answered(Response::success("IOTR-1", Reply::Done));
    let ended = sent(driven.session.shut_down("the end", &moment));
    assert_eq!(
        (ended.code(), ended.close),
        (ResultCode::CommandFailedClosing, true)
    );
    assert!(ended.has("the end") && driven.session.is_closed());
    assert_eq!(driven.session.shut_down("the end", &moment), None);
}

#[test]
fn what_the_driver_gives_up_is_answered_under_its_name() {
    let mut driven = Driven::logged_in();
    let moment = driven.moment();
    assert_eq!(
        driven
            .session
            .gave_up(ResultCode::CommandFailed, "no", &moment),
        None
    );
    driven.say(&example("poll-request"));
    driven.request();
    let refused = sent(
        driven
            .session
            .gave_up(ResultCode::CommandFailed, "no room", &moment),
    );
    assert!(refused.has("<clTRID>MNO-0010</clTRID>") && refused.has("no room"));
    assert!(driven.session.is_logged_in());
    driven.say(&example("poll-request"));
    driven.request();
    let code = ResultCode::AuthenticationErrorClosing;
    let refused = sent(driven.session.gave_up(code, "suspended", &moment));
    assert_eq!((refused.code(), refused.close), (code, true));
}

#[test]
fn frames_that_are_not_understood_leave_the_session_as_it_is() {
    let mut driven = Driven::logged_in();
    for document in [
        "",
        "x",
        "<epp/>",
        "<!DOCTYPE epp [<!ENTITY a \"b\">]><epp/>",
    ] {
        if document.is_empty() {
            continue;
        }
        let refused = driven.asked(document);
        assert_eq!(
            (refused.code(), refused.close),
            (ResultCode::SyntaxError, false)
        );
    }
    assert!(driven.session.is_logged_in());
}

#[test]
fn secrets_are_absent_from_what_may_be_logged() {
    let mut driven = Driven::connected();
    driven.say(&example("login"));
    let check = driven.check_login();
    let frame = Frame::read(example("device-create").as_bytes()).unwrap();
    let pull = Frame::read(example("device-transfer-pull").as_bytes()).unwrap();
    let shown = format!("{check:?} {frame:?} {pull:?}");
    for secret in ["long password", "longer still", "Kq9"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
