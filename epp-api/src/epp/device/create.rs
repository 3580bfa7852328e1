//! `<device:create>` and `<device:creData>`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use iot_identity::{DeviceId, Slot};
use time::OffsetDateTime;

use crate::account::AccountName;
use crate::command::CSR_OCTETS_MAX;
use crate::device::PublicationTimes;
use crate::epp::device::authorization::{read_new, write_new};
use crate::epp::device::period::{read_period, write_period};
use crate::epp::device::publication::{
    read_issued, read_publication, write_issued, write_publication,
};
use crate::epp::device::{read_asp, read_id, write_asp};
use crate::epp::namespace::device;
use crate::epp::read_error::ReadError;
use crate::epp::xml::{XmlReader, XmlWriter, instant};
use crate::period::Period;
use crate::response::SlotCertificate;
use crate::secret::AuthInfo;

/// Register a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Create {
    /// The device.
    pub device_id: DeviceId,
    /// How long; the registry's default when none.
    pub period: Option<Period>,
    /// Certificate request (PKCS #10), DER, at most [`CSR_OCTETS_MAX`] octets; not looked into.
    pub csr: Vec<u8>,
    /// The application service provider that the first slot is for.
    pub asp: Option<AccountName>,
    /// Authorization information to set at once.
    pub auth_info: Option<AuthInfo>,
}

impl Create {
    pub(super) fn read(reader: &mut XmlReader<'_>) -> Result<Self, ReadError> {
        Ok(Self {
            device_id: read_id(reader)?,
            period: read_period(reader)?,
            csr: read_csr(reader)?,
            asp: read_asp(reader)?,
            auth_info: read_new(reader)?,
        })
    }

    pub(super) fn write(&self, writer: &mut XmlWriter) {
        writer.element(device("id"), self.device_id.as_str());
        write_period(self.period, writer);
        write_csr(&self.csr, writer);
        write_asp(self.asp.as_ref(), writer);
        write_new(self.auth_info.as_ref(), writer);
    }
}

pub(super) fn read_csr(reader: &mut XmlReader<'_>) -> Result<Vec<u8>, ReadError> {
    reader.required(device("csr"))?.base64(CSR_OCTETS_MAX)
}

pub(super) fn write_csr(csr: &[u8], writer: &mut XmlWriter) {
    writer.element(device("csr"), &STANDARD.encode(csr));
}

/// A device was registered, or will be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateData {
    /// The device.
    pub device_id: DeviceId,
    /// Its first credential; none while the command is pending (1001).
    pub issued: Option<SlotCertificate>,
    /// Its number while the command is pending: the certificate can be asked for by it.
    pub pending_slot: Option<Slot>,
    /// When it was registered.
    pub created_at: OffsetDateTime,
    /// End of the registration.
    pub expires_at: OffsetDateTime,
    /// By when it is visible; none while the command is pending.
    pub times: Option<PublicationTimes>,
}

impl CreateData {
    pub(crate) fn write(&self, writer: &mut XmlWriter) {
        writer.within(device("creData"), &[], |writer| {
            writer.element(device("id"), self.device_id.as_str());
            write_issued(self.issued.as_ref(), self.pending_slot, writer);
            writer.element(device("crDate"), &instant(self.created_at));
            writer.element(device("exDate"), &instant(self.expires_at));
            write_publication(self.times.as_ref(), writer);
        });
    }

    /// Reads the children of `creData`, which was entered.
    pub(crate) fn read(reader: &mut XmlReader<'_>) -> Result<Self, ReadError> {
        let device_id = read_id(reader)?;
        let (issued, pending_slot) = read_issued(reader)?;
        Ok(Self {
            device_id,
            issued,
            pending_slot,
            created_at: reader.instant(device("crDate"))?,
            expires_at: reader.instant(device("exDate"))?,
            times: read_publication(reader)?,
        })
    }
}
