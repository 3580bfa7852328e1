//! The topic `bulk`: a fleet registered by one job: rows uploaded in parts, the registry killed in the
//! middle and started again, every row with its result.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use iot_dns_zone::Profile;
use iot_epp_api::client::ClientRequest;
use iot_epp_api::command::{JobAction, JobCommand};
use iot_epp_api::job::{JobInfo, JobState};
use iot_epp_api::{ClientTransactionId, Command, Reply};

use crate::comparison::in_words;
use crate::door_clients::exchange;
use crate::figure::Figure;
use crate::machine;
use crate::population::{Ids, Population};
use crate::processes::Process;
use crate::product::Registry;
use crate::requests_beforehand;

const ALL_CORES: &str = "0-63";
/// Octets of a part of the rows.
const PART_OCTETS: usize = 2 << 20;
/// Requests that are made at once before they are uploaded.
const BATCH: u64 = 50_000;
const LOOK: Duration = Duration::from_millis(500);
/// Results of one answer.
const PAGE_ROWS: u32 = 5_000;

pub(crate) fn measure(run: &crate::Scale) -> anyhow::Result<Vec<Figure>> {
    let count = if run.quick { 5_000 } else { 1_000_000 };
    let population = Population {
        ids: Ids::Random,
        devices: count,
    };
    let registry = Registry::with_account(Profile::Standard)?;
    let mut process = registry.serve(ALL_CORES)?;
    registry.wait_until_it_serves(&mut process)?;
    let job_id = upload(&registry, population, count)?;
    // What was carried out while the rows were uploaded does not count for the rate.
    let mut begun = progress(&registry, job_id)?;
    let mut begin = Instant::now();
    let (mut rate_rows, mut rate_secs, mut resident_octets) = (0, 0.0, 0);
    // Of the second process: its own memory by the rows that were done.
    let mut anonymous_octets: Vec<(u64, u64)> = Vec::new();
    let mut was_killed = false;
    let last = loop {
        std::thread::sleep(LOOK);
        resident_octets = resident_octets.max(process.resident_octets());
        let now = progress(&registry, job_id)?;
        if was_killed {
            anonymous_octets.push((now.rows_done, process.anonymous_octets()));
        }
        if now.state == JobState::Finished {
            rate_rows += now.rows_done - begun.rows_done;
            rate_secs += begin.elapsed().as_secs_f64();
            break now;
        }
        if !was_killed && now.rows_done > count / 2 {
            rate_rows += now.rows_done - begun.rows_done;
            rate_secs += begin.elapsed().as_secs_f64();
            was_killed = true;
            process = killed_and_started(&registry, process)?;
            begun = progress(&registry, job_id)?;
            begin = Instant::now();
        }
    };
    ensure!(
        was_killed,
        "the job was over before the registry was killed"
    );
    ensure!(
        last.rows_succeeded == count && last.rows_failed == 0,
        "{} rows succeeded, {} failed",
        last.rows_succeeded,
        last.rows_failed
    );
    check_results(&registry, job_id, count)?;
    let said = format!("{}, killed in the middle", in_words(count));
    let rate = rate_rows as f64 / rate_secs;
    let bare = machine::bare_signature_secs(5_000)?;
    let mut figures = vec![
        Figure::new("bulk_rows_per_sec", rate, "1/s", said.clone()),
        Figure::new(
            "bulk_rows_per_bare_signature",
            rate * bare,
            "ratio",
            said.clone(),
        ),
        Figure::new(
            "bulk_resident_mib",
            resident_octets as f64 / f64::from(1 << 20),
            "MiB",
            said.clone(),
        ),
    ];
    figures.extend(figures_of_own_memory(&anonymous_octets, count, &said));
    figures.extend(machine::floors()?);
    Ok(figures)
}

