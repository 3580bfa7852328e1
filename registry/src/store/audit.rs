//! Audit rows: who changed what, through which door, and what it was before and after.

use iot_identity::DeviceId;
use sqlx::SqliteConnection;

use super::rows::sql_time;
use super::{Origin, StoreError};
use crate::lifecycle::Device;

/// One audit row for a state change of a device.
pub(super) async fn write_audit(
    connection: &mut SqliteConnection,
    origin: &Origin,
    device_id: DeviceId,
    before: Option<&Device>,
    after: Option<&Device>,
    now: u64,
) -> Result<(), StoreError> {
    write_audit_text(
        connection,
        origin,
        device_id.as_str(),
        before.map(audit_text).as_deref(),
        after.map(audit_text).as_deref(),
        now,
    )
    .await
}

fn audit_text(device: &Device) -> String {
    serde_json::json!({
        "account": device.account,
        "clientHold": device.client_hold,
        "serverHold": device.server_hold,
        "deleteRequestedAt": device.delete_requested_at,
    })
    .to_string()
}

/// The same with the states as texts.
pub(super) async fn write_audit_text(
    connection: &mut SqliteConnection,
    origin: &Origin,
    object: &str,
    before: Option<&str>,
    after: Option<&str>,
    now: u64,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO audit (at, account, door, verb, object, client_transaction_id,
                            server_transaction_id, before, after)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(sql_time(now))
    .bind(&origin.account)
    .bind(origin.door)
    .bind(origin.verb)
    .bind(object)
    .bind(&origin.client_transaction_id)
    .bind(&origin.server_transaction_id)
    .bind(before)
    .bind(after)
    .execute(connection)
    .await?;
    Ok(())
}
