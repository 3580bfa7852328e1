//! What NSEC records prove (RFC 4035 §3.1.3, §5.4), worked out from names alone: the order of
//! RFC 4034 §6.1 is compared label by label, with no trick of packing or padding in between.

use std::cmp::Ordering;

use super::message::{Message, Record, TYPE_NSEC};
use super::question::Question;

const NOERROR: u16 = 0;
const NXDOMAIN: u16 = 3;

/// Whether a negative response to a query with DO proves what it says.
pub(super) fn holds(question: &Question, apex_labels: usize, response: &Message) -> bool {
    let name: Vec<Vec<u8>> = question
        .labels
        .iter()
        .map(|l| l.to_ascii_lowercase())
        .collect();
    let nsecs: Vec<Nsec> = response
        .authority
        .of_type(TYPE_NSEC)
        .map(Nsec::read)
        .collect();
    match response.code {
        NXDOMAIN => {
            let covered = |name: &[Vec<u8>]| nsecs.iter().any(|nsec| nsec.covers(name));
            // The longest suffix that an end of a covering record shares with the name.
            let shared = nsecs.iter().filter(|nsec| nsec.covers(&name));
            let shared = shared.flat_map(|nsec| [&nsec.owner, &nsec.next]);
            let encloser = shared
                .map(|end| shared_labels(end, &name))
                .max()
                .unwrap_or(0);
            let mut wildcard = vec![b"*".to_vec()];
            wildcard.extend_from_slice(&name[name.len() - encloser..]);
            covered(&name) && encloser >= apex_labels && covered(&wildcard)
        }
        NOERROR => nsecs.iter().any(|nsec| {
            let lacks = nsec.owner == name && !nsec.has_type(question.record_type);
            lacks || nsec.covers(&name) && nsec.next.ends_with(&name)
        }),
        _ => false,
    }
}

/// Whether some record of a response covers a name, or lies at it.
pub(super) fn covers_name(question: &Question, response: &Message) -> bool {
    let name: Vec<Vec<u8>> = question
        .labels
        .iter()
        .map(|l| l.to_ascii_lowercase())
        .collect();
    let mut nsecs = response.authority.of_type(TYPE_NSEC).map(Nsec::read);
    nsecs.any(|nsec| nsec.owner == name || nsec.covers(&name))
}

struct Nsec {
    owner: Vec<Vec<u8>>,
    next: Vec<Vec<u8>>,
    bitmap: Vec<u8>,
}

impl Nsec {
    fn read(record: &Record) -> Self {
        let next = labels(&record.rdata);
        let octets: usize = next.iter().map(|label| label.len() + 1).sum();
        Self {
            owner: labels(&record.owner),
            next,
            bitmap: record.rdata.get(octets + 1..).unwrap_or_default().to_vec(),
        }
    }

    /// Whether the name lies between owner and next name; the last record's next name is the apex.
    fn covers(&self, name: &[Vec<u8>]) -> bool {
        let behind = canonical(&self.owner, name) == Ordering::Less;
        let before = canonical(name, &self.next) == Ordering::Less;
        behind && (before || canonical(&self.next, &self.owner) != Ordering::Greater)
    }

    fn has_type(&self, record_type: u16) -> bool {
        let [window, low] = record_type.to_be_bytes();
        let mut rest = self.bitmap.as_slice();
        while let [number, length, after @ ..] = rest {
            let (bits, after) = after.split_at(usize::from(*length).min(after.len()));
            if *number == window {
                let octet = bits.get(usize::from(low / 8)).copied().unwrap_or(0);
                return octet & 0x80 >> (low % 8) != 0;
            }
            rest = after;
        }
        false
    }
}

/// The order of RFC 4034 §6.1 for names in lower case, leftmost label first.
fn canonical(left: &[Vec<u8>], right: &[Vec<u8>]) -> Ordering {
    left.iter().rev().cmp(right.iter().rev())
}

fn shared_labels(left: &[Vec<u8>], right: &[Vec<u8>]) -> usize {
    let pairs = left.iter().rev().zip(right.iter().rev());
    pairs.take_while(|(left, right)| left == right).count()
}

/// The labels of wire octets up to the root.
fn labels(wire: &[u8]) -> Vec<Vec<u8>> {
    let mut labels = Vec::new();
    let mut rest = wire;
    while let [length @ 1..=255, after @ ..] = rest {
        let (label, after) = after.split_at(usize::from(*length).min(after.len()));
        labels.push(label.to_vec());
        rest = after;
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::message::{FLAG_AA, FLAG_QR, Section};

    fn wire(name: &str) -> Vec<u8> {
        let mut wire = Vec::new();
        for label in name.split('.').filter(|label| !label.is_empty()) {
            wire.push(label.len() as u8);
            wire.extend_from_slice(label.as_bytes());
        }
        wire.push(0);
        wire
    }

    fn proves(asked: &str, code: u16, nsecs: &[(&str, &str)]) -> bool {
        let mut authority = Section::default();
        for (owner, next) in nsecs {
            let mut rdata = wire(next);
            rdata.extend([0, 1, 0x40]); // A
            let (record_type, class) = (TYPE_NSEC, 1);
            authority.records.insert(Record {
                owner: wire(owner),
                record_type,
                class,
                rdata,
            });
        }
        let response = Message {
            id: 0,
            flags: FLAG_QR | FLAG_AA,
            code,
            question: Vec::new(),
            answer: Section::default(),
            authority,
            additional: Section::default(),
            edns: None,
            octets: 0,
        };
        let question = Question {
            id: 0,
            flags: 0,
            labels: labels(&wire(asked)),
            record_type: 16,
            class: 1,
            edns: None,
        };
        holds(&question, 1, &response)
    }

    #[test]
    fn a_proof_is_what_rfc_4035_asks_for() {
        assert!(
            proves("B.z", NXDOMAIN, &[("z", "c.z")]),
            "name and wildcard at once"
        );
        assert!(proves("b.a.z", NXDOMAIN, &[("a.z", "c.z")]));
        assert!(
            proves("zz.z", NXDOMAIN, &[("c.z", "z"), ("z", "a.z")]),
            "after the last name"
        );
        assert!(
            proves("b.z", NOERROR, &[("a.z", "x.b.z")]),
            "an empty non-terminal"
        );
        assert!(
            proves("b.z", NOERROR, &[("b.z", "c.z")]),
            "without the type"
        );
    }

    #[test]
    fn less_than_that_is_no_proof() {
        assert!(
            !proves("zz.z", NXDOMAIN, &[("c.z", "z")]),
            "no wildcard proof"
        );
        assert!(!proves("d.z", NXDOMAIN, &[("z", "c.z")]));
        assert!(!proves("b.z", NXDOMAIN, &[("b.z", "c.z")]), "it exists");
        assert!(
            !proves("b.z", NOERROR, &[("a.z", "c.z")]),
            "it does not exist"
        );
        assert!(!proves("b.z", NOERROR, &[]));
    }
}
