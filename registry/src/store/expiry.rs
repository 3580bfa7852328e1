//! What time does by itself: certificates, registrations and restore windows that end, and the messages
//! before that.

use iot_epp_api::message::{Detail, Event, Message};
use iot_identity::{DeviceId, Slot, ZoneName};

use super::audited::{audited, write_audit};
use super::messages::{by_itself, send};
use super::outcome::write_outcome;
use super::registration::put_away;
use super::replay::forget_replays;
use super::rows::{self, sql_time, unix};
use super::sql::{self, Connection};
use super::{Step, StoreError};
use crate::description::calendar;
use crate::lifecycle::{self, Facts, Outcome, RESTORE_WINDOW_SECS};

/// Rows that one step looks at, at most, of each kind: holds wait for a step that has begun.
const EXPIRE_MAX: i64 = 64;
const DAY_SECS: u64 = 24 * 3600;
/// How long before an end its messages are sent; the first is the earliest. The next is looked for
/// among those of which the ones before it were sent.
const NOTICES_SECS: [u64; 3] = [90 * DAY_SECS, 30 * DAY_SECS, 7 * DAY_SECS];

/// Withdraws what has ended, tells of what will, and forgets results that are no longer replayed;
/// returns how much there was to do, zero when nothing is left.
#[derive(Debug)]
pub struct Expire {
    /// The registry's zone.
    pub zone: ZoneName,
    /// For the name of the transaction.
    pub random: [u8; 16],
    /// The present time.
    pub now: u64,
}

impl Step for Expire {
    type Output = usize;

    fn run(self, connection: &Connection) -> Result<usize, StoreError> {
        let mut done = forget_replays(connection, self.now)?;
        done += self.end_credentials(connection)?;
        done += self.end_registrations(connection)?;
        done += self.end_restore_windows(connection)?;
        for notices in 0..NOTICES_SECS.len() {
            done += self.warn_of_credentials(connection, notices)?;
            done += self.warn_of_registrations(connection, notices)?;
        }
        Ok(done)
    }
}

impl Expire {
    fn end_credentials(&self, connection: &Connection) -> Result<usize, StoreError> {
        let expired = sql::query(
            "SELECT device_id, slot FROM credential
             WHERE withdrawn IS NULL AND expiry_notices IN (0, 1, 2, 3) AND not_after < ? LIMIT ?",
        )
        .bind(sql_time(self.now))
        .bind(EXPIRE_MAX)
        .all(connection, rows::name)?;
        for (device_id, slot) in expired.iter().copied() {
            self.end_credential(connection, device_id, slot)?;
        }
        Ok(expired.len())
    }

    fn end_credential(
        &self,
        connection: &Connection,
        device_id: DeviceId,
        slot: Slot,
    ) -> Result<(), StoreError> {
        let facts = rows::facts(connection, device_id)?;
        let Some(device) = &facts.device else {
            // What is left of a device that is gone is published no more.
            sql::query(
                "UPDATE credential SET withdrawn = 'expired' WHERE device_id = ? AND slot = ?",
            )
            .bind(device_id.as_str())
            .bind(i64::from(slot.get()))
            .execute(connection)?;
            return Ok(());
        };
        let mut outcome = lifecycle::credential_expired(device, &facts, slot, self.now);
        // By the clock alone it is inactive already, and nothing would seem to have changed.
        outcome.publishes_all = true;
        self.write(connection, facts, outcome)
    }

    fn end_registrations(&self, connection: &Connection) -> Result<usize, StoreError> {
        let ended = sql::query(
            "SELECT device_id FROM device
             WHERE delete_requested_at IS NULL AND expiry_notices IN (0, 1, 2, 3) AND expires_at < ?
             LIMIT ?",
        )
        .bind(sql_time(self.now))
        .bind(EXPIRE_MAX)
        .all(connection, rows::device_id)?;
        for device_id in &ended {
            let facts = rows::facts(connection, *device_id)?;
            if let Some(device) = &facts.device {
                let outcome = lifecycle::registration_expired(device, &facts, self.now);
                self.write(connection, facts, outcome)?;
            }
        }
        Ok(ended.len())
    }

