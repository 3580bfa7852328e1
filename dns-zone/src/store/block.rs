//! Data blocks: pages of up to 16 records that are neighbours in the zone.
//!
//! ```text
//! 0..4      CRC32C of the rest            18..20  (part of the fence)
//! 4         kind                          20..38  fence: first key of the next block
//! 5         count of records, 1..=16      38..52  octets that all keys share, `head_at` of them
//! 6         head_at, 0..=14               52..64  zero
//! 7         flags: 1 = there is a fence   64..128 heads: 4 octets of each key from head_at on
//! 8..16     zone version that wrote it    128..   records of 248 octets
//! 16..20    time base
//! ```
//!
//! The fence makes the next owner name of the last record known without touching another block. A
//! search touches the first two cache lines, and a whole key only where heads tie.

use std::cmp::Ordering;

use super::edit::Edit;
use super::page::{
    Damaged, KEY_OCTETS, Key, Page, PageKind, PageNo, array, blank, is_kind, leading_word,
    mask_of_leading, read_u32, seal, shared_octets, write_u32, write_u64,
};
use super::record::{
    RECORD_OCTETS, RecordOctets, RecordView, StoredRecord, base_of, encode, encode_copy, key_of,
    stored_times,
};

/// Most records of a block.
pub(crate) const BLOCK_RECORDS: usize = 16;

const COUNT_AT: usize = 5;
const HEAD_AT_AT: usize = 6;
const FLAGS_AT: usize = 7;
const VERSION_AT: usize = 8;
const BASE_AT: usize = 16;
const FENCE_AT: usize = 20;
const SHARED_AT: usize = 38;
const HEADS_AT: usize = 64;
pub(crate) const RECORDS_AT: usize = 128;

const HEAD_OCTETS: usize = 4;
const SHARED_MAX: usize = KEY_OCTETS - HEAD_OCTETS;
const HAS_FENCE: u8 = 1;

/// A data block in a page.
#[derive(Clone, Copy)]
pub(crate) struct BlockView<'a> {
    page: &'a Page,
    unit_secs: u32,
}

impl<'a> BlockView<'a> {
    /// The block in a page whose checksum is right; fails when it is none.
    #[inline]
    pub(crate) fn new(page: &'a Page, number: PageNo, unit_secs: u32) -> Result<Self, Damaged> {
        let count = usize::from(page[COUNT_AT]);
        if !is_kind(page, PageKind::Data)
            || !(1..=BLOCK_RECORDS).contains(&count)
            || usize::from(page[HEAD_AT_AT]) > SHARED_MAX
        {
            return Err(Damaged { page: number });
        }
        Ok(Self { page, unit_secs })
    }

    /// Records in it, at least one.
    #[inline]
    pub(crate) fn count(&self) -> usize {
        usize::from(self.page[COUNT_AT]).min(BLOCK_RECORDS)
    }

