//! What is refused first when the registry is in trouble.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use iot_epp_api::command::{AccountChange, AccountCommand, JobAction, JobCommand, TransferCommand};
use iot_epp_api::job::{JobInfo, JobState};
use iot_epp_api::server::Registry as _;
use iot_epp_api::transfer::Arrival;
use iot_epp_api::{AccountName, ClientTransactionId, Door, IdPrefix, Role, Scopes};
use iot_identity::DeviceId;
use tempfile::TempDir;

use super::*;
use crate::config::{InitialConfig, Listen};
use crate::directory::Directory;
use crate::init::{OPERATOR_ACCOUNT, init};
use crate::start::Core;

const IDS: [&str; 2] = ["89049032123451234512345678901235", "8912230200031010008f"];

struct Place {
    _scratch: TempDir,
    core: Core,
}

impl Place {
    /// A registry with an account.
    async fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let directory = Directory::new(scratch.path().join("data"));
        let initial = InitialConfig {
            zone: ZoneName::parse("iotregistry.example").unwrap(),
            profile: iot_dns_zone::Profile::Standard,
            name_servers: Vec::new(),
            contact: None,
            listen: Listen::any_port(),
        };
        init(&directory, &initial).unwrap();
        let place = Self {
            _scratch: scratch,
            core: Core::open(&directory).await.unwrap(),
        };
        let name = AccountName::parse("mno-a").unwrap();
        let create = AccountCommand::Create {
            name: name.clone(),
            role: Role::Mno,
        };
        let grants = [
            AccountChange::AddPrefix(IdPrefix::parse("89").unwrap()),
            AccountChange::AllowIccids(true),
        ];
        let grants = grants.map(|change| AccountCommand::Update {
            name: name.clone(),
            change,
        });
        for command in [create].into_iter().chain(grants) {
            let command = Command::Account(command);
            place.give(OPERATOR_ACCOUNT, command).await.unwrap();
        }
        place
    }

    async fn give(&self, account: &str, command: Command) -> Result<Reply, Problem> {
        self.give_as(account, command, None).await
    }

    /// Gives a command under a client transaction id.
    async fn give_as(
        &self,
        account: &str,
        command: Command,
        id: Option<&str>,
    ) -> Result<Reply, Problem> {
        let id = id.map(|id| ClientTransactionId::parse(id).unwrap());
        let role = if account == OPERATOR_ACCOUNT {
            Role::Operator
        } else {
            Role::Mno
        };
        let account = AccountName::parse(account).unwrap();
        let caller = Caller {
            account,
            role,
            scopes: Scopes::ALL,
        };
        let request = Request::new(command, id, Door::Json);
        self.core.service.execute(&caller, request).await.outcome
    }

    async fn register(&self, id: &str) -> Result<Reply, Problem> {
        self.give("mno-a", create(id)).await
    }

    async fn deactivate(&self, id: &str) -> Result<Reply, Problem> {
        let device_id = DeviceId::parse(id).unwrap();
        let command = Command::Device(DeviceCommand::Deactivate { device_id });
        self.give("mno-a", command).await
    }
}

