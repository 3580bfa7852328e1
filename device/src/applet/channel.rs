//! Logical channels (ISO/IEC 7816-4 §5.4.1): each has its own selected applet, sessions and waiting
//! response, so that two programs do not disturb each other.

use super::session::Sessions;
use super::store_data::Script;
use crate::apdu::{Command, StatusWord};

/// Channels 0 to 3; channel 0 is always open.
pub(crate) const CHANNELS: usize = 4;

/// What a channel talks to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Selected {
    /// The IoT SAFE applet.
    IotSafe,
    /// The authority security domain of the eSIM, which knows the EID.
    Ecasd,
}

/// The state of one open channel.
#[derive(Default)]
pub(crate) struct Channel {
    pub(crate) selected: Option<Selected>,
    pub(crate) sessions: Sessions,
    /// Where the next page of the object list begins.
    pub(crate) next_listed: Option<usize>,
    /// A personalisation script that has begun.
    pub(crate) script: Option<Script>,
    waiting: Option<Answer>,
}

/// Data and status word of a response.
pub(crate) struct Answer {
    pub(crate) data: Vec<u8>,
    pub(crate) status: StatusWord,
}

impl Answer {
    pub(crate) fn success(data: Vec<u8>) -> Self {
        Self {
            data,
            status: StatusWord::SUCCESS,
        }
    }

    pub(crate) fn status(status: StatusWord) -> Self {
        Self {
            data: Vec::new(),
            status,
        }
    }

    /// The response APDU.
    pub(crate) fn into_octets(self) -> Vec<u8> {
        let mut octets = self.data;
        octets.extend_from_slice(&self.status.0.to_be_bytes());
        octets
    }
}

impl Channel {
    /// A fresh channel with this applet selected.
    pub(crate) fn on(selected: Selected) -> Self {
        Self {
            selected: Some(selected),
            ..Self::default()
        }
    }

    /// Forgets an answer that nobody fetched, as every command but GET RESPONSE does.
    pub(crate) fn drop_waiting(&mut self) {
        self.waiting = None;
    }

    /// Hands out as much of an answer as the client takes; the rest waits for GET RESPONSE.
    pub(crate) fn deliver(&mut self, mut answer: Answer, expected_octets: Option<u16>) -> Answer {
        let most = usize::from(expected_octets.unwrap_or(256));
        if answer.data.len() > most {
            let rest = answer.data.split_off(most);
            let status = StatusWord::response_waiting(rest.len());
            self.waiting = Some(Answer {
                data: rest,
                status: answer.status,
            });
            answer.status = status;
        }
        answer
    }

    /// Keeps the whole answer for GET RESPONSE.
    pub(crate) fn keep(&mut self, answer: Answer) -> Answer {
        let status = StatusWord::response_waiting(answer.data.len());
        self.waiting = Some(answer);
        Answer::status(status)
    }

    /// GET RESPONSE.
    pub(crate) fn get_response(&mut self, command: &Command<'_>) -> Result<Answer, StatusWord> {
        if (command.p1, command.p2) != (0, 0) {
            return Err(StatusWord::INCORRECT_P1_P2);
        }
        if !command.data.is_empty() {
            return Err(StatusWord::WRONG_LENGTH);
        }
        let waiting = self
            .waiting
            .take()
            .ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        Ok(self.deliver(waiting, command.expected_octets))
    }
}
