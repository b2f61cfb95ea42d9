//! What has to be durable, and what comes of its being so.

use super::Hull;
use crate::invariants;
use crate::log::{Durable, Write};
use crate::states::{Next, State};

impl Hull {
    /// All that has to be durable since the last write, as one atomic batch. Hand the batches to
    /// the log in the order they come.
    #[inline]
    pub fn next_write(&mut self) -> Option<Write> {
        if self.common.disk.is_clean(&self.common.hard) {
            return None;
        }
        self.pull_write()
    }

    #[inline(never)]
    fn pull_write(&mut self) -> Option<Write> {
        let common = &mut self.common;
        if common.fault.is_some() {
            return None;
        }
        let max_in_flight = common.settings.max_writes_in_flight;
        common
            .disk
            .next_write(&mut common.hard, common.now, max_in_flight)
    }

    /// A write is durable.
    pub(super) fn on_durable(&mut self, durable: Durable) -> Next {
        self.common.take_durable(durable);
        self.common.check_repair();
        match &mut self.state {
            State::Candidate(candidate) => candidate.count(&self.common),
            State::Leader(leader) => leader.advance_commit(&mut self.common),
            State::Follower(_) | State::PreCandidate(_) => Next::Stay,
        }
    }

    /// A follower's write is durable. Whether that is all there is to do, and done: it is, unless
    /// entries had to wait for that in memory, or the log in repair.
    pub(super) fn follow_disk(&mut self, durable: Durable) -> bool {
        let common = &mut self.common;
        let (_, bytes) = common.entries.cache();
        let is_all = matches!(self.state, State::Follower(_))
            && common.fault.is_none()
            && common.repair.is_none()
            && common.is_little(bytes)
            && !common.stands_on_snapshot();
        if is_all {
            let before = common.disk.durable_index();
            common.take_durable(durable);
            invariants::durable(common, before);
        }
        is_all
    }
}
