//! A session, driven by hand.

use std::time::{Duration, Instant};

use iot_epp_api::epp::session::{Action, LoginCheck, LoginVerdict, Moment};
use iot_epp_api::epp::{FrameDecoder, ServerTransactionId, Session, SessionLimits, encode_frame};
use iot_epp_api::{Request, Response, ResultCode};

use crate::samples::{NOON, account, greeting};
use crate::schemas::examples;

/// A session with a clock and a counter of transactions.
pub(crate) struct Driven {
    pub(crate) session: Session,
    pub(crate) now: Instant,
    pub(crate) transactions: u8,
}

/// What a session sent.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) document: String,
    pub(crate) close: bool,
}

impl Sent {
    pub(crate) fn code(&self) -> ResultCode {
        let (_, code) = self
            .document
            .split_once("<result code=\"")
            .expect("a response");
        ResultCode::from_number(code[..4].parse().unwrap()).unwrap()
    }

    pub(crate) fn has(&self, text: &str) -> bool {
        self.document.contains(text)
    }
}

impl Driven {
    pub(crate) fn new(limits: SessionLimits) -> Self {
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

    pub(crate) fn connected() -> Self {
        Self::new(SessionLimits::default())
    }

    pub(crate) fn logged_in() -> Self {
        let mut driven = Self::connected();
        driven.say(&example("login"));
        driven.check_login();
        let sent = driven.verdict(LoginVerdict::Accepted);
        assert_eq!(sent.code(), ResultCode::Completed);
        assert!(driven.session.is_logged_in());
        driven
    }

    pub(crate) fn moment(&mut self) -> Moment {
        self.transactions = self.transactions.wrapping_add(1);
        Moment {
            now: self.now,
            date: NOON,
            server_transaction_id: ServerTransactionId::from_random([self.transactions; 16]),
        }
    }

    pub(crate) fn say(&mut self, document: &str) {
        self.session.receive(&encode_frame(document), self.now);
    }

    pub(crate) fn action(&mut self) -> Option<Action> {
        let moment = self.moment();
        self.session.next_action(&moment)
    }

    pub(crate) fn sent(&mut self) -> Sent {
        let action = self.action();
        sent(action)
    }

    pub(crate) fn check_login(&mut self) -> LoginCheck {
        match self.action() {
            Some(Action::CheckLogin(check)) => check,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn request(&mut self) -> Request {
        match self.action() {
            Some(Action::CarryOut(request)) => *request,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn answered(&mut self, response: Response) -> Sent {
        let moment = self.moment();
        sent(self.session.answered(response, &moment))
    }

    pub(crate) fn verdict(&mut self, verdict: LoginVerdict) -> Sent {
        let moment = self.moment();
        sent(self.session.login_checked(verdict, Vec::new(), &moment))
    }

    pub(crate) fn asked(&mut self, document: &str) -> Sent {
        self.say(document);
        self.sent()
    }

    pub(crate) fn wait(&mut self, duration: Duration) {
        self.now += duration;
    }
}

pub(crate) fn sent(action: Option<Action>) -> Sent {
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

pub(crate) fn example(name: &str) -> String {
    let (_, document) = examples()
        .into_iter()
        .find(|(found, _)| found == name)
        .unwrap();
    document
}
