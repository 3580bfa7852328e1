//! One account sends as much as it can, through a job and many connections at once: it is refused what is
//! beyond its quota, loses nothing of the rest, and others are served.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::{Request, StatusCode};
use hyper::body::{Body, Bytes, Frame};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use iot_epp_api::client::ClientRequest;
use iot_epp_api::command::JobAction;
use iot_epp_api::server::Limits;
use iot_epp_api::{ClientTransactionId, ResultCode};
use iot_identity::DeviceId;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::jobs::{begun_with, ended, registration};
use crate::stage::*;

const CONNECTIONS: u64 = 5;
const STREAMS: u64 = 64;
const JOB_ROWS: u64 = 2000;
/// What another account's slowest command but one in a hundred may take: a second, or where the machine is
/// busy otherwise half the time that the burst takes. Behind all of it, it would wait for the whole.
const P99_MAX: Duration = Duration::from_secs(1);
const P99_PART: u32 = 2;
/// The same for half of its commands.
const P50_MAX: Duration = Duration::from_millis(250);
const P50_PART: u32 = 20;

/// A body that is sent when the gate opens.
struct Withheld {
    gate: Pin<Box<dyn Future<Output = ()> + Send>>,
    octets: Option<Bytes>,
}

impl Withheld {
    fn new(octets: Vec<u8>, gate: &watch::Receiver<bool>) -> Self {
        let mut gate = gate.clone();
        let open = async move {
            // Whoever held it is gone: open as well.
            let _ = gate.wait_for(|open| *open).await;
        };
        Self {
            gate: Box::pin(open),
            octets: Some(Bytes::from(octets)),
        }
    }
}

impl Body for Withheld {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.octets.is_none() {
            return Poll::Ready(None);
        }
        std::task::ready!(self.gate.as_mut().poll(context));
        Poll::Ready(self.octets.take().map(|octets| Ok(Frame::data(octets))))
    }
}

/// Sends a request on a stream of its own; what came back.
async fn sent(
    mut connection: SendRequest<Withheld>,
    request: Request<Withheld>,
) -> (StatusCode, Option<String>) {
    connection.ready().await.unwrap();
    let answer = connection.send_request(request).await.unwrap();
    let retry_after = answer.headers().get("retry-after");
    let retry_after = retry_after.map(|value| value.to_str().unwrap().to_owned());
    (answer.status(), retry_after)
}

fn creating(party: &Party, id: DeviceId, gate: &watch::Receiver<bool>) -> Request<Withheld> {
    let transaction = ClientTransactionId::parse(&format!("burst-{id}")).unwrap();
    let request = ClientRequest::new(create(id), transaction).to_http(&party.token);
    let mut request = request.unwrap().map(|body| Withheld::new(body, gate));
    let address = format!("https://localhost{}", request.uri());
    *request.uri_mut() = address.parse().unwrap();
    request
}

/// How long another account's commands take while this goes on, sorted.
async fn meanwhile<T>(other: &Party, burst: impl Future<Output = T>) -> (T, Vec<Duration>) {
    let mut times = Vec::new();
    let mut commands = [info(eid(0)), hold(eid(0)), unhold(eid(0))]
        .into_iter()
        .cycle();
    tokio::pin!(burst);
    loop {
        let command = commands.next().unwrap();
        let begin = Instant::now();
        let code = other.code(command).await;
        times.push(begin.elapsed());
        assert_eq!(code, ResultCode::Completed);
        tokio::select! {
            biased;
            done = &mut burst => {
                times.sort_unstable();
                return (done, times);
            }
            () = tokio::time::sleep(Duration::from_millis(2)) => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_bursts_meets_its_quota_and_others_are_served() {
    let quota = Limits::default().commands_per_account_max as u64;
    let sent_at_once = CONNECTIONS * STREAMS;
    assert!(quota < sent_at_once, "{quota} is not met");
    let stage = Stage::open().await;
    let (burster, other) = (stage.mno("mno-burster").await, stage.mno("mno-other").await);
    other.issued(create(eid(0))).await;
    let rows: String = (1..=JOB_ROWS)
        .map(|number| registration(eid(10_000 + number)))
        .collect();
    let job_id = begun_with(&burster, JobAction::Create, &rows).await;

    let (open, gate) = watch::channel(false);
    let mut answers = JoinSet::new();
    for connection in 0..CONNECTIONS {
        let stream = stage
            .connect_for(stage.running.listen.api, None, &[b"h2"])
            .await;
        let stream = TokioIo::new(stream.unwrap());
        let (sender, driver) = handshake(TokioExecutor::new(), stream).await.unwrap();
        tokio::spawn(driver);
        for number in 1..=STREAMS {
            let id = eid(connection * STREAMS + number);
            let request = creating(&burster, id, &gate);
            let answer = sent(sender.clone(), request);
            answers.spawn(async move { (id, answer.await) });
        }
    }
    let begin = Instant::now();
    let burst = async {
        // What is at work counts from before its body is read, so the rest is refused at once.
        let mut refused = Vec::new();
        while (refused.len() as u64) < sent_at_once - quota {
            let answer = tokio::time::timeout(PATIENCE, answers.join_next()).await;
            let (id, (status, retry_after)) = answer.unwrap().unwrap().unwrap();
            assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "{id}");
            assert_eq!(retry_after.as_deref(), Some("1"), "{id}");
            refused.push(id);
        }
        let problem = burster.refused(info(eid(1))).await;
        assert_eq!(problem.code, ResultCode::SessionLimitClosing);
        assert_eq!(problem.retry_after_secs, Some(1));
        open.send_replace(true);
        while let Some(answer) = answers.join_next().await {
            let (id, (status, _)) = answer.unwrap();
            assert_eq!(status, StatusCode::CREATED, "{id}");
        }
        // With its places free again, the rest is taken.
        for id in refused {
            burster.issued(create(id)).await;
        }
        (ended(&burster, job_id).await, begin.elapsed())
    };
    let ((job, burst), times) = meanwhile(&other, burst).await;
    assert_eq!(job.rows_succeeded, JOB_ROWS);
    let (p50, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    let answered = times.len();
    assert!(
        p99 < P99_MAX.max(burst / P99_PART),
        "{p99:?} of {answered} commands in a burst of {burst:?}"
    );
    assert!(
        p50 < P50_MAX.max(burst / P50_PART),
        "{p50:?} of {answered} commands in a burst of {burst:?}"
    );
    assert!(answered > 20, "{answered} commands in a burst of {burst:?}");
    let devices = stage.count("SELECT count(*) FROM device").await;
    assert_eq!(devices as u64, 1 + sent_at_once + JOB_ROWS);
    stage.close().await;
}
