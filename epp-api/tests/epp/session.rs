//! The order of a session: who may say what, when, and how it ends.

use std::time::{Duration, Instant};

use iot_epp_api::ResultCode;
use iot_epp_api::epp::session::{Action, LoginCheck, LoginVerdict, Moment, SessionCommand};
use iot_epp_api::epp::{
    Answer, Frame, FrameDecoder, Poll, ServerTransactionId, Session, SessionLimits, encode_frame,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::samples::{NOON, account, answers, greeting};
use crate::schemas::examples;
use crate::values::altered;

/// A session with a clock and a counter of transactions.
struct Driven {
    session: Session,
    now: Instant,
    transactions: u8,
}

/// What a session sent.
#[derive(Debug)]
struct Sent {
    document: String,
    close: bool,
}

impl Sent {
    fn code(&self) -> ResultCode {
        let (_, code) = self
            .document
            .split_once("<result code=\"")
            .expect("a response");
        ResultCode::from_number(code[..4].parse().unwrap()).unwrap()
    }

    fn has(&self, text: &str) -> bool {
        self.document.contains(text)
    }
}

impl Driven {
    fn new(limits: SessionLimits) -> Self {
        let now = Instant::now();
        let session = Session::new(account("mno-one"), greeting(), limits, now);
        let mut driven = Self {
            session,
            now,
            transactions: 0,
        };
        assert!(driven.sent().has("<greeting>"));
        driven
    }

    fn connected() -> Self {
        Self::new(SessionLimits::default())
    }

    fn logged_in() -> Self {
        let mut driven = Self::connected();
        driven.say(&example("login"));
        driven.check_login();
        let sent = driven.verdict(LoginVerdict::Accepted);
        assert_eq!(sent.code(), ResultCode::Completed);
        assert!(driven.session.is_logged_in());
        driven
    }

    fn moment(&mut self) -> Moment {
        self.transactions = self.transactions.wrapping_add(1);
        Moment {
            now: self.now,
            date: NOON,
            server_transaction_id: ServerTransactionId::from_random([self.transactions; 16]),
        }
    }

    fn say(&mut self, document: &str) {
        self.session.receive(&encode_frame(document), self.now);
    }

    fn action(&mut self) -> Option<Action> {
        let moment = self.moment();
        self.session.next_action(&moment)
    }

    fn sent(&mut self) -> Sent {
        let action = self.action();
        sent(action)
    }

    fn check_login(&mut self) -> LoginCheck {
        match self.action() {
            Some(Action::CheckLogin(check)) => check,
            other => panic!("{other:?}"),
        }
    }

    fn verdict(&mut self, verdict: LoginVerdict) -> Sent {
        let moment = self.moment();
        sent(self.session.login_checked(verdict, Vec::new(), &moment))
    }

    fn asked(&mut self, document: &str) -> Sent {
        self.say(document);
        self.sent()
    }

    fn wait(&mut self, duration: Duration) {
        self.now += duration;
    }
}

fn sent(action: Option<Action>) -> Sent {
    let Some(Action::Send { octets, close }) = action else {
        panic!("{action:?}");
    };
    let mut decoder = FrameDecoder::new();
    decoder.push(&octets);
    let document = decoder.next_document().unwrap().unwrap();
    assert!(!decoder.has_begun());
    let document = String::from_utf8(document.to_vec()).unwrap();
    Sent { document, close }
}

fn example(name: &str) -> String {
    let (_, document) = examples()
        .into_iter()
        .find(|(found, _)| found == name)
        .unwrap();
    document
}

#[test]
fn a_session_goes_from_greeting_to_logout() {
    let mut driven = Driven::connected();
    assert!(driven.asked(&example("hello")).has("<greeting>"));
    driven.say(&example("login"));
    let check = driven.check_login();
    assert_eq!(check.account, account("mno-one"));
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
    let Some(Action::CarryOut { command, .. }) = driven.action() else {
        panic!("no command");
    };
    assert_eq!(command, SessionCommand::Poll(Poll::Request));
    let name = ServerTransactionId::from_random([0xab; 16]);
    let answer = Answer::new(ResultCode::CompletedNoMessages);
    let answered = sent(driven.session.answered(&answer, &name, driven.now));
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
    let (_, change) = answers()
        .into_iter()
        .find(|(name, _)| *name == "response-poll-change")
        .unwrap();
    for (login, moved) in [
        (example("login"), false),
        (altered("login", change_poll, ""), true),
    ] {
        let mut driven = Driven::connected();
        driven.say(&login);
        driven.check_login();
        driven.verdict(LoginVerdict::Accepted);
        driven.say(&example("poll-request"));
        assert!(matches!(driven.action(), Some(Action::CarryOut { .. })));
        let name = driven.moment().server_transaction_id;
        let message = sent(driven.session.answered(&change, &name, driven.now));
        let reason = "<reason>urn:ietf:params:xml:ns:changePoll-1.0 not in login services</reason>";
        assert_eq!(message.has(reason), moved);
        assert_eq!(message.has("<extension>"), !moved);
        assert!(message.has("<resData><device:infData"));
    }
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
fn lengths_that_are_none_end_the_session() {
    for (length, code) in [
        (0_u32, ResultCode::SyntaxError),
        (1, ResultCode::SyntaxError),
        (3, ResultCode::SyntaxError),
        (4, ResultCode::SyntaxError),
        (65_541, ResultCode::CommandFailedClosing),
        (0x7fff_ffff, ResultCode::CommandFailedClosing),
        (0xffff_ffff, ResultCode::CommandFailedClosing),
    ] {
        let mut driven = Driven::logged_in();
        driven.session.receive(&length.to_be_bytes(), driven.now);
        let refused = driven.sent();
        assert_eq!((refused.code(), refused.close), (code, true), "{length}");
        assert!(driven.session.is_closed() && driven.action().is_none());
    }
}

#[test]
fn frames_that_come_split_and_glued_are_answered_in_order() {
    let mut stream = Vec::new();
    for name in ["hello", "poll-request", "device-info", "logout"] {
        stream.extend(encode_frame(&example(name)));
    }
    for piece in [1, 3, 100, stream.len()] {
        let mut driven = Driven::logged_in();
        let mut answered = Vec::new();
        for octets in stream.chunks(piece) {
            driven.session.receive(octets, driven.now);
            while let Some(action) = driven.action() {
                let action = match action {
                    Action::CarryOut {
                        client_transaction_id,
                        ..
                    } => {
                        answered.push(client_transaction_id.unwrap().to_string());
                        let name = driven.moment().server_transaction_id;
                        let answer = Answer::new(ResultCode::Completed);
                        driven.session.answered(&answer, &name, driven.now).unwrap()
                    }
                    other => other,
                };
                assert!(matches!(action, Action::Send { .. }));
            }
        }
        assert_eq!(answered, ["MNO-0010", "MNO-0021"]);
        assert!(driven.session.is_closed());
    }
}

#[test]
fn a_driver_is_told_to_stop_reading() {
    let mut driven = Driven::logged_in();
    driven.say(&example("poll-request"));
    assert!(matches!(driven.action(), Some(Action::CarryOut { .. })));
    let mut octets = 0;
    while driven.session.wants_octets() {
        driven.session.receive(&[0x20; 4096], driven.now);
        octets += 4096;
    }
    assert!((65_540..75_000).contains(&octets));
}

#[test]
fn a_slow_frame_ends_the_session() {
    let mut driven = Driven::logged_in();
    let frame = encode_frame(&example("device-info"));
    for octet in &frame[..9] {
        driven.session.receive(&[*octet], driven.now);
        driven.wait(Duration::from_secs(1));
        assert!(driven.action().is_none());
    }
    driven.session.receive(&frame[9..10], driven.now);
    driven.wait(Duration::from_secs(1));
    assert_eq!(
        driven.session.deadline(),
        Some(driven.now),
        "octets do not move it"
    );
    let ended = driven.sent();
    assert_eq!(
        (ended.code(), ended.close),
        (ResultCode::CommandFailedClosing, true)
    );
}

#[test]
fn an_idle_session_ends_and_a_busy_driver_does_not_end_it() {
    let mut driven = Driven::logged_in();
    driven.wait(Duration::from_secs(599));
    assert!(driven.action().is_none());
    driven.say(&example("poll-request"));
    assert!(matches!(driven.action(), Some(Action::CarryOut { .. })));
    driven.wait(Duration::from_secs(86_400));
    assert_eq!(driven.session.deadline(), None);
    assert!(driven.action().is_none());
    let name = driven.moment().server_transaction_id;
    let answer = Answer::new(ResultCode::Completed);
    assert!(
        driven
            .session
            .answered(&answer, &name, driven.now)
            .is_some()
    );
    assert_eq!(
        driven.session.deadline(),
        Some(driven.now + Duration::from_secs(600))
    );
    driven.wait(Duration::from_secs(600));
    let ended = driven.sent();
    assert_eq!(
        (ended.code(), ended.close),
        (ResultCode::CommandFailedClosing, true)
    );
}

#[test]
fn who_does_not_log_in_has_a_minute_whatever_it_says() {
    let mut driven = Driven::connected();
    for _ in 0..6 {
        driven.wait(Duration::from_secs(9));
        assert!(driven.asked(&example("hello")).has("<greeting>"));
    }
    driven.wait(Duration::from_secs(6));
    let ended = driven.sent();
    assert_eq!(
        (ended.code(), ended.close),
        (ResultCode::CommandFailedClosing, true)
    );
}

#[test]
fn a_session_has_a_last_frame() {
    let mut driven = Driven::new(SessionLimits {
        frames_max: 3,
        ..SessionLimits::default()
    });
    for _ in 0..3 {
        assert!(driven.asked(&example("hello")).has("<greeting>"));
    }
    let ended = driven.asked(&example("hello"));
    assert_eq!(
        (ended.code(), ended.close),
        (ResultCode::SessionLimitClosing, true)
    );
}

#[test]
fn answers_that_nobody_asked_for_are_not_sent() {
    let mut driven = Driven::logged_in();
    let moment = driven.moment();
    let answer = Answer::new(ResultCode::Completed);
    let name = &moment.server_transaction_id;
    assert_eq!(driven.session.answered(&answer, name, driven.now), None);
    let verdict = LoginVerdict::Accepted;
    assert_eq!(
        driven.session.login_checked(verdict, Vec::new(), &moment),
        None
    );
    driven.say(&example("poll-request"));
    driven.action().unwrap();
    let verdict = LoginVerdict::Accepted;
    assert_eq!(
        driven.session.login_checked(verdict, Vec::new(), &moment),
        None
    );
    assert!(driven.session.answered(&answer, name, driven.now).is_some());
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

proptest! {
    #[test]
    fn any_stream_in_any_pieces_is_survived(
        documents in vec(select(examples()), 0..12),
        noise in vec(any::<u8>(), 0..64),
        piece in 1..5_000_usize,
    ) {
        let mut stream: Vec<u8> = documents.iter().flat_map(|(_, text)| encode_frame(text)).collect();
        stream.extend(noise);
        let mut driven = Driven::connected();
        for octets in stream.chunks(piece) {
            driven.session.receive(octets, driven.now);
            while let Some(action) = driven.action() {
                match action {
                    Action::Send { close, .. } => assert_eq!(close, driven.session.is_closed()),
                    Action::CheckLogin(_) => {
                        driven.verdict(LoginVerdict::Accepted);
                    }
                    Action::CarryOut { .. } => {
                        assert!(driven.session.is_logged_in());
                        let name = driven.moment().server_transaction_id;
                        let answer = Answer::new(ResultCode::Completed);
                        driven.session.answered(&answer, &name, driven.now).unwrap();
                    }
                }
            }
        }
    }
}
