//! Root certificates for the resolver's own certificate.

use std::path::Path;

use anyhow::{Context, bail};
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// Where systems keep the roots that they trust.
const SYSTEM_ROOTS: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
];

/// Reads the roots of `path`, or the system's.
pub(crate) fn read_roots(path: Option<&Path>) -> anyhow::Result<RootCertStore> {
    let system = || {
        SYSTEM_ROOTS
            .map(Path::new)
            .into_iter()
            .find(|path| path.exists())
    };
    let Some(path) = path.or_else(system) else {
        bail!("this system keeps no root certificates; say --tls-roots FILE");
    };
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    for certificate in certificates {
        let certificate = certificate.with_context(|| path.display().to_string())?;
        // Bundles of a system contain certificates that not every library can use.
        let _ = roots.add(certificate);
    }
    if roots.is_empty() {
        bail!("{} has no usable root certificate", path.display());
    }
    Ok(roots)
}
