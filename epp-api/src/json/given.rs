//! What path, query and header fields of a request say, in both directions. A segment that is not a
//! fixed word is percent-decoded (RFC 3986 §2.1) and then has to be a device id, account name or
//! number in the one spelling that its parser accepts.

use iot_identity::{DeviceId, Slot};

use crate::account::AccountName;
use crate::command::{DEVICES_MAX, JOB_RESULTS_MAX};
use crate::json::document::device::{ACCOUNT_NAME, DEVICE_ID, SLOT};
use crate::json::refusal::{Refusal, excerpt};
use crate::json::schema::{ANY_NUMBER, Schema};
use crate::response::ProcessKind;
use crate::result_code::ResultCode;
use crate::secret::Secret;

/// Everything that can be given outside a body. What an operation's template names is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) device_id: Option<DeviceId>,
    pub(crate) slot: Option<Slot>,
    pub(crate) account: Option<AccountName>,
    pub(crate) kind: Option<ProcessKind>,
    pub(crate) number: Option<u64>,
    pub(crate) after_device: Option<DeviceId>,
    pub(crate) after_row: Option<u64>,
    pub(crate) limit: Option<u32>,
    pub(crate) offset: Option<u64>,
    pub(crate) auth_info: Option<Secret>,
}

impl Given {
    pub(crate) fn of_device(device_id: DeviceId) -> Self {
        Self {
            device_id: Some(device_id),
            ..Self::default()
        }
    }

    pub(crate) fn of_account(account: &AccountName) -> Self {
        Self {
            account: Some(account.clone()),
            ..Self::default()
        }
    }

    pub(crate) fn of_number(number: u64) -> Self {
        Self {
            number: Some(number),
            ..Self::default()
        }
    }

    pub(crate) fn device_id(&self) -> DeviceId {
        self.device_id.expect("the template names a device")
    }

    pub(crate) fn slot(&self) -> Slot {
        self.slot.expect("the template names a slot")
    }

    pub(crate) fn account(&self) -> AccountName {
        self.account.clone().expect("the template names an account")
    }

    pub(crate) fn kind(&self) -> ProcessKind {
        self.kind.expect("the template names a kind of process")
    }

    pub(crate) fn number(&self) -> u64 {
        self.number.expect("the template names a number")
    }
}

/// A parameter of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PathParameter {
    DeviceId,
    Slot,
    ProcessCollection,
    ProcessId,
    AccountName,
    TokenId,
    CertificateId,
    MessageId,
    JobId,
}

impl PathParameter {
    const ALL: [Self; 9] = [
        Self::DeviceId,
        Self::Slot,
        Self::ProcessCollection,
        Self::ProcessId,
        Self::AccountName,
        Self::TokenId,
        Self::CertificateId,
        Self::MessageId,
        Self::JobId,
    ];

    /// The parameter that a segment of a template stands for.
    pub(crate) fn of_segment(segment: &str) -> Option<Self> {
        let name = segment.strip_prefix('{')?.strip_suffix('}')?;
        Self::ALL.into_iter().find(|one| one.name() == name)
    }

