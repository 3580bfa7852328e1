//! The topic `register`: full registrations a second, through both doors: the request checked, the
//! certificate signed, everything durable, the fingerprint visible in the signed zone. First as many as
//! the doors take, then, for the time of an answer, as many as they are to take. Requests are made
//! beforehand; the clients share the cores with the registry.

use anyhow::{anyhow, ensure};
use iot_dns_zone::Profile;
use iot_epp_api::Command;
use iot_epp_api::command::DeviceCommand;
use iot_epp_api::epp::device::Create;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _,
    UnparsedPublicKey,
};

use crate::comparison::in_words;
use crate::door_clients::{Done, EppClients, JsonClients};
use crate::figure::Figure;
use crate::machine;
use crate::population::{Ids, Population};
use crate::processes::Process;
use crate::product::Registry;
use crate::requests_beforehand::{self, Asking};

const ALL_CORES: &str = "0-63";
/// Connections of each door; each waits for its answer before it asks again.
const CLIENTS: usize = 64;
/// Registrations a second that each door is to take.
const JSON_PER_SEC: u32 = 1_000;
const EPP_PER_SEC: u32 = 800;
/// Registrations before the measured ones, for caches and connections.
const WARMING: u64 = 500;
/// Parts of the registrations, each between two measurements of the bare cryptography: what it costs changes
/// within a minute.
const PARTS: u64 = 10;
/// Verifications, and five times as many signatures, of such a measurement.
const BARE: u32 = 1_000;
/// Signatures of a registration: the certificate's and four of the zone (CERT, TLSA, two NSEC).
const SIGNATURES: u32 = 5;

pub(crate) fn measure(run: &crate::Scale) -> anyhow::Result<Vec<Figure>> {
    let (count, paced) = if run.quick {
        (3_000, 2_000)
    } else {
        (60_000, 30_000)
    };
    let population = Population {
        ids: Ids::Random,
        devices: 2 * (WARMING + count + paced),
    };
    let registry = Registry::with_account(Profile::Standard)?;
    let mut process = registry.serve(ALL_CORES)?;
    registry.wait_until_it_serves(&mut process)?;
    let mut figures = Vec::new();
    let mut next = 0;
    let mut asking = |count| {
        next += count;
        requests_beforehand::make(population, next - count..next)
    };
    let mut bare_secs = Vec::new();
    for (door, per_sec) in [("json", JSON_PER_SEC), ("epp", EPP_PER_SEC)] {
        if !run.has(door) {
            continue;
        }
        let mut clients = Clients::connect(&registry, door)?;
        clients.register(asking(WARMING)?, None)?;
        let measured = parts(&mut clients, &process, count, &mut asking)?;
        figures.extend(figures_of(door, &measured, count));
        bare_secs.push(measured.bare_secs);
        let done = clients.register(asking(paced)?, Some(per_sec))?;
        figures.extend(figures_at_a_pace(door, &done, per_sec));
        process.check_running()?;
    }
    figures.push(Figure::new(
        "register_bare_crypto_us",
        bare_secs.iter().sum::<f64>() / bare_secs.len() as f64 * 1e6,
        "us",
        "one verification and five signatures, all cores at work",
    ));
    figures.extend(machine::floors()?);
    Ok(figures)
}

/// As many registrations as the door takes.
struct Measured {
    done: Done,
    /// CPU time of the registry for each.
    cpu_secs: f64,
    /// CPU time of the bare cryptography of each, measured in between.
    bare_secs: f64,
}

fn parts(
    clients: &mut Clients,
    process: &Process,
    count: u64,
    asking: &mut impl FnMut(u64) -> anyhow::Result<Vec<Asking>>,
) -> anyhow::Result<Measured> {
    // Like the registry's, on all cores at once: what they share makes each slower.
    let bare = || machine::cpu_secs_on_all_cores(BARE, bare);
    let (mut cpu_us, mut bare_secs) = (0.0, bare()?);
    let mut done = Done::default();
    for _ in 0..PARTS {
        let part = asking(count / PARTS)?;
        let before_us = process.cpu_us();
        done = done.and(clients.register(part, None)?);
        cpu_us += process.cpu_us() - before_us;
        bare_secs += bare()?;
    }
    Ok(Measured {
        done,
        cpu_secs: cpu_us / 1e6 / count as f64,
        bare_secs: bare_secs / (PARTS + 1) as f64,
    })
}

