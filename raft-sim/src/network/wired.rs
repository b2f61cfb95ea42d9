//! The network of worlds, alone: what the kit for comms holds it to.

use std::error::Error;
use std::task::{Context, Poll};

use raft_core::comms::{Comms, CommsEvent};
use raft_core::ids::NodeId;
use raft_core::message::Lane;
use raft_node::codec::WireCodec;
use raft_node::frame::{FORMAT_VERSION, FrameLimits};
use raft_node::letter::Letter;

use super::{Dialect, Links, Network, SimComms, node_number};
use crate::clock::Schedule;
use crate::conformance::{Bell, TestNetwork};
use crate::plan::{Plan, Swarm};
use crate::spy::Journal;
use crate::world::event::Event;

/// Three nodes in the network of a world, in memory, with the losses, delays and lanes that a seed draws for it; of
/// the rest of the world there is nothing.
#[derive(Debug)]
pub struct Wired {
    network: Network,
    schedule: Schedule,
}

impl Wired {
    /// The network that this seed draws.
    pub fn of(seed: u64) -> Self {
        let swarm = Swarm {
            nodes: Some(3),
            ..Swarm::default()
        };
        let schedule = Schedule::default();
        let network = Network::new(&Plan::draw(seed, &swarm), schedule.clone());
        Self { network, schedule }
    }
}

impl TestNetwork for Wired {
    type Carried = Letter;
    type Comms = WiredComms;

    fn open(&mut self, node: NodeId) -> Result<WiredComms, Box<dyn Error>> {
        let dialect = Dialect {
            codec: WireCodec::DEFAULT,
            version: FORMAT_VERSION,
        };
        let (number, limits) = (node_number(node), FrameLimits::default());
        let comms = self
            .network
            .connect(number, limits, dialect, Journal::new());
        let network = self.network.clone();
        Ok(WiredComms {
            comms,
            number,
            network,
        })
    }

    fn wait(&mut self, _: &Bell) -> bool {
        match self.schedule.next() {
            Some(Event::Arrive(frame)) => {
                self.network.arrive(frame);
            }
            Some(Event::Lost { node, peer }) => self.network.lose(node, peer),
            Some(Event::Reopen { from, to }) => self.network.reopen(from, to),
            // No network causes any other.
            Some(_) => {}
            None => return false,
        }
        true
    }

    fn cut(&mut self, one: NodeId, other: NodeId) -> bool {
        let mut links = Links::default();
        links.add(node_number(one), node_number(other));
        links.add(node_number(other), node_number(one));
        self.network.cut(CUT, links, false, None);
        true
    }

    fn mend(&mut self, _: NodeId, _: NodeId) {
        self.network.restore(CUT);
    }

    /// Only of processes that end, and where the plan has it so.
    fn tells_of_losses(&self) -> bool {
        false
    }
}

/// A node's access to the network of a world, which ends with it.
#[derive(Debug)]
pub struct WiredComms {
    comms: SimComms,
    number: usize,
    network: Network,
}

impl Comms<Letter> for WiredComms {
    fn room(&self, to: NodeId, lane: Lane) -> usize {
        self.comms.room(to, lane)
    }

    fn send(&mut self, to: NodeId, lane: Lane, letter: Letter) {
        self.comms.send(to, lane, letter);
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<CommsEvent<Letter>> {
        self.comms.poll_event(cx)
    }
}

impl Drop for WiredComms {
    fn drop(&mut self) {
        self.network.disconnect(self.number);
    }
}

/// The fault that cuts.
const CUT: u32 = 1;
