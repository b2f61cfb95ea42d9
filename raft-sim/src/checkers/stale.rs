//! Letters of terms that are over: an answer to what a leader asked in an earlier term of its own tells
//! it nothing any more, since what was acknowledged then may have been cut off; and who asks in an
//! earlier term is told the present one (Figure 2, AppendEntries and RequestVote, receiver 1; Figure
//! 13, receiver 1).
//!
//! What an answer of an earlier term was taken for does harm only if the same node came back to lead,
//! the follower had its log cut meanwhile, and a majority hangs on it. That it moved anything is seen
//! at once.

use std::collections::BTreeMap;
use std::time::Duration;

use raft_core::hull::Hull;
use raft_core::ids::{EntryId, LogIndex, NodeId, Term};
use raft_core::states::Role;
use raft_core::time::Time;

use super::often::Often;
use super::timers::Wrong;
use super::{Observation, property};
use crate::spy::{Passing, Says, Talk};

/// Who asked whom in a term that was over, and was told nothing.
#[derive(Debug, Default)]
pub(crate) struct Stale {
    unanswered: BTreeMap<(NodeId, NodeId), Often>,
}

/// What is looked at of a node that took in letters.
#[derive(Clone, Copy, Debug)]
struct Place {
    node: NodeId,
    /// Its term before the step.
    term: Term,
    /// What its clock shows.
    local: Time,
    /// What comes again sooner than this is a copy.
    pause: Duration,
    /// Whether its disk has written all that it was given: before that, it may not say in which term it
    /// is.
    written: bool,
}

impl Stale {
    /// Looks at a step of a node that was like this before it, and of which all is `written` or not.
    pub(crate) fn step(
        &mut self,
        before: Option<&Observation>,
        hull: &Hull,
        (local, written): (Time, bool),
        passings: &[Passing],
    ) -> Option<Wrong> {
        if passings.is_empty() {
            return None;
        }
        let before = before.filter(|before| before.boot == hull.boot())?;
        let place = Place {
            node: hull.me().id,
            term: before.term,
            local,
            pause: hull.settings().heartbeat_interval,
            written,
        };
        let still_leads = before.role == Role::Leader
            && (hull.role(), hull.term()) == (Role::Leader, before.term)
            && hull.configured_by() == before.configured_by;
        let matched = |peer| hull.match_index(peer);
        let moved = still_leads
            .then(|| moved_by_old_answer(&before.matches, before.term, passings, matched))
            .flatten();
        moved.or_else(|| self.tell_nothing(place, passings))
    }

    /// A node was stopped: what it was asked before is forgotten.
    pub(crate) fn stopped(&mut self, node: NodeId) {
        self.unanswered.retain(|(asked, _), _| *asked != node);
    }

    /// Who was asked time and again in a term that is over, and says nothing to whoever asks.
    fn tell_nothing(&mut self, place: Place, passings: &[Passing]) -> Option<Wrong> {
        for passing in passings {
            match passing {
                Passing::Taken(talk)
                    if talk.term < place.term && is_request(talk.says) && place.written =>
                {
                    let times = self.ask(place, talk.peer);
                    if times > MOST_TIMES {
                        let Talk { peer, term, .. } = talk;
                        let text = format!(
                            "was asked {times} times by {peer} in {term}, is in {} itself, and has \
                             told {peer} nothing since",
                            place.term
                        );
                        return Some((property::LIVENESS, text));
                    }
                }
                Passing::Sent(talk) if talk.term >= place.term => {
                    self.unanswered.remove(&(place.node, talk.peer));
                }
                Passing::ConnectionLost(peer) => {
                    self.unanswered.remove(&(place.node, *peer));
                }
                Passing::Sent(_)
                | Passing::Taken(_)
                | Passing::Read
                | Passing::Resumed
                | Passing::Garbled
                | Passing::NamedItself => {}
            }
        }
        None
    }

    fn ask(&mut self, place: Place, peer: NodeId) -> u32 {
        let often = self.unanswered.entry((place.node, peer)).or_default();
        often.again(place.local, place.pause)
    }
}

/// Whether this wants an answer in whatever term it comes.
const fn is_request(says: Says) -> bool {
    matches!(
        says,
        Says::Append { .. }
            | Says::Heartbeat { .. }
            | Says::Install { .. }
            | Says::RequestVote { .. }
    )
}

