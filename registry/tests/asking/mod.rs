//! One query over UDP, and what the answer says of a device.

#![allow(unreachable_pub)] // every test uses its part

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

const TYPE_TLSA: [u8; 2] = [0, 52];

/// What a server says of a device's first slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// There is a TLSA record.
    Active,
    /// There is none.
    NotActive,
    /// SERVFAIL.
    Failure,
}

/// Asks a server for the TLSA record of a device's first slot.
pub fn ask(dns: SocketAddr, id: &str) -> Said {
    let mut query = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in ["1", id, "iotregistry", "example", ""] {
        query.push(label.len() as u8);
        query.extend_from_slice(label.as_bytes());
    }
    query.extend_from_slice(&TYPE_TLSA);
    query.extend_from_slice(&[0, 1]);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let patience = Some(Duration::from_secs(5));
    socket.set_read_timeout(patience).unwrap();
    socket.send_to(&query, dns).unwrap();
    let mut answer = [0; 512];
    let octets = socket.recv(&mut answer).unwrap();
    assert!(octets >= 12 && answer[..2] == [0, 7]);
    match (answer[3] & 0x0f, answer[7]) {
        (2, _) => Said::Failure,
        (_, 1) => Said::Active,
        _ => Said::NotActive,
    }
}
