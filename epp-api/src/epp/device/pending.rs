//! `<device:panData>`: what became of a command that was answered with "pending" (RFC 5731 §3.3).

use iot_identity::{DeviceId, Slot};
use time::OffsetDateTime;

use crate::device::PublicationTimes;
use crate::epp::device::publication::{read_publication, write_publication};
use crate::epp::device::read_optional;
use crate::epp::namespace::{device, epp};
use crate::epp::read_error::ReadError;
use crate::epp::transaction_id::ServerTransactionId;
use crate::epp::xml::{XmlReader, XmlWriter, instant};
use crate::transaction::ClientTransactionId;

/// A pending command came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingActionData {
    /// The device.
    pub device_id: DeviceId,
    /// Whether the command was carried out.
    pub carried_out: bool,
    /// The client's name for the command.
    pub client_transaction_id: Option<ClientTransactionId>,
    /// Our name for the command.
    pub server_transaction_id: ServerTransactionId,
    /// When that was settled.
    pub settled_at: OffsetDateTime,
    /// The slot that the command made, whose certificate can be asked for.
    pub slot: Option<Slot>,
    /// By when it is believed, where it changed the zone.
    pub times: Option<PublicationTimes>,
}

impl PendingActionData {
    pub(crate) fn write(&self, writer: &mut XmlWriter) {
        let carried_out = if self.carried_out { "1" } else { "0" };
        let client = self.client_transaction_id.as_ref();
        writer.within(device("panData"), &[], |writer| {
            let attributes = [("paResult", carried_out)];
            writer.text(device("id"), &attributes, self.device_id.as_str());
            writer.within(device("paTRID"), &[], |writer| {
                writer.optional(epp("clTRID"), client.map(ClientTransactionId::as_str));
                writer.element(epp("svTRID"), self.server_transaction_id.as_str());
            });
            writer.element(device("paDate"), &instant(self.settled_at));
            let slot = self.slot.map(|slot| slot.to_string());
            writer.optional(device("slot"), slot.as_deref());
            write_publication(self.times.as_ref(), writer);
        });
    }

    /// Reads the children of `panData`, which was entered.
    pub(crate) fn read(reader: &mut XmlReader<'_>) -> Result<Self, ReadError> {
        reader.enter(device("id"))?;
        let carried_out = reader.required_attribute("paResult")?.boolean()?;
        let device_id = reader.value("id")?.parse()?;
        reader.enter(device("paTRID"))?;
        let (client_transaction_id, server_transaction_id) = read_transaction(reader)?;
        reader.leave()?;
        Ok(Self {
            device_id,
            carried_out,
            client_transaction_id,
            server_transaction_id,
            settled_at: reader.instant(device("paDate"))?,
            slot: read_optional(reader, "slot", |value| value.parse())?,
            times: read_publication(reader)?,
        })
    }
}

/// The children of an element of `trIDType`.
pub(crate) fn read_transaction(
    reader: &mut XmlReader<'_>,
) -> Result<(Option<ClientTransactionId>, ServerTransactionId), ReadError> {
    let client = reader.optional(epp("clTRID"))?;
    let client = client
        .map(|id| ClientTransactionId::parse(&id.token()))
        .transpose()?;
    let server = reader.required(epp("svTRID"))?;
    Ok((client, server.named(ServerTransactionId::parse)?))
}
