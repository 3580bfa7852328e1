//! Instruction octets (INS): ISO/IEC 7816-4, GSMA IoT.05 and GlobalPlatform.

/// SELECT (ISO/IEC 7816-4).
pub const SELECT: u8 = 0xA4;
/// MANAGE CHANNEL (ISO/IEC 7816-4).
pub const MANAGE_CHANNEL: u8 = 0x70;
/// GET RESPONSE (ISO/IEC 7816-4).
pub const GET_RESPONSE: u8 = 0xC0;
/// GET DATA of GlobalPlatform, answered by the ECASD with the EID.
pub const GET_DATA_ECASD: u8 = 0xCA;
/// GET RANDOM.
pub const GET_RANDOM: u8 = 0x84;
/// GET DATA: application, object list, or one object.
pub const GET_DATA: u8 = 0xCB;
/// READ FILE.
pub const READ_FILE: u8 = 0xB0;
/// READ PUBLIC KEY.
pub const READ_PUBLIC_KEY: u8 = 0xCD;
/// GENERATE KEY PAIR.
pub const GENERATE_KEY_PAIR: u8 = 0xB9;
/// PUT PUBLIC KEY, INIT.
pub const PUT_PUBLIC_KEY_INIT: u8 = 0x24;
/// PUT PUBLIC KEY, UPDATE.
pub const PUT_PUBLIC_KEY_UPDATE: u8 = 0xD8;
/// COMPUTE SIGNATURE, INIT.
pub const COMPUTE_SIGNATURE_INIT: u8 = 0x2A;
/// COMPUTE SIGNATURE, UPDATE.
pub const COMPUTE_SIGNATURE_UPDATE: u8 = 0x2B;
/// VERIFY SIGNATURE, INIT.
pub const VERIFY_SIGNATURE_INIT: u8 = 0x2C;
/// VERIFY SIGNATURE, UPDATE.
pub const VERIFY_SIGNATURE_UPDATE: u8 = 0x2D;
/// INSTALL (GlobalPlatform), here only \[for personalization\].
pub const INSTALL: u8 = 0xE6;
/// STORE DATA (GlobalPlatform).
pub const STORE_DATA: u8 = 0xE2;
