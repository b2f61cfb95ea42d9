//! The client's line into the cluster: one connection at a time, to whichever node serves best.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use raft_core::ids::ClusterId;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep, timeout};

use crate::client::book::Book;
use crate::client::{ClientSettings, SubmitError};
use crate::comms::{Backoff, DialError, introduce, resolve};
use crate::handshake::{Caller, Hello, Refusal, Welcome};
use crate::protocol::{Answer, Failure, Request, UpTo};
use crate::stream::{FrameReader, SendQueue};

/// Why a client could not use an address.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ConnectionProblem {
    /// No connection could be made, or it broke.
    #[error("it can't be reached ({0})")]
    Unreachable(io::ErrorKind),
    /// The address is not HOST:PORT, or its host is not known here.
    #[error("it can't be resolved: it must be HOST:PORT, with a host that is known here")]
    Unresolved,
    /// It took a connection but answered nothing in time.
    #[error("it connects but does not answer")]
    Silent,
    /// What listens there is no node of this protocol.
    #[error("what listens there is no node of this protocol")]
    NotANode,
    /// It refused.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// It knows no cluster yet that it belongs to: one is founded when a majority of its members are up.
    #[error("it belongs to no cluster yet, as far as it knows")]
    NoCluster,
    /// It answered that it can't serve now.
    #[error("it can't serve now")]
    CannotServe,
}

/// Keeps a connection for a book's commands as long as the book is open.
#[derive(Debug)]
pub(crate) struct Dispatcher {
    book: Arc<Book>,
    /// The next to try is in front.
    addresses: VecDeque<String>,
    settings: ClientSettings,
    backoff: Backoff,
    /// When a leader's address that a node named last turned out useless.
    useless: Option<(String, Instant)>,
    /// When a node last sent us on to another.
    sent_on: Option<Instant>,
    astray: Astray,
}

/// How far a client has gone since it last met a node of its session's cluster.
#[derive(Clone, Copy, Default, Debug)]
struct Astray {
    /// Addresses that led to none.
    tried: usize,
    /// Whether one of them led to another cluster.
    elsewhere: bool,
}

/// Why a connection ended.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Ended {
    /// The client is gone.
    Closed,
    /// The leader is elsewhere.
    Leader(String),
    /// Another node may do better.
    Problem(ConnectionProblem),
}

impl Dispatcher {
    pub(crate) fn new(
        book: Arc<Book>,
        addresses: Vec<String>,
        mut settings: ClientSettings,
    ) -> Self {
        settings.silence_timeout = settings.silence_timeout.min(LONGEST_SILENCE);
        Self {
            book,
            addresses: addresses.into(),
            backoff: Backoff::new(settings.first_backoff, settings.longest_backoff),
            settings,
            useless: None,
            sent_on: None,
            astray: Astray::default(),
        }
    }

    pub(crate) async fn run(mut self) {
        let mut leader = None;
        let mut failures = 0;
        while !self.book.is_closed() {
            let named = leader.take();
            let Some(address) = named.clone().or_else(|| self.addresses.front().cloned()) else {
                return;
            };
            // Before the way there, which may take longer than an address counts as useless.
            let useless = self.useless_leader();
            let ended = match self.meet(&address).await {
                Ok((stream, cluster)) => self.serve(stream, cluster, useless).await,
                Err(problem) => {
                    if named.is_none() {
                        self.stray(&problem);
                    }
                    Ended::Problem(problem)
                }
            };
            match ended {
                Ended::Closed => return,
                Ended::Leader(address) => {
                    // Two nodes may each take the other for the leader for a while.
                    let sent_on = self.sent_on.replace(Instant::now());
                    if sent_on.is_some_and(|when| when.elapsed() < SENT_ON_TWICE) {
                        self.pause().await;
                    }
                    failures = 0;
                    leader = Some(address);
                }
                Ended::Problem(problem) => {
                    self.book.note(&address, Some(problem));
                    if named.is_some() {
                        self.useless = Some((address, Instant::now()));
                        continue;
                    }
                    self.addresses.rotate_left(1);
                    failures += 1;
                    if failures >= self.addresses.len() {
                        failures = 0;
                        self.pause().await;
                    }
                }
            }
        }
    }

    /// A leader's address that led nowhere a moment ago.
    fn useless_leader(&self) -> Option<String> {
        let useless = self.useless.as_ref();
        let recent = useless.filter(|(_, when)| when.elapsed() < USELESS_FOR);
        recent.map(|(address, _)| address.clone())
    }

