//! `<device:transfer>` and `<device:trnData>`: a device moves to another account. The gaining account
//! pulls it with authInfo, or the sponsor pushes it and the gaining account approves.

use iot_identity::DeviceId;
use time::OffsetDateTime;

use crate::account::AccountName;
use crate::epp::device::authorization::{read_presented, write_presented};
use crate::epp::device::{read_id, read_optional};
use crate::epp::namespace::device;
use crate::epp::read_error::ReadError;
use crate::epp::secret::Secret;
use crate::epp::xml::{Value, XmlReader, XmlWriter, instant};

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

/// How a device arrives at the gaining account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Arrival {
    /// Serving as before.
    #[default]
    AsIs,
    /// With `clientHold`.
    Held,
}

impl Arrival {
    /// The name in the schema.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AsIs => "asIs",
            Self::Held => "held",
        }
    }
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
            arrival: read_optional(reader, "arrival", |value| {
                value.one_of(&[("asIs", Arrival::AsIs), ("held", Arrival::Held)])
            })?,
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

/// Who began a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The gaining account.
    Pull,
    /// The losing account.
    Push,
}

impl Direction {
    /// The name in the schema.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
        }
    }
}

/// How far a transfer is (`trStatusType`, RFC 5730 §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransferStatus {
    /// Somebody has to agree.
    Pending,
    /// Agreed to by who had to.
    ClientApproved,
    /// Given up by who asked.
    ClientCancelled,
    /// Refused by who had to agree.
    ClientRejected,
    /// Carried out by the registry.
    ServerApproved,
    /// Ended by the registry.
    ServerCancelled,
}

impl TransferStatus {
    /// The name in the schema.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::ClientApproved => "clientApproved",
            Self::ClientCancelled => "clientCancelled",
            Self::ClientRejected => "clientRejected",
            Self::ServerApproved => "serverApproved",
            Self::ServerCancelled => "serverCancelled",
        }
    }
}

/// A transfer as both sides see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferData {
    /// The device.
    pub device_id: DeviceId,
    /// Who began it.
    pub direction: Direction,
    /// How far it is.
    pub status: TransferStatus,
    /// Who asked for it.
    pub requested_by: AccountName,
    /// When.
    pub requested_at: OffsetDateTime,
    /// Who has to act, or did.
    pub acting: AccountName,
    /// By when, or when.
    pub acting_at: OffsetDateTime,
    /// How the device arrives, once that is said.
    pub arrival: Option<Arrival>,
    /// After completion: by when inherited certificates have to be replaced.
    pub replace_by: Option<OffsetDateTime>,
}

impl TransferData {
    pub(crate) fn write(&self, writer: &mut XmlWriter) {
        writer.within(device("trnData"), &[], |writer| {
            writer.element(device("id"), self.device_id.as_str());
            writer.element(device("direction"), self.direction.as_str());
            writer.element(device("trStatus"), self.status.as_str());
            writer.element(device("reID"), self.requested_by.as_str());
            writer.element(device("reDate"), &instant(self.requested_at));
            writer.element(device("acID"), self.acting.as_str());
            writer.element(device("acDate"), &instant(self.acting_at));
            writer.optional(device("arrival"), self.arrival.map(Arrival::as_str));
            writer.optional_instant(device("replaceBy"), self.replace_by);
        });
    }
}
