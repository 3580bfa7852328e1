//! Peers who do not read, and what the kernel keeps for them.

use rustix::net::sockopt::set_socket_recv_buffer_size;
use rustix::net::{AddressFamily, SocketType, socket};

use super::*;

/// A client with next to no room for answers, who asks for so many of 1,400 octets and reads none.
fn deaf(server: &Server, queries: usize) -> TcpStream {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    set_socket_recv_buffer_size(&socket, 4096).unwrap();
    rustix::net::connect(&socket, &server.tcp_address()).unwrap();
    let mut socket = TcpStream::from(socket);
    let patience = Some(Duration::from_secs(20));
    socket.set_read_timeout(patience).unwrap();
    socket.set_write_timeout(patience).unwrap();
    let queries = framed(&query(1, LONG)).repeat(queries);
    socket.write_all(&queries).unwrap();
    socket
}

/// Whether the kernel keeps the server's side of a connection, whoever holds a descriptor.
fn is_kept(server: SocketAddr, client: SocketAddr) -> bool {
    let ends = [server, client].map(|end| format!(":{:04X}", end.port()));
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    table.lines().any(|line| {
        let mut addresses = line.split_whitespace().skip(1);
        let both = [addresses.next(), addresses.next()];
        let mut both = both.into_iter().zip(&ends);
        both.all(|(address, end)| address.is_some_and(|address| address.ends_with(end)))
    })
}

/// Answers that fit into the kernel's buffer leave the connection idle for us. After it is closed,
/// the kernel would offer them for minutes.
#[test]
fn answers_that_nobody_reads_are_given_up_after_the_end() {
    let server = start(Limits {
        idle: Duration::from_millis(300),
        stalled: Duration::from_millis(700),
        ..Limits::default()
    });
    let clients: Vec<_> = (0..4).map(|_| deaf(&server, 40)).collect();
    server.eventually("idle", |figures| figures.closed_idle == 4);
    let closed = Instant::now();
    for client in &clients {
        let address = client.local_addr().unwrap();
        while is_kept(server.tcp_address(), address) {
            assert!(closed.elapsed() < Duration::from_secs(15));
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

#[test]
fn what_a_peer_did_not_read_in_time_is_forgotten_at_once() {
    let server = start(quick());
    let mut client = deaf(&server, 600);
    let address = client.local_addr().unwrap();
    assert!(is_kept(server.tcp_address(), address));
    server.eventually("stalled", |figures| figures.closed_stalled == 1);
    assert!(!is_kept(server.tcp_address(), address));
    let error = client.read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

/// One octet, or one queue of answers, must not be worth a place that others need.
#[test]
fn peers_who_let_us_wait_make_room_when_nobody_is_idle() {
    let server = start(Limits {
        connections: 2,
        lag: Duration::from_millis(200),
        ..Limits::default()
    });
    let mut begun = server.tcp();
    begun.write_all(&[0]).unwrap();
    server.eventually("begun", |figures| figures.open == 1);
    std::thread::sleep(Duration::from_millis(200));
    let mut deaf = deaf(&server, 600);
    std::thread::sleep(Duration::from_millis(400));
    let mut first = server.tcp();
    ask(&mut first, 1);
    assert!(is_closed(&mut begun));
    first.write_all(&[0]).unwrap();
    // It is idle until that is seen.
    std::thread::sleep(Duration::from_millis(200));
    let mut second = server.tcp();
    ask(&mut second, 2);
    assert!(is_closed(&mut deaf));
    let figures = server.figures();
    let ended = figures.closed_slow + figures.closed_stalled + figures.refused;
    assert_eq!((figures.evicted, figures.open, ended), (2, 2, 0));
    // The first one goes on where it was.
    first.write_all(&framed(&query(3, ECHO))[1..]).unwrap();
    assert_eq!(id_of(&read_message(&mut first)), 3);
}
