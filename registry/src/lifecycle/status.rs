//! The statuses that accounts set on a device, as a set (RFC 5731 §2.3).

use iot_epp_api::device::SettableStatus;

/// A set of statuses. Its bits are what the database keeps: they never change their meaning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Statuses(u16);

/// What a status can prohibit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prohibited {
    /// Deleting.
    Delete,
    /// Renewing.
    Renew,
    /// Moving to another account.
    Transfer,
    /// Changing.
    Update,
}

fn bit(status: SettableStatus) -> u16 {
    let place = match status {
        SettableStatus::ClientHold => 0,
        SettableStatus::ServerHold => 1,
        SettableStatus::ClientDeleteProhibited => 2,
        SettableStatus::ClientRenewProhibited => 3,
        SettableStatus::ClientTransferProhibited => 4,
        SettableStatus::ClientUpdateProhibited => 5,
        SettableStatus::ServerDeleteProhibited => 6,
        SettableStatus::ServerRenewProhibited => 7,
        SettableStatus::ServerTransferProhibited => 8,
        SettableStatus::ServerUpdateProhibited => 9,
    };
    1 << place
}

impl Statuses {
    /// Bits of every status.
    const ALL_BITS: u16 = (1 << 10) - 1;

    /// Those of a device that was just registered: it does not leave its sponsor by a stranger's
    /// request and silence.
    pub fn at_registration() -> Self {
        Self::default().with(SettableStatus::ClientTransferProhibited)
    }

    /// The set of these bits, when every one of them means something.
    pub fn from_bits(bits: u16) -> Option<Self> {
        (bits & !Self::ALL_BITS == 0).then_some(Self(bits))
    }

    /// The bits.
    pub fn bits(self) -> u16 {
        self.0
    }

    /// Whether the set has this status.
    pub fn contains(self, status: SettableStatus) -> bool {
        self.0 & bit(status) != 0
    }

    /// The set with this status.
    #[must_use]
    pub fn with(self, status: SettableStatus) -> Self {
        Self(self.0 | bit(status))
    }

    /// The set without this status.
    #[must_use]
    pub fn without(self, status: SettableStatus) -> Self {
        Self(self.0 & !bit(status))
    }

    /// The statuses of the set, in the order of their bits.
    pub fn iter(self) -> impl Iterator<Item = SettableStatus> {
        let all = SettableStatus::ALL.iter().copied();
        all.filter(move |status| self.contains(*status))
    }

    /// Whether one of the two holds is set.
    pub fn is_held(self) -> bool {
        self.contains(SettableStatus::ClientHold) || self.contains(SettableStatus::ServerHold)
    }

    /// The status that prohibits this; the registry's rather than the sponsor's.
    pub fn prohibition(self, what: Prohibited) -> Option<SettableStatus> {
        let (server, client) = match what {
            Prohibited::Delete => (
                SettableStatus::ServerDeleteProhibited,
                SettableStatus::ClientDeleteProhibited,
            ),
            Prohibited::Renew => (
                SettableStatus::ServerRenewProhibited,
                SettableStatus::ClientRenewProhibited,
            ),
            Prohibited::Transfer => (
                SettableStatus::ServerTransferProhibited,
                SettableStatus::ClientTransferProhibited,
            ),
            Prohibited::Update => (
                SettableStatus::ServerUpdateProhibited,
                SettableStatus::ClientUpdateProhibited,
            ),
        };
        [server, client].into_iter().find(|one| self.contains(*one))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_a_bit_of_its_own() {
        let all = SettableStatus::ALL
            .iter()
            .fold(Statuses::default(), |set, one| set.with(*one));
        assert_eq!(all.bits(), Statuses::ALL_BITS);
        assert_eq!(all.iter().count(), SettableStatus::ALL.len());
        for status in SettableStatus::ALL {
            assert!(!all.without(*status).contains(*status));
            assert_eq!(
                all.without(*status).iter().count(),
                SettableStatus::ALL.len() - 1
            );
        }
        assert_eq!(Statuses::from_bits(all.bits()), Some(all));
        assert_eq!(Statuses::from_bits(1 << 10), None);
    }

    #[test]
    fn the_registrys_prohibition_is_named_first() {
        let both = Statuses::default()
            .with(SettableStatus::ClientRenewProhibited)
            .with(SettableStatus::ServerRenewProhibited);
        let found = both.prohibition(Prohibited::Renew);
        assert_eq!(found, Some(SettableStatus::ServerRenewProhibited));
        assert_eq!(both.prohibition(Prohibited::Delete), None);
    }
}
