//! The floor of UDP: receives a batch, copies id and question into prebuilt answers, sends the
//! batch. With devices it also finds the answer of each name in a hash table, as the simplest
//! server that knows something would.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::net::{SocketAddr, UdpSocket};

use iot_identity::{OwnerName, Slot, ZoneName};

use crate::kernel::{Datagrams, set_receive_buffer};
use crate::population::Population;
use crate::queries::{APEX, HEADER_OCTETS};

/// Datagrams of one batch.
const BATCH: usize = 64;
/// Longest query that is answered.
const QUERY_OCTETS: usize = 512;
/// Longest prebuilt answer.
const ANSWER_OCTETS: usize = 4096;
/// Type and class behind the name in a question.
const QUESTION_TAIL_OCTETS: usize = 4;

/// What the floor answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answers {
    /// Length of an answer for a device.
    pub(crate) present_octets: usize,
    /// Length of an answer that denies.
    pub(crate) absent_octets: usize,
    /// Without lookup: whether all answers deny.
    pub(crate) denies: bool,
}

/// Answers until the process is ended.
#[allow(clippy::print_stdout)] // says that it listens
pub(crate) fn run(
    listen: SocketAddr,
    answers: Answers,
    population: Option<&Population>,
) -> anyhow::Result<()> {
    let socket = UdpSocket::bind(listen)?;
    set_receive_buffer(&socket, 1 << 20);
    let table = population.map(|population| Table::new(population, answers.present_octets));
    let denial = prebuilt(answers.absent_octets, true);
    let present = prebuilt(answers.present_octets, false);
    let unlooked = if answers.denies { &denial } else { &present };
    let mut queries = Datagrams::new(BATCH, QUERY_OCTETS, true);
    let mut replies = Datagrams::new(BATCH, ANSWER_OCTETS, true);
    if table.is_none() {
        // Nothing but id and question changes from then on.
        for slot in 0..BATCH {
            replies.slot_mut(slot)[..unlooked.len()].copy_from_slice(unlooked);
        }
    }
    println!("ready");
    loop {
        let count = queries.receive(&socket, true)?;
        let mut filled = 0;
        for slot in 0..count {
            let query = queries.received(slot);
            let Some(question) = question_end(query) else {
                continue;
            };
            let reply = replies.slot_mut(filled);
            let octets = match &table {
                None => unlooked.len(),
                Some(table) => {
                    let name = &query[HEADER_OCTETS..question - QUESTION_TAIL_OCTETS];
                    let answer = table.find(name).unwrap_or(&denial);
                    reply[..answer.len()].copy_from_slice(answer);
                    answer.len()
                }
            };
            reply[..2].copy_from_slice(&query[..2]);
            reply[HEADER_OCTETS..question].copy_from_slice(&query[HEADER_OCTETS..question]);
            replies.set_length(filled, octets.max(question));
            replies.address_as(filled, &queries, slot);
            filled += 1;
        }
        let mut sent = 0;
        while sent < filled {
            sent += replies.send(&socket, sent, filled - sent)?;
        }
    }
}

/// Where the only question of a query ends.
pub(crate) fn question_end(query: &[u8]) -> Option<usize> {
    let mut at = HEADER_OCTETS;
    loop {
        let length = usize::from(*query.get(at)?);
        if length >= 0x40 {
            return None;
        }
        at += 1 + length;
        if length == 0 {
            break;
        }
    }
    let end = at + QUESTION_TAIL_OCTETS;
    (end <= query.len()).then_some(end)
}

/// An answer of a given length: a header as ours have it, the rest filled with octets that no
/// compression shortens.
pub(crate) fn prebuilt(octets: usize, denies: bool) -> Vec<u8> {
    let mut answer: Vec<u8> = (0..octets.max(HEADER_OCTETS))
        .map(|at| crate::population::mixed(at as u64) as u8)
        .collect();
    let header = if denies {
        [0, 0, 0x84, 3, 0, 1, 0, 0, 0, 6, 0, 1]
    } else {
        [0, 0, 0x84, 0, 0, 1, 0, 2, 0, 0, 0, 1]
    };
    answer[..HEADER_OCTETS].copy_from_slice(&header);
    answer
}

/// Prebuilt answers by name.
struct Table {
    answers: HashMap<Vec<u8>, Box<[u8]>, BuildHasherDefault<Words>>,
}

impl Table {
    fn new(population: &Population, octets: usize) -> Self {
        let zone = ZoneName::parse(APEX).expect("the apex is a zone name");
        let answer = prebuilt(octets, false).into_boxed_slice();
        let answers = (0..population.devices)
            .map(|number| {
                let name = OwnerName::new(Slot::FIRST, population.device(number), &zone);
                (name.wire(), answer.clone())
            })
            .collect();
        Self { answers }
    }

    fn find(&self, name: &[u8]) -> Option<&[u8]> {
        self.answers.get(name).map(|answer| &**answer)
    }
}

/// A cheap hash, eight octets at a time: the floor is no place for protection against chosen names.
#[derive(Default)]
struct Words(u64);

impl Hasher for Words {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }

    fn write(&mut self, octets: &[u8]) {
        for part in octets.chunks(8) {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            self.0 = (self.0.rotate_left(23) ^ u64::from_le_bytes(word))
                .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::population::Ids;
    use crate::queries::{Asked, QuerySet, is_right};

    #[test]
    fn prebuilt_answers_pass_the_client() {
        assert!(is_right(&prebuilt(247, false), false));
        assert!(is_right(&prebuilt(668, true), true));
    }

    #[test]
    fn the_table_knows_devices_and_no_others() {
        let population = Population {
            ids: Ids::Random,
            devices: 100,
        };
        let table = Table::new(&population, 247);
        let set = QuerySet::new(&population, 50, false);
        for number in 0..50 {
            let name = |query: &[u8]| {
                let end = question_end(query).unwrap();
                query[HEADER_OCTETS..end - QUESTION_TAIL_OCTETS].to_vec()
            };
            assert!(
                table
                    .find(&name(set.query(Asked::Present, number)))
                    .is_some()
            );
            assert!(
                table
                    .find(&name(set.query(Asked::Nxdomain, number)))
                    .is_none()
            );
        }
        assert_eq!(question_end(&[0; 11]), None);
    }
}
