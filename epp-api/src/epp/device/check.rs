//! `<device:check>` and `<device:chkData>`.

use iot_identity::DeviceId;

use crate::command::DEVICES_MAX;
use crate::epp::device::read_id;
use crate::epp::namespace::device;
use crate::epp::read_error::ReadError;
use crate::epp::reason::write_reason;
use crate::epp::xml::{XmlReader, XmlWriter};
use crate::response::Availability;

/// Which of these ids could be registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// 1 to [`DEVICES_MAX`] ids.
    pub device_ids: Vec<DeviceId>,
}

impl Check {
    pub(super) fn read(reader: &mut XmlReader<'_>) -> Result<Self, ReadError> {
        let mut device_ids = vec![read_id(reader)?];
        while let Some(value) = reader.optional(device("id"))? {
            if device_ids.len() == usize::from(DEVICES_MAX) {
                return Err(ReadError::range(
                    "id",
                    format!("comes at most {DEVICES_MAX} times"),
                ));
            }
            device_ids.push(value.parse()?);
        }
        Ok(Self { device_ids })
    }

    pub(super) fn write(&self, writer: &mut XmlWriter) {
        for device_id in &self.device_ids {
            writer.element(device("id"), device_id.as_str());
        }
    }
}

/// Writes the answer to a check, which has at least one id.
pub(crate) fn write_check_data(results: &[Availability], writer: &mut XmlWriter) {
    writer.within(device("chkData"), &[], |writer| {
        for result in results {
            let available = if result.available { "1" } else { "0" };
            writer.within(device("cd"), &[], |writer| {
                let attributes = [("avail", available)];
                writer.text(device("id"), &attributes, result.device_id.as_str());
                write_reason(device("reason"), result.reason.as_deref(), writer);
            });
        }
    });
}

/// Reads the children of `chkData`, which was entered.
pub(crate) fn read_check_data(reader: &mut XmlReader<'_>) -> Result<Vec<Availability>, ReadError> {
    let mut results = Vec::new();
    while reader.try_enter(device("cd"))? {
        reader.enter(device("id"))?;
        let available = reader.required_attribute("avail")?.boolean()?;
        let device_id = reader.value("id")?.parse()?;
        let reason = reader.optional(device("reason"))?;
        reader.leave()?;
        results.push(Availability {
            device_id,
            available,
            reason: reason.map(|reason| reason.token().to_string()),
        });
    }
    Ok(results)
}
