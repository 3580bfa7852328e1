//! Accounts: who they are, and changes of them.

use iot_epp_api::Role;
use iot_epp_api::command::AccountChange;

use super::audit::write_audit_text;
use super::audited_account::{about, about_token, audited_account};
use super::proofs::{self, NewToken};
use super::rows::{corrupt, named, optional_unix, sql_time, unix};
use super::sql::{self, Connection, Row};
use super::{Origin, Step, Store, StoreError, grants};

/// An account as the database has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRow {
    /// Its name.
    pub name: String,
    /// Its role.
    pub role: Role,
    /// When it was made.
    pub created_at: u64,
    /// When it was disabled.
    pub disabled_at: Option<u64>,
    /// Whether it may register ICCIDs.
    pub iccids_allowed: bool,
    /// How many devices it may have.
    pub devices_max: u64,
    /// How many it has.
    pub devices: u64,
    /// Whether a client transaction id with other content is refused in EPP too.
    pub strict_transaction_ids: bool,
    /// When its password was set.
    pub password_set_at: Option<u64>,
}

impl AccountRow {
    pub(super) fn read(row: &Row<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            name: row.get("name")?,
            role: named(row, "role", |name| name.parse().ok())?,
            created_at: unix(row, "created_at")?,
            disabled_at: optional_unix(row, "disabled_at")?,
            iccids_allowed: row.get("iccids_allowed")?,
            devices_max: unix(row, "devices_max")?,
            devices: unix(row, "devices")?,
            strict_transaction_ids: row.get("strict_transaction_ids")?,
            password_set_at: optional_unix(row, "password_set_at")?,
        })
    }
}

/// Refuses accounts that were disabled since the request was authenticated.
pub(super) fn require_enabled(connection: &Connection, account: &str) -> Result<(), StoreError> {
    let enabled = sql::query("SELECT 1 FROM account WHERE name = ? AND disabled_at IS NULL")
        .bind(account)
        .optional(connection, |_| Ok(()))?;
    match enabled {
        Some(_) => Ok(()),
        None => Err(StoreError::AccountDisabled(account.to_owned())),
    }
}

/// Whether an account may have another device.
pub(super) fn has_room(connection: &Connection, name: &str) -> Result<bool, StoreError> {
    let room: Option<bool> = sql::query("SELECT devices < devices_max FROM account WHERE name = ?")
        .bind(name)
        .optional(connection, sql::scalar)?;
    Ok(room.unwrap_or(false))
}

/// Whether a client transaction id with other content is refused in EPP too.
pub(super) fn is_strict(connection: &Connection, name: &str) -> Result<bool, StoreError> {
    let strict: Option<bool> =
        sql::query("SELECT strict_transaction_ids FROM account WHERE name = ?")
            .bind(name)
            .optional(connection, sql::scalar)?;
    Ok(strict.unwrap_or(false))
}

/// Whether there is an account of this name and role that is not disabled.
pub(super) fn is_enabled(
    connection: &Connection,
    account: &str,
    role: Role,
) -> Result<bool, StoreError> {
    let found =
        sql::query("SELECT 1 FROM account WHERE name = ? AND role = ? AND disabled_at IS NULL")
            .bind(account)
            .bind(role.as_str())
            .optional(connection, |_| Ok(()))?;
    Ok(found.is_some())
}

pub(super) fn role_of(connection: &Connection, account: &str) -> Result<Role, StoreError> {
    sql::query("SELECT role FROM account WHERE name = ?")
        .bind(account)
        .one(connection, |row| {
            named(row, "role", |name| name.parse().ok())
        })
}

/// Makes an account with its first token; false when the name is taken.
pub struct CreateAccount {
    /// Who asks.
    pub origin: Origin,
    /// Name of the account.
    pub name: String,
    /// Role of the account.
    pub role: Role,
    /// Its first token.
    pub token: NewToken,
    /// The present time.
    pub now: u64,
}

impl Step for CreateAccount {
    type Output = bool;

    fn run(self, connection: &Connection) -> Result<bool, StoreError> {
        // The first account makes itself.
        if self.origin.account != self.name {
            require_enabled(connection, &self.origin.account)?;
        }
        let result = sql::query(
            "INSERT INTO account (name, role, created_at) VALUES (?, ?, ?)
             ON CONFLICT (name) DO NOTHING",
        )
        .bind(&self.name)
        .bind(self.role.as_str())
        .bind(sql_time(self.now))
        .execute(connection)?;
        if result == 0 {
            return Ok(false);
        }
        let (origin, name, now) = (&self.origin, &self.name, self.now);
        let token_id = proofs::insert_token(connection, name, &self.token, now)?;
        let after = required(connection, name)?;
        let after = audited_account(&after, about_token(connection, name, token_id)?);
        write_audit_text(connection, origin, name, None, Some(&after), now)?;
        Ok(true)
    }
}

