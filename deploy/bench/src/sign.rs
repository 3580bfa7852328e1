//! The topic `sign`: CPU time of signing a fleet from nothing, beside the peers' tools and beside
//! bare signatures.

use iot_dns_zone::Profile;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};

use crate::comparison::in_words;
use crate::figure::Figure;
use crate::kernel::children_cpu_secs;
use crate::machine;
use crate::ours;
use crate::peers::{Peers, Scratch};
use crate::population::{Ids, Population};
use crate::processes::{SERVER_CORE, own_cpu_secs};
use crate::queries::APEX;
use crate::zone;

/// Signatures of a device: CERT, TLSA, NSEC.
const SIGNATURES: u64 = 3;
/// Signatures of which the bare cost is the mean.
const BARE: u64 = 60_000;
const ALL_CORES: &str = "0-63";

pub(crate) fn measure(quick: bool) -> anyhow::Result<Vec<Figure>> {
    let population = Population {
        ids: Ids::Random,
        devices: if quick { 50_000 } else { 1_000_000 },
    };
    let peers = Peers::find()?;
    machine::note_peers(peers.versions());
    let scratch = peers.scratch()?;
    let directory = scratch.path().join("ours");
    let signed = ours::sign(&directory, population, Profile::Fleet, 0, None)?;
    let scale = in_words(population.devices);
    let said = format!(
        "{scale}, {:.1} s, {} MiB at most",
        signed.secs,
        signed.peak_octets >> 20
    );
    let bare = bare_secs(population.devices * SIGNATURES)?;
    let signzone = dnssec_signzone(&peers, &scratch, population)?;
    let kzonesign = kzonesign(&peers, &scratch)?;
    let cores = signed.cpu_secs / signed.secs;
    Ok(vec![
        Figure::new("sign_cpu_secs", signed.cpu_secs, "s", said),
        Figure::new("sign_cores_used", cores, "cores", scale.clone()),
        Figure::new(
            "sign_cpu_vs_bare",
            signed.cpu_secs / bare,
            "ratio",
            scale.clone(),
        ),
        Figure::new(
            "sign_cpu_secs_bare",
            bare,
            "s",
            format!("{scale}, mean of {BARE} signatures"),
        ),
        Figure::new("sign_cpu_secs_kzonesign", kzonesign, "s", scale.clone())
            .beside(peers.named("knot")),
        Figure::new("sign_cpu_secs_signzone", signzone, "s", scale)
            .beside(peers.named("dnssec-signzone")),
        machine::fdatasync()?,
    ])
}

/// CPU time of so many signatures and nothing else.
fn bare_secs(count: u64) -> anyhow::Result<f64> {
    let random = SystemRandom::new();
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let failed = |_| anyhow::anyhow!("signing failed");
    let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).map_err(failed)?;
    let key = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random)?;
    // As long as the signed octets of a CERT RRset.
    let mut message = [0x5a; 180];
    let before = own_cpu_secs();
    for number in 0..BARE {
        message[..8].copy_from_slice(&number.to_be_bytes());
        std::hint::black_box(key.sign(&random, &message).map_err(failed)?);
    }
    Ok((own_cpu_secs() - before) / BARE as f64 * count as f64)
}

/// CPU time of the peer's tool for the same records.
fn dnssec_signzone(
    peers: &Peers,
    scratch: &Scratch,
    population: Population,
) -> anyhow::Result<f64> {
    zone::write_unsigned(
        population,
        Profile::Fleet,
        &scratch.path().join("unsigned.db"),
    )?;
    let directory = scratch.inside("");
    for arguments in [&["-f", "KSK"][..], &[]] {
        let mut all = vec!["-q", "-a", "ECDSAP256SHA256", "-K", &directory];
        all.extend_from_slice(arguments);
        all.push(APEX);
        peers.tool(SERVER_CORE, "dnssec-keygen", &all)?;
    }
    let (unsigned, signed) = (scratch.inside("unsigned.db"), scratch.inside("signed.db"));
    let before = children_cpu_secs();
    let arguments = [
        "-q", "-S", "-P", "-K", &directory, "-d", &directory, "-o", APEX, "-f", &signed, &unsigned,
    ];
    peers.tool(ALL_CORES, "dnssec-signzone", &arguments)?;
    Ok(children_cpu_secs() - before)
}

/// CPU time of the other peer's tool; the records are those of [`dnssec_signzone`].
fn kzonesign(peers: &Peers, scratch: &Scratch) -> anyhow::Result<f64> {
    for directory in ["keys", "knot"] {
        std::fs::create_dir_all(scratch.path().join(directory))?;
    }
    let (keys, zone) = (scratch.inside("keys"), scratch.inside("unsigned.db"));
    let text = format!(
        "server:
    rundir: {keys}
database:
    storage: {keys}
policy:
  - id: here
    algorithm: ecdsap256sha256
    signing-threads: 2
    cds-cdnskey-publish: none
zone:
  - domain: {APEX}
    file: {zone}
    dnssec-signing: on
    dnssec-policy: here
    semantic-checks: off
"
    );
    std::fs::write(scratch.path().join("kzonesign.conf"), text)?;
    let (file, out) = (scratch.inside("kzonesign.conf"), scratch.inside("knot"));
    let before = children_cpu_secs();
    peers.tool(ALL_CORES, "kzonesign", &["-c", &file, "-o", &out, APEX])?;
    Ok(children_cpu_secs() - before)
}
