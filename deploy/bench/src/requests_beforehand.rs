//! Devices with certificate requests made beforehand, on all cores.

use anyhow::anyhow;
use iot_identity::DeviceId;
use rcgen::{CertificateParams, KeyPair};

use crate::population::Population;

/// A device that is to be registered.
#[derive(Clone)]
pub(crate) struct Asking {
    pub(crate) device_id: DeviceId,
    /// DER.
    pub(crate) csr: Vec<u8>,
}

/// Requests for the devices of these numbers.
pub(crate) fn make(
    population: Population,
    numbers: std::ops::Range<u64>,
) -> anyhow::Result<Vec<Asking>> {
    let cores = std::thread::available_parallelism()?.get() as u64;
    let (begin, count) = (numbers.start, numbers.end - numbers.start);
    std::thread::scope(|scope| {
        let parts: Vec<_> = (0..cores)
            .map(|core| {
                let part = begin + count * core / cores..begin + count * (core + 1) / cores;
                scope.spawn(move || {
                    part.map(|number| one(population, number))
                        .collect::<anyhow::Result<Vec<_>>>()
                })
            })
            .collect();
        let mut all = Vec::with_capacity(count as usize);
        for part in parts {
            all.extend(
                part.join()
                    .map_err(|_| anyhow!("making requests panicked"))??,
            );
        }
        Ok(all)
    })
}

fn one(population: Population, number: u64) -> anyhow::Result<Asking> {
    let key = KeyPair::generate()?;
    let csr = CertificateParams::default().serialize_request(&key)?;
    Ok(Asking {
        device_id: population.device(number),
        csr: csr.der().to_vec(),
    })
}
