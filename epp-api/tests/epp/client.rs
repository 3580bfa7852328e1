//! Our client and servers that are slow, silent, or not of our kind.

use std::collections::VecDeque;
use std::io::{self, Read, Write};

use iot_epp_api::ResultCode;
use iot_epp_api::epp::client::{Conversation, ConversationError, Received};
use iot_epp_api::epp::{
    ANSWER_OCTETS_MAX, Answer, EppCommand, FrameDecoder, Poll, ResponseData, Services, encode_frame,
};
use iot_identity::Slot;

use crate::samples::{NOON, client_id, greeting, info, server_id, write};

/// A connection over which these octets come, so many at a time.
struct Scripted {
    octets: VecDeque<u8>,
    piece: usize,
    interrupted: bool,
    sent: Vec<u8>,
}

impl Scripted {
    fn new(documents: &[String], piece: usize) -> Self {
        let octets = documents.iter().flat_map(|document| encode_frame(document));
        Self::of(octets.collect(), piece)
    }

    fn of(octets: Vec<u8>, piece: usize) -> Self {
        Self {
            octets: octets.into(),
            piece,
            interrupted: false,
            sent: Vec::new(),
        }
    }
}

impl Read for Scripted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.interrupted = !self.interrupted;
        if self.interrupted {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let most = buffer.len().min(self.piece);
        self.octets.read(&mut buffer[..most])
    }
}

impl Write for Scripted {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.sent.write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn polled(id: &str) -> String {
    let id = client_id(id);
    Answer::new(ResultCode::CompletedNoMessages).write(&Services::all(), Some(&id), &server_id())
}

fn begun(documents: &[String], piece: usize) -> Conversation<Scripted> {
    let mut all = vec![greeting().write(NOON)];
    all.extend_from_slice(documents);
    Conversation::begin(Scripted::new(&all, piece)).unwrap().0
}

fn poll(talk: &mut Conversation<Scripted>) -> Result<ResultCode, ConversationError> {
    let answer = talk.ask(EppCommand::Poll(Poll::Request), &client_id("MINE-1"))?;
    Ok(answer.answer.code)
}

#[test]
fn answers_in_any_pieces_are_read() {
    for piece in [1, 7, 100_000] {
        let mut talk = begun(&[polled("MINE-1"), greeting().write(NOON)], piece);
        assert_eq!(poll(&mut talk).unwrap(), ResultCode::CompletedNoMessages);
        assert_eq!(talk.hello().unwrap().date, NOON);
        let mut sent = FrameDecoder::new();
        sent.push(&talk.into_connection().sent);
        assert!(sent.next_document().unwrap().is_some());
        assert!(sent.next_document().unwrap().is_some() && !sent.has_begun());
    }
}

#[test]
fn a_server_that_does_not_greet_is_left() {
    use ConversationError::{Closed, Framing, NotGreeted, Unread};
    let begin = |octets: Vec<u8>| Conversation::begin(Scripted::of(octets, 9)).err().unwrap();
    assert!(matches!(begin(Vec::new()), Closed));
    assert!(matches!(
        begin(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
        Framing(_)
    ));
    assert!(matches!(begin(vec![0, 0, 0, 4]), Framing(_)));
    assert!(matches!(begin(encode_frame("<html/>")), Unread(_)));
    let whole = encode_frame(&greeting().write(NOON));
    assert!(matches!(begin(whole[..whole.len() - 1].to_vec()), Closed));
    let code = ResultCode::AuthenticationErrorClosing;
    let refusal = Answer::refused(code, "no active account");
    let refusal = refusal.write(&Services::none(), None, &server_id());
    let NotGreeted(refused) = begin(encode_frame(&refusal)) else {
        panic!("greeted");
    };
    assert_eq!(refused.code, code);
    assert!(refused.to_string().ends_with(": no active account"));
}

#[test]
fn an_answer_to_something_else_is_none() {
    let foreign = poll(&mut begun(&[polled("OTHER-1")], 99));
    assert!(matches!(foreign, Err(ConversationError::OutOfOrder)));
    let greeted = poll(&mut begun(&[greeting().write(NOON)], 99));
    assert!(matches!(greeted, Err(ConversationError::OutOfOrder)));
    let silent = poll(&mut begun(&[], 99));
    assert!(matches!(silent, Err(ConversationError::Closed)));
    // The server's own end of the session answers nothing by name.
    let ended = Answer::refused(ResultCode::CommandFailedClosing, "idle");
    let ended = ended.write(&Services::none(), None, &server_id());
    let code = poll(&mut begun(&[ended], 99)).unwrap();
    assert_eq!(code, ResultCode::CommandFailedClosing);
}

#[test]
fn a_device_with_every_slot_is_within_the_limits_of_answers() {
    let mut device = info();
    let slot = device.slots[1].clone();
    device.slots = (1..=9999)
        .map(|number| {
            let mut one = slot.clone();
            one.slot = Slot::new(number).unwrap();
            one
        })
        .collect();
    device.statuses.sort_unstable();
    device.statuses.dedup();
    let answer = Answer::completed(ResponseData::Info(Box::new(device)));
    let document = write(&answer, &Services::all());
    assert!(document.len() < ANSWER_OCTETS_MAX / 2);
    let Ok(Received::Response(received)) = Received::read(document.as_bytes()) else {
        panic!("not read");
    };
    assert_eq!(received.answer, answer);
}

#[test]
fn answers_beyond_the_limits_are_refused_unread() {
    let too_long = " ".repeat(ANSWER_OCTETS_MAX + 1);
    assert!(Received::read(too_long.as_bytes()).is_err());
    let mut decoder = FrameDecoder::of_answers();
    let length = u32::try_from(ANSWER_OCTETS_MAX + 5).unwrap();
    decoder.push(&length.to_be_bytes());
    assert!(decoder.next_document().is_err());
    let many = format!("<epp>{}</epp>", "<a/>".repeat(300_000));
    assert!(Received::read(many.as_bytes()).is_err());
}
