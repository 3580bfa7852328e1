//! Bulk jobs: rows in parts, results in pages, and nothing lost or doubled by an end in between.

use std::time::{Duration, Instant};

use iot_epp_api::command::{Command, DeviceCommand, JobAction, JobCommand, TransferCommand};
use iot_epp_api::job::{JobInfo, JobResult, JobState};
use iot_epp_api::message::{Detail, Event};
use iot_epp_api::{DeviceState, Reply, ResultCode, Scope, Scopes};
use iot_identity::DeviceId;

use crate::stage::*;

/// A row for each device: its id.
pub(crate) fn rows_of(ids: &[DeviceId]) -> String {
    let row = |id: &DeviceId| format!("{{\"id\":\"{id}\"}}\n");
    ids.iter().map(row).collect()
}

/// A row of a registration.
pub(crate) fn registration(id: DeviceId) -> String {
    use base64::Engine as _;
    let csr = base64::engine::general_purpose::STANDARD.encode(new_csr());
    format!("{{\"id\":\"{id}\",\"csr\":\"{csr}\"}}\n")
}

async fn job(party: &Party, command: JobCommand) -> JobInfo {
    match party.done(Command::Job(command)).await {
        Reply::Job(job) => job,
        other => panic!("{other:?}"),
    }
}

async fn begun(party: &Party, action: JobAction) -> u64 {
    job(party, JobCommand::Create { action }).await.job_id
}

/// A job with all its rows.
pub(crate) async fn begun_with(party: &Party, action: JobAction, rows: &str) -> u64 {
    let job_id = begun(party, action).await;
    append(party, job_id, 0, rows).await;
    job(party, JobCommand::Close { job_id }).await;
    job_id
}

async fn append(party: &Party, job_id: u64, offset: u64, rows: &str) -> JobInfo {
    let rows = rows.as_bytes().to_vec();
    let command = JobCommand::Append {
        job_id,
        offset,
        rows,
    };
    job(party, command).await
}

