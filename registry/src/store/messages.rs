//! Messages for accounts: written with what they tell of, kept until they are acknowledged.

use iot_epp_api::device::SlotReason;
use iot_epp_api::message::{Change, ChangeOperation, Detail, Event, Message};
use iot_epp_api::transfer::TransferInfo;
use iot_epp_api::{Role, server_transaction_id};
use iot_identity::ZoneName;

use super::audit::write_audit_text;
use super::rows::{corrupt, sql_time, unix};
use super::sql::{self, Connection};
use super::{Origin, Step, Store, StoreError, accounts};
use crate::description::{self, Inconsistent, calendar};
use crate::lifecycle::{self, Credential, Device, Notice, Transfer};
use crate::pem::certificate_pem;

/// What messages tell of.
pub(super) struct Occasion<'a> {
    /// Who did it.
    pub(super) origin: &'a Origin,
    pub(super) zone: &'a ZoneName,
    /// The device and its credentials before, where it was there.
    pub(super) before: Option<(&'a Device, &'a [Credential])>,
    /// The same afterwards.
    pub(super) after: (&'a Device, &'a [Credential]),
    /// Whether a transfer was pending before, and is afterwards.
    pub(super) is_moving: (bool, bool),
    /// The transfer that began or ended.
    pub(super) transfer: Option<&'a Transfer>,
    /// The transfer that ended because that one was forced.
    pub(super) interrupted: Option<&'a Transfer>,
    pub(super) now: u64,
}

impl Occasion<'_> {
    /// The transfer that a notice is about.
    fn transfer_of(&self, notice: &Notice) -> Option<&Transfer> {
        match notice.is_of_interrupted {
            true => self.interrupted,
            false => self.transfer,
        }
    }

    /// Who changed the device, for who is no side of its transfer: the status is the registry's, and the
    /// other account is named to the sides alone until it has the device.
    fn who(&self) -> &str {
        let account = self.origin.account.as_str();
        let is_gaining = |transfer: &Transfer| transfer.gaining == account;
        match self.transfer {
            Some(transfer) if is_gaining(transfer) => REGISTRY_ITSELF,
            _ => account,
        }
    }
}

impl From<Inconsistent> for StoreError {
    fn from(error: Inconsistent) -> Self {
        corrupt(error.0)
    }
}

/// Tells each account once of each event.
pub(super) fn send_notices(
    connection: &Connection,
    occasion: &Occasion<'_>,
    notices: &[Notice],
) -> Result<(), StoreError> {
    for notice in notices {
        // Who did it knows it.
        if notice.to == occasion.origin.account && !tells_its_author(notice.event) {
            continue;
        }
        let detail = detail_of(connection, occasion, notice)?;
        let message = Message {
            message_id: 0,
            queued_at: calendar(occasion.now),
            event: notice.event,
            text: text_of(occasion, notice),
            device_id: Some(occasion.after.0.device_id),
            detail,
        };
        send(connection, &notice.to, message, occasion.now)?;
    }
    Ok(())
}

/// A transfer is told to both sides whoever ended it (RFC 5730 §2.9.3.4).
fn tells_its_author(event: Event) -> bool {
    event == Event::Transfer
}

/// Messages that a queue holds; beyond it the oldest goes, which the gap in the numbers tells.
const QUEUED_MAX: i64 = 1_000_000;

/// Puts a message in an account's queue; its number is given here.
pub(super) fn send(
    connection: &Connection,
    account: &str,
    message: Message,
    now: u64,
) -> Result<(), StoreError> {
    let (message_id, messages): (i64, i64) = sql::query(
        "UPDATE account SET message_newest = message_newest + 1, messages = messages + 1
         WHERE name = ? RETURNING message_newest, messages",
    )
    .bind(account)
    .one(connection, |row| {
        Ok((row.get("message_newest")?, row.get("messages")?))
    })?;
    if messages > QUEUED_MAX {
        drop_oldest(connection, account)?;
    }
    let message = Message {
        message_id: u64::try_from(message_id).map_err(corrupt)?,
        ..message
    };
    let document = serde_json::to_string(&message).map_err(corrupt)?;
    sql::query(
        "INSERT INTO message (account, message_id, queued_at, document) VALUES (?, ?, ?, ?)",
    )
    .bind(account)
    .bind(message_id)
    .bind(sql_time(now))
    .bind(document)
    .execute(connection)?;
    Ok(())
}

fn drop_oldest(connection: &Connection, account: &str) -> Result<(), StoreError> {
    let dropped = sql::query(
        "DELETE FROM message WHERE account = ?1
                AND message_id = (SELECT min(message_id) FROM message WHERE account = ?1)",
    )
    .bind(account)
    .execute(connection)?;
    sql::query("UPDATE account SET messages = messages - 1 WHERE name = ?")
        .bind(account)
        .execute(connection)?;
    if dropped == 1 {
        tracing::warn!(account, "a queue is full; its oldest message was dropped");
    }
    Ok(())
}

