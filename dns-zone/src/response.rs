//! Responses as octets: sections filled RRset by RRset, never cut inside one.

use crate::query::{
    Edns, HEADER_OCTETS, OPTION_KEEPALIVE, OPTION_NSID, OPTION_PADDING, Options, Query,
};
use crate::record_type::TYPE_OPT;
use crate::render::{Content, Owner, Prepared, Signed, Templates, Writer};

/// Payload that we offer and never exceed in a datagram: passes without fragments nearly everywhere.
pub(crate) const PAYLOAD_OCTETS_MAX: u16 = 1232;
/// Datagram without EDNS (RFC 1035 §4.2.1).
pub(crate) const PLAIN_OCTETS_MAX: u16 = 512;
/// Octets of an OPT record without options.
const OPT_OCTETS: usize = 11;
/// Code and length of an option.
const OPTION_HEAD_OCTETS: usize = 4;
/// Octets of an extended error without text (RFC 8914).
const EXTENDED_ERROR_OCTETS: usize = OPTION_HEAD_OCTETS + 2;
const OPTION_EXTENDED_ERROR: u16 = 15;
/// Octets of the keepalive option with its time (RFC 7828 §3.1).
const KEEPALIVE_OCTETS: usize = OPTION_HEAD_OCTETS + 2;
/// Block that encrypted responses are padded to (RFC 8467 §4.1).
const PADDING_BLOCK_OCTETS: usize = 468;

/// How a message travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// One UDP datagram: small, and whoever asks may not be who they say.
    Datagram,
    /// TCP: up to 65,535 octets.
    Stream,
    /// TLS or HTTPS: likewise, and padded when the query is.
    EncryptedStream,
}

/// What the server says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answering {
    /// Identifier of this server (RFC 5001), told to those who ask for it. Left out where it does
    /// not fit beside the question.
    pub nsid: Option<Box<[u8]>>,
    /// Whether padded queries on encrypted transports get padded responses (RFC 8467).
    pub padding: bool,
    /// How long a connection may be idle, in units of 100 ms: told over TCP and TLS to those who ask
    /// (RFC 7828). The listeners set it from their limits. Without it the option is ignored.
    pub keepalive_tenths: Option<u16>,
}

/// What a response says in options of the server itself, to who asked.
#[derive(Clone, Copy, Debug)]
struct Told<'r> {
    nsid: Option<&'r [u8]>,
    keepalive_tenths: Option<u16>,
    padded: bool,
}

impl<'r> Told<'r> {
    /// `room_octets` is left beside the question and an error.
    #[cold]
    fn new(
        asked: Options,
        answering: &'r Answering,
        transport: Transport,
        room_octets: usize,
    ) -> Self {
        let keepalive_tenths = answering.keepalive_tenths.filter(|_| {
            let is_asked = asked.has(Options::KEEPALIVE) && transport != Transport::Datagram;
            is_asked && KEEPALIVE_OCTETS <= room_octets
        });
        let room_octets = room_octets - keepalive_tenths.map_or(0, |_| KEEPALIVE_OCTETS);
        let nsid = answering.nsid.as_deref().filter(|nsid| {
            asked.has(Options::NSID) && OPTION_HEAD_OCTETS + nsid.len() <= room_octets
        });
        Self {
            nsid,
            keepalive_tenths,
            padded: answering.padding
                && asked.has(Options::PADDING)
                && transport == Transport::EncryptedStream,
        }
    }

    /// Octets that are kept free for it; padding takes what is left.
    fn octets(&self) -> usize {
        self.nsid.map_or(0, |nsid| OPTION_HEAD_OCTETS + nsid.len())
            + self.keepalive_tenths.map_or(0, |_| KEEPALIVE_OCTETS)
    }
}

/// A response code with its meaning for us (RFC 1035, RFC 6891).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum ResponseCode {
    NoError = 0,
    FormErr = 1,
    ServFail = 2,
    NxDomain = 3,
    NotImp = 4,
    Refused = 5,
    /// A signature by a key that is not known (RFC 8945 §5.2.1).
    NotAuth = 9,
    /// Needs EDNS: its upper bits stand in the OPT record.
    BadVers = 16,
}

/// Why, for people (RFC 8914 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum ExtendedError {
    /// A block of the store is damaged.
    Other = 0,
    SignatureExpired = 7,
    NotAuthoritative = 20,
    InvalidQueryType = 30,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Answer,
    Authority,
}

