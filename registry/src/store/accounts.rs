//! Accounts: who they are, and changes of them.

use async_trait::async_trait;
use iot_epp_api::Role;
use iot_epp_api::command::AccountChange;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::audit::write_audit_text;
use super::proofs::{self, NewToken};
use super::rows::{named, optional_unix, sql_time, unix};
use super::{Origin, Step, Store, StoreError};

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
}

impl AccountRow {
    pub(super) fn read(row: &SqliteRow) -> Result<Self, StoreError> {
        Ok(Self {
            name: row.try_get("name")?,
            role: named(row, "role", |name| name.parse().ok())?,
            created_at: unix(row, "created_at")?,
            disabled_at: optional_unix(row, "disabled_at")?,
            iccids_allowed: row.try_get("iccids_allowed")?,
            devices_max: unix(row, "devices_max")?,
            devices: unix(row, "devices")?,
        })
    }
}

/// Refuses accounts that were disabled since the request was authenticated.
pub(super) async fn require_enabled(
    connection: &mut SqliteConnection,
    account: &str,
) -> Result<(), StoreError> {
    let enabled = sqlx::query("SELECT 1 FROM account WHERE name = ? AND disabled_at IS NULL")
        .bind(account)
        .fetch_optional(connection)
        .await?;
    match enabled {
        Some(_) => Ok(()),
        None => Err(StoreError::AccountDisabled(account.to_owned())),
    }
}

/// Whether an account may have another device.
pub(super) async fn has_room(
    connection: &mut SqliteConnection,
    name: &str,
) -> Result<bool, StoreError> {
    let room: Option<bool> =
        sqlx::query_scalar("SELECT devices < devices_max FROM account WHERE name = ?")
            .bind(name)
            .fetch_optional(connection)
            .await?;
    Ok(room.unwrap_or(false))
}

/// Whether there is an account of this name and role that is not disabled.
pub(super) async fn is_enabled(
    connection: &mut SqliteConnection,
    account: &str,
    role: Role,
) -> Result<bool, StoreError> {
    let found =
        sqlx::query("SELECT 1 FROM account WHERE name = ? AND role = ? AND disabled_at IS NULL")
            .bind(account)
            .bind(role.as_str())
            .fetch_optional(connection)
            .await?;
    Ok(found.is_some())
}

pub(super) async fn role_of(
    connection: &mut SqliteConnection,
    account: &str,
) -> Result<Role, StoreError> {
    let row = sqlx::query("SELECT role FROM account WHERE name = ?")
        .bind(account)
        .fetch_one(connection)
        .await?;
    named(&row, "role", |name| name.parse().ok())
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

#[async_trait]
impl Step for CreateAccount {
    type Output = bool;

    async fn run(self, connection: &mut SqliteConnection) -> Result<bool, StoreError> {
        // The first account makes itself.
        if self.origin.account != self.name {
            require_enabled(connection, &self.origin.account).await?;
        }
        let result = sqlx::query(
            "INSERT INTO account (name, role, created_at) VALUES (?, ?, ?)
             ON CONFLICT (name) DO NOTHING",
        )
        .bind(&self.name)
        .bind(self.role.as_str())
        .bind(sql_time(self.now))
        .execute(&mut *connection)
        .await?;
        if result.rows_affected() == 0 {
            return Ok(false);
        }
        proofs::insert_token(connection, &self.name, &self.token, self.now).await?;
        let after = Some(self.role.as_str());
        write_audit_text(connection, &self.origin, &self.name, None, after, self.now).await?;
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

#[async_trait]
impl Step for ChangeAccount {
    type Output = Option<AccountRow>;

    async fn run(self, connection: &mut SqliteConnection) -> Result<Self::Output, StoreError> {
        require_enabled(connection, &self.origin.account).await?;
        let Some(before) = read(connection, &self.name).await? else {
            return Ok(None);
        };
        if !self.apply(connection).await? {
            return Ok(None);
        }
        let after = read(connection, &self.name).await?;
        let said = format!("{:?}", self.change);
        let before = format!("disabled={}", before.disabled_at.is_some());
        let (origin, now) = (&self.origin, self.now);
        write_audit_text(
            connection,
            origin,
            &self.name,
            Some(&before),
            Some(&said),
            now,
        )
        .await?;
        Ok(after)
    }
}

pub(super) async fn read(
    connection: &mut SqliteConnection,
    name: &str,
) -> Result<Option<AccountRow>, StoreError> {
    let row = sqlx::query("SELECT * FROM account WHERE name = ?")
        .bind(name)
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(AccountRow::read).transpose()
}

impl ChangeAccount {
    /// False when what is to be changed is not there.
    async fn apply(&self, connection: &mut SqliteConnection) -> Result<bool, StoreError> {
        let (name, now) = (&self.name, sql_time(self.now));
        let statement = match &self.change {
            AccountChange::Disable => sqlx::query(
                "UPDATE account SET disabled_at = coalesce(disabled_at, ?2) WHERE name = ?1",
            )
            .bind(name)
            .bind(now),
            AccountChange::Enable => {
                sqlx::query("UPDATE account SET disabled_at = NULL WHERE name = ?1").bind(name)
            }
            AccountChange::AddPrefix(prefix) => sqlx::query(
                "INSERT INTO account_prefix (account, prefix) VALUES (?1, ?2)
                 ON CONFLICT DO UPDATE SET prefix = excluded.prefix",
            )
            .bind(name)
            .bind(prefix.as_str()),
            AccountChange::RemovePrefix(prefix) => {
                sqlx::query("DELETE FROM account_prefix WHERE account = ?1 AND prefix = ?2")
                    .bind(name)
                    .bind(prefix.as_str())
            }
            AccountChange::AllowIccids(allowed) => {
                sqlx::query("UPDATE account SET iccids_allowed = ?2 WHERE name = ?1")
                    .bind(name)
                    .bind(*allowed)
            }
            AccountChange::SetDevicesMax(devices_max) => {
                sqlx::query("UPDATE account SET devices_max = ?2 WHERE name = ?1")
                    .bind(name)
                    .bind(sql_time(*devices_max))
            }
            AccountChange::RevokeToken { token_id } => sqlx::query(
                "UPDATE token SET revoked_at = coalesce(revoked_at, ?3)
                 WHERE account = ?1 AND token_id = ?2",
            )
            .bind(name)
            .bind(sql_time(*token_id))
            .bind(now),
            AccountChange::RevokeCertificate { certificate_id } => sqlx::query(
                "UPDATE account_certificate SET revoked_at = coalesce(revoked_at, ?3)
                 WHERE account = ?1 AND certificate_id = ?2",
            )
            .bind(name)
            .bind(sql_time(*certificate_id))
            .bind(now),
        };
        Ok(statement.execute(connection).await?.rows_affected() > 0)
    }
}

impl Store {
    /// All accounts by name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn accounts(&self) -> Result<Vec<AccountRow>, StoreError> {
        let rows = sqlx::query("SELECT * FROM account ORDER BY name")
            .fetch_all(self.readers())
            .await?;
        rows.iter().map(AccountRow::read).collect()
    }

    /// One account.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn account(&self, name: &str) -> Result<Option<AccountRow>, StoreError> {
        let mut connection = self.readers().acquire().await?;
        read(&mut connection, name).await
    }
}
