//! What holds of a hull at any instant, seen from outside: the commit index lies in the log, that
//! ends in no later term than the hull is in, a
//! leader's vote is its own, what a follower is sent next lies behind what it is known to hold,
//! what a hull takes to be durable on its own disk is what its log said, nothing is applied before it
//! is, no more is written at once than the settings allow, who speaks has made its boot durable, and
//! no more is sent than the settings allow.
//!
//! The hull asserts most of this itself. Here it is asked again, of its getters and of what spies
//! saw, so that nothing depends on the assertions being compiled in.

use raft_core::hull::Hull;
use raft_core::ids::{EntryId, LogIndex, NodeId, Term};
use raft_core::settings::Settings;
use raft_core::states::Role;

use super::timers::Wrong;
use super::{LogModel, Model, property, words};
use crate::spy::{Passing, Says, Talk};

/// Looks at a hull; what is wrong with it, if anything.
pub(crate) fn wrong(hull: &Hull, model: &Model) -> Option<Wrong> {
    if hull.fault().is_some() {
        return None;
    }
    let me = hull.me().id;
    let durable = hull.durable_index();
    let kept = durable >= hull.forgotten().index;
    let claimed = (durable, hull.term_at(durable));
    commit_outside(hull.commit_index(), hull.last())
        .or_else(|| term_behind(hull.term(), hull.last()))
        .or_else(|| vote_lost(hull.role(), hull.vote(), me))
        .or_else(|| {
            let own = model.node(me)?;
            let most = hull.settings().max_writes_in_flight;
            // While a snapshot takes the place of a log, what is durable lies before its beginning.
            overrated(claimed, &own.durable)
                .filter(|_| kept)
                .or_else(|| too_many_writes(own.writes_under_way(), most))
        })
        .or_else(|| {
            // What a snapshot stands for is durable with it.
            let stored = || hull.stored_snapshot().map(|stored| stored.id.last.index);
            applied_too_soon(hull.applied_index(), durable, stored)
        })
        .or_else(|| {
            if hull.role() != Role::Leader {
                return None;
            }
            let mut others = model.nodes().map(|(id, _)| id);
            others.find_map(|id| {
                let next = hull.next_index(id)?;
                out_of_order(id, hull.match_index(id)?, next, hull.last().index)
            })
        })
}

/// Whoever takes in one letter after the other and looks at neither disk nor clock meanwhile lets no
/// timer fire in a flood.
pub(crate) fn flooded(in_a_row: usize) -> Option<Wrong> {
    (in_a_row > MOST_IN_A_ROW).then(|| {
        let text = format!("took in {in_a_row} letters and looked neither at disk nor at clock");
        (property::LIVENESS, text)
    })
}

/// Looks at what a hull sent in a step, and what came of a snapshot that it received.
pub(crate) fn sent_wrongly(settings: &Settings, passings: &[Passing]) -> Option<Wrong> {
    let mut requests = 0;
    for passing in passings {
        match passing {
            Passing::NamedItself => {
                let text = "spoke before the number of this start was durable: after a crash, \
                            another start would have the same"
                    .to_owned();
                return Some((property::DURABILITY, text));
            }
            Passing::Garbled => {
                let text = "received all parts of a snapshot, and put together something else: no \
                            disk hands out what rotted, and no network changes what it carries"
                    .to_owned();
                return Some((property::STATE_MACHINE_SAFETY, text));
            }
            Passing::Sent(talk) => {
                let Some(load) = Load::of(talk) else {
                    continue;
                };
                requests += 1;
                if load.is_too_long(settings) {
                    let most = settings.max_append_bytes;
                    let text = format!(
                        "sent {} {load} in one request, of at most {most}",
                        talk.peer
                    );
                    return Some((property::IDLE, text));
                }
            }
            Passing::Taken(_) | Passing::ConnectionLost(_) | Passing::Read | Passing::Resumed => {}
        }
    }
    (requests > settings.max_appends_in_flight)
        .then(|| too_many_at_once(settings, passings))
        .flatten()
}

