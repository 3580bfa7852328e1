//! The device object and login security as `instant-epp` is taught them.

use instant_epp::common::NoExtension;
use instant_epp::login::Login;
use instant_epp::request::{Command, Extension, Transaction};
use instant_xml::{FromXml, ToXml};

pub(super) const EPP: &str = "urn:ietf:params:xml:ns:epp-1.0";
pub(super) const DEVICE: &str = "tag:iotregistry.example,2026:epp:device-1.0";
pub(super) const LOGIN_SECURITY: &str = "urn:ietf:params:xml:ns:epp:loginSec-1.0";
pub(super) const CHANGE_POLL: &str = "urn:ietf:params:xml:ns:changePoll-1.0";

/// A command of EPP with our object in it.
macro_rules! command {
    ($name:ident, $verb:tt, $part:ty, $response:ty) => {
        #[derive(Debug, ToXml)]
        #[xml(rename = $verb, ns(EPP))]
        pub(super) struct $name {
            pub(super) device: $part,
        }

        impl Transaction<NoExtension> for $name {}

        impl Command for $name {
            type Response = $response;
            const COMMAND: &'static str = $verb;
        }
    };
}

#[derive(Debug, ToXml)]
#[xml(rename = "create", ns(DEVICE))]
pub(super) struct CreatePart {
    pub(super) id: &'static str,
    pub(super) csr: &'static str,
    #[xml(rename = "authInfo")]
    pub(super) auth_info: AuthInfo,
}

#[derive(Debug, ToXml)]
#[xml(rename = "authInfo", ns(DEVICE))]
pub(super) struct AuthInfo {
    pub(super) pw: &'static str,
}

#[derive(Debug, FromXml)]
#[xml(rename = "creData", ns(DEVICE))]
pub(super) struct CreateData {
    pub(super) id: String,
    pub(super) slot: u16,
    pub(super) certificate: String,
    #[xml(rename = "exDate")]
    pub(super) expires_at: String,
}

command!(Create, "create", CreatePart, CreateData);

#[derive(Debug, ToXml)]
#[xml(rename = "info", ns(DEVICE))]
pub(super) struct InfoPart {
    pub(super) id: &'static str,
}

#[derive(Debug, FromXml)]
#[xml(rename = "infData", ns(DEVICE))]
pub(super) struct InfoData {
    pub(super) id: String,
    pub(super) state: String,
    #[xml(rename = "status")]
    pub(super) statuses: Vec<StatusElement>,
    #[xml(rename = "clID")]
    pub(super) client_id: String,
}

#[derive(Debug, FromXml, ToXml)]
#[xml(rename = "status", ns(DEVICE))]
pub(super) struct StatusElement {
    #[xml(attribute)]
    pub(super) s: String,
}

command!(Info, "info", InfoPart, InfoData);

#[derive(Debug, ToXml)]
#[xml(rename = "update", ns(DEVICE))]
pub(super) struct UpdatePart {
    pub(super) id: &'static str,
    pub(super) add: Add,
}

#[derive(Debug, ToXml)]
#[xml(rename = "add", ns(DEVICE))]
pub(super) struct Add {
    pub(super) status: StatusElement,
}

#[derive(Debug, FromXml)]
#[xml(rename = "updData", ns(DEVICE))]
pub(super) struct UpdateData {
    pub(super) id: String,
    pub(super) publication: PublicationElement,
}

#[derive(Debug, FromXml)]
#[xml(rename = "publication", ns(DEVICE))]
pub(super) struct PublicationElement {
    pub(super) serial: u32,
    #[xml(rename = "deniedEverywhereBy")]
    pub(super) denied_everywhere_by: Option<String>,
}

command!(Update, "update", UpdatePart, UpdateData);

#[derive(Debug, ToXml)]
#[xml(rename = "delete", ns(DEVICE))]
pub(super) struct DeletePart {
    pub(super) id: &'static str,
}

command!(Delete, "delete", DeletePart, UpdateData);

#[derive(Debug, ToXml)]
#[xml(rename = "transfer", ns(DEVICE))]
pub(super) struct TransferPart {
    pub(super) id: &'static str,
    #[xml(rename = "authInfo")]
    pub(super) auth_info: Option<AuthInfo>,
}

#[derive(Debug, ToXml)]
#[xml(rename = "transfer", ns(EPP))]
pub(super) struct Transfer {
    #[xml(attribute)]
    pub(super) op: &'static str,
    pub(super) device: TransferPart,
}

impl Transaction<NoExtension> for Transfer {}

impl Command for Transfer {
    type Response = TransferData;
    const COMMAND: &'static str = "transfer";
}

#[derive(Debug, FromXml)]
#[xml(rename = "trnData", ns(DEVICE))]
pub(super) struct TransferData {
    #[xml(rename = "trStatus")]
    pub(super) status: String,
    #[xml(rename = "reID")]
    pub(super) requested_by: String,
    #[xml(rename = "acID")]
    pub(super) acting: String,
}

/// A poll whose message is about a transfer of a device.
#[derive(Debug, ToXml)]
#[xml(rename = "poll", ns(EPP))]
pub(super) struct PollTransfer {
    #[xml(attribute)]
    pub(super) op: &'static str,
}

impl Transaction<NoExtension> for PollTransfer {}

impl Command for PollTransfer {
    type Response = TransferData;
    const COMMAND: &'static str = "poll";
}

/// RFC 8807: passwords longer than 16 characters.
#[derive(Debug, ToXml)]
#[xml(rename = "loginSec", ns(LOGIN_SECURITY))]
pub(super) struct LoginSecurity {
    pub(super) pw: String,
    #[xml(rename = "newPW")]
    pub(super) new_password: Option<String>,
}

#[derive(Debug, FromXml)]
#[xml(rename = "loginSecData", ns(LOGIN_SECURITY))]
pub(super) struct LoginSecurityData {
    #[xml(rename = "event")]
    pub(super) events: Vec<LoginEvent>,
}

#[derive(Debug, FromXml)]
#[xml(rename = "event", ns(LOGIN_SECURITY))]
pub(super) struct LoginEvent {
    #[xml(rename = "type", attribute)]
    pub(super) kind: String,
}

impl Extension for LoginSecurity {
    type Response = LoginSecurityData;
}

impl Transaction<LoginSecurity> for Login<'_> {}
