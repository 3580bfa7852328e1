//! The vocabulary that every room of the device registry shares.
//!
//! Values only: nothing here does I/O, reads a clock or knows about certificates beyond the octets
//! that are hashed. Each value has one parser, so that a text or octet string which became a value
//! is known to be valid everywhere else.
//!
//! In reading order:
//!
//! 1. [`device_id`]: who the device is, an EID or (for compatibility) an ICCID.
//! 2. [`slot`]: the number of a credential on the device.
//! 3. [`zone_name`] and [`owner_name`]: where in the DNS the credential is published, which is
//!    also the name inside the certificate.
//! 4. [`fingerprint`]: what is published there.
//! 5. [`record`]: the DNS records that this becomes, as values and as RDATA octets.
//! 6. [`packed_key`]: device id and slot in 18 octets that sort as the owner names do.

pub mod device_id;
pub mod fingerprint;
pub mod owner_name;
pub mod packed_key;
pub mod record;
pub mod slot;
pub mod zone_name;

pub use device_id::{DeviceId, DeviceIdError, DeviceIdKind};
pub use fingerprint::{Fingerprint, FingerprintError};
pub use owner_name::{OwnerName, OwnerNameError};
pub use packed_key::PackedKey;
pub use record::{
    CertRecord, InactiveText, Publication, RecordError, TYPE_CERT, TYPE_TLSA, TYPE_TXT, TlsaRecord,
};
pub use slot::{Slot, SlotError};
pub use zone_name::{ZoneName, ZoneNameError};
