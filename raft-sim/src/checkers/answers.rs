//! Answers to whoever asks a node how it stands, and why it does not get on: what it says is so.
//!
//! Nodes are asked at any moment, stopped and slow ones too, as somebody would who is called at night.
//! What they say is compared with what was seen from outside: the letters that a node took in, its log
//! and its disk, its clock, the configuration that its log has. A reason must be true, and tell what the
//! figures of the same moment tell; whoever says that all is well must be well; and what is well is not
//! complained of.
//!
//! To ask changes nothing: a world in which nobody asks takes the same course.

use raft_core::explain::{HullStatus, NoLeader, NotChanged, NotCommitted, NotReadable};
use raft_core::hull::Hull;
use raft_core::ids::{LogIndex, NodeId};
use raft_core::time::Time;

use super::timers::{Step, Wrong};
use super::{Checks, Model, NodeModel, Violation, property};
use crate::by_node::ByNode;
use crate::markers::{Marker, Reached};
use crate::spy::Fact;

mod ear;
mod halves;
mod likeness;
mod marks;
mod not_changed;
mod not_committed;
mod not_led;
mod not_readable;
mod status;
#[cfg(test)]
mod tests;
mod unsent;

use ear::Ear;
use likeness::Likeness;
use unsent::Unsent;

/// Follows what every node could know, and asks.
#[derive(Debug, Default)]
pub(super) struct Answers {
    ears: ByNode<Ear>,
    /// How each node was when it was last asked.
    before: ByNode<Likeness>,
    /// Whom each leaves waiting.
    unsent: ByNode<Unsent>,
}

impl Checks {
    /// Asks a node whose clock shows `local` how it stands and why it does not get on, and judges what
    /// it says; and its transport, for whom it has room. Nothing may have happened to it since its last
    /// step.
    ///
    /// # Errors
    ///
    /// What it says is not so.
    pub(crate) fn ask(
        &mut self,
        now: Time,
        local: Time,
        (hull, has_room): (&Hull, HasRoom<'_>),
    ) -> Result<(), Violation> {
        let reached = &mut self.watch.reached;
        let asked = (hull, has_room);
        match self.answers.ask(local, asked, &self.model, reached) {
            None => Ok(()),
            Some((property, text)) => Err(Violation {
                property,
                node: Some(hull.me().id),
                time: now,
                text,
            }),
        }
    }
}

/// What is known of a node from outside when it is asked.
#[derive(Clone, Copy)]
struct Seen<'a> {
    /// What its clock shows.
    now: Time,
    ear: &'a Ear,
    own: &'a NodeModel,
    model: &'a Model,
    /// For what its log says of members, and its settings.
    hull: &'a Hull,
    has_room: HasRoom<'a>,
}

/// Whether a node's transport takes entries for another now.
pub(crate) type HasRoom<'a> = &'a dyn Fn(NodeId) -> bool;

/// All that a node said at one moment.
struct Said {
    status: HullStatus,
    no_leader: Vec<NoLeader>,
    /// For some entries, why each is not committed.
    not_committed: Vec<(LogIndex, Vec<NotCommitted>)>,
    not_readable: Vec<NotReadable>,
    not_changed: Vec<NotChanged>,
}

impl Answers {
    /// Remembers what a step brought.
    pub(super) fn step(&mut self, step: &Step<'_>, hull: &Hull, facts: &[Fact]) {
        let is_new = |known: &Ear| known.boot() != step.after.boot;
        if self.ears.find(&step.node).is_none_or(is_new) {
            self.ears.insert(step.node, Ear::new(step, hull));
        }
        if let Some(ear) = self.ears.find_mut(&step.node) {
            ear.step(step, hull, facts);
        }
    }

    /// The node was stopped.
    pub(super) fn stopped(&mut self, node: NodeId) {
        self.ears.remove(&node);
        self.before.remove(&node);
        self.unsent.remove(&node);
    }

    /// Asks a node whose clock shows `now`, and judges what it says.
    pub(super) fn ask(
        &mut self,
        now: Time,
        (hull, has_room): (&Hull, HasRoom<'_>),
        model: &Model,
        reached: &mut Reached,
    ) -> Option<Wrong> {
        let node = hull.me().id;
        let ear = self.ears.find(&node)?;
        let own = model.node(node)?;
        let seen = Seen {
            now,
            ear,
            own,
            model,
            hull,
            has_room,
        };
        let said = Said::of(hull, now);
        marks::mark(&said, reached);
        let wrong = said.judge(&seen);
        let late = self.unsent.or_default(node).hear(&seen, &said);
        if let Some(text) = late.filter(|_| wrong.is_none()) {
            return Some((property::LIVENESS, text));
        }
        let is = Likeness::of(hull, &said.status);
        let unlike = self.before.find(&node).and_then(|was| {
            reached.mark_if(was.is_like(&is), Marker::AskedTwiceAlike);
            was.wrong(&is)
        });
        self.before.insert(node, is);
        Some((property::ANSWERS, wrong.or(unlike)?))
    }
}

impl Said {
    fn of(hull: &Hull, now: Time) -> Self {
        let (commit, last) = (hull.commit_index(), hull.last().index);
        // What is committed, what comes next, what was proposed last, and what is not there.
        let mut indexes = vec![commit, commit.next(), last, last.next()];
        indexes.dedup();
        let not_committed = indexes
            .into_iter()
            .map(|index| (index, hull.why_not_committed(index, now)))
            .collect();
        Self {
            status: hull.status(now),
            no_leader: hull.why_no_leader(now),
            not_committed,
            not_readable: hull.why_not_readable(),
            not_changed: hull.why_not_changed(now),
        }
    }

    /// What is wrong with it, in words.
    fn judge(&self, seen: &Seen<'_>) -> Option<String> {
        let status = &self.status;
        status::wrong(seen, status)
            .or_else(|| not_led::wrong(seen, status, &self.no_leader))
            .or_else(|| {
                let mut asked = self.not_committed.iter();
                asked.find_map(|(index, why)| not_committed::wrong(seen, status, *index, why))
            })
            .or_else(|| not_readable::wrong(seen, status, &self.not_readable))
            .or_else(|| not_changed::wrong(seen, status, &self.not_changed))
            .or_else(|| self.wrong_sentence())
    }

    /// Whether a sentence says nothing, or what another one says.
    fn wrong_sentence(&self) -> Option<String> {
        let mut wrong = sentences(&self.no_leader)
            .or_else(|| sentences(&self.not_readable))
            .or_else(|| sentences(&self.not_changed));
        for (_, why) in &self.not_committed {
            wrong = wrong.or_else(|| sentences(why));
        }
        wrong
    }
}

fn sentences<T: ToString>(why: &[T]) -> Option<String> {
    let all: Vec<String> = why.iter().map(ToString::to_string).collect();
    let again = |(place, one): (usize, &String)| all.iter().skip(place + 1).any(|it| it == one);
    let wrong = all.iter().any(String::is_empty) || all.iter().enumerate().any(again);
    wrong.then(|| format!("gives a reason twice, or one that says nothing: {all:?}"))
}

/// The text of what is wrong, unless this holds.
fn unless(holds: bool, text: impl FnOnce() -> String) -> Option<String> {
    (!holds).then(text)
}
