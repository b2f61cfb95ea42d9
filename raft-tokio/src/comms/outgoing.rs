//! The way to one peer in one lane: connect, shake hands, write, and begin again when it breaks.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use raft_node::frame::FrameError;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Sleep, sleep, timeout};

use crate::comms::{Backoff, CommsSettings};
use crate::handshake::{
    Caller, HandshakeError, Hello, Refusal, WELCOME_BYTES, Welcome, encode_address,
};
use crate::metrics::{Counters, Mishap};
use crate::socket::attend;
use crate::stream::SendQueue;

/// A queue of frames and the connection they leave by.
#[derive(Debug)]
pub(crate) struct Outgoing {
    address: String,
    /// Where this node is reached itself.
    own: Arc<str>,
    hello: Option<Hello>,
    link: Link,
    queue: SendQueue,
    /// Where each frame that is not all written yet ends, counted in bytes ever queued: to count them when
    /// they are dropped.
    ends: VecDeque<u64>,
    /// The bytes ever queued.
    queued: u64,
    /// Whether the hull may believe that there is no room, and must be told when there is.
    crowded: bool,
    backoff: Backoff,
    /// Why there was no connection at the last try.
    told: Option<DialError>,
}

/// Where a connection stands.
///
/// ```text
/// Idle --first frame--> Dialing --welcome--> Open
///   ^                      |                   |
///   +---- Waiting <--------+---- lost ---------+
/// ```
enum Link {
    Idle,
    Dialing(Dialing),
    Open(TcpStream),
    Waiting(Pin<Box<Sleep>>),
}

type Dialing = Pin<Box<dyn Future<Output = Result<TcpStream, DialError>> + Send>>;

/// What the comms must know of a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LinkEvent {
    /// There is room again.
    Room,
    /// An open connection was lost.
    Lost,
}

impl Outgoing {
    pub(crate) fn new(address: String, own: Arc<str>, settings: &CommsSettings) -> Self {
        Self {
            address,
            own,
            hello: None,
            link: Link::Idle,
            queue: SendQueue::default(),
            ends: VecDeque::new(),
            queued: 0,
            crowded: false,
            backoff: Backoff::new(settings.first_backoff, settings.longest_backoff),
            told: None,
        }
    }

    /// Where it leads.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// What to say of ourselves at the next handshake.
    pub(crate) const fn introduce_as(&mut self, hello: Hello) {
        self.hello = Some(hello);
    }

    /// Bytes that would be taken now.
    pub(crate) fn room(&self, settings: &CommsSettings) -> usize {
        match self.link {
            Link::Waiting(_) => 0,
            Link::Idle | Link::Dialing(_) | Link::Open(_) => {
                settings.max_queued_bytes.saturating_sub(self.queue.bytes())
            }
        }
    }

    /// Queues a frame if there is room, and only then builds it. An empty queue takes a frame of
    /// any size.
    pub(crate) fn push(
        &mut self,
        settings: &CommsSettings,
        frame: impl FnOnce() -> Result<Vec<Bytes>, FrameError>,
    ) -> Result<(), Mishap> {
        if self.room(settings) == 0 {
            self.crowded = true;
            return Err(Mishap::NoRoom);
        }
        let parts = frame().map_err(|error| {
            tracing::warn!(%error, "a message can't be sent");
            Mishap::Unsendable
        })?;
        for part in parts {
            self.queued += part.len() as u64;
            self.queue.push(part);
        }
        self.ends.push_back(self.queued);
        self.crowded |= self.queue.bytes() > settings.max_queued_bytes / 2;
        Ok(())
    }

    /// Goes on as far as it can, until something has to be told.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        settings: &CommsSettings,
        counters: &Counters,
    ) -> Poll<LinkEvent> {
        loop {
            match &mut self.link {
                Link::Idle => {
                    let Some(hello) = self.hello.filter(|_| !self.queue.is_empty()) else {
                        return Poll::Pending;
                    };
                    self.link = Link::Dialing(Box::pin(dial(
                        self.address.clone(),
                        self.own.clone(),
                        hello,
                        *settings,
                    )));
                }
                Link::Dialing(dialing) => match dialing.as_mut().poll(cx) {
                    Poll::Ready(Ok(stream)) => {
                        self.backoff.reset();
                        self.told = None;
                        self.link = Link::Open(stream);
                    }
                    Poll::Ready(Err(error)) => {
                        let news = self.told.as_ref() != Some(&error);
                        error.report(&self.address, news, counters);
                        self.told = Some(error);
                        self.give_up(counters);
                    }
                    Poll::Pending => return Poll::Pending,
                },
                Link::Open(stream) => {
                    if is_closed(stream, cx) || is_broken(&self.queue.poll_flush(stream, cx)) {
                        counters.count(Mishap::ConnectionLost);
                        self.give_up(counters);
                        return Poll::Ready(LinkEvent::Lost);
                    }
                    self.count_out();
                    if self.crowded && self.queue.bytes() <= settings.max_queued_bytes / 2 {
                        self.crowded = false;
                        return Poll::Ready(LinkEvent::Room);
                    }
                    return Poll::Pending;
                }
                Link::Waiting(sleep) => {
                    if sleep.as_mut().poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                    self.link = Link::Idle;
                    self.crowded = false;
                    return Poll::Ready(LinkEvent::Room);
                }
            }
        }
    }

    /// Forgets the frames that are all written.
    fn count_out(&mut self) {
        let written = self.queued - self.queue.bytes() as u64;
        while self.ends.front().is_some_and(|end| *end <= written) {
            self.ends.pop_front();
        }
    }

    /// Drops what is queued, since it is stale by the time there is a connection again.
    fn give_up(&mut self, counters: &Counters) {
        self.count_out();
        counters.add(Mishap::NoRoom, self.ends.len() as u64);
        self.ends.clear();
        self.queue.clear();
        self.link = Link::Waiting(Box::pin(sleep(self.backoff.next())));
    }
}

