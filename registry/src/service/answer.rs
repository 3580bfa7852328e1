//! From the database's values to the documents that accounts see.

use iot_dns_zone::serial;
use iot_epp_api::{
    AccountInfo, AccountName, Caller, DeviceInfo, DeviceState, DeviceStatus, Problem,
    PublicationTimes, ResultCode, Role, SlotInfo, SlotState,
};
use iot_identity::{OwnerName, Publication, ZoneName};
use time::OffsetDateTime;

use crate::lifecycle::{self, Credential, Device, Facts};
use crate::publisher::{PublicationResult, Visible};
use crate::store::AccountRow;

/// Clock skew that verifiers allow for: added to every moment of last belief.
const VERIFIER_SKEW_SECS: u64 = 300;

/// The database has what the doors do not know; nobody's input causes this.
fn inconsistent(what: &str) -> Problem {
    tracing::error!(
        alarm = true,
        what,
        "the database contains what no registry wrote"
    );
    Problem::new(ResultCode::CommandFailed, "the registry cannot do this now")
}

/// Seconds since 1970 as a calendar time; the end of the calendar when it is beyond.
pub(super) fn calendar(unix: u64) -> OffsetDateTime {
    i64::try_from(unix)
        .ok()
        .and_then(|unix| OffsetDateTime::from_unix_timestamp(unix).ok())
        .unwrap_or(time::macros::datetime!(9999-12-31 23:59:59 UTC))
}

pub(super) fn caller(name: &str, role: &str) -> Result<Caller, Problem> {
    Ok(Caller {
        account: AccountName::parse(name).map_err(|_| inconsistent("account name"))?,
        role: role.parse().map_err(|_| inconsistent("role"))?,
    })
}

pub(super) fn account(row: &AccountRow) -> Result<AccountInfo, Problem> {
    Ok(AccountInfo {
        name: AccountName::parse(&row.name).map_err(|_| inconsistent("account name"))?,
        role: row.role.parse::<Role>().map_err(|_| inconsistent("role"))?,
        disabled: row.disabled_at.is_some(),
        created_at: calendar(row.created_at),
    })
}

/// Everything about a device, as its sponsor sees it.
pub(super) fn device(
    device: &Device,
    facts: &Facts,
    zone: &ZoneName,
    now: u64,
) -> Result<DeviceInfo, Problem> {
    let credentials = &facts.credentials;
    Ok(DeviceInfo {
        device_id: device.device_id,
        account: AccountName::parse(&device.account).map_err(|_| inconsistent("account name"))?,
        state: state(device, credentials, now),
        statuses: statuses(device, credentials, now),
        slots: credentials
            .iter()
            .map(|credential| slot(device, credential, zone, now))
            .collect(),
        created_at: calendar(device.created_at),
        updated_at: calendar(device.updated_at),
        restore_until: device.restore_until().map(calendar),
    })
}

fn state(device: &Device, credentials: &[Credential], now: u64) -> DeviceState {
    let active = |credential: &Credential| {
        matches!(
            lifecycle::publication(device, credential, now),
            Publication::Active(_)
        )
    };
    if device.delete_requested_at.is_some() {
        DeviceState::PendingDelete
    } else if credentials.iter().any(active) {
        DeviceState::Active
    } else {
        DeviceState::Inactive
    }
}

fn statuses(device: &Device, credentials: &[Credential], now: u64) -> Vec<DeviceStatus> {
    let mut statuses = Vec::new();
    if credentials
        .iter()
        .all(|credential| credential.withdrawn || credential.not_after < now)
    {
        statuses.push(DeviceStatus::Inactive);
    }
    if device.client_hold {
        statuses.push(DeviceStatus::ClientHold);
    }
    if device.server_hold {
        statuses.push(DeviceStatus::ServerHold);
    }
    if device.delete_requested_at.is_some() {
        statuses.push(DeviceStatus::PendingDelete);
    }
    if statuses.is_empty() {
        statuses.push(DeviceStatus::Ok);
    }
    statuses
}

