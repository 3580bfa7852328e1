//! The next version of the zone while it is made: changes laid over a version, never a copy of it.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use crate::fixed::FixedNames;
use crate::job::{Job, Name, Says};
use crate::position::Key;
use crate::record_type::TYPE_NSEC;
use crate::snapshot::{Shape, Snapshot, earlier};
use crate::store::Damaged;
use crate::store::record::{State, StoredRecord, StoredSignature};

/// A version with changes. A signature that is missing in it is to be made.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) base: Snapshot,
    /// Devices that differ from the version, or may; none where the name goes.
    pub(crate) devices: BTreeMap<Key, Option<StoredRecord>>,
    pub(crate) fixed: FixedNames,
    pub(crate) serial: u32,
}

impl Draft {
    /// A draft without changes.
    pub(crate) fn new(base: &Snapshot) -> Self {
        Self {
            devices: BTreeMap::new(),
            fixed: FixedNames::clone(&base.fixed),
            serial: base.serial(),
            base: base.clone(),
        }
    }

    /// The zone's shape.
    pub(crate) fn shape(&self) -> &Arc<Shape> {
        &self.base.shape
    }

    /// A device's record as it is in the draft.
    pub(crate) fn device(&self, key: &Key) -> Result<Option<StoredRecord>, Damaged> {
        match self.devices.get(key) {
            Some(record) => Ok(record.clone()),
            None => Ok(self.base.device(key)?.map(|record| record.to_stored())),
        }
    }

    /// The record of a name that is in the draft, to be changed. None when there is no such name.
    pub(crate) fn touch(&mut self, key: &Key) -> Result<Option<&mut StoredRecord>, Damaged> {
        if !self.devices.contains_key(key) {
            let Some(record) = self.base.device(key)? else {
                return Ok(None);
            };
            self.devices.insert(*key, Some(record.to_stored()));
        }
        Ok(self.devices.get_mut(key).and_then(Option::as_mut))
    }

    /// Asks for a new signature over the NSEC of a name.
    pub(crate) fn want_nsec(&mut self, name: Name) -> Result<(), Damaged> {
        match name {
            Name::Fixed(at) => self.fixed.name_mut(at).nsec = None,
            Name::Device(key) => {
                if let Some(record) = self.touch(&key)? {
                    record.nsec = None;
                }
            }
        }
        Ok(())
    }

    /// Asks for new signatures over the NSEC before every name that appears or goes.
    pub(crate) fn want_links(&mut self) -> Result<(), Damaged> {
        let mut links = Vec::new();
        let mut last_present: Option<Key> = None;
        let mut last_gone: Option<(Key, Option<Key>)> = None;
        for (key, record) in &self.devices {
            let was_there = self.base.device(key)?.is_some();
            if was_there == record.is_some() {
                if record.is_some() {
                    last_present = Some(*key);
                }
                continue;
            }
            let before = self.device_before(key, last_present, last_gone)?;
            links.push(self.later_name(before, key));
            if record.is_some() {
                last_present = Some(*key);
            } else {
                last_gone = Some((*key, before));
            }
        }
        for name in links {
            self.want_nsec(name)?;
        }
        Ok(())
    }

    /// The device before one that appears or goes. `last_present` and `last_gone` are the devices
    /// of the draft before it that stay or appear, and that go, the latter with its own answer: a
    /// long run of names that go is walked once.
    fn device_before(
        &self,
        key: &Key,
        last_present: Option<Key>,
        last_gone: Option<(Key, Option<Key>)>,
    ) -> Result<Option<Key>, Damaged> {
        let tree = self.base.tree();
        let mut at = tree.floor(key)?;
        loop {
            let Some(cursor) = at else {
                return Ok(last_present);
            };
            let found = *tree.record(cursor)?.key();
            if last_present.is_some_and(|present| present >= found) {
                return Ok(last_present);
            }
            match last_gone {
                Some((gone, before)) if gone == found => return Ok(before.max(last_present)),
                _ => {}
            }
            let goes = found == *key || matches!(self.devices.get(&found), Some(None));
            if !goes {
                return Ok(Some(found));
            }
            at = tree.previous(cursor)?;
        }
    }

    /// The later of a device and the last fixed name before `key`.
    fn later_name(&self, device: Option<Key>, key: &Key) -> Name {
        let fixed = self.fixed.before_device(key);
        match device {
            Some(device) if device > self.fixed.names()[fixed].position.key => Name::Device(device),
            _ => Name::Fixed(fixed),
        }
    }

    /// Key of the first device of the draft after a key.
    pub(crate) fn device_after(&self, key: &Key) -> Result<Option<Key>, Damaged> {
        let after = (Bound::Excluded(key), Bound::Unbounded);
        let mut over = self.devices.range::<Key, _>(after);
        let over = over
            .find(|(_, record)| record.is_some())
            .map(|(key, _)| *key);
        let mut base = self.base.first_device_after(key)?;
        while let Some(found) = base
            && matches!(self.devices.get(&found), Some(None))
        {
            base = self.base.first_device_after(&found)?;
        }
        Ok(match (over, base) {
            (Some(over), Some(base)) => Some(over.min(base)),
            (known, None) | (None, known) => known,
        })
    }

