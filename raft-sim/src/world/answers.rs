//! Asking nodes how they stand and why they do not get on, as somebody would who operates them.

use raft_node::clock::Clock as _;

use super::World;
use crate::checkers::Violation;
use crate::subject::Subject;

impl<S: Subject> World<'_, S> {
    /// Asks one node after the other, whatever it is at: one that is stopped or slow too.
    pub(super) fn ask_in_turn(&mut self) -> Result<(), Violation> {
        let (events, count) = (self.counters.events, self.nodes.len() as u64);
        if events % BETWEEN_QUESTIONS != 0 {
            return Ok(());
        }
        let turn = (events / BETWEEN_QUESTIONS) % count.max(1);
        self.ask(turn as usize)
    }

    /// Asks a node, if it has a hull.
    pub(super) fn ask(&mut self, number: usize) -> Result<(), Violation> {
        let now = self.schedule.now();
        let Some(node) = self.nodes.get(number) else {
            return Ok(());
        };
        let Some(hull) = node.hull() else {
            return Ok(());
        };
        let has_room = |to| self.network.has_room(number, to);
        self.checks.ask(now, node.clock.now(), (hull, &has_room))
    }
}

/// After so many events somebody asks.
const BETWEEN_QUESTIONS: u64 = 53;
