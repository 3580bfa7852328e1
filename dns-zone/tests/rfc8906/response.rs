//! Reading a response, and holding it to its row.

use crate::{Answer, Asked, DNSKEY, Expected, OPT, QR, RA, RRSIG, SOA, TC};

/// A response, read with nothing of ours.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) flags: u16,
    pub(crate) code: u16,
    pub(crate) question: Vec<u8>,
    /// Types of the records in the answer.
    pub(crate) answer: Vec<u16>,
    /// Version, flags and option codes of each OPT record.
    pub(crate) opts: Vec<(u8, u16, Vec<u16>)>,
    pub(crate) octets: usize,
}

impl Response {
    pub(crate) fn read(octets: &[u8]) -> Self {
        let number = |at: usize| u16::from_be_bytes([octets[at], octets[at + 1]]);
        assert_eq!(number(0), 0x8906, "the id is repeated");
        let flags = number(2);
        let mut at = 12;
        for _ in 0..number(4) {
            at = end_of_name(octets, at) + 4;
        }
        let question = octets[12..at].to_vec();
        let (mut answer, mut opts, mut code) = (Vec::new(), Vec::new(), flags & 0x0f);
        for section in 0..3 {
            for _ in 0..number(6 + 2 * section) {
                let fixed = end_of_name(octets, at);
                let (record_type, length) = (number(fixed), usize::from(number(fixed + 8)));
                let rdata = &octets[fixed + 10..fixed + 10 + length];
                if record_type == OPT {
                    assert_eq!(
                        (section, octets[at]),
                        (2, 0),
                        "OPT is additional, at the root"
                    );
                    code |= u16::from(octets[fixed + 4]) << 4;
                    opts.push((octets[fixed + 5], number(fixed + 6), option_codes(rdata)));
                } else if section == 0 {
                    answer.push(record_type);
                }
                at = fixed + 10 + length;
            }
        }
        assert_eq!(at, octets.len(), "nothing follows the last record");
        Self {
            flags,
            code,
            question,
            answer,
            opts,
            octets: octets.len(),
        }
    }
}

fn end_of_name(octets: &[u8], mut at: usize) -> usize {
    loop {
        match octets[at] {
            0 => return at + 1,
            length @ 1..=63 => at += 1 + usize::from(length),
            _ => return at + 2,
        }
    }
}

fn option_codes(mut rdata: &[u8]) -> Vec<u16> {
    let mut codes = Vec::new();
    while let [high, low, length_high, length_low, rest @ ..] = rdata {
        codes.push(u16::from_be_bytes([*high, *low]));
        rdata = &rest[usize::from(u16::from_be_bytes([*length_high, *length_low]))..];
    }
    assert!(rdata.is_empty(), "options fill their record");
    codes
}

/// Holds a response to what its row says; an error says what is wrong.
pub(crate) fn judge(asked: &Asked, expected: Expected, response: &Response) -> Result<(), String> {
    let truncated = response.flags & TC != 0;
    let may_truncate = expected.answer == Answer::Keys;
    let flags = response.flags & !(TC | 0x780f);
    let opcode = response.flags >> 11 & 0x0f;
    let answer: &[u16] = match expected.answer {
        Answer::Empty => &[],
        Answer::Soa => &[SOA],
        Answer::SignedSoa => &[SOA, RRSIG],
        Answer::Keys if truncated => &[],
        Answer::Keys => &[DNSKEY, DNSKEY, RRSIG],
    };
    let known: Vec<u16> = asked
        .edns
        .iter()
        .flat_map(|e| &e.options)
        .map(|o| o.0)
        .collect();
    let opts: Vec<(u8, u16)> = response.opts.iter().map(|opt| (opt.0, opt.1)).collect();
    let expected_opts: Vec<(u8, u16)> = asked
        .edns
        .iter()
        .map(|_| (0, expected.edns_flags))
        .collect();
    let mut codes = response.opts.iter().flat_map(|opt| &opt.2);
    let rules = [
        ("rcode", response.code == expected.code),
        ("opcode", opcode == asked.opcode),
        // CD is cleared, since nothing is validated here (RFC 4035 §3.1.6).
        ("flags", flags == QR | expected.flags),
        ("recursion is not offered", response.flags & RA == 0),
        ("answer", response.answer == answer),
        ("TC", !truncated || may_truncate),
        (
            "one OPT of version 0 and with these flags, or none",
            opts == expected_opts,
        ),
        (
            "options that were not asked for",
            codes.all(|code| known.contains(code) && *code != 100),
        ),
        (
            "question",
            response.question == asked.octets()[12..12 + response.question.len()],
        ),
        (
            "question is there",
            response.question.is_empty() == asked.question.is_none(),
        ),
    ];
    match rules.into_iter().find(|(_, kept)| !kept) {
        None => Ok(()),
        Some((rule, _)) => Err(format!("{rule}: {response:?}")),
    }
}
