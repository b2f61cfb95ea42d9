//! All that can happen in a small world of bare hulls, and not only what a seed draws.
//!
//! A [`World`] bounds how often what can happen; [`explore`] then goes through every order of
//! deliveries, losses, copies, timeouts, proposals, syncs and crashes within these bounds, breadth
//! first, and looks at each state once. The hulls are the real ones. What makes this possible:
//!
//! - each step of one hull is taken once and then looked up (`table.rs`);
//! - states are lists of small numbers, compared whole (`slices.rs`);
//! - when a deadline passes is no part of a state: any may pass at any time, in any order, which is
//!   more than clocks allow (`Hull::fingerprint` says what this leaves out);
//! - a message may be on its way for ever. That is how one is lost, and costs nothing;
//! - an answer that its receiver has given up for good is forgotten, and in the end all hulls are
//!   asked whether they agree; if one does not, all is explored anew with nothing forgotten;
//! - a delivery that changes nothing is left out: what can happen after it can happen without it;
//! - nodes that have done nothing yet are alike, so they begin in the order of their names.
//!
//! What a world leaves out, because its bounds are reached or because one of these says so, is not
//! explored; docs/testing.md has the list. Within that, [`Verdict::Complete`] means all of it.

use std::fmt;

mod node;
mod past;
mod search;
mod situations;
mod slices;
mod story;
mod table;
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
    /// There are more states than numbers for them.
    #[error("there are more than four billion states")]
    Numbers,
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

/// How often situations of Figure 8 (paper 5.4.2) were among the states.
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
