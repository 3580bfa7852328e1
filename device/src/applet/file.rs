//! Files: content, and READ FILE as every known client can stand it.
//!
//! READ FILE has no length of its own, so clients read until something tells them to stop, and
//! they differ in what. The card therefore behaves as a file of a fixed capacity whose rest is
//! zeros: content first, zeros up to the capacity, then one empty success, then an error. Content
//! and zeros never share a response, and no response has more than 255 octets.

use super::personalisation::{Access, FileContainer, FileUsage, ObjectName, PersonalisationError};
use crate::apdu::StatusWord;

/// Octets that every file seems to have. CIRA's middleware reads to exactly this offset.
pub const FILE_CAPACITY_OCTETS: usize = 2048;
/// Most octets in one response of READ FILE.
const CHUNK_OCTETS_MAX: usize = 255;

/// A file container and its content.
#[derive(Clone)]
pub(crate) struct File {
    name: ObjectName,
    access: Access,
    usage: FileUsage,
    content: Option<Vec<u8>>,
}

impl File {
    pub(crate) fn new(container: FileContainer) -> Result<Self, PersonalisationError> {
        let mut file = Self {
            name: container.name,
            access: container.access,
            usage: container.usage,
            content: None,
        };
        let content = container.content.unwrap_or_default();
        let octets = content.len();
        file.replace(content)
            .map_err(|_| PersonalisationError::FileTooLong {
                octets,
                octets_max: FILE_CAPACITY_OCTETS,
            })?;
        Ok(file)
    }

    pub(crate) fn name(&self) -> &ObjectName {
        &self.name
    }

    pub(crate) fn access(&self) -> Access {
        self.access
    }

    pub(crate) fn usage(&self) -> FileUsage {
        self.usage
    }

    /// The content; `None` when the container is empty (state deactivated).
    pub(crate) fn content(&self) -> Option<&[u8]> {
        self.content.as_deref()
    }

    /// Replaces the content; no octets empty the container.
    pub(crate) fn replace(&mut self, content: Vec<u8>) -> Result<(), StatusWord> {
        if content.len() > FILE_CAPACITY_OCTETS {
            return Err(StatusWord::NOT_ENOUGH_MEMORY);
        }
        self.content = (!content.is_empty()).then_some(content);
        Ok(())
    }

    /// READ FILE: at most `expected_octets` from `offset`.
    pub(crate) fn read(
        &self,
        offset: u16,
        expected_octets: Option<u16>,
    ) -> Result<Vec<u8>, StatusWord> {
        let content = match &self.content {
            Some(content) if self.access.read => content,
            _ => return Err(StatusWord::CONDITIONS_NOT_SATISFIED),
        };
        let offset = usize::from(offset);
        if offset > FILE_CAPACITY_OCTETS {
            return Err(StatusWord::INCORRECT_P1_P2);
        }
        let most = expected_octets.map_or(CHUNK_OCTETS_MAX, |expected| {
            usize::from(expected).min(CHUNK_OCTETS_MAX)
        });
        if let Some(rest) = content.get(offset..)
            && !rest.is_empty()
        {
            return Ok(rest[..rest.len().min(most)].to_vec());
        }
        Ok(vec![0; most.min(FILE_CAPACITY_OCTETS - offset)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(octets: usize) -> File {
        File::new(FileContainer {
            name: ObjectName {
                id: vec![2],
                label: None,
            },
            access: Access::READ,
            usage: FileUsage::General,
            content: Some(vec![0xAA; octets]),
        })
        .unwrap()
    }

    #[test]
    fn content_comes_first_and_never_with_filler() {
        let file = file(300);
        assert_eq!(file.read(0, None).unwrap(), vec![0xAA; 255]);
        assert_eq!(file.read(255, Some(256)).unwrap(), vec![0xAA; 45]);
        assert_eq!(file.read(300, None).unwrap(), vec![0; 255]);
        assert_eq!(file.read(40, Some(50)).unwrap(), vec![0xAA; 50]);
    }

    #[test]
    fn reading_ends_at_the_capacity() {
        let file = file(300);
        assert_eq!(file.read(2040, None).unwrap(), vec![0; 8]);
        assert_eq!(file.read(2048, None).unwrap(), Vec::<u8>::new());
        assert_eq!(file.read(2049, None), Err(StatusWord::INCORRECT_P1_P2));
        assert_eq!(file.read(0x7FFF, None), Err(StatusWord::INCORRECT_P1_P2));
    }

    #[test]
    fn a_full_file_has_no_filler() {
        let mut file = file(FILE_CAPACITY_OCTETS);
        assert_eq!(file.read(2047, None).unwrap(), [0xAA]);
        assert_eq!(file.read(2048, None).unwrap(), Vec::<u8>::new());
        assert_eq!(
            file.replace(vec![0; FILE_CAPACITY_OCTETS + 1]),
            Err(StatusWord::NOT_ENOUGH_MEMORY)
        );
        assert_eq!(file.read(2047, None).unwrap(), [0xAA]);
    }

    #[test]
    fn an_empty_container_cannot_be_read() {
        let mut file = file(1);
        file.replace(Vec::new()).unwrap();
        assert_eq!(
            file.read(0, None),
            Err(StatusWord::CONDITIONS_NOT_SATISFIED)
        );
    }
}
