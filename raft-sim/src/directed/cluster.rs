//! The cluster that is moved by hand: its nodes, and what can be done to them at once. What takes
//! time is in [`movement`], messages are in [`network`], work and triggers in [`work`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use raft_core::chunk::Chunk;
use raft_core::configuration::Members;
use raft_core::hull::{Hull, Input};
use raft_core::ids::{EntryId, LogIndex, NodeId, Peer, Ticket};
use raft_core::log::LogError;
use raft_core::settings::Settings;

use self::network::Network;
use super::action::{Action, Disk, Operation, Watch};
use super::error::DirectedError;
use super::happening::{Happening, Look};
use super::node::Node;
use super::watches::{WatchId, Watches};
use crate::checkers::{Checks, Violation};
use crate::trace::Recorder;

mod members;
mod movement;
mod network;
mod reads;
#[cfg(test)]
mod tests;
mod transfers;
mod work;

pub use movement::Reached;

/// A cluster of bare hulls in which nothing happens by itself.
///
/// Every method that makes a node take something in first lets those go on that a breakpoint has
/// stopped in the middle of their work; the others leave them where they stand.
#[derive(Debug)]
pub struct Cluster {
    nodes: BTreeMap<NodeId, Node>,
    network: Network,
    watches: Watches,
    /// What each node looks like from outside; absent while it is down.
    looks: BTreeMap<NodeId, Option<Look>>,
    /// Nodes that may have work to do, in the order in which they got it.
    unsettled: VecDeque<NodeId>,
    /// The watch that stopped everything.
    stopped_by: Option<WatchId>,
    happenings: VecDeque<Happening>,
    checks: Checks,
    violation: Option<Violation>,
    tickets: u64,
    /// The members that were asked for, by tickets that have not come back.
    changes: BTreeMap<Ticket, Members>,
    /// How much may still be done before the cluster counts as restless.
    budget: usize,
    /// Who listens.
    recorder: Option<Recorder>,
}

/// Making one, and looking at it.
impl Cluster {
    /// Nodes `1..=count` that have never run, and begin now, with default settings.
    ///
    /// # Errors
    ///
    /// There would be no nodes, or more than nine.
    pub fn of(count: u64) -> Result<Self, DirectedError> {
        Self::with(count, Settings::default())
    }

    /// The same with these settings.
    ///
    /// # Errors
    ///
    /// There would be no nodes, or more than nine; or the settings contradict each other.
    pub fn with(count: u64, settings: Settings) -> Result<Self, DirectedError> {
        Self::founded_by(count, count, settings)
    }

    /// What looks at it.
    #[cfg(test)]
    pub(crate) const fn checks(&self) -> &Checks {
        &self.checks
    }

    /// Tells a recorder what happens from now on.
    pub fn record(&mut self, recorder: &Recorder) {
        recorder.begin_directed(self.ids());
        self.recorder = Some(recorder.clone());
        for id in self.ids().collect::<Vec<_>>() {
            self.record_look(id);
        }
    }

    /// Whether a node is down, and otherwise what it looks like.
    ///
    /// # Errors
    ///
    /// There is no such node.
    pub fn look(&self, id: NodeId) -> Result<Option<Look>, DirectedError> {
        Ok(self.hull(id)?.map(Look::at))
    }

    /// A node's hull, while it runs.
    ///
    /// # Errors
    ///
    /// There is no such node.
    pub fn hull(&self, id: NodeId) -> Result<Option<&Hull>, DirectedError> {
        Ok(self.node_ref(id)?.hull.as_ref())
    }

    /// A node's name and present life.
    ///
    /// # Errors
    ///
    /// There is no such node.
    pub fn peer(&self, id: NodeId) -> Result<Peer, DirectedError> {
        Ok(self.node_ref(id)?.me)
    }

    /// The last index in a node's log, durable or not.
    ///
    /// # Errors
    ///
    /// There is no such node.
    pub fn last(&self, id: NodeId) -> Result<LogIndex, DirectedError> {
        Ok(self.node_ref(id)?.log.last_id().index)
    }

    /// The last entry on a node's disk.
    ///
    /// # Errors
    ///
    /// There is no such node.
    pub fn last_on_disk(&self, id: NodeId) -> Result<EntryId, DirectedError> {
        Ok(self.node_ref(id)?.disk.last_id())
    }

    /// A node's log, durable or not.
    ///
    /// # Errors
    ///
    /// There is no such node.
    pub fn log(&self, id: NodeId) -> Result<Vec<Chunk>, DirectedError> {
        Ok(self.node_ref(id)?.entries())
    }

