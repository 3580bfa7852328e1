//! Commands that were answered with "pending": kept until their publication is told by a message.

use iot_epp_api::message::{Detail, Event, Message};
use iot_identity::{DeviceId, Slot};

use super::messages::send;
use super::rows::{self, corrupt, optional_unix, sql_time};
use super::sql::{self, Connection, Row};
use super::{Origin, Step, StoreError};
use crate::description::calendar;

/// Commands that are told of in one step at most.
const TOLD_MAX: i64 = 500;

/// Notes that a command was answered with "pending".
#[derive(Debug)]
pub struct NotePending {
    /// Who asked.
    pub origin: Origin,
    /// The device.
    pub device_id: DeviceId,
    /// First journal row of the command.
    pub first_seq: u64,
    /// Its last.
    pub seq: u64,
    /// Whether it takes something back.
    pub is_withdrawal: bool,
}

impl Step for NotePending {
    type Output = ();

    fn run(self, connection: &Connection) -> Result<(), StoreError> {
        sql::query(
            "INSERT INTO pending_answer (seq, first_seq, account, device_id, client_transaction_id,
                                         server_transaction_id, is_withdrawal)
             VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        )
        .bind(sql_time(self.seq))
        .bind(sql_time(self.first_seq))
        .bind(&self.origin.account)
        .bind(self.device_id.as_str())
        .bind(&self.origin.client_transaction_id)
        .bind(&self.origin.server_transaction_id)
        .bind(self.is_withdrawal)
        .execute(connection)?;
        Ok(())
    }
}

/// Tells of the pending commands that are published now, or refused by the gate; returns how many.
#[derive(Debug)]
pub struct TellCompleted {
    /// Newest journal row that the zone includes.
    pub applied: u64,
    /// The present time.
    pub now: u64,
}

impl Step for TellCompleted {
    type Output = usize;

    fn run(self, connection: &Connection) -> Result<usize, StoreError> {
        let completed = sql::query(
            "DELETE FROM pending_answer WHERE seq IN (
                 SELECT seq FROM pending_answer WHERE seq <= ? ORDER BY seq LIMIT ?)
             RETURNING *, (SELECT quarantined FROM journal
                           WHERE journal.seq BETWEEN pending_answer.first_seq AND pending_answer.seq
                                 AND quarantined IS NOT NULL LIMIT 1) AS quarantined,
                          (SELECT slot FROM journal
                           WHERE journal.seq = pending_answer.first_seq
                                 AND kind IN ('create', 'newSlot')) AS made_slot",
        )
        .bind(sql_time(self.applied))
        .bind(TOLD_MAX)
        .all(connection, Completed::read)?;
        let count = completed.len();
        for one in completed {
            let (device_id, is_done) = (one.device_id, one.is_done);
            let outcome = if is_done {
                "is published"
            } else {
                "failed; ask the registry's operators"
            };
            let message = Message {
                message_id: 0,
                queued_at: calendar(self.now),
                event: Event::PendingAction,
                text: format!("a pending command for device {device_id} {outcome}"),
                device_id: Some(device_id),
                detail: Detail::PendingAction {
                    is_done,
                    client_transaction_id: one.client_transaction_id.and_then(|id| id.parse().ok()),
                    server_transaction_id: one.server_transaction_id,
                    slot: one.made_slot,
                    publication: None,
                },
            };
            send(connection, &one.account, message, self.now)?;
        }
        Ok(count)
    }
}

/// A command whose answer was pending.
struct Completed {
    account: String,
    device_id: DeviceId,
    is_done: bool,
    client_transaction_id: Option<String>,
    server_transaction_id: String,
    /// The slot that a create or a new slot made.
    made_slot: Option<Slot>,
}

impl Completed {
    fn read(row: &Row<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            account: row.get("account")?,
            device_id: rows::device_id(row)?,
            is_done: row.get::<_, Option<String>>("quarantined")?.is_none(),
            client_transaction_id: row.get("client_transaction_id")?,
            server_transaction_id: row.get("server_transaction_id")?,
            made_slot: row
                .get::<_, Option<u16>>("made_slot")?
                .map(Slot::new)
                .transpose()
                .map_err(corrupt)?,
        })
    }
}

impl super::Store {
    /// Journal row of the oldest command that is pending, when one is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn oldest_pending(&self) -> Result<Option<u64>, StoreError> {
        sql::query("SELECT min(seq) AS oldest FROM pending_answer")
            .one(&*self.reader().await?, |row| optional_unix(row, "oldest"))
    }
}
