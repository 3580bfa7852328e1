//! Messages that brought other parsers down (RFC 9267, and advisories of the years after).

/// What is to be made of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// FORMERR.
    Malformed,
    /// Any answer: nothing in it is read that could be wrong.
    Answered,
}

/// The zone's apex and a type: a question that there is an answer to.
const QUESTION: &[u8] = b"\x0biotregistry\x07example\0\0\x06\0\x01";
/// Octets of a message at most, over TCP.
const MESSAGE_OCTETS_MAX: usize = 65_535;

fn message(counts: [u16; 4], parts: &[&[u8]]) -> Vec<u8> {
    let mut octets = vec![0xca, 0xfe, 1, 0];
    octets.extend(counts.into_iter().flat_map(u16::to_be_bytes));
    octets.extend(parts.concat());
    octets
}

/// A question whose name is these octets.
fn name(octets: &[u8]) -> Vec<u8> {
    message([1, 0, 0, 0], &[octets, &[0, 6, 0, 1]])
}

/// A good question with additional records.
fn additional(count: u16, records: &[u8]) -> Vec<u8> {
    message([1, 0, 0, count], &[QUESTION, records])
}

/// A record at the root whose RDATA may have another length than it says.
fn record(record_type: u16, length: u16, rdata: &[u8]) -> Vec<u8> {
    let mut octets = vec![0];
    octets.extend(record_type.to_be_bytes());
    octets.extend([0, 255, 0, 0, 0, 0]);
    octets.extend(length.to_be_bytes());
    octets.extend(rdata);
    octets
}

/// Each of them, with what has to become of it.
pub(crate) fn traps() -> Vec<(&'static str, Vec<u8>, Fate)> {
    let mut traps = names();
    traps.extend(counts_and_lengths());
    traps.extend(long());
    traps
}

fn names() -> Vec<(&'static str, Vec<u8>, Fate)> {
    let below = |label: &[u8], times: usize| {
        let labels = label.repeat(times);
        message([1, 0, 0, 0], &[&labels, QUESTION])
    };
    let long_name = [&[63; 3 * 64][..], &[42; 43]].concat();
    let long_name = message([1, 0, 0, 0], &[&long_name, QUESTION]);
    // Additional records, the owner of each a pointer to the one before.
    let hop = |at: usize| {
        let [high, low] = (0xc000 | at as u16).to_be_bytes();
        [&[high, low][..], &[0, 1, 0, 1, 0, 0, 0, 0, 0, 0]].concat()
    };
    let first = 12 + QUESTION.len();
    let hops: Vec<u8> = (0..127)
        .flat_map(|n: usize| hop(n.checked_sub(1).map_or(12, |before| first + 12 * before)))
        .collect();
    let malformed = [
        ("a pointer to itself", name(&[0xc0, 12])),
        ("a pointer forward", name(&[0xc0, 40])),
        ("a pointer into the header", name(&[0xc0, 0])),
        ("a pointer past the end", name(&[0xff, 0xff])),
        ("two pointers to each other", name(&[0xc0, 14, 0xc0, 12])),
        ("a label before a pointer to it", name(&[1, b'a', 0xc0, 12])),
        ("127 pointers in a chain", additional(127, &hops)),
        ("label type 0x40", name(&[0x40, 0])),
        ("label type 0x41, of bit labels", name(&[0x41, 8, 0xff, 0])),
        ("label type 0x80", name(&[0x80, 0])),
        (
            "a label of 64 octets",
            name(&[&[64][..], &[b'a'; 64], &[0]].concat()),
        ),
        ("a name of 256 octets", long_name),
        (
            "a name without end",
            message([1, 0, 0, 0], &[&[1, b'a'].repeat(9)]),
        ),
        (
            "a name in the middle of a label",
            message([1, 0, 0, 0], &[b"\x3fa"]),
        ),
        ("a name and no type", message([1, 0, 0, 0], &[&[0]])),
    ];
    let mut traps: Vec<_> = malformed
        .map(|(what, octets)| (what, octets, Fate::Malformed))
        .into();
    // Nothing of it can be compressed but the apex.
    let deep = below(&[1, b'*'], 117);
    traps.push(("117 labels below the apex", deep, Fate::Answered));
    traps
}