    /// Its name in templates.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::DeviceId => "deviceId",
            Self::Slot => "slot",
            Self::ProcessCollection => "processCollection",
            Self::ProcessId => "processId",
            Self::AccountName => "accountName",
            Self::TokenId => "tokenId",
            Self::CertificateId => "certificateId",
            Self::MessageId => "messageId",
            Self::JobId => "jobId",
        }
    }

    /// What its value may be.
    pub(crate) fn schema(self) -> Schema {
        match self {
            Self::DeviceId => DEVICE_ID,
            Self::Slot => SLOT,
            Self::AccountName => ACCOUNT_NAME,
            Self::ProcessCollection => Schema::Names(process_collections),
            Self::ProcessId
            | Self::TokenId
            | Self::CertificateId
            | Self::MessageId
            | Self::JobId => ANY_NUMBER,
        }
    }

    /// Reads its value from a segment of a path.
    pub(super) fn read(self, segment: &str, given: &mut Given) -> Result<(), Refusal> {
        let text = percent_decode(segment)?;
        match self {
            Self::DeviceId => {
                let parsed = DeviceId::parse(&text).map_err(|error| in_path(&text, error))?;
                given.device_id = Some(parsed);
            }
            Self::Slot => {
                let parsed = Slot::parse(&text).map_err(|error| in_path(&text, error))?;
                given.slot = Some(parsed);
            }
            Self::AccountName => {
                let parsed = AccountName::parse(&text).map_err(|error| in_path(&text, error))?;
                given.account = Some(parsed);
            }
            Self::ProcessCollection => {
                let kind = text
                    .strip_suffix("Processes")
                    .and_then(ProcessKind::from_name);
                given.kind = Some(kind.ok_or_else(Refusal::no_resource)?);
            }
            Self::ProcessId
            | Self::TokenId
            | Self::CertificateId
            | Self::MessageId
            | Self::JobId => {
                let number = decimal(&text).ok_or_else(|| {
                    let reason = "the number in the path is not decimal without leading zeros";
                    Refusal::new(ResultCode::ParameterSyntax, reason)
                })?;
                given.number = Some(number);
            }
        }
        Ok(())
    }

    /// Writes its value.
    pub(super) fn write(self, given: &Given) -> String {
        match self {
            Self::DeviceId => given.device_id().to_string(),
            Self::Slot => given.slot().to_string(),
            Self::AccountName => given.account().to_string(),
            Self::ProcessCollection => format!("{}Processes", given.kind()),
            Self::ProcessId
            | Self::TokenId
            | Self::CertificateId
            | Self::MessageId
            | Self::JobId => given.number().to_string(),
        }
    }
}

fn process_collections() -> Vec<&'static str> {
    let collection = |kind: &ProcessKind| match kind {
        ProcessKind::Create => "createProcesses",
        ProcessKind::NewSlot => "newSlotProcesses",
        ProcessKind::Update => "updateProcesses",
        ProcessKind::Activate => "activateProcesses",
        ProcessKind::Deactivate => "deactivateProcesses",
        ProcessKind::Delete => "deleteProcesses",
        ProcessKind::Restore => "restoreProcesses",
        ProcessKind::Transfer => "transferProcesses",
    };
    ProcessKind::ALL.iter().map(collection).collect()
}

/// A parameter of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QueryParameter {
    /// Devices behind this one.
    AfterDevice,
    /// So many devices.
    DeviceLimit,
    /// Results behind this row.
    AfterRow,
    /// So many results.
    ResultLimit,
    /// Octets of rows that the registry has already.
    Offset,
}

impl QueryParameter {
    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AfterDevice | Self::AfterRow => "after",
            Self::DeviceLimit | Self::ResultLimit => "limit",
            Self::Offset => "offset",
        }
    }

    /// Whether it has to be there.
    pub(crate) fn is_required(self) -> bool {
        self == Self::Offset
    }

    /// What its value may be.
    pub(crate) fn schema(self) -> Schema {
        let limit = |most: u64| Schema::Whole { least: 1, most };
        match self {
            Self::AfterDevice => DEVICE_ID,
            Self::DeviceLimit => limit(u64::from(DEVICES_MAX)),
            Self::ResultLimit => limit(u64::from(JOB_RESULTS_MAX)),
            Self::AfterRow | Self::Offset => ANY_NUMBER,
        }
    }

    fn read(self, text: &str, given: &mut Given) -> Result<(), Refusal> {
        let name = self.name();
        match self {
            Self::AfterDevice => {
                let parsed = DeviceId::parse(text).map_err(|error| {
                    let reason = format!("query parameter \"{name}\": {error}");
                    Refusal::new(ResultCode::ParameterSyntax, reason)
                })?;
                given.after_device = Some(parsed);
            }
            Self::DeviceLimit => given.limit = Some(read_limit(text, DEVICES_MAX.into())?),
            Self::ResultLimit => given.limit = Some(read_limit(text, JOB_RESULTS_MAX)?),
            Self::AfterRow => given.after_row = Some(read_number(name, text)?),
            Self::Offset => given.offset = Some(read_number(name, text)?),
        }
        Ok(())
    }

    /// Its value, where it is given.
    pub(super) fn write(self, given: &Given) -> Option<String> {
        match self {
            Self::AfterDevice => given.after_device.map(|after| after.to_string()),
            Self::DeviceLimit | Self::ResultLimit => given.limit.map(|limit| limit.to_string()),
            Self::AfterRow => given.after_row.map(|after| after.to_string()),
            Self::Offset => given.offset.map(|offset| offset.to_string()),
        }
    }
}

