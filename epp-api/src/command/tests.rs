//! Every command, once: verbs, digests and what is replayed.

use iot_identity::{DeviceId, Fingerprint, Slot};
use time::macros::date;

use super::*;
use crate::account::{AccountName, IdPrefix, Role};
use crate::device::{SettableStatus, WithdrawReason};
use crate::endpoint::EndpointProfile;
use crate::period::{Period, PeriodUnit};
use crate::response::ProcessKind;
use crate::scope::Scopes;
use crate::secret::{AuthInfo, Secret};
use crate::transfer::Arrival;

fn id() -> DeviceId {
    DeviceId::parse("89049032123451234512345678901235").unwrap()
}

fn name() -> AccountName {
    AccountName::parse("mno-one").unwrap()
}

fn auth_info() -> AuthInfo {
    AuthInfo::parse("an-authInfo-of-a-device").unwrap()
}

fn devices() -> Vec<DeviceCommand> {
    let device_id = id();
    let (csr, asp) = (vec![1, 2, 3], Some(name()));
    let period = Period::new(2, PeriodUnit::Years);
    vec![
        DeviceCommand::Check {
            device_ids: vec![device_id],
        },
        DeviceCommand::Info {
            device_id,
            auth_info: None,
        },
        DeviceCommand::List {
            after: Some(device_id),
            limit: 7,
        },
        DeviceCommand::Certificate {
            device_id,
            slot: Slot::FIRST,
        },
        DeviceCommand::Create {
            device_id,
            csr: csr.clone(),
            period,
            asp: asp.clone(),
            auth_info: Some(auth_info()),
        },
        DeviceCommand::NewSlot {
            device_id,
            csr,
            asp,
        },
        DeviceCommand::Update {
            device_id,
            changes: vec![DeviceChange::ClearAuthInfo],
        },
        DeviceCommand::Activate { device_id },
        DeviceCommand::Deactivate { device_id },
        DeviceCommand::Renew {
            device_id,
            current_expiry: date!(2027 - 11 - 22),
            period,
        },
        DeviceCommand::Delete { device_id },
        DeviceCommand::Restore { device_id },
        DeviceCommand::Process {
            device_id,
            kind: ProcessKind::Create,
            process_id: 9,
        },
    ]
}

fn changes() -> Vec<DeviceChange> {
    let (slot, asp) = (Slot::FIRST, name());
    vec![
        DeviceChange::AddStatus(SettableStatus::ClientHold),
        DeviceChange::RemoveStatus(SettableStatus::ClientHold),
        DeviceChange::Bind {
            slot,
            asp: asp.clone(),
        },
        DeviceChange::Unbind { slot, asp },
        DeviceChange::SetAuthInfo(auth_info()),
        DeviceChange::ClearAuthInfo,
        DeviceChange::Withdraw {
            slot,
            reason: WithdrawReason::Superseded,
        },
        DeviceChange::Withdraw {
            slot,
            reason: WithdrawReason::Compromised,
        },
    ]
}

fn transfers() -> Vec<TransferCommand> {
    let (device_id, to) = (id(), name());
    let arrival = Arrival::Held;
    vec![
        TransferCommand::Pull {
            device_id,
            auth_info: Secret::new("x"),
            arrival,
        },
        TransferCommand::Push {
            device_id,
            to: to.clone(),
        },
        TransferCommand::Query {
            device_id,
            auth_info: None,
        },
        TransferCommand::Approve {
            device_id,
            arrival: None,
        },
        TransferCommand::Reject { device_id },
        TransferCommand::Cancel { device_id },
        TransferCommand::Force {
            device_id,
            to,
            arrival,
        },
    ]
}

fn jobs() -> Vec<JobCommand> {
    let job_id = 4;
    vec![
        JobCommand::Create {
            action: JobAction::Create,
        },
        JobCommand::Append {
            job_id,
            offset: 0,
            rows: b"{}\n".to_vec(),
        },
        JobCommand::Close { job_id },
        JobCommand::Cancel { job_id },
        JobCommand::Info { job_id },
        JobCommand::List,
        JobCommand::Results {
            job_id,
            after: 0,
            limit: 1,
        },
    ]
}

