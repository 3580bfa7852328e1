//! The zone writer as a sequence uses it: everything that is written against its interface.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use iot_dns_zone::simulation::{RealDisk, StoreLimits};
use iot_dns_zone::{
    Applied, Ceiling, Change, Entry, Finding, Ground, Opening, Profile, Record, Start,
    StaticRecords, ZoneConfig, ZoneKeys, ZoneWriter, check, dump,
};
use iot_identity::{DeviceId, PackedKey, Publication, Slot, ZoneName};

use super::steps::State;
use crate::accounts::ZONE;

/// Records beside the devices: the first and the last name of the zone, names between ids, and
/// empty non-terminals.
const STATIC_RECORDS: &str = "\
ns1 A 192.0.2.1
_853._tcp.ns1 TLSA 3 1 1 0f0e0d0c0b0a09080706050403020100ffeeddccbbaa99887766554433221100
@ CAA 0 issue \"ca.example\"
- TXT \"before the digits\"
0abc A 192.0.2.2
88 TXT \"before ids\"
8a TXT \"between ids\"
89a TXT \"between ids\"
890 TXT \"the beginning of ids\"
a.b.89z TXT \"empty non-terminals\"
zz TXT \"the last name\"
";
/// Turns after which re-signing has to have caught up.
const TURNS_MAX: u32 = 10_000;

/// A zone in a directory, in a store of so small limits that a sequence turns segments and makes
/// checkpoints.
pub(super) struct Zone {
    /// Only absent while the zone is opened again.
    writer: Option<ZoneWriter>,
    directory: PathBuf,
    config: ZoneConfig,
    applied: u64,
    starts: u64,
    /// What the database keeps of names that are gone: until when they can be believed.
    gone: BTreeMap<PackedKey, u32>,
}

impl Zone {
    /// Builds and signs the zone of a state.
    pub(super) fn build(
        directory: &Path,
        keys: ZoneKeys,
        profile: Profile,
        state: &State,
        now: u64,
    ) -> anyhow::Result<Self> {
        let config = config(profile)?;
        let entries = listed(state).map(|(device_id, slot, publication)| {
            Ok::<_, Infallible>(Entry {
                device_id,
                slot,
                publication,
                released_until: None,
            })
        });
        let start = start(profile, 1, 1, [0, 0], now);
        let disk = Arc::new(RealDisk::new(directory)?);
        let ground = Ground::following(disk, StoreLimits::tiny());
        let writer = ZoneWriter::build_on(ground, config.clone(), keys, entries, start, now)?;
        Ok(Self {
            writer: Some(writer),
            directory: directory.to_owned(),
            config,
            applied: 1,
            starts: 1,
            gone: BTreeMap::new(),
        })
    }

    /// Ends the writer and opens what is on the disk, as a start of the registry would.
    pub(super) fn open_again(&mut self, keys: ZoneKeys, now: u64) -> anyhow::Result<()> {
        drop(self.writer.take());
        let last = ZoneWriter::last_commit(&self.directory)?.context("there is a commit")?;
        self.starts += 1;
        let profile = self.config.profile;
        let serial = last.serial;
        let start = start(
            profile,
            self.starts,
            self.applied,
            [serial, last.released_until],
            now,
        );
        let disk = Arc::new(RealDisk::new(&self.directory)?);
        match ZoneWriter::open_on(disk, StoreLimits::tiny(), &self.config, keys, start, now)? {
            Opening::Ready(writer) => {
                let mut writer = *writer;
                let gone = self.gone.iter().map(|(key, until)| {
                    let (device_id, slot) = unpacked(key);
                    (device_id, slot, *until)
                });
                writer.remember_released(gone, now);
                self.writer = Some(writer);
                Ok(())
            }
            Opening::Build { reason, .. } => bail!("the zone is not opened again: {reason}"),
        }
    }

