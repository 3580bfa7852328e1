//! What a device and its credentials look like.

use super::device::{ACCOUNT_NAME, DEVICE_ID, FINGERPRINT, SLOT};
use crate::device::{DeviceState, DeviceStatus, SlotReason, SlotState};
use crate::json::schema::{ANY_NUMBER, ANY_TEXT, Document, Schema, TIMESTAMP, optional, required};

pub(crate) const DEVICE_INFO: Document = Document::new(
    "DeviceInfo",
    "A device as its sponsor sees it; an application service provider sees the slots bound to it.",
    &[
        required("deviceId", DEVICE_ID, "The device."),
        required(
            "repositoryId",
            ANY_TEXT,
            "Identifier of the object in this repository: another one after delete and registration anew.",
        ),
        required("account", ACCOUNT_NAME, "The sponsoring account."),
        required(
            "state",
            Schema::Names(|| DeviceState::ALL.iter().map(|one| one.as_str()).collect()),
            "What the DNS says about it, in one word.",
        ),
        required(
            "statuses",
            Schema::List {
                of: &Schema::Names(|| DeviceStatus::ALL.iter().map(|one| one.as_str()).collect()),
                fewest: 0,
                most: None,
            },
            "The set of EPP statuses that the state follows from.",
        ),
        required(
            "slots",
            Schema::List {
                of: &Schema::Document(&SLOT_INFO),
                fewest: 0,
                most: None,
            },
            "Its credentials, in the order of their numbers.",
        ),
        required("createdAt", TIMESTAMP, "When it was registered."),
        required(
            "updatedAt",
            TIMESTAMP,
            "When something about it changed last.",
        ),
        required("expiresAt", TIMESTAMP, "End of the registration."),
        optional(
            "transferredAt",
            TIMESTAMP,
            "When it changed its sponsor last.",
        ),
        optional(
            "restoreUntil",
            TIMESTAMP,
            "End of the window in which a deleted device can be restored.",
        ),
        required(
            "version",
            ANY_NUMBER,
            "Changes with everything above; the entity tag is this number in quotation marks.",
        ),
    ],
);

pub(crate) const SLOT_INFO: Document = Document::new(
    "SlotInfo",
    "One credential of a device.",
    &[
        required("slot", SLOT, "Its number on the device."),
        required(
            "ownerName",
            ANY_TEXT,
            "Where it is published, which is also the name in the certificate.",
        ),
        required(
            "fingerprint",
            FINGERPRINT,
            "SHA-256 of the certificate's DER.",
        ),
        optional(
            "serial",
            ANY_TEXT,
            "Serial number of the certificate, hexadecimal digits; absent for one that was issued elsewhere.",
        ),
        required(
            "notBefore",
            TIMESTAMP,
            "Begin of the certificate's validity.",
        ),
        required(
            "notAfter",
            TIMESTAMP,
            "Last second of the certificate's validity.",
        ),
        required(
            "state",
            Schema::Names(|| SlotState::ALL.iter().map(|one| one.as_str()).collect()),
            "Whether it may be published at all; withdrawn and expired are final.",
        ),
        optional(
            "reason",
            Schema::Names(|| SlotReason::ALL.iter().map(|one| one.as_str()).collect()),
            "Why it is no longer live.",
        ),
        optional(
            "asp",
            ACCOUNT_NAME,
            "The application service provider that it is bound to.",
        ),
        required(
            "inherited",
            Schema::Boolean,
            "Whether it was issued under an earlier sponsor.",
        ),
        optional(
            "replaceBy",
            TIMESTAMP,
            "By when an inherited one has to be replaced.",
        ),
    ],
);

pub(crate) const PUBLICATION: Document = Document::new(
    "PublicationTimes",
    "By when a change of the zone is believed everywhere.",
    &[
        required(
            "publishedSerial",
            ANY_NUMBER,
            "SOA serial of the zone version that carries the change.",
        ),
        optional(
            "deniedEverywhereBy",
            TIMESTAMP,
            "After a withdrawal: from this moment no signature over the old records is valid, not even for who replays them.",
        ),
        optional(
            "honestCachesBy",
            TIMESTAMP,
            "After a withdrawal: from this moment no cache that honours TTLs has the old records.",
        ),
        optional(
            "visibleEverywhereBy",
            TIMESTAMP,
            "After a publication: from this moment no denial of the records is believed.",
        ),
    ],
);
