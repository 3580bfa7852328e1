//! Index pages: the first keys and the page numbers of the level below.
//!
//! ```text
//! 0..4      CRC32C of the rest
//! 4         kind
//! 5         level: 1 points to data blocks
//! 6..8      count of entries, at least 1
//! 8..16     zone version that wrote it
//! 16        octets that all keys here share, 0..=17
//! 17..35    those octets
//! 35..      the rest of each key, ascending; then the page numbers, 4 octets each
//! ```
//!
//! Real fleets share long prefixes, so a fixed number of leading octets tells nothing; stripped of
//! what the page's keys share, eight octets nearly always decide.

use std::cmp::Ordering;

use super::page::{
    Damaged, KEY_OCTETS, Key, LEADING_OCTETS, PAGE_OCTETS, Page, PageKind, PageNo, array, blank,
    is_kind, leading_word, mask_of_leading, read_u16, read_u32, seal, shared_octets, write_u16,
    write_u64,
};

const LEVEL_AT: usize = 5;
const COUNT_AT: usize = 6;
const VERSION_AT: usize = 8;
const PREFIX_OCTETS_AT: usize = 16;
const PREFIX_AT: usize = 17;
const ENTRIES_AT: usize = 35;
const NUMBER_OCTETS: usize = 4;
/// At least one octet of a key stays in the entry.
const PREFIX_MAX: usize = KEY_OCTETS - 1;
const WORD_OCTETS: usize = 8;

/// An index page.
#[derive(Clone, Copy)]
pub(crate) struct IndexView<'a> {
    page: &'a Page,
    prefix: usize,
    count: usize,
}

impl<'a> IndexView<'a> {
    /// The index in a page whose checksum is right; fails when it is none of this level.
    #[inline]
    pub(crate) fn new(page: &'a Page, number: PageNo, level: u8) -> Result<Self, Damaged> {
        let prefix = usize::from(page[PREFIX_OCTETS_AT]);
        let count = usize::from(read_u16(page, COUNT_AT));
        if !is_kind(page, PageKind::Index)
            || page[LEVEL_AT] != level
            || prefix > PREFIX_MAX
            || count == 0
            || octets_of(count, prefix) > PAGE_OCTETS
        {
            return Err(Damaged { page: number });
        }
        Ok(Self {
            page,
            prefix,
            count,
        })
    }

    /// Entries in it, at least one.
    #[inline]
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// First key of a child.
    #[inline]
    pub(crate) fn key(&self, at: usize) -> Key {
        // Read with as many octets in front as the prefix has, which then takes their place.
        let start = ENTRIES_AT + at * self.suffix_octets() - self.prefix;
        let mut key: Key = *array(self.page, start);
        let mask = mask_of_leading(self.prefix.min(LEADING_OCTETS));
        let shared = leading_word(self.page, PREFIX_AT) & mask;
        let word = leading_word(&key, 0) & !mask | shared;
        key[..LEADING_OCTETS].copy_from_slice(&word.to_be_bytes());
        if self.prefix == PREFIX_MAX {
            key[LEADING_OCTETS] = self.page[PREFIX_AT + LEADING_OCTETS];
        }
        key
    }

    /// Page of a child.
    #[inline]
    pub(crate) fn child(&self, at: usize) -> PageNo {
        let numbers_at = ENTRIES_AT + self.count * self.suffix_octets();
        read_u32(self.page, numbers_at + at * NUMBER_OCTETS)
    }

    /// The last child whose first key is at or before this one.
    #[inline]
    pub(crate) fn floor(&self, key: &Key) -> Option<usize> {
        let mut search = self.search(key);
        while search.step() {}
        search.finish(key)
    }

