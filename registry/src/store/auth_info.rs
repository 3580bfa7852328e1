//! Wrong authorization information: counted for the device and for who presented it; what is void by it is
//! told to the sponsor.

use iot_epp_api::message::{Detail, Event, Message};
use iot_identity::DeviceId;

use super::messages::send;
use super::rows;
use super::sql::{self, Connection};
use super::{Step, StoreError};
use crate::description::calendar;
use crate::lifecycle::{self, Device};

/// Counts a wrong authorization information that was presented in order to see a device; does as much
/// when there is no device.
#[derive(Debug)]
pub struct WrongAuthInfo {
    /// Who presented it.
    pub account: String,
    /// The device.
    pub device_id: DeviceId,
    /// The present time.
    pub now: u64,
}

impl Step for WrongAuthInfo {
    type Output = ();

    fn run(self, connection: &Connection) -> Result<(), StoreError> {
        count_wrong(connection, self.device_id, &self.account, self.now)
    }
}

/// Counts a wrong one for the device and for who presented it, whether or not there is such a device:
/// refusing either is as much work, with as durable a commit. The one that voids what the device has
/// costs a message beside it.
pub(super) fn count_wrong(
    connection: &Connection,
    device_id: DeviceId,
    account: &str,
    now: u64,
) -> Result<(), StoreError> {
    let device = sql::query(
        "UPDATE device SET auth_info_failures = auth_info_failures + 1
         WHERE device_id = ? AND auth_info_hash IS NOT NULL RETURNING *",
    )
    .bind(device_id.as_str())
    .optional(connection, rows::device)?;
    sql::query("UPDATE account SET auth_info_failures = auth_info_failures + 1 WHERE name = ?")
        .bind(account)
        .execute(connection)?;
    match device {
        Some(device) if lifecycle::has_just_been_voided(&device, now) => {
            tell_sponsor(connection, &device, now)
        }
        _ => Ok(()),
    }
}

/// Who guessed is not told: it may be anybody with an account.
fn tell_sponsor(connection: &Connection, device: &Device, now: u64) -> Result<(), StoreError> {
    let device_id = device.device_id;
    let message = Message {
        message_id: 0,
        queued_at: calendar(now),
        event: Event::AuthInfoVoid,
        text: format!(
            "the authorization information of device {device_id} is void: wrong ones were \
             presented too often; set another one where it is to be transferred"
        ),
        device_id: Some(device_id),
        detail: Detail::None,
    };
    send(connection, &device.account, message, now)
}