/// Connections to one of the doors.
enum Clients {
    Json(JsonClients),
    Epp(EppClients),
}

impl Clients {
    fn connect(registry: &Registry, door: &str) -> anyhow::Result<Self> {
        Ok(match door {
            "json" => {
                let (door, token) = (registry.json_door()?, registry.token()?);
                Self::Json(JsonClients::connect(&door, token, CLIENTS)?)
            }
            _ => {
                let (door, password) = (registry.epp_door()?, registry.password()?);
                let account = registry.account();
                Self::Epp(EppClients::connect(&door, &account, &password, CLIENTS)?)
            }
        })
    }

    fn register(&mut self, asking: Vec<Asking>, per_sec: Option<u32>) -> anyhow::Result<Done> {
        match self {
            Self::Json(clients) => clients.give(asking.into_iter().map(create).collect(), per_sec),
            Self::Epp(clients) => {
                let creates = asking.into_iter().map(|one| Create {
                    device_id: one.device_id,
                    period: None,
                    csr: one.csr,
                    asp: None,
                    auth_info: None,
                });
                clients.register(creates.collect(), per_sec)
            }
        }
    }
}

/// A registration as the command that it is.
pub(crate) fn create(asking: Asking) -> Command {
    Command::Device(DeviceCommand::Create {
        device_id: asking.device_id,
        csr: asking.csr,
        period: None,
        asp: None,
        auth_info: None,
    })
}

fn figures_of(door: &str, measured: &Measured, count: u64) -> [Figure; 4] {
    let Measured {
        done,
        cpu_secs,
        bare_secs,
    } = measured;
    let said = format!("{} new, {CLIENTS} connections", in_words(count));
    [
        Figure::new(
            format!("register_{door}_per_sec"),
            done.per_sec(),
            "1/s",
            said.clone(),
        ),
        Figure::new(
            format!("register_{door}_p99_ms"),
            done.quantile_ms(0.99),
            "ms",
            said.clone(),
        ),
        Figure::new(
            format!("register_{door}_per_bare_crypto"),
            done.per_sec() * bare_secs,
            "ratio",
            said.clone(),
        ),
        Figure::new(
            format!("register_{door}_cpu_vs_bare"),
            cpu_secs / bare_secs,
            "ratio",
            said,
        ),
    ]
}

/// How long answers took, and whether they kept up.
fn figures_at_a_pace(door: &str, done: &Done, per_sec: u32) -> [Figure; 3] {
    let said = format!("{per_sec} a second, each due at its moment, {CLIENTS} connections");
    let figure = |what, value, unit| {
        let id = format!("register_{door}_paced_{what}");
        Figure::new(id, value, unit, said.clone())
    };
    [
        figure("per_sec", done.per_sec(), "1/s"),
        figure("p50_ms", done.quantile_ms(0.5), "ms"),
        figure("p99_ms", done.quantile_ms(0.99), "ms"),
    ]
}

/// The cryptography of `count` registrations and nothing else.
fn bare(count: u32) -> anyhow::Result<()> {
    verify(count)?;
    machine::sign(count * SIGNATURES)
}

fn verify(count: u32) -> anyhow::Result<()> {
    let random = SystemRandom::new();
    let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
    let failed = |_| anyhow!("signing failed");
    let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).map_err(failed)?;
    let key = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random)
        .map_err(|_| anyhow!("own key refused"))?;
    // As long as the signed octets of a request.
    let message = [0x5a; 220];
    let signature = key.sign(&random, &message).map_err(failed)?;
    let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key.public_key().as_ref());
    for _ in 0..count {
        let verified = public.verify(&message, signature.as_ref());
        ensure!(verified.is_ok(), "own signature refused");
    }
    Ok(())
}
