//! What a file lists twice, found before anything of it is written.
//!
//! A first reading keeps sixteen octets a credential, a hash of its name and one of its fingerprint;
//! those that come twice are compared themselves in a second reading, which only files with such
//! hashes need.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use iot_identity::PackedKey;

use super::LoadedCredential;

/// Hashes that are looked at in the second reading: many more than are reported. That so many are the
/// same by chance does not happen.
const SUSPECTS_MAX: usize = 1000;

/// The hashes of a first reading.
#[derive(Default)]
pub(super) struct Seen {
    hasher: RandomState,
    names: Vec<u64>,
    fingerprints: Vec<u64>,
}

/// Hashes that came twice, and the lines where their values were first.
pub(super) struct Suspects {
    hasher: RandomState,
    names: Vec<u64>,
    fingerprints: Vec<u64>,
    lines_of_names: HashMap<[u8; 18], u64>,
    lines_of_fingerprints: HashMap<[u8; 32], u64>,
}

impl Seen {
    pub(super) fn note(&mut self, credential: &LoadedCredential) {
        self.names.push(self.hasher.hash_one(name(credential)));
        let fingerprint = credential.fingerprint.as_octets();
        self.fingerprints.push(self.hasher.hash_one(fingerprint));
    }

    /// What has to be looked at again; nothing when all are different.
    pub(super) fn suspects(self) -> Option<Suspects> {
        let names = repeated(self.names);
        let fingerprints = repeated(self.fingerprints);
        let is_needed = !(names.is_empty() && fingerprints.is_empty());
        is_needed.then(|| Suspects {
            hasher: self.hasher,
            names,
            fingerprints,
            lines_of_names: HashMap::new(),
            lines_of_fingerprints: HashMap::new(),
        })
    }
}

impl Suspects {
    /// Looks at a credential in the order of the lines; what is wrong with it, if anything.
    pub(super) fn look(&mut self, line: u64, credential: &LoadedCredential) -> Option<String> {
        let name = name(credential);
        if self
            .names
            .binary_search(&self.hasher.hash_one(name))
            .is_ok()
            && let Some(first) = first_line(&mut self.lines_of_names, name, line)
        {
            let (slot, device_id) = (credential.slot, credential.device_id);
            return Some(format!(
                "line {line}: the slot {slot} of {device_id} was used before, in line {first}"
            ));
        }
        let fingerprint = *credential.fingerprint.as_octets();
        let hash = self.hasher.hash_one(fingerprint);
        if self.fingerprints.binary_search(&hash).is_ok()
            && let Some(first) = first_line(&mut self.lines_of_fingerprints, fingerprint, line)
        {
            return Some(format!(
                "line {line}: the fingerprint is another credential's, in line {first}"
            ));
        }
        None
    }
}

fn name(credential: &LoadedCredential) -> [u8; 18] {
    *PackedKey::new(credential.device_id, credential.slot).as_octets()
}

/// The hashes that are there more than once, each once, in ascending order.
fn repeated(mut hashes: Vec<u64>) -> Vec<u64> {
    hashes.sort_unstable();
    let pairs = hashes.windows(2).filter(|pair| pair[0] == pair[1]);
    let mut repeated: Vec<u64> = pairs.map(|pair| pair[0]).take(SUSPECTS_MAX).collect();
    repeated.dedup();
    repeated
}

/// The line where this value was before; otherwise it is noted that it is here.
fn first_line<T: std::hash::Hash + Eq>(
    lines: &mut HashMap<T, u64>,
    value: T,
    line: u64,
) -> Option<u64> {
    match lines.get(&value) {
        Some(first) => Some(*first),
        None => {
            lines.insert(value, line);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential(text: &str) -> LoadedCredential {
        LoadedCredential::parse(text.as_bytes()).unwrap().unwrap()
    }

    #[test]
    fn hashes_that_are_the_same_by_chance_are_no_duplicates() {
        let (one, other) = ("01".repeat(32), "02".repeat(32));
        let first = credential(&format!("89049032123451234512345678901235 1 {one} 5"));
        let second = credential(&format!("89049032123451234512345678901235 2 {other} 5"));
        let hasher = RandomState::new();
        let hash = |credential| hasher.hash_one(name(credential));
        let mut names = vec![hash(&first), hash(&second)];
        names.sort_unstable();
        let mut suspects = Suspects {
            names,
            fingerprints: Vec::new(),
            hasher,
            lines_of_names: HashMap::new(),
            lines_of_fingerprints: HashMap::new(),
        };
        assert_eq!(suspects.look(1, &first), None);
        assert_eq!(suspects.look(2, &second), None);
        let said = suspects.look(7, &first).unwrap();
        assert!(
            said.contains("line 7") && said.ends_with("in line 1"),
            "{said}"
        );
    }
}
