//! What a change of the zone is answered with: the certificate, and by when the change is believed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::device::PublicationTimes;
use crate::epp::device::CERTIFICATE_OCTETS_MAX;
use crate::epp::namespace::device;
use crate::epp::read_error::ReadError;
use crate::epp::xml::{XmlReader, XmlWriter};
use crate::response::SlotCertificate;

pub(super) fn write_issued(issued: Option<&SlotCertificate>, writer: &mut XmlWriter) {
    let Some(SlotCertificate {
        slot,
        certificate,
        chain,
    }) = issued
    else {
        return;
    };
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

pub(super) fn read_issued(
    reader: &mut XmlReader<'_>,
) -> Result<Option<SlotCertificate>, ReadError> {
    let Some(slot) = reader.optional(device("slot"))? else {
        return Ok(None);
    };
    let slot = slot.parse()?;
    let certificate = read_certificate(reader)?.ok_or(ReadError::MissingElement {
        element: "certificate",
    })?;
    let mut chain = Vec::new();
    if reader.try_enter(device("chain"))? {
        while let Some(certificate) = read_certificate(reader)? {
            chain.push(certificate);
        }
        reader.leave()?;
    }
    Ok(Some(SlotCertificate {
        slot,
        certificate,
        chain,
    }))
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