/// What a leader of this term takes a follower to hold, though that has answered nothing but what was
/// asked in an earlier one.
fn moved_by_old_answer(
    before: &[(NodeId, EntryId)],
    term: Term,
    passings: &[Passing],
    matched: impl Fn(NodeId) -> Option<LogIndex>,
) -> Option<Wrong> {
    let answers = passings.iter().filter_map(|passing| match passing {
        Passing::Taken(talk) => {
            matches!(talk.says, Says::AppendReply(_) | Says::InstallReply(_)).then_some(talk)
        }
        _ => None,
    });
    let is_of_now = |peer| {
        let mut answers = answers.clone();
        answers.any(|talk| talk.peer == peer && talk.term >= term)
    };
    answers.clone().find_map(|talk| {
        if talk.term >= term || is_of_now(talk.peer) {
            return None;
        }
        let (_, was) = before.iter().find(|(id, _)| *id == talk.peer)?;
        let is = matched(talk.peer)?;
        (is > was.index).then(|| {
            let text = format!(
                "takes {} to hold up to {is}, and no longer only up to {}, because of an answer in {}, \
                 though it leads in {term}",
                talk.peer, was.index, talk.term
            );
            (property::DURABILITY, text)
        })
    })
}

/// So often a node may be asked before it has answered: what it says may have to wait for room.
const MOST_TIMES: u32 = 12;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spy::Answered;

    const OTHER: NodeId = NodeId::new(2);

    fn taken(term: u64, says: Says) -> Passing {
        Passing::Taken(Talk {
            peer: OTHER,
            term: Term::new(term),
            says,
        })
    }

    fn answer(term: u64) -> Passing {
        taken(term, Says::AppendReply(Answered::Matched(LogIndex::new(9))))
    }

    /// What is said of a leader of term 5 that took node 2 to hold up to 7, and after these up to `now`.
    fn moved(now: u64, passings: &[Passing]) -> bool {
        let before = [(OTHER, EntryId::new(Term::new(2), LogIndex::new(7)))];
        let matched = |_| Some(LogIndex::new(now));
        moved_by_old_answer(&before, Term::new(5), passings, matched).is_some()
    }

    #[test]
    fn only_an_answer_of_the_present_term_may_move_what_a_follower_is_taken_to_hold() {
        assert!(moved(9, &[answer(4)]));
        assert!(moved(9, &[taken(3, Says::InstallReply(None))]));
        assert!(!moved(7, &[answer(4)]));
        assert!(!moved(9, &[answer(5)]));
        assert!(!moved(9, &[answer(4), answer(5)]));
        assert!(!moved(9, &[]));
    }

    fn heartbeat(term: u64) -> Passing {
        taken(
            term,
            Says::Heartbeat {
                round: 1,
                commit: LogIndex::ZERO,
                quiet: false,
            },
        )
    }

    fn sent(term: u64) -> Passing {
        Passing::Sent(Talk {
            peer: OTHER,
            term: Term::new(term),
            says: Says::AppendReply(Answered::Stale),
        })
    }

    /// Whether a node of term 5 keeps silent for too long, when these pass on it at these times.
    fn silent(steps: &[(u64, &[Passing])]) -> bool {
        silent_while(true, steps)
    }

    /// The same, with all on its disk, or not.
    fn silent_while(written: bool, steps: &[(u64, &[Passing])]) -> bool {
        let mut stale = Stale::default();
        let mut steps = steps.iter();
        steps.any(|(millis, passings)| {
            let place = Place {
                node: NodeId::new(1),
                term: Term::new(5),
                local: Time::from_millis(*millis),
                pause: Duration::from_millis(50),
                written,
            };
            stale.tell_nothing(place, passings).is_some()
        })
    }

    #[test]
    fn who_asks_in_an_earlier_term_time_and_again_must_be_told_the_present_one() {
        let old = [heartbeat(4)];
        let asks: Vec<(u64, &[Passing])> = (0..13).map(|time| (time * 50, &old[..])).collect();
        assert!(silent(&asks));
        assert!(!silent(&asks[..12]));
        assert!(!silent_while(false, &asks), "it may have to wait");
        // Copies that come at once are one.
        let copies: Vec<(u64, &[Passing])> = (0..40).map(|time| (time, &old[..])).collect();
        assert!(!silent(&copies));
        // What is of now is answered, or not, by other rules.
        let new = [heartbeat(5)];
        let asks_now: Vec<(u64, &[Passing])> = (0..13).map(|time| (time * 50, &new[..])).collect();
        assert!(!silent(&asks_now));
    }

    #[test]
    fn whatever_tells_the_present_term_is_an_answer() {
        let old = [heartbeat(4)];
        for (says, lasts) in [(sent(5), false), (sent(4), true)] {
            let said = [says];
            let mut steps: Vec<(u64, &[Passing])> =
                (0..12).map(|time| (time * 50, &old[..])).collect();
            steps.push((600, &said));
            steps.push((650, &old));
            assert_eq!(silent(&steps), lasts);
        }
    }
}
