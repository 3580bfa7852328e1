//! Framing, pipelining and ends of plain TCP.

use std::net::Shutdown;

use rustix::net::sockopt::set_socket_linger;

use super::*;

#[test]
fn two_messages_in_one_segment_are_both_answered() {
    let server = start(Limits::default());
    let mut client = server.tcp();
    let both = [framed(&query(1, ECHO)), framed(&query(2, ECHO))].concat();
    client.write_all(&both).unwrap();
    assert_eq!(id_of(&read_message(&mut client)), 1);
    assert_eq!(id_of(&read_message(&mut client)), 2);
    let figures = server.figures();
    assert_eq!((figures.queries, figures.open), (2, 1));
}

#[test]
fn a_message_in_segments_of_one_octet_is_answered() {
    let server = start(Limits::default());
    let mut client = server.tcp();
    for octet in framed(&query(7, ECHO)) {
        client.write_all(&[octet]).unwrap();
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(id_of(&read_message(&mut client)), 7);
    ask(&mut client, 8);
}

#[test]
fn a_message_shorter_than_a_header_closes_after_the_answers_before_it() {
    for length in [0_u8, 1, 11] {
        let server = start(Limits::default());
        let mut client = server.tcp();
        let mut octets = framed(&query(1, ECHO));
        octets.extend([0, length]);
        client.write_all(&octets).unwrap();
        assert_eq!(id_of(&read_message(&mut client)), 1);
        assert!(is_closed(&mut client));
        server.eventually("closed", |figures| figures.closed_malformed == 1);
        assert_eq!(server.figures().open, 0);
    }
}

#[test]
fn junk_of_65535_octets_is_one_message() {
    let server = start(Limits::default());
    let mut client = server.tcp();
    let junk: Vec<u8> = (0..65_535_u32).map(|at| (at % 251) as u8 | 1).collect();
    client.write_all(&framed(&junk)).unwrap();
    assert_eq!(read_message(&mut client).len(), 65_535);
    ask(&mut client, 2);
    assert_eq!(server.figures().queries, 2);
}

#[test]
fn a_message_that_does_not_end_is_given_up() {
    let server = start(quick());
    let mut client = server.tcp();
    client.write_all(&[0xFF, 0xFF, 1, 2, 3]).unwrap();
    let start = Instant::now();
    assert!(is_closed(&mut client));
    assert!(start.elapsed() < Duration::from_secs(2));
    server.eventually("closed", |figures| figures.closed_slow == 1);
}

/// Octets that come in time do not help: the whole message has to.
#[test]
fn a_message_that_drips_is_given_up() {
    let server = start(quick());
    let mut client = server.tcp();
    let start = Instant::now();
    client.write_all(&[1, 0]).unwrap();
    while client.write_all(&[1]).is_ok() {
        std::thread::sleep(Duration::from_millis(50));
        assert!(start.elapsed() < Duration::from_secs(3));
    }
    server.eventually("closed", |figures| figures.closed_slow == 1);
}

#[test]
fn ten_thousand_queries_without_reading_are_all_answered_once_read() {
    let server = start(Limits {
        stalled: Duration::from_secs(10),
        ..Limits::default()
    });
    let mut client = server.tcp();
    let mut writer = client.try_clone().unwrap();
    let thread = std::thread::spawn(move || {
        for id in 0..10_000_u16 {
            writer.write_all(&framed(&query(id, LONG))).unwrap();
        }
    });
    // 14 MB of answers: far more than kernel and backlog take.
    std::thread::sleep(Duration::from_millis(500));
    assert!(server.figures().queries < 9_000, "reading stops");
    for id in 0..10_000_u16 {
        let message = read_message(&mut client);
        assert_eq!((id_of(&message), message.len()), (id, 1400));
    }
    thread.join().unwrap();
    let figures = server.figures();
    assert_eq!((figures.queries, figures.responses), (10_000, 10_000));
}

#[test]
fn a_peer_that_does_not_read_is_given_up() {
    let server = start(quick());
    let mut client = server.tcp();
    let start = Instant::now();
    client
        .set_write_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    let many = framed(&query(1, LONG)).repeat(1000);
    while start.elapsed() < Duration::from_secs(8) && server.figures().closed_stalled == 0 {
        let _ = client.write(&many);
    }
    server.eventually("closed", |figures| figures.closed_stalled == 1);
    assert_eq!(server.figures().open, 0);
}

/// Progress is what counts, not the end of the backlog.
#[test]
fn a_peer_that_reads_slowly_is_not_given_up() {
    // It reads for more than twice as long.
    let server = start(Limits {
        stalled: Duration::from_millis(1200),
        ..quick()
    });
    let mut client = server.tcp();
    let mut writer = client.try_clone().unwrap();
    let thread = std::thread::spawn(move || {
        for id in 0..1500_u16 {
            writer.write_all(&framed(&query(id, LONG))).unwrap();
        }
    });
    for id in 0..1500_u16 {
        assert_eq!(id_of(&read_message(&mut client)), id);
        if id % 50 == 0 {
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    thread.join().unwrap();
    assert_eq!(server.figures().closed_stalled, 0);
}

#[test]
fn a_half_closed_connection_gets_its_answers_and_is_closed() {
    let server = start(Limits::default());
    let mut client = server.tcp();
    client
        .write_all(&framed(&query(1, ECHO)).repeat(600))
        .unwrap();
    client.write_all(&[0, 30, 1]).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    for _ in 0..600 {
        assert_eq!(id_of(&read_message(&mut client)), 1);
    }
    let mut rest = Vec::new();
    assert_eq!(client.read_to_end(&mut rest).unwrap(), 0);
    server.eventually("closed", |figures| figures.open == 0);
}

#[test]
fn a_reset_in_the_middle_hurts_nobody_else() {
    let server = start(Limits::default());
    let mut other = server.tcp();
    for _ in 0..20 {
        let mut client = server.tcp();
        client
            .write_all(&framed(&query(1, LONG)).repeat(200))
            .unwrap();
        client.write_all(&[0, 30, 1]).unwrap();
        set_socket_linger(&client, Some(Duration::ZERO)).unwrap();
        drop(client);
        ask(&mut other, 5);
    }
    server.eventually("all but one gone", |figures| figures.open == 1);
}

/// What a connection waits for and holds is given back with it.
#[test]
fn connections_that_end_while_they_wait_leave_room_for_others() {
    let server = start(Limits {
        waiting_queries_of_thread: 4,
        held_octets: 50_000,
        patience: Duration::from_secs(60),
        ..Limits::default()
    });
    for round in 1..=20 {
        let mut client = server.tcp();
        let octets = [
            framed(&query(1, WAIT)),
            framed(&[1; 20_000])[..9000].to_vec(),
        ]
        .concat();
        client.write_all(&octets).unwrap();
        server.eventually("it waits", |figures| figures.waits == round);
        set_socket_linger(&client, Some(Duration::ZERO)).unwrap();
        drop(client);
        server.eventually("gone", |figures| figures.open == 0);
    }
    let figures = server.figures();
    assert_eq!((figures.waits_refused, figures.closed_slow), (0, 0));
}

#[test]
fn a_query_without_response_gets_none_and_the_next_one_does() {
    let server = start(Limits::default());
    let mut client = server.tcp();
    client.write_all(&framed(&query(1, DROP))).unwrap();
    ask(&mut client, 2);
}

/// A fault in answering costs the connection that met it, and answers nobody else with its octets.
#[test]
fn a_panic_ends_its_connection_only() {
    let server = start(Limits::default());
    let (mut client, mut other) = (server.tcp(), server.tcp());
    let octets = [framed(&query(1, LONG)).repeat(40), framed(&query(2, PANIC))].concat();
    client.write_all(&octets).unwrap();
    assert!(is_closed(&mut client));
    ask(&mut other, 3);
    assert_eq!(server.figures().faults, 1);
}

#[test]
fn an_idle_connection_is_closed_and_one_that_asks_is_not() {
    let server = start(Limits {
        idle: Duration::from_millis(400),
        ..Limits::default()
    });
    let (mut idle, mut busy) = (server.tcp(), server.tcp());
    let start = Instant::now();
    for id in 0..10 {
        ask(&mut busy, id);
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(is_closed(&mut idle));
    ask(&mut busy, 11);
    assert!(start.elapsed() > Duration::from_millis(400));
    let figures = server.figures();
    assert_eq!((figures.closed_idle, figures.open), (1, 1));
}

#[test]
fn shutdown_closes_connections_of_every_kind_within_a_second() {
    let server = start(Limits::default());
    let mut idle = server.tcp();
    ask(&mut idle, 1);
    let mut encrypted = server.dot();
    ask(&mut encrypted, 1);
    let mut begun = server.tcp();
    begun.write_all(&[1, 0, 1]).unwrap();
    let half_handshake = connect(server.dot_address());
    let mut unread = server.tcp();
    unread
        .write_all(&framed(&query(1, LONG)).repeat(800))
        .unwrap();
    let mut waits = server.tcp();
    waits.write_all(&framed(&query(9, WAIT))).unwrap();
    server.eventually("a wait", |figures| figures.waits == 1);
    let addresses = [server.tcp_address(), server.dot_address()];
    let start = Instant::now();
    server.streams.stop();
    assert!(start.elapsed() < Duration::from_secs(1));
    for mut socket in [idle, begun, half_handshake, unread] {
        assert!(is_closed(&mut socket));
    }
    let answer = read_message(&mut waits);
    assert_eq!((id_of(&answer), answer[3]), (9, 2), "SERVFAIL");
    let mut rest = Vec::new();
    assert_eq!(encrypted.read_to_end(&mut rest).unwrap(), 0, "close_notify");
    assert_eq!(server.watch.seen(), None);
    for address in addresses {
        assert!(TcpStream::connect(address).is_err());
    }
}
