//! XML as EPP uses it (XML 1.0, Namespaces in XML 1.0): read by pulling, written with its closing
//! tags and escapes by construction.
//!
//! Limits: UTF-8 only; [`ELEMENTS_MAX`] elements ([`ANSWER_ELEMENTS_MAX`] for a client), [`ATTRIBUTES_MAX`] attributes an element (namespace
//! declarations among them), [`DEPTH_MAX`] levels, all counted by `scan` before the parser sees the
//! document; 128 namespace declarations in force at a time, counted by the parser. There are no document types, no entities but the five of XML, no processing
//! instructions, no CDATA; comments stand between elements only, never in a value.

mod reader;
mod scan;
mod value;
mod writer;

pub(crate) use reader::XmlReader;
pub(crate) use scan::is_xml_character;
pub(crate) use value::Value;
pub(crate) use writer::{XmlWriter, instant};

use crate::epp::framing::{ANSWER_OCTETS_MAX, FRAME_OCTETS_MAX};

/// Most elements of a document: four times the ids of the largest check.
pub const ELEMENTS_MAX: usize = 4096;
/// Most elements of an answer that a client reads: a device with every slot that there can be.
pub const ANSWER_ELEMENTS_MAX: usize = 256 * 1024;
/// Most attributes of one element; ours have two at most, and clients add declarations.
pub const ATTRIBUTES_MAX: usize = 64;
/// Deepest nesting; ours is seven.
pub const DEPTH_MAX: usize = 32;

/// How large a document may be. Levels and attributes are the same for all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DocumentLimits {
    pub(crate) octets_max: usize,
    pub(crate) elements_max: usize,
}

impl DocumentLimits {
    /// What clients send.
    pub(crate) const COMMANDS: Self = Self {
        octets_max: FRAME_OCTETS_MAX,
        elements_max: ELEMENTS_MAX,
    };
    /// What a client reads.
    pub(crate) const ANSWERS: Self = Self {
        octets_max: ANSWER_OCTETS_MAX,
        elements_max: ANSWER_ELEMENTS_MAX,
    };
}
