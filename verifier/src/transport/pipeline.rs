//! Many queries on one stream (RFC 7766 §6.2.1.1): each gets an id of its own on the connection,
//! answers come in any order, and what answers none of them is ignored.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ring::rand::{SecureRandom, SystemRandom};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use super::TransportError;
use super::frame::{encode_frame, take_message};
use crate::message::answers_query;

/// Queries that may wait for answers on one connection.
const IN_FLIGHT_MAX: usize = 512;

/// A connection with two tasks, one for each direction, which end with it.
#[derive(Debug)]
pub(super) struct Pipeline {
    address: SocketAddr,
    frames: mpsc::Sender<Vec<u8>>,
    waiting: Arc<Mutex<Waiting>>,
    tasks: [AbortHandle; 2],
}

#[derive(Debug, Default)]
struct Waiting {
    by_id: HashMap<u16, Entry>,
    is_closed: bool,
}

#[derive(Debug)]
struct Entry {
    /// As sent, with the connection's id.
    query: Vec<u8>,
    answer: oneshot::Sender<Vec<u8>>,
}

/// A query that is on the list and not yet sent.
struct Entered {
    id: u16,
    frame: Vec<u8>,
    answer: oneshot::Receiver<Vec<u8>>,
}

impl Pipeline {
    pub(super) fn new<S>(stream: S, address: SocketAddr) -> Self
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let (read, write) = tokio::io::split(stream);
        let (frames, outgoing) = mpsc::channel(IN_FLIGHT_MAX);
        let waiting = Arc::new(Mutex::new(Waiting::default()));
        let reader = tokio::spawn(receive(read, Arc::clone(&waiting)));
        let writer = tokio::spawn(send(write, outgoing, Arc::clone(&waiting)));
        Self {
            address,
            frames,
            waiting,
            tasks: [reader.abort_handle(), writer.abort_handle()],
        }
    }

    /// Whether new queries should go over another connection.
    pub(super) fn is_closed(&self) -> bool {
        lock(&self.waiting).is_closed
    }

    /// Sends a query and waits for its answer. When the future is dropped before that, the
    /// connection is taken for dead and new queries get another one.
    pub(super) async fn exchange(&self, query: &[u8]) -> Result<Vec<u8>, TransportError> {
        let address = self.address;
        let original_id = query.first_chunk::<2>().copied().unwrap_or_default();
        let Entered { id, frame, answer } = self.enter(query)?;
        let mut guard = Leaving {
            waiting: &self.waiting,
            id,
            is_answered: false,
        };
        self.frames
            .send(frame)
            .await
            .map_err(|_| TransportError::Closed { address })?;
        let received = answer.await;
        guard.is_answered = true;
        let mut response = received.map_err(|_| TransportError::Closed { address })?;
        // It answers the query, so it has a header.
        response[..2].copy_from_slice(&original_id);
        Ok(response)
    }

    /// Chooses an id and registers the query under it.
    fn enter(&self, query: &[u8]) -> Result<Entered, TransportError> {
        let address = self.address;
        let mut waiting = lock(&self.waiting);
        if waiting.is_closed {
            return Err(TransportError::Closed { address });
        }
        if waiting.by_id.len() >= IN_FLIGHT_MAX {
            return Err(TransportError::Busy { address });
        }
        let id = free_id(&waiting.by_id).ok_or(TransportError::Busy { address })?;
        let mut query = query.to_vec();
        query
            .get_mut(..2)
            .ok_or(TransportError::Closed { address })?
            .copy_from_slice(&id.to_be_bytes());
        let frame = encode_frame(&query);
        let (sender, answer) = oneshot::channel();
        waiting.by_id.insert(
            id,
            Entry {
                query,
                answer: sender,
            },
        );
        Ok(Entered { id, frame, answer })
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Takes the query off the list however its exchange ends.
struct Leaving<'a> {
    waiting: &'a Mutex<Waiting>,
    id: u16,
    is_answered: bool,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        let mut waiting = lock(self.waiting);
        waiting.by_id.remove(&self.id);
        waiting.is_closed |= !self.is_answered;
    }
}

async fn send<S: AsyncWrite>(
    mut stream: WriteHalf<S>,
    mut frames: mpsc::Receiver<Vec<u8>>,
    waiting: Arc<Mutex<Waiting>>,
) {
    while let Some(frame) = frames.recv().await {
        let written = async {
            stream.write_all(&frame).await?;
            stream.flush().await
        };
        if written.await.is_err() {
            break;
        }
    }
    close(&waiting);
}

async fn receive<S: AsyncRead>(mut stream: ReadHalf<S>, waiting: Arc<Mutex<Waiting>>) {
    // At most one incomplete message stays in the buffer, so it is bounded by the longest one.
    let mut buffer = Vec::with_capacity(2_048);
    'connection: loop {
        match stream.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
        loop {
            match take_message(&mut buffer) {
                Ok(Some(message)) => deliver(&waiting, message),
                Ok(None) => break,
                Err(_) => break 'connection,
            }
        }
    }
    close(&waiting);
}

/// Hands a message to the query that it answers; drops it when there is none.
fn deliver(waiting: &Mutex<Waiting>, message: Vec<u8>) {
    let Some(id) = message.first_chunk::<2>().map(|id| u16::from_be_bytes(*id)) else {
        return;
    };
    let mut waiting = lock(waiting);
    let is_answer = waiting
        .by_id
        .get(&id)
        .is_some_and(|entry| answers_query(&entry.query, &message));
    if is_answer && let Some(entry) = waiting.by_id.remove(&id) {
        // Whoever asked may have gone.
        let _ = entry.answer.send(message);
    }
}

/// Wakes everybody who still waits: their senders are dropped.
fn close(waiting: &Mutex<Waiting>) {
    let mut waiting = lock(waiting);
    waiting.is_closed = true;
    waiting.by_id.clear();
}

fn free_id(taken: &HashMap<u16, Entry>) -> Option<u16> {
    let mut random = [0; 2];
    SystemRandom::new().fill(&mut random).ok()?;
    let first = u16::from_be_bytes(random);
    (0..=IN_FLIGHT_MAX as u16)
        .map(|step| first.wrapping_add(step))
        .find(|id| !taken.contains_key(id))
}

/// Nothing panics while the lock is held, so that a poisoned list is still whole.
fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}
