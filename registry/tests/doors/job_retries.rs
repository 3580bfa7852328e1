//! Jobs that are begun again, and jobs that are cancelled while rows are at work.

use std::time::Duration;

use iot_epp_api::command::{Command, JobAction, JobCommand};
use iot_epp_api::job::{JobInfo, JobState};
use iot_epp_api::{DeviceState, Reply};

use crate::jobs::{registration, rows_of};
use crate::stage::*;

/// A client with three fixed transaction ids: begin, rows, close. The job, and whether its begin was
/// answered with an earlier one.
async fn three_requests(party: &Party, action: JobAction, rows: &str) -> (JobInfo, bool) {
    let begun = Command::Job(JobCommand::Create { action });
    let begun = party.give_as(begun, "job").await;
    let replayed = begun.replayed;
    let Ok(Reply::Job(job)) = begun.outcome else {
        panic!("{begun:?}");
    };
    let job_id = job.job_id;
    let append = JobCommand::Append {
        job_id,
        offset: 0,
        rows: rows.as_bytes().to_vec(),
    };
    party
        .give_as(Command::Job(append), "rows")
        .await
        .outcome
        .unwrap();
    let close = Command::Job(JobCommand::Close { job_id });
    party.give_as(close, "close").await.outcome.unwrap();
    (crate::jobs::ended(party, job_id).await, replayed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_that_is_held_again_by_the_same_requests_is_held() {
    let stage = Stage::open().await;
    let mno = stage.mno("mno-a").await;
    let fleet = [eid(1), eid(2)];
    for id in fleet {
        mno.issued(create(id)).await;
    }
    let mut job_ids = Vec::new();
    for _ in 0..3 {
        let (job, replayed) = three_requests(&mno, JobAction::Deactivate, &rows_of(&fleet)).await;
        assert!(!replayed && job.rows_succeeded == 2, "{job:?}");
        job_ids.push(job.job_id);
        for id in fleet {
            assert_eq!(mno.sees(id).await.state, DeviceState::Inactive);
            mno.changed(unhold(id)).await;
        }
    }
    job_ids.dedup();
    assert_eq!(job_ids.len(), 3, "a job each time");
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_answer_of_a_cancellation_counts_what_was_at_work() {
    const ROWS: u64 = 300;
    let stage = Stage::open().await;
    let mno = stage.mno("mno-a").await;
    let rows: String = (1..=ROWS).map(|number| registration(eid(number))).collect();
    let begun = JobCommand::Create {
        action: JobAction::Create,
    };
    let Reply::Job(begun) = mno.done(Command::Job(begun)).await else {
        panic!("no job");
    };
    let job_id = begun.job_id;
    let append = JobCommand::Append {
        job_id,
        offset: 0,
        rows: rows.into_bytes(),
    };
    mno.done(Command::Job(append)).await;
    while stage.count("SELECT count(*) FROM intent").await == 0
        && stage.count("SELECT count(*) FROM device").await == 0
    {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let Reply::Job(cancelled) = mno.done(Command::Job(JobCommand::Cancel { job_id })).await else {
        panic!("no job");
    };
    assert_eq!(cancelled.state, JobState::Cancelled);
    assert!(cancelled.rows_done > 0, "some were at work");
    tokio::time::sleep(Duration::from_millis(500)).await;
    let Reply::Job(later) = mno.done(Command::Job(JobCommand::Info { job_id })).await else {
        panic!("no job");
    };
    assert_eq!(later, cancelled);
    let devices = stage.count("SELECT count(*) FROM device").await;
    assert_eq!(devices as u64, cancelled.rows_done);
    stage.close().await;
}