/// Only an answer makes room for another request that brings something.
fn too_many_at_once(settings: &Settings, passings: &[Passing]) -> Option<Wrong> {
    let sent_to = |passing: &Passing| match passing {
        Passing::Sent(talk) => Load::of(talk).map(|_| talk.peer),
        _ => None,
    };
    passings.iter().filter_map(sent_to).find_map(|peer| {
        // A copy sent right behind its original asks for nothing more.
        let copied = |place: usize| place > 0 && passings.get(place - 1) == passings.get(place);
        let sent = passings.iter().enumerate();
        let sent = sent.filter(|&(place, one)| sent_to(one) == Some(peer) && !copied(place));
        let heard = |one: &&Passing| match one {
            Passing::Taken(talk) => talk.peer == peer,
            Passing::ConnectionLost(lost) => *lost == peer,
            Passing::Sent(_)
            | Passing::Read
            | Passing::Resumed
            | Passing::Garbled
            | Passing::NamedItself => false,
        };
        let rounds = passings.iter().filter(heard).count() + 1;
        let (sent, most) = (sent.count(), rounds * settings.max_appends_in_flight);
        (sent > most).then(|| {
            let text = format!(
                "sent {peer} {sent} requests that bring something in one step; of answers that make \
                 room for more there were {}, and {} may be unanswered",
                rounds - 1,
                settings.max_appends_in_flight
            );
            (property::IDLE, text)
        })
    })
}

/// What a request brings, if it brings anything.
#[derive(Clone, Copy)]
enum Load {
    Entries { count: u64, bytes: usize },
    Part { bytes: usize },
}

impl Load {
    fn of(talk: &Talk) -> Option<Self> {
        match talk.says {
            Says::Append {
                previous,
                last,
                bytes,
                ..
            } if last.index > previous.index => {
                let count = last.index.get().saturating_sub(previous.index.get());
                Some(Self::Entries { count, bytes })
            }
            Says::Install { bytes, .. } if bytes > 0 => Some(Self::Part { bytes }),
            _ => None,
        }
    }

    /// A single entry may be longer than a request should be, or it would never go.
    const fn is_too_long(self, settings: &Settings) -> bool {
        match self {
            Self::Entries { count, bytes } => count > 1 && bytes > settings.max_append_bytes,
            Self::Part { bytes } => bytes > settings.max_append_bytes,
        }
    }
}

impl core::fmt::Display for Load {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Entries { count, bytes } => write!(f, "{count} entries of {bytes} bytes"),
            Self::Part { bytes } => write!(f, "{bytes} bytes of a snapshot"),
        }
    }
}

fn commit_outside(commit: LogIndex, last: EntryId) -> Option<Wrong> {
    (commit > last.index).then(|| {
        let text = format!("takes {commit} to be committed, but its log ends at {last}");
        (property::STATE_MACHINE_SAFETY, text)
    })
}

/// Others may have committed it; after a crash this node would know nothing of what it has shown.
fn applied_too_soon(
    applied: LogIndex,
    durable: LogIndex,
    stored: impl Fn() -> Option<LogIndex>,
) -> Option<Wrong> {
    (applied > durable && stored() < Some(applied)).then(|| {
        let text = format!("has applied {applied}, and only {durable} is durable on its own disk");
        (property::DURABILITY, text)
    })
}

fn too_many_writes(under_way: usize, most: usize) -> Option<Wrong> {
    (under_way > most).then(|| {
        let text = format!("has {under_way} writes under way, of at most {most}");
        (property::IDLE, text)
    })
}

/// Entries come from leaders, whose term is taken over with them.
fn term_behind(term: Term, last: EntryId) -> Option<Wrong> {
    (last.term > term).then(|| {
        let text = format!("is in {term}, but its log ends at {last}");
        (property::MONOTONIC, text)
    })
}

/// A leader has voted for itself, and must not give that vote away: another could win its term.
fn vote_lost(role: Role, vote: Option<NodeId>, me: NodeId) -> Option<Wrong> {
    (role == Role::Leader && vote != Some(me)).then(|| {
        let text = format!("leads, but has voted for {}", words::or(vote, "nobody"));
        (property::MONOTONIC, text)
    })
}

