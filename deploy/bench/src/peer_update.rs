//! A dynamic update (RFC 2136) of devices.

use iot_dns_zone::Profile;
use iot_identity::{CertRecord, InactiveText, TYPE_CERT, TYPE_TLSA, TYPE_TXT, TlsaRecord};

use crate::population::Population;
use crate::zone;

/// Numbers of RFC 1035 and RFC 2136.
const TYPE_SOA: u16 = 6;
const CLASS_IN: u16 = 1;
const CLASS_ANY: u16 = 255;
const OPCODE_UPDATE: u8 = 5 << 3;

/// An update without prerequisites.
pub(crate) struct Update {
    operations: u16,
    /// The update section (RFC 2136 §2.5).
    section: Vec<u8>,
}

impl Update {
    pub(crate) fn new() -> Self {
        Self {
            operations: 0,
            section: Vec::new(),
        }
    }

    /// Makes a device active, or withdraws it. `name` is in wire form.
    pub(crate) fn device(&mut self, name: &[u8], number: u64, active: bool) {
        let fingerprint = Population::fingerprint(number);
        if active {
            self.push(name, TYPE_TXT, None);
            self.push(name, TYPE_CERT, Some(&CertRecord { fingerprint }.rdata()));
            self.push(name, TYPE_TLSA, Some(&TlsaRecord { fingerprint }.rdata()));
        } else {
            self.push(name, TYPE_CERT, None);
            self.push(name, TYPE_TLSA, None);
            self.push(name, TYPE_TXT, Some(&InactiveText.rdata()));
        }
    }

    /// Adds a record, or deletes an RRset: class ANY, TTL 0 and no RDATA (RFC 2136 §2.5.2).
    fn push(&mut self, name: &[u8], record_type: u16, rdata: Option<&[u8]>) {
        let class = if rdata.is_some() { CLASS_IN } else { CLASS_ANY };
        let ttl_secs = rdata.map_or(0, |_| Profile::Standard.ttl_secs());
        let rdata = rdata.unwrap_or_default();
        self.section.extend(name);
        self.section.extend(record_type.to_be_bytes());
        self.section.extend(class.to_be_bytes());
        self.section.extend(ttl_secs.to_be_bytes());
        self.section.extend((rdata.len() as u16).to_be_bytes());
        self.section.extend(rdata);
        self.operations += 1;
    }

    /// The message.
    pub(crate) fn octets(&self) -> Vec<u8> {
        let [high, low] = self.operations.to_be_bytes();
        let mut message = vec![0, 0, OPCODE_UPDATE, 0, 0, 1, 0, 0, high, low, 0, 0];
        message.extend(zone::apex().wire());
        message.extend(TYPE_SOA.to_be_bytes());
        message.extend(CLASS_IN.to_be_bytes());
        message.extend(&self.section);
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_withdraws_with_three_operations() {
        let mut update = Update::new();
        update.device(b"\x01a\x00", 7, false);
        let message = update.octets();
        assert_eq!(&message[..12], &[0, 0, 0x28, 0, 0, 1, 0, 0, 0, 3, 0, 0]);
        let zone_octets = zone::apex().wire().len() + 4;
        let first = &message[12 + zone_octets..];
        // CERT, class ANY, TTL 0, no RDATA.
        assert_eq!(&first[..13], b"\x01a\x00\x00\x25\x00\xff\0\0\0\0\0\0");
    }
}
