//! By what accounts are recognised, and that it ends when it is to end.

use std::time::Duration;

use iot_epp_api::command::{AccountChange, AccountCommand, Command};
use iot_epp_api::{Reply, ResultCode, Role, Scope, Scopes};
use iot_registry::ca::TrustRoots;
use rcgen::KeyPair;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::stage::*;

/// Whether a listener sends anything to a client with this certificate.
async fn is_let_in(stage: &Stage, door: std::net::SocketAddr, identity: Option<&Identity>) -> bool {
    let Ok(mut stream) = stage.connect(door, identity).await else {
        return false;
    };
    // In TLS 1.3 the refusal comes behind the client's side of the handshake.
    let request = b"GET /.well-known/rpp.json HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let is_https = Some(door) == stage.running.listen.api_certificates;
    if is_https && stream.write_all(request).await.is_err() {
        return false;
    }
    let mut answer = [0; 64];
    let read = tokio::time::timeout(PATIENCE, stream.read(&mut answer)).await;
    matches!(read.expect("an answer or an end"), Ok(octets) if octets > 0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn device_certificates_and_strangers_are_refused_in_the_handshake() {
    let stage = Stage::open().await;
    let mut mno = stage.mno("mno-a").await;
    mno.enrol(&stage).await;
    let key = KeyPair::generate().unwrap();
    let issued = mno.issued(create_with(eid(1), csr_of(&key), None)).await;
    let mut chain = vec![issued.certificate.certificate.clone()];
    let alone = Identity::new(chain.clone(), &key);
    chain.extend(issued.certificate.chain.clone());
    let device = Identity::new(chain, &key);
    let own = KeyPair::generate().unwrap();
    let self_signed = rcgen::CertificateParams::new(["mno-a".to_owned()]).unwrap();
    let self_signed = self_signed.self_signed(&own).unwrap().der().to_vec();
    let stranger = Identity::new(vec![self_signed], &own);
    let listen = &stage.running.listen;
    for door in [listen.epp.unwrap(), listen.api_certificates.unwrap()] {
        assert!(
            is_let_in(&stage, door, mno.identity.as_ref()).await,
            "{door}"
        );
        for refused in [None, Some(&device), Some(&alone), Some(&stranger)] {
            assert!(!is_let_in(&stage, door, refused).await, "{door}");
        }
    }
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_of_the_account_root_without_account_may_nothing() {
    let stage = Stage::open().await;
    let mut mno = stage.mno("mno-a").await;
    mno.enrol(&stage).await;
    let zone = iot_identity::ZoneName::parse(ZONE).unwrap();
    let trust = TrustRoots::load(&stage.directory, &zone).unwrap();
    let key = KeyPair::generate().unwrap();
    let csr = iot_registry::csr::accept_of_account(&csr_of(&key)).unwrap();
    let now = iot_registry::clock::unix_now();
    let unknown = trust.account.issue(&csr, "mno-a", now).unwrap();
    let unknown = Identity::new(vec![unknown.der], &key);
    let known = stage.again(&mno, &mno.token);
    let answer = stage.raw_certificate(&known, info(eid(1))).await.unwrap();
    assert_eq!(answer.status, 404, "{answer:?}");
    let mut twin = known;
    twin.identity = Some(unknown);
    let answer = stage.raw_certificate(&twin, info(eid(1))).await.unwrap();
    assert_eq!(
        answer.status, 401,
        "the name in it counts for nothing: {answer:?}"
    );
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disabled_account_is_refused_at_the_next_command() {
    let stage = Stage::open().await;
    let mut mno = stage.mno("mno-a").await;
    mno.enrol(&stage).await;
    mno.issued(create(eid(1))).await;
    let mut talk = stage.talk(&mno);
    assert_eq!(talk.code(&info(eid(1))), ResultCode::Completed);
    stage.change("mno-a", AccountChange::Disable).await;
    assert_eq!(mno.code(info(eid(1))).await, UNRECOGNISED);
    let answer = stage.raw_certificate(&mno, info(eid(1))).await.unwrap();
    assert_eq!(answer.status, 401);
    let refused = talk.give(&hold(eid(1))).answer.code;
    assert_eq!(refused, ResultCode::AuthenticationErrorClosing);
    assert!(
        talk.try_give(&info(eid(1)), "behind-the-end").is_err(),
        "it is closed"
    );
    assert!(matches!(stage.dns(eid(1), 1).await, Said::Active(_)));
    stage.change("mno-a", AccountChange::Enable).await;
    mno.done(info(eid(1))).await;
    let mut talk = stage.talk(&mno);
    assert_eq!(talk.code(&info(eid(1))), ResultCode::Completed);
    talk.log_out();
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_certificate_is_refused_at_the_next_command_and_another_one_is_not() {
    let stage = Stage::open().await;
    let mut mno = stage.mno("mno-a").await;
    let certificate_id = mno.enrol(&stage).await;
    mno.issued(create(eid(1))).await;
    let mut talk = stage.talk(&mno);
    stage
        .change("mno-a", AccountChange::RevokeCertificate { certificate_id })
        .await;
    let refused = talk.give(&info(eid(1))).answer.code;
    assert_eq!(refused, ResultCode::AuthenticationErrorClosing);
    let answer = stage.raw_certificate(&mno, info(eid(1))).await.unwrap();
    assert_eq!(answer.status, 401);
    mno.enrol(&stage).await;
    let mut talk = stage.talk(&mno);
    assert_eq!(talk.code(&info(eid(1))), ResultCode::Completed);
    let answer = stage.raw_certificate(&mno, info(eid(1))).await.unwrap();
    assert_eq!(answer.status, 200);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_end_are_revoked_and_are_good_for_their_scopes_only() {
    let stage = Stage::open().await;
    let mno = stage.mno("mno-a").await;
    mno.issued(create(eid(1))).await;
    let reads: Scopes = [Scope::DeviceRead].into_iter().collect();
    let brief = mno.token_for(&stage, reads, 1).await;
    let reader = mno.token_for(&stage, reads, 3600).await;
    reader.done(info(eid(1))).await;
    assert_eq!(
        reader.code(hold(eid(1))).await,
        ResultCode::AuthorizationError
    );
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    assert_eq!(brief.code(info(eid(1))).await, UNRECOGNISED, "it has ended");

    let name = Some(mno.name.clone());
    let info_of = Command::Account(AccountCommand::Info { name });
    let Reply::Account(account) = stage.operator.done(info_of).await else {
        panic!("no account");
    };
    let scopes = reads.to_string();
    let token = account
        .tokens
        .iter()
        .find(|one| one.scopes == scopes)
        .unwrap();
    let token_id = token.token_id;
    stage
        .change("mno-a", AccountChange::RevokeToken { token_id })
        .await;
    assert_eq!(reader.code(info(eid(1))).await, UNRECOGNISED);
    mno.done(info(eid(1))).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_is_registered_from_ranges_and_lists_only() {
    let stage = Stage::open().await;
    let (ranged, listed) = (
        stage.party("mno-range", Role::Mno).await,
        stage.party("mno-list", Role::Mno).await,
    );
    assert_eq!(
        ranged.code(create(eid(1))).await,
        ResultCode::ParameterPolicy,
        "default deny"
    );
    let prefix = iot_epp_api::IdPrefix::parse("89049032").unwrap();
    stage
        .change("mno-range", AccountChange::AddPrefix(prefix.clone()))
        .await;
    let import = |name: &str, numbers: &[u64]| {
        Command::Account(AccountCommand::ImportIds {
            name: account(name),
            device_ids: numbers.iter().copied().map(eid).collect(),
        })
    };
    let added = stage.operator.done(import("mno-list", &[7, 8])).await;
    assert_eq!(added, Reply::Imported { added: 2 });
    let added = stage.operator.done(import("mno-list", &[8, 9])).await;
    assert_eq!(added, Reply::Imported { added: 1 });
    let twice = stage.operator.code(import("mno-range", &[6, 7])).await;
    assert_eq!(
        twice,
        ResultCode::AssociationProhibits,
        "no id in two lists"
    );
    ranged.issued(create(eid(1))).await;
    assert_eq!(
        ranged.code(create(eid(7))).await,
        ResultCode::ParameterPolicy
    );
    listed.issued(create(eid(7))).await;
    assert_eq!(
        listed.code(create(eid(2))).await,
        ResultCode::ParameterPolicy
    );
    let iccid = iot_identity::DeviceId::parse("8912230200031010008f").unwrap();
    assert_eq!(
        ranged.code(create(iccid)).await,
        ResultCode::ParameterPolicy
    );
    stage
        .change("mno-range", AccountChange::SetDevicesMax(1))
        .await;
    assert_eq!(
        ranged.code(create(eid(2))).await,
        ResultCode::DataManagementPolicy
    );
    stage
        .change("mno-range", AccountChange::SetDevicesMax(2))
        .await;
    ranged.issued(create(eid(2))).await;
    stage
        .change("mno-range", AccountChange::RemovePrefix(prefix))
        .await;
    assert_eq!(
        ranged.code(create(eid(3))).await,
        ResultCode::ParameterPolicy
    );
    ranged.changed(hold(eid(2))).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_makes_no_credential_that_may_do_more_than_itself() {
    let stage = Stage::open().await;
    let mno = stage.mno("mno-a").await;
    let scopes: Scopes = [Scope::Account, Scope::DeviceRead].into_iter().collect();
    let narrow = stage.operator.token_for(&stage, scopes, 3600).await;
    let token_with = |scopes| {
        Command::Account(AccountCommand::IssueToken {
            name: mno.name.clone(),
            scopes,
            lifetime_secs: 60,
        })
    };
    let name = || mno.name.clone();
    let wider = [
        token_with(Scopes::ALL),
        token_with([Scope::DeviceDelete].into_iter().collect()),
        Command::Account(AccountCommand::Create {
            name: account("mno-b"),
            role: Role::Mno,
        }),
        Command::Account(AccountCommand::IssueCertificate {
            name: name(),
            csr: new_csr(),
        }),
        Command::Account(AccountCommand::ResetPassword { name: name() }),
    ];
    for command in wider {
        let refused = narrow.refused(command).await;
        assert_eq!(refused.code, ResultCode::AuthorizationError, "{refused}");
    }
    narrow.done(token_with(scopes)).await;
    stage.close().await;
}
