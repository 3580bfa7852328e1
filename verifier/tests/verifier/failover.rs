//! Several servers, of which some are down, slow, somebody else or of no use.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use iot_verifier::transport::dot::DotTransport;
use iot_verifier::transport::{Failover, Transport};
use iot_verifier::{
    CheckError, Checker, LookupError, ServerIdentity, TransportError, Verdict, Wanted,
};

use crate::rogue::server::{Credentials, Manners, start_dot};
use crate::rogue::*;

const PATIENCE: Duration = Duration::from_millis(300);

/// A port that nobody listens at.
fn down() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

struct Servers {
    world: World,
    credentials: Arc<Credentials>,
    transports: Vec<DotTransport>,
}

impl Servers {
    fn new() -> Self {
        Self {
            world: World::new(),
            credentials: Arc::new(Credentials::generate()),
            transports: Vec::new(),
        }
    }

    fn at(mut self, address: SocketAddr) -> Self {
        let identity = ServerIdentity::SpkiPin(self.credentials.pin());
        self.transports
            .push(DotTransport::new(address, identity).unwrap());
        self
    }

    async fn of(self, manners: Manners) -> Self {
        let (address, _) = start_dot(&self.credentials, self.world.active(), manners).await;
        self.at(address)
    }

    fn checker(self) -> Checker<impl Transport> {
        let transport = Failover::new(self.transports, PATIENCE).unwrap();
        Checker::new(transport, self.world.anchor(), policy_at(NOW))
    }
}

async fn check(checker: &Checker<impl Transport>) -> Result<Verdict, CheckError> {
    checker.check(&owner(), Wanted::Cert, NOW).await
}

#[tokio::test]
async fn a_server_that_is_down_slow_or_of_no_use_is_passed_over() {
    let stranger = Credentials::generate();
    let (somebody_else, _) = start_dot(&stranger, World::new().active(), Manners::Honest).await;
    let servers = Servers::new().at(down()).at(somebody_else);
    let servers = servers.of(Manners::Slow).await.of(Manners::Failing).await;
    let servers = servers
        .of(Manners::NoAnswer)
        .await
        .of(Manners::Honest)
        .await;
    let checker = servers.checker();
    assert!(matches!(check(&checker).await, Ok(Verdict::Active(_))));
    // The one that answered is asked first from now on.
    let begin = Instant::now();
    assert!(matches!(check(&checker).await, Ok(Verdict::Active(_))));
    assert!(begin.elapsed() < PATIENCE);
}

#[tokio::test]
async fn where_nobody_answers_the_last_reason_is_told_within_the_time_of_all() {
    let servers = Servers::new().at(down()).of(Manners::Slow).await.at(down());
    let checker = servers.checker();
    let begin = Instant::now();
    let failed = check(&checker).await;
    assert!(
        matches!(
            failed,
            Err(CheckError::Transport(TransportError::Io { .. }))
        ),
        "{failed:?}"
    );
    assert!(begin.elapsed() < 4 * PATIENCE);
}

#[tokio::test]
async fn a_failure_that_somebody_tells_of_is_the_answer_where_there_is_no_better() {
    let servers = Servers::new()
        .at(down())
        .of(Manners::Failing)
        .await
        .at(down());
    let failed = check(&servers.checker()).await;
    let expected = CheckError::Indeterminate(LookupError::ServerFailure);
    assert_eq!(failed, Err(expected));
}

#[test]
fn there_is_no_asking_without_servers() {
    assert!(Failover::<DotTransport>::new(Vec::new(), PATIENCE).is_none());
}
