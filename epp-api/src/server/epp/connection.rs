//! One client: TLS handshake, whose certificate it is, and the session driven to its end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};
use time::OffsetDateTime;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_rustls::server::TlsStream;
use tracing::{debug, info};
use zeroize::Zeroizing;

use crate::account::AccountName;
use crate::epp::session::Moment;
use crate::epp::{Action, Answer, ServerTransactionId, Services, Session, encode_frame};
use crate::result_code::ResultCode;
use crate::server::Credential;
use crate::server::accepting::Stopping;
use crate::server::epp::exchange::{GaveUp, carry_out, check_login};
use crate::server::epp::listener::Shared;
use crate::server::epp::sessions::Connected;
use crate::server::epp::{Certificates, EppRegistry, PasswordMark};

/// Octets that are read at once; most frames are shorter.
const PIECE_OCTETS: usize = 8 * 1024;
/// How long a connection is kept after the last answer, for a client that still sends.
const LINGER: Duration = Duration::from_secs(1);
/// How often it is read from meanwhile: a whole frame of the longest kind and more.
const LINGER_READS_MAX: usize = 64;

/// Serves one connection until its end. Errors are the client's and only logged for debugging.
pub(super) async fn serve_connection<R: EppRegistry>(
    socket: TcpStream,
    peer: SocketAddr,
    shared: Arc<Shared<R>>,
    stopping: Stopping,
) {
    // Answers are small and complete; waiting to fill a segment would only delay them.
    let _ = socket.set_nodelay(true);
    let Some(stream) = shake_hands(socket, peer, &shared).await else {
        return;
    };
    // The configuration demands a certificate; without one there is nobody to talk to.
    let Some(certificates) = client_certificates(&stream) else {
        debug!(%peer, "a client without certificate");
        return;
    };
    let link = Link {
        stream,
        shared: &shared,
    };
    match admit(&shared, &certificates).await {
        Ok((account, connected)) => {
            info!(door = "epp", %account, %peer, "session begins");
            let limits = shared.limits.session.clone();
            let greeting = shared.greeting.clone();
            let session = Session::new(account.clone(), greeting, limits, now());
            let mut driver = Driver {
                link,
                session,
                certificates,
                connected,
                password: None,
            };
            let end = driver.drive(stopping).await;
            let end = end.err().map(|error| error.to_string());
            info!(door = "epp", %account, %peer, end, "session ended");
        }
        Err(refusal) => {
            info!(door = "epp", %peer, code = refusal.code.number(), "connection refused");
            link.refuse(&refusal).await;
        }
    }
}

async fn shake_hands<R: EppRegistry>(
    socket: TcpStream,
    peer: SocketAddr,
    shared: &Shared<R>,
) -> Option<TlsStream<TcpStream>> {
    let deadline = Instant::now() + shared.limits.handshake_timeout;
    let network_max = shared.limits.network_handshakes_max;
    let _unknown = shared.networks.count(peer.ip(), network_max)?;
    let place = timeout_at(deadline, shared.handshakes.acquire()).await;
    let _place = place.ok()?.expect("the semaphore is never closed");
    match timeout_at(deadline, shared.acceptor.accept(socket)).await {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(error)) => {
            debug!(%error, "TLS handshake failed");
            None
        }
        Err(_) => {
            debug!("TLS handshake took too long");
            None
        }
    }
}

fn client_certificates(stream: &TlsStream<TcpStream>) -> Option<Certificates> {
    let chain = stream.get_ref().1.peer_certificates()?;
    (!chain.is_empty()).then(|| Certificates::from(chain))
}

/// Whose connection it is, and whether that account may have one more.
async fn admit<R: EppRegistry>(
    shared: &Shared<R>,
    certificates: &Certificates,
) -> Result<(AccountName, Connected), Answer> {
    let credential = Credential::Certificate(certificates);
    let known = shared.registry.authenticate(credential);
    let known = timeout(shared.limits.command_timeout, known).await;
    let caller = match known {
        Ok(Ok(Some(caller))) => caller,
        Ok(Ok(None)) => {
            let reason = "the client certificate belongs to no active account";
            let code = ResultCode::AuthenticationErrorClosing;
            return Err(Answer::refused(code, reason));
        }
        Ok(Err(_)) | Err(_) => {
            let reason = "the registry cannot look up the account now; come again";
            let code = ResultCode::CommandFailedClosing;
            return Err(Answer::refused(code, reason));
        }
    };
    let most = shared.limits.account_connections_max;
    let connected = shared.sessions.connect(&caller.account, most);
    let connected = connected.ok_or_else(|| {
        let reason = format!("an account has at most {most} connections at one time");
        Answer::refused(ResultCode::SessionLimitClosing, reason)
    })?;
    Ok((caller.account, connected))
}

/// A connection whose handshake is done.
struct Link<'s, R> {
    stream: TlsStream<TcpStream>,
    shared: &'s Shared<R>,
}

