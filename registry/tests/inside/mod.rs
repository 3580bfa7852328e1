//! A registry inside the test's own process: its real doors on free ports, its database and its
//! zone to look into.

#![allow(dead_code, unreachable_pub)] // every test uses its part

pub mod raw;

use std::collections::BTreeMap;
use std::time::Duration;

use iot_dns_zone::{Profile, Record};
use iot_epp_api::command::{AccountChange, AccountCommand, DeviceCommand};
use iot_epp_api::response::Issued;
use iot_epp_api::{
    AccountName, BearerToken, ClientTransactionId, Command, IdPrefix, Problem, Reply, Response,
    Role,
};
use iot_identity::{DeviceId, Fingerprint, ZoneName};
use iot_registry::config::{InitialConfig, Listen};
use iot_registry::directory::{self, Directory};
use iot_registry::https_client::HttpsClient;
use iot_registry::init::init;
use iot_registry::start::Running;
use rusqlite::{Connection, OpenFlags};

pub const ZONE: &str = "iotregistry.example";
pub const EID: &str = "89049032123451234512345678901235";
pub const ICCID: &str = "8912230200031010008f";

const TYPE_SOA: u16 = 6;
const TYPE_RRSIG: u16 = 46;
pub const TYPE_CERT: u16 = 37;
pub const TYPE_TLSA: u16 = 52;

/// A running registry in a directory of its own.
pub struct Inside {
    _scratch: tempfile::TempDir,
    pub directory: Directory,
    pub running: Running,
    pub roots_pem: Vec<u8>,
}

/// What a command may leave behind: the content of the database and of the zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// Rows of each table, as SQL literals, sorted.
    pub tables: BTreeMap<String, Vec<String>>,
    /// Owner, type and RDATA of every record but SOA and RRSIG.
    pub records: Vec<(Vec<u8>, u16, Vec<u8>)>,
}

impl Inside {
    pub async fn start() -> Self {
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
        let running = Running::start(&directory).await.unwrap();
        let root = directory.trust().join("service").join("root.cert.pem");
        let roots_pem = directory::read_public(&root).unwrap();
        Self {
            _scratch: scratch,
            directory,
            running,
            roots_pem,
        }
    }

    /// Ends the process's part of it and starts it again on the same directory.
    pub async fn restart(self) -> Self {
        let Self {
            _scratch,
            directory,
            running,
            roots_pem,
        } = self;
        running.stop().await;
        let running = Running::start(&directory).await.unwrap();
        Self {
            _scratch,
            directory,
            running,
            roots_pem,
        }
    }

    pub async fn stop(self) {
        self.running.stop().await;
    }

    pub fn client(&self, token: &BearerToken) -> HttpsClient {
        let address = self.running.listen.api.to_string();
        let token = BearerToken::parse(token.expose()).unwrap();
        HttpsClient::new(&address, &self.roots_pem, token).unwrap()
    }

    pub fn operator_token(&self) -> BearerToken {
        let token = directory::read_secret(&self.directory.operator_token()).unwrap();
        BearerToken::parse(std::str::from_utf8(&token).unwrap()).unwrap()
    }

    /// Makes an account; its token. An operator's account may register every EID and ICCID.
    pub async fn account(&self, name: &str, role: Role) -> BearerToken {
        let token = self.account_without_ranges(name, role).await;
        if role == Role::Mno {
            let prefix = IdPrefix::parse("89").unwrap();
            self.change_account(name, AccountChange::AddPrefix(prefix))
                .await;
            self.change_account(name, AccountChange::AllowIccids(true))
                .await;
        }
        token
    }

    /// Makes an account that may register nothing yet; its token.
    pub async fn account_without_ranges(&self, name: &str, role: Role) -> BearerToken {
        let name = AccountName::parse(name).unwrap();
        match self.operate(AccountCommand::Create { name, role }).await {
            Reply::AccountCreated { token, .. } => token,
            other => panic!("{other:?}"),
        }
    }

    pub async fn disable(&self, name: &str) {
        self.change_account(name, AccountChange::Disable).await;
    }

    pub async fn change_account(&self, name: &str, change: AccountChange) {
        let name = AccountName::parse(name).unwrap();
        self.operate(AccountCommand::Update { name, change }).await;
    }

    /// What the registry's operator is answered, who must be obeyed.
    async fn operate(&self, command: AccountCommand) -> Reply {
        let operator = self.client(&self.operator_token());
        done(operator.give(Command::Account(command)).await.unwrap())
    }

    /// The database as any other process may read it.
    pub fn database(&self) -> Connection {
        let only_read = OpenFlags::SQLITE_OPEN_READ_ONLY;
        Connection::open_with_flags(self.directory.database(), only_read).unwrap()
    }

    /// One number from the database.
    pub async fn count(&self, query: &'static str) -> i64 {
        let number = self.database().query_row(query, [], |row| row.get(0));
        number.unwrap()
    }

