//! After the story: a second device stays registered, and these are the commands to look at it.

use std::net::SocketAddr;

use anyhow::{Context, bail};
use iot_epp_api::Reply;
use iot_identity::{DeviceId, OwnerName, Slot};

use super::esim::Esim;
use super::report::Report;
use super::scene::{Scene, service_root};
use super::story::registration;

/// The device that stays: an ICCID in CIRA's spelling.
const STAYING_DEVICE_ID: &str = "8912230200031010008f";

/// Registers the device that stays, prints the commands, and waits for Ctrl-C.
pub(super) async fn invite(scene: &mut Scene, report: &mut Report) -> anyhow::Result<()> {
    let device_id = DeviceId::parse(STAYING_DEVICE_ID)?;
    let owner = OwnerName::new(Slot::FIRST, device_id, scene.checker.anchor().zone());
    report
        .step(
            "second_device",
            "a second device is registered and stays for exploring",
            async {
                let esim = Esim::personalise(device_id)?;
                esim.make_key_pair()?;
                let csr = esim.certificate_request(&owner)?;
                let command = registration(device_id, csr);
                match scene.operator.give(command).await?.outcome {
                    Ok(Reply::Issued(_)) => Ok(()),
                    other => bail!("not registered: {other:?}"),
                }
            },
        )
        .await?;
    report.say("");
    for line in lines(scene, &owner)? {
        report.say(&line);
    }
    tokio::signal::ctrl_c().await.context("waiting for Ctrl-C")
}

fn lines(scene: &Scene, owner: &OwnerName) -> anyhow::Result<Vec<String>> {
    let first = |list: &[SocketAddr]| list.first().copied().context("no listener");
    let (dns, dot) = (
        first(&scene.running.listen.dns)?,
        first(&scene.running.listen.dot)?,
    );
    let root = service_root(&scene.directory);
    let root = root.display();
    let deleted = OwnerName::new(Slot::FIRST, scene.device_id, owner.zone());
    Ok(vec![
        "Look for yourself from another terminal; Ctrl-C here ends the demo.".to_owned(),
        format!(
            "kdig @{} -p {} +tls +tls-ca={root} +tls-hostname=localhost +dnssec CERT {owner}",
            dot.ip(),
            dot.port()
        ),
        format!(
            "kdig @{} -p {} +tls +tls-ca={root} +tls-hostname=localhost +dnssec TLSA {deleted}",
            dot.ip(),
            dot.port()
        ),
        format!(
            "delv @{} -p {} -a {} +root={} CERT {owner}",
            dns.ip(),
            dns.port(),
            scene.bind_anchor_file.display(),
            owner.zone()
        ),
        format!(
            "iot-verify {owner} --resolver {dot} --tls-name localhost --tls-roots {root} --anchor {}",
            scene.anchor_file.display()
        ),
        format!(
            "iot-registry --dir {} zone check",
            scene.directory.root().display()
        ),
    ])
}
