//! Whole checks over real sockets: strict TLS, deadlines, reuse of connection and keys, and servers
//! with bad manners (V19).

use std::sync::Arc;
use std::time::{Duration, Instant};

use iot_verifier::transport::dot::DotTransport;
use iot_verifier::transport::plain::PlainTransport;
use iot_verifier::{
    CheckError, Checker, LookupError, ServerIdentity, Transport, TransportError, Verdict, Wanted,
};
use rustls::RootCertStore;
use rustls_pki_types::ServerName;

use crate::rogue::records::Signing;
use crate::rogue::server::{Credentials, Manners, SERVER_NAME, start_dot, start_plain};
use crate::rogue::*;

fn checker<T: Transport>(world: &World, transport: T) -> Checker<T> {
    Checker::new(transport, world.anchor(), policy_at(world.now))
        .with_deadline(Duration::from_secs(2))
}

fn by_name(name: &str, roots: Arc<RootCertStore>) -> ServerIdentity {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    ServerIdentity::Name { name, roots }
}

/// A check over DNS over TLS against a server with these credentials and manners.
async fn check_dot(
    identity: impl FnOnce(&Credentials) -> ServerIdentity,
    show: impl FnOnce(&Credentials) -> Credentials,
    manners: Manners,
) -> Result<Verdict, CheckError> {
    let world = World::new();
    let credentials = Credentials::generate();
    let identity = identity(&credentials);
    let (address, _) = start_dot(&show(&credentials), world.active(), manners).await;
    let transport = DotTransport::new(address, identity).unwrap();
    checker(&world, transport)
        .check(&owner(), Wanted::Both, NOW)
        .await
}

/// The same, with the pin of the server that answers.
async fn check_pinned(manners: Manners) -> Result<Verdict, CheckError> {
    let shared = Arc::new(Credentials::generate());
    let world = World::new();
    let (address, _) = start_dot(&shared, world.active(), manners).await;
    let transport = DotTransport::new(address, ServerIdentity::SpkiPin(shared.pin())).unwrap();
    checker(&world, transport)
        .check(&owner(), Wanted::Both, NOW)
        .await
}

fn is_active(result: &Result<Verdict, CheckError>) -> bool {
    matches!(result, Ok(Verdict::Active(_)))
}

fn is_identity_error(result: &Result<Verdict, CheckError>) -> bool {
    matches!(
        result,
        Err(CheckError::Transport(TransportError::Identity { .. }))
    )
}

fn keep(credentials: &Credentials) -> Credentials {
    // The same certificate and key again.
    credentials.again()
}

#[tokio::test]
async fn a_server_is_accepted_by_name_or_by_pin() {
    let named = check_dot(|c| by_name(SERVER_NAME, c.roots()), keep, Manners::Honest).await;
    assert!(is_active(&named), "{named:?}");
    let pinned = check_pinned(Manners::Honest).await;
    assert!(is_active(&pinned), "{pinned:?}");
}

#[tokio::test]
async fn a_server_with_another_name_is_refused() {
    let result = check_dot(
        |c| by_name("other.example", c.roots()),
        keep,
        Manners::Honest,
    )
    .await;
    assert!(is_identity_error(&result), "{result:?}");
}

#[tokio::test]
async fn a_server_with_a_self_made_certificate_is_refused() {
    let other = |_: &Credentials| Credentials::generate();
    let result = check_dot(|c| by_name(SERVER_NAME, c.roots()), other, Manners::Honest).await;
    assert!(is_identity_error(&result), "{result:?}");
}

#[tokio::test]
async fn a_server_with_another_key_than_the_pinned_one_is_refused() {
    let other = |_: &Credentials| Credentials::generate();
    let result = check_dot(|c| ServerIdentity::SpkiPin(c.pin()), other, Manners::Honest).await;
    assert!(is_identity_error(&result), "{result:?}");
}

#[tokio::test]
async fn a_server_that_shows_the_pinned_certificate_without_its_key_is_refused() {
    let stolen = Credentials::stolen;
    let result = check_dot(
        |c| ServerIdentity::SpkiPin(c.pin()),
        stolen,
        Manners::Honest,
    )
    .await;
    let refused = matches!(
        result,
        Err(CheckError::Transport(
            TransportError::Identity { .. } | TransportError::Tls { .. }
        ))
    );
    assert!(refused, "{result:?}");
}

