//! Transfers of devices: asked for, answered, overdue.

use iot_epp_api::Role;
use iot_epp_api::transfer::Arrival;
use iot_identity::{DeviceId, ZoneName};

use super::auth_info::count_wrong;
use super::messages::by_itself;
use super::outcome::{Written, write_outcome};
use super::replay::{Remembered, Replay, remember, replay_of};
use super::rows::{self, corrupt, sql_time};
use super::sql::{self, Connection};
use super::{Origin, Step, Store, StoreError, accounts};
use crate::lifecycle::{self, Actor, End, Facts, Outcome, Pulled, Refusal, Transfer};

/// Why a device does not come to an account that may have no more.
const NO_ROOM: &str = "the account that would have the device has as many devices as it may have";
/// Overdue transfers that one step ends at most.
const OVERDUE_MAX: i64 = 100;

/// What an account wants of a transfer.
#[derive(Debug)]
pub enum TransferWish {
    /// The device, with its authorization information.
    Pull {
        /// What was presented.
        auth_info: iot_epp_api::secret::Secret,
        /// How it shall arrive.
        arrival: Arrival,
    },
    /// Give the device to this account.
    Push(String),
    /// End a transfer that is pending.
    End(End),
    /// Move the device to this account at once.
    Force(String, Arrival),
}

/// Decides on a transfer and writes what comes of it.
#[derive(Debug)]
pub struct DecideTransfer {
    /// Who asks.
    pub origin: Origin,
    /// Role of the account.
    pub role: Role,
    /// The registry's zone.
    pub zone: ZoneName,
    /// The device.
    pub device_id: DeviceId,
    /// What is wanted.
    pub wish: TransferWish,
    /// Months of registration of a deleted device that comes back after its end.
    pub months: u32,
    /// The time of the decision.
    pub now: u64,
}

/// What came of [`DecideTransfer`].
#[derive(Debug)]
pub enum Transferred {
    /// Done.
    Done {
        /// The transfer.
        transfer: Transfer,
        /// What was written.
        written: Box<Written>,
    },
    /// The same request was carried out before.
    Replay {
        /// The transfer, as it is now.
        transfer: Transfer,
        /// Journal rows of the first time.
        rows: super::outcome::Rows,
    },
    /// The client transaction id was used for another request.
    OtherContent,
    /// Refused.
    Refused(Refusal),
}

impl Step for DecideTransfer {
    type Output = Transferred;

    fn run(self, connection: &Connection) -> Result<Transferred, StoreError> {
        accounts::require_enabled(connection, &self.origin.account)?;
        let facts = rows::facts(connection, self.device_id)?;
        match replay_of(connection, &self.origin, self.now)? {
            // Present ownership first: who takes no part in the transfer any more learns nothing of it.
            Some(Replay::Same(Remembered { rows, object_id }))
                if self.concerns(connection, object_id)? =>
            {
                return self.replay(connection, rows, object_id);
            }
            // Of an earlier transfer: a decision about the present one is not answered with that.
            Some(Replay::Same(_)) => {}
            Some(Replay::OtherContent | Replay::InProgress) => {
                return Ok(Transferred::OtherContent);
            }
            None => {}
        }
        let outcome = match self.decide(connection, &facts)? {
            Ok(decided) => decided,
            Err(refusal) => return Ok(Transferred::Refused(refusal)),
        };
        let (origin, zone, now) = (&self.origin, &self.zone, self.now);
        let written = write_outcome(connection, origin, zone, "transfer", facts, outcome, now)?;
        let transfer = written.transfer.clone();
        let transfer = transfer.ok_or_else(|| corrupt("a transfer without a transfer"))?;
        let remembered = Remembered {
            rows: written.rows,
            object_id: transfer.transfer_id,
        };
        remember(connection, origin, Some(self.device_id), remembered, now)?;
        let written = Box::new(written);
        Ok(Transferred::Done { transfer, written })
    }
}

