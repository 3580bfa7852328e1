//! Opening and closing logical channels, and selecting an applet on them.

use super::exchange::exchange;
use super::{CardError, CardTransport, malformed};
use crate::apdu::{Command, instruction};

/// Opens a logical channel, 1 to 3.
pub(super) fn open_channel(transport: &mut dyn CardTransport) -> Result<u8, CardError> {
    let name = "MANAGE CHANNEL (open)";
    let command = Command {
        class: 0,
        instruction: instruction::MANAGE_CHANNEL,
        p1: 0,
        p2: 0,
        data: &[],
        expected_octets: Some(1),
    };
    match *exchange(transport, name, &command)?.0 {
        [channel @ 1..=3] => Ok(channel),
        _ => Err(malformed(name, "it is no channel from 1 to 3")),
    }
}

/// Closes a logical channel.
pub(super) fn close_channel(
    transport: &mut dyn CardTransport,
    channel: u8,
) -> Result<(), CardError> {
    let command = Command {
        class: 0,
        instruction: instruction::MANAGE_CHANNEL,
        p1: 0x80,
        p2: channel,
        data: &[],
        expected_octets: None,
    };
    exchange(transport, "MANAGE CHANNEL (close)", &command).map(|_| ())
}

/// Selects an applet by its whole identifier.
pub(super) fn select(
    transport: &mut dyn CardTransport,
    channel: u8,
    aid: &[u8],
) -> Result<(), CardError> {
    let command = Command {
        class: channel,
        instruction: instruction::SELECT,
        p1: 0x04,
        p2: 0x00,
        data: aid,
        expected_octets: None,
    };
    exchange(transport, "SELECT", &command).map(|_| ())
}
