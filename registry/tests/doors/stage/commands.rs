//! Commands and values that many tests need, in short.

use iot_epp_api::command::{Command, DeviceChange, DeviceCommand, MessageCommand, TransferCommand};
use iot_epp_api::device::{SettableStatus, WithdrawReason};
use iot_epp_api::message::Message;
use iot_epp_api::secret::{AuthInfo, Secret};
use iot_epp_api::transfer::{Arrival, TransferInfo};
use iot_epp_api::{DeviceInfo, Reply};
use iot_identity::{DeviceId, Slot};
use rcgen::KeyPair;

use super::{Party, account};

/// Authorization information that is strong enough.
pub(crate) const AUTH_INFO: &str = "Kq9(mZ2!vW7#xR4_tY6e";

/// Different valid EIDs: the first 30 digits count, the last two check (number mod 97 = 1).
pub(crate) fn eid(number: u64) -> DeviceId {
    let stem = format!("890490320000{number:018}");
    let digit = |rest: u64, digit: u8| (rest * 10 + u64::from(digit - b'0')) % 97;
    let rest = stem.bytes().fold(0, digit);
    DeviceId::parse(&format!("{stem}{:02}", 98 - rest * 100 % 97)).unwrap()
}

pub(crate) fn slot(number: u16) -> Slot {
    Slot::new(number).unwrap()
}

pub(crate) fn csr_of(key: &KeyPair) -> Vec<u8> {
    let request = rcgen::CertificateParams::default().serialize_request(key);
    request.unwrap().der().to_vec()
}

pub(crate) fn new_csr() -> Vec<u8> {
    csr_of(&KeyPair::generate().unwrap())
}

pub(crate) fn create(device_id: DeviceId) -> Command {
    create_with(device_id, new_csr(), None)
}

pub(crate) fn create_with(device_id: DeviceId, csr: Vec<u8>, asp: Option<&str>) -> Command {
    Command::Device(DeviceCommand::Create {
        device_id,
        csr,
        period: None,
        asp: asp.map(account),
        auth_info: None,
    })
}

pub(crate) fn new_slot(device_id: DeviceId, csr: Vec<u8>, asp: Option<&str>) -> Command {
    Command::Device(DeviceCommand::NewSlot {
        device_id,
        csr,
        asp: asp.map(account),
    })
}

pub(crate) fn info(device_id: DeviceId) -> Command {
    info_with(device_id, None)
}

pub(crate) fn info_with(device_id: DeviceId, auth_info: Option<&str>) -> Command {
    Command::Device(DeviceCommand::Info {
        device_id,
        auth_info: auth_info.map(Secret::new),
    })
}

pub(crate) fn hold(device_id: DeviceId) -> Command {
    Command::Device(DeviceCommand::Deactivate { device_id })
}

pub(crate) fn unhold(device_id: DeviceId) -> Command {
    Command::Device(DeviceCommand::Activate { device_id })
}

pub(crate) fn delete(device_id: DeviceId) -> Command {
    Command::Device(DeviceCommand::Delete { device_id })
}

pub(crate) fn restore(device_id: DeviceId) -> Command {
    Command::Device(DeviceCommand::Restore { device_id })
}

pub(crate) fn update(device_id: DeviceId, changes: &[DeviceChange]) -> Command {
    let changes = changes.to_vec();
    Command::Device(DeviceCommand::Update { device_id, changes })
}

pub(crate) fn set_status(device_id: DeviceId, status: SettableStatus) -> Command {
    update(device_id, &[DeviceChange::AddStatus(status)])
}

pub(crate) fn clear_status(device_id: DeviceId, status: SettableStatus) -> Command {
    update(device_id, &[DeviceChange::RemoveStatus(status)])
}

pub(crate) fn set_auth_info(device_id: DeviceId) -> Command {
    let auth_info = AuthInfo::parse(AUTH_INFO).unwrap();
    update(device_id, &[DeviceChange::SetAuthInfo(auth_info)])
}

pub(crate) fn bind(device_id: DeviceId, number: u16, asp: &str) -> Command {
    let (slot, asp) = (slot(number), account(asp));
    update(device_id, &[DeviceChange::Bind { slot, asp }])
}

pub(crate) fn withdraw(device_id: DeviceId, number: u16, reason: WithdrawReason) -> Command {
    let slot = slot(number);
    update(device_id, &[DeviceChange::Withdraw { slot, reason }])
}

pub(crate) fn renew(info: &DeviceInfo) -> Command {
    Command::Device(DeviceCommand::Renew {
        device_id: info.device_id,
        current_expiry: info.expires_at.date(),
        period: None,
    })
}

pub(crate) fn pull(device_id: DeviceId, presented: &str, arrival: Arrival) -> Command {
    Command::Transfer(TransferCommand::Pull {
        device_id,
        auth_info: Secret::new(presented),
        arrival,
    })
}

pub(crate) fn push(device_id: DeviceId, to: &str) -> Command {
    let to = account(to);
    Command::Transfer(TransferCommand::Push { device_id, to })
}

pub(crate) fn query(device_id: DeviceId) -> Command {
    Command::Transfer(TransferCommand::Query {
        device_id,
        auth_info: None,
    })
}

pub(crate) fn query_with(device_id: DeviceId, presented: &str) -> Command {
    Command::Transfer(TransferCommand::Query {
        device_id,
        auth_info: Some(Secret::new(presented)),
    })
}

pub(crate) fn approve(device_id: DeviceId, arrival: Option<Arrival>) -> Command {
    Command::Transfer(TransferCommand::Approve { device_id, arrival })
}

pub(crate) fn reject(device_id: DeviceId) -> Command {
    Command::Transfer(TransferCommand::Reject { device_id })
}

pub(crate) fn cancel(device_id: DeviceId) -> Command {
    Command::Transfer(TransferCommand::Cancel { device_id })
}

pub(crate) fn force(device_id: DeviceId, to: &str, arrival: Arrival) -> Command {
    Command::Transfer(TransferCommand::Force {
        device_id,
        to: account(to),
        arrival,
    })
}

impl Party {
    /// The device as the party sees it.
    #[track_caller]
    pub(crate) fn sees(&self, device_id: DeviceId) -> impl Future<Output = DeviceInfo> {
        let reply = self.done(info(device_id));
        async move {
            match reply.await {
                Reply::Device(info) => *info,
                other => panic!("{other:?}"),
            }
        }
    }

    /// The transfer after a command about it.
    #[track_caller]
    pub(crate) fn transfer(&self, command: Command) -> impl Future<Output = TransferInfo> {
        let reply = self.done(command);
        async move {
            match reply.await {
                Reply::Transfer { transfer, .. } | Reply::TransferQueried(transfer) => *transfer,
                other => panic!("{other:?}"),
            }
        }
    }

    /// Takes all messages out of the queue.
    pub(crate) async fn messages(&self) -> Vec<Message> {
        let mut messages = Vec::new();
        loop {
            let head = match self.done(Command::Message(MessageCommand::Head)).await {
                Reply::Messages { head, .. } => head,
                other => panic!("{other:?}"),
            };
            let Some(message) = head else {
                return messages;
            };
            let message_id = message.message_id;
            let acknowledge = MessageCommand::Acknowledge { message_id };
            self.done(Command::Message(acknowledge)).await;
            messages.push(*message);
        }
    }
}
