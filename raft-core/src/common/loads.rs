//! Reads from the log that the driver is asked for.

use alloc::collections::VecDeque;
use core::ops::Range;

use super::Common;
use crate::hull::Load;
use crate::ids::LogIndex;

/// Loads asked for and not yet taken. At most one for the state machine and one for each peer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Loads {
    queue: VecDeque<(Purpose, Load)>,
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
    pub(crate) fn next(&mut self) -> Option<Load> {
        let (_, load) = self.queue.pop_front()?;
        Some(load)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Forgets what was asked for on behalf of followers.
    pub(crate) fn forget_peers(&mut self) {
        self.queue.retain(|(purpose, _)| *purpose == Purpose::Apply);
    }
}

impl Common {
    /// Asks for entries; the number names the answer.
    pub(crate) fn ask_load(
        &mut self,
        purpose: Purpose,
        range: Range<LogIndex>,
        max_bytes: usize,
    ) -> u64 {
        self.last_load = self.last_load.saturating_add(1);
        let load = Load {
            number: self.last_load,
            range,
            max_bytes,
        };
        self.out.needed().loads.queue.push_back((purpose, load));
        self.last_load
    }
}
