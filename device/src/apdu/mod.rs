//! What applet and client share: the octets of GSMA IoT.05 as values.
//!
//! Sans-IO. In reading order: [`command`] (command APDUs of ISO/IEC 7816-4, short form),
//! [`status_word`], [`tlv`] (bounded BER-TLV), and the numbers of IoT.05 in [`instruction`] and
//! [`tag`].

pub mod command;
pub mod instruction;
pub mod status_word;
pub mod tag;
pub mod tlv;

pub use command::{Command, CommandError};
pub use status_word::StatusWord;
pub use tlv::{Tlv, TlvError};