    async fn pause(&mut self) {
        sleep(self.backoff.next()).await;
    }

    /// An address led to no node of the session's cluster. One that leads to another cluster is a mistake in
    /// the list. But when no address leads home, that cluster has taken the place of ours.
    fn stray(&mut self, problem: &ConnectionProblem) {
        self.astray.tried += 1;
        self.astray.elsewhere |= *problem == ConnectionProblem::Refused(Refusal::WrongCluster);
        if self.astray.elsewhere && self.astray.tried >= self.addresses.len() {
            self.astray = Astray::default();
            self.book.cluster_replaced();
        }
    }

    /// Connects to a node of the session's cluster, or of any as long as no session is open.
    async fn meet(&mut self, address: &str) -> Result<(TcpStream, ClusterId), ConnectionProblem> {
        let limit = self.settings.silence_timeout;
        let dialing = dial(address, self.book.cluster());
        let (stream, welcome) = match timeout(limit, dialing).await {
            Ok(connected) => connected?,
            Err(_) => return Err(ConnectionProblem::Silent),
        };
        // Which cluster it will be one of is open: no command and no session is for whichever it is.
        let cluster = welcome.cluster.ok_or(ConnectionProblem::NoCluster)?;
        self.astray = Astray::default();
        self.book.learn_payload_codec(welcome.payload_codec);
        self.book.note(address, None);
        Ok((stream, cluster))
    }

    /// Serves until the connection ends.
    async fn serve(
        &mut self,
        stream: TcpStream,
        cluster: ClusterId,
        useless: Option<String>,
    ) -> Ended {
        let limit = self.settings.silence_timeout;
        self.book.send_all_again();
        let mut line = Line {
            book: &self.book,
            cluster,
            stream,
            reader: FrameReader::new(UpTo {
                payload_bytes: self.settings.max_reply_bytes,
            }),
            queue: SendQueue::default(),
            opening: false,
            silence: Box::pin(sleep(limit)),
            limit,
            useless,
            heard: false,
        };
        let ended = poll_fn(|cx| line.poll(cx)).await;
        if line.heard {
            self.backoff.reset();
        }
        ended
    }
}

impl Drop for Dispatcher {
    /// Whatever ended it, also a panic or its runtime's end: nobody may wait for what it would have brought.
    fn drop(&mut self) {
        self.book.close();
    }
}

/// Connects to a node of this cluster, or of any; of another it is refused, by the node or by us.
async fn dial(
    address: &str,
    cluster: Option<ClusterId>,
) -> Result<(TcpStream, Welcome), DialError> {
    let mut stream = TcpStream::connect(resolve(address).await?.as_slice()).await?;
    let hello = Hello {
        cluster,
        caller: Caller::Client,
        address_bytes: 0,
    };
    let welcome = introduce(&mut stream, hello, "").await?;
    Ok((stream, welcome))
}

/// One connection at work.
struct Line<'a> {
    book: &'a Book,
    /// The cluster at the other end, and of the session, if one is open.
    cluster: ClusterId,
    stream: TcpStream,
    reader: FrameReader<UpTo>,
    queue: SendQueue,
    /// Whether this connection has asked for a session.
    opening: bool,
    /// Goes off when nothing was answered for too long, since the last answer or since something was asked of
    /// a node that had nothing to answer.
    silence: Pin<Box<Sleep>>,
    limit: Duration,
    /// A leader's address not to follow.
    useless: Option<String>,
    /// Whether anything was answered.
    heard: bool,
}

