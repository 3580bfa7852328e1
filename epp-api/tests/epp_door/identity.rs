//! Who may connect at all: hazards R1 and R2 at the EPP door.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rcgen::{BasicConstraints, ExtendedKeyUsagePurpose, IsCa};
use rustls::ProtocolVersion;
use rustls::client::Resumption;
use time::macros::datetime;

use crate::door::{Door, Identity, ONE, Root, account};
use crate::frames;

/// Whether a client gets as far as a document.
async fn gets_in(door: &Door, identity: Option<&Identity>) -> bool {
    let config = Arc::new(door.client_tls(identity));
    match door.connect_with(config).await {
        // With TLS 1.3 the client has finished before the server looks at its certificate.
        Ok(mut wire) => wire.try_read().await.is_some(),
        Err(_) => false,
    }
}

#[tokio::test]
async fn certificates_of_any_other_root_are_refused_in_the_handshake() {
    let door = Door::open().await;
    assert!(gets_in(&door, Some(&door.one)).await);
    assert!(!gets_in(&door, None).await, "no certificate");
    let devices = Root::new("device root");
    let device = devices.identity("1.8912230200031010008f.iotregistry.example");
    assert!(
        !gets_in(&door, Some(&device)).await,
        "a device's certificate"
    );
    let impostor = Root::new("account root");
    let same_name = impostor.identity(ONE);
    assert!(
        !gets_in(&door, Some(&same_name)).await,
        "right names of another issuer"
    );
    let expired = door.accounts.identity_with(ONE, |params| {
        params.not_before = datetime!(2020-01-01 00:00 UTC);
        params.not_after = datetime!(2021-01-01 00:00 UTC);
    });
    assert!(!gets_in(&door, Some(&expired)).await, "expired");
    let early = door.accounts.identity_with(ONE, |params| {
        params.not_before = datetime!(2090-01-01 00:00 UTC);
        params.not_after = datetime!(2091-01-01 00:00 UTC);
    });
    assert!(!gets_in(&door, Some(&early)).await, "not yet valid");
    let server = door.accounts.identity_with(ONE, |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    assert!(
        !gets_in(&door, Some(&server)).await,
        "a certificate for servers"
    );
    let authority = door.accounts.identity_with(ONE, |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    });
    assert!(
        !gets_in(&door, Some(&authority)).await,
        "an authority as a client"
    );
    assert_eq!(door.registry.logins.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_certificate_that_no_account_has_is_told_so_and_no_greeting() {
    let door = Door::open().await;
    let unknown = door.accounts.identity(ONE);
    let mut wire = door.connect(&unknown).await.unwrap();
    let refused = wire.read().await;
    assert_eq!(refused.code(), 2501);
    assert!(!refused.has("greeting") && !refused.has(ONE));
    wire.ended().await;
}

#[tokio::test]
async fn a_registry_that_cannot_look_up_accounts_lets_nobody_in() {
    let door = Door::open().await;
    let mut session = door.logged_in(ONE).await;
    door.registry.unavailable.store(true, Ordering::SeqCst);
    let mut wire = door.connect(&door.one).await.unwrap();
    let refused = wire.read().await;
    assert_eq!(refused.code(), 2500);
    assert!(!refused.has("database"));
    wire.ended().await;
    assert_eq!(session.ask(&frames::poll("A-1")).await.code(), 2400);
    assert_eq!(door.registry.begun.load(Ordering::SeqCst), 0);
    door.registry.unavailable.store(false, Ordering::SeqCst);
    assert_eq!(
        session.ask(&frames::poll("A-2")).await.code(),
        1300,
        "the session is kept"
    );
}

#[tokio::test]
async fn a_suspended_account_is_refused_at_its_next_command() {
    let door = Door::open().await;
    let mut session = door.logged_in(ONE).await;
    let mut other = door.logged_in("mno-two").await;
    assert_eq!(session.ask(&frames::poll("A-1")).await.code(), 1300);
    door.registry.disable(ONE);
    let refused = session
        .ask(&frames::create("A-2", crate::registry::CSR))
        .await;
    assert_eq!(refused.code(), 2501);
    assert!(refused.has("<clTRID>A-2</clTRID>"));
    session.ended().await;
    assert_eq!(door.registry.device_count(), 0);
    let mut again = door.connect(&door.one).await.unwrap();
    assert_eq!(again.read().await.code(), 2501);
    assert_eq!(other.ask(&frames::poll("A-1")).await.code(), 1300);
}

#[tokio::test]
async fn no_session_is_resumed_and_none_outlives_its_certificate() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let door = Door::open().await;
        let mut config = door.client_tls_of(&door.one, version);
        config.resumption = Resumption::in_memory_sessions(8);
        let config = Arc::new(config);
        for _ in 0..3 {
            let mut wire = door.connect_with(Arc::clone(&config)).await.unwrap();
            assert!(wire.read().await.has("<greeting>"));
            let tls = wire.stream.get_ref().1;
            assert_eq!(tls.handshake_kind(), Some(rustls::HandshakeKind::Full));
            let is_1_3 = tls.protocol_version() == Some(ProtocolVersion::TLSv1_3);
            assert_eq!(is_1_3, version.version == ProtocolVersion::TLSv1_3);
        }
        let mut before = door.connect_with(Arc::clone(&config)).await.unwrap();
        assert!(before.read().await.has("<greeting>"));
        door.registry.revoke(&door.one.certificate);
        let login = frames::login(ONE, &crate::door::password(ONE));
        assert_eq!(before.ask(&login).await.code(), 2501);
        let mut after = door.connect_with(config).await.unwrap();
        assert_eq!(after.read().await.code(), 2501, "{}", account(ONE));
    }
}
