//! Resources and their paths, in both directions. A segment that is not a fixed word is
//! percent-decoded (RFC 3986 §2.1) and then has to be a device id, account name or number in the one
//! spelling that its parser accepts.

use http::Method;
use iot_identity::DeviceId;

use crate::account::AccountName;
use crate::json::refusal::{Refusal, excerpt};
use crate::response::ProcessKind;
use crate::result_code::ResultCode;

/// Path below which every resource but the discovery document lies.
pub const BASE_PATH: &str = "/rpp/v1";
/// Path of the discovery document, open to everybody.
pub const DISCOVERY_PATH: &str = "/.well-known/rpp.json";

/// A resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Devices,
    Device(DeviceId),
    Availability(DeviceId),
    Processes(DeviceId, ProcessKind),
    Process(DeviceId, ProcessKind, u64),
    Accounts,
    AccountDisable(AccountName),
    Zone,
    ZoneCheck,
}

impl Route {
    /// Finds the resource of a path.
    pub(crate) fn parse(path: &str) -> Result<Self, Refusal> {
        let below = path
            .strip_prefix(BASE_PATH)
            .and_then(|below| below.strip_prefix('/'))
            .ok_or_else(Refusal::no_resource)?;
        // One segment more than the longest path has, so that a longer one matches nothing.
        let segments: Vec<&str> = below.splitn(6, '/').collect();
        match segments[..] {
            ["devices"] => Ok(Self::Devices),
            ["devices", id] => Ok(Self::Device(device_id(id)?)),
            ["devices", id, "availability"] => Ok(Self::Availability(device_id(id)?)),
            ["devices", id, "processes", collection] => {
                let kind = process_kind(collection)?;
                if !starts_by_post(kind) {
                    return Err(Refusal::no_resource());
                }
                Ok(Self::Processes(device_id(id)?, kind))
            }
            ["devices", id, "processes", collection, number] => {
                let kind = process_kind(collection)?;
                Ok(Self::Process(device_id(id)?, kind, process_id(number)?))
            }
            ["accounts"] => Ok(Self::Accounts),
            ["accounts", name, "processes", "disableProcesses"] => {
                Ok(Self::AccountDisable(account_name(name)?))
            }
            ["zone"] => Ok(Self::Zone),
            ["zone", "check"] => Ok(Self::ZoneCheck),
            _ => Err(Refusal::no_resource()),
        }
    }

    /// The path of the resource, as [`Self::parse`] reads it.
    pub(crate) fn path(&self) -> String {
        match self {
            Self::Devices => format!("{BASE_PATH}/devices"),
            Self::Device(id) => format!("{BASE_PATH}/devices/{id}"),
            Self::Availability(id) => format!("{BASE_PATH}/devices/{id}/availability"),
            Self::Processes(id, kind) => {
                format!("{BASE_PATH}/devices/{id}/processes/{kind}Processes")
            }
            Self::Process(id, kind, number) => {
                format!("{BASE_PATH}/devices/{id}/processes/{kind}Processes/{number}")
            }
            Self::Accounts => format!("{BASE_PATH}/accounts"),
            Self::AccountDisable(name) => {
                format!("{BASE_PATH}/accounts/{name}/processes/disableProcesses")
            }
            Self::Zone => format!("{BASE_PATH}/zone"),
            Self::ZoneCheck => format!("{BASE_PATH}/zone/check"),
        }
    }

    /// The methods of the resource, as the `Allow` header lists them.
    pub(crate) fn allow(&self) -> &'static str {
        match self {
            Self::Devices | Self::Accounts => "GET, HEAD, POST",
            Self::Device(_) => "GET, HEAD, DELETE",
            Self::Processes(..) | Self::AccountDisable(_) => "POST",
            Self::Availability(_) | Self::Process(..) | Self::Zone | Self::ZoneCheck => "GET, HEAD",
        }
    }

    /// The refusal of another method.
    pub(crate) fn refuse(&self, method: &Method) -> Refusal {
        Refusal::method(method, self.allow())
    }
}

/// Device creation and deletion are methods of their own; only the others are started by POST.
fn starts_by_post(kind: ProcessKind) -> bool {
    matches!(kind, ProcessKind::Activate | ProcessKind::Deactivate)
}

