//! What becomes of a page that was whole, was dropped from memory, and cannot be read again.
//!
//! Touching it raises SIGBUS in the thread that reads. The handler here puts zeros in its place, so
//! that the thread goes on; it marks the page as one that is refused, and counts it. Whoever has read
//! meanwhile sees the count, and throws away what it made ([`Mapping::lost`](super::Mapping::lost)).
//! Any other bus error ends the process as it would without us, after a line that says so.
//!
//! # Invariant
//!
//! - Nothing in the handler but atomics, mmap(2), write(2), sigaction(2), raise(3) and `errno`, which
//!   it puts back: it takes no lock and no memory.
//! - A slot says where a mapping is from before anybody can read the mapping until nobody can any
//!   more. A thread that faults in a mapping is reading it; so the slot that holds the address stays
//!   as it is while the handler works on it. `end` is not 0 only while `start` is its own: it is set
//!   last and cleared first, and read on both sides of `start`.
//! - The marks are made before the zeros appear. Whoever has read a zero and then looks at the count
//!   (with an acquire fence between) finds it changed.

use std::ptr::{NonNull, null_mut};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};

use super::memory::{Instead, replace};
use crate::store::page::PAGE_OCTETS;

/// Mappings that are looked after at a time; a process of ours has three at most, its tests more.
const SLOTS: usize = 512;
/// Lost pages of which a line is written; the alarm tells of the others.
const LINES_MAX: u64 = 8;

const LOST: &[u8] = b"ERROR alarm=true page=";
const LOST_ENDING: &[u8] =
    b" a page of zone/blocks cannot be read any more (SIGBUS): the names under \
    it are refused; repair it with 'iot-registry zone rebuild'\n";
const ENDING: &[u8] =
    b"ERROR alarm=true bus error (SIGBUS) that cannot be gone around: the process \
    ends, and the service manager starts it anew\n";

static TABLE: [Slot; SLOTS] = [const { Slot::empty() }; SLOTS];
static HANDLER: Once = Once::new();
/// What was to be done about the signal before; written once, before the handler can run.
static BEFORE: AtomicPtr<libc::sigaction> = AtomicPtr::new(null_mut());
static LINES: AtomicU64 = AtomicU64::new(0);

/// Where one mapping is, and its marks.
#[derive(Debug)]
struct Slot {
    is_taken: AtomicBool,
    start: AtomicUsize,
    end: AtomicUsize,
    is_private: AtomicBool,
    checked: AtomicPtr<AtomicU64>,
    refused: AtomicPtr<AtomicU64>,
    /// Pages lost, of whatever mapping had the slot.
    lost: AtomicU64,
}

impl Slot {
    const fn empty() -> Self {
        Self {
            is_taken: AtomicBool::new(false),
            start: AtomicUsize::new(0),
            end: AtomicUsize::new(0),
            is_private: AtomicBool::new(false),
            checked: AtomicPtr::new(null_mut()),
            refused: AtomicPtr::new(null_mut()),
            lost: AtomicU64::new(0),
        }
    }

    fn holds(&self, address: usize) -> bool {
        let end = self.end.load(Ordering::SeqCst);
        let start = self.start.load(Ordering::SeqCst);
        end == self.end.load(Ordering::SeqCst) && (start..end).contains(&address)
    }

    /// Marks the page at an address and puts zeros in its place. Its number; none where the system
    /// has no zeros to give.
    fn lose(&self, address: usize) -> Option<usize> {
        let start = self.start.load(Ordering::SeqCst);
        let page = (address - start) / PAGE_OCTETS;
        let bit = 1 << (page % 64);
        let checked = self.checked.load(Ordering::SeqCst);
        let refused = self.refused.load(Ordering::SeqCst);
        // SAFETY: both have a bit for each page of the mapping, which holds the address.
        unsafe {
            (*refused.add(page / 64)).fetch_or(bit, Ordering::SeqCst);
            (*checked.add(page / 64)).fetch_and(!bit, Ordering::SeqCst);
        }
        self.lost.fetch_add(1, Ordering::SeqCst);
        let instead = if self.is_private.load(Ordering::SeqCst) {
            Instead::OwnZeros
        } else {
            Instead::Zeros
        };
        let place = (start + page * PAGE_OCTETS) as *mut u8;
        // SAFETY: a page of a mapping of ours that lives (see the invariant); readers look at the
        // count after they have read.
        unsafe { replace(place, PAGE_OCTETS, instead) }.then_some(page)
    }
}

