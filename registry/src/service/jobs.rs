//! Bulk jobs: begun, given rows, asked about. [`crate::jobs`] carries them out.

use std::io::{BufRead, BufReader};
use std::time::Duration;

use iot_epp_api::command::{JOB_ROW_OCTETS_MAX, JobAction, JobCommand};
use iot_epp_api::job::{JobInfo, JobResult, JobState};
use iot_epp_api::response::SlotCertificate;
use iot_epp_api::{Caller, Problem, Reply, ResultCode};
use iot_identity::DeviceId;

use super::{Handled, Service, other_content_problem, store_problem};
use crate::clock::unix_now;
use crate::description::calendar;
use crate::jobs::Spool;
use crate::store::{CreateJob, EndJob, JobCreated, JobRow, Origin, RowsArrived};

/// Octets of rows that a job may have.
const ROW_OCTETS_MAX: u64 = 8 << 30;
/// Octets of rows and results that all jobs of an account have together when rows arrive.
pub(crate) const ARRIVING_OCTETS_MAX: u64 = 32 << 30;
/// Octets of results that are read at once.
const READ_OCTETS: usize = 256 * 1024;
/// Octets from which a page of results has no further ones: where it ends, the next one begins.
const PAGE_OCTETS: usize = 1024 * 1024;
/// Longest wait of a cancellation for the rows that are at work.
const CANCEL_PATIENCE: Duration = Duration::from_secs(10);
/// Jobs in a list.
const JOBS_MAX: u32 = 1000;

impl Service {
    pub(super) async fn job(
        &self,
        caller: &Caller,
        origin: Origin,
        command: JobCommand,
    ) -> Result<Handled, Problem> {
        let reply = match command {
            JobCommand::Create { action } => return self.create_job(caller, origin, action).await,
            JobCommand::Append {
                job_id,
                offset,
                rows,
            } => {
                self.append_rows(caller, origin, job_id, (offset, rows))
                    .await?
            }
            JobCommand::Close { job_id } => self.end_job(origin, job_id, false).await?,
            JobCommand::Cancel { job_id } => self.end_job(origin, job_id, true).await?,
            JobCommand::Info { job_id } => Reply::Job(info(&self.own_job(caller, job_id).await?)),
            JobCommand::List => {
                let jobs = self.store().jobs(caller.account.as_str(), JOBS_MAX).await;
                let jobs = jobs.map_err(store_problem)?;
                Reply::Jobs(jobs.iter().map(info).collect())
            }
            JobCommand::Results {
                job_id,
                after,
                limit,
            } => self.job_results(caller, job_id, after, limit).await?,
        };
        Ok(reply.into())
    }

    /// The files of jobs.
    pub(crate) fn spool(&self) -> &Spool {
        &self.inner.spool
    }

    /// Returns when a job has something new to do, or after this time.
    pub(crate) async fn jobs_grew(&self, patience: Duration) {
        let _ = tokio::time::timeout(patience, self.inner.jobs_grew.notified()).await;
    }

    async fn own_job(&self, caller: &Caller, job_id: u64) -> Result<JobRow, Problem> {
        let job = self.store().job(caller.account.as_str(), job_id).await;
        job.map_err(store_problem)?
            .ok_or_else(Problem::object_does_not_exist)
    }

    async fn create_job(
        &self,
        caller: &Caller,
        origin: Origin,
        action: JobAction,
    ) -> Result<Handled, Problem> {
        require_scope(caller, &action)?;
        let step = CreateJob {
            origin,
            action: serde_json::to_string(&action).map_err(|_| unwritten())?,
            now: unix_now(),
        };
        match self.store().commit(step).await.map_err(store_problem)? {
            JobCreated::Job(job, replayed) => Ok(Handled {
                reply: Reply::Job(info(&job)),
                replayed,
            }),
            JobCreated::OtherContent => Err(other_content_problem()),
            JobCreated::TooMany => Err(Problem::new(
                ResultCode::DataManagementPolicy,
                "this account has too many unfinished jobs; close or cancel one first",
            )),
        }
    }