    /// First key of the next block; `None` in the last one.
    #[inline]
    pub(crate) fn fence(&self) -> Option<&'a Key> {
        (self.page[FLAGS_AT] & HAS_FENCE != 0).then(|| array(self.page, FENCE_AT))
    }

    /// Zone version that wrote it.
    #[cfg(test)]
    pub(crate) fn version(&self) -> u64 {
        crate::store::page::read_u64(self.page, VERSION_AT)
    }

    /// The record in a slot below `count`.
    #[inline]
    pub(crate) fn record(&self, slot: usize) -> RecordView<'a> {
        let base_secs = read_u32(self.page, BASE_AT);
        RecordView::new(self.octets(slot), base_secs, self.unit_secs)
    }

    /// All records, ascending.
    pub(crate) fn records(self) -> impl Iterator<Item = RecordView<'a>> {
        (0..self.count()).map(move |slot| self.record(slot))
    }

    /// The key in a slot below `count`.
    #[inline]
    pub(crate) fn key(&self, slot: usize) -> &'a Key {
        key_of(self.octets(slot))
    }

    /// The key after that of a slot: the next record's, or the fence.
    #[inline]
    pub(crate) fn next_key(&self, slot: usize) -> Option<&'a Key> {
        if slot + 1 < self.count() {
            Some(self.key(slot + 1))
        } else {
            self.fence()
        }
    }

    /// Slot of the last record with a key at or before this one.
    #[inline]
    pub(crate) fn floor(&self, key: &Key) -> Option<usize> {
        self.keys_up_to(key).checked_sub(1)
    }

    /// Slot of the record with this key.
    pub(crate) fn find(&self, key: &Key) -> Option<usize> {
        self.floor(key).filter(|slot| self.key(*slot) == key)
    }

    /// Records with a key at or before this one.
    #[inline]
    fn keys_up_to(&self, key: &Key) -> usize {
        let count = self.count();
        let head_at = usize::from(self.page[HEAD_AT_AT]).min(SHARED_MAX);
        // What is beyond the shared octets in the header is zero.
        let shared = leading_word(self.page, SHARED_AT);
        match (leading_word(key, 0) & mask_of_leading(head_at)).cmp(&shared) {
            Ordering::Less => return 0,
            Ordering::Greater => return count,
            Ordering::Equal => {}
        }
        let (below, up_to) = heads::count(array(self.page, HEADS_AT), head(key, head_at));
        let (mut low, mut high) = (below.min(count), up_to.min(count));
        while low < high {
            let middle = (low + high) / 2;
            if self.key(middle) <= key {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    #[inline]
    fn octets(&self, slot: usize) -> &'a RecordOctets {
        array(self.page, RECORDS_AT + slot * RECORD_OCTETS)
    }

    /// Whether shared octets and heads are those of the keys, and unused places empty.
    pub(crate) fn is_consistent(&self) -> bool {
        let count = self.count();
        let (first, last) = (self.key(0), self.key(count - 1));
        let head_at = shared_octets(first, last).min(SHARED_MAX);
        usize::from(self.page[HEAD_AT_AT]) == head_at
            && leading_word(self.page, SHARED_AT)
                == leading_word(first, 0) & mask_of_leading(head_at)
            && (0..BLOCK_RECORDS).all(|slot| {
                let expected = if slot < count {
                    head(self.key(slot), head_at)
                } else {
                    u32::MAX
                };
                read_u32(self.page, HEADS_AT + slot * HEAD_OCTETS) == expected
            })
    }
}

/// Four octets of a key as a number that sorts as they do.
#[inline]
fn head(key: &Key, head_at: usize) -> u32 {
    u32::from_be_bytes(*array(key, head_at))
}

/// A record on its way into a new block: out of an old one, or out of an edit.
#[derive(Clone, Copy)]
pub(crate) enum Source<'a> {
    /// As it was.
    Kept(RecordView<'a>),
    /// As it shall be.
    Changed(&'a Key, &'a StoredRecord),
}

impl<'a> Source<'a> {
    /// The record that an edit leaves, if it leaves one.
    pub(crate) fn of_edit(edit: &'a Edit) -> Option<Self> {
        let after = edit.after.as_ref()?;
        Some(Self::Changed(&edit.key, after))
    }

    pub(crate) fn key(&self) -> &'a Key {
        match self {
            Self::Kept(view) => view.key(),
            Self::Changed(key, _) => key,
        }
    }

    fn times(&self) -> [u32; 3] {
        match self {
            Self::Kept(view) => view.times(),
            Self::Changed(_, record) => stored_times(record),
        }
    }
}

