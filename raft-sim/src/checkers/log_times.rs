//! Log time goes on at its leader's own pace (thesis 6.3): sessions end by it, and end too soon, or
//! never, where it runs ahead or stands still. Every node does the same then, so that nothing differs.
//!
//! Only entries are looked at that the log did not hold before the step in which their write begins: of
//! others nobody outside knows when they were stamped. That log time never falls is looked at where logs are ([`super::monotonic`]).

use std::time::Duration;

use raft_core::hull::Hull;
use raft_core::ids::{EntryId, LogIndex, Term};
use raft_core::states::Role;
use raft_core::time::{LogTime, Time};

use super::property;
use super::timers::Wrong;
use crate::by_node::ByNode;
use crate::spy::{Fact, WriteFact};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct LogTimes {
    leaders: ByNode<Pace>,
}

/// The pace of one leader's stamps. It leads a term at most once.
#[derive(Clone, Copy, Debug)]
struct Pace {
    term: Term,
    /// What its clock showed when it gave the first stamp that is known, and that.
    first: Option<(Time, LogTime)>,
    /// Where its log ended after its last step.
    last: LogIndex,
}

impl LogTimes {
    /// Looks at a step of a hull, whose clock shows `now`.
    pub(super) fn step(&mut self, hull: &Hull, now: Time, facts: &[Fact]) -> Option<Wrong> {
        if hull.role() != Role::Leader {
            return None;
        }
        let (me, term) = (hull.me().id, hull.term());
        let Some(pace) = self.leaders.find_mut(&me).filter(|pace| pace.term == term) else {
            self.leaders.insert(me, Pace::new(hull));
            return None;
        };
        let before = std::mem::replace(&mut pace.last, hull.last().index);
        let stamp = facts.iter().find_map(|fact| stamp_of(fact, term, before))?;
        let Some((at, first)) = pace.first else {
            pace.first = Some((now, stamp));
            return None;
        };
        let timeout = hull.settings().election_timeout;
        let wrong = is_wrong(first, stamp, now.since(at), timeout);
        wrong.then(|| {
            let text = format!(
                "leads {term}, and its stamps went from {first:?} to {stamp:?} while {:?} passed by its \
                 clock",
                now.since(at)
            );
            (property::SESSIONS, text)
        })
    }
}

impl Pace {
    fn new(hull: &Hull) -> Self {
        Self {
            term: hull.term(),
            first: None,
            last: hull.last().index,
        }
    }
}

/// The first stamp of this term that is written of what comes after this in the log.
fn stamp_of(fact: &Fact, term: Term, before: LogIndex) -> Option<LogTime> {
    let Fact::Begun(write) = fact else {
        return None;
    };
    let WriteFact { append, .. } = &**write;
    let new = |id: EntryId| id.term == term && id.index > before;
    let entry = append.iter().find(|entry| new(entry.id))?;
    Some(entry.time)
}

/// Whether stamps are far from where they should be after so long. A clock may jump within a step, and
/// is looked at after it.
fn is_wrong(first: LogTime, stamp: LogTime, passed: Duration, timeout: Duration) -> bool {
    let ahead = stamp > first.after(passed + timeout);
    let behind = stamp.after(timeout) < first.after(passed / 2);
    ahead || behind
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_go_on_as_a_clock_does() {
        let wrong = |stamp, passed| {
            let (first, stamp) = (LogTime::from_millis(500), LogTime::from_millis(stamp));
            let [passed, timeout] = [passed, 100].map(Duration::from_millis);
            is_wrong(first, stamp, passed, timeout)
        };
        assert!(!wrong(900, 400));
        assert!(!wrong(1_000, 400) && wrong(1_001, 400), "it ran ahead");
        assert!(!wrong(600, 400) && wrong(599, 400), "it was slow");
        assert!(!wrong(500, 200) && wrong(500, 202), "it stands still");
    }
}
