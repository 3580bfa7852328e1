//! Fourth step: put the signatures that passed into their places. Pure.

use std::collections::BTreeSet;

use crate::gate::Passed;
use crate::name::NameKey;
use crate::record_type::is_key_type;
use crate::serial;
use crate::snapshot::Snapshot;

/// A complete next version of the zone, ready to be committed.
#[derive(Debug)]
pub struct Batch {
    pub(crate) snapshot: Snapshot,
    /// Names that got new signatures.
    pub(crate) signed_names: BTreeSet<NameKey>,
    /// Latest expiration among the new signatures, those over DNSKEY, CDS and CDNSKEY excepted.
    pub(crate) latest_expiration: Option<u32>,
    /// For each change of the plan, until when the name may have been denied.
    pub(crate) denied_until: Vec<Option<u32>>,
}

impl Batch {
    /// SOA serial of the new version.
    pub fn serial(&self) -> u32 {
        self.snapshot.serial()
    }
}

/// Seals a batch that passed the gate. `applied` is the last change of the database in it.
pub fn seal(passed: Passed, applied: u64) -> Batch {
    let plan = passed.0.plan;
    let mut snapshot = plan.draft;
    snapshot.applied = applied;
    let signatures = passed.0.signatures;
    let mut signed_names = BTreeSet::new();
    let mut latest_expiration = None;
    for ((key, record_type), octets) in plan.jobs.into_iter().zip(signatures) {
        let node = snapshot.nodes.get_mut(&key);
        let signature = node.and_then(|node| node.signature_mut(record_type));
        // The gate refuses jobs without an RRset, so both are there.
        if let (Some(signature), Some(octets)) = (signature, octets) {
            signature.octets = octets;
            if !is_key_type(record_type) {
                latest_expiration = serial::later_of(latest_expiration, signature.expiration);
            }
        }
        signed_names.insert(key);
    }
    Batch {
        snapshot,
        signed_names,
        latest_expiration,
        denied_until: plan.denied_until,
    }
}
