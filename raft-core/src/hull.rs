//! The hull: the shell that owns the current state and speaks to the outside.

use alloc::collections::BTreeSet;

use crate::chunk::Checksum;
use crate::configuration::Configuration;
use crate::error::{Fault, OpenError};
use crate::ids::{Boot, EntryId, LogIndex, NodeId, Peer, Term};
use crate::log::{Recovered, Write};
use crate::message::{Lane, Message};
use crate::settings::Settings;
use crate::states::Role;
use crate::time::Time;
use crate::trace::Event;

mod input;
mod output;

pub use input::{Input, Loaded, Proposals};
pub use output::{Apply, Doubt, Load, Outcome, Refusal, Resolved};

/// One node's Raft.
#[derive(Debug)]
pub struct Hull {
    setup: Setup,
}

/// Who a hull is and how it is tuned.
#[derive(Clone, Debug)]
pub struct Setup {
    /// This node in this life of its data folder.
    pub me: Peer,
    /// The configuration the cluster was founded with: in force until the log says otherwise.
    pub founding: Configuration,
    /// The tunables.
    pub settings: Settings,
    /// Where this node's randomness starts. Must differ between nodes and between starts.
    pub seed: u64,
    /// CRC-32C, the fastest there is on this platform.
    pub checksum: Checksum,
}

#[expect(missing_docs, clippy::missing_errors_doc, reason = "interface draft")]
#[allow(
    unused_variables,
    clippy::needless_pass_by_value,
    reason = "interface draft"
)]
impl Hull {
    pub fn open(setup: Setup, recovered: Recovered, now: Time) -> Result<Self, OpenError> {
        Ok(Self { setup })
    }
    pub fn step(&mut self, now: Time, input: Input) {}
    pub fn next_write(&mut self) -> Option<Write> {
        None
    }
    pub fn next_send(&mut self, to: NodeId, lane: Lane, room: usize) -> Option<Message> {
        None
    }
    pub fn next_load(&mut self) -> Option<Load> {
        None
    }
    pub fn next_apply(&mut self, max_bytes: usize) -> Option<Apply> {
        None
    }
    pub fn next_resolved(&mut self) -> Option<Resolved> {
        None
    }
    pub fn next_event(&mut self) -> Option<Event> {
        None
    }
    pub fn deadline(&self) -> Option<Time> {
        None
    }
    /// All nodes there may be something to send to.
    pub fn destinations(&self) -> BTreeSet<NodeId> {
        BTreeSet::new()
    }
    pub fn me(&self) -> Peer {
        self.setup.me
    }
    pub fn settings(&self) -> &Settings {
        &self.setup.settings
    }
    pub fn role(&self) -> Role {
        Role::Follower
    }
    pub fn term(&self) -> Term {
        Term::ZERO
    }
    pub fn vote(&self) -> Option<NodeId> {
        None
    }
    pub fn leader(&self) -> Option<NodeId> {
        None
    }
    pub fn boot(&self) -> Boot {
        Boot::default()
    }
    pub fn commit_index(&self) -> LogIndex {
        LogIndex::ZERO
    }
    pub fn applied_index(&self) -> LogIndex {
        LogIndex::ZERO
    }
    pub fn durable_index(&self) -> LogIndex {
        LogIndex::ZERO
    }
    pub fn last(&self) -> EntryId {
        EntryId::ORIGIN
    }
    pub fn term_at(&self, index: LogIndex) -> Option<Term> {
        None
    }
    pub fn configuration(&self) -> &Configuration {
        &self.setup.founding
    }
    /// What stopped the hull, if anything.
    pub fn fault(&self) -> Option<&Fault> {
        None
    }
}
