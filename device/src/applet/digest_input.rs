//! What is signed or verified, piece by piece: a full text to be hashed here (mode 1), or a digest
//! computed outside (mode 3). Mode 2, "last block", is refused: no known client sends it.
//!
//! IoT.05 does not say how the length of a full text (tag 9B) is written, and clients differ: BER,
//! three octets always, or one octet always. The form that makes the data field come out even is
//! taken. A text longer than a command goes on in the next UPDATE, either as bare octets until the
//! announced length is reached, or in a 9B of its own.

use ring::digest::{Context, SHA256};

use super::command_data::take_value;
use super::sign::{ECDSA, SHA_256};
use crate::apdu::{StatusWord, Tlv, tag};

/// Octets of a SHA-256 digest.
const DIGEST_OCTETS: usize = 32;
/// Mode "full text".
const FULL_TEXT_MODE: u8 = 1;
/// Mode "pad and sign".
const DIGEST_MODE: u8 = 3;

/// What was said so far.
pub(crate) enum DigestInput {
    /// Mode 1.
    FullText {
        /// Hash of what has come.
        context: Box<Context>,
        /// Octets announced by the last 9B that have not come.
        missing_octets: usize,
    },
    /// Mode 3.
    Digest,
}

/// One UPDATE, digested.
pub(crate) enum Progress<'a> {
    /// More must come.
    More(DigestInput),
    /// The digest, and what followed the text in the data field.
    Digest([u8; DIGEST_OCTETS], &'a [u8]),
}

/// One way to read the header of a 9B: its octets, and the length of the text.
#[derive(Clone, Copy)]
struct Header {
    octets: usize,
    text_octets: usize,
}

impl DigestInput {
    /// Reads and removes mode, hash and algorithm from the objects of an INIT.
    pub(crate) fn take(objects: &mut Vec<Tlv<'_>>) -> Result<Self, StatusWord> {
        let mode = take_value(objects, tag::SIGNATURE_MODE);
        let hash = take_value(objects, tag::HASH);
        let algorithm = take_value(objects, tag::SIGNATURE_ALGORITHM);
        if hash != Some(&SHA_256) || algorithm != Some(&[ECDSA]) {
            return Err(StatusWord::INCORRECT_DATA);
        }
        match mode {
            Some([FULL_TEXT_MODE]) => Ok(Self::FullText {
                context: Box::new(Context::new(&SHA256)),
                missing_octets: 0,
            }),
            Some([DIGEST_MODE]) => Ok(Self::Digest),
            _ => Err(StatusWord::INCORRECT_DATA),
        }
    }

    /// Takes in the data field of an UPDATE. In the last one, `trailer_fits` judges what follows
    /// the text; in all others nothing may follow.
    pub(crate) fn update(
        self,
        data: &[u8],
        last: bool,
        trailer_fits: impl Fn(&[u8]) -> bool,
    ) -> Result<Progress<'_>, StatusWord> {
        match self {
            Self::Digest => digest_part(data, last),
            Self::FullText {
                context,
                missing_octets,
            } => full_text_part(context, missing_octets, data, last, trailer_fits),
        }
    }
}

/// Mode 3: the whole digest in the only UPDATE.
fn digest_part(data: &[u8], last: bool) -> Result<Progress<'_>, StatusWord> {
    if !last {
        return Err(StatusWord::INCORRECT_P1_P2);
    }
    match Tlv::take(data) {
        Ok((object, rest)) if object.tag == tag::DIGEST => {
            let digest = object
                .value
                .try_into()
                .map_err(|_| StatusWord::INCORRECT_DATA)?;
            Ok(Progress::Digest(digest, rest))
        }
        _ => Err(StatusWord::INCORRECT_DATA),
    }
}

/// Mode 1: the next octets of the text.
fn full_text_part(
    mut context: Box<Context>,
    missing_octets: usize,
    data: &[u8],
    last: bool,
    trailer_fits: impl Fn(&[u8]) -> bool,
) -> Result<Progress<'_>, StatusWord> {
    let header = if missing_octets > 0 {
        Header {
            octets: 0,
            text_octets: missing_octets,
        }
    } else if last && trailer_fits(data) {
        Header {
            octets: 0,
            text_octets: 0,
        }
    } else {
        full_text_header(data, last, trailer_fits)?
    };
    let text = &data[header.octets..];
    let present = header.text_octets.min(text.len());
    let (text, rest) = text.split_at(present);
    context.update(text);
    let missing_octets = header.text_octets - present;
    if last && missing_octets == 0 {
        let digest = context.finish();
        let digest = digest.as_ref().try_into().expect("SHA-256 makes 32 octets");
        Ok(Progress::Digest(digest, rest))
    } else if last || !rest.is_empty() {
        Err(StatusWord::INCORRECT_DATA)
    } else {
        Ok(Progress::More(DigestInput::FullText {
            context,
            missing_octets,
        }))
    }
}

/// Reads the header of a 9B in the way that fits the data field.
fn full_text_header(
    data: &[u8],
    last: bool,
    trailer_fits: impl Fn(&[u8]) -> bool,
) -> Result<Header, StatusWord> {
    let readings = full_text_readings(data)?;
    let comes_out_even = |header: &&Header| {
        data.get(header.octets + header.text_octets..)
            .is_some_and(|rest| {
                if last {
                    trailer_fits(rest)
                } else {
                    rest.is_empty()
                }
            })
    };
    let even = readings.iter().find(comes_out_even);
    let to_be_continued = || {
        let goes_on = |header: &&Header| header.octets + header.text_octets > data.len();
        readings.iter().find(goes_on).filter(|_| !last)
    };
    even.or_else(to_be_continued)
        .copied()
        .ok_or(StatusWord::INCORRECT_DATA)
}

