//! Settings of `registry.toml`, as they are seen from outside.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

mod harness;

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use harness::Registry;
use iot_dns_zone::Profile;

const OPTION_NSID: [u8; 2] = [0, 3];

/// The answer to a query for the SOA that asks for the server's identifier (RFC 5001 §2.1).
fn identified_answer(dns: SocketAddr) -> Vec<u8> {
    let mut query = vec![0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    for label in ["iotregistry", "example", ""] {
        query.push(label.len() as u8);
        query.extend_from_slice(label.as_bytes());
    }
    query.extend_from_slice(&[0, 6, 0, 1]);
    // OPT: the root, type 41, 1,232 octets, no flags, one option without content.
    query.extend_from_slice(&[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 4]);
    query.extend_from_slice(&OPTION_NSID);
    query.extend_from_slice(&[0, 0]);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let patience = Some(Duration::from_secs(5));
    socket.set_read_timeout(patience).unwrap();
    socket.send_to(&query, dns).unwrap();
    let mut answer = vec![0; 1232];
    let octets = socket.recv(&mut answer).unwrap();
    answer.truncate(octets);
    assert!(octets > query.len() && answer[..2] == [0, 7]);
    assert_eq!((answer[3] & 0x0f, answer[7]), (0, 1), "one SOA record");
    answer
}

#[test]
fn the_server_s_identifier_is_told_once_it_is_configured() {
    let serving = Registry::init(Profile::Standard).serve();
    let option = [&OPTION_NSID[..], &[0, 5], b"dns-1"].concat();
    // Without one, the OPT record is empty and ends the message.
    assert!(identified_answer(serving.dns).ends_with(&[0, 0]));

    let registry = serving.stop();
    let path = registry.dir.join("registry.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let named = text.replace("# nsid = \"dns1\"", "nsid = \"dns-1\"");
    assert_ne!(named, text);
    std::fs::write(&path, &named).unwrap();
    let serving = registry.serve();
    assert!(identified_answer(serving.dns).ends_with(&option));

    let registry = serving.stop();
    std::fs::write(&path, named.replace("\"dns-1\"", "\"\"")).unwrap();
    let said = registry.refused_start();
    assert!(said.contains("nsid has to be"), "{said}");
}
