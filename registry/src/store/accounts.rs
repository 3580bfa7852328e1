//! Accounts and their bearer tokens.

use async_trait::async_trait;
use iot_epp_api::BearerToken;
use ring::digest;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::audit::write_audit_text;
use super::rows::{optional_unix, sql_time, unix};
use super::{Origin, Step, StoreError};

/// An account as the database has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRow {
    /// Its name.
    pub name: String,
    /// Its role: `mno`, `asp` or `operator`.
    pub role: String,
    /// When it was made.
    pub created_at: u64,
    /// When it was disabled.
    pub disabled_at: Option<u64>,
}

impl AccountRow {
    pub(super) fn read(row: &SqliteRow) -> Result<Self, StoreError> {
        Ok(Self {
            name: row.try_get("name")?,
            role: row.try_get("role")?,
            created_at: unix(row, "created_at")?,
            disabled_at: optional_unix(row, "disabled_at")?,
        })
    }
}

/// What the database keeps of a token.
pub(super) fn token_hash(token: &str) -> Vec<u8> {
    digest::digest(&digest::SHA256, token.as_bytes())
        .as_ref()
        .to_vec()
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

/// Makes an account with its first token; false when the name is taken.
pub struct CreateAccount {
    /// Who asks.
    pub origin: Origin,
    /// Name of the account.
    pub name: String,
    /// Role of the account.
    pub role: &'static str,
    /// The token, of which only the hash is kept.
    pub token: BearerToken,
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
        .bind(self.role)
        .bind(sql_time(self.now))
        .execute(&mut *connection)
        .await?;
        if result.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query("INSERT INTO token (hash, account, created_at) VALUES (?, ?, ?)")
            .bind(token_hash(self.token.expose()))
            .bind(&self.name)
            .bind(sql_time(self.now))
            .execute(&mut *connection)
            .await?;
        let after = Some(self.role);
        write_audit_text(connection, &self.origin, &self.name, None, after, self.now).await?;
        Ok(true)
    }
}

/// Refuses an account from now on; `None` when there is none of that name.
#[derive(Debug)]
pub struct DisableAccount {
    /// Who asks.
    pub origin: Origin,
    /// The account.
    pub name: String,
    /// The present time.
    pub now: u64,
}

#[async_trait]
impl Step for DisableAccount {
    type Output = Option<AccountRow>;

    async fn run(self, connection: &mut SqliteConnection) -> Result<Self::Output, StoreError> {
        require_enabled(connection, &self.origin.account).await?;
        let row = sqlx::query(
            "UPDATE account SET disabled_at = coalesce(disabled_at, ?) WHERE name = ? RETURNING *",
        )
        .bind(sql_time(self.now))
        .bind(&self.name)
        .fetch_optional(&mut *connection)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let account = AccountRow::read(&row)?;
        let after = Some("disabled");
        write_audit_text(connection, &self.origin, &self.name, None, after, self.now).await?;
        Ok(Some(account))
    }
}
