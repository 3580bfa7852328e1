//! What a response has of the device object: the children of `<resData>` (RFC 5730 §2.6).

use crate::device::{DeviceInfo, PublicationTimes};
use crate::epp::device::{
    CertificateData, CreateData, EventData, PendingActionData, RenewData, UpdateData,
    read_check_data, read_device_info, read_transfer_data, write_check_data, write_device_info,
    write_transfer_data,
};
use crate::epp::namespace::device;
use crate::epp::read_error::ReadError;
use crate::epp::xml::{XmlReader, XmlWriter};
use crate::response::Availability;
use crate::transfer::TransferInfo;

/// What was found or done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponseData {
    /// Of a check; at least one result.
    Check(Vec<Availability>),
    /// Of an info; or beside a message, the device that it is about.
    Info(Box<DeviceInfo>),
    /// Of an info that asks for a slot.
    Certificate(CertificateData),
    /// Of a create.
    Create(CreateData),
    /// Of an update or a delete.
    Update(UpdateData),
    /// Of a renew.
    Renew(RenewData),
    /// Of a transfer, or beside a message.
    Transfer {
        /// The transfer.
        transfer: Box<TransferInfo>,
        /// By when a change of the zone is believed, where there was one.
        times: Option<PublicationTimes>,
    },
    /// Of a pending command, in the queue.
    PendingAction(PendingActionData),
    /// Of any other message, in the queue.
    Event(EventData),
}

impl ResponseData {
    pub(crate) fn write(&self, writer: &mut XmlWriter) {
        match self {
            Self::Check(results) => write_check_data(results, writer),
            Self::Info(info) => write_device_info(device("infData"), info, writer),
            Self::Certificate(data) => data.write(writer),
            Self::Create(data) => data.write(writer),
            Self::Update(data) => data.write(writer),
            Self::Renew(data) => data.write(writer),
            Self::Transfer { transfer, times } => {
                write_transfer_data(transfer, times.as_ref(), writer);
            }
            Self::PendingAction(data) => data.write(writer),
            Self::Event(data) => data.write(writer),
        }
    }

    /// Reads the next element when it is one of these.
    pub(crate) fn read(reader: &mut XmlReader<'_>) -> Result<Option<Self>, ReadError> {
        let data = if reader.try_enter(device("chkData"))? {
            Self::Check(read_check_data(reader)?)
        } else if reader.try_enter(device("infData"))? {
            Self::Info(Box::new(read_device_info(reader)?))
        } else if reader.try_enter(device("certData"))? {
            Self::Certificate(CertificateData::read(reader)?)
        } else if reader.try_enter(device("creData"))? {
            Self::Create(CreateData::read(reader)?)
        } else if reader.try_enter(device("updData"))? {
            Self::Update(UpdateData::read(reader)?)
        } else if reader.try_enter(device("renData"))? {
            Self::Renew(RenewData::read(reader)?)
        } else if reader.try_enter(device("trnData"))? {
            let (transfer, times) = read_transfer_data(reader)?;
            let transfer = Box::new(transfer);
            Self::Transfer { transfer, times }
        } else if reader.try_enter(device("panData"))? {
            Self::PendingAction(PendingActionData::read(reader)?)
        } else if reader.try_enter(device("evtData"))? {
            Self::Event(EventData::read(reader)?)
        } else {
            return Ok(None);
        };
        reader.leave()?;
        Ok(Some(data))
    }
}
