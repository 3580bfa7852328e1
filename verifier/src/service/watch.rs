//! Sessions that stay open: the device is checked again as often as the registry's word has to be renewed.

use std::time::Duration;

use thiserror::Error;

use super::admission::{Refused, admit};
use crate::certificate::Admitted;
use crate::checker::{CheckError, Checker};
use crate::evidence::Wanted;
use crate::transport::Transport;

/// Least time between two questions about one session.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Why a session has to end.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Withdrawn {
    /// The registry says so: it vouches for this certificate no longer.
    #[error("{0}")]
    Refused(Refused),
    /// The last proof has ended, and there is no newer one.
    #[error("the last proof has ended, and there is no newer one: {0}")]
    Unproven(CheckError),
}

/// Waits until a device that was admitted has to go. `certificate` is the one (DER) that it was admitted
/// with, `clock` gives Unix seconds.
///
/// It asks when the registry's word has ended and no earlier: caches on the way would give the old one.
/// While nothing can be proven it asks on for `grace`, then the session has to end as well.
pub async fn watch<T: Transport>(
    checker: &Checker<T>,
    mut admitted: Admitted,
    certificate: &[u8],
    wanted: Wanted,
    grace: Duration,
    clock: impl Fn() -> u64,
) -> Withdrawn {
    loop {
        let left = Duration::from_secs(admitted.recheck_at().saturating_sub(clock()));
        tokio::time::sleep(left.max(AGAIN_AFTER)).await;
        let ends_at = admitted.recheck_at().saturating_add(grace.as_secs());
        admitted = match renewed(checker, certificate, wanted, ends_at, &clock).await {
            Ok(admitted) => admitted,
            Err(withdrawn) => return withdrawn,
        };
    }
}

/// Asks until something is proven, at most until `ends_at` (Unix seconds).
async fn renewed<T: Transport>(
    checker: &Checker<T>,
    certificate: &[u8],
    wanted: Wanted,
    ends_at: u64,
    clock: impl Fn() -> u64,
) -> Result<Admitted, Withdrawn> {
    loop {
        match admit(checker, certificate, wanted, clock()).await {
            Ok(admitted) => return Ok(admitted),
            Err(Refused::Unproven(error)) if clock() >= ends_at => {
                return Err(Withdrawn::Unproven(error));
            }
            Err(Refused::Unproven(_)) => tokio::time::sleep(AGAIN_AFTER).await,
            Err(refused) => return Err(Withdrawn::Refused(refused)),
        }
    }
}
