//! The story by somebody else's client: the `instant-epp` crate, taught our device object.

mod object;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use instant_epp::EppClient;
use instant_epp::client::Connector;
use instant_epp::common::ServiceExtension;
use instant_epp::login::{Login, Services};
use instant_epp::logout::Logout;
use instant_epp::poll::Ack;
use instant_epp::response::ResultCode;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::door::{Door, Identity, ONE, PATIENCE, TWO, password};
use crate::frames::{AUTH_INFO, EID};

use object::*;

/// Our client certificate in its connections.
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

async fn connected(door: &Door, identity: &Identity) -> Client {
    let connector = WithCertificate {
        config: Arc::new(door.client_tls(Some(identity))),
        address: door.address(),
    };
    Client::new(connector, "test".to_owned(), PATIENCE)
        .await
        .unwrap()
}

fn login(name: &str) -> Login<'_> {
    let mut login = Login::new(name, "[LOGIN-SECURITY]", None, None);
    login.services(Services {
        obj_uris: vec![DEVICE.into()],
        svc_ext: Some(ServiceExtension {
            ext_uris: vec![CHANGE_POLL.into(), LOGIN_SECURITY.into()],
        }),
    });
    login
}

async fn logged_in(door: &Door, name: &str) -> Client {
    let identity = if name == ONE { &door.one } else { &door.two };
    let mut client = connected(door, identity).await;
    let security = LoginSecurity {
        pw: password(name),
        new_password: None,
    };
    let accepted = client
        .transact((&login(name), &security), "LOGIN-1")
        .await
        .unwrap();
    let events = &accepted.extension().unwrap().events;
    assert_eq!(events[0].kind, "certificate");
    client
}

fn code(error: instant_epp::Error) -> ResultCode {
    match error {
        instant_epp::Error::Command(status) => status.result.code,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn instant_epp_says_hello_and_sets_a_new_password() {
    let door = Door::open().await;
    let mut client = connected(&door, &door.one).await;
    let greeting = client.hello().await.unwrap();
    assert_eq!(greeting.service_id, "IoT device registry");
    assert_eq!(greeting.svc_menu.services.obj_uris, [DEVICE]);
    let change = LoginSecurity {
        pw: password(ONE),
        new_password: Some("another one of 24 letters".to_owned()),
    };
    let mut with_new = Login::new(ONE, "[LOGIN-SECURITY]", Some("[LOGIN-SECURITY]"), None);
    with_new.services(Services {
        obj_uris: vec![DEVICE.into()],
        svc_ext: Some(ServiceExtension {
            ext_uris: vec![LOGIN_SECURITY.into()],
        }),
    });
    client
        .transact((&with_new, &change), "LOGIN-1")
        .await
        .unwrap();
    client.transact(&Logout, "LOGOUT-1").await.unwrap();
    let mut client = connected(&door, &door.one).await;
    let old = LoginSecurity {
        pw: password(ONE),
        new_password: None,
    };
    let refused = client
        .transact((&login(ONE), &old), "LOGIN-2")
        .await
        .unwrap_err();
    assert_eq!(code(refused), ResultCode::AuthenticationError);
}

#[tokio::test]
async fn instant_epp_registers_holds_transfers_polls_and_deletes() {
    let door = Door::open().await;
    let mut one = logged_in(&door, ONE).await;
    let create = Create {
        device: CreatePart {
            id: EID,
            csr: crate::registry::CSR,
            auth_info: AuthInfo { pw: AUTH_INFO },
        },
    };
    let created = one.transact(&create, "CREATE-1").await.unwrap();
    assert_eq!(created.tr_ids.client_tr_id.as_deref(), Some("CREATE-1"));
    let created = created.res_data().unwrap();
    assert_eq!((created.id.as_str(), created.slot), (EID, 1));
    assert_eq!(created.certificate, "MAMCAQA=");
    assert!(created.expires_at.starts_with("2031-"));

    let hold = Update {
        device: UpdatePart {
            id: EID,
            add: Add {
                status: StatusElement {
                    s: "clientHold".to_owned(),
                },
            },
        },
    };
    let held = one.transact(&hold, "HOLD-1").await.unwrap();
    let held = held.res_data().unwrap();
    assert_eq!((held.id.as_str(), held.publication.serial), (EID, 7));
    assert!(held.publication.denied_everywhere_by.is_some());
    let info = || Info {
        device: InfoPart { id: EID },
    };
    let shown = one.transact(&info(), "INFO-1").await.unwrap();
    let shown = shown.res_data().unwrap();
    assert_eq!((shown.id.as_str(), shown.state.as_str()), (EID, "inactive"));
    assert_eq!(
        (shown.statuses[0].s.as_str(), shown.client_id.as_str()),
        ("clientHold", ONE)
    );

    let mut two = logged_in(&door, TWO).await;
    let refused = two.transact(&info(), "INFO-2").await.unwrap_err();
    assert_eq!(code(refused), ResultCode::ObjectDoesNotExist);
    let pull = Transfer {
        op: "request",
        device: TransferPart {
            id: EID,
            auth_info: Some(AuthInfo { pw: AUTH_INFO }),
        },
    };
    let pulled = two.transact(&pull, "PULL-1").await.unwrap();
    assert_eq!(
        pulled.result.code,
        ResultCode::CommandCompletedSuccessfullyActionPending
    );
    let pulled = pulled.res_data().unwrap();
    assert_eq!(
        (pulled.status.as_str(), pulled.acting.as_str()),
        ("pending", ONE)
    );

    let polled = one
        .transact(&PollTransfer { op: "req" }, "POLL-1")
        .await
        .unwrap();
    assert_eq!(
        polled.result.code,
        ResultCode::CommandCompletedSuccessfullyAckToDequeue
    );
    assert_eq!(polled.res_data().unwrap().requested_by, TWO);
    let message_id = polled.message_queue().unwrap().id.clone();
    let ack = Ack {
        message_id: &message_id,
    };
    one.transact(&ack, "ACK-1").await.unwrap();
    let approve = Transfer {
        op: "approve",
        device: TransferPart {
            id: EID,
            auth_info: None,
        },
    };
    let approved = one.transact(&approve, "APPROVE-1").await.unwrap();
    assert_eq!(approved.res_data().unwrap().status, "clientApproved");

    let delete = Delete {
        device: DeletePart { id: EID },
    };
    let refused = one.transact(&delete, "DELETE-1").await.unwrap_err();
    assert_eq!(code(refused), ResultCode::ObjectDoesNotExist);
    two.transact(&delete, "DELETE-2").await.unwrap();
    let gone = two.transact(&info(), "INFO-3").await.unwrap();
    assert_eq!(gone.res_data().unwrap().state, "pendingDelete");
    two.transact(&Logout, "LOGOUT-1").await.unwrap();
}
