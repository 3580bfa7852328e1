//! One device as its clients know it: what was acknowledged, and what was asked without an answer.

use anyhow::{Context, ensure};
use iot_epp_api::device::DeviceStatus;
use iot_epp_api::message::Event;
use iot_epp_api::transfer::{Arrival, TransferStatus};
use iot_epp_api::{DeviceInfo, SlotState};
use iot_identity::{DeviceId, Fingerprint, Publication, Slot};
use time::OffsetDateTime;

use super::wish::{Asked, PROVIDER, Wish, member};
use crate::doors::Told;
use crate::draws::Draws;

/// Most credentials of one device.
const SLOTS_MAX: usize = 4;
/// Most renewals of one device: a registration may end 20 years ahead, and begins with 10.
const RENEWALS_MAX: u8 = 8;

/// A device.
#[derive(Clone, Debug)]
pub struct Device {
    /// Its id.
    pub device_id: DeviceId,
    /// Its sponsor's place among the members.
    pub sponsor: usize,
    /// How often it was changed, the registration included; 0 before it.
    pub version: u64,
    /// Held by its sponsor.
    pub is_held: bool,
    /// Deleted, and can be restored.
    pub is_deleted: bool,
    /// End of the registration, once it is known.
    pub expires_at: Option<OffsetDateTime>,
    /// Its credentials.
    pub slots: Vec<Credential>,
    /// A transfer that somebody has to agree to.
    pub transfer: Option<Transfer>,
    /// It can be pulled.
    pub has_auth_info: bool,
    renewals: u8,
    /// What was asked and is not known to be done just once.
    pub open: Option<Asked>,
    /// Something was asked since the device was last held to the registry.
    pub is_touched: bool,
}

/// A credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Its number.
    pub slot: Slot,
    /// Of its certificate.
    pub fingerprint: Fingerprint,
    /// Taken back for ever.
    pub is_withdrawn: bool,
    /// For the provider.
    pub is_bound: bool,
}

/// A pending transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    acting: usize,
    requested_by: usize,
    gaining: usize,
    arrival: Arrival,
}

impl Device {
    /// A device that is about to be asked for.
    pub fn new(device_id: DeviceId, sponsor: usize) -> Self {
        Self {
            device_id,
            sponsor,
            version: 0,
            is_held: false,
            is_deleted: false,
            expires_at: None,
            slots: Vec::new(),
            transfer: None,
            has_auth_info: false,
            renewals: 0,
            open: None,
            is_touched: true,
        }
    }

    /// Something that may be asked now, and by whom; none while something else is open.
    pub fn choose(&self, draws: &mut Draws, csr: &mut Vec<Vec<u8>>) -> Option<(Wish, usize)> {
        if self.open.is_some() || self.version == 0 {
            return None;
        }
        let wishes = match (&self.transfer, self.is_deleted) {
            (_, true) => vec![(1, Wish::Restore, self.sponsor)],
            (Some(transfer), false) => self.while_transferred(*transfer, draws),
            (None, false) => self.ordinary(draws, csr),
        };
        let weights: Vec<(u32, usize)> = wishes.iter().map(|one| one.0).zip(0..).collect();
        let (_, wish, by) = wishes[draws.weighted(&weights)].clone();
        if let Some(used) = wish.csr() {
            csr.retain(|one| one != used);
        }
        Some((wish, by))
    }

    fn while_transferred(&self, transfer: Transfer, draws: &mut Draws) -> Vec<(u32, Wish, usize)> {
        let held = draws.chance(30).then_some(Arrival::Held);
        // How a device arrives is for the gaining side to say.
        let arrival = held.filter(|_| transfer.acting == transfer.gaining);
        let mut wishes = vec![
            (5, Wish::Approve(arrival), transfer.acting),
            (1, Wish::Reject, transfer.acting),
            (1, Wish::Cancel, transfer.requested_by),
            (1, Wish::Delete, self.sponsor),
        ];
        if !self.is_held {
            wishes.push((1, Wish::SetHold(true), self.sponsor));
        }
        wishes
    }