    /// Publishes a batch.
    pub(super) fn apply(&mut self, changes: &[Change], now: u64) -> anyhow::Result<Applied> {
        self.applied += 1;
        let applied = self.applied;
        let applied = self.writer(now)?.apply(changes, applied, now)?;
        ensure!(
            applied.quarantined.is_empty(),
            "quarantined: {:?}",
            applied.quarantined
        );
        ensure!(
            applied.outcomes.len() == changes.len(),
            "an outcome for each change"
        );
        for outcome in &applied.outcomes {
            let key = PackedKey::new(outcome.device_id, outcome.slot);
            match outcome.withdrawn_until {
                Some(until) => self.gone.insert(key, until),
                None => self.gone.remove(&key),
            };
        }
        Ok(applied)
    }

    /// One turn of re-signing; the number of signatures.
    pub(super) fn work(&mut self, now: u64) -> anyhow::Result<usize> {
        let work = self.writer(now)?.work(now, ZoneWriter::WORK_SIGNATURES)?;
        ensure!(work.refused.is_empty(), "refused: {:?}", work.refused);
        ensure!(
            work.damaged_pages.is_empty(),
            "damaged: {:?}",
            work.damaged_pages
        );
        Ok(work.signatures)
    }

    /// Turns of re-signing until nothing is due.
    pub(super) fn catch_up(&mut self, now: u64) -> anyhow::Result<u64> {
        let mut signatures = 0;
        for _ in 0..TURNS_MAX {
            signatures += self.work(now)? as u64;
            if self.writer(now)?.next_work_at() > now {
                return Ok(signatures);
            }
        }
        bail!("re-signing does not end: {signatures} signatures")
    }

    /// The writer, its ceiling raised as the registry would.
    fn writer(&mut self, now: u64) -> anyhow::Result<&mut ZoneWriter> {
        let writer = self
            .writer
            .as_mut()
            .context("the zone could not be opened again")?;
        if let Some(ceiling) = writer.ceiling_wanted(now) {
            writer.raise_ceiling(ceiling);
        }
        Ok(writer)
    }

    fn present(&self) -> anyhow::Result<&ZoneWriter> {
        self.writer
            .as_ref()
            .context("the zone could not be opened again")
    }

    /// Everything that is served.
    pub(super) fn records(&self) -> anyhow::Result<Vec<Record>> {
        let snapshot = self.present()?.snapshot();
        Ok(snapshot.records().collect::<Result<_, _>>()?)
    }

    /// Number of credentials.
    pub(super) fn device_names(&self) -> anyhow::Result<u64> {
        Ok(self.present()?.snapshot().device_names())
    }

    /// The zone as a master file.
    pub(super) fn text(&self) -> anyhow::Result<String> {
        let mut text = Vec::new();
        dump(&self.present()?.snapshot(), &mut text)?;
        String::from_utf8(text).context("a dump is text")
    }

    /// What our own check finds.
    pub(super) fn findings(&self, state: &State, now: u64) -> anyhow::Result<Vec<Finding>> {
        let snapshot = self.present()?.snapshot();
        let listed = listed(state).map(Ok::<_, Infallible>);
        Ok(check(&self.config.apex, snapshot.records(), listed, now)?)
    }
}

fn config(profile: Profile) -> anyhow::Result<ZoneConfig> {
    let apex = ZoneName::parse(ZONE)?;
    Ok(ZoneConfig {
        static_records: StaticRecords::parse(STATIC_RECORDS, &apex)?,
        name_servers: vec![format!("ns1.{apex}"), "ns2.example.net.".into()],
        contact: format!("hostmaster@{apex}"),
        apex,
        profile,
    })
}

fn start(
    profile: Profile,
    fencing_token: u64,
    applied: u64,
    [serial_above, released_until]: [u32; 2],
    now: u64,
) -> Start {
    Start {
        database_id: [3; 16],
        fencing_token,
        applied,
        serial_above,
        ceiling: Ceiling::for_start(profile, serial_above, now),
        released_until,
        lost_until: 0,
    }
}

/// The credentials of a state.
fn listed(state: &State) -> impl Iterator<Item = (DeviceId, Slot, Publication)> {
    state.iter().map(|(key, publication)| {
        let (device_id, slot) = unpacked(key);
        (device_id, slot, *publication)
    })
}

fn unpacked(key: &PackedKey) -> (DeviceId, Slot) {
    let (device_id, slot) = key.unpack().expect("the key of a credential");
    (device_id, slot.expect("the key of a credential"))
}
