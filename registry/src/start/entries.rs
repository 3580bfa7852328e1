//! The database's zone as an iterator for the thread that builds or checks the zone.

use std::vec;

use tokio::sync::mpsc;

use crate::store::{Projection, StoreError, ZoneEntry};

/// Pages that are read ahead.
const PAGES_AHEAD: usize = 4;

/// Names in canonical order, read by a task of their own. For threads that may block.
pub(crate) struct Entries {
    pages: mpsc::Receiver<Result<Vec<ZoneEntry>, StoreError>>,
    page: vec::IntoIter<ZoneEntry>,
}

impl Entries {
    /// Begins to read; ends with the iterator.
    pub(crate) fn read(mut projection: Projection) -> Self {
        let (sender, pages) = mpsc::channel(PAGES_AHEAD);
        tokio::spawn(async move {
            loop {
                let page = projection.next_page().await;
                let last = page.as_ref().map_or(true, Vec::is_empty);
                if sender.send(page).await.is_err() || last {
                    return;
                }
            }
        });
        Self {
            pages,
            page: Vec::new().into_iter(),
        }
    }
}

impl Iterator for Entries {
    type Item = Result<ZoneEntry, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.page.next() {
                return Some(Ok(entry));
            }
            match self.pages.blocking_recv()? {
                Ok(page) if page.is_empty() => return None,
                Ok(page) => self.page = page.into_iter(),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
