//! The order in which an account takes messages out of its queue.

use iot_epp_api::command::{Command, MessageCommand};
use iot_epp_api::{Reply, ResultCode};

use crate::stage::*;
use crate::stories::enrolled;

fn acknowledge(message_id: u64) -> Command {
    Command::Message(MessageCommand::Acknowledge { message_id })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_oldest_message_can_be_acknowledged_through_either_door() {
    let stage = Stage::open().await;
    let mno = stage.mno("mno-a").await;
    let gaining = enrolled(&stage, "mno-b").await;
    for number in 1..=3 {
        mno.issued(create(eid(number))).await;
        mno.transfer(push(eid(number), "mno-b")).await;
    }
    let mut talk = stage.talk(&gaining);
    for message_id in [2, 3] {
        let told = stage
            .raw_json(&gaining, acknowledge(message_id), "later-one")
            .await;
        assert_eq!(told.status, 409, "{told:?}");
        assert!(told.fields.iter().any(|field| field == "rpp-code: 02305"));
        assert!(told.body.contains("queue is 1\""), "{}", told.body);
        let answer = talk.give(&acknowledge(message_id)).answer;
        assert_eq!(answer.code, ResultCode::AssociationProhibits);
        assert!(answer.reasons[0].text.ends_with("queue is 1"), "{answer:?}");
    }
    let absent = ResultCode::ObjectDoesNotExist;
    for message_id in [4, 1000] {
        assert_eq!(gaining.code(acknowledge(message_id)).await, absent);
        assert_eq!(talk.code(&acknowledge(message_id)), absent);
    }

    let queue = talk.give(&acknowledge(1)).answer.queue.unwrap();
    assert_eq!((queue.count, queue.message_id), (2, 2));
    assert_eq!(talk.code(&acknowledge(1)), absent, "it is gone");
    let refused = gaining.refused(acknowledge(3)).await;
    assert!(refused.reason.ends_with("queue is 2"), "{refused}");
    let left = gaining.done(acknowledge(2)).await;
    let Reply::Acknowledged {
        count,
        next_message_id,
    } = left
    else {
        panic!("{left:?}");
    };
    assert_eq!((count, next_message_id), (1, Some(3)));
    assert_eq!(talk.code(&acknowledge(3)), ResultCode::Completed);
    let rows = "SELECT count(*) FROM audit WHERE verb = 'message.acknowledge'";
    assert_eq!(stage.count(rows).await, 3);
    stage.close().await;
}
