//! The zone that all servers answer from: built and served by our writer, dumped for the others.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use iot_dns_zone::net::{Listeners, Server, serve};
use iot_dns_zone::{
    Ceiling, Entry, Profile, Start, StaticRecords, ZoneConfig, ZoneKeys, ZoneWriter, dump,
};
use iot_identity::{DeviceId, Fingerprint, PackedKey, Publication, Slot, ZoneName};
use iot_registry::clock::unix_now;
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;

use crate::accounts::ZONE;
use crate::device_ids::DeviceIds;
use crate::draws::Draws;

/// Devices in the zone.
const DEVICES: u32 = 300;
/// Most credentials of one device.
const SLOTS_MAX: u32 = 4;
/// Slot numbers whose order as text is not their order as numbers.
const SLOTS: [u16; 8] = [1, 2, 3, 10, 11, 99, 100, 9999];
/// TTLs that differ from the negative TTL, and signatures that outlive the run.
const PROFILE: Profile = Profile::Fleet;

/// Records beside the devices: before, between and behind them in canonical order, with empty
/// non-terminals, long labels and RRsets that outgrow a datagram.
const STATIC_RECORDS: &str = "\
ns1 A 192.0.2.1
ns1 AAAA 2001:db8::1
_853._tcp.ns1 TLSA 3 1 1 0f0e0d0c0b0a09080706050403020100ffeeddccbbaa99887766554433221100
_443._tcp.ns1 TLSA 3 1 1 000102030405060708090a0b0c0d0e0fffeeddccbbaa99887766554433221100
@ CAA 0 issue \"ca.example\"
@ TXT \"v=registry\"
dns.api HTTPS 1 . alpn=h2 port=8444
- TXT \"before the digits\"
0abc A 192.0.2.2
0abc 30 TXT \"a shorter TTL\"
8 TXT \"shorter than every id\"
88 TXT \"before ids\"
8a TXT \"between ids\"
89 TXT \"the beginning of ids\"
89a TXT \"between ids\"
890 TXT \"the beginning of ids\"
8999999999999999998f TXT \"looks like an id, and its check digit is wrong\"
8904z.89a TXT \"below a name between ids\"
a.b.c.89z TXT \"three empty non-terminals\"
_x TXT \"between digits and letters\"
zz A 192.0.2.3
zz.zz A 192.0.2.4
abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0 TXT \"a label of 63 octets\"
z1.abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0.abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz1.abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz2 TXT \"a long name\"
";

/// Name in the certificate of the server.
pub(super) const TLS_NAME: &str = "ns.iotregistry.test";
/// By how much the clock of a server with an expired zone is behind; longer than any signature of
/// the profile lives, DNSKEY's included, and shorter than what certificates bear.
const BEHIND_SECS: u64 = 4 * 86_400;

/// When the zone was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signed {
    /// Just now.
    Now,
    /// So long ago that nothing is valid any more; the server's clock stands still at that time.
    Expired,
}

/// A name that the zone has, as labels below the apex, leftmost first.
pub(super) type Labels = Vec<Vec<u8>>;

/// The zone, served.
pub(super) struct Scene {
    /// Where our server answers.
    pub(super) udp: SocketAddr,
    /// Where it answers over TCP.
    pub(super) tcp: SocketAddr,
    /// Where it answers over TLS.
    pub(super) dot: SocketAddr,
    /// Its certificate, which is its own root.
    pub(super) certificate: PathBuf,
    /// The DS record of the zone's key.
    pub(super) anchor: String,
    /// The zone as a master file.
    pub(super) file: PathBuf,
    /// Labels of the apex.
    pub(super) apex: Labels,
    /// Every owner name of the zone.
    pub(super) owners: Vec<Labels>,
    server: Server,
    // The writer owns the version that is served.
    _writer: ZoneWriter,
}

