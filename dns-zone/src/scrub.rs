//! The second hand: it looks at every signature and every block once in a validity, at an even
//! pace, so that damage is found before a resolver finds it.
//!
//! It works on whatever version is current, in small steps, beside everything else, and changes
//! nothing. What it verifies is what would be answered: the RRset made from the present record, with
//! the published key. Expired signatures are none of its findings; the sweep answers for those.

use crate::dump::device_rrsets;
use crate::job::{Job, Name, Says, message};
use crate::key::Role;
use crate::position::Key;
use crate::profile::Profile;
use crate::record_type::{TYPE_NSEC, mnemonic};
use crate::rrsig::verifies;
use crate::snapshot::{Snapshot, earlier};
use crate::store::Sweep;
use crate::sweep::Hand;

/// Findings that a step returns at most; a zone with more is rebuilt anyway.
const FINDINGS_MAX: usize = 64;

/// Where the second hand is.
#[derive(Clone, Debug)]
pub struct Scrub {
    hand: Hand,
}

/// What a step saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scrubbed {
    /// Signatures verified.
    pub signatures: u64,
    /// Names passed.
    pub names: u64,
    /// What does not hold, as sentences, each naming owner and type, or the page.
    pub findings: Vec<String>,
    /// Number of findings, also of those that found no place in the list.
    pub found: u64,
    /// Whether a lap through the zone ended with this step.
    pub lap_ended: bool,
}

impl Scrubbed {
    fn find(&mut self, finding: String) {
        self.found += 1;
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        }
    }
}

impl Scrub {
    /// A hand at the beginning of its first lap.
    pub fn started(snapshot: &Snapshot, now: u64) -> Self {
        Self {
            hand: Hand::pacing(lap_secs(snapshot.profile()), snapshot.device_names(), now),
        }
    }

    /// When there is something to do, seconds since 1970.
    pub fn next_at(&self) -> u64 {
        self.hand.due_at(1)
    }

    /// Looks at what is due, up to about `signatures_max` signatures. A hand that lags after a stop
    /// has no need to catch up faster than the caller lets it.
    pub fn step(&mut self, snapshot: &Snapshot, now: u64, signatures_max: u64) -> Scrubbed {
        let mut seen = Scrubbed::default();
        self.hand.follow_clock(now);
        while seen.signatures < signatures_max && self.hand.is_due(1, now) {
            let from = self.hand.sweep().key;
            let at_start = from == Sweep::START;
            if at_start {
                scrub_fixed(snapshot, &mut seen);
            }
            match scrub_block(snapshot, &from, &mut seen) {
                Some((names, Some(next))) => self.hand.pass(names, next, now),
                _ => {
                    self.hand.end_lap(snapshot.device_names(), now);
                    seen.lap_ended = true;
                    return seen;
                }
            }
        }
        seen
    }
}

fn lap_secs(profile: Profile) -> u64 {
    u64::from(profile.validity_secs())
}

/// Verifies a block; returns how many names it has and where the next one begins. None at the end
/// of the zone.
fn scrub_block(snapshot: &Snapshot, from: &Key, seen: &mut Scrubbed) -> Option<(u64, Option<Key>)> {
    let tree = snapshot.tree();
    let mut found = tree.walk_blocks(Some(from)).next()?;
    if let Err(damaged) = &found
        && tree.mapping().scrub(damaged.page).is_ok()
    {
        // It could not be read when it was asked for first, and now it can.
        found = tree.walk_blocks(Some(from)).next()?;
    }
    let (page, block) = match found {
        Ok(found) => found,
        Err(damaged) => {
            seen.find(damaged.to_string());
            return Some((0, tree.gap_at(from).next));
        }
    };
    if let Err(damaged) = tree.mapping().scrub(page) {
        seen.find(damaged.to_string());
    }
    let count = block.count();
    for slot in 0..count {
        let record = block.record(slot);
        let fixed = snapshot.fixed.after_device(record.key());
        let following = block.next_key(slot).copied();
        let next = earlier(&snapshot.fixed, fixed, following).name(&snapshot.fixed);
        for (job, signature) in device_rrsets(&record, next) {
            scrub_rrset(snapshot, &job, signature, seen);
        }
    }
    seen.names += count as u64;
    Some((count as u64, block.fence().copied()))
}

fn scrub_fixed(snapshot: &Snapshot, seen: &mut Scrubbed) {
    for (at, name) in snapshot.fixed.names().iter().enumerate() {
        let owner = Name::Fixed(at);
        for record_type in name.types().chain([TYPE_NSEC]) {
            let says = if record_type == TYPE_NSEC {
                let fixed = (at + 1 < snapshot.fixed.names().len()).then_some(at + 1);
                let device = match snapshot.first_device_after(&name.position.key) {
                    Ok(device) => device,
                    Err(damaged) => {
                        seen.find(damaged.to_string());
                        continue;
                    }
                };
                let next = earlier(&snapshot.fixed, fixed, device);
                let next = next.name(&snapshot.fixed);
                Says::FixedNsec { next }
            } else {
                Says::Stored(record_type)
            };
            let signature = name.signature(record_type);
            let signature = signature.map(|one| (one.signed_at, &one.octets));
            scrub_rrset(snapshot, &Job { owner, says }, signature, seen);
        }
    }
}

fn scrub_rrset(
    snapshot: &Snapshot,
    job: &Job,
    signature: Option<(u32, &[u8; 64])>,
    seen: &mut Scrubbed,
) {
    // One that is missing has expired long ago, or waits for the first commit of a start.
    let Some((signed_at, octets)) = signature else {
        return;
    };
    seen.signatures += 1;
    let key = snapshot.keys().of(Role::for_type(job.record_type()));
    let mut signed = Vec::with_capacity(512);
    let held = message(
        &snapshot.shape,
        &snapshot.fixed,
        job,
        signed_at,
        &mut signed,
    ) && verifies(key, &signed, octets);
    if !held {
        let owner = job.owner.presentation(&snapshot.fixed, snapshot.apex());
        let record_type = mnemonic(job.record_type());
        seen.find(format!(
            "the signature over {owner} {record_type} does not verify"
        ));
    }
}
