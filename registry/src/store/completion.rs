//! The second transaction of an issue: the certificate is there, and its intent becomes device,
//! credential and journal row.

use iot_epp_api::message::Event;
use iot_identity::{DeviceId, Slot, ZoneName};

use super::audited::{audited, write_audit};
use super::journal::insert_journal;
use super::messages::{Occasion, send_notices};
use super::registration::Purpose;
use super::replay::{Remembered, remember};
use super::rows::{self, corrupt, sql_time};
use super::sql::{self, Connection, Row};
use super::{Origin, Step, StoreError};
use crate::ca::{Issued, SERIAL_OCTETS};
use crate::lifecycle::{AuthInfoRecord, Credential, Device, Facts, Notice, Refusal, Statuses};

/// Makes a device, or a slot of one, of an intent and its certificate.
#[derive(Clone, Debug)]
pub struct Complete {
    /// Who asked.
    pub origin: Origin,
    /// The registry's zone.
    pub zone: ZoneName,
    /// The id that was reserved.
    pub device_id: DeviceId,
    /// What for.
    pub purpose: Purpose,
    /// The slot that was reserved.
    pub slot: Slot,
    /// The serial that was reserved.
    pub serial: [u8; SERIAL_OCTETS],
    /// The certificate, or `None` to give the reservation up.
    pub issued: Option<Issued>,
    /// The time of the registration.
    pub now: u64,
}

/// What came of [`Complete`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completed {
    /// The certificate counts.
    Done {
        /// Sequence number of the new credential's journal row.
        seq: u64,
        /// Newest journal row of this step: wait for this one.
        last_seq: u64,
        /// The device afterwards.
        facts: Box<Facts>,
    },
    /// The reservation was given up; the serial is never used.
    Void,
    /// The device is no longer what the reservation was made for: given up as well.
    Refused(Refusal),
}

/// The device before and after, and the credentials that it has already.
type DeviceAfter = (Option<Device>, Device, Vec<Credential>);

/// What was set aside before the signature.
struct Intent {
    device_id: DeviceId,
    slot: Slot,
    key_hash: Vec<u8>,
    asp: Option<String>,
}

impl Intent {
    fn read(row: &Row<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            device_id: rows::device_id(row)?,
            slot: rows::slot(row)?,
            key_hash: row.get("key_hash")?,
            asp: row.get("asp")?,
        })
    }
}

impl Step for Complete {
    type Output = Completed;

    fn run(self, connection: &Connection) -> Result<Completed, StoreError> {
        let intent = sql::query("DELETE FROM intent WHERE serial = ? RETURNING *")
            .bind(&self.serial)
            .optional(connection, Intent::read)?
            .ok_or_else(|| corrupt("a reservation has vanished"))?;
        if intent.device_id != self.device_id || intent.slot != self.slot {
            return Err(corrupt("a reservation has changed"));
        }
        let Some(issued) = &self.issued else {
            self.void(connection)?;
            return Ok(Completed::Void);
        };
        let after = self.device_after(connection, intent.asp.as_deref())?;
        let (before, device, earlier) = match after {
            Ok(found) => found,
            Err(refusal) => {
                self.void(connection)?;
                return Ok(Completed::Refused(refusal));
            }
        };
        let credential = self.credential(intent.asp, issued);
        self.write_credential(connection, &credential, issued, &intent.key_hash)?;
        self.finish(connection, before, device, credential, earlier)
    }
}

impl Complete {
    fn void(&self, connection: &Connection) -> Result<(), StoreError> {
        let (serial, device_id) = (&self.serial, self.device_id);
        void_serial(connection, serial, device_id, self.slot, self.now)
    }

    /// The device before and after, written, and the credentials that it has already.
    fn device_after(
        &self,
        connection: &Connection,
        asp: Option<&str>,
    ) -> Result<Result<DeviceAfter, Refusal>, StoreError> {
        match &self.purpose {
            Purpose::Registration {
                expires_at,
                auth_info,
            } => {
                // The first slot: nothing was ever registered under this id.
                let earlier = match self.slot {
                    Slot::FIRST => Vec::new(),
                    _ => rows::facts(connection, self.device_id)?.credentials,
                };
                let device = self.insert_device(connection, *expires_at, *auth_info)?;
                Ok(Ok((None, device, earlier)))
            }
            Purpose::NewSlot => {
                let facts = rows::facts(connection, self.device_id)?;
                let before = facts.device.filter(|device| !device.is_gone(self.now));
                let Some(before) = before else {
                    return Ok(Err(Refusal::NotFound(self.device_id)));
                };
                // It may have gone to another sponsor, or have been unbound, while this was signed.
                let asking = Some(self.origin.account.as_str());
                let is_bound = |one: &Credential| one.asp.as_deref() == asking;
                let is_provider = asp == asking && facts.credentials.iter().any(is_bound);
                if before.account != self.origin.account && !is_provider {
                    return Ok(Err(Refusal::NotFound(self.device_id)));
                }
                if before.is_pending_delete() {
                    return Ok(Err(Refusal::Deleted(self.device_id)));
                }
                let mut device = before.clone();
                device.updated_at = self.now;
                device.version += 1;
                sql::query("UPDATE device SET updated_at = ?, version = ? WHERE device_id = ?")
                    .bind(sql_time(device.updated_at))
                    .bind(sql_time(device.version))
                    .bind(device.device_id.as_str())
                    .execute(connection)?;
                Ok(Ok((Some(before), device, facts.credentials)))
            }
        }
    }

