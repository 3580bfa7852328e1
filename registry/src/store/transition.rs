//! Changes of a registered device: activate, deactivate, delete, and expiry by itself.

use async_trait::async_trait;
use iot_identity::{DeviceId, Slot};
use sqlx::SqliteConnection;

use super::audit::write_audit;
use super::replay::{Replay, forget_replays, remember, replay_of};
use super::rows::{self, corrupt, publication_columns, sql_time};
use super::{Origin, Step, StoreError, accounts};
use crate::lifecycle::{self, Actor, Credential, Device, Facts, Refusal, Transition};

/// Credentials that one expiry step withdraws at most.
const EXPIRE_MAX: i64 = 500;

/// Decides on a transition and writes its outcome.
#[derive(Debug)]
pub struct Transit {
    /// Who asks.
    pub origin: Origin,
    /// True for the registry's operators.
    pub operator: bool,
    /// The device.
    pub device_id: DeviceId,
    /// What shall happen.
    pub transition: Transition,
    /// The time of the decision.
    pub now: u64,
}

/// What came of [`Transit`].
#[derive(Debug)]
pub enum Transited {
    /// Done; the zone has to follow up to this journal row.
    Done {
        /// First journal row of this step.
        first_seq: u64,
        /// Newest journal row of this step: wait for this one.
        last_seq: u64,
        /// The device afterwards, with all credentials.
        facts: Facts,
    },
    /// The same request was carried out before.
    Replay {
        /// Its first journal row.
        first_seq: u64,
        /// Its last journal row.
        last_seq: u64,
    },
    /// The client transaction id was used for another request.
    OtherContent,
    /// Refused.
    Refused(Refusal),
}

#[async_trait]
impl Step for Transit {
    type Output = Transited;

    async fn run(self, connection: &mut SqliteConnection) -> Result<Transited, StoreError> {
        accounts::require_enabled(connection, &self.origin.account).await?;
        let mut facts = rows::facts(connection, self.device_id, None).await?;
        let actor = if self.operator {
            Actor::Operator
        } else {
            Actor::Sponsor(&self.origin.account)
        };
        // Present ownership first: a replay tells nobody about a device that is not his.
        if let Err(refusal) = lifecycle::visible_device(self.device_id, &facts, actor, self.now) {
            return Ok(Transited::Refused(refusal));
        }
        if self.transition == Transition::Delete {
            match replay_of(connection, &self.origin, self.now).await? {
                Some(Replay::Same {
                    first_seq,
                    last_seq,
                }) => {
                    return Ok(Transited::Replay {
                        first_seq,
                        last_seq,
                    });
                }
                // In progress is a registration, which this is not.
                Some(Replay::OtherContent | Replay::InProgress) => {
                    return Ok(Transited::OtherContent);
                }
                None => {}
            }
        }
        let device = match lifecycle::decide_transition(
            self.device_id,
            &facts,
            actor,
            self.transition,
            self.now,
        ) {
            Ok(device) => device,
            Err(refusal) => return Ok(Transited::Refused(refusal)),
        };
        update_device(connection, &device).await?;
        let kind = match self.transition {
            Transition::Activate => "activate",
            Transition::Deactivate => "deactivate",
            Transition::Delete => "delete",
        };
        let last_seq =
            insert_journal(connection, &device, &facts.credentials, kind, self.now).await?;
        let first_seq = last_seq + 1 - facts.credentials.len() as u64;
        let before = facts.device.replace(device);
        let after = facts.device.as_ref();
        write_audit(
            connection,
            &self.origin,
            self.device_id,
            before.as_ref(),
            after,
            self.now,
        )
        .await?;
        if self.transition == Transition::Delete {
            remember(
                connection,
                &self.origin,
                self.device_id,
                (first_seq, last_seq),
                self.now,
            )
            .await?;
        }
        Ok(Transited::Done {
            first_seq,
            last_seq,
            facts,
        })
    }
}

async fn update_device(
    connection: &mut SqliteConnection,
    device: &Device,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE device SET client_hold = ?, server_hold = ?, delete_requested_at = ?, updated_at = ?
         WHERE device_id = ?",
    )
    .bind(device.client_hold)
    .bind(device.server_hold)
    .bind(device.delete_requested_at.map(sql_time))
    .bind(sql_time(device.updated_at))
    .bind(device.device_id.as_str())
    .execute(connection)
    .await?;
    Ok(())
}

/// Withdraws certificates whose time is over, and forgets results that are no longer replayed;
/// returns the number of certificates.
#[derive(Debug)]
pub struct Expire {
    /// The present time.
    pub now: u64,
}

#[async_trait]
impl Step for Expire {
    type Output = usize;

    async fn run(self, connection: &mut SqliteConnection) -> Result<usize, StoreError> {
        forget_replays(connection, self.now).await?;
        let expired = sqlx::query(
            "SELECT device_id, slot FROM credential
             WHERE withdrawn IS NULL AND not_after < ? ORDER BY not_after LIMIT ?",
        )
        .bind(sql_time(self.now))
        .bind(EXPIRE_MAX)
        .fetch_all(&mut *connection)
        .await?;
        for row in &expired {
            let (device_id, slot) = (rows::device_id(row)?, rows::slot(row)?);
            self.expire(connection, device_id, slot).await?;
        }
        Ok(expired.len())
    }
}

impl Expire {
    async fn expire(
        &self,
        connection: &mut SqliteConnection,
        device_id: DeviceId,
        slot: Slot,
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE credential SET withdrawn = 'expired' WHERE device_id = ? AND slot = ?")
            .bind(device_id.as_str())
            .bind(i64::from(slot.get()))
            .execute(&mut *connection)
            .await?;
        let facts = rows::facts(connection, device_id, None).await?;
        let Some(device) = &facts.device else {
            return Ok(());
        };
        let expired: Vec<Credential> = facts
            .credentials
            .into_iter()
            .filter(|credential| credential.slot == slot)
            .collect();
        insert_journal(connection, device, &expired, "expire", self.now).await?;
        Ok(())
    }
}

/// Appends the resulting publication of each credential; returns the newest sequence number.
///
/// Sequence numbers are dense and in commit order, because only the one writer takes them.
pub(super) async fn insert_journal(
    connection: &mut SqliteConnection,
    device: &Device,
    credentials: &[Credential],
    kind: &'static str,
    now: u64,
) -> Result<u64, StoreError> {
    let mut seq: i64 = sqlx::query_scalar("SELECT journal_head FROM registry WHERE id = 1")
        .fetch_one(&mut *connection)
        .await?;
    for credential in credentials {
        seq += 1;
        let publication = lifecycle::publication(device, credential, now);
        let (publication, fingerprint) = publication_columns(&publication);
        sqlx::query(
            "INSERT INTO journal (seq, device_id, slot, kind, publication, fingerprint, committed_at)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(seq)
        .bind(device.device_id.as_str())
        .bind(i64::from(credential.slot.get()))
        .bind(kind)
        .bind(publication)
        .bind(fingerprint)
        .bind(sql_time(now))
        .execute(&mut *connection)
        .await?;
    }
    sqlx::query("UPDATE registry SET journal_head = ? WHERE id = 1")
        .bind(seq)
        .execute(connection)
        .await?;
    u64::try_from(seq).map_err(corrupt)
}