/// What a hull takes to be durable is that entry, as its log acknowledged it.
fn overrated((index, term): (LogIndex, Option<Term>), durable: &LogModel) -> Option<Wrong> {
    if index == LogIndex::ZERO {
        return None;
    }
    let known = durable.entry(index).map(|found| found.entry.id);
    let same = known.is_some_and(|known| Some(known.term) == term);
    (!same).then(|| {
        let (term, known) = (words::or(term, "no term"), words::or(known, "nothing"));
        let text = format!(
            "takes its log to be durable up to {index} of {term}, but its disk has {durable}, \
             there {known}"
        );
        (property::DURABILITY, text)
    })
}

/// What is sent next to a follower lies behind what it holds, and not beyond the log's end.
fn out_of_order(
    follower: NodeId,
    matched: LogIndex,
    next: LogIndex,
    last: LogIndex,
) -> Option<Wrong> {
    (next <= matched || next > last.next()).then(|| {
        let text = format!(
            "goes on sending {follower} from {next}, which is known to hold {matched}; \
             its own log ends at {last}"
        );
        (property::MONOTONIC, text)
    })
}

/// Letters in a row that are more than enough: several times what a driver takes in one turn.
const MOST_IN_A_ROW: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(index: u64) -> LogIndex {
        LogIndex::new(index)
    }

    fn property_of(wrong: Option<Wrong>) -> Option<&'static str> {
        wrong.map(|(property, _)| property)
    }

    #[test]
    fn the_commit_index_lies_in_the_log() {
        let last = EntryId::new(Term::new(2), at(7));
        assert_eq!(commit_outside(at(7), last), None);
        let wrong = commit_outside(at(8), last);
        assert_eq!(property_of(wrong), Some(property::STATE_MACHINE_SAFETY));
    }

    #[test]
    fn no_log_ends_in_a_term_that_its_node_has_not_reached() {
        let last = EntryId::new(Term::new(2), at(7));
        assert_eq!(term_behind(Term::new(2), last), None);
        let wrong = term_behind(Term::new(1), last);
        assert_eq!(property_of(wrong), Some(property::MONOTONIC));
    }

    #[test]
    fn nothing_is_applied_before_it_is_durable_here() {
        let said = |applied, stored: Option<u64>| {
            let wrong = applied_too_soon(at(applied), at(7), || stored.map(at));
            property_of(wrong)
        };
        assert_eq!(said(7, None), None);
        assert_eq!(said(8, None), Some(property::DURABILITY));
        assert_eq!(said(8, Some(7)), Some(property::DURABILITY));
        assert_eq!(said(8, Some(8)), None, "a snapshot stands for it");
    }

    #[test]
    fn no_more_is_written_at_once_than_may_be() {
        assert_eq!(too_many_writes(2, 2), None);
        assert_eq!(property_of(too_many_writes(3, 2)), Some(property::IDLE));
    }

    #[test]
    fn a_hull_takes_no_more_to_be_durable_than_its_log_said() {
        let empty = LogModel::default();
        assert_eq!(overrated((at(0), None), &empty), None);
        let wrong = overrated((at(1), Some(Term::new(1))), &empty);
        assert_eq!(property_of(wrong), Some(property::DURABILITY));
    }

    /// An append of this many entries and bytes to this node.
    fn append(peer: u64, entries: u64, bytes: usize) -> Passing {
        Passing::Sent(Talk {
            peer: NodeId::new(peer),
            term: Term::new(1),
            says: Says::Append {
                previous: EntryId::ORIGIN,
                last: EntryId::new(Term::new(1), at(entries)),
                commit: at(0),
                bytes,
                pinned: bytes,
            },
        })
    }

    #[test]
    fn nobody_speaks_before_its_boot_is_durable() {
        let settings = Settings::default();
        let wrong = sent_wrongly(&settings, &[Passing::NamedItself]);
        assert_eq!(property_of(wrong), Some(property::DURABILITY));
    }

    #[test]
    fn a_request_is_no_longer_than_the_settings_allow() {
        let settings = Settings {
            max_append_bytes: 100,
            ..Settings::default()
        };
        for (entries, bytes, verdict) in [
            (5, 100, None),
            (1, 101, None),
            (2, 101, Some(property::IDLE)),
        ] {
            let wrong = sent_wrongly(&settings, &[append(2, entries, bytes)]);
            assert_eq!(property_of(wrong), verdict, "{entries} of {bytes}");
        }
    }

    #[test]
    fn parts_of_a_snapshot_are_bounded() {
        let settings = Settings {
            max_append_bytes: 100,
            ..Settings::default()
        };
        for (bytes, verdict) in [(0, None), (100, None), (101, Some(property::IDLE))] {
            let wrong = sent_wrongly(&settings, &[part(0, bytes)]);
            assert_eq!(property_of(wrong), verdict, "{bytes} bytes");
        }
    }

    /// A part of a snapshot for node 2.
    fn part(offset: u64, bytes: usize) -> Passing {
        Passing::Sent(Talk {
            peer: NodeId::new(2),
            term: Term::new(1),
            says: Says::Install {
                last: EntryId::ORIGIN,
                offset,
                bytes,
            },
        })
    }

    const fn taken(says: Says) -> Passing {
        Passing::Taken(Talk {
            peer: NodeId::new(2),
            term: Term::new(1),
            says,
        })
    }

    #[test]
    fn no_more_parts_of_a_snapshot_go_out_at_once_than_may_be_unanswered() {
        let settings = Settings {
            max_appends_in_flight: 3,
            ..Settings::default()
        };
        let answer = taken(Says::InstallReply(None));
        let verdict = |passings: &[Passing]| property_of(sent_wrongly(&settings, passings));
        // What is there, and each message may be sent twice.
        let (one, two) = (part(0, 1), part(1, 1));
        assert_eq!(verdict(&[part(0, 0), one, one, two, two, answer]), None);
        let tiny = [part(0, 1), part(1, 1), part(2, 1), part(3, 1)];
        assert_eq!(verdict(&tiny), Some(property::IDLE));
        assert_eq!(verdict(&tiny[1..]), None);
    }

    #[test]
    fn what_is_put_together_is_what_was_sent() {
        let settings = Settings::default();
        assert_eq!(
            property_of(sent_wrongly(&settings, &[Passing::Resumed])),
            None
        );
        let wrong = sent_wrongly(&settings, &[part(0, 1), Passing::Garbled]);
        assert_eq!(property_of(wrong), Some(property::STATE_MACHINE_SAFETY));
    }

    #[test]
    fn no_more_requests_go_out_at_once_than_may_be_unanswered() {
        let settings = Settings {
            max_appends_in_flight: 2,
            ..Settings::default()
        };
        let answer = taken(Says::HeartbeatReply {
            round: Some(1),
            promise: std::time::Duration::ZERO,
        });
        let [one, other] = [append(2, 1, 9), append(3, 1, 9)];
        let verdict = |passings: &[Passing]| property_of(sent_wrongly(&settings, passings));
        assert_eq!(verdict(&[one, one, other, other]), None);
        assert_eq!(verdict(&[one, one, answer, one]), None);
        assert_eq!(verdict(&[one, append(2, 0, 0), one]), None);
        let [next, third] = [append(2, 2, 9), append(2, 3, 9)];
        assert_eq!(verdict(&[one, other, next, third]), Some(property::IDLE));
        // Each message may be sent twice: that is for the network to bear.
        assert_eq!(verdict(&[one, one, other, next, next]), None);
    }

    #[test]
    fn letters_in_a_row_are_bounded() {
        assert_eq!(flooded(MOST_IN_A_ROW), None);
        assert!(flooded(MOST_IN_A_ROW + 1).is_some());
    }

    #[test]
    fn a_leader_keeps_its_own_vote() {
        let me = NodeId::new(1);
        let of = |role, vote: Option<u64>| property_of(vote_lost(role, vote.map(NodeId::new), me));
        assert_eq!(of(Role::Leader, Some(1)), None);
        assert_eq!(of(Role::Follower, Some(2)), None);
        assert_eq!(of(Role::Leader, None), Some(property::MONOTONIC));
        assert_eq!(of(Role::Leader, Some(2)), Some(property::MONOTONIC));
    }

    #[test]
    fn what_is_sent_next_lies_behind_what_matches() {
        let of =
            |matched, next| property_of(out_of_order(NodeId::new(2), at(matched), at(next), at(9)));
        assert_eq!(of(4, 5), None);
        assert_eq!(of(4, 10), None);
        assert_eq!(of(4, 4), Some(property::MONOTONIC));
        assert_eq!(of(4, 11), Some(property::MONOTONIC));
    }
}
