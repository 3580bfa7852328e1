//! Status words: the last two octets of every response APDU.

use std::fmt;

/// SW1 and SW2 (ISO/IEC 7816-4, with the meanings that GSMA IoT.05 adds).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct StatusWord(pub u16);

impl StatusWord {
    /// Normal end.
    pub const SUCCESS: Self = Self(0x9000);
    /// More list data waits for the next GET DATA.
    pub const MORE_DATA: Self = Self(0x6300);
    /// Done, but a remote administration session has changed objects meanwhile.
    pub const REMOTE_ADMINISTRATION_ENDED: Self = Self(0x63CF);
    /// Wrong length.
    pub const WRONG_LENGTH: Self = Self(0x6700);
    /// The logical channel is not open or not supported.
    pub const CHANNEL_NOT_SUPPORTED: Self = Self(0x6881);
    /// Conditions of use are not satisfied (state, access, order of commands).
    pub const CONDITIONS_NOT_SATISFIED: Self = Self(0x6985);
    /// Greatest number of sessions reached.
    pub const CAPACITY_REACHED: Self = Self(0x6989);
    /// The data field is incorrect.
    pub const INCORRECT_DATA: Self = Self(0x6A80);
    /// Function not supported (no free logical channel).
    pub const FUNCTION_NOT_SUPPORTED: Self = Self(0x6A81);
    /// Object, file or applet not found.
    pub const NOT_FOUND: Self = Self(0x6A82);
    /// Not enough memory.
    pub const NOT_ENOUGH_MEMORY: Self = Self(0x6A84);
    /// Incorrect P1 or P2.
    pub const INCORRECT_P1_P2: Self = Self(0x6A86);
    /// The data asked for does not exist.
    pub const REFERENCED_DATA_NOT_FOUND: Self = Self(0x6A88);
    /// Instruction not supported.
    pub const INSTRUCTION_NOT_SUPPORTED: Self = Self(0x6D00);
    /// The signature does not match.
    pub const SIGNATURE_MISMATCH: Self = Self(0x6D01);
    /// Class not supported.
    pub const CLASS_NOT_SUPPORTED: Self = Self(0x6E00);
    /// Anything else.
    pub const UNKNOWN_ERROR: Self = Self(0x6F00);

    /// `61xx`: `waiting` octets (255 stands for more) can be fetched with GET RESPONSE.
    pub fn response_waiting(waiting: usize) -> Self {
        Self(0x6100 | waiting.min(0xFF) as u16)
    }

    /// First octet.
    pub fn sw1(self) -> u8 {
        self.0.to_be_bytes()[0]
    }

    /// Second octet.
    pub fn sw2(self) -> u8 {
        self.0.to_be_bytes()[1]
    }

    /// True when the command has done its work: 9000, 91xx (a proactive command waits for the
    /// modem, which is not our business), 6300 and 63CF.
    pub fn is_success(self) -> bool {
        self == Self::SUCCESS
            || self.sw1() == 0x91
            || self == Self::MORE_DATA
            || self == Self::REMOTE_ADMINISTRATION_ENDED
    }

    /// What the status word says, in words.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::SUCCESS => "success",
            Self::MORE_DATA => "more data is available",
            Self::REMOTE_ADMINISTRATION_ENDED => "done, a remote administration session has ended",
            Self::WRONG_LENGTH => "wrong length",
            Self::CHANNEL_NOT_SUPPORTED => "logical channel not open",
            Self::CONDITIONS_NOT_SATISFIED => "conditions of use not satisfied",
            Self::CAPACITY_REACHED => "capacity reached",
            Self::INCORRECT_DATA => "incorrect data",
            Self::FUNCTION_NOT_SUPPORTED => "function not supported",
            Self::NOT_FOUND => "applet or object not found",
            Self::NOT_ENOUGH_MEMORY => "not enough memory",
            Self::INCORRECT_P1_P2 => "incorrect P1 or P2",
            Self::REFERENCED_DATA_NOT_FOUND => "referenced data not found",
            Self::INSTRUCTION_NOT_SUPPORTED => "instruction not supported",
            Self::SIGNATURE_MISMATCH => "signature does not match",
            Self::CLASS_NOT_SUPPORTED => "class not supported",
            Self(0x6400) => "integrity problem on the card",
            Self(0x6981) => "command does not fit the kind of file",
            Self(0x6984) => "object in use by remote administration",
            _ => match self.sw1() {
                0x61 | 0x9F => "response waiting",
                0x6C => "wrong expected length",
                0x91 => "success, proactive command waiting",
                _ => "unknown error",
            },
        }
    }
}

impl fmt::Display for StatusWord {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:04X} ({})", self.0, self.meaning())
    }
}

impl fmt::Debug for StatusWord {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:04X}", self.0)
    }
}
