//! Lists of device ids, as accounts have them.

use iot_identity::DeviceId;
use serde::{Deserialize, Serialize};

use super::device::DEVICE_ID;
use crate::account::AccountName;
use crate::command::{AccountCommand, Command, IMPORTED_IDS_MAX};
use crate::json::refusal::Refusal;
use crate::json::schema::{ANY_NUMBER, Document, Schema, required};
use crate::result_code::ResultCode;

/// Ids that go into an account's list, or out of it.
pub(super) const IDS: Schema = Schema::List {
    of: &DEVICE_ID,
    fewest: 1,
    most: Some(IMPORTED_IDS_MAX),
};

/// Adds ids to an account's list.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct IdsImport {
    pub(crate) device_ids: Vec<DeviceId>,
}

pub(crate) const IDS_IMPORT: Document = Document::new(
    "IdsImport",
    "Gives an account device ids that it may register, beside its prefixes.",
    &[required(
        "deviceIds",
        IDS,
        "The ids; those that are there already are taken as told again.",
    )],
);

impl IdsImport {
    pub(crate) fn into_command(self, name: AccountName) -> Result<Command, Refusal> {
        let device_ids = bounded_ids(self.device_ids, "deviceIds", IMPORTED_IDS_MAX)?;
        Ok(Command::Account(AccountCommand::ImportIds {
            name,
            device_ids,
        }))
    }
}

/// Checks that there is one id at least, and not too many.
pub(crate) fn bounded_ids(
    ids: Vec<DeviceId>,
    member: &str,
    most: usize,
) -> Result<Vec<DeviceId>, Refusal> {
    if (1..=most).contains(&ids.len()) {
        return Ok(ids);
    }
    let reason = format!("the member \"{member}\" has to have 1 to {most} ids");
    Err(Refusal::new(ResultCode::ParameterRange, reason).at(format!("$.{member}")))
}

/// Ids were added.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IdsImported {
    pub(crate) added: u64,
}

pub(crate) const IDS_IMPORTED: Document = Document::new(
    "IdsImported",
    "Ids were added to an account's list.",
    &[required("added", ANY_NUMBER, "Those that were not there.")],
);