    fn insert_device(
        &self,
        connection: &Connection,
        expires_at: u64,
        auth_info: Option<AuthInfoRecord>,
    ) -> Result<Device, StoreError> {
        let statuses = Statuses::at_registration();
        let number: i64 = sql::query(
            "INSERT INTO device (device_id, account, statuses, created_at, updated_at, expires_at,
                                 auth_info_hash, auth_info_until)
             VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6, ?7) RETURNING repository_id",
        )
        .bind(self.device_id.as_str())
        .bind(&self.origin.account)
        .bind(i64::from(statuses.bits()))
        .bind(sql_time(self.now))
        .bind(sql_time(expires_at))
        .bind(auth_info.map(|record| record.hash.to_vec()))
        .bind(auth_info.map(|record| sql_time(record.valid_until)))
        .one(connection, sql::scalar)?;
        Ok(Device {
            device_id: self.device_id,
            repository_id: u64::try_from(number).map_err(corrupt)?,
            account: self.origin.account.clone(),
            statuses,
            delete_requested_at: None,
            created_at: self.now,
            updated_at: self.now,
            expires_at,
            transferred_at: None,
            auth_info,
            version: 1,
        })
    }

    fn credential(&self, asp: Option<String>, issued: &Issued) -> Credential {
        Credential {
            slot: self.slot,
            withdrawn: None,
            fingerprint: issued.fingerprint,
            serial: Some(self.serial.to_vec()),
            not_before: issued.not_before,
            not_after: issued.not_after,
            released_until: None,
            asp,
            replace_by: None,
        }
    }

    fn write_credential(
        &self,
        connection: &Connection,
        credential: &Credential,
        issued: &Issued,
        key_hash: &[u8],
    ) -> Result<(), StoreError> {
        sql::query(
            "INSERT INTO credential (device_id, slot, key_hash, serial, fingerprint, not_before,
                                     not_after, certificate, asp)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(self.device_id.as_str())
        .bind(i64::from(self.slot.get()))
        .bind(key_hash)
        .bind(self.serial.as_slice())
        .bind(issued.fingerprint.as_octets().as_slice())
        .bind(sql_time(issued.not_before))
        .bind(sql_time(issued.not_after))
        .bind(&issued.der)
        .bind(&credential.asp)
        .execute(connection)?;
        Ok(())
    }

    /// Journal, audit, messages and what is kept for retries. Credentials of an earlier registration
    /// become "inactive" again.
    fn finish(
        &self,
        connection: &Connection,
        before: Option<Device>,
        device: Device,
        credential: Credential,
        earlier: Vec<Credential>,
    ) -> Result<Completed, StoreError> {
        let is_new = before.is_none();
        let mut published = vec![credential.clone()];
        if is_new {
            published.extend_from_slice(&earlier);
        }
        let kind = if is_new { "create" } else { "newSlot" };
        let rows = insert_journal(connection, &device, &published, kind, self.now)?;
        let (seq, last_seq) = rows.ok_or_else(|| corrupt("a certificate without journal row"))?;
        let (id, now, origin) = (self.device_id, self.now, &self.origin);
        // Of the slots only the new one changed.
        let changed = std::slice::from_ref(&credential);
        let (before, after) = (
            audited(before.as_ref(), &[], None),
            audited(Some(&device), changed, None),
        );
        write_audit(connection, origin, id, (before, after), now)?;
        let remembered = Remembered {
            rows,
            object_id: None,
        };
        remember(connection, origin, Some(id), remembered, now)?;
        let issued_to = |to: &String| Notice {
            to: to.clone(),
            event: Event::SlotIssued,
            slot: Some(self.slot),
            is_of_interrupted: false,
        };
        let mut notices: Vec<Notice> = credential.asp.iter().map(issued_to).collect();
        // A provider that asked by its sponsor's consent: the sponsor is told.
        if device.account != origin.account {
            notices.push(issued_to(&device.account));
        }
        let mut credentials = earlier;
        credentials.push(credential);
        let occasion = Occasion {
            origin,
            zone: &self.zone,
            before: None,
            after: (&device, &credentials),
            is_moving: (false, false),
            transfer: None,
            interrupted: None,
            now,
        };
        send_notices(connection, &occasion, &notices)?;
        let facts = Facts {
            device: Some(device),
            credentials,
            ..Facts::default()
        };
        Ok(Completed::Done {
            seq,
            last_seq,
            facts: Box::new(facts),
        })
    }
}

/// Keeps a serial number, and the slot that it was reserved for, from ever being used.
pub(super) fn void_serial(
    connection: &Connection,
    serial: &[u8],
    device_id: DeviceId,
    slot: Slot,
    now: u64,
) -> Result<(), StoreError> {
    sql::query(
        "INSERT INTO voided_serial (serial, device_id, slot, voided_at) VALUES (?, ?, ?, ?)",
    )
    .bind(serial)
    .bind(device_id.as_str())
    .bind(i64::from(slot.get()))
    .bind(sql_time(now))
    .execute(connection)?;
    sql::query(
        "INSERT INTO slot_reserved (device_id, slot_max) VALUES (?1, ?2)
         ON CONFLICT (device_id) DO UPDATE SET slot_max = max(slot_max, ?2)",
    )
    .bind(device_id.as_str())
    .bind(i64::from(slot.get()))
    .execute(connection)?;
    Ok(())
}