impl DecideTransfer {
    /// Whether an earlier result answers this: always that of a request for a transfer, and that of a
    /// decision while no later transfer waits for one.
    fn concerns(
        &self,
        connection: &Connection,
        object_id: Option<u64>,
    ) -> Result<bool, StoreError> {
        if !matches!(self.wish, TransferWish::End(_)) {
            return Ok(true);
        }
        let newest: Option<i64> =
            sql::query("SELECT max(transfer_id) FROM transfer WHERE device_id = ?")
                .bind(self.device_id.as_str())
                .one(connection, sql::scalar)?;
        Ok(newest == object_id.map(sql_time))
    }

    fn decide(
        &self,
        connection: &Connection,
        facts: &Facts,
    ) -> Result<Result<Outcome, Refusal>, StoreError> {
        let actor = Actor {
            account: &self.origin.account,
            role: self.role,
        };
        let (device_id, now) = (self.device_id, self.now);
        Ok(match &self.wish {
            TransferWish::Pull { auth_info, arrival } => {
                let presented = auth_info.expose();
                if !accounts::has_room(connection, actor.account)? {
                    return Ok(Err(Refusal::NoRoom));
                }
                let decided = lifecycle::decide_pull(facts, actor, presented, *arrival, now);
                match decided {
                    Ok(Pulled::Begun(outcome)) => Ok(*outcome),
                    Ok(Pulled::Wrong(_)) | Err(Refusal::WrongAuthInfo) => {
                        // The step that refuses commits it.
                        count_wrong(connection, device_id, actor.account, now)?;
                        Err(Refusal::WrongAuthInfo)
                    }
                    Err(refusal) => Err(refusal),
                }
            }
            TransferWish::Push(to) => {
                let is_mno = accounts::is_enabled(connection, to, Role::Mno)?;
                lifecycle::decide_push(device_id, facts, actor, to, is_mno, now)
            }
            TransferWish::End(end) => {
                let ended = lifecycle::decide_end(device_id, facts, actor, *end, now);
                let gaining = facts.transfer.as_ref().map(|one| one.gaining.as_str());
                match (&ended, end, gaining) {
                    (Ok(_), End::Approve(_), Some(gaining))
                        if !accounts::is_enabled(connection, gaining, Role::Mno)? =>
                    {
                        Err(Refusal::NotTransferable(
                            "the account that asked for the device is disabled",
                        ))
                    }
                    (Ok(_), End::Approve(_), Some(gaining))
                        if !accounts::has_room(connection, gaining)? =>
                    {
                        Err(Refusal::NotTransferable(NO_ROOM))
                    }
                    _ => ended,
                }
            }
            TransferWish::Force(to, arrival) => {
                let is_mno = accounts::is_enabled(connection, to, Role::Mno)?;
                if is_mno && !accounts::has_room(connection, to)? {
                    return Ok(Err(Refusal::NotTransferable(NO_ROOM)));
                }
                let (to, months) = ((to.as_str(), is_mno), self.months);
                lifecycle::decide_force(device_id, facts, actor, to, *arrival, months, now)
            }
        })
    }

    fn replay(
        &self,
        connection: &Connection,
        rows: super::outcome::Rows,
        object_id: Option<u64>,
    ) -> Result<Transferred, StoreError> {
        let transfer = sql::query("SELECT * FROM transfer WHERE transfer_id = ?")
            .bind(object_id.map(sql_time))
            .optional(connection, rows::transfer)?;
        let takes_part = |one: &Transfer| {
            let account = &self.origin.account;
            self.role == Role::Operator || one.losing == *account || one.gaining == *account
        };
        Ok(match transfer.filter(takes_part) {
            Some(transfer) => Transferred::Replay { transfer, rows },
            None => Transferred::Refused(Refusal::NotFound(self.device_id)),
        })
    }
}

