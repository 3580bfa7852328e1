//! An account in conversation with the EPP door, by our own client.

use std::net::TcpStream;
use std::sync::Arc;

use iot_epp_api::epp::EppCommand;
use iot_epp_api::epp::client::{Conversation, ConversationError, ReceivedResponse};
use iot_epp_api::epp::mapping::said;
use iot_epp_api::secret::Secret;
use iot_epp_api::{ClientTransactionId, Command, ResultCode};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use super::raw::client_tls;
use super::{PATIENCE, Party, Stage};

/// A logged-in session. It blocks: tests that use it run on several threads.
pub(crate) struct Talk {
    talk: Conversation<StreamOwned<ClientConnection, TcpStream>>,
    name: String,
    asked: u32,
}

impl Talk {
    /// Logs in, and sets the new password where one is given.
    pub(super) fn begin(
        stage: &Stage,
        party: &Party,
        new_password: Option<Secret>,
    ) -> (Self, ReceivedResponse) {
        tokio::task::block_in_place(|| {
            let config = client_tls(stage.roots(), party.identity.as_ref(), &[]);
            let host = ServerName::try_from("localhost").unwrap();
            let tls = ClientConnection::new(Arc::new(config), host).unwrap();
            let socket = TcpStream::connect(stage.running.listen.epp.unwrap()).unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            let (talk, _) = Conversation::begin(StreamOwned::new(tls, socket)).unwrap();
            let name = party.name.to_string();
            let mut talk = Self {
                talk,
                name,
                asked: 0,
            };
            let id = talk.next_id();
            let password = party.password.clone().expect("the party is enrolled");
            let login = talk.talk.login(&party.name, password, new_password, &id);
            let login = login.unwrap();
            assert_eq!(login.answer.code, ResultCode::Completed, "{login:?}");
            (talk, login)
        })
    }

    fn next_id(&mut self) -> ClientTransactionId {
        self.asked += 1;
        ClientTransactionId::parse(&format!("{}-{}", self.name, self.asked)).unwrap()
    }

    /// Gives a command; none when the door is closed in answer.
    pub(crate) fn try_give(
        &mut self,
        command: &Command,
        id: &str,
    ) -> Result<ReceivedResponse, ConversationError> {
        let id = ClientTransactionId::parse(id).unwrap();
        let command = said(command).expect("EPP has words for it");
        tokio::task::block_in_place(|| self.talk.ask(command, &id))
    }

    pub(crate) fn give_as(&mut self, command: &Command, id: &str) -> ReceivedResponse {
        self.try_give(command, id).unwrap()
    }

    pub(crate) fn give(&mut self, command: &Command) -> ReceivedResponse {
        let id = self.next_id();
        self.give_as(command, id.as_str())
    }

    pub(crate) fn code(&mut self, command: &Command) -> ResultCode {
        self.give(command).answer.code
    }

    /// Ends the session.
    pub(crate) fn log_out(&mut self) {
        let id = self.next_id();
        let bye = tokio::task::block_in_place(|| self.talk.ask(EppCommand::Logout, &id));
        let code = bye.unwrap().answer.code;
        assert_eq!(code, ResultCode::CompletedEndingSession);
    }
}
