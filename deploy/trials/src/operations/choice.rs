//! Choosing the next operation: mostly one that changes something, now and then one that must be
//! refused or must change nothing.

use iot_identity::DeviceId;

use super::model::{Actor, Known, Model, Operation, Verb};
use crate::device_ids::DeviceIds;
use crate::draws::Draws;

#[derive(Clone, Copy)]
enum Kind {
    Register,
    Deactivate,
    Reactivate,
    Delete,
    OperatorHold,
    OperatorRelease,
    Odd,
}

/// How often each kind is chosen.
const KINDS: [(u32, Kind); 7] = [
    (34, Kind::Register),
    (22, Kind::Deactivate),
    (16, Kind::Reactivate),
    (10, Kind::Delete),
    (3, Kind::OperatorHold),
    (2, Kind::OperatorRelease),
    (13, Kind::Odd),
];

#[derive(Clone, Copy)]
enum Odd {
    RegisterAgain,
    RetryRegister,
    KnownKey,
    Unknown,
    Stranger,
    HoldOfHeld,
    ReleaseOfActive,
    OnDeleted,
    RetryDelete,
    DeleteByOperator,
}

const ODD: [(u32, Odd); 10] = [
    (4, Odd::RegisterAgain),
    (3, Odd::RetryRegister),
    (2, Odd::KnownKey),
    (2, Odd::Unknown),
    (3, Odd::Stranger),
    (2, Odd::HoldOfHeld),
    (2, Odd::ReleaseOfActive),
    (5, Odd::OnDeleted),
    (2, Odd::RetryDelete),
    (1, Odd::DeleteByOperator),
];

/// The next operation. Where no device is in the state that a kind needs, it registers one.
pub fn choose(model: &Model, ids: &mut DeviceIds, draws: &mut Draws) -> Operation {
    let chosen = match draws.weighted(&KINDS) {
        Kind::Register => None,
        Kind::Deactivate => hold(model, draws, Actor::Sponsor, false, Verb::Deactivate),
        Kind::Reactivate => hold(model, draws, Actor::Sponsor, true, Verb::Activate),
        Kind::OperatorHold => hold(model, draws, Actor::Operator, false, Verb::Deactivate),
        Kind::OperatorRelease => hold(model, draws, Actor::Operator, true, Verb::Activate),
        Kind::Delete => by_sponsor(Verb::Delete, one(model, draws, Known::is_live)),
        Kind::Odd => odd(model, ids, draws),
    };
    chosen.unwrap_or_else(|| Operation {
        verb: Verb::Register,
        actor: Actor::Sponsor,
        device_id: ids.next(draws),
    })
}

/// A verb on a live device that the actor holds, or does not hold.
fn hold(
    model: &Model,
    draws: &mut Draws,
    actor: Actor,
    held: bool,
    verb: Verb,
) -> Option<Operation> {
    let fits = |known: &Known| known.is_live() && known.is_held_by(actor) == held;
    let device_id = one(model, draws, fits)?;
    Some(Operation {
        verb,
        actor,
        device_id,
    })
}

fn odd(model: &Model, ids: &mut DeviceIds, draws: &mut Draws) -> Option<Operation> {
    let holds = [Verb::Activate, Verb::Deactivate, Verb::Delete];
    match draws.weighted(&ODD) {
        Odd::RegisterAgain => {
            let actors = [Actor::Sponsor, Actor::Stranger];
            let actor = *draws.pick(&actors)?;
            let device_id = one(model, draws, |_| true)?;
            Some(Operation {
                verb: Verb::Register,
                actor,
                device_id,
            })
        }
        Odd::RetryRegister => by_sponsor(Verb::RetryRegister, one(model, draws, |_| true)),
        Odd::KnownKey => {
            let owner = one(model, draws, |_| true)?;
            by_sponsor(Verb::RegisterKnownKey(owner), Some(ids.next(draws)))
        }
        Odd::Unknown => by_sponsor(*draws.pick(&holds)?, Some(ids.next(draws))),
        Odd::Stranger => {
            let verb = *draws.pick(&holds)?;
            let device_id = one(model, draws, |_| true)?;
            Some(Operation {
                verb,
                actor: Actor::Stranger,
                device_id,
            })
        }
        Odd::HoldOfHeld => hold(model, draws, Actor::Sponsor, true, Verb::Deactivate),
        Odd::ReleaseOfActive => hold(model, draws, Actor::Sponsor, false, Verb::Activate),
        Odd::OnDeleted => {
            let verb = *draws.pick(&holds)?;
            by_sponsor(verb, one(model, draws, |known| !known.is_live()))
        }
        Odd::RetryDelete => {
            let device_id = one(model, draws, |known| !known.is_live());
            by_sponsor(Verb::RetryDelete, device_id)
        }
        Odd::DeleteByOperator => Some(Operation {
            verb: Verb::Delete,
            actor: Actor::Operator,
            device_id: one(model, draws, |_| true)?,
        }),
    }
}

fn by_sponsor(verb: Verb, device_id: Option<DeviceId>) -> Option<Operation> {
    Some(Operation {
        verb,
        actor: Actor::Sponsor,
        device_id: device_id?,
    })
}

fn one(model: &Model, draws: &mut Draws, fits: impl Fn(&Known) -> bool) -> Option<DeviceId> {
    let fitting: Vec<DeviceId> = model
        .iter()
        .filter(|(_, known)| fits(known))
        .map(|(device_id, _)| *device_id)
        .collect();
    draws.pick(&fitting).copied()
}