/// Writes a transfer: a new one gets its number, another one its end.
pub(super) fn write_transfer(
    connection: &Connection,
    device_id: DeviceId,
    mut transfer: Transfer,
) -> Result<Transfer, StoreError> {
    if let Some(transfer_id) = transfer.transfer_id {
        sql::query(
            "UPDATE transfer SET status = ?, acting = ?, acting_at = ?, arrival = ?, replace_by = ?
             WHERE transfer_id = ?",
        )
        .bind(transfer.status.as_str())
        .bind(&transfer.acting)
        .bind(sql_time(transfer.acting_at))
        .bind(transfer.arrival.map(Arrival::as_str))
        .bind(transfer.replace_by.map(sql_time))
        .bind(sql_time(transfer_id))
        .execute(connection)?;
        return Ok(transfer);
    }
    let number: i64 = sql::query(
        "INSERT INTO transfer (device_id, direction, status, losing, gaining, requested_by,
                               requested_at, acting, acting_at, arrival, replace_by)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING transfer_id",
    )
    .bind(device_id.as_str())
    .bind(transfer.direction.as_str())
    .bind(transfer.status.as_str())
    .bind(&transfer.losing)
    .bind(&transfer.gaining)
    .bind(&transfer.requested_by)
    .bind(sql_time(transfer.requested_at))
    .bind(&transfer.acting)
    .bind(sql_time(transfer.acting_at))
    .bind(transfer.arrival.map(Arrival::as_str))
    .bind(transfer.replace_by.map(sql_time))
    .one(connection, sql::scalar)?;
    transfer.transfer_id = Some(u64::try_from(number).map_err(corrupt)?);
    Ok(transfer)
}

/// Ends transfers that nobody has answered in time; returns how many.
#[derive(Debug)]
pub struct EndOverdue {
    /// The registry's zone.
    pub zone: ZoneName,
    /// For the name of the transaction.
    pub random: [u8; 16],
    /// The present time.
    pub now: u64,
}

impl Step for EndOverdue {
    type Output = usize;

    fn run(self, connection: &Connection) -> Result<usize, StoreError> {
        let overdue = sql::query(
            "SELECT * FROM transfer WHERE status = 'pending' AND acting_at < ?
             ORDER BY acting_at LIMIT ?",
        )
        .bind(sql_time(self.now))
        .bind(OVERDUE_MAX)
        .all(connection, |row| {
            Ok((rows::device_id(row)?, rows::transfer(row)?))
        })?;
        let count = overdue.len();
        for (device_id, transfer) in overdue {
            self.end(connection, device_id, transfer)?;
        }
        Ok(count)
    }
}

impl EndOverdue {
    fn end(
        &self,
        connection: &Connection,
        device_id: DeviceId,
        transfer: Transfer,
    ) -> Result<(), StoreError> {
        let facts = rows::facts(connection, device_id)?;
        let gaining = &transfer.gaining;
        let gains = accounts::is_enabled(connection, gaining, Role::Mno)?
            && accounts::has_room(connection, gaining)?;
        let device = facts.device.as_ref();
        let device = device.ok_or_else(|| corrupt("a pending transfer of no device"))?;
        let outcome = if gains {
            lifecycle::transfer_overdue(device, &facts, &transfer, self.now)
        } else {
            lifecycle::transfer_void(device, &facts, &transfer, self.now)
        };
        let origin = by_itself("transfer.overdue", self.random);
        let (zone, now) = (&self.zone, self.now);
        write_outcome(connection, &origin, zone, "transfer", facts, outcome, now)?;
        Ok(())
    }
}

impl Store {
    /// The newest transfer of a device.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn newest_transfer(
        &self,
        device_id: DeviceId,
    ) -> Result<Option<Transfer>, StoreError> {
        sql::query("SELECT * FROM transfer WHERE device_id = ? ORDER BY transfer_id DESC LIMIT 1")
            .bind(device_id.as_str())
            .optional(&*self.reader().await?, rows::transfer)
    }

    /// The newest transfer of a device in which this account took part.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn newest_transfer_of(
        &self,
        device_id: DeviceId,
        account: &str,
    ) -> Result<Option<Transfer>, StoreError> {
        sql::query(
            "SELECT * FROM transfer WHERE device_id = ?1 AND (losing = ?2 OR gaining = ?2)
             ORDER BY transfer_id DESC LIMIT 1",
        )
        .bind(device_id.as_str())
        .bind(account)
        .optional(&*self.reader().await?, rows::transfer)
    }
}
