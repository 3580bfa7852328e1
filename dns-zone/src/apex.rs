//! The apex: SOA, NS and the keys, and the static records beside it.

use std::collections::BTreeMap;

use crate::config::CheckedConfig;
use crate::fixed::{FixedName, FixedNames, FixedRrset};
use crate::key::PublicKeys;
use crate::name::NameKey;
use crate::position::Position;
use crate::profile::Profile;
use crate::record_type::{TYPE_CDNSKEY, TYPE_CDS, TYPE_DNSKEY, TYPE_NS, TYPE_SOA};

/// Every name that is not a device's, with its RRsets, unsigned; the SOA has serial 0.
pub(crate) fn fixed_names(config: &CheckedConfig, keys: &PublicKeys) -> FixedNames {
    let ttl_secs = config.profile.ttl_secs();
    let key_ttl_secs = config.profile.key_ttl_secs();
    let mut dnskeys = vec![keys.ksk.rdata().to_vec(), keys.zsk.rdata().to_vec()];
    dnskeys.sort_unstable();
    let ds = keys.ksk.ds_rdata(&config.apex);
    let ksk = keys.ksk.rdata().to_vec();
    let mut name_servers = config.name_servers.clone();
    name_servers.sort_unstable();

    let mut names: BTreeMap<NameKey, Vec<FixedRrset>> = BTreeMap::new();
    names.insert(
        NameKey::apex(),
        vec![
            unsigned(TYPE_SOA, ttl_secs, vec![soa_rdata(config)]),
            unsigned(TYPE_NS, ttl_secs, name_servers),
            unsigned(TYPE_DNSKEY, key_ttl_secs, dnskeys),
            unsigned(TYPE_CDS, key_ttl_secs, vec![ds]),
            unsigned(TYPE_CDNSKEY, key_ttl_secs, vec![ksk]),
        ],
    );
    for ((key, record_type), rrset) in &config.static_records.rrsets {
        let ttl_secs = rrset.ttl_secs.map_or(ttl_secs, |wish| wish.min(ttl_secs));
        let rrset = unsigned(*record_type, ttl_secs, rrset.rdatas.clone());
        names.entry(key.clone()).or_default().push(rrset);
    }
    let names = names.into_iter().map(|(key, mut rrsets)| {
        rrsets.sort_unstable_by_key(|rrset| rrset.record_type);
        FixedName {
            position: Position::of_name(&key),
            key,
            rrsets,
            nsec: None,
        }
    });
    FixedNames::new(names.collect()).expect("a map is in order, and the apex was put into it")
}

fn unsigned(record_type: u16, ttl_secs: u32, rdatas: Vec<Vec<u8>>) -> FixedRrset {
    FixedRrset {
        record_type,
        ttl_secs,
        rdatas,
        signature: None,
    }
}

fn soa_rdata(config: &CheckedConfig) -> Vec<u8> {
    let profile: Profile = config.profile;
    // The check of the configuration admits no empty list.
    let mut rdata = config.name_servers[0].clone();
    rdata.extend_from_slice(&config.contact);
    for number in [
        0,
        profile.soa_refresh_secs(),
        profile.soa_retry_secs(),
        profile.soa_expire_secs(),
        profile.negative_ttl_secs(),
    ] {
        rdata.extend_from_slice(&number.to_be_bytes());
    }
    rdata
}