fn slot(device: &Device, credential: &Credential, zone: &ZoneName, now: u64) -> SlotInfo {
    let state = if credential.not_after < now {
        SlotState::Expired
    } else if credential.withdrawn {
        SlotState::Withdrawn
    } else {
        SlotState::Live
    };
    SlotInfo {
        slot: credential.slot,
        owner_name: OwnerName::new(credential.slot, device.device_id, zone),
        fingerprint: credential.fingerprint,
        serial: credential.serial.as_ref().map(|serial| {
            let digits = serial.iter().map(|octet| format!("{octet:02x}"));
            digits.collect()
        }),
        not_before: calendar(credential.not_before),
        not_after: calendar(credential.not_after),
        state,
    }
}

/// When the last of the rows of a command is visible, and until when the contrary may be believed
/// of those that are; `None` when the gate refused one.
///
/// A name that was not changed to what the command wanted alone (superseded by a later command) has
/// no such moment.
pub(super) fn times(
    results: &[PublicationResult],
    withdrawal: bool,
    ttl_secs: u32,
) -> Option<PublicationTimes> {
    let mut last: Option<Visible> = None;
    let mut believed: Option<u64> = None;
    for result in results {
        let (visible, counts) = match *result {
            PublicationResult::Activated(visible) => (visible, !withdrawal),
            PublicationResult::Withdrawn(visible) => (visible, withdrawal),
            PublicationResult::Superseded(visible) => (visible, false),
            PublicationResult::Quarantined => return None,
        };
        last = Some(last.filter(|last| last.at > visible.at).unwrap_or(visible));
        if counts {
            // Nothing was ever released: the contrary ends with the publication itself.
            let until = visible.believed_until.map_or(visible.at, |until| {
                serial::unwrapped(until, visible.at) + VERIFIER_SKEW_SECS
            });
            believed = Some(until.max(visible.at).max(believed.unwrap_or(0)));
        }
    }
    let last = last?;
    let believed = believed.map(calendar);
    Some(PublicationTimes {
        published_serial: last.serial,
        denied_everywhere_by: believed.filter(|_| withdrawal),
        honest_caches_by: Some(calendar(last.at + u64::from(ttl_secs))),
        visible_everywhere_by: believed.filter(|_| !withdrawal),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visible(at: u64, believed_until: Option<u32>) -> Visible {
        Visible {
            serial: 7,
            at,
            believed_until,
        }
    }

    fn withdrawn(at: u64, believed_until: Option<u32>) -> PublicationResult {
        PublicationResult::Withdrawn(visible(at, believed_until))
    }

    #[test]
    fn withdrawal_is_believed_everywhere_when_the_last_signature_and_the_skew_have_ended() {
        let results = [withdrawn(1000, Some(4000)), withdrawn(1000, Some(5000))];
        let times = times(&results, true, 60).unwrap();
        assert_eq!(times.published_serial, 7);
        assert_eq!(times.denied_everywhere_by, Some(calendar(5300)));
        assert_eq!(times.honest_caches_by, Some(calendar(1060)));
        assert_eq!(times.visible_everywhere_by, None);
    }

    #[test]
    fn what_was_never_denied_is_visible_at_once() {
        let results = [PublicationResult::Activated(visible(1000, None))];
        let times = times(&results, false, 60).unwrap();
        assert_eq!(times.visible_everywhere_by, Some(calendar(1000)));
        assert_eq!(times.denied_everywhere_by, None);
    }

    #[test]
    fn an_activation_that_leaves_the_name_inactive_promises_no_visibility() {
        let times = times(&[withdrawn(1000, Some(4000))], false, 60).unwrap();
        assert_eq!(times.visible_everywhere_by, None);
    }

    #[test]
    fn a_superseded_row_promises_nothing_but_its_serial() {
        let results = [PublicationResult::Superseded(visible(1000, None))];
        let times = times(&results, true, 60).unwrap();
        assert_eq!(
            (times.published_serial, times.denied_everywhere_by),
            (7, None)
        );
    }

    #[test]
    fn a_quarantined_name_has_no_times() {
        assert_eq!(
            times(
                &[withdrawn(1000, None), PublicationResult::Quarantined],
                true,
                60
            ),
            None
        );
    }
}
