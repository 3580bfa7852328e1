//! Signatures of queries (RFC 8945). This server shares no key with anybody: a query that is signed as
//! it should be is answered NOTAUTH and BADKEY (§5.2.1), without a signature of ours (§5.3.2), and one
//! that is not, FORMERR (§5.2).

use crate::query::{HEADER_OCTETS, Malformed, Octets, Question};
use crate::record_type::TYPE_TSIG;

const CLASS_ANY: u16 = 255;
const ERROR_BADKEY: u16 = 17;
/// MAC size, original id, error and length of other data (§4.2).
const REST_OCTETS: usize = 8;

/// What a refusal repeats of the signature that it refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tsig<'a> {
    key_name: &'a [u8],
    algorithm: &'a [u8],
    time_and_fudge: &'a [u8],
    original_id: u16,
}

/// Whether class, TTL and RDATA of a TSIG record can be interpreted (§4.2).
#[cold]
pub(crate) fn is_well_formed(class: u16, ttl: &[u8], rdata: &[u8]) -> bool {
    class == CLASS_ANY && ttl == [0; 4] && Rdata::parse(rdata).is_ok()
}

struct Rdata<'a> {
    algorithm: &'a [u8],
    time_and_fudge: &'a [u8],
    original_id: u16,
}

impl<'a> Rdata<'a> {
    fn parse(rdata: &'a [u8]) -> Result<Self, Malformed> {
        let mut octets = Octets::new(rdata, 0);
        octets.name(|_| {})?;
        let algorithm = &rdata[..octets.at()];
        let time_and_fudge = octets.take(8)?;
        let mac_octets = octets.number()?;
        octets.take(usize::from(mac_octets))?;
        let original_id = octets.number()?;
        let _error = octets.number()?;
        let other_octets = octets.number()?;
        octets.take(usize::from(other_octets))?;
        if octets.at() != rdata.len() {
            return Err(Malformed);
        }
        Ok(Self {
            algorithm,
            time_and_fudge,
            original_id,
        })
    }
}

impl<'a> Tsig<'a> {
    /// The signature of a query that was read as a signed one; it is the last record.
    #[cold]
    pub(crate) fn of(message: &'a [u8], question: &Question<'_>) -> Result<Self, Malformed> {
        let mut octets = Octets::new(message, HEADER_OCTETS + question.octets.len());
        loop {
            let start = octets.at();
            octets.name(|_| {})?;
            let key_name = &message[start..octets.at()];
            let record_type = octets.number()?;
            octets.take(6)?; // class and TTL
            let length = octets.number()?;
            let rdata = octets.take(usize::from(length))?;
            if record_type == TYPE_TSIG {
                let Rdata {
                    algorithm,
                    time_and_fudge,
                    original_id,
                } = Rdata::parse(rdata)?;
                return Ok(Self {
                    key_name,
                    algorithm,
                    time_and_fudge,
                    original_id,
                });
            }
        }
    }

    /// Writes the refusal's TSIG record behind the first `length` octets of a response, unless that
    /// makes it longer than `out`. Returns the octets of the response.
    #[cold]
    pub(crate) fn append_bad_key(&self, out: &mut [u8], length: usize) -> usize {
        let rdata_octets = self.algorithm.len() + self.time_and_fudge.len() + REST_OCTETS;
        // Two names and a few numbers.
        let [rdata_high, rdata_low] = (rdata_octets as u16).to_be_bytes();
        let [type_high, type_low] = TYPE_TSIG.to_be_bytes();
        let [class_high, class_low] = CLASS_ANY.to_be_bytes();
        let [id_high, id_low] = self.original_id.to_be_bytes();
        let [error_high, error_low] = ERROR_BADKEY.to_be_bytes();
        let parts = [
            self.key_name,
            &[type_high, type_low, class_high, class_low, 0, 0, 0, 0],
            &[rdata_high, rdata_low],
            self.algorithm,
            self.time_and_fudge,
            &[0, 0, id_high, id_low, error_high, error_low, 0, 0],
        ];
        let octets: usize = parts.iter().map(|part| part.len()).sum();
        let Some(room) = out.get_mut(length..).filter(|room| room.len() >= octets) else {
            return length;
        };
        let mut rest = room;
        for part in parts {
            let (place, behind) = rest.split_at_mut(part.len());
            place.copy_from_slice(part);
            rest = behind;
        }
        // There are no additional records but OPT.
        out[11] += 1;
        length + octets
    }
}
