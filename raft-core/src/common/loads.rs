//! Reads from the log that the driver is asked for.

use alloc::collections::VecDeque;
use core::ops::Range;

use super::aside::Aside;
use crate::hull::Load;
use crate::ids::LogIndex;

/// Loads asked for and not yet taken. At most one for the state machine and one for each peer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Loads {
    last_number: u64,
    queue: Aside<VecDeque<(Purpose, Load)>>,
}

/// What the entries are for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    /// For the state machine.
    Apply,
    /// For a follower, so only while this node leads.
    Peer,
}

impl Loads {
    /// Asks for entries; the number names the answer.
    pub(crate) fn ask(
        &mut self,
        purpose: Purpose,
        range: Range<LogIndex>,
        max_bytes: usize,
    ) -> u64 {
        self.last_number = self.last_number.saturating_add(1);
        let load = Load {
            number: self.last_number,
            range,
            max_bytes,
        };
        self.queue.needed().push_back((purpose, load));
        self.last_number
    }

    pub(crate) fn next(&mut self) -> Option<Load> {
        let (_, load) = self.queue.there_mut()?.pop_front()?;
        Some(load)
    }

    /// Gives back the memory of what is empty.
    pub(crate) fn give_back(&mut self) {
        self.queue.give_back(VecDeque::is_empty);
    }

    /// Forgets what was asked for on behalf of followers.
    pub(crate) fn forget_peers(&mut self) {
        if let Some(queue) = self.queue.there_mut() {
            queue.retain(|(purpose, _)| *purpose == Purpose::Apply);
        }
    }
}
