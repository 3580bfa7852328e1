//! Second step: make the signatures that a plan wants. The only step that touches private keys.

use crate::change::{Job, ToSign};
use crate::cores;
use crate::key::{KeyError, Role, ZoneKeys};
use crate::rrsig::SIGNATURE_OCTETS;
use crate::snapshot::Snapshot;

/// A plan with its signatures, which nobody has looked at yet.
#[derive(Debug)]
pub struct Signed {
    pub(crate) plan: ToSign,
    /// One for each job; none where the draft holds no such RRset, which the gate refuses.
    pub(crate) signatures: Vec<Option<[u8; SIGNATURE_OCTETS]>>,
}

/// Signs everything a plan wants, large batches on all cores.
///
/// # Errors
/// A key could not be used.
pub fn sign_batch(plan: ToSign, keys: &ZoneKeys) -> Result<Signed, KeyError> {
    let parts = cores::map_parts(&plan.jobs, |jobs| {
        jobs.iter()
            .map(|job| {
                let message = message(&plan.draft, job);
                let role = Role::for_type(job.1);
                message.map(|message| keys.sign(role, &message)).transpose()
            })
            .collect::<Result<Vec<_>, KeyError>>()
    });
    let mut signatures = Vec::with_capacity(plan.jobs.len());
    for part in parts {
        signatures.extend(part?);
    }
    Ok(Signed { plan, signatures })
}

/// The octets to be signed for a job.
pub(crate) fn message(draft: &Snapshot, (key, record_type): &Job) -> Option<Vec<u8>> {
    let node = draft.nodes.get(key)?;
    let rrset = draft.rrset(key, node, *record_type)?;
    Some(draft.signed_octets(key, &rrset))
}
