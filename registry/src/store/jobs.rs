//! Bulk jobs: how much of their rows and results counts. The octets lie in files of their own
//! ([`crate::jobs`]).

use iot_epp_api::job::JobState;
use iot_epp_api::message::{Detail, Event, Message};

use super::audit::write_audit_text;
use super::messages::send;
use super::replay::{Remembered, Replay, remember, replay_of};
use super::rows::{named, optional_unix, sql_time, unix};
use super::sql::{self, Connection, Row};
use super::{Origin, Step, StoreError, accounts};
use crate::description::calendar;

/// Unfinished jobs that an account may have.
const UNFINISHED_MAX: i64 = 16;

/// A job as the database has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRow {
    /// Its number.
    pub job_id: u64,
    /// Whose it is.
    pub account: String,
    /// What it does: a JSON document.
    pub action: String,
    /// How far it is.
    pub state: JobState,
    /// Octets of rows that are here.
    pub row_octets: u64,
    /// Octets of rows that were carried out.
    pub done_octets: u64,
    /// Octets of results.
    pub result_octets: u64,
    /// Rows that succeeded.
    pub rows_succeeded: u64,
    /// Rows that did not.
    pub rows_failed: u64,
    /// When it was begun.
    pub created_at: u64,
    /// When it ended.
    pub ended_at: Option<u64>,
}

impl JobRow {
    pub(super) fn read(row: &Row<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            job_id: unix(row, "job_id")?,
            account: row.get("account")?,
            action: row.get("action")?,
            state: named(row, "state", JobState::from_name)?,
            row_octets: unix(row, "row_octets")?,
            done_octets: unix(row, "done_octets")?,
            result_octets: unix(row, "result_octets")?,
            rows_succeeded: unix(row, "rows_succeeded")?,
            rows_failed: unix(row, "rows_failed")?,
            created_at: unix(row, "created_at")?,
            ended_at: optional_unix(row, "ended_at")?,
        })
    }

    /// Rows that were carried out.
    pub fn rows_done(&self) -> u64 {
        self.rows_succeeded + self.rows_failed
    }
}

/// Begins a job.
#[derive(Debug)]
pub struct CreateJob {
    /// Who asks.
    pub origin: Origin,
    /// What it does: a JSON document.
    pub action: String,
    /// The present time.
    pub now: u64,
}

/// What came of [`CreateJob`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobCreated {
    /// The job, and whether an earlier request made it.
    Job(JobRow, bool),
    /// The client transaction id was used for another request.
    OtherContent,
    /// The account has too many unfinished jobs.
    TooMany,
}

impl Step for CreateJob {
    type Output = JobCreated;

    fn run(self, connection: &Connection) -> Result<JobCreated, StoreError> {
        let (origin, now) = (&self.origin, self.now);
        accounts::require_enabled(connection, &origin.account)?;
        match replay_of(connection, origin, now)? {
            Some(Replay::Same(Remembered { object_id, .. })) => {
                let job = match object_id {
                    Some(job_id) => read(connection, &origin.account, job_id)?,
                    None => None,
                };
                // Who closed a job knows it: it is no lost answer that he asks for, and a fleet that is to
                // be held a second time must not be told that it was the first time.
                if let Some(job) = job.filter(|job| job.state == JobState::Open) {
                    return Ok(JobCreated::Job(job, true));
                }
            }
            Some(_) => return Ok(JobCreated::OtherContent),
            None => {}
        }
        let unfinished: i64 = sql::query(
            "SELECT count(*) FROM job WHERE account = ? AND state IN ('open', 'closed')",
        )
        .bind(&origin.account)
        .one(connection, sql::scalar)?;
        if unfinished >= UNFINISHED_MAX {
            return Ok(JobCreated::TooMany);
        }
        let job = sql::query(
            "INSERT INTO job (account, action, state, created_at) VALUES (?, ?, 'open', ?) RETURNING *",
        )
        .bind(&origin.account)
        .bind(&self.action)
        .bind(sql_time(now))
        .one(connection, JobRow::read)?;
        let remembered = Remembered {
            rows: None,
            object_id: Some(job.job_id),
        };
        remember(connection, origin, None, remembered, now)?;
        let object = format!("job {}", job.job_id);
        let after = Some(self.action.as_str());
        write_audit_text(connection, origin, &object, None, after, now)?;
        Ok(JobCreated::Job(job, false))
    }
}

/// A job of an account.
pub(super) fn read(
    connection: &Connection,
    account: &str,
    job_id: u64,
) -> Result<Option<JobRow>, StoreError> {
    sql::query("SELECT * FROM job WHERE job_id = ? AND account = ?")
        .bind(sql_time(job_id))
        .bind(account)
        .optional(connection, JobRow::read)
}

/// Says that so many octets of rows are durable in their file.
#[derive(Debug)]
pub struct RowsArrived {
    /// Who sent them.
    pub origin: Origin,
    /// The job.
    pub job_id: u64,
    /// How many there were.
    pub before: u64,
    /// How many there are.
    pub after: u64,
    /// The present time.
    pub now: u64,
}

impl Step for RowsArrived {
    /// False when the job has changed meanwhile.
    type Output = bool;

