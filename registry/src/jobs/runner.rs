//! Carries out the rows of all jobs, some of each in turn.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use iot_epp_api::command::JobAction;
use iot_epp_api::job::{JobResult, JobState};
use iot_epp_api::json::job_command;
use iot_epp_api::server::Registry;
use iot_epp_api::{
    Caller, ClientTransactionId, Door, Problem, Reply, Request, Response, ResultCode, Scopes,
    server_transaction_id,
};
use iot_identity::DeviceId;
use tokio::task::JoinHandle;

use super::{RawRow, Spool};
use crate::clock::unix_now;
use crate::description::account_name;
use crate::pem::certificate_pem;
use crate::service::{ARRIVING_OCTETS_MAX, Service, random_octets};
use crate::store::{ForgetJobs, JobRow, RowsDone, StoreError};

/// Rows of one job before the next job has its turn, and rows that are at work at the same time: enough
/// to fill the database's transactions, and few enough to be held in memory.
const TURN_ROWS: usize = 1024;
const ROWS_AT_WORK: usize = 256;
/// Longest pause between two looks for something to do.
const IDLE: Duration = Duration::from_secs(1);
/// Time that the results of a job stay after its end.
const KEPT_SECS: u64 = 30 * 24 * 3600;
/// Pause before a job that failed by itself is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(30);
/// Pause before a job goes on whose rows the registry could not carry out.
const NOT_NOW_PAUSE: Duration = Duration::from_secs(2);
/// Rows between two looks whether the job was cancelled.
const LOOK_ROWS: usize = 64;
/// Octets of rows and results, of all its jobs together, from which an account's jobs wait: what many short
/// rows fail with is longer than they are.
const ACCOUNT_OCTETS_MAX: u64 = 2 * ARRIVING_OCTETS_MAX;

/// Jobs that failed by themselves, and when each of them is tried again.
type Standing = BTreeMap<u64, Instant>;

/// Carries out jobs until the process ends.
pub async fn run(service: Service) {
    let mut standing = Standing::new();
    loop {
        match turn(&service, &mut standing).await {
            Ok(true) => {}
            Ok(false) => service.jobs_grew(IDLE).await,
            Err(error) => {
                tracing::error!(alarm = true, %error, "jobs are not carried out");
                tokio::time::sleep(IDLE).await;
            }
        }
    }
}

/// Why no job is carried out now.
#[derive(Debug, thiserror::Error)]
enum JobsError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the files of jobs: {0}")]
    Spool(#[from] std::io::Error),
    /// The registry cannot carry rows out at present; what is here is not a row's result.
    #[error("rows cannot be carried out now: {reason}")]
    NotNow { reason: String },
}

/// What came of rows: results in their order, up to the first row without one.
struct CarriedOut {
    results: Vec<JobResult>,
    /// Why there are no more.
    stopped: Option<JobsError>,
}

/// Some rows of each job; false when there was nothing to do. A job that fails by itself stands
/// still for a while, and the others go on.
async fn turn(service: &Service, standing: &mut Standing) -> Result<bool, JobsError> {
    let before = unix_now().saturating_sub(KEPT_SECS);
    for job_id in service.store().commit(ForgetJobs { before }).await? {
        service.spool().remove(job_id);
    }
    let mut has_moved = false;
    standing.retain(|_, again_at| *again_at > Instant::now());
    for job in service.store().jobs_to_do().await? {
        let job_id = job.job_id;
        if standing.contains_key(&job_id) {
            continue;
        }
        match some_rows(service, job).await {
            Ok(moved) => has_moved |= moved,
            Err(JobsError::NotNow { reason }) => {
                tracing::warn!(job_id, %reason, "a job waits");
                standing.insert(job_id, Instant::now() + NOT_NOW_PAUSE);
            }
            Err(error @ (JobsError::Spool(_) | JobsError::Store(StoreError::Corrupt(_)))) => {
                tracing::error!(alarm = true, job_id, %error, "a job stands still");
                standing.insert(job_id, Instant::now() + AGAIN_AFTER);
            }
            Err(error) => return Err(error),
        }
        service.no_job_at_work();
    }
    Ok(has_moved)
}

