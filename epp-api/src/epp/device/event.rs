//! `<device:evtData>`: what a message is about that is neither a transfer, nor a change of a device that
//! somebody else made, nor the end of a pending command.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use iot_identity::{DeviceId, Slot};
use time::OffsetDateTime;

use crate::device::SlotReason;
use crate::epp::device::publication::{read_certificate, write_certificate};
use crate::epp::device::read_optional;
use crate::epp::namespace::device;
use crate::epp::read_error::ReadError;
use crate::epp::xml::{XmlReader, XmlWriter, instant};
use crate::message::Event;

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventData {
    /// What happened.
    pub event: Event,
    /// The device that it is about.
    pub device_id: Option<DeviceId>,
    /// The credential that it is about.
    pub slot: Option<EventSlot>,
    /// The job that it is about.
    pub job: Option<EventJob>,
}

/// A credential that something happened to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventSlot {
    /// Its number on the device.
    pub slot: Slot,
    /// Last second of its certificate's validity.
    pub not_after: OffsetDateTime,
    /// Why it was withdrawn, where the message is of that.
    pub reason: Option<SlotReason>,
    /// Its certificate, DER, where the reader is to have it.
    pub certificate: Option<Vec<u8>>,
}

/// A job that is finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventJob {
    /// Its number.
    pub job_id: u64,
    /// Rows that succeeded.
    pub succeeded: u64,
    /// Rows that did not.
    pub failed: u64,
}

impl EventData {
    pub(crate) fn write(&self, writer: &mut XmlWriter) {
        let event = [("event", self.event.as_str())];
        writer.within(device("evtData"), &event, |writer| {
            writer.optional(device("id"), self.device_id.as_ref().map(DeviceId::as_str));
            if let Some(slot) = &self.slot {
                writer.element(device("slot"), &slot.slot.to_string());
                writer.element(device("notAfter"), &instant(slot.not_after));
                writer.optional(device("reason"), slot.reason.map(SlotReason::as_str));
                if let Some(certificate) = &slot.certificate {
                    write_certificate(certificate, writer);
                }
            }
            if let Some(job) = &self.job {
                let numbers = [job.job_id, job.succeeded, job.failed].map(|one| one.to_string());
                let [id, succeeded, failed] = numbers.each_ref().map(String::as_str);
                let attributes = [("n", id), ("succeeded", succeeded), ("failed", failed)];
                writer.empty(device("job"), &attributes);
            }
        });
    }

    /// Reads `evtData`, which was entered.
    pub(crate) fn read(reader: &mut XmlReader<'_>) -> Result<Self, ReadError> {
        Ok(Self {
            event: reader
                .required_attribute("event")?
                .named(Event::from_name)?,
            device_id: read_optional(reader, "id", |value| value.parse())?,
            slot: EventSlot::read(reader)?,
            job: EventJob::read(reader)?,
        })
    }
}

impl EventSlot {
    fn read(reader: &mut XmlReader<'_>) -> Result<Option<Self>, ReadError> {
        let Some(slot) = reader.optional(device("slot"))? else {
            return Ok(None);
        };
        Ok(Some(Self {
            slot: slot.parse()?,
            not_after: reader.instant(device("notAfter"))?,
            reason: read_optional(reader, "reason", |value| value.named(SlotReason::from_name))?,
            certificate: read_certificate(reader)?,
        }))
    }
}

impl EventJob {
    fn read(reader: &mut XmlReader<'_>) -> Result<Option<Self>, ReadError> {
        if !reader.try_enter(device("job"))? {
            return Ok(None);
        }
        let job = Self {
            job_id: reader.required_attribute("n")?.parse()?,
            succeeded: reader.required_attribute("succeeded")?.parse()?,
            failed: reader.required_attribute("failed")?.parse()?,
        };
        reader.leave()?;
        Ok(Some(job))
    }
}

/// The DER in a PEM block (RFC 7468); none when the text is no such block.
pub(crate) fn der_of_pem(pem: &str) -> Option<Vec<u8>> {
    let (begin, rest) = pem.trim().split_once('\n')?;
    let (body, end) = rest.rsplit_once('\n')?;
    if !begin.starts_with("-----BEGIN ") || !end.starts_with("-----END ") {
        return None;
    }
    let digits: String = body.split_whitespace().collect();
    STANDARD.decode(digits).ok().filter(|der| !der.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_der_of_a_pem_block_is_its_body() {
        let pem = "-----BEGIN CERTIFICATE-----\r\nMAMC\r\nAQA=\r\n-----END CERTIFICATE-----\r\n";
        assert_eq!(der_of_pem(pem), Some(vec![0x30, 3, 2, 1, 0]));
        for bad in [
            "",
            "MAMCAQA=",
            "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----",
            "-----BEGIN CERTIFICATE-----\nM*==\n-----END CERTIFICATE-----",
            "-----BEGIN CERTIFICATE-----\nMAMCAQA=\nMAMC",
        ] {
            assert_eq!(der_of_pem(bad), None, "{bad}");
        }
    }
}
