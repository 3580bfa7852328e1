//! A stream of server-sent events: the account's messages for as long as the client listens.
//!
//! Who listens is looked up again before every reading of messages, so that a stream ends when its
//! account is disabled or its token is void.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::debug;

use crate::account::Caller;
use crate::json::event;
use crate::message::Message;
use crate::server::Registry;
use crate::server::accepting::Stopping;
use crate::server::connection::Running;
use crate::server::identity::Identity;
use crate::server::listener::Shared;
use crate::server::quota::Entered;

/// Messages read at one time.
pub(super) const MESSAGES_MAX: u16 = 100;
/// Events that wait for a client that reads slowly.
const EVENTS_WAITING_MAX: usize = 16;

/// The body of an answer that is a stream.
pub(super) struct EventBody(mpsc::Receiver<Bytes>);

impl Body for EventBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let event = self.0.poll_recv(context);
        event.map(|event| event.map(|octets| Ok(Frame::data(octets))))
    }
}

/// A stream that is to be opened.
pub(super) struct Stream {
    pub(super) identity: Identity,
    pub(super) caller: Caller,
    /// Number of the last message that the client has.
    pub(super) after: u64,
    /// Changes when there may be new ones.
    pub(super) news: watch::Receiver<u64>,
    /// Those that are there already.
    pub(super) first: Vec<Message>,
    /// The stream's place in the account's quota, and what keeps the connection from being idle.
    pub(super) _held: (Entered, Running),
}

impl Stream {
    /// Begins to write the stream.
    pub(super) fn open<R: Registry>(self, shared: Arc<Shared<R>>) -> EventBody {
        let (sender, receiver) = mpsc::channel(EVENTS_WAITING_MAX);
        tokio::spawn(async move {
            let account = self.caller.account.clone();
            if self.write(&shared, &sender).await.is_none() {
                debug!(%account, "an event stream has ended");
            }
        });
        EventBody(receiver)
    }

    /// Writes until something ends the stream.
    async fn write<R: Registry>(
        mut self,
        shared: &Shared<R>,
        sender: &mpsc::Sender<Bytes>,
    ) -> Option<Infallible> {
        let mut stopping = shared.stopping.clone();
        let mut messages = std::mem::take(&mut self.first);
        send(shared, sender, event::ALIVE.to_vec()).await?;
        loop {
            let is_full = messages.len() >= usize::from(MESSAGES_MAX);
            for message in messages {
                // A number that was there would be told again without end.
                if message.message_id > self.after {
                    self.after = message.message_id;
                    send(shared, sender, event::write(&message).ok()?).await?;
                }
            }
            if !is_full {
                self.wait(shared, sender, &mut stopping).await?;
            }
            messages = self.read(shared).await?;
        }
    }

    /// Returns when there may be news.
    async fn wait<R: Registry>(
        &mut self,
        shared: &Shared<R>,
        sender: &mpsc::Sender<Bytes>,
        stopping: &mut Stopping,
    ) -> Option<()> {
        let alive_at = Instant::now() + shared.limits.event_interval;
        tokio::select! {
            changed = self.news.changed() => changed.ok(),
            () = sleep_until(alive_at) => send(shared, sender, event::ALIVE.to_vec()).await,
            () = sender.closed() => None,
            () = stopping.asked() => None,
        }
    }

    /// Reads the messages that follow, as who the client is now.
    async fn read<R: Registry>(&mut self, shared: &Shared<R>) -> Option<Vec<Message>> {
        let _ = self.news.borrow_and_update();
        let registry = &shared.registry;
        let read = async {
            let caller = self.identity.caller(registry.as_ref()).await.ok()?;
            let is_same = caller.account == self.caller.account;
            let caller = is_same.then_some(caller)?;
            let messages = registry.messages_after(&caller, self.after, MESSAGES_MAX);
            messages.await.ok()
        };
        timeout(shared.limits.request_timeout, read).await.ok()?
    }
}

/// Hands an event over; none when the client is gone or does not read.
async fn send<R>(shared: &Shared<R>, sender: &mpsc::Sender<Bytes>, octets: Vec<u8>) -> Option<()> {
    let sent = timeout(shared.limits.idle_timeout, sender.send(octets.into()));
    sent.await.ok()?.ok()
}
