//! What a power cut leaves of changes that were not synced: of a file, and of the names of files.

use std::collections::{BTreeMap, BTreeSet};

const SECTOR_OCTETS: u64 = 512;

/// One file.
#[derive(Debug, Default)]
pub(super) struct FileModel {
    /// What is durable.
    pub(super) durable: Vec<u8>,
    /// What was done since, in order.
    pub(super) changes: Vec<Change>,
    /// Octets that have room on the disk.
    pub(super) room: u64,
    /// Pages below that which have none: their room was given back.
    pub(super) holes: BTreeSet<u64>,
}

/// What was done to a file.
#[derive(Debug)]
pub(super) enum Change {
    Write { offset: u64, octets: Vec<u8> },
    Zero { offset: u64, octets: u64 },
    Length(u64),
}

/// What was done to the names of a directory.
#[derive(Debug)]
pub(super) enum NameChange {
    Create(String, usize),
    Rename(String, String),
    Remove(String),
}

impl FileModel {
    /// Everything noted is durable.
    pub(super) fn settle(&mut self) {
        for change in std::mem::take(&mut self.changes) {
            match change {
                Change::Write { offset, octets } => put(&mut self.durable, offset, &octets),
                Change::Zero { offset, octets } => clear(&mut self.durable, offset, octets),
                Change::Length(octets) => self.durable.resize(octets as usize, 0),
            }
        }
    }

    /// What the disk could hold if the power went now.
    pub(super) fn after_cut(&self, chance: &mut Chance) -> Vec<u8> {
        let mut content = self.durable.clone();
        let fate = Fate::draw(chance, self.changes.len());
        for (index, change) in self.changes.iter().enumerate() {
            match change {
                Change::Write { offset, octets } => {
                    fate.write(index, &mut content, *offset, octets, chance);
                }
                Change::Zero { offset, octets } if fate.keeps(index, chance) => {
                    clear(&mut content, *offset, *octets);
                }
                Change::Length(octets) if fate.keeps(index, chance) => {
                    content.resize(*octets as usize, 0);
                }
                Change::Zero { .. } | Change::Length(_) => {}
            }
        }
        content
    }
}

/// The names, each with the number of its file, that could be in the directory if the power went now.
pub(super) fn names_after_cut(
    durable: &BTreeMap<String, usize>,
    changes: &[NameChange],
    chance: &mut Chance,
) -> BTreeMap<String, usize> {
    let mut names = durable.clone();
    let fate = Fate::draw(chance, changes.len());
    for (index, change) in changes.iter().enumerate() {
        if fate.keeps(index, chance) {
            change.apply(&mut names);
        }
    }
    names
}

impl NameChange {
    /// A change of a name that is not there changes nothing.
    pub(super) fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Create(name, file) => {
                names.insert(name.clone(), *file);
            }
            Self::Rename(from, to) => {
                if let Some(file) = names.remove(from) {
                    names.insert(to.clone(), file);
                }
            }
            Self::Remove(name) => {
                names.remove(name);
            }
        }
    }
}

/// How a cut treats the changes that were not synced.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// The first so many happened, and the next one in part.
    UpTo(usize),
    /// Each happened or not; each sector of a write by itself.
    Each,
    /// As `Each`, and sectors may be torn.
    EachTorn,
}

impl Fate {
    fn draw(chance: &mut Chance, changes: usize) -> Self {
        match chance.below(4) {
            0 => Self::UpTo(changes),
            1 => Self::UpTo(chance.below(changes as u64 + 1) as usize),
            2 => Self::Each,
            _ => Self::EachTorn,
        }
    }

    fn keeps(self, index: usize, chance: &mut Chance) -> bool {
        match self {
            Self::UpTo(count) => index < count,
            Self::Each | Self::EachTorn => chance.below(2) == 0,
        }
    }

