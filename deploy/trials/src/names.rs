//! What the DNS says of a name, asked over TLS and validated as a service provider would.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, ensure};
use iot_dns_zone::ZoneKeys;
use iot_identity::{DeviceId, OwnerName, Publication, Slot, ZoneName};
use iot_registry::clock::unix_now;
use iot_registry::directory::{self, Directory};
use iot_verifier::transport::dot::DotTransport;
use iot_verifier::{Checker, Policy, ServerIdentity, Verdict, Wanted, ZoneAnchor};
use rustls::RootCertStore;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};

use crate::accounts::{ZONE, service_root};

/// Asks one server.
pub struct Names {
    checker: Checker<DotTransport>,
    zone: ZoneName,
}

impl Names {
    /// Asks a registry's DoT listener, with the zone's own key as anchor.
    ///
    /// # Errors
    /// When the directory's keys or certificates cannot be read.
    pub fn at(directory: &Directory, dot: SocketAddr) -> anyhow::Result<Self> {
        let zone = ZoneName::parse(ZONE)?;
        let mut roots = RootCertStore::empty();
        let root = directory::read_public(&service_root(directory))?;
        roots.add(CertificateDer::from_pem_slice(&root)?)?;
        let identity = ServerIdentity::Name {
            name: ServerName::try_from("localhost")?,
            roots: Arc::new(roots),
        };
        let anchor = ZoneKeys::load(&directory.zone())?.ds_presentation(&zone);
        let checker = Checker::new(
            DotTransport::new(dot, identity)?,
            ZoneAnchor::parse(&anchor)?,
            Policy::default(),
        );
        Ok(Self { checker, zone })
    }

    /// What the DNS says of a credential, proven.
    ///
    /// # Errors
    /// When there is no verdict.
    pub async fn publication(
        &self,
        device_id: DeviceId,
        slot: Slot,
    ) -> anyhow::Result<Publication> {
        let owner = OwnerName::new(slot, device_id, &self.zone);
        let verdict = self.checker.check(&owner, Wanted::Both, unix_now()).await;
        Ok(
            match verdict.with_context(|| format!("asking for {owner}"))? {
                Verdict::Active(active) => Publication::Active(active.fingerprint()),
                Verdict::Inactive(_) => Publication::Inactive,
                Verdict::Absent(_) => Publication::Absent,
            },
        )
    }

    /// Holds the DNS to what it must say of a credential.
    ///
    /// # Errors
    /// When it says anything else.
    pub async fn expect(
        &self,
        device_id: DeviceId,
        slot: Slot,
        expected: Publication,
    ) -> anyhow::Result<()> {
        let found = self.publication(device_id, slot).await?;
        ensure!(
            found == expected,
            "{slot}.{device_id}: the DNS says {found:?}, it must say {expected:?}"
        );
        Ok(())
    }
}
