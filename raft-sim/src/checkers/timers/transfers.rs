//! Leadership that is handed over, from outside: it holds proposals up, ends in time, and only who
//! was told to campaigns by its leader's wish.

use std::time::Duration;

use raft_core::hull::Hull;
use raft_core::ids::{LogIndex, NodeId, Term};
use raft_core::states::Role;
use raft_core::time::Time;

use super::{Stand, Step, Timers, Wrong};
use crate::checkers::property;
use crate::markers::Marker;
use crate::spy::{Passing, Says, Talk};

/// What is remembered of one node.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Transfers {
    under_way: Option<UnderWay>,
    /// The last term whose leader told this node to take over, when it had heard of no later round.
    told_in: Option<Term>,
    /// The latest round of heartbeats that it has heard of, and of which term.
    heard: (Term, u64),
    /// Whether it was asked to hand over, and has not begun to since.
    asked: bool,
    /// While it leads: since when.
    leads_since: Time,
}

/// A leader that hands over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct UnderWay {
    pub(super) to: NodeId,
    pub(super) term: Term,
    pub(super) last: LogIndex,
    pub(super) since: Time,
    /// Whether the other has the higher priority.
    pub(super) is_preferred: bool,
    /// How long a preferred one must have kept up before.
    pub(super) patience: Option<Duration>,
}

/// What a hull says of handing over.
pub(super) fn under_way(hull: &Hull, now: Time) -> Option<UnderWay> {
    let to = hull.transferring_to()?;
    let members = &hull.configuration().members;
    let priority = |id: NodeId| members.get(&id).map(|member| member.priority);
    Some(UnderWay {
        is_preferred: priority(to) > priority(hull.me().id),
        patience: hull.settings().hand_over_after,
        to,
        term: hull.term(),
        last: hull.last().index,
        since: now,
    })
}

impl Timers {
    /// Somebody asks a node to hand over.
    pub(crate) fn asked_to_hand_over(&mut self, node: NodeId) {
        if let Some(course) = self.nodes.find_mut(&node) {
            course.transfers.asked = true;
        }
    }

    /// The rare states noticed since the last call.
    pub(crate) fn take_marks(&mut self) -> Vec<Marker> {
        let mut marks = self.leases.take_marks();
        let yields = std::mem::take(&mut self.yields);
        marks.extend((0..yields).map(|_| Marker::YieldedToPreferred));
        marks
    }
}

impl Transfers {
    /// Takes note of what the node is told in a step, also in the first after it started.
    pub(super) fn note(&mut self, step: &Step<'_>) {
        for passing in step.passings {
            let Passing::Taken(Talk { term, says, .. }) = passing else {
                continue;
            };
            match *says {
                Says::Heartbeat { round, .. } => self.heard = self.heard.max((*term, round)),
                // The word of a round that is over comes late: the leader may have led on since.
                Says::TimeoutNow { round, .. } if (*term, round) >= self.heard => {
                    self.told_in = self.told_in.max(Some(*term));
                }
                _ => {}
            }
        }
    }

    /// Looks at a step, after which the hull says `now` of handing over.
    pub(super) fn step(
        &mut self,
        was: Stand,
        step: &Step<'_>,
        now: Option<UnderWay>,
    ) -> Option<Wrong> {
        let held = self.holds_up(step, now);
        held.or_else(|| self.claims_a_wish(step))
            .or_else(|| ignores_a_wish(was, step))
    }

