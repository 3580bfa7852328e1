//! The device: a virtual IoT SAFE card, and a TLS client that never sees the private key.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, bail};
use iot_device::applet::random::SystemRandom;
use iot_device::applet::{CardOptions, IssuerDoor};
use iot_device::csr::CertificateRequest;
use iot_device::payload::layout;
use iot_device::{Applet, DevicePayload, IotSafe, VirtualCard};
use iot_identity::{DeviceId, OwnerName};
use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Longest greeting of the service provider.
const GREETING_OCTETS_MAX: u64 = 256;

pub(super) struct Esim {
    card: Arc<Mutex<IotSafe>>,
}

impl Esim {
    /// A new card with empty containers.
    pub(super) fn personalise(device_id: DeviceId) -> anyhow::Result<Self> {
        let personalisation = layout::personalisation(
            device_id,
            // Over the air the operator will come through a secure channel; here he holds the card.
            CardOptions {
                issuer_door: IssuerDoor::OpenWithoutSecureChannel,
                ..CardOptions::default()
            },
        );
        let aids = personalisation.aids.clone();
        let applet = Applet::personalise(personalisation, Box::new(SystemRandom::new()))?;
        let card = IotSafe::open(VirtualCard::new(applet), &aids)?;
        Ok(Self {
            card: Arc::new(Mutex::new(card)),
        })
    }

    fn card(&self) -> MutexGuard<'_, IotSafe> {
        // A panic elsewhere leaves the card as consistent as a card that was pulled out.
        self.card.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the key pair, on the card.
    pub(super) fn make_key_pair(&self) -> anyhow::Result<()> {
        self.card()
            .generate_key_pair(&layout::client_key().private)?;
        Ok(())
    }

    /// A certificate request signed on the card, DER.
    pub(super) fn certificate_request(&self, owner: &OwnerName) -> anyhow::Result<Vec<u8>> {
        let request = CertificateRequest::sign(&mut self.card(), &layout::client_key(), owner)?;
        Ok(request.as_der().to_vec())
    }

    /// Writes the payload to the card, reads it back and checks it against the root that the
    /// device was made with.
    pub(super) fn install(
        &self,
        payload: &DevicePayload,
        trusted_root: &[u8],
    ) -> anyhow::Result<OwnerName> {
        let mut card = self.card();
        payload.write(&mut card)?;
        let installed = DevicePayload::read(&mut card)?;
        let key = card.public_key(&layout::client_key().public)?;
        Ok(installed.check(trusted_root, &key, UnixTime::now())?)
    }

    /// Connects to the endpoint in the payload, signing on the card; returns the greeting.
    pub(super) async fn connect(&self) -> anyhow::Result<String> {
        let payload = DevicePayload::read(&mut self.card())?;
        let chain = vec![
            CertificateDer::from(payload.client_certificate),
            CertificateDer::from(payload.issuing_certificate),
        ];
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(payload.asp_certificate))?;
        let config = iot_device::tls::client_config(
            Arc::clone(&self.card),
            &layout::client_key(),
            chain,
            roots,
        )?;
        let endpoint = &payload.endpoint;
        // The demo's name stands for the loopback address; a device would ask its resolver.
        let address = SocketAddr::from(([127, 0, 0, 1], endpoint.port()));
        greeting(config, address, endpoint.host()).await
    }
}

/// Connects with a configuration and reads what the server says first.
pub(super) async fn greeting(
    config: rustls::ClientConfig,
    address: SocketAddr,
    host: &str,
) -> anyhow::Result<String> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from(host.to_owned())?;
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .context("TLS")?;
    let mut text = String::new();
    stream
        .take(GREETING_OCTETS_MAX)
        .read_to_string(&mut text)
        .await
        .context("reading")?;
    match text.strip_prefix("welcome ") {
        Some(_) => Ok(text.trim_end().to_owned()),
        None => bail!(
            "{}",
            if text.is_empty() {
                "connection closed"
            } else {
                text.trim_end()
            }
        ),
    }
}
