//! The zone's trust anchor in the forms that validators read.

use iot_dns_zone::{Profile, ZoneKeys};
use iot_identity::ZoneName;

/// Signatures begin this long before they are made.
const INCEPTION_SKEW_SECS: u32 = 300;

/// The DS record, which is also what `iot-verify` takes as anchor. An `archive` zone says how long
/// its signatures live: verifiers refuse lifetimes over 6 h 15 min unless the anchor allows them.
pub fn ds_text(keys: &ZoneKeys, apex: &ZoneName, profile: Profile) -> String {
    let record = keys.ds_presentation(apex);
    match profile {
        Profile::Archive => {
            let lifetime_secs = profile.validity_secs() + INCEPTION_SKEW_SECS;
            format!("; lifetime-max: {lifetime_secs}\n{record}\n")
        }
        _ => format!("{record}\n"),
    }
}

/// A `trust-anchors` statement with the zone's DS.
pub fn bind_statement(keys: &ZoneKeys, apex: &ZoneName) -> String {
    // "<owner> [ttl] IN DS <tag> <algorithm> <digest type> <digest>"
    let record = keys.ds_presentation(apex);
    let fields: Vec<&str> = record
        .split_ascii_whitespace()
        .skip_while(|field| *field != "DS")
        .collect();
    let [_, tag, algorithm, digest_type, digest @ ..] = fields.as_slice() else {
        return String::new();
    };
    let digest = digest.concat();
    format!(
        "trust-anchors {{\n    {apex}. static-ds {tag} {algorithm} {digest_type} \"{digest}\";\n}};\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_archive_profile_asks_for_long_lifetimes_by_name() {
        let keys = ZoneKeys::generate().unwrap();
        let apex = ZoneName::parse("iotregistry.example").unwrap();
        assert!(ds_text(&keys, &apex, Profile::Archive).starts_with("; lifetime-max: 605100\n"));
        assert_eq!(ds_text(&keys, &apex, Profile::Fleet).lines().count(), 1);
    }

    #[test]
    fn the_statement_for_bind_has_the_fields_of_the_ds_record() {
        let keys = ZoneKeys::generate().unwrap();
        let apex = ZoneName::parse("iotregistry.example").unwrap();
        let statement = bind_statement(&keys, &apex);
        let digest = keys
            .ds_presentation(&apex)
            .split(' ')
            .next_back()
            .unwrap()
            .to_owned();
        let line = format!("static-ds {} 13 2 \"{digest}\";", keys.ksk_tag());
        assert!(statement.contains(&line), "{statement}");
    }
}
