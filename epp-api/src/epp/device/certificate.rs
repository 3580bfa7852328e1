//! `<device:info>` that asks for a slot, and `<device:certData>`: one certificate of a device, for whoever
//! has no answer that brought it.

use iot_identity::{DeviceId, Slot};

use crate::epp::device::info::Info;
use crate::epp::device::publication::{read_issued, write_slot_certificate};
use crate::epp::device::{DeviceRequest, read_id, read_optional};
use crate::epp::namespace::device;
use crate::epp::read_error::ReadError;
use crate::epp::xml::{XmlReader, XmlWriter};
use crate::response::SlotCertificate;

/// Ask for the certificate of one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateRequest {
    /// The device.
    pub device_id: DeviceId,
    /// Number of the credential.
    pub slot: Slot,
}

impl CertificateRequest {
    pub(super) fn write(self, writer: &mut XmlWriter) {
        writer.element(device("id"), self.device_id.as_str());
        writer.element(device("slot"), &self.slot.to_string());
    }
}

/// Reads the children of `info`: with a slot it asks for that slot's certificate, otherwise for the
/// device.
pub(super) fn read_info(reader: &mut XmlReader<'_>) -> Result<DeviceRequest, ReadError> {
    let device_id = read_id(reader)?;
    match read_optional(reader, "slot", |value| value.parse())? {
        Some(slot) => Ok(DeviceRequest::Certificate(CertificateRequest {
            device_id,
            slot,
        })),
        None => Ok(DeviceRequest::Info(Info::read(device_id, reader)?)),
    }
}

/// One certificate of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateData {
    /// The device.
    pub device_id: DeviceId,
    /// The certificate with those above it.
    pub certificate: SlotCertificate,
}

impl CertificateData {
    pub(crate) fn write(&self, writer: &mut XmlWriter) {
        writer.within(device("certData"), &[], |writer| {
            writer.element(device("id"), self.device_id.as_str());
            write_slot_certificate(&self.certificate, writer);
        });
    }

    /// Reads the children of `certData`, which was entered.
    pub(crate) fn read(reader: &mut XmlReader<'_>) -> Result<Self, ReadError> {
        let device_id = read_id(reader)?;
        let (Some(certificate), _) = read_issued(reader)? else {
            return Err(ReadError::MissingElement {
                element: "certificate",
            });
        };
        Ok(Self {
            device_id,
            certificate,
        })
    }
}
