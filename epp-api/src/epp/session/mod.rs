//! One session of a client (RFC 5730 §2, RFC 5734 §2), without I/O: octets and time in, actions out.
//!
//! ```text
//! Connected ──login, certificate and password of one account──▶ LoggedIn ──logout──▶ Closed
//!     │ hello: greeting; other commands: 2002                       │ login: 2002
//!     └─ third wrong login: 2501 ───────────────────────────────────┴─ limits: 2500, 2502 ──▶ Closed
//! ```
//!
//! One command at a time: while the driver carries one out, what arrives waits in the decoder, and the
//! driver stops reading when [`Session::wants_octets`] says so.

mod action;
mod limits;
mod login;

use std::mem;
use std::time::Instant;

pub use action::{Action, LoginCheck, LoginVerdict, Moment};
pub use limits::SessionLimits;

use crate::account::AccountName;
use crate::command::{Command, Door, Request};
use crate::epp::frame::{EppCommand, Frame};
use crate::epp::framing::{FrameDecoder, FramingError, encode_frame};
use crate::epp::greeting::Greeting;
use crate::epp::mapping::{self, Asked, Unmappable};
use crate::epp::response::Answer;
use crate::epp::services::Services;
use crate::epp::transaction_id::ServerTransactionId;
use crate::response::Response;
use crate::result_code::ResultCode;
use crate::transaction::ClientTransactionId;

/// A session, from the end of the TLS handshake to the end of the connection.
pub struct Session {
    /// Whose certificate the client showed.
    account: AccountName,
    greeting: Greeting,
    limits: SessionLimits,
    decoder: FrameDecoder,
    phase: Phase,
    /// The command that the driver has.
    waiting: Option<Waiting>,
    failed_logins: u32,
    frames: u32,
    login_deadline: Instant,
    /// When the session was last idle: its begin, or its last answer.
    idle_since: Instant,
    /// When the frame began that is still arriving.
    frame_since: Option<Instant>,
}

enum Phase {
    /// The greeting is to be sent.
    New,
    Connected,
    LoggedIn(Services),
    Closed,
}

struct Waiting {
    /// Those of a login that is being looked into.
    login: Option<Services>,
    /// What is remembered of a command.
    asked: Asked,
    client_transaction_id: Option<ClientTransactionId>,
}

impl Session {
    /// A session of a client whose certificate belongs to this account.
    pub fn new(
        account: AccountName,
        greeting: Greeting,
        limits: SessionLimits,
        now: Instant,
    ) -> Self {
        Self {
            login_deadline: now + limits.login_timeout,
            account,
            greeting,
            limits,
            decoder: FrameDecoder::new(),
            phase: Phase::New,
            waiting: None,
            failed_logins: 0,
            frames: 0,
            idle_since: now,
            frame_since: None,
        }
    }

    /// Whose session it is.
    pub fn account(&self) -> &AccountName {
        &self.account
    }

    /// Whether a login was accepted and the session not ended.
    pub fn is_logged_in(&self) -> bool {
        matches!(self.phase, Phase::LoggedIn(_))
    }