fn accounts() -> Vec<AccountCommand> {
    let name = name();
    vec![
        AccountCommand::Create {
            name: name.clone(),
            role: Role::Mno,
        },
        AccountCommand::List,
        AccountCommand::Info { name: None },
        AccountCommand::Update {
            name: name.clone(),
            change: AccountChange::Disable,
        },
        AccountCommand::ImportIds {
            name: name.clone(),
            device_ids: vec![id()],
        },
        AccountCommand::IssueToken {
            name: name.clone(),
            scopes: Scopes::ALL,
            lifetime_secs: 60,
        },
        AccountCommand::IssueCertificate {
            name: name.clone(),
            csr: vec![1],
        },
        AccountCommand::ResetPassword { name: name.clone() },
        AccountCommand::Consent {
            asp: name,
            granted: true,
        },
    ]
}

fn account_changes() -> Vec<AccountChange> {
    let prefix = IdPrefix::parse("8904").unwrap();
    vec![
        AccountChange::Disable,
        AccountChange::Enable,
        AccountChange::AddPrefix(prefix.clone()),
        AccountChange::RemovePrefix(prefix),
        AccountChange::RemoveIds(vec![id()]),
        AccountChange::AllowIccids(true),
        AccountChange::AllowIccids(false),
        AccountChange::SetDevicesMax(1),
        AccountChange::StrictTransactionIds(true),
        AccountChange::StrictTransactionIds(false),
        AccountChange::RevokeToken { token_id: 1 },
        AccountChange::RevokeCertificate { certificate_id: 1 },
    ]
}

fn endpoints() -> Vec<EndpointCommand> {
    let profile = EndpointProfile {
        fqdn: "iot.asp.example".to_owned(),
        port: 8883,
        url: None,
        certificate_pem: None,
        tlsa_fingerprint: Some(Fingerprint::from_octets([1; 32])),
        wifi_ciphertext: None,
    };
    vec![
        EndpointCommand::Info { asp: None },
        EndpointCommand::Set {
            profile: Box::new(profile),
        },
        EndpointCommand::Remove,
    ]
}

pub(crate) fn one_of_each() -> Vec<Command> {
    let mut all: Vec<Command> = devices().into_iter().map(Command::Device).collect();
    all.extend(transfers().into_iter().map(Command::Transfer));
    all.push(Command::Message(MessageCommand::Head));
    all.push(Command::Message(MessageCommand::Acknowledge {
        message_id: 3,
    }));
    all.extend(jobs().into_iter().map(Command::Job));
    all.extend(accounts().into_iter().map(Command::Account));
    all.extend(endpoints().into_iter().map(Command::Endpoint));
    all.push(Command::Zone(ZoneCommand::Dump));
    all.push(Command::Zone(ZoneCommand::Check));
    all
}

#[test]
fn verbs_list_every_command_in_order() {
    let verbs: Vec<_> = one_of_each().iter().map(Command::verb).collect();
    assert_eq!(verbs, Command::verbs().collect::<Vec<_>>());
}

#[test]
fn digests_differ_between_commands_and_parameters() {
    let device_id = id();
    let mut all = one_of_each();
    all.extend(changes().into_iter().map(|change| {
        let changes = vec![change.clone(), change];
        Command::Device(DeviceCommand::Update { device_id, changes })
    }));
    all.extend(account_changes().into_iter().skip(1).map(|change| {
        let name = name();
        Command::Account(AccountCommand::Update { name, change })
    }));
    for (period, asp, auth_info) in [
        (None, Some(name()), Some(auth_info())),
        (Period::new(2, PeriodUnit::Months), None, None),
        (Period::new(2, PeriodUnit::Years), None, None),
        (None, None, None),
    ] {
        all.push(Command::Device(DeviceCommand::Create {
            device_id,
            csr: vec![1, 2, 3],
            period,
            asp,
            auth_info,
        }));
    }
    let mut digests: Vec<_> = all.iter().map(Command::digest).collect();
    let count = digests.len();
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), count);
}

#[test]
fn what_is_idempotent_by_nature_is_not_replayed() {
    let all = one_of_each();
    let replayed = all.iter().filter(|command| command.replays());
    let replayed: Vec<_> = replayed.map(Command::verb).collect();
    let expected = [
        "device.create",
        "device.new-slot",
        "device.delete",
        "transfer.pull",
        "transfer.push",
        "transfer.approve",
        "transfer.reject",
        "transfer.cancel",
        "transfer.force",
        "job.create",
    ];
    assert_eq!(replayed, expected);
    assert!(
        !all.iter()
            .any(|command| command.replays() && command.is_query())
    );
}

#[test]
fn secrets_are_absent_from_debug() {
    let text = format!("{:?} {:?} {:?}", devices(), changes(), transfers());
    assert!(!text.contains("an-authInfo"), "{text}");
}