/// A registration with a new key.
fn create(id: &str) -> Command {
    let key = rcgen::KeyPair::generate().unwrap();
    let request = rcgen::CertificateParams::default().serialize_request(&key);
    Command::Device(DeviceCommand::Create {
        device_id: DeviceId::parse(id).unwrap(),
        csr: request.unwrap().der().to_vec(),
        period: None,
        asp: None,
        auth_info: None,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_signing_is_too_late_registrations_are_refused_and_withdrawals_taken() {
    let place = Place::new().await;
    place.register(IDS[0]).await.unwrap();
    let publisher = place.core.service.publisher();
    publisher.stop_with_lag(true).await;
    let problem = place.register(IDS[1]).await.unwrap_err();
    assert_eq!(problem.retry_after_secs, Some(LATE_RETRY_SECS), "{problem}");
    assert_eq!(problem.code, ResultCode::CommandFailed);
    // Nothing publishes it here, so it is pending: it is taken.
    let withdrawn = place.deactivate(IDS[0]).await;
    assert!(matches!(withdrawn, Ok(Reply::Pending(_))), "{withdrawn:?}");
    publisher.stop_with_lag(false).await;
    let registered = place.register(IDS[1]).await;
    assert!(
        matches!(registered, Ok(Reply::Pending(_))),
        "{registered:?}"
    );
    place.core.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_damaged_database_registrations_are_refused_and_withdrawals_taken() {
    let place = Place::new().await;
    let first = create(IDS[0]);
    let created = place.give_as("mno-a", first.clone(), Some("first")).await;
    place.core.service.note_damage(true);
    let again = place.give_as("mno-a", first, Some("first")).await;
    assert_eq!(again.unwrap(), created.unwrap(), "a retry is answered");
    let problem = place.register(IDS[1]).await.unwrap_err();
    let retry_after_secs = problem.retry_after_secs;
    assert_eq!(retry_after_secs, Some(DAMAGED_RETRY_SECS), "{problem}");
    place.deactivate(IDS[0]).await.unwrap();
    place.core.service.note_damage(false);
    place.register(IDS[1]).await.unwrap();
    place.core.close().await;
}

impl Place {
    async fn job(&self, command: JobCommand) -> JobInfo {
        match self.give("mno-a", Command::Job(command)).await {
            Ok(Reply::Job(job)) => job,
            other => panic!("{other:?}"),
        }
    }
}

/// The row of a job that registers a device with a new key.
fn row(id: &str) -> String {
    let Command::Device(DeviceCommand::Create { csr, .. }) = create(id) else {
        unreachable!("a registration")
    };
    format!("{{\"id\":\"{id}\",\"csr\":\"{}\"}}\n", STANDARD.encode(csr))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_registry_cannot_do_now_is_no_result_of_a_row() {
    let place = Place::new().await;
    place.core.service.note_damage(true);
    let action = JobAction::Create;
    let job_id = place.job(JobCommand::Create { action }).await.job_id;
    let append = JobCommand::Append {
        job_id,
        offset: 0,
        rows: IDS.map(row).concat().into_bytes(),
    };
    place.job(append).await;
    place.job(JobCommand::Close { job_id }).await;
    let running = tokio::spawn(crate::jobs::run(place.core.service.clone()));
    tokio::time::sleep(Duration::from_millis(500)).await;
    let job = place.job(JobCommand::Info { job_id }).await;
    assert_eq!((job.rows_done, job.state), (0, JobState::Closed));
    place.core.service.note_damage(false);
    let begin = Instant::now();
    let job = loop {
        let job = place.job(JobCommand::Info { job_id }).await;
        if job.state == JobState::Finished {
            break job;
        }
        assert!(begin.elapsed() < Duration::from_secs(30), "{job:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!((job.rows_succeeded, job.rows_failed), (2, 0));
    running.abort();
    let _ = running.await;
    place.core.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_that_the_zone_does_not_say_yet_is_pending() {
    let place = Place::new().await;
    let name = AccountName::parse("mno-b").unwrap();
    let gaining = AccountCommand::Create {
        name: name.clone(),
        role: Role::Mno,
    };
    let gaining = Command::Account(gaining);
    place.give(OPERATOR_ACCOUNT, gaining).await.unwrap();
    place.register(IDS[0]).await.unwrap();
    place.core.service.publisher().stop_with_lag(false).await;
    let force = Command::Transfer(TransferCommand::Force {
        device_id: DeviceId::parse(IDS[0]).unwrap(),
        to: name,
        arrival: Arrival::Held,
    });
    let reply = place.give(OPERATOR_ACCOUNT, force).await.unwrap();
    let Reply::Pending(pending) = reply else {
        panic!("{reply:?}")
    };
    assert_eq!(pending.kind, iot_epp_api::ProcessKind::Transfer);
    let transfer = pending.transfer.unwrap();
    assert_eq!(transfer.gaining.as_str(), "mno-b");
    place.core.close().await;
}
