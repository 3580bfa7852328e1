//! The story by somebody else's client: the `instant-epp` crate, taught our device object.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use instant_epp::EppClient;
use instant_epp::client::Connector;
use instant_epp::common::{NoExtension, ServiceExtension};
use instant_epp::login::{Login, Services};
use instant_epp::logout::Logout;
use instant_epp::poll::Ack;
use instant_epp::request::{Command, Extension, Transaction};
use instant_epp::response::ResultCode as Code;
use instant_xml::{FromXml, ToXml};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::stage::*;
use crate::stories::enrolled;

const EPP: &str = "urn:ietf:params:xml:ns:epp-1.0";
const DEVICE: &str = "tag:iotregistry.example,2026:epp:device-1.0";
const LOGIN_SECURITY: &str = "urn:ietf:params:xml:ns:epp:loginSec-1.0";
const CHANGE_POLL: &str = "urn:ietf:params:xml:ns:changePoll-1.0";

/// A command of EPP with our object in it.
macro_rules! command {
    ($name:ident, $verb:tt, $part:ty, $response:ty) => {
        #[derive(Debug, ToXml)]
        #[xml(rename = $verb, ns(EPP))]
        struct $name {
            device: $part,
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
struct CreatePart {
    id: String,
    csr: String,
    #[xml(rename = "authInfo")]
    auth_info: AuthInfo,
}

#[derive(Debug, ToXml)]
#[xml(rename = "authInfo", ns(DEVICE))]
struct AuthInfo {
    pw: &'static str,
}

#[derive(Debug, FromXml)]
#[xml(rename = "creData", ns(DEVICE))]
struct CreateData {
    id: String,
    slot: u16,
    certificate: String,
}

command!(Create, "create", CreatePart, CreateData);

#[derive(Debug, ToXml)]
#[xml(rename = "info", ns(DEVICE))]
struct InfoPart {
    id: String,
}

#[derive(Debug, FromXml)]
#[xml(rename = "infData", ns(DEVICE))]
struct InfoData {
    state: String,
    #[xml(rename = "status")]
    statuses: Vec<StatusElement>,
    #[xml(rename = "clID")]
    client_id: String,
}

#[derive(Debug, FromXml, ToXml)]
#[xml(rename = "status", ns(DEVICE))]
struct StatusElement {
    #[xml(attribute)]
    s: String,
}

command!(Info, "info", InfoPart, InfoData);

#[derive(Debug, ToXml)]
#[xml(rename = "update", ns(DEVICE))]
struct UpdatePart {
    id: String,
    add: Add,
}

#[derive(Debug, ToXml)]
#[xml(rename = "add", ns(DEVICE))]
struct Add {
    status: StatusElement,
}

#[derive(Debug, FromXml)]
#[xml(rename = "updData", ns(DEVICE))]
struct UpdateData {
    publication: PublicationElement,
}

#[derive(Debug, FromXml)]
#[xml(rename = "publication", ns(DEVICE))]
struct PublicationElement {
    #[xml(rename = "deniedEverywhereBy")]
    denied_everywhere_by: Option<String>,
}

command!(Update, "update", UpdatePart, UpdateData);

#[derive(Debug, ToXml)]
#[xml(rename = "delete", ns(DEVICE))]
struct DeletePart {
    id: String,
}

command!(Delete, "delete", DeletePart, UpdateData);

#[derive(Debug, ToXml)]
#[xml(rename = "transfer", ns(DEVICE))]
struct TransferPart {
    id: String,
    #[xml(rename = "authInfo")]
    auth_info: Option<AuthInfo>,
}

#[derive(Debug, ToXml)]
#[xml(rename = "transfer", ns(EPP))]
struct Transfer {
    #[xml(attribute)]
    op: &'static str,
    device: TransferPart,
}

impl Transaction<NoExtension> for Transfer {}

impl Command for Transfer {
    type Response = TransferData;
    const COMMAND: &'static str = "transfer";
}

#[derive(Debug, FromXml)]
#[xml(rename = "trnData", ns(DEVICE))]
struct TransferData {
    #[xml(rename = "trStatus")]
    status: String,
    #[xml(rename = "reID")]
    requested_by: String,
    #[xml(rename = "acID")]
    acting: String,
}

/// A poll whose message is about a transfer of a device.
#[derive(Debug, ToXml)]
#[xml(rename = "poll", ns(EPP))]
struct PollTransfer {
    #[xml(attribute)]
    op: &'static str,
}

impl Transaction<NoExtension> for PollTransfer {}

impl Command for PollTransfer {
    type Response = TransferData;
    const COMMAND: &'static str = "poll";
}

/// RFC 8807: passwords longer than 16 characters.
#[derive(Debug, ToXml)]
#[xml(rename = "loginSec", ns(LOGIN_SECURITY))]
struct LoginSecurity {
    pw: String,
}

#[derive(Debug, FromXml)]
#[xml(rename = "loginSecData", ns(LOGIN_SECURITY))]
struct LoginSecurityData {}

impl Extension for LoginSecurity {
    type Response = LoginSecurityData;
}

impl Transaction<LoginSecurity> for Login<'_> {}

/// Connections with the party's certificate.
struct WithCertificate {
    config: Arc<ClientConfig>,
    address: std::net::SocketAddr,
}

#[async_trait]
impl Connector for WithCertificate {
    type Connection = TlsStream<TcpStream>;

    async fn connect(&self, _timeout: Duration) -> Result<Self::Connection, instant_epp::Error> {
        let socket = TcpStream::connect(self.address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(Arc::clone(&self.config));
        Ok(connector.connect(name, socket).await?)
    }
}

type Client = EppClient<WithCertificate>;

async fn logged_in(stage: &Stage, party: &Party) -> Client {
    let connector = WithCertificate {
        config: Arc::new(client_tls(stage.roots(), party.identity.as_ref(), &[])),
        address: stage.running.listen.epp.unwrap(),
    };
    let client = Client::new(connector, "test".to_owned(), PATIENCE).await;
    let mut client = client.unwrap();
    let name = party.name.to_string();
    let mut login = Login::new(&name, "[LOGIN-SECURITY]", None, None);
    login.services(Services {
        obj_uris: vec![DEVICE.into()],
        svc_ext: Some(ServiceExtension {
            ext_uris: vec![CHANGE_POLL.into(), LOGIN_SECURITY.into()],
        }),
    });
    let security = LoginSecurity {
        pw: party.password.as_ref().unwrap().expose().to_owned(),
    };
    client
        .transact((&login, &security), "LOGIN-1")
        .await
        .unwrap();
    client
}

fn code(error: instant_epp::Error) -> Code {
    match error {
        instant_epp::Error::Command(status) => status.result.code,
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instant_epp_plays_the_whole_story() {
    let stage = Stage::open().await;
    let one = enrolled(&stage, "mno-one").await;
    let two = enrolled(&stage, "mno-two").await;
    let (mut first, mut second) = (logged_in(&stage, &one).await, logged_in(&stage, &two).await);
    let device_id = eid(1);
    let id = || device_id.to_string();
    let create = Create {
        device: CreatePart {
            id: id(),
            csr: base64::engine::general_purpose::STANDARD.encode(new_csr()),
            auth_info: AuthInfo { pw: AUTH_INFO },
        },
    };
    let created = first.transact(&create, "CREATE-1").await.unwrap();
    let created = created.res_data().unwrap();
    assert_eq!((created.id.as_str(), created.slot), (id().as_str(), 1));
    let certificate: String = created.certificate.split_whitespace().collect();
    let der = base64::engine::general_purpose::STANDARD.decode(certificate);
    let fingerprint = iot_identity::Fingerprint::of_certificate(&der.unwrap());
    assert_eq!(stage.dns(device_id, 1).await, Said::Active(fingerprint));

    let hold = Update {
        device: UpdatePart {
            id: id(),
            add: Add {
                status: StatusElement {
                    s: "clientHold".to_owned(),
                },
            },
        },
    };
    let held = first.transact(&hold, "HOLD-1").await.unwrap();
    let held = held.res_data().unwrap();
    assert!(held.publication.denied_everywhere_by.is_some());
    assert_eq!(stage.dns(device_id, 1).await, Said::Inactive);
    let info = || Info {
        device: InfoPart { id: id() },
    };
    let shown = first.transact(&info(), "INFO-1").await.unwrap();
    let shown = shown.res_data().unwrap();
    assert_eq!(
        (shown.state.as_str(), shown.client_id.as_str()),
        ("inactive", "mno-one")
    );
    assert!(shown.statuses.iter().any(|status| status.s == "clientHold"));

    let refused = second.transact(&info(), "INFO-2").await.unwrap_err();
    assert_eq!(code(refused), Code::ObjectDoesNotExist);
    let pull = Transfer {
        op: "request",
        device: TransferPart {
            id: id(),
            auth_info: Some(AuthInfo { pw: AUTH_INFO }),
        },
    };
    let pulled = second.transact(&pull, "PULL-1").await.unwrap();
    assert_eq!(
        pulled.result.code,
        Code::CommandCompletedSuccessfullyActionPending
    );
    let pulled = pulled.res_data().unwrap();
    assert_eq!(
        (pulled.status.as_str(), pulled.acting.as_str()),
        ("pending", "mno-one")
    );
    let polled = first.transact(&PollTransfer { op: "req" }, "POLL-1").await;
    let polled = polled.unwrap();
    assert_eq!(polled.res_data().unwrap().requested_by, "mno-two");
    let message_id = polled.message_queue().unwrap().id.clone();
    let ack = Ack {
        message_id: &message_id,
    };
    first.transact(&ack, "ACK-1").await.unwrap();
    let approve = Transfer {
        op: "approve",
        device: TransferPart {
            id: id(),
            auth_info: None,
        },
    };
    let approved = first.transact(&approve, "APPROVE-1").await.unwrap();
    assert_eq!(approved.res_data().unwrap().status, "clientApproved");

    let delete = Delete {
        device: DeletePart { id: id() },
    };
    let refused = first.transact(&delete, "DELETE-1").await.unwrap_err();
    assert_eq!(code(refused), Code::ObjectDoesNotExist);
    second.transact(&delete, "DELETE-2").await.unwrap();
    let gone = second.transact(&info(), "INFO-3").await.unwrap();
    assert_eq!(gone.res_data().unwrap().state, "pendingDelete");
    assert_eq!(stage.dns(device_id, 1).await, Said::Absent);
    for client in [&mut first, &mut second] {
        client.transact(&Logout, "LOGOUT-1").await.unwrap();
    }
    stage.close().await;
}
