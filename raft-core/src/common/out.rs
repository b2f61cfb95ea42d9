//! All that a hull has for the outside, until it is asked for it.

use super::Common;
use super::events::Events;
use super::loads::Loads;
use super::outbox::Outbox;
use super::resolved::ResolvedQueue;

/// What waits to be pulled. It lies in one piece: who has any of it mostly soon has all, and a hull at
/// rest has none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Out {
    pub(crate) outbox: Outbox,
    pub(crate) loads: Loads,
    pub(crate) resolved: ResolvedQueue,
    pub(crate) events: Events,
}

impl Out {
    /// Whether all was pulled. The last inputs are forgotten with it.
    pub(super) fn is_empty(&self) -> bool {
        self.outbox.waiting() == 0
            && self.loads.is_empty()
            && self.resolved.is_empty()
            && self.events.is_empty()
    }
}

impl Common {
    /// Where tickets go whose fate is decided.
    pub(crate) fn resolved(&mut self) -> &mut ResolvedQueue {
        &mut self.out.needed().resolved
    }

    /// How many messages wait to be sent, not counting what a leader has for its followers.
    pub(crate) fn messages_waiting(&self) -> usize {
        self.out.there().map_or(0, |out| out.outbox.waiting())
    }
}
