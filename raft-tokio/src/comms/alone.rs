//! Comms without a node around them: they accept their peers themselves, and turn clients away.

use std::collections::BTreeMap;
use std::sync::Arc;

use raft_core::ids::NodeId;
use raft_core::message::Lane;
use raft_node::codec::PayloadCodec;
use raft_node::settings::NodeSettings;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::{Accepted, CommsSettings, TcpComms};
use crate::error::StartError;
use crate::handshake::{Caller, Hello, Refusal};
use crate::identity::Identity;
use crate::listener::{ACCEPT_PAUSE, MAX_HANDSHAKES, shake_hands};
use crate::metrics::{Counters, Mishap};
use crate::socket::attend;

impl TcpComms {
    /// Comms for the node `me` that drives itself: for a hull or a `raft_node::driver` of your own. A
    /// [`Node`](crate::Node) has its own. Peers are accepted on `listener` until the comms are
    /// dropped; `members` says where they listen.
    ///
    /// Must be called inside a tokio runtime with its network and timer enabled, and polled inside
    /// one too.
    ///
    /// # Errors
    ///
    /// [`StartError::Settings`]: the settings can't be used. Nothing was begun.
    pub fn alone(
        me: NodeId,
        listener: TcpListener,
        members: BTreeMap<NodeId, String>,
        settings: CommsSettings,
    ) -> Result<Self, StartError> {
        let problems = settings.validate(&NodeSettings::default());
        if !problems.is_empty() {
            return Err(StartError::Settings { problems });
        }
        let own = members.get(&me).cloned().unwrap_or_default();
        // Only clients ask for the codec of payloads.
        let codec = PayloadCodec::DEFAULT.tag();
        let identity = Arc::new(Identity::new(me, &own, members, codec, None));
        let counters = Arc::new(Counters::default());
        let (peers, accepted) = mpsc::channel(ACCEPTED_WAITING);
        let door = Door {
            identity: Arc::clone(&identity),
            counters: Arc::clone(&counters),
            peers,
            settings,
        };
        let mut comms = Self::new(identity, settings, accepted, counters);
        comms.door.spawn(door.keep(listener));
        Ok(comms)
    }
}

/// Accepts peers.
#[derive(Clone)]
struct Door {
    identity: Arc<Identity>,
    counters: Arc<Counters>,
    peers: mpsc::Sender<Accepted>,
    settings: CommsSettings,
}

impl Door {
    async fn keep(self, listener: TcpListener) {
        let mut callers = JoinSet::new();
        loop {
            while callers.try_join_next().is_some() {}
            if callers.len() >= MAX_HANDSHAKES {
                callers.join_next().await;
            }
            match listener.accept().await {
                Ok((stream, _)) => {
                    callers.spawn(self.clone().receive(stream));
                }
                Err(error) => {
                    tracing::warn!(%error, "can't accept connections");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn receive(self, mut stream: TcpStream) {
        let judge = |hello: &Hello| self.judge(hello);
        let shaking = shake_hands(&mut stream, &self.identity, judge);
        let mishap = match timeout(self.settings.handshake_timeout, shaking).await {
            Ok(Ok(_)) if attend(&stream, self.settings.gone_after).is_err() => {
                Mishap::ConnectionLost
            }
            Ok(Ok((peer, lane))) => {
                let accepted = Accepted { peer, lane, stream };
                match self.peers.try_send(accepted) {
                    Ok(()) => return,
                    // Nobody polls the comms: the peer tries again.
                    Err(_) => Mishap::TooManyConnections,
                }
            }
            Ok(Err(mishap)) => mishap,
            Err(_) => Mishap::SlowHandshake,
        };
        self.counters.count(mishap);
    }

    fn judge(&self, hello: &Hello) -> Result<(NodeId, Lane), Refusal> {
        self.identity.judge(hello)?;
        match hello.caller {
            Caller::Peer { from, lane, .. } => Ok((from.id, lane)),
            Caller::Client => Err(Refusal::Other),
        }
    }
}

/// Peers' connections accepted and not yet taken over by the comms, which happens when they are polled.
pub(crate) const ACCEPTED_WAITING: usize = 64;