    /// Whether nothing more will come of it.
    pub fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }

    /// Whether the driver should read from the connection.
    pub fn wants_octets(&self) -> bool {
        !self.is_closed() && !self.decoder.is_full()
    }

    /// Octets have arrived. After the end they are dropped.
    pub fn receive(&mut self, octets: &[u8], now: Instant) {
        if self.is_closed() || octets.is_empty() {
            return;
        }
        self.decoder.push(octets);
        self.frame_since.get_or_insert(now);
    }

    /// When [`next_action`](Self::next_action) has to be called although nothing arrived. None while
    /// the driver has a command, whose time is the driver's.
    pub fn deadline(&self) -> Option<Instant> {
        if self.is_closed() || self.waiting.is_some() {
            return None;
        }
        let own = match self.frame_since {
            Some(since) => since + self.limits.frame_timeout,
            None => self.idle_since + self.limits.idle_timeout,
        };
        match self.phase {
            Phase::LoggedIn(_) => Some(own),
            _ => Some(own.min(self.login_deadline)),
        }
    }

    /// The next thing to do; to be asked again until there is none.
    pub fn next_action(&mut self, moment: &Moment) -> Option<Action> {
        if self.is_closed() || self.waiting.is_some() {
            return None;
        }
        if matches!(self.phase, Phase::New) {
            self.phase = Phase::Connected;
            return Some(self.greet(moment));
        }
        match self.decoder.next_document() {
            Ok(Some(document)) => {
                self.frame_since = self.decoder.has_begun().then_some(moment.now);
                Some(self.handle(&document, moment))
            }
            Ok(None) => self.time_out(moment),
            Err(error) => Some(self.unframed(error, moment)),
        }
    }

    /// The driver carried a command out. None when it had none.
    pub fn answered(&mut self, response: Response, moment: &Moment) -> Option<Action> {
        let waiting = self.waiting.take_if(|waiting| waiting.login.is_none())?;
        let id = waiting.client_transaction_id;
        let services = self.services();
        let name = ServerTransactionId::parse(&response.server_transaction_id);
        let name = name.as_ref().unwrap_or(&moment.server_transaction_id);
        let answer = mapping::answer(waiting.asked, response);
        Some(self.send(&answer, &services, id.as_ref(), name, moment.now))
    }

    /// The driver could not carry out what it had, a login or a command. None when it had nothing.
    pub fn gave_up(&mut self, code: ResultCode, reason: &str, moment: &Moment) -> Option<Action> {
        let id = self.waiting.take()?.client_transaction_id;
        let answer = Answer::refused(code, reason);
        Some(self.answer(&answer, id.as_ref(), moment))
    }

    /// The server ends the session by itself. None when it has ended, and while the driver has a
    /// command: that is answered first.
    pub fn shut_down(&mut self, reason: &str, moment: &Moment) -> Option<Action> {
        if self.is_closed() || self.waiting.is_some() {
            return None;
        }
        let answer = Answer::refused(ResultCode::CommandFailedClosing, reason);
        Some(self.answer(&answer, None, moment))
    }

    fn services(&self) -> Services {
        match &self.phase {
            Phase::LoggedIn(services) => services.clone(),
            _ => Services::none(),
        }
    }

    fn handle(&mut self, document: &[u8], moment: &Moment) -> Action {
        if self.frames == self.limits.frames_max {
            return self.answer(&Answer::new(ResultCode::SessionLimitClosing), None, moment);
        }
        self.frames += 1;
        match Frame::read(document) {
            Ok(Frame::Hello) => self.greet(moment),
            Ok(Frame::Command {
                command,
                client_transaction_id,
            }) => self.command(*command, client_transaction_id, moment),
            Err(unread) => {
                let answer = Answer::refused(unread.error.code(), unread.error.to_string());
                self.answer(&answer, unread.client_transaction_id.as_ref(), moment)
            }
        }
    }

    fn command(
        &mut self,
        command: EppCommand,
        id: Option<ClientTransactionId>,
        moment: &Moment,
    ) -> Action {
        let refusal = match (command, self.is_logged_in()) {
            (EppCommand::Login(login), false) => return self.login(login, id, moment),
            (EppCommand::Poll(poll), true) => {
                return self.carry_out(mapping::poll_command(poll), id);
            }
            (EppCommand::Device(said), true) => match mapping::device_command(said) {
                Ok(command) => return self.carry_out(command, id),
                Err(unmappable) => refusal_of(unmappable),
            },
            (EppCommand::Logout, true) => Answer::new(ResultCode::CompletedEndingSession),
            (EppCommand::Login(_), true) => {
                Answer::refused(ResultCode::UseError, "this session is logged in already")
            }
            (_, false) => Answer::refused(ResultCode::UseError, "log in before any other command"),
        };
        self.answer(&refusal, id.as_ref(), moment)
    }

    fn carry_out(&mut self, command: Command, id: Option<ClientTransactionId>) -> Action {
        self.waiting = Some(Waiting {
            login: None,
            asked: Asked::of(&command),
            client_transaction_id: id.clone(),
        });
        Action::CarryOut(Box::new(Request::new(command, id, Door::Epp)))
    }

    fn time_out(&mut self, moment: &Moment) -> Option<Action> {
        if self.deadline().is_none_or(|deadline| moment.now < deadline) {
            return None;
        }
        let reason = if self.frame_since.is_some() {
            "the rest of the frame did not arrive in time"
        } else if self.is_logged_in() {
            "nothing was asked for too long"
        } else {
            "no login came in time"
        };
        let answer = Answer::refused(ResultCode::CommandFailedClosing, reason);
        Some(self.answer(&answer, None, moment))
    }

    /// Where the next frame begins is unknown: the end, after saying why.
    fn unframed(&mut self, error: FramingError, moment: &Moment) -> Action {
        let code = match error {
            FramingError::Empty { .. } => ResultCode::SyntaxError,
            FramingError::TooLong { .. } => ResultCode::CommandFailedClosing,
        };
        let answer = Answer::refused(code, error.to_string());
        let action = self.answer(&answer, None, moment);
        self.close();
        match action {
            Action::Send { octets, .. } => Action::Send {
                octets,
                close: true,
            },
            other => other,
        }
    }

    fn greet(&mut self, moment: &Moment) -> Action {
        self.idle_since = moment.now;
        let octets = encode_frame(&self.greeting.write(moment.date));
        Action::Send {
            octets,
            close: false,
        }
    }

    /// An answer of the session itself.
    fn answer(
        &mut self,
        answer: &Answer,
        id: Option<&ClientTransactionId>,
        moment: &Moment,
    ) -> Action {
        let services = self.services();
        self.send(
            answer,
            &services,
            id,
            &moment.server_transaction_id,
            moment.now,
        )
    }

    fn send(
        &mut self,
        answer: &Answer,
        services: &Services,
        id: Option<&ClientTransactionId>,
        name: &ServerTransactionId,
        now: Instant,
    ) -> Action {
        let octets = encode_frame(&answer.write(services, id, name));
        let close = ends_session(answer.code);
        self.idle_since = now;
        // The time of a frame that came meanwhile begins when it could have been read.
        if let Some(since) = &mut self.frame_since {
            *since = now;
        }
        if close {
            self.close();
        }
        Action::Send { octets, close }
    }

    fn close(&mut self) {
        self.phase = Phase::Closed;
        // What is left of it may hold secrets.
        drop(mem::take(&mut self.decoder));
    }
}

fn refusal_of(unmappable: Unmappable) -> Answer {
    let element = Some(unmappable.element());
    Answer::new(unmappable.code()).because(element, unmappable.to_string())
}

/// Codes that say themselves that the connection ends (RFC 5730 §3).
fn ends_session(code: ResultCode) -> bool {
    matches!(
        code,
        ResultCode::CompletedEndingSession
            | ResultCode::CommandFailedClosing
            | ResultCode::AuthenticationErrorClosing
            | ResultCode::SessionLimitClosing
    )
}
