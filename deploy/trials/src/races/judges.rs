//! What must be true of a race: pure, from the answers and from what was found.

use std::collections::HashMap;

use anyhow::{Context, bail, ensure};
use iot_epp_api::ResultCode;
use iot_identity::{DeviceId, Slot};

use crate::doors::{Answer, Door};
use crate::inside::Kept;

/// What an operator is told where nobody else is concerned.
#[derive(Clone, Debug, Default)]
pub struct Baselines {
    /// Of a device of its own that it asks for once more.
    pub exists: HashMap<Door, (DeviceId, String)>,
    /// Of a device that is not there.
    pub absent: HashMap<Door, (DeviceId, String)>,
}

impl Baselines {
    /// Holds a refused registration to that of an own device: then it tells nothing of the owner.
    ///
    /// # Errors
    /// When it says anything else.
    pub fn require_exists(
        &self,
        door: Door,
        device_id: DeviceId,
        said: &str,
    ) -> anyhow::Result<()> {
        same(&self.exists, door, device_id, said).context("of a device that somebody else has")
    }

    /// Holds what is told of a device to what is told of an absent one.
    ///
    /// # Errors
    /// When it says anything else.
    pub fn require_absent(
        &self,
        door: Door,
        device_id: DeviceId,
        said: &str,
    ) -> anyhow::Result<()> {
        same(&self.absent, door, device_id, said).context("who lost learns of the device")
    }
}

fn same(
    told: &HashMap<Door, (DeviceId, String)>,
    door: Door,
    device_id: DeviceId,
    said: &str,
) -> anyhow::Result<()> {
    let (of, expected) = told.get(&door).context("every door was asked")?;
    let found = without_id(said, device_id);
    let expected = without_id(expected, *of);
    ensure!(
        found == expected,
        "{door} tells\n{found}\nand where nobody else is concerned\n{expected}"
    );
    Ok(())
}

/// The text without the id, and without its own length, in which ids of different lengths show.
fn without_id(said: &str, device_id: DeviceId) -> String {
    let without = said.replace(device_id.as_str(), "(id)");
    let lines = without
        .lines()
        .filter(|line| !line.starts_with("content-length: "));
    lines.collect::<Vec<_>>().join("\n")
}

/// Who of two won: exactly one of them was told that it has the device, the other that it exists.
///
/// # Errors
/// Any other two answers.
pub fn winner(answers: &[Answer; 2]) -> anyhow::Result<usize> {
    let won: Vec<usize> = (0..2).filter(|at| is_registered(&answers[*at])).collect();
    let [won] = won[..] else {
        bail!("{} of two won: {answers:#?}", won.len());
    };
    let refused = &answers[1 - won];
    let is_refused = refused.code == ResultCode::ObjectExists
        && refused.http_status.is_none_or(|status| status == 409);
    ensure!(is_refused, "who lost was told {refused:#?}");
    Ok(won)
}

/// Registered and published (201), or registered and soon published (202).
fn is_registered(answer: &Answer) -> bool {
    match answer.code {
        ResultCode::Completed => {
            answer.issued().is_some() && answer.http_status.is_none_or(|status| status == 201)
        }
        ResultCode::CompletedPending => answer.http_status.is_none_or(|status| status == 202),
        _ => false,
    }
}

/// Holds the database to one device with one certificate, and no other was ever begun.
///
/// # Errors
/// What is there beside it.
pub fn require_one(kept: &Kept, sponsor: &str, certificate: &[u8]) -> anyhow::Result<()> {
    let one = Kept {
        sponsor: Some(sponsor.to_owned()),
        credentials: vec![(Slot::FIRST, certificate.to_vec())],
        slot_max: Slot::FIRST.get(),
        intents: 0,
        voided: 0,
    };
    ensure!(
        *kept == one,
        "the database has {kept:?} and not only {one:?}"
    );
    Ok(())
}
