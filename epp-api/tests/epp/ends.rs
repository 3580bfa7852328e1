//! How a session ends that is not logged out of: by its octets, its time, its limits.

use std::time::Duration;

use iot_epp_api::epp::session::{Action, LoginVerdict};
use iot_epp_api::epp::{SessionLimits, encode_frame};
use iot_epp_api::{Reply, Response, ResultCode};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::driven::{Driven, example};
use crate::schemas::examples;

fn done() -> Response {
    Response::success("IOTR-1", Reply::Done)
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
                    Action::CarryOut(request) => {
                        answered.push(request.client_transaction_id.unwrap().to_string());
                        let moment = driven.moment();
                        driven.session.answered(done(), &moment).unwrap()
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
    assert!(matches!(driven.action(), Some(Action::CarryOut(_))));
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
    assert!(matches!(driven.action(), Some(Action::CarryOut(_))));
    driven.wait(Duration::from_secs(86_400));
    assert_eq!(driven.session.deadline(), None);
    assert!(driven.action().is_none());
    driven.answered(done());
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
    assert_eq!(driven.session.answered(done(), &moment), None);
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
    assert!(driven.session.answered(done(), &moment).is_some());
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
                    Action::CarryOut(_) => {
                        assert!(driven.session.is_logged_in());
                        driven.answered(done());
                    }
                }
            }
        }
    }
}