    /// Rows that are here already are taken as told again; a gap is refused.
    async fn append_rows(
        &self,
        caller: &Caller,
        origin: Origin,
        job_id: u64,
        (offset, rows): (u64, Vec<u8>),
    ) -> Result<Reply, Problem> {
        let _one_at_a_time = self.inner.appending.lock().await;
        let job = self.own_job(caller, job_id).await?;
        require_scope(caller, &action_of(&job)?)?;
        let end = offset.saturating_add(rows.len() as u64);
        if end <= job.row_octets {
            return Ok(Reply::Job(info(&job)));
        }
        if job.state != JobState::Open {
            let reason = "the job is closed; begin another one for further rows";
            return Err(Problem::new(ResultCode::StatusProhibits, reason));
        }
        if offset != job.row_octets || end > ROW_OCTETS_MAX {
            let reason = format!(
                "the next part begins at offset {}, and a job has at most {ROW_OCTETS_MAX} octets",
                job.row_octets
            );
            return Err(Problem::new(ResultCode::ParameterRange, reason));
        }
        let held = self.store().job_octets(&job.account).await;
        if held.map_err(store_problem)? + rows.len() as u64 > ARRIVING_OCTETS_MAX {
            let reason = "the rows and results of this account's jobs are too many; cancel unfinished \
                          jobs, or wait until results of ended ones are removed, 30 days after their end";
            return Err(Problem::new(ResultCode::DataManagementPolicy, reason));
        }
        let spool = self.spool().clone();
        let begun = job.done_octets;
        let written = tokio::task::spawn_blocking(move || {
            let is_short = spool.ends_soon(job_id, (begun, offset), &rows)?;
            if is_short {
                spool.write_rows(job_id, offset, &rows)?;
            }
            Ok::<_, std::io::Error>(is_short)
        });
        let written = written.await;
        if matches!(written, Ok(Ok(false))) {
            let reason = format!(
                "the last row is longer than {JOB_ROW_OCTETS_MAX} octets and has not ended; nothing of this \
                 part was taken"
            );
            return Err(Problem::new(ResultCode::ParameterRange, reason));
        }
        if !matches!(written, Ok(Ok(true))) {
            tracing::error!(
                alarm = true,
                job_id,
                ?written,
                "rows of a job could not be written"
            );
            return Err(unwritten());
        }
        let step = RowsArrived {
            origin,
            job_id,
            before: offset,
            after: end,
            now: unix_now(),
        };
        if !self.store().commit(step).await.map_err(store_problem)? {
            return Err(unwritten());
        }
        self.inner.jobs_grew.notify_one();
        Ok(Reply::Job(info(&self.own_job(caller, job_id).await?)))
    }

    async fn end_job(
        &self,
        origin: Origin,
        job_id: u64,
        is_cancelled: bool,
    ) -> Result<Reply, Problem> {
        let step = EndJob {
            origin,
            job_id,
            is_cancelled,
            now: unix_now(),
        };
        let account = step.origin.account.clone();
        let job = self.store().commit(step).await.map_err(store_problem)?;
        let mut job = job.ok_or_else(Problem::object_does_not_exist)?;
        if job.state == JobState::Cancelled {
            self.rows_at_work_are_done(job_id).await;
            let now = self.store().job(&account, job_id).await;
            job = now.map_err(store_problem)?.unwrap_or(job);
            self.spool().remove_rows(job_id);
        }
        self.inner.jobs_grew.notify_one();
        Ok(Reply::Job(info(&job)))
    }

    /// Rows of a job that was cancelled are carried out where they were begun: the answer counts them.
    async fn rows_at_work_are_done(&self, job_id: u64) {
        let mut at_work = self.inner.job_at_work.subscribe();
        let done = at_work.wait_for(|at_work| *at_work != job_id);
        // A row may wait for its publication for a minute; so long nobody is kept waiting.
        let _ = tokio::time::timeout(CANCEL_PATIENCE, done).await;
    }

