//! The topic `register`: full registrations a second, through both doors: the request checked, the
//! certificate signed, everything durable, the fingerprint visible in the signed zone. Requests are made
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
use crate::door_clients::{Done, register_through_epp, through_json};
use crate::figure::Figure;
use crate::machine;
use crate::population::{Ids, Population};
use crate::processes::Process;
use crate::product::Registry;
use crate::requests_beforehand::{self, Asking};

const ALL_CORES: &str = "0-63";
/// Connections of each door; each waits for its answer before it asks again.
const CLIENTS: usize = 64;
/// Registrations before the measured ones, for caches and connections.
const WARMING: u64 = 500;
/// Verifications and signatures of which the bare cost is the mean.
const BARE: u32 = 5_000;
/// Signatures of a registration: the certificate's and four of the zone (CERT, TLSA, two NSEC).
const SIGNATURES: u32 = 5;

pub(crate) fn measure(run: &crate::Scale) -> anyhow::Result<Vec<Figure>> {
    let count = if run.quick { 3_000 } else { 60_000 };
    let population = Population {
        ids: Ids::Random,
        devices: count,
    };
    let registry = Registry::with_account(Profile::Standard)?;
    let mut process = registry.serve(ALL_CORES)?;
    registry.wait_until_it_serves(&mut process)?;
    // Like the registry's, on all cores at once: what they share makes each slower.
    let bare_secs = machine::cpu_secs_on_all_cores(BARE, bare)?;
    let mut figures = Vec::new();
    let mut next = 0;
    for door in ["json", "epp"].into_iter().filter(|door| run.has(door)) {
        let warming = requests_beforehand::make(population, next..next + WARMING)?;
        next += WARMING;
        let asking = requests_beforehand::make(population, next..next + count)?;
        next += count;
        register(&registry, door, warming)?;
        let before_us = process.cpu_us();
        let done = register(&registry, door, asking)?;
        let cpu_secs = (process.cpu_us() - before_us) / 1e6 / count as f64;
        figures.extend(figures_of(door, &done, cpu_secs, bare_secs, count));
        check_alive(&mut process)?;
    }
    figures.push(Figure::new(
        "register_bare_crypto_us",
        bare_secs * 1e6,
        "us",
        "one verification and five signatures, all cores at work",
    ));
    figures.extend(machine::floors()?);
    Ok(figures)
}

fn check_alive(process: &mut Process) -> anyhow::Result<()> {
    process.check_running()
}

fn register(registry: &Registry, door: &str, asking: Vec<Asking>) -> anyhow::Result<Done> {
    match door {
        "json" => {
            let commands = asking.into_iter().map(create).collect();
            through_json(
                &registry.json_door()?,
                &registry.token()?,
                commands,
                CLIENTS,
            )
        }
        _ => {
            let creates = asking.into_iter().map(|one| Create {
                device_id: one.device_id,
                period: None,
                csr: one.csr,
                asp: None,
                auth_info: None,
            });
            let (door, password) = (registry.epp_door()?, registry.password()?);
            let account = registry.account();
            register_through_epp(&door, &account, &password, creates.collect(), CLIENTS)
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

fn figures_of(door: &str, done: &Done, cpu_secs: f64, bare_secs: f64, count: u64) -> [Figure; 4] {
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
