//! The report: for people, or as one JSON object.

use std::fmt::Write;

use iot_verifier::Verdict;
use iot_verifier::message::type_name;
use iot_verifier::signature::CheckedSignature;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::outcome::{Outcome, State};
use super::tree::{algorithm_name, tree};

/// Several lines for people.
pub(crate) fn human(outcome: &Outcome) -> String {
    let mut text = format!("{}\n", outcome.owner);
    line(&mut text, "state", outcome.state().name());
    if let Some(reason) = outcome.reason() {
        line(&mut text, "reason", &reason);
    }
    let now = to_signed(outcome.now);
    if let Some(certificate) = &outcome.certificate {
        line(
            &mut text,
            "certificate",
            &certificate.fingerprint().to_string(),
        );
        line(&mut text, "expires", &moment(certificate.not_after(), now));
    }
    let Ok(verdict) = &outcome.result else {
        return trimmed(text);
    };
    if let Verdict::Active(active) = verdict {
        line(&mut text, "published", &active.fingerprint().to_string());
    }
    let valid_until = to_signed(verdict.valid_until());
    line(&mut text, "ask again", &moment(valid_until, now));
    text.push_str(&tree(verdict.signatures(), now));
    trimmed(text)
}

/// One JSON object on one line. Members that do not apply are null.
pub(crate) fn json(outcome: &Outcome) -> Value {
    let verdict = outcome.result.as_ref().ok();
    let published = verdict.and_then(|verdict| match verdict {
        Verdict::Active(active) => Some(active.fingerprint().to_string()),
        Verdict::Inactive(_) | Verdict::Absent(_) => None,
    });
    let valid_until = verdict.map(|verdict| to_signed(verdict.valid_until()));
    let signatures = verdict.map_or(&[][..], Verdict::signatures);
    let state = outcome.state();
    json!({
        "name": outcome.owner.to_string(),
        "state": state.name(),
        "exit_code": state.exit_code(),
        "reason": outcome.reason(),
        "fingerprint": published,
        "certificate": outcome.certificate.as_ref().map(|certificate| json!({
            "fingerprint": certificate.fingerprint().to_string(),
            "not_before": rfc3339(certificate.not_before()),
            "not_after": rfc3339(certificate.not_after()),
        })),
        "checked_at": rfc3339(to_signed(outcome.now)),
        "valid_until": valid_until.map(rfc3339),
        "remaining_secs": valid_until.map(|until| until - to_signed(outcome.now)),
        "signatures": signatures.iter().map(signature_json).collect::<Vec<_>>(),
    })
}

/// The object for input that no check could be made with.
pub(crate) fn json_input_error(reason: &str) -> Value {
    json!({
        "name": null,
        "state": State::InputError.name(),
        "exit_code": State::InputError.exit_code(),
        "reason": reason,
    })
}

fn signature_json(signature: &CheckedSignature) -> Value {
    json!({
        "owner": signature.owner.to_string(),
        "type": type_name(signature.record_type),
        "signer": signature.signer.to_string(),
        "key_tag": signature.key_tag,
        "algorithm": algorithm_name(signature.algorithm),
        "inception": rfc3339(signature.inception),
        "expiration": rfc3339(signature.expiration),
        "ttl_secs": signature.ttl_secs,
    })
}

fn line(text: &mut String, label: &str, value: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "  {label:<12} {value}");
}

fn trimmed(text: String) -> String {
    text.trim_end().to_owned()
}

/// A moment and how far away it is.
pub(super) fn moment(unix_secs: i64, now: i64) -> String {
    let remaining = unix_secs.saturating_sub(now);
    let distance = duration(remaining.unsigned_abs());
    match remaining {
        0 => format!("{} (now)", rfc3339(unix_secs)),
        1.. => format!("{} (in {distance})", rfc3339(unix_secs)),
        _ => format!("{} ({distance} ago)", rfc3339(unix_secs)),
    }
}

/// The two largest units.
fn duration(secs: u64) -> String {
    let units = [
        (secs / 86_400, "d"),
        (secs / 3_600 % 24, "h"),
        (secs / 60 % 60, "min"),
        (secs % 60, "s"),
    ];
    let shown: Vec<_> = units
        .iter()
        .skip_while(|(count, _)| *count == 0)
        .take(2)
        .map(|(count, unit)| format!("{count} {unit}"))
        .collect();
    if shown.is_empty() {
        "0 s".to_owned()
    } else {
        shown.join(" ")
    }
}

/// UTC; the number itself where the calendar ends.
pub(super) fn rfc3339(unix_secs: i64) -> String {
    OffsetDateTime::from_unix_timestamp(unix_secs)
        .ok()
        .and_then(|moment| moment.format(&Rfc3339).ok())
        .unwrap_or_else(|| unix_secs.to_string())
}

fn to_signed(unix_secs: u64) -> i64 {
    i64::try_from(unix_secs).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_show_their_two_largest_units() {
        assert_eq!(duration(0), "0 s");
        assert_eq!(duration(59), "59 s");
        assert_eq!(duration(3_600), "1 h 0 min");
        assert_eq!(duration(93_784), "1 d 2 h");
    }

    #[test]
    fn moments_say_how_far_away_they_are() {
        assert_eq!(moment(60, 0), "1970-01-01T00:01:00Z (in 1 min 0 s)");
        assert_eq!(moment(0, 61), "1970-01-01T00:00:00Z (1 min 1 s ago)");
        assert_eq!(moment(0, 0), "1970-01-01T00:00:00Z (now)");
        assert_eq!(rfc3339(i64::MAX), i64::MAX.to_string());
    }
}
