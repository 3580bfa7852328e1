//! What the publisher says of its failures: each kind for itself, and not at the pace of its turns.

use std::time::Instant;

use iot_dns_zone::StoreError as StoreFailure;
use iot_dns_zone::ZoneError;

use crate::clock::ClockJumped;
use crate::repetition::Repetition;
use crate::store::StoreError;

/// Why a turn failed.
pub(super) enum Failure {
    /// Publishing changes.
    Zone(ZoneError),
    /// Signing again.
    Signing(ZoneError),
    Store(StoreError),
    Clock(ClockJumped),
}

impl From<ZoneError> for Failure {
    fn from(error: ZoneError) -> Self {
        Self::Zone(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What was said of each kind.
#[derive(Default)]
pub(super) struct Failures {
    publishing: Repetition,
    signing: Repetition,
    asking: Repetition,
    clock: Repetition,
}

impl Failures {
    /// Raises the alarm, unless it was raised for the same a short while ago; ends the process where
    /// it is unknown what is on disk.
    pub(super) fn report(&mut self, failure: &Failure) {
        let now = Instant::now();
        match failure {
            Failure::Zone(error) | Failure::Signing(error) if is_final(error) => {
                // What of the commit is on disk is unknown; the next start reads it.
                tracing::error!(%error, "the zone may not be durable; ending the process");
                std::process::abort();
            }
            Failure::Zone(error) => {
                if let Some(times) = self.publishing.fails(now) {
                    tracing::error!(
                        alarm = true, %error, times,
                        "publication failed; the last version stays"
                    );
                }
            }
            Failure::Signing(error) => {
                if let Some(times) = self.signing.fails(now) {
                    tracing::error!(alarm = true, %error, times, "signing again failed");
                }
            }
            Failure::Store(error) => {
                if let Some(times) = self.asking.fails(now) {
                    tracing::error!(
                        alarm = true, %error, times,
                        "the publisher cannot reach the database"
                    );
                }
            }
            Failure::Clock(error) => {
                if let Some(times) = self.clock.fails(now) {
                    tracing::error!(
                        alarm = true, %error, times,
                        "nothing is signed or withdrawn"
                    );
                }
            }
        }
    }

    pub(super) fn published(&mut self) {
        if let Some(failures) = self.publishing.works() {
            tracing::info!(failures, "publication works again");
        }
    }

    pub(super) fn signed(&mut self) {
        if let Some(failures) = self.signing.works() {
            tracing::info!(failures, "signing works again");
        }
    }

    pub(super) fn database_answered(&mut self) {
        if let Some(failures) = self.asking.works() {
            tracing::info!(failures, "the publisher reaches the database again");
        }
    }

    pub(super) fn clock_is_right(&mut self) {
        if let Some(failures) = self.clock.works() {
            tracing::info!(failures, "the clock is right again");
        }
    }
}

/// Whether only a new start can tell what is on disk.
pub(crate) fn is_final(error: &ZoneError) -> bool {
    matches!(
        error,
        ZoneError::Store(StoreFailure::Failed { .. }) | ZoneError::Stopped
    )
}
