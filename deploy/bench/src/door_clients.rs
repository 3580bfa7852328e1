//! Clients of both doors, many at a time: each connection asks one thing after the other.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, ensure};
use iot_epp_api::client::ClientRequest;
use iot_epp_api::epp::EppCommand;
use iot_epp_api::epp::client::Conversation;
use iot_epp_api::epp::device::{Create, DeviceRequest};
use iot_epp_api::secret::Secret;
use iot_epp_api::{AccountName, BearerToken, ClientTransactionId, Command, Response};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

/// Longest answer that these clients wait for.
const PATIENCE: Duration = Duration::from_secs(30);
/// Octets of the head of an answer, at most.
const HEAD_OCTETS_MAX: usize = 16 * 1024;

/// A connection to a door.
pub(crate) type Tls = StreamOwned<ClientConnection, TcpStream>;

/// Where a door is and how to come in.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    pub(crate) tls: Arc<ClientConfig>,
}

impl Door {
    pub(crate) fn connect(&self) -> anyhow::Result<Tls> {
        let name = ServerName::try_from("localhost")?;
        let connection = ClientConnection::new(Arc::clone(&self.tls), name)?;
        let socket = TcpStream::connect(self.address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(StreamOwned::new(connection, socket))
    }
}

/// What many clients did together.
pub(crate) struct Done {
    /// How long it took.
    pub(crate) elapsed: Duration,
    /// Time of each command, milliseconds, in ascending order.
    pub(crate) times_ms: Vec<f64>,
}

impl Done {
    pub(crate) fn per_sec(&self) -> f64 {
        self.times_ms.len() as f64 / self.elapsed.as_secs_f64()
    }

    /// The time that this share of the commands did not exceed.
    pub(crate) fn quantile_ms(&self, share: f64) -> f64 {
        let last = self.times_ms.len().saturating_sub(1);
        self.times_ms
            .get((last as f64 * share) as usize)
            .copied()
            .unwrap_or(0.0)
    }
}

/// Has so many threads take work from a queue, each with a client of its own; every answer has to be a
/// success.
fn together<W: Send, C: Send>(
    work: Vec<W>,
    clients: usize,
    connect: impl Fn() -> anyhow::Result<C> + Sync,
    give: impl Fn(&mut C, W) -> anyhow::Result<()> + Sync,
) -> anyhow::Result<Done> {
    let connected: Vec<C> = (0..clients).map(|_| connect()).collect::<Result<_, _>>()?;
    let queue = Mutex::new(VecDeque::from(work));
    let begin = Instant::now();
    let times = std::thread::scope(|scope| {
        let threads: Vec<_> = connected
            .into_iter()
            .map(|mut client| {
                let (queue, give) = (&queue, &give);
                scope.spawn(move || {
                    let mut times_ms = Vec::new();
                    loop {
                        let next = queue
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .pop_front();
                        let Some(work) = next else {
                            return anyhow::Ok(times_ms);
                        };
                        let begin = Instant::now();
                        give(&mut client, work)?;
                        times_ms.push(begin.elapsed().as_secs_f64() * 1e3);
                    }
                })
            })
            .collect();
        let joined = threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| anyhow!("a client panicked"))?);
        joined.collect::<anyhow::Result<Vec<Vec<f64>>>>()
    });
    let elapsed = begin.elapsed();
    let mut times_ms: Vec<f64> = times?.into_iter().flatten().collect();
    times_ms.sort_by(f64::total_cmp);
    Ok(Done { elapsed, times_ms })
}

/// Gives commands through the JSON door, over HTTP/1.1.
pub(crate) fn through_json(
    door: &Door,
    token: &BearerToken,
    commands: Vec<Command>,
    clients: usize,
) -> anyhow::Result<Done> {
    let numbered: Vec<(usize, Command)> = commands.into_iter().enumerate().collect();
    let run = format!("{:x}", crate::registry_server::now_ns());
    together(
        numbered,
        clients,
        || door.connect(),
        |connection, (number, command)| {
            let id = ClientTransactionId::parse(&format!("bench-{run}-{number}"))?;
            let request = ClientRequest::new(command, id);
            let response = exchange(connection, &request, token)?;
            let problem = response.outcome.err();
            ensure!(problem.is_none(), "refused: {problem:?}");
            Ok(())
        },
    )
}

/// One HTTP/1.1 exchange on a connection that stays open.
pub(crate) fn exchange(
    connection: &mut Tls,
    request: &ClientRequest,
    token: &BearerToken,
) -> anyhow::Result<Response> {
    let (head, body) = request.to_http(token)?.into_parts();
    let mut octets = format!(
        "{} {} HTTP/1.1\r\nhost: localhost\r\n",
        head.method, head.uri
    )
    .into_bytes();
    for (name, value) in &head.headers {
        octets.extend_from_slice(name.as_str().as_bytes());
        octets.extend_from_slice(b": ");
        octets.extend_from_slice(value.as_bytes());
        octets.extend_from_slice(b"\r\n");
    }
    octets.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
    octets.extend_from_slice(&body);
    connection.write_all(&octets)?;
    connection.flush()?;
    let (status, headers, body) = read_answer(connection)?;
    Ok(request.parse_response(status, &headers, &body)?)
}

fn read_answer(
    connection: &mut Tls,
) -> anyhow::Result<(http::StatusCode, http::HeaderMap, Vec<u8>)> {
    let mut octets = Vec::new();
    let end = loop {
        if let Some(at) = octets.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        ensure!(octets.len() < HEAD_OCTETS_MAX, "an endless head");
        read_some(connection, &mut octets)?;
    };
    let head = std::str::from_utf8(&octets[..end])?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    let status = status.context("status line")?.parse()?;
    let mut headers = http::HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(':').context("header field")?;
        let name: http::HeaderName = name.parse()?;
        headers.append(name, value.trim().parse()?);
    }
    let length: usize = match headers.get("content-length") {
        Some(length) => length.to_str()?.parse()?,
        None => 0,
    };
    let mut body = octets.split_off(end + 4);
    while body.len() < length {
        read_some(connection, &mut body)?;
    }
    Ok((status, headers, body))
}

fn read_some(connection: &mut Tls, octets: &mut Vec<u8>) -> anyhow::Result<()> {
    let mut part = [0; 16 * 1024];
    let count = connection.read(&mut part)?;
    ensure!(count > 0, "the server closed the connection");
    octets.extend_from_slice(&part[..count]);
    Ok(())
}

/// Registers devices through the EPP door.
pub(crate) fn register_through_epp(
    door: &Door,
    account: &AccountName,
    password: &Secret,
    creates: Vec<Create>,
    sessions: usize,
) -> anyhow::Result<Done> {
    let numbered: Vec<(usize, Create)> = creates.into_iter().enumerate().collect();
    let run = format!("{:x}", crate::registry_server::now_ns());
    together(
        numbered,
        sessions,
        || {
            let (mut session, _) = Conversation::begin(door.connect()?)?;
            let id = ClientTransactionId::parse("bench-login")?;
            let login = session.login(account, password.clone(), None, &id)?;
            ensure!(
                login.answer.code.is_success(),
                "login: {}",
                login.answer.code
            );
            Ok(session)
        },
        |session, (number, create)| {
            let id = ClientTransactionId::parse(&format!("bench-epp-{run}-{number}"))?;
            let command = EppCommand::Device(DeviceRequest::Create(create));
            let answer = session.ask(command, &id)?.answer;
            ensure!(answer.code.is_success(), "refused: {:?}", answer.reasons);
            Ok(())
        },
    )
}