    /// The name that the NSEC of a name points to.
    pub(crate) fn next(&self, name: Name) -> Result<Name, Damaged> {
        let (fixed, device) = match name {
            Name::Device(key) => (self.fixed.after_device(&key), self.device_after(&key)?),
            Name::Fixed(at) => {
                let key = self.fixed.names()[at].position.key;
                let fixed = (at + 1 < self.fixed.names().len()).then_some(at + 1);
                (fixed, self.device_after(&key)?)
            }
        };
        Ok(earlier(&self.fixed, fixed, device).name(&self.fixed))
    }

    /// Everything whose signature is missing: fixed names, then devices, in canonical order each.
    pub(crate) fn jobs(&self) -> Result<Vec<Job>, Damaged> {
        let mut jobs = Vec::new();
        for (at, name) in self.fixed.names().iter().enumerate() {
            let owner = Name::Fixed(at);
            let unsigned = name.rrsets.iter().filter(|rrset| rrset.signature.is_none());
            jobs.extend(unsigned.map(|rrset| Job {
                owner,
                says: Says::Stored(rrset.record_type),
            }));
            if name.nsec.is_none() {
                let next = self.next(owner)?;
                let says = Says::FixedNsec { next };
                jobs.push(Job { owner, says });
            }
        }
        for (key, record) in &self.devices {
            if let Some(record) = record {
                let owner = Name::Device(*key);
                if record.nsec.is_none() {
                    let next = self.next(owner)?;
                    jobs.push(device_nsec(*key, &record.state, next));
                }
                jobs.extend(device_jobs(*key, record));
            }
        }
        Ok(jobs)
    }

    /// The job of an RRset of the draft, made anew from its records; none when it is not there.
    pub(crate) fn job(&self, owner: Name, record_type: u16) -> Result<Option<Job>, Damaged> {
        match owner {
            Name::Fixed(at) => {
                let says = if record_type == TYPE_NSEC {
                    let next = self.next(owner)?;
                    Some(Says::FixedNsec { next })
                } else {
                    let names = self.fixed.names();
                    let rrset = names.get(at).and_then(|name| name.rrset(record_type));
                    rrset.map(|rrset| Says::Stored(rrset.record_type))
                };
                Ok(says.map(|says| Job { owner, says }))
            }
            Name::Device(key) => {
                let Some(record) = self.device(&key)? else {
                    return Ok(None);
                };
                let nsec = device_nsec(key, &record.state, self.next(owner)?);
                let unsigned = StoredRecord {
                    first: None,
                    tlsa: None,
                    ..record
                };
                let mut jobs = device_jobs(key, &unsigned).chain([nsec]);
                Ok(jobs.find(|job| job.record_type() == record_type))
            }
        }
    }

    /// Puts a signature into its place.
    pub(crate) fn set_signature(&mut self, job: &Job, signature: StoredSignature) {
        match job.owner {
            Name::Fixed(at) => {
                let name = self.fixed.name_mut(at);
                name.set_signature(job.record_type(), signature);
            }
            Name::Device(key) => {
                if let Some(Some(record)) = self.devices.get_mut(&key) {
                    set_device_signature(record, job, signature);
                }
            }
        }
    }
}

/// The NSEC job of a device.
pub(crate) fn device_nsec(key: Key, state: &State, next: Name) -> Job {
    Job {
        owner: Name::Device(key),
        says: Says::DeviceNsec {
            active: matches!(state, State::Active(_)),
            next,
        },
    }
}

/// The jobs of a device whose signatures are missing, NSEC left out.
pub(crate) fn device_jobs(key: Key, record: &StoredRecord) -> impl Iterator<Item = Job> + use<> {
    let (first, tlsa) = match record.state {
        State::Active(fingerprint) => (Says::Cert(fingerprint), Some(Says::Tlsa(fingerprint))),
        State::Inactive { .. } => (Says::Text, None),
    };
    let first = record.first.is_none().then_some(first);
    let tlsa = tlsa.filter(|_| record.tlsa.is_none());
    let owner = Name::Device(key);
    first
        .into_iter()
        .chain(tlsa)
        .map(move |says| Job { owner, says })
}

/// Puts a device's signature into its place.
pub(crate) fn set_device_signature(
    record: &mut StoredRecord,
    job: &Job,
    signature: StoredSignature,
) {
    match job.says {
        Says::Cert(_) | Says::Text => record.first = Some(signature),
        Says::Tlsa(_) => record.tlsa = Some(signature),
        Says::DeviceNsec { .. } => record.nsec = Some(signature),
        Says::FixedNsec { .. } | Says::Stored(_) => {}
    }
}
