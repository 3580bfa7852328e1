//! A message of the queue → what a poll is answered with (RFC 5730 §2.9.2.3, RFC 8590).

use crate::epp::change_data::{ChangeData, ChangeState};
use crate::epp::device::{EventData, EventJob, EventSlot, PendingActionData, der_of_pem};
use crate::epp::response::{Answer, MessageQueue, QueuedMessage};
use crate::epp::response_data::ResponseData;
use crate::epp::transaction_id::ServerTransactionId;
use crate::message::{Change, Detail, Event, Message};

/// Adds the first message of a queue with so many of them.
pub(super) fn tell_message(mut answer: Answer, count: u64, message: Message) -> Answer {
    let mut event = EventData {
        event: message.event,
        device_id: message.device_id,
        slot: None,
        job: None,
    };
    answer.queue = Some(MessageQueue {
        count,
        message_id: message.message_id,
        head: Some(QueuedMessage {
            queued_at: message.queued_at,
            text: message.text,
        }),
    });
    match message.detail {
        Detail::None => {}
        Detail::Slot {
            slot,
            not_after,
            reason,
            certificate_pem,
        } => {
            event.slot = Some(EventSlot {
                slot,
                not_after,
                reason,
                certificate: certificate_pem.as_deref().and_then(der_of_pem),
            });
        }
        Detail::Job {
            job_id,
            succeeded,
            failed,
        } => {
            event.job = Some(EventJob {
                job_id,
                succeeded,
                failed,
            });
        }
        Detail::Transfer(transfer) => {
            let times = None;
            return answer.with_data(ResponseData::Transfer { transfer, times });
        }
        Detail::Change(change) => return tell_change(answer, event, *change),
        Detail::PendingAction {
            is_done,
            client_transaction_id,
            server_transaction_id,
            slot,
            publication,
        } => {
            let name = ServerTransactionId::parse(&server_transaction_id);
            if let (Some(device_id), Some(server_transaction_id)) = (message.device_id, name) {
                return answer.with_data(ResponseData::PendingAction(PendingActionData {
                    device_id,
                    carried_out: is_done,
                    client_transaction_id,
                    server_transaction_id,
                    settled_at: message.queued_at,
                    slot,
                    times: publication,
                }));
            }
        }
    }
    answer.with_data(ResponseData::Event(event))
}

/// The device as it is now stands in `infData`, where RFC 8590 looks for it, and what it was before in
/// an element of our own beside it; a device that is gone is shown as it was.
fn tell_change(mut answer: Answer, event: EventData, change: Change) -> Answer {
    let state = match (&change.before, &change.after) {
        (Some(_), None) => ChangeState::Before,
        _ => ChangeState::After,
    };
    answer.change = change_data(state, event.event, &change);
    let data = match (change.before, change.after) {
        (before, Some(after)) => {
            answer.before = before.map(Box::new);
            ResponseData::Info(Box::new(after))
        }
        (Some(before), None) => ResponseData::Info(Box::new(before)),
        (None, None) => ResponseData::Event(event),
    };
    answer.with_data(data)
}

fn change_data(state: ChangeState, event: Event, change: &Change) -> Option<ChangeData> {
    let server_transaction_id = ServerTransactionId::parse(&change.server_transaction_id)?;
    Some(ChangeData {
        state,
        operation: change.operation,
        sub_operation: Some(event.as_str().to_owned()),
        changed_at: change.at,
        server_transaction_id,
        who: change.who.clone(),
        reason: change.reason.clone(),
    })
}
