//! `<device:info>` and `<device:infData>`.

use iot_identity::{DeviceId, OwnerName};

use crate::device::{
    DeviceInfo, DeviceState, DeviceStatus, RepositoryId, SlotInfo, SlotReason, SlotState,
};
use crate::epp::device::authorization::{read_presented, write_presented};
use crate::epp::device::{read_asp, read_id, read_optional, write_asp};
use crate::epp::namespace::{Name, device};
use crate::epp::read_error::ReadError;
use crate::epp::xml::{XmlReader, XmlWriter, instant};
use crate::secret::Secret;

/// Ask for one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// The device.
    pub device_id: DeviceId,
    /// Given by who is not the sponsor.
    pub auth_info: Option<Secret>,
}

impl Info {
    /// Reads what stands behind the id.
    pub(super) fn read(device_id: DeviceId, reader: &mut XmlReader<'_>) -> Result<Self, ReadError> {
        Ok(Self {
            device_id,
            auth_info: read_presented(reader)?,
        })
    }

    pub(super) fn write(&self, writer: &mut XmlWriter) {
        writer.element(device("id"), self.device_id.as_str());
        write_presented(self.auth_info.as_ref(), writer);
    }
}

/// Writes a device as an element of this name: `infData` for the device as it is, `preData` for what
/// it was before a change. Authorization information is never shown (RFC 9154 §5.3).
pub(crate) fn write_device_info(name: Name, info: &DeviceInfo, writer: &mut XmlWriter) {
    let mut statuses = info.statuses.clone();
    if statuses.is_empty() {
        statuses.push(DeviceStatus::Ok);
    }
    statuses.sort_unstable();
    statuses.dedup();
    writer.within(name, &[], |writer| {
        writer.element(device("id"), info.device_id.as_str());
        writer.element(device("roid"), &info.repository_id.to_string());
        writer.element(device("state"), info.state.as_str());
        for status in statuses {
            writer.empty(device("status"), &[("s", status.as_str())]);
        }
        for slot in &info.slots {
            write_slot(slot, writer);
        }
        writer.element(device("clID"), info.account.as_str());
        writer.element(device("crDate"), &instant(info.created_at));
        writer.element(device("upDate"), &instant(info.updated_at));
        writer.element(device("exDate"), &instant(info.expires_at));
        writer.optional_instant(device("trDate"), info.transferred_at);
        writer.optional_instant(device("restoreUntil"), info.restore_until);
        writer.element(device("version"), &info.version.to_string());
    });
}

fn write_slot(slot: &SlotInfo, writer: &mut XmlWriter) {
    let number = slot.slot.to_string();
    let attributes = [("n", number.as_str()), ("state", slot.state.as_str())];
    writer.within(device("slot"), &attributes, |writer| {
        writer.optional(device("reason"), slot.reason.map(SlotReason::as_str));
        writer.element(device("ownerName"), &slot.owner_name.to_string());
        writer.element(device("fingerprint"), &slot.fingerprint.to_string());
        writer.optional(device("serial"), slot.serial.as_deref());
        writer.element(device("notBefore"), &instant(slot.not_before));
        writer.element(device("notAfter"), &instant(slot.not_after));
        write_asp(slot.asp.as_ref(), writer);
        if slot.inherited {
            writer.empty(device("inherited"), &[]);
        }
        writer.optional_instant(device("replaceBy"), slot.replace_by);
    });
}

/// Reads the children of `infData` or `preData`, which was entered.
pub(crate) fn read_device_info(reader: &mut XmlReader<'_>) -> Result<DeviceInfo, ReadError> {
    Ok(DeviceInfo {
        device_id: read_id(reader)?,
        repository_id: reader.required(device("roid"))?.parse::<RepositoryId>()?,
        state: reader
            .required(device("state"))?
            .named(DeviceState::from_name)?,
        statuses: read_statuses(reader)?,
        slots: read_slots(reader)?,
        account: reader.required(device("clID"))?.parse()?,
        created_at: reader.instant(device("crDate"))?,
        updated_at: reader.instant(device("upDate"))?,
        expires_at: reader.instant(device("exDate"))?,
        transferred_at: reader.optional_instant(device("trDate"))?,
        restore_until: reader.optional_instant(device("restoreUntil"))?,
        version: reader.required(device("version"))?.parse()?,
    })
}

fn read_statuses(reader: &mut XmlReader<'_>) -> Result<Vec<DeviceStatus>, ReadError> {
    let mut statuses = Vec::new();
    while reader.try_enter(device("status"))? {
        let status = reader.required_attribute("s")?;
        statuses.push(status.named(DeviceStatus::from_name)?);
        reader.leave()?;
    }
    Ok(statuses)
}

fn read_slots(reader: &mut XmlReader<'_>) -> Result<Vec<SlotInfo>, ReadError> {
    let mut slots = Vec::new();
    while reader.try_enter(device("slot"))? {
        slots.push(SlotInfo {
            slot: reader.required_attribute("n")?.parse()?,
            state: reader
                .required_attribute("state")?
                .named(SlotState::from_name)?,
            reason: read_optional(reader, "reason", |value| value.named(SlotReason::from_name))?,
            owner_name: read_owner_name(reader)?,
            fingerprint: reader.required(device("fingerprint"))?.parse()?,
            serial: read_optional(reader, "serial", |value| Ok(value.token().to_string()))?,
            not_before: reader.instant(device("notBefore"))?,
            not_after: reader.instant(device("notAfter"))?,
            asp: read_asp(reader)?,
            inherited: reader.flag(device("inherited"))?,
            replace_by: reader.optional_instant(device("replaceBy"))?,
        });
        reader.leave()?;
    }
    Ok(slots)
}

fn read_owner_name(reader: &mut XmlReader<'_>) -> Result<OwnerName, ReadError> {
    let value = reader.required(device("ownerName"))?;
    value.named(|name| OwnerName::parse_in_any_zone(name).ok())
}