    /// Begins to look for the last child whose first key is at or before this one.
    #[inline]
    pub(crate) fn search(&self, key: &Key) -> Search<'a> {
        // What is beyond the prefix in its field is zero.
        let mask = mask_of_leading(self.prefix.min(LEADING_OCTETS));
        let mut order = (leading_word(key, 0) & mask).cmp(&leading_word(self.page, PREFIX_AT));
        if self.prefix == PREFIX_MAX {
            let last = self.page[PREFIX_AT + LEADING_OCTETS];
            order = order.then(key[LEADING_OCTETS].cmp(&last));
        }
        let (low, length) = match order {
            Ordering::Less => (0, 0),
            Ordering::Greater => (self.count, 0),
            Ordering::Equal => (0, self.count),
        };
        Search {
            index: *self,
            wanted: word_of(&key[self.prefix..]),
            low,
            length,
        }
    }

    /// How many entries are at or before a suffix, the first of those that tie with it being `low`.
    #[cold]
    fn tied_up_to(&self, mut low: usize, wanted: u64, suffix: &[u8]) -> usize {
        let mut high = self.count;
        while low < high {
            let middle = (low + high) / 2;
            if self.word(middle) == wanted && self.suffix(middle) <= suffix {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The first eight octets of a suffix as a number; all of a shorter one.
    #[inline]
    fn word(&self, at: usize) -> u64 {
        let octets = self.suffix_octets();
        // What an eight-octet read takes from beyond a short suffix is shifted out.
        let shift = 8 * WORD_OCTETS.saturating_sub(octets) as u32;
        // Entries and numbers lie within the page, so a word of an entry ends there; the bound says
        // so to the compiler, and no branch is left.
        let start = ENTRIES_AT.wrapping_add(at.wrapping_mul(octets));
        let start = start.min(PAGE_OCTETS - WORD_OCTETS);
        u64::from_be_bytes(*array(self.page, start)).wrapping_shr(shift)
    }

    #[inline]
    fn suffix_octets(&self) -> usize {
        KEY_OCTETS - self.prefix
    }

    #[inline]
    fn suffix(&self, at: usize) -> &'a [u8] {
        let octets = self.suffix_octets();
        let start = ENTRIES_AT + at * octets;
        &self.page[start..start + octets]
    }
}

/// A binary search without a branch, on the first eight octets of the suffixes as one number. It goes
/// step by step, so that those of a whole batch can go on while each waits for memory.
#[derive(Clone, Copy)]
pub(crate) struct Search<'a> {
    index: IndexView<'a>,
    wanted: u64,
    /// So many entries are below for certain.
    low: usize,
    /// So many after them are not known yet; 0 when the common prefix decided.
    length: usize,
}

impl Search<'_> {
    /// Halves what is not known; false when only one entry is left.
    #[inline]
    pub(crate) fn step(&mut self) -> bool {
        if self.length <= 1 {
            return false;
        }
        // `low + length` never exceeds the count, so nothing wraps; checks would cost as much as
        // the search.
        let half = self.length / 2;
        let middle = self.low.wrapping_add(half);
        let is_below = self.index.word(middle.wrapping_sub(1)) < self.wanted;
        self.low = if is_below { middle } else { self.low };
        self.length = self.length.wrapping_sub(half);
        true
    }

    /// The child, after the last step; none when the key is before the first.
    #[inline]
    pub(crate) fn finish(self, key: &Key) -> Option<usize> {
        let Self {
            index, wanted, low, ..
        } = self;
        if self.length == 0 {
            return low.checked_sub(1);
        }
        let low = low.wrapping_add(usize::from(index.word(low) < wanted));
        if low < index.count && index.word(low) == wanted {
            return index
                .tied_up_to(low, wanted, &key[index.prefix..])
                .checked_sub(1);
        }
        low.checked_sub(1)
    }

    /// The page that was searched.
    #[inline]
    pub(crate) fn index(&self) -> IndexView<'_> {
        self.index
    }
}

/// The first eight octets of a suffix, or all of a shorter one, as a number.
#[inline]
fn word_of(suffix: &[u8]) -> u64 {
    match suffix.first_chunk() {
        Some(octets) => u64::from_be_bytes(*octets),
        None => suffix
            .iter()
            .fold(0, |word, octet| (word << 8) | u64::from(*octet)),
    }
}

fn octets_of(count: usize, prefix: usize) -> usize {
    ENTRIES_AT + count * (KEY_OCTETS - prefix + NUMBER_OCTETS)
}

/// Octets that the keys of an ascending run share and its page strips.
fn prefix_of(first: &Key, last: &Key) -> usize {
    shared_octets(first, last).min(PREFIX_MAX)
}

/// Most entries of a page whose keys lie between these two.
pub(crate) fn capacity(first: &Key, last: &Key) -> usize {
    (PAGE_OCTETS - ENTRIES_AT) / (KEY_OCTETS - prefix_of(first, last) + NUMBER_OCTETS)
}

