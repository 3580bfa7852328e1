//! What a run knows of its devices, and what the registry therefore must answer. Written from the
//! state table of the design, not from the registry's own lifecycle.

use std::collections::BTreeMap;

use iot_epp_api::{ClientTransactionId, DeviceState, ResultCode};
use iot_identity::{DeviceId, Fingerprint, Publication};

/// The devices of one lane, with everything that was acknowledged about them.
pub type Model = BTreeMap<DeviceId, Known>;

/// A device that was registered.
#[derive(Clone, Debug)]
pub struct Known {
    /// The request that its certificate was signed for, DER.
    pub csr: Vec<u8>,
    /// Transaction of the registration.
    pub created_as: ClientTransactionId,
    /// What the certificate's octets hash to.
    pub fingerprint: Fingerprint,
    /// Held by its sponsor.
    pub client_hold: bool,
    /// Held by the registry's operators.
    pub server_hold: bool,
    /// Transaction of its deletion.
    pub deleted_as: Option<ClientTransactionId>,
}

/// One command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// What is asked.
    pub verb: Verb,
    /// By whom.
    pub actor: Actor,
    /// About which device.
    pub device_id: DeviceId,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Register with a new key.
    Register,
    /// Register with the key of another device.
    RegisterKnownKey(DeviceId),
    /// The registration once more, as a client that lost the answer sends it.
    RetryRegister,
    /// Lift the actor's hold.
    Activate,
    /// Set the actor's hold.
    Deactivate,
    /// Delete.
    Delete,
    /// The deletion once more, as a client that lost the answer sends it.
    RetryDelete,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// The account that the device belongs to.
    Sponsor,
    /// Another mobile operator's account.
    Stranger,
    /// The registry's own operators.
    Operator,
}

/// What has to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// A new device.
    Created,
    /// The first answer to the registration, with this certificate.
    CreatedAgain(Fingerprint),
    /// The device in this state.
    Changed(DeviceState),
    /// The first answer to the deletion.
    ChangedAgain,
    /// A refusal.
    Refused(ResultCode),
}

impl Known {
    /// What the DNS has to say.
    pub fn publication(&self) -> Publication {
        match self.state() {
            DeviceState::Active => Publication::Active(self.fingerprint),
            DeviceState::Inactive => Publication::Inactive,
            DeviceState::PendingDelete => Publication::Absent,
        }
    }

    /// What the sponsor has to be told.
    pub fn state(&self) -> DeviceState {
        if self.deleted_as.is_some() {
            DeviceState::PendingDelete
        } else if self.client_hold || self.server_hold {
            DeviceState::Inactive
        } else {
            DeviceState::Active
        }
    }

    /// Whether the actor holds it.
    pub fn is_held_by(&self, actor: Actor) -> bool {
        match actor {
            Actor::Operator => self.server_hold,
            Actor::Sponsor | Actor::Stranger => self.client_hold,
        }
    }

    /// Whether it is not deleted.
    pub fn is_live(&self) -> bool {
        self.deleted_as.is_none()
    }

    /// The device after a hold was set or lifted.
    #[must_use]
    pub fn with_hold(mut self, actor: Actor, held: bool) -> Self {
        match actor {
            Actor::Operator => self.server_hold = held,
            Actor::Sponsor | Actor::Stranger => self.client_hold = held,
        }
        self
    }
}

/// What has to be answered to an operation.
pub fn expected(model: &Model, operation: &Operation) -> Expected {
    use Expected::{Changed, ChangedAgain, Created, CreatedAgain, Refused};
    let known = model.get(&operation.device_id);
    let Some(known) = known else {
        return match operation.verb {
            Verb::Register => Created,
            Verb::RegisterKnownKey(_) => Refused(ResultCode::AssociationProhibits),
            _ => Refused(ResultCode::ObjectDoesNotExist),
        };
    };
    match (operation.verb, operation.actor) {
        (Verb::Register | Verb::RegisterKnownKey(_), _) => Refused(ResultCode::ObjectExists),
        (Verb::RetryRegister, _) => CreatedAgain(known.fingerprint),
        (Verb::Delete, Actor::Operator) => Refused(ResultCode::AuthorizationError),
        (_, Actor::Stranger) => Refused(ResultCode::ObjectDoesNotExist),
        (Verb::RetryDelete, _) => ChangedAgain,
        (Verb::Activate | Verb::Delete, _) if !known.is_live() => {
            Refused(ResultCode::StatusProhibits)
        }
        (Verb::Delete, _) => Changed(DeviceState::PendingDelete),
        // A device can be made less trusted in every state.
        (Verb::Deactivate, actor) => Changed(known.clone().with_hold(actor, true).state()),
        (Verb::Activate, actor) => Changed(known.clone().with_hold(actor, false).state()),
    }
}
