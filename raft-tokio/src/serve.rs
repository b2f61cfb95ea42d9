//! One remote client's connection, at the node's side: requests in, answers out as they come.
//!
//! How much one client may have under way is bounded; beyond that its bytes wait in its socket.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, Stream};
use raft_core::ids::NodeId;
use raft_node::error::SubmitError;
use raft_node::handle::{Handle, SessionCommand};
use raft_node::settings::{NodeSettings, SettingsProblem};
use raft_node::state_machine::StateMachine;
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::client::CLIENT_WINDOW;
use crate::identity::Identity;
use crate::metrics::{Counters, Mishap};
use crate::protocol::{Answer, Failure, ProtocolError, Request, UpTo};
use crate::socket::{too_hasty, too_patient};
use crate::stream::{FrameFailure, FrameReader, SendQueue};

/// Serves one client until it leaves, or sends what can't be read.
pub(crate) struct Service<S: StateMachine> {
    node: Arc<Desk<S>>,
    stream: TcpStream,
    reader: FrameReader<UpTo>,
    queue: SendQueue,
    under_way: FuturesUnordered<UnderWay>,
    /// Bytes of commands under way.
    bytes: usize,
    /// The leader that the client was last told of.
    told: Option<NodeId>,
}

/// What all clients of a node are served with.
#[derive(Debug)]
pub(crate) struct Desk<S: StateMachine> {
    pub(crate) handle: Handle<S>,
    pub(crate) identity: Arc<Identity>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) settings: ServiceSettings,
}

/// What one remote client may ask of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ServiceSettings {
    /// Remote clients connected at once; further ones are refused. With zero nothing else here
    /// matters.
    pub max_clients: usize,
    /// How long a client's machine may confirm nothing of what was sent, or of the system's own questions on
    /// a connection without traffic, before the client's place is given to others: 1 ms to 32,767 s, counted
    /// in whole seconds without traffic. A client that has nothing to ask keeps its place as long as its
    /// machine answers. Choose more than the pauses of the network between: who was cut off for less goes on
    /// where it was, and who was for longer connects anew. Less where places are few. As with
    /// [`CommsSettings::gone_after`](crate::CommsSettings::gone_after), elsewhere than on Linux and Android
    /// it is for idle connections only.
    pub gone_after: Duration,
    /// Requests of one client that may be under way; further ones wait in its socket.
    pub max_under_way: usize,
    /// Bytes of commands of one client that may be under way; beyond that, further requests wait
    /// in its socket.
    pub max_under_way_bytes: usize,
    /// Bytes of answers that may wait for a client that does not read; while there are more,
    /// nothing more is taken from it.
    pub max_unread_bytes: usize,
    /// Bytes of one command. At least the hull's `max_payload_bytes`, so that a longer command is
    /// refused by name and not by closing the connection.
    pub max_command_bytes: usize,
}

impl ServiceSettings {
    /// All that is wrong with these settings, for nodes with such settings.
    pub(crate) fn validate(&self, node: &NodeSettings) -> Vec<SettingsProblem> {
        if self.max_clients == 0 {
            return Vec::new();
        }
        let small = SettingsProblem::if_small;
        let stuck = "no client would ever be answered";
        let problems = [
            too_hasty("service.gone_after", self.gone_after),
            too_patient("service.gone_after", self.gone_after),
            small("service.max_under_way", self.max_under_way, 1, stuck),
            small(
                "service.max_under_way_bytes",
                self.max_under_way_bytes,
                1,
                stuck,
            ),
            small("service.max_unread_bytes", self.max_unread_bytes, 1, stuck),
            small(
                "service.max_command_bytes",
                self.max_command_bytes,
                node.raft.max_payload_bytes,
                "clients would be cut off for a command that is allowed (raft.max_payload_bytes)",
            ),
            small(
                "sessions.max_answers",
                node.sessions.max_answers as usize,
                CLIENT_WINDOW,
                "remote clients may leave as many unanswered, and would lose their sessions",
            ),
        ];
        problems.into_iter().flatten().collect()
    }
}

impl Default for ServiceSettings {
    fn default() -> Self {
        Self {
            max_clients: 1_024,
            gone_after: Duration::from_secs(60),
            max_under_way: 4_096,
            max_under_way_bytes: 64 << 20,
            max_unread_bytes: 4 << 20,
            max_command_bytes: 16 << 20,
        }
    }
}

/// Resolves to the answer, if the client waits for one, and the bytes that are no longer under
/// way.
type UnderWay = Pin<Box<dyn Future<Output = (Option<Answer>, usize)> + Send>>;

impl<S: StateMachine> Service<S> {
    pub(crate) fn new(node: Arc<Desk<S>>, stream: TcpStream) -> Self {
        let framing = UpTo {
            payload_bytes: node.settings.max_command_bytes,
        };
        Self {
            node,
            stream,
            reader: FrameReader::new(framing),
            queue: SendQueue::default(),
            under_way: FuturesUnordered::new(),
            bytes: 0,
            told: None,
        }
    }

