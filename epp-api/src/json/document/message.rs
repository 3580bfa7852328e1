//! Messages of the account's queue.

use serde::{Deserialize, Serialize};

use super::device::{DEVICE_ID, SLOT};
use super::device_info::{DEVICE_INFO, PUBLICATION};
use super::transfer::TRANSFER_INFO;
use crate::device::SlotReason;
use crate::json::schema::{
    ANY_NUMBER, ANY_TEXT, Document, PEM, Schema, TIMESTAMP, optional, required,
};
use crate::message::{ChangeOperation, Event};

pub(crate) const MESSAGE: Document = Document::new(
    "Message",
    "A message of the account's queue.",
    &[
        required(
            "messageId",
            ANY_NUMBER,
            "Its number: grows within the account.",
        ),
        required("queuedAt", TIMESTAMP, "Since when it is in the queue."),
        required("event", Schema::Names(events), "What happened."),
        required("text", ANY_TEXT, "A sentence about it."),
        optional("deviceId", DEVICE_ID, "The device that it is about."),
        optional(
            "detail",
            Schema::Document(&DETAIL),
            "The details, as they were then.",
        ),
    ],
);

fn events() -> Vec<&'static str> {
    Event::ALL.iter().map(|one| one.as_str()).collect()
}

const DETAIL: Document = Document::choice(
    "MessageDetail",
    "The details of a message.",
    &[
        optional("slot", Schema::Document(&SLOT_DETAIL), "A credential."),
        optional(
            "change",
            Schema::Document(&CHANGE_DETAIL),
            "A change that somebody else made (RFC 8590).",
        ),
        optional("transfer", Schema::Document(&TRANSFER_INFO), "A transfer."),
        optional(
            "pendingAction",
            Schema::Document(&PENDING_ACTION),
            "A command that was answered with 202.",
        ),
        optional("job", Schema::Document(&JOB_DETAIL), "A bulk job."),
    ],
);

const SLOT_DETAIL: Document = Document::new(
    "SlotDetail",
    "A credential.",
    &[
        required("slot", SLOT, "Its number on the device."),
        required(
            "notAfter",
            TIMESTAMP,
            "Last second of its certificate's validity.",
        ),
        optional(
            "reason",
            Schema::Names(|| SlotReason::ALL.iter().map(|one| one.as_str()).collect()),
            "Why it was withdrawn, where the message is of that.",
        ),
        optional(
            "certificatePem",
            PEM,
            "Its certificate, where the reader is to have it.",
        ),
    ],
);

const CHANGE_DETAIL: Document = Document::new(
    "Change",
    "A change of a device that somebody else than the reader made.",
    &[
        required(
            "operation",
            Schema::Names(|| {
                ChangeOperation::ALL
                    .iter()
                    .map(|one| one.as_str())
                    .collect()
            }),
            "What was done.",
        ),
        required("who", ANY_TEXT, "Who did it."),
        required(
            "serverTransactionId",
            ANY_TEXT,
            "The server's name for the transaction.",
        ),
        required("at", TIMESTAMP, "When."),
        optional("reason", ANY_TEXT, "Why, where somebody said so."),
        optional(
            "before",
            Schema::Document(&DEVICE_INFO),
            "The device before, where it was there.",
        ),
        optional(
            "after",
            Schema::Document(&DEVICE_INFO),
            "The device afterwards, where it is there.",
        ),
    ],
);

const PENDING_ACTION: Document = Document::new(
    "PendingAction",
    "A command that was answered with 202, and is finished.",
    &[
        required(
            "isDone",
            Schema::Boolean,
            "Whether it was carried out in the end.",
        ),
        optional("clientTransactionId", ANY_TEXT, "The client's name for it."),
        required("serverTransactionId", ANY_TEXT, "The server's name for it."),
        optional("slot", SLOT, "The slot that it made."),
        optional(
            "publication",
            Schema::Document(&PUBLICATION),
            "By when it is believed.",
        ),
    ],
);

const JOB_DETAIL: Document = Document::new(
    "JobDetail",
    "A bulk job.",
    &[
        required("jobId", ANY_NUMBER, "Its number."),
        required("succeeded", ANY_NUMBER, "Rows that succeeded."),
        required("failed", ANY_NUMBER, "Rows that did not."),
    ],
);

/// A message was taken out of the queue.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Acknowledged {
    pub(crate) count: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) next_message_id: Option<u64>,
}

pub(crate) const ACKNOWLEDGED: Document = Document::new(
    "Acknowledged",
    "A message was taken out of the queue.",
    &[
        required("count", ANY_NUMBER, "Messages left."),
        optional("nextMessageId", ANY_NUMBER, "Number of the oldest of them."),
    ],
);
