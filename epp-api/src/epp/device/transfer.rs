//! `<device:transfer>` and `<device:trnData>`: a device moves to another account. The gaining account
//! pulls it with authInfo, or the sponsor pushes it and the gaining account approves.

use iot_identity::DeviceId;

use crate::account::AccountName;
use crate::device::PublicationTimes;
use crate::epp::device::authorization::{read_presented, write_presented};
use crate::epp::device::publication::{read_publication, write_publication};
use crate::epp::device::{read_id, read_optional};
use crate::epp::namespace::device;
use crate::epp::read_error::ReadError;
use crate::epp::xml::{Value, XmlReader, XmlWriter, instant};
use crate::secret::Secret;
use crate::transfer::{Arrival, Direction, TransferInfo, TransferStatus};

/// One step of a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// The device.
    pub device_id: DeviceId,
    /// What is to be done.
    pub operation: TransferOperation,
}

/// What is to be done about a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransferOperation {
    /// The asking account wants the device.
    Pull {
        /// Got from the sponsor.
        auth_info: Secret,
        /// How it is to arrive.
        arrival: Arrival,
    },
    /// The sponsor gives the device away.
    Push {
        /// The account that is to have it.
        gaining: AccountName,
    },
    /// How far the last transfer is.
    Query {
        /// Given by who is not concerned in it.
        auth_info: Option<Secret>,
    },
    /// Who has to agree, agrees.
    Approve {
        /// How it is to arrive, where the gaining account approves; what the request said when none.
        arrival: Option<Arrival>,
    },
    /// Who has to agree, does not.
    Reject,
    /// Who asked, asks no longer.
    Cancel,
}

impl TransferOperation {
    /// The `op` of the EPP command.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Pull { .. } | Self::Push { .. } => "request",
            Self::Query { .. } => "query",
            Self::Approve { .. } => "approve",
            Self::Reject => "reject",
            Self::Cancel => "cancel",
        }
    }

    fn combine(operation: Operation, details: Details) -> Result<Self, ReadError> {
        use Operation::{Approve, Cancel, Query, Reject, Request};
        let Details {
            auth_info,
            to,
            arrival,
        } = details;
        // An answer to a transfer is that of the account which it waits for, and the account is known:
        // authorization information has nothing to decide there, so it is not looked at.
        let auth_info = auth_info.filter(|_| matches!(operation, Request | Query));
        match (operation, auth_info, to, arrival) {
            (Request, Some(auth_info), None, arrival) => Ok(Self::Pull {
                auth_info,
                arrival: arrival.unwrap_or_default(),
            }),
            (Request, None, Some(gaining), None) => Ok(Self::Push { gaining }),
            (Request, None, None, _) => Err(ReadError::MissingElement {
                element: "authInfo",
            }),
            (Request, None, Some(_), Some(_)) => Err(misplaced("arrival")),
            (Query, auth_info, None, None) => Ok(Self::Query { auth_info }),
            (Approve, None, None, arrival) => Ok(Self::Approve { arrival }),
            (Reject, None, None, None) => Ok(Self::Reject),
            (Cancel, None, None, None) => Ok(Self::Cancel),
            (_, _, Some(_), _) => Err(misplaced("to")),
            (_, Some(_), ..) => Err(misplaced("authInfo")),
            (_, _, _, Some(_)) => Err(misplaced("arrival")),
        }
    }
}

fn misplaced(name: &'static str) -> ReadError {
    let reason = "does not belong to this operation, or not beside what else is given";
    ReadError::ValuePolicy { name, reason }
}

#[derive(Clone, Copy)]
enum Operation {
    Request,
    Query,
    Approve,
    Reject,
    Cancel,
}

struct Details {
    auth_info: Option<Secret>,
    to: Option<AccountName>,
    arrival: Option<Arrival>,
}

impl Transfer {
    pub(super) fn read(operation: &Value, reader: &mut XmlReader<'_>) -> Result<Self, ReadError> {
        let operation = operation.one_of(&[
            ("request", Operation::Request),
            ("query", Operation::Query),
            ("approve", Operation::Approve),
            ("reject", Operation::Reject),
            ("cancel", Operation::Cancel),
        ])?;
        let device_id = read_id(reader)?;
        let details = Details {
            auth_info: read_presented(reader)?,
            to: read_optional(reader, "to", |value| value.parse())?,
            arrival: read_arrival(reader)?,
        };
        Ok(Self {
            device_id,
            operation: TransferOperation::combine(operation, details)?,
        })
    }

    pub(super) fn write(&self, writer: &mut XmlWriter) {
        use TransferOperation::{Approve, Cancel, Pull, Push, Query, Reject};
        writer.element(device("id"), self.device_id.as_str());
        let arrival = match &self.operation {
            Pull { auth_info, arrival } => {
                write_presented(Some(auth_info), writer);
                Some(*arrival)
            }
            Push { gaining } => {
                writer.element(device("to"), gaining.as_str());
                None
            }
            Query { auth_info } => {
                write_presented(auth_info.as_ref(), writer);
                None
            }
            Approve { arrival } => *arrival,
            Reject | Cancel => None,
        };
        writer.optional(device("arrival"), arrival.map(Arrival::as_str));
    }
}

/// Writes a transfer, and by when a change of the zone is believed that came with it.
pub(crate) fn write_transfer_data(
    transfer: &TransferInfo,
    times: Option<&PublicationTimes>,
    writer: &mut XmlWriter,
) {
    writer.within(device("trnData"), &[], |writer| {
        writer.element(device("id"), transfer.device_id.as_str());
        writer.element(device("trnID"), &transfer.transfer_id.to_string());
        writer.element(device("direction"), transfer.direction.as_str());
        writer.element(device("trStatus"), transfer.status.as_str());
        writer.element(device("reID"), transfer.requested_by.as_str());
        writer.element(device("reDate"), &instant(transfer.requested_at));
        writer.element(device("acID"), transfer.acting.as_str());
        writer.element(device("acDate"), &instant(transfer.acting_at));
        writer.element(device("from"), transfer.losing.as_str());
        writer.element(device("to"), transfer.gaining.as_str());
        writer.optional(device("arrival"), transfer.arrival.map(Arrival::as_str));
        writer.optional_instant(device("replaceBy"), transfer.replace_by);
        write_publication(times, writer);
    });
}

/// Reads the children of `trnData`, which was entered.
pub(crate) fn read_transfer_data(
    reader: &mut XmlReader<'_>,
) -> Result<(TransferInfo, Option<PublicationTimes>), ReadError> {
    let transfer = TransferInfo {
        device_id: read_id(reader)?,
        transfer_id: reader.required(device("trnID"))?.parse()?,
        direction: reader
            .required(device("direction"))?
            .named(Direction::from_name)?,
        status: reader
            .required(device("trStatus"))?
            .named(TransferStatus::from_name)?,
        requested_by: reader.required(device("reID"))?.parse()?,
        requested_at: reader.instant(device("reDate"))?,
        acting: reader.required(device("acID"))?.parse()?,
        acting_at: reader.instant(device("acDate"))?,
        losing: reader.required(device("from"))?.parse()?,
        gaining: reader.required(device("to"))?.parse()?,
        arrival: read_arrival(reader)?,
        replace_by: reader.optional_instant(device("replaceBy"))?,
    };
    Ok((transfer, read_publication(reader)?))
}

fn read_arrival(reader: &mut XmlReader<'_>) -> Result<Option<Arrival>, ReadError> {
    read_optional(reader, "arrival", |value| value.named(Arrival::from_name))
}
