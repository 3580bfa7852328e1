//! Authorization information: what proves that a sponsor agrees to a transfer (RFC 9154).

use iot_epp_api::secret::AuthInfo;
use ring::digest;

use super::device::{AuthInfoRecord, Device};
use super::refusal::Refusal;

/// How long authorization information may be used after it was set (RFC 9154 §5.2).
pub const AUTH_INFO_VALID_SECS: u64 = 14 * 24 * 3600;
/// Wrong authorization information after which the right one is void too.
const AUTH_INFO_FAILURES_MAX: u32 = 20;

/// What is kept of authorization information that is set now.
pub fn record_of(auth_info: &AuthInfo, now: u64) -> AuthInfoRecord {
    AuthInfoRecord {
        hash: hash_of(auth_info.expose()),
        valid_until: now + AUTH_INFO_VALID_SECS,
        failures: 0,
    }
}

/// SHA-256 of authorization information as somebody presents it.
pub(super) fn hash_of(presented: &str) -> [u8; 32] {
    let hash = digest::digest(&digest::SHA256, presented.as_bytes());
    hash.as_ref().try_into().expect("SHA-256 has 32 octets")
}

/// Whether somebody who is not the sponsor may see the device by its authorization information.
pub fn opens(device: &Device, presented: &str, now: u64) -> bool {
    let presented = hash_of(presented);
    matches!(wrong_auth_info(device, &presented, now), Ok(None))
}

/// None when it is right; what to keep of a wrong one.
pub(super) fn wrong_auth_info(
    device: &Device,
    presented: &[u8; 32],
    now: u64,
) -> Result<Option<AuthInfoRecord>, Refusal> {
    let record = device.auth_info.ok_or(Refusal::WrongAuthInfo)?;
    let equal = equal_in_constant_time(&record.hash, presented);
    let usable = now <= record.valid_until && record.failures < AUTH_INFO_FAILURES_MAX;
    if equal && usable {
        return Ok(None);
    }
    Ok(Some(AuthInfoRecord {
        failures: record.failures.saturating_add(1),
        ..record
    }))
}

/// Whether the last wrong one that was counted made it void, which it was not by time already.
pub fn has_just_been_voided(device: &Device, now: u64) -> bool {
    let record = device.auth_info.as_ref();
    record.is_some_and(|one| one.failures == AUTH_INFO_FAILURES_MAX && now <= one.valid_until)
}

/// Compares digests of the two, whose octets an attacker does not choose.
fn equal_in_constant_time(left: &[u8; 32], right: &[u8; 32]) -> bool {
    let again = |octets: &[u8]| digest::digest(&digest::SHA256, octets);
    again(left).as_ref() == again(right).as_ref()
}
