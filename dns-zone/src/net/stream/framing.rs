//! Messages in a stream: a length of two octets before each (RFC 1035 §4.2.2, RFC 7766 §8).

/// The header of a message (RFC 1035 §4.1.1): nothing shorter can be answered.
const MESSAGE_OCTETS_MIN: usize = 12;
/// Octets of the length before each message.
pub(super) const LENGTH_OCTETS: usize = 2;

/// A message that is shorter than a header: nobody can answer it, and who sends it speaks something
/// else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooShort;

/// The first message, if it is whole.
pub(super) fn first_message(octets: &[u8]) -> Result<Option<&[u8]>, TooShort> {
    let Some((length, rest)) = octets.split_first_chunk::<LENGTH_OCTETS>() else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes(*length));
    if length < MESSAGE_OCTETS_MIN {
        return Err(TooShort);
    }
    Ok(rest.get(..length))
}

/// Puts a response behind its length.
pub(super) fn push_framed(responses: &mut Vec<u8>, room: &[u8], octets: usize) {
    // Nothing longer fits the room.
    if let (Ok(length), Some(response)) = (u16::try_from(octets), room.get(..octets)) {
        responses.extend_from_slice(&length.to_be_bytes());
        responses.extend_from_slice(response);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_whole_or_not_yet_or_too_short() {
        assert_eq!(first_message(&[]), Ok(None));
        assert_eq!(first_message(&[0]), Ok(None));
        assert_eq!(first_message(&[0, 11]), Err(TooShort));
        assert_eq!(first_message(&[0, 12]), Ok(None));
        let mut octets = vec![0, 12];
        octets.extend(1..=11);
        assert_eq!(first_message(&octets), Ok(None));
        octets.extend([12, 13]);
        assert_eq!(first_message(&octets), Ok(Some(&octets[2..14])));
    }

    #[test]
    fn what_is_framed_is_read_back() {
        for length in [12, 255, 256, 65_535] {
            let mut octets = Vec::new();
            push_framed(&mut octets, &vec![7; 65_535], length);
            assert_eq!(first_message(&octets), Ok(Some(&vec![7; length][..])));
        }
    }
}