    fn ordinary(&self, draws: &mut Draws, csr: &[Vec<u8>]) -> Vec<(u32, Wish, usize)> {
        let mut wishes = vec![
            (5, Wish::SetHold(!self.is_held), self.sponsor),
            (1, Wish::Push, self.sponsor),
            (2, Wish::Delete, self.sponsor),
        ];
        if self.has_auth_info {
            let held = draws.chance(30);
            let arrival = if held { Arrival::Held } else { Arrival::AsIs };
            wishes.push((4, Wish::Pull(arrival), 1 - self.sponsor));
        } else {
            wishes.push((2, Wish::SetAuthInfo, self.sponsor));
        }
        if let Some(csr) = csr.first().filter(|_| self.slots.len() < SLOTS_MAX) {
            let (csr, is_bound) = (csr.clone(), draws.chance(50));
            wishes.push((4, Wish::NewSlot { csr, is_bound }, self.sponsor));
        }
        if let Some(end) = self.expires_at.filter(|_| self.renewals < RENEWALS_MAX) {
            wishes.push((3, Wish::Renew(end.date()), self.sponsor));
        }
        let live = self.slots.iter().filter(|one| !one.is_withdrawn);
        let live: Vec<Credential> = live.copied().collect();
        if let Some(one) = draws.pick(&live) {
            let binding = match one.is_bound {
                true => Wish::Unbind(one.slot),
                false => Wish::Bind(one.slot),
            };
            wishes.push((3, binding, self.sponsor));
            wishes.push((1, Wish::Withdraw(one.slot), self.sponsor));
        }
        wishes
    }

    /// The device after a wish was carried out `effects` times, and who is told of what.
    ///
    /// # Errors
    /// A wish for a certificate, without one.
    pub fn after(
        &self,
        asked: &Asked,
        effects: u64,
        issued: Option<(Slot, Fingerprint)>,
    ) -> anyhow::Result<(Self, Vec<(usize, Told)>)> {
        let mut after = self.clone();
        let mut told = Vec::new();
        after.version += effects;
        match &asked.wish {
            Wish::Create { is_bound, .. } | Wish::NewSlot { is_bound, .. } => {
                let (slot, fingerprint) = issued.context("nothing was issued")?;
                after.slots.push(Credential {
                    slot,
                    fingerprint,
                    is_withdrawn: false,
                    is_bound: *is_bound,
                });
                if *is_bound {
                    told.push(self.to_provider(Event::SlotIssued, Some(slot)));
                }
            }
            Wish::SetHold(is_held) => {
                after.is_held = *is_held;
                if self.is_held != *is_held {
                    self.tell_provider(Event::StatusChanged, None, &mut told);
                }
            }
            Wish::Bind(slot) => {
                after.credential(*slot)?.is_bound = true;
                told.push(self.to_provider(Event::SlotBound, Some(*slot)));
            }
            Wish::Unbind(slot) => {
                after.credential(*slot)?.is_bound = false;
                told.push(self.to_provider(Event::SlotUnbound, Some(*slot)));
            }
            Wish::Withdraw(slot) => {
                let credential = after.credential(*slot)?;
                credential.is_withdrawn = true;
                if credential.is_bound {
                    told.push(self.to_provider(Event::SlotWithdrawn, Some(*slot)));
                }
            }
            Wish::Renew(_) => {
                let end = self.expires_at.context("renewed without an end")?;
                after.expires_at = Some(end.replace_year(end.year() + 1)?);
                after.renewals += 1;
            }
            Wish::SetAuthInfo => after.has_auth_info = true,
            Wish::Delete => {
                self.tell_provider(Event::Deleted, None, &mut told);
                if let Some(transfer) = after.transfer.take() {
                    let status = TransferStatus::ServerCancelled;
                    told.push((transfer.gaining, self.of_transfer(status)));
                }
                (after.is_deleted, after.has_auth_info) = (true, false);
            }
            Wish::Restore => {
                (after.is_deleted, after.is_held) = (false, true);
                self.tell_provider(Event::Restored, None, &mut told);
            }
            Wish::Pull(_) | Wish::Push | Wish::Approve(_) | Wish::Reject | Wish::Cancel => {
                after.transferred(asked, &mut told)?;
            }
        }
        Ok((after, told))
    }

