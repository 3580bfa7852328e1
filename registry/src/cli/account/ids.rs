//! The ids of a file, for the list of an account or out of it.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use iot_epp_api::Reply;
use iot_epp_api::command::{AccountChange, AccountCommand as Asked, IMPORTED_IDS_MAX};
use iot_identity::DeviceId;

use super::{OneAccount, ask};
use crate::cli::output::print_line;
use crate::directory::Directory;

/// The ids of a file, one a line.
fn ids_of(file: &Path) -> anyhow::Result<Vec<DeviceId>> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let mut device_ids = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if !line.is_empty() {
            let parsed = DeviceId::parse(line);
            device_ids.push(parsed.with_context(|| format!("line {number}; nothing was done"))?);
        }
    }
    ensure!(!device_ids.is_empty(), "{} has no ids", file.display());
    Ok(device_ids)
}

/// Adds the ids of a file to the account's list.
pub(super) async fn import(
    directory: &Directory,
    account: &OneAccount,
    file: &Path,
) -> anyhow::Result<()> {
    let device_ids = ids_of(file)?;
    let mut added = 0;
    for part in device_ids.chunks(IMPORTED_IDS_MAX) {
        let command = Asked::ImportIds {
            name: account.name.clone(),
            device_ids: part.to_vec(),
        };
        match ask(directory, &account.door, command).await {
            Ok(Reply::Imported { added: of_part }) => added += of_part,
            Ok(other) => bail!("unexpected answer {other:?}"),
            Err(error) => {
                return Err(error.context(format!("{added} ids were imported before this")));
            }
        }
    }
    print_line!(
        "{added} ids imported, {} were there",
        device_ids.len() as u64 - added
    );
    Ok(())
}

/// Takes the ids of a file out of the account's list.
pub(super) async fn remove(
    directory: &Directory,
    account: &OneAccount,
    file: &Path,
) -> anyhow::Result<()> {
    let device_ids = ids_of(file)?;
    let mut left = 0;
    for (number, part) in device_ids.chunks(IMPORTED_IDS_MAX).enumerate() {
        let command = Asked::Update {
            name: account.name.clone(),
            change: AccountChange::RemoveIds(part.to_vec()),
        };
        match ask(directory, &account.door, command).await {
            Ok(Reply::Account(info)) => left = info.imported_ids,
            Ok(other) => bail!("unexpected answer {other:?}"),
            Err(error) => {
                let told = number * IMPORTED_IDS_MAX;
                return Err(error.context(format!(
                    "the first {told} ids of the file are not in the list any more"
                )));
            }
        }
    }
    print_line!(
        "the {} ids of the file are not in the list any more; {left} are left in it",
        device_ids.len()
    );
    Ok(())
}
