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
#[derive(Default)]
pub(crate) struct Done {
    /// How long it took.
    pub(crate) elapsed: Duration,
    /// Time of each command, milliseconds, in ascending order.
    pub(crate) times_ms: Vec<f64>,
}

impl Done {
    /// Both, one after the other.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.elapsed += other.elapsed;
        self.times_ms.extend(other.times_ms);
        self.times_ms.sort_by(f64::total_cmp);
        self
    }

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

/// Has the clients take work from a queue, each on a thread of its own; every answer has to be a success.
/// With `per_sec` each piece is due at its own moment, from which its time counts, also while it waits for a
/// client; without, clients take the next as soon as they have an answer.
fn together<W: Send, C: Send>(
    clients: &mut [C],
    work: Vec<W>,
    per_sec: Option<u32>,
    give: impl Fn(&mut C, usize, W) -> anyhow::Result<()> + Sync,
) -> anyhow::Result<Done> {
    let queue: Mutex<VecDeque<(usize, W)>> = Mutex::new(work.into_iter().enumerate().collect());
    let begin = Instant::now();
    let times = std::thread::scope(|scope| {
        let threads: Vec<_> = clients
            .iter_mut()
            .map(|client| {
                let (queue, give) = (&queue, &give);
                scope.spawn(move || {
                    let mut times_ms = Vec::new();
                    while let Some((number, work)) = next_of(queue) {
                        let asked = due(begin, per_sec, number);
                        give(client, number, work)?;
                        times_ms.push(asked.elapsed().as_secs_f64() * 1e3);
                    }
                    anyhow::Ok(times_ms)
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

fn next_of<W>(queue: &Mutex<VecDeque<(usize, W)>>) -> Option<(usize, W)> {
    let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
    queue.pop_front()
}

/// Waits until a piece of work is due; the moment from which its time counts.
fn due(begin: Instant, per_sec: Option<u32>, number: usize) -> Instant {
    let Some(per_sec) = per_sec else {
        return Instant::now();
    };
    let due = begin + Duration::from_secs_f64(number as f64 / f64::from(per_sec));
    std::thread::sleep(due.saturating_duration_since(Instant::now()));
    due
}

/// A beginning of client transaction ids that nobody else has.
fn run_name() -> String {
    format!("bench-{:x}", crate::registry_server::now_ns())
}

/// Connections to the JSON door, over HTTP/1.1.
pub(crate) struct JsonClients {
    connections: Vec<Tls>,
    token: BearerToken,
}

impl JsonClients {
    pub(crate) fn connect(door: &Door, token: BearerToken, count: usize) -> anyhow::Result<Self> {
        let connections: anyhow::Result<Vec<Tls>> = (0..count).map(|_| door.connect()).collect();
        Ok(Self {
            connections: connections?,
            token,
        })
    }

    /// Gives commands, so many a second or as many as are answered.
    pub(crate) fn give(
        &mut self,
        commands: Vec<Command>,
        per_sec: Option<u32>,
    ) -> anyhow::Result<Done> {
        let (run, token) = (run_name(), &self.token);
        together(
            &mut self.connections,
            commands,
            per_sec,
            |connection, number, command| {
                let id = ClientTransactionId::parse(&format!("{run}-{number}"))?;
                let request = ClientRequest::new(command, id);
                let response = exchange(connection, &request, token)?;
                let problem = response.outcome.err();
                ensure!(problem.is_none(), "refused: {problem:?}");
                Ok(())
            },
        )
    }
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

/// Sessions at the EPP door, logged in.
pub(crate) struct EppClients {
    sessions: Vec<Conversation<Tls>>,
}

impl EppClients {
    pub(crate) fn connect(
        door: &Door,
        account: &AccountName,
        password: &Secret,
        count: usize,
    ) -> anyhow::Result<Self> {
        let logged_in = |_| {
            let (mut session, _) = Conversation::begin(door.connect()?)?;
            let id = ClientTransactionId::parse("bench-login")?;
            let login = session.login(account, password.clone(), None, &id)?;
            ensure!(
                login.answer.code.is_success(),
                "login: {}",
                login.answer.code
            );
            Ok(session)
        };
        let sessions: anyhow::Result<Vec<_>> = (0..count).map(logged_in).collect();
        Ok(Self {
            sessions: sessions?,
        })
    }

    /// Registers devices, so many a second or as many as are answered.
    pub(crate) fn register(
        &mut self,
        creates: Vec<Create>,
        per_sec: Option<u32>,
    ) -> anyhow::Result<Done> {
        let run = run_name();
        together(
            &mut self.sessions,
            creates,
            per_sec,
            |session, number, create| {
                let id = ClientTransactionId::parse(&format!("{run}-{number}"))?;
                let command = EppCommand::Device(DeviceRequest::Create(create));
                let answer = session.ask(command, &id)?.answer;
                ensure!(answer.code.is_success(), "refused: {:?}", answer.reasons);
                Ok(())
            },
        )
    }
}
