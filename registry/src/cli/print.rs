//! What the commands print on standard output.

use iot_epp_api::transfer::{TransferInfo, TransferStatus};
use iot_epp_api::{AccountInfo, DeviceInfo, PublicationTimes, Reply};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::cli::output::print_line;

fn text_of(time: OffsetDateTime) -> String {
    time.format(&Rfc3339).unwrap_or_else(|_| time.to_string())
}

/// One device, a field a line.
pub(super) fn device(info: &DeviceInfo) {
    let statuses: Vec<&str> = info.statuses.iter().map(|status| status.as_str()).collect();
    print_line!("device        {}", info.device_id);
    print_line!("account       {}", info.account);
    print_line!("state         {} ({})", info.state, statuses.join(", "));
    print_line!("registered    {}", text_of(info.created_at));
    print_line!("changed       {}", text_of(info.updated_at));
    print_line!("registered to {}", text_of(info.expires_at));
    if let Some(until) = info.restore_until {
        print_line!("restore until {}", text_of(until));
    }
    for slot in &info.slots {
        let reason = slot.reason.map(|reason| format!(" ({reason})"));
        print_line!(
            "slot {:<8} {}{} {}",
            slot.slot,
            slot.state,
            reason.unwrap_or_default(),
            slot.owner_name
        );
        print_line!("  fingerprint {}", slot.fingerprint);
        let serial = slot.serial.as_deref();
        print_line!("  serial      {}", serial.unwrap_or("issued elsewhere"));
        print_line!(
            "  valid       {} to {}",
            text_of(slot.not_before),
            text_of(slot.not_after)
        );
        if let Some(asp) = &slot.asp {
            print_line!("  provider    {asp}");
        }
        if let Some(by) = slot.replace_by {
            print_line!("  replace by  {}", text_of(by));
        }
    }
}

/// By when a change is believed.
pub(super) fn times(times: &PublicationTimes) {
    print_line!("published_serial      {}", times.published_serial);
    let lines = [
        ("denied_everywhere_by ", times.denied_everywhere_by),
        ("visible_everywhere_by", times.visible_everywhere_by),
        ("honest_caches_by     ", times.honest_caches_by),
    ];
    for (name, time) in lines {
        if let Some(time) = time {
            print_line!("{name} {}", text_of(time));
        }
    }
}

/// One transfer.
pub(super) fn transfer(info: &TransferInfo) {
    print_line!("device        {}", info.device_id);
    print_line!(
        "transfer      {} ({}), {}",
        info.transfer_id,
        info.direction,
        info.status
    );
    print_line!("from, to      {}, {}", info.losing, info.gaining);
    print_line!(
        "requested     {} by {}",
        text_of(info.requested_at),
        info.requested_by
    );
    let word = if info.status == TransferStatus::Pending {
        "waits for"
    } else {
        "ended by"
    };
    print_line!("{word:<13} {}, {}", info.acting, text_of(info.acting_at));
    if let Some(arrival) = info.arrival {
        print_line!("arrives       {arrival}");
    }
    if let Some(by) = info.replace_by {
        print_line!("replace by    {}", text_of(by));
    }
}

/// The result of a change.
pub(super) fn change(reply: &Reply) {
    match reply {
        Reply::Changed {
            info,
            times: believed,
        } => {
            device(info);
            believed.iter().for_each(times);
        }
        Reply::Pending(pending) => {
            print_line!(
                "accepted and durable; publication pending (process {})",
                pending.process_id
            );
        }
        Reply::Transfer {
            transfer: moved,
            times: believed,
        } => {
            transfer(moved);
            believed.iter().for_each(times);
        }
        Reply::TransferQueried(found) => transfer(found),
        other => print_line!("{other:?}"),
    }
}

/// One account, on one line.
pub(super) fn account(account: &AccountInfo) {
    let state = if account.disabled {
        "disabled"
    } else {
        "enabled"
    };
    print_line!(
        "{:<16} {:<8} {state:<8} {}",
        account.name,
        account.role,
        text_of(account.created_at)
    );
}

/// One account, a field a line.
pub(super) fn account_details(info: &AccountInfo) {
    account(info);
    print_line!(
        "devices       {} of at most {}",
        info.devices,
        info.devices_max
    );
    let prefixes: Vec<&str> = info.prefixes.iter().map(|prefix| prefix.as_str()).collect();
    print_line!("id prefixes   {}", prefixes.join(" "));
    print_line!("imported ids  {}", info.imported_ids);
    print_line!(
        "ICCIDs        {}",
        if info.iccids_allowed {
            "allowed"
        } else {
            "not allowed"
        }
    );
    if info.strict_transaction_ids {
        print_line!("clTRID        refused with other content in EPP too");
    }
    for token in &info.tokens {
        print_line!(
            "token {:<7} until {}: {}",
            token.token_id,
            text_of(token.expires_at),
            token.scopes
        );
    }
    for certificate in &info.certificates {
        print_line!(
            "certificate {} until {}: {}",
            certificate.certificate_id,
            text_of(certificate.not_after),
            certificate.fingerprint
        );
    }
    for asp in &info.consents {
        print_line!("consent       {asp}");
    }
}