/// A response being written.
pub(crate) struct Response<'r, 'q> {
    writer: Writer<'r>,
    query: &'r Query<'q>,
    edns: Option<Edns>,
    told: Option<Told<'r>>,
    /// Records have to end here, so that the OPT record fits behind them.
    records_end: usize,
    answers: u16,
    authorities: u16,
    truncated: bool,
    authoritative: bool,
    extended_error: Option<ExtendedError>,
}

impl<'r, 'q> Response<'r, 'q> {
    /// Starts a response to a query; the question is repeated octet for octet. `None` when `out`
    /// does not even hold an error.
    #[inline]
    pub(crate) fn new(
        query: &'r Query<'q>,
        answering: &'r Answering,
        transport: Transport,
        out: &'r mut [u8],
    ) -> Option<Self> {
        let edns = query.edns.ok().flatten();
        let limit = match (transport, edns) {
            (Transport::Stream | Transport::EncryptedStream, _) => u16::MAX,
            (Transport::Datagram, None) => PLAIN_OCTETS_MAX,
            (Transport::Datagram, Some(edns)) => edns
                .payload_octets
                .clamp(PLAIN_OCTETS_MAX, PAYLOAD_OCTETS_MAX),
        };
        let limit = usize::from(limit).min(out.len());
        let question = query.question.as_ref();
        let question_octets = question.map_or(0, |question| question.octets.len());
        let error_octets = HEADER_OCTETS
            + question_octets
            + edns.map_or(0, |_| OPT_OCTETS + EXTENDED_ERROR_OCTETS);
        if error_octets > limit {
            return None;
        }
        let asked = edns.map_or(Options::default(), |edns| edns.options());
        let told = (!asked.is_empty())
            .then(|| Told::new(asked, answering, transport, limit - error_octets));
        // An extended error stands only where there are no records. An answer of nearly 65,535
        // octets is left without padding.
        let reserved = edns.map_or(0, |_| OPT_OCTETS) + told.as_ref().map_or(0, Told::octets);
        let mut writer = Writer::new(&mut out[..limit]);
        writer.array(&[0; HEADER_OCTETS]);
        if let Some(question) = question {
            writer.octets(question.octets);
        }
        Some(Self {
            writer,
            query,
            edns,
            told,
            records_end: limit - reserved,
            answers: 0,
            authorities: 0,
            truncated: false,
            authoritative: false,
            extended_error: None,
        })
    }

    /// Whether DNSSEC records are wanted.
    #[inline]
    pub(crate) fn dnssec_ok(&self) -> bool {
        self.edns.is_some_and(|edns| edns.dnssec_ok)
    }

    #[inline]
    pub(crate) fn set_authoritative(&mut self) {
        self.authoritative = true;
    }

    pub(crate) fn set_extended_error(&mut self, error: ExtendedError) {
        self.extended_error = Some(error);
    }

    /// Says that the query had this OPT record, where it was not read as far as that, if there is room
    /// for one of ours.
    #[cold]
    pub(crate) fn set_edns(&mut self, edns: Option<Edns>) {
        let has_room = self.writer.room() >= OPT_OCTETS;
        self.edns = edns.filter(|_| has_room);
    }

    /// Forgets every record, for an answer that turned out to be an error.
    pub(crate) fn clear_records(&mut self) {
        let question = self.query.question.as_ref();
        let question_octets = question.map_or(0, |question| question.octets.len());
        self.writer.rewind(HEADER_OCTETS + question_octets);
        (self.answers, self.authorities, self.truncated) = (0, 0, false);
    }

    /// Adds an RRset, with its signature when DNSSEC is wanted. When it does not fit, the response
    /// is truncated and takes nothing more.
    #[inline]
    pub(crate) fn push_rrset(
        &mut self,
        section: Section,
        templates: &Templates,
        owner: &Owner<'_>,
        content: &Content<'_>,
        ttl_secs: u32,
        signed: &Signed<'_>,
    ) {
        let with_signature = self.dnssec_ok();
        self.push_whole(section, |writer| {
            let owner_at = writer.length();
            let mut count = writer.rrset(templates, owner, content, ttl_secs);
            if with_signature {
                let owner = owner.repeated(owner_at);
                writer.rrsig(templates, &owner, content, ttl_secs, signed);
                count += 1;
            }
            count
        });
    }

    /// Adds an RRset of the apex with its signature to the authority section.
    #[inline]
    pub(crate) fn push_prepared(&mut self, prepared: &Prepared, apex_at: u16) {
        self.push_whole(Section::Authority, |writer| {
            prepared.write(writer, apex_at);
            Prepared::RECORDS
        });
    }