pub(crate) async fn ended(party: &Party, job_id: u64) -> JobInfo {
    let begin = Instant::now();
    loop {
        let job = job(party, JobCommand::Info { job_id }).await;
        if matches!(job.state, JobState::Finished | JobState::Cancelled) {
            return job;
        }
        assert!(begin.elapsed() < 4 * PATIENCE, "{job:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn page(party: &Party, job_id: u64, after: u64, limit: u32) -> (Vec<JobResult>, Option<u64>) {
    let command = JobCommand::Results {
        job_id,
        after,
        limit,
    };
    match party.done(Command::Job(command)).await {
        Reply::JobResults {
            results,
            next_after,
        } => (results, next_after),
        other => panic!("{other:?}"),
    }
}

/// All results, in pages of this size.
async fn results(party: &Party, job_id: u64, limit: u32) -> Vec<JobResult> {
    let (mut results, mut after) = (Vec::new(), Some(0));
    while let Some(behind) = after {
        let (some, next) = page(party, job_id, behind, limit).await;
        assert!(some.len() <= limit as usize);
        assert!(
            next.is_none() || !some.is_empty(),
            "a page without progress"
        );
        results.extend(some);
        after = next;
    }
    results
}

/// Results of a job with these rows, once it is finished.
pub(crate) async fn carried_out(party: &Party, action: JobAction, rows: &str) -> Vec<JobResult> {
    let job_id = begun_with(party, action, rows).await;
    let job = ended(party, job_id).await;
    assert_eq!(job.state, JobState::Finished);
    let results = results(party, job_id, 1000).await;
    assert_eq!(results.len() as u64, job.rows_done);
    results
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_in_parts_and_repeated_parts_are_carried_out_once() {
    let stage = Stage::open().await;
    let mno = stage.mno("mno-a").await;
    let ids: Vec<DeviceId> = (0..30).map(eid).collect();
    let rows: String = ids.iter().copied().map(registration).collect();
    let job_id = begun(&mno, JobAction::Create).await;
    let cuts = [0, 700, 701, rows.len() / 2, rows.len()];
    for cut in cuts.windows(2) {
        let (from, to) = (cut[0], cut[1]);
        let offset = from as u64;
        let told = append(&mno, job_id, offset, &rows[from..to]).await;
        assert_eq!(told.octets_received, to as u64);
        let again = append(&mno, job_id, offset, &rows[from..to]).await;
        assert_eq!(again.octets_received, to as u64, "told again");
    }
    let gap = JobCommand::Append {
        job_id,
        offset: rows.len() as u64 + 1,
        rows: b"{}\n".to_vec(),
    };
    assert_eq!(
        mno.code(Command::Job(gap)).await,
        ResultCode::ParameterRange
    );
    job(&mno, JobCommand::Close { job_id }).await;
    job(&mno, JobCommand::Close { job_id }).await;
    let late = JobCommand::Append {
        job_id,
        offset: rows.len() as u64,
        rows: b"{}\n".to_vec(),
    };
    assert_eq!(
        mno.code(Command::Job(late)).await,
        ResultCode::StatusProhibits
    );
    let ended = ended(&mno, job_id).await;
    assert_eq!((ended.rows_succeeded, ended.rows_failed), (30, 0));
    let paged = results(&mno, job_id, 7).await;
    assert_eq!(paged, results(&mno, job_id, 10_000).await);
    for (number, (result, id)) in paged.iter().zip(&ids).enumerate() {
        assert_eq!(result.row, number as u64 + 1);
        assert_eq!((result.device_id, result.slot), (Some(*id), Some(slot(1))));
        assert!(result.certificate_pem.is_some());
        assert!(matches!(stage.dns(*id, 1).await, Said::Active(_)));
    }
    let told = mno.messages().await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].event, Event::JobFinished);
    let detail = Detail::Job {
        job_id,
        succeeded: 30,
        failed: 0,
    };
    assert_eq!(told[0].detail, detail);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_row_fails_alone() {
    let stage = Stage::open().await;
    let mno = stage.mno("mno-a").await;
    let long = format!("{{\"id\":\"{}\"}}\n", "8".repeat(40_000));
    let no_csr = format!("{{\"id\":\"{}\"}}\n", eid(2));
    let rows = [
        registration(eid(1)),
        no_csr,
        "nonsense\n".to_owned(),
        "\n".to_owned(),
        long,
        registration(eid(1)),
        "{\"id\":\"\u{0}\"}\n".to_owned(),
        registration(eid(3)).trim_end().to_owned(),
    ];
    let results = carried_out(&mno, JobAction::Create, &rows.concat()).await;
    assert_eq!(results.len(), rows.len(), "{results:?}");
    let done: Vec<u64> = results
        .iter()
        .filter(|one| one.code.is_success())
        .map(|one| one.row)
        .collect();
    // Rows of one device may overtake each other, but one of them is done and the other is not.
    assert!(done == [1, 8] || done == [6, 8], "{results:?}");
    assert!(
        results
            .iter()
            .all(|one| one.code.is_success() || one.reason.is_some())
    );
    assert_eq!(stage.count("SELECT count(*) FROM credential").await, 2);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_job_does_nothing_further_and_what_is_done_stays() {
    let stage = Stage::open().await;
    let mno = stage.mno("mno-a").await;
    let job_id = begun(&mno, JobAction::Create).await;
    let first = registration(eid(1));
    append(&mno, job_id, 0, &first).await;
    while job(&mno, JobCommand::Info { job_id }).await.rows_done == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let cancelled = job(&mno, JobCommand::Cancel { job_id }).await;
    assert_eq!(cancelled.state, JobState::Cancelled);
    let more = JobCommand::Append {
        job_id,
        offset: first.len() as u64,
        rows: registration(eid(2)).into_bytes(),
    };
    assert_eq!(
        mno.code(Command::Job(more)).await,
        ResultCode::StatusProhibits
    );
    assert!(matches!(stage.dns(eid(1), 1).await, Said::Active(_)));
    assert_eq!(results(&mno, job_id, 10).await.len(), 1);
    let again = job(&mno, JobCommand::Cancel { job_id }).await;
    assert_eq!(again.state, JobState::Cancelled);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_whose_files_fail_stands_still_alone_and_goes_on_when_they_work() {
    let mut stage = Stage::open().await;
    let (first, second) = (stage.mno("mno-a").await, stage.mno("mno-b").await);
    let failing = begun(&first, JobAction::Create).await;
    let spool = stage.directory.jobs();
    let in_the_way = spool.join(format!("{failing}.results"));
    std::fs::create_dir(&in_the_way).unwrap();
    append(&first, failing, 0, &registration(eid(1))).await;
    job(&first, JobCommand::Close { job_id: failing }).await;

    let other = begun(&second, JobAction::Create).await;
    append(&second, other, 0, &registration(eid(2))).await;
    job(&second, JobCommand::Close { job_id: other }).await;
    assert_eq!(ended(&second, other).await.rows_succeeded, 1);
    let standing = job(&first, JobCommand::Info { job_id: failing }).await;
    assert_eq!((standing.state, standing.rows_done), (JobState::Closed, 0));

    std::fs::remove_dir(&in_the_way).unwrap();
    stage = stage.restart().await;
    let first = stage.again(&first, &first.token);
    assert_eq!(ended(&first, failing).await.rows_succeeded, 1);
    assert_eq!(results(&first, failing, 10).await.len(), 1);
    assert_eq!(stage.count("SELECT count(*) FROM credential").await, 2);
    // What was asked for is not kept longer than it is needed.
    for job_id in [failing, other] {
        assert!(!spool.join(format!("{job_id}.rows")).exists(), "{job_id}");
    }
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_the_registry_repeats_lifts_no_later_hold() {
    let mut stage = Stage::open().await;
    let mno = stage.mno("mno-a").await;
    mno.issued(create(eid(1))).await;
    mno.changed(hold(eid(1))).await;
    let job_id = begun(&mno, JobAction::Activate).await;
    let in_the_way = stage.directory.jobs().join(format!("{job_id}.results"));
    std::fs::create_dir(&in_the_way).unwrap();
    append(&mno, job_id, 0, &rows_of(&[eid(1)])).await;
    job(&mno, JobCommand::Close { job_id }).await;
    let begin = Instant::now();
    while mno.sees(eid(1)).await.state != DeviceState::Active {
        assert!(begin.elapsed() < PATIENCE, "the row was not carried out");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // Its result could not be written, and meanwhile the device is stolen.
    mno.changed(hold(eid(1))).await;
    std::fs::remove_dir(&in_the_way).unwrap();
    stage = stage.restart().await;
    let mno = stage.again(&mno, &mno.token);
    assert_eq!(ended(&mno, job_id).await.rows_succeeded, 1);
    assert_eq!(mno.sees(eid(1)).await.state, DeviceState::Inactive);
    assert!(matches!(stage.dns(eid(1), 1).await, Said::Inactive));
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ends_together_is_withdrawn_together() {
    const DEVICES: u64 = 150;
    let stage = Stage::open().await;
    let mno = stage.mno("mno-a").await;
    let rows: String = (0..DEVICES)
        .map(|number| registration(eid(number)))
        .collect();
    carried_out(&mno, JobAction::Create, &rows).await;
    let last = stage.count("SELECT max(not_after) FROM credential").await;
    stage.at(last.unsigned_abs() + 1).await;
    let live = "SELECT count(*) FROM credential WHERE withdrawn IS NULL";
    assert_eq!(stage.count(live).await, 0);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_that_stops_within_a_job_goes_on_with_it_and_doubles_nothing() {
    const DEVICES: u64 = 400;
    let mut stage = Stage::open().await;
    let mno = stage.mno("mno-a").await;
    let ids: Vec<DeviceId> = (0..DEVICES).map(eid).collect();
    let rows: String = ids.iter().copied().map(registration).collect();
    let job_id = begun(&mno, JobAction::Create).await;
    append(&mno, job_id, 0, &rows).await;
    job(&mno, JobCommand::Close { job_id }).await;
    let mut interruptions = 0;
    for stop_at in [50, 200] {
        while stage.count("SELECT count(*) FROM device").await < stop_at {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let devices = stage.count("SELECT count(*) FROM device").await;
        interruptions += u64::from(devices < DEVICES as i64);
        stage = stage.restart().await;
    }
    assert_eq!(interruptions, 2, "it was really in the middle");
    let mno = stage.again(&mno, &mno.token);
    let job = ended(&mno, job_id).await;
    assert_eq!((job.rows_succeeded, job.rows_failed), (DEVICES, 0));
    let results = results(&mno, job_id, 250).await;
    let numbers: Vec<u64> = results.iter().map(|one| one.row).collect();
    assert_eq!(numbers, (1..=DEVICES).collect::<Vec<_>>());
    for result in &results {
        assert_eq!(result.slot, Some(slot(1)), "{result:?}");
        assert!(result.certificate_pem.is_some(), "{result:?}");
    }
    assert_eq!(
        stage.count("SELECT count(*) FROM credential").await,
        DEVICES as i64
    );
    // Beside messages of rows that were pending when the registry stopped.
    let finished = "SELECT count(*) FROM message WHERE document LIKE '%jobFinished%'";
    assert_eq!(stage.count(finished).await, 1);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_that_is_killed_within_a_job_loses_and_doubles_nothing() {
    const DEVICES: u64 = 400;
    let stage = Stage::open().await;
    let mno = stage.mno("mno-a").await;
    let mut program = stage.hand_over().await;
    let mut party = program.again(&mno);
    let rows: String = (0..DEVICES)
        .map(|number| registration(eid(number)))
        .collect();
    let job_id = begun(&party, JobAction::Create).await;
    append(&party, job_id, 0, &rows).await;
    job(&party, JobCommand::Close { job_id }).await;
    for kill_at in [20, 120, 220] {
        while program.count("SELECT count(*) FROM device").await < kill_at {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let devices = program.count("SELECT count(*) FROM device").await;
        assert!(devices < DEVICES as i64, "it was really in the middle");
        program = program.kill_and_start();
    }
    party = program.again(&party);
    let job = ended(&party, job_id).await;
    assert_eq!((job.rows_succeeded, job.rows_failed), (DEVICES, 0));
    let results = results(&party, job_id, 1000).await;
    let numbers: Vec<u64> = results.iter().map(|one| one.row).collect();
    assert_eq!(numbers, (1..=DEVICES).collect::<Vec<_>>());
    let certificates = program.count("SELECT count(*) FROM credential").await;
    assert_eq!(certificates, DEVICES as i64);
    let serials = "SELECT count(*) FROM credential JOIN voided_serial USING (serial)";
    assert_eq!(
        program.count(serials).await,
        0,
        "a voided serial is never used"
    );
    for result in &results {
        let once = result.slot.is_some_and(|slot| slot.get() <= 4);
        assert!(once && result.certificate_pem.is_some(), "{result:?}");
    }
    program.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_does_no_more_than_its_token_may() {
    let stage = Stage::open().await;
    let mno = stage.mno("mno-a").await;
    let scopes: Scopes = [Scope::Job, Scope::DeviceUpdate].into_iter().collect();
    let party = mno.token_for(&stage, scopes, 3600).await;
    let job = |action| Command::Job(JobCommand::Create { action });
    assert_eq!(
        party.code(job(JobAction::Delete)).await,
        ResultCode::AuthorizationError
    );
    assert_eq!(
        party.code(job(JobAction::Create)).await,
        ResultCode::AuthorizationError
    );
    party.done(job(JobAction::Deactivate)).await;
    // Nor does the job of another token.
    let job_id = begun(&mno, JobAction::Delete).await;
    let rows = rows_of(&[eid(1)]).into_bytes();
    let append = JobCommand::Append {
        job_id,
        offset: 0,
        rows,
    };
    let refused = party.code(Command::Job(append)).await;
    assert_eq!(refused, ResultCode::AuthorizationError);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_without_an_end_is_refused_and_the_job_goes_on() {
    let stage = Stage::open().await;
    let mno = stage.mno("mno-a").await;
    let job_id = begun(&mno, JobAction::Create).await;
    let first = registration(eid(1));
    append(&mno, job_id, 0, &first).await;
    let offset = first.len() as u64;
    let endless = JobCommand::Append {
        job_id,
        offset,
        rows: vec![b'x'; 40_000],
    };
    let refused = mno.refused(Command::Job(endless)).await;
    assert_eq!(refused.code, ResultCode::ParameterRange, "{refused}");
    append(&mno, job_id, offset, &registration(eid(2))).await;
    job(&mno, JobCommand::Close { job_id }).await;
    assert_eq!(ended(&mno, job_id).await.rows_succeeded, 2);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_begin_is_one_job_and_unfinished_jobs_are_limited() {
    let stage = Stage::open().await;
    let mno = stage.mno("mno-a").await;
    let begin = || {
        Command::Job(JobCommand::Create {
            action: JobAction::Delete,
        })
    };
    let first = mno.give_as(begin(), "job-begin").await;
    let again = mno.give_as(begin(), "job-begin").await;
    assert!(again.replayed && first.outcome == again.outcome);
    for _ in 1..16 {
        mno.done(begin()).await;
    }
    assert_eq!(mno.code(begin()).await, ResultCode::DataManagementPolicy);
    stage.close().await;
}

/// The row that stands for a command.
fn row_of(command: &Command) -> String {
    match command {
        Command::Device(DeviceCommand::Create { device_id, .. }) => registration(*device_id),
        Command::Transfer(TransferCommand::Pull {
            device_id,
            auth_info,
            ..
        }) => {
            let auth_info = auth_info.expose();
            format!("{{\"id\":\"{device_id}\",\"authInfo\":\"{auth_info}\"}}\n")
        }
        other => rows_of(&[other.device_id().unwrap()]),
    }
}

/// The code of a command that is the only row of a job, or of the job itself where that is refused.
pub(crate) async fn job_of_one(party: &Party, action: JobAction, command: &Command) -> ResultCode {
    let begin = Command::Job(JobCommand::Create {
        action: action.clone(),
    });
    let begun = party.give(begin).await;
    let Ok(Reply::Job(begun)) = begun.outcome else {
        return begun.code;
    };
    let job_id = begun.job_id;
    append(party, job_id, 0, &row_of(command)).await;
    job(party, JobCommand::Close { job_id }).await;
    ended(party, job_id).await;
    results(party, job_id, 10).await[0].code
}
