//! Query sets: prebuilt query messages, so that asking costs a copy.

use anyhow::bail;
use clap::ValueEnum;
use iot_identity::{OwnerName, Slot, TYPE_CERT, ZoneName};
use serde::{Deserialize, Serialize};

use crate::population::{Population, mixed};

/// The zone of all measurements.
pub(crate) const APEX: &str = "iotregistry.example";
/// Length of a message's header (RFC 1035 §4.1.1).
pub(crate) const HEADER_OCTETS: usize = 12;
/// Response codes (RFC 1035 §4.1.1).
const NOERROR: u8 = 0;
const NXDOMAIN: u8 = 3;
/// Of the mix, one query in this many asks for a name that does not exist.
const MIX_ABSENT_IN: u64 = 10;
/// An OPT record with DO set: payload size 1232, version 0 (RFC 6891, RFC 3225).
const OPT: [u8; 11] = [0, 0, 41, 0x04, 0xd0, 0, 0, 0x80, 0, 0, 0];
/// Block of octets that padded queries fill (RFC 8467 §4.1).
const PADDED_QUERY_OCTETS: usize = 128;
/// EDNS option code of padding (RFC 7830).
const OPTION_PADDING: u16 = 12;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Asked {
    /// Devices of the fleet.
    Present,
    /// Names that do not exist.
    Nxdomain,
    /// Nine present, one absent.
    Mix,
}

impl Asked {
    pub(crate) const ALL: [Self; 3] = [Self::Present, Self::Nxdomain, Self::Mix];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Nxdomain => "nxdomain",
            Self::Mix => "mix",
        }
    }

    /// Whether the query with this running number asks for something absent.
    pub(crate) fn is_absent(self, number: u64) -> bool {
        match self {
            Self::Present => false,
            Self::Nxdomain => true,
            Self::Mix => number.is_multiple_of(MIX_ABSENT_IN),
        }
    }
}

/// Prebuilt queries for random devices and random absent names, all of one length.
pub(crate) struct QuerySet {
    present: Vec<u8>,
    absent: Vec<u8>,
    octets: usize,
}

impl QuerySet {
    /// Queries with DO set for the CERT records of `count` random names of each kind.
    pub(crate) fn new(population: &Population, count: u64, padded: bool) -> Self {
        let zone = ZoneName::parse(APEX).expect("the apex is a zone name");
        let mut set = Self {
            present: Vec::new(),
            absent: Vec::new(),
            octets: 0,
        };
        for number in 0..count {
            let device = population.device(mixed(number) % population.devices);
            let absent = population.absent(number);
            for (queries, id) in [(&mut set.present, device), (&mut set.absent, absent)] {
                let name = OwnerName::new(Slot::FIRST, id, &zone).wire();
                let begin = queries.len();
                push_query(queries, &name, TYPE_CERT, padded);
                set.octets = queries.len() - begin;
            }
        }
        set
    }

    /// Length of each query.
    pub(crate) fn octets(&self) -> usize {
        self.octets
    }

    /// The query with a running number; beyond the end the set begins again. The id is 0.
    pub(crate) fn query(&self, asked: Asked, number: u64) -> &[u8] {
        let queries = if asked.is_absent(number) {
            &self.absent
        } else {
            &self.present
        };
        let count = queries.len() / self.octets;
        // Numbers of the mix that ask for something absent are all multiples of the same number:
        // without this step they would visit a part of the set only.
        let at = (mixed(number) % count as u64) as usize;
        &queries[at * self.octets..][..self.octets]
    }
}

/// Appends a query message with id 0.
pub(crate) fn push_query(message: &mut Vec<u8>, name: &[u8], record_type: u16, padded: bool) {
    let begin = message.len();
    message.extend([0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1]);
    message.extend(name);
    message.extend(record_type.to_be_bytes());
    message.extend([0, 1]);
    message.extend(OPT);
    if padded {
        let before = message.len() - begin + 4;
        let padding = before.next_multiple_of(PADDED_QUERY_OCTETS) - before;
        let options = message.len() - 2;
        message[options..].copy_from_slice(&((padding + 4) as u16).to_be_bytes());
        message.extend(OPTION_PADDING.to_be_bytes());
        message.extend((padding as u16).to_be_bytes());
        message.resize(message.len() + padding, 0);
    }
}

/// Whether a response is what the query deserves: a response, not truncated, the right response code,
/// and as many records as the two cases have: CERT and its RRSIG, or SOA and NSEC with theirs.
pub(crate) fn is_right(response: &[u8], absent: bool) -> bool {
    if response.len() < HEADER_OCTETS || response[2] & 0x82 != 0x80 {
        return false;
    }
    let count = |at: usize| u16::from_be_bytes([response[at], response[at + 1]]);
    match (absent, response[3] & 0x0f) {
        (false, NOERROR) => count(6) == 2,
        (true, NXDOMAIN) => count(6) == 0 && count(8) >= 4,
        _ => false,
    }
}

/// One question to a server over UDP: its answer.
pub(crate) fn probe(
    server: std::net::SocketAddr,
    query: &[u8],
    patience: std::time::Duration,
) -> anyhow::Result<Vec<u8>> {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(patience))?;
    socket.send(query)?;
    let mut response = vec![0; 4096];
    let octets = socket.recv(&mut response)?;
    response.truncate(octets);
    if response.len() < HEADER_OCTETS || response[..2] != query[..2] {
        bail!("{server} answered something else");
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::population::Ids;

    #[test]
    fn queries_have_one_length_and_padded_ones_fill_a_block() {
        let population = Population {
            ids: Ids::Random,
            devices: 10,
        };
        let plain = QuerySet::new(&population, 20, false);
        assert_eq!(plain.octets(), HEADER_OCTETS + 56 + 4 + 11);
        let padded = QuerySet::new(&population, 20, true);
        assert_eq!(padded.octets(), 128);
        let query = padded.query(Asked::Mix, 0);
        // 83 octets, then an option of 4 + 41 octets.
        assert_eq!(&query[81..87], &[0, 45, 0, 12, 0, 41]);
    }

    #[test]
    fn one_query_of_ten_in_the_mix_is_absent() {
        let absent = (0..1_000).filter(|n| Asked::Mix.is_absent(*n)).count();
        assert_eq!(absent, 100);
    }

    #[test]
    fn wrong_answers_are_seen() {
        let mut response = [0u8; HEADER_OCTETS];
        response[2] = 0x84;
        response[7] = 2;
        assert!(is_right(&response, false));
        assert!(!is_right(&response, true));
        response[3] = 2;
        assert!(!is_right(&response, false));
        response[3] = 3;
        response[7] = 0;
        response[9] = 6;
        assert!(is_right(&response, true));
        response[2] |= 2;
        assert!(!is_right(&response, true));
    }
}