    /// Adds signatures as the RRset asked for.
    pub(crate) fn push_signatures<'s>(
        &mut self,
        templates: &Templates,
        owner: &Owner<'_>,
        signatures: impl Iterator<Item = (Content<'s>, Signed<'s>)>,
    ) {
        self.push_whole(Section::Answer, |writer| {
            let mut count = 0;
            for (content, signed) in signatures {
                let ttl_secs = content.ttl_secs(templates);
                writer.rrsig(templates, owner, &content, ttl_secs, &signed);
                count += 1;
            }
            count
        });
    }

    /// Writes OPT and header; returns the octets of the response.
    #[inline]
    pub(crate) fn finish(mut self, code: ResponseCode) -> usize {
        let code = code as u8;
        if let Some(edns) = self.edns {
            self.push_opt(edns, code >> 4);
        }
        let header = self.query.header;
        let mut flags = 0x8000 | u16::from(header.opcode) << 11 | u16::from(code & 0x0f);
        for (bit, set) in [
            (0x0400, self.authoritative),
            (0x0200, self.truncated),
            (0x0100, header.recursion_desired),
            // CD stays clear, whatever the query says (RFC 4035 §3.1.6).
        ] {
            flags |= if set { bit } else { 0 };
        }
        let numbers = [
            header.id,
            flags,
            u16::from(self.query.question.is_some()),
            self.answers,
            self.authorities,
            u16::from(self.edns.is_some()),
        ];
        let written = self.writer.written();
        for (place, number) in written.chunks_exact_mut(2).zip(numbers) {
            place.copy_from_slice(&number.to_be_bytes());
        }
        written.len()
    }

    /// Runs `push`, which returns its number of records, and takes it back if it does not fit.
    #[inline]
    fn push_whole(&mut self, section: Section, push: impl FnOnce(&mut Writer<'r>) -> u16) {
        if self.truncated {
            return;
        }
        let before = self.writer.length();
        let count = push(&mut self.writer);
        if self.writer.is_overflown() || self.writer.length() > self.records_end {
            self.writer.rewind(before);
            self.truncated = true;
            return;
        }
        let total = match section {
            Section::Answer => &mut self.answers,
            Section::Authority => &mut self.authorities,
        };
        // Within 65,535 octets there are fewer than 65,535 records.
        *total += count;
    }

    /// Its place was kept free: see [`Response::new`].
    #[inline]
    fn push_opt(&mut self, edns: Edns, code_high: u8) {
        let [type_high, type_low] = TYPE_OPT.to_be_bytes();
        let [payload_high, payload_low] = PAYLOAD_OCTETS_MAX.to_be_bytes();
        let dnssec_ok = if edns.dnssec_ok { 0x80 } else { 0 };
        self.writer.array(&[
            0,
            type_high,
            type_low,
            payload_high,
            payload_low,
            code_high,
            0,
            dnssec_ok,
            0,
            0,
            0,
        ]);
        let start = self.writer.length();
        if let Some(told) = self.told {
            self.push_told(&told);
        }
        if let Some(error) = self.extended_error {
            for number in [OPTION_EXTENDED_ERROR, 2, error as u16] {
                self.writer.number(number);
            }
        }
        if self.told.is_some_and(|told| told.padded) {
            self.push_padding();
        }
        // At most 65,535 octets in all.
        let options_octets = (self.writer.length() - start) as u16;
        let written = self.writer.written();
        written[start - 2..start].copy_from_slice(&options_octets.to_be_bytes());
    }

    #[cold]
    fn push_told(&mut self, told: &Told<'_>) {
        if let Some(nsid) = told.nsid {
            self.writer.number(OPTION_NSID);
            // It fits a message.
            self.writer.number(nsid.len() as u16);
            self.writer.octets(nsid);
        }
        if let Some(tenths) = told.keepalive_tenths {
            for number in [OPTION_KEEPALIVE, 2, tenths] {
                self.writer.number(number);
            }
        }
    }

    /// Pads to a whole number of blocks, or as far as a message goes.
    fn push_padding(&mut self) {
        let Some(octets) = padding_octets(self.writer.length(), self.writer.room()) else {
            return;
        };
        self.writer.number(OPTION_PADDING);
        // Less than a block.
        self.writer.number(octets as u16);
        self.writer.zeros(octets);
    }
}

/// Content of the padding option behind so many octets of a message, for whole blocks (RFC 8467 §4.1)
/// or as much as there is room for; none without room for the option.
pub(crate) fn padding_octets(octets: usize, room_octets: usize) -> Option<usize> {
    let most = room_octets.checked_sub(OPTION_HEAD_OCTETS)?;
    let octets = octets + OPTION_HEAD_OCTETS;
    Some(most.min(octets.next_multiple_of(PADDING_BLOCK_OCTETS) - octets))
}
