//! What may happen to a device: pure functions from facts, command and time to the next state.
//!
//! The facts are loaded inside the transaction that also writes the outcome, so that a decision is
//! never made on state that has changed since. The DNS is derived in one place, [`publication`],
//! which is the state table of the design.
//!
//! - `device`: the values; `auth_info`: who may ask for one; `status`: the set of statuses; `refusal`: why not; `outcome`: what then.
//! - `registration`, `change`, `end`, `transfer`: the decisions, by when they come in a device's life.

mod auth_info;
mod change;
mod device;
mod end;
mod outcome;
mod refusal;
mod registration;
mod status;
#[cfg(test)]
mod tests;
mod transfer;

use iot_identity::Publication;

pub use auth_info::{AUTH_INFO_VALID_SECS, has_just_been_voided, opens, record_of};
pub use change::{decide_hold, decide_update};
pub use device::{
    Actor, AuthInfoRecord, Credential, Device, Facts, Permission, RESTORE_WINDOW_SECS, Relation,
    in_slot,
};
pub use end::{
    EXPIRY_YEARS_MAX, credential_expired, decide_deletion, decide_renewal, decide_restoration,
    months_after, registration_expired,
};
pub use outcome::{Notice, Outcome};
pub use refusal::Refusal;
pub use registration::{Reservation, decide_new_slot, decide_registration};
pub use status::{Prohibited, Statuses};
pub use transfer::{
    End, PULL_WINDOW_SECS, PUSH_WINDOW_SECS, Pulled, REPLACE_WINDOW_SECS, Transfer, decide_end,
    decide_force, decide_pull, decide_push, transfer_overdue, transfer_void,
};

/// What the DNS says of a credential: the state table of the design, and its only place.
pub fn publication(device: &Device, credential: &Credential, now: u64) -> Publication {
    if device.is_pending_delete() {
        Publication::Absent
    } else if device.statuses.is_held() || !credential.is_live(now) {
        Publication::Inactive
    } else {
        Publication::Active(credential.fingerprint)
    }
}
