//! Commands about moving devices between accounts (RFC 5730 §2.9.3.4).

use iot_identity::DeviceId;

use super::content::Content;
use crate::account::AccountName;
use crate::secret::Secret;
use crate::transfer::Arrival;

/// A command about the transfer of one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransferCommand {
    /// Ask the sponsor for the device, with its authorization information.
    Pull {
        /// The device.
        device_id: DeviceId,
        /// What the sponsor gave.
        auth_info: Secret,
        /// How it shall arrive.
        arrival: Arrival,
    },
    /// Offer the device to another account.
    Push {
        /// The device.
        device_id: DeviceId,
        /// To whom.
        to: AccountName,
    },
    /// How far the newest transfer is.
    Query {
        /// The device.
        device_id: DeviceId,
        /// Given by who takes no part in it.
        auth_info: Option<Secret>,
    },
    /// Agree, as the one who has to.
    Approve {
        /// The device.
        device_id: DeviceId,
        /// How it shall arrive, where the gaining account says so now.
        arrival: Option<Arrival>,
    },
    /// Refuse, as the one who would have to agree.
    Reject {
        /// The device.
        device_id: DeviceId,
    },
    /// Give up, as the one who asked.
    Cancel {
        /// The device.
        device_id: DeviceId,
    },
    /// Move the device at once, whatever its sponsor says: an operator's decision of a dispute.
    Force {
        /// The device.
        device_id: DeviceId,
        /// To whom.
        to: AccountName,
        /// How it shall arrive.
        arrival: Arrival,
    },
}

impl TransferCommand {
    /// The verbs in the order of the variants.
    pub const VERBS: [&str; 7] = [
        "transfer.pull",
        "transfer.push",
        "transfer.query",
        "transfer.approve",
        "transfer.reject",
        "transfer.cancel",
        "transfer.force",
    ];

    pub(super) fn verb(&self) -> &'static str {
        let at = match self {
            Self::Pull { .. } => 0,
            Self::Push { .. } => 1,
            Self::Query { .. } => 2,
            Self::Approve { .. } => 3,
            Self::Reject { .. } => 4,
            Self::Cancel { .. } => 5,
            Self::Force { .. } => 6,
        };
        Self::VERBS[at]
    }

    pub(super) fn is_query(&self) -> bool {
        matches!(self, Self::Query { .. })
    }

    pub(super) fn replays(&self) -> bool {
        !self.is_query()
    }

    /// The device that the command is about.
    pub fn device_id(&self) -> DeviceId {
        match self {
            Self::Pull { device_id, .. }
            | Self::Push { device_id, .. }
            | Self::Query { device_id, .. }
            | Self::Approve { device_id, .. }
            | Self::Reject { device_id }
            | Self::Cancel { device_id }
            | Self::Force { device_id, .. } => *device_id,
        }
    }

    pub(super) fn add_to(&self, content: &mut Content) {
        content.parameter(self.device_id().as_octets());
        match self {
            Self::Pull {
                auth_info, arrival, ..
            } => {
                content.parameter(auth_info.expose());
                content.parameter(arrival.as_str());
            }
            Self::Push { to, .. } => content.parameter(to.as_str()),
            Self::Query { auth_info, .. } => {
                content.optional(auth_info.as_ref().map(Secret::expose));
            }
            Self::Approve { arrival, .. } => content.optional(arrival.map(Arrival::as_str)),
            Self::Force { to, arrival, .. } => {
                content.parameter(to.as_str());
                content.parameter(arrival.as_str());
            }
            Self::Reject { .. } | Self::Cancel { .. } => {}
        }
    }
}