/// Changes an account; `None` when there is none of that name, or nothing of that number.
#[derive(Debug)]
pub struct ChangeAccount {
    /// Who asks.
    pub origin: Origin,
    /// The account.
    pub name: String,
    /// What.
    pub change: AccountChange,
    /// The present time.
    pub now: u64,
}

impl Step for ChangeAccount {
    type Output = Option<AccountRow>;

    fn run(self, connection: &Connection) -> Result<Self::Output, StoreError> {
        require_enabled(connection, &self.origin.account)?;
        let Some(before) = read(connection, &self.name)? else {
            return Ok(None);
        };
        let (origin, name, now) = (&self.origin, &self.name, self.now);
        let of_before = about(connection, name, &self.change, None)?;
        let Some(changed) = self.apply(connection)? else {
            return Ok(None);
        };
        let after = required(connection, name)?;
        let of_after = about(connection, name, &self.change, Some(changed))?;
        let before = audited_account(&before, of_before);
        let said = audited_account(&after, of_after);
        write_audit_text(connection, origin, name, Some(&before), Some(&said), now)?;
        Ok(Some(after))
    }
}

pub(super) fn read(connection: &Connection, name: &str) -> Result<Option<AccountRow>, StoreError> {
    sql::query("SELECT * FROM account WHERE name = ?")
        .bind(name)
        .optional(connection, AccountRow::read)
}

/// An account that is there.
pub(super) fn required(connection: &Connection, name: &str) -> Result<AccountRow, StoreError> {
    read(connection, name)?.ok_or_else(|| corrupt("an account is gone"))
}

impl ChangeAccount {
    /// How many rows were changed; none when what is to be changed is not there.
    fn apply(&self, connection: &Connection) -> Result<Option<u64>, StoreError> {
        let (name, now) = (&self.name, sql_time(self.now));
        let statement = match &self.change {
            AccountChange::Disable => sql::query(
                "UPDATE account SET disabled_at = coalesce(disabled_at, ?2) WHERE name = ?1",
            )
            .bind(name)
            .bind(now),
            AccountChange::Enable => {
                sql::query("UPDATE account SET disabled_at = NULL WHERE name = ?1").bind(name)
            }
            AccountChange::AddPrefix(prefix) => sql::query(
                "INSERT INTO account_prefix (account, prefix) VALUES (?1, ?2)
                 ON CONFLICT DO UPDATE SET prefix = excluded.prefix",
            )
            .bind(name)
            .bind(prefix.as_str()),
            AccountChange::RemovePrefix(prefix) => {
                sql::query("DELETE FROM account_prefix WHERE account = ?1 AND prefix = ?2")
                    .bind(name)
                    .bind(prefix.as_str())
            }
            AccountChange::RemoveIds(device_ids) => {
                // Those that were not in the list are as they are to be.
                return grants::remove_ids(connection, name, device_ids).map(Some);
            }
            AccountChange::AllowIccids(allowed) => {
                sql::query("UPDATE account SET iccids_allowed = ?2 WHERE name = ?1")
                    .bind(name)
                    .bind(*allowed)
            }
            AccountChange::SetDevicesMax(devices_max) => {
                sql::query("UPDATE account SET devices_max = ?2 WHERE name = ?1")
                    .bind(name)
                    .bind(sql_time(*devices_max))
            }
            AccountChange::StrictTransactionIds(strict) => {
                sql::query("UPDATE account SET strict_transaction_ids = ?2 WHERE name = ?1")
                    .bind(name)
                    .bind(*strict)
            }
            AccountChange::RevokeToken { token_id } => sql::query(
                "UPDATE token SET revoked_at = coalesce(revoked_at, ?3)
                 WHERE account = ?1 AND token_id = ?2",
            )
            .bind(name)
            .bind(sql_time(*token_id))
            .bind(now),
            AccountChange::RevokeCertificate { certificate_id } => sql::query(
                "UPDATE account_certificate SET revoked_at = coalesce(revoked_at, ?3)
                 WHERE account = ?1 AND certificate_id = ?2",
            )
            .bind(name)
            .bind(sql_time(*certificate_id))
            .bind(now),
        };
        let changed = statement.execute(connection)? as u64;
        Ok((changed > 0).then_some(changed))
    }
}

impl Store {
    /// All accounts by name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn accounts(&self) -> Result<Vec<AccountRow>, StoreError> {
        sql::query("SELECT * FROM account ORDER BY name")
            .all(&*self.reader().await?, AccountRow::read)
    }

    /// One account.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn account(&self, name: &str) -> Result<Option<AccountRow>, StoreError> {
        read(&*self.reader().await?, name)
    }
}
