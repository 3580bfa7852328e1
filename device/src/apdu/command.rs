//! Command APDUs, short form (ISO/IEC 7816-4 §5.1, cases 1 to 4).
//!
//! Parsing tolerates what deployed IoT SAFE clients send: one stray octet between data and Le,
//! and Lc = 0 before Le. Extended lengths are refused.

use thiserror::Error;

/// Octets of the header CLA INS P1 P2.
const HEADER_OCTETS: usize = 4;
/// Longest data field of a short command.
pub const COMMAND_DATA_OCTETS_MAX: usize = 255;
/// Longest command that is accepted: header, Lc, data, one stray octet, Le.
pub const COMMAND_OCTETS_MAX: usize = HEADER_OCTETS + 1 + COMMAND_DATA_OCTETS_MAX + 2;
/// Longest response: 256 octets of data and the status word.
pub const RESPONSE_OCTETS_MAX: usize = 256 + 2;

/// One command, with its data field borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command<'a> {
    /// CLA: class and logical channel.
    pub class: u8,
    /// INS.
    pub instruction: u8,
    /// P1.
    pub p1: u8,
    /// P2.
    pub p2: u8,
    /// Data field, at most 255 octets.
    pub data: &'a [u8],
    /// Ne, the number of octets that the client is ready to take: 1 to 256, or none.
    pub expected_octets: Option<u16>,
}

/// Why octets are not a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CommandError {
    /// Shorter than the header or than Lc says, longer than Le allows, or extended form.
    #[error("the length of the command does not fit its Lc and Le")]
    Length,
}

impl<'a> Command<'a> {
    /// Parses the octets of a command.
    ///
    /// # Errors
    /// [`CommandError::Length`]; no other field is judged here.
    pub fn parse(octets: &'a [u8]) -> Result<Self, CommandError> {
        let (header, body) = octets
            .split_at_checked(HEADER_OCTETS)
            .ok_or(CommandError::Length)?;
        let (data, expected_octets) = parse_body(body)?;
        Ok(Self {
            class: header[0],
            instruction: header[1],
            p1: header[2],
            p2: header[3],
            data,
            expected_octets,
        })
    }

    /// The command as octets.
    ///
    /// # Errors
    /// [`CommandError::Length`] when the data field is longer than 255 octets or more than 256 are
    /// expected.
    pub fn to_octets(&self) -> Result<Vec<u8>, CommandError> {
        let mut octets = vec![self.class, self.instruction, self.p1, self.p2];
        if !self.data.is_empty() {
            octets.push(u8::try_from(self.data.len()).map_err(|_| CommandError::Length)?);
            octets.extend_from_slice(self.data);
        }
        match self.expected_octets {
            None => {}
            Some(256) => octets.push(0),
            Some(expected) => {
                octets.push(u8::try_from(expected).map_err(|_| CommandError::Length)?);
            }
        }
        Ok(octets)
    }
}

/// Lc, data and Le.
fn parse_body(body: &[u8]) -> Result<(&[u8], Option<u16>), CommandError> {
    match *body {
        [] => return Ok((&[], None)),
        [le] => return Ok((&[], Some(expected(le)))),
        [0, le] => return Ok((&[], Some(expected(le)))),
        _ => {}
    }
    let (lc, rest) = body.split_first().ok_or(CommandError::Length)?;
    if *lc == 0 {
        return Err(CommandError::Length); // extended length
    }
    let (data, trailer) = rest
        .split_at_checked(usize::from(*lc))
        .ok_or(CommandError::Length)?;
    match *trailer {
        [] => Ok((data, None)),
        [le] | [_, le] => Ok((data, Some(expected(le)))),
        _ => Err(CommandError::Length),
    }
}

/// Le = 0 stands for 256.
fn expected(le: u8) -> u16 {
    if le == 0 { 256 } else { u16::from(le) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(octets: &[u8]) -> Result<(Vec<u8>, Option<u16>), CommandError> {
        let mut apdu = vec![0, 0x84, 0, 0];
        apdu.extend_from_slice(octets);
        Command::parse(&apdu).map(|command| (command.data.to_vec(), command.expected_octets))
    }

    #[test]
    fn the_four_cases_are_told_apart() {
        assert_eq!(body(&[]), Ok((vec![], None)));
        assert_eq!(body(&[0]), Ok((vec![], Some(256))));
        assert_eq!(body(&[2, 0xAA, 0xBB]), Ok((vec![0xAA, 0xBB], None)));
        assert_eq!(body(&[1, 0xAA, 7]), Ok((vec![0xAA], Some(7))));
    }

    #[test]
    fn a_stray_octet_before_le_is_tolerated() {
        assert_eq!(body(&[1, 0xAA, 0x10, 0]), Ok((vec![0xAA], Some(256))));
        assert_eq!(body(&[0, 5]), Ok((vec![], Some(5))));
    }

    #[test]
    fn other_lengths_are_refused() {
        assert_eq!(body(&[2, 0xAA]), Err(CommandError::Length));
        assert_eq!(body(&[1, 0xAA, 0, 0, 0]), Err(CommandError::Length));
        assert_eq!(body(&[0, 0, 5]), Err(CommandError::Length));
        assert_eq!(Command::parse(&[0, 0x84, 0]), Err(CommandError::Length));
    }

    #[test]
    fn composed_commands_parse_to_themselves() {
        let data = [7; 255];
        for expected_octets in [None, Some(1), Some(256)] {
            for length in [0, 1, 255] {
                let command = Command {
                    class: 0x81,
                    instruction: 0x2B,
                    p1: 1,
                    p2: 2,
                    data: &data[..length],
                    expected_octets,
                };
                let octets = command.to_octets().unwrap();
                assert!(octets.len() <= COMMAND_OCTETS_MAX);
                assert_eq!(Command::parse(&octets), Ok(command));
            }
        }
    }
}
