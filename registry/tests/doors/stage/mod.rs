//! A registry in the test's own process, with everybody who plays a part in it.

mod commands;
mod party;
mod program;
mod raw;
mod talk;

use std::sync::Arc;
use std::time::{Duration, Instant};

use iot_dns_zone::{Profile, ZoneKeys};
use iot_epp_api::command::{AccountChange, AccountCommand};
use iot_epp_api::epp::client::ReceivedResponse;
use iot_epp_api::secret::Secret;
use iot_epp_api::{AccountName, BearerToken, Command, IdPrefix, Reply, ResultCode, Role};
use iot_identity::{DeviceId, Fingerprint, OwnerName, Slot, ZoneName};
use iot_registry::clock::unix_now;
use iot_registry::config::{InitialConfig, Listen};
use iot_registry::directory::{self, Directory};
use iot_registry::init::init;
use iot_registry::start::Running;
use iot_registry::store::{Step, Store};
use iot_verifier::transport::dot::DotTransport;
use iot_verifier::{Checker, Policy, ServerIdentity, Verdict, Wanted, ZoneAnchor};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};

pub(crate) use commands::*;
pub(crate) use party::{Identity, Party};
pub(crate) use program::Program;
pub(crate) use raw::{RawTalk, client_tls};
pub(crate) use talk::Talk;

pub(crate) const ZONE: &str = "iotregistry.example";
/// What the JSON door says to a token that is none, or is void (with HTTP status 401).
pub(crate) const UNRECOGNISED: ResultCode = ResultCode::InvalidAuthorizationInformation;
/// How long what has to come is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A running registry in a directory of its own.
pub(crate) struct Stage {
    scratch: tempfile::TempDir,
    pub(crate) directory: Directory,
    pub(crate) running: Running,
    pub(crate) operator: Party,
    roots_pem: Vec<u8>,
    checker: Checker<DotTransport>,
}

/// What the DNS says of a slot, proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Active(Fingerprint),
    Inactive,
    Absent,
}

