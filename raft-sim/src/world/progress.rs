//! What counts as getting on in a healed world.
//!
//! Time alone tells a slow cluster from a stuck one only badly: a leader that goes back one entry
//! at a time over a thousand entries needs a thousand round trips, and does nothing wrong. So what
//! is judged is how long *nothing more* was done. For that, what counts must be something that
//! comes to an end, or a livelock would count for ever:
//!
//! - an answer to a client: each has only so many open questions when faults are over;
//! - an entry applied, up to the end that the logs had at the last answer: what leaders append of
//!   their own, term by term, does not count;
//! - within one term, a follower found to hold more, also of a snapshot of that, up to that same end, or `next` of a follower
//!   lower than ever, which is how a leader looks for where the logs agree. Each ends at the ends of
//!   the log;
//! - a new leader, and all that it finds out anew, but only for [`MOST_LEADERS`] terms: more rounds
//!   of elections than that are needed by nobody whom everyone hears.

use std::collections::BTreeMap;

use raft_core::ids::{LogIndex, NodeId, Term};
use raft_core::time::Time;

/// How far a healed world has come, and when it last came further.
#[derive(Debug)]
pub(super) struct Progress {
    since: Time,
    answered: u64,
    /// Applied entries count up to here.
    goal: LogIndex,
    /// The most that each node ever had applied: one that starts again begins anew, and that is
    /// no progress until it is past that.
    applied: BTreeMap<NodeId, LogIndex>,
    /// What leaders found out of followers, by their terms.
    found: BTreeMap<Term, BTreeMap<NodeId, Found>>,
}

/// The most that a leader has found out of one follower.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Found {
    /// What the follower is known to hold.
    pub(super) matched: LogIndex,
    /// The lowest entry that was to be sent next.
    pub(super) next: LogIndex,
    /// The end of the newest snapshot that it is sent, and how much of that it has.
    pub(super) sent: Option<(LogIndex, u64)>,
}

/// What is seen of a world at one moment.
#[derive(Debug, Default)]
pub(super) struct Sight {
    /// How many answers clients had so far.
    pub(super) answered: u64,
    /// Of each node that runs: the end of its log and what it has applied.
    pub(super) nodes: Vec<(NodeId, LogIndex, LogIndex)>,
    /// Of each leader, by its term: what it knows of each follower.
    pub(super) leaders: Vec<(Term, NodeId, Found)>,
}

impl Progress {
    /// Nothing yet.
    pub(super) const fn from(now: Time) -> Self {
        Self {
            since: now,
            answered: 0,
            goal: LogIndex::ZERO,
            applied: BTreeMap::new(),
            found: BTreeMap::new(),
        }
    }

    /// Looks again; answers since when nothing has been done.
    pub(super) fn stalled_since(&mut self, sight: &Sight, now: Time) -> Time {
        let answered = self.hear_answers(sight);
        let applied = self.see_applied(sight);
        let found = self.see_found(sight);
        if answered || applied || found {
            self.since = now;
        }
        self.since
    }

    fn hear_answers(&mut self, sight: &Sight) -> bool {
        let more = sight.answered > self.answered;
        self.answered = self.answered.max(sight.answered);
        if more || self.goal == LogIndex::ZERO {
            let end = sight.nodes.iter().map(|&(_, last, _)| last).max();
            self.goal = self.goal.max(end.unwrap_or(LogIndex::ZERO));
        }
        more
    }

    fn see_applied(&mut self, sight: &Sight) -> bool {
        let mut more = false;
        for &(node, _, applied) in &sight.nodes {
            let most = self.applied.entry(node).or_insert(LogIndex::ZERO);
            let applied = applied.min(self.goal);
            more |= applied > *most;
            *most = applied.max(*most);
        }
        more
    }

    fn see_found(&mut self, sight: &Sight) -> bool {
        let mut more = false;
        for &(term, follower, mut found) in &sight.leaders {
            // Who answers nobody while the log grows gets nowhere.
            found.matched = found.matched.min(self.goal);
            if !self.found.contains_key(&term) && self.found.len() >= MOST_LEADERS {
                continue;
            }
            let known = self.found.entry(term).or_default();
            let best = known.entry(follower).or_insert_with(|| {
                more = true;
                found
            });
            // Snapshots of what was appended since the last answer are no progress, either.
            found.sent = found.sent.filter(|(last, _)| *last <= self.goal);
            more |= found.matched > best.matched || found.next < best.next;
            more |= found.sent > best.sent;
            best.sent = best.sent.max(found.sent);
            best.matched = best.matched.max(found.matched);
            best.next = best.next.min(found.next);
        }
        more
    }
}

