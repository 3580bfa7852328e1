//! One connection without sockets, where the clock or the cuts between octets matter.

use proptest::prelude::*;

use super::super::close::Close;
use super::super::connection::Connection;
use super::super::counters::Counters;
use super::super::scratch::{Load, Scratch, Work};
use super::super::table::Class;
use super::super::tls::{Session, server_config};
use super::*;

/// A connection, what answers it, and a clock of its own.
struct Bench {
    connection: Connection,
    scratch: Scratch,
    limits: Limits,
    counters: Counters,
    start: Instant,
    load: Load,
    is_signed: Arc<std::sync::atomic::AtomicBool>,
}

impl Bench {
    fn new() -> Self {
        let start = Instant::now();
        Self {
            connection: Connection::new(None, start),
            scratch: Scratch::new(),
            limits: Limits::default(),
            counters: Counters::default(),
            start,
            load: Load {
                is_cramped: false,
                waits_left: 256,
            },
            is_signed: Arc::default(),
        }
    }

    /// One turn at a time after the start; returns the ids and response codes of what is sent.
    fn turn(
        &mut self,
        millis: u64,
        step: impl FnOnce(&mut Connection, &mut Work<'_>),
    ) -> Vec<(u16, u8)> {
        let is_signed = Arc::clone(&self.is_signed);
        let mut answer = move |exchanges: &mut [Exchange<'_>], transport, patience| {
            let is_signed = is_signed.load(std::sync::atomic::Ordering::Relaxed);
            for exchange in exchanges {
                respond(exchange, transport, patience);
                if is_signed && exchange.disposition == Disposition::Wait(somebody()) {
                    respond(exchange, transport, Patience::Refuse);
                    exchange.out[3] = 0;
                }
            }
        };
        let now = self.start + Duration::from_millis(millis);
        let (mut work, _) = Work::new(
            &self.limits,
            now,
            &mut answer,
            &self.counters,
            self.load,
            &mut self.scratch,
        );
        step(&mut self.connection, &mut work);
        let mut sent = self.scratch.outgoing.as_slice();
        let mut answers = Vec::new();
        while !sent.is_empty() {
            let message = read_message(&mut sent);
            answers.push((id_of(&message), message[3]));
        }
        answers
    }

    fn receive(&mut self, millis: u64, queries: &[(u16, u8)]) -> Vec<(u16, u8)> {
        let queries = queries.iter().map(|(id, what)| framed(&query(*id, *what)));
        let mut octets = queries.collect::<Vec<_>>().concat();
        self.turn(millis, |connection, work| {
            connection.receive(&mut octets, work).unwrap();
        })
    }

    /// Takes octets, and returns how it went and what is sent.
    fn take(&mut self, mut octets: Vec<u8>) -> (Result<(), Close>, Vec<u8>) {
        let mut outcome = Ok(());
        let mut answer = |exchanges: &mut [Exchange<'_>], transport, patience| {
            for exchange in exchanges {
                respond(exchange, transport, patience);
            }
        };
        let (mut work, _) = Work::new(
            &self.limits,
            self.start,
            &mut answer,
            &self.counters,
            self.load,
            &mut self.scratch,
        );
        if !octets.is_empty() {
            outcome = self.connection.receive(&mut octets, &mut work);
        }
        (outcome, self.scratch.outgoing.clone())
    }

    fn retry(&mut self, millis: u64) -> Vec<(u16, u8)> {
        self.turn(millis, |connection, work| {
            connection.retry(Patience::Wait, work).unwrap();
        })
    }
}

#[test]
fn later_queries_are_answered_before_one_that_waits() {
    let mut bench = Bench::new();
    let sent = bench.receive(0, &[(1, ECHO), (2, WAIT), (3, ECHO)]);
    assert_eq!(sent, [(1, 0), (3, 0)]);
    assert_eq!(bench.connection.waiting_queries(), 1);
    assert_eq!(bench.receive(1, &[(4, ECHO)]), [(4, 0)]);
    assert_eq!(bench.retry(2), []);
    bench
        .is_signed
        .store(true, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(bench.retry(4), [(2, 0)]);
    assert_eq!(bench.connection.waiting_queries(), 0);
}

#[test]
fn a_query_waits_no_longer_than_20_ms() {
    let mut bench = Bench::new();
    assert_eq!(bench.receive(0, &[(1, WAIT)]), []);
    assert_eq!(bench.receive(10, &[(2, WAIT)]), []);
    assert_eq!(bench.retry(19), []);
    assert_eq!(bench.retry(20), [(1, 2)]);
    assert_eq!(
        bench.retry(29),
        [],
        "asking again does not start the time anew"
    );
    assert_eq!(bench.retry(30), [(2, 2)]);
    let mut figures = StreamFigures::default();
    bench.counters.add_to(&mut figures);
    assert_eq!((figures.waits, figures.waits_refused), (2, 2));
}

#[test]
fn queries_beyond_the_most_that_may_wait_are_refused_at_once() {
    let mut bench = Bench::new();
    bench.limits.waiting_queries = 3;
    let queries: Vec<_> = (0..5).map(|id| (id, WAIT)).collect();
    assert_eq!(bench.receive(0, &queries), [(3, 2), (4, 2)]);
    assert_eq!(bench.retry(20), [(0, 2), (1, 2), (2, 2)]);
}

/// Who needed longer than the idle time to read its answers has only now nothing to do.
#[test]
fn idle_time_begins_when_the_last_answer_is_taken() {
    let mut bench = Bench::new();
    let at = |secs: u64| bench.start + Duration::from_secs(secs);
    let times: Vec<_> = (0..14).map(at).collect();
    assert_eq!(bench.receive(0, &[(1, ECHO)]), [(1, 0)]);
    bench.connection.keep(&[0; 60_000], times[0]);
    for now in &times[1..=12] {
        bench.connection.note_sent(5000, *now, &bench.limits);
        let (deadline, _) = bench.connection.deadline(&bench.limits);
        assert!(deadline > *now, "it reads");
    }
    assert_eq!(bench.connection.class(), Class::Idle);
    let (deadline, why) = bench.connection.deadline(&bench.limits);
    assert_eq!(
        (deadline, why),
        (times[12] + bench.limits.idle, Close::Idle)
    );
}

#[test]
fn a_thread_with_all_that_may_wait_refuses_more_and_keeps_the_others() {
    let mut bench = Bench::new();
    bench.load.waits_left = 1;
    assert_eq!(bench.receive(0, &[(1, WAIT), (2, WAIT)]), [(2, 2)]);
    bench.load.waits_left = 0;
    assert_eq!(bench.retry(2), []);
    assert_eq!(bench.retry(20), [(1, 2)]);
}

#[test]
fn waiting_is_neither_idle_nor_the_end() {
    let mut bench = Bench::new();
    bench.receive(0, &[(1, WAIT)]);
    bench.connection.end_input();
    assert!(!bench.connection.is_finished());
    assert_ne!(bench.connection.class(), Class::Idle);
    assert_eq!(bench.retry(20), [(1, 2)]);
    assert!(bench.connection.is_finished());
}

#[test]
fn over_a_socket_the_waiting_one_comes_last() {
    let server = start(Limits::default());
    let mut tcp = server.tcp();
    let mut dot = server.dot();
    for client in [&mut tcp as &mut dyn ReadWrite, &mut dot] {
        let queries = [framed(&query(1, WAIT)), framed(&query(2, ECHO))].concat();
        let start = Instant::now();
        client.write_all(&queries).unwrap();
        let mut client = client;
        assert_eq!(id_of(&read_message(&mut client)), 2);
        let last = read_message(&mut client);
        assert_eq!((id_of(&last), last[3]), (1, 2));
        assert!(start.elapsed() >= Duration::from_millis(20));
    }
}

#[test]
fn with_too_much_held_in_all_nobody_keeps_much() {
    let mut bench = Bench::new();
    bench.load.is_cramped = true;
    let (outcome, _) = bench.take(framed(&vec![1; 8000])[..4096].to_vec());
    assert_eq!(outcome, Ok(()));
    let (outcome, _) = bench.take(vec![1]);
    assert_eq!(outcome, Err(Close::Slow));

    let mut bench = Bench::new();
    bench.load.is_cramped = true;
    let (outcome, sent) = bench.take(framed(&query(1, LONG)).repeat(400));
    assert_eq!(outcome, Ok(()));
    assert_eq!(sent.len(), 32 * 1402, "one batch");
    assert!(!bench.connection.wants_input(&bench.limits));
    assert!(bench.connection.has_work(&bench.limits, bench.load));
    bench.connection.keep(&sent, bench.start);
    assert!(!bench.connection.has_work(&bench.limits, bench.load));
}

#[test]
fn a_turn_has_an_end_and_the_next_one_goes_on() {
    let mut bench = Bench::new();
    let mut sent = bench.receive(0, &[(7, ECHO); 600]).len();
    assert_eq!(sent, 128);
    assert!(!bench.connection.wants_input(&bench.limits));
    for turns in [128, 128, 128, 88] {
        assert!(bench.connection.has_work(&bench.limits, bench.load));
        let more = bench.turn(1, |connection, work| connection.resume(work).unwrap());
        assert_eq!(more.len(), turns);
        sent += more.len();
    }
    assert_eq!(sent, 600);
    assert!(bench.connection.wants_input(&bench.limits));
    assert_eq!(bench.connection.class(), Class::Idle);
    assert_eq!(bench.connection.held_octets(), 0);
}

/// A first flight of a client.
fn hello() -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let name = ServerName::try_from("dns.test").unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    hello
}

/// Cuts octets behind some of them.
fn cut(octets: &[u8], at: &[prop::sample::Index]) -> Vec<Vec<u8>> {
    let mut cuts: Vec<_> = at.iter().map(|at| at.index(octets.len() + 1)).collect();
    cuts.extend([0, octets.len()]);
    cuts.sort_unstable();
    cuts.windows(2)
        .map(|pair| octets[pair[0]..pair[1]].to_vec())
        .collect()
}

proptest! {
    #[test]
    fn cuts_between_segments_do_not_matter(
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 12..300), 0..20),
        broken in any::<bool>(),
        rest in prop::collection::vec(any::<u8>(), 0..10),
        at in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
    ) {
        // What responds here reads orders from the name; none of those is meant.
        let messages = messages.into_iter().map(|mut message| {
            if let Some(what) = message.get_mut(13) {
                *what = ECHO;
            }
            framed(&message)
        });
        let mut octets = messages.collect::<Vec<_>>().concat();
        if broken {
            octets.extend([0, 11]);
        }
        octets.extend(rest);
        let whole = Bench::new().take(octets.clone());
        let mut bench = Bench::new();
        let mut sent = Vec::new();
        let mut outcome = Ok(());
        for part in cut(&octets, &at) {
            let (result, answers) = bench.take(part);
            sent.extend(answers);
            outcome = result;
            if outcome.is_err() {
                break;
            }
        }
        prop_assert_eq!((outcome, sent), whole);
    }

    #[test]
    fn no_octets_in_a_handshake_make_it_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        rest in prop::collection::vec(any::<u8>(), 0..100),
        at in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let mut octets = hello();
        for (at, octet) in changes {
            let at = at.index(octets.len());
            octets[at] = octet;
        }
        octets.extend(rest);
        let mut bench = Bench::new();
        let config = server_config(Arc::clone(&certified().0.cert_resolver)).unwrap();
        bench.connection = Connection::new(Some(Session::new(&config).unwrap()), bench.start);
        for part in cut(&octets, &at) {
            if bench.take(part).0.is_err() {
                break;
            }
        }
    }
}
