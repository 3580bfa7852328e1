//! The issuer's door: INSTALL \[for personalization\] and STORE DATA (GlobalPlatform Card
//! Specification 2.3, §11.5 and §11.11), with one TLV command in each block.
//!
//! IoT.05 leaves writing files to the issuer's own means. The TLV commands follow the only card
//! whose manual describes them: 74 create a file container, 75 select a file, 77 its next octets,
//! 76 delete a file container. Selecting begins new content; a file selected and not written ends
//! up empty. Blocks are numbered from 0; nothing happens on the card before the last block (P1 =
//! 80), and any error throws the whole script away.
//!
//! Secure channel: none. The door is an option of the card and closed by default.

use super::command_data::{ObjectKind, ObjectReference, take_value};
use super::file::FILE_CAPACITY_OCTETS;
use super::object::ObjectStore;
use super::personalisation::{
    Access, Aid, FileContainer, FileUsage, ObjectName, PersonalisationError,
};
use crate::apdu::{Command, StatusWord, Tlv, tag};

/// P1 of INSTALL "for personalization".
const FOR_PERSONALIZATION: u8 = 0x20;

/// A personalisation script that has begun.
#[derive(Default)]
pub(crate) struct Script {
    next_block: u8,
    changes: Vec<Change>,
}

/// One change that the last block will make.
enum Change {
    Create(FileContainer),
    Delete(OwnedReference),
    Write(OwnedReference, Vec<u8>),
}

/// A reference that outlives its command.
#[derive(Clone)]
enum OwnedReference {
    Id(Vec<u8>),
    Label(Vec<u8>),
}

/// INSTALL \[for personalization\]: the data field names the applet, all else is empty.
pub(crate) fn install(aids: &[Aid], command: &Command<'_>) -> Result<Script, StatusWord> {
    if (command.p1, command.p2) != (FOR_PERSONALIZATION, 0) {
        return Err(StatusWord::INCORRECT_P1_P2);
    }
    // Empty load file AID, empty module AID, application AID, privileges, parameters, token.
    let [0, 0, length, rest @ ..] = command.data else {
        return Err(StatusWord::INCORRECT_DATA);
    };
    match rest.split_at_checked(usize::from(*length)) {
        Some((aid, [0, 0, 0])) if aids.iter().any(|known| known.as_octets() == aid) => {
            Ok(Script::default())
        }
        Some((_, [0, 0, 0])) => Err(StatusWord::REFERENCED_DATA_NOT_FOUND),
        _ => Err(StatusWord::INCORRECT_DATA),
    }
}

impl Script {
    /// STORE DATA: one block. Returns the script while it goes on; the last block carries it out.
    pub(crate) fn store_data(
        mut self,
        store: &mut ObjectStore,
        command: &Command<'_>,
    ) -> Result<Option<Self>, StatusWord> {
        let last = super::session::is_last_part(command.p1)?;
        if command.p2 != self.next_block {
            return Err(StatusWord::INCORRECT_P1_P2);
        }
        match Tlv::take(command.data) {
            Ok((object, [])) => self.add(store, object)?,
            _ => return Err(StatusWord::INCORRECT_DATA),
        }
        if last {
            apply(self.changes, store)?;
            return Ok(None);
        }
        self.next_block = self
            .next_block
            .checked_add(1)
            .ok_or(StatusWord::NOT_ENOUGH_MEMORY)?;
        Ok(Some(self))
    }

    /// Takes in one TLV command.
    fn add(&mut self, store: &ObjectStore, object: Tlv<'_>) -> Result<(), StatusWord> {
        match object.tag {
            tag::CREATE_FILE => self.changes.push(Change::Create(new_file(object.value)?)),
            tag::SELECT_FILE => {
                let file = self.known_file(store, object.value)?;
                self.changes.push(Change::Write(file, Vec::new()));
            }
            tag::DELETE_FILE => {
                let file = self.known_file(store, object.value)?;
                self.changes.push(Change::Delete(file));
            }
            tag::UPDATE_FILE => {
                let Some(Change::Write(_, content)) = self.changes.last_mut() else {
                    return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
                };
                if content.len() + object.value.len() > FILE_CAPACITY_OCTETS {
                    return Err(StatusWord::NOT_ENOUGH_MEMORY);
                }
                content.extend_from_slice(object.value);
            }
            _ => return Err(StatusWord::INCORRECT_DATA),
        }
        Ok(())
    }

    /// A file that is on the card, or that this script has created.
    fn known_file(&self, store: &ObjectStore, data: &[u8]) -> Result<OwnedReference, StatusWord> {
        let reference = ObjectKind::File.only_reference(data)?;
        let created = self.changes.iter().any(|change| {
            matches!(change, Change::Create(container) if reference.names(&container.name))
        });
        if !created {
            store.file(&reference)?;
        }
        Ok(OwnedReference::from(reference))
    }
}

/// The container that 74 describes: id, and if wanted label and usage. Readable by the terminal.
fn new_file(data: &[u8]) -> Result<FileContainer, StatusWord> {
    let mut objects = Tlv::read_all(data).map_err(|_| StatusWord::INCORRECT_DATA)?;
    let id = take_value(&mut objects, tag::FILE_ID).ok_or(StatusWord::INCORRECT_DATA)?;
    let label = take_value(&mut objects, tag::FILE_LABEL)
        .map(|label| String::from_utf8(label.to_vec()))
        .transpose()
        .map_err(|_| StatusWord::INCORRECT_DATA)?;
    let usage = match take_value(&mut objects, tag::FILE_USAGE) {
        None | Some([1]) => FileUsage::General,
        Some([2]) => FileUsage::Certificate,
        Some(_) => return Err(StatusWord::INCORRECT_DATA),
    };
    if !objects.is_empty() {
        return Err(StatusWord::INCORRECT_DATA);
    }
    Ok(FileContainer {
        name: ObjectName {
            id: id.to_vec(),
            label,
        },
        access: Access::READ,
        usage,
        content: None,
    })
}

/// Carries a script out on a copy of the files, and keeps the copy only if all of it worked.
fn apply(changes: Vec<Change>, store: &mut ObjectStore) -> Result<(), StatusWord> {
    let before = store.files.clone();
    let result = changes
        .into_iter()
        .try_for_each(|change| apply_one(change, store));
    if result.is_err() {
        store.files = before;
    }
    result
}

fn apply_one(change: Change, store: &mut ObjectStore) -> Result<(), StatusWord> {
    match change {
        Change::Create(container) => store.add_file(container).map_err(|error| match error {
            PersonalisationError::TooManyObjects => StatusWord::NOT_ENOUGH_MEMORY,
            _ => StatusWord::INCORRECT_DATA,
        }),
        Change::Delete(file) => {
            let place = store.file(&file.borrow())?;
            store.files.remove(place);
            Ok(())
        }
        Change::Write(file, content) => {
            let place = store.file(&file.borrow())?;
            store.files[place].replace(content)
        }
    }
}

impl OwnedReference {
    fn borrow(&self) -> ObjectReference<'_> {
        match self {
            Self::Id(id) => ObjectReference::Id(id),
            Self::Label(label) => ObjectReference::Label(label),
        }
    }
}

impl From<ObjectReference<'_>> for OwnedReference {
    fn from(reference: ObjectReference<'_>) -> Self {
        match reference {
            ObjectReference::Id(id) => Self::Id(id.to_vec()),
            ObjectReference::Label(label) => Self::Label(label.to_vec()),
        }
    }
}