/// Whether the peer closed a connection on which it never sends anything after its welcome.
fn is_closed(stream: &mut TcpStream, cx: &mut Context<'_>) -> bool {
    let mut byte = [0];
    let mut space = ReadBuf::new(&mut byte);
    Pin::new(stream).poll_read(cx, &mut space).is_ready()
}

fn is_broken(flushed: &Poll<io::Result<()>>) -> bool {
    matches!(flushed, Poll::Ready(Err(_)))
}

/// Why there is no connection to a peer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum DialError {
    #[error("it can't be reached ({0})")]
    Unreachable(io::ErrorKind),
    #[error("the address can't be resolved: it must be HOST:PORT, with a host that is known here")]
    Unresolved,
    #[error("it took longer than {0:?} to answer")]
    Slow(Duration),
    #[error("it speaks another protocol ({0})")]
    NotOurs(#[from] HandshakeError),
    #[error("{0}")]
    Refused(#[from] Refusal),
}

impl DialError {
    /// Counts it, and tells it: loudly when it is `news`, since it is tried again several times a second.
    fn report(&self, address: &str, news: bool, counters: &Counters) {
        let mishap = match self {
            Self::Unreachable(_) | Self::Unresolved | Self::Slow(_) => Mishap::Unreachable,
            Self::NotOurs(_) | Self::Refused(_) => Mishap::RefusedByPeer,
        };
        counters.count(mishap);
        if news {
            tracing::warn!(address, why = %self, "no connection to a peer; trying again");
        } else {
            tracing::debug!(address, why = %self, "no connection to a peer");
        }
    }
}

impl From<io::Error> for DialError {
    fn from(error: io::Error) -> Self {
        Self::Unreachable(error.kind())
    }
}

async fn dial(
    address: String,
    own: Arc<str>,
    hello: Hello,
    settings: CommsSettings,
) -> Result<TcpStream, DialError> {
    let limit = settings.handshake_timeout;
    let connect = async {
        let mut stream = TcpStream::connect(resolve(&address).await?.as_slice()).await?;
        attend(&stream, settings.gone_after)?;
        introduce(&mut stream, hello, &own).await?;
        Ok(stream)
    };
    timeout(limit, connect)
        .await
        .unwrap_or(Err(DialError::Slow(limit)))
}

/// What an address stands for.
pub(crate) async fn resolve(address: &str) -> Result<Vec<SocketAddr>, DialError> {
    let found = lookup_host(address).await;
    let found: Vec<SocketAddr> = found.map_err(|_| DialError::Unresolved)?.collect();
    match found.is_empty() {
        true => Err(DialError::Unresolved),
        false => Ok(found),
    }
}

/// Says hello and judges the answer: either side may refuse. `own` is where the caller is reached.
pub(crate) async fn introduce(
    stream: &mut TcpStream,
    hello: Hello,
    own: &str,
) -> Result<Welcome, DialError> {
    stream.set_nodelay(true)?;
    let hello = Hello {
        // What is too long for a configuration is too long here, and not said.
        address_bytes: u16::try_from(own.len()).unwrap_or(0),
        ..hello
    };
    let mut said = hello.encode().to_vec();
    said.extend(encode_address(own));
    stream.write_all(&said).await?;
    let mut answer = [0; WELCOME_BYTES];
    stream.read_exact(&mut answer).await?;
    let welcome = Welcome::decode(&answer)?;
    if let Some(refusal) = welcome.refusal {
        return Err(refusal.into());
    }
    if let (Some(ours), Some(theirs)) = (hello.cluster, welcome.cluster) {
        if ours != theirs {
            return Err(Refusal::WrongCluster.into());
        }
    }
    match hello.caller {
        Caller::Peer { to, .. } if to != welcome.node => Err(Refusal::WrongNode.into()),
        Caller::Peer { .. } | Caller::Client => Ok(welcome),
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Idle => "Idle",
            Self::Dialing(_) => "Dialing",
            Self::Open(_) => "Open",
            Self::Waiting(_) => "Waiting",
        })
    }
}
