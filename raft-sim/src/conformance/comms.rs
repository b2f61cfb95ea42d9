//! The kit for comms.

use std::error::Error;
use std::fmt;

use raft_core::comms::Comms;
use raft_core::ids::{ClusterId, NodeId};

use super::broken::{Broken, Contract};

mod bell;
mod carried;
mod connections;
mod group;
mod lanes;
mod ledger;
mod letters;
mod room;

pub use bell::Bell;
pub use carried::Carried;
use group::Group;

/// Holds one kind of comms to the contract of [`Comms`].
///
/// `network` makes a new network each time, in which the comms of three nodes, 1 to 3, can reach each other. All
/// of them are polled on the calling thread. What blocks in `send` or `poll_event` hangs the test.
///
/// Nothing that the contract leaves open is asked for: a message that is lost is sent again, and doubled ones and
/// any order will do.
#[derive(Clone, Copy, Debug)]
pub struct CommsKit<F> {
    network: F,
    payload: usize,
    bound: usize,
}

/// Where comms under test reach each other. The repository's `tests/comms.rs` is one, for TCP on one machine through
/// relays that can be cut; [`Wired`](crate::conformance::Wired) is one in memory.
pub trait TestNetwork {
    /// What the comms carry.
    type Carried: Carried;
    /// The comms of one node.
    type Comms: Comms<Self::Carried>;

    /// Opens the comms of this node, one of 1 to 3: for the first time, or after its comms were dropped, which is
    /// how a process ends. It can reach the others, and they it, whichever of them is opened first.
    ///
    /// # Errors
    ///
    /// It can't be opened: the kit says so and goes no further.
    fn open(&mut self, node: NodeId) -> Result<Self::Comms, Box<dyn Error>>;

    /// No comms that are listened to have anything to tell: lets time pass until `bell` rings, but not much
    /// longer than such a network takes for anything, nor more than a part of a second. Whether anything may
    /// have changed.
    ///
    /// A network that moves by itself waits for the bell ([`Bell::wait`]). One that is moved by hand is moved
    /// here, and one in which nothing is ever under way answers `false`.
    fn wait(&mut self, bell: &Bell) -> bool;

    /// Breaks all connections between two nodes and lets none be made. Whether it can.
    fn cut(&mut self, _one: NodeId, _other: NodeId) -> bool {
        false
    }

    /// Lets the two connect again.
    fn mend(&mut self, _one: NodeId, _other: NodeId) {}

    /// Whether these comms tell that a connection was lost ([`raft_core::comms::CommsEvent::ConnectionLost`]).
    /// They need not; those that do are held to it.
    fn tells_of_losses(&self) -> bool {
        true
    }
}

impl<N, F> CommsKit<F>
where
    N: TestNetwork,
    F: Fn() -> N,
{
    /// A kit for the comms of such networks.
    pub const fn new(network: F) -> Self {
        Self {
            network,
            payload: 1 << 20,
            bound: 64 << 20,
        }
    }

    /// The most bytes of entries, or of a snapshot's part, that these comms must carry in one message: 1 MiB where
    /// nothing is said, which is what a hull sends at most by its default settings.
    #[must_use]
    pub fn payload(self, bytes: usize) -> Self {
        let payload = bytes;
        Self { payload, ..self }
    }

    /// How many bytes may wait in a lane, wherever on the way, for who takes nothing in: 64 MiB where nothing is
    /// said.
    #[must_use]
    pub fn bound(self, bytes: usize) -> Self {
        let bound = bytes;
        Self { bound, ..self }
    }

    /// Messages of all kinds and sizes, between all pairs of nodes: each arrives as it was sent, where it was sent
    /// to, and nothing else arrives.
    ///
    /// # Errors
    ///
    /// The comms break the contract.
    pub fn messages(&self) -> Result<CommsReport, Broken<CommsClause>> {
        letters::check(self)
    }

    /// What waits in one lane, or for a node that takes nothing in, holds up nothing else.
    ///
    /// # Errors
    ///
    /// The comms break the contract.
    pub fn lanes(&self) -> Result<CommsReport, Broken<CommsClause>> {
        lanes::check(self)
    }

    /// There is as much room as is said, no more is taken, and it is told when there is some again.
    ///
    /// # Errors
    ///
    /// The comms break the contract.
    pub fn room(&self) -> Result<CommsReport, Broken<CommsClause>> {
        room::check(self)
    }

    /// Connections are lost in the middle of messages, and nodes end and begin anew: nothing arrives in part,
    /// messages pass again after it, and those between other nodes all the while.
    ///
    /// # Errors
    ///
    /// The comms break the contract.
    pub fn connections(&self) -> Result<CommsReport, Broken<CommsClause>> {
        connections::check(self)
    }

    /// Three nodes on a new network.
    fn group(&self) -> Result<Group<N>, Broken<CommsClause>> {
        Group::new((self.network)(), self.bound)
    }
}

/// What comms were asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CommsReport {
    /// Messages sent, each as often as it was.
    pub sent: u64,
    /// Messages that arrived.
    pub arrived: u64,
}

impl CommsReport {
    const fn and(self, other: Self) -> Self {
        Self {
            sent: self.sent + other.sent,
            arrived: self.arrived + other.arrived,
        }
    }
}

impl fmt::Display for CommsReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sent, arrived } = self;
        write!(f, "{sent} messages sent, {arrived} arrived")
    }
}

/// A clause of the contract of [`Comms`], by its number there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum CommsClause {
    /// 1: what arrives is what was sent.
    AsItWasSent = 1,
    /// 2: sending never fails.
    SendNeverFails = 2,
    /// 3: room is what is said, and bounded.
    Room = 3,
    /// 4: lanes do not hold each other up.
    Lanes = 4,
    /// 5: who polls is woken.
    Woken = 5,
    /// 6: not everything is lost.
    NotAllLost = 6,
    /// 7: losses that are told are true.
    TrueLosses = 7,
}

impl Contract for CommsClause {
    const OF: &'static str = "Comms";

    fn number(self) -> u8 {
        self as u8
    }
}

/// The cluster that the kit's letters name.
pub const CLUSTER: ClusterId = ClusterId::new(0xC0);

/// Tests that comms keep the contract of [`Comms`]: four tests, for what makes a network as [`CommsKit::new`]
/// takes it.
#[macro_export]
macro_rules! comms_conformance {
    ($network:expr) => {
        #[test]
        fn messages() -> Result<(), $crate::conformance::Broken<$crate::conformance::CommsClause>> {
            $crate::conformance::CommsKit::new($network)
                .messages()
                .map(|report| println!("{report}"))
        }

        #[test]
        fn lanes() -> Result<(), $crate::conformance::Broken<$crate::conformance::CommsClause>> {
            $crate::conformance::CommsKit::new($network)
                .lanes()
                .map(|report| println!("{report}"))
        }

        #[test]
        fn room() -> Result<(), $crate::conformance::Broken<$crate::conformance::CommsClause>> {
            $crate::conformance::CommsKit::new($network)
                .room()
                .map(|report| println!("{report}"))
        }

        #[test]
        fn connections()
        -> Result<(), $crate::conformance::Broken<$crate::conformance::CommsClause>> {
            $crate::conformance::CommsKit::new($network)
                .connections()
                .map(|report| println!("{report}"))
        }
    };
}

#[cfg(test)]
mod tests;
