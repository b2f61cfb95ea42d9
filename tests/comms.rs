//! The kit for comms on TCP, over loopback, through relays that can be cut.

#![cfg(feature = "tokio")]

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::sync::LazyLock;
use std::time::Duration;

use quorate::{CommsSettings, NodeId, raft_tokio::TcpComms};
use raft_node::letter::Letter;
use raft_sim::conformance::{Bell, TestNetwork};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{EnterGuard, Runtime};
use tokio::sync::watch;
use tokio::task::JoinSet;

raft_sim::comms_conformance!(Loopback::new);

/// Three nodes on this machine. From each to each other one leads a relay, whose address stays the same.
struct Loopback {
    relays: BTreeMap<(NodeId, NodeId), Relay>,
    _inside: EnterGuard<'static>,
}

/// What a node connects to instead of another.
struct Relay {
    address: String,
    way: watch::Sender<Way>,
    _running: JoinSet<()>,
}

/// Where a relay leads. Whenever that changes, all its connections are closed.
#[derive(Clone, Debug, Default)]
struct Way {
    to: Option<String>,
    is_cut: bool,
}

impl Loopback {
    fn new() -> Self {
        let inside = RUNTIME.enter();
        let nodes = [1, 2, 3].map(NodeId::new);
        let pairs = nodes
            .into_iter()
            .flat_map(|from| nodes.map(|to| (from, to)));
        let relays = pairs.map(|pair| (pair, Relay::start()));
        Self {
            relays: relays.collect(),
            _inside: inside,
        }
    }

    fn lead(&self, changes: impl Fn(NodeId, NodeId) -> bool, change: impl Fn(&mut Way)) {
        for ((from, to), relay) in &self.relays {
            if changes(*from, *to) {
                relay.way.send_modify(&change);
            }
        }
    }
}

impl TestNetwork for Loopback {
    type Carried = Letter;
    type Comms = TcpComms;

    fn open(&mut self, node: NodeId) -> Result<TcpComms, Box<dyn Error>> {
        let listener = listen()?;
        let address = listener.local_addr()?.to_string();
        self.lead(|_, to| to == node, |way| way.to = Some(address.clone()));
        let ours = self.relays.iter().filter(|((from, _), _)| *from == node);
        let members = ours.map(|((_, to), relay)| (*to, relay.address.clone()));
        let settings = CommsSettings {
            longest_backoff: Duration::from_millis(50),
            ..CommsSettings::default()
        };
        Ok(TcpComms::alone(
            node,
            listener,
            members.collect(),
            settings,
        )?)
    }

    fn wait(&mut self, bell: &Bell) -> bool {
        bell.wait(Duration::from_millis(100))
    }

    fn cut(&mut self, one: NodeId, other: NodeId) -> bool {
        let between = |from, to| (from, to) == (one, other) || (to, from) == (one, other);
        self.lead(between, |way| way.is_cut = true);
        true
    }

    fn mend(&mut self, one: NodeId, other: NodeId) {
        let between = |from, to| (from, to) == (one, other) || (to, from) == (one, other);
        self.lead(between, |way| way.is_cut = false);
    }
}

impl Relay {
    #[expect(clippy::expect_used, reason = "without a port there is no test")]
    fn start() -> Self {
        let listener = listen().expect("a port of this machine");
        let address = listener.local_addr().expect("it has one").to_string();
        let way = watch::Sender::new(Way::default());
        let mut running = JoinSet::new();
        running.spawn(relay(listener, way.subscribe()));
        Self {
            address,
            way,
            _running: running,
        }
    }
}

async fn relay(listener: TcpListener, way: watch::Receiver<Way>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(connection(stream, way.clone()));
    }
}

async fn connection(mut near: TcpStream, mut way: watch::Receiver<Way>) {
    let Way { to, is_cut } = way.borrow_and_update().clone();
    let Some(to) = to.filter(|_| !is_cut) else {
        return;
    };
    let Ok(mut far) = TcpStream::connect(to).await else {
        return;
    };
    tokio::select! {
        _ = copy_bidirectional(&mut near, &mut far) => {}
        _ = way.changed() => {}
    }
}

fn listen() -> io::Result<TcpListener> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

#[expect(clippy::expect_used, reason = "without a runtime there is no test")]
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("threads and sockets"));
