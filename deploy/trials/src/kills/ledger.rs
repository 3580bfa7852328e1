//! What clients know of their devices: what was answered, and what was asked without an answer.

use iot_epp_api::command::DeviceCommand;
use iot_epp_api::{ClientTransactionId, Command};
use iot_identity::{DeviceId, Fingerprint, Publication, Slot};

/// A device that one client asked for.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The device.
    pub device_id: DeviceId,
    /// The request for its certificate, DER.
    pub csr: Vec<u8>,
    /// Transaction of the registration; a retry repeats it.
    pub created_as: ClientTransactionId,
    /// What is known of the registration.
    pub registration: Registration,
    /// What is known of the sponsor's hold.
    pub hold: Hold,
    /// What is known of its deletion.
    pub deletion: Deletion,
    /// Something was asked since the entry was last held to the registry.
    pub touched: bool,
}

/// What is known of a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// No answer came: there may be everything or nothing.
    Unanswered,
    /// Answered as durable and not yet published, without the certificate.
    Pending,
    /// Answered.
    Acknowledged {
        /// The certificate's.
        fingerprint: Fingerprint,
        /// Where it is published.
        slot: Slot,
    },
}

/// What is known of a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Released, or never set.
    Off,
    /// Set.
    On,
    /// The last command got no answer: it may be either.
    Unanswered,
}

/// What is known of a deletion, which is for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// It was never asked for.
    No,
    /// It was asked for, and no answer came.
    Unanswered,
    /// It was answered, or found done.
    Done,
}

impl Entry {
    /// A device that is about to be asked for.
    pub fn new(device_id: DeviceId, csr: Vec<u8>, created_as: ClientTransactionId) -> Self {
        Self {
            device_id,
            csr,
            created_as,
            registration: Registration::Unanswered,
            hold: Hold::Off,
            deletion: Deletion::No,
            touched: true,
        }
    }

    /// The registration as a command, also for the retry.
    pub fn create(&self) -> Command {
        Command::Device(DeviceCommand::Create {
            device_id: self.device_id,
            csr: self.csr.clone(),
            period: None,
            asp: None,
            auth_info: None,
        })
    }

    /// Whether the registration was answered with a certificate.
    pub fn is_acknowledged(&self) -> bool {
        matches!(self.registration, Registration::Acknowledged { .. })
    }

    /// Whether everything that was asked was answered.
    pub fn is_settled(&self) -> bool {
        self.is_acknowledged()
            && self.hold != Hold::Unanswered
            && self.deletion != Deletion::Unanswered
    }

    /// Whether it is known to be deleted.
    pub fn is_deleted(&self) -> bool {
        self.deletion == Deletion::Done
    }
}

/// What the DNS has to say of a credential whose device is in this state.
pub fn publication(fingerprint: Fingerprint, held: bool, deleted: bool) -> Publication {
    if deleted {
        Publication::Absent
    } else if held {
        Publication::Inactive
    } else {
        Publication::Active(fingerprint)
    }
}
