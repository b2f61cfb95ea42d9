//! What can stop a hull, and what keeps one from opening.

use alloc::string::String;
use alloc::vec::Vec;

use crate::ids::{EntryId, LogIndex};
use crate::log::LogError;
use crate::settings::SettingsProblem;

/// Why a hull could not be opened. Nothing was changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OpenError {
    /// The settings contradict each other.
    #[error("the settings can't be used: {}", Listed(problems))]
    Settings {
        /// All that is wrong.
        problems: Vec<SettingsProblem>,
    },
    /// The data folder is a witness's and the node is set up as none, or the other way round. A
    /// folder stays what it was: begin with a new one, and have the node added again.
    #[error(
        "the node is set up {}, and its data folder is not such a node's",
        if *witness { "as a witness" } else { "to keep payloads" }
    )]
    OtherRole {
        /// Whether it is set up as a witness.
        witness: bool,
    },
    /// What the log recovered contradicts itself: the log broke its contract.
    #[error("the log recovered an impossible state: {reason}")]
    Recovered {
        /// What does not fit.
        reason: &'static str,
    },
}

/// Prints all of several problems.
struct Listed<'a>(&'a [SettingsProblem]);

impl core::fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for (place, problem) in self.0.iter().enumerate() {
            let between = if place == 0 { "" } else { "; " };
            write!(f, "{between}{problem}")?;
        }
        Ok(())
    }
}

/// What stopped a hull. A stopped hull sends, writes and applies nothing more.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Fault {
    /// The log failed; see the error for whose fault it is.
    #[error("the log failed: {0}")]
    Log(LogError),
    /// An invariant of this library does not hold: a bug in it. Keep the report.
    #[error("broken invariant: {0}")]
    Invariant(BrokenInvariant),
}

/// Which invariant broke, with the values and the last inputs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BrokenInvariant {
    /// The invariant, stated positively, with the values that break it.
    pub statement: String,
    /// The last inputs before it broke, oldest first.
    pub last_inputs: Vec<String>,
}

impl core::fmt::Display for BrokenInvariant {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}; last inputs: {:?}", self.statement, self.last_inputs)
    }
}

/// Why a message was dropped. The world's fault, never a reason to stop.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Dropped {
    /// Meant for another node, or for another life of this one.
    #[error("the message is for another node or another life of this one")]
    NotForMe,
    /// Its sender is another life of a member, or claims to be this node.
    #[error("the sender is a stranger under a member's name")]
    Stranger,
    /// It answers something of an earlier term or an earlier attempt.
    #[error("the reply answers an earlier term or attempt")]
    StaleReply,
    /// It is of an earlier term.
    #[error("the message is of an earlier term")]
    StaleTerm,
    /// It claims what can't be: another leader in this node's own term, an index never sent.
    #[error("the message claims what can't be")]
    Impossible,
    /// It asks to take over leadership, and its sender has gone on since: a later round of it was
    /// heard, or the logs are not equal (any more).
    #[error("the request to take over comes late")]
    LateTakeover,
    /// It asks to take over leadership, and this node may not lead now: it is no voter, its
    /// disk does not answer, or its log is being repaired.
    #[error("this node may not take over leadership now")]
    MayNotLead,
    /// Its sender takes this node for a witness, and it is none, or the other way round: it brings
    /// entries without the payloads that this node keeps, or with those that it does not.
    #[error("the sender takes this node for a witness, or does not know it as one")]
    OtherRole,
    /// It brings entries, and so many wait for this node's disk that no more may be in memory.
    #[error(
        "there is no room in memory for more entries until some are durable (max_memory_bytes)"
    )]
    NoRoom,
    /// It asks to overwrite an entry that is committed here.
    #[error("the message would overwrite committed entry {committed} by {offered}")]
    OverwritesCommitted {
        /// What stands here.
        committed: LogIndex,
        /// What was offered.
        offered: EntryId,
    },
}