/// Writes an index page of ascending entries, at least one and at most their [`capacity`].
pub(crate) fn write_index(entries: &[(Key, PageNo)], level: u8, version: u64) -> Box<Page> {
    let mut page = blank(PageKind::Index);
    let first = &entries.first().expect("an index page has an entry").0;
    let last = &entries.last().expect("an index page has an entry").0;
    let prefix = prefix_of(first, last);
    let suffix = KEY_OCTETS - prefix;
    let count = u16::try_from(entries.len()).expect("at most 812 entries fit in a page");
    page[LEVEL_AT] = level;
    write_u16(&mut page, COUNT_AT, count);
    page[PREFIX_OCTETS_AT] = prefix as u8;
    page[PREFIX_AT..PREFIX_AT + prefix].copy_from_slice(&first[..prefix]);
    for (at, (key, _)) in entries.iter().enumerate() {
        // Written with zeros after it, which the next entry and the numbers overwrite.
        let mut shifted = [0; KEY_OCTETS + PREFIX_MAX];
        shifted[..KEY_OCTETS].copy_from_slice(key);
        let start = ENTRIES_AT + at * suffix;
        let shifted: &Key = array(&shifted, prefix);
        page[start..start + KEY_OCTETS].copy_from_slice(shifted);
    }
    set_children(
        &mut page,
        entries.iter().map(|(_, number)| *number),
        version,
    );
    page
}

/// Copies an index page with other page numbers, as many as it has.
pub(crate) fn write_renumbered(
    old: IndexView<'_>,
    children: impl Iterator<Item = PageNo>,
    version: u64,
) -> Box<Page> {
    let mut page = Box::new(*old.page);
    set_children(&mut page, children, version);
    page
}

fn set_children(page: &mut Page, children: impl Iterator<Item = PageNo>, version: u64) {
    let count = usize::from(read_u16(page, COUNT_AT));
    let suffix = KEY_OCTETS - usize::from(page[PREFIX_OCTETS_AT]);
    let numbers = &mut page[ENTRIES_AT + count * suffix..];
    for (place, number) in numbers.chunks_exact_mut(NUMBER_OCTETS).zip(children) {
        place.copy_from_slice(&number.to_le_bytes());
    }
    write_u64(page, VERSION_AT, version);
    seal(page);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key_strategy() -> impl Strategy<Value = Key> {
        prop::array::uniform18(prop::sample::select(vec![0_u8, 1, 0x80, 0xFF]))
    }

    proptest! {
        #[test]
        fn floor_is_the_last_entry_at_or_before(
            keys in prop::collection::btree_set(key_strategy(), 1..150),
            shared in 0_usize..=17,
            asked in prop::collection::vec(key_strategy(), 8),
        ) {
            let sample = *keys.first().expect("not empty");
            let share = |key: &Key| {
                let mut key = *key;
                key[..shared].copy_from_slice(&sample[..shared]);
                key
            };
            let keys: std::collections::BTreeSet<Key> = keys.iter().map(share).collect();
            let entries: Vec<_> = keys.iter().enumerate()
                .map(|(at, key)| (*key, at as PageNo + 5)).collect();
            let page = write_index(&entries, 2, 1);
            let index = IndexView::new(&page, 9, 2).expect("an index");
            for (at, (key, number)) in entries.iter().enumerate() {
                prop_assert_eq!(index.key(at), *key);
                prop_assert_eq!(index.child(at), *number);
            }
            let keys: Vec<Key> = keys.into_iter().collect();
            let shared_asked: Vec<Key> = asked.iter().map(share).collect();
            for key in asked.iter().chain(&shared_asked).chain(&keys) {
                let expected = keys.iter().rposition(|known| known <= key);
                prop_assert_eq!(index.floor(key), expected);
            }
        }
    }

    #[test]
    fn full_page_of_any_prefix_fits() {
        for shared in 0..=17_usize {
            let (mut first, mut last) = ([0; 18], [0; 18]);
            (first[shared], last[shared]) = (1, 2);
            let count = capacity(&first, &last);
            let mut entries = vec![(first, 7); count - 1];
            entries.push((last, 8));
            let page = write_index(&entries, 1, 1);
            let index = IndexView::new(&page, 9, 1).expect("an index");
            assert_eq!(index.child(count - 1), 8);
            assert_eq!(index.floor(&last), Some(count - 1));
        }
    }

    #[test]
    fn page_of_another_level_or_length_is_damaged() {
        let whole = write_index(&[([1; 18], 5)], 1, 1);
        assert!(IndexView::new(&whole, 9, 1).is_ok());
        assert!(IndexView::new(&whole, 9, 2).is_err());
        for (at, value) in [
            (4, 1),
            (COUNT_AT, 0),
            (COUNT_AT + 1, 0xFF),
            (PREFIX_OCTETS_AT, 18),
        ] {
            let mut page = whole.clone();
            page[at] = value;
            assert!(IndexView::new(&page, 9, 1).is_err(), "octet {at} = {value}");
        }
    }
}
