//! Frames on the connection (RFC 5734 §4): four octets with the length of the whole, themselves
//! included, in network order; then one XML document.
//!
//! Limits: [`FRAME_OCTETS_MAX`] for what clients send, [`ANSWER_OCTETS_MAX`] for what they read. What a length announces is never allocated before it has arrived.

use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

/// Octets of the length.
pub const HEADER_OCTETS: usize = 4;
/// Longest document in a frame, in octets: a thousand ids to check, or four certificate requests of
/// the longest kind.
pub const FRAME_OCTETS_MAX: usize = 64 * 1024;
/// Longest document that a client reads, in octets: one of us can have any number of slots in it.
pub const ANSWER_OCTETS_MAX: usize = 16 * 1024 * 1024;

/// The octets cannot be taken apart any more: where the next frame begins is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FramingError {
    /// A length that leaves no octet for a document.
    #[error(
        "a frame has a document behind the {HEADER_OCTETS} octets of its length, here it says {length}"
    )]
    Empty {
        /// The length as received.
        length: u32,
    },
    /// A length beyond the limit.
    #[error("a frame has at most {octets_max} octets of XML, here it says {length}")]
    TooLong {
        /// The length as received.
        length: u32,
        /// Most octets of a document.
        octets_max: usize,
    },
}

/// Takes a stream of octets apart into documents.
///
/// Holds what has arrived of the frames that were not taken yet. Who feeds it stops reading while
/// [`is_full`](Self::is_full), so that no more than two frames are ever held. Octets are wiped as
/// they are taken: there may be passwords among them.
pub struct FrameDecoder {
    octets: Zeroizing<Vec<u8>>,
    /// Most octets of a document.
    octets_max: usize,
    /// Octets at the front that were taken already.
    taken: usize,
}

impl Default for FrameDecoder {
    fn default() -> Self {
        Self::new()
    }
}

impl FrameDecoder {
    /// A decoder at the begin of what a client sends.
    pub fn new() -> Self {
        Self::within(FRAME_OCTETS_MAX)
    }

    /// A decoder at the begin of what a client reads.
    pub fn of_answers() -> Self {
        Self::within(ANSWER_OCTETS_MAX)
    }

    fn within(octets_max: usize) -> Self {
        Self {
            octets: Zeroizing::default(),
            octets_max,
            taken: 0,
        }
    }

    /// Adds octets as they arrive.
    pub fn push(&mut self, octets: &[u8]) {
        self.compact();
        let needed = self.octets.len() + octets.len();
        if needed > self.octets.capacity() {
            // Growing in place would leave the old octets behind in freed memory.
            let mut larger = Zeroizing::new(Vec::with_capacity(needed.next_power_of_two()));
            larger.extend_from_slice(&self.octets);
            self.octets = larger;
        }
        self.octets.extend_from_slice(octets);
    }

