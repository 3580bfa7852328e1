//! Owner names: where a credential is published, and what its certificate is called.

use std::fmt;

use thiserror::Error;

use crate::{DeviceId, DeviceIdError, Slot, SlotError, ZoneName, ZoneNameError};

/// `<slot>.<device id>.<zone>`: the owner of the records in the DNS, and without the final dot the
/// certificate's common name and only dNSName.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnerName {
    zone: ZoneName,
    device_id: DeviceId,
    slot: Slot,
}

/// Why a text is not the name of a device's credential.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OwnerNameError {
    /// Fewer than three labels.
    #[error("a device's name is <slot>.<device id>.<zone>; {name:?} has too few labels")]
    TooFewLabels {
        /// The name as given.
        name: String,
    },
    /// The name lies in another zone.
    #[error("{name:?} is not in the zone {zone}")]
    OtherZone {
        /// The name as given.
        name: String,
        /// The zone it should be in.
        zone: ZoneName,
    },
    /// The first label.
    #[error("first label: {0}")]
    Slot(#[from] SlotError),
    /// The second label.
    #[error("second label: {0}")]
    DeviceId(#[from] DeviceIdError),
    /// The rest.
    #[error("zone: {0}")]
    Zone(#[from] ZoneNameError),
}

impl OwnerName {
    /// Longest name without the final dot.
    pub const CHARACTERS_MAX: usize = 64;

    /// Puts the parts together.
    pub fn new(slot: Slot, device_id: DeviceId, zone: &ZoneName) -> Self {
        Self {
            zone: zone.clone(),
            device_id,
            slot,
        }
    }

    /// Parses a name that must lie directly in `zone`; any case, final dot optional.
    ///
    /// # Errors
    /// Names the label that is wrong; see [`OwnerNameError`].
    pub fn parse(name: &str, zone: &ZoneName) -> Result<Self, OwnerNameError> {
        let parsed = Self::parse_in_any_zone(name);
        match parsed {
            Ok(owner) if owner.zone == *zone => Ok(owner),
            Err(error @ OwnerNameError::TooFewLabels { .. }) => Err(error),
            Ok(_) | Err(OwnerNameError::Zone(_)) => Err(OwnerNameError::OtherZone {
                name: name.to_owned(),
                zone: zone.clone(),
            }),
            Err(error) => Err(error),
        }
    }

    /// Parses a name whose zone is whatever follows the device id.
    ///
    /// # Errors
    /// Names the label that is wrong; see [`OwnerNameError`].
    pub fn parse_in_any_zone(name: &str) -> Result<Self, OwnerNameError> {
        let mut labels = name.splitn(3, '.');
        let (Some(slot), Some(device_id), Some(zone)) =
            (labels.next(), labels.next(), labels.next())
        else {
            return Err(OwnerNameError::TooFewLabels {
                name: name.to_owned(),
            });
        };
        Ok(Self {
            slot: Slot::parse(slot)?,
            device_id: DeviceId::parse(device_id)?,
            zone: ZoneName::parse(zone)?,
        })
    }

    /// Number of the credential.
    pub fn slot(&self) -> Slot {
        self.slot
    }

    /// The device.
    pub fn device_id(&self) -> DeviceId {
        self.device_id
    }

    /// The registry's zone.
    pub fn zone(&self) -> &ZoneName {
        &self.zone
    }

    /// The name with its final dot.
    pub fn fqdn(&self) -> String {
        format!("{self}.")
    }

    /// The name as uncompressed lower-case wire octets, root label included.
    pub fn wire(&self) -> Vec<u8> {
        let slot = self.slot.to_string();
        let device_id = self.device_id.as_octets();
        let mut wire =
            Vec::with_capacity(slot.len() + device_id.len() + self.zone.wire().len() + 2);
        for label in [slot.as_bytes(), device_id] {
            wire.push(label.len() as u8);
            wire.extend_from_slice(label);
        }
        wire.extend_from_slice(self.zone.wire());
        wire
    }
}

impl fmt::Display for OwnerName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{}", self.slot, self.device_id, self.zone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone() -> ZoneName {
        ZoneName::parse("iotregistry.example").unwrap()
    }

    #[test]
    fn one_name_for_dns_and_certificate() {
        let owner =
            OwnerName::parse("1.8912230200031010008F.IOTregistry.example.", &zone()).unwrap();
        assert_eq!(
            owner.to_string(),
            "1.8912230200031010008f.iotregistry.example"
        );
        assert_eq!(owner.fqdn(), "1.8912230200031010008f.iotregistry.example.");
        assert_eq!(
            owner.wire(),
            b"\x011\x148912230200031010008f\x0biotregistry\x07example\0"
        );
    }

    #[test]
    fn the_longest_name_fits_a_common_name() {
        let zone = ZoneName::parse(&"z".repeat(ZoneName::CHARACTERS_MAX)).unwrap();
        let device_id = DeviceId::parse("89049032123451234512345678901235").unwrap();
        let owner = OwnerName::new(Slot::new(9999).unwrap(), device_id, &zone);
        assert_eq!(owner.to_string().len(), OwnerName::CHARACTERS_MAX);
    }

    #[test]
    fn names_of_other_zones_and_shapes_are_refused() {
        let other_zone = |name: &str| OwnerNameError::OtherZone {
            name: name.into(),
            zone: zone(),
        };
        let under_attacker = "1.8912230200031010008f.iotregistry.example.attacker.org";
        assert_eq!(
            OwnerName::parse(under_attacker, &zone()),
            Err(other_zone(under_attacker))
        );
        let sibling = "1.8912230200031010008f.xiotregistry.example";
        assert_eq!(OwnerName::parse(sibling, &zone()), Err(other_zone(sibling)));
        assert_eq!(
            OwnerName::parse("8912230200031010008f.iotregistry.example", &zone()),
            Err(OwnerNameError::Slot(SlotError))
        );
        assert!(matches!(
            OwnerName::parse("a.1.8912230200031010008f.iotregistry.example", &zone()),
            Err(OwnerNameError::Slot(_))
        ));
        // The dot inside a label is another name than the dot between labels.
        assert!(OwnerName::parse("1\\.8912230200031010008f.iotregistry.example", &zone()).is_err());
        assert!(matches!(
            OwnerName::parse("1", &zone()),
            Err(OwnerNameError::TooFewLabels { .. })
        ));
    }
}