fn counts_and_lengths() -> Vec<(&'static str, Vec<u8>, Fate)> {
    const ALL: u16 = u16::MAX;
    let good = |counts| message(counts, &[QUESTION]);
    let in_section = |counts, octets: &[u8]| message(counts, &[QUESTION, octets]);
    let opt = record(41, 0, &[]);
    // Algorithm, time, fudge, no MAC, id, error, no other data.
    let tsig = record(250, 17, &[0; 17]);
    let malformed = [
        ("65,535 questions", good([ALL, 0, 0, 0])),
        ("65,535 answers", good([1, ALL, 0, 0])),
        ("65,535 authorities", good([1, 0, ALL, 0])),
        ("65,535 additional records", good([1, 0, 0, ALL])),
        ("65,535 of everything", good([ALL; 4])),
        (
            "65,535 of everything but questions",
            good([1, ALL, ALL, ALL]),
        ),
        (
            "RDATA past the end",
            additional(1, &record(1, 4, &[1, 2, 3])),
        ),
        (
            "RDATA of 65,535 octets",
            additional(1, &record(1, ALL, &[1, 2, 3, 4])),
        ),
        (
            "RDATA longer than it says",
            additional(1, &record(1, 3, &[1, 2, 3, 4])),
        ),
        ("half a record", additional(1, &[0, 0, 1, 0])),
        (
            "an octet behind the last record",
            additional(1, &[&opt[..], &[0]].concat()),
        ),
        (
            "an octet behind the question",
            in_section([1, 0, 0, 0], &[0]),
        ),
        ("OPT in the answer", in_section([1, 1, 0, 0], &opt)),
        ("OPT in the authority", in_section([1, 0, 1, 0], &opt)),
        (
            "an option past its OPT",
            additional(1, &record(41, 4, &[0, 3, 0, 1])),
        ),
        (
            "an option of 65,535 octets",
            additional(1, &record(41, 5, &[0, 3, 255, 255, 0])),
        ),
        ("half an option", additional(1, &record(41, 3, &[0, 3, 0]))),
        (
            "TSIG past the end",
            additional(1, &record(250, 16, &[0; 10])),
        ),
        ("TSIG without RDATA", additional(1, &record(250, 0, &[]))),
        (
            "a TSIG of ten octets",
            additional(1, &record(250, 10, &[0; 10])),
        ),
        (
            "a TSIG whose algorithm is a pointer",
            additional(1, &record(250, 17, &[&[0xc0, 12][..], &[0; 15]].concat())),
        ),
        (
            "a TSIG whose MAC is longer than it",
            additional(
                1,
                &record(250, 17, &[&[0; 9][..], &[0xff; 2], &[0; 6]].concat()),
            ),
        ),
        (
            "a TSIG that is not the last record",
            additional(2, &[&tsig[..], &opt].concat()),
        ),
        ("two TSIG", additional(2, &[&tsig[..], &tsig].concat())),
        ("TSIG in the answer", in_section([1, 1, 0, 0], &tsig)),
        (
            "a TSIG and an octet behind it",
            additional(1, &[&tsig[..], &[0]].concat()),
        ),
    ];
    let mut traps: Vec<_> = malformed
        .map(|(what, octets)| (what, octets, Fate::Malformed))
        .into();
    // Nobody here knows its key (RFC 8945 §5.2.1).
    traps.push(("a TSIG", additional(1, &tsig), Fate::Answered));
    traps
}

/// As long as a message can be.
fn long() -> Vec<(&'static str, Vec<u8>, Fate)> {
    let room = MESSAGE_OCTETS_MAX - 12 - QUESTION.len();
    let empty = record(1, 0, &[]);
    let fitting = room / empty.len();
    let records = empty.repeat(fitting);
    let options = [0, 3, 0, 0].repeat((room - empty.len()) / 4);
    let opt = record(41, options.len() as u16, &options);
    let names = [&[1, b'a'].repeat(127)[..], &[0]].concat();
    vec![
        (
            "empty records",
            additional(fitting as u16, &records),
            Fate::Answered,
        ),
        (
            "empty records, and more promised",
            additional(u16::MAX, &records),
            Fate::Malformed,
        ),
        ("empty options", additional(1, &opt), Fate::Answered),
        (
            "an OPT for each record",
            additional(2, &[&opt[..], &opt].concat()),
            Fate::Malformed,
        ),
        (
            "names",
            message([u16::MAX; 4], &[&names.repeat(256)]),
            Fate::Malformed,
        ),
        ("zeros", vec![0; MESSAGE_OCTETS_MAX], Fate::Malformed),
    ]
}