fn text_of(occasion: &Occasion<'_>, notice: &Notice) -> String {
    let id = occasion.after.0.device_id;
    let of_slot = notice
        .slot
        .map(|slot| format!("slot {slot} of device {id}"));
    let slot = of_slot.unwrap_or_else(|| format!("device {id}"));
    match notice.event {
        Event::SlotIssued => format!("a certificate was issued for {slot}"),
        Event::SlotWithdrawn => match withdrawn_for(occasion, notice) {
            Some(reason) => format!("{slot} was withdrawn: {reason}"),
            None => format!("{slot} was withdrawn"),
        },
        Event::SlotExpires => format!("the certificate of {slot} ends soon"),
        Event::SlotExpired => format!("the certificate of {slot} has ended"),
        Event::SlotBound => format!("{slot} was bound to this account"),
        Event::SlotUnbound => format!("{slot} is bound to this account no longer"),
        Event::StatusChanged => format!("the statuses of device {id} changed"),
        Event::Deleted => format!("device {id} was deleted"),
        Event::Restored => format!("device {id} was restored, held"),
        Event::RegistrationExpires => format!("the registration of device {id} ends soon"),
        Event::RegistrationExpired => format!("the registration of device {id} has ended"),
        Event::AuthInfoVoid => format!("the authorization information of device {id} is void"),
        Event::Transfer => match occasion.transfer_of(notice) {
            Some(transfer) => format!("transfer of device {id}: {}", transfer.status),
            None => format!("device {id} was transferred"),
        },
        Event::PendingAction => format!("a pending command for device {id} is finished"),
        Event::JobFinished => "a job is finished".to_owned(),
    }
}

/// Why the slot was withdrawn that a notice says so of.
fn withdrawn_for(occasion: &Occasion<'_>, notice: &Notice) -> Option<SlotReason> {
    let slot = notice
        .slot
        .filter(|_| notice.event == Event::SlotWithdrawn)?;
    lifecycle::in_slot(occasion.after.1, slot)?.withdrawn
}

fn detail_of(
    connection: &Connection,
    occasion: &Occasion<'_>,
    notice: &Notice,
) -> Result<Detail, StoreError> {
    if let (Event::Transfer, Some(transfer)) = (notice.event, occasion.transfer_of(notice)) {
        let info = description::transfer(occasion.after.0.device_id, transfer)?;
        return Ok(transfer_detail(info));
    }
    let (device, credentials) = occasion.after;
    if let Some(slot) = notice.slot {
        let credential = credentials.iter().find(|one| one.slot == slot);
        let credential = credential.ok_or_else(|| corrupt("a notice of no slot"))?;
        let is_given = matches!(notice.event, Event::SlotIssued | Event::SlotBound);
        let certificate_pem = match is_given {
            true => certificate(connection, device, credential)?,
            false => None,
        };
        return Ok(Detail::Slot {
            slot,
            not_after: calendar(credential.not_after),
            reason: withdrawn_for(occasion, notice),
            certificate_pem,
        });
    }
    Ok(Detail::Change(Box::new(change_of(
        connection, occasion, notice,
    )?)))
}

fn transfer_detail(info: TransferInfo) -> Detail {
    Detail::Transfer(Box::new(info))
}

fn certificate(
    connection: &Connection,
    device: &Device,
    credential: &Credential,
) -> Result<Option<String>, StoreError> {
    let der: Option<Vec<u8>> =
        sql::query("SELECT certificate FROM credential WHERE device_id = ? AND slot = ?")
            .bind(device.device_id.as_str())
            .bind(i64::from(credential.slot.get()))
            .one(connection, sql::scalar)?;
    Ok(der.map(|der| certificate_pem(&der)))
}

/// The device before and after, as the reader may see it.
fn change_of(
    connection: &Connection,
    occasion: &Occasion<'_>,
    notice: &Notice,
) -> Result<Change, StoreError> {
    let role = accounts::role_of(connection, &notice.to)?;
    let describe = |(device, credentials): (&Device, &[Credential]), is_moving| {
        let visible =
            |one: &&Credential| role != Role::Asp || one.asp.as_deref() == Some(notice.to.as_str());
        let credentials: Vec<Credential> = credentials.iter().filter(visible).cloned().collect();
        let (zone, now) = (occasion.zone, occasion.now);
        description::device(device, &credentials, is_moving, zone, now)
    };
    let (was_moving, is_moving) = occasion.is_moving;
    let before = occasion.before.map(|before| describe(before, was_moving));
    Ok(Change {
        operation: operation_of(notice.event),
        who: occasion.who().to_owned(),
        server_transaction_id: occasion.origin.server_transaction_id.clone(),
        at: calendar(occasion.now),
        reason: None,
        before: before.transpose()?,
        after: Some(describe(occasion.after, is_moving)?),
    })
}

