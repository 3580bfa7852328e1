//! The threads over loopback, with answers that the tests choose.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use rustix::net::sockopt::set_socket_recv_buffer_size;

use super::*;
use crate::net::batch::{ANSWER_OCTETS_MAX, QUERY_OCTETS_MAX};
use crate::net::socket;
use crate::net::waiting::WAITING_MAX;
use crate::urgent::UrgentName;

/// Names that a script lets be wanted.
const WANTED_MAX: usize = 2 * WAITING_MAX;

/// Answers by the first octet of a query: `E` is echoed, `W` waits for the second version, `P`
/// panics, anything else is dropped.
#[derive(Clone, Default)]
struct Script {
    version: Arc<AtomicU64>,
    wanted: Arc<Mutex<Vec<UrgentName>>>,
}

impl Script {
    fn is_wanted(&self) -> bool {
        !self.wanted.lock().unwrap().is_empty()
    }
}

impl Source for Script {
    fn answer(&mut self, exchanges: &mut [Exchange<'_>], patience: Patience) -> u64 {
        let version = self.version();
        for exchange in exchanges {
            let late = version > 0;
            let text = match (exchange.query.first(), patience) {
                (Some(b'E'), _) => exchange.query,
                (Some(b'W'), _) if late => b"signed",
                (Some(b'W'), Patience::Refuse) => b"refused",
                (Some(b'W'), Patience::Wait) => {
                    exchange.disposition = Disposition::Wait(UrgentName::Fixed);
                    continue;
                }
                (Some(b'P'), _) => panic!("as the query asked"),
                _ => continue,
            };
            let length = text.len().min(ANSWER_OCTETS_MAX);
            exchange.out[..length].copy_from_slice(&text[..length]);
            exchange.disposition = Disposition::Answer(length);
        }
        version
    }

    fn want(&mut self, name: UrgentName) -> bool {
        let mut wanted = self.wanted.lock().unwrap();
        wanted.push(name);
        wanted.len() <= WANTED_MAX
    }

    fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }
}

struct Served {
    workers: Workers,
    script: Script,
    watch: Watch,
    at: Vec<SocketAddr>,
}

fn served(threads: usize, addresses: &[&str]) -> Served {
    let mut of_threads: Vec<Vec<UdpSocket>> = (0..threads).map(|_| Vec::new()).collect();
    let mut at = Vec::new();
    for address in addresses {
        let (sockets, bound) = socket::open(address.parse().unwrap(), threads).unwrap();
        at.push(bound);
        for (of_thread, socket) in of_threads.iter_mut().zip(sockets) {
            of_thread.push(socket);
        }
    }
    let (script, watch) = (Script::default(), Watch::new());
    let workers = Workers::start(of_threads, &script, &watch).unwrap();
    Served {
        workers,
        script,
        watch,
        at,
    }
}

impl Served {
    fn counters(&self) -> UdpCounters {
        self.workers.counters().into_iter().sum()
    }

    /// Counters once `settled` holds for them; they are shown after the answers have left.
    fn counters_when(&self, settled: impl Fn(&UdpCounters) -> bool) -> UdpCounters {
        let start = Instant::now();
        while !settled(&self.counters()) && start.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.counters()
    }
}

/// A socket that hears only from `server`.
fn client(server: SocketAddr) -> UdpSocket {
    let any = if server.is_ipv4() {
        "127.0.0.1:0"
    } else {
        "[::1]:0"
    };
    let client = UdpSocket::bind(any).unwrap();
    let timeout = Some(Duration::from_secs(5));
    client.set_read_timeout(timeout).unwrap();
    set_socket_recv_buffer_size(&client, 1 << 20).unwrap();
    client.connect(server).unwrap();
    client
}

fn received(client: &UdpSocket) -> Vec<u8> {
    let mut octets = vec![0; 65_535];
    let length = client.recv(&mut octets).unwrap();
    octets.truncate(length);
    octets
}

fn asked(server: SocketAddr, query: &[u8]) -> Vec<u8> {
    let client = client(server);
    client.send(query).unwrap();
    received(&client)
}

