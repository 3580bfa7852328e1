//! Commands and answers about a device: `schema/device-1.0.xsd`, one file a command.
//!
//! Plain data with a reader and a writer for both sides; what the model has a type for
//! ([`DeviceInfo`](crate::DeviceInfo), [`TransferInfo`](crate::transfer::TransferInfo)) is that type. Names and habits are
//! those of the domain mapping (RFC 5731); authorization information is that of RFC 9154 only.

mod authorization;
mod certificate;
mod check;
mod create;
mod event;
mod info;
mod pending;
mod period;
mod publication;
mod renew;
mod transfer;
mod update;

use iot_identity::{DeviceId, Slot};

use crate::account::AccountName;
use crate::epp::namespace::{DEVICE, EPP, device, epp};
use crate::epp::read_error::{ReadError, excerpt};
use crate::epp::xml::{Value, XmlReader, XmlWriter};

pub use authorization::AuthInfoChange;
pub use certificate::{CertificateData, CertificateRequest};
pub use check::Check;
pub use create::{Create, CreateData};
pub use event::{EventData, EventJob, EventSlot};
pub use info::Info;
pub use pending::PendingActionData;
pub use renew::{Renew, RenewData};
pub use transfer::{Transfer, TransferOperation};

pub(crate) use check::{read_check_data, write_check_data};
pub(crate) use event::der_of_pem;
pub(crate) use info::{read_device_info, write_device_info};
pub(crate) use pending::read_transaction;
pub(crate) use transfer::{read_transfer_data, write_transfer_data};
pub use update::{Binding, Change, NewSlot, StatusesAndBindings, Update, UpdateData, Withdrawal};

/// Longest certificate that a client reads, in octets of DER.
const CERTIFICATE_OCTETS_MAX: usize = 16 * 1024;

/// A command about devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceRequest {
    /// Which ids could be registered.
    Check(Check),
    /// Everything about one device.
    Info(Info),
    /// The certificate of one slot; EPP's command is info.
    Certificate(CertificateRequest),
    /// Register a device.
    Create(Create),
    /// Change a device.
    Update(Update),
    /// Extend the registration.
    Renew(Renew),
    /// Move the device to another account, or ask how far that is.
    Transfer(Transfer),
    /// Remove a device; it can be restored for a while.
    Delete {
        /// The device.
        device_id: DeviceId,
    },
}

impl DeviceRequest {
    /// Reads what stands within the EPP command of this name, which was entered, and leaves it.
    pub(crate) fn read(verb: Verb, reader: &mut XmlReader<'_>) -> Result<Self, ReadError> {
        let operation = match verb {
            Verb::Transfer => Some(reader.required_attribute("op")?),
            _ => None,
        };
        enter_object(verb, reader)?;
        let command = match verb {
            Verb::Check => Self::Check(Check::read(reader)?),
            Verb::Info => certificate::read_info(reader)?,
            Verb::Create => Self::Create(Create::read(reader)?),
            Verb::Update => Self::Update(Update::read(reader)?),
            Verb::Renew => Self::Renew(Renew::read(reader)?),
            Verb::Transfer => {
                let operation = operation.expect("a transfer's operation was read above");
                Self::Transfer(Transfer::read(&operation, reader)?)
            }
            Verb::Delete => Self::Delete {
                device_id: read_id(reader)?,
            },
        };
        reader.leave()?;
        reader.leave()?;
        Ok(command)
    }

    /// Writes the EPP command with the device's part in it.
    pub(crate) fn write(&self, writer: &mut XmlWriter) {
        let verb = self.verb().as_str();
        let operation = match self {
            Self::Transfer(transfer) => Some(("op", transfer.operation.as_str())),
            _ => None,
        };
        writer.within(epp(verb), operation.as_slice(), |writer| {
            writer.within(device(verb), &[], |writer| match self {
                Self::Check(command) => command.write(writer),
                Self::Info(command) => command.write(writer),
                Self::Certificate(command) => command.write(writer),
                Self::Create(command) => command.write(writer),
                Self::Update(command) => command.write(writer),
                Self::Renew(command) => command.write(writer),
                Self::Transfer(command) => command.write(writer),
                Self::Delete { device_id } => writer.element(device("id"), device_id.as_str()),
            });
        });
    }

    fn verb(&self) -> Verb {
        match self {
            Self::Check(_) => Verb::Check,
            Self::Info(_) | Self::Certificate(_) => Verb::Info,
            Self::Create(_) => Verb::Create,
            Self::Update(_) => Verb::Update,
            Self::Renew(_) => Verb::Renew,
            Self::Transfer(_) => Verb::Transfer,
            Self::Delete { .. } => Verb::Delete,
        }
    }
}

/// The commands of EPP that are about an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Check,
    Info,
    Create,
    Update,
    Renew,
    Transfer,
    Delete,
}

impl Verb {
    pub(crate) const ALL: [Self; 7] = [
        Self::Check,
        Self::Info,
        Self::Create,
        Self::Update,
        Self::Renew,
        Self::Transfer,
        Self::Delete,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Info => "info",
            Self::Create => "create",
            Self::Update => "update",
            Self::Renew => "renew",
            Self::Transfer => "transfer",
            Self::Delete => "delete",
        }
    }
}

/// The object's part has the command's name in the object's namespace. Another namespace is another
/// object, unless it is EPP's own, which is none.
fn enter_object(verb: Verb, reader: &mut XmlReader<'_>) -> Result<(), ReadError> {
    let part = device(verb.as_str());
    if reader.try_enter(part)? {
        return Ok(());
    }
    Err(match reader.peek()? {
        None => ReadError::MissingElement {
            element: part.local,
        },
        Some((DEVICE | EPP, local)) => ReadError::UnexpectedElement {
            element: excerpt(local),
        },
        Some(_) => ReadError::UnimplementedObject,
    })
}

fn read_id(reader: &mut XmlReader<'_>) -> Result<DeviceId, ReadError> {
    reader.required(device("id"))?.parse()
}

fn read_optional<T>(
    reader: &mut XmlReader<'_>,
    local: &'static str,
    parse: impl FnOnce(Value) -> Result<T, ReadError>,
) -> Result<Option<T>, ReadError> {
    reader.optional(device(local))?.map(parse).transpose()
}

fn read_slot(reader: &mut XmlReader<'_>) -> Result<Slot, ReadError> {
    reader.required(device("slot"))?.parse()
}

fn read_asp(reader: &mut XmlReader<'_>) -> Result<Option<AccountName>, ReadError> {
    read_optional(reader, "asp", |value| value.parse())
}

fn write_asp(asp: Option<&AccountName>, writer: &mut XmlWriter) {
    writer.optional(device("asp"), asp.map(AccountName::as_str));
}