#[tokio::test]
async fn a_server_without_tls_is_refused() {
    let world = World::new();
    let address = start_plain(world.active(), Manners::Honest, false).await;
    let transport = DotTransport::new(address, ServerIdentity::SpkiPin([0; 32])).unwrap();
    let result = checker(&world, transport)
        .check(&owner(), Wanted::Cert, NOW)
        .await;
    assert!(
        matches!(result, Err(CheckError::Transport(_))),
        "{result:?}"
    );
}

#[tokio::test]
async fn noise_before_the_answer_is_ignored() {
    let result = check_pinned(Manners::NoiseFirst).await;
    assert!(is_active(&result), "{result:?}");
}

#[tokio::test]
async fn all_queries_are_on_their_way_at_once_and_answered_in_any_order() {
    // The server answers nothing before it has seen all three.
    let result = check_pinned(Manners::Backwards).await;
    assert!(is_active(&result), "{result:?}");
}

#[tokio::test]
async fn a_slow_server_ends_in_the_deadline() {
    let begin = Instant::now();
    let result = check_pinned(Manners::Slow).await;
    let deadline = Duration::from_secs(2);
    let expected = TransportError::Deadline(deadline);
    assert_eq!(result, Err(CheckError::Transport(expected)));
    assert!(begin.elapsed() < deadline + Duration::from_secs(1));
}

#[tokio::test]
async fn a_server_that_closes_or_falls_out_of_step_is_an_error() {
    for manners in [Manners::NoAnswer, Manners::OutOfStep] {
        let result = check_pinned(manners).await;
        let closed = matches!(
            result,
            Err(CheckError::Transport(TransportError::Closed { .. }))
        );
        assert!(closed, "{manners:?}: {result:?}");
    }
}

#[tokio::test]
async fn truncation_over_a_stream_and_failure_are_indeterminate() {
    let truncated = check_pinned(Manners::AlwaysTruncated).await;
    assert_eq!(
        truncated,
        Err(CheckError::Indeterminate(LookupError::Truncated))
    );
    let failed = check_pinned(Manners::Failing).await;
    assert_eq!(
        failed,
        Err(CheckError::Indeterminate(LookupError::ServerFailure))
    );
}

#[tokio::test]
async fn nobody_listening_is_a_transport_error() {
    let world = World::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let transport = DotTransport::new(address, ServerIdentity::SpkiPin([0; 32])).unwrap();
    let result = checker(&world, transport)
        .check(&owner(), Wanted::Cert, NOW)
        .await;
    let refused = matches!(
        result,
        Err(CheckError::Transport(TransportError::Io { .. }))
    );
    assert!(refused, "{result:?}");
}

#[tokio::test]
async fn connection_and_keys_are_kept_so_that_a_warm_check_is_one_query() {
    let world = World::new();
    let credentials = Credentials::generate();
    let (address, counts) = start_dot(&credentials, world.active(), Manners::Honest).await;
    let transport = DotTransport::new(address, ServerIdentity::SpkiPin(credentials.pin())).unwrap();
    let checker = checker(&world, transport);
    for round in 0..5 {
        let result = checker.check(&owner(), Wanted::Cert, NOW).await;
        assert!(is_active(&result), "{result:?}");
        assert_eq!(counts.read(), (1, 2 + round));
    }
    // Keys are not kept beyond their TTL.
    let result = checker.check(&owner(), Wanted::Cert, NOW + ttl()).await;
    assert!(is_active(&result), "{result:?}");
    assert_eq!(counts.read(), (1, 8));
}

#[tokio::test]
async fn a_connection_that_the_server_closed_is_made_anew() {
    let world = World::new();
    let credentials = Credentials::generate();
    let (address, counts) = start_dot(&credentials, world.active(), Manners::OneAnswer).await;
    let transport = DotTransport::new(address, ServerIdentity::SpkiPin(credentials.pin())).unwrap();
    let query = |id: u8| iot_verifier::Query {
        octets: {
            let mut lookup =
                iot_verifier::Lookup::new(owner(), Wanted::Cert, None, [0, id, 3, 4, 5, 6]);
            lookup.poll_query().unwrap().octets
        },
        channel: iot_verifier::Channel::Datagram,
    };
    for id in 0..3 {
        let response = transport.exchange(query(id)).await.unwrap();
        assert_eq!(response.octets[..2], [0, id]);
    }
    assert_eq!(counts.read().0, 3);
}