    /// Deleted devices that can be restored no longer take no place in their account any more.
    fn end_restore_windows(&self, connection: &Connection) -> Result<usize, StoreError> {
        let gone =
            sql::query("SELECT device_id FROM device WHERE delete_requested_at <= ? LIMIT ?")
                .bind(sql_time(self.now.saturating_sub(RESTORE_WINDOW_SECS)))
                .bind(EXPIRE_MAX)
                .all(connection, rows::device_id)?;
        let origin = by_itself("registry.purge", self.random);
        for device_id in gone.iter().copied() {
            let facts = rows::facts(connection, device_id)?;
            put_away(connection, device_id)?;
            let before = audited(facts.device.as_ref(), &facts.credentials, None);
            write_audit(connection, &origin, device_id, (before, None), self.now)?;
        }
        Ok(gone.len())
    }

    fn write(
        &self,
        connection: &Connection,
        facts: Facts,
        outcome: Outcome,
    ) -> Result<(), StoreError> {
        let origin = by_itself("registry.expire", self.random);
        let (zone, now) = (&self.zone, self.now);
        write_outcome(connection, &origin, zone, "expire", facts, outcome, now)?;
        Ok(())
    }

    /// Tells sponsor and provider of certificates that end within the time of this notice, and of which
    /// so many notices were sent.
    fn warn_of_credentials(
        &self,
        connection: &Connection,
        notices: usize,
    ) -> Result<usize, StoreError> {
        let due = sql::query(
            "SELECT credential.device_id, slot, not_after, credential.asp, device.account
             FROM credential CROSS JOIN device USING (device_id)
             WHERE withdrawn IS NULL AND credential.expiry_notices = ? AND not_after < ?
                   AND delete_requested_at IS NULL
             ORDER BY not_after LIMIT ?",
        )
        .bind(notices as i64)
        .bind(sql_time(self.now + NOTICES_SECS[notices]))
        .bind(EXPIRE_MAX)
        .all(connection, |row| {
            let (device_id, slot) = rows::name(row)?;
            let told: [Option<String>; 2] = [row.get("account")?, row.get("asp")?];
            Ok((device_id, slot, unix(row, "not_after")?, told))
        })?;
        for (device_id, slot, not_after, told) in due.iter().cloned() {
            sql::query("UPDATE credential SET expiry_notices = ? WHERE device_id = ? AND slot = ?")
                .bind(self.notices_sent(not_after))
                .bind(device_id.as_str())
                .bind(i64::from(slot.get()))
                .execute(connection)?;
            for account in told.into_iter().flatten() {
                let message = self.of_credential(device_id, slot, not_after);
                send(connection, &account, message, self.now)?;
            }
        }
        Ok(due.len())
    }

    fn warn_of_registrations(
        &self,
        connection: &Connection,
        notices: usize,
    ) -> Result<usize, StoreError> {
        let due = sql::query(
            "SELECT device_id, account, expires_at FROM device
             WHERE delete_requested_at IS NULL AND expiry_notices = ? AND expires_at < ?
             ORDER BY expires_at LIMIT ?",
        )
        .bind(notices as i64)
        .bind(sql_time(self.now + NOTICES_SECS[notices]))
        .bind(EXPIRE_MAX)
        .all(connection, |row| {
            let account: String = row.get("account")?;
            Ok((rows::device_id(row)?, unix(row, "expires_at")?, account))
        })?;
        for (device_id, expires_at, account) in due.iter().cloned() {
            sql::query("UPDATE device SET expiry_notices = ? WHERE device_id = ?")
                .bind(self.notices_sent(expires_at))
                .bind(device_id.as_str())
                .execute(connection)?;
            let until = calendar(expires_at);
            let text = format!(
                "the registration of device {device_id} ends on {}",
                until.date()
            );
            let message = self.message(Event::RegistrationExpires, text, device_id, Detail::None);
            send(connection, &account, message, self.now)?;
        }
        Ok(due.len())
    }

    /// How many of the notices are sent with this one: what was missed is not sent late.
    fn notices_sent(&self, end: u64) -> i64 {
        let due = NOTICES_SECS
            .iter()
            .filter(|before| end < self.now + **before);
        due.count() as i64
    }

    fn of_credential(&self, device_id: DeviceId, slot: Slot, not_after: u64) -> Message {
        let until = calendar(not_after);
        let text = format!(
            "the certificate of slot {slot} of device {device_id} ends on {}",
            until.date()
        );
        let detail = Detail::Slot {
            slot,
            not_after: until,
            reason: None,
            certificate_pem: None,
        };
        self.message(Event::SlotExpires, text, device_id, detail)
    }

    fn message(&self, event: Event, text: String, device_id: DeviceId, detail: Detail) -> Message {
        Message {
            message_id: 0,
            queued_at: calendar(self.now),
            event,
            text,
            device_id: Some(device_id),
            detail,
        }
    }
}
