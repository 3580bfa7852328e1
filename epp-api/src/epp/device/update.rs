//! `<device:update>` and `<device:updData>`: statuses (hold among them), bindings, authInfo, a new
//! slot, slots taken back, and restore after delete.
//!
//! Limits: 100 bindings in either list and as many withdrawals.

use iot_identity::{DeviceId, Slot};

use crate::account::AccountName;
use crate::device::{DeviceStatus, PublicationTimes, WithdrawReason};
use crate::epp::device::authorization::{AuthInfoChange, read_change, write_change};
use crate::epp::device::create::{read_csr, write_csr};
use crate::epp::device::publication::{
    read_issued, read_publication, write_issued, write_publication,
};
use crate::epp::device::{read_asp, read_id, read_slot, write_asp};
use crate::epp::namespace::{Name, device};
use crate::epp::read_error::ReadError;
use crate::epp::xml::{XmlReader, XmlWriter};
use crate::response::SlotCertificate;

/// Most slots that one command can bind, release or withdraw.
const SLOTS_MAX: usize = 100;

/// Change a device; at least one of the three parts is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// The device.
    pub device_id: DeviceId,
    /// Added.
    pub add: StatusesAndBindings,
    /// Taken away.
    pub remove: StatusesAndBindings,
    /// Everything else.
    pub change: Change,
}

/// What a device can have several of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusesAndBindings {
    /// Statuses, each once. Which of them a client may touch is the registry's to say.
    pub statuses: Vec<DeviceStatus>,
    /// Slots and who they are for.
    pub bindings: Vec<Binding>,
}

/// A slot is for this application service provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The slot.
    pub slot: Slot,
    /// The provider.
    pub asp: AccountName,
}

/// What is not added or taken away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Authorization information.
    pub auth_info: Option<AuthInfoChange>,
    /// A new credential beside those that are there.
    pub new_slot: Option<NewSlot>,
    /// Slots to take back, for ever.
    pub withdrawals: Vec<Withdrawal>,
    /// Whether a deleted device is to come back.
    pub restore: bool,
}

/// A new credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSlot {
    /// Certificate request (PKCS #10), DER, at most [`crate::command::CSR_OCTETS_MAX`] octets.
    pub csr: Vec<u8>,
    /// The application service provider that it is for.
    pub asp: Option<AccountName>,
}

/// A slot to take back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Withdrawal {
    /// The slot.
    pub slot: Slot,
    /// Why.
    pub reason: WithdrawReason,
}

impl Update {
    pub(super) fn read(reader: &mut XmlReader<'_>) -> Result<Self, ReadError> {
        let update = Self {
            device_id: read_id(reader)?,
            add: StatusesAndBindings::read(device("add"), reader)?,
            remove: StatusesAndBindings::read(device("rem"), reader)?,
            change: Change::read(reader)?,
        };
        let empty = StatusesAndBindings::default();
        if update.add == empty && update.remove == empty && update.change == Change::default() {
            return Err(ReadError::MissingElement { element: "chg" });
        }
        Ok(update)
    }

    pub(super) fn write(&self, writer: &mut XmlWriter) {
        writer.element(device("id"), self.device_id.as_str());
        self.add.write(device("add"), writer);
        self.remove.write(device("rem"), writer);
        self.change.write(writer);
    }
}

impl StatusesAndBindings {
    fn read(name: Name, reader: &mut XmlReader<'_>) -> Result<Self, ReadError> {
        let mut found = Self::default();
        if !reader.try_enter(name)? {
            return Ok(found);
        }
        while reader.try_enter(device("status"))? {
            let status = reader
                .required_attribute("s")?
                .named(DeviceStatus::from_name)?;
            reader.leave()?;
            if found.statuses.contains(&status) {
                return Err(ReadError::syntax("status", format!("{status} comes twice")));
            }
            found.statuses.push(status);
        }
        while reader.try_enter(device("binding"))? {
            check_room(found.bindings.len(), "binding")?;
            let slot = read_slot(reader)?;
            let asp = reader.required(device("asp"))?.parse()?;
            reader.leave()?;
            found.bindings.push(Binding { slot, asp });
        }
        reader.leave()?;
        Ok(found)
    }