fn operation_of(event: Event) -> ChangeOperation {
    match event {
        Event::Deleted => ChangeOperation::Delete,
        Event::RegistrationExpired => ChangeOperation::AutoPurge,
        Event::Restored => ChangeOperation::Restore,
        Event::Transfer => ChangeOperation::Transfer,
        Event::SlotIssued
        | Event::SlotWithdrawn
        | Event::SlotExpires
        | Event::SlotExpired
        | Event::SlotBound
        | Event::SlotUnbound
        | Event::StatusChanged
        | Event::RegistrationExpires
        | Event::AuthInfoVoid
        | Event::PendingAction
        | Event::JobFinished => ChangeOperation::Update,
    }
}

/// Takes the oldest message out of its account's queue. A later one stays: who acknowledges it has not
/// been told of those before, and would not be.
#[derive(Debug)]
pub struct Acknowledge {
    /// Who asks.
    pub origin: Origin,
    /// The message.
    pub message_id: u64,
    /// The present time.
    pub now: u64,
}

/// What became of an acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledged {
    /// The message is gone.
    Gone(Left),
    /// Another message of the queue is the oldest one.
    NotOldest {
        /// Its number.
        oldest: u64,
    },
    /// The queue has no such message.
    NotThere,
}

/// What is left of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// Messages in it.
    pub count: u64,
    /// Number of the oldest of them.
    pub next: Option<u64>,
}

impl Step for Acknowledge {
    type Output = Acknowledged;

    fn run(self, connection: &Connection) -> Result<Self::Output, StoreError> {
        let account = &self.origin.account;
        accounts::require_enabled(connection, account)?;
        let message_id = sql_time(self.message_id);
        let found = sql::query(
            "SELECT message_id, (SELECT min(message_id) FROM message WHERE account = ?1) AS oldest
             FROM message WHERE account = ?1 AND message_id = ?2",
        )
        .bind(account)
        .bind(message_id)
        .optional(connection, |row| unix(row, "oldest"))?;
        match found {
            None => return Ok(Acknowledged::NotThere),
            Some(oldest) if oldest != self.message_id => {
                return Ok(Acknowledged::NotOldest { oldest });
            }
            Some(_) => {}
        }
        sql::query("DELETE FROM message WHERE account = ? AND message_id = ?")
            .bind(account)
            .bind(message_id)
            .execute(connection)?;
        let left = sql::query(
            "UPDATE account SET messages = messages - 1 WHERE name = ?1
             RETURNING messages,
                       (SELECT min(message_id) FROM message WHERE account = ?1) AS next",
        )
        .bind(account)
        .one(connection, |row| {
            Ok(Left {
                count: unix(row, "messages")?,
                next: super::rows::optional_unix(row, "next")?,
            })
        })?;
        let object = format!("message {}", self.message_id);
        let (before, after) = (Some("queued"), Some("acknowledged"));
        write_audit_text(connection, &self.origin, &object, before, after, self.now)?;
        Ok(Acknowledged::Gone(left))
    }
}

impl Store {
    /// Number of the newest message that was ever put in an account's queue.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn newest_message(&self, account: &str) -> Result<u64, StoreError> {
        let newest: Option<i64> = sql::query("SELECT message_newest FROM account WHERE name = ?")
            .bind(account)
            .optional(&*self.reader().await?, sql::scalar)?;
        u64::try_from(newest.unwrap_or(0)).map_err(corrupt)
    }

    /// The messages of an account after `after`, oldest first, and how many there are in all.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn messages_after(
        &self,
        account: &str,
        after: u64,
        limit: u32,
    ) -> Result<(u64, Vec<Message>), StoreError> {
        let count: Option<i64> = sql::query("SELECT messages FROM account WHERE name = ?")
            .bind(account)
            .optional(&*self.reader().await?, sql::scalar)?;
        let messages = sql::query(
            "SELECT document FROM message WHERE account = ? AND message_id > ?
             ORDER BY message_id LIMIT ?",
        )
        .bind(account)
        .bind(sql_time(after))
        .bind(i64::from(limit))
        .all(&*self.reader().await?, |row| {
            serde_json::from_str(sql::text(row, "document")?).map_err(corrupt)
        })?;
        Ok((
            u64::try_from(count.unwrap_or(0)).map_err(corrupt)?,
            messages,
        ))
    }
}

/// Whom audit rows and messages name when the registry acts by itself: no account has this name.
pub const REGISTRY_ITSELF: &str = "registry";

/// Who the registry is when it acts by itself.
pub(super) fn by_itself(verb: &'static str, random: [u8; 16]) -> Origin {
    Origin {
        account: REGISTRY_ITSELF.to_owned(),
        door: "registry",
        verb,
        client_transaction_id: None,
        server_transaction_id: server_transaction_id(random),
        digest: [0; 32],
    }
}
