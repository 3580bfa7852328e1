//! `<device:panData>`: what became of a command that was answered with "pending" (RFC 5731 §3.3).

use iot_identity::DeviceId;
use time::OffsetDateTime;

use crate::epp::namespace::{device, epp};
use crate::epp::transaction_id::ServerTransactionId;
use crate::epp::xml::{XmlWriter, instant};
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
        });
    }
}
