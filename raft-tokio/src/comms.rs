//! Messages between nodes over TCP: the real world's `Comms`.
//!
//! Everything here is polled by the driver's own task: a message goes from the hull to the socket
//! without changing threads. Each node connects to each peer once per lane, on the first message
//! for it, so that no heartbeat waits behind entries, not even inside the kernel. What arrives
//! comes over the connections that peers opened. Nothing is retried, because Raft expects loss;
//! everything lost is counted.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use raft_core::comms::{Comms, CommsEvent};
use raft_core::ids::NodeId;
use raft_core::message::Lane;
use raft_node::codec::WireCodec;
use raft_node::frame::{self, FrameLimits};
use raft_node::letter::Letter;
use raft_node::settings::{NodeSettings, SettingsProblem};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::handshake::{Caller, Hello};
use crate::identity::Identity;
use crate::metrics::{Counters, Mishap};
use crate::socket::{too_hasty, too_patient};
use incoming::Incoming;
use outgoing::{LinkEvent, Outgoing};

mod alone;
mod backoff;
mod incoming;
mod outgoing;
#[cfg(test)]
mod tests;

pub(crate) use alone::ACCEPTED_WAITING;
pub(crate) use backoff::Backoff;
pub(crate) use incoming::Accepted;
pub(crate) use outgoing::{DialError, introduce, resolve};

/// Carries letters between nodes over TCP.
#[derive(Debug)]
pub struct TcpComms {
    identity: Arc<Identity>,
    settings: CommsSettings,
    outgoing: BTreeMap<(NodeId, Lane), Outgoing>,
    incoming: Vec<Incoming>,
    /// Which of `incoming` is asked first next time, so that none starves.
    turn: usize,
    accepted: mpsc::Receiver<Accepted>,
    /// Peers heard from since their connection was last lost.
    heard: BTreeSet<NodeId>,
    /// At most one per lane and peer waits here.
    events: VecDeque<CommsEvent<Letter>>,
    /// Who polls us, so that what is sent between two polls is written soon.
    waker: Option<Waker>,
    counters: Arc<Counters>,
    /// Who accepts connections, where no node does: ends with the comms.
    door: JoinSet<()>,
}

/// How much the network may hold, and how patient it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CommsSettings {
    /// Bytes that may wait in one lane to one peer. One larger message still goes, alone. At
    /// least the hull's `max_append_bytes` keeps replication at full speed.
    pub max_queued_bytes: usize,
    /// How long a connection may take to be made and to shake hands.
    pub handshake_timeout: Duration,
    /// How long the other machine may confirm nothing of what was sent, or of the system's own questions
    /// on a connection without traffic, before the connection is given up and made anew. So long at most,
    /// and a bit more than `longest_backoff`, nodes need to find each other again after a network that was
    /// cut without a word is whole. From 1 ms to 32,767 s. On Linux and Android; elsewhere it is for idle
    /// connections only, and the system decides about others.
    pub gone_after: Duration,
    /// How long to wait after a first failure to connect; doubled with each further one.
    pub first_backoff: Duration,
    /// The longest wait between two attempts to connect. How fast a restarted node is found again
    /// hangs on this.
    pub longest_backoff: Duration,
    /// How what is left of a message beside entries is encoded.
    pub codec: WireCodec,
    /// What an arriving frame may hold.
    pub limits: FrameLimits,
}

impl CommsSettings {
    /// All that is wrong with these settings, for nodes with such settings.
    pub(crate) fn validate(&self, node: &NodeSettings) -> Vec<SettingsProblem> {
        let own = [
            SettingsProblem::if_small(
                "comms.max_queued_bytes",
                self.max_queued_bytes,
                1,
                "nothing would ever be sent",
            ),
            SettingsProblem::if_short(
                "comms.handshake_timeout",
                self.handshake_timeout,
                Duration::from_millis(1),
                "no connection would ever be made",
            ),
            too_hasty("comms.gone_after", self.gone_after),
            too_patient("comms.gone_after", self.gone_after),
            SettingsProblem::if_short(
                "comms.first_backoff",
                self.first_backoff,
                Duration::from_millis(1),
                "a peer that is down would be called without a pause",
            ),
            SettingsProblem::if_short(
                "comms.longest_backoff",
                self.longest_backoff,
                self.first_backoff,
                "it is what first_backoff grows to",
            ),
        ];
        let frames = self.limits.validate(node);
        own.into_iter().flatten().chain(frames).collect()
    }
}

impl Default for CommsSettings {
    fn default() -> Self {
        Self {
            max_queued_bytes: 4 << 20,
            handshake_timeout: Duration::from_secs(2),
            gone_after: Duration::from_secs(3),
            first_backoff: Duration::from_millis(10),
            longest_backoff: Duration::from_millis(500),
            codec: WireCodec::DEFAULT,
            limits: FrameLimits::default(),
        }
    }
}