/// Reads a query: only these parameters, each at most once.
pub(super) fn read_query(
    query: &str,
    parameters: &[QueryParameter],
    given: &mut Given,
) -> Result<(), Refusal> {
    let syntax = |reason: String| Refusal::new(ResultCode::SyntaxError, reason);
    if parameters.is_empty() && !query.is_empty() {
        let reason = "this resource takes no query parameters";
        return Err(syntax(reason.to_owned()));
    }
    let mut seen = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let known = parameters.iter().find(|parameter| parameter.name() == name);
        let parameter = known.ok_or_else(|| {
            let names: Vec<&str> = parameters.iter().map(|one| one.name()).collect();
            let (name, names) = (excerpt(name), names.join(", "));
            syntax(format!(
                "unknown query parameter \"{name}\"; there are: {names}"
            ))
        })?;
        if seen.contains(&name) {
            return Err(syntax(format!(
                "the query parameter \"{name}\" comes twice"
            )));
        }
        seen.push(name);
        parameter.read(&percent_decode(value)?, given)?;
    }
    let absent = parameters
        .iter()
        .find(|one| one.is_required() && !seen.contains(&one.name()));
    match absent {
        None => Ok(()),
        Some(parameter) => {
            let reason = format!("the query parameter \"{}\" is missing", parameter.name());
            Err(Refusal::new(ResultCode::RequiredParameterMissing, reason))
        }
    }
}

fn in_path(text: &str, error: impl std::fmt::Display) -> Refusal {
    let reason = format!("\"{}\" in the path: {error}", excerpt(text));
    Refusal::new(ResultCode::ParameterSyntax, reason)
}

fn read_number(name: &str, text: &str) -> Result<u64, Refusal> {
    decimal(text).ok_or_else(|| {
        let reason =
            format!("query parameter \"{name}\": not a decimal number without leading zeros");
        Refusal::new(ResultCode::ParameterSyntax, reason)
    })
}

fn read_limit(text: &str, most: u32) -> Result<u32, Refusal> {
    let limit = u32::try_from(read_number("limit", text)?).ok();
    limit
        .filter(|limit| (1..=most).contains(limit))
        .ok_or_else(|| {
            let reason = format!("query parameter \"limit\": has to be 1 to {most}");
            Refusal::new(ResultCode::ParameterRange, reason)
        })
}

/// A decimal number in its only spelling.
pub(super) fn decimal(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|octet| octet.is_ascii_digit());
    if !digits || (text.len() > 1 && text.starts_with('0')) {
        return None;
    }
    text.parse().ok()
}

/// Decodes `%41`; a `%` without two hexadecimal digits and octets that are not UTF-8 are refused.
fn percent_decode(text: &str) -> Result<String, Refusal> {
    let broken = || {
        Refusal::new(
            ResultCode::SyntaxError,
            "the path or query has a broken percent-encoding",
        )
    };
    let mut octets = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(octet) = octets.next() {
        if octet != b'%' {
            decoded.push(octet);
            continue;
        }
        let mut digit = || {
            let octet = octets.next().ok_or_else(broken)?;
            char::from(octet).to_digit(16).ok_or_else(broken)
        };
        decoded.push((digit()? * 16 + digit()?) as u8);
    }
    String::from_utf8(decoded).map_err(|_| broken())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_numbers_have_one_spelling() {
        assert_eq!(decimal("0"), Some(0));
        assert_eq!(decimal("18446744073709551615"), Some(u64::MAX));
        for bad in ["00", "01", "+1", "-1", "1.0", "１", "18446744073709551616"] {
            assert_eq!(decimal(bad), None, "{bad:?}");
        }
        assert_eq!(decimal(""), None);
    }

    #[test]
    fn collections_are_named_after_their_kind() {
        for (kind, collection) in ProcessKind::ALL.iter().zip(process_collections()) {
            assert_eq!(collection, format!("{kind}Processes"));
        }
    }

    #[test]
    fn required_parameters_of_a_query_are_missed() {
        let refused = read_query("", &[QueryParameter::Offset], &mut Given::default());
        let code = refused.unwrap_err().problem.code;
        assert_eq!(code, ResultCode::RequiredParameterMissing);
    }
}
