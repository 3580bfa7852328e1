//! What an account may do beyond its role: ids that were imported for it, providers that it lets ask in
//! its place.

use async_trait::async_trait;
use iot_epp_api::Role;
use iot_identity::DeviceId;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::accounts::{is_enabled, read, require_enabled};
use super::audit::write_audit_text;
use super::rows::{corrupt, sql_time};
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

#[async_trait]
impl Step for ImportIds {
    type Output = Imported;

    async fn run(self, connection: &mut SqliteConnection) -> Result<Imported, StoreError> {
        require_enabled(connection, &self.origin.account).await?;
        if read(connection, &self.name).await?.is_none() {
            return Ok(Imported::NoAccount);
        }
        let mut query =
            QueryBuilder::<Sqlite>::new("SELECT device_id FROM imported_id WHERE account <> ");
        query.push_bind(&self.name).push(" AND device_id IN (");
        let mut ids = query.separated(", ");
        for device_id in &self.device_ids {
            ids.push_bind(device_id.as_str());
        }
        query.push(") LIMIT 1");
        if let Some(row) = query.build().fetch_optional(&mut *connection).await? {
            return Ok(Imported::OfOther(super::rows::device_id(&row)?));
        }
        let mut query =
            QueryBuilder::<Sqlite>::new("INSERT INTO imported_id (device_id, account) ");
        query.push_values(&self.device_ids, |mut row, device_id| {
            row.push_bind(device_id.as_str()).push_bind(&self.name);
        });
        query.push(" ON CONFLICT (device_id) DO NOTHING");
        let added = query
            .build()
            .execute(&mut *connection)
            .await?
            .rows_affected();
        let said = format!("imported {added} ids");
        let (origin, now) = (&self.origin, self.now);
        write_audit_text(connection, origin, &self.name, None, Some(&said), now).await?;
        Ok(Imported::Added(added))
    }
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

#[async_trait]
impl Step for Consent {
    type Output = bool;

    async fn run(self, connection: &mut SqliteConnection) -> Result<bool, StoreError> {
        let mno = &self.origin.account;
        require_enabled(connection, mno).await?;
        // From one that is disabled it can be withdrawn: it would have it when it is enabled again.
        let is_enabled = is_enabled(connection, &self.asp, Role::Asp).await?;
        if self.granted && !is_enabled {
            return Ok(false);
        }
        let statement = if self.granted {
            sqlx::query(
                "INSERT INTO consent (mno, asp, granted_at) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO NOTHING",
            )
        } else {
            sqlx::query("DELETE FROM consent WHERE mno = ?1 AND asp = ?2 AND ?3 IS NOT NULL")
        };
        let changed = statement
            .bind(mno)
            .bind(&self.asp)
            .bind(sql_time(self.now))
            .execute(&mut *connection)
            .await?;
        if changed.rows_affected() == 0 && !is_enabled {
            return Ok(false);
        }
        let after = Some(if self.granted { "granted" } else { "withdrawn" });
        write_audit_text(connection, &self.origin, &self.asp, None, after, self.now).await?;
        Ok(true)
    }
}

impl Store {
    /// What an account may do beyond its role.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn grants(&self, name: &str) -> Result<Grants, StoreError> {
        let prefixes = sqlx::query_scalar(
            "SELECT prefix FROM account_prefix WHERE account = ? ORDER BY prefix",
        )
        .bind(name)
        .fetch_all(self.readers())
        .await?;
        let imported: i64 =
            sqlx::query_scalar("SELECT count(*) FROM imported_id WHERE account = ?")
                .bind(name)
                .fetch_one(self.readers())
                .await?;
        let consents = sqlx::query_scalar("SELECT asp FROM consent WHERE mno = ? ORDER BY asp")
            .bind(name)
            .fetch_all(self.readers())
            .await?;
        Ok(Grants {
            prefixes,
            imported_ids: u64::try_from(imported).map_err(corrupt)?,
            consents,
        })
    }
}
