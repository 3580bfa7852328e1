//! What who has no part in an object learns of it: nothing. The answers are compared as octets.

use iot_epp_api::command::{
    Command, DeviceCommand, JobAction, JobCommand, MessageCommand, TransferCommand,
};
use iot_epp_api::device::{SettableStatus, WithdrawReason};
use iot_epp_api::secret::Secret;
use iot_epp_api::transfer::Arrival;
use iot_epp_api::{ProcessKind, Reply, ResultCode};
use iot_identity::DeviceId;

use crate::stage::*;

/// A sponsor with one device, and another operator and provider who have no part in it.
struct Cast {
    stage: Stage,
    sponsor: Party,
    strangers: [Party; 2],
}

/// The device that is there, and one that never was.
fn both() -> [DeviceId; 2] {
    [eid(1), eid(2)]
}

impl Cast {
    async fn open() -> Self {
        let stage = Stage::open().await;
        let sponsor = stage.mno("mno-sponsor").await;
        let mut strangers = [
            stage.mno("mno-stranger").await,
            stage.asp("asp-stranger").await,
        ];
        for stranger in &mut strangers {
            stranger.enrol(&stage).await;
        }
        stage.asp("asp-bound").await;
        let create = create_with(eid(1), new_csr(), Some("asp-bound"));
        sponsor.issued(create).await;
        sponsor.changed(set_auth_info(eid(1))).await;
        Self {
            stage,
            sponsor,
            strangers,
        }
    }
}

