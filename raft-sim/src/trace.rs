//! What happened in a world, as data: for pictures, stories and programs.
//!
//! A [`Recorder`] is handed to a world and listens while it runs; without one, nothing is written
//! down and nothing costs anything. What it heard is a [`Recording`]: the last happenings in order,
//! and how every node looked before the first of them, so that its state at any moment follows by
//! [`Recording::views_after`]. What is drawn from a recording is in [`crate::page`],
//! [`crate::story`] and [`crate::export`]; none of them knows the world.

use std::borrow::Cow;
use std::collections::BTreeMap;

use raft_core::ids::{LogIndex, NodeId, Term};
use raft_core::time::Time;
use serde::{Deserialize, Serialize};

use crate::checkers::Violation;

pub(crate) mod letter;
mod recorder;
#[cfg(test)]
pub(crate) mod sample;
mod view;

pub use recorder::Recorder;
pub use view::View;
pub(crate) use view::advance;

/// What happened in one world, as far as it was kept.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Recording {
    /// Which shape this is: [`VERSION`].
    pub version: u32,
    /// What the world is called.
    pub name: String,
    /// The seed of the world's plan.
    pub seed: u64,
    /// The command that shows the same world again.
    pub replay: String,
    /// What a reader should know of the plan: names and values.
    pub settings: Vec<(String, String)>,
    /// How many clients there are; they are numbered from zero.
    pub clients: u64,
    /// Each node as it was before the first happening here, in order of id.
    pub start: Vec<View>,
    /// The faults that were on before the first happening here.
    pub faults: Vec<Happening>,
    /// The letters that were on their way before the first happening here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub letters: Vec<Sent>,
    /// How many happenings came before the first one here and were not kept.
    pub skipped: u64,
    /// What happened, in order.
    pub happenings: Vec<Happening>,
    /// The property that did not hold, if one did not.
    pub violation: Option<Broken>,
}

/// One thing that happened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Happening {
    /// Its number, counted from the world's beginning.
    pub number: u64,
    /// When, on the world's clock, in nanoseconds.
    pub at: Time,
    /// At which node, if at one.
    pub node: Option<NodeId>,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum What {
    /// The node's process starts.
    Started,
    /// The node's process is gone.
    Stopped {
        /// Why, and what became of its disk.
        why: String,
    },
    /// A fault strikes, at a node or at the world.
    Struck(Struck),
    /// A fault that lasted is over.
    Over {
        /// Which, by its place in the plan.
        fault: u64,
    },
    /// All faults are over.
    Healed,
    /// The node sends a letter.
    Sent(Sent),
    /// A letter arrives at the node.
    Arrived {
        /// Which: the number of [`Sent::letter`].
        letter: u64,
        /// From whom.
        from: NodeId,
        /// Whether there was a process to take it in.
        taken: bool,
    },
    /// The node did something of its own, or in answer to what arrived.
    Stepped(Step),
    /// A client begins an operation.
    Asked {
        /// Which client.
        client: u64,
        /// The operation's number in the plan.
        operation: u64,
        /// What it is.
        text: String,
    },
    /// A client turns to the node with its operation.
    Turned {
        /// Which client.
        client: u64,
    },
    /// A client has its answer.
    Answered {
        /// Which client.
        client: u64,
        /// The answer.
        text: String,
    },
    /// A client gives its operation up.
    GaveUp {
        /// Which client.
        client: u64,
        /// Whether the operation may have been done, or may yet be.
        doubtful: bool,
    },
    /// Anything else that is worth a line.
    Note {
        /// The line.
        text: String,
    },
    /// A property was found violated: nothing happens after it.
    Violated {
        /// Which.
        property: String,
        /// What was seen, and what it contradicts.
        text: String,
    },
}

/// A fault as it strikes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Struck {
    /// Which, by its place in the plan.
    pub fault: u64,
    /// Its kind in a word, such as `Cut` or `Pause`.
    pub name: String,
    /// What it is, in full.
    pub text: String,
    /// The directed links that it takes away, from whom to whom.
    pub links: Vec<(NodeId, NodeId)>,
}

