//! `<device:renew>` and `<device:renData>`: the registration lasts longer; certificates stay as they
//! are.

use iot_identity::DeviceId;
use time::{Date, OffsetDateTime};

use crate::epp::device::period::{date_text, read_date, read_period, write_period};
use crate::epp::device::read_id;
use crate::epp::namespace::device;
use crate::epp::read_error::ReadError;
use crate::epp::xml::{XmlReader, XmlWriter, instant};
use crate::period::Period;

/// Extend a registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renew {
    /// The device.
    pub device_id: DeviceId,
    /// The day (UTC) on which the client believes that the registration ends; what keeps a retry
    /// from extending it twice.
    pub current_expiry: Date,
    /// By how much; the registry's default when none.
    pub period: Option<Period>,
}

impl Renew {
    pub(super) fn read(reader: &mut XmlReader<'_>) -> Result<Self, ReadError> {
        Ok(Self {
            device_id: read_id(reader)?,
            current_expiry: read_date(reader, "curExpDate")?,
            period: read_period(reader)?,
        })
    }

    pub(super) fn write(&self, writer: &mut XmlWriter) {
        writer.element(device("id"), self.device_id.as_str());
        writer.element(device("curExpDate"), &date_text(self.current_expiry));
        write_period(self.period, writer);
    }
}

/// A registration was extended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenewData {
    /// The device.
    pub device_id: DeviceId,
    /// End of the registration.
    pub expires_at: OffsetDateTime,
}

impl RenewData {
    pub(crate) fn write(&self, writer: &mut XmlWriter) {
        writer.within(device("renData"), &[], |writer| {
            writer.element(device("id"), self.device_id.as_str());
            writer.element(device("exDate"), &instant(self.expires_at));
        });
    }

    /// Reads the children of `renData`, which was entered.
    pub(crate) fn read(reader: &mut XmlReader<'_>) -> Result<Self, ReadError> {
        Ok(Self {
            device_id: read_id(reader)?,
            expires_at: reader.instant(device("exDate"))?,
        })
    }
}
