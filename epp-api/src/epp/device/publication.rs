//! What a change of the zone is answered with: the certificate, and by when the change is believed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use iot_identity::Slot;

use crate::device::PublicationTimes;
use crate::epp::namespace::device;
use crate::epp::xml::XmlWriter;

/// A credential that was just issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// Its number on the device.
    pub slot: Slot,
    /// Its certificate, DER.
    pub certificate: Vec<u8>,
    /// The certificates above it, DER, issuer first and root last; at least one.
    pub chain: Vec<Vec<u8>>,
}

/// When a change is believed; the same values as in JSON documents.
pub type Publication = PublicationTimes;

impl Issued {
    pub(super) fn write(issued: Option<&Self>, writer: &mut XmlWriter) {
        let Some(Self {
            slot,
            certificate,
            chain,
        }) = issued
        else {
            return;
        };
        let base64 = |der: &Vec<u8>| STANDARD.encode(der);
        writer.element(device("slot"), &slot.to_string());
        writer.element(device("certificate"), &base64(certificate));
        writer.within(device("chain"), &[], |writer| {
            for certificate in chain {
                writer.element(device("certificate"), &base64(certificate));
            }
        });
    }
}

pub(super) fn write_publication(publication: Option<&Publication>, writer: &mut XmlWriter) {
    let Some(times) = publication else {
        return;
    };
    writer.within(device("publication"), &[], |writer| {
        writer.element(device("serial"), &times.published_serial.to_string());
        writer.optional_instant(device("deniedEverywhereBy"), times.denied_everywhere_by);
        writer.optional_instant(device("honestCachesBy"), times.honest_caches_by);
        writer.optional_instant(device("visibleEverywhereBy"), times.visible_everywhere_by);
    });
}
