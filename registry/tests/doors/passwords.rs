//! Passwords of EPP logins: who may go on when one is set.

use iot_epp_api::command::{AccountCommand, Command};
use iot_epp_api::{Reply, ResultCode};
use iot_registry::clock::unix_now;
use iot_registry::store::{Origin, PasswordRecord, SetPassword};

use crate::stage::*;
use crate::stories::enrolled;

/// The password is another one, as the registry's operators make it.
async fn reset(stage: &Stage, party: &mut Party) {
    let name = party.name.clone();
    let command = Command::Account(AccountCommand::ResetPassword { name });
    match stage.operator.done(command).await {
        Reply::Password(password) => party.password = Some(password),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_password_ends_the_sessions_of_the_one_before_at_their_next_command() {
    let stage = Stage::open().await;
    let mut mno = enrolled(&stage, "mno-a").await;
    let other = enrolled(&stage, "mno-b").await;
    let device = mno.issued(create(eid(1))).await.info;
    let (mut busy, mut idle) = (stage.talk(&mno), stage.talk(&mno));
    let mut others = stage.talk(&other);
    assert_eq!(busy.code(&info(eid(1))), ResultCode::Completed);
    reset(&stage, &mut mno).await;
    for talk in [&mut busy, &mut idle] {
        let refused = talk.give(&hold(eid(1))).answer.code;
        assert_eq!(refused, ResultCode::AuthenticationErrorClosing);
        assert!(talk.try_give(&info(eid(1)), "behind-the-end").is_err());
    }
    let Reply::Device(same) = mno.done(info(eid(1))).await else {
        panic!("no device");
    };
    assert_eq!(same.version, device.version, "nothing was carried out");
    let answer = stage.raw_certificate(&mno, info(eid(1))).await.unwrap();
    assert_eq!(answer.status, 200, "a certificate alone needs no password");
    assert_eq!(others.code(&create(eid(2))), ResultCode::Completed);
    let mut talk = stage.talk(&mno);
    assert_eq!(talk.code(&hold(eid(1))), ResultCode::Completed);
    talk.log_out();
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_sets_its_password_goes_on_and_those_of_the_one_before_end() {
    let stage = Stage::open().await;
    let mut mno = enrolled(&stage, "mno-a").await;
    mno.issued(create(eid(1))).await;
    let mut before = stage.talk(&mno);
    assert_eq!(before.code(&info(eid(1))), ResultCode::Completed);
    let (mut talk, _) = stage.talk_with_new_password(&mut mno, "the next password, 2026");
    for _ in 0..2 {
        assert_eq!(talk.code(&info(eid(1))), ResultCode::Completed);
    }
    let refused = before.give(&info(eid(1))).answer.code;
    assert_eq!(refused, ResultCode::AuthenticationErrorClosing);
    // Other changes of the account end nothing.
    let limit = iot_epp_api::command::AccountChange::SetDevicesMax(5);
    stage.change("mno-a", limit).await;
    assert_eq!(talk.code(&info(eid(1))), ResultCode::Completed);
    talk.log_out();
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_sets_a_password_only_in_the_place_of_the_one_that_it_showed() {
    let stage = Stage::open().await;
    let mut mno = enrolled(&stage, "mno-a").await;
    let showed = stage.store().password("mno-a").await.unwrap().unwrap();
    let set = |octet: u8| SetPassword {
        origin: Origin {
            account: "mno-a".to_owned(),
            door: "epp",
            verb: "session.login",
            client_transaction_id: None,
            server_transaction_id: "IOTR-1".to_owned(),
            digest: [0; 32],
        },
        name: "mno-a".to_owned(),
        password: PasswordRecord {
            hash: [octet; 32],
            salt: [octet; 16],
            iterations: 1,
            set_at: unix_now(),
        },
        replacing: Some(showed.salt),
    };
    reset(&stage, &mut mno).await;
    assert!(!stage.commit(set(1)).await, "it was reset meanwhile");
    stage.talk(&mno).log_out();
    let present = stage.store().password("mno-a").await.unwrap().unwrap();
    let in_its_place = SetPassword {
        replacing: Some(present.salt),
        ..set(2)
    };
    assert!(stage.commit(in_its_place).await);
    let now = stage.store().password("mno-a").await.unwrap().unwrap();
    assert_eq!(now.salt, [2; 16]);
    stage.close().await;
}
