//! First step: from changes to everything that has to be signed. Pure.
//!
//! A change touches its own name and, when the name appears or disappears, the NSEC of the name
//! before it. Whatever a batch does to a name in between, only its final state is signed. Every
//! plan also signs a new SOA.

use std::collections::BTreeSet;
use std::sync::Arc;

use iot_identity::{DeviceId, Publication, Slot};

use crate::apex;
use crate::jitter::Jitter;
use crate::name::NameKey;
use crate::profile::INCEPTION_SKEW_SECS;
use crate::record_type::{TYPE_NSEC, TYPE_SOA, is_key_type};
use crate::rrsig::Signature;
use crate::serial;
use crate::snapshot::{FixedRrset, Node, Nodes, Records, Shape, Snapshot, previous};

/// A credential shall have this publication from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The device.
    pub device_id: DeviceId,
    /// The number of the credential.
    pub slot: Slot,
    /// What the DNS shall say.
    pub publication: Publication,
}

/// An RRset to be signed: name and type.
pub(crate) type Job = (NameKey, u16);

/// The next version of the zone, in which some signatures are still missing.
#[derive(Clone, Debug)]
pub struct ToSign {
    pub(crate) draft: Snapshot,
    /// In canonical order of names.
    pub(crate) jobs: Vec<Job>,
    pub(crate) now: u64,
    /// For each change, the latest expiration of an NSEC that denied it (activations only).
    pub(crate) denied_until: Vec<Option<u32>>,
}

impl ToSign {
    /// Number of RRsets to be signed.
    pub fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Whether the zone stays as it is.
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }
}

/// Plans a batch of changes; later ones win over earlier ones of the same name. A batch that
/// changes nothing plans nothing: not even a new SOA.
pub fn plan(snapshot: &Snapshot, changes: &[Change], now: u64, jitter: &mut Jitter) -> ToSign {
    let mut plan = Plan::new(snapshot, now);
    let denied_until = changes.iter().map(|change| plan.apply(change)).collect();
    plan.finish(jitter, denied_until)
}

/// Plans signing again what is due at some names; `due` decides by type and present signature.
pub(crate) fn plan_again<'a>(
    snapshot: &Snapshot,
    names: impl Iterator<Item = &'a NameKey>,
    due: impl Fn(u16, &Signature) -> bool,
    now: u64,
    jitter: &mut Jitter,
) -> ToSign {
    let mut plan = Plan::new(snapshot, now);
    for key in names {
        let Some(node) = snapshot.nodes.get(key) else {
            continue;
        };
        for record_type in node.records.types().chain([TYPE_NSEC]) {
            let rrset = snapshot.rrset(key, node, record_type);
            if rrset.is_some_and(|rrset| due(record_type, rrset.signature)) {
                plan.jobs.insert((key.clone(), record_type));
            }
        }
    }
    plan.finish(jitter, Vec::new())
}

/// A name for a zone that is built from nothing.
pub(crate) struct BuildName {
    pub(crate) key: NameKey,
    pub(crate) records: Records,
}

/// Plans a whole zone. `version` carries the numbers that the new zone follows on.
pub(crate) fn plan_build(
    shape: Arc<Shape>,
    version: Version,
    names: impl Iterator<Item = BuildName>,
    denied_until: Option<u32>,
    now: u64,
    jitter: &mut Jitter,
) -> ToSign {
    let mut nodes = Nodes::new_sync();
    let mut device_names = 0;
    for BuildName { key, records } in names {
        device_names += usize::from(records.publication().is_some());
        let node = Node {
            records,
            nsec: Signature::wanted(0, 0),
            gap_denied_until: denied_until,
            denied_until,
        };
        nodes.insert_mut(key, node);
    }
    let base = Snapshot {
        shape,
        nodes,
        serial: version.serial,
        zone_version: version.zone_version,
        applied: version.applied,
        device_names,
    };
    let of_node = |(key, node): (&NameKey, &Node)| -> Vec<Job> {
        let types = node.records.types().chain([TYPE_NSEC]);
        types
            .map(|record_type| (key.clone(), record_type))
            .collect()
    };
    let plan = Plan {
        jobs: base.nodes.iter().flat_map(of_node).collect(),
        draft: base,
        now,
    };
    plan.finish(jitter, Vec::new())
}

/// The numbers of a version.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Version {
    pub(crate) serial: u32,
    pub(crate) zone_version: u64,
    pub(crate) applied: u64,
}

/// Records of a credential, unsigned.
pub(crate) fn device_records(publication: Publication) -> Option<Records> {
    let unsigned = Signature::wanted(0, 0);
    match publication {
        Publication::Active(fingerprint) => Some(Records::Active {
            fingerprint,
            cert: unsigned,
            tlsa: unsigned,
        }),
        Publication::Inactive => Some(Records::Inactive { txt: unsigned }),
        Publication::Absent => None,
    }
}

/// Records of a fixed name, unsigned.
pub(crate) fn fixed_records(rrsets: Vec<FixedRrset>) -> Records {
    Records::Fixed(Arc::new(rrsets))
}