    /// Whether a leader begins in this step to hand over though nobody asked it to: only to one that is
    /// preferred to it, and not before that can have kept up for long enough.
    pub(super) fn yields(
        &mut self,
        was: Stand,
        step: &Step<'_>,
        now: Option<UnderWay>,
    ) -> Result<bool, Wrong> {
        let is = step.after;
        let led = was.role == Role::Leader && was.term == is.term;
        if is.role == Role::Leader && !led {
            self.leads_since = step.local;
        }
        let begins = |now: &UnderWay| self.under_way.is_none_or(|was| was.term != now.term);
        let Some(now) = now.filter(begins) else {
            return Ok(false);
        };
        if std::mem::take(&mut self.asked) {
            return Ok(false);
        }
        let led = step.local.since(self.leads_since);
        if now.is_preferred && now.patience.is_some_and(|patience| led >= patience) {
            return Ok(true);
        }
        let text = format!(
            "hands over to {}, though nobody asked it to: preferred is {}, it has led for {led:?}, and has \
             to wait for {:?}",
            now.to, now.is_preferred, now.patience
        );
        Err((property::LEADER_TRANSFER, text))
    }

    /// While it hands over a leader appends nothing, and after an election timeout it gives up.
    fn holds_up(&mut self, step: &Step<'_>, now: Option<UnderWay>) -> Option<Wrong> {
        let before = self
            .under_way
            .filter(|before| now.is_some_and(|now| (now.to, now.term) == (before.to, before.term)));
        let Some(before) = before else {
            self.under_way = now;
            return None;
        };
        if let Some(now) = now.filter(|now| now.last != before.last) {
            let text = format!(
                "hands over to {} and appended up to {}, beyond {}",
                before.to, now.last, before.last
            );
            return Some((property::LEADER_TRANSFER, text));
        }
        let lasts = step.local.since(before.since);
        let most = step.pace.election_timeout + step.pace.heartbeat_interval;
        (lasts > most && !step.after.stopped).then(|| {
            let text = format!(
                "has been handing over to {} for {lasts:?}, and takes no proposals still",
                before.to
            );
            (property::LEADER_TRANSFER, text)
        })
    }

    /// Who says that its leader wants it elected was told so, in the term before.
    fn claims_a_wish(&self, step: &Step<'_>) -> Option<Wrong> {
        let claimed = step.passings.iter().find_map(|passing| match passing {
            Passing::Sent(Talk {
                term,
                says: Says::RequestVote { transfer: true, .. },
                ..
            }) => Some(*term),
            _ => None,
        })?;
        let told = self.told_in.is_some_and(|told| told.next() == claimed);
        (!told).then(|| {
            let text = format!(
                "asks for votes in {claimed} by its leader's wish, though no leader of the term \
                 before told it to in a round that was not over"
            );
            (property::NEEDLESS_ELECTIONS, text)
        })
    }
}

/// Who is asked for its vote by its leader's wish takes over the term, whomever it hears.
fn ignores_a_wish(was: Stand, step: &Step<'_>) -> Option<Wrong> {
    let asked = step.passings.iter().find_map(|passing| match passing {
        Passing::Taken(Talk {
            peer,
            term,
            says: Says::RequestVote { transfer: true, .. },
        }) if *term > was.term => Some((*peer, *term)),
        _ => None,
    });
    let (peer, term) = asked?;
    (step.after.term < term && !step.after.stopped).then(|| {
        let text = format!(
            "was asked for its vote in {term} by {peer}, whose leader wants it, and stays in {}",
            step.after.term
        );
        (property::LEADER_TRANSFER, text)
    })
}

#[cfg(test)]
mod tests {

    use raft_core::ids::EntryId;

    use super::*;

    use crate::checkers::timers::plain::{self, stand};

    const OTHER: NodeId = NodeId::new(2);

