//! What a change of the zone is answered with: the certificate, and by when the change is believed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use iot_identity::Slot;

use crate::device::PublicationTimes;
use crate::epp::device::CERTIFICATE_OCTETS_MAX;
use crate::epp::namespace::device;
use crate::epp::read_error::ReadError;
use crate::epp::xml::{XmlReader, XmlWriter};
use crate::response::SlotCertificate;

/// The slot of a command that asked for one; without its certificate while the command is pending.
pub(super) fn write_issued(
    issued: Option<&SlotCertificate>,
    pending_slot: Option<Slot>,
    writer: &mut XmlWriter,
) {
    match issued {
        Some(issued) => write_slot_certificate(issued, writer),
        None => writer.optional(
            device("slot"),
            pending_slot.map(|slot| slot.to_string()).as_deref(),
        ),
    }
}

/// Reads what [`write_issued`] writes.
pub(super) fn read_issued(
    reader: &mut XmlReader<'_>,
) -> Result<(Option<SlotCertificate>, Option<Slot>), ReadError> {
    let Some(slot) = reader.optional(device("slot"))? else {
        return Ok((None, None));
    };
    let slot = slot.parse()?;
    let Some(certificate) = read_certificate(reader)? else {
        return Ok((None, Some(slot)));
    };
    let chain = read_chain(reader)?;
    let issued = SlotCertificate {
        slot,
        certificate,
        chain,
    };
    Ok((Some(issued), None))
}

pub(super) fn write_slot_certificate(issued: &SlotCertificate, writer: &mut XmlWriter) {
    let SlotCertificate {
        slot,
        certificate,
        chain,
    } = issued;
    writer.element(device("slot"), &slot.to_string());
    write_certificate(certificate, writer);
    if !chain.is_empty() {
        writer.within(device("chain"), &[], |writer| {
            for certificate in chain {
                write_certificate(certificate, writer);
            }
        });
    }
}

fn read_chain(reader: &mut XmlReader<'_>) -> Result<Vec<Vec<u8>>, ReadError> {
    let mut chain = Vec::new();
    if reader.try_enter(device("chain"))? {
        while let Some(certificate) = read_certificate(reader)? {
            chain.push(certificate);
        }
        reader.leave()?;
    }
    Ok(chain)
}

pub(super) fn write_certificate(der: &[u8], writer: &mut XmlWriter) {
    writer.element(device("certificate"), &STANDARD.encode(der));
}

pub(super) fn read_certificate(reader: &mut XmlReader<'_>) -> Result<Option<Vec<u8>>, ReadError> {
    let value = reader.optional(device("certificate"))?;
    value
        .map(|value| value.base64(CERTIFICATE_OCTETS_MAX))
        .transpose()
}

pub(super) fn write_publication(times: Option<&PublicationTimes>, writer: &mut XmlWriter) {
    let Some(times) = times else {
        return;
    };
    writer.within(device("publication"), &[], |writer| {
        writer.element(device("serial"), &times.published_serial.to_string());
        writer.optional_instant(device("deniedEverywhereBy"), times.denied_everywhere_by);
        writer.optional_instant(device("honestCachesBy"), times.honest_caches_by);
        writer.optional_instant(device("visibleEverywhereBy"), times.visible_everywhere_by);
    });
}

pub(super) fn read_publication(
    reader: &mut XmlReader<'_>,
) -> Result<Option<PublicationTimes>, ReadError> {
    if !reader.try_enter(device("publication"))? {
        return Ok(None);
    }
    let times = PublicationTimes {
        published_serial: reader.required(device("serial"))?.parse()?,
        denied_everywhere_by: reader.optional_instant(device("deniedEverywhereBy"))?,
        honest_caches_by: reader.optional_instant(device("honestCachesBy"))?,
        visible_everywhere_by: reader.optional_instant(device("visibleEverywhereBy"))?,
    };
    reader.leave()?;
    Ok(Some(times))
}