/// The next rows of a job; false when none is whole yet.
async fn some_rows(service: &Service, job: JobRow) -> Result<bool, JobsError> {
    service.job_at_work(job.job_id);
    if service.store().job_octets(&job.account).await? > ACCOUNT_OCTETS_MAX {
        let reason = "the rows and results of its account's jobs fill the disk".to_owned();
        return Err(JobsError::NotNow { reason });
    }
    let is_closed = job.state == JobState::Closed;
    let range = (job.done_octets, job.row_octets);
    let spool = service.spool().clone();
    let rows = blocking(spool, move |spool| {
        spool.rows(job.job_id, range, is_closed, TURN_ROWS)
    });
    let rows = rows.await?;
    if rows.is_empty() {
        if is_closed {
            write_down(service, done(&job, &job.done_octets, (0, 0), 0)).await?;
        }
        return Ok(is_closed);
    }
    let ends: Vec<u64> = rows.iter().map(|row| row.end).collect();
    let CarriedOut { results, stopped } = carry_out(service, &job, rows).await?;
    if let Some(last) = results.len().checked_sub(1) {
        write_results(service, &job, &results, ends[last]).await?;
    }
    match stopped {
        None => Ok(true),
        Some(error) => Err(error),
    }
}

/// Makes results durable, then how far the job is.
async fn write_results(
    service: &Service,
    job: &JobRow,
    results: &[JobResult],
    done_octets: u64,
) -> Result<(), JobsError> {
    let succeeded = results.iter().filter(|one| one.code.is_success()).count() as u64;
    let failed = results.len() as u64 - succeeded;
    let mut text = Vec::new();
    for result in results {
        serde_json::to_writer(&mut text, result).map_err(std::io::Error::other)?;
        text.push(b'\n');
    }
    let written = text.len() as u64;
    let (job_id, offset) = (job.job_id, job.result_octets);
    let spool = service.spool().clone();
    blocking(spool, move |spool| {
        spool.write_results(job_id, offset, &text)
    })
    .await?;
    let step = done(job, &done_octets, (succeeded, failed), written);
    write_down(service, step).await?;
    Ok(())
}

/// Writes down how far a job is; its rows are not needed after the last one.
async fn write_down(service: &Service, step: RowsDone) -> Result<(), StoreError> {
    let job = service.store().commit(step).await?;
    if job.state == JobState::Finished {
        service.spool().remove_rows(job.job_id);
    }
    Ok(())
}

fn done(
    job: &JobRow,
    done_octets: &u64,
    (succeeded, failed): (u64, u64),
    written: u64,
) -> RowsDone {
    RowsDone {
        job_id: job.job_id,
        done_octets: *done_octets,
        result_octets: job.result_octets + written,
        succeeded,
        failed,
        now: unix_now(),
    }
}

async fn blocking<T: Send + 'static>(
    spool: Spool,
    work: impl FnOnce(&Spool) -> std::io::Result<T> + Send + 'static,
) -> std::io::Result<T> {
    let done = tokio::task::spawn_blocking(move || work(&spool)).await;
    done.unwrap_or_else(|_| Err(std::io::Error::other("reading or writing panicked")))
}

/// Carries rows out, several at the same time. Rows behind the one that has no result may have been
/// carried out as well; that they are repeated changes nothing.
async fn carry_out(
    service: &Service,
    job: &JobRow,
    rows: Vec<RawRow>,
) -> Result<CarriedOut, JobsError> {
    let role = service.store().enabled_role(&job.account).await?;
    let account = account_name(&job.account).map_err(StoreError::from)?;
    let caller = role.map(|role| Caller {
        account,
        role,
        scopes: Scopes::ALL,
    });
    let action: Result<JobAction, _> = serde_json::from_str(&job.action);
    let action = action.map_err(|_| StoreError::Corrupt("a job's action".to_owned()))?;
    let (caller, action) = (Arc::new(caller), Arc::new(action));
    let mut done = CarriedOut {
        results: Vec::with_capacity(rows.len()),
        stopped: None,
    };
    let mut at_work = VecDeque::new();
    for (number, raw) in rows.into_iter().enumerate() {
        if at_work.len() == ROWS_AT_WORK {
            take_oldest(&mut at_work, &mut done).await;
        }
        let looks = number % LOOK_ROWS == 0;
        if done.stopped.is_some() || looks && is_cancelled(service, job).await? {
            break;
        }
        let row = job.rows_done() + 1 + number as u64;
        let (service, caller) = (service.clone(), Arc::clone(&caller));
        let (action, job_id) = (Arc::clone(&action), job.job_id);
        at_work.push_back(tokio::spawn(async move {
            let caller = Option::as_ref(&caller);
            carry_out_one(&service, job_id, caller, &action, row, raw).await
        }));
    }
    while !at_work.is_empty() {
        take_oldest(&mut at_work, &mut done).await;
    }
    Ok(done)
}