impl Stage {
    pub(crate) async fn open() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let directory = Directory::new(scratch.path().join("data"));
        let initial = InitialConfig {
            zone: ZoneName::parse(ZONE).unwrap(),
            profile: Profile::Standard,
            name_servers: Vec::new(),
            contact: None,
            listen: Listen::any_port(),
        };
        init(&directory, &initial).unwrap();
        Self::start(scratch, directory).await
    }

    async fn start(scratch: tempfile::TempDir, directory: Directory) -> Self {
        let running = Running::start(&directory).await.unwrap();
        let root = directory.trust().join("service").join("root.cert.pem");
        let roots_pem = directory::read_public(&root).unwrap();
        let token = directory::read_secret(&directory.operator_token()).unwrap();
        let token = BearerToken::parse(std::str::from_utf8(&token).unwrap()).unwrap();
        let operator = Party::new(
            "operator",
            Role::Operator,
            token,
            running.listen.api,
            &roots_pem,
        );
        let checker = checker(&directory, &running, &roots_pem);
        Self {
            scratch,
            directory,
            running,
            operator,
            roots_pem,
            checker,
        }
    }

    /// Ends the registry and starts it again on the same directory. Parties have to be met again.
    pub(crate) async fn restart(self) -> Self {
        self.running.stop().await;
        Self::start(self.scratch, self.directory).await
    }

    /// The same with its database changed in between.
    pub(crate) async fn edited(self, database: &std::path::Path, statement: &str) -> Self {
        self.running.stop().await;
        let connection = rusqlite::Connection::open(database).unwrap();
        connection.execute_batch(statement).unwrap();
        drop(connection);
        Self::start(self.scratch, self.directory).await
    }

    pub(crate) async fn close(self) {
        self.running.stop().await;
    }

    /// Makes an account.
    pub(crate) async fn party(&self, name: &str, role: Role) -> Party {
        let command = AccountCommand::Create {
            name: account(name),
            role,
        };
        match self.operator.done(Command::Account(command)).await {
            Reply::AccountCreated { token, .. } => {
                Party::new(name, role, token, self.running.listen.api, &self.roots_pem)
            }
            other => panic!("{other:?}"),
        }
    }

    /// Makes an operator's account that may register every id.
    pub(crate) async fn mno(&self, name: &str) -> Party {
        let party = self.party(name, Role::Mno).await;
        self.change(
            name,
            AccountChange::AddPrefix(IdPrefix::parse("89").unwrap()),
        )
        .await;
        party
    }

    /// Makes a provider's account.
    pub(crate) async fn asp(&self, name: &str) -> Party {
        self.party(name, Role::Asp).await
    }

    /// The party after a restart, or with another token.
    pub(crate) fn again(&self, party: &Party, token: &BearerToken) -> Party {
        let token = BearerToken::parse(token.expose()).unwrap();
        let name = party.name.as_str();
        let api = self.running.listen.api;
        let again = Party::new(name, party.role, token, api, &self.roots_pem);
        again.with_identity(party.identity.clone())
    }

    /// Changes an account, as the registry's operators do.
    pub(crate) async fn change(&self, name: &str, change: AccountChange) {
        let name = account(name);
        let command = AccountCommand::Update { name, change };
        self.operator.done(Command::Account(command)).await;
    }

    pub(crate) fn store(&self) -> &Store {
        self.running.core.service.store()
    }

    /// Commits a step and waits until the zone has followed.
    pub(crate) async fn commit<S: Step>(&self, step: S) -> S::Output {
        let output = self.store().commit(step).await.unwrap();
        self.running.core.service.publisher().journal_grew();
        self.settled().await;
        output
    }

    /// Waits until the zone says what the database says.
    pub(crate) async fn settled(&self) {
        let head = self.store().journal_head().await.unwrap();
        let publisher = self.running.core.service.publisher();
        let begin = Instant::now();
        while publisher.applied() < head {
            assert!(begin.elapsed() < PATIENCE, "row {head} is not published");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// What time does by itself at this moment, as the registry has it done.
    pub(crate) async fn at(&self, now: u64) {
        let service = &self.running.core.service;
        service.look_at_the_time(now).await.unwrap();
        self.settled().await;
    }

    /// What the DNS says of a slot.
    pub(crate) async fn dns(&self, device_id: DeviceId, slot: u16) -> Said {
        let zone = ZoneName::parse(ZONE).unwrap();
        let owner = OwnerName::new(Slot::new(slot).unwrap(), device_id, &zone);
        let verdict = self.checker.check(&owner, Wanted::Both, unix_now()).await;
        match verdict.unwrap() {
            Verdict::Active(device) => Said::Active(device.fingerprint()),
            Verdict::Inactive(_) => Said::Inactive,
            Verdict::Absent(_) => Said::Absent,
        }
    }

    /// A conversation with the EPP door, logged in.
    pub(crate) fn talk(&self, party: &Party) -> Talk {
        Talk::begin(self, party, None).0
    }

    /// The same, with a login that sets a new password; and what answers the login.
    pub(crate) fn talk_with_new_password(
        &self,
        party: &mut Party,
        password: &str,
    ) -> (Talk, ReceivedResponse) {
        let new = Secret::new(password);
        let begun = Talk::begin(self, party, Some(new.clone()));
        party.password = Some(new);
        begun
    }

    /// Ends the registry; the program goes on with its directory.
    pub(crate) async fn hand_over(self) -> Program {
        self.running.stop().await;
        Program::start(self.scratch, self.directory, self.roots_pem)
    }

    /// Root certificates by which the listeners are recognised.
    pub(crate) fn roots(&self) -> RootCertStore {
        roots(&self.roots_pem)
    }

    /// One number from the database.
    pub(crate) async fn count(&self, query: &'static str) -> i64 {
        count(&self.directory, query)
    }
}

/// One number from a registry's database, as any other process may read it.
fn count(directory: &Directory, query: &str) -> i64 {
    let database = rusqlite::Connection::open(directory.database()).unwrap();
    database.query_row(query, [], |row| row.get(0)).unwrap()
}

fn roots(roots_pem: &[u8]) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(roots_pem).unwrap())
        .unwrap();
    roots
}

fn checker(directory: &Directory, running: &Running, roots_pem: &[u8]) -> Checker<DotTransport> {
    let keys = ZoneKeys::load(&directory.zone()).unwrap();
    let anchor = keys.ds_presentation(&ZoneName::parse(ZONE).unwrap());
    let identity = ServerIdentity::Name {
        name: ServerName::try_from("localhost").unwrap(),
        roots: Arc::new(roots(roots_pem)),
    };
    let transport = DotTransport::new(running.listen.dot[0], identity).unwrap();
    Checker::new(
        transport,
        ZoneAnchor::parse(&anchor).unwrap(),
        Policy::default(),
    )
}

pub(crate) fn account(name: &str) -> AccountName {
    AccountName::parse(name).unwrap()
}