struct Plan {
    draft: Snapshot,
    jobs: BTreeSet<Job>,
    now: u64,
}

impl Plan {
    fn new(snapshot: &Snapshot, now: u64) -> Self {
        Self {
            draft: snapshot.clone(),
            jobs: BTreeSet::new(),
            now,
        }
    }

    /// Applies one change; returns until when the name may have been denied, for an activation.
    fn apply(&mut self, change: &Change) -> Option<u32> {
        let key = NameKey::device(change.device_id, change.slot);
        let Some(records) = device_records(change.publication) else {
            self.remove(&key);
            return None;
        };
        let present = self.draft.nodes.get(&key);
        let said = present.and_then(|node| node.records.publication());
        if said != Some(change.publication) {
            self.put(key.clone(), records);
        }
        let activates = matches!(change.publication, Publication::Active(_));
        let node = self.draft.nodes.get(&key).filter(|_| activates);
        node.and_then(|node| node.denied_until)
    }

    fn put(&mut self, key: NameKey, records: Records) {
        let node = match self.draft.nodes.get(&key) {
            Some(present) => Node {
                denied_until: match present.records {
                    // An inactive name's own NSEC denies CERT and TLSA.
                    Records::Inactive { .. } => {
                        serial::latest(present.denied_until, present.gap_denied_until)
                    }
                    _ => present.denied_until,
                },
                records,
                ..present.clone()
            },
            None => {
                let (before, gap) = previous(&self.draft.nodes, &key);
                let denied_until = gap.gap_denied_until;
                self.jobs.insert((before.clone(), TYPE_NSEC));
                self.draft.device_names += 1;
                Node {
                    records,
                    nsec: Signature::wanted(0, 0),
                    gap_denied_until: denied_until,
                    denied_until,
                }
            }
        };
        self.forget(&key);
        let types = node.records.types().chain([TYPE_NSEC]);
        self.jobs
            .extend(types.map(|record_type| (key.clone(), record_type)));
        self.draft.nodes.insert_mut(key, node);
    }

    fn remove(&mut self, key: &NameKey) {
        let Some(removed) = self.draft.nodes.get(key) else {
            return;
        };
        let denied_until = serial::latest(removed.gap_denied_until, removed.denied_until);
        self.draft.nodes.remove_mut(key);
        self.draft.device_names -= 1;
        self.forget(key);
        let before = previous(&self.draft.nodes, key).0.clone();
        if let Some(gap) = self.draft.nodes.get_mut(&before) {
            gap.gap_denied_until = serial::latest(gap.gap_denied_until, denied_until);
        }
        self.jobs.insert((before, TYPE_NSEC));
    }

    /// Drops what an earlier change of the batch wanted signed at a name.
    fn forget(&mut self, key: &NameKey) {
        let of_name = (key.clone(), 0)..=(key.clone(), u16::MAX);
        let jobs: Vec<Job> = self.jobs.range(of_name).cloned().collect();
        for job in jobs {
            self.jobs.remove(&job);
        }
    }

    fn finish(mut self, jitter: &mut Jitter, denied_until: Vec<Option<u32>>) -> ToSign {
        if !self.jobs.is_empty() {
            self.draft.serial = self.draft.serial.wrapping_add(1);
            if let Some(apex) = self.draft.nodes.get_mut(&NameKey::apex()) {
                apex::set_serial(&mut apex.records, self.draft.serial);
            }
            self.jobs.insert((NameKey::apex(), TYPE_SOA));
        }
        self.draft.zone_version += 1;
        let jobs: Vec<Job> = self.jobs.into_iter().collect();
        for of_name in jobs.chunk_by(|left, right| left.0 == right.0) {
            set_times(&mut self.draft, of_name, self.now, jitter);
        }
        ToSign {
            draft: self.draft,
            jobs,
            now: self.now,
            denied_until,
        }
    }
}

/// Writes the times of the wanted signatures at one name. Jitter only shortens, by at most a fifth,
/// the same for all RRsets of the name, so that they are due together and different names are not.
fn set_times(draft: &mut Snapshot, jobs: &[Job], now: u64, jitter: &mut Jitter) {
    let profile = draft.shape.profile;
    let Some((key, _)) = jobs.first() else { return };
    let Some(node) = draft.nodes.get_mut(key) else {
        return;
    };
    let signed_at = serial::wrapped(now);
    let shorter = jitter.below(profile.validity_secs() / 5 + 1);
    let key_shorter = jitter.below(profile.key_validity_secs() / 5 + 1);
    for (_, record_type) in jobs {
        let validity_secs = if is_key_type(*record_type) {
            profile.key_validity_secs() - key_shorter
        } else {
            profile.validity_secs() - shorter
        };
        let wanted = Signature::wanted(
            signed_at.wrapping_sub(INCEPTION_SKEW_SECS),
            signed_at.wrapping_add(validity_secs),
        );
        if *record_type == TYPE_NSEC {
            node.gap_denied_until = serial::later_of(node.gap_denied_until, wanted.expiration);
        }
        if let Some(signature) = node.signature_mut(*record_type) {
            *signature = wanted;
        }
    }
}