/// The terms in which what a leader finds out counts. With timeouts drawn well a leader is there
/// after two or three rounds, whatever the settings.
const MOST_LEADERS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(index: u64) -> LogIndex {
        LogIndex::new(index)
    }

    fn node(last: u64, applied: u64) -> Sight {
        Sight {
            nodes: vec![(NodeId::new(1), at(last), at(applied))],
            ..Sight::default()
        }
    }

    fn leader(term: u64, matched: u64, next: u64) -> Sight {
        let found = Found {
            matched: at(matched),
            next: at(next),
            sent: None,
        };
        Sight {
            leaders: vec![(Term::new(term), NodeId::new(2), found)],
            ..node(matched.max(8), 0)
        }
    }

    /// At which of these sights, one a second, something more was done.
    fn counts(sights: &[Sight]) -> Vec<bool> {
        let mut progress = Progress::from(Time::ZERO);
        let mut second = 0;
        let mut look = |sight| {
            second += 1_000;
            let now = Time::from_millis(second);
            progress.stalled_since(sight, now) == now
        };
        sights.iter().map(&mut look).collect()
    }

    #[test]
    fn what_is_applied_counts_once_and_up_to_the_goal() {
        let sights = [node(5, 2), node(5, 2), node(5, 4), node(5, 1), node(5, 4)];
        assert_eq!(counts(&sights), [true, false, true, false, false]);
        // Entries that nobody waits for: a leader a term that appends its own entry for ever.
        let sights = [node(5, 5), node(6, 6), node(7, 7)];
        assert_eq!(counts(&sights), [true, false, false]);
        let mut answered = node(8, 8);
        answered.answered = 1;
        assert_eq!(counts(&[node(5, 5), answered]), [true, true]);
    }

    #[test]
    fn going_back_one_entry_at_a_time_counts_and_going_to_and_fro_does_not() {
        let back = [leader(3, 0, 9), leader(3, 0, 8), leader(3, 0, 7)];
        assert_eq!(counts(&back), [true, true, true]);
        let to_and_fro = [
            leader(3, 0, 9),
            leader(3, 0, 8),
            leader(3, 0, 9),
            leader(3, 0, 8),
        ];
        assert_eq!(counts(&to_and_fro), [true, true, false, false]);
        assert_eq!(counts(&[leader(3, 4, 9), leader(3, 5, 9)]), [true, true]);
    }

    #[test]
    fn parts_of_a_snapshot_count_up_to_the_goal() {
        let sent = |last, stored| {
            let mut sight = leader(3, 0, 9);
            sight.leaders[0].2.sent = Some((at(last), stored));
            sight
        };
        let parts = [
            sent(4, 0),
            sent(4, 10),
            sent(4, 10),
            sent(4, 0),
            sent(4, 20),
        ];
        assert_eq!(counts(&parts), [true, true, false, false, true]);
        // One snapshot after the other, of entries that nobody waits for.
        let news = [sent(8, 0), sent(9, 10), sent(10, 20)];
        assert_eq!(counts(&news), [true, false, false]);
    }

    /// A node that applies nothing asks for its session again and again: a log that grows so is
    /// no progress, however well it is replicated.
    #[test]
    fn a_log_that_grows_while_nobody_is_answered_is_no_progress() {
        let grows: Vec<Sight> = (8..20).map(|last| leader(3, last, last + 1)).collect();
        let counted = counts(&grows).iter().filter(|&&more| more).count();
        assert_eq!(counted, 1, "that a leader is there");
    }

    #[test]
    fn leaders_that_follow_each_other_without_end_are_no_progress() {
        let leaders: Vec<Sight> = (1..40).map(|term| leader(term, 0, 9)).collect();
        let counted = counts(&leaders).iter().filter(|&&more| more).count();
        assert_eq!(counted, MOST_LEADERS);
    }
}
