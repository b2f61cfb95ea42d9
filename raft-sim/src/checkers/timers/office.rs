//! A leader's time in office, as it is seen from outside.

use std::collections::BTreeMap;

use raft_core::ids::{EntryId, NodeId};
use raft_core::time::Time;

use super::absences::Absences;
use super::confirmations::Rounds;
use super::silence::Silence;
use super::{Pace, Step};
use crate::spy::Passing;

/// While it leads: since when, among whom, and when each last answered.
#[derive(Debug)]
pub(super) struct Office {
    pub(super) since: Time,
    /// The entry of the configuration that these are of.
    pub(super) configured_by: EntryId,
    /// Whether that is another one than when it was elected.
    pub(super) changed: bool,
    pub(super) halves: Vec<Vec<NodeId>>,
    pub(super) heard: BTreeMap<NodeId, Time>,
    /// When each last answered what only a leader sends.
    pub(super) answered: BTreeMap<NodeId, Time>,
    pub(super) rounds: Rounds,
    pub(super) absences: Absences,
    pub(super) silence: Silence,
}

impl Office {
    /// Something passes. Who speaks again after a silence begins anew: whether that is so.
    pub(super) fn pass(&mut self, passing: &Passing, now: Time, pace: Pace) -> bool {
        let Some(roused) = self.silence.ends_with(passing, now, pace) else {
            return false;
        };
        (self.since, self.changed) = (roused, false);
        self.heard.clear();
        self.answered.clear();
        self.rounds = Rounds::default();
        self.absences = Absences::new(roused);
        true
    }

    /// When a node last answered; who has only just been asked counts as having answered. Of one
    /// that came later nobody outside knows when it was first asked.
    pub(super) fn last_answer(&self, id: NodeId) -> Option<Time> {
        let asked = (!self.changed).then_some(self.since);
        self.answered.get(&id).copied().or(asked)
    }

    /// Its absences, this step's among them.
    pub(super) fn absences_with(&self, stepped: Time, step: &Step<'_>) -> Absences {
        let mut absences = self.absences;
        absences.step(step.local, step.local.since(stepped), step.pace);
        absences
    }
}