impl Line<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        if self.book.is_closed() {
            return Poll::Ready(Ended::Closed);
        }
        if let Some(ended) = self.take_answers(cx) {
            return Poll::Ready(ended);
        }
        self.book.register(cx.waker());
        let was_asked = self.is_asked();
        if let Some(ended) = self.send(cx) {
            return Poll::Ready(ended);
        }
        if !was_asked && self.is_asked() {
            self.silence.as_mut().reset(Instant::now() + self.limit);
        }
        if self.silence.as_mut().poll(cx).is_ready() {
            self.silence.as_mut().reset(Instant::now() + self.limit);
            if self.is_asked() && self.book.awaits_answers() {
                return Poll::Ready(Ended::Problem(ConnectionProblem::Silent));
            }
            // Registers the timer anew.
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Whether the node has something to answer, or to take.
    fn is_asked(&self) -> bool {
        self.opening || !self.queue.is_empty() || self.book.has_sent()
    }

    /// Sends what there is to send, as far as the node takes it; says why the connection is over, if so.
    fn send(&mut self, cx: &mut Context<'_>) -> Option<Ended> {
        loop {
            self.fill();
            if self.queue.is_empty() {
                return None;
            }
            match self.queue.poll_flush(&mut self.stream, cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => {
                    let problem = ConnectionProblem::Unreachable(error.kind());
                    return Some(Ended::Problem(problem));
                }
                Poll::Pending => return None,
            }
        }
    }

    /// Queues what there is to send, a little more than one write takes.
    fn fill(&mut self) {
        if !self.book.has_session() {
            if !self.opening {
                self.opening = true;
                self.push(&Request::Open { number: 0 });
            }
            return;
        }
        while self.queue.bytes() < QUEUE_BYTES {
            let Some(request) = self.book.next_to_send() else {
                return;
            };
            self.push(&request);
        }
    }

    fn push(&mut self, request: &Request) {
        for part in request.encode() {
            self.queue.push(part);
        }
    }

    /// Takes in all answers that have arrived; says why the connection is over, if so.
    fn take_answers(&mut self, cx: &mut Context<'_>) -> Option<Ended> {
        let mut any = false;
        let ended = loop {
            let frame = match self.reader.poll_frame(&mut self.stream, cx) {
                Poll::Pending => break None,
                Poll::Ready(Ok(Some(frame))) => frame,
                Poll::Ready(Ok(None) | Err(_)) => break Some(lost()),
            };
            let Ok(answer) = Answer::decode(frame) else {
                break Some(Ended::Problem(ConnectionProblem::NotANode));
            };
            any = true;
            if let Some(ended) = self.take(answer) {
                break Some(ended);
            }
        };
        if any {
            self.heard = true;
            self.silence.as_mut().reset(Instant::now() + self.limit);
        }
        ended
    }

    fn take(&mut self, answer: Answer) -> Option<Ended> {
        match answer {
            Answer::Opened { session, .. } => {
                self.opening = false;
                self.book.session_opened(self.cluster, session);
            }
            Answer::Applied {
                session,
                serial,
                reply,
            } => self.book.answered(session, serial, Ok(reply)),
            Answer::Failed {
                session,
                serial,
                failure,
            } => return self.take_failure(session, serial, failure),
            Answer::Leader { address } => {
                if self.useless.as_ref() != Some(&address) {
                    return Some(Ended::Leader(address));
                }
            }
        }
        None
    }

    fn take_failure(&mut self, session: u64, serial: u64, failure: Failure) -> Option<Ended> {
        match failure {
            Failure::TooLarge { limit } => {
                let error = SubmitError::TooLarge { limit };
                self.book.answered(session, serial, Err(error));
                None
            }
            Failure::ReplyForgotten => {
                let error = SubmitError::ReplyForgotten { session, serial };
                self.book.answered(session, serial, Err(error));
                None
            }
            Failure::SessionGone => {
                // Each command of a session is told that it is over, also while the next is being opened.
                if self.book.session_over(session) {
                    self.opening = false;
                }
                None
            }
            Failure::Retry | Failure::Stopped => {
                Some(Ended::Problem(ConnectionProblem::CannotServe))
            }
        }
    }
}

const fn lost() -> Ended {
    Ended::Problem(ConnectionProblem::Unreachable(
        io::ErrorKind::ConnectionReset,
    ))
}

impl From<DialError> for ConnectionProblem {
    fn from(error: DialError) -> Self {
        match error {
            DialError::Unreachable(kind) => Self::Unreachable(kind),
            DialError::Unresolved => Self::Unresolved,
            DialError::Slow(_) => Self::Silent,
            DialError::NotOurs(_) => Self::NotANode,
            DialError::Refused(refusal) => Self::Refused(refusal),
        }
    }
}

/// Bytes queued for one connection before more is taken from the book.
const QUEUE_BYTES: usize = 256 << 10;
/// A wait that is as good as endless, and still ends at a moment that every system can name.
const LONGEST_SILENCE: Duration = Duration::from_secs(30 * 365 * 86_400);
/// Being sent on again within so short a time costs a pause.
const SENT_ON_TWICE: Duration = Duration::from_millis(100);
/// How long a leader's address that failed is not followed again.
const USELESS_FOR: Duration = Duration::from_millis(500);