#[test]
fn answers_leave_from_the_address_that_was_asked() {
    let served = served(1, &["0.0.0.0:0", "[::]:0", "127.0.0.1:0", "[::1]:0"]);
    let port = served.at[0].port();
    for asked_at in ["127.0.0.1", "127.0.0.2", "127.99.0.3"] {
        let server = SocketAddr::new(asked_at.parse().unwrap(), port);
        assert_eq!(asked(server, b"E4"), b"E4", "{asked_at}");
    }
    let server = SocketAddr::new("::1".parse().unwrap(), served.at[1].port());
    assert_eq!(asked(server, b"E6"), b"E6");
    assert_eq!(asked(served.at[2], b"E one"), b"E one");
    assert_eq!(asked(served.at[3], b"E six"), b"E six");
    served.workers.stop();
}

#[test]
fn both_families_can_have_all_addresses_of_one_port() {
    let (v4, at) = socket::open("0.0.0.0:0".parse().unwrap(), 2).unwrap();
    let v6 = SocketAddr::new("::".parse().unwrap(), at.port());
    let (v6, _) = socket::open(v6, 2).unwrap();
    assert_eq!((v4.len(), v6.len()), (2, 2));
}

#[test]
fn every_client_of_a_batch_gets_its_own_answers() {
    let served = served(2, &["127.0.0.1:0"]);
    let clients: Vec<UdpSocket> = (0..100).map(|_| client(served.at[0])).collect();
    for round in 0..8 {
        let query = |client: usize| {
            let mut query = format!("E client {client} round {round} ").into_bytes();
            query.resize(20 + (client * 7 + round * 301) % 1200, b'.');
            query
        };
        for (at, client) in clients.iter().enumerate() {
            client.send(&query(at)).unwrap();
        }
        for (at, client) in clients.iter().enumerate() {
            assert_eq!(received(client), query(at));
        }
    }
    let each = served.workers.counters();
    assert!(
        each.iter().all(|counters| counters.answered > 0),
        "{each:?}"
    );
    let counters = served.counters_when(|counters| counters.answered == 800);
    assert_eq!((counters.answered, counters.dropped), (800, 0));
    assert!(counters.batches <= 800);
    served.workers.stop();
}

#[test]
fn what_is_empty_or_longer_than_the_room_for_queries_is_dropped() {
    let served = served(1, &["127.0.0.1:0"]);
    let client = client(served.at[0]);
    let mut longest = vec![b'E'; QUERY_OCTETS_MAX];
    client.send(&longest).unwrap();
    assert_eq!(received(&client), longest[..ANSWER_OCTETS_MAX]);
    longest.push(b'E');
    client.send(&longest).unwrap();
    client.send(&vec![b'E'; 60_000]).unwrap();
    client.send(&[]).unwrap();
    client.send(b"nothing that is answered").unwrap();
    client.send(b"E still there").unwrap();
    assert_eq!(received(&client), b"E still there");
    let counters = served.counters_when(|counters| counters.answered == 2);
    assert_eq!((counters.dropped, counters.too_long), (4, 2));
    served.workers.stop();
}

#[test]
fn a_query_that_waits_is_answered_when_its_name_is_signed() {
    // A machine that stops for 20 ms refuses rightly, so not every try has to succeed.
    let in_time = (0..20).any(|_| {
        let served = served(1, &["127.0.0.1:0"]);
        let (early, other) = (client(served.at[0]), client(served.at[0]));
        early.send(b"W").unwrap();
        while !served.script.is_wanted() {
            std::thread::yield_now();
        }
        assert_eq!(*served.script.wanted.lock().unwrap(), [UrgentName::Fixed]);
        other.send(b"E meanwhile").unwrap();
        assert_eq!(received(&other), b"E meanwhile");
        served.script.version.store(1, Ordering::Release);
        let answer = received(&early);
        let counters = served.counters_when(|counters| counters.answered == 2);
        assert_eq!((counters.waited, counters.answered), (1, 2));
        assert_eq!(counters.refused == 0, answer == b"signed");
        served.workers.stop();
        answer == b"signed"
    });
    assert!(in_time, "no query was answered while it waited");
}

#[test]
fn a_query_that_waits_in_vain_is_refused_at_its_deadline() {
    let served = served(1, &["127.0.0.1:0", "127.0.0.1:0"]);
    for at in &served.at {
        let asked_at = Instant::now();
        assert_eq!(asked(*at, b"W"), b"refused");
        assert!(asked_at.elapsed() >= PATIENCE);
    }
    let counters = served.counters_when(|counters| counters.answered == 2);
    assert_eq!((counters.waited, counters.refused), (2, 2));
    served.workers.stop();
}

