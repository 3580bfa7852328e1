//! The zone itself, for the registry's operators.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use iot_dns_zone::{CheckError, Piece, Snapshot};
use iot_epp_api::client::RESPONSE_OCTETS_MAX;
use iot_epp_api::{Problem, Reply, ResultCode, ZoneReport};

use super::{Service, store_problem};
use crate::clock::unix_now;
use crate::start::entries::Entries;
use crate::store::{Projection, StoreError};

/// RR type number of RRSIG (RFC 4034).
const TYPE_RRSIG: u16 = 46;
/// Attempts at catching database and zone at the same journal row, and the wait for each.
const SAME_ROW_ATTEMPTS: u32 = 20;
const SAME_ROW_PATIENCE: Duration = Duration::from_millis(250);

impl Service {
    /// The whole zone in presentation form, as long as it is no more than a client of ours takes.
    pub(super) fn zone_dump(&self) -> Result<Reply, Problem> {
        let snapshot = self.publisher().reader().snapshot();
        let mut text = Bounded::of(RESPONSE_OCTETS_MAX);
        let dumped = tokio::task::block_in_place(|| iot_dns_zone::dump(&snapshot, &mut text));
        let reason = match dumped.map(|()| String::from_utf8(text.octets)) {
            Ok(Ok(text)) => return Ok(Reply::ZoneText(text)),
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                "the zone is too large to be sent; 'iot-registry zone dump' beside the registry writes it to a file"
            }
            Ok(Err(_)) | Err(_) => "the zone could not be written out",
        };
        Err(Problem::new(ResultCode::CommandFailed, reason))
    }

    /// Verifies every signature of the zone and compares it with the database.
    pub(super) async fn zone_check(&self) -> Result<Reply, Problem> {
        let (snapshot, projection) = self.zone_and_database().await?;
        held_against(&snapshot, projection)
            .map(Reply::ZoneReport)
            .map_err(|error| Problem::new(ResultCode::CommandFailed, error.to_string()))
    }

    /// The zone and the database's idea of it, at the same journal row.
    async fn zone_and_database(&self) -> Result<(Arc<Snapshot>, Projection), Problem> {
        for _ in 0..SAME_ROW_ATTEMPTS {
            let projection = self.store().projection().await.map_err(store_problem)?;
            let head = projection.head();
            let _ = self.publisher().wait(head, SAME_ROW_PATIENCE).await;
            let snapshot = self.publisher().reader().snapshot();
            if snapshot.applied() == head {
                return Ok((snapshot, projection));
            }
        }
        Err(Problem::new(
            ResultCode::CommandFailed,
            "the zone is changing too fast to be compared with the database; try again",
        )
        .retry_after(5))
    }
}

/// Octets in memory, of which there may only be so many.
struct Bounded {
    octets: Vec<u8>,
    octets_max: usize,
}

impl Bounded {
    fn of(octets_max: usize) -> Self {
        Self {
            octets: Vec::new(),
            octets_max,
        }
    }
}

impl Write for Bounded {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        if octets.len() > self.octets_max.saturating_sub(self.octets.len()) {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.octets.extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Verifies every signature of a version of the zone and compares it with the database at the same
/// journal row. A page that cannot be read is a finding; the names under it are not counted.
///
/// # Errors
/// The database could not be read to its end.
pub(crate) fn held_against(
    snapshot: &Snapshot,
    projection: Projection,
) -> Result<ZoneReport, CheckError> {
    let listed = Entries::read(projection).map(|entry| {
        let entry = entry?;
        Ok::<_, StoreError>((entry.device_id, entry.slot, entry.publication))
    });
    let (mut device_names, mut signatures_verified) = (0, 0);
    let pieces = snapshot.pieces().inspect(|piece| {
        if let Piece::Name { of_device, records } = piece {
            device_names += u64::from(*of_device);
            let signatures = records.iter().filter(|one| one.record_type == TYPE_RRSIG);
            signatures_verified += signatures.count() as u64;
        }
    });
    let findings = tokio::task::block_in_place(|| {
        iot_dns_zone::check_pieces(snapshot.apex(), pieces, listed, unix_now())
    })?;
    Ok(ZoneReport {
        zone: snapshot.apex().clone(),
        serial: snapshot.serial(),
        device_names,
        signatures_verified,
        findings: findings.iter().map(ToString::to_string).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_bounded_takes_so_many_octets_and_no_more() {
        let mut text = Bounded::of(5);
        text.write_all(b"abc").unwrap();
        text.write_all(b"de").unwrap();
        let error = text.write_all(b"f").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(text.octets, b"abcde");
    }
}
