//! The watches that are armed, and which of them fire.

use std::collections::{BTreeMap, VecDeque};

use raft_core::ids::NodeId;

use super::action::{Action, Movement, Watch};
use super::error::DirectedError;
use super::happening::{Happening, Look};
use super::trigger::Trigger;

/// The number of a watch. The first one armed is 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct WatchId(u64);

impl WatchId {
    /// The watch of this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

#[derive(Debug, Default)]
pub(super) struct Watches {
    armed: BTreeMap<WatchId, Armed>,
    last: u64,
    /// What fired watches want done, oldest first.
    pub(super) due: VecDeque<Action>,
}

#[derive(Debug)]
struct Armed {
    watch: Watch,
    /// What is left of the trigger.
    waiting: Trigger,
}

impl Watches {
    pub(super) fn arm(&mut self, watch: Watch) -> Result<WatchId, DirectedError> {
        let too_many = |what, limit| DirectedError::TooMany { what, limit };
        if watch.actions.iter().any(|a| matches!(a, Action::Go(_))) {
            return Err(DirectedError::NotInside);
        }
        if watch.trigger.depth() > MAX_DEPTH {
            return Err(too_many("triggers inside each other", MAX_DEPTH));
        }
        if self.armed.len() >= MAX_WATCHES {
            return Err(too_many("watches", MAX_WATCHES));
        }
        self.last += 1;
        let id = WatchId(self.last);
        let waiting = watch.trigger.clone();
        self.armed.insert(id, Armed { watch, waiting });
        Ok(id)
    }

    /// No longer waits. Answers what was still waited for.
    pub(super) fn forget(&mut self, id: WatchId) -> Option<Trigger> {
        self.armed.remove(&id).map(|armed| armed.waiting)
    }

    /// Whether a watch that was just armed fires by what is so already.
    pub(super) fn fires_at_once(
        &mut self,
        id: WatchId,
        looks: &BTreeMap<NodeId, Option<Look>>,
    ) -> bool {
        self.armed
            .get_mut(&id)
            .is_some_and(|armed| !armed.watch.repeats && armed.waiting.fires(None, Some(looks)))
    }

    /// The watches that fire by this.
    pub(super) fn fired_by(
        &mut self,
        happening: &Happening,
        looks: &BTreeMap<NodeId, Option<Look>>,
    ) -> Vec<WatchId> {
        let mut fired = Vec::new();
        for (id, armed) in &mut self.armed {
            let now = (!armed.watch.repeats).then_some(looks);
            if armed.waiting.fires(Some(happening), now) {
                fired.push(*id);
            }
        }
        fired
    }

    /// A watch fires: its actions are due. Answers what fired, and whether everything stops.
    pub(super) fn fire(&mut self, id: WatchId) -> Option<(Trigger, bool)> {
        let armed = self.armed.get_mut(&id)?;
        let fired = (armed.watch.trigger.clone(), armed.watch.stops);
        self.due.extend(armed.watch.actions.iter().cloned());
        if armed.watch.repeats {
            armed.waiting = armed.watch.trigger.clone();
        } else {
            self.armed.remove(&id);
        }
        Some(fired)
    }

    /// The watches that are armed, and what each still waits for.
    pub(super) fn armed(&self) -> impl Iterator<Item = (WatchId, &Watch, &Trigger)> {
        self.armed
            .iter()
            .map(|(id, armed)| (*id, &armed.watch, &armed.waiting))
    }
}

/// The watch that ends a movement.
pub(super) fn end_of(movement: &Movement) -> Option<Watch> {
    let Movement::Until(_, trigger) = movement else {
        return None;
    };
    Some(Watch {
        repeats: false,
        ..Watch::stop_at(trigger.clone())
    })
}

/// More watches can't be followed.
const MAX_WATCHES: usize = 100;
/// Deeper triggers can't be understood.
const MAX_DEPTH: usize = 16;