    fn write(&self, name: Name, writer: &mut XmlWriter) {
        if *self == Self::default() {
            return;
        }
        writer.within(name, &[], |writer| {
            for status in &self.statuses {
                writer.empty(device("status"), &[("s", status.as_str())]);
            }
            for binding in &self.bindings {
                writer.within(device("binding"), &[], |writer| {
                    writer.element(device("slot"), &binding.slot.to_string());
                    writer.element(device("asp"), binding.asp.as_str());
                });
            }
        });
    }
}

impl Change {
    fn read(reader: &mut XmlReader<'_>) -> Result<Self, ReadError> {
        let mut change = Self::default();
        if !reader.try_enter(device("chg"))? {
            return Ok(change);
        }
        change.auth_info = read_change(reader)?;
        if reader.try_enter(device("newSlot"))? {
            let csr = read_csr(reader)?;
            let asp = read_asp(reader)?;
            reader.leave()?;
            change.new_slot = Some(NewSlot { csr, asp });
        }
        while reader.try_enter(device("withdraw"))? {
            check_room(change.withdrawals.len(), "withdraw")?;
            let slot = read_slot(reader)?;
            let reason = reader.required(device("reason"))?;
            let reason = reason.named(WithdrawReason::from_name)?;
            reader.leave()?;
            change.withdrawals.push(Withdrawal { slot, reason });
        }
        change.restore = reader.flag(device("restore"))?;
        reader.leave()?;
        Ok(change)
    }

    fn write(&self, writer: &mut XmlWriter) {
        if *self == Self::default() {
            return;
        }
        writer.within(device("chg"), &[], |writer| {
            write_change(self.auth_info.as_ref(), writer);
            if let Some(NewSlot { csr, asp }) = &self.new_slot {
                writer.within(device("newSlot"), &[], |writer| {
                    write_csr(csr, writer);
                    write_asp(asp.as_ref(), writer);
                });
            }
            for Withdrawal { slot, reason } in &self.withdrawals {
                writer.within(device("withdraw"), &[], |writer| {
                    writer.element(device("slot"), &slot.to_string());
                    writer.element(device("reason"), reason.as_str());
                });
            }
            if self.restore {
                writer.empty(device("restore"), &[]);
            }
        });
    }
}

fn check_room(present: usize, name: &'static str) -> Result<(), ReadError> {
    if present < SLOTS_MAX {
        return Ok(());
    }
    Err(ReadError::range(
        name,
        format!("comes at most {SLOTS_MAX} times"),
    ))
}

/// A device was changed, or will be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateData {
    /// The device.
    pub device_id: DeviceId,
    /// The new credential, where the command asked for one and is not pending.
    pub issued: Option<SlotCertificate>,
    /// Its number while the command is pending: the certificate can be asked for by it.
    pub pending_slot: Option<Slot>,
    /// By when the change is believed, where it changed the zone and is not pending.
    pub times: Option<PublicationTimes>,
}

impl UpdateData {
    pub(crate) fn write(&self, writer: &mut XmlWriter) {
        writer.within(device("updData"), &[], |writer| {
            writer.element(device("id"), self.device_id.as_str());
            write_issued(self.issued.as_ref(), self.pending_slot, writer);
            write_publication(self.times.as_ref(), writer);
        });
    }

    /// Reads the children of `updData`, which was entered.
    pub(crate) fn read(reader: &mut XmlReader<'_>) -> Result<Self, ReadError> {
        let device_id = read_id(reader)?;
        let (issued, pending_slot) = read_issued(reader)?;
        Ok(Self {
            device_id,
            issued,
            pending_slot,
            times: read_publication(reader)?,
        })
    }
}
