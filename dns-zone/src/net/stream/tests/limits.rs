//! Who comes in, and who is closed for it: by exact counts.

use super::*;
use crate::net::ServeError;

fn few(connections: usize, connections_per_address: usize) -> Limits {
    Limits {
        connections,
        connections_per_address,
        ..Limits::default()
    }
}

/// A connection from another address of the loopback network.
fn from(last: u8, to: SocketAddr) -> TcpStream {
    use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&socket, &SocketAddr::from(([127, 0, 0, last], 0))).unwrap();
    connect(&socket, &to).unwrap();
    let socket = TcpStream::from(socket);
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    socket
}

#[test]
fn a_client_with_all_it_may_have_loses_its_oldest_idle_connection() {
    let server = start(few(100, 4));
    let mut stranger = from(9, server.tcp_address());
    ask(&mut stranger, 9);
    let mut clients: Vec<_> = (0..4).map(|_| server.tcp()).collect();
    for (id, client) in (0..).zip(&mut clients) {
        ask(client, id);
    }
    // The first one is used again: the second is now the oldest.
    ask(&mut clients[0], 5);
    let mut new = server.tcp();
    ask(&mut new, 6);
    assert!(is_closed(&mut clients[1]));
    for client in [0, 2, 3] {
        ask(&mut clients[client], 7);
    }
    ask(&mut stranger, 8);
    let figures = server.figures();
    assert_eq!((figures.evicted, figures.refused, figures.open), (1, 0, 5));
}

#[test]
fn when_all_are_taken_the_oldest_idle_one_of_anybody_goes() {
    let server = start(few(3, 100));
    let mut clients: Vec<_> = (1..4)
        .map(|last| from(last, server.tcp_address()))
        .collect();
    for client in &mut clients {
        ask(client, 1);
    }
    let mut new = from(8, server.tcp_address());
    ask(&mut new, 2);
    assert!(is_closed(&mut clients[0]));
    ask(&mut clients[1], 3);
    let figures = server.figures();
    assert_eq!((figures.evicted, figures.open), (1, 3));
}

/// The only place is taken by an idle connection, of whichever thread: the kernel chooses by ports, so
/// that about half of so many newcomers are another thread's.
#[test]
fn an_idle_connection_of_another_thread_goes_for_a_new_one() {
    for limits in [few(1, 100), few(100, 1)] {
        let server = start_on(2, limits, responder);
        let mut idle = server.tcp();
        ask(&mut idle, 1);
        for id in 2..32 {
            let mut new = server.tcp();
            ask(&mut new, id);
            assert!(is_closed(&mut idle), "connection {id}");
            idle = new;
        }
        let figures = server.figures();
        assert_eq!((figures.evicted, figures.refused, figures.open), (30, 0, 1));
    }
}

#[test]
fn where_no_thread_has_an_idle_connection_new_ones_are_refused_at_once() {
    for limits in [few(1, 100), few(100, 1)] {
        let limits = Limits {
            lag: Duration::from_secs(20),
            message: Duration::from_secs(20),
            ..limits
        };
        let server = start_on(2, limits, responder);
        let mut busy = server.tcp();
        ask(&mut busy, 1);
        let message = framed(&query(2, ECHO));
        busy.write_all(&message[..5]).unwrap();
        std::thread::sleep(Duration::from_millis(100));
        let begin = Instant::now();
        for _ in 0..20 {
            assert!(is_closed(&mut server.tcp()));
        }
        assert!(begin.elapsed() < Duration::from_secs(5));
        server.eventually("all refused", |figures| figures.refused == 20);
        busy.write_all(&message[5..]).unwrap();
        assert_eq!(id_of(&read_message(&mut busy)), 2);
    }
}

