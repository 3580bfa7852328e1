//! Messages on a stream: two octets of length before each (RFC 1035 §4.2.2). Sans-IO.

use crate::limits::MESSAGE_OCTETS_MAX;

/// Octets of the shortest message, a header.
const MESSAGE_OCTETS_MIN: usize = 12;

/// A length that no message can have: the stream is out of step and must be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameTooShort;

/// Puts the length in front.
///
/// `message` has at most 65,535 octets: queries are made here and have fewer than 300.
pub(crate) fn encode_frame(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).expect("queries are shorter than 65,536 octets");
    let mut frame = Vec::with_capacity(2 + message.len());
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(message);
    frame
}

/// Takes the first whole message out of `buffer`; none while it is incomplete.
pub(crate) fn take_message(buffer: &mut Vec<u8>) -> Result<Option<Vec<u8>>, FrameTooShort> {
    let Some((length, rest)) = buffer.split_first_chunk::<2>() else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes(*length));
    debug_assert!(length <= MESSAGE_OCTETS_MAX);
    if length < MESSAGE_OCTETS_MIN {
        return Err(FrameTooShort);
    }
    let Some(message) = rest.get(..length).map(<[u8]>::to_vec) else {
        return Ok(None);
    };
    buffer.drain(..2 + length);
    Ok(Some(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_whole_when_octets_come_one_by_one() {
        let stream = [encode_frame(&[1; 12]), encode_frame(&[2; 300])].concat();
        let mut buffer = Vec::new();
        let mut messages = Vec::new();
        for octet in stream {
            buffer.push(octet);
            messages.extend(take_message(&mut buffer).unwrap());
        }
        assert_eq!(messages, [vec![1; 12], vec![2; 300]]);
        assert!(buffer.is_empty());
    }

    #[test]
    fn a_length_below_a_header_is_refused() {
        assert_eq!(take_message(&mut vec![0, 11]), Err(FrameTooShort));
        assert_eq!(take_message(&mut vec![0, 12]), Ok(None));
    }
}
