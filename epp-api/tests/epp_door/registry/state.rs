//! What the registry in memory remembers, and what commands do to it.

use std::collections::{BTreeMap, HashMap, VecDeque};

use iot_epp_api::command::{Command, DeviceChange, DeviceCommand, MessageCommand, TransferCommand};
use iot_epp_api::device::{RepositoryId, SettableStatus};
use iot_epp_api::message::{Detail, Event, Message};
use iot_epp_api::response::{Issued, Pending, SlotCertificate};
use iot_epp_api::server::epp::PasswordMark;
use iot_epp_api::transfer::{Arrival, Direction, TransferInfo, TransferStatus};
use iot_epp_api::{
    AccountName, Availability, ClientTransactionId, DeviceInfo, DeviceState, DeviceStatus, Problem,
    ProcessKind, PublicationTimes, Reply, Response, ResultCode, SlotInfo, SlotState,
};
use iot_identity::{DeviceId, Fingerprint, OwnerName, Slot};
use time::OffsetDateTime;
use time::macros::datetime;

use crate::frames::AUTH_INFO;

const NOON: OffsetDateTime = datetime!(2026-11-22 12:00:00 UTC);
pub(super) const END: OffsetDateTime = datetime!(2031-11-22 12:00:00 UTC);

type Remembered = HashMap<(AccountName, ClientTransactionId), ([u8; 32], Response)>;

#[derive(Default)]
pub(super) struct State {
    /// By fingerprint: the account of a certificate.
    pub(super) certificates: HashMap<Fingerprint, AccountName>,
    pub(super) passwords: HashMap<AccountName, String>,
    pub(super) disabled: Vec<AccountName>,
    pub(super) devices: BTreeMap<DeviceId, DeviceInfo>,
    pub(super) transfers: HashMap<DeviceId, TransferInfo>,
    pub(super) messages: HashMap<AccountName, VecDeque<Message>>,
    pub(super) remembered: Remembered,
}

impl State {
    pub(super) fn mark_of(&self, account: &AccountName) -> Option<PasswordMark> {
        let password = self.passwords.get(account)?;
        let hash = Fingerprint::of_certificate(password.as_bytes());
        Some(PasswordMark(hash.as_octets()[..16].try_into().unwrap()))
    }

    pub(super) fn execute(
        &mut self,
        account: &AccountName,
        command: Command,
    ) -> Result<Reply, Problem> {
        match command {
            Command::Device(command) => self.device(account, command),
            Command::Transfer(command) => self.transfer(account, command),
            Command::Message(command) => self.message(account, command),
            other => panic!("EPP does not say {other:?}"),
        }
    }

    fn own(&mut self, account: &AccountName, id: DeviceId) -> Result<&mut DeviceInfo, Problem> {
        let own = self
            .devices
            .get_mut(&id)
            .filter(|info| info.account == *account);
        own.ok_or_else(Problem::object_does_not_exist)
    }

    fn device(&mut self, account: &AccountName, command: DeviceCommand) -> Result<Reply, Problem> {
        match command {
            DeviceCommand::Check { device_ids } => {
                let available = device_ids.into_iter().map(|device_id| Availability {
                    device_id,
                    available: !self.devices.contains_key(&device_id),
                    reason: None,
                });
                Ok(Reply::Availability(available.collect()))
            }
            DeviceCommand::Info { device_id, .. } => {
                let info = self.own(account, device_id)?;
                Ok(Reply::Device(Box::new(info.clone())))
            }
            DeviceCommand::Create { device_id, csr, .. } => self.create(account, device_id, &csr),
            DeviceCommand::Update { device_id, changes } => {
                let info = self.own(account, device_id)?;
                for change in changes {
                    apply(info, &change);
                }
                info.version += 1;
                Ok(changed(info))
            }
            DeviceCommand::Renew { device_id, .. } => {
                let info = self.own(account, device_id)?;
                info.expires_at = info.expires_at.replace_year(2032).unwrap();
                Ok(changed(info))
            }
            DeviceCommand::Delete { device_id } => {
                let info = self.own(account, device_id)?;
                info.state = DeviceState::PendingDelete;
                info.statuses = vec![DeviceStatus::PendingDelete];
                Ok(changed(info))
            }
            DeviceCommand::Restore { device_id } => {
                let info = self.own(account, device_id)?;
                info.state = DeviceState::Inactive;
                info.statuses = vec![DeviceStatus::ClientHold];
                Ok(changed(info))
            }
            other => panic!("EPP does not say {other:?}"),
        }
    }

    fn create(
        &mut self,
        account: &AccountName,
        device_id: DeviceId,
        csr: &[u8],
    ) -> Result<Reply, Problem> {
        if self.devices.contains_key(&device_id) {
            return Err(
                Problem::new(ResultCode::ObjectExists, "registered already").at("$.deviceId")
            );
        }
        let info = new_device(account, device_id);
        self.devices.insert(device_id, info.clone());
        if csr == [0, 0, 0] {
            return Ok(Reply::Pending(Pending {
                process_id: 1,
                device_id,
                kind: ProcessKind::Create,
                slot: Some(Slot::FIRST),
                at: NOON,
                expires_at: END,
                transfer: None,
            }));
        }
        Ok(Reply::Issued(Box::new(Issued {
            info,
            certificate: SlotCertificate {
                slot: Slot::FIRST,
                certificate: vec![0x30, 3, 2, 1, 0],
                chain: vec![vec![0x30, 3, 2, 1, 1]],
            },
            times: times(),
        })))
    }

