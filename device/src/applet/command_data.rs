//! Data fields of commands: which object, and with what parameters.

use super::personalisation::ObjectName;
use crate::apdu::{StatusWord, Tlv, tag};

/// An object as a command names it.
pub(crate) enum ObjectReference<'a> {
    /// By id.
    Id(&'a [u8]),
    /// By label.
    Label(&'a [u8]),
}

/// Which kind of object a reference is for; gives the tags of id and label.
#[derive(Clone, Copy)]
pub(crate) enum ObjectKind {
    PrivateKey,
    PublicKey,
    File,
}

impl ObjectReference<'_> {
    /// True when this is a name of the object.
    pub(crate) fn names(&self, name: &ObjectName) -> bool {
        match self {
            Self::Id(id) => name.id == *id,
            Self::Label(label) => name
                .label
                .as_ref()
                .is_some_and(|known| known.as_bytes() == *label),
        }
    }
}

impl ObjectKind {
    /// The reference in one data object, `None` when its tag is not one of this kind.
    pub(crate) fn reference<'a>(self, object: Tlv<'a>) -> Option<ObjectReference<'a>> {
        let [id_tag, label_tag] = match self {
            Self::PrivateKey => [tag::PRIVATE_KEY_ID, tag::PRIVATE_KEY_LABEL],
            Self::PublicKey => [tag::PUBLIC_KEY_ID, tag::PUBLIC_KEY_LABEL],
            Self::File => [tag::FILE_ID, tag::FILE_LABEL],
        };
        if object.tag == id_tag {
            Some(ObjectReference::Id(object.value))
        } else if object.tag == label_tag {
            Some(ObjectReference::Label(object.value))
        } else {
            None
        }
    }

    /// The reference in a data field that holds nothing else.
    pub(crate) fn only_reference(self, data: &[u8]) -> Result<ObjectReference<'_>, StatusWord> {
        match Tlv::take(data) {
            Ok((object, [])) => self.reference(object).ok_or(StatusWord::INCORRECT_DATA),
            _ => Err(StatusWord::INCORRECT_DATA),
        }
    }
}

/// Takes the one object with `wanted` out of `objects`: a second one stays behind, and is then an
/// object that nobody asked for.
pub(crate) fn take_value<'a>(objects: &mut Vec<Tlv<'a>>, wanted: u8) -> Option<&'a [u8]> {
    let place = objects.iter().position(|object| object.tag == wanted)?;
    Some(objects.remove(place).value)
}

/// Takes the one reference to an object of `kind` out of `objects`.
pub(crate) fn take_reference<'a>(
    objects: &mut Vec<Tlv<'a>>,
    kind: ObjectKind,
) -> Result<ObjectReference<'a>, StatusWord> {
    let place = objects
        .iter()
        .position(|object| kind.reference(*object).is_some())
        .ok_or(StatusWord::INCORRECT_DATA)?;
    kind.reference(objects.remove(place))
        .ok_or(StatusWord::INCORRECT_DATA)
}
