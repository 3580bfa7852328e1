//! The topic `sign`: CPU time of signing a fleet from nothing, beside the peers' tools and beside
//! bare signatures.

use iot_dns_zone::Profile;

use crate::comparison::in_words;
use crate::figure::Figure;
use crate::kernel::children_cpu_secs;
use crate::machine;
use crate::ours;
use crate::peers::{Peers, Scratch};
use crate::population::{Ids, Population};
use crate::processes::SERVER_CORE;
use crate::queries::APEX;
use crate::zone;

/// Signatures of a device: CERT, TLSA, NSEC.
const SIGNATURES: u64 = 3;
/// Signatures of which the bare cost is the mean.
const BARE: u32 = 60_000;
const ALL_CORES: &str = "0-63";
/// Files of a directory in which a peer signs.
pub(crate) const UNSIGNED: &str = "unsigned.db";
pub(crate) const SIGNED: &str = "signed.db";

pub(crate) fn measure(run: &crate::Scale) -> anyhow::Result<Vec<Figure>> {
    let population = Population {
        ids: Ids::Random,
        devices: if run.quick { 50_000 } else { 1_000_000 },
    };
    let mut figures = ours(population)?;
    if run.has("peers") {
        figures.extend(beside(population, figures[0].value)?);
    }
    figures.extend(machine::floors()?);
    Ok(figures)
}

/// What we take, the CPU time first, beside bare signatures on as many cores.
fn ours(population: Population) -> anyhow::Result<Vec<Figure>> {
    let directory = tempfile::tempdir()?;
    // Before and after: a machine that is not alone does not keep its speed.
    let bare_before = machine::bare_signature_secs_on_all_cores(BARE)?;
    let signed = ours::sign(directory.path(), population, Profile::Fleet, 0, None)?;
    let bare_after = machine::bare_signature_secs_on_all_cores(BARE)?;
    let scale = in_words(population.devices);
    let said = format!(
        "{scale}, {:.1} s, {} MiB at most",
        signed.secs,
        signed.peak_octets >> 20
    );
    let signatures = population.devices * SIGNATURES;
    let bare = (bare_before + bare_after) / 2.0 * signatures as f64;
    let ratio = signed.cpu_secs / bare;
    let cores = signed.cpu_secs / signed.secs;
    let mean_of = format!("{scale}, mean of {BARE} signatures");
    Ok(vec![
        Figure::new("sign_cpu_secs", signed.cpu_secs, "s", said),
        Figure::new("sign_cores_used", cores, "cores", scale.clone()),
        Figure::new("sign_cpu_vs_bare", ratio, "ratio", scale),
        Figure::new("sign_cpu_secs_bare", bare, "s", mean_of),
    ])
}

/// What the peers' tools take for the same records.
fn beside(population: Population, ours_cpu_secs: f64) -> anyhow::Result<Vec<Figure>> {
    let peers = Peers::find()?;
    machine::note_peers(peers.versions());
    let scratch = peers.scratch()?;
    let signzone = dnssec_signzone(&peers, &scratch, population)?;
    let kzonesign = kzonesign(&peers, &scratch)?;
    let ratio = ours_cpu_secs / signzone;
    let scale = || in_words(population.devices);
    Ok(vec![
        Figure::new("sign_cpu_vs_signzone", ratio, "ratio", scale())
            .beside(peers.named("dnssec-signzone")),
        Figure::new("sign_cpu_secs_kzonesign", kzonesign, "s", scale()).beside(peers.named("knot")),
        Figure::new("sign_cpu_secs_signzone", signzone, "s", scale())
            .beside(peers.named("dnssec-signzone")),
    ])
}

/// CPU time of the peer's tool for the same records.
fn dnssec_signzone(
    peers: &Peers,
    scratch: &Scratch,
    population: Population,
) -> anyhow::Result<f64> {
    zone::write_unsigned(population, Profile::Fleet, &scratch.path().join(UNSIGNED))?;
    make_keys(peers, scratch)?;
    let before = children_cpu_secs();
    sign_whole(peers, scratch)?;
    Ok(children_cpu_secs() - before)
}

/// Makes BIND's keys in a directory.
pub(crate) fn make_keys(peers: &Peers, scratch: &Scratch) -> anyhow::Result<()> {
    let directory = scratch.inside("");
    for arguments in [&["-f", "KSK"][..], &[]] {
        let mut all = vec!["-q", "-a", "ECDSAP256SHA256", "-K", &directory];
        all.extend_from_slice(arguments);
        all.push(APEX);
        peers.tool(SERVER_CORE, "dnssec-keygen", &all)?;
    }
    Ok(())
}

/// Has dnssec-signzone sign [`UNSIGNED`] with the directory's keys, for 30 days, into [`SIGNED`].
pub(crate) fn sign_whole(peers: &Peers, scratch: &Scratch) -> anyhow::Result<()> {
    let directory = scratch.inside("");
    let (unsigned, signed) = (scratch.inside(UNSIGNED), scratch.inside(SIGNED));
    let arguments = [
        "-q", "-S", "-P", "-K", &directory, "-d", &directory, "-o", APEX, "-f", &signed, &unsigned,
    ];
    peers.tool(ALL_CORES, "dnssec-signzone", &arguments)?;
    Ok(())
}

/// CPU time of the other peer's tool; the records are those of [`dnssec_signzone`].
fn kzonesign(peers: &Peers, scratch: &Scratch) -> anyhow::Result<f64> {
    for directory in ["keys", "knot"] {
        std::fs::create_dir_all(scratch.path().join(directory))?;
    }
    let (keys, zone) = (scratch.inside("keys"), scratch.inside(UNSIGNED));
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
