//! What others say about a dumped zone: BIND's and Knot's checkers, and a full signing of the
//! database's state.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, bail, ensure};
use iot_dns_zone::{Ceiling, Entry, Start, ZoneKeys, ZoneWriter};
use iot_identity::PackedKey;
use iot_registry::clock::unix_now;
use iot_registry::directory::Directory;
use iot_registry::start::Running;

use crate::accounts::ZONE;
use crate::zone_text::ZoneText;

/// Seconds from a judgement to the first expiration for which it is still asked to find nothing.
const EXPIRY_MARGIN_SECS: u64 = 60;
/// Outside judges may be missing when this is set to 1.
const SKIP: &str = "IOT_SKIP_INTEROP";

/// Has dnssec-verify and kzonecheck judge a zone file: now, shortly before its first signature
/// expires, and (where they have to object) just after. Returns the number of seconds that the zone
/// is good for, or `None` when the judges are missing and may be.
///
/// # Errors
/// What a judge found; a missing judge.
pub fn outside(file: &Path, text: &ZoneText<'_>) -> anyhow::Result<Option<u64>> {
    let left_secs = text.first_expiration()?.saturating_sub(unix_now());
    let file = file.to_str().context("the path of the dump is text")?;
    let later = |secs: u64| format!("+{secs}");
    let margin_secs = left_secs
        .checked_sub(EXPIRY_MARGIN_SECS)
        .with_context(|| format!("a signature expires in {left_secs} s"))?;
    let (before, after) = (later(margin_secs), later(left_secs + EXPIRY_MARGIN_SECS));
    let knot = ["-d", "on", "-o", ZONE];
    let judgements: [(&str, Vec<&str>, bool); 4] = [
        ("dnssec-verify", vec!["-q", "-o", ZONE, file], true),
        ("kzonecheck", [&knot[..], &[file]].concat(), true),
        (
            "kzonecheck",
            [&knot[..], &["-t", &before, file]].concat(),
            true,
        ),
        (
            "kzonecheck",
            [&knot[..], &["-t", &after, file]].concat(),
            false,
        ),
    ];
    for (program, arguments, good) in judgements {
        let Some(output) = run(program, &arguments)? else {
            return Ok(None);
        };
        ensure!(
            output.status.success() == good,
            "{program} {arguments:?} ({}): {}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(Some(margin_secs))
}

fn run(program: &str, arguments: &[&str]) -> anyhow::Result<Option<Output>> {
    match Command::new(program).args(arguments).output() {
        Ok(output) => Ok(Some(output)),
        Err(error) if std::env::var(SKIP).is_ok_and(|value| value == "1") => {
            tracing::warn!(program, %error, "left out");
            Ok(None)
        }
        Err(error) => {
            bail!("{program} is needed ({error}); ./test installs it, {SKIP}=1 leaves it out")
        }
    }
}

/// Signs the database's state anew, in another directory with the same keys; the dump of that.
///
/// # Errors
/// When the database cannot be read or the zone cannot be built.
pub async fn full_signing(
    running: &Running,
    directory: &Directory,
    scratch: &Path,
) -> anyhow::Result<String> {
    let now = unix_now();
    let service = &running.core.service;
    let projection = service.store().projection().await?;
    let applied = projection.head();
    let entries = projection.collect().await?;
    let entries = entries.into_iter().map(|entry| Entry {
        device_id: entry.device_id,
        slot: entry.slot,
        publication: entry.publication,
        released_until: entry.released_until,
    });
    let mut entries: Vec<Entry> = entries.collect();
    entries.sort_unstable_by_key(|entry| PackedKey::new(entry.device_id, entry.slot));
    let entries = entries.into_iter().map(Ok::<_, Infallible>);
    let config = running.core.config.zone.clone();
    let keys = ZoneKeys::load(&directory.zone())?;
    let start = Start {
        database_id: [0; 16],
        fencing_token: 1,
        applied,
        serial_above: 0,
        ceiling: Ceiling::for_start(config.profile, 0, now),
        released_until: 0,
        lost_until: 0,
    };
    let build = || ZoneWriter::build(scratch, config, keys, entries, start, now);
    let writer = tokio::task::block_in_place(build)?;
    let mut text = Vec::new();
    iot_dns_zone::dump(&writer.snapshot(), &mut text)?;
    Ok(String::from_utf8(text)?)
}

/// Holds a zone to a full signing: the same records, and signatures over the same sets.
///
/// # Errors
/// The first differences.
pub fn equal(zone: &ZoneText<'_>, full: &ZoneText<'_>) -> anyhow::Result<()> {
    same("records", &zone.unsigned(), &full.unsigned())?;
    same("signatures", &zone.signatures()?, &full.signatures()?)
}

fn same(what: &str, zone: &BTreeSet<String>, full: &BTreeSet<String>) -> anyhow::Result<()> {
    let first = |left: &BTreeSet<String>, right: &BTreeSet<String>| {
        let only: Vec<String> = left.difference(right).take(5).cloned().collect();
        only.join("\n  ")
    };
    ensure!(
        zone == full,
        "{what} differ from a full signing\nonly in the zone:\n  {}\nonly in the full signing:\n  {}",
        first(zone, full),
        first(full, zone)
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_record_and_a_missing_signature_are_found() {
        let a = "a.z.\t60\tIN\tA\t192.0.2.1\n";
        let signature = "a.z.\t60\tIN\tRRSIG\tA 13 2 60 20261122020000 20261122000000 7 z. AA==\n";
        let whole = format!("{a}{signature}");
        let compare = |left: &str, right: &str| {
            equal(
                &ZoneText::parse(left).unwrap(),
                &ZoneText::parse(right).unwrap(),
            )
        };
        let later = whole
            .replace("20261122020000", "20261122030000")
            .replace("AA==", "BB==");
        compare(&whole, &later).unwrap();
        assert!(
            compare(signature, &whole)
                .unwrap_err()
                .to_string()
                .contains("records")
        );
        assert!(
            compare(a, &whole)
                .unwrap_err()
                .to_string()
                .contains("signatures")
        );
    }
}
