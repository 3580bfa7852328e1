//! Framing of APDUs on a byte stream: two octets of length, big-endian, then the APDU.
//!
//! Pure. A frame longer than [`FRAME_OCTETS_MAX`] is refused before it is read.

use std::io::{self, Read, Write};

use crate::apdu::command::{COMMAND_OCTETS_MAX, RESPONSE_OCTETS_MAX};

/// Longest APDU in a frame: the longest command or response.
pub const FRAME_OCTETS_MAX: usize = if COMMAND_OCTETS_MAX > RESPONSE_OCTETS_MAX {
    COMMAND_OCTETS_MAX
} else {
    RESPONSE_OCTETS_MAX
};
/// Octets of the length field.
const LENGTH_OCTETS: usize = 2;

/// Takes the first whole frame off `buffer`; `None` while it is not whole.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] when the frame is longer than [`FRAME_OCTETS_MAX`].
pub fn decode(buffer: &mut Vec<u8>) -> io::Result<Option<Vec<u8>>> {
    let Some((length, rest)) = buffer.split_first_chunk::<LENGTH_OCTETS>() else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes(*length));
    if length > FRAME_OCTETS_MAX {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a frame is longer than any APDU",
        ));
    }
    if rest.len() < length {
        return Ok(None);
    }
    let apdu = rest[..length].to_vec();
    buffer.drain(..LENGTH_OCTETS + length);
    Ok(Some(apdu))
}

/// The frame of an APDU.
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`] when the APDU is longer than [`FRAME_OCTETS_MAX`].
pub fn encode(apdu: &[u8]) -> io::Result<Vec<u8>> {
    if apdu.len() > FRAME_OCTETS_MAX {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "an APDU is longer than a frame may be",
        ));
    }
    let length = (apdu.len() as u16).to_be_bytes();
    Ok([&length, apdu].concat())
}

/// Reads one frame; `None` when the other side has closed between two frames. `buffer` keeps what
/// came too early.
pub(crate) fn read(stream: &mut impl Read, buffer: &mut Vec<u8>) -> io::Result<Option<Vec<u8>>> {
    let mut chunk = [0; FRAME_OCTETS_MAX + LENGTH_OCTETS];
    loop {
        if let Some(apdu) = decode(buffer)? {
            return Ok(Some(apdu));
        }
        match stream.read(&mut chunk) {
            Ok(0) if buffer.is_empty() => return Ok(None),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(octets) => buffer.extend_from_slice(&chunk[..octets]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Writes one frame.
pub(crate) fn write(stream: &mut impl Write, apdu: &[u8]) -> io::Result<()> {
    stream.write_all(&encode(apdu)?)?;
    stream.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_of_single_octets() {
        let apdus = [vec![], vec![1], vec![2; FRAME_OCTETS_MAX]];
        let mut buffer = Vec::new();
        let mut decoded = Vec::new();
        for octet in apdus.iter().flat_map(|apdu| encode(apdu).unwrap()) {
            buffer.push(octet);
            decoded.extend(decode(&mut buffer).unwrap());
        }
        assert_eq!(decoded, apdus);
        assert!(buffer.is_empty());
    }

    #[test]
    fn a_frame_longer_than_any_apdu_is_refused() {
        let length = (FRAME_OCTETS_MAX as u16 + 1).to_be_bytes();
        assert!(decode(&mut length.to_vec()).is_err());
        assert!(encode(&[0; FRAME_OCTETS_MAX + 1]).is_err());
    }

    #[test]
    fn an_end_inside_a_frame_is_an_error() {
        let mut half = &[0u8, 5, 1][..];
        let error = read(&mut half, &mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert!(read(&mut &[][..], &mut Vec::new()).unwrap().is_none());
    }
}