#[test]
fn no_more_wait_than_there_is_room_for_and_all_are_answered() {
    let served = served(1, &["127.0.0.1:0"]);
    let client = client(served.at[0]);
    let total = WAITING_MAX + 200;
    for _ in 0..total {
        client.send(b"W").unwrap();
    }
    // Too long to be kept, so refused at once.
    client.send(&[b'W'; 2000]).unwrap();
    for _ in 0..=total {
        assert_eq!(received(&client), b"refused");
    }
    let counters = served.counters_when(|counters| counters.answered == total as u64 + 1);
    assert_eq!(counters.refused, total as u64 + 1);
    assert!(counters.waited <= total as u64);
    served.workers.stop();
}

#[test]
fn nobody_waits_for_a_name_that_cannot_be_asked_for() {
    let served = served(1, &["127.0.0.1:0"]);
    *served.script.wanted.lock().unwrap() = vec![UrgentName::Fixed; WANTED_MAX];
    assert_eq!(asked(served.at[0], b"W"), b"refused");
    let counters = served.counters_when(|counters| counters.answered == 1);
    assert_eq!((counters.waited, counters.refused), (0, 1));
    served.workers.stop();
}

#[test]
fn idle_threads_stop_at_once_and_their_addresses_are_free() {
    for addresses in [&["127.0.0.1:0"][..], &["127.0.0.1:0", "[::1]:0"]] {
        let mut fastest = Duration::MAX;
        for _ in 0..5 {
            let served = served(2, addresses);
            let at = served.at.clone();
            assert_eq!(asked(at[0], b"E"), b"E");
            let stopped = Instant::now();
            served.workers.stop();
            fastest = fastest.min(stopped.elapsed());
            for address in at {
                socket::open(address, 2).unwrap();
            }
        }
        assert!(fastest < Duration::from_millis(100), "{fastest:?}");
    }
}

#[test]
fn threads_stop_under_load_and_while_queries_wait() {
    let served = served(2, &["127.0.0.1:0"]);
    let at = served.at[0];
    let busy = Arc::new(AtomicBool::new(true));
    let load = busy.clone();
    let sender = std::thread::spawn(move || {
        let client = client(at);
        while load.load(Ordering::Relaxed) {
            // Refused once nobody listens.
            let _ = client.send(b"W under load");
        }
    });
    while !served.script.is_wanted() {
        std::thread::yield_now();
    }
    let stopped = Instant::now();
    served.workers.stop();
    assert!(stopped.elapsed() < Duration::from_secs(1));
    busy.store(false, Ordering::Relaxed);
    sender.join().unwrap();
}

#[test]
fn an_address_that_is_served_cannot_be_taken_again() {
    let served = served(2, &["127.0.0.1:0"]);
    let error = socket::open(served.at[0], 2).err().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    drop(served.workers);
}

#[tokio::test]
async fn a_panic_is_told() {
    let served = served(1, &["127.0.0.1:0"]);
    let ended = served.watch.ended();
    client(served.at[0]).send(b"P").unwrap();
    let ended = ended.await.unwrap();
    assert_eq!(ended.thread, "dns-udp-0");
    assert_eq!(ended.reason, "as the query asked");
    served.workers.stop();
}

#[test]
fn clients_that_are_gone_disturb_nobody() {
    let served = served(1, &["127.0.0.1:0"]);
    for _ in 0..500 {
        // The answer finds a closed port, and comes back as an ICMP message.
        client(served.at[0]).send(b"E").unwrap();
    }
    assert_eq!(asked(served.at[0], b"E still there"), b"E still there");
    assert_eq!(served.watch.seen(), None);
    served.workers.stop();
}

#[test]
fn the_memory_of_exchanges_is_used_again() {
    let exchanges: Vec<Exchange<'static>> = Vec::with_capacity(BATCH);
    let memory = exchanges.as_ptr();
    let (query, mut out) = ([1], [2]);
    let mut filled: Vec<Exchange<'_>> = exchanges;
    filled.push(Exchange::new(&query, &mut out));
    let exchanges = emptied(filled);
    assert_eq!(exchanges.as_ptr(), memory);
    assert_eq!((exchanges.len(), exchanges.capacity()), (0, BATCH));
}
