//! Leaders that may fall silent: from one that has taken leave and says nothing, nothing is
//! demanded; who is roused and speaks again has as long to be answered as who was just elected.

use raft_core::time::Time;

use super::Pace;
use crate::spy::{Passing, Says, Talk};

/// What a leader has said last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Silence {
    spoke: Time,
    takes_leave: bool,
    /// Whether its hull fell silent since it took leave. It waits for all to answer before it does, and
    /// may meanwhile be late with its word.
    fell: bool,
    /// When it was roused since it took leave. It may have had to wait for room until it spoke.
    roused: Option<Time>,
}

impl Silence {
    pub(super) const fn new(now: Time) -> Self {
        Self {
            spoke: now,
            takes_leave: false,
            fell: false,
            roused: None,
        }
    }

    /// Its hull expects to hear nothing.
    pub(super) const fn fell(&mut self) {
        self.fell = true;
    }

    /// Somebody wants something of it.
    pub(super) fn roused(&mut self, now: Time) {
        self.roused = Some(now);
    }

    /// Whether it was roused and has not spoken since.
    pub(super) const fn is_ending(self) -> bool {
        self.roused.is_some()
    }

    /// The leader says this. When it was roused, if it had fallen silent before and speaks again: who
    /// took leave and went on speaking has been listening all the time.
    pub(super) fn ends_with(&mut self, passing: &Passing, now: Time, pace: Pace) -> Option<Time> {
        let quiet = match passing {
            Passing::Sent(Talk {
                says: Says::Heartbeat { quiet, .. },
                ..
            }) => *quiet,
            Passing::Sent(Talk {
                says: Says::Append { .. } | Says::Install { .. },
                ..
            }) => false,
            Passing::Sent(_)
            | Passing::Taken(_)
            | Passing::ConnectionLost(_)
            | Passing::Read
            | Passing::Resumed
            | Passing::Garbled
            | Passing::NamedItself => return None,
        };
        let kept = self.fell && self.is_kept(now, pace);
        self.spoke = now;
        self.takes_leave = quiet;
        self.fell &= quiet;
        let roused = self.roused.take().unwrap_or(now);
        (kept && !quiet).then_some(roused)
    }

    /// Whether it has taken leave and says nothing any more: who takes leave again and again is
    /// there, and has to know whom it leads.
    pub(super) fn is_kept(self, now: Time, pace: Pace) -> bool {
        self.takes_leave && now.since(self.spoke) > pace.heartbeat_interval * 2
    }
}
