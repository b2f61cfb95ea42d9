//! The faults of a plan: what they are, when they strike, and how a seed draws them.
//!
//! A fault names its victim by what it is at that moment ("the leader"), and may wait for an
//! occasion ("when a term has just risen"), because disasters need coincidences: a vote that is
//! not yet synced, a leader cut off with fresh proposals. What a fault does is in
//! [`crate::world`]; this file is data and dice.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::lot::Key;
use crate::plan::{Plan, span};

mod builds;
mod changes;
mod draw;
mod handovers;
mod hermits;
mod namesakes;
mod parts;
mod priorities;
mod replacements;
mod rots;
mod sequences;
mod wipes;
mod words;

/// One fault, and when it strikes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultPlan {
    /// Its number in the plan: the key of its own lots.
    pub number: u32,
    /// From when on it waits for its occasion.
    #[serde(with = "span")]
    pub at: Duration,
    /// What it waits for.
    pub occasion: Occasion,
    /// How long after the occasion it strikes.
    #[serde(with = "span")]
    pub delay: Duration,
    /// What it does.
    pub fault: Fault,
}

/// What a fault waits for. A fault whose occasion does not come within [`PATIENCE`] is forgotten.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Occasion {
    /// Nothing.
    #[serde(rename = "Now")]
    None,
    /// A node's term has risen: its new term, and perhaps a vote, are on their way to the disk.
    TermRaised,
    /// A node has voted for another one.
    Voted,
    /// A node campaigns.
    Campaign,
    /// A node has become leader.
    Elected,
    /// A leader has appended entries of its clients.
    Proposed,
    /// A node's commit index has risen.
    Committed,
    /// A node has started again.
    Restarted,
    /// A node's process begins: it looks at what its disk holds, and mends it.
    Opening,
    /// Entries of a node's log were replaced by a leader's.
    Replaced,
}

/// Whom a fault strikes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Target {
    /// This node (by number, from zero; beyond the last one it wraps around).
    Node(u8),
    /// The node that has given the occasion.
    Cause,
    /// The leader of the highest term; without one, as [`Target::Node`] 0.
    Leader,
    /// A node that does not lead, counted from the leader on.
    Follower(u8),
}

