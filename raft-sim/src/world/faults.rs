//! What faults do to a world, and how they end.

use std::time::Duration;

use raft_core::states::Role;

use super::World;
use super::event::Event;
use crate::checkers::Violation;
use crate::lot::Lot;
use crate::markers::Marker;
use crate::nemesis::{Fault, Loss, Occasion, Shape, Target};
use crate::network::Links;
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
        self.tell(cause, format_args!("fault {place}: {fault:?}"));
        match fault {
            Fault::Blackout { loss, down } => {
                self.record_fault(place, None, &fault);
                for node in 0..self.nodes.len() {
                    let name = [BLACKOUT, u64::from(planned.number), plan.key_of(node)];
                    let lag = Lot::of(plan.seed, &name).span(Duration::ZERO, down / 2);
                    self.crash(node, loss, down + lag, false)?;
                }
                Ok(())
            }
            Fault::Cut { shape, lasts, held } => {
                let links = self.links(shape, cause);
                self.record_cut(place, None, &fault, links);
                self.network.cut(planned.number, links, held);
                self.over_after(lasts, place, None);
                Ok(())
            }
            Fault::Storm {
                drop_per_mille,
                late,
                lasts,
            } => {
                self.record_fault(place, None, &fault);
                self.network.storm(planned.number, drop_per_mille, late);
                self.over_after(lasts, place, None);
                Ok(())
            }
            Fault::Crash { target, .. }
            | Fault::Pause { target, .. }
            | Fault::Slow { target, .. }
            | Fault::Stall { target, .. }
            | Fault::DiskError { target, .. }
            | Fault::Jump { target, .. }
            | Fault::FalseLoss { target } => {
                self.strike_node(place, fault, self.victim(target, cause))
            }
        }
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
            Fault::FalseLoss { .. } => self.network.tell_lost(number),
            Fault::Blackout { .. } | Fault::Cut { .. } | Fault::Storm { .. } => {}
        }
        Ok(())
    }

    /// A fault that lasted is over.
    pub(super) fn over(&mut self, place: usize, number: Option<usize>) {
        if self.healing.is_some() {
            return;
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
        let Some(node) = number.and_then(|number| self.nodes.get_mut(number)) else {
            return;
        };
        match fault {
            Some(Fault::Pause { .. }) => node.resume(),
            Some(Fault::Slow { .. }) if node.slow.is_some_and(|(by, _)| by == place) => {
                node.slow = None;
            }
            _ => {}
        }
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
        let name = [CRASH, node.key, u64::from(node.downs)];
        let lost_some = node.disk.crash(loss, &mut Lot::of(self.plan.seed, &name));
        self.counters.crashes += 1;
        if self.nodes.iter().all(|node| !node.is_up()) {
            self.checks.mark(Marker::AllDown);
        }
        self.counters.unsynced_crashes += u64::from(lost_some);
        self.fold(u64::from(lost_some));
        self.tell(
            Some(number),
            format_args!("is down; unsynced data suffers {loss:?}: {lost_some}"),
        );
        self.record(Some(number), || What::Stopped {
            why: what_is_left(loss, lost_some).to_owned(),
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
        let spoiled = self.nodes.iter().filter(|node| node.spoiled).count();
        let founded = self.nodes.iter().all(|node| node.founded);
        let minority = self.plan.minority();
        let Some(node) = self.nodes.get_mut(number) else {
            return;
        };
        if !founded || (!node.spoiled && spoiled >= minority) {
            return;
        }
        let name = [ROT, node.key, u64::from(node.downs)];
        if node.disk.rot(&mut Lot::of(self.plan.seed, &name)) {
            node.spoiled = true;
            self.tell(Some(number), format_args!("has a bit of its disk flipped"));
            self.record_note(Some(number), format_args!("has a bit of its disk flipped"));
        }
    }

    fn over_after(&self, lasts: Duration, fault: usize, node: Option<usize>) {
        self.schedule.after(lasts, Event::Over { fault, node });
    }

    /// Who a target is at this moment.
    fn victim(&self, target: Target, cause: Option<usize>) -> usize {
        let count = self.nodes.len().max(1);
        let leader = self
            .nodes
            .iter()
            .filter_map(|node| node.glimpse.map(|glimpse| (glimpse, node.number)))
            .filter(|(glimpse, _)| glimpse.role == Role::Leader)
            .max_by_key(|(glimpse, _)| glimpse.term)
            .map(|(_, number)| number);
        match target {
            Target::Node(number) => usize::from(number) % count,
            Target::Cause => cause.or(leader).unwrap_or(0),
            Target::Leader => leader.unwrap_or(0),
            Target::Follower(place) => {
                let others = count.saturating_sub(1).max(1);
                (leader.unwrap_or(0) + 1 + usize::from(place) % others) % count
            }
        }
    }

    /// Which links a shape takes away.
    fn links(&self, shape: Shape, cause: Option<usize>) -> Links {
        let count = self.nodes.len();
        let victim = |target| self.victim(target, cause);
        let within = |set: u8, node: usize| set & (1 << node) != 0;
        let mut links = Links::default();
        let mut cut_if = |condition: &dyn Fn(usize, usize) -> bool| {
            for from in 0..count {
                for to in 0..count {
                    if from != to && condition(from, to) {
                        links.add(from, to);
                    }
                }
            }
        };
        match shape {
            Shape::Isolate(target) => {
                let node = victim(target);
                cut_if(&|from, to| from == node || to == node);
            }
            Shape::Mute(target) => {
                let node = victim(target);
                cut_if(&|from, _| from == node);
            }
            Shape::Deafen(target) => {
                let node = victim(target);
                cut_if(&|_, to| to == node);
            }
            Shape::Split(set) => cut_if(&|from, to| within(set, from) != within(set, to)),
            Shape::OneWay(set) => cut_if(&|from, to| within(set, from) && !within(set, to)),
            Shape::Bridge(set, target) => {
                let bridge = victim(target);
                cut_if(&|from, to| {
                    within(set, from) != within(set, to) && from != bridge && to != bridge
                });
            }
            Shape::Link(target) => {
                let one = victim(target);
                let other = (one + 1) % count.max(1);
                cut_if(&|from, to| (from, to) == (one, other) || (from, to) == (other, one));
            }
            Shape::Ring => cut_if(&|from, to| (from + 1) % count != to && (to + 1) % count != from),
            Shape::With(target, place) => {
                let node = victim(target);
                let others = count.saturating_sub(1).max(1);
                let friend = (node + 1 + usize::from(place) % others) % count.max(1);
                let side = |number: usize| number == node || number == friend;
                cut_if(&|from, to| side(from) != side(to));
            }
        }
        links
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

/// What the starts after a blackout are called among lots.
const BLACKOUT: u64 = 10;

/// What crashes are called among lots.
const CRASH: u64 = 11;

/// What flipped bits are called among lots.
const ROT: u64 = 12;
