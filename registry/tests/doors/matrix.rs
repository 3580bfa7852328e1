//! The authorisation matrix: every command of the model × who asks × through which door. A command
//! without a row here fails.

mod prepared;

use std::collections::BTreeSet;

use iot_epp_api::command::{Command, JobAction};
use iot_epp_api::transfer::Arrival;
use iot_epp_api::{Door, ResultCode, Role, Scope, Scopes};
use iot_registry::authorisation;

pub(crate) use self::prepared::{Actor, Cast};
use crate::jobs::job_of_one;
use crate::stage::*;

/// What has to come of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cell {
    /// It is carried out.
    Done,
    /// Who asks may not give it: 2201.
    Never,
    /// The object is nothing to who asks, so there is none: 2303.
    Absent,
    /// The object's own rules say no.
    Rule(ResultCode),
}

use Cell::{Absent, Done, Never, Rule};

impl Cell {
    fn is(self, code: ResultCode) -> bool {
        match self {
            Done => code.is_success(),
            Never => code == ResultCode::AuthorizationError,
            Absent => code == ResultCode::ObjectDoesNotExist,
            Rule(expected) => code == expected,
        }
    }
}

/// Who asks, in the order of a row.
const ACTORS: [Actor; 5] = [
    Actor::Sponsor,
    Actor::OtherMno,
    Actor::BoundAsp,
    Actor::OtherAsp,
    Actor::Operator,
];

/// What comes of a verb for each of [`ACTORS`].
fn row(verb: &str) -> [Cell; 5] {
    let own_device = Rule(ResultCode::NotEligibleForTransfer);
    match verb {
        "device.check" | "device.create" => [Done, Done, Never, Never, Never],
        "device.info" | "device.certificate" | "device.process" => {
            [Done, Absent, Done, Absent, Done]
        }
        "device.list" | "message.head" => [Done; 5],
        "device.new-slot" => [Done, Absent, Done, Absent, Never],
        "device.update" | "device.activate" | "device.deactivate" | "transfer.query" => {
            [Done, Absent, Never, Never, Done]
        }
        "device.renew" | "device.delete" | "device.restore" | "transfer.push"
        | "transfer.approve" | "transfer.reject" | "transfer.cancel" | "job.append"
        | "job.close" | "job.cancel" | "job.info" | "job.results" => {
            [Done, Absent, Never, Never, Never]
        }
        "transfer.pull" => [own_device, Done, Never, Never, Never],
        "transfer.force"
        | "account.create"
        | "account.list"
        | "account.info"
        | "account.update"
        | "account.import-ids"
        | "account.issue-token"
        | "account.issue-certificate"
        | "account.reset-password"
        | "zone.dump"
        | "zone.check" => [Never, Never, Never, Never, Done],
        // A message of a number that nobody has.
        "message.acknowledge" => [Absent; 5],
        "job.create" | "job.list" | "account.consent" => [Done, Done, Never, Never, Never],
        "endpoint.info" => [Done, Done, Done, Absent, Done],
        "endpoint.set" | "endpoint.remove" => [Never, Never, Done, Done, Never],
        other => panic!("the command {other} has no row"),
    }
}

/// Who may give a command, or at least is not refused for who he is.
fn first_allowed(verb: &str) -> Actor {
    let found = ACTORS
        .into_iter()
        .zip(row(verb))
        .find(|(_, cell)| *cell == Done);
    found.map_or(Actor::Sponsor, |(actor, _)| actor)
}

