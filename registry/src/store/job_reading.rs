//! Jobs as they are read outside of transactions.

use super::jobs::{JobRow, read};
use super::rows::{named, sql_time, unix};
use super::sql::{self};
use super::{Store, StoreError};

impl Store {
    /// A job of an account.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn job(&self, account: &str, job_id: u64) -> Result<Option<JobRow>, StoreError> {
        read(&*self.reader().await?, account, job_id)
    }

    /// The jobs of an account, the newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn jobs(&self, account: &str, limit: u32) -> Result<Vec<JobRow>, StoreError> {
        sql::query("SELECT * FROM job WHERE account = ? ORDER BY job_id DESC LIMIT ?")
            .bind(account)
            .bind(i64::from(limit))
            .all(&*self.reader().await?, JobRow::read)
    }

    /// Octets on disk of all jobs of an account: rows of those that have not ended, and results.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn job_octets(&self, account: &str) -> Result<u64, StoreError> {
        sql::query(
            "SELECT coalesce(sum(result_octets + iif(state IN ('open', 'closed'), row_octets, 0)), 0)
                    AS octets
             FROM job WHERE account = ?",
        )
        .bind(account)
        .one(&*self.reader().await?, |row| unix(row, "octets"))
    }

    /// A place in the results of a job that is not behind so many rows: rows before it, and octets.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn job_mark(&self, job_id: u64, rows: u64) -> Result<(u64, u64), StoreError> {
        let mark = sql::query(
            "SELECT rows, result_octets FROM job_mark WHERE job_id = ? AND rows <= ?
             ORDER BY rows DESC LIMIT 1",
        )
        .bind(sql_time(job_id))
        .bind(sql_time(rows))
        .optional(&*self.reader().await?, |row| {
            Ok((unix(row, "rows")?, unix(row, "result_octets")?))
        })?;
        Ok(mark.unwrap_or((0, 0)))
    }

    /// The jobs that have something to do: rows that were not carried out, or an end.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn jobs_to_do(&self) -> Result<Vec<JobRow>, StoreError> {
        sql::query(
            "SELECT * FROM job WHERE state IN ('open', 'closed')
                    AND (state = 'closed' OR done_octets < row_octets) ORDER BY job_id",
        )
        .all(&*self.reader().await?, JobRow::read)
    }

    /// The role of an account that is not disabled.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn enabled_role(
        &self,
        account: &str,
    ) -> Result<Option<iot_epp_api::Role>, StoreError> {
        sql::query("SELECT role FROM account WHERE name = ? AND disabled_at IS NULL")
            .bind(account)
            .optional(&*self.reader().await?, |row| {
                named(row, "role", |name| name.parse().ok())
            })
    }
}