/// Every way to read the header of a 9B, the likeliest first.
fn full_text_readings(data: &[u8]) -> Result<Vec<Header>, StatusWord> {
    let (first, after) = match *data {
        [tag::FULL_TEXT, first, ref after @ ..] => (first, after),
        _ => return Err(StatusWord::INCORRECT_DATA),
    };
    let number = |octets: usize| {
        after.get(..octets).map(|octets| {
            octets
                .iter()
                .fold(0usize, |number, octet| number << 8 | usize::from(*octet))
        })
    };
    let mut readings = Vec::with_capacity(3);
    let mut add = |octets, text_octets: Option<usize>| {
        if let Some(text_octets) = text_octets {
            readings.push(Header {
                octets,
                text_octets,
            });
        }
    };
    match first {
        0x00 => {
            add(2, Some(0));
            add(4, number(2)); // 00 LL LL: three octets always
        }
        0x01..=0x7F => add(2, Some(usize::from(first))),
        0x81 => add(3, number(1)),
        0x82 => add(4, number(2)),
        0x83 => add(5, number(3)),
        _ => {}
    }
    if first >= 0x80 {
        add(2, Some(usize::from(first))); // one octet always
    }
    Ok(readings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full_text() -> DigestInput {
        DigestInput::FullText {
            context: Box::new(Context::new(&SHA256)),
            missing_octets: 0,
        }
    }

    fn sha_256(text: &[u8]) -> [u8; 32] {
        let digest = ring::digest::digest(&SHA256, text);
        digest.as_ref().try_into().unwrap()
    }

    fn whole(header: &[u8], text: &[u8]) -> Option<[u8; 32]> {
        let data = [header, text].concat();
        match full_text().update(&data, true, <[u8]>::is_empty) {
            Ok(Progress::Digest(digest, _)) => Some(digest),
            _ => None,
        }
    }

    #[test]
    fn every_known_way_to_write_the_length_is_understood() {
        for octets in [0usize, 1, 0x7F, 0x80, 0x81, 0x82, 0x83, 0x90, 250] {
            let text = vec![0x5A; octets];
            let low = octets as u8;
            let wanted = Some(sha_256(&text));
            assert_eq!(whole(&[0x9B, low], &text), wanted, "one octet, {octets}");
            assert_eq!(whole(&[0x9B, 0x81, low], &text), wanted, "81, {octets}");
            assert_eq!(whole(&[0x9B, 0x82, 0, low], &text), wanted, "82, {octets}");
            assert_eq!(whole(&[0x9B, 0x83, 0, 0, low], &text), wanted, "83");
            assert_eq!(whole(&[0x9B, 0, 0, low], &text), wanted, "00 00, {octets}");
        }
    }

    #[test]
    fn a_text_that_does_not_come_out_even_is_refused() {
        assert_eq!(whole(&[0x9B, 5], &[1; 4]), None);
        assert_eq!(whole(&[0x9B, 5], &[1; 6]), None);
        assert_eq!(whole(&[0x9E, 5], &[1; 5]), None);
        assert_eq!(whole(&[0x9B], &[]), None);
    }

    #[test]
    fn a_long_text_goes_on_in_the_next_update() {
        let text = [7; 600];
        let first = [&[0x9B, 0x82, 0x02, 0x58][..], &text[..240]].concat();
        let Ok(Progress::More(input)) = full_text().update(&first, false, <[u8]>::is_empty) else {
            panic!("more is expected");
        };
        let Ok(Progress::More(input)) = input.update(&text[240..480], false, <[u8]>::is_empty)
        else {
            panic!("more is expected");
        };
        match input.update(&text[480..], true, <[u8]>::is_empty) {
            Ok(Progress::Digest(digest, [])) => assert_eq!(digest, sha_256(&text)),
            _ => panic!("a digest is expected"),
        };
    }

    #[test]
    fn pieces_may_each_have_a_header() {
        let first = [0x9B, 2, 1, 2];
        let Ok(Progress::More(input)) = full_text().update(&first, false, <[u8]>::is_empty) else {
            panic!("more is expected");
        };
        match input.update(&[0x9B, 1, 3], true, <[u8]>::is_empty) {
            Ok(Progress::Digest(digest, [])) => assert_eq!(digest, sha_256(&[1, 2, 3])),
            _ => panic!("a digest is expected"),
        };
    }

    #[test]
    fn a_digest_comes_whole_and_at_once() {
        let data = [&[0x9E, 0x20][..], &[3; 32]].concat();
        assert!(matches!(
            DigestInput::Digest.update(&data, true, <[u8]>::is_empty),
            Ok(Progress::Digest(digest, [])) if digest == [3; 32]
        ));
        assert!(matches!(
            DigestInput::Digest.update(&data, false, <[u8]>::is_empty),
            Err(StatusWord::INCORRECT_P1_P2)
        ));
        assert!(matches!(
            DigestInput::Digest.update(&[0x9E, 1, 1], true, <[u8]>::is_empty),
            Err(StatusWord::INCORRECT_DATA)
        ));
    }
}