/// A letter as it leaves a node.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Sent {
    /// Its number among all letters of the world; a copy has the same.
    pub letter: u64,
    /// For whom.
    pub to: NodeId,
    /// The name of the message, as the paper has it.
    pub kind: Cow<'static, str>,
    /// The sender's term, if it names one.
    pub term: Option<Term>,
    /// What it says, in words.
    pub text: String,
    /// What it says, one field after the other.
    pub fields: BTreeMap<Cow<'static, str>, String>,
    /// What becomes of it.
    pub fate: Fate,
    /// What becomes of its copy, if the network made one.
    pub copy: Option<Fate>,
}

/// What the network does with a letter.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It is on its way.
    #[default]
    Travels,
    /// It is lost on the way.
    Lost,
    /// The link is cut: it is lost.
    Cut,
    /// The link is cut: it is kept, and arrives when the cut is over.
    Held,
}

/// What one poll of a node did.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Step {
    /// What its hull said of it, in order.
    pub events: Vec<Said>,
    /// Its hull's state after the step, if that is another one than before.
    pub state: Option<State>,
    /// What the step changed in its log.
    pub log: Option<LogChange>,
}

/// One event of a hull.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Said {
    /// The rule that caused it: a key of docs/rules.toml.
    pub rule: Cow<'static, str>,
    /// What happened, in words.
    pub text: String,
}

/// A hull's state, as far as pictures need it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct State {
    /// `follower`, `pre-candidate`, `candidate` or `leader`.
    pub role: Cow<'static, str>,
    /// Its term.
    pub term: Term,
    /// Its vote in that term.
    pub vote: Option<NodeId>,
    /// The leader it knows of.
    pub leader: Option<NodeId>,
    /// Its last entry's index.
    pub last: LogIndex,
    /// The last index that its disk holds for certain.
    pub durable: LogIndex,
    /// The commit index.
    pub commit: LogIndex,
    /// The applied index.
    pub applied: LogIndex,
    /// The last index that its log has forgotten, since a snapshot stands for it; zero for none.
    pub snapshot: LogIndex,
    /// For a leader: what it knows of the others, in order of id.
    pub followers: Vec<Follower>,
    /// What stopped the hull, if something did.
    pub fault: Option<String>,
}

/// What a leader knows of one follower.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Follower {
    /// Who.
    pub node: NodeId,
    /// Figure 2's matchIndex.
    pub matched: LogIndex,
    /// Figure 2's nextIndex.
    pub next: LogIndex,
}

/// What happened to a log: from an index on it is another one.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct LogChange {
    /// The first index that the log holds, if it holds any.
    pub first: LogIndex,
    /// The first index that is new, or no longer there.
    pub from: LogIndex,
    /// All lines from there on.
    pub lines: Vec<Line>,
}

/// One entry of a log, as pictures show it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Line {
    /// Its term.
    pub term: Term,
    /// What it holds, in words.
    pub text: String,
}

/// A property that did not hold.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Broken {
    /// Which: one of [`crate::checkers::property`].
    pub property: String,
    /// The node it was seen on, if it was one.
    pub node: Option<NodeId>,
    /// When.
    pub at: Time,
    /// What was seen, and what it contradicts.
    pub text: String,
}

impl Broken {
    /// What a check found.
    pub(crate) fn of(violation: &Violation) -> Self {
        Self {
            property: violation.property.to_owned(),
            node: violation.node,
            at: violation.time,
            text: violation.text.clone(),
        }
    }
}

impl Recording {
    /// Each node as it was after the happening at this place, in order of id.
    pub fn views_after(&self, place: usize) -> Vec<View> {
        let mut views = self.start.clone();
        for happening in self.happenings.iter().take(place + 1) {
            advance(&mut views, happening);
        }
        views
    }
}

/// The shape of a [`Recording`] as it is now.
pub const VERSION: u32 = 1;

/// Happenings that a picture of one world keeps unless its caller says otherwise: enough for all
/// that led to a violation, few enough for a page that opens at once.
pub const KEPT: usize = 10_000;

#[cfg(test)]
mod tests;
