//! Many at once who waste our time, and one who does not.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::*;

/// What an honest client may have to wait for 99 of 100 answers, on a machine that is busy with
/// other tests. Without the crowd it is a fraction of a millisecond; somebody who had to wait for a
/// deadline of the crowd would need seconds.
const P99_MAX: Duration = Duration::from_millis(250);

/// Asks 300 times over TCP and DoT each and returns the worse 99th percentile.
fn honest_p99(server: &Server) -> Duration {
    let (mut tcp, mut dot) = (server.tcp(), server.dot());
    ask(&mut dot, 0);
    let mut worst = Duration::ZERO;
    for client in [&mut tcp as &mut dyn ReadWrite, &mut dot] {
        let mut client = client;
        let mut times: Vec<_> = (0..300)
            .map(|id| {
                let start = Instant::now();
                ask(&mut client, id);
                start.elapsed()
            })
            .collect();
        times.sort();
        worst = worst.max(times[297]);
    }
    worst
}

fn roomy() -> Limits {
    Limits {
        connections: 4000,
        connections_per_address: 4000,
        ..Limits::default()
    }
}

#[test]
fn a_thousand_idle_connections_delay_nobody() {
    let server = start(roomy());
    let mut idle: Vec<_> = (0..1000).map(|_| server.tcp()).collect();
    let p99 = honest_p99(&server);
    println!("p99 beside 1,000 idle: {p99:?}");
    assert!(p99 < P99_MAX, "{p99:?}");
    ask(&mut idle[999], 1);
    assert_eq!(server.figures().evicted, 0);
}

#[test]
fn five_hundred_half_handshakes_delay_nobody_and_end() {
    let server = start(Limits {
        handshake: Duration::from_secs(2),
        ..roomy()
    });
    let name = ServerName::try_from("dns.test").unwrap();
    let config = Arc::new(server.client_config());
    // The ClientHello is sent and answered, which costs us the most; then nothing.
    let mut half: Vec<_> = (0..500)
        .map(|at| {
            let mut socket = connect(server.dot_address());
            let mut hello = Vec::new();
            let mut client = ClientConnection::new(Arc::clone(&config), name.clone()).unwrap();
            client.write_tls(&mut hello).unwrap();
            let octets = if at % 2 == 0 { hello.len() } else { 50 };
            socket.write_all(&hello[..octets]).unwrap();
            socket
        })
        .collect();
    let p99 = honest_p99(&server);
    println!("p99 beside 500 half handshakes: {p99:?}");
    assert!(p99 < P99_MAX, "{p99:?}");
    for socket in &mut half {
        assert!(is_closed(socket));
    }
    server.eventually("all closed", |figures| figures.closed_handshake == 500);
}

#[test]
fn two_hundred_who_write_single_octets_delay_nobody_and_end() {
    let server = start(Limits {
        message: Duration::from_secs(1),
        ..roomy()
    });
    let mut slow: Vec<_> = (0..200).map(|_| server.tcp()).collect();
    let writer = thread::spawn(move || {
        let start = Instant::now();
        while !slow.is_empty() {
            slow.retain_mut(|socket| socket.write_all(&[1]).is_ok());
            thread::sleep(Duration::from_millis(5));
            assert!(start.elapsed() < Duration::from_secs(20));
        }
    });
    thread::sleep(Duration::from_millis(50));
    let p99 = honest_p99(&server);
    println!("p99 beside 200 writers of single octets: {p99:?}");
    assert!(p99 < P99_MAX, "{p99:?}");
    writer.join().unwrap();
    server.eventually("all closed", |figures| figures.closed_slow == 200);
}

#[test]
fn two_hundred_who_do_not_read_delay_nobody_and_end() {
    let server = start(Limits {
        stalled: Duration::from_millis(1500),
        ..roomy()
    });
    let many = framed(&query(1, LONG)).repeat(2000);
    let mut deaf: Vec<_> = (0..200).map(|_| server.tcp()).collect();
    for socket in &mut deaf {
        socket
            .set_write_timeout(Some(Duration::from_millis(1)))
            .unwrap();
        let _ = socket.write(&many);
        let _ = socket.write(&many);
    }
    let p99 = honest_p99(&server);
    println!("p99 beside 200 who do not read: {p99:?}");
    assert!(p99 < P99_MAX, "{p99:?}");
    server.eventually("all closed", |figures| figures.closed_stalled == 200);
    server.eventually("all gone", |figures| figures.open == 0);
}

/// Hundreds of queries in every read, on many connections: their turns are short, and few a round.
#[test]
fn three_hundred_who_pipeline_without_end_delay_nobody_much() {
    let server = start(Limits {
        stalled: Duration::from_secs(60),
        ..roomy()
    });
    let address = server.tcp_address();
    let is_over = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&is_over);
    let greedy = thread::spawn(move || {
        let many = framed(&query(1, ECHO)).repeat(700);
        let mut sockets: Vec<_> = (0..300).map(|_| connect(address)).collect();
        for socket in &mut sockets {
            socket.set_nonblocking(true).unwrap();
        }
        let mut answers = vec![0; 1 << 20];
        while !over.load(Ordering::Relaxed) {
            for socket in &mut sockets {
                // Cut messages are continued with others: whatever comes back is not looked at.
                let _ = socket.write(&many);
                let _ = socket.read(&mut answers);
            }
            thread::sleep(Duration::from_millis(1));
        }
    });
    server.eventually("they have begun", |figures| figures.queries > 30_000);
    let p99 = honest_p99(&server);
    println!("p99 beside 300 who pipeline: {p99:?}");
    is_over.store(true, Ordering::Relaxed);
    greedy.join().unwrap();
    assert!(p99 < P99_MAX, "{p99:?}");
}

#[test]
fn connections_that_come_and_go_leave_nothing() {
    let server = start(roomy());
    let address = server.tcp_address();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            thread::spawn(move || {
                for id in 0..500 {
                    let mut client = connect(address);
                    if id % 3 != 0 {
                        ask(&mut client, id);
                    }
                }
            })
        })
        .collect();
    let p99 = honest_p99(&server);
    println!("p99 beside connections that come and go: {p99:?}");
    for thread in threads {
        thread.join().unwrap();
    }
    assert!(p99 < P99_MAX, "{p99:?}");
    server.eventually("all gone", |figures| figures.open == 0);
    let figures = server.figures();
    assert_eq!((figures.accepted, figures.refused), (2002, 0));
}
