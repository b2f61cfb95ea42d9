//! What faults do to a world, and how they end.

use std::time::Duration;

use raft_node::frame::FORMAT_VERSION;

use super::World;
use super::event::Event;
use crate::checkers::Violation;
use crate::lot::Key;
use crate::markers::Marker;
use crate::nemesis::{Fault, FaultPlan, Loss, Occasion};
use crate::network::node_id;
use crate::subject::Subject;
use crate::trace::What;

impl<S: Subject> World<'_, S> {
    /// A fault begins to wait for its occasion.
    pub(super) fn arm(&mut self, place: usize) -> Result<(), Violation> {
        if self.healing.is_some() {
            return Ok(());
        }
        match self.plan.faults.get(place).map(|fault| fault.occasion) {
            None => Ok(()),
            Some(Occasion::None) => self.strike(place, None),
            Some(_) => {
                self.armed.push(place);
                Ok(())
            }
        }
    }

    /// A fault strikes.
    pub(super) fn strike(&mut self, place: usize, cause: Option<usize>) -> Result<(), Violation> {
        let plan = self.plan.clone();
        let Some(planned) = plan.faults.get(place) else {
            return Ok(());
        };
        if self.healing.is_some() {
            return Ok(());
        }
        self.counters.faults += 1;
        let fault = planned.fault;
        if self.trace.is_some() {
            let text = fault.in_words(self.nodes.len());
            self.tell(cause, format_args!("fault {place}: {text}"));
        }
        match fault {
            Fault::Blackout { loss, down } => {
                self.record_fault(place, None, &fault);
                for node in 0..self.nodes.len() {
                    let name = [u64::from(planned.number), plan.key_of(node)];
                    let lag = Key::Blackout
                        .lot(plan.seed, &name)
                        .span(Duration::ZERO, down / 2);
                    self.crash(node, loss, down + lag, false)?;
                }
                Ok(())
            }
            Fault::Cut { .. }
            | Fault::Gag { .. }
            | Fault::Storm { .. }
            | Fault::Namesake { .. } => {
                self.strike_network(place, *planned, cause);
                Ok(())
            }
            Fault::Crash { target, .. }
            | Fault::Wipe { target, .. }
            | Fault::OtherBuild { target, .. }
            | Fault::Pause { target, .. }
            | Fault::Slow { target, .. }
            | Fault::Stall { target, .. }
            | Fault::DiskError { target, .. }
            | Fault::Jump { target, .. }
            | Fault::Rate { target, .. }
            | Fault::HandOver { target, .. }
            | Fault::Reconfigure { target, .. }
            | Fault::CancelChange { target }
            | Fault::FalseLoss { target } => {
                self.strike_node(place, fault, self.victim(target, cause))
            }
        }
    }

    /// A fault strikes the network.
    fn strike_network(&self, place: usize, planned: FaultPlan, cause: Option<usize>) {
        let FaultPlan { number, fault, .. } = planned;
        let lasts = match fault {
            Fault::Cut {
                shape,
                lasts,
                held,
                flap,
            } => {
                let links = self.links(shape, cause);
                self.record_cut(place, None, &fault, links);
                self.network.cut(number, links, held, flap);
                lasts
            }
            Fault::Gag {
                target,
                kind,
                lasts,
            } => {
                let node = target.map(|target| self.victim(target, cause));
                self.record_fault(place, node, &fault);
                self.network.gag(number, node, usize::from(kind));
                lasts
            }
            Fault::Storm {
                drop_per_mille,
                late,
                lasts,
            } => {
                self.record_fault(place, None, &fault);
                self.network.storm(number, drop_per_mille, late);
                lasts
            }
            Fault::Namesake {
                per_mille,
                copied,
                lasts,
            } => {
                self.record_fault(place, None, &fault);
                self.network.meet_namesake(number, per_mille, copied);
                lasts
            }
            _ => return,
        };
        self.over_after(lasts, place, None);
    }

    /// A fault strikes one node.
    fn strike_node(&mut self, place: usize, fault: Fault, number: usize) -> Result<(), Violation> {
        let now = self.schedule.now();
        self.record_fault(place, Some(number), &fault);
        let Some(node) = self.nodes.get_mut(number) else {
            return Ok(());
        };
        match fault {
            Fault::Crash {
                loss, down, rot, ..
            } => return self.crash(number, loss, down, rot),
            Fault::Wipe { down, beyond, .. } => {
                self.crash(number, Loss::All, down, false)?;
                self.wipe(number, beyond);
            }
            Fault::OtherBuild {
                newer, down, lasts, ..
            } => {
                let version = match newer {
                    true => FORMAT_VERSION + 1,
                    false => FORMAT_VERSION - 1,
                };
                node.build = Some((place, version));
                self.over_after(lasts, place, Some(number));
                return self.crash(number, Loss::Process, down, false);
            }
            Fault::Pause { lasts, .. } => {
                node.pauses += 1;
                self.over_after(lasts, place, Some(number));
            }
            Fault::Slow { lasts, by, .. } => {
                node.slow = Some((place, by));
                self.over_after(lasts, place, Some(number));
            }
            Fault::Stall { lasts, .. } => node.disk.stall(now.after(lasts)),
            Fault::DiskError { kind, down, .. } => {
                node.rest = down;
                node.failing = true;
                node.disk.fail_next(kind);
            }
            Fault::Jump { by, .. } => node.clock.jump(by),
            Fault::Rate {
                per_mille, lasts, ..
            } => {
                node.racing = Some(place);
                node.clock.run_at(per_mille);
                self.over_after(lasts, place, Some(number));
            }
            Fault::FalseLoss { .. } => self.network.tell_lost(number),
            Fault::HandOver { to, .. } => self.ask_to_hand_over(number, to),
            Fault::Reconfigure {
                voters, learners, ..
            } => self.ask_for_members(number, voters, learners),
            Fault::CancelChange { .. } => self.ask_to_cancel(number),
            Fault::Blackout { .. }
            | Fault::Cut { .. }
            | Fault::Gag { .. }
            | Fault::Storm { .. }
            | Fault::Namesake { .. } => {}
        }
        Ok(())
    }

    /// A node is asked to hand over leadership. Nobody waits for what becomes of it.
    fn ask_to_hand_over(&mut self, number: usize, to: Option<u8>) {
        let others = self.nodes.len().saturating_sub(1);
        let to = to.filter(|_| others > 0).map(|to| {
            let ahead = 1 + usize::from(to) % others;
            node_id((number + ahead) % self.nodes.len())
        });
        if let Some(handle) = self.nodes.get(number).and_then(super::Node::handle) {
            drop(handle.hand_over(to));
            self.checks.asked_to_hand_over(node_id(number));
        }
    }

    /// A fault that lasted is over.
    pub(super) fn over(&mut self, place: usize, number: Option<usize>) -> Result<(), Violation> {
        if self.healing.is_some() {
            return Ok(());
        }
        self.tell(number, format_args!("fault {place} is over"));
        self.record(number, || What::Over {
            fault: place as u64,
        });
        let planned = self.plan.faults.get(place).copied();
        if let Some(planned) = planned {
            self.network.restore(planned.number);
        }
        let fault = planned.map(|planned| planned.fault);
        let Some((number, node)) =
            number.and_then(|number| Some((number, self.nodes.get_mut(number)?)))
        else {
            return Ok(());
        };
        match fault {
            Some(Fault::OtherBuild { down, .. })
                if node.build.is_some_and(|(by, _)| by == place) =>
            {
                node.build = None;
                return self.crash(number, Loss::Process, down, false);
            }
            Some(Fault::Pause { .. }) => node.resume(),
            Some(Fault::Slow { .. }) if node.slow.is_some_and(|(by, _)| by == place) => {
                node.slow = None;
            }
            Some(Fault::Rate { .. }) if node.racing == Some(place) => {
                node.racing = None;
                node.clock.run_as_planned();
            }
            _ => {}
        }
        Ok(())
    }

    /// Takes a node's process down and lets it start again later.
    fn crash(
        &mut self,
        number: usize,
        loss: Loss,
        down: Duration,
        rot: bool,
    ) -> Result<(), Violation> {
        if !self.nodes.get(number).is_some_and(super::Node::is_up) {
            return Ok(());
        }
        let mends = |node: &super::Node<S::Machine>| node.spoiled && node.hull().is_none();
        if self.nodes.get(number).is_some_and(mends) {
            self.checks.mark(Marker::CrashedMending);
        }
        self.take_down(number, loss)?;
        if rot {
            self.rot(number);
        }
        self.start_after(number, down);
        Ok(())
    }

    /// Takes a node's process down.
    pub(super) fn take_down(&mut self, number: usize, loss: Loss) -> Result<(), Violation> {
        let Some(node) = self.nodes.get_mut(number) else {
            return Ok(());
        };
        self.checks.stopped(node.id());
        node.stop(&self.network);
        let name = [node.key, u64::from(node.downs)];
        let lost_some = node
            .disk
            .crash(loss, &mut Key::Crash.lot(self.plan.seed, &name));
        self.counters.crashes += 1;
        if self.nodes.iter().all(|node| !node.is_up()) {
            self.checks.mark(Marker::AllDown);
        }
        self.counters.unsynced_crashes += u64::from(lost_some);
        self.fold(u64::from(lost_some));
        let why = what_is_left(loss, lost_some);
        self.tell(Some(number), format_args!("{why}"));
        self.record(Some(number), || What::Stopped {
            why: why.to_owned(),
        });
        self.desert(number)
    }

    pub(super) fn start_after(&self, node: usize, down: Duration) {
        if let Some(known) = self.nodes.get(node) {
            let downs = known.downs;
            self.schedule.after(down, Event::Start { node, downs });
        }
    }

    /// Flips a bit of a node's disk, where the atlas allows it: every node must know its cluster,
    /// and the damaged ones must stay a minority, so that a majority has everything.
    fn rot(&mut self, number: usize) {
        if !self.may_be_damaged(number) {
            return;
        }
        let Some(node) = self.nodes.get_mut(number) else {
            return;
        };
        let name = [node.key, u64::from(node.downs)];
        if node
            .disk
            .rot(node.groups, &mut Key::Rot.lot(self.plan.seed, &name))
        {
            node.spoiled = true;
            self.checks.rotten(node.id(), true);
            self.tell(Some(number), format_args!("has a bit of its disk flipped"));
            self.record_note(Some(number), format_args!("has a bit of its disk flipped"));
        }
    }

    /// Takes away all that a node's disk holds, where the atlas allows it. Beyond what it allows
    /// at first, one disk remains that was never lost: without it the others could only take
    /// themselves for new.
    fn wipe(&mut self, number: usize, beyond: bool) {
        let founded = self.nodes.iter().any(|node| node.founded);
        let mut others = (self.nodes.iter()).filter(|node| node.number != number);
        let allowed = match beyond {
            // What a witness knows of must be somewhere.
            true if self.has_witnesses() => self.may_be_damaged(number),
            true if self.plan.founders == 0 => others.any(|node| node.wipes == 0),
            true | false => self.may_be_damaged(number),
        };
        let Some(node) = self.nodes.get_mut(number) else {
            return;
        };
        // A node that refuses to start, or fails to, is not there to be given another disk.
        if !allowed || !node.is_down() {
            return;
        }
        let own = self.checks.model().node(node.id());
        let vote = own.and_then(|own| own.durable.hard.vote);
        let voted = vote.is_some_and(|vote| vote != node.id());
        node.wipe();
        self.early_wipe |= !founded;
        if voted {
            self.checks.mark(Marker::VoterWiped);
        }
        self.tell(Some(number), format_args!("has lost its whole disk"));
        self.record_note(Some(number), format_args!("has lost its whole disk"));
    }

    /// Whether the disk of this node may be lost where members change: whoever decides now or later
    /// must be able to without it. All founders know their cluster by then.
    fn may_be_replaced(&self, number: usize) -> bool {
        let mut founders = self.nodes.iter();
        let founded = founders.all(|node| node.founded || self.plan.joins(node.number));
        founded && self.can_decide_without(Some(number)) && self.has_heir_beside(number)
    }

    /// Whether the disk of this node may be damaged, or more so, while progress stays owed: every
    /// node must know its cluster, and those that are damaged must stay a minority.
    fn may_be_damaged(&self, number: usize) -> bool {
        if self.plan.founders > 0 {
            return self.may_be_replaced(number);
        }
        let founded = self.nodes.iter().all(|node| node.founded);
        let damaged = |node: &&super::Node<S::Machine>| {
            node.number != number && (node.spoiled || node.is_gone())
        };
        let few = self.nodes.iter().filter(damaged).count() < self.plan.minority();
        founded && few && self.has_heir_beside(number)
    }

    fn over_after(&self, lasts: Duration, fault: usize, node: Option<usize>) {
        self.schedule.after(lasts, Event::Over { fault, node });
    }
}

/// What a crash left of what was not synced, in words.
const fn what_is_left(loss: Loss, lost_some: bool) -> &'static str {
    match (lost_some, loss) {
        (false, _) => "crashes; nothing was unsynced that it could lose",
        (true, Loss::Process) => "its process ends; the disk keeps everything",
        (true, Loss::All) => "crashes and loses all that was not synced",
        (true, Loss::Some) => "crashes; any of the unsynced writes may be lost",
        (true, Loss::Torn) => "crashes; unsynced writes may be lost or torn",
    }
}