fn without(scope: Scope) -> Scopes {
    let others = Scope::ALL.into_iter().filter(|one| *one != scope);
    others.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_the_json_door_exactly_the_allowed_cells_succeed() {
    let mut cast = Cast::open().await;
    for verb in Command::verbs() {
        for (actor, cell) in ACTORS.into_iter().zip(row(verb)) {
            let command = cast.prepared(verb, actor).await;
            assert_eq!(command.verb(), verb);
            let asked = format!("{actor:?}: {command:?}");
            let code = cast.party(actor).code(command).await;
            assert!(cell.is(code), "{asked}: {code}, not {cell:?}");
            cast.clear_up().await;
        }
        let actor = first_allowed(verb);
        let command = cast.prepared(verb, actor).await;
        let scopes = without(command.scope());
        let limited = cast.party(actor).token_for(&cast.stage, scopes, 600).await;
        let code = limited.code(command.clone()).await;
        assert_eq!(
            code,
            ResultCode::AuthorizationError,
            "{verb} without its scope"
        );
        let code = cast.disabled.code(command).await;
        assert_eq!(code, UNRECOGNISED, "{verb} of a disabled account");
        cast.clear_up().await;
    }
    cast.stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_the_epp_door_exactly_the_allowed_cells_succeed() {
    let mut cast = Cast::open().await;
    cast.enrol().await;
    let mut talks = ACTORS.map(|actor| cast.stage.talk(cast.party(actor)));
    let mut said = BTreeSet::new();
    for verb in Command::verbs() {
        // Said as updates, which have their own row.
        if ["device.activate", "device.deactivate"].contains(&verb) {
            continue;
        }
        for ((actor, cell), talk) in ACTORS.into_iter().zip(row(verb)).zip(&mut talks) {
            let command = cast.prepared(verb, actor).await;
            if iot_epp_api::epp::mapping::said(&command).is_some() {
                said.insert(verb);
                let code = talk.code(&command);
                assert!(
                    cell.is(code),
                    "{actor:?}: {command:?}: {code}, not {cell:?}"
                );
            }
            cast.clear_up().await;
        }
        if said.contains(verb) {
            let command = cast.prepared(verb, Actor::Sponsor).await;
            let code = cast.asked_when_disabled(&command).await;
            let closing = ResultCode::AuthenticationErrorClosing;
            assert_eq!(code, closing, "{verb} of a disabled account");
        }
    }
    assert_eq!(said.len(), 17, "{said:?}");
    cast.stage.close().await;
}

/// What a job calls the verb.
fn action_of(verb: &str) -> Option<JobAction> {
    Some(match verb {
        "device.create" => JobAction::Create,
        "device.activate" => JobAction::Activate,
        "device.deactivate" => JobAction::Deactivate,
        "device.delete" => JobAction::Delete,
        "device.restore" => JobAction::Restore,
        "transfer.pull" => JobAction::Pull {
            arrival: Arrival::AsIs,
        },
        "transfer.push" => JobAction::Push {
            to: account("mno-third"),
        },
        "transfer.approve" => JobAction::Approve { arrival: None },
        "transfer.reject" => JobAction::Reject,
        "transfer.cancel" => JobAction::Cancel,
        _ => return None,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_a_job_exactly_the_allowed_cells_succeed() {
    let mut cast = Cast::open().await;
    let mut done = 0;
    for verb in Command::verbs() {
        let Some(action) = action_of(verb) else {
            continue;
        };
        done += 1;
        for (actor, cell) in ACTORS.into_iter().zip(row(verb)) {
            // Only operators of networks have jobs.
            let cell = match actor {
                Actor::Sponsor | Actor::OtherMno => cell,
                _ => Never,
            };
            let command = cast.prepared(verb, actor).await;
            let party = cast.party(actor);
            let code = job_of_one(party, action.clone(), &command).await;
            assert!(
                cell.is(code),
                "{actor:?}: {command:?}: {code}, not {cell:?}"
            );
        }
        let command = cast.prepared(verb, Actor::Sponsor).await;
        let scopes = without(command.scope());
        let limited = cast
            .party(Actor::Sponsor)
            .token_for(&cast.stage, scopes, 600)
            .await;
        let code = job_of_one(&limited, action.clone(), &command).await;
        assert_eq!(
            code,
            ResultCode::AuthorizationError,
            "{verb} without its scope"
        );
        let code = job_of_one(&cast.disabled, action, &command).await;
        assert_eq!(code, UNRECOGNISED, "{verb} of a disabled account");
    }
    assert_eq!(done, 10, "an action of jobs has no row");
    cast.stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_door_has_no_words_for_is_refused_behind_it_too() {
    let mut cast = Cast::open().await;
    for verb in Command::verbs() {
        let object = verb.split('.').next().unwrap();
        let actor = first_allowed(verb);
        let command = cast.prepared(verb, actor).await;
        let party = cast.party(actor);
        let caller = iot_epp_api::Caller {
            account: party.name.clone(),
            role: party.role,
            scopes: Scopes::ALL,
        };
        for (door, objects) in [
            (Door::Epp, ["device", "transfer", "message"].as_slice()),
            (Door::Bulk, &["device", "transfer"]),
        ] {
            let allowed = authorisation::check(&caller, &command, door).is_ok();
            assert_eq!(allowed, objects.contains(&object), "{verb} by {door:?}");
        }
        cast.clear_up().await;
    }
    cast.stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_sees_his_own_account_and_a_provider_its_own_profile() {
    use iot_epp_api::command::{AccountCommand, EndpointCommand};
    let mut cast = Cast::open().await;
    drop(cast.prepared("endpoint.info", Actor::BoundAsp).await);
    for actor in ACTORS {
        let party = cast.party(actor);
        let own = Command::Account(AccountCommand::Info { name: None });
        match party.done(own).await {
            iot_epp_api::Reply::Account(info) => assert_eq!(info.name, party.name),
            other => panic!("{other:?}"),
        }
        let own = Command::Endpoint(EndpointCommand::Info { asp: None });
        let expected = match (actor, party.role) {
            (Actor::BoundAsp, _) => Done,
            (_, Role::Asp) => Absent,
            _ => Never,
        };
        let code = party.code(own).await;
        assert!(expected.is(code), "{actor:?}: {code}");
    }
    cast.stage.close().await;
}