    async fn job_results(
        &self,
        caller: &Caller,
        job_id: u64,
        after: u64,
        limit: u32,
    ) -> Result<Reply, Problem> {
        // Asked first: what was at work then is written down now.
        let is_at_work = *self.inner.job_at_work.borrow() == job_id;
        let job = self.own_job(caller, job_id).await?;
        let mark = self.store().job_mark(job_id, after).await;
        let (rows, begin) = mark.map_err(store_problem)?;
        let (spool, range) = (self.spool().clone(), (begin, job.result_octets));
        let skipped = usize::try_from(after - rows.min(after)).unwrap_or(usize::MAX);
        let read =
            tokio::task::spawn_blocking(move || results_of(&spool, job_id, range, skipped, limit));
        let results = match read.await {
            Ok(Ok(results)) => results,
            failure => {
                tracing::error!(
                    alarm = true,
                    job_id,
                    ?failure,
                    "results of a job cannot be read"
                );
                return Err(unwritten());
            }
        };
        let last = results.last().map_or(after, |result| result.row);
        // Rows that were at work when a job was cancelled are carried out, and have results.
        let is_ended = match job.state {
            JobState::Finished => true,
            JobState::Cancelled => !is_at_work,
            JobState::Open | JobState::Closed => false,
        };
        let next_after = (last < job.rows_done() || !is_ended).then_some(last);
        Ok(Reply::JobResults {
            results,
            next_after,
        })
    }
}

impl Service {
    /// Notes that rows of this job are carried out now.
    pub(crate) fn job_at_work(&self, job_id: u64) {
        self.inner.job_at_work.send_replace(job_id);
    }

    /// Notes that the rows that were carried out are written down.
    pub(crate) fn no_job_at_work(&self) {
        self.inner.job_at_work.send_replace(0);
    }

    /// The certificate of a device's newest slot that was not withdrawn.
    pub(crate) async fn newest_certificate(
        &self,
        device_id: DeviceId,
    ) -> Result<Option<SlotCertificate>, Problem> {
        let facts = self.store().facts(device_id).await.map_err(store_problem)?;
        let live = facts
            .credentials
            .iter()
            .filter(|one| one.withdrawn.is_none());
        let Some(newest) = live.map(|one| one.slot).max() else {
            return Ok(None);
        };
        let certificate = self.store().certificate(device_id, newest).await;
        let certificate = certificate.map_err(store_problem)?;
        Ok(certificate.map(|certificate| self.with_chain(newest, certificate)))
    }
}

fn action_of(job: &JobRow) -> Result<JobAction, Problem> {
    serde_json::from_str(&job.action).map_err(|error| {
        tracing::error!(alarm = true, job_id = job.job_id, %error, "a job's action cannot be read");
        unwritten()
    })
}

/// Rows are carried out without a token: what the token may not do, the rows that it sends may not do.
fn require_scope(caller: &Caller, action: &JobAction) -> Result<(), Problem> {
    let needed = action.scope();
    if caller.scopes.contains(needed) {
        return Ok(());
    }
    let reason = format!(
        "this token may not be used for this; it needs the scope {}",
        needed.as_str()
    );
    Err(Problem::new(ResultCode::AuthorizationError, reason))
}

fn unwritten() -> Problem {
    let reason = "the registry could not write this down; nothing of it counts, try again";
    Problem::new(ResultCode::CommandFailed, reason).retry_after(1)
}

/// Results between two places of their file, but for some at the beginning: a line each, in the order of
/// the rows.
fn results_of(
    spool: &Spool,
    job_id: u64,
    range: (u64, u64),
    skipped: usize,
    limit: u32,
) -> std::io::Result<Vec<JobResult>> {
    let reader = BufReader::with_capacity(READ_OCTETS, spool.results(job_id, range)?);
    let lines = reader.lines().skip(skipped);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let (mut results, mut octets) = (Vec::new(), 0);
    for line in lines.take(limit) {
        let line = line?;
        octets += line.len();
        results.push(serde_json::from_str(&line)?);
        if octets >= PAGE_OCTETS {
            break;
        }
    }
    Ok(results)
}

fn info(job: &JobRow) -> JobInfo {
    let action: Result<JobAction, _> = serde_json::from_str(&job.action);
    JobInfo {
        job_id: job.job_id,
        action: action.map_or_else(|_| job.action.clone(), |action| action.as_str().to_owned()),
        state: job.state,
        octets_received: job.row_octets,
        rows_done: job.rows_done(),
        rows_succeeded: job.rows_succeeded,
        rows_failed: job.rows_failed,
        created_at: calendar(job.created_at),
        ended_at: job.ended_at.map(calendar),
    }
}