impl<R> Link<'_, R> {
    /// Sends octets, to a client that takes them in time.
    async fn send(&mut self, octets: &[u8]) -> io::Result<()> {
        let stream = &mut self.stream;
        let sent = async {
            stream.write_all(octets).await?;
            stream.flush().await
        };
        timeout(self.shared.limits.send_timeout, sent).await?
    }

    /// Says that this was all, and takes a little of what still comes: a socket that is closed with
    /// octets unread takes back what was sent last.
    async fn close(&mut self) {
        let deadline = Instant::now() + LINGER.min(self.shared.limits.send_timeout);
        if !matches!(
            timeout_at(deadline, self.stream.shutdown()).await,
            Ok(Ok(()))
        ) {
            return;
        }
        let (socket, _) = self.stream.get_mut();
        let mut piece = vec![0; PIECE_OCTETS];
        for _ in 0..LINGER_READS_MAX {
            match timeout_at(deadline, socket.read(&mut piece)).await {
                Ok(Ok(1..)) => {}
                _ => return,
            }
        }
    }

    /// Says why there is no session; a greeting would promise one.
    async fn refuse(mut self, refusal: &Answer) {
        let name = new_transaction_id();
        let document = refusal.write(&Services::none(), None, &name);
        if self.send(&encode_frame(&document)).await.is_ok() {
            self.close().await;
        }
    }
}

/// A session and everything around it.
struct Driver<'s, R> {
    link: Link<'s, R>,
    session: Session,
    certificates: Certificates,
    connected: Connected,
    /// That of the login.
    password: Option<PasswordMark>,
}

impl<R: EppRegistry> Driver<'_, R> {
    /// Drives the session until it is closed, the client has gone, or the listener is shut down.
    async fn drive(&mut self, mut stopping: Stopping) -> io::Result<()> {
        let mut piece = Zeroizing::new(vec![0; PIECE_OCTETS]);
        loop {
            if self.act().await? {
                return Ok(());
            }
            let deadline = self.session.deadline().map(Instant::from_std);
            tokio::select! {
                biased;
                () = stopping.asked() => return self.shut_down().await,
                read = self.link.stream.read(&mut piece), if self.session.wants_octets() => {
                    match read? {
                        0 => return Ok(()),
                        octets => self.session.receive(&piece[..octets], now()),
                    }
                }
                // A session that is not closed and has no command always has a deadline.
                () = sleep_until(deadline.unwrap_or_else(Instant::now)) => {}
            }
        }
    }

    /// Does what the session wants done; true at its end.
    async fn act(&mut self) -> io::Result<bool> {
        while let Some(action) = self.session.next_action(&moment()) {
            let shared = self.link.shared;
            let action = match action {
                Action::CheckLogin(login) => {
                    let (certificates, connected) = (&self.certificates, &mut self.connected);
                    // What the registry records of the login carries the name that is answered.
                    let server_transaction_id = new_transaction_id();
                    let name = server_transaction_id.clone();
                    match check_login(shared, certificates, connected, login, name).await {
                        Ok(outcome) => {
                            self.password = outcome.password;
                            let (verdict, events) = (outcome.verdict, outcome.security_events);
                            let moment = Moment {
                                server_transaction_id,
                                ..moment()
                            };
                            self.session.login_checked(verdict, events, &moment)
                        }
                        Err(gave_up) => self.give_up(gave_up),
                    }
                }
                Action::CarryOut(request) => {
                    let (account, password) = (self.session.account(), self.password);
                    let certificates = &self.certificates;
                    match carry_out(shared, certificates, account, password, *request).await {
                        Ok(response) => self.session.answered(response, &moment()),
                        Err(gave_up) => self.give_up(gave_up),
                    }
                }
                send => Some(send),
            };
            if let Some(Action::Send { octets, close }) = action {
                self.link.send(&octets).await?;
                if close {
                    self.link.close().await;
                    return Ok(true);
                }
            }
        }
        Ok(self.session.is_closed())
    }

    fn give_up(&mut self, gave_up: GaveUp) -> Option<Action> {
        self.session
            .gave_up(gave_up.code, gave_up.reason, &moment())
    }

    async fn shut_down(&mut self) -> io::Result<()> {
        let reason = "the server is being stopped; come again";
        if let Some(Action::Send { octets, .. }) = self.session.shut_down(reason, &moment()) {
            self.link.send(&octets).await?;
        }
        self.link.close().await;
        Ok(())
    }
}

fn now() -> std::time::Instant {
    std::time::Instant::now()
}

fn moment() -> Moment {
    Moment {
        now: now(),
        date: OffsetDateTime::now_utc(),
        server_transaction_id: new_transaction_id(),
    }
}

fn new_transaction_id() -> ServerTransactionId {
    let mut random = [0; 16];
    SystemRandom::new()
        .fill(&mut random)
        .expect("the operating system has random octets");
    ServerTransactionId::from_random(random)
}