    fn transferred(&mut self, asked: &Asked, told: &mut Vec<(usize, Told)>) -> anyhow::Result<()> {
        let status = asked.wish.transfer_status().context("not a transfer")?;
        match &asked.wish {
            Wish::Pull(arrival) => {
                self.transfer = Some(Transfer {
                    acting: self.sponsor,
                    requested_by: asked.by,
                    gaining: asked.by,
                    arrival: *arrival,
                });
                told.push((self.sponsor, self.of_transfer(status)));
                self.tell_provider(Event::StatusChanged, None, told);
            }
            Wish::Push => {
                let gaining = 1 - self.sponsor;
                self.transfer = Some(Transfer {
                    acting: gaining,
                    requested_by: asked.by,
                    gaining,
                    arrival: Arrival::AsIs,
                });
                told.push((gaining, self.of_transfer(status)));
                self.tell_provider(Event::StatusChanged, None, told);
            }
            wish => {
                let ended = self.transfer.take().context("no transfer is pending")?;
                for side in [self.sponsor, ended.gaining] {
                    told.push((side, self.of_transfer(status)));
                }
                if let Wish::Approve(arrival) = wish {
                    self.tell_provider(Event::Transfer, Some(status), told);
                    self.sponsor = ended.gaining;
                    self.has_auth_info = false;
                    self.is_held |= arrival.unwrap_or(ended.arrival) == Arrival::Held;
                } else {
                    self.tell_provider(Event::StatusChanged, None, told);
                }
            }
        }
        Ok(())
    }

    fn credential(&mut self, slot: Slot) -> anyhow::Result<&mut Credential> {
        let found = self.slots.iter_mut().find(|one| one.slot == slot);
        found.context("no such slot")
    }

    fn of_transfer(&self, status: TransferStatus) -> Told {
        Told {
            transfer: Some(status),
            ..Told::of(Event::Transfer, Some(self.device_id))
        }
    }

    fn to_provider(&self, event: Event, slot: Option<Slot>) -> (usize, Told) {
        let told = Told {
            slot,
            ..Told::of(event, Some(self.device_id))
        };
        (PROVIDER, told)
    }

    /// The provider, where a credential is for it; of statuses, where a live one is.
    fn tell_provider(
        &self,
        event: Event,
        transfer: Option<TransferStatus>,
        told: &mut Vec<(usize, Told)>,
    ) {
        let is_of_status = event == Event::StatusChanged;
        let is_concerned = |one: &Credential| one.is_bound && !(is_of_status && one.is_withdrawn);
        if self.slots.iter().any(is_concerned) {
            let (provider, message) = self.to_provider(event, None);
            told.push((
                provider,
                Told {
                    transfer,
                    ..message
                },
            ));
        }
    }

    /// Holds what the registry shows to what is known.
    ///
    /// # Errors
    /// Where they differ.
    pub fn require(&self, info: &DeviceInfo) -> anyhow::Result<()> {
        let has = |status| info.statuses.contains(&status);
        let slots = info.slots.iter().map(|one| Credential {
            slot: one.slot,
            fingerprint: one.fingerprint,
            is_withdrawn: one.state != SlotState::Live,
            is_bound: one.asp.is_some(),
        });
        ensure!(
            info.device_id == self.device_id
                && info.account == member(self.sponsor)
                && info.version == self.version
                && has(DeviceStatus::ClientHold) == self.is_held
                && has(DeviceStatus::PendingDelete) == self.is_deleted
                && has(DeviceStatus::PendingTransfer) == self.transfer.is_some()
                && slots.eq(self.slots.iter().copied())
                && self.expires_at.is_none_or(|end| end == info.expires_at),
            "known is {self:#?}\nand the registry has {info:#?}"
        );
        Ok(())
    }

    /// What the DNS has to say of every slot up to one behind the last.
    ///
    /// # Errors
    /// More slots than there are numbers.
    pub fn publications(&self) -> anyhow::Result<Vec<(Slot, Publication)>> {
        let last = self.slots.iter().map(|one| one.slot.get()).max();
        let publication = |number: u16| {
            let slot = Slot::new(number)?;
            let credential = self.slots.iter().find(|one| one.slot == slot);
            let publication = match credential {
                Some(_) if self.is_deleted => Publication::Absent,
                Some(one) if self.is_held || one.is_withdrawn => Publication::Inactive,
                Some(one) => Publication::Active(one.fingerprint),
                None => Publication::Absent,
            };
            Ok((slot, publication))
        };
        (1..=last.unwrap_or(0) + 1).map(publication).collect()
    }

    /// Names that it has in the zone.
    pub fn names(&self) -> u64 {
        if self.is_deleted {
            0
        } else {
            self.slots.len() as u64
        }
    }
}
