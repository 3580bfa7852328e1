//! Second step: make the signatures that a plan wants. The only step that touches private keys.

use std::sync::Arc;

use crate::change::ToSign;
use crate::job::Worklist;
use crate::key::KeyError;
use crate::rrsig::SIGNATURE_OCTETS;
use crate::signers::{Pending, Signers};

/// A signature; none where the draft holds no such RRset, which the gate refuses.
pub(crate) type Octets = Option<[u8; SIGNATURE_OCTETS]>;

/// A plan with its signatures, which nobody has looked at yet.
#[derive(Debug)]
pub struct Signed {
    pub(crate) draft: crate::draft::Draft,
    pub(crate) worklist: Arc<Worklist>,
    pub(crate) now: u64,
    pub(crate) believed: Vec<crate::change::Believed>,
    pub(crate) gone: Vec<(crate::position::Key, u32)>,
    /// One for each job.
    pub(crate) signatures: Arc<Vec<Octets>>,
}

/// Signs everything a plan wants, large batches on all cores.
///
/// # Errors
/// A key could not be used.
pub fn sign_batch(plan: ToSign, signers: &Signers) -> Result<Signed, KeyError> {
    let ToSign {
        draft,
        worklist,
        now,
        believed,
        gone,
    } = plan;
    let worklist = Arc::new(worklist);
    let signatures = finish_signing(begin_signing(&worklist, signers))?;
    Ok(Signed {
        draft,
        worklist,
        now,
        believed,
        gone,
        signatures: Arc::new(signatures),
    })
}

/// Signatures that are being made.
pub(crate) type Signing = Pending<Result<Vec<Octets>, KeyError>>;

/// Begins to sign a list.
pub(crate) fn begin_signing(worklist: &Arc<Worklist>, signers: &Signers) -> Signing {
    let (worklist, keys) = (Arc::clone(worklist), Arc::clone(signers.keys()));
    signers.begin(worklist.jobs.len(), move |range| {
        let mut message = Vec::with_capacity(512);
        let mut signatures = Vec::with_capacity(range.len());
        for job in &worklist.jobs[range] {
            let signature = if worklist.message(job, &mut message) {
                Some(keys.sign(job.role(), &message)?)
            } else {
                None
            };
            #[cfg(test)]
            let signature = fault::spoiled(job, signature);
            signatures.push(signature);
        }
        Ok(signatures)
    })
}

/// Waits for the signatures of a list, one for each job.
pub(crate) fn finish_signing(signing: Signing) -> Result<Vec<Octets>, KeyError> {
    let mut signatures = Vec::new();
    for part in signing.wait() {
        signatures.extend(part?);
    }
    Ok(signatures)
}

/// A signer that fails for some devices, as broken hardware would.
#[cfg(test)]
pub(crate) mod fault {
    use std::collections::BTreeSet;
    use std::sync::Mutex;

    use super::Octets;
    use crate::job::{Job, Name};
    use crate::position::Key;
    use crate::record_type::TYPE_CERT;

    static SPOILED: Mutex<BTreeSet<Key>> = Mutex::new(BTreeSet::new());

    /// From now on, signatures over this device's CERT are wrong.
    pub(crate) fn spoil(key: Key) {
        SPOILED.lock().unwrap().insert(key);
    }

    pub(super) fn spoiled(job: &Job, signature: Octets) -> Octets {
        let Name::Device(key) = job.owner else {
            return signature;
        };
        let spoils = job.record_type() == TYPE_CERT && SPOILED.lock().unwrap().contains(&key);
        signature.map(|mut octets| {
            octets[40] ^= u8::from(spoils);
            octets
        })
    }
}
