//! Why a document was not understood, with the result code that says so.

use thiserror::Error;

use crate::epp::framing::{ANSWER_OCTETS_MAX, FRAME_OCTETS_MAX};
use crate::epp::xml::{ANSWER_ELEMENTS_MAX, ATTRIBUTES_MAX, DEPTH_MAX, ELEMENTS_MAX};
use crate::result_code::ResultCode;

/// A document that is no frame of ours. Values are never quoted: they may be secrets.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReadError {
    /// More octets than a frame has.
    #[error(
        "a command has at most {FRAME_OCTETS_MAX} octets, an answer at most {ANSWER_OCTETS_MAX}"
    )]
    TooLong,
    /// Octets that are not UTF-8; UTF-16 with or without mark is found here.
    #[error("the document is not UTF-8 at octet {offset}")]
    NotUtf8 {
        /// Octets before the first bad one.
        offset: usize,
    },
    /// The XML declaration says something else than version 1.0 and UTF-8.
    #[error("the XML declaration has to say version 1.0, and encoding UTF-8 or none")]
    Declaration,
    /// A character that XML does not allow (XML 1.0 §2.2), written or by reference.
    #[error("the document has a character that XML does not allow")]
    ForbiddenCharacter,
    /// `<!DOCTYPE`, `<!ENTITY` and their like.
    #[error("a document type definition is not accepted")]
    DocumentType,
    /// `<?target …?>`.
    #[error("processing instructions are not accepted")]
    ProcessingInstruction,
    /// `<![CDATA[`.
    #[error("CDATA sections are not accepted")]
    CharacterDataSection,
    /// A reference to something else than a character or the five entities of XML.
    #[error("the document refers to an entity that is not defined")]
    UndefinedEntity,
    /// More elements than any command or answer has.
    #[error(
        "a command has at most {ELEMENTS_MAX} elements, an answer at most {ANSWER_ELEMENTS_MAX}"
    )]
    TooManyElements,
    /// More attributes than any element has.
    #[error("an element has at most {ATTRIBUTES_MAX} attributes")]
    TooManyAttributes,
    /// Deeper than any command.
    #[error("elements are nested at most {DEPTH_MAX} deep")]
    TooDeep,
    /// No XML.
    #[error("the document is not well-formed XML near octet {offset}")]
    NotWellFormed {
        /// About where.
        offset: usize,
    },
    /// XML, and not what a client of EPP sends.
    #[error("the document is not <epp> with <hello> or <command> in it")]
    NotEpp,
    /// A prefix without a declaration, or a declaration that is not allowed.
    #[error("a namespace prefix is not declared, or declared in a way that is not allowed")]
    Namespace,
    /// A comment where a value is.
    #[error("the value of <{element}> has a comment in it")]
    CommentInValue {
        /// Local name.
        element: String,
    },
    /// Text where only elements are.
    #[error("there is text between elements, where none belongs")]
    UnexpectedText,
    /// An element that the schema does not have there.
    #[error("<{element}> does not belong here")]
    UnexpectedElement {
        /// Local name.
        element: String,
    },
    /// An attribute that the schema does not have there.
    #[error("the attribute {attribute} does not belong here")]
    UnexpectedAttribute {
        /// Local name.
        attribute: String,
    },
    /// An element that has to be there.
    #[error("<{element}> is missing")]
    MissingElement {
        /// Local name.
        element: &'static str,
    },
    /// An attribute that has to be there.
    #[error("the attribute {attribute} is missing")]
    MissingAttribute {
        /// Local name.
        attribute: &'static str,
    },
    /// An element or attribute whose value is outside its syntax.
    #[error("{name}: {reason}")]
    ValueSyntax {
        /// Local name.
        name: &'static str,
        /// The rule that is broken.
        reason: String,
    },
    /// A value of the right syntax beyond its bounds.
    #[error("{name}: {reason}")]
    ValueRange {
        /// Local name.
        name: &'static str,
        /// The bounds.
        reason: String,
    },
    /// A value that is not accepted in this combination.
    #[error("{name}: {reason}")]
    ValuePolicy {
        /// Local name.
        name: &'static str,
        /// Why not.
        reason: &'static str,
    },
    /// The client transaction identifier is outside its syntax.
    #[error("clTRID: {0}")]
    ClientTransactionId(#[from] crate::transaction::ClientTransactionIdError),
    /// No such command in RFC 5730.
    #[error("there is no command <{element}>")]
    UnknownCommand {
        /// Local name.
        element: String,
    },
    /// An extension of the protocol itself.
    #[error("the protocol has no extensions here")]
    ProtocolExtension,
    /// A command about an object that is not a device.
    #[error("there is no object service of this namespace here, only that of devices")]
    UnimplementedObject,
    /// A command with an extension that it does not have.
    #[error("this command has no extension of this namespace")]
    UnimplementedExtension,
}

impl ReadError {
    /// The result code of RFC 5730 §3.
    pub fn code(&self) -> ResultCode {
        match self {
            Self::MissingElement { .. } | Self::MissingAttribute { .. } => {
                ResultCode::RequiredParameterMissing
            }
            Self::ValueSyntax { .. } => ResultCode::ParameterSyntax,
            Self::ValueRange { .. } => ResultCode::ParameterRange,
            Self::ValuePolicy { .. } => ResultCode::ParameterPolicy,
            Self::UnknownCommand { .. } => ResultCode::UnknownCommand,
            Self::ProtocolExtension => ResultCode::UnimplementedCommand,
            Self::UnimplementedObject => ResultCode::UnimplementedObjectService,
            Self::UnimplementedExtension => ResultCode::UnimplementedExtension,
            _ => ResultCode::SyntaxError,
        }
    }

    /// A value outside its syntax.
    pub(crate) fn syntax(name: &'static str, reason: impl ToString) -> Self {
        let reason = reason.to_string();
        Self::ValueSyntax { name, reason }
    }

    /// A value beyond its bounds.
    pub(crate) fn range(name: &'static str, reason: impl ToString) -> Self {
        let reason = reason.to_string();
        Self::ValueRange { name, reason }
    }
}

/// A peer's name for something, short and harmless enough to repeat it.
pub(crate) fn excerpt(name: &str) -> String {
    let harmless = |character: char| match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '.' => character,
        _ => '?',
    };
    name.chars().take(32).map(harmless).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_peers_are_repeated_short_and_harmless() {
        assert_eq!(excerpt("clTRID"), "clTRID");
        assert_eq!(excerpt("a\u{202e}\n<b>"), "a???b?");
        assert_eq!(excerpt(&"n".repeat(60_000)).len(), 32);
    }
}
