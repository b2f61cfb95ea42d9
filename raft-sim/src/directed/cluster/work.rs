//! The work of the nodes, one piece after the other, and what watches for it.

use raft_core::ids::NodeId;

use super::{Cluster, MAX_WORK, is_input};
use crate::directed::action::Watch;
use crate::directed::error::DirectedError;
use crate::directed::happening::{Happening, Look};
use crate::directed::node::Piece;
use crate::directed::watches::WatchId;

impl Cluster {
    /// A call begins: nothing has stopped it yet.
    pub(super) fn begin(&mut self) {
        self.stopped_by = None;
        self.budget = MAX_WORK;
    }

    /// Lets all nodes work until they have nothing more to do, or something stops them.
    pub(super) fn settle(&mut self) -> Result<(), DirectedError> {
        loop {
            self.act_due()?;
            if self.stopped_by.is_some() {
                return Ok(());
            }
            let awake = |id: &NodeId| self.nodes.get(id).is_some_and(|node| !node.paused);
            let Some(at) = self.unsettled.iter().position(awake) else {
                return Ok(());
            };
            let Some(id) = self.unsettled.get(at).copied() else {
                return Ok(());
            };
            self.spend(1, "nodes keep working")?;
            if !self.work(id)? {
                self.unsettled.retain(|other| *other != id);
            }
        }
    }

    /// Does what fired triggers want done; answers whether that gave a node something to do.
    pub(super) fn act_due(&mut self) -> Result<bool, DirectedError> {
        let mut input = false;
        while let Some(action) = self.watches.due.pop_front() {
            self.spend(DUE_COST, "triggers keep firing")?;
            input |= is_input(&action);
            self.act(action)?;
        }
        Ok(input)
    }

    /// The same at the end of a call that moves nobody by itself.
    pub(super) fn finish(&mut self) -> Result<(), DirectedError> {
        if self.act_due()? {
            self.settle()?;
        }
        Ok(())
    }

    /// A node has taken something in.
    pub(super) fn stepped(&mut self, id: NodeId) {
        if !self.unsettled.contains(&id) {
            self.unsettled.push_back(id);
        }
    }

    /// Does one piece of a node's work; answers whether there was any. First it is told what the
    /// last step brought about: nothing of that has been written or sent yet.
    fn work(&mut self, id: NodeId) -> Result<bool, DirectedError> {
        self.inspect(id);
        if let Some(event) = self.node(id)?.next_event() {
            self.note(Happening::Event { node: id, event });
            return Ok(true);
        }
        if self.compare(id) {
            return Ok(true);
        }
        let Some(piece) = self.node(id)?.pull()? else {
            return Ok(false);
        };
        self.inspect(id);
        match piece {
            Piece::Inside => {}
            Piece::Sent(message) => {
                self.network.send(message.clone())?;
                self.note(Happening::Sent(message));
            }
            Piece::Resolved(resolved) => self.resolved(id, resolved),
            Piece::Applied(chunks) => self.note(Happening::Applied { node: id, chunks }),
        }
        Ok(true)
    }

    /// Lets the checkers look at a node.
    fn inspect(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get(&id) else {
            return;
        };
        let hull = node.hull.as_ref();
        if self.violation.is_some() || hull.is_none() {
            return;
        }
        if let Err(violation) = self.checks.after_step(node.now, node.now, id, hull) {
            self.violation = Some(violation.clone());
            self.note(Happening::Violated(violation));
        }
    }

    /// Compares a node with how it looked before; answers whether that has changed.
    pub(super) fn compare(&mut self, node: NodeId) -> bool {
        self.record_look(node);
        let hull = self.nodes.get(&node).and_then(|node| node.hull.as_ref());
        let after = hull.map(Look::at);
        let before = self.looks.insert(node, after).flatten();
        if before == after {
            return false;
        }
        self.note(Happening::Changed {
            node,
            before,
            after,
        });
        true
    }

    /// Tells the recorder how a node looks, if there is one.
    pub(super) fn record_look(&self, id: NodeId) {
        if let (Some(recorder), Some(node)) = (&self.recorder, self.nodes.get(&id)) {
            recorder.looked_at(id, node.hull.as_ref(), &node.entries());
        }
    }

    /// Something happened: what watches for it fires.
    pub(super) fn note(&mut self, happening: Happening) {
        if let Some(recorder) = &self.recorder {
            recorder.moved(&happening);
        }
        let fired = self.watches.fired_by(&happening, &self.looks);
        self.keep(happening);
        for id in fired {
            self.fire(id);
        }
    }

    pub(super) fn arm(&mut self, watch: Watch) -> Result<WatchId, DirectedError> {
        let id = self.watches.arm(watch)?;
        if self.watches.fires_at_once(id, &self.looks) {
            self.fire(id);
        }
        Ok(id)
    }

    fn fire(&mut self, watch: WatchId) {
        let Some((trigger, stops)) = self.watches.fire(watch) else {
            return;
        };
        if stops && self.stopped_by.is_none() {
            self.stopped_by = Some(watch);
        }
        let fired = Happening::Fired {
            watch,
            trigger,
            stops,
        };
        if let Some(recorder) = &self.recorder {
            recorder.moved(&fired);
        }
        self.keep(fired);
    }

    fn keep(&mut self, happening: Happening) {
        if self.happenings.len() >= MAX_HAPPENINGS {
            self.happenings.pop_front();
        }
        self.happenings.push_back(happening);
    }

    pub(super) fn spend(&mut self, cost: usize, what: &'static str) -> Result<(), DirectedError> {
        match self.budget.checked_sub(cost) {
            Some(left) => self.budget = left,
            None => return Err(DirectedError::Restless { what }),
        }
        Ok(())
    }
}

/// An action at a trigger counts as so many pieces of work: it may set off more.
const DUE_COST: usize = 100;
/// What happened before the last this many is forgotten.
const MAX_HAPPENINGS: usize = 1_000_000;
