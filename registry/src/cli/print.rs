//! What the commands print on standard output.

use iot_epp_api::{AccountInfo, DeviceInfo, PublicationTimes, Reply};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

fn text_of(time: OffsetDateTime) -> String {
    time.format(&Rfc3339).unwrap_or_else(|_| time.to_string())
}

/// One device, a field a line.
pub(super) fn device(info: &DeviceInfo) {
    let statuses: Vec<&str> = info.statuses.iter().map(|status| status.as_str()).collect();
    println!("device        {}", info.device_id);
    println!("account       {}", info.account);
    println!("state         {} ({})", info.state, statuses.join(", "));
    println!("registered    {}", text_of(info.created_at));
    println!("changed       {}", text_of(info.updated_at));
    if let Some(until) = info.restore_until {
        println!("restore until {}", text_of(until));
    }
    for slot in &info.slots {
        println!("slot {:<8} {} {}", slot.slot, slot.state, slot.owner_name);
        println!("  fingerprint {}", slot.fingerprint);
        let serial = slot.serial.as_deref();
        println!("  serial      {}", serial.unwrap_or("issued elsewhere"));
        println!(
            "  valid       {} to {}",
            text_of(slot.not_before),
            text_of(slot.not_after)
        );
    }
}

/// By when a change is believed.
pub(super) fn times(times: &PublicationTimes) {
    println!("published_serial      {}", times.published_serial);
    let lines = [
        ("denied_everywhere_by ", times.denied_everywhere_by),
        ("visible_everywhere_by", times.visible_everywhere_by),
        ("honest_caches_by     ", times.honest_caches_by),
    ];
    for (name, time) in lines {
        if let Some(time) = time {
            println!("{name} {}", text_of(time));
        }
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
            times(believed);
        }
        Reply::Pending { process_id } => {
            println!("accepted and durable; publication pending (process {process_id})");
        }
        other => println!("{other:?}"),
    }
}

/// One account, on one line.
pub(super) fn account(account: &AccountInfo) {
    let state = if account.disabled {
        "disabled"
    } else {
        "enabled"
    };
    println!(
        "{:<16} {:<8} {state:<8} {}",
        account.name,
        account.role,
        text_of(account.created_at)
    );
}
