//! Batches over loopback.

use super::path::{CONTROL_HEADER_OCTETS, aim_back};
use super::*;
use std::net::SocketAddr;

impl ReturnPath {
    /// To nobody, for tests that send nothing.
    pub(in crate::net) fn nowhere() -> Self {
        Self {
            peer: [0; PEER_OCTETS],
            peer_octets: 0,
            control: [0; CONTROL_OCTETS],
            control_octets: 0,
        }
    }
}

fn pair() -> (UdpSocket, UdpSocket) {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.connect(server.local_addr().unwrap()).unwrap();
    (server, client)
}

fn queries(batch: &mut Batch, count: usize) -> Vec<Vec<u8>> {
    let (pairs, _) = batch.split(count);
    pairs.map(|(query, _)| query.to_vec()).collect()
}

#[test]
fn a_batch_takes_at_most_its_places_and_what_is_left_comes_next() {
    let (server, client) = pair();
    let mut batch = Batch::new();
    assert_eq!(batch.receive(&server, Until::Now).unwrap(), 0);
    for number in 0..BATCH + 3 {
        client.send(&[number as u8]).unwrap();
    }
    assert_eq!(batch.receive(&server, Until::One).unwrap(), BATCH);
    let first = queries(&mut batch, BATCH);
    assert_eq!(batch.receive(&server, Until::One).unwrap(), 3);
    let all = [first, queries(&mut batch, 3)].concat().concat();
    assert_eq!(all, (0..BATCH as u8 + 3).collect::<Vec<u8>>());
}

#[test]
fn places_without_an_answer_are_left_out_and_the_others_keep_their_peers() {
    let (server, client) = pair();
    let other = UdpSocket::bind("127.0.0.1:0").unwrap();
    other.connect(server.local_addr().unwrap()).unwrap();
    client.send(b"no answer").unwrap();
    client.send(b"to client").unwrap();
    other.send(b"to other").unwrap();
    let mut batch = Batch::new();
    assert_eq!(batch.receive(&server, Until::One).unwrap(), 3);
    let (pairs, mut outbox) = batch.split(3);
    for (place, (query, answer)) in pairs.enumerate().skip(1) {
        answer[..query.len()].copy_from_slice(query);
        outbox.queue(place, query.len());
    }
    let sent = Sent { sent: 2, failed: 0 };
    assert_eq!(batch.send(&server), sent);
    assert_eq!(batch.send(&server), Sent::default(), "nothing is left");
    let mut octets = [0; 100];
    assert_eq!(client.recv(&mut octets).unwrap(), 9);
    assert_eq!(&octets[..9], b"to client");
    assert_eq!(other.recv(&mut octets).unwrap(), 8);
}

#[test]
fn a_query_that_was_put_back_is_answered_over_its_path() {
    let (server, client) = pair();
    client.send(b"a query").unwrap();
    let mut batch = Batch::new();
    assert_eq!(batch.receive(&server, Until::One).unwrap(), 1);
    let path = batch.split(1).1.return_path(0);
    client.send(&[b'x'; QUERY_OCTETS_MAX + 1]).unwrap();
    assert_eq!(batch.receive(&server, Until::One).unwrap(), 1);
    assert!(batch.is_cut(0));
    assert_eq!(queries(&mut batch, 1), [b""]);
    for place in [0, BATCH - 1] {
        batch.restore(place, b"a query", &path);
        assert!(!batch.is_cut(place));
        let (pairs, mut outbox) = batch.split(place + 1);
        let (query, answer) = pairs.last().unwrap();
        assert_eq!(query, b"a query");
        answer[..2].copy_from_slice(b"ok");
        outbox.queue(place, 2);
        assert_eq!(batch.send(&server).sent, 1);
        assert_eq!(client.recv(&mut [0; 100]).unwrap(), 2);
    }
    client.send(b"the next").unwrap();
    assert_eq!(batch.receive(&server, Until::One).unwrap(), 1);
    assert_eq!(queries(&mut batch, 1), [b"the next"]);
}

#[test]
fn an_answer_that_the_system_refuses_does_not_stop_the_others() {
    let (server, client) = pair();
    client.send(b"a query").unwrap();
    let mut batch = Batch::new();
    assert_eq!(batch.receive(&server, Until::One).unwrap(), 1);
    let path = batch.split(1).1.return_path(0);
    let mut elsewhere = path;
    elsewhere.peer[..2].copy_from_slice(&(libc::AF_INET6 as u16).to_ne_bytes());
    for (place, path) in [path, elsewhere, path].iter().enumerate() {
        batch.restore(place, b"a query", path);
    }
    let (_, mut outbox) = batch.split(3);
    (0..3).for_each(|place| outbox.queue(place, 5));
    assert_eq!(batch.send(&server), Sent { sent: 2, failed: 1 });
}