/// Writes a block of 1 to 16 records in ascending order.
pub(crate) fn write_block(
    sources: &[Source<'_>],
    fence: Option<&Key>,
    version: u64,
    unit_secs: u32,
) -> Box<Page> {
    debug_assert!((1..=BLOCK_RECORDS).contains(&sources.len()));
    let mut page = blank(PageKind::Data);
    let first = sources.first().expect("a block has a record").key();
    let last = sources.last().expect("a block has a record").key();
    let head_at = shared_octets(first, last).min(SHARED_MAX);
    page[COUNT_AT] = sources.len() as u8;
    page[HEAD_AT_AT] = head_at as u8;
    page[SHARED_AT..SHARED_AT + head_at].copy_from_slice(&first[..head_at]);
    page[HEADS_AT..RECORDS_AT].fill(0xFF);
    let base_secs = base_of(sources.iter().flat_map(Source::times), unit_secs);
    write_u32(&mut page, BASE_AT, base_secs);
    for (slot, source) in sources.iter().enumerate() {
        let key = source.key();
        write_u32(&mut page, HEADS_AT + slot * HEAD_OCTETS, head(key, head_at));
        let out = page[RECORDS_AT + slot * RECORD_OCTETS..]
            .first_chunk_mut()
            .expect("16 records fit in a page");
        match source {
            Source::Kept(view) => encode_copy(out, *view, base_secs),
            Source::Changed(key, record) => encode(out, key, record, base_secs, unit_secs),
        }
    }
    finish(&mut page, fence, version);
    page
}

fn finish(page: &mut Page, fence: Option<&Key>, version: u64) {
    let (flags, key) = match fence {
        Some(key) => (HAS_FENCE, *key),
        None => (0, [0; KEY_OCTETS]),
    };
    page[FLAGS_AT] = flags;
    page[FENCE_AT..FENCE_AT + KEY_OCTETS].copy_from_slice(&key);
    write_u64(page, VERSION_AT, version);
    seal(page);
}

/// Counting compare over the heads of a block: no branch a head, all lanes at once where the
/// compiler's target has them (SSE2 on every x86-64, NEON on every aarch64).
mod heads {
    use super::{BLOCK_RECORDS, HEAD_OCTETS};

    /// How many heads are below this one, and how many are at or below it.
    #[inline]
    pub(super) fn count(heads: &[u8; BLOCK_RECORDS * HEAD_OCTETS], head: u32) -> (usize, usize) {
        let (mut below, mut up_to) = (0_u32, 0_u32);
        for octets in heads.as_chunks::<HEAD_OCTETS>().0 {
            let other = u32::from_le_bytes(*octets);
            below = below.wrapping_add(u32::from(other < head));
            up_to = up_to.wrapping_add(u32::from(other <= head));
        }
        (below as usize, up_to as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::State;
    use super::*;
    use proptest::prelude::*;

    const UNSIGNED: StoredRecord = StoredRecord {
        state: State::Inactive {
            withdrawn_until: None,
        },
        nsec: None,
        first: None,
        tlsa: None,
    };

    fn block_of(keys: &[Key], fence: Option<&Key>) -> Box<Page> {
        let sources: Vec<_> = keys
            .iter()
            .map(|key| Source::Changed(key, &UNSIGNED))
            .collect();
        write_block(&sources, fence, 3, 1)
    }

    fn key_strategy() -> impl Strategy<Value = Key> {
        // Few different octets, so that shared beginnings and tied heads are common.
        prop::array::uniform18(prop::sample::select(vec![0_u8, 1, 0x7F, 0x80, 0xFF]))
    }

    proptest! {
        #[test]
        fn floor_is_the_last_key_at_or_before(
            mut keys in prop::collection::btree_set(key_strategy(), 1..=16),
            shared in 0_usize..18,
            asked in prop::collection::vec(key_strategy(), 8),
        ) {
            let sample = *keys.first().expect("not empty");
            keys = keys.iter().map(|key| {
                let mut key = *key;
                key[..shared].copy_from_slice(&sample[..shared]);
                key
            }).collect();
            let keys: Vec<Key> = keys.into_iter().collect();
            let page = block_of(&keys, None);
            let block = BlockView::new(&page, 9, 1).expect("a block");
            prop_assert!(block.is_consistent());
            for key in asked.iter().chain(&keys) {
                let expected = keys.iter().rposition(|known| known <= key);
                prop_assert_eq!(block.floor(key), expected);
            }
        }
    }

    #[test]
    fn next_key_of_the_last_record_is_the_fence() {
        let keys = [[1; 18], [2; 18]];
        let page = block_of(&keys, Some(&[9; 18]));
        let block = BlockView::new(&page, 9, 1).expect("a block");
        assert_eq!(block.next_key(0), Some(&[2; 18]));
        assert_eq!(block.next_key(1), Some(&[9; 18]));
        assert_eq!(block.version(), 3);
        assert_eq!(block.find(&[2; 18]), Some(1));
        assert_eq!(block.find(&[3; 18]), None);
    }

    #[test]
    fn page_of_another_kind_or_count_is_damaged() {
        let whole = block_of(&[[1; 18]], None);
        for (at, value) in [(4, 2), (COUNT_AT, 0), (COUNT_AT, 17), (HEAD_AT_AT, 15)] {
            let mut page = whole.clone();
            page[at] = value;
            assert!(BlockView::new(&page, 9, 1).is_err(), "octet {at} = {value}");
        }
    }
}
