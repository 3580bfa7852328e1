//! The application service provider: mutual TLS, and nobody gets in before the DNS has said yes.
//!
//! What must agree before the first application octet is the verifier's to say (`verifier/src/service/`).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use iot_verifier::service::{admit, server_config};
use iot_verifier::transport::dot::DotTransport;
use iot_verifier::{Checker, Wanted};
use rustls::RootCertStore;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::clock::unix_now;
use crate::start::Running;

/// Host name of the service in the story.
pub(super) const HOST: &str = "asp.example";
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(5);

pub(super) struct Provider {
    pub(super) address: SocketAddr,
    /// The certificate that devices know the service by, DER.
    pub(super) certificate: Vec<u8>,
    task: JoinHandle<()>,
}

impl Provider {
    pub(super) async fn start(
        running: &Running,
        checker: Arc<Checker<DotTransport>>,
    ) -> anyhow::Result<Self> {
        let own = rcgen::generate_simple_self_signed([HOST.to_owned()])?;
        let certificate = own.cert.der().clone();
        let key = PrivateKeyDer::try_from(own.signing_key.serialize_der())
            .map_err(|error| anyhow!("the service's key: {error}"))?;
        let device_root = running.core.service.trust().device_root_pem.as_bytes();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(device_root)?)?;
        let config = server_config(roots, vec![certificate.clone()], key)?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(accept(
            listener,
            TlsAcceptor::from(Arc::new(config)),
            checker,
        ));
        Ok(Self {
            address,
            certificate: certificate.to_vec(),
            task,
        })
    }

    pub(super) async fn stop(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

async fn accept(listener: TcpListener, tls: TlsAcceptor, checker: Arc<Checker<DotTransport>>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let (tls, checker) = (tls.clone(), Arc::clone(&checker));
                tokio::spawn(async move {
                    let served = serve(stream, tls, &checker);
                    let outcome = tokio::time::timeout(HANDSHAKE_PATIENCE, served).await;
                    tracing::debug!(?outcome, "service provider");
                });
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// One connection: handshake, question to the DNS, greeting or refusal.
async fn serve(
    stream: TcpStream,
    tls: TlsAcceptor,
    checker: &Checker<DotTransport>,
) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = tls.accept(stream).await?;
    let certificates = stream.get_ref().1.peer_certificates();
    let certificate = certificates
        .and_then(|chain| chain.first())
        .context("a handshake without client certificate does not come this far")?
        .to_vec();
    let admitted = admit(checker, &certificate, Wanted::Cert, unix_now()).await;
    let answer = match admitted {
        Ok(admitted) => format!("welcome {}\n", admitted.owner()),
        Err(reason) => format!("refused: {reason}\n"),
    };
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    Ok(())
}
