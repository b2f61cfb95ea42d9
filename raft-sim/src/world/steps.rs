//! Polling nodes, and what one step of a node means for the world: what the checks say, which
//! occasions it gives to faults, what to do when a process ends by itself.

use raft_core::error::Fault as HullFault;
use raft_core::hull::Hull;
use raft_core::ids::LogIndex;
use raft_core::log::LogError;
use raft_core::states::Role;
use raft_node::clock::Clock as _;
use raft_node::error::{Exit, NodeFault};
use raft_node::genesis::GenesisFault;
use raft_node::state_machine::StateError;

use super::World;
use super::event::Event;
use crate::checkers::{Newcomer, Violation, property};
use crate::lot::Key;
use crate::markers::Marker;
use crate::nemesis::{Loss, Occasion};
use crate::network::node_id;
use crate::node_log::NotOpened;
use crate::panics::caught;
use crate::process::{Glimpse, Node, Polled};
use crate::subject::Subject;

impl<S: Subject> World<'_, S> {
    /// Polls a node that was woken, unless it is paused or slow.
    pub(super) fn poll_node(&mut self, number: usize) -> Result<(), Violation> {
        let Some(node) = self.nodes.get_mut(number) else {
            return Ok(());
        };
        if node.pauses > 0 {
            node.woken = true;
            return Ok(());
        }
        if let Some((_, by)) = node.slow {
            if !node.reacting {
                node.reacting = true;
                node.reactions += 1;
                let name = [node.key, node.reactions];
                let delay = Key::Slow
                    .lot(self.plan.seed, &name)
                    .span(std::time::Duration::ZERO, by);
                self.schedule.after(delay, Event::React { node: number });
            }
            return Ok(());
        }
        self.react(number)
    }

    /// A slow node's time to react has come.
    pub(super) fn react_late(&mut self, number: usize) -> Result<(), Violation> {
        let Some(node) = self.nodes.get_mut(number) else {
            return Ok(());
        };
        node.reacting = false;
        if node.pauses > 0 {
            node.woken = true;
            return Ok(());
        }
        self.react(number)
    }

    fn react(&mut self, number: usize) -> Result<(), Violation> {
        let Some(node) = self.nodes.get_mut(number) else {
            return Ok(());
        };
        if !node.is_up() {
            return Ok(());
        }
        let (subject, plan) = (&self.subject, &self.plan);
        self.witness.set_time(self.schedule.now());
        let polled = caught(|| node.poll(plan, subject, &self.witness));
        self.check_machines()?;
        match polled {
            Ok(Polled::Waits) => self.observe(number),
            Ok(Polled::Ended(exit)) => {
                self.observe(number)?;
                // The last that can be heard of it.
                self.ask(number)?;
                self.ended(number, &exit)
            }
            Ok(Polled::NotOpened(error)) => {
                self.observe(number)?;
                self.not_opened(number, &error)
            }
            Ok(Polled::NotStarted(error)) => {
                let text = format!("node {} did not start: {error}", number + 1);
                Err(self.violation(property::NO_PANIC, text))
            }
            Err(panic) => {
                let text = format!("node {} panicked: {panic}", number + 1);
                Err(self.violation(property::NO_PANIC, text))
            }
        }
    }

    /// Looks at a node after a poll.
    fn observe(&mut self, number: usize) -> Result<(), Violation> {
        self.record_step(number);
        let now = self.schedule.now();
        let Some(node) = self.nodes.get_mut(number) else {
            return Ok(());
        };
        let local = node.clock.now();
        let refused = node
            .status()
            .map_or(0, |status| status.rejected.other_cluster);
        let before = std::mem::replace(&mut node.others_refused, refused);
        let more = refused.saturating_sub(before);
        self.checks.mark_times(Marker::OtherClusterRefused, more);
        if node.me.is_none() {
            node.me = node.status().and_then(|status| status.me);
        }
        self.checks.after_step(now, local, node.id(), node.hull())?;
        self.hear_operator()?;
        let Some(node) = self.nodes.get_mut(number) else {
            return Ok(());
        };
        let before = node.glimpse;
        let after = node.look();
        if before == after {
            return Ok(());
        }
        node.glimpse = after;
        let Some(after) = after else {
            return Ok(());
        };
        if after.role == Role::Leader {
            node.led = after.term;
        }
        if before.is_none() {
            self.opened_a_hull(number)?;
        }
        if before.is_some_and(|before| before.in_repair) && !after.in_repair {
            self.is_whole(number);
        }
        self.fold(after.term.get() << 32 | after.commit.get());
        self.fold(after.last.get() << 32 | after.applied.get());
        let elected =
            after.role == Role::Leader && before.is_none_or(|before| before.role != Role::Leader);
        self.counters.elections += u64::from(elected);
        if elected {
            self.mark_leader_of_others(number);
        }
        if self.trace.is_some() {
            self.tell(Some(number), format_args!("is {after}"));
        }
        if !self.armed.is_empty() {
            self.give_occasions(number, before, after);
        }
        Ok(())
    }

    fn mark_leader_of_others(&mut self, number: usize) {
        let settings = |node: &Node<S::Machine>| node.hull().map(Hull::settings).copied();
        let own = self.nodes.get(number).and_then(settings);
        let mut others = self.nodes.iter().filter_map(settings);
        if self.plan.tuning.differ && others.any(|other| Some(&other) != own.as_ref()) {
            self.checks.mark(Marker::LeaderSetOtherwise);
        }
    }

    /// A node has a hull: its cluster is founded, and it takes itself for one of its members.
    fn opened_a_hull(&mut self, number: usize) -> Result<(), Violation> {
        let now = self.schedule.now();
        let Some(node) = self.nodes.get_mut(number) else {
            return Ok(());
        };
        let had_one = std::mem::replace(&mut node.founded, true);
        let anew = std::mem::take(&mut node.wiped);
        let damaged = node.is_in_repair();
        let cluster = node.status().and_then(|status| status.cluster);
        if let (Some(hull), Some(cluster)) = (node.hull(), cluster) {
            let joins = node.joins(&self.plan);
            let newcomer = Newcomer {
                life: node.life(),
                cluster,
                joins,
            };
            self.checks.has_hull(now, newcomer, hull)?;
            if joins && !had_one {
                self.checks.mark(Marker::NodeJoined);
            }
        }
        let joins = self
            .nodes
            .get(number)
            .is_some_and(|node| node.joins(&self.plan));
        let witness = self.plan.is_witness(number);
        if witness && joins && (anew || !had_one) {
            self.checks.mark(Marker::WitnessJoined);
        }
        if witness && damaged {
            self.checks.mark(Marker::WitnessDamaged);
        }
        if had_one && !anew && self.plan.keeps_in_memory(number) {
            self.checks.mark(Marker::KeptInMemory);
        }
        match (anew, joins) {
            (true, true) => self.checks.mark(Marker::WipedJoined),
            (true, false) => self.checks.mark(Marker::WipedFounds),
            (false, _) => {}
        }
        if damaged {
            self.checks.mark(Marker::DamageFound);
            if !self.nodes.get(number).is_some_and(|node| node.spoiled) {
                let text = format!("node {}, whose disk is whole, says it is not", number + 1);
                return Err(self.violation(property::DURABILITY, text));
            }
            let own = self.checks.model().node(node_id(number));
            let nothing = own.is_some_and(|own| own.durable.last_index() == LogIndex::ZERO);
            if self.lost_its_snapshot(number) {
                self.checks.mark(Marker::SnapshotRotten);
            } else if nothing {
                self.checks.mark(Marker::LogGivenUp);
            }
        }
        Ok(())
    }

    /// A node holds as much again as before its disk was damaged: another one may be damaged now.
    fn is_whole(&mut self, number: usize) {
        self.checks.mark(Marker::Repaired);
        if self.plan.founders > 0 {
            self.checks.mark(Marker::RepairedAmongChanges);
        }
        if self.lost_its_snapshot(number) && self.begins_after(number) > LogIndex::ZERO {
            self.checks.mark(Marker::SnapshotFetched);
        }
        if let Some(node) = self.nodes.get_mut(number) {
            node.spoiled = false;
            self.checks.rotten(node.id(), false);
        }
    }

    /// Whether a node came back without the snapshot that its log began after.
    fn lost_its_snapshot(&self, number: usize) -> bool {
        let own = self.checks.model().node(node_id(number));
        own.is_some_and(|own| own.lost_snapshot)
    }

    /// The last entry that a snapshot stands for in a node's log.
    fn begins_after(&self, number: usize) -> LogIndex {
        let own = self.checks.model().node(node_id(number));
        own.map_or(LogIndex::ZERO, |own| own.durable.base.index)
    }

    /// Lets faults strike that waited for what this step did.
    fn give_occasions(&mut self, number: usize, before: Option<Glimpse>, after: Glimpse) {
        let hull = self.nodes.get(number).and_then(Node::hull);
        let replaced = before.is_some_and(|before| {
            let there = |hull: &Hull| {
                let term = hull.term_at(before.last);
                term.is_none_or(|term| term == before.last_term) && before.last <= after.last
            };
            // What a snapshot took the place of was not replaced entry by entry.
            hull.is_some_and(|hull| hull.forgotten().index < before.last && !there(hull))
        });
        self.give(number, |occasion| match occasion {
            Occasion::Replaced => replaced,
            occasion => gives(occasion, before, after),
        });
    }

    /// Lets faults strike that waited for any of these occasions, of which a node gives some.
    pub(super) fn give(&mut self, number: usize, given: impl Fn(Occasion) -> bool) {
        let now = self.schedule.now();
        let plan = self.plan.clone();
        let schedule = self.schedule.clone();
        self.armed.retain(|&place| {
            let Some(fault) = plan.faults.get(place) else {
                return false;
            };
            let patience = fault.at + crate::nemesis::PATIENCE;
            if now.as_nanos() > crate::lot::nanos(patience) {
                return false;
            }
            let given = given(fault.occasion);
            if given {
                let cause = Some(number);
                schedule.after(
                    fault.delay,
                    Event::Strike {
                        fault: place,
                        cause,
                    },
                );
            }
            !given
        });
    }

    /// A process ended by itself.
    fn ended(&mut self, number: usize, exit: &Exit) -> Result<(), Violation> {
        if let Exit::Fault(NodeFault::Genesis(fault)) = exit {
            return self.is_no_founder(number, fault);
        }
        let error = match exit {
            Exit::Fault(NodeFault::Restore(error @ StateError::Unreadable)) => {
                return self.not_restored(number, &error.to_string());
            }
            Exit::Fault(NodeFault::Log(error) | NodeFault::Hull(HullFault::Log(error))) => error,
            Exit::Shutdown
            | Exit::Fault(
                NodeFault::Hull(HullFault::Invariant(_))
                | NodeFault::Open(_)
                | NodeFault::Genesis(_)
                | NodeFault::Apply(_)
                | NodeFault::Restore(
                    StateError::Codec(_)
                    | StateError::Length
                    | StateError::UnknownVersion { .. }
                    | StateError::Damaged
                    | StateError::Machine(_),
                ),
            ) => {
                let text = match exit {
                    Exit::Shutdown => format!("{} ended as if it was asked to", node_id(number)),
                    Exit::Fault(fault) => format!("{} ended: {fault}", node_id(number)),
                };
                return Err(self.violation(property::NO_PANIC, text));
            }
        };
        self.tell(Some(number), format_args!("ends: {error}"));
        self.record_note(Some(number), format_args!("ends: {error}"));
        match error {
            LogError::Storage { .. } | LogError::Full { .. } => {
                self.broke_down(number, &error.to_string())
            }
            LogError::Corrupt { .. } => self.refuses(number, &error.to_string()),
            LogError::Compacted { .. } | LogError::Impossible { .. } => {
                let text = format!("node {} ended: {error}", number + 1);
                Err(self.violation(property::NO_PANIC, text))
            }
        }
    }

    /// A node found that it is no founder of the cluster that there is. It may, if its disk was
    /// lost. Where one was lost before the founding was done, founders may also keep different
    /// records, none of which is everyone's. Such nodes wait for whoever operates them.
    fn is_no_founder(&mut self, number: usize, fault: &GenesisFault) -> Result<(), Violation> {
        // Who joins waits for whoever adds it.
        let node = self.nodes.get(number);
        let wiped = node.is_some_and(|node| node.wiped && !node.joins(&self.plan));
        match fault {
            GenesisFault::Wiped { .. } if wiped => self.checks.mark(Marker::WipedRefused),
            GenesisFault::RecordsDiffer { .. } if self.early_wipe => {}
            _ => {
                let text = format!("node {}, whose disk is its own, ended: {fault}", number + 1);
                return Err(self.violation(property::ONE_CLUSTER, text));
            }
        }
        self.tell(Some(number), format_args!("ends: {fault}"));
        self.record_note(Some(number), format_args!("ends: {fault}"));
        self.take_down(number, Loss::All)?;
        self.counters.lost_nodes += 1;
        if let Some(node) = self.nodes.get_mut(number) {
            node.give_up();
        }
        Ok(())
    }

    /// A node could not read the snapshot that it is to go on from. Where a bit of its disk was
    /// flipped, no other try does better.
    fn not_restored(&mut self, number: usize, why: &str) -> Result<(), Violation> {
        self.tell(Some(number), format_args!("ends: {why}"));
        self.record_note(Some(number), format_args!("ends: {why}"));
        match self.nodes.get(number).is_some_and(|node| node.spoiled) {
            true => self.refuses(number, why),
            false => self.broke_down(number, why),
        }
    }

    /// A log could not be opened.
    fn not_opened(&mut self, number: usize, error: &NotOpened) -> Result<(), Violation> {
        self.tell(Some(number), format_args!("can't open its log: {error}"));
        self.record_note(Some(number), format_args!("can't open its log: {error}"));
        match error {
            NotOpened::DiskFailed(why) => self.broke_down(number, why),
            NotOpened::Refused(why) => self.refuses(number, why),
        }
    }

    /// A disk failed: the machine is started again after a rest. What it held in memory of its
    /// disk is lost with it, because after a failed sync nobody can say what it is worth.
    fn broke_down(&mut self, number: usize, why: &str) -> Result<(), Violation> {
        let node = self.nodes.get(number);
        let rest = node.map_or_else(Default::default, |node| node.rest);
        if !node.is_some_and(|node| node.failing) {
            let text = format!("node {} ended without a planned failure: {why}", number + 1);
            return Err(self.violation(property::NO_PANIC, text));
        }
        self.take_down(number, Loss::Torn)?;
        self.start_after(number, rest);
        Ok(())
    }

    /// A node found its disk damaged. It may, if a bit of it was flipped; it stays down then.
    fn refuses(&mut self, number: usize, why: &str) -> Result<(), Violation> {
        let spoiled = self.nodes.get(number).is_some_and(|node| node.spoiled);
        if !spoiled {
            let text = format!("node {}, whose disk is whole, refuses: {why}", number + 1);
            return Err(self.violation(property::DURABILITY, text));
        }
        self.take_down(number, Loss::All)?;
        self.counters.lost_nodes += 1;
        if let Some(node) = self.nodes.get_mut(number) {
            node.give_up();
        }
        Ok(())
    }
}

/// Whether a step from one glimpse to the next is this occasion.
fn gives(occasion: Occasion, before: Option<Glimpse>, after: Glimpse) -> bool {
    let Some(before) = before else {
        return occasion == Occasion::Restarted;
    };
    match occasion {
        Occasion::None => true,
        // Whether entries were replaced, only the log tells.
        Occasion::Restarted | Occasion::Replaced | Occasion::Opening => false,
        Occasion::TermRaised => after.term > before.term,
        Occasion::Voted => {
            after.role == Role::Follower && after.vote.is_some() && after.vote != before.vote
        }
        Occasion::Campaign => after.role == Role::Candidate && before.role != Role::Candidate,
        Occasion::Elected => after.role == Role::Leader && before.role != Role::Leader,
        Occasion::Proposed => {
            after.role == Role::Leader && before.role == Role::Leader && after.last > before.last
        }
        Occasion::Committed => after.commit > before.commit,
    }
}
