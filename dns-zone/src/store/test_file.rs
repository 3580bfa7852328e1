//! A zone file for tests: loads, edits and looks, without log or checkpoint.

use std::fs::File;
use std::os::unix::fs::FileExt;

use iot_identity::Fingerprint;

use super::disk::RealFile;
use super::edit::{Edit, Edited, edit};
use super::free::Free;
use super::load::Loader;
use super::mapping::Mapping;
use super::page::{FIRST_PAGE, Key, PAGE_OCTETS, Page, PageNo};
use super::record::{State, StoredRecord, StoredSignature};
use super::tree::{Root, Tree};

/// A file, its mapping and the newest version in it.
pub(crate) struct TestFile {
    pub(crate) file: File,
    pub(crate) mapping: Mapping,
    pub(crate) free: Free,
    pub(crate) root: Root,
    pub(crate) version: u64,
    /// Pages that edits have written.
    pub(crate) written: u64,
}

pub(crate) const UNIT_SECS: u32 = 16;
pub(crate) const SIGNED_AT: u32 = 1_800_000_000;

impl TestFile {
    /// A file with these records, in ascending order.
    pub(crate) fn load(records: impl Iterator<Item = (Key, StoredRecord)>) -> Self {
        let file = tempfile::tempfile().expect("a file");
        let mut loader = Loader::new(FIRST_PAGE, 1, UNIT_SECS, |page, octets: &Page| {
            file.write_all_at(octets, offset(page))
        });
        for (key, record) in records {
            loader.push(key, record).expect("ascending");
        }
        let (root, file_pages) = loader.finish().expect("written");
        Self {
            mapping: Mapping::new(RealFile::of(&file), file_pages).expect("mapped"),
            free: Free::from_live(FIRST_PAGE..file_pages, file_pages, 1),
            file,
            root,
            version: 1,
            written: 0,
        }
    }

    pub(crate) fn tree(&self) -> Tree<'_> {
        Tree::new(&self.mapping, &self.root, UNIT_SECS)
    }

    /// Applies edits, and lets the pages of the version before be written again.
    pub(crate) fn edit(&mut self, edits: &[Edit]) {
        self.version += 1;
        let tree = Tree::new(&self.mapping, &self.root, UNIT_SECS);
        let edited = edit(tree, &mut self.free, edits, self.version).expect("whole");
        let freed = edited.freed.clone();
        self.write(edited);
        for page in freed {
            self.free.release(page, self.version);
        }
        self.free.reclaim(self.version, self.version);
    }

    /// Writes the pages of a next version and makes it the newest.
    pub(crate) fn write(&mut self, edited: Edited) {
        for (page, octets) in &edited.pages {
            assert!(!edited.freed.contains(page), "page {page} is still read");
            self.file
                .write_all_at(&octets[..], offset(*page))
                .expect("written");
            self.mapping.note_written(*page);
        }
        self.written += edited.pages.len() as u64;
        self.mapping
            .set_bounds(self.free.file_pages())
            .expect("reserved");
        self.root = edited.root;
    }

    /// Flips a bit of a page on disk; seen by whoever has not verified the page yet.
    pub(crate) fn flip(&self, page: PageNo, bit: usize) {
        let at = offset(page) + bit as u64 / 8;
        let mut octet = [0];
        self.file.read_exact_at(&mut octet, at).expect("read");
        octet[0] ^= 1 << (bit % 8);
        self.file.write_all_at(&octet, at).expect("written");
    }
}

pub(crate) fn offset(page: PageNo) -> u64 {
    u64::from(page) * PAGE_OCTETS as u64
}

/// A record whose every octet depends on the seed.
pub(crate) fn record(seed: u64) -> StoredRecord {
    let signature = |which: u64| {
        let value = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(which);
        (!value.is_multiple_of(7)).then(|| StoredSignature {
            signed_at: SIGNED_AT + (value % 5000) as u32 * UNIT_SECS,
            octets: [(value >> 8) as u8; 64],
        })
    };
    let active = !seed.is_multiple_of(5);
    StoredRecord {
        state: if active {
            State::Active(Fingerprint::from_octets([seed as u8; 32]))
        } else {
            State::Inactive {
                withdrawn_until: (seed.is_multiple_of(2)).then_some(SIGNED_AT),
            }
        },
        nsec: signature(1),
        first: signature(2),
        tlsa: signature(3).filter(|_| active),
    }
}

/// Pseudo-random numbers (splitmix64).
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        value ^ (value >> 31)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// A key of random octets after one of `issuers` common beginnings; no common ones when 0.
    pub(crate) fn key(&mut self, issuers: u64) -> Key {
        let mut key = [0; 18];
        for chunk in key.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_be_bytes()[..chunk.len()]);
        }
        if issuers > 0 {
            let issuer = Numbers(self.below(issuers)).next();
            key[..8].copy_from_slice(&issuer.to_be_bytes());
            key[8] = 0x40;
        }
        key
    }
}