    /// Whether a node is paused.
    ///
    /// # Errors
    ///
    /// There is no such node.
    pub fn is_paused(&self, id: NodeId) -> Result<bool, DirectedError> {
        Ok(self.node_ref(id)?.paused)
    }

    /// The names of all nodes.
    pub fn ids(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.nodes.keys().copied()
    }

    /// What happened since the last call, the oldest first. Of very much, the newest part.
    pub fn take_happenings(&mut self) -> Vec<Happening> {
        self.happenings.drain(..).collect()
    }

    /// The property that was found violated, if one was. Messages that were made up or corrupted
    /// can do that to a correct cluster: Raft trusts its members.
    pub const fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }
}

/// What can be done.
impl Cluster {
    /// Does one thing, given as a value.
    ///
    /// # Errors
    ///
    /// Those of the method that the action stands for.
    pub fn perform(&mut self, action: Action) -> Result<(), DirectedError> {
        if let Action::Go(movement) = action {
            return self.go(&movement).map(|_| ());
        }
        self.begin();
        if is_input(&action) {
            self.settle()?;
        }
        let input = is_input(&action);
        self.act(action)?;
        if input { self.settle() } else { self.finish() }
    }

    /// Nobody has heard from a leader for longer than any timeout, and `node` is the first to act:
    /// all other clocks go on by three seconds, and its own to its next deadline, which passes.
    ///
    /// # Errors
    ///
    /// As [`Cluster::time_out`].
    pub fn campaign(&mut self, node: NodeId) -> Result<(), DirectedError> {
        self.perform(Action::Campaign(node))
    }

    /// A node's clock goes on to its next deadline, which passes.
    ///
    /// # Errors
    ///
    /// There is no such node, it is down or paused, or it waits for nothing.
    pub fn time_out(&mut self, node: NodeId) -> Result<(), DirectedError> {
        self.perform(Action::TimeOut(node))
    }

    /// A node notices that its connection from another was lost. What is under way stays so.
    ///
    /// # Errors
    ///
    /// There is no such node, or it is down or paused.
    pub fn disconnect(&mut self, node: NodeId, from: NodeId) -> Result<(), DirectedError> {
        self.perform(Action::Disconnect { node, from })
    }

    /// A clock, or all, go on by this, and nobody looks at them.
    ///
    /// # Errors
    ///
    /// There is no such node.
    pub fn wait(&mut self, span: Duration, node: Option<NodeId>) -> Result<(), DirectedError> {
        self.perform(Action::Wait(span, node))
    }

    /// Proposes commands on a node, in one batch.
    ///
    /// # Errors
    ///
    /// There is no such node, it is down or paused, or the commands don't fit one batch. (That it
    /// does not lead is no error: it refuses.)
    pub fn propose<C: Into<Bytes>>(
        &mut self,
        node: NodeId,
        commands: impl IntoIterator<Item = C>,
    ) -> Result<(), DirectedError> {
        let commands = commands.into_iter().map(Into::into).collect();
        self.perform(Action::Propose(node, commands))
    }

    /// Groups of nodes can't reach each other: what crosses is lost when it should arrive. Nodes
    /// in no group are a group. Replaces an earlier partition.
    ///
    /// # Errors
    ///
    /// There is no such node, or it stands in two groups.
    pub fn partition(
        &mut self,
        groups: impl IntoIterator<Item = BTreeSet<NodeId>>,
    ) -> Result<(), DirectedError> {
        self.perform(Action::Partition(groups.into_iter().collect()))
    }

    /// Ends the partition and mends all links.
    pub fn heal(&mut self) {
        self.network.heal();
        self.tell_links();
    }

    /// A node takes nothing in and does nothing: no message arrives, no deadline passes, though
    /// its clock and its disk go on.
    ///
    /// # Errors
    ///
    /// There is no such node, or it is down or paused already.
    pub fn pause(&mut self, node: NodeId) -> Result<(), DirectedError> {
        self.perform(Action::Pause(node))
    }

    /// A paused node goes on.
    ///
    /// # Errors
    ///
    /// There is no such node, or it is not paused.
    pub fn resume(&mut self, node: NodeId) -> Result<(), DirectedError> {
        self.perform(Action::Resume(node))
    }

    /// A node's disk makes nothing durable any more.
    ///
    /// # Errors
    ///
    /// There is no such node.
    pub fn stall(&mut self, node: NodeId) -> Result<(), DirectedError> {
        self.perform(Action::Stall(node))
    }

    /// What was written so far becomes durable on a stalled disk.
    ///
    /// # Errors
    ///
    /// There is no such node.
    pub fn sync(&mut self, node: NodeId) -> Result<(), DirectedError> {
        self.perform(Action::Sync(node))
    }