/// The registry's own memory, and whether it grows with the rows: the most in the last eighth of them
/// against the most in the quarter in which this process began.
fn figures_of_own_memory(samples: &[(u64, u64)], count: u64, said: &str) -> [Figure; 2] {
    let most = |begin: u64, end: u64| {
        let within = samples
            .iter()
            .filter(|(rows, _)| (begin..=end).contains(rows));
        within.map(|(_, octets)| *octets).max().unwrap_or(0) as f64
    };
    let (before, last) = (most(count / 2, count * 3 / 4), most(count * 7 / 8, count));
    [
        Figure::new(
            "bulk_anonymous_mib",
            before.max(last) / f64::from(1 << 20),
            "MiB",
            said,
        ),
        Figure::new("bulk_anonymous_growth", last / before, "ratio", said),
    ]
}

/// Begins a job and uploads its rows; returns its number.
fn upload(registry: &Registry, population: Population, count: u64) -> anyhow::Result<u64> {
    let action = JobAction::Create;
    let Reply::Job(job) = ask(registry, JobCommand::Create { action })? else {
        bail!("no job");
    };
    let job_id = job.job_id;
    let (mut offset, mut rows) = (0, Vec::new());
    let mut next = 0;
    while next < count {
        let end = (next + BATCH).min(count);
        for asking in requests_beforehand::make(population, next..end)? {
            let row = serde_json::json!({
                "id": asking.device_id.as_str(),
                "csr": STANDARD.encode(&asking.csr),
            });
            serde_json::to_writer(&mut rows, &row)?;
            rows.push(b'\n');
            if rows.len() >= PART_OCTETS {
                offset = append(registry, job_id, offset, std::mem::take(&mut rows))?;
            }
        }
        next = end;
    }
    append(registry, job_id, offset, rows)?;
    ask(registry, JobCommand::Close { job_id })?;
    Ok(job_id)
}

fn append(registry: &Registry, job_id: u64, offset: u64, rows: Vec<u8>) -> anyhow::Result<u64> {
    let command = JobCommand::Append {
        job_id,
        offset,
        rows,
    };
    match ask(registry, command)? {
        Reply::Job(job) => Ok(job.octets_received),
        other => bail!("rows not taken: {other:?}"),
    }
}

fn ask(registry: &Registry, command: JobCommand) -> anyhow::Result<Reply> {
    let id = ClientTransactionId::parse(&format!("bulk-{:016x}", rand_of_time()))?;
    let request = ClientRequest::new(Command::Job(command), id);
    let mut connection = registry.json_door()?.connect()?;
    let response = exchange(&mut connection, &request, &registry.token()?)?;
    response
        .outcome
        .map_err(|problem| anyhow::anyhow!("{problem}"))
}

/// Another number for each request.
fn rand_of_time() -> u64 {
    crate::registry_server::now_ns()
}

fn progress(registry: &Registry, job_id: u64) -> anyhow::Result<JobInfo> {
    match ask(registry, JobCommand::Info { job_id })? {
        Reply::Job(job) => Ok(job),
        other => bail!("no job: {other:?}"),
    }
}

fn killed_and_started(registry: &Registry, process: Process) -> anyhow::Result<Process> {
    process.kill()?;
    let mut process = registry.serve(ALL_CORES)?;
    registry.wait_until_it_serves(&mut process)?;
    Ok(process)
}

/// Every row has one result, a success with a certificate of its own.
fn check_results(registry: &Registry, job_id: u64, count: u64) -> anyhow::Result<()> {
    let (mut after, mut devices) = (0, HashSet::new());
    loop {
        let command = JobCommand::Results {
            job_id,
            after,
            limit: PAGE_ROWS,
        };
        let Reply::JobResults {
            results,
            next_after,
        } = ask(registry, command)?
        else {
            bail!("no results");
        };
        for result in results {
            ensure!(
                result.row == after + 1,
                "row {} behind row {after}",
                result.row
            );
            after = result.row;
            ensure!(
                result.code.is_success() && result.certificate_pem.is_some(),
                "{result:?}"
            );
            let device = result.device_id.context("a result without device")?;
            ensure!(devices.insert(device), "{device} twice");
        }
        if next_after.is_none() {
            break;
        }
    }
    ensure!(after == count, "{after} results of {count}");
    Ok(())
}