async fn is_cancelled(service: &Service, job: &JobRow) -> Result<bool, StoreError> {
    let now = service.store().job(&job.account, job.job_id).await?;
    Ok(now.is_none_or(|job| job.state == JobState::Cancelled))
}

/// Takes the result of the oldest row at work. One that panicked has none, and one that the registry
/// could not carry out has none yet: the job stops before it.
async fn take_oldest(at_work: &mut VecDeque<JoinHandle<RowResult>>, done: &mut CarriedOut) {
    let Some(row) = at_work.pop_front() else {
        return;
    };
    let result = row.await;
    if done.stopped.is_some() {
        return;
    }
    match result {
        Ok(Ok(result)) => done.results.push(result),
        Ok(Err(problem)) => {
            let reason = problem.reason;
            done.stopped = Some(JobsError::NotNow { reason });
        }
        Err(error) => {
            let text = format!("a row ended without a result: {error}");
            done.stopped = Some(std::io::Error::other(text).into());
        }
    }
}

/// What came of a row, or why the registry could not carry it out now.
type RowResult = Result<JobResult, Problem>;

async fn carry_out_one(
    service: &Service,
    job_id: u64,
    caller: Option<&Caller>,
    action: &JobAction,
    row: u64,
    raw: RawRow,
) -> RowResult {
    let refused = |problem: Problem| {
        result_of(
            row,
            None,
            Response::failure(server_transaction_id(random_octets()), problem),
        )
    };
    let Some(caller) = caller else {
        let reason = "the account is disabled";
        return refused(Problem::new(ResultCode::AuthorizationError, reason));
    };
    let Some(line) = raw.line else {
        let reason = "the row is longer than a row may be";
        return refused(Problem::new(ResultCode::SyntaxError, reason));
    };
    let command = match job_command(action, &line) {
        Ok(command) => command,
        Err(refusal) => return refused(refusal.problem),
    };
    let Some(device_id) = command.device_id() else {
        let reason = "the row names no device";
        return refused(Problem::new(ResultCode::RequiredParameterMissing, reason));
    };
    let transaction_id = format!("job-{job_id}-{row}");
    let transaction_id = ClientTransactionId::parse(&transaction_id).ok();
    let request = Request::new(command, transaction_id, Door::Bulk);
    let response = service.execute(caller, request).await;
    if let Ok(Reply::Pending(_)) = response.outcome
        && *action == JobAction::Create
        && let Some(issued) = service.newest_certificate(device_id).await?
    {
        // Nobody gets another answer to this row: what it issued belongs to its result.
        let mut result = result_of(row, Some(device_id), response)?;
        result.slot = Some(issued.slot);
        result.certificate_pem = Some(certificate_pem(&issued.certificate));
        return Ok(result);
    }
    result_of(row, Some(device_id), response)
}

fn result_of(row: u64, device_id: Option<DeviceId>, response: Response) -> RowResult {
    let mut result = JobResult {
        row,
        device_id,
        code: response.code,
        server_transaction_id: response.server_transaction_id,
        reason: None,
        slot: None,
        certificate_pem: None,
    };
    match response.outcome {
        Ok(Reply::Issued(issued)) => {
            result.slot = Some(issued.certificate.slot);
            result.certificate_pem = Some(certificate_pem(&issued.certificate.certificate));
        }
        Ok(_) => {}
        // What will pass says when to come again; what stays is the row's result.
        Err(problem)
            if problem.code == ResultCode::CommandFailed && problem.retry_after_secs.is_some() =>
        {
            return Err(problem);
        }
        Err(problem) => result.reason = Some(problem.reason),
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_that_lasts_is_a_result_and_one_that_passes_is_none() {
        let failed = |problem| Response::failure("IOTR-1".to_owned(), problem);
        let lasting = Problem::new(ResultCode::CommandFailed, "damaged");
        let passing = lasting.clone().retry_after(1);
        assert!(result_of(1, None, failed(lasting)).is_ok());
        assert!(result_of(1, None, failed(passing)).is_err());
    }
}