impl TcpComms {
    /// Comms for the node that `identity` names. Connections that the listener accepted come in
    /// through `accepted`.
    pub(crate) fn new(
        identity: Arc<Identity>,
        settings: CommsSettings,
        accepted: mpsc::Receiver<Accepted>,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            identity,
            settings,
            outgoing: BTreeMap::new(),
            incoming: Vec::new(),
            turn: 0,
            accepted,
            heard: BTreeSet::new(),
            events: VecDeque::new(),
            waker: None,
            counters,
            door: JoinSet::new(),
        }
    }

    /// Takes over what the listener accepted. A peer that connects anew in a lane has given up
    /// its older connection there.
    fn poll_accepted(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(Some(accepted)) = self.accepted.poll_recv(cx) {
            let (peer, lane) = (accepted.peer, accepted.lane);
            self.incoming.retain(|old| !old.is_of(peer, lane));
            self.incoming
                .push(Incoming::new(accepted, self.settings.limits));
        }
    }

    fn poll_outgoing(&mut self, cx: &mut Context<'_>) {
        for (&(to, lane), link) in &mut self.outgoing {
            while let Poll::Ready(event) = link.poll(cx, &self.settings, &self.counters) {
                match event {
                    LinkEvent::Room => self.events.push_back(CommsEvent::Room(to, lane)),
                    LinkEvent::Lost => lost(to, &mut self.heard, &mut self.events),
                }
            }
        }
    }

    fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Letter> {
        let mut asked = 0;
        while asked < self.incoming.len() {
            let at = self.turn % self.incoming.len();
            let Some(connection) = self.incoming.get_mut(at) else {
                break;
            };
            match connection.poll_letter(cx, &self.counters) {
                Poll::Ready(Some(letter)) => {
                    self.heard.insert(connection.peer());
                    // One letter from each that has any: a stream of forwarded commands may not
                    // hold up the others' acknowledgements.
                    self.turn = at + 1;
                    return Poll::Ready(letter);
                }
                Poll::Ready(None) => {
                    let gone = self.incoming.swap_remove(at);
                    lost(gone.peer(), &mut self.heard, &mut self.events);
                    asked = 0;
                }
                Poll::Pending => {
                    self.turn = at + 1;
                    asked += 1;
                }
            }
        }
        Poll::Pending
    }

    /// The way to a node, made on first use.
    fn link(&mut self, to: NodeId, lane: Lane, letter: &Letter) -> Option<&mut Outgoing> {
        let hello = Hello {
            cluster: self.identity.cluster(),
            caller: Caller::Peer {
                from: letter.from,
                to,
                lane,
            },
            address_bytes: 0,
        };
        let link = match self.outgoing.entry((to, lane)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let address = self.identity.address(to)?;
                new.insert(Outgoing::new(address, self.identity.own(), &self.settings))
            }
        };
        link.introduce_as(hello);
        Some(link)
    }
}

impl Comms<Letter> for TcpComms {
    fn room(&self, to: NodeId, lane: Lane) -> usize {
        match self.outgoing.get(&(to, lane)) {
            Some(link) => link.room(&self.settings),
            None if self.identity.address(to).is_some() => self.settings.max_queued_bytes,
            None => 0,
        }
    }

    fn send(&mut self, to: NodeId, lane: Lane, letter: Letter) {
        if let Some(cluster) = letter.cluster {
            self.identity.learn_cluster(cluster);
        }
        let settings = self.settings;
        let pushed = match self.link(to, lane, &letter) {
            Some(link) => link.push(&settings, || frame::encode(&letter, settings.codec)),
            None => Err(Mishap::NoAddress),
        };
        match pushed {
            // Written at the next poll, together with all else that is sent until then.
            Ok(()) => {
                if let Some(waker) = self.waker.take() {
                    waker.wake();
                }
            }
            Err(mishap) => self.counters.count(mishap),
        }
    }

    /// A member that has moved is connected to anew.
    fn reach(&mut self, member: NodeId, address: &str) {
        self.identity.reach(member, address);
        self.outgoing
            .retain(|(to, _), link| *to != member || link.address() == address);
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<CommsEvent<Letter>> {
        if let Some(event) = self.events.pop_front() {
            return Poll::Ready(event);
        }
        self.poll_accepted(cx);
        self.poll_outgoing(cx);
        if let Poll::Ready(letter) = self.poll_incoming(cx) {
            return Poll::Ready(CommsEvent::Arrived(letter));
        }
        if let Some(event) = self.events.pop_front() {
            return Poll::Ready(event);
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// A killed process closes all its connections; the hull hears of it once.
fn lost(peer: NodeId, heard: &mut BTreeSet<NodeId>, events: &mut VecDeque<CommsEvent<Letter>>) {
    if heard.remove(&peer) {
        events.push_back(CommsEvent::ConnectionLost(peer));
    }
}