impl Scene {
    /// Builds, serves and dumps the zone of a seed below a directory.
    ///
    /// # Errors
    /// When the zone cannot be built or served.
    pub(super) async fn set(scratch: &Path, seed: u64, signed: Signed) -> anyhow::Result<Self> {
        let directory = scratch.join("zone");
        std::fs::create_dir(&directory)?;
        let clock = match signed {
            Signed::Now => unix_now,
            Signed::Expired => long_ago,
        };
        let now = clock();
        let config = config()?;
        let keys = ZoneKeys::generate()?;
        let anchor = keys.ds_presentation(&config.apex);
        let entries = entries(seed);
        let devices: Vec<(DeviceId, Slot)> =
            entries.iter().map(|e| (e.device_id, e.slot)).collect();
        let start = Start {
            database_id: [7; 16],
            fencing_token: 1,
            applied: 1,
            serial_above: 0,
            ceiling: Ceiling::for_start(PROFILE, 0, now),
            released_until: 0,
            lost_until: 0,
        };
        let entries = entries.into_iter().map(Ok::<_, Infallible>);
        let build = || ZoneWriter::build(&directory, config, keys, entries, start, now);
        let writer = tokio::task::block_in_place(build)?;
        let mut text = Vec::new();
        dump(&writer.snapshot(), &mut text)?;
        let file = scratch.join("dump.zone");
        std::fs::write(&file, text)?;
        let any = vec![SocketAddr::from(([127, 0, 0, 1], 0))];
        let listeners = Listeners {
            udp: any.clone(),
            tcp: any.clone(),
            dot: any,
            ..Listeners::default()
        };
        let certificate = scratch.join("server.pem");
        let tls = Some(tls(&certificate)?);
        let server = serve(writer.reader(), &listeners, tls, clock).await?;
        let first = |bound: &[SocketAddr]| bound.first().copied().context("a listener");
        Ok(Self {
            udp: first(&server.bound().udp)?,
            tcp: first(&server.bound().tcp)?,
            dot: first(&server.bound().dot)?,
            certificate,
            anchor,
            file,
            apex: labels(ZONE),
            owners: owners(&devices),
            server,
            _writer: writer,
        })
    }

    /// Ends the server.
    pub(super) async fn end(self) -> anyhow::Result<()> {
        Ok(self.server.shutdown().await?)
    }
}

fn long_ago() -> u64 {
    unix_now() - BEHIND_SECS
}

/// A key of the server's own, with its certificate in a file.
fn tls(certificate: &Path) -> anyhow::Result<Arc<ServerConfig>> {
    let made = rcgen::generate_simple_self_signed(vec![TLS_NAME.to_owned()])?;
    std::fs::write(certificate, made.cert.pem())?;
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)?;
    Ok(Arc::new(config))
}

fn config() -> anyhow::Result<ZoneConfig> {
    let apex = ZoneName::parse(ZONE)?;
    Ok(ZoneConfig {
        static_records: StaticRecords::parse(&static_records(), &apex)?,
        name_servers: vec![format!("ns1.{apex}"), "ns2.example.net.".into()],
        contact: format!("host.master@{apex}"),
        apex,
        profile: PROFILE,
    })
}

/// The records above, and one RRset larger than a datagram with EDNS.
fn static_records() -> String {
    let mut text = STATIC_RECORDS.to_owned();
    for number in 0..20 {
        text.push_str(&format!("large TXT \"{number:0100}\"\n"));
    }
    text
}

/// Devices of both forms of id: neighbours, far apart, with one or several credentials; in the
/// order of their names.
fn entries(seed: u64) -> Vec<Entry> {
    let mut draws = Draws::seeded(seed, 0);
    let mut ids = DeviceIds::new(seed, 0, 1, DEVICES);
    let mut entries = BTreeMap::new();
    for _ in 0..DEVICES {
        let device_id = ids.next(&mut draws);
        for _ in 0..=draws.below(SLOTS_MAX) {
            let number = draws.pick(&SLOTS).copied().unwrap_or(1);
            let slot = Slot::new(number).expect("the numbers above are slots");
            let publication = if draws.chance(30) {
                Publication::Inactive
            } else {
                let certificate = [device_id.as_octets(), &number.to_be_bytes()].concat();
                Publication::Active(Fingerprint::of_certificate(&certificate))
            };
            entries.insert(PackedKey::new(device_id, slot), publication);
        }
    }
    let entry = |(key, publication): (PackedKey, Publication)| {
        let (device_id, slot) = key.unpack()?;
        Some(Entry {
            device_id,
            slot: slot?,
            publication,
            released_until: None,
        })
    };
    entries.into_iter().filter_map(entry).collect()
}

fn owners(devices: &[(DeviceId, Slot)]) -> Vec<Labels> {
    let lines = STATIC_RECORDS.lines();
    let names = lines.filter_map(|line| line.split_ascii_whitespace().next());
    let mut owners: Vec<Labels> = names.chain(["large"]).map(labels).collect();
    owners.extend(
        devices
            .iter()
            .map(|(device_id, slot)| labels(&format!("{slot}.{device_id}"))),
    );
    owners.sort_unstable();
    owners.dedup();
    owners
}

fn labels(text: &str) -> Labels {
    let labels = text.split('.').filter(|label| *label != "@");
    labels.map(|label| label.as_bytes().to_vec()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_zone_has_devices_in_every_state_and_is_the_same_for_the_same_seed() {
        config().unwrap();
        let listed = |seed| {
            let of = |e: Entry| (e.device_id, e.slot, e.publication);
            entries(seed).into_iter().map(of).collect::<Vec<_>>()
        };
        let entries = listed(1);
        assert_eq!(entries, listed(1));
        assert!(entries != listed(2) && entries.len() > 400);
        assert!(entries.iter().any(|entry| entry.2 == Publication::Inactive));
    }
}