/// Has the handler look after a mapping, until [`Ward::end`].
#[derive(Debug)]
pub(super) struct Ward {
    slot: Option<&'static Slot>,
}

impl Ward {
    /// Looks after a range of addresses. `checked` and `refused` have a bit for each page in it, and
    /// are mapped as long as it.
    pub(super) fn over(
        base: NonNull<u8>,
        octets: usize,
        is_private: bool,
        checked: NonNull<AtomicU64>,
        refused: NonNull<AtomicU64>,
    ) -> Self {
        HANDLER.call_once(install);
        let slot = TABLE.iter().find(|slot| {
            let taken =
                slot.is_taken
                    .compare_exchange(false, true, Ordering::SeqCst, Ordering::SeqCst);
            taken.is_ok()
        });
        let start = base.as_ptr() as usize;
        match slot {
            Some(slot) => {
                slot.is_private.store(is_private, Ordering::SeqCst);
                slot.checked.store(checked.as_ptr(), Ordering::SeqCst);
                slot.refused.store(refused.as_ptr(), Ordering::SeqCst);
                slot.start.store(start, Ordering::SeqCst);
                slot.end.store(start + octets, Ordering::SeqCst);
            }
            None => tracing::warn!("too many zones are mapped; a bad sector under one ends us"),
        }
        Self { slot }
    }

    /// Pages of the range that were lost, and what was counted before.
    #[inline]
    pub(super) fn lost(&self) -> u64 {
        self.slot
            .map_or(0, |slot| slot.lost.load(Ordering::Acquire))
    }

    /// Before the range is unmapped.
    pub(super) fn end(&mut self) {
        if let Some(slot) = self.slot.take() {
            slot.end.store(0, Ordering::SeqCst);
            slot.is_taken.store(false, Ordering::SeqCst);
        }
    }
}

fn install() {
    // SAFETY: a structure of numbers and a function's address, for which zeros are valid.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    let mut before = Box::new(action);
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
    action.sa_sigaction = on_bus_error as *const () as usize;
    // SAFETY: asks for the present action, then sets one whose handler keeps to the invariant; the
    // structures live during the calls, and `before` for ever.
    let outcome = unsafe {
        libc::sigaction(libc::SIGBUS, std::ptr::null(), &raw mut *before);
        BEFORE.store(Box::into_raw(before), Ordering::SeqCst);
        libc::sigaction(libc::SIGBUS, &raw const action, null_mut())
    };
    if outcome != 0 {
        tracing::warn!("no handler for bus errors; a sector that goes bad ends the process");
    }
}

extern "C" fn on_bus_error(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    _context: *mut libc::c_void,
) {
    // SAFETY: the system gives a handler with SA_SIGINFO the structure, with an address for a fault;
    // `errno` is this thread's own.
    let (errno, code, address) = unsafe {
        let info = &*info;
        (
            *libc::__errno_location(),
            info.si_code,
            info.si_addr() as usize,
        )
    };
    // Faults of this thread's own, not signals that somebody sent.
    let is_fault = code > 0;
    let slot = TABLE.iter().find(|slot| is_fault && slot.holds(address));
    if let Some(page) = slot.and_then(|slot| slot.lose(address)) {
        if LINES.fetch_add(1, Ordering::SeqCst) < LINES_MAX {
            say_lost(page);
        }
    } else {
        say(ENDING);
        let before = BEFORE.load(Ordering::SeqCst);
        // SAFETY: what was there before takes over: when the access is repeated, or at once.
        unsafe {
            libc::sigaction(signal, before, null_mut());
            if !is_fault {
                libc::raise(signal);
            }
        }
    }
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = errno };
}

/// Writes the line about a page in one piece.
fn say_lost(page: usize) {
    let mut digits = [b'0'; 10];
    let mut left = page;
    for digit in digits.iter_mut().rev() {
        *digit += (left % 10) as u8;
        left /= 10;
    }
    let leading = digits.iter().take(9).take_while(|digit| **digit == b'0');
    let number = digits.get(leading.count()..).unwrap_or_default();
    let mut line = [0; LOST.len() + 10 + LOST_ENDING.len()];
    let octets = LOST.iter().chain(number).chain(LOST_ENDING);
    let mut length = 0;
    for (place, octet) in line.iter_mut().zip(octets) {
        *place = *octet;
        length += 1;
    }
    say(line.get(..length).unwrap_or_default());
}

fn say(line: &[u8]) {
    // SAFETY: octets that live during the call. If it fails there is nobody to tell.
    unsafe { libc::write(libc::STDERR_FILENO, line.as_ptr().cast(), line.len()) };
}
