//! What came back, whichever door it came through.

use iot_epp_api::epp::ResponseData;
use iot_epp_api::epp::client::ReceivedResponse;
use iot_epp_api::message::{Detail, Event};
use iot_epp_api::response::SlotCertificate;
use iot_epp_api::transfer::{TransferInfo, TransferStatus};
use iot_epp_api::{ClientTransactionId, DeviceInfo, Reply, Response, ResultCode};
use iot_identity::{DeviceId, Slot};
use time::OffsetDateTime;

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The result.
    pub code: ResultCode,
    /// Status of HTTP, through the JSON door.
    pub http_status: Option<u16>,
    /// Everything that was said, as text, without the time and the names of the transaction: status
    /// and header fields with the body, or the document.
    pub said: String,
    /// The same, read.
    pub body: Body,
}

/// An answer that was read.
#[derive(Clone, Debug)]
pub enum Body {
    /// Of the JSON door.
    Json(Box<Response>),
    /// Of the EPP door.
    Epp(Box<ReceivedResponse>),
}

/// A message out of a queue: what tells it apart from others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Told {
    /// What happened.
    pub event: Event,
    /// To what.
    pub device_id: Option<DeviceId>,
    /// To which of its credentials.
    pub slot: Option<Slot>,
    /// How far its transfer is.
    pub transfer: Option<TransferStatus>,
    /// The command that was pending, by the client's and the server's name for it.
    pub command: Option<(ClientTransactionId, String)>,
}

impl Answer {
    /// The credential that was issued, or is told again.
    pub fn issued(&self) -> Option<&SlotCertificate> {
        match &self.body {
            Body::Json(response) => match response.outcome.as_ref().ok()? {
                Reply::Issued(issued) => Some(&issued.certificate),
                Reply::Certificate(certificate) => Some(certificate),
                _ => None,
            },
            Body::Epp(response) => match response.answer.data.as_ref()? {
                ResponseData::Create(data) => data.issued.as_ref(),
                ResponseData::Update(data) => data.issued.as_ref(),
                _ => None,
            },
        }
    }

    /// The device that was asked for.
    pub fn info(&self) -> Option<&DeviceInfo> {
        match &self.body {
            Body::Json(response) => match response.outcome.as_ref().ok()? {
                Reply::Device(info) => Some(info),
                _ => None,
            },
            Body::Epp(response) => match response.answer.data.as_ref()? {
                ResponseData::Info(info) => Some(info),
                _ => None,
            },
        }
    }

    /// A page of a list, and where the next one begins.
    pub fn page(&self) -> Option<(&[DeviceInfo], Option<DeviceId>)> {
        let Body::Json(response) = &self.body else {
            return None;
        };
        match response.outcome.as_ref().ok()? {
            Reply::Devices {
                devices,
                next_after,
            } => Some((devices, *next_after)),
            _ => None,
        }
    }

    /// The transfer that was asked for or ended.
    pub fn transfer(&self) -> Option<&TransferInfo> {
        match &self.body {
            Body::Json(response) => match response.outcome.as_ref().ok()? {
                Reply::Transfer { transfer, .. } | Reply::TransferQueried(transfer) => {
                    Some(transfer)
                }
                _ => None,
            },
            Body::Epp(response) => match response.answer.data.as_ref()? {
                ResponseData::Transfer { transfer, .. } => Some(transfer),
                _ => None,
            },
        }
    }

    /// End of the registration, after a registration or a renewal.
    pub fn expires_at(&self) -> Option<OffsetDateTime> {
        match &self.body {
            Body::Json(response) => match response.outcome.as_ref().ok()? {
                Reply::Issued(issued) => Some(issued.info.expires_at),
                Reply::Changed { info, .. } => Some(info.expires_at),
                Reply::Pending(pending) => Some(pending.expires_at),
                _ => None,
            },
            Body::Epp(response) => match response.answer.data.as_ref()? {
                ResponseData::Create(data) => Some(data.expires_at),
                ResponseData::Renew(data) => Some(data.expires_at),
                _ => None,
            },
        }
    }

    /// Whether it repeats an earlier result.
    pub fn replayed(&self) -> bool {
        match &self.body {
            Body::Json(response) => response.replayed,
            Body::Epp(response) => response.answer.replayed,
        }
    }

    /// Whether it is durable, and its publication still to come.
    pub fn is_pending(&self) -> bool {
        self.code == ResultCode::CompletedPending && self.transfer().is_none()
    }

    /// The oldest message of the queue with its number; none when the queue is empty or was not asked
    /// for.
    pub fn message(&self) -> Option<(u64, Told)> {
        match &self.body {
            Body::Json(response) => {
                let Reply::Messages { head, .. } = response.outcome.as_ref().ok()? else {
                    return None;
                };
                let message = head.as_ref()?;
                let mut told = Told::of(message.event, message.device_id);
                match &message.detail {
                    Detail::Slot { slot, .. } => told.slot = Some(*slot),
                    Detail::Transfer(transfer) => told.transfer = Some(transfer.status),
                    Detail::PendingAction {
                        client_transaction_id: Some(client),
                        server_transaction_id: server,
                        ..
                    } => told.command = Some((client.clone(), server.clone())),
                    Detail::None
                    | Detail::Change(_)
                    | Detail::Job { .. }
                    | Detail::PendingAction { .. } => {}
                }
                Some((message.message_id, told))
            }
            Body::Epp(response) => {
                let queue = response.answer.queue.as_ref()?;
                queue.head.as_ref()?;
                Some((queue.message_id, told_by_epp(response)?))
            }
        }
    }
}

fn told_by_epp(response: &ReceivedResponse) -> Option<Told> {
    let told = match response.answer.data.as_ref()? {
        ResponseData::Event(event) => Told {
            slot: event.slot.as_ref().map(|slot| slot.slot),
            ..Told::of(event.event, event.device_id)
        },
        ResponseData::Transfer { transfer, .. } => Told {
            transfer: Some(transfer.status),
            ..Told::of(Event::Transfer, Some(transfer.device_id))
        },
        ResponseData::Info(info) => {
            let change = response.answer.change.as_ref()?;
            let event = Event::from_name(change.sub_operation.as_deref()?)?;
            Told::of(event, Some(info.device_id))
        }
        ResponseData::PendingAction(action) => {
            let client = action.client_transaction_id.clone();
            let server = action.server_transaction_id.as_str().to_owned();
            Told {
                command: client.map(|client| (client, server)),
                ..Told::of(Event::PendingAction, Some(action.device_id))
            }
        }
        _ => return None,
    };
    Some(told)
}

impl Told {
    /// A message with no more than this.
    pub fn of(event: Event, device_id: Option<DeviceId>) -> Self {
        Self {
            event,
            device_id,
            slot: None,
            transfer: None,
            command: None,
        }
    }
}
