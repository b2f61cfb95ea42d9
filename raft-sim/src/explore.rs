//! All that can happen in a small world of bare hulls, and not only what a seed draws.
//!
//! A [`World`] bounds how often what can happen; [`explore`] then goes through every order of
//! deliveries, losses, copies, timeouts, proposals, syncs and crashes within these bounds, breadth
//! first and on all cores, and looks at each state once. The hulls are the real ones. What makes
//! this possible:
//!
//! - each step of one hull is taken once and then looked up (`table.rs`);
//! - of a state that was met 88 bits are kept (`visited.rs`, with the chance that one is missed),
//!   and the way to it is found again when it is asked for (`way.rs`);
//! - when a deadline passes is no part of a state: any may pass at any time, in any order, which is
//!   more than clocks allow (`Hull::fingerprint` says what this leaves out);
//! - a message may be on its way for ever. That is how one is lost, and costs nothing;
//! - a delivery that changes nothing is left out: what can happen after it can happen without it.
//!
//! And four reductions, of which each leaves out only what can be seen elsewhere:
//!
//! - **Names.** States that differ by the nodes' names only are one (`alike.rs`). Each step is taken
//!   under all names and compared, so this is observed, not assumed.
//! - **Useless messages.** What its receiver has given up for good is forgotten, and requests and
//!   refusals of earlier terms, which tell a term and nothing else, are not told apart
//!   (`useless.rs`). In the end all hulls are asked whether they agree, in every state that they
//!   were in. Likewise of terms that are over, who won them and what was committed in which is
//!   forgotten (`past.rs`): no check asks for it again.
//! - **Late crashes.** A node whose disk is not stalled crashes right before its next step: in
//!   between nobody hears of it, and what others do does not depend on it. All that is checked of
//!   all nodes together is weaker after a crash (a leader less, the same on the disk). Messages
//!   that only its former self could use take up room until then, but any of them may be lost.
//! - **Dominated states.** A state that differs from one that was met only in that more is used up
//!   is not gone on from: all that can happen in it can happen in the other.
//!
//! Where hulls do otherwise than the first two say (a hull with a mistake), all is explored anew
//! without that. `tests.rs` compares: with each reduction and with all of them, small worlds have
//! the same joint states of nodes and the same committed entries as with none.
//!
//! What a world leaves out, because its bounds are reached or because one of these says so, is not
//! explored; docs/testing.md has the list. Within that, [`Verdict::Complete`] means all of it.

use std::fmt;

mod alike;
mod members;
mod moves;
mod node;
mod past;
mod search;
mod shelf;
mod situations;
mod slices;
mod state;
mod story;
mod table;
mod useless;
mod visited;
mod way;
mod worlds;

pub use search::{Progress, explore};
pub use worlds::{World, WorldError};

use node::Entry;

/// What came of an exploration.
#[derive(Clone, Debug)]
pub struct Explored {
    /// How it ended.
    pub verdict: Verdict,
    /// How far it got.
    pub progress: Progress,
    /// How often the rare situations that a world is made for were seen.
    pub situations: Situations,
}

/// How an exploration ended.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// All states within the world's bounds were looked at, and everything holds in each.
    Complete,
    /// Everything held in the states looked at, and some were not.
    BoundedOut(Stop),
    /// Something does not hold, and this is a shortest way there.
    Broken(Counterexample),
}

/// Why an exploration ended early.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Stop {
    /// Whoever explored has seen enough.
    #[error("the limit on states or time was reached")]
    Limit,
    /// The limit on memory.
    #[error("the limit on memory was reached")]
    Memory,
    /// There are more states of one depth, or of single nodes, than numbers for them.
    #[error("there are more states than there are numbers for them")]
    Numbers,
    /// A way to a state in which something does not hold was found, and hulls do not go it.
    #[error("hulls do not do again what they did: they depend on more than their fingerprint has")]
    Contradiction,
}

/// A way to a state in which something does not hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Counterexample {
    /// Which of [`crate::checkers::property`].
    pub property: &'static str,
    /// What was seen.
    pub text: String,
    /// What happened, one line each, with what the nodes did about it.
    pub story: Vec<String>,
    /// The same for `raft-sim script`, where a script can do all of it.
    pub script: Option<String>,
}

/// How often situations of Figure 8 (paper 5.4.2) were among the states, and those that the other worlds are
/// made for.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Situations {
    /// (c): a leader has an entry of an earlier term on a majority of disks, uncommitted, and a
    /// node without it has a later last term.
    pub figure_8_c: u64,
    /// (d): an uncommitted entry that was on a majority of disks no longer is.
    pub figure_8_d: u64,
    /// (e): a leader commits an entry of an earlier term together with one of its own.
    pub figure_8_e: u64,
    /// Two nodes lead at once, in two terms.
    pub two_leaders: u64,
    /// A crash took something with it that was not durable.
    pub lost_writes: u64,
    /// Other members than those at the beginning are settled and committed.
    pub members_changed: u64,
    /// A leader is elected in a joint configuration.
    pub elected_in_joint: u64,
    /// A configuration is cut off a log.
    pub configuration_cut: u64,
    /// A damaged disk loses what is committed.
    pub committed_lost: u64,
    /// On a damaged disk stands again what had been removed.
    pub removed_again: u64,
    /// A log that was damaged reaches as far again.
    pub repaired: u64,
    /// A leader is asked for a read while another leads a later term.
    pub asked_too_late: u64,
    /// A leader lets a client read.
    pub reads_answered: u64,
    /// A node puts a snapshot in the place of a log that lacked what it stands for.
    pub installed: u64,
    /// The same, and something in the log was not what the leader has.
    pub installed_over_others: u64,
}

/// What is done so that fewer states need to be looked at. None of it changes what is found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Reductions {
    /// States that differ by the nodes' names only are one (`alike.rs`).
    renames: bool,
    /// What makes no difference any more is left out (`useless.rs`, `past.rs`).
    simplifies: bool,
    /// A node crashes right before it does something (`moves.rs`).
    fuses: bool,
    /// Of two states that differ only in that less is used up in one, the other is not gone on
    /// from (`search.rs`).
    dominates: bool,
}

impl Reductions {
    const ALL: Self = Self {
        renames: true,
        simplifies: true,
        fuses: true,
        dominates: true,
    };

    /// All that hulls of a world bear out. Where members change they are not alike: a leader that goes
    /// for good names a successor, of equals the first by name; and who is no member is answered
    /// otherwise than members are.
    const fn of(world: &World) -> Self {
        let fixed = world.changes == 0;
        Self {
            renames: fixed,
            simplifies: fixed,
            ..Self::ALL
        }
    }

    /// Less of it, after a hull did otherwise than was said of it.
    const fn weaker(self, is_symmetric: bool) -> Option<Self> {
        match (self.renames, self.simplifies) {
            (true, true) if is_symmetric => Some(Self {
                simplifies: false,
                ..self
            }),
            (true, _) => Some(Self {
                renames: false,
                ..self
            }),
            (false, true) => Some(Self {
                simplifies: false,
                ..self
            }),
            (false, false) => None,
        }
    }
}

/// What does not hold, before the way there is known.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Breach {
    property: &'static str,
    text: String,
}

impl Breach {
    const fn new(property: &'static str, text: String) -> Self {
        Self { property, text }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@T{}", self.index, self.term)
    }
}

#[cfg(test)]
mod tests;
