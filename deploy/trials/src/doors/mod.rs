//! The registry's two doors as a client uses them: one connection, one command after the other, and
//! the answer as octets and as values.
//!
//! A [`Line`] is a connection. Its loss is told apart from an answer that nobody should get: after the
//! first, whether the command was carried out is not known.

mod answer;
mod epp;
mod json;
mod member;

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use iot_epp_api::{ClientTransactionId, Command};
use rustls_pki_types::ServerName;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use epp::EppLine;
use json::JsonLine;

pub use answer::{Answer, Body, Told};
pub use member::Member;

/// Longest wait for an answer, and for a connection, in seconds in which this process ran.
const PATIENCE_SECS: u32 = 60;
/// A second that took so long was none: the whole machine stood still.
const STANDSTILL: Duration = Duration::from_secs(5);

/// A door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Door {
    /// JSON over HTTPS.
    Json,
    /// EPP over TLS.
    Epp,
}

impl Door {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Json, Self::Epp];

    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Json => Self::Epp,
            Self::Epp => Self::Json,
        }
    }
}

impl fmt::Display for Door {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Json => "JSON",
            Self::Epp => "EPP",
        })
    }
}

/// Where the doors of a running registry are.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// JSON over HTTPS.
    pub json: SocketAddr,
    /// EPP over TLS.
    pub epp: SocketAddr,
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum LineError {
    /// The connection was refused, broken or closed: the command may be carried out or not.
    #[error("the connection was lost: {0}")]
    Lost(String),
    /// Nothing came in time.
    #[error("no answer within {PATIENCE_SECS} s")]
    Deadline,
    /// The machine stood still meanwhile, so that deadlines passed of which nobody could know: the
    /// command may be carried out or not.
    #[error("the machine stood still, and then the connection was lost: {0}")]
    StoodStill(String),
    /// What came is not the answer of a registry to this command.
    #[error("not an answer: {0}")]
    Wrong(String),
}

impl LineError {
    fn lost(error: impl fmt::Display) -> Self {
        Self::Lost(error.to_string())
    }

    fn wrong(error: impl fmt::Display) -> Self {
        Self::Wrong(error.to_string())
    }
}

/// A member's connection to one of the doors; opened anew where it had been idle for long.
pub struct Line(Kind);

enum Kind {
    Json(JsonLine),
    Epp(Box<EppLine>),
}

impl Line {
    /// A line that is opened with its first command, or by [`Self::prepare`].
    pub fn new(door: Door, addresses: Addresses, member: &Member) -> Self {
        Self(match door {
            Door::Json => Kind::Json(JsonLine::new(addresses.json, member.clone())),
            Door::Epp => Kind::Epp(Box::new(EppLine::new(addresses.epp, member.clone()))),
        })
    }

    /// The door at its end.
    pub fn door(&self) -> Door {
        match self.0 {
            Kind::Json(_) => Door::Json,
            Kind::Epp(_) => Door::Epp,
        }
    }

    /// Connects, and logs in where that has to be, unless that is done: the next command is sent at
    /// once.
    ///
    /// # Errors
    /// [`LineError`].
    pub async fn prepare(&mut self) -> Result<(), LineError> {
        let prepared = async {
            match &mut self.0 {
                Kind::Json(line) => line.prepare().await,
                Kind::Epp(line) => line.prepare().await,
            }
        };
        in_time(prepared).await
    }

    /// Says a command and waits for its answer. After an error the next command opens a new
    /// connection.
    ///
    /// # Errors
    /// [`LineError`]; a refusal is an answer.
    pub async fn give(
        &mut self,
        command: &Command,
        id: &ClientTransactionId,
    ) -> Result<Answer, LineError> {
        self.prepare().await?;
        let given = async {
            match &mut self.0 {
                Kind::Json(line) => line.give(command, id).await,
                Kind::Epp(line) => line.give(command, id).await,
            }
        };
        let given = in_time(given).await;
        if given.is_err() {
            match &mut self.0 {
                Kind::Json(line) => line.close(),
                Kind::Epp(line) => line.close(),
            }
        }
        given
    }
}

async fn in_time<T>(work: impl Future<Output = Result<T, LineError>>) -> Result<T, LineError> {
    let mut work = std::pin::pin!(work);
    let mut stood_still = false;
    for _ in 0..PATIENCE_SECS {
        let begin = Instant::now();
        let done = tokio::time::timeout(Duration::from_secs(1), &mut work).await;
        stood_still |= begin.elapsed() > STANDSTILL;
        match done {
            Ok(Err(LineError::Lost(why))) if stood_still => {
                return Err(LineError::StoodStill(why));
            }
            Ok(done) => return done,
            Err(_) => {}
        }
    }
    Err(LineError::Deadline)
}

async fn connect(
    address: SocketAddr,
    tls: &std::sync::Arc<rustls::ClientConfig>,
) -> Result<TlsStream<TcpStream>, LineError> {
    let socket = TcpStream::connect(address).await.map_err(LineError::lost)?;
    socket.set_nodelay(true).map_err(LineError::lost)?;
    let name = ServerName::try_from("localhost").expect("a host name");
    let connector = TlsConnector::from(std::sync::Arc::clone(tls));
    let stream = connector.connect(name, socket).await;
    stream.map_err(LineError::lost)
}