#[test]
fn a_connection_in_use_is_never_closed_for_a_new_one() {
    let server = start(Limits {
        lag: Duration::from_secs(4),
        ..few(3, 100)
    });
    let mut begun: Vec<_> = (0..3).map(|_| server.tcp()).collect();
    let message = framed(&query(4, ECHO));
    for client in &mut begun {
        ask(client, 1);
        client.write_all(&message[..5]).unwrap();
    }
    // They are noticed one after the other; a query on the last says that all were.
    std::thread::sleep(Duration::from_millis(100));
    for refused in 1..=5 {
        assert!(is_closed(&mut server.tcp()));
        server.eventually("refused", |figures| figures.refused == refused);
    }
    for client in &mut begun {
        client.write_all(&message[5..]).unwrap();
        assert_eq!(id_of(&read_message(client)), 4);
    }
    let figures = server.figures();
    assert_eq!((figures.evicted, figures.open, figures.accepted), (0, 3, 8));
}

#[test]
fn without_an_idle_one_the_oldest_handshake_goes() {
    let server = start(few(2, 100));
    let mut half = connect(server.dot_address());
    server.eventually("accepted", |figures| figures.open == 1);
    let mut other = connect(server.dot_address());
    server.eventually("accepted", |figures| figures.open == 2);
    let mut client = server.dot();
    ask(&mut client, 1);
    assert!(is_closed(&mut half));
    let figures = server.figures();
    assert_eq!((figures.evicted, figures.open), (1, 2));
    // An idle connection goes before a handshake.
    let mut third = server.tcp();
    ask(&mut third, 1);
    assert!(is_closed(&mut client));
    other
        .set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    assert!(!is_closed(&mut other));
}

#[test]
fn places_come_back_however_a_connection_ended() {
    let server = start(few(2, 2));
    for id in 0..50 {
        let mut client = server.tcp();
        ask(&mut client, id);
        if id % 2 == 0 {
            client.write_all(&[0, 0]).unwrap();
            assert!(is_closed(&mut client));
        }
    }
    server.eventually("all gone", |figures| figures.open == 0);
    let figures = server.figures();
    assert_eq!((figures.accepted, figures.refused), (50, 0));
}

#[test]
fn no_certificate_or_no_address_means_no_service() {
    let (mut listeners, mut bound) = (Listeners::default(), Listeners::default());
    assert!(listen(&listeners, None, 2, &mut bound).unwrap().is_empty());
    listeners.dot = any_port();
    let error = listen(&listeners, None, 1, &mut bound).unwrap_err();
    assert!(matches!(error, ServeError::NoTls));
    listeners = Listeners {
        tcp: [any_port(), vec!["192.0.2.1:0".parse().unwrap()]].concat(),
        ..Listeners::default()
    };
    let error = listen(&listeners, None, 1, &mut bound).unwrap_err();
    assert!(
        error.to_string().starts_with("tcp 192.0.2.1:0: "),
        "{error}"
    );
}

#[test]
fn many_threads_listen_at_one_port_and_share_the_limits() {
    let listeners = Listeners {
        tcp: any_port(),
        ..Listeners::default()
    };
    let mut bound = Listeners::default();
    let sets = listen(&listeners, None, 4, &mut bound).unwrap();
    assert_eq!(sets.len(), 4);
    let watch = Watch::new();
    let streams = Streams::start(sets, few(100, 64), &responder, &watch).unwrap();
    let mut clients: Vec<_> = (0..64).map(|_| connect(bound.tcp[0])).collect();
    for (id, client) in (0..).zip(&mut clients) {
        ask(client, id);
    }
    let figures = streams.figures();
    assert_eq!(
        (figures.open, figures.queries, figures.evicted),
        (64, 64, 0)
    );
    for thread in &streams.threads {
        let mut figures = StreamFigures::default();
        thread.shared.counters.add_to(&mut figures);
        assert_ne!(figures.accepted, 0, "each has its share");
    }
    let _one_more = connect(bound.tcp[0]);
    let deadline = Instant::now() + Duration::from_secs(5);
    while streams.figures().evicted + streams.figures().refused == 0 {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(streams.figures().accepted, 65);
    streams.stop();
    assert_eq!(watch.seen(), None);
}
