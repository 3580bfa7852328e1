//! Authorization information that was guessed at too often: it is void, and its sponsor knows it.

use iot_epp_api::ResultCode;
use iot_epp_api::command::{Command, MessageCommand};
use iot_epp_api::message::{Detail, Event};
use iot_epp_api::transfer::Arrival;

use crate::stage::*;

/// Presents wrong ones by every command that takes one, beginning with this one of them.
async fn guess(guesser: &Party, first: usize, times: usize) {
    let presented = "some-wrong-auth-info-1";
    let commands = [
        pull(eid(1), presented, Arrival::AsIs),
        info_with(eid(1), Some(presented)),
        query_with(eid(1), presented),
    ];
    for command in commands.iter().cycle().skip(first).take(times) {
        let code = guesser.code(command.clone()).await;
        assert_eq!(code, ResultCode::InvalidAuthorizationInformation);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sponsor_is_told_once_when_wrong_ones_have_voided_its_authorization_information() {
    let stage = Stage::open().await;
    let mut sponsor = stage.mno("mno-sponsor").await;
    let (guesser, asp) = (stage.mno("mno-guesser").await, stage.asp("asp-one").await);
    sponsor.enrol(&stage).await;
    let create = create_with(eid(1), new_csr(), Some("asp-one"));
    sponsor.issued(create).await;
    asp.messages().await;
    // The last one that counts is by another command each time.
    for last in 0..3 {
        sponsor.changed(set_auth_info(eid(1))).await;
        guess(&guesser, 0, 19).await;
        assert!(sponsor.messages().await.is_empty(), "it can be used yet");
        guess(&guesser, last, 3).await;
        if last < 2 {
            let messages = sponsor.messages().await;
            let [message] = &messages[..] else {
                panic!("{messages:?}");
            };
            assert_eq!(
                (message.event, message.device_id, &message.detail),
                (Event::AuthInfoVoid, Some(eid(1)), &Detail::None)
            );
            assert!(
                !format!("{message:?}").contains("mno-guesser"),
                "{message:?}"
            );
        } else {
            let mut talk = RawTalk::begin(&stage, &sponsor).await;
            let poll = Command::Message(MessageCommand::Head);
            let answer = talk.give(&poll, "POLL-1").await;
            assert!(answer.contains("event=\"authInfoVoid\""), "{answer}");
            assert!(answer.contains("<msgQ count=\"1\""), "{answer}");
        }
    }
    guess(&guesser, 0, 5).await;
    assert_eq!(sponsor.messages().await.len(), 1, "no more than one");
    for party in [&guesser, &asp] {
        assert!(party.messages().await.is_empty());
    }
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_set_or_is_void_by_time_is_not_voided_by_guesses() {
    let mut stage = Stage::open().await;
    let sponsor = stage.mno("mno-sponsor").await;
    let guesser = stage.mno("mno-guesser").await;
    sponsor.issued(create(eid(1))).await;
    guess(&guesser, 0, 25).await;
    assert!(sponsor.messages().await.is_empty());
    sponsor.changed(set_auth_info(eid(1))).await;
    let root = stage.directory.database();
    stage = stage
        .edited(&root, "UPDATE device SET auth_info_until = 1")
        .await;
    let [sponsor, guesser] = [sponsor, guesser].map(|one| stage.again(&one, &one.token));
    guess(&guesser, 0, 25).await;
    assert!(sponsor.messages().await.is_empty());
    stage.close().await;
}