/// What a fault does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Fault {
    /// The process ends at once, and starts again after a while.
    Crash {
        /// Who.
        target: Target,
        /// What happens to its disk.
        loss: Loss,
        /// After how long it starts again.
        #[serde(with = "span")]
        down: Duration,
        /// Whether a bit of its disk flips while it is down (where a quorum has the data).
        rot: bool,
    },
    /// The process ends, its disk is replaced by an empty one, and the node starts again under its
    /// old name: for its cluster it is a stranger. A node that is down already only loses its disk.
    /// Where the atlas of faults forbids it, this is a crash that loses what was not synced.
    Wipe {
        /// Who.
        target: Target,
        /// After how long it starts again.
        #[serde(with = "span")]
        down: Duration,
        /// Whether it may happen also where no progress is owed afterwards: before the cluster is
        /// founded, and to more nodes than a minority.
        beyond: bool,
    },
    /// The process ends and another build of the program is started, for a while: the frames that
    /// it writes and reads have another version.
    OtherBuild {
        /// Who.
        target: Target,
        /// Whether the version is a later one, or an earlier one.
        newer: bool,
        /// After how long it starts, and later the right one.
        #[serde(with = "span")]
        down: Duration,
        /// For how long it is the wrong one.
        #[serde(with = "span")]
        lasts: Duration,
    },
    /// All nodes crash at once, and start again one after the other.
    Blackout {
        /// What happens to their disks.
        loss: Loss,
        /// After how long the first starts again.
        #[serde(with = "span")]
        down: Duration,
    },
    /// Links are cut.
    Cut {
        /// Which links.
        shape: Shape,
        /// For how long.
        #[serde(with = "span")]
        lasts: Duration,
        /// Whether what is sent meanwhile is kept and let go at the end, instead of lost.
        held: bool,
        /// If the links come and go: for how long each time. They are cut first.
        #[serde(default, with = "span::optional")]
        flap: Option<Duration>,
    },
    /// All messages of one kind are lost that a node, or any node, sends.
    Gag {
        /// Who; nobody in particular means everyone.
        target: Option<Target>,
        /// Which kind, by its place in [`KINDS`](crate::network::KINDS).
        kind: u8,
        /// For how long.
        #[serde(with = "span")]
        lasts: Duration,
    },
    /// A process stops and goes on later, without noticing.
    Pause {
        /// Who.
        target: Target,
        /// For how long.
        #[serde(with = "span")]
        lasts: Duration,
    },
    /// A process reacts late.
    Slow {
        /// Who.
        target: Target,
        /// For how long.
        #[serde(with = "span")]
        lasts: Duration,
        /// How late it reacts at most.
        #[serde(with = "span")]
        by: Duration,
    },
    /// A disk answers nothing.
    Stall {
        /// Whose.
        target: Target,
        /// For how long.
        #[serde(with = "span")]
        lasts: Duration,
    },
    /// The next operation of a disk fails.
    DiskError {
        /// Whose.
        target: Target,
        /// How.
        kind: DiskFault,
        /// After how long the node, which stops because of it, is started again.
        #[serde(with = "span")]
        down: Duration,
    },
    /// More messages are lost everywhere.
    Storm {
        /// How many of a thousand.
        drop_per_mille: u32,
        /// How late others are at most.
        #[serde(with = "span")]
        late: Duration,
        /// For how long.
        #[serde(with = "span")]
        lasts: Duration,
    },
    /// A clock jumps forward.
    Jump {
        /// Whose.
        target: Target,
        /// By how much.
        #[serde(with = "span")]
        by: Duration,
    },
    /// A clock runs much faster or slower than others.
    Rate {
        /// Whose.
        target: Target,
        /// How many thousandths of a second it shows in a second.
        per_mille: u32,
        /// For how long.
        #[serde(with = "span")]
        lasts: Duration,
    },
    /// Leadership is to be handed over: asked of a node that may lead or not.
    HandOver {
        /// Who is asked.
        target: Target,
        /// To which other node, counted from it on; to whoever is fit, if none is named.
        to: Option<u8>,
    },
    /// The members are to be others: asked of a node that may lead or not.
    Reconfigure {
        /// Who is asked.
        target: Target,
        /// Who is to vote, as bits.
        voters: u8,
        /// Who is to learn, as bits.
        learners: u8,
    },
    /// The change of members under way is to be given up: asked of a node that may lead or not.
    CancelChange {
        /// Who is asked.
        target: Target,
    },
    /// Another cluster is reached at the same addresses, under the same names: letters of it come among those that
    /// nodes here send.
    Namesake {
        /// For how many letters of a thousand it sends one of its own.
        per_mille: u32,
        /// Whether it was made of copies of these data folders, so that even the lives of its nodes are the same.
        copied: bool,
        /// For how long.
        #[serde(with = "span")]
        lasts: Duration,
    },
    /// All others believe that their connections to this node are lost, although they are not.
    FalseLoss {
        /// Who.
        target: Target,
    },
}

/// What a crash does to what a disk has not synced.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Loss {
    /// Nothing: only the process ended, the operating system still holds everything.
    Process,
    /// All of it is lost.
    All,
    /// Any subset of the writes survives, whatever their order.
    Some,
    /// Any subset survives, and writes are torn at sectors.
    Torn,
}

/// Which links a cut takes away.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Shape {
    /// All of one node's.
    Isolate(Target),
    /// What one node sends.
    Mute(Target),
    /// What one node would hear.
    Deafen(Target),
    /// All between the nodes of this set (as bits) and the others.
    Split(u8),
    /// As a split, but one way: what this set sends to the others.
    OneWay(u8),
    /// As a split of this set, but the target reaches and hears both sides.
    Bridge(u8, Target),
    /// Between one node and the one after it.
    Link(Target),
    /// All but those of neighbours in a ring.
    Ring,
    /// One node and one other follower on one side: with the leader as the target it keeps
    /// talking to a minority.
    With(Target, u8),
    /// What one other node sends to the target.
    From(Target, u8),
    /// All but those of neighbours in a line.
    Chain,
    /// All but the target's: the others reach each other through nobody.
    Star(Target),
    /// Each node keeps those to a majority around it, and no two keep the same.
    Majorities,
}

/// How an operation of a disk fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum DiskFault {
    /// A sync fails, and what it should have made durable may or may not be.
    Sync,
    /// A write fails after a part of it.
    Write,
    /// A write finds no room.
    Full,
    /// A read fails.
    Read,
    /// A file is not created, or is.
    Create,
    /// A file is not removed, or is.
    Remove,
    /// A file's length is not changed, or is.
    Length,
    /// A sync of the folder fails, and what it should have made durable may or may not be.
    Folder,
    /// The folder can't be listed.
    List,
    /// The folder can't be locked.
    Lock,
}

/// Draws the faults of a plan whose families are drawn.
pub fn draw(plan: &Plan) -> Vec<FaultPlan> {
    let mut lot = Key::Faults.lot(plan.seed, &[]);
    draw::faults(plan, &mut lot)
}

/// How long a fault waits for its occasion.
pub const PATIENCE: Duration = Duration::from_secs(8);
