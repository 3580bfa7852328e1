//! What an account may do beyond its role: ids that were imported for it, providers that it lets ask in
//! its place.

use iot_epp_api::Role;
use iot_identity::DeviceId;
use serde_json::json;

use super::accounts::{is_enabled, read, require_enabled};
use super::audit::write_audit_text;
use super::audited_account::audited_account;
use super::rows::{corrupt, sql_time};
use super::sql::{self, Connection};
use super::{Origin, Step, Store, StoreError};

/// What an account may do beyond its role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// With what the ids begin that it may register.
    pub prefixes: Vec<String>,
    /// Ids in its imported list.
    pub imported_ids: u64,
    /// Providers that may send certificate requests for slots bound to them.
    pub consents: Vec<String>,
}

/// Gives an account ids that it may register. None of them when one is in another account's list.
#[derive(Debug)]
pub struct ImportIds {
    /// Who asks.
    pub origin: Origin,
    /// The account.
    pub name: String,
    /// The ids.
    pub device_ids: Vec<DeviceId>,
    /// The present time.
    pub now: u64,
}

/// What came of [`ImportIds`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Imported {
    /// So many were not there before.
    Added(u64),
    /// This one is in another account's list.
    OfOther(DeviceId),
    /// There is no such account.
    NoAccount,
}

impl Step for ImportIds {
    type Output = Imported;

    fn run(self, connection: &Connection) -> Result<Imported, StoreError> {
        require_enabled(connection, &self.origin.account)?;
        let Some(account) = read(connection, &self.name)? else {
            return Ok(Imported::NoAccount);
        };
        for device_id in &self.device_ids {
            let other =
                sql::query("SELECT 1 FROM imported_id WHERE device_id = ? AND account <> ?")
                    .bind(device_id.as_str())
                    .bind(&self.name)
                    .optional(connection, |_| Ok(()))?;
            if other.is_some() {
                return Ok(Imported::OfOther(*device_id));
            }
        }
        let mut added = 0;
        for device_id in &self.device_ids {
            let insert = "INSERT INTO imported_id (device_id, account) VALUES (?, ?)
                          ON CONFLICT (device_id) DO NOTHING";
            let row = sql::query(insert).bind(device_id.as_str());
            added += row.bind(&self.name).execute(connection)? as u64;
        }
        let (origin, name, now) = (&self.origin, &self.name, self.now);
        let before = audited_account(&account, json!({}));
        let after = audited_account(&account, json!({ "idsImported": added }));
        write_audit_text(connection, origin, name, Some(&before), Some(&after), now)?;
        Ok(Imported::Added(added))
    }
}

/// Takes ids out of an account's list; returns how many were in it. The lists of others, and devices
/// that are registered, stay as they are.
pub(super) fn remove_ids(
    connection: &Connection,
    name: &str,
    device_ids: &[DeviceId],
) -> Result<u64, StoreError> {
    let mut removed = 0;
    for device_id in device_ids {
        removed += sql::query("DELETE FROM imported_id WHERE device_id = ? AND account = ?")
            .bind(device_id.as_str())
            .bind(name)
            .execute(connection)? as u64;
    }
    Ok(removed)
}

/// Lets a provider send certificate requests for slots bound to it, or no longer; false when there is
/// no such provider.
#[derive(Debug)]
pub struct Consent {
    /// Who asks: the operator whose consent it is.
    pub origin: Origin,
    /// The provider.
    pub asp: String,
    /// Whether it may.
    pub granted: bool,
    /// The present time.
    pub now: u64,
}

impl Step for Consent {
    type Output = bool;

    fn run(self, connection: &Connection) -> Result<bool, StoreError> {
        let mno = &self.origin.account;
        require_enabled(connection, mno)?;
        // From one that is disabled it can be withdrawn: it would have it when it is enabled again.
        let is_enabled = is_enabled(connection, &self.asp, Role::Asp)?;
        if self.granted && !is_enabled {
            return Ok(false);
        }
        let statement = if self.granted {
            sql::query(
                "INSERT INTO consent (mno, asp, granted_at) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO NOTHING",
            )
        } else {
            sql::query("DELETE FROM consent WHERE mno = ?1 AND asp = ?2 AND ?3 IS NOT NULL")
        };
        let changed = statement
            .bind(mno)
            .bind(&self.asp)
            .bind(sql_time(self.now))
            .execute(connection)?;
        if changed == 0 && !is_enabled {
            return Ok(false);
        }
        // Granting again, and withdrawing what was not granted, change no row.
        let said = |granted: bool| json!({ "consent": granted }).to_string();
        let (before, after) = (said(self.granted == (changed == 0)), said(self.granted));
        let (origin, asp) = (&self.origin, &self.asp);
        write_audit_text(
            connection,
            origin,
            asp,
            Some(&before),
            Some(&after),
            self.now,
        )?;
        Ok(true)
    }
}

impl Store {
    /// What an account may do beyond its role.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn grants(&self, name: &str) -> Result<Grants, StoreError> {
        let prefixes =
            sql::query("SELECT prefix FROM account_prefix WHERE account = ? ORDER BY prefix")
                .bind(name)
                .all(&*self.reader().await?, sql::scalar)?;
        let imported: i64 = sql::query("SELECT count(*) FROM imported_id WHERE account = ?")
            .bind(name)
            .one(&*self.reader().await?, sql::scalar)?;
        let consents = sql::query("SELECT asp FROM consent WHERE mno = ? ORDER BY asp")
            .bind(name)
            .all(&*self.reader().await?, sql::scalar)?;
        Ok(Grants {
            prefixes,
            imported_ids: u64::try_from(imported).map_err(corrupt)?,
            consents,
        })
    }
}
