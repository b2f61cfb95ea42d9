//! The promise to give no vote, which leases stand on (thesis 6.4.1).
//!
//! It is this node's own, and no follower's: it outlives the term and the leader it was given to,
//! and a restart.

use core::time::Duration;

use super::Common;
use crate::settings::Lease;
use crate::time::Millis;

impl Common {
    /// Promises the leader that speaks to give nobody else its vote for a while. Says how long:
    /// not at all, unless the settings have leases.
    pub(crate) fn promise_silence(&mut self) -> Duration {
        let promise = self.own_promise().span();
        self.promised_until = self.promised_until.max(self.now.after(promise));
        promise
    }

    /// Whether this node has promised a leader to give nobody its vote now.
    pub(crate) fn is_promised(&self) -> bool {
        self.now < self.promised_until
    }

    /// Lets go of what only an earlier start may have promised, once that is over.
    #[inline]
    pub(crate) fn forget_old_promises(&mut self) {
        if self.hard.promise == Millis::ZERO || self.is_promised() {
            return;
        }
        self.keep_own_promise();
    }

    #[inline(never)]
    fn keep_own_promise(&mut self) {
        let own = self.own_promise();
        if self.hard.promise > own {
            self.hard.change().promise = own;
        }
    }

    fn own_promise(&self) -> Millis {
        self.settings.lease.map_or(Millis::ZERO, Lease::promise)
    }
}