/// ICMP messages about peers that are gone are told to connected sockets only, which ours are not.
#[test]
fn peers_that_are_gone_cost_the_rest_of_a_batch_nothing() {
    let (server, client) = pair();
    let gone = UdpSocket::bind("127.0.0.1:0").unwrap();
    gone.connect(server.local_addr().unwrap()).unwrap();
    let mut batch = Batch::new();
    gone.send(b"a query").unwrap();
    client.send(b"a query").unwrap();
    assert_eq!(batch.receive(&server, Until::One).unwrap(), 2);
    let outbox = batch.split(2).1;
    let paths = [0, 1].map(|place| outbox.return_path(place));
    drop(gone);
    for _ in 0..3 {
        for place in 0..8 {
            batch.restore(place, b"a query", &paths[place % 2]);
        }
        let (_, mut outbox) = batch.split(8);
        (0..8).for_each(|place| outbox.queue(place, 5));
        assert_eq!(batch.send(&server), Sent { sent: 8, failed: 0 });
    }
    client
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    for _ in 0..12 {
        assert_eq!(client.recv(&mut [0; 100]).unwrap(), 5);
    }
    assert_eq!(batch.receive(&server, Until::Now).unwrap(), 0);
}

#[test]
fn peers_without_a_port_cannot_be_answered() {
    let address = |port: u16| {
        let [high, low] = port.to_be_bytes();
        [2, 0, high, low, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]
    };
    assert!(!has_port(&address(0), 16));
    for port in [1, 53, 256, 65_535] {
        assert!(has_port(&address(port), 16));
    }
    assert!(!has_port(&address(53), 0), "a socket that was shut down");
    let (server, client) = pair();
    client.send(b"a query").unwrap();
    let mut batch = Batch::new();
    assert_eq!(batch.receive(&server, Until::One).unwrap(), 1);
    let mut path = batch.split(1).1.return_path(0);
    path.peer[2..4].fill(0);
    batch.restore(0, b"a query", &path);
    assert_eq!(queries(&mut batch, 1), [b""]);
}

#[test]
fn the_source_of_an_answer_is_the_destination_of_its_query() {
    let control = |level: i32, kind: i32, data: &[u8]| {
        let mut control = vec![0; CONTROL_HEADER_OCTETS - 8];
        control.extend(level.to_ne_bytes());
        control.extend(kind.to_ne_bytes());
        control.extend(data);
        control
    };
    let (v4, v6) = (libc::IPPROTO_IP, libc::IPPROTO_IPV6);
    let data = [3, 0, 0, 0, 127, 0, 0, 2, 127, 0, 0, 2];
    let mut told = control(v4, libc::IP_PKTINFO, &data);
    assert!(aim_back(&mut told));
    let by_any_interface = [0, 0, 0, 0, 127, 0, 0, 2, 127, 0, 0, 2];
    assert_eq!(told, control(v4, libc::IP_PKTINFO, &by_any_interface));
    for (first, interface) in [([0x20, 0x01], 0), ([0xfe, 0x80], 9), ([0xfe, 0xc0], 0)] {
        let mut data = [0; 20];
        data[..2].copy_from_slice(&first);
        data[16] = 9;
        let mut told = control(v6, libc::IPV6_PKTINFO, &data);
        assert!(aim_back(&mut told));
        assert_eq!(told[CONTROL_HEADER_OCTETS + 16], interface, "{first:x?}");
    }
    assert!(!aim_back(&mut control(v4, libc::IP_TTL, &data)));
    assert!(!aim_back(&mut control(v4, libc::IP_PKTINFO, &data[..3])));
    assert!(!aim_back(&mut []));
}

#[test]
fn a_closed_port_of_a_peer_is_no_error_of_the_socket() {
    let (server, client) = pair();
    let gone: SocketAddr = client.local_addr().unwrap();
    drop(client);
    // A connected socket is told about ICMP messages, as the error of its next reception.
    server.connect(gone).unwrap();
    server.send(b"nobody hears").unwrap();
    let mut batch = Batch::new();
    assert_eq!(batch.receive(&server, Until::One).unwrap(), 0);
}