    /// A stalled disk works again.
    ///
    /// # Errors
    ///
    /// There is no such node.
    pub fn unstall(&mut self, node: NodeId) -> Result<(), DirectedError> {
        self.perform(Action::Unstall(node))
    }

    /// The next operation of a node's disk fails with this.
    ///
    /// # Errors
    ///
    /// There is no such node, or it is down.
    pub fn fail(
        &mut self,
        node: NodeId,
        operation: Operation,
        error: LogError,
    ) -> Result<(), DirectedError> {
        self.perform(Action::Fail(node, operation, error))
    }

    /// A node stops at once, and leaves this much on its disk.
    ///
    /// # Errors
    ///
    /// There is no such node, or it is down.
    pub fn crash(&mut self, node: NodeId, disk: Disk) -> Result<(), DirectedError> {
        self.perform(Action::Crash(node, disk))
    }

    /// A node that is down begins again with what is on its disk.
    ///
    /// # Errors
    ///
    /// There is no such node, it is running, or its hull can't be opened.
    pub fn restart(&mut self, node: NodeId) -> Result<(), DirectedError> {
        self.perform(Action::Restart(node))
    }

    /// Arms a trigger. What fires at once by what is so already is done before this returns.
    ///
    /// # Errors
    ///
    /// Too much is watched, the trigger is too deep, or one of its actions takes time.
    pub fn watch(&mut self, watch: Watch) -> Result<WatchId, DirectedError> {
        self.begin();
        let id = self.arm(watch)?;
        self.finish()?;
        Ok(id)
    }

    /// Waits no longer for a trigger.
    ///
    /// # Errors
    ///
    /// There is no such watch, or it has fired.
    pub fn forget(&mut self, watch: WatchId) -> Result<(), DirectedError> {
        self.perform(Action::Forget(watch))
    }

    /// What is watched for: each watch, and what is still waited for.
    pub fn watches(&self) -> impl Iterator<Item = (WatchId, &Watch, &super::Trigger)> {
        self.watches.armed()
    }

    fn act(&mut self, action: Action) -> Result<(), DirectedError> {
        match action {
            Action::Campaign(id) => {
                self.node(id)?;
                self.pass(LONG, |other| other != id);
                return self.let_time_out(id);
            }
            Action::TimeOut(id) => return self.let_time_out(id),
            Action::Disconnect { node, from } => {
                return self.input(node, Input::ConnectionLost(from));
            }
            Action::Wait(span, Some(id)) => {
                self.node(id)?;
                self.pass(span, |other| other == id);
            }
            Action::Wait(span, None) => self.pass(span, |_| true),
            Action::Propose(id, commands) => {
                let first = self.tickets;
                self.node(id)?.propose(first, &commands)?;
                self.tickets += commands.len() as u64;
                self.stepped(id);
            }
            Action::Read(id) => return self.begin_read(id),
            Action::TakeSnapshot(id) => return self.input(id, Input::TakeSnapshot),
            Action::HandOver(id, to) => return self.begin_to_hand_over(id, to),
            Action::CancelChange(id) => return self.begin_cancel(id),
            Action::Reconfigure {
                node,
                voters,
                learners,
            } => return self.begin_change(node, &voters, &learners),
            Action::Lose(which) => return self.lose_now(&which),
            Action::Double(which) => return self.network.double(&which),
            Action::Corrupt(which, changes) => return self.network.corrupt(&which, &changes),
            Action::Inject(message) => return self.network.send(message),
            Action::Forge(link, kind, changes) => return self.forge_now(link, kind, &changes),
            Action::Hold(pattern) => self.network.hold(pattern)?,
            Action::Release(pattern) => self.network.release(&pattern)?,
            Action::Partition(groups) => return self.part(groups),
            Action::Heal => self.heal(),
            Action::Cut(link) => {
                self.node(link.from)?;
                self.node(link.to)?;
                self.network.cut(link);
                self.tell_links();
            }
            Action::Mend(link) => {
                self.network.mend(link);
                self.tell_links();
            }
            Action::Watch(watch) => return self.arm(watch).map(|_| ()),
            Action::Forget(id) => return self.disarm(id),
            Action::Go(_) => return Err(DirectedError::NotInside),
            of_node => return self.act_on_node(of_node),
        }
        Ok(())
    }

