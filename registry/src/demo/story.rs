//! The steps of the story, in their order.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use iot_device::{DevicePayload, Endpoint};
use iot_epp_api::command::DeviceCommand;
use iot_epp_api::response::SlotCertificate;
use iot_epp_api::{Command, PublicationTimes, Reply};
use iot_identity::{DeviceId, OwnerName, Slot};
use iot_verifier::{Verdict, Wanted};
use rcgen::{CertificateParams, KeyPair};
use rustls::RootCertStore;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use time::format_description::well_known::Rfc3339;

use super::esim::greeting;
use super::provider::HOST;
use super::report::Report;
use super::scene::Scene;
use crate::ca::{TbsDevice, TrustRoots};
use crate::clock::unix_now;
use crate::directory::Directory;

/// Longest time in which a change must be visible.
const VISIBLE_PATIENCE: Duration = Duration::from_secs(5);

/// Plays the story from the first key to the last denial.
pub(super) async fn play(scene: &mut Scene, report: &mut Report) -> anyhow::Result<()> {
    let owner = OwnerName::new(Slot::FIRST, scene.device_id, scene.checker.anchor().zone());
    report
        .step(
            "esim_key_pair",
            "the eSIM makes its key pair; the private key stays on it",
            async { scene.esim.make_key_pair() },
        )
        .await?;
    let csr = report
        .step("csr", "certificate request, signed on the eSIM", async {
            scene.esim.certificate_request(&owner)
        })
        .await?;
    let issued = report
        .step(
            "device_registered",
            "the operator registers the device: certificate signed and published",
            register(scene, csr),
        )
        .await?;
    report
        .step(
            "payload_installed",
            "certificate, chain and endpoint written onto the eSIM and checked",
            async { install(scene, &issued) },
        )
        .await?;
    report
        .step(
            "device_active_over_dot",
            "anybody's check: one DNS answer over TLS, validated: active",
            async {
                let verdict = scene
                    .checker
                    .check(&owner, Wanted::Both, unix_now())
                    .await?;
                ensure!(matches!(verdict, Verdict::Active(_)), "{verdict:?}");
                Ok(())
            },
        )
        .await?;
    admitted(scene, report, "device_admitted").await?;
    report
        .step(
            "stranger_refused",
            "a stranger with a self-made certificate is refused",
            stranger(scene, &owner),
        )
        .await?;
    report
        .step(
            "other_registry_refused",
            "a device of another registry is refused",
            other_registry(scene, &owner),
        )
        .await?;
    withdraw_and_return(scene, report, &owner).await?;
    delete(scene, report, &owner).await
}

/// Deactivation: visible at once, believed by nobody after a stated moment; and back.
async fn withdraw_and_return(
    scene: &mut Scene,
    report: &mut Report,
    owner: &OwnerName,
) -> anyhow::Result<()> {
    let device_id = scene.device_id;
    let begin = Instant::now();
    let times = report
        .step(
            "deactivated",
            "the operator deactivates the device",
            change(
                scene,
                Command::Device(DeviceCommand::Deactivate { device_id }),
            ),
        )
        .await?;
    let visible = visible(scene, owner, |verdict| {
        matches!(verdict, Verdict::Inactive(_))
    })
    .await;
    report.add(
        "deactivation_visible_over_dot",
        "from request sent to validated denial (NODATA) over DNS-over-TLS",
        begin.elapsed(),
        visible.as_ref().err(),
    );
    visible?;
    if let Some(until) = times.denied_everywhere_by {
        let until = until.format(&Rfc3339)?;
        report.say(&format!("no replayed answer is believed after {until}"));
    }
    report
        .step(
            "withdrawn_device_refused",
            "the same device is refused",
            async {
                let refusal = refused(scene.esim.connect().await)?;
                ensure!(
                    refusal.contains("inactive"),
                    "refused, but for another reason: {refusal}"
                );
                Ok(())
            },
        )
        .await?;
    let begin = Instant::now();
    report
        .step(
            "reactivated",
            "the operator activates it again",
            change(
                scene,
                Command::Device(DeviceCommand::Activate { device_id }),
            ),
        )
        .await?;
    let visible = visible_active(scene, owner).await;
    report.add(
        "activation_visible_over_dot",
        "from request sent to validated fingerprint over DNS-over-TLS",
        begin.elapsed(),
        visible.as_ref().err(),
    );
    visible?;
    admitted(scene, report, "device_admitted_again").await
}

async fn delete(scene: &mut Scene, report: &mut Report, owner: &OwnerName) -> anyhow::Result<()> {
    let device_id = scene.device_id;
    let begin = Instant::now();
    report
        .step(
            "deleted",
            "the operator deletes the device",
            change(scene, Command::Device(DeviceCommand::Delete { device_id })),
        )
        .await?;
    let visible = visible(scene, owner, |verdict| {
        matches!(verdict, Verdict::Absent(_))
    })
    .await;
    report.add(
        "deletion_visible_over_dot",
        "from request sent to validated denial (NXDOMAIN) over DNS-over-TLS",
        begin.elapsed(),
        visible.as_ref().err(),
    );
    visible
}

