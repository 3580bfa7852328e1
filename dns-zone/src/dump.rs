//! A version of the zone as records, and as a master file (RFC 1035 §5).

use std::io;

use crate::name::NameKey;
use crate::presentation;
use crate::record_type::{TYPE_NSEC, TYPE_RRSIG, mnemonic};
use crate::snapshot::{Node, Snapshot};

/// A record on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Owner name as uncompressed lower-case wire octets.
    pub owner: Vec<u8>,
    /// RR type number.
    pub record_type: u16,
    /// TTL.
    pub ttl_secs: u32,
    /// RDATA octets, names uncompressed.
    pub rdata: Vec<u8>,
}

impl Snapshot {
    /// Every record of the zone, names in canonical order, at the apex the SOA first, each RRset
    /// followed by its RRSIG.
    pub fn records(&self) -> impl Iterator<Item = Record> + '_ {
        self.nodes
            .iter()
            .flat_map(|(key, node)| self.node_records(key, node))
    }

    fn node_records(&self, key: &NameKey, node: &Node) -> Vec<Record> {
        let owner = key.wire(self.apex());
        let mut types: Vec<u16> = node.records.types().chain([TYPE_NSEC]).collect();
        // Master files begin with the SOA.
        types.sort_by_key(|record_type| *record_type != crate::record_type::TYPE_SOA);
        let mut records = Vec::new();
        for record_type in types {
            let Some(rrset) = self.rrset(key, node, record_type) else {
                continue;
            };
            let record = |record_type, rdata| Record {
                owner: owner.clone(),
                record_type,
                ttl_secs: rrset.ttl_secs,
                rdata,
            };
            for rdata in &rrset.rdatas {
                records.push(record(record_type, rdata.to_vec()));
            }
            records.push(record(TYPE_RRSIG, self.rrsig_rdata(key, &rrset)));
        }
        records
    }
}

/// Writes a version of the zone as a master file with absolute names, one record a line.
///
/// # Errors
/// Those of `out`.
pub fn dump(snapshot: &Snapshot, out: &mut dyn io::Write) -> io::Result<()> {
    for record in snapshot.records() {
        writeln!(
            out,
            "{}\t{}\tIN\t{}\t{}",
            presentation::name(&record.owner),
            record.ttl_secs,
            mnemonic(record.record_type),
            presentation::rdata(record.record_type, &record.rdata)
        )?;
    }
    Ok(())
}
