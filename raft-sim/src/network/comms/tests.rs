//! The network of worlds, held to the contract that it stands in for.

use std::error::Error;

use raft_core::comms::CommsEvent;
use raft_node::codec::WireCodec;
use raft_node::frame::FORMAT_VERSION;

use super::*;
use crate::clock::Schedule;
use crate::conformance::{Bell, Broken, CommsClause, CommsKit, TestNetwork};
use crate::network::Links;
use crate::plan::{Plan, Swarm};
use crate::world::event::Event;

/// Three nodes of a world in which nothing else is.
struct Wired {
    network: Network,
    schedule: Schedule,
}

impl Wired {
    /// As this seed draws it.
    fn of(seed: u64) -> Self {
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
    type Comms = Process;

    fn open(&mut self, node: NodeId) -> Result<Process, Box<dyn Error>> {
        let dialect = Dialect {
            codec: WireCodec::DEFAULT,
            version: FORMAT_VERSION,
        };
        let limits = FrameLimits::default();
        let number = node_number(node);
        Ok(Process(self.network.connect(
            number,
            limits,
            dialect,
            Journal::new(),
        )))
    }

    fn wait(&mut self, _: &Bell) -> bool {
        match self.schedule.next() {
            Some(Event::Arrive(frame)) => {
                self.network.arrive(frame);
            }
            Some(Event::Lost { node, peer }) => self.network.lose(node, peer),
            Some(Event::Reopen { from, to }) => self.network.reopen(from, to),
            Some(other) => panic!("no network causes {other:?}"),
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

/// A process's access, which ends with it.
struct Process(SimComms);

impl Comms<Letter> for Process {
    fn room(&self, to: NodeId, lane: Lane) -> usize {
        self.0.room(to, lane)
    }

    fn send(&mut self, to: NodeId, lane: Lane, letter: Letter) {
        self.0.send(to, lane, letter);
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<CommsEvent<Letter>> {
        self.0.poll_event(cx)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.0.network.disconnect(self.0.node);
    }
}

/// What the kit says of the networks of some seeds.
fn each(
    check: impl Fn(CommsKit<&dyn Fn() -> Wired>) -> Result<(), Broken<CommsClause>>,
) -> Vec<Result<(), Broken<CommsClause>>> {
    let one = |seed| check(CommsKit::new(&|| Wired::of(seed)));
    (0..SEEDS).map(one).collect()
}

#[test]
fn messages_arrive_as_they_were_sent() {
    for outcome in each(|kit| kit.messages().map(drop)) {
        assert!(outcome.is_ok(), "{outcome:?}");
    }
}

#[test]
fn messages_pass_again_after_a_lost_connection() {
    for outcome in each(|kit| kit.connections().map(drop)) {
        assert!(outcome.is_ok(), "{outcome:?}");
    }
}

/// What waits at a node is in one queue, whatever its lane, so that a node which was paused takes it in in the
/// order in which it came. The contract asks for more, so this is wrong, though no hull may rely on it: any
/// message may be late.
#[test]
fn lanes_wrongly_hold_each_other_up_at_a_node_that_takes_nothing_in() {
    for outcome in each(|kit| kit.lanes().map(drop)) {
        let broken = outcome.unwrap_err();
        assert_eq!(broken.clause, Some(CommsClause::Lanes), "{broken:?}");
    }
}

/// What waits at a node is bounded by how much it is, not by its bytes.
#[test]
fn there_is_as_much_room_as_is_said() {
    for outcome in each(|kit| kit.bound(WAITING).room().map(drop)) {
        assert!(outcome.is_ok(), "{outcome:?}");
    }
}

/// How many networks are drawn.
const SEEDS: u64 = 2;
const CUT: u32 = 1;
/// More than [`super::super::MOST_ARRIVALS`] messages of the kit have.
const WAITING: usize = 132 << 20;
