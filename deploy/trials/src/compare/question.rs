//! Queries as values, and as octets.

use std::fmt;

use super::message::shown_name;

const CLASS_IN: u16 = 1;
/// The EDNS flag DO (RFC 3225).
const DNSSEC_OK: u16 = 0x8000;

/// How a query travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Carrier {
    Udp,
    Tcp,
}

/// The OPT record of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AskedEdns {
    pub(super) payload_octets: u16,
    pub(super) version: u8,
    pub(super) dnssec_ok: bool,
    /// Codes and octets.
    pub(super) options: Vec<(u16, Vec<u8>)>,
}

/// A query with one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) id: u16,
    /// AD, CD, RD and Z in the header.
    pub(super) flags: u16,
    /// Leftmost first, without the root.
    pub(super) labels: Vec<Vec<u8>>,
    pub(super) record_type: u16,
    pub(super) class: u16,
    pub(super) edns: Option<AskedEdns>,
}

impl Question {
    /// The name as wire octets, case kept.
    pub(super) fn name(&self) -> Vec<u8> {
        let mut octets = Vec::new();
        for label in &self.labels {
            octets.push(label.len() as u8);
            octets.extend_from_slice(label);
        }
        octets.push(0);
        octets
    }

    /// The question section.
    pub(super) fn section(&self) -> Vec<u8> {
        let mut octets = self.name();
        octets.extend(self.record_type.to_be_bytes());
        octets.extend(self.class.to_be_bytes());
        octets
    }

    /// The message.
    pub(super) fn octets(&self) -> Vec<u8> {
        let additional = u16::from(self.edns.is_some());
        let header = [self.id, self.flags, 1, 0, 0, additional];
        let mut octets: Vec<u8> = header.iter().flat_map(|n| n.to_be_bytes()).collect();
        octets.extend(self.section());
        let Some(edns) = &self.edns else {
            return octets;
        };
        let flags = if edns.dnssec_ok { DNSSEC_OK } else { 0 };
        octets.extend([0, 0, 41]);
        octets.extend(edns.payload_octets.to_be_bytes());
        octets.extend([0, edns.version]);
        octets.extend(flags.to_be_bytes());
        let mut rdata = Vec::new();
        for (code, option) in &edns.options {
            rdata.extend(code.to_be_bytes());
            rdata.extend((option.len() as u16).to_be_bytes());
            rdata.extend_from_slice(option);
        }
        octets.extend((rdata.len() as u16).to_be_bytes());
        octets.extend(rdata);
        octets
    }

    pub(super) fn is_internet(&self) -> bool {
        self.class == CLASS_IN
    }

    pub(super) fn dnssec_ok(&self) -> bool {
        self.edns.as_ref().is_some_and(|edns| edns.dnssec_ok)
    }

    /// Octets that a datagram may have in response, as every server here was told.
    pub(super) fn datagram_octets_max(&self) -> usize {
        let asked = self.edns.as_ref().map_or(512, |edns| edns.payload_octets);
        usize::from(asked.clamp(512, super::PAYLOAD_OCTETS_MAX))
    }
}

impl fmt::Display for Question {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = shown_name(&self.name());
        write!(
            formatter,
            "{name} CLASS{} TYPE{}",
            self.class, self.record_type
        )?;
        write!(
            formatter,
            " flags {:04x} EDNS {:?}; octets ",
            self.flags, self.edns
        )?;
        for octet in self.octets() {
            write!(formatter, "{octet:02x}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_written_as_rfc_1035_and_rfc_6891_say() {
        let mut question = Question {
            id: 0x1234,
            flags: 0x0100,
            labels: vec![b"a".to_vec()],
            record_type: 37,
            class: 1,
            edns: None,
        };
        let plain = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x01a\0\0\x25\0\x01";
        assert_eq!(question.octets(), plain);
        assert_eq!(question.datagram_octets_max(), 512);
        question.edns = Some(AskedEdns {
            payload_octets: 4096,
            version: 0,
            dnssec_ok: true,
            options: vec![(3, vec![7])],
        });
        let edns = b"\0\0\x29\x10\0\0\0\x80\0\0\x05\0\x03\0\x01\x07";
        assert_eq!(&question.octets()[plain.len()..], edns);
        assert_eq!(question.datagram_octets_max(), 1232);
    }
}
