//! Holding a registry that was started again to what its clients know.

use anyhow::{Context, bail, ensure};
use iot_epp_api::{DeviceInfo, DeviceState};
use iot_identity::{DeviceId, Fingerprint, Publication, Slot};
use iot_registry::directory::Directory;
use iot_registry::https_client::HttpsClient;
use iot_registry::start::Core;

use super::ledger::{Deletion, Entry, Hold, Registration, publication};
use super::worker::registration;
use crate::accounts::{OPERATORS, device_info};
use crate::names::Names;
use crate::report::{Counts, add};

/// Whom to ask: the door, in the name of the devices' account, and the DNS.
pub struct Witnesses<'a> {
    /// The door.
    pub client: &'a HttpsClient,
    /// The DNS.
    pub names: &'a Names,
}

impl Witnesses<'_> {
    /// Holds database and DNS to an entry, and settles what got no answer by asking again.
    ///
    /// # Errors
    /// Whatever was acknowledged and is not there, whatever is there in part, and a retry that
    /// gives a second device or a second certificate.
    pub async fn settle(&self, entry: &mut Entry, counts: &mut Counts) -> anyhow::Result<()> {
        let device_id = entry.device_id;
        let info = device_info(self.client, device_id).await?;
        match &info {
            Some(info) => self.present(entry, info, counts).await?,
            None => self.absent(entry, counts).await?,
        }
        if !entry.is_acknowledged() {
            self.retry(entry, info.is_some(), counts).await?;
        }
        entry.touched = false;
        add(counts, "devices held to database and DNS", 1);
        Ok(())
    }

    /// The device is in the database: wholly, as acknowledged, and as the DNS says.
    async fn present(
        &self,
        entry: &mut Entry,
        info: &DeviceInfo,
        counts: &mut Counts,
    ) -> anyhow::Result<()> {
        let (slot, fingerprint) = only_credential(info)?;
        match entry.registration {
            Registration::Acknowledged {
                fingerprint: told,
                slot: told_slot,
            } => ensure!(
                (slot, fingerprint) == (told_slot, told),
                "acknowledged was another credential: {entry:?}, {info:?}"
            ),
            Registration::Pending => add(counts, "pending registrations found", 1),
            Registration::Unanswered => add(counts, "unanswered registrations found whole", 1),
        }
        let deleted = info.state == DeviceState::PendingDelete;
        match entry.deletion {
            Deletion::Unanswered => add(counts, "unanswered deletions settled", 1),
            known => ensure!(
                deleted == (known == Deletion::Done),
                "acknowledged was deletion {known:?}: {info:?}"
            ),
        }
        entry.deletion = if deleted {
            Deletion::Done
        } else {
            Deletion::No
        };
        let held = match info.state {
            DeviceState::Active => false,
            DeviceState::Inactive => true,
            // What holds a deleted device had is not shown.
            DeviceState::PendingDelete => entry.hold == Hold::On,
        };
        match entry.hold {
            Hold::Unanswered => add(counts, "unanswered holds and releases settled", 1),
            known => ensure!(
                held == (known == Hold::On),
                "acknowledged was {known:?}: {info:?}"
            ),
        }
        entry.hold = if held { Hold::On } else { Hold::Off };
        let expected = publication(fingerprint, held, deleted);
        self.published(entry.device_id, slot, expected).await
    }

    /// The device is not in the database: nothing of it may be anywhere.
    async fn absent(&self, entry: &Entry, counts: &mut Counts) -> anyhow::Result<()> {
        ensure!(
            entry.registration == Registration::Unanswered,
            "acknowledged and lost: {entry:?}"
        );
        add(counts, "unanswered registrations without a trace", 1);
        let absent = Publication::Absent;
        self.names
            .expect(entry.device_id, Slot::FIRST, absent)
            .await
    }

    /// Repeats a registration: one device, one certificate.
    async fn retry(
        &self,
        entry: &mut Entry,
        was_there: bool,
        counts: &mut Counts,
    ) -> anyhow::Result<()> {
        let transaction = entry.created_as.clone();
        let response = self.client.give_as(entry.create(), transaction).await?;
        ensure!(
            response.replayed == was_there,
            "the retry was {}replayed: {response:?}",
            if was_there { "not " } else { "" }
        );
        entry.registration = registration(&response)?.0;
        let Registration::Acknowledged { fingerprint, slot } = entry.registration else {
            bail!("pending on an idle registry: {response:?}");
        };
        let info = device_info(self.client, entry.device_id).await?;
        let info = info.context("registered by a retry and not there")?;
        ensure!(
            only_credential(&info)? == (slot, fingerprint),
            "the retry told of another credential: {response:?}, {info:?}"
        );
        add(
            counts,
            "retries that gave one device and one certificate",
            1,
        );
        let held = entry.hold == Hold::On;
        let expected = publication(fingerprint, held, entry.is_deleted());
        self.published(entry.device_id, slot, expected).await
    }

    /// The DNS says so of this slot, and nothing of those that were set aside before it.
    async fn published(
        &self,
        device_id: DeviceId,
        slot: Slot,
        expected: Publication,
    ) -> anyhow::Result<()> {
        self.names.expect(device_id, slot, expected).await?;
        for earlier in 1..slot.get() {
            let earlier = Slot::new(earlier)?;
            let absent = Publication::Absent;
            self.names.expect(device_id, earlier, absent).await?;
        }
        Ok(())
    }
}

fn only_credential(info: &DeviceInfo) -> anyhow::Result<(Slot, Fingerprint)> {
    match info.slots.as_slice() {
        [slot] => Ok((slot.slot, slot.fingerprint)),
        _ => bail!("not exactly one credential: {info:?}"),
    }
}

/// Opens the database of a registry that nobody serves, and looks at what no door shows: no
/// intent is left, and no slot that was set aside in vain was used. Returns the serial of this
/// start and the number of such slots.
///
/// # Errors
/// What is left over.
pub async fn look_inside(directory: &Directory, entries: &[&Entry]) -> anyhow::Result<(u32, u64)> {
    let core = Core::open(directory).await?;
    let serial = core.serial();
    let looked = look_at_facts(&core, entries).await;
    core.close().await;
    Ok((serial, looked?))
}

async fn look_at_facts(core: &Core, entries: &[&Entry]) -> anyhow::Result<u64> {
    let mut voided = 0;
    for entry in entries {
        // Whoever asks: of the id the same is reserved and pending.
        let store = core.service.store();
        let facts = store.issuance_facts(entry.device_id, OPERATORS[0]).await?;
        let Registration::Acknowledged { fingerprint, slot } = entry.registration else {
            bail!("not settled: {entry:?}");
        };
        let [credential] = facts.credentials.as_slice() else {
            bail!("not exactly one credential: {facts:?}");
        };
        ensure!(
            facts.device.is_some()
                && !facts.intent_pending
                && facts.slot_reserved_max == slot.get()
                && (credential.slot, credential.fingerprint) == (slot, fingerprint),
            "the database has {facts:?}, known is {entry:?}"
        );
        voided += u64::from(slot.get() - 1);
    }
    Ok(voided)
}