    fn write(
        self,
        index: usize,
        content: &mut Vec<u8>,
        offset: u64,
        octets: &[u8],
        chance: &mut Chance,
    ) {
        match self {
            Self::UpTo(count) if index < count => return put(content, offset, octets),
            Self::UpTo(count) if index == count => {
                let length = chance.below(octets.len() as u64 + 1) as usize;
                return put(content, offset, &octets[..length]);
            }
            Self::UpTo(_) => return,
            Self::Each | Self::EachTorn => {}
        }
        let mut at = 0;
        while at < octets.len() {
            let place = offset + at as u64;
            let sector = (SECTOR_OCTETS - place % SECTOR_OCTETS) as usize;
            let end = (at + sector).min(octets.len());
            match (chance.below(8), self) {
                (0..4, _) => put(content, place, &octets[at..end]),
                (4, Self::EachTorn) => {
                    let torn = at + chance.below((end - at) as u64) as usize;
                    put(content, place, &octets[at..torn]);
                }
                _ => {}
            }
            at = end;
        }
    }
}

/// Numbers that look random and are the same for the same seed (splitmix64).
#[derive(Clone, Copy, Debug)]
pub(super) struct Chance(pub(super) u64);

impl Chance {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

fn put(content: &mut Vec<u8>, offset: u64, octets: &[u8]) {
    let (start, end) = (offset as usize, offset as usize + octets.len());
    if !octets.is_empty() && content.len() < end {
        content.resize(end, 0);
    }
    if !octets.is_empty() {
        content[start..end].copy_from_slice(octets);
    }
}

fn clear(content: &mut [u8], offset: u64, octets: u64) {
    let end = content.len().min((offset + octets) as usize);
    if let Some(range) = content.get_mut(offset as usize..end) {
        range.fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Everything that cuts of these changes leave, over many chances.
    fn outcomes(durable: &[u8], changes: Vec<Change>) -> BTreeSet<Vec<u8>> {
        let file = FileModel {
            durable: durable.to_vec(),
            changes,
            room: 0,
            holes: BTreeSet::new(),
        };
        let outcome = |seed| file.after_cut(&mut Chance(seed));
        (0..4000).map(outcome).collect()
    }

    #[test]
    fn sectors_of_a_write_come_and_go_by_themselves_and_are_torn() {
        let octets = vec![1; 1024];
        let found = outcomes(
            &[0; 2048],
            vec![Change::Write {
                offset: 512,
                octets,
            }],
        );
        let sectors = |first: u8, second: u8| {
            let parts = [[0; 512], [first; 512], [second; 512], [0; 512]];
            parts.concat()
        };
        for (first, second) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            assert!(found.contains(&sectors(first, second)));
        }
        assert!(found.len() > 100, "torn ones");
        assert!(found.iter().all(|content| content.len() == 2048));
    }

    #[test]
    fn later_changes_happen_without_earlier_ones_and_lengths_too() {
        let changes = vec![
            Change::Length(4),
            Change::Write {
                offset: 0,
                octets: vec![7],
            },
            Change::Zero {
                offset: 1,
                octets: 2,
            },
        ];
        let found = outcomes(&[1, 2, 3], changes);
        let expected: [&[u8]; 8] = [
            &[1, 2, 3],
            &[7, 2, 3],
            &[1, 0, 0],
            &[7, 0, 0],
            &[1, 2, 3, 0],
            &[7, 2, 3, 0],
            &[1, 0, 0, 0],
            &[7, 0, 0, 0],
        ];
        assert_eq!(found, expected.map(<[u8]>::to_vec).into());
    }

    #[test]
    fn renaming_what_was_not_created_changes_nothing() {
        let durable = BTreeMap::from([("old".to_owned(), 0)]);
        let changes = [
            NameChange::Create("new".into(), 1),
            NameChange::Rename("new".into(), "old".into()),
        ];
        let outcome = |seed| names_after_cut(&durable, &changes, &mut Chance(seed));
        let found: BTreeSet<_> = (0..200).map(outcome).collect();
        let names = |names: &[(&str, usize)]| -> BTreeMap<String, usize> {
            let owned = names.iter().map(|(name, file)| ((*name).to_owned(), *file));
            owned.collect()
        };
        let expected = [
            names(&[("old", 0)]),
            names(&[("old", 0), ("new", 1)]),
            names(&[("old", 1)]),
        ];
        assert_eq!(found, expected.into());
    }
}