#[tokio::test]
async fn keys_that_changed_are_fetched_again() {
    let mut world = World::new();
    let old = world.active();
    let credentials = Credentials::generate();
    let pin = ServerIdentity::SpkiPin(credentials.pin());
    let (first, _) = start_dot(&credentials, old, Manners::Honest).await;
    // The same registry after a rollover of its ZSK, at a second server.
    world.zsk = key::Key::generate(key::ZSK);
    let (second, counts) = start_dot(&credentials, world.active(), Manners::Honest).await;
    let transport = Switching {
        first: DotTransport::new(first, pin.clone()).unwrap(),
        second: DotTransport::new(second, pin).unwrap(),
        is_switched: std::sync::atomic::AtomicBool::new(false),
    };
    let transport = Arc::new(transport);
    let checker = checker(&world, Shared(Arc::clone(&transport)));
    assert!(is_active(&checker.check(&owner(), Wanted::Cert, NOW).await));
    transport
        .is_switched
        .store(true, std::sync::atomic::Ordering::SeqCst);
    let result = checker.check(&owner(), Wanted::Cert, NOW).await;
    assert!(is_active(&result), "{result:?}");
    // One query with the old keys; two with fresh ones.
    assert_eq!(counts.read().1, 3);
}

/// A registry behind two servers.
struct Switching {
    first: DotTransport,
    second: DotTransport,
    is_switched: std::sync::atomic::AtomicBool,
}

struct Shared(Arc<Switching>);

impl Transport for Shared {
    async fn exchange(
        &self,
        query: iot_verifier::Query,
    ) -> Result<iot_verifier::transport::Response, TransportError> {
        if self.0.is_switched.load(std::sync::atomic::Ordering::SeqCst) {
            self.0.second.exchange(query).await
        } else {
            self.0.first.exchange(query).await
        }
    }
}

#[tokio::test]
async fn bogus_answers_are_not_softened_by_asking_again() {
    let world = World::new();
    let mut case = world.active();
    let stranger = key::Key::generate(key::ZSK);
    let signing = Signing {
        key: &stranger,
        ..world.by_zsk()
    };
    case.cert.answer = signing.sign(vec![cert_record()]);
    let credentials = Credentials::generate();
    let (address, counts) = start_dot(&credentials, case, Manners::Honest).await;
    let transport = DotTransport::new(address, ServerIdentity::SpkiPin(credentials.pin())).unwrap();
    let checker = checker(&world, transport);
    for _ in 0..2 {
        let result = checker.check(&owner(), Wanted::Cert, NOW).await;
        assert!(matches!(result, Err(CheckError::Bogus(_))), "{result:?}");
    }
    assert_eq!(counts.read(), (1, 4));
}

#[tokio::test]
async fn names_of_other_zones_are_refused_without_a_query() {
    let world = World::new();
    let credentials = Credentials::generate();
    let (address, counts) = start_dot(&credentials, world.active(), Manners::Honest).await;
    let transport = DotTransport::new(address, ServerIdentity::SpkiPin(credentials.pin())).unwrap();
    let text = OWNER.replace("iotregistry", "attacker");
    let foreign = iot_identity::OwnerName::parse_in_any_zone(&text).unwrap();
    let result = checker(&world, transport)
        .check(&foreign, Wanted::Cert, NOW)
        .await;
    assert!(
        matches!(result, Err(CheckError::ForeignZone { .. })),
        "{result:?}"
    );
    assert_eq!(counts.read(), (0, 0));
}

#[tokio::test]
async fn plain_datagrams_survive_garbage_and_truncation() {
    for truncates in [false, true] {
        let world = World::new();
        let address = start_plain(world.absent(), Manners::Honest, truncates).await;
        let transport = PlainTransport::new(address);
        let result = checker(&world, transport)
            .check(&owner(), Wanted::Both, NOW)
            .await;
        assert!(matches!(result, Ok(Verdict::Absent(_))), "{result:?}");
    }
}

#[tokio::test]
async fn a_server_that_truncates_for_ever_ends_at_once() {
    let world = World::new();
    let address = start_plain(world.active(), Manners::AlwaysTruncated, true).await;
    let transport = PlainTransport::new(address);
    let result = checker(&world, transport)
        .check(&owner(), Wanted::Cert, NOW)
        .await;
    assert_eq!(
        result,
        Err(CheckError::Indeterminate(LookupError::Truncated))
    );
}

#[tokio::test]
async fn a_clock_before_the_floor_asks_nothing() {
    let world = World::new();
    let transport = PlainTransport::new("127.0.0.1:9".parse().unwrap());
    let result = checker(&world, transport)
        .check(&owner(), Wanted::Cert, NOW - 1)
        .await;
    assert!(
        matches!(result, Err(CheckError::ClockImplausible(_))),
        "{result:?}"
    );
}
