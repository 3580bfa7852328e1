//! The issue of a certificate in two transactions with the signature between them: the first one.
//!
//! [`Reserve`] writes the intent (serial, key, slot) before anything is signed;
//! [`Complete`](super::Complete) turns it into device, certificate and journal row. A crash between the
//! two leaves an intent, which the next start voids: no serial is ever used for two contents.

use iot_epp_api::Role;
use iot_identity::DeviceId;

use super::audited::{audited, write_audit};
use super::outcome::Rows;
use super::replay::{Remembered, Replay, replay_of};
use super::rows::{self, sql_time};
use super::sql::{self, Connection};
use super::{Origin, Step, StoreError, accounts};
use crate::ca::SERIAL_OCTETS;
use crate::lifecycle::{self, Actor, AuthInfoRecord, Facts, Refusal, Reservation};

/// Why no new registrations are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// Signing again is far behind.
    SigningIsLate,
    /// Pages of the database are damaged.
    DatabaseIsDamaged,
}

/// What a certificate is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A new device.
    Registration {
        /// End of the registration.
        expires_at: u64,
        /// Authorization information to set at once.
        auth_info: Option<AuthInfoRecord>,
    },
    /// A new slot of a device that is there.
    NewSlot,
}

/// Decides whether a certificate may be issued, and writes the intent.
#[derive(Clone, Debug)]
pub struct Reserve {
    /// Who asks.
    pub origin: Origin,
    /// Role of the account.
    pub role: Role,
    /// The device.
    pub device_id: DeviceId,
    /// What for.
    pub purpose: Purpose,
    /// The provider that the slot is for.
    pub asp: Option<String>,
    /// Only when the device is still of this version.
    pub if_version: Option<u64>,
    /// Hash of the CSR's key.
    pub key_hash: [u8; 32],
    /// Serial number that the certificate will have.
    pub serial: [u8; SERIAL_OCTETS],
    /// Nothing new is taken; what was asked before is answered.
    pub closed: Option<Closed>,
    /// The time of the decision.
    pub now: u64,
}

/// What came of [`Reserve`].
#[derive(Debug)]
pub enum Reserved {
    /// The slot is set aside; sign now.
    Slot(Reservation),
    /// The same request was carried out before, with these journal rows.
    Replay {
        /// The rows.
        rows: Rows,
    },
    /// The same request is being carried out at this moment.
    InProgress,
    /// The client transaction id was used for another request.
    OtherContent,
    /// New, and nothing new is taken.
    Closed(Closed),
    /// Refused.
    Refused(Refusal),
}

impl Step for Reserve {
    type Output = Reserved;

    fn run(self, connection: &Connection) -> Result<Reserved, StoreError> {
        let facts = self.facts(connection)?;
        // Present ownership first: a replay tells nobody about a device that is not his.
        let is_foreign = facts.device.is_some() && facts.seen_by(self.actor(), self.now).is_none();
        match replay_of(connection, &self.origin, self.now)? {
            Some(Replay::Same(Remembered { rows, .. })) if !is_foreign => {
                return Ok(Reserved::Replay { rows });
            }
            Some(Replay::InProgress) => return Ok(Reserved::InProgress),
            Some(Replay::OtherContent) => return Ok(Reserved::OtherContent),
            Some(Replay::Same(_)) | None => {}
        }
        if let Some(closed) = self.closed {
            return Ok(Reserved::Closed(closed));
        }
        let reservation = match self.decide(connection, &facts)? {
            Ok(reservation) => reservation,
            Err(refusal) => return Ok(Reserved::Refused(refusal)),
        };
        if reservation.supersedes_deleted {
            put_away(connection, self.device_id)?;
            let before = audited(facts.device.as_ref(), &facts.credentials, None);
            write_audit(
                connection,
                &self.origin,
                self.device_id,
                (before, None),
                self.now,
            )?;
        }
        self.write_intent(connection, &reservation)?;
        Ok(Reserved::Slot(reservation))
    }
}

impl Reserve {
    fn actor(&self) -> Actor<'_> {
        Actor {
            account: &self.origin.account,
            role: self.role,
        }
    }

    fn facts(&self, connection: &Connection) -> Result<Facts, StoreError> {
        let asking = &self.origin.account;
        rows::issuance_facts(connection, self.device_id, asking, Some(&self.key_hash))
    }

    fn decide(
        &self,
        connection: &Connection,
        facts: &Facts,
    ) -> Result<Result<Reservation, Refusal>, StoreError> {
        let (device_id, asp, now) = (self.device_id, self.asp.clone(), self.now);
        let decided = match self.purpose {
            Purpose::Registration { .. } => {
                lifecycle::decide_registration(device_id, facts, asp, now)
            }
            Purpose::NewSlot => {
                lifecycle::decide_new_slot(device_id, facts, self.actor(), asp, now).and_then(
                    |reservation| {
                        let version = facts.device.as_ref().map(|device| device.version);
                        let other = self.if_version.filter(|_| self.if_version != version);
                        other.map_or(Ok(reservation), |one| Err(Refusal::OtherVersion(one)))
                    },
                )
            }
        };
        // Last, so that who may not ask at all is not told who is a provider.
        if decided.is_ok()
            && let Some(asp) = &self.asp
            && !accounts::is_enabled(connection, asp, Role::Asp)?
        {
            return Ok(Err(Refusal::NoProvider(asp.clone())));
        }
        Ok(decided)
    }

    fn write_intent(
        &self,
        connection: &Connection,
        reservation: &Reservation,
    ) -> Result<(), StoreError> {
        let slot = i64::from(reservation.slot.get());
        sql::query(
            "INSERT INTO intent (serial, device_id, slot, key_hash, request_digest, account,
                                 client_transaction_id, created_at, asp)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(self.serial.as_slice())
        .bind(self.device_id.as_str())
        .bind(slot)
        .bind(self.key_hash.as_slice())
        .bind(self.origin.digest.as_slice())
        .bind(&self.origin.account)
        .bind(&self.origin.client_transaction_id)
        .bind(sql_time(self.now))
        .bind(&reservation.asp)
        .execute(connection)?;
        Ok(())
    }
}

/// Puts away a device whose restore window has ended; its credentials stay, withdrawn and bound to nobody:
/// whoever registers the id next is nothing to the providers of the last sponsor.
pub(super) fn put_away(connection: &Connection, device_id: DeviceId) -> Result<(), StoreError> {
    sql::query("DELETE FROM device WHERE device_id = ?")
        .bind(device_id.as_str())
        .execute(connection)?;
    sql::query(
        "UPDATE credential SET withdrawn = coalesce(withdrawn, 'deleted'), asp = NULL
         WHERE device_id = ?",
    )
    .bind(device_id.as_str())
    .execute(connection)?;
    Ok(())
}
