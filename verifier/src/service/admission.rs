//! The question to the DNS about a certificate whose key has signed a handshake.

use thiserror::Error;

use crate::certificate::{Admitted, BindingError, CertificateError, PresentedCertificate, bind};
use crate::checker::{CheckError, Checker};
use crate::evidence::Wanted;
use crate::transport::Transport;
use crate::validate::Verdict;

/// Why a device is not let in.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    /// The certificate is none of the registry's form.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The registry has withdrawn it.
    #[error("the DNS says that this device is inactive")]
    Inactive,
    /// The registry knows no such credential.
    #[error("the DNS says that there is no such device")]
    Absent,
    /// The registry vouches for another certificate, or the dates do not fit.
    #[error(transparent)]
    Binding(#[from] BindingError),
    /// Nothing is proven: also no reason to let it in.
    #[error(transparent)]
    Unproven(#[from] CheckError),
}

/// Asks whether the registry vouches for this certificate (DER), at the time `now` (Unix seconds).
///
/// # Errors
/// [`Refused`]; whatever it is, the device must not be let in.
pub async fn admit<T: Transport>(
    checker: &Checker<T>,
    certificate: &[u8],
    wanted: Wanted,
    now: u64,
) -> Result<Admitted, Refused> {
    let presented = PresentedCertificate::from_der(certificate)?;
    match checker.check(presented.owner(), wanted, now).await? {
        Verdict::Active(active) => Ok(bind(&active, &presented, now)?),
        Verdict::Inactive(_) => Err(Refused::Inactive),
        Verdict::Absent(_) => Err(Refused::Absent),
    }
}
