//! The one port of a node: peers and clients knock here, and strangers learn why they may not in.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use raft_core::ids::NodeId;
use raft_core::message::Lane;
use raft_node::state_machine::StateMachine;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::comms::{Accepted, CommsSettings};
use crate::handshake::{
    CHECKSUM_BYTES, Caller, HELLO_BYTES, HandshakeError, Hello, Refusal, decode_address,
};
use crate::identity::Identity;
use crate::metrics::Mishap;
use crate::serve::{Desk, Service, ServiceSettings};
use crate::socket::attend;

/// An address that is this node's, where nobody is let in yet: who comes is refused at once and goes
/// elsewhere, and is not kept waiting for a log to be opened.
pub(crate) struct Place(TcpSocket);

impl Place {
    /// Takes the first of these addresses that can be had.
    ///
    /// # Errors
    ///
    /// Why the last of them can't be had.
    pub(crate) fn taken(addresses: &[SocketAddr]) -> io::Result<Self> {
        let mut refused = io::ErrorKind::AddrNotAvailable.into();
        for address in addresses {
            match bound(*address) {
                Ok(socket) => return Ok(Self(socket)),
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }

    /// Lets callers come, and says where.
    ///
    /// # Errors
    ///
    /// The system refuses: another process listens here by now.
    pub(crate) fn listen(self) -> io::Result<(TcpListener, SocketAddr)> {
        let listener = self.0.listen(BACKLOG)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    }
}

fn bound(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // A node that is started again must not wait until its last connections are forgotten.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// Accepts connections, shakes hands, and passes peers to the comms and clients to a task each.
pub(crate) struct Door<S: StateMachine> {
    desk: Arc<Desk<S>>,
    peers: mpsc::Sender<Accepted>,
    comms: CommsSettings,
    /// Handshakes that may be under way.
    strangers: Arc<Semaphore>,
    /// Clients that may be connected.
    clients: Arc<Semaphore>,
}

impl<S: StateMachine> Door<S> {
    pub(crate) fn new(
        desk: Arc<Desk<S>>,
        peers: mpsc::Sender<Accepted>,
        comms: CommsSettings,
    ) -> Self {
        let clients = Arc::new(Semaphore::new(desk.settings.max_clients));
        Self {
            desk,
            peers,
            comms,
            strangers: Arc::new(Semaphore::new(MAX_HANDSHAKES)),
            clients,
        }
    }

    /// Serves until dropped; then all clients' connections end with it.
    pub(crate) async fn keep(self, listener: TcpListener) {
        let door = Arc::new(self);
        let mut guests = JoinSet::new();
        loop {
            while guests.try_join_next().is_some() {}
            let Ok(permit) = Arc::clone(&door.strangers).acquire_owned().await else {
                return;
            };
            match listener.accept().await {
                Ok((stream, _)) => {
                    guests.spawn(Arc::clone(&door).receive(stream, permit));
                }
                Err(error) => {
                    // Out of file descriptors, most often: others must close some first.
                    tracing::warn!(%error, "can't accept connections");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn receive(self: Arc<Self>, mut stream: TcpStream, permit: OwnedSemaphorePermit) {
        let desk = &self.desk;
        let judge = |hello: &Hello| self.judge(hello);
        let shaking = shake_hands(&mut stream, &desk.identity, judge);
        let shaken = timeout(self.comms.handshake_timeout, shaking).await;
        drop(permit);
        let shaken = shaken.map(|shaken| shaken.and_then(|guest| self.attend(&stream, guest)));
        match shaken {
            Ok(Ok(Guest::Peer { peer, lane })) => {
                let accepted = Accepted { peer, lane, stream };
                // A driver that takes none is overwhelmed, or has ended: the peer tries again.
                if self.peers.try_send(accepted).is_err() {
                    self.desk.counters.count(Mishap::TooManyConnections);
                }
            }
            Ok(Ok(Guest::Client { place })) => {
                let desk = Arc::clone(&self.desk);
                drop(self);
                Service::new(desk, stream).run().await;
                drop(place);
            }
            Ok(Err(mishap)) => self.desk.counters.count(mishap),
            Err(_) => self.desk.counters.count(Mishap::SlowHandshake),
        }
    }

    /// Sees to it that the connection ends when the guest is gone without a word.
    fn attend(&self, stream: &TcpStream, guest: Guest) -> Result<Guest, Mishap> {
        let gone_after = guest.gone_after(&self.comms, &self.desk.settings);
        attend(stream, gone_after).map_err(|_| Mishap::ConnectionLost)?;
        Ok(guest)
    }

    fn judge(&self, hello: &Hello) -> Result<Guest, Refusal> {
        // The comms learn the cluster's id from what they send; a node that has had nothing to
        // send knows it all the same.
        if let Some(cluster) = self.desk.handle.status().cluster {
            self.desk.identity.learn_cluster(cluster);
        }
        self.desk.identity.judge(hello)?;
        match hello.caller {
            Caller::Peer { from, lane, .. } => Ok(Guest::Peer {
                peer: from.id,
                lane,
            }),
            Caller::Client => Arc::clone(&self.clients)
                .try_acquire_owned()
                .map(|place| Guest::Client { place })
                .map_err(|_| Refusal::TooManyConnections),
        }
    }
}

/// Hears who calls, and answers as `judge` says.
pub(crate) async fn shake_hands<G>(
    stream: &mut TcpStream,
    identity: &Identity,
    judge: impl FnOnce(&Hello) -> Result<G, Refusal>,
) -> Result<G, Mishap> {
    let mut bytes = [0; HELLO_BYTES];
    if stream.set_nodelay(true).is_err() || stream.read_exact(&mut bytes).await.is_err() {
        return Err(Mishap::NotOurProtocol);
    }
    let (caller, judged) = match Hello::decode(&bytes) {
        Ok(hello) => {
            let address = read_address(stream, hello.address_bytes).await?;
            let judged = judge(&hello);
            if let (Caller::Peer { from, .. }, true) = (hello.caller, judged.is_ok()) {
                identity.heard(from.id, &address);
            }
            (Some(hello.caller), judged)
        }
        Err(HandshakeError::Version(_)) => (None, Err(Refusal::Version)),
        // Whoever this is would not understand an answer.
        Err(error) => {
            let from = origin(stream);
            tracing::warn!(from, %error, "someone connected who is no node and no client");
            return Err(Mishap::NotOurProtocol);
        }
    };
    let verdict = judged.as_ref().map(|_| ()).map_err(|refusal| *refusal);
    let welcome = identity.welcome(verdict).encode();
    let answered = stream.write_all(&welcome).await;
    tell(identity, caller, verdict, stream);
    let guest = judged.map_err(mishap)?;
    answered.map_err(|_| Mishap::ConnectionLost)?;
    Ok(guest)
}

/// Says whom this node refused and why, loudly once: who is refused calls again and again.
fn tell(
    identity: &Identity,
    caller: Option<Caller>,
    verdict: Result<(), Refusal>,
    stream: &TcpStream,
) {
    let (peer, who) = match caller {
        Some(Caller::Peer { from, .. }) => (Some(from.id), format!("{from:?}")),
        Some(Caller::Client) => (None, "a client".to_owned()),
        None => (None, "unknown".to_owned()),
    };
    match verdict {
        Ok(()) => identity.let_in(peer),
        Err(refusal) => {
            let from = origin(stream);
            let node = identity.id();
            if identity.is_news(peer, refusal) {
                tracing::warn!(%node, caller = who, from, why = refusal.of_caller(), "a caller was refused");
            } else {
                tracing::debug!(%node, caller = who, from, why = refusal.of_caller(), "a caller was refused");
            }
        }
    }
}

/// Where a connection comes from.
fn origin(stream: &TcpStream) -> String {
    let address = stream.peer_addr();
    address.map_or_else(|error| error.to_string(), |address| address.to_string())
}

/// The address that follows a hello which says so.
async fn read_address(stream: &mut TcpStream, bytes: u16) -> Result<String, Mishap> {
    if bytes == 0 {
        return Ok(String::new());
    }
    let mut said = vec![0; usize::from(bytes) + CHECKSUM_BYTES];
    let read = stream.read_exact(&mut said).await;
    read.map_err(|_| Mishap::NotOurProtocol)?;
    let address = decode_address(&said).map_err(|_| Mishap::NotOurProtocol)?;
    Ok(address.to_owned())
}

/// Whoever was let in.
enum Guest {
    Peer { peer: NodeId, lane: Lane },
    Client { place: OwnedSemaphorePermit },
}

impl Guest {
    /// How long its machine may confirm nothing.
    const fn gone_after(&self, comms: &CommsSettings, service: &ServiceSettings) -> Duration {
        match self {
            Self::Peer { .. } => comms.gone_after,
            Self::Client { .. } => service.gone_after,
        }
    }
}

const fn mishap(refusal: Refusal) -> Mishap {
    match refusal {
        Refusal::WrongCluster => Mishap::WrongCluster,
        Refusal::WrongNode => Mishap::WrongNode,
        Refusal::Stranger => Mishap::Stranger,
        Refusal::TooManyConnections => Mishap::TooManyConnections,
        Refusal::Version | Refusal::Other => Mishap::NotOurProtocol,
    }
}

/// Handshakes under way at once; more callers wait to be accepted.
pub(crate) const MAX_HANDSHAKES: usize = 128;
/// Until a listener that could not accept tries again.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_and_clients_have_as_much_patience_as_they_were_given() {
        let comms = CommsSettings {
            gone_after: Duration::from_millis(20),
            ..CommsSettings::default()
        };
        let service = ServiceSettings {
            gone_after: Duration::from_millis(30),
            ..ServiceSettings::default()
        };
        let (peer, lane) = (NodeId::new(1), Lane::Control);
        let peer = Guest::Peer { peer, lane };
        assert_eq!(peer.gone_after(&comms, &service), comms.gone_after);
        let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let client = Guest::Client { place };
        assert_eq!(client.gone_after(&comms, &service), service.gone_after);
    }
}