    /// What a node, or its disk, is made to do.
    fn act_on_node(&mut self, action: Action) -> Result<(), DirectedError> {
        match action {
            Action::Pause(node) => {
                if self.running(node)?.paused {
                    return Err(DirectedError::Paused { node });
                }
                self.node(node)?.paused = true;
                let paused = true;
                self.note(Happening::Paused { node, paused });
            }
            Action::Resume(node) => {
                let what = "not paused";
                if !std::mem::take(&mut self.running(node)?.paused) {
                    return Err(DirectedError::Running { node, what });
                }
                let paused = false;
                self.note(Happening::Paused { node, paused });
                self.stepped(node);
            }
            Action::Stall(id) => self.node(id)?.stalled = true,
            Action::Sync(id) => {
                self.node(id)?.sync()?;
                self.stepped(id);
            }
            Action::Unstall(id) => {
                self.node(id)?.stalled = false;
                self.node(id)?.sync()?;
                self.stepped(id);
            }
            Action::Fail(id, Operation::Write, error) => {
                self.running(id)?.failing_write = Some(error);
            }
            Action::Fail(id, Operation::Load, error) => {
                self.running(id)?.failing_load = Some(error);
            }
            Action::Crash(id, disk) => {
                let paused = self.node(id)?.paused;
                self.node(id)?.crash(disk)?;
                if paused {
                    let paused = false;
                    self.note(Happening::Paused { node: id, paused });
                }
                self.checks.stopped(id);
                self.compare(id);
            }
            Action::Restart(id) => {
                let incarnation = self.node(id)?.me.incarnation;
                if self.node(id)?.hull.is_none() {
                    self.checks.starting(id, incarnation);
                }
                self.node(id)?.open()?;
                self.stepped(id);
            }
            _ => {}
        }
        Ok(())
    }

    fn let_time_out(&mut self, id: NodeId) -> Result<(), DirectedError> {
        self.node(id)?.time_out()?;
        self.stepped(id);
        Ok(())
    }

    fn input(&mut self, id: NodeId, input: Input) -> Result<(), DirectedError> {
        self.node(id)?.step(input)?;
        self.stepped(id);
        Ok(())
    }

    fn pass(&mut self, span: Duration, whose: impl Fn(NodeId) -> bool) {
        for (id, node) in &mut self.nodes {
            if whose(*id) {
                node.now = node.now.after(span);
            }
        }
    }

    fn part(&mut self, groups: Vec<BTreeSet<NodeId>>) -> Result<(), DirectedError> {
        let mut seen = BTreeSet::new();
        for node in groups.iter().flatten().copied() {
            self.node(node)?;
            if !seen.insert(node) {
                return Err(DirectedError::InTwoGroups { node });
            }
        }
        self.network.partition(groups);
        self.tell_links();
        Ok(())
    }

    fn tell_links(&mut self) {
        let ids: Vec<NodeId> = self.ids().collect();
        let lost = self.network.lost_links(&ids);
        self.note(Happening::LinksLost(lost));
    }

    fn disarm(&mut self, id: WatchId) -> Result<(), DirectedError> {
        let number = id.get();
        let forgotten = self.watches.forget(id);
        forgotten
            .map(|_| ())
            .ok_or(DirectedError::NoSuchWatch { number })
    }

    fn node(&mut self, node: NodeId) -> Result<&mut Node, DirectedError> {
        self.nodes
            .get_mut(&node)
            .ok_or(DirectedError::NoSuchNode { node })
    }

    fn running(&mut self, id: NodeId) -> Result<&mut Node, DirectedError> {
        let node = self.node(id)?;
        if node.hull.is_none() {
            let what = "down";
            return Err(DirectedError::Running { node: id, what });
        }
        Ok(node)
    }

    fn node_ref(&self, node: NodeId) -> Result<&Node, DirectedError> {
        self.nodes
            .get(&node)
            .ok_or(DirectedError::NoSuchNode { node })
    }
}

/// Whether an action gives a node something to do.
const fn is_input(action: &Action) -> bool {
    matches!(
        action,
        Action::Campaign(_)
            | Action::TimeOut(_)
            | Action::Disconnect { .. }
            | Action::Propose(..)
            | Action::Read(_)
            | Action::TakeSnapshot(_)
            | Action::HandOver(..)
            | Action::Reconfigure { .. }
            | Action::CancelChange(_)
            | Action::Resume(_)
            | Action::Sync(_)
            | Action::Unstall(_)
            | Action::Restart(_)
    )
}

/// More nodes make no story.
const MAX_NODES: u64 = 9;
/// Pieces of work by one call before a cluster counts as restless.
const MAX_WORK: usize = 200_000;
/// Longer than any timeout that a node with default settings draws.
const LONG: Duration = Duration::from_secs(3);
