//! What the audit log says of an account: its state, and what a change was about. Secrets and their
//! hashes are in neither.

use iot_epp_api::command::AccountChange;
use serde_json::{Value, json};

use super::StoreError;
use super::accounts::AccountRow;
use super::audited::hex;
use super::rows::{optional_unix, sql_time, unix};
use super::sql::{self, Connection};

/// An account as the log says it, with the members of what the change is about.
pub(super) fn audited_account(account: &AccountRow, about: Value) -> String {
    let mut state = json!({
        "role": account.role.as_str(),
        "disabled": account.disabled_at.is_some(),
        "iccidsAllowed": account.iccids_allowed,
        "devicesMax": account.devices_max,
        "strictTransactionIds": account.strict_transaction_ids,
        "passwordSetAt": account.password_set_at,
    });
    if let (Some(state), Value::Object(about)) = (state.as_object_mut(), about) {
        state.extend(about);
    }
    state.to_string()
}

/// What a change is about beyond the account's state, as it is at this moment; `changed` rows once it
/// is made.
pub(super) fn about(
    connection: &Connection,
    name: &str,
    change: &AccountChange,
    changed: Option<u64>,
) -> Result<Value, StoreError> {
    Ok(match change {
        AccountChange::Disable
        | AccountChange::Enable
        | AccountChange::AllowIccids(_)
        | AccountChange::SetDevicesMax(_)
        | AccountChange::StrictTransactionIds(_) => json!({}),
        AccountChange::AddPrefix(prefix) | AccountChange::RemovePrefix(prefix) => {
            let found = sql::query("SELECT 1 FROM account_prefix WHERE account = ? AND prefix = ?")
                .bind(name)
                .bind(prefix.as_str())
                .optional(connection, |_| Ok(()))?;
            json!({ "prefix": found.map(|()| prefix.as_str()) })
        }
        // The ids themselves would be more than the rest of the log.
        AccountChange::RemoveIds(_) => match changed {
            Some(removed) => json!({ "idsRemoved": removed }),
            None => json!({}),
        },
        AccountChange::RevokeToken { token_id } => about_token(connection, name, *token_id)?,
        AccountChange::RevokeCertificate { certificate_id } => {
            about_certificate(connection, name, *certificate_id)?
        }
    })
}

/// A token of the account, without its secret.
pub(super) fn about_token(
    connection: &Connection,
    name: &str,
    token_id: u64,
) -> Result<Value, StoreError> {
    let token = sql::query(
        "SELECT scopes, expires_at, revoked_at FROM token WHERE account = ? AND token_id = ?",
    )
    .bind(name)
    .bind(sql_time(token_id))
    .optional(connection, |row| {
        Ok(json!({
            "tokenId": token_id,
            "scopes": row.get::<_, String>("scopes")?,
            "expiresAt": unix(row, "expires_at")?,
            "revokedAt": optional_unix(row, "revoked_at")?,
        }))
    })?;
    Ok(json!({ "token": token }))
}

/// A client certificate of the account.
pub(super) fn about_certificate(
    connection: &Connection,
    name: &str,
    certificate_id: u64,
) -> Result<Value, StoreError> {
    let certificate = sql::query(
        "SELECT fingerprint, not_after, revoked_at FROM account_certificate
         WHERE account = ? AND certificate_id = ?",
    )
    .bind(name)
    .bind(sql_time(certificate_id))
    .optional(connection, |row| {
        Ok(json!({
            "certificateId": certificate_id,
            "fingerprint": hex(sql::octets(row, "fingerprint")?),
            "notAfter": unix(row, "not_after")?,
            "revokedAt": optional_unix(row, "revoked_at")?,
        }))
    })?;
    Ok(json!({ "certificate": certificate }))
}