fn process_kind(collection: &str) -> Result<ProcessKind, Refusal> {
    let kind = collection.strip_suffix("Processes");
    ProcessKind::ALL
        .into_iter()
        .find(|candidate| kind == Some(candidate.as_str()))
        .ok_or_else(Refusal::no_resource)
}

fn device_id(segment: &str) -> Result<DeviceId, Refusal> {
    let text = percent_decode(segment)?;
    DeviceId::parse(&text).map_err(|error| {
        let reason = format!("\"{}\" in the path: {error}", excerpt(&text));
        Refusal::new(ResultCode::ParameterSyntax, reason)
    })
}

fn account_name(segment: &str) -> Result<AccountName, Refusal> {
    let text = percent_decode(segment)?;
    AccountName::parse(&text).map_err(|error| {
        let reason = format!("\"{}\" in the path: {error}", excerpt(&text));
        Refusal::new(ResultCode::ParameterSyntax, reason)
    })
}

fn process_id(segment: &str) -> Result<u64, Refusal> {
    let text = percent_decode(segment)?;
    decimal(&text).ok_or_else(|| {
        Refusal::new(
            ResultCode::ParameterSyntax,
            "a process id is a decimal number without leading zeros",
        )
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
pub(super) fn percent_decode(text: &str) -> Result<String, Refusal> {
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

    const EID: &str = "89049032123451234512345678901235";

    #[test]
    fn paths_round_trip() {
        let id = DeviceId::parse(EID).unwrap();
        let name = AccountName::parse("mno-one").unwrap();
        let mut routes = vec![
            Route::Devices,
            Route::Device(id),
            Route::Availability(id),
            Route::Processes(id, ProcessKind::Activate),
            Route::Processes(id, ProcessKind::Deactivate),
            Route::Accounts,
            Route::AccountDisable(name),
            Route::Zone,
            Route::ZoneCheck,
        ];
        routes.extend(ProcessKind::ALL.map(|kind| Route::Process(id, kind, u64::MAX)));
        for route in routes {
            assert_eq!(Route::parse(&route.path()), Ok(route));
        }
    }

    #[test]
    fn percent_encoded_digits_are_the_same_device() {
        let path = format!("{BASE_PATH}/devices/%38{}", &EID[1..]);
        let id = DeviceId::parse(EID).unwrap();
        assert_eq!(Route::parse(&path), Ok(Route::Device(id)));
    }

    #[test]
    fn other_paths_are_refused_with_404_or_400() {
        for (path, status) in [
            ("", 404),
            ("/", 404),
            ("*", 404),
            ("/rpp/v1", 404),
            ("/rpp/v1/", 404),
            ("/rpp/v2/devices", 404),
            ("/rpp/v1/Devices", 404),
            ("/rpp/v1/devices/89049032123451234512345678901235/", 404),
            (
                "/rpp/v1/devices/89049032123451234512345678901235/a/b/c/d",
                404,
            ),
            (
                "/rpp/v1/devices/89049032123451234512345678901235/processes/createProcesses",
                404,
            ),
            ("/rpp/v1/devices/..%2f..%2fetc", 400),
            ("/rpp/v1/devices/%", 400),
            ("/rpp/v1/devices/%4", 400),
            ("/rpp/v1/devices/%zz", 400),
            ("/rpp/v1/devices/%ff", 400),
            ("/rpp/v1/devices/%00", 400),
            ("/rpp/v1/devices/", 400),
            ("/rpp/v1/accounts/A/processes/disableProcesses", 400),
            (
                "/rpp/v1/devices/89049032123451234512345678901235/processes/createProcesses/01",
                400,
            ),
            (
                "/rpp/v1/devices/89049032123451234512345678901235/processes/createProcesses/",
                400,
            ),
        ] {
            let refusal = Route::parse(path).expect_err(path);
            assert_eq!(refusal.status.as_u16(), status, "{path}");
        }
    }

    #[test]
    fn decimal_numbers_have_one_spelling() {
        assert_eq!(decimal("0"), Some(0));
        assert_eq!(decimal("18446744073709551615"), Some(u64::MAX));
        for bad in [
            "",
            "00",
            "01",
            "+1",
            "-1",
            "1.0",
            "１",
            "18446744073709551616",
        ] {
            assert_eq!(decimal(bad), None, "{bad:?}");
        }
    }
}
