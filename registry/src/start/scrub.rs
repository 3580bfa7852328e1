//! The background scrub: every signature of the zone is verified once per validity, so that whatever
//! the gate's samples let through is found while it can still be replaced.

use std::time::{Duration, Instant};

use iot_dns_zone::{Scrub, ZoneReader};

use crate::clock::{self, unix_now};

/// Signatures verified in one step: a few milliseconds.
const STEP_SIGNATURES: u64 = 48;
/// Time between two looks at the clock.
const IDLE: Duration = Duration::from_secs(1);

/// Goes around the zone for ever, at an even pace; takes half a core at most when it lags.
pub(super) async fn run(reader: ZoneReader) {
    let mut scrub = Scrub::started(&reader.snapshot(), unix_now());
    let mut found = 0;
    loop {
        let now = unix_now();
        if clock::check().is_err() || scrub.next_at() > now {
            tokio::time::sleep(IDLE).await;
            continue;
        }
        let snapshot = reader.snapshot();
        let begun = Instant::now();
        let step = tokio::task::spawn_blocking(move || {
            let seen = scrub.step(&snapshot, now, STEP_SIGNATURES);
            (scrub, seen)
        });
        let Ok((returned, seen)) = step.await else {
            tracing::error!(alarm = true, "the scrub has ended");
            return;
        };
        scrub = returned;
        for finding in &seen.findings {
            tracing::error!(
                alarm = true,
                finding,
                "the zone that is served is not right"
            );
        }
        found += seen.found;
        if seen.lap_ended {
            tracing::info!(found, "the whole zone was verified");
            found = 0;
        }
        tokio::time::sleep(begun.elapsed()).await;
    }
}