    /// Everything that a refused command must leave as it is. The audit log may tell of it, and
    /// signatures and serials go on without it.
    pub async fn trace(&self) -> Trace {
        self.wait_until_all_is_written_down().await;
        let database = self.database();
        let names = lines(
            &database,
            "SELECT name FROM sqlite_schema WHERE type = 'table'
             AND name NOT LIKE 'sqlite_%' AND name <> 'audit'",
        );
        let mut tables = BTreeMap::new();
        for table in names {
            let rows = rows_of(&database, &table);
            tables.insert(table, rows);
        }
        Trace {
            tables,
            records: self.records(),
        }
    }

    /// The publisher writes its results down after it has answered.
    async fn wait_until_all_is_written_down(&self) {
        for _ in 0..500 {
            let open = "SELECT count(*) FROM journal
                        WHERE published_serial IS NULL AND quarantined IS NULL";
            if self.count(open).await == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("some journal rows are never published");
    }

    /// Owner, type and RDATA of every record but SOA and RRSIG, as they are answered now.
    pub fn records(&self) -> Vec<(Vec<u8>, u16, Vec<u8>)> {
        let content = |record: Record| match record.record_type {
            TYPE_SOA | TYPE_RRSIG => None,
            record_type => Some((record.owner, record_type, record.rdata)),
        };
        let reader = self.running.core.service.publisher().reader();
        let snapshot = reader.snapshot();
        let records = snapshot.records().map(Result::unwrap);
        records.filter_map(content).collect()
    }

    /// Records of one type at one owner name.
    pub fn records_at(&self, owner: &str, record_type: u16) -> Vec<Vec<u8>> {
        let owner = iot_identity::OwnerName::parse_in_any_zone(owner)
            .unwrap()
            .wire();
        let here =
            |(name, found, _): &(Vec<u8>, u16, Vec<u8>)| *name == owner && *found == record_type;
        self.records()
            .into_iter()
            .filter(here)
            .map(|(_, _, rdata)| rdata)
            .collect()
    }
}

/// All rows of a table as SQL literals, sorted; in the registry's own row, without what every
/// start and every signature raises.
fn rows_of(database: &Connection, table: &str) -> Vec<String> {
    const RISING: [&str; 3] = ["fencing_token", "serial_ceiling", "expiration_ceiling"];
    let columns = format!("SELECT name FROM pragma_table_info('{table}')");
    let columns = lines(database, &columns);
    let quoted: Vec<String> = columns
        .iter()
        .filter(|column| !(table == "registry" && RISING.contains(&column.as_str())))
        .map(|column| format!("'{column}=' || quote({column})"))
        .collect();
    assert!(!quoted.is_empty(), "{table}");
    let query = format!(
        "SELECT {} AS line FROM {table} ORDER BY line",
        quoted.join(" || ' ' || ")
    );
    lines(database, &query)
}

/// The rows of a query of one column.
fn lines(database: &Connection, query: &str) -> Vec<String> {
    let mut statement = database.prepare(query).unwrap();
    let lines = statement.query_map([], |row| row.get(0)).unwrap();
    lines.collect::<Result<_, _>>().unwrap()
}

/// A valid EID; another one for each number.
pub fn eid(number: u64) -> String {
    let digits = format!("8904903200{number:020}");
    let value: u128 = digits.parse().unwrap();
    format!("{digits}{:02}", 98 - value * 100 % 97)
}

pub fn device_id(text: &str) -> DeviceId {
    DeviceId::parse(text).unwrap()
}

pub fn transaction(text: &str) -> ClientTransactionId {
    ClientTransactionId::parse(text).unwrap()
}

pub fn create(id: &str, csr: &[u8]) -> Command {
    Command::Device(DeviceCommand::Create {
        device_id: device_id(id),
        csr: csr.to_vec(),
        period: None,
        asp: None,
        auth_info: None,
    })
}

pub fn deactivate(id: &str) -> Command {
    let device_id = device_id(id);
    Command::Device(DeviceCommand::Deactivate { device_id })
}

pub fn activate(id: &str) -> Command {
    let device_id = device_id(id);
    Command::Device(DeviceCommand::Activate { device_id })
}

pub fn delete(id: &str) -> Command {
    let device_id = device_id(id);
    Command::Device(DeviceCommand::Delete { device_id })
}

pub fn info(id: &str) -> Command {
    Command::Device(DeviceCommand::Info {
        device_id: device_id(id),
        auth_info: None,
    })
}

/// The reply to a command that must have succeeded.
pub fn done(response: Response) -> Reply {
    match response.outcome {
        Ok(reply) => reply,
        Err(problem) => panic!("refused: {problem}"),
    }
}

/// The problem of a command that must have been refused.
pub fn refused(response: Response) -> Problem {
    match response.outcome {
        Ok(reply) => panic!("not refused: {reply:?}"),
        Err(problem) => problem,
    }
}

/// What came of a registration that must have succeeded and is published.
pub fn issued(reply: &Reply) -> &Issued {
    match reply {
        Reply::Issued(issued) => issued,
        other => panic!("{other:?}"),
    }
}

/// SHA-256 of the certificate of a registration that must have succeeded.
pub fn fingerprint_of(reply: &Reply) -> Fingerprint {
    Fingerprint::of_certificate(&issued(reply).certificate.certificate)
}