/// A registration with the registry's defaults.
pub(super) fn registration(device_id: DeviceId, csr: Vec<u8>) -> Command {
    Command::Device(DeviceCommand::Create {
        device_id,
        csr,
        period: None,
        asp: None,
        auth_info: None,
    })
}

async fn register(scene: &Scene, csr: Vec<u8>) -> anyhow::Result<SlotCertificate> {
    let command = registration(scene.device_id, csr);
    match scene.operator.give(command).await?.outcome {
        Ok(Reply::Issued(issued)) => Ok(issued.certificate),
        other => bail!("not registered: {other:?}"),
    }
}

fn install(scene: &Scene, issued: &SlotCertificate) -> anyhow::Result<()> {
    let [issuing, root] = issued.chain.as_slice() else {
        bail!("the chain has two certificates")
    };
    let payload = DevicePayload {
        client_certificate: issued.certificate.clone(),
        asp_certificate: scene.provider.certificate.clone(),
        registry_root: root.to_vec(),
        issuing_certificate: issuing.to_vec(),
        endpoint: Endpoint::new(HOST, scene.provider.address.port())?,
    };
    // The root that the device was made with: here, the registry's own file.
    let trusted = &scene.running.core.service.trust().device_root_pem;
    let trusted = CertificateDer::from_pem_slice(trusted.as_bytes())?;
    scene.esim.install(&payload, &trusted)?;
    Ok(())
}

async fn admitted(scene: &Scene, report: &mut Report, id: &'static str) -> anyhow::Result<()> {
    report
        .step(
            id,
            "the device connects by mutual TLS and is admitted after the check",
            async { scene.esim.connect().await.map(drop) },
        )
        .await
}

async fn change(scene: &Scene, command: Command) -> anyhow::Result<PublicationTimes> {
    match scene.operator.give(command).await?.outcome {
        Ok(Reply::Changed { times, .. }) => times.context("nothing in the zone changed"),
        other => bail!("not changed: {other:?}"),
    }
}

/// Asks over DoT until the verdict is what it should be.
async fn visible(
    scene: &Scene,
    owner: &OwnerName,
    expected: impl Fn(&Verdict) -> bool,
) -> anyhow::Result<()> {
    let begin = Instant::now();
    loop {
        let verdict = scene.checker.check(owner, Wanted::Cert, unix_now()).await?;
        if expected(&verdict) {
            return Ok(());
        }
        ensure!(begin.elapsed() < VISIBLE_PATIENCE, "still {verdict:?}");
    }
}

async fn visible_active(scene: &Scene, owner: &OwnerName) -> anyhow::Result<()> {
    visible(scene, owner, |verdict| {
        matches!(verdict, Verdict::Active(_))
    })
    .await
}

/// The refusal's text; being admitted is the failure here.
fn refused(outcome: anyhow::Result<String>) -> anyhow::Result<String> {
    match outcome {
        Ok(greeting) => bail!("was admitted: {greeting}"),
        Err(refusal) => Ok(format!("{refusal:#}")),
    }
}

/// A certificate with the right name, signed by nobody but its owner.
async fn stranger(scene: &Scene, owner: &OwnerName) -> anyhow::Result<()> {
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new([owner.to_string()])?.self_signed(&key)?;
    knock(scene, vec![certificate.der().clone()], &key).await
}

/// A certificate with the right name from the issuing CA of another registry.
async fn other_registry(scene: &Scene, owner: &OwnerName) -> anyhow::Result<()> {
    let other = Directory::new(scene.directory.root().join("other-registry"));
    other.create()?;
    let now = unix_now();
    TrustRoots::create(&other, owner.zone(), &["localhost".to_owned()], now)?;
    let trust = TrustRoots::load(&other, owner.zone())?;
    let key = KeyPair::generate()?;
    let request = CertificateParams::default().serialize_request(&key)?;
    let csr = crate::csr::accept(request.der(), owner.device_id(), owner.zone())?;
    let serial = crate::service::random_octets();
    let tbs = TbsDevice {
        csr,
        owner: owner.clone(),
        serial,
    };
    let issued = trust.issuing.issue(tbs, 3600, now)?;
    let chain = vec![
        CertificateDer::from(issued.der),
        trust.issuing.certificate_der().clone(),
    ];
    knock(scene, chain, &key).await
}

/// Connects with this certificate; succeeds when the service refuses.
async fn knock(
    scene: &Scene,
    chain: Vec<CertificateDer<'static>>,
    key: &KeyPair,
) -> anyhow::Result<()> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(scene.provider.certificate.clone()))?;
    let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(anyhow::Error::msg)?;
    let config = rustls::ClientConfig::builder_with_provider(std::sync::Arc::new(
        rustls::crypto::ring::default_provider(),
    ))
    .with_safe_default_protocol_versions()?
    .with_root_certificates(roots)
    .with_client_auth_cert(chain, key)
    .context("the intruder's own configuration")?;
    refused(greeting(config, scene.provider.address, HOST).await).map(drop)
}