    fn step(millis: u64, term: u64, passings: &[Passing]) -> Step<'_> {
        plain::step(NodeId::new(1), millis, stand(term), passings)
    }

    fn talk(term: u64, says: Says) -> Talk {
        Talk {
            peer: OTHER,
            term: Term::new(term),
            says,
        }
    }

    const ASKS: Says = Says::RequestVote {
        last: EntryId::ORIGIN,
        transfer: true,
    };
    const TAKE_OVER: Says = Says::TimeoutNow {
        round: 7,
        last: EntryId::ORIGIN,
    };

    #[test]
    fn who_hands_over_appends_nothing_and_comes_to_an_end() {
        let of = |last: u64, since: u64| UnderWay {
            to: OTHER,
            term: Term::new(5),
            last: LogIndex::new(last),
            since: Time::from_millis(since),
            is_preferred: false,
            patience: None,
        };
        let said = |steps: &[(u64, Option<u64>)]| {
            let mut transfers = Transfers::default();
            steps.iter().find_map(|(at, last)| {
                let now = last.map(|last| of(last, *at));
                transfers.step(stand(5), &step(*at, 5, &[]), now)
            })
        };
        assert_eq!(said(&[(0, Some(7)), (120, Some(7))]), None);
        assert!(said(&[(0, Some(7)), (121, Some(7))]).is_some());
        assert!(said(&[(0, Some(7)), (10, Some(8))]).is_some());
        assert_eq!(said(&[(0, Some(7)), (10, None), (20, Some(8))]), None);
        assert_eq!(said(&[(0, Some(7)), (100, None), (200, Some(7))]), None);
    }

    #[test]
    fn who_hands_over_unasked_does_so_to_a_preferred_one_that_had_time_to_keep_up() {
        let said = |asked: bool, is_preferred: bool, led: u64| {
            let leads = Stand {
                role: Role::Leader,
                ..stand(5)
            };
            let now = UnderWay {
                to: OTHER,
                term: Term::new(5),
                last: LogIndex::new(7),
                since: Time::from_millis(led),
                is_preferred,
                patience: Some(Duration::from_millis(300)),
            };
            let mut transfers = Transfers {
                asked,
                ..Transfers::default()
            };
            let step = |at| plain::step(NodeId::new(1), at, leads, &[]);
            assert_eq!(transfers.yields(stand(5), &step(100), None), Ok(false));
            let found = transfers.yields(leads, &step(100 + led), Some(now));
            transfers.step(leads, &step(100 + led), Some(now));
            let later = transfers.yields(leads, &step(101 + led), Some(now));
            assert_eq!(later, Ok(false), "it began before");
            found
        };
        assert_eq!(said(false, true, 300), Ok(true));
        assert!(said(false, true, 299).is_err());
        assert!(said(false, false, 300).is_err());
        assert_eq!(said(true, false, 0), Ok(false));
    }

    #[test]
    fn only_who_was_told_in_the_term_before_claims_its_leaders_wish() {
        let said = |told_in: u64| {
            let told = [Passing::Taken(talk(told_in, TAKE_OVER))];
            let asks = [Passing::Sent(talk(6, ASKS))];
            let mut transfers = Transfers::default();
            transfers.note(&step(0, 5, &told));
            transfers.step(stand(5), &step(1, 6, &asks), None)
        };
        assert_eq!(said(5), None);
        assert!(said(4).is_some());
    }

    #[test]
    fn the_word_of_a_round_that_is_over_counts_for_nothing() {
        let said = |rounds: &[(u64, u64)]| {
            let beat = |(term, round): &(u64, u64)| {
                let (commit, quiet) = (LogIndex::ZERO, false);
                let round = *round;
                Passing::Taken(talk(
                    *term,
                    Says::Heartbeat {
                        round,
                        commit,
                        quiet,
                    },
                ))
            };
            let mut told: Vec<Passing> = rounds.iter().map(beat).collect();
            told.push(Passing::Taken(talk(5, TAKE_OVER)));
            let asks = [Passing::Sent(talk(6, ASKS))];
            let mut transfers = Transfers::default();
            transfers.note(&step(0, 5, &told));
            transfers.step(stand(5), &step(1, 6, &asks), None)
        };
        assert_eq!(said(&[(5, 7)]), None);
        assert_eq!(said(&[(4, 9)]), None, "those were another leader's rounds");
        assert!(said(&[(5, 8)]).is_some());
    }

    #[test]
    fn who_is_asked_by_the_leaders_wish_takes_over_the_term() {
        let asked = [Passing::Taken(talk(6, ASKS))];
        let said = |term| Transfers::default().step(stand(5), &step(0, term, &asked), None);
        assert_eq!(said(6), None);
        assert!(said(5).is_some());
    }
}
