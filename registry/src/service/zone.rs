//! The zone itself, for the registry's operators.

use std::sync::Arc;
use std::time::Duration;

use iot_dns_zone::{Finding, Snapshot};
use iot_epp_api::{Problem, Reply, ResultCode, ZoneReport};
use iot_identity::Publication;

use super::{Service, store_problem};
use crate::clock::unix_now;
use crate::store::ZoneEntry;

/// RR type number of RRSIG (RFC 4034).
const TYPE_RRSIG: u16 = 46;
/// Attempts at catching database and zone at the same journal row, and the wait for each.
const SAME_ROW_ATTEMPTS: u32 = 20;
const SAME_ROW_PATIENCE: Duration = Duration::from_millis(250);

impl Service {
    /// The whole zone in presentation form.
    pub(super) fn zone_dump(&self) -> Result<Reply, Problem> {
        let snapshot = self.publisher().reader().snapshot();
        let mut text = Vec::new();
        let dumped = tokio::task::block_in_place(|| iot_dns_zone::dump(&snapshot, &mut text));
        match (dumped, String::from_utf8(text)) {
            (Ok(()), Ok(text)) => Ok(Reply::ZoneText(text)),
            _ => Err(Problem::new(
                ResultCode::CommandFailed,
                "the zone could not be written out",
            )),
        }
    }

    /// The check of the whole zone for the registry itself: logs each finding and returns their
    /// number. A zone that changes too fast to be compared with the database has at least its
    /// signatures and chain verified.
    pub(crate) async fn scrub(&self) -> Result<usize, Problem> {
        let findings = match self.zone_and_database().await {
            Ok((snapshot, entries)) => check_zone(&snapshot, &entries),
            Err(_) => {
                let (_, entries) = self.zone_entries().await?;
                let snapshot = self.publisher().reader().snapshot();
                let mut findings = check_zone(&snapshot, &entries);
                findings.retain(|finding| !concerns_database(&finding.problem));
                findings
            }
        };
        for finding in &findings {
            tracing::error!(alarm = true, %finding, "scrub");
        }
        Ok(findings.len())
    }

    /// Verifies every signature of the zone and compares it with the database.
    pub(super) async fn zone_check(&self) -> Result<Reply, Problem> {
        let (snapshot, entries) = self.zone_and_database().await?;
        let findings = check_zone(&snapshot, &entries);
        let signatures = snapshot
            .records()
            .filter(|record| record.record_type == TYPE_RRSIG)
            .count();
        Ok(Reply::ZoneReport(ZoneReport {
            zone: snapshot.apex().clone(),
            serial: snapshot.serial(),
            device_names: snapshot.device_names() as u64,
            signatures_verified: signatures as u64,
            findings: findings.iter().map(ToString::to_string).collect(),
        }))
    }

    async fn zone_entries(&self) -> Result<(u64, Vec<ZoneEntry>), Problem> {
        let projection = self.store().projection().await.map_err(store_problem)?;
        let head = projection.head();
        Ok((head, projection.collect().await.map_err(store_problem)?))
    }

    /// The zone and the database's idea of it, at the same journal row.
    async fn zone_and_database(&self) -> Result<(Arc<Snapshot>, Vec<ZoneEntry>), Problem> {
        for _ in 0..SAME_ROW_ATTEMPTS {
            let (head, entries) = self.zone_entries().await?;
            let snapshot = self.publisher().reader().snapshot();
            if snapshot.applied() == head {
                return Ok((snapshot, entries));
            }
            let _ = self.publisher().wait(head, SAME_ROW_PATIENCE).await;
            let snapshot = self.publisher().reader().snapshot();
            if snapshot.applied() == head {
                return Ok((snapshot, entries));
            }
        }
        Err(Problem::new(
            ResultCode::CommandFailed,
            "the zone is changing too fast to be compared with the database; try again",
        )
        .retry_after(5))
    }
}

fn check_zone(snapshot: &Snapshot, entries: &[ZoneEntry]) -> Vec<Finding> {
    let listed = entries
        .iter()
        .filter(|entry| entry.publication != Publication::Absent)
        .map(|entry| (entry.device_id, entry.slot, entry.publication));
    tokio::task::block_in_place(|| {
        iot_dns_zone::check(snapshot.apex(), snapshot.records(), listed, unix_now())
    })
}

/// Findings that a change between two readings explains.
fn concerns_database(problem: &iot_dns_zone::Problem) -> bool {
    use iot_dns_zone::Problem::{NotListed, NotPublished, OtherPublication};
    matches!(problem, NotListed | NotPublished | OtherPublication)
}
