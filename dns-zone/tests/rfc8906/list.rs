//! The rows of the list: what is asked, and what has to come.

use crate::{
    AA, AD, Answer, Asked, BADVERS, CD, DNSKEY, DNSSEC_OK, Edns, Expected, NOERROR, NOTIMP, RD,
    SOA, TYPE1000, UNKNOWN_FLAG, Z,
};

pub(crate) fn plain(flags: u16, record_type: u16) -> Asked {
    Asked {
        opcode: 0,
        flags,
        question: Some(record_type),
        edns: None,
    }
}

fn with_edns(version: u8, flags: u16, options: &[(u16, &[u8])]) -> Asked {
    let options = options
        .iter()
        .map(|(code, octets)| (*code, octets.to_vec()));
    let edns = Edns {
        payload_octets: 1232,
        version,
        flags,
        options: options.collect(),
    };
    Asked {
        edns: Some(edns),
        ..plain(0, SOA)
    }
}

pub(crate) fn soa(flags: u16) -> Expected {
    Expected {
        code: NOERROR,
        flags,
        answer: Answer::Soa,
        edns_flags: 0,
    }
}

fn badvers(edns_flags: u16) -> Expected {
    Expected {
        code: BADVERS,
        flags: 0,
        answer: Answer::Empty,
        edns_flags,
    }
}

/// Section of the RFC, query, expectation.
pub(crate) fn list() -> Vec<(&'static str, Asked, Expected)> {
    let signed = Expected {
        answer: Answer::SignedSoa,
        edns_flags: DNSSEC_OK,
        ..soa(AA)
    };
    let header_only = Asked {
        opcode: 15,
        question: None,
        ..plain(0, SOA)
    };
    let mut small = with_edns(0, DNSSEC_OK, &[]);
    small.question = Some(DNSKEY);
    small.edns.as_mut().unwrap().payload_octets = 512;
    // Cookie of a client, NSID, EXPIRE, client subnet 0.0.0.0/0.
    let known: [(u16, &[u8]); 4] = [
        (10, &[1, 2, 3, 4, 5, 6, 7, 8]),
        (3, &[]),
        (9, &[]),
        (8, &[0, 1, 0, 0]),
    ];
    vec![
        ("8.1.1 configured for the zone", plain(0, SOA), soa(AA)),
        (
            "8.1.2 unknown type",
            plain(0, TYPE1000),
            Expected {
                answer: Answer::Empty,
                ..soa(AA)
            },
        ),
        ("8.1.3.1 CD=1", plain(CD, SOA), soa(AA)),
        ("8.1.3.2 AD=1", plain(AD, SOA), soa(AA)),
        ("8.1.3.3 reserved flag", plain(Z, SOA), soa(AA)),
        ("8.1.3.4 RD=1", plain(RD, SOA), soa(AA | RD)),
        (
            "8.1.4 unknown opcode",
            header_only,
            Expected {
                code: NOTIMP,
                answer: Answer::Empty,
                ..soa(0)
            },
        ),
        // 8.1.5 TCP: every row is asked over TCP too.
        ("8.2.1 minimal EDNS", with_edns(0, 0, &[]), soa(AA)),
        ("8.2.2 EDNS version", with_edns(1, 0, &[]), badvers(0)),
        (
            "8.2.3 unknown option",
            with_edns(0, 0, &[(100, b"")]),
            soa(AA),
        ),
        (
            "8.2.3 unknown option with octets",
            with_edns(0, 0, &[(100, b"octets")]),
            soa(AA),
        ),
        (
            "8.2.4 unknown flag",
            with_edns(0, UNKNOWN_FLAG, &[]),
            soa(AA),
        ),
        (
            "8.2.5 version and unknown flag",
            with_edns(1, UNKNOWN_FLAG, &[]),
            badvers(0),
        ),
        (
            "8.2.6 version and unknown option",
            with_edns(1, 0, &[(100, b"")]),
            badvers(0),
        ),
        (
            "8.2.7 truncated response",
            small,
            Expected {
                answer: Answer::Keys,
                ..signed
            },
        ),
        ("8.2.8 DO=1", with_edns(0, DNSSEC_OK, &[]), signed),
        (
            "8.2.9 version and DO=1",
            with_edns(1, DNSSEC_OK, &[]),
            badvers(DNSSEC_OK),
        ),
        (
            "8.2.10 several defined options",
            with_edns(0, 0, &known),
            soa(AA),
        ),
    ]
}

impl Asked {
    pub(crate) fn octets(&self) -> Vec<u8> {
        let flags = self.opcode << 11 | self.flags;
        let counts = [
            u16::from(self.question.is_some()),
            0,
            0,
            u16::from(self.edns.is_some()),
        ];
        let header = [0x8906, flags].into_iter().chain(counts);
        let mut octets: Vec<u8> = header.flat_map(u16::to_be_bytes).collect();
        if let Some(record_type) = self.question {
            octets.extend(b"\x0biotregistry\x07example\0");
            octets.extend(record_type.to_be_bytes());
            octets.extend([0, 1]);
        }
        if let Some(edns) = &self.edns {
            octets.extend([0, 0, 41]);
            octets.extend(edns.payload_octets.to_be_bytes());
            octets.extend([0, edns.version]);
            octets.extend(edns.flags.to_be_bytes());
            let option = |(code, octets): &(u16, Vec<u8>)| {
                let head = [*code, octets.len() as u16].map(u16::to_be_bytes).concat();
                [head, octets.clone()].concat()
            };
            let rdata: Vec<u8> = edns.options.iter().flat_map(option).collect();
            octets.extend((rdata.len() as u16).to_be_bytes());
            octets.extend(rdata);
        }
        octets
    }
}