    fn run(self, connection: &Connection) -> Result<bool, StoreError> {
        let (origin, now) = (&self.origin, self.now);
        accounts::require_enabled(connection, &origin.account)?;
        let changed = sql::query(
            "UPDATE job SET row_octets = ? WHERE job_id = ? AND row_octets = ? AND state = 'open'",
        )
        .bind(sql_time(self.after))
        .bind(sql_time(self.job_id))
        .bind(sql_time(self.before))
        .execute(connection)?;
        if changed != 1 {
            return Ok(false);
        }
        let object = format!("job {}", self.job_id);
        let octets = |count: u64| format!("{count} octets of rows");
        let (before, after) = (octets(self.before), octets(self.after));
        let (before, after) = (Some(before.as_str()), Some(after.as_str()));
        write_audit_text(connection, origin, &object, before, after, now)?;
        Ok(true)
    }
}

/// Ends the arrival of rows, or the job.
#[derive(Debug)]
pub struct EndJob {
    /// Who asks.
    pub origin: Origin,
    /// The job.
    pub job_id: u64,
    /// No further rows are carried out either.
    pub is_cancelled: bool,
    /// The present time.
    pub now: u64,
}

impl Step for EndJob {
    /// The job; none where the account has none of that number.
    type Output = Option<JobRow>;

    fn run(self, connection: &Connection) -> Result<Self::Output, StoreError> {
        let (origin, now) = (&self.origin, self.now);
        accounts::require_enabled(connection, &origin.account)?;
        let statement = if self.is_cancelled {
            "UPDATE job SET state = 'cancelled', ended_at = ?3
             WHERE job_id = ?1 AND account = ?2 AND state IN ('open', 'closed')"
        } else {
            "UPDATE job SET state = 'closed'
             WHERE job_id = ?1 AND account = ?2 AND state = 'open' AND ?3 IS NOT NULL"
        };
        let changed = sql::query(statement)
            .bind(sql_time(self.job_id))
            .bind(&origin.account)
            .bind(sql_time(now))
            .execute(connection)?;
        let job = read(connection, &origin.account, self.job_id)?;
        if let Some(job) = &job
            && changed == 1
        {
            let object = format!("job {}", job.job_id);
            let after = Some(job.state.as_str());
            write_audit_text(connection, origin, &object, None, after, now)?;
        }
        Ok(job)
    }
}

/// Says how far a job was carried out; its results are durable in their file.
#[derive(Debug)]
pub struct RowsDone {
    /// The job.
    pub job_id: u64,
    /// Octets of rows that were carried out.
    pub done_octets: u64,
    /// Octets of results.
    pub result_octets: u64,
    /// Rows that succeeded this time.
    pub succeeded: u64,
    /// Rows that did not.
    pub failed: u64,
    /// The present time.
    pub now: u64,
}

impl Step for RowsDone {
    type Output = JobRow;

    fn run(self, connection: &Connection) -> Result<JobRow, StoreError> {
        let job = sql::query(
            "UPDATE job SET done_octets = ?2, result_octets = ?3, rows_succeeded = rows_succeeded + ?4,
                    rows_failed = rows_failed + ?5,
                    state = CASE WHEN state = 'closed' AND row_octets = ?2 THEN 'finished' ELSE state END,
                    ended_at = CASE WHEN state = 'closed' AND row_octets = ?2 THEN ?6 ELSE ended_at END
             WHERE job_id = ?1 RETURNING *",
        )
        .bind(sql_time(self.job_id))
        .bind(sql_time(self.done_octets))
        .bind(sql_time(self.result_octets))
        .bind(sql_time(self.succeeded))
        .bind(sql_time(self.failed))
        .bind(sql_time(self.now))
        .one(connection, JobRow::read)?;
        sql::query(
            "INSERT INTO job_mark (job_id, rows, result_octets) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        )
        .bind(sql_time(job.job_id))
        .bind(sql_time(job.rows_done()))
        .bind(sql_time(job.result_octets))
        .execute(connection)?;
        if job.state == JobState::Finished {
            self.tell(connection, &job)?;
        }
        Ok(job)
    }
}

impl RowsDone {
    fn tell(&self, connection: &Connection, job: &JobRow) -> Result<(), StoreError> {
        let message = Message {
            message_id: 0,
            queued_at: calendar(self.now),
            event: Event::JobFinished,
            text: format!(
                "job {} is finished: {} rows succeeded, {} failed",
                job.job_id, job.rows_succeeded, job.rows_failed
            ),
            device_id: None,
            detail: Detail::Job {
                job_id: job.job_id,
                succeeded: job.rows_succeeded,
                failed: job.rows_failed,
            },
        };
        send(connection, &job.account, message, self.now)
    }
}

/// Forgets jobs that ended before a moment; returns their numbers.
#[derive(Debug)]
pub struct ForgetJobs {
    /// The moment.
    pub before: u64,
}

impl Step for ForgetJobs {
    type Output = Vec<u64>;

    fn run(self, connection: &Connection) -> Result<Self::Output, StoreError> {
        sql::query("DELETE FROM job WHERE ended_at < ? RETURNING job_id")
            .bind(sql_time(self.before))
            .all(connection, |row| unix(row, "job_id"))
    }
}
