//! The whole story as our own client has it: a blocking conversation over a real TLS socket.

use std::net::TcpStream;
use std::sync::Arc;

use iot_epp_api::command::{Command, DeviceChange, DeviceCommand, MessageCommand, TransferCommand};
use iot_epp_api::device::SettableStatus;
use iot_epp_api::epp::client::{Conversation, ReceivedResponse};
use iot_epp_api::epp::mapping::said;
use iot_epp_api::epp::{EppCommand, ResponseData};
use iot_epp_api::secret::Secret;
use iot_epp_api::transfer::{Arrival, TransferStatus};
use iot_epp_api::{ClientTransactionId, DeviceState, ResultCode};
use iot_identity::DeviceId;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use time::macros::date;

use crate::door::{Door, ONE, TWO, account, password};
use crate::frames::{AUTH_INFO, EID};

type Talk = Conversation<StreamOwned<ClientConnection, TcpStream>>;

/// An account in conversation with the door.
struct Talker {
    talk: Talk,
    asked: u32,
}

impl Talker {
    fn new(door: &Door, name: &str) -> Self {
        let identity = if name == ONE { &door.one } else { &door.two };
        let config = Arc::new(door.client_tls(Some(identity)));
        let host = ServerName::try_from("localhost").unwrap();
        let tls = ClientConnection::new(config, host).unwrap();
        let socket = TcpStream::connect(door.address()).unwrap();
        let (talk, greeting) = Conversation::begin(StreamOwned::new(tls, socket)).unwrap();
        assert_eq!(greeting.server_id, "IoT device registry");
        let mut talker = Self { talk, asked: 0 };
        let id = talker.next_id();
        let login = talker
            .talk
            .login(&account(name), Secret::new(password(name)), None, &id);
        let login = login.unwrap().answer;
        assert_eq!(login.code, ResultCode::Completed);
        assert_eq!(
            login.security_events.len(),
            1,
            "its certificate expires one day"
        );
        talker
    }

    fn next_id(&mut self) -> ClientTransactionId {
        self.asked += 1;
        ClientTransactionId::parse(&format!("STORY-{}", self.asked)).unwrap()
    }

    fn ask(&mut self, command: &Command) -> ReceivedResponse {
        let id = self.next_id();
        let response = self.talk.ask(said(command).unwrap(), &id).unwrap();
        assert_eq!(response.client_transaction_id, Some(id));
        response
    }

    fn done(&mut self, command: &Command) -> Option<ResponseData> {
        let answer = self.ask(command).answer;
        assert!(answer.code.is_success(), "{answer:?}");
        answer.data
    }

    fn device(&mut self, command: DeviceCommand) -> Option<ResponseData> {
        self.done(&Command::Device(command))
    }

    fn state(&mut self) -> DeviceState {
        let device_id = eid();
        let auth_info = None;
        let info = self.device(DeviceCommand::Info {
            device_id,
            auth_info,
        });
        match info {
            Some(ResponseData::Info(info)) => info.state,
            other => panic!("{other:?}"),
        }
    }
}

fn eid() -> DeviceId {
    DeviceId::parse(EID).unwrap()
}

fn hold(change: fn(SettableStatus) -> DeviceChange) -> DeviceCommand {
    DeviceCommand::Update {
        device_id: eid(),
        changes: vec![change(SettableStatus::ClientHold)],
    }
}

