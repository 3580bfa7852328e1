//! Acknowledging messages: each once, of one's own queue alone, through either door.

use iot_epp_api::ResultCode;
use iot_epp_api::command::{Command, MessageCommand};
use iot_epp_api::device::SettableStatus;

use crate::stage::*;
use crate::stories::enrolled;

fn head() -> Command {
    Command::Message(MessageCommand::Head)
}

fn acknowledge(message_id: u64) -> Command {
    Command::Message(MessageCommand::Acknowledge { message_id })
}

/// Two sponsors with so many messages each; queues are numbered by account.
async fn with_messages(stage: &Stage, counts: [u64; 2]) -> [Party; 2] {
    let parties = [
        enrolled(stage, "mno-a").await,
        enrolled(stage, "mno-b").await,
    ];
    for (nth, (party, count)) in parties.iter().zip(counts).enumerate() {
        for number in 0..count {
            let id = eid(100 * nth as u64 + number);
            party.issued(create(id)).await;
            let held = set_status(id, SettableStatus::ServerHold);
            stage.operator.changed(held).await;
        }
        assert_eq!(queue(party).await, ((count > 0).then_some(1), count));
    }
    parties
}

/// Number of the oldest message, and how many there are.
async fn queue(party: &Party) -> (Option<u64>, u64) {
    match party.done(head()).await {
        iot_epp_api::Reply::Messages { head, count } => (head.map(|one| one.message_id), count),
        other => panic!("{other:?}"),
    }
}

/// Numbers that no queue of a few messages has.
const NEVER: [u64; 3] = [0, 1000, i64::MAX as u64];

/// Acknowledges through a door what may be, and what may not.
async fn each_once(mut code: impl AsyncFnMut(u64) -> ResultCode, own: &Party, other: &Party) {
    let (done, absent) = (ResultCode::Completed, ResultCode::ObjectDoesNotExist);
    // The other's queue has these numbers, this one's has not.
    for message_id in [5, 6] {
        assert_eq!(code(message_id).await, absent, "{message_id}");
    }
    assert_eq!(queue(other).await, (Some(1), 6));
    for message_id in NEVER {
        assert_eq!(code(message_id).await, absent, "{message_id}");
    }
    assert_eq!(queue(own).await, (Some(1), 4));
    for message_id in 1..=4 {
        // Out of order: what is older stays, and stays the head.
        for later in message_id + 1..=4 {
            assert_eq!(
                code(later).await,
                ResultCode::AssociationProhibits,
                "{later}"
            );
        }
        let left = 4 - message_id;
        let head = (left > 0).then_some(message_id + 1);
        assert_eq!(code(message_id).await, done, "{message_id}");
        assert_eq!(queue(own).await, (head, left), "{message_id}");
        assert_eq!(code(message_id).await, absent, "{message_id} once more");
        assert_eq!(queue(own).await, (head, left), "{message_id} once more");
    }
    assert_eq!(queue(other).await, (Some(1), 6), "the other's are there");
}

const ACKNOWLEDGED: &str = "SELECT count(*) FROM audit WHERE after = 'acknowledged'";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_acknowledged_once_and_by_its_account_through_the_json_door() {
    let stage = Stage::open().await;
    let [own, other] = with_messages(&stage, [4, 6]).await;
    each_once(async |id| own.code(acknowledge(id)).await, &own, &other).await;
    assert_eq!(stage.count(ACKNOWLEDGED).await, 4);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_acknowledged_once_and_by_its_account_through_the_epp_door() {
    let stage = Stage::open().await;
    let [own, other] = with_messages(&stage, [4, 6]).await;
    let mut talk = stage.talk(&own);
    each_once(async |id| talk.code(&acknowledge(id)), &own, &other).await;
    assert_eq!(stage.count(ACKNOWLEDGED).await, 4);
    assert_eq!(talk.code(&head()), ResultCode::CompletedNoMessages);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_acknowledged_foreign_or_never_was_is_one_answer() {
    let stage = Stage::open().await;
    let [own, _] = with_messages(&stage, [2, 4]).await;
    own.done(acknowledge(1)).await;
    let mut talk = RawTalk::begin(&stage, &own).await;
    let never = stage.raw_json(&own, acknowledge(1000), "ack-1").await;
    assert_eq!(never.status, 404, "{never:?}");
    let never_in_epp = talk.give(&acknowledge(1000), "ACK-1").await;
    assert!(never_in_epp.contains("code=\"2303\""), "{never_in_epp}");
    for message_id in [1, 3] {
        let answer = stage.raw_json(&own, acknowledge(message_id), "ack-1").await;
        assert_eq!(answer, never, "{message_id}");
        let answer = talk.give(&acknowledge(message_id), "ACK-1").await;
        assert_eq!(answer, never_in_epp, "{message_id}");
    }
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_acknowledgements_at_the_same_time_one_succeeds() {
    let stage = Stage::open().await;
    let [own, _] = with_messages(&stage, [3, 0]).await;
    let mut talk = stage.talk(&own);
    for message_id in 1..=3 {
        let one = || own.code(acknowledge(message_id));
        let (first, second, third) = tokio::join!(one(), one(), one());
        let fourth = talk.code(&acknowledge(message_id));
        let codes = [first, second, third, fourth];
        let done = codes.iter().filter(|code| **code == ResultCode::Completed);
        assert_eq!(done.count(), 1, "{codes:?}");
        assert_eq!(queue(&own).await.1, 3 - message_id);
    }
    assert_eq!(stage.count(ACKNOWLEDGED).await, 3);
    stage.close().await;
}
