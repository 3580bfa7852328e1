//! The first touch of a page, and what is done about one that cannot be read.

use std::io;
use std::ops::Range;
use std::sync::atomic::Ordering;

use super::Mapping;
use super::memory::Instead;
use crate::store::page::{Damaged, PAGE_OCTETS, PageNo, is_whole};
use crate::store::page_file::offset_of;

/// Pages that cannot be read of which an alarm is raised; more say no more.
const TOLD_MAX: u64 = 64;

impl Mapping {
    /// Verifies a page's checksum though it may have been verified before, and reads it again though
    /// it could not be read; for the scrub. A page found damaged is refused to everybody from then
    /// on.
    pub(crate) fn scrub(&self, page: PageNo) -> Result<(), Damaged> {
        if u64::from(page) < self.bounds.load(Ordering::Acquire)
            && self.can_be_read(page)
            && (!self.is_refused(page) || self.restore(page))
            && self.verify(page)
        {
            return Ok(());
        }
        Err(self.damage(page))
    }

    /// Reads pages into memory; blocks until they are there. Pages beyond the file are left out, and
    /// so are those that cannot be read, from then on for everybody; returns how many those are.
    pub(crate) fn populate(&self, pages: Range<PageNo>) -> io::Result<u64> {
        let end = pages.end.min(self.bounds());
        if pages.start >= end {
            return Ok(0);
        }
        match self.advise(pages.start as usize..end as usize, libc::MADV_POPULATE_READ) {
            Ok(()) => Ok(0),
            // A page among them cannot be read; which one, the call does not tell.
            Err(error) if is_of_a_page(&error) => {
                // The file may have been cut meanwhile.
                let present = (pages.start..end).take_while(|page| *page < self.bounds());
                let unreadable = present.filter(|page| !self.can_be_read(*page));
                Ok(unreadable.count() as u64)
            }
            Err(error) => Err(error),
        }
    }

    /// Reads a page that was not verified before, and remembers the outcome.
    #[cold]
    pub(super) fn check(&self, page: PageNo) -> bool {
        !self.is_refused(page) && self.can_be_read(page) && self.verify(page)
    }

    /// Reads a page through the file: an error is an error there, and not a signal. One that cannot
    /// be read is refused from then on.
    fn can_be_read(&self, page: PageNo) -> bool {
        if self.is_own(page) {
            return true;
        }
        let mut octets = [0; PAGE_OCTETS];
        let Err(error) = self.file.read_at(&mut octets, offset_of(page)) else {
            return true;
        };
        let (word, bit) = self.refused(page);
        let is_new = word.fetch_or(bit, Ordering::AcqRel) & bit == 0;
        let (word, bit) = self.checked(page);
        word.fetch_and(!bit, Ordering::AcqRel);
        if is_new && self.unreadable.fetch_add(1, Ordering::Relaxed) < TOLD_MAX {
            tracing::error!(
                alarm = true, page, %error,
                "a page of zone/blocks cannot be read: the names under it are refused; repair it \
                 with 'iot-registry zone rebuild'"
            );
        }
        false
    }

    /// Verifies the checksum and remembers the outcome.
    fn verify(&self, page: PageNo) -> bool {
        let (word, bit) = self.checked(page);
        let whole = is_whole(self.octets(page));
        if whole {
            word.fetch_or(bit, Ordering::AcqRel);
        } else {
            word.fetch_and(!bit, Ordering::AcqRel);
        }
        // It may have been lost while it was verified, and then by another thread. Who loses a page
        // refuses it first and clears the other mark then; so one of both sees what the other did.
        if whole && self.is_refused(page) {
            word.fetch_and(!bit, Ordering::AcqRel);
            return false;
        }
        whole
    }

    /// Puts the file's page in the place of the zeros that a page which was lost has become.
    pub(super) fn restore(&self, page: PageNo) -> bool {
        let file = self.file.raw();
        let instead = match &self.own {
            Some(_) => Instead::Private(file, offset_of(page)),
            None => Instead::Shared(file, offset_of(page)),
        };
        let page_at = page as usize;
        let is_restored = self.put_in_place(page, instead)
            && self.advise(page_at..page_at + 1, libc::MADV_RANDOM).is_ok();
        if is_restored {
            let (word, bit) = self.refused(page);
            word.fetch_and(!bit, Ordering::AcqRel);
        }
        is_restored
    }

    /// Whether the page is this process's, and not the file's.
    fn is_own(&self, page: PageNo) -> bool {
        self.own
            .as_ref()
            .is_some_and(|own| page >= own.from || own.written.contains(&page))
    }

    pub(super) fn is_refused(&self, page: PageNo) -> bool {
        let (word, bit) = self.refused(page);
        word.load(Ordering::Acquire) & bit != 0
    }
}

/// Whether advice failed because of a page, and not because the system does not know it.
fn is_of_a_page(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EFAULT | libc::EIO | libc::EHWPOISON)
    )
}