    /// The next document, when all of it is there.
    ///
    /// # Errors
    /// A length outside 5 to the limit and 4; the same error again at every further call.
    pub fn next_document(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, FramingError> {
        let waiting = &self.octets[self.taken..];
        let Some((header, rest)) = waiting.split_first_chunk::<HEADER_OCTETS>() else {
            return Ok(None);
        };
        let document_octets = document_octets(u32::from_be_bytes(*header), self.octets_max)?;
        let Some(document) = rest.get(..document_octets) else {
            return Ok(None);
        };
        let document = Zeroizing::new(document.to_vec());
        self.taken += HEADER_OCTETS + document_octets;
        self.compact();
        Ok(Some(document))
    }

    /// Whether a frame has begun and not been taken.
    pub fn has_begun(&self) -> bool {
        self.octets.len() > self.taken
    }

    /// Whether there is enough for a whole frame of the longest kind: nothing more should be read.
    pub fn is_full(&self) -> bool {
        self.octets.len() - self.taken >= HEADER_OCTETS + self.octets_max
    }

    fn compact(&mut self) {
        if self.taken == 0 {
            return;
        }
        let left = self.octets.len() - self.taken;
        self.octets.copy_within(self.taken.., 0);
        self.octets[left..].zeroize();
        self.octets.truncate(left);
        self.taken = 0;
    }
}

fn document_octets(length: u32, octets_max: usize) -> Result<usize, FramingError> {
    let too_long = FramingError::TooLong { length, octets_max };
    let octets = usize::try_from(length).map_err(|_| too_long)?;
    match octets.checked_sub(HEADER_OCTETS) {
        None | Some(0) => Err(FramingError::Empty { length }),
        Some(octets) if octets > octets_max => Err(too_long),
        Some(octets) => Ok(octets),
    }
}

/// A frame around a document of our own.
pub fn encode_frame(document: &str) -> Vec<u8> {
    let length = u32::try_from(HEADER_OCTETS + document.len());
    let length = length.expect("what we write is bounded by what is stored, far below 4 GiB");
    let mut frame = Vec::with_capacity(HEADER_OCTETS + document.len());
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(document.as_bytes());
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    fn documents(octets: &[u8], piece: usize) -> Vec<Vec<u8>> {
        let mut decoder = FrameDecoder::new();
        let mut found = Vec::new();
        for piece in octets.chunks(piece) {
            decoder.push(piece);
            while let Some(document) = decoder.next_document().unwrap() {
                found.push(document.to_vec());
            }
        }
        assert!(!decoder.has_begun());
        found
    }

    #[test]
    fn split_and_glued_frames_come_out_whole() {
        let mut stream = encode_frame("<a/>");
        stream.extend(encode_frame("<bb/>"));
        stream.extend(encode_frame(&"x".repeat(FRAME_OCTETS_MAX)));
        for piece in [1, 2, 3, 5, 7, 4096, stream.len()] {
            let found = documents(&stream, piece);
            assert_eq!(found[0], b"<a/>");
            assert_eq!(found[1], b"<bb/>");
            assert_eq!(found[2].len(), FRAME_OCTETS_MAX);
            assert_eq!(found.len(), 3);
        }
    }

    #[test]
    fn length_without_room_for_a_document_is_refused() {
        for length in 0..=4_u32 {
            let mut decoder = FrameDecoder::new();
            decoder.push(&length.to_be_bytes());
            let refused = Err(FramingError::Empty { length });
            assert_eq!(decoder.next_document().map(|_| ()), refused);
            assert_eq!(decoder.next_document().map(|_| ()), refused);
        }
        let mut decoder = FrameDecoder::new();
        decoder.push(&[0, 0, 0, 5, b'x']);
        assert_eq!(&**decoder.next_document().unwrap().unwrap(), b"x");
    }

    #[test]
    fn too_long_a_frame_is_refused_by_its_length_alone() {
        for length in [FRAME_OCTETS_MAX as u32 + 5, 0x7fff_ffff, 0xffff_ffff] {
            let mut decoder = FrameDecoder::new();
            decoder.push(&length.to_be_bytes());
            let refused = decoder.next_document().map(|_| ());
            let octets_max = FRAME_OCTETS_MAX;
            let too_long = FramingError::TooLong { length, octets_max };
            assert_eq!(refused, Err(too_long));
            assert!(decoder.octets.capacity() < 64);
        }
    }

    #[test]
    fn taken_octets_are_wiped() {
        let mut decoder = FrameDecoder::new();
        decoder.push(&encode_frame("a-secret-password"));
        let start = decoder.octets.as_ptr();
        assert!(decoder.next_document().unwrap().is_some());
        assert_eq!(decoder.octets.len(), 0);
        // The allocation is the same one, and nothing of the secret is left in front.
        decoder.push(b"\0");
        assert_eq!(decoder.octets.as_ptr(), start);
        assert!(!decoder.is_full());
    }
}