/// Commands about a device whose answer may tell nothing.
fn about(id: DeviceId) -> Vec<Command> {
    let device_id = id;
    let expiry = time::macros::date!(2036 - 11 - 22);
    vec![
        info(id),
        hold(id),
        unhold(id),
        set_status(id, SettableStatus::ClientUpdateProhibited),
        set_status(id, SettableStatus::ServerHold),
        withdraw(id, 1, WithdrawReason::Compromised),
        withdraw(id, 9, WithdrawReason::Compromised),
        bind(id, 1, "asp-bound"),
        bind(id, 1, "asp-nobody"),
        set_auth_info(id),
        Command::Device(DeviceCommand::Renew {
            device_id,
            current_expiry: expiry,
            period: None,
        }),
        delete(id),
        restore(id),
        new_slot(id, new_csr(), None),
        new_slot(id, new_csr(), Some("asp-nobody")),
        push(id, "mno-stranger"),
        query(id),
        approve(id, None),
        reject(id),
        cancel(id),
        Command::Device(DeviceCommand::Certificate {
            device_id,
            slot: slot(1),
        }),
        Command::Device(DeviceCommand::Process {
            device_id,
            kind: ProcessKind::Create,
            process_id: 1,
        }),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_device_answers_as_an_absent_one_through_the_json_door() {
    let cast = Cast::open().await;
    for stranger in &cast.strangers {
        let [foreign, absent] = both().map(about);
        for (foreign, absent) in foreign.into_iter().zip(absent) {
            let asked = format!("{}: {foreign:?}", stranger.name);
            let foreign = cast.stage.raw_json(stranger, foreign, "stranger-1").await;
            let absent = cast.stage.raw_json(stranger, absent, "stranger-1").await;
            assert_eq!(foreign, absent, "{asked}");
            let allowed = stranger.role == iot_epp_api::Role::Mno;
            if allowed {
                assert_eq!(foreign.status, 404, "{asked}: {foreign:?}");
            }
        }
    }
    assert!(matches!(cast.stage.dns(eid(1), 1).await, Said::Active(_)));
    assert_eq!(
        cast.sponsor.sees(eid(1)).await.version,
        2,
        "nothing has touched it"
    );
    cast.stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_device_answers_as_an_absent_one_through_the_epp_door() {
    let cast = Cast::open().await;
    for stranger in &cast.strangers {
        let mut talk = RawTalk::begin(&cast.stage, stranger).await;
        let [foreign, absent] = both().map(about);
        let mut compared = 0;
        for (foreign, absent) in foreign.into_iter().zip(absent) {
            if iot_epp_api::epp::mapping::said(&foreign).is_none() {
                continue;
            }
            compared += 1;
            let asked = format!("{}: {foreign:?}", stranger.name);
            let foreign = talk.give(&foreign, "STRANGER-1").await;
            let absent = talk.give(&absent, "STRANGER-1").await;
            assert_eq!(foreign, absent, "{asked}");
            if stranger.role == iot_epp_api::Role::Mno {
                assert!(foreign.contains("code=\"2303\""), "{asked}: {foreign}");
            }
        }
        assert!(compared > 15, "{compared}");
    }
    cast.stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_authorization_information_and_an_absent_device_are_one_answer() {
    let cast = Cast::open().await;
    let [stranger, _] = &cast.strangers;
    let mut talk = RawTalk::begin(&cast.stage, stranger).await;
    let presented = "some-wrong-auth-info-1";
    let commands = |device_id| {
        let auth_info = Some(Secret::new(presented));
        [
            info_with(device_id, Some(presented)),
            pull(device_id, presented, Arrival::AsIs),
            Command::Transfer(TransferCommand::Query {
                device_id,
                auth_info,
            }),
        ]
    };
    // Without any authorization information set, too.
    cast.sponsor.issued(create(eid(3))).await;
    for there in [eid(1), eid(3)] {
        for (there, absent) in commands(there).into_iter().zip(commands(eid(2))) {
            let asked = format!("{there:?}");
            let answer = cast
                .stage
                .raw_json(stranger, there.clone(), "guess-1")
                .await;
            let nothing = cast
                .stage
                .raw_json(stranger, absent.clone(), "guess-1")
                .await;
            assert_eq!(answer, nothing, "{asked}");
            assert!(
                answer.fields.iter().any(|field| field == "rpp-code: 02202"),
                "{answer:?}"
            );
            let answer = talk.give(&there, "GUESS-1").await;
            assert_eq!(answer, talk.give(&absent, "GUESS-1").await, "{asked}");
            assert!(answer.contains("code=\"2202\""), "{answer}");
        }
    }
    let opened = stranger.done(info_with(eid(1), Some(AUTH_INFO))).await;
    assert!(matches!(opened, Reply::Device(_)), "the right one opens it");
    cast.stage.close().await;
}

/// Time tells the two apart where only one of them is written down: a commit waits for the disk.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_authorization_information_is_written_down_whether_or_not_there_is_a_device() {
    let cast = Cast::open().await;
    let [stranger, _] = &cast.strangers;
    cast.sponsor.issued(create(eid(3))).await;
    let presented = "some-wrong-auth-info-1";
    let mut before = 0;
    // With authorization information, absent, without any.
    for id in [eid(1), eid(2), eid(3)] {
        let asked = [
            info_with(id, Some(presented)),
            pull(id, presented, Arrival::AsIs),
        ];
        for command in asked {
            stranger.refused(command).await;
            let counted = "SELECT sum(auth_info_failures) FROM account";
            let after = cast.stage.count(counted).await;
            assert_eq!(after, before + 1, "{id}");
            before = after;
        }
    }
    cast.stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guesser_voids_what_he_guesses_at_and_has_to_wait() {
    let cast = Cast::open().await;
    let [stranger, _] = &cast.strangers;
    for guess in 0..20 {
        let presented = format!("wrong-auth-info-{guess:08}");
        let code = stranger.code(pull(eid(1), &presented, Arrival::AsIs)).await;
        assert_eq!(code, ResultCode::InvalidAuthorizationInformation);
    }
    let code = stranger.code(pull(eid(1), AUTH_INFO, Arrival::AsIs)).await;
    assert_eq!(
        code,
        ResultCode::InvalidAuthorizationInformation,
        "it is void by now"
    );
    cast.sponsor.changed(set_auth_info(eid(1))).await;
    for guess in 0..80 {
        let presented = format!("wrong-auth-info-{guess:08}");
        stranger.code(info_with(eid(2), Some(&presented))).await;
    }
    let problem = stranger
        .refused(pull(eid(1), AUTH_INFO, Arrival::AsIs))
        .await;
    assert!(problem.retry_after_secs.is_some(), "{problem}");
    cast.stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_id_is_taken_and_nobody_says_by_whom() {
    let cast = Cast::open().await;
    let [stranger, _] = &cast.strangers;
    let answer = cast
        .stage
        .raw_json(stranger, create(eid(1)), "create-1")
        .await;
    assert_eq!(answer.status, 409);
    let text = format!("{answer:?}");
    assert!(
        !text.contains("mno-sponsor") && !text.contains("asp-bound"),
        "{text}"
    );
    let mut talk = RawTalk::begin(&cast.stage, stranger).await;
    let answer = talk.give(&create(eid(1)), "CREATE-1").await;
    assert!(answer.contains("code=\"2302\""), "{answer}");
    assert!(
        !answer.contains("mno-sponsor") && !answer.contains("asp-bound"),
        "{answer}"
    );
    let check = Command::Device(DeviceCommand::Check {
        device_ids: both().to_vec(),
    });
    match stranger.done(check).await {
        Reply::Availability(found) => {
            let available: Vec<bool> = found.iter().map(|one| one.available).collect();
            assert_eq!(available, [false, true]);
        }
        other => panic!("{other:?}"),
    }
    cast.stage.close().await;
}

/// Number of the oldest message, and how many there are.
async fn message_of(party: &Party) -> (Option<u64>, u64) {
    match party.done(Command::Message(MessageCommand::Head)).await {
        Reply::Messages { head, count } => (head.map(|one| one.message_id), count),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_jobs_and_messages_answer_as_absent_ones() {
    let cast = Cast::open().await;
    let [stranger, _] = &cast.strangers;
    let action = JobAction::Deactivate;
    let begin = Command::Job(JobCommand::Create { action });
    let Reply::Job(job) = cast.sponsor.done(begin).await else {
        panic!("no job");
    };
    let about = |job_id| {
        let rows = b"{}\n".to_vec();
        [
            JobCommand::Info { job_id },
            JobCommand::Close { job_id },
            JobCommand::Cancel { job_id },
            JobCommand::Results {
                job_id,
                after: 0,
                limit: 10,
            },
            JobCommand::Append {
                job_id,
                offset: 0,
                rows,
            },
        ]
    };
    for (foreign, absent) in about(job.job_id).into_iter().zip(about(job.job_id + 1000)) {
        let asked = format!("{foreign:?}");
        let foreign = cast
            .stage
            .raw_json(stranger, Command::Job(foreign), "job-x")
            .await;
        let absent = cast
            .stage
            .raw_json(stranger, Command::Job(absent), "job-x")
            .await;
        assert_eq!(foreign, absent, "{asked}");
        assert_eq!(foreign.status, 404, "{asked}");
    }
    match stranger.done(Command::Job(JobCommand::List)).await {
        Reply::Jobs(jobs) => assert!(jobs.is_empty()),
        other => panic!("{other:?}"),
    }
    // The sponsor has messages; their numbers mean nothing to anybody else.
    stranger.issued(create(eid(5))).await;
    stranger.changed(set_auth_info(eid(5))).await;
    cast.sponsor
        .done(pull(eid(5), AUTH_INFO, Arrival::AsIs))
        .await;
    stranger.done(reject(eid(5))).await;
    let (theirs, count) = message_of(&cast.sponsor).await;
    assert_eq!(count, 1);
    let mine = stranger.messages().await;
    assert_eq!(mine.len(), 2);
    for message_id in [theirs.unwrap(), 1000] {
        let acknowledge = Command::Message(MessageCommand::Acknowledge { message_id });
        assert_eq!(
            stranger.code(acknowledge).await,
            ResultCode::ObjectDoesNotExist
        );
    }
    assert_eq!(message_of(&cast.sponsor).await.1, 1, "it is still there");
    cast.stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_sees_the_slots_that_are_bound_to_it_and_no_others() {
    let cast = Cast::open().await;
    let id = eid(1);
    let bound = cast.stage.asp("asp-second").await;
    cast.sponsor
        .issued(new_slot(id, new_csr(), Some("asp-second")))
        .await;
    let told = bound.messages().await;
    assert_eq!(told.len(), 1, "{told:?}");
    let seen = bound.sees(id).await;
    assert_eq!(seen.slots.len(), 1);
    assert_eq!(seen.slots[0].slot, slot(2));
    let certificate = |number| {
        Command::Device(DeviceCommand::Certificate {
            device_id: id,
            slot: slot(number),
        })
    };
    bound.done(certificate(2)).await;
    assert_eq!(
        bound.code(certificate(1)).await,
        ResultCode::ObjectDoesNotExist
    );
    // A held device is told with what is the provider's only.
    cast.sponsor.changed(hold(id)).await;
    let told = format!("{:?}", bound.messages().await);
    assert!(
        told.contains("StatusChanged") && !told.contains("asp-bound"),
        "{told}"
    );
    let unbind = iot_epp_api::command::DeviceChange::Unbind {
        slot: slot(2),
        asp: account("asp-second"),
    };
    cast.sponsor.changed(update(id, &[unbind])).await;
    assert_eq!(bound.code(info(id)).await, ResultCode::ObjectDoesNotExist);
    cast.stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_called_as_the_registry_calls_itself() {
    let cast = Cast::open().await;
    let create = iot_epp_api::command::AccountCommand::Create {
        name: account("registry"),
        role: iot_epp_api::Role::Mno,
    };
    let code = cast.stage.operator.code(Command::Account(create)).await;
    assert_eq!(code, ResultCode::ParameterPolicy);
    cast.stage.close().await;
}
