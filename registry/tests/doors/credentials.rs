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
async fn ids_that_are_taken_out_of_the_list_are_registered_no_longer_and_devices_stay() {
    let stage = Stage::open().await;
    let (listed, ranged) = (
        stage.party("mno-list", Role::Mno).await,
        stage.mno("mno-range").await,
    );
    let ids = |numbers: &[u64]| numbers.iter().copied().map(eid).collect::<Vec<_>>();
    for (name, numbers) in [("mno-list", &[1, 2, 3][..]), ("mno-range", &[4][..])] {
        let import = AccountCommand::ImportIds {
            name: account(name),
            device_ids: ids(numbers),
        };
        stage.operator.done(Command::Account(import)).await;
    }
    let remove = |numbers: &[u64]| {
        Command::Account(AccountCommand::Update {
            name: account("mno-list"),
            change: AccountChange::RemoveIds(ids(numbers)),
        })
    };
    let left = |reply: Reply| match reply {
        Reply::Account(info) => info.imported_ids,
        other => panic!("{other:?}"),
    };
    listed.issued(create(eid(1))).await;
    // What is not in the list, or in another account's, is taken as told again.
    for told in [&[1, 2][..], &[2, 1], &[4, 9]] {
        assert_eq!(left(stage.operator.done(remove(told)).await), 1, "{told:?}");
    }
    assert_eq!(
        listed.code(create(eid(2))).await,
        ResultCode::ParameterPolicy
    );
    listed.issued(new_slot(eid(1), new_csr(), None)).await;
    listed.changed(hold(eid(1))).await;
    listed.issued(create(eid(3))).await;
    // It is in nobody's list any more: prefixes decide.
    ranged.issued(create(eid(2))).await;
    ranged.issued(create(eid(4))).await;

    let of_nobody = Command::Account(AccountCommand::Update {
        name: account("mno-nobody"),
        change: AccountChange::RemoveIds(ids(&[3])),
    });
    assert_eq!(
        stage.operator.code(of_nobody).await,
        ResultCode::ObjectDoesNotExist
    );
    assert_eq!(
        listed.code(remove(&[3])).await,
        ResultCode::AuthorizationError
    );
    let too_many: Vec<u64> = (0..=1000).collect();
    for numbers in [&[][..], &too_many] {
        let refused = stage.operator.refused(remove(numbers)).await;
        assert_eq!(refused.code, ResultCode::ParameterRange, "{refused}");
        assert!(refused.reason.contains("removeIds"), "{refused}");
    }
    stage.close().await;
}

/// What `iot-registry account …` says beside the running registry.
fn account_program(stage: &Stage, arguments: &[&str]) -> (bool, String) {
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_iot-registry"));
    program.arg("--dir").arg(stage.directory.root());
    let server = stage.running.listen.api.to_string();
    program.arg("account").args(arguments);
    program.args(["--server", &server]);
    let output = tokio::task::block_in_place(|| program.output()).unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_adds_and_takes_out_the_ids_of_a_file_and_sets_strictness() {
    let stage = Stage::open().await;
    stage.party("mno-list", Role::Mno).await;
    let scratch = tempfile::tempdir().unwrap();
    let file = |name: &str, text: String| {
        let path = scratch.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let lines = |numbers: std::ops::Range<u64>| -> String {
        numbers
            .map(|number| format!(" {}\n\n", eid(number)))
            .collect()
    };
    let (many, most) = (file("many", lines(0..1100)), file("most", lines(5..1200)));
    let told = account_program(&stage, &["import-ids", "mno-list", &many]);
    assert_eq!(told, (true, "1100 ids imported, 0 were there\n".to_owned()));
    let removed = "the 1195 ids of the file are not in the list any more; 5 are left in it\n";
    for _ in 0..2 {
        let told = account_program(&stage, &["remove-ids", "mno-list", &most]);
        assert_eq!(told, (true, removed.to_owned()));
    }
    for (name, text, reason) in [
        ("no ids", String::new(), "has no ids"),
        ("no id", lines(0..1) + "12\n", "line 3; nothing was done"),
    ] {
        let file = file(name, text);
        let (done, said) = account_program(&stage, &["remove-ids", "mno-list", &file]);
        assert!(!done && said.contains(reason), "{said}");
    }
    for (strict, is_said) in [("true", true), ("false", false)] {
        let asked = ["strict-transaction-ids", "mno-list", strict];
        let (done, said) = account_program(&stage, &asked);
        assert!(done && said.contains("clTRID") == is_said, "{said}");
        assert!(said.contains("imported ids  5"), "{said}");
    }
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