    pub(crate) async fn run(mut self) {
        poll_fn(|cx| self.poll(cx)).await;
    }

    /// Ready when the connection is over.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.name_leader();
        loop {
            let is_over = self.take_requests(cx);
            if is_over {
                return Poll::Ready(());
            }
            self.take_answers(cx);
            if self.queue.is_empty() {
                return Poll::Pending;
            }
            match self.queue.poll_flush(&mut self.stream, cx) {
                // There may be room for more requests now.
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Tells the client where the leader is, when that is news and not here.
    fn name_leader(&mut self) {
        let leader = self.node.handle.status().leader;
        if leader == self.told || leader.is_none() {
            return;
        }
        self.told = leader;
        let elsewhere = leader.filter(|leader| *leader != self.node.identity.id());
        if let Some(address) = elsewhere.and_then(|leader| self.node.identity.address(leader)) {
            let address = address.to_owned();
            self.push(&Answer::Leader { address });
        }
    }

    /// Starts on what the client asks, as far as there is room; whether the connection is over.
    fn take_requests(&mut self, cx: &mut Context<'_>) -> bool {
        while self.under_way.len() < self.node.settings.max_under_way
            && self.bytes < self.node.settings.max_under_way_bytes
            && self.queue.bytes() < self.node.settings.max_unread_bytes
        {
            let frame = match self.reader.poll_frame(&mut self.stream, cx) {
                Poll::Pending => return false,
                Poll::Ready(Ok(Some(frame))) => frame,
                Poll::Ready(Ok(None) | Err(FrameFailure::Stream(_))) => return true,
                Poll::Ready(Err(FrameFailure::Frame(error))) => return self.cut_off(error),
            };
            match Request::decode(frame) {
                Ok(request) => {
                    let under_way = self.start(request);
                    self.under_way.push(under_way);
                }
                Err(error) => return self.cut_off(error),
            }
        }
        false
    }

    fn cut_off(&self, error: ProtocolError) -> bool {
        self.node.counters.count(match error {
            ProtocolError::TooLong { .. } => Mishap::HostileLength,
            ProtocolError::Checksum | ProtocolError::Kind(_) | ProtocolError::Length => {
                Mishap::BadFrame
            }
        });
        tracing::warn!(%error, "client cut off: senseless frame");
        true
    }

    fn take_answers(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(Some(ended)) = Pin::new(&mut self.under_way).poll_next(cx) {
            let (answer, bytes) = ended;
            self.bytes -= bytes;
            if let Some(answer) = answer {
                self.push(&answer);
            }
        }
    }

    fn push(&mut self, answer: &Answer) {
        for part in answer.encode() {
            self.queue.push(part);
        }
    }

    fn start(&mut self, request: Request) -> UnderWay {
        let handle = self.node.handle.clone();
        match request {
            Request::Open { number } => Box::pin(async move {
                let answer = match handle.open_session().await {
                    Ok(session) => Answer::Opened { number, session },
                    Err(_) => Answer::Failed {
                        session: 0,
                        serial: number,
                        failure: Failure::Retry,
                    },
                };
                (Some(answer), 0)
            }),
            Request::Submit {
                session,
                serial,
                settled,
                payload,
            } => {
                let bytes = payload.len();
                self.bytes += bytes;
                let command = SessionCommand {
                    session,
                    serial,
                    settled,
                    payload,
                };
                Box::pin(async move { (submit(handle, command).await, bytes) })
            }
        }
    }
}

async fn submit<S: StateMachine>(handle: Handle<S>, command: SessionCommand) -> Option<Answer> {
    let (session, serial) = (command.session, command.serial);
    loop {
        let failure = match handle.submit_as(command.clone()).await {
            Ok(reply) => {
                return Some(Answer::Applied {
                    session,
                    serial,
                    reply,
                });
            }
            Err(SubmitError::Overloaded { .. }) => {
                // The node is busy with others: this client waits here, not in a loop of its own
                // over the network.
                sleep(OVERLOAD_PAUSE).await;
                continue;
            }
            // The client has moved on: nobody waits for this.
            Err(SubmitError::Settled { .. }) => return None,
            Err(SubmitError::ReplyForgotten { .. }) => Failure::ReplyForgotten,
            Err(SubmitError::TooLarge { limit, .. }) => Failure::TooLarge {
                limit: u64::try_from(limit).unwrap_or(u64::MAX),
            },
            Err(SubmitError::NoSession | SubmitError::SessionExpired { .. }) => {
                Failure::SessionGone
            }
            Err(SubmitError::NotSent(_) | SubmitError::Unknown { .. }) => Failure::Retry,
        };
        return Some(Answer::Failed {
            session,
            serial,
            failure,
        });
    }
}

const OVERLOAD_PAUSE: Duration = Duration::from_millis(10);
