//! Messages as server-sent events (WHATWG HTML, "Server-sent events"), written and read.

use crate::message::Message;

/// A line that says nothing but that the stream is alive.
pub const ALIVE: &[u8] = b": alive\n\n";

/// One message as an event: its number is the id by which a client goes on.
///
/// # Errors
/// A message with a time outside the years 0 to 9999, which the registry never makes.
pub fn write(message: &Message) -> Result<Vec<u8>, serde_json::Error> {
    let mut text = format!(
        "id: {}\nevent: {}\ndata: ",
        message.message_id, message.event
    );
    // JSON has no line breaks outside strings, and escapes those within.
    text.push_str(&serde_json::to_string(message)?);
    text.push_str("\n\n");
    Ok(text.into_bytes())
}

/// Longest event that a client reads, in octets.
pub const EVENT_OCTETS_MAX: usize = 1024 * 1024;

/// Collects a stream into messages.
#[derive(Debug, Default)]
pub struct EventReader {
    pending: Vec<u8>,
}

/// The stream is none of this registry's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// An event without end.
    #[error("an event has more than {EVENT_OCTETS_MAX} octets")]
    TooLong,
    /// The data of an event is no message.
    #[error("an event is no message of the registry")]
    NoMessage,
}

impl EventReader {
    /// Adds what has arrived and gives the messages that are complete.
    ///
    /// # Errors
    /// See [`EventError`]; the stream cannot be read on then.
    pub fn read(&mut self, octets: &[u8]) -> Result<Vec<Message>, EventError> {
        self.pending.extend_from_slice(octets);
        let mut messages = Vec::new();
        while let Some(end) = self.pending.windows(2).position(|pair| pair == b"\n\n") {
            let event: Vec<u8> = self.pending.drain(..end + 2).collect();
            messages.extend(message_of(&event)?);
        }
        if self.pending.len() > EVENT_OCTETS_MAX {
            return Err(EventError::TooLong);
        }
        Ok(messages)
    }
}

fn message_of(event: &[u8]) -> Result<Option<Message>, EventError> {
    let mut lines = event.split(|octet| *octet == b'\n');
    let Some(data) = lines.find_map(|line| line.strip_prefix(b"data: ")) else {
        return Ok(None);
    };
    let message = serde_json::from_slice(data);
    message.map(Some).map_err(|_| EventError::NoMessage)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::message::{Detail, Event};

    fn message(message_id: u64) -> Message {
        Message {
            message_id,
            queued_at: datetime!(2026-11-22 01:00 UTC),
            event: Event::Deleted,
            text: "two\nlines, and a blank one\n\n".to_owned(),
            device_id: None,
            detail: Detail::None,
        }
    }

    #[test]
    fn messages_are_read_as_written_however_they_arrive() {
        let mut stream = ALIVE.to_vec();
        for number in [7, 9] {
            stream.extend(write(&message(number)).unwrap());
            stream.extend(ALIVE);
        }
        assert!(stream.starts_with(b": alive\n\nid: 7\nevent: deleted\ndata: {"));
        for length in [1, 2, 3, 50, stream.len()] {
            let mut reader = EventReader::default();
            let read = stream
                .chunks(length)
                .flat_map(|part| reader.read(part).unwrap());
            assert_eq!(read.collect::<Vec<_>>(), [message(7), message(9)]);
        }
    }

    #[test]
    fn other_streams_are_errors() {
        let mut reader = EventReader::default();
        assert_eq!(reader.read(b"data: {}\n\n"), Err(EventError::NoMessage));
        let endless = vec![b'x'; EVENT_OCTETS_MAX + 1];
        let mut reader = EventReader::default();
        assert_eq!(reader.read(&endless), Err(EventError::TooLong));
    }
}
