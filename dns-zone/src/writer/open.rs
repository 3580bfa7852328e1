//! Starting from the zone that is there: nothing is signed that need not be.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::freshness::Ages;
use super::{Start, ZoneWriter, numbers_after, random_seed};
use crate::apex::fixed_names;
use crate::bounds::Gone;
use crate::ceiling::check_ceiling;
use crate::change::finish;
use crate::config::ZoneConfig;
use crate::draft::Draft;
use crate::error::ZoneError;
use crate::fixed::FixedNames;
use crate::jitter::Jitter;
use crate::job::Name;
use crate::key::ZoneKeys;
use crate::name::NameKey;
use crate::seal::{Batch, raise_floor, seal};
use crate::serial;
use crate::signers::Signers;
use crate::snapshot::{Shape, Snapshot};
use crate::store::{CommitRecord, Disk, RealDisk, Store, StoreLimits};
use crate::sweep::Hand;
use crate::urgent::Urgent;

/// What was found in a directory.
#[derive(Debug)]
pub enum Opening {
    /// The zone is there and can be answered from.
    Ready(Box<ZoneWriter>),
    /// There is none, or it is signed with other keys, times or under another name: it has to be
    /// built. The keys are given back.
    Build {
        /// The keys.
        keys: Box<ZoneKeys>,
        /// Why, as a sentence part.
        reason: &'static str,
    },
}

impl Opening {
    fn build(keys: ZoneKeys, reason: &'static str) -> Self {
        let keys = Box::new(keys);
        Self::Build { keys, reason }
    }
}

impl ZoneWriter {
    /// Opens the zone in a directory. Only what the configuration says differently about the apex
    /// and the static names is signed; the devices' signatures are renewed later, in their turn.
    ///
    /// # Errors
    /// The configuration, the ceiling or the last commit refuse this start; the store cannot be
    /// opened.
    pub fn open(
        dir: &Path,
        config: &ZoneConfig,
        keys: ZoneKeys,
        start: Start,
        now: u64,
    ) -> Result<Opening, ZoneError> {
        if !dir.exists() {
            let reason = "there is no zone yet";
            let keys = Box::new(keys);
            return Ok(Opening::Build { keys, reason });
        }
        let disk = Arc::new(RealDisk::in_directory(dir)?);
        Self::open_on(disk, StoreLimits::default(), config, keys, start, now)
    }

    /// As [`ZoneWriter::open`], on any disk and with other limits: for trials of power cuts.
    ///
    /// # Errors
    /// As for [`ZoneWriter::open`].
    #[doc(hidden)]
    pub fn open_on(
        disk: Arc<dyn Disk>,
        limits: StoreLimits,
        config: &ZoneConfig,
        keys: ZoneKeys,
        start: Start,
        now: u64,
    ) -> Result<Opening, ZoneError> {
        let config = config.check()?;
        let last = Store::last_commit(&*disk)?;
        let Some(last) = last else {
            let reason = "there is no zone yet";
            return Ok(Opening::build(keys, reason));
        };
        let numbers = numbers_after(Some(&last), &start)?;
        check_ceiling(start.ceiling, config.profile, numbers.serial, now)?;
        let Some(opened) = Store::open_with(limits, disk)? else {
            let reason = "there is no zone yet";
            return Ok(Opening::build(keys, reason));
        };
        let public = keys.public();
        let wanted = fixed_names(&config, &public);
        let shape = Arc::new(Shape::new(config.apex, config.profile, public));
        if opened.shape_digest != shape.digest {
            let reason = "the zone has other keys, other times or another name";
            return Ok(Opening::build(keys, reason));
        }
        let Ok(snapshot) = Snapshot::of_version(shape, opened.version) else {
            let reason = "the apex of the zone cannot be read";
            return Ok(Opening::build(keys, reason));
        };
        let signers = Signers::start(Arc::new(keys));
        let mut writer = Self::over(opened.store, snapshot, signers, &start)?;
        writer.first_commit(&wanted, &start, now)?;
        Ok(Opening::Ready(Box::new(writer)))
    }

    /// A writer over a store whose version is not yet for everybody's eyes.
    pub(super) fn over(
        store: Store,
        snapshot: Snapshot,
        signers: Signers,
        start: &Start,
    ) -> Result<Self, ZoneError> {
        let sweep = snapshot.version.record.sweep;
        Ok(Self {
            signers,
            store,
            urgent: Arc::new(Urgent::default()),
            ceiling: start.ceiling,
            gone: Gone::default(),
            hand: Hand::resumed(snapshot.profile(), sweep),
            freshness: Ages::default(),
            jitter: Jitter::seeded(random_seed()?),
            unlinked: BTreeSet::new(),
            verified: 0,
            serial_above: start.serial_above,
            quarantined: Vec::new(),
            failed: false,
            visible: Arc::new(ArcSwap::from_pointee(snapshot)),
        })
    }

    /// Takes the store over for this start: its token, its bounds, and the apex and static names as
    /// they are configured now.
    pub(super) fn first_commit(
        &mut self,
        wanted: &FixedNames,
        start: &Start,
        now: u64,
    ) -> Result<(), ZoneError> {
        self.hand.follow_clock(now);
        let present = self.snapshot();
        let mut draft = Draft::new(&present);
        if *wanted != present.fixed.description() {
            want_links_of_fixed(&mut draft, wanted)?;
            draft.fixed = wanted.clone();
        }
        if serial::is_after(start.serial_above, present.serial()) {
            draft.fixed.set_soa(present.serial(), None);
        }
        let to_sign = finish(draft, self.present_serial(&present), now)?;
        let passed = self.pass(to_sign)??;
        let mut batch: Batch = seal(passed, present.applied())?;
        take_over(&mut batch.commit.record, start, now);
        self.publish(batch, now)?;
        Ok(())
    }
}

/// Asks for new NSEC signatures of the devices before static names that come or go.
fn want_links_of_fixed(draft: &mut Draft, wanted: &FixedNames) -> Result<(), ZoneError> {
    let keys = |names: &FixedNames| -> BTreeSet<NameKey> {
        names.names().iter().map(|name| name.key.clone()).collect()
    };
    let (before, after) = (keys(&draft.fixed), keys(wanted));
    for key in before.symmetric_difference(&after) {
        let position = crate::position::Position::of_name(key);
        let device = {
            let tree = draft.base.tree();
            match tree.floor(&position.key)? {
                Some(at) => Some(*tree.record(at)?.key()),
                None => None,
            }
        };
        if let Some(device) = device {
            draft.want_nsec(Name::Device(device))?;
        }
    }
    Ok(())
}

/// Writes into a commit record what a start brings.
fn take_over(record: &mut CommitRecord, start: &Start, now: u64) {
    record.database_id = start.database_id;
    record.fencing_token = start.fencing_token;
    record.lost_until = start.lost_until;
    let known = record.released_until;
    if start.released_until != 0 && (known == 0 || serial::is_after(start.released_until, known)) {
        record.released_until = start.released_until;
        raise_floor(record, start.released_until, now);
    }
}