    fn transfer(
        &mut self,
        account: &AccountName,
        command: TransferCommand,
    ) -> Result<Reply, Problem> {
        let device_id = command.device_id();
        match command {
            TransferCommand::Pull {
                auth_info, arrival, ..
            } => {
                let info = self.devices.get(&device_id);
                let info = info.filter(|_| auth_info.expose() == AUTH_INFO);
                let wrong = || {
                    Problem::new(
                        ResultCode::InvalidAuthorizationInformation,
                        "it is not right",
                    )
                    .at("$.authInfo")
                };
                let losing = info.ok_or_else(wrong)?.account.clone();
                let transfer = TransferInfo {
                    transfer_id: 1,
                    device_id,
                    direction: Direction::Pull,
                    status: TransferStatus::Pending,
                    acting: losing.clone(),
                    losing: losing.clone(),
                    gaining: account.clone(),
                    requested_by: account.clone(),
                    requested_at: NOON,
                    acting_at: END,
                    arrival: Some(arrival),
                    replace_by: None,
                };
                self.transfers.insert(device_id, transfer.clone());
                self.tell(&losing, &transfer);
                Ok(Reply::Transfer {
                    transfer: Box::new(transfer),
                    times: None,
                })
            }
            TransferCommand::Query { .. } => {
                let transfer = self.transfers.get(&device_id);
                let transfer = transfer.ok_or_else(Problem::object_does_not_exist)?;
                Ok(Reply::TransferQueried(Box::new(transfer.clone())))
            }
            TransferCommand::Approve { .. } => {
                self.own(account, device_id)?;
                let transfer = self.transfers.get_mut(&device_id);
                let transfer = transfer.ok_or_else(Problem::object_does_not_exist)?;
                transfer.status = TransferStatus::ClientApproved;
                let transfer = transfer.clone();
                let info = self.own(account, device_id)?;
                info.account = transfer.gaining.clone();
                if transfer.arrival == Some(Arrival::Held) {
                    info.statuses = vec![DeviceStatus::ClientHold];
                }
                let gaining = transfer.gaining.clone();
                self.tell(&gaining, &transfer);
                Ok(Reply::Transfer {
                    transfer: Box::new(transfer),
                    times: Some(times()),
                })
            }
            other => panic!("not in these tests: {other:?}"),
        }
    }

    fn tell(&mut self, account: &AccountName, transfer: &TransferInfo) {
        let queue = self.messages.entry(account.clone()).or_default();
        let message_id = queue.back().map_or(1, |last| last.message_id + 1);
        queue.push_back(Message {
            message_id,
            queued_at: NOON,
            event: Event::Transfer,
            text: format!("Transfer {}.", transfer.status),
            device_id: Some(transfer.device_id),
            detail: Detail::Transfer(Box::new(transfer.clone())),
        });
    }

    fn message(
        &mut self,
        account: &AccountName,
        command: MessageCommand,
    ) -> Result<Reply, Problem> {
        let queue = self.messages.entry(account.clone()).or_default();
        if let MessageCommand::Acknowledge { message_id } = command {
            if queue
                .front()
                .is_none_or(|first| first.message_id != message_id)
            {
                return Err(Problem::object_does_not_exist());
            }
            queue.pop_front();
            return Ok(Reply::Acknowledged {
                count: queue.len() as u64,
                next_message_id: queue.front().map(|next| next.message_id),
            });
        }
        Ok(Reply::Messages {
            count: queue.len() as u64,
            head: queue.front().cloned().map(Box::new),
        })
    }
}

fn apply(info: &mut DeviceInfo, change: &DeviceChange) {
    match change {
        DeviceChange::AddStatus(SettableStatus::ClientHold) => {
            info.statuses = vec![DeviceStatus::ClientHold];
            info.state = DeviceState::Inactive;
        }
        DeviceChange::RemoveStatus(SettableStatus::ClientHold) => {
            info.statuses.clear();
            info.state = DeviceState::Active;
        }
        _ => {}
    }
}

fn changed(info: &DeviceInfo) -> Reply {
    Reply::Changed {
        info: Box::new(info.clone()),
        times: Some(times()),
    }
}

fn times() -> PublicationTimes {
    PublicationTimes {
        published_serial: 7,
        denied_everywhere_by: Some(END),
        ..PublicationTimes::default()
    }
}

fn new_device(account: &AccountName, device_id: DeviceId) -> DeviceInfo {
    let name = format!("1.{device_id}.iotregistry.example");
    DeviceInfo {
        device_id,
        repository_id: RepositoryId(1),
        account: account.clone(),
        state: DeviceState::Active,
        statuses: Vec::new(),
        slots: vec![SlotInfo {
            slot: Slot::FIRST,
            owner_name: OwnerName::parse_in_any_zone(&name).unwrap(),
            fingerprint: Fingerprint::of_certificate(&[0x30, 3, 2, 1, 0]),
            serial: Some("0badc0de".to_owned()),
            not_before: NOON,
            not_after: END,
            state: SlotState::Live,
            reason: None,
            asp: None,
            inherited: false,
            replace_by: None,
        }],
        created_at: NOON,
        updated_at: NOON,
        expires_at: END,
        transferred_at: None,
        restore_until: None,
        version: 1,
    }
}
