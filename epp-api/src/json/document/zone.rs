//! What checking the zone found.

use crate::json::schema::{ANY_NUMBER, ANY_TEXT, Document, Schema, required};

pub(crate) const ZONE_REPORT: Document = Document::new(
    "ZoneReport",
    "What checking the zone found.",
    &[
        required("zone", ANY_TEXT, "The zone."),
        required("serial", ANY_NUMBER, "SOA serial of the version checked."),
        required("deviceNames", ANY_NUMBER, "Owner names of devices in it."),
        required("signaturesVerified", ANY_NUMBER, "Signatures verified."),
        required(
            "findings",
            Schema::List {
                of: &ANY_TEXT,
                fewest: 0,
                most: None,
            },
            "One sentence for everything that is wrong; empty when nothing is.",
        ),
    ],
);
