//! What came of journal rows: told to those who wait, and written down.

use std::collections::HashMap;
use std::sync::Arc;

use iot_dns_zone::{Applied, Outcome};
use iot_identity::Publication;

use super::task::{Name, Task, name_of};
use super::{PublicationResult, Visible};
use crate::clock::unix_now;
use crate::store::{JournalRow, Published, Quarantined, RecordPublished, RecordQuarantined};

impl Task {
    /// Tells those who wait, and has it written down what they were told.
    pub(super) fn record(&self, rows: &[JournalRow], applied: &Applied) {
        // Taken after the commit, and rounded up: what is promised counts from being visible.
        let at = unix_now() + 1;
        let outcomes: HashMap<Name, &Outcome> = applied
            .outcomes
            .iter()
            .map(|outcome| ((outcome.device_id, outcome.slot), outcome))
            .collect();
        let mut published = Vec::with_capacity(rows.len());
        let mut quarantined = Vec::new();
        let refused: HashMap<Name, String> = applied
            .quarantined
            .iter()
            .map(|(change, error)| ((change.device_id, change.slot), error.to_string()))
            .collect();
        for ((device_id, slot), error) in &refused {
            tracing::error!(
                alarm = true, %device_id, %slot, %error,
                "the gate refused a change; it is not published"
            );
        }
        self.shared.results.send_modify(|shared| {
            for row in rows {
                if let Some(reason) = refused.get(&name_of(row)) {
                    shared.add(row.seq, PublicationResult::Quarantined);
                    quarantined.push(Quarantined {
                        seq: row.seq,
                        reason: reason.clone(),
                    });
                    continue;
                }
                let outcome = outcomes.get(&name_of(row)).copied();
                let entry = published_row(row, outcome, applied.serial, at);
                shared.add(row.seq, result_of(row, &entry));
                published.push(entry);
            }
            shared.advance(self.applied);
        });
        self.write_down(published, quarantined);
    }

    /// In the background: what is not written down is bounded again by the next start.
    fn write_down(&self, published: Vec<Published>, quarantined: Vec<Quarantined>) {
        let (store, shared) = (self.store.clone(), Arc::clone(&self.shared));
        tokio::spawn(async move {
            let mut outcome = store.commit(RecordPublished { published }).await;
            if !quarantined.is_empty() {
                outcome = outcome.and(store.commit(RecordQuarantined { quarantined }).await);
            }
            shared.note_written_down(&outcome);
        });
    }
}

/// What is written down of a row whose name has this outcome; without one, the row was skipped for
/// a hold that had jumped ahead.
fn published_row(row: &JournalRow, outcome: Option<&Outcome>, serial: u32, at: u64) -> Published {
    let same = outcome.filter(|outcome| outcome.publication == row.publication);
    let withdrawn = !matches!(row.publication, Publication::Active(_));
    let believed_until = same.and_then(|outcome| {
        if withdrawn {
            outcome.withdrawn_until
        } else {
            outcome.denied_until
        }
    });
    Published {
        seq: row.seq,
        device_id: row.device_id,
        slot: row.slot,
        serial,
        at,
        believed_until,
        released_until: same
            .and_then(|outcome| outcome.withdrawn_until)
            .filter(|_| withdrawn),
        superseded: same.is_none(),
    }
}

fn result_of(row: &JournalRow, published: &Published) -> PublicationResult {
    let Published {
        serial,
        at,
        believed_until,
        superseded,
        ..
    } = *published;
    let visible = Visible {
        serial,
        at,
        believed_until,
    };
    match row.publication {
        _ if superseded => PublicationResult::Superseded(visible),
        Publication::Active(_) => PublicationResult::Activated(visible),
        Publication::Inactive | Publication::Absent => PublicationResult::Withdrawn(visible),
    }
}