/// The blocking part runs beside the door.
async fn play(story: impl FnOnce(&Door) + Send + 'static) {
    let door = Door::open().await;
    let task = tokio::task::spawn_blocking(move || {
        story(&door);
        door
    });
    let door = task.await.unwrap();
    door.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_registered_held_renewed_and_deleted() {
    play(|door| {
        let mut one = Talker::new(door, ONE);
        let device_id = eid();
        let check = one.device(DeviceCommand::Check {
            device_ids: vec![device_id],
        });
        assert!(matches!(&check, Some(ResponseData::Check(results)) if results[0].available));
        let created = one.device(DeviceCommand::Create {
            device_id,
            csr: vec![0x30, 3, 2, 1, 0],
            period: None,
            asp: None,
            auth_info: None,
        });
        let Some(ResponseData::Create(created)) = created else {
            panic!("{created:?}");
        };
        let issued = created.issued.unwrap();
        assert_eq!((issued.slot.get(), issued.chain.len()), (1, 1));
        assert_eq!(one.state(), DeviceState::Active);
        let held = one.device(hold(DeviceChange::AddStatus));
        let Some(ResponseData::Update(held)) = held else {
            panic!("{held:?}");
        };
        assert!(held.times.unwrap().denied_everywhere_by.is_some());
        assert_eq!(one.state(), DeviceState::Inactive);
        one.device(hold(DeviceChange::RemoveStatus));
        assert_eq!(one.state(), DeviceState::Active);
        let renewed = one.device(DeviceCommand::Renew {
            device_id,
            current_expiry: date!(2031 - 11 - 22),
            period: None,
        });
        let Some(ResponseData::Renew(renewed)) = renewed else {
            panic!("{renewed:?}");
        };
        assert_eq!(renewed.expires_at.year(), 2032);
        one.device(DeviceCommand::Delete { device_id });
        assert_eq!(one.state(), DeviceState::PendingDelete);
        one.device(DeviceCommand::Restore { device_id });
        assert_eq!(one.state(), DeviceState::Inactive);
        one.talk.hello().unwrap();
        let id = one.next_id();
        let bye = one.talk.ask(EppCommand::Logout, &id).unwrap();
        assert_eq!(bye.answer.code, ResultCode::CompletedEndingSession);
        assert!(one.talk.hello().is_err(), "the session has ended");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_goes_to_another_operator_with_messages_to_both() {
    play(|door| {
        let mut one = Talker::new(door, ONE);
        let mut two = Talker::new(door, TWO);
        let device_id = eid();
        one.device(DeviceCommand::Create {
            device_id,
            csr: vec![0x30],
            period: None,
            asp: None,
            auth_info: None,
        });
        let pull = |secret: &str| {
            Command::Transfer(TransferCommand::Pull {
                device_id,
                auth_info: Secret::new(secret),
                arrival: Arrival::Held,
            })
        };
        let refused = two.ask(&pull("a wrong one")).answer;
        assert_eq!(refused.code, ResultCode::InvalidAuthorizationInformation);
        assert_eq!(refused.reasons[0].element.unwrap().local, "authInfo");
        let asked = two.ask(&pull(AUTH_INFO)).answer;
        assert_eq!(asked.code, ResultCode::CompletedPending);
        let head = one.ask(&Command::Message(MessageCommand::Head)).answer;
        assert_eq!(head.code, ResultCode::CompletedAckToDequeue);
        let Some(ResponseData::Transfer { transfer, .. }) = head.data else {
            panic!("{head:?}");
        };
        assert_eq!(
            (transfer.gaining, transfer.status),
            (account(TWO), TransferStatus::Pending)
        );
        let message_id = head.queue.unwrap().message_id;
        one.done(&Command::Message(MessageCommand::Acknowledge {
            message_id,
        }));
        let again = Command::Message(MessageCommand::Acknowledge { message_id });
        assert_eq!(one.ask(&again).answer.code, ResultCode::ObjectDoesNotExist);
        let approve = TransferCommand::Approve {
            device_id,
            arrival: None,
        };
        let approved = one.done(&Command::Transfer(approve));
        let Some(ResponseData::Transfer { transfer, times }) = approved else {
            panic!("{approved:?}");
        };
        assert_eq!(transfer.status, TransferStatus::ClientApproved);
        assert!(times.is_some());
        assert_eq!(two.state(), DeviceState::Active);
        let told = two.ask(&Command::Message(MessageCommand::Head)).answer;
        assert!(matches!(told.data, Some(ResponseData::Transfer { .. })));
        let auth_info = None;
        let gone = Command::Device(DeviceCommand::Info {
            device_id,
            auth_info,
        });
        assert_eq!(one.ask(&gone).answer.code, ResultCode::ObjectDoesNotExist);
    })
    .await;
}
